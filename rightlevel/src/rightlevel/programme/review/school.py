"""One school on one page: roll, tested, levels by round, the same children, attendance, last visits, open actions."""

from __future__ import annotations

from datetime import date
from typing import Final

import msgspec

from flatwater.clock import Clock, today
from flatwater.paging import PageRequest
from flatwater.transaction import Session
from rightlevel.programme.errors import OutOfScope
from rightlevel.programme.figures import FigureQuery, Figures, Slice, read_breakdown, read_figures
from rightlevel.programme.movement import Movement, MovementQuery, read_movement
from rightlevel.programme.permissions import Actor, Subject, require
from rightlevel.programme.rounds import read_round
from rightlevel.programme.schools import read_school
from rightlevel.programme.teaching import dose_of_groups
from rightlevel.programme.visits import FollowUp, VisitRow, VisitSearch, list_follow_ups, list_visits

LAST_VISITS: Final = PageRequest(5)
ACTIONS: Final = PageRequest(20)


class OverviewQuery(msgspec.Struct, frozen=True):
    """In which round; `earlier_round_id` is what the same children are compared with, where there is one."""

    round_id: int
    earlier_round_id: int | None = None


class SubjectOverview(msgspec.Struct, frozen=True):
    """One subject: the round's figures, the year's rounds, the same children, and lessons: how many were held, and of children marked who came."""

    subject: Subject
    figures: Figures
    rounds: list[Slice]
    movement: Movement | None
    sessions: int
    attended: int
    marked: int


class SchoolOverview(msgspec.Struct, frozen=True):
    """A school as of a day, in the subjects that the reader holds there."""

    school_name: str
    as_of: date
    subjects: list[SubjectOverview]
    visits: list[VisitRow]
    actions: list[FollowUp]


async def read_school_overview(
    session: Session, actor: Actor, school_id: int, asked: OverviewQuery, clock: Clock
) -> SchoolOverview:
    """What is known of a school, on one page. Each number is what its own page says.

    *Errors*: Forbidden, OutOfScope, NotFound. *Cost*: some 20 statements over the school's counts and groups.
    """
    require(actor, "read", "visit")
    if not actor.scope.reaches_school(school_id):
        raise OutOfScope
    school = await read_school(session, actor, school_id)
    await read_round(session, actor, asked.round_id)
    visits = await list_visits(
        session, actor, LAST_VISITS, clock, VisitSearch(state="submitted", school_id=school_id)
    )
    actions = await list_follow_ups(session, actor, ACTIONS, clock, school_id=school_id)
    return SchoolOverview(
        school_name=school.name_local,
        as_of=today(clock),
        subjects=[
            await _of_subject(session, actor, school_id, asked, subject)
            for subject in actor.scope.subjects(school_id)
        ],
        visits=visits.items,
        actions=actions.items,
    )


async def _of_subject(
    session: Session, actor: Actor, school_id: int, asked: OverviewQuery, subject: Subject
) -> SubjectOverview:
    here = FigureQuery(asked.round_id, subject, school_id=school_id)
    movement = None
    if asked.earlier_round_id is not None:
        two = MovementQuery(
            asked.earlier_round_id, subject, school_id=school_id, later_round_id=asked.round_id
        )
        movement = await read_movement(session, actor, two)
    doses = await dose_of_groups(session, actor, school_id, subject)
    return SubjectOverview(
        subject=subject,
        figures=await read_figures(session, actor, here),
        rounds=await read_breakdown(session, actor, here, by="rounds"),
        movement=movement,
        sessions=sum(each.sessions for each in doses),
        attended=sum(each.attended for each in doses),
        marked=sum(each.marked for each in doses),
    )
