"""Assignments over HTTP."""

from __future__ import annotations

import msgspec

from flatwater.contract import Created
from flatwater.paging import Page, PageLimit, PageRequest
from rightlevel.programme.assignments import (
    Assignment,
    NewAssignment,
    SchoolWithout,
    assigned_schools,
    create_assignment,
    create_assignments,
    end_assignment,
    end_assignments,
    list_assignments,
    schools_without,
)
from rightlevel.programme.permissions import May, Subject, require
from rightlevel.web.call import CLASS_BODY, Ask, ById, actor_of
from rightlevel.web.routes import Routes

routes = Routes("assignments")

MANY_S = 30.0
"""Five hundred assignments take about two seconds."""


class AssignmentSearch(msgspec.Struct, frozen=True):
    """Which assignments are asked for: those in force today, or with `active=false` all; or those of one `state`.

    A state is `in_force`, `to_come`, `current` (both of these) or `over`.
    """

    person_id: int | None = None
    school_id: int | None = None
    active: bool = True
    state: str | None = None


@routes.get("/api/v1/assignments", May("read", "assignment"))
async def list_all_assignments(call: Ask, *, query: AssignmentSearch, page: PageRequest) -> Page[Assignment]:
    """Who works where, in the order made."""
    return await list_assignments(
        call.session,
        actor_of(call),
        page,
        call.clock,
        person_id=query.person_id,
        school_id=query.school_id,
        state=query.state or ("in_force" if query.active else None),
    )


@routes.post("/api/v1/assignments", May("create", "assignment"))
async def create_one_assignment(call: Ask, *, body: NewAssignment) -> Created[Assignment]:
    """Assigns a mentor or teacher to a school and subject."""
    made = await create_assignment(call.session, actor_of(call), body, call.clock)
    return Created(made, f"/api/v1/assignments/{made.id}")


@routes.post("/api/v1/assignments/{id}/end", May("end", "assignment"))
async def end_one_assignment(call: Ask, *, path: ById) -> Assignment:
    """Ends an assignment, on the very next request everywhere."""
    return await end_assignment(call.session, actor_of(call), path.id, call.clock)


class AssignedSearch(msgspec.Struct, frozen=True):
    """Whose schools are asked for (one's own without `person_id`), in which subject, and the past ones too with `active_only=false`."""

    person_id: int | None = None
    subject: Subject | None = None
    active_only: bool = True


class AssignedSchools(msgspec.Struct, frozen=True):
    """The ids of schools, sorted."""

    school_ids: list[int]


@routes.get("/api/v1/assigned-schools", May("manage", "self"))
async def list_assigned_schools(call: Ask, *, query: AssignedSearch) -> AssignedSchools:
    """The schools assigned to oneself or, for whoever may read assignments, to somebody; at most 10,000."""
    actor = actor_of(call)
    if query.person_id not in (None, actor.person_id):
        require(actor, "read", "assignment")
    person_id = query.person_id or actor.person_id
    found = await assigned_schools(
        call.session, person_id, query.subject, query.active_only, scopes=call.app.scopes
    )
    return AssignedSchools(found)


class NewAssignments(msgspec.Struct, frozen=True):
    """Up to 500 assignments, made all or none."""

    assignments: list[NewAssignment]


class MadeAssignments(msgspec.Struct, frozen=True):
    """What was made, in the order sent."""

    assignments: list[Assignment]


class AssignmentIds(msgspec.Struct, frozen=True):
    """Up to 500 assignments to end."""

    assignment_ids: list[int]


class GapSearch(msgspec.Struct, frozen=True):
    """Who is lacking, in which subject, and below which place."""

    role: str = "teacher"
    subject: str = "language"
    place_id: int | None = None


@routes.post(
    "/api/v1/assignments/batch", May("create", "assignment"), deadline_s=MANY_S, body_bytes=CLASS_BODY
)
async def create_many_assignments(call: Ask, *, body: NewAssignments) -> MadeAssignments:
    """Makes up to 500 assignments in one transaction, all or none; the faults name their rows."""
    return MadeAssignments(
        await create_assignments(call.session, actor_of(call), body.assignments, call.clock)
    )


@routes.post("/api/v1/assignments/end", May("end", "assignment"))
async def end_many_assignments(call: Ask, *, body: AssignmentIds) -> AssignmentIds:
    """Ends up to 500 assignments at once; the answer names those that ran."""
    return AssignmentIds(await end_assignments(call.session, actor_of(call), body.assignment_ids, call.clock))


@routes.get("/api/v1/schools-without", May("read", "assignment"), page=PageLimit(50))
async def list_schools_without(call: Ask, *, query: GapSearch, page: PageRequest) -> Page[SchoolWithout]:
    """Open schools that lack a mentor or a teacher of a subject today."""
    return await schools_without(
        call.session,
        actor_of(call),
        page,
        call.clock,
        role=query.role,
        subject=query.subject,
        place_id=query.place_id,
    )
