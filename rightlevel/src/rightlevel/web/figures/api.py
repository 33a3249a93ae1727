"""Figures over HTTP."""

from __future__ import annotations

import msgspec

from flatwater.paging import Page, PageLimit, PageRequest
from rightlevel.programme.figures import (
    BehindQuery,
    ChildBehind,
    FigureQuery,
    Figures,
    MovedSchools,
    Slice,
    UnitFigures,
    children_behind,
    figures_below,
    moved_schools,
    read_breakdown,
    read_figures,
)
from rightlevel.programme.figures.actions import By
from rightlevel.programme.permissions import May
from rightlevel.web.call import Ask, actor_of
from rightlevel.web.routes import Routes

routes = Routes("figures")


class BreakdownQuery(FigureQuery, frozen=True, kw_only=True):
    """Which children are meant, and by what they are told apart."""

    by: By


class Breakdown(msgspec.Struct, frozen=True):
    """The figures of each round, grade or sex, in order."""

    slices: list[Slice]


@routes.get("/api/v1/figures", May("read", "figure"))
async def read_all_figures(call: Ask, *, query: FigureQuery) -> Figures:
    """Level distribution, indicators and coverage of one choice of children."""
    return await read_figures(call.session, actor_of(call), query)


@routes.get("/api/v1/figures/breakdown", May("read", "figure"))
async def read_figures_apart(call: Ask, *, query: BreakdownQuery) -> Breakdown:
    """The same apart by rounds, grades or sexes."""
    return Breakdown(await read_breakdown(call.session, actor_of(call), query, by=query.by))


@routes.get("/api/v1/figures/below", May("read", "figure"), page=PageLimit(50))
async def list_figures_below(call: Ask, *, query: FigureQuery, page: PageRequest) -> Page[UnitFigures]:
    """The same for each place and school below a place."""
    return await figures_below(call.session, actor_of(call), query, page)


@routes.get("/api/v1/figures/moved", May("read", "figure"))
async def list_moved_schools(call: Ask, *, query: FigureQuery) -> MovedSchools:
    """The schools that a round counts elsewhere than where they stand today: how many, and the first twenty."""
    return await moved_schools(call.session, actor_of(call), query)


@routes.get("/api/v1/figures/children", May("read", "student"), page=PageLimit(50))
async def list_children_behind(call: Ask, *, query: BehindQuery, page: PageRequest) -> Page[ChildBehind]:
    """The children of a school behind a figure."""
    return await children_behind(call.session, actor_of(call), query, page)
