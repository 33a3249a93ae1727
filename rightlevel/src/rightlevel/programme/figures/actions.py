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
from rightlevel.programme.figures.suppression import Detail, detail_of_all, details_below, withhold
from rightlevel.programme.permissions import Actor, Subject, require, sees_small_cells

By = Literal["rounds", "grades", "sexes"]
MOST_TOLD = 20
MOST_CELLS = 50_000
"""Cells read to tell which units below one place are told. Below a place with more, none is."""
OUTCOMES = ("assessed", "absent", "refused", "left", "missing")


async def read_figures(session: Session, actor: Actor, asked: FigureQuery) -> Figures:
    """The figures of one choice of children, of the actor's schools and subjects where those are all they reach.

    Those who may not see small cells get None where a number, or a subtraction, would tell of fewer than 10 children.

    *Errors*: Forbidden, OutOfScope, Invalid. *Cost*: one statement over counts, the same for 1,000 and 10,000,000 results; for those who may not
    see small cells two more, and one for each place on the way.
    """
    subject = _allowed(actor, asked)
    figures = figures_of(await store.read_counts(session, asked, subject, actor.scope), subject)
    if sees_small_cells(actor):
        return figures
    return withhold(figures, await _detail(session, asked, subject), grade=asked.grade, sex=asked.sex)


async def read_breakdown(session: Session, actor: Actor, asked: FigureQuery, *, by: By) -> list[Slice]:
    """The same apart by the rounds of the school year, by grade or by sex. *Cost*: one statement; small cells as in `read_figures`, of each round."""
    subject = _allowed(actor, asked)
    if by not in ("rounds", "grades", "sexes"):
        raise Invalid(faults=(Fault("by", "One of: rounds, grades, sexes", str(by)[:40]),))
    slices = await store.read_slices(session, asked, subject, actor.scope, by=by)
    return slices if sees_small_cells(actor) else await _told_apart(session, asked, subject, slices, by)


async def _told_apart(
    session: Session, asked: FigureQuery, subject: Subject, slices: list[Slice], by: By
) -> list[Slice]:
    told: list[Slice] = []
    detail = await _detail(session, asked, subject) if by != "rounds" else Detail.NOTHING
    for each in slices:
        grade, sex = asked.grade, asked.sex
        if by == "rounds":
            of_round = msgspec.structs.replace(asked, round_id=int(each.key))
            detail = await _detail(session, of_round, subject)
        elif by == "grades":
            grade = int(each.key)
        else:
            sex = int(each.key)
        told.append(
            msgspec.structs.replace(each, figures=withhold(each.figures, detail, grade=grade, sex=sex))
        )
    return told


async def figures_below(
    session: Session, actor: Actor, asked: FigureQuery, page: PageRequest
) -> Page[UnitFigures]:
    """The figures of each place and school that hangs on a place (or of the countries; for field staff, of their schools).

    *Cost*: one statement; a page of counts. Small cells as in `read_figures`.
    """
    subject = _allowed(actor, asked)
    found = await store.page_below(session, asked, subject, actor.scope, page)
    if sees_small_cells(actor):
        return found
    details = await _details_below(session, asked, subject)
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


async def _detail(session: Session, asked: FigureQuery, subject: Subject) -> Detail:
    """How far the asked place's or school's children are told apart in the round. *Cost*: a statement for each place on the way, and one."""
    way = [(False, place_id) for place_id in await store.way_to(session, asked)]
    if asked.school_id is not None:
        way.append((True, asked.school_id))
    elif asked.place_id is not None and not way:
        return Detail.NOTHING
    return await _detail_along(session, asked.round_id, subject, way)


async def _detail_along(
    session: Session, round_id: int, subject: Subject, way: list[tuple[bool, int]]
) -> Detail:
    family = await store.family_below(session, round_id, subject, None, rows=MOST_CELLS)
    detail = detail_of_all(family.whole, subject) if family else Detail.NOTHING
    for key in way:
        if family is None or detail is Detail.NOTHING:
            return Detail.NOTHING
        detail = details_below(family.whole, detail, family.units, subject).get(key, Detail.NOTHING)
        is_school, place_id = key
        if not is_school and key != way[-1]:
            family = await store.family_below(session, round_id, subject, place_id, rows=MOST_CELLS)
    return detail


async def _details_below(
    session: Session, asked: FigureQuery, subject: Subject
) -> dict[tuple[bool, int], Detail]:
    """How far each unit that hangs on a place is told apart, or each country."""
    detail = await _detail(session, msgspec.structs.replace(asked, school_id=None), subject)
    family = await store.family_below(session, asked.round_id, subject, asked.place_id, rows=MOST_CELLS)
    return details_below(family.whole, detail, family.units, subject) if family else {}


async def moved_schools(session: Session, actor: Actor, asked: FigureQuery) -> MovedSchools:
    """The schools that a round counts elsewhere than where they stand today, the first twenty. *Cost*: one statement."""
    subject = _allowed(actor, asked)
    return await store.moved_schools(session, asked, subject, actor.scope, rows=MOST_TOLD)


async def children_behind(
    session: Session, actor: Actor, asked: BehindQuery, page: PageRequest
) -> Page[ChildBehind]:
    """The children of a school behind a figure, for those who may see children. *Errors*: Forbidden, OutOfScope. *Cost*: one statement."""
    require(actor, "read", "student")
    subject = _subject(asked.subject)
    if asked.outcome is not None and asked.outcome not in OUTCOMES:
        raise Invalid(faults=(Fault("outcome", f"One of: {', '.join(OUTCOMES)}", asked.outcome[:60]),))
    if not actor.scope.is_everything and subject not in actor.scope.subjects(asked.school_id):
        raise OutOfScope
    return await store.page_of_children(session, asked, subject, actor.scope, page)


def _allowed(actor: Actor, asked: FigureQuery) -> Subject:
    require(actor, "read", "figure")
    subject = _subject(asked.subject)
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


def _subject(text: str) -> Subject:
    if text == "language":
        return "language"
    if text == "math":
        return "math"
    raise Invalid(faults=(Fault("subject", "One of: language, math", text[:60]),))
