"""What is asked of figures: one choice of children, the same apart by round, grade or sex, what lies below, who stands behind."""

from __future__ import annotations

from typing import Literal

import msgspec

from flatwater.paging import Page, PageRequest
from flatwater.transaction import Session
from rightlevel.programme.errors import Fault, Invalid, OutOfScope
from rightlevel.programme.figures import store
from rightlevel.programme.figures.model import (
    BOUNDARIES,
    BehindQuery,
    ChildBehind,
    FigureQuery,
    Figures,
    MovedSchools,
    Slice,
    UnitFigures,
    figures_of,
)
from rightlevel.programme.figures.store import Family
from rightlevel.programme.figures.suppression import Detail, detail_of_all, details_below, withhold
from rightlevel.programme.levels import scale_of_round
from rightlevel.programme.permissions import Actor, Subject, require, sees_small_cells

By = Literal["rounds", "grades", "sexes"]
MOST_TOLD = 20
MOST_CELLS = 50_000
"""Cells read to tell which units below one place are told. Below a place with more, none is."""
OUTCOMES = ("assessed", "absent", "refused", "left", "missing")


async def read_figures(
    session: Session, actor: Actor, asked: FigureQuery, *, telling: Telling | None = None
) -> Figures:
    """The figures of one choice of children, of the actor's schools and subjects where those are all they reach.

    Those who may not see small cells get None where a number, or a subtraction, would tell of fewer than 10 children.

    *Errors*: Forbidden, OutOfScope, Invalid. *Cost*: one statement over counts, the same for 1,000 and 10,000,000 results; for those who may not
    see small cells two more, and one for each place on the way.
    """
    subject = _allowed(actor, asked)
    counts = await store.read_counts(session, asked, subject, actor.scope)
    figures = figures_of(counts, subject, scale_of_round(asked.round_id, subject))
    if sees_small_cells(actor):
        return figures
    detail = await (telling or Telling(session)).detail(asked, subject)
    return withhold(figures, detail, grade=asked.grade, sex=asked.sex)


async def read_breakdown(
    session: Session, actor: Actor, asked: FigureQuery, *, by: By, telling: Telling | None = None
) -> list[Slice]:
    """The same apart by the rounds of the school year, by grade or by sex. *Cost*: one statement; small cells as in `read_figures`, of each round."""
    subject = _allowed(actor, asked)
    if by not in ("rounds", "grades", "sexes"):
        raise Invalid(faults=(Fault("by", "One of: rounds, grades, sexes", str(by)[:40]),))
    slices = await store.read_slices(session, asked, subject, actor.scope, by=by)
    if sees_small_cells(actor):
        return slices
    return await _told_apart(telling or Telling(session), asked, subject, slices, by)


async def _told_apart(
    telling: Telling, asked: FigureQuery, subject: Subject, slices: list[Slice], by: By
) -> list[Slice]:
    told: list[Slice] = []
    detail = await telling.detail(asked, subject) if by != "rounds" else Detail.NOTHING
    for each in slices:
        grade, sex = asked.grade, asked.sex
        if by == "rounds":
            of_round = msgspec.structs.replace(asked, round_id=int(each.key))
            detail = await telling.detail(of_round, subject)
        elif by == "grades":
            grade = int(each.key)
        else:
            sex = int(each.key)
        told.append(
            msgspec.structs.replace(each, figures=withhold(each.figures, detail, grade=grade, sex=sex))
        )
    return told


async def figures_below(
    session: Session,
    actor: Actor,
    asked: FigureQuery,
    page: PageRequest,
    *,
    telling: Telling | None = None,
) -> Page[UnitFigures]:
    """The figures of each place and school that hangs on a place (or of the countries; for field staff, of their schools).

    *Cost*: one statement; a page of counts. Small cells as in `read_figures`.
    """
    subject = _allowed(actor, asked)
    found = await store.page_below(session, asked, subject, actor.scope, page)
    if sees_small_cells(actor):
        return found
    details = await (telling or Telling(session)).details_below(asked, subject)
    told = [
        msgspec.structs.replace(
            each,
            figures=withhold(
                each.figures,
                details.get((each.is_school, each.id), Detail.NOTHING),
                grade=asked.grade,
                sex=asked.sex,
            ),
        )
        for each in found.items
    ]
    return Page(told, found.next)


