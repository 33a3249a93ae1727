"""What is asked of figures: one choice of children, the same apart by round, grade or sex, what lies below, who stands behind."""

from __future__ import annotations

from typing import Literal

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
from rightlevel.programme.permissions import Actor, Subject, require

By = Literal["rounds", "grades", "sexes"]
MOST_TOLD = 20
OUTCOMES = ("assessed", "absent", "refused", "left", "missing")


async def read_figures(session: Session, actor: Actor, asked: FigureQuery) -> Figures:
    """The figures of one choice of children, of the actor's schools and subjects where those are all they reach.

    *Errors*: Forbidden, OutOfScope, Invalid. *Cost*: one statement over counts, the same for 1,000 and 10,000,000 results.
    """
    subject = _allowed(actor, asked)
    return figures_of(await store.read_counts(session, asked, subject, actor.scope), subject)


async def read_breakdown(session: Session, actor: Actor, asked: FigureQuery, *, by: By) -> list[Slice]:
    """The same apart by the rounds of the school year, by grade or by sex. *Cost*: one statement."""
    subject = _allowed(actor, asked)
    if by not in ("rounds", "grades", "sexes"):
        raise Invalid(faults=(Fault("by", "One of: rounds, grades, sexes", str(by)[:40]),))
    return await store.read_slices(session, asked, subject, actor.scope, by=by)


async def figures_below(
    session: Session, actor: Actor, asked: FigureQuery, page: PageRequest
) -> Page[UnitFigures]:
    """The figures of each place and school that hangs on a place (or of the countries; for field staff, of their schools).

    *Cost*: one statement; a page of counts.
    """
    subject = _allowed(actor, asked)
    return await store.page_below(session, asked, subject, actor.scope, page)


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
