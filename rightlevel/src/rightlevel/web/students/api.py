"""Children over HTTP."""

from __future__ import annotations

from datetime import date

import msgspec

from flatwater.contract import Created
from flatwater.paging import Page, PageRequest
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
from rightlevel.web.call import Ask, ByUuid, Deletion, actor_of
from rightlevel.web.routes import Routes

routes = Routes("students")


class Leaving(msgspec.Struct, frozen=True):
    """When and why a child left."""

    version: int
    left_on: date
    reason: str


class Returning(msgspec.Struct, frozen=True):
    """Which version of the record is meant."""

    version: int


@routes.get("/api/v1/students", May("read", "student"))
async def list_all_students(call: Ask, *, query: StudentSearch, page: PageRequest) -> Page[StudentRow]:
    """Children by name, within the asker's schools and classes."""
    return await list_students(call.session, actor_of(call), page, query)


@routes.post("/api/v1/students", May("create", "student"), statuses={201: "enrolled"})
async def create_one_student(call: Ask, *, body: NewStudent) -> Created[Student]:
    """Enrols a child."""
    made = await create_student(call.session, actor_of(call), body, call.clock)
    return Created(made, f"/api/v1/students/{made.id}")


@routes.get("/api/v1/students/{id}", May("read", "student"))
async def read_one_student(call: Ask, *, path: ByUuid) -> Student:
    """One child."""
    return await read_student(call.session, actor_of(call), path.id)


@routes.patch("/api/v1/students/{id}", May("change", "student"))
async def change_one_student(call: Ask, *, path: ByUuid, body: StudentChange) -> Student:
    """Corrects a child's record where it stands; a stale version gets 409 with both, another school or year 422 `move_needed`."""
    return await change_student(call.session, actor_of(call), path.id, body, call.clock)


@routes.post("/api/v1/students/{id}/leave", May("change", "student"))
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


@routes.post("/api/v1/students/{id}/return", May("change", "student"))
async def mark_student_returned(call: Ask, *, path: ByUuid, body: Returning) -> Student:
    """Marks a child as back."""
    return await mark_returned(call.session, actor_of(call), path.id, version=body.version, clock=call.clock)


@routes.delete("/api/v1/students/{id}", May("delete", "student"))
async def delete_one_student(call: Ask, *, path: ByUuid, query: Deletion) -> None:
    """Takes a child's record out of use, restorably."""
    await delete_student(call.session, actor_of(call), path.id, reason=query.reason, clock=call.clock)


@routes.post("/api/v1/students/{id}/restore", May("restore", "student"))
async def restore_one_student(call: Ask, *, path: ByUuid) -> Student:
    """Brings a child's record back, and its results."""
    return await restore_student(call.session, actor_of(call), path.id)


@routes.get("/api/v1/students/{id}/past-enrolments", May("read", "student"))
async def list_student_past_enrolments(call: Ask, *, path: ByUuid, page: PageRequest) -> Page[PastEnrolment]:
    """Where a child was before, in order."""
    return await list_past_enrolments(call.session, actor_of(call), path.id, page)


@routes.get("/api/v1/students/{id}/changes", May("read", "student"))
async def list_changes_of_student(call: Ask, *, path: ByUuid, page: PageRequest) -> Page[RecordChange]:
    """What was changed of a child's record, the latest first: who, when, why, before and after."""
    return await list_record_changes(call.session, actor_of(call), path.id, page)