class Telling:
    """How much one look tells somebody who may not see small cells; what several of its figures need is read once.

    It holds the counts below the places on the way to what was asked last (each at most `MOST_CELLS` rows), of one round.
    """

    def __init__(self, session: Session) -> None:
        self._session = session
        self._of: tuple[int, Subject] | None = None
        self._families: dict[int | None, Family | None] = {}
        self._ways: dict[tuple[int | None, int | None], list[tuple[bool, int]] | None] = {}

    async def detail(self, asked: FigureQuery, subject: Subject) -> Detail:
        """How far the asked place's or school's children are told apart in the round.

        *Cost*: the first time a statement for each place on the way, and one.
        """
        way = await self.way(asked)
        if way is None:
            return Detail.NOTHING
        family = await self.family(asked.round_id, subject, None)
        scale = scale_of_round(asked.round_id, subject)
        detail = detail_of_all(family.whole, scale) if family else Detail.NOTHING
        for key in way:
            if family is None or detail is Detail.NOTHING:
                return Detail.NOTHING
            detail = details_below(family.whole, detail, family.units, scale).get(key, Detail.NOTHING)
            is_school, place_id = key
            if not is_school and key != way[-1]:
                family = await self.family(asked.round_id, subject, place_id)
        return detail

    async def details_below(self, asked: FigureQuery, subject: Subject) -> dict[tuple[bool, int], Detail]:
        """How far each unit that hangs on a place is told apart, or each country."""
        detail = await self.detail(msgspec.structs.replace(asked, school_id=None), subject)
        family = await self.family(asked.round_id, subject, asked.place_id)
        scale = scale_of_round(asked.round_id, subject)
        return details_below(family.whole, detail, family.units, scale) if family else {}

    async def way(self, asked: FigureQuery) -> list[tuple[bool, int]] | None:
        """The places down to what was asked, and the school; None for what isn't there."""
        key = (asked.place_id, asked.school_id)
        if key not in self._ways:
            way = [(False, place_id) for place_id in await store.way_to(self._session, asked)]
            if asked.school_id is not None:
                way.append((True, asked.school_id))
            self._ways[key] = way if way or asked.place_id is None else None
        return self._ways[key]

    async def family(self, round_id: int, subject: Subject, place_id: int | None) -> Family | None:
        """The counts of what hangs on a place in a round, or None where they are too many. *Cost*: a statement, the first time."""
        if self._of != (round_id, subject):
            self._of = (round_id, subject)
            self._families.clear()
        if place_id not in self._families:
            self._families[place_id] = await store.family_below(
                self._session, round_id, subject, place_id, rows=MOST_CELLS
            )
        return self._families[place_id]


async def moved_schools(session: Session, actor: Actor, asked: FigureQuery) -> MovedSchools:
    """The schools that a round counts elsewhere than where they stand today, the first twenty. *Cost*: one statement."""
    subject = _allowed(actor, asked)
    return await store.moved_schools(session, asked, subject, actor.scope, rows=MOST_TOLD)


async def children_behind(
    session: Session, actor: Actor, asked: BehindQuery, page: PageRequest
) -> Page[ChildBehind]:
    """The children of a school behind a figure, for those who may see children. *Errors*: Forbidden, OutOfScope. *Cost*: one statement."""
    require(actor, "read", "student")
    subject = subject_asked(asked.subject)
    if asked.outcome is not None and asked.outcome not in OUTCOMES:
        raise Invalid(faults=(Fault("outcome", f"One of: {', '.join(OUTCOMES)}", asked.outcome[:60]),))
    if not actor.scope.is_everything and subject not in actor.scope.subjects(asked.school_id):
        raise OutOfScope
    return await store.page_of_children(session, actor, asked, subject, page)


def _allowed(actor: Actor, asked: FigureQuery) -> Subject:
    require(actor, "read", "figure")
    subject = subject_asked(asked.subject)
    if asked.boundaries not in BOUNDARIES:
        raise Invalid(faults=(Fault("boundaries", "One of: then, today", asked.boundaries[:60]),))
    if asked.boundaries != "then" and not sees_small_cells(actor):
        raise Invalid(
            faults=(
                Fault("boundaries", "Only: then (what lies between would tell of single schools)", "today"),
            )
        )
    if (
        asked.school_id is not None
        and not actor.scope.is_everything
        and subject not in actor.scope.subjects(asked.school_id)
    ):
        raise OutOfScope
    return subject


def subject_asked(text: str) -> Subject:
    """The subject that is meant. *Errors*: Invalid."""
    if text == "language":
        return "language"
    if text == "math":
        return "math"
    raise Invalid(faults=(Fault("subject", "One of: language, math", text[:60]),))
