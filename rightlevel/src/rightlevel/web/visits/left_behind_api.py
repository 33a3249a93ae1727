"""Drafts and plans that mentors left behind, over HTTP."""

from __future__ import annotations

from flatwater.paging import Page, PageLimit, PageRequest
from rightlevel.programme.permissions import May
from rightlevel.programme.visits import (
    HandOver,
    LeftBehind,
    PlannedVisit,
    Visit,
    hand_over_planned_visit,
    hand_over_visit,
    list_left_behind,
)
from rightlevel.web.call import Ask, ByUuid, actor_of
from rightlevel.web.routes import Routes

routes = Routes("visits")


@routes.get("/api/v1/left-behind", May("plan", "visit"), page=PageLimit(50))
async def list_all_left_behind(call: Ask, *, page: PageRequest) -> Page[LeftBehind]:
    """Drafts and plans whose mentor does not work there any more: for leaders all, for a mentor those at the schools they hold."""
    return await list_left_behind(call.session, actor_of(call), page, call.clock)


@routes.post("/api/v1/visits/{id}/hand-over", May("plan", "visit"))
async def hand_over_one_visit(call: Ask, *, path: ByUuid, body: HandOver) -> Visit:
    """Gives a draft to a mentor of its school; a mentor takes over one that was left there."""
    return await hand_over_visit(call.session, actor_of(call), path.id, body, call.clock)


@routes.post("/api/v1/planned-visits/{id}/hand-over", May("plan", "visit"))
async def hand_over_one_planned(call: Ask, *, path: ByUuid, body: HandOver) -> PlannedVisit:
    """Gives a planned visit to a mentor of its school; a mentor takes over one that was left there."""
    return await hand_over_planned_visit(call.session, actor_of(call), path.id, body, call.clock)
