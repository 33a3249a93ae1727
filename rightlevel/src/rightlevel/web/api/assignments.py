"""Assignments over HTTP."""

from __future__ import annotations

import msgspec

from flatwater.contract import Created, Registry
from flatwater.paging import Page, PageLimit, PageRequest
from rightlevel.programme.assignments import (
    Assignment,
    NewAssignment,
    create_assignment,
    end_assignment,
    list_assignments,
)
from rightlevel.programme.permissions import May
from rightlevel.web.call import READ_S, READS, SMALL_BODY, WRITE_S, WRITES, Ask, ById, actor_of

routes = Registry()


class AssignmentSearch(msgspec.Struct, frozen=True):
    """Which assignments are asked for; the ended ones too with `active=false`."""

    person_id: int | None = None
    school_id: int | None = None
    active: bool = True


@routes.endpoint(
    "GET", "/api/v1/assignments", who=May("read", "assignment"), rate=READS, deadline_s=READ_S, work="read", page=PageLimit(),
    tags=("assignments",),
)  # fmt: skip
async def list_all_assignments(call: Ask, *, query: AssignmentSearch, page: PageRequest) -> Page[Assignment]:
    """Who works where, in the order made."""
    return await list_assignments(
        call.session,
        actor_of(call),
        page,
        person_id=query.person_id,
        school_id=query.school_id,
        active=query.active,
    )


@routes.endpoint(
    "POST", "/api/v1/assignments", who=May("create", "assignment"), rate=WRITES, deadline_s=WRITE_S, work="write",
    body_bytes=SMALL_BODY, tags=("assignments",), statuses={201: "made"},
)  # fmt: skip
async def create_one_assignment(call: Ask, *, body: NewAssignment) -> Created:
    """Assigns a mentor or teacher to a school and subject."""
    made = await create_assignment(call.session, actor_of(call), body, call.clock)
    return Created(made, f"/api/v1/assignments/{made.id}")


@routes.endpoint(
    "POST", "/api/v1/assignments/{id}/end", who=May("end", "assignment"), rate=WRITES, deadline_s=WRITE_S, work="write",
    tags=("assignments",),
)  # fmt: skip
async def end_one_assignment(call: Ask, *, path: ById) -> Assignment:
    """Ends an assignment, on the very next request everywhere."""
    return await end_assignment(call.session, actor_of(call), path.id, call.clock)
