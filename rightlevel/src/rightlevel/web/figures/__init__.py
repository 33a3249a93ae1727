"""Figures: rounds beside each other, indicators with their definitions, and down to the child."""

from __future__ import annotations

import msgspec

from flatwater.paging import PageLimit
from flatwater.transaction import Session
from rightlevel.programme import figures
from rightlevel.programme.figures.actions import By
from rightlevel.programme.permissions import Actor, May
from rightlevel.web.feature import Deeds
from rightlevel.web.figures import pages

BELOW = PageLimit(50)


class BreakdownQuery(figures.FigureQuery, frozen=True, kw_only=True):
    """Which children are meant, and by what they are told apart."""

    by: By


class Breakdown(msgspec.Struct, frozen=True):
    """The figures of each round, grade or sex, in order."""

    slices: list[figures.Slice]


async def _breakdown(session: Session, actor: Actor, asked: BreakdownQuery) -> list[figures.Slice]:
    """The same apart by rounds, grades or sexes."""
    return await figures.read_breakdown(session, actor, asked, by=asked.by)


routes = Deeds("figures", "figure")
routes.answers(
    "read_all_figures",
    "GET /api/v1/figures",
    figures.read_figures,
    figures.FigureQuery,
    says="Level distribution, indicators and coverage of one choice of children.",
)
routes.answers(
    "read_figures_apart", "GET /api/v1/figures/breakdown", _breakdown, BreakdownQuery, gives=Breakdown
)
routes.answers(
    "list_figures_below",
    "GET /api/v1/figures/below",
    figures.figures_below,
    figures.FigureQuery,
    page=BELOW,
    says="The same for each place and school below a place.",
)
routes.answers("list_moved_schools", "GET /api/v1/figures/moved", figures.moved_schools, figures.FigureQuery)
routes.answers(
    "list_children_behind",
    "GET /api/v1/figures/children",
    figures.children_behind,
    figures.BehindQuery,
    may=May("read", "student"),
    page=BELOW,
    says="The children of a school behind a figure.",
)
routes.include(pages.routes)
