"""Puts a district's pack together from what each figure's own room says, so that no number of it is another than on its page."""

from __future__ import annotations

from datetime import date
from typing import Any, Final

import msgspec

from flatwater.clock import Clock, today
from flatwater.paging import PageRequest
from flatwater.transaction import Session
from rightlevel.programme.comparison import ComparisonQuery, compare
from rightlevel.programme.figures import FigureQuery, read_breakdown, read_figures
from rightlevel.programme.movement import MovementQuery, read_movement
from rightlevel.programme.permissions import SUBJECTS, Actor, Subject, require
from rightlevel.programme.places import read_place
from rightlevel.programme.review.model import ReviewPack, ReviewQuery, ReviewSubject
from rightlevel.programme.rounds import read_round
from rightlevel.programme.verification import read_agreement
from rightlevel.programme.visits import list_follow_ups, visits_per_school_month

MOST_ACTIONS: Final = 60
"""Two pages of them."""
MONTHS: Final = 6
HEADLINES: Final[dict[Subject, str]] = {"language": "reads_story", "math": "does_division"}


async def read_review_pack(session: Session, actor: Actor, asked: ReviewQuery, clock: Clock) -> ReviewPack:
    """What a meeting of a place needs. Each number is what its own page says.

    *Errors*: Forbidden, NotFound, Invalid. *Cost*: some 30 statements over counts; at most 1,000 units below the place, 60 actions.
    """
    require(actor, "read", "review_pack")
    place = await read_place(session, actor, asked.place_id)
    await read_round(session, actor, asked.round_id)
    day = today(clock)
    actions = await list_follow_ups(
        session, actor, PageRequest(MOST_ACTIONS), clock, place_id=asked.place_id, counts_practice=False
    )
    months = await visits_per_school_month(
        session, actor, from_on=_months_before(day, MONTHS - 1), to_on=day, place_id=asked.place_id
    )
    return ReviewPack(
        place_name=place.name_local,
        as_of=day,
        actions=actions.items,
        has_more_actions=actions.next is not None,
        overdue=sum(each.due_on < day for each in actions.items),
        months=months,
        subjects=[await _of_subject(session, actor, asked, subject) for subject in SUBJECTS],
    )


async def _of_subject(session: Session, actor: Actor, asked: ReviewQuery, subject: Subject) -> ReviewSubject:
    figures = FigureQuery(asked.round_id, subject, place_id=asked.place_id)
    here: dict[str, Any] = msgspec.structs.asdict(figures)
    movement = improved = None
    if asked.earlier_round_id is not None:
        two: dict[str, Any] = here | {"round_id": asked.earlier_round_id, "later_round_id": asked.round_id}
        movement = await read_movement(session, actor, MovementQuery(**two))
        improved = await compare(session, actor, ComparisonQuery(**two, measure="improved"))
    agreement = await read_agreement(
        session, actor, round_id=asked.round_id, subject=subject, place_id=asked.place_id
    )
    return ReviewSubject(
        subject=subject,
        figures=await read_figures(session, actor, figures),
        rounds=await read_breakdown(session, actor, figures, by="rounds"),
        movement=movement,
        coverage=await compare(session, actor, ComparisonQuery(**here, measure="coverage")),
        headline=await compare(session, actor, ComparisonQuery(**here, measure=HEADLINES[subject])),
        improved=improved,
        agreement=agreement[0].agreement if agreement else None,
    )


def _months_before(day: date, months: int) -> date:
    """The first day of the month so many months before a day's."""
    number = day.year * 12 + day.month - 1 - months
    return date(max(number // 12, 1), number % 12 + 1, 1)
