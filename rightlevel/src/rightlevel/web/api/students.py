"""Children over HTTP."""

from __future__ import annotations

from datetime import date

import msgspec

from flatwater.contract import Created, Registry
from flatwater.paging import Page, PageLimit, PageRequest
from rightlevel.programme.permissions import May
from rightlevel.programme.students import (
    NewStudent,
    PastEnrolment,
    RecordChange,
    Student,
    StudentChange,
    StudentRow,
    StudentSearch,
    change_student,
    create_student,
    delete_student,
    list_past_enrolments,
    list_record_changes,
    list_students,
    mark_left,
    mark_returned,
    read_student,
    restore_student,
)
from rightlevel.web.call import READ_S, READS, SMALL_BODY, WRITE_S, WRITES, Ask, ByUuid, Deletion, actor_of

routes = Registry()


class Leaving(msgspec.Struct, frozen=True):
    """When and why a child left."""

    version: int
    left_on: date
    reason: str


class Returning(msgspec.Struct, frozen=True):
    """Which version of the record is meant."""

    version: int


@routes.endpoint(
    "GET",
    "/api/v1/students",
    who=May("read", "student"),
    rate=READS,
    deadline_s=READ_S,
    work="read",
    page=PageLimit(),
    tags=("students",),
)
async def list_all_students(call: Ask, *, query: StudentSearch, page: PageRequest) -> Page[StudentRow]:
    """Children by name, within the asker's schools and classes."""
    return await list_students(call.session, actor_of(call), page, query)


@routes.endpoint(
    "POST",
    "/api/v1/students",
    who=May("create", "student"),
    rate=WRITES,
    deadline_s=WRITE_S,
    work="write",
    body_bytes=SMALL_BODY,
    tags=("students",),
    statuses={201: "enrolled"},
)
async def create_one_student(call: Ask, *, body: NewStudent) -> Created[Student]:
    """Enrols a child."""
    made = await create_student(call.session, actor_of(call), body, call.clock)
    return Created(made, f"/api/v1/students/{made.id}")


@routes.endpoint(
    "GET",
    "/api/v1/students/{id}",
    who=May("read", "student"),
    rate=READS,
    deadline_s=READ_S,
    work="read",
    tags=("students",),
)
async def read_one_student(call: Ask, *, path: ByUuid) -> Student:
    """One child."""
    return await read_student(call.session, actor_of(call), path.id)


@routes.endpoint(
    "PATCH",
    "/api/v1/students/{id}",
    who=May("change", "student"),
    rate=WRITES,
    deadline_s=WRITE_S,
    work="write",
    body_bytes=SMALL_BODY,
    tags=("students",),
)
async def change_one_student(call: Ask, *, path: ByUuid, body: StudentChange) -> Student:
    """Corrects a child's record where it stands; a stale version gets 409 with both, another school or year 422 `move_needed`."""
    return await change_student(call.session, actor_of(call), path.id, body, call.clock)


@routes.endpoint(
    "POST",
    "/api/v1/students/{id}/leave",
    who=May("change", "student"),
    rate=WRITES,
    deadline_s=WRITE_S,
    work="write",
    body_bytes=SMALL_BODY,
    tags=("students",),
)
async def mark_student_left(call: Ask, *, path: ByUuid, body: Leaving) -> Student:
    """Marks a child as having left."""
    return await mark_left(
        call.session,
        actor_of(call),
        path.id,
        version=body.version,
        left_on=body.left_on,
        reason=body.reason,
        clock=call.clock,
    )


@routes.endpoint(
    "POST",
    "/api/v1/students/{id}/return",
    who=May("change", "student"),
    rate=WRITES,
    deadline_s=WRITE_S,
    work="write",
    body_bytes=SMALL_BODY,
    tags=("students",),
)
async def mark_student_returned(call: Ask, *, path: ByUuid, body: Returning) -> Student:
    """Marks a child as back."""
    return await mark_returned(call.session, actor_of(call), path.id, version=body.version, clock=call.clock)


@routes.endpoint(
    "DELETE",
    "/api/v1/students/{id}",
    who=May("delete", "student"),
    rate=WRITES,
    deadline_s=WRITE_S,
    work="write",
    tags=("students",),
)
async def delete_one_student(call: Ask, *, path: ByUuid, query: Deletion) -> None:
    """Takes a child's record out of use, restorably."""
    await delete_student(call.session, actor_of(call), path.id, reason=query.reason, clock=call.clock)


@routes.endpoint(
    "POST",
    "/api/v1/students/{id}/restore",
    who=May("restore", "student"),
    rate=WRITES,
    deadline_s=WRITE_S,
    work="write",
    tags=("students",),
)
async def restore_one_student(call: Ask, *, path: ByUuid) -> Student:
    """Brings a child's record back, and its results."""
    return await restore_student(call.session, actor_of(call), path.id)


@routes.endpoint(
    "GET",
    "/api/v1/students/{id}/past-enrolments",
    who=May("read", "student"),
    rate=READS,
    deadline_s=READ_S,
    work="read",
    page=PageLimit(),
    tags=("students",),
)
async def list_student_past_enrolments(call: Ask, *, path: ByUuid, page: PageRequest) -> Page[PastEnrolment]:
    """Where a child was before, in order."""
    return await list_past_enrolments(call.session, actor_of(call), path.id, page)


@routes.endpoint(
    "GET",
    "/api/v1/students/{id}/changes",
    who=May("read", "student"),
    rate=READS,
    deadline_s=READ_S,
    work="read",
    page=PageLimit(),
    tags=("students",),
)
async def list_changes_of_student(call: Ask, *, path: ByUuid, page: PageRequest) -> Page[RecordChange]:
    """What was changed of a child's record, the latest first: who, when, why, before and after."""
    return await list_record_changes(call.session, actor_of(call), path.id, page)
