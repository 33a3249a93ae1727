"""Drafts and plans that mentors left behind, over HTTP."""

from __future__ import annotations

from flatwater.contract import Registry
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
from rightlevel.web.call import READ_S, READS, SMALL_BODY, WRITE_S, WRITES, Ask, ByUuid, actor_of

routes = Registry()


@routes.endpoint(
    "GET",
    "/api/v1/left-behind",
    who=May("plan", "visit"),
    rate=READS,
    deadline_s=READ_S,
    work="read",
    page=PageLimit(50),
    tags=("visits",),
)
async def list_all_left_behind(call: Ask, *, page: PageRequest) -> Page[LeftBehind]:
    """Drafts and plans whose mentor does not work there any more: for leaders all, for a mentor those at the schools they hold."""
    return await list_left_behind(call.session, actor_of(call), page, call.clock)


@routes.endpoint(
    "POST",
    "/api/v1/visits/{id}/hand-over",
    who=May("plan", "visit"),
    rate=WRITES,
    deadline_s=WRITE_S,
    work="write",
    body_bytes=SMALL_BODY,
    tags=("visits",),
)
async def hand_over_one_visit(call: Ask, *, path: ByUuid, body: HandOver) -> Visit:
    """Gives a draft to a mentor of its school; a mentor takes over one that was left there."""
    return await hand_over_visit(call.session, actor_of(call), path.id, body, call.clock)


@routes.endpoint(
    "POST",
    "/api/v1/planned-visits/{id}/hand-over",
    who=May("plan", "visit"),
    rate=WRITES,
    deadline_s=WRITE_S,
    work="write",
    body_bytes=SMALL_BODY,
    tags=("visits",),
)
async def hand_over_one_planned(call: Ask, *, path: ByUuid, body: HandOver) -> PlannedVisit:
    """Gives a planned visit to a mentor of its school; a mentor takes over one that was left there."""
    return await hand_over_planned_visit(call.session, actor_of(call), path.id, body, call.clock)
