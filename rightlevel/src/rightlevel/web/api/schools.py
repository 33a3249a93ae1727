"""Schools, school years and classes over HTTP."""

from __future__ import annotations

import msgspec

from flatwater.contract import Created, Registry
from flatwater.paging import Page, PageLimit, PageRequest
from rightlevel.programme.permissions import May
from rightlevel.programme.schools import (
    ClassChange,
    ClassRow,
    NewClass,
    NewSchool,
    NewYear,
    School,
    SchoolChange,
    SchoolRow,
    SchoolSearch,
    SchoolYear,
    YearChange,
    change_class,
    change_grades,
    change_school,
    change_year,
    create_class,
    create_school,
    create_year,
    delete_class,
    delete_school,
    delete_year,
    list_classes,
    list_schools,
    list_years,
    read_class,
    read_grades,
    read_school,
    read_year,
    restore_class,
    restore_school,
    restore_year,
)
from rightlevel.web.call import READ_S, READS, SMALL_BODY, WRITE_S, WRITES, Ask, ById, Deletion, actor_of

routes = Registry()


class YearSearch(msgspec.Struct, frozen=True):
    """Which school years are asked for."""

    deleted: bool = False


class ClassSearch(msgspec.Struct, frozen=True):
    """Which classes are asked for."""

    school_id: int
    school_year_id: int | None = None
    deleted: bool = False


@routes.endpoint(
    "GET",
    "/api/v1/schools",
    who=May("read", "school"),
    rate=READS,
    deadline_s=READ_S,
    work="read",
    page=PageLimit(),
    tags=("schools",),
)
async def list_all_schools(call: Ask, *, query: SchoolSearch, page: PageRequest) -> Page[SchoolRow]:
    """Schools by name; field staff see those assigned to them."""
    return await list_schools(call.session, actor_of(call), page, query)


@routes.endpoint(
    "POST",
    "/api/v1/schools",
    who=May("create", "school"),
    rate=WRITES,
    deadline_s=WRITE_S,
    work="write",
    body_bytes=SMALL_BODY,
    tags=("schools",),
    statuses={201: "made"},
)
async def create_one_school(call: Ask, *, body: NewSchool) -> Created[School]:
    """Makes a school."""
    made = await create_school(call.session, actor_of(call), body)
    return Created(made, f"/api/v1/schools/{made.id}")


@routes.endpoint(
    "GET",
    "/api/v1/schools/{id}",
    who=May("read", "school"),
    rate=READS,
    deadline_s=READ_S,
    work="read",
    tags=("schools",),
)
async def read_one_school(call: Ask, *, path: ById) -> School:
    """One school."""
    return await read_school(call.session, actor_of(call), path.id)


@routes.endpoint(
    "PATCH",
    "/api/v1/schools/{id}",
    who=May("change", "school"),
    rate=WRITES,
    deadline_s=WRITE_S,
    work="write",
    body_bytes=SMALL_BODY,
    tags=("schools",),
)
async def change_one_school(call: Ask, *, path: ById, body: SchoolChange) -> School:
    """Changes a school; a stale version gets 409 with both."""
    return await change_school(call.session, actor_of(call), path.id, body, call.clock)


@routes.endpoint(
    "DELETE",
    "/api/v1/schools/{id}",
    who=May("delete", "school"),
    rate=WRITES,
    deadline_s=WRITE_S,
    work="write",
    tags=("schools",),
)
async def delete_one_school(call: Ask, *, path: ById, query: Deletion) -> None:
    """Takes a school out of use, restorably."""
    await delete_school(call.session, actor_of(call), path.id, reason=query.reason, clock=call.clock)


@routes.endpoint(
    "POST",
    "/api/v1/schools/{id}/restore",
    who=May("restore", "school"),
    rate=WRITES,
    deadline_s=WRITE_S,
    work="write",
    tags=("schools",),
)
async def restore_one_school(call: Ask, *, path: ById) -> School:
    """Brings a school back."""
    return await restore_school(call.session, actor_of(call), path.id)


@routes.endpoint(
    "GET",
    "/api/v1/school-years",
    who=May("read", "school_year"),
    rate=READS,
    deadline_s=READ_S,
    work="read",
    page=PageLimit(),
    tags=("school years",),
)
async def list_all_years(call: Ask, *, query: YearSearch, page: PageRequest) -> Page[SchoolYear]:
    """School years, newest first."""
    return await list_years(call.session, actor_of(call), page, deleted=query.deleted)


@routes.endpoint(
    "POST",
    "/api/v1/school-years",
    who=May("create", "school_year"),
    rate=WRITES,
    deadline_s=WRITE_S,
    work="write",
    body_bytes=SMALL_BODY,
    tags=("school years",),
    statuses={201: "made"},
)
async def create_one_year(call: Ask, *, body: NewYear) -> Created[SchoolYear]:
    """Makes a year."""
    made = await create_year(call.session, actor_of(call), body)
    return Created(made, f"/api/v1/school-years/{made.id}")


@routes.endpoint(
    "GET",
    "/api/v1/school-years/{id}",
    who=May("read", "school_year"),
    rate=READS,
    deadline_s=READ_S,
    work="read",
    tags=("school years",),
)
async def read_one_year(call: Ask, *, path: ById) -> SchoolYear:
    """One year."""
    return await read_year(call.session, actor_of(call), path.id)


@routes.endpoint(
    "PATCH",
    "/api/v1/school-years/{id}",
    who=May("change", "school_year"),
    rate=WRITES,
    deadline_s=WRITE_S,
    work="write",
    body_bytes=SMALL_BODY,
    tags=("school years",),
)
async def change_one_year(call: Ask, *, path: ById, body: YearChange) -> SchoolYear:
    """Changes a year; a stale version gets 409 with both."""
    return await change_year(call.session, actor_of(call), path.id, body)


@routes.endpoint(
    "DELETE",
    "/api/v1/school-years/{id}",
    who=May("delete", "school_year"),
    rate=WRITES,
    deadline_s=WRITE_S,
    work="write",
    tags=("school years",),
)
async def delete_one_year(call: Ask, *, path: ById, query: Deletion) -> None:
    """Takes a year out of use, restorably."""
    await delete_year(call.session, actor_of(call), path.id, reason=query.reason, clock=call.clock)


@routes.endpoint(
    "POST",
    "/api/v1/school-years/{id}/restore",
    who=May("restore", "school_year"),
    rate=WRITES,
    deadline_s=WRITE_S,
    work="write",
    tags=("school years",),
)
async def restore_one_year(call: Ask, *, path: ById) -> SchoolYear:
    """Brings a year back."""
    return await restore_year(call.session, actor_of(call), path.id)


@routes.endpoint(
    "GET",
    "/api/v1/classes",
    who=May("read", "class"),
    rate=READS,
    deadline_s=READ_S,
    work="read",
    page=PageLimit(),
    tags=("classes",),
)
async def list_all_classes(call: Ask, *, query: ClassSearch, page: PageRequest) -> Page[ClassRow]:
    """The classes of a school."""
    return await list_classes(
        call.session,
        actor_of(call),
        page,
        school_id=query.school_id,
        school_year_id=query.school_year_id,
        deleted=query.deleted,
    )


@routes.endpoint(
    "POST",
    "/api/v1/classes",
    who=May("create", "class"),
    rate=WRITES,
    deadline_s=WRITE_S,
    work="write",
    body_bytes=SMALL_BODY,
    tags=("classes",),
    statuses={201: "made"},
)
async def create_one_class(call: Ask, *, body: NewClass) -> Created[ClassRow]:
    """Makes a class."""
    made = await create_class(call.session, actor_of(call), body)
    return Created(made, f"/api/v1/classes/{made.id}")


@routes.endpoint(
    "GET",
    "/api/v1/classes/{id}",
    who=May("read", "class"),
    rate=READS,
    deadline_s=READ_S,
    work="read",
    tags=("classes",),
)
async def read_one_class(call: Ask, *, path: ById) -> ClassRow:
    """One class."""
    return await read_class(call.session, actor_of(call), path.id)


@routes.endpoint(
    "PATCH",
    "/api/v1/classes/{id}",
    who=May("change", "class"),
    rate=WRITES,
    deadline_s=WRITE_S,
    work="write",
    body_bytes=SMALL_BODY,
    tags=("classes",),
)
async def change_one_class(call: Ask, *, path: ById, body: ClassChange) -> ClassRow:
    """Changes a class; a stale version gets 409 with both."""
    return await change_class(call.session, actor_of(call), path.id, body)


@routes.endpoint(
    "DELETE",
    "/api/v1/classes/{id}",
    who=May("delete", "class"),
    rate=WRITES,
    deadline_s=WRITE_S,
    work="write",
    tags=("classes",),
)
async def delete_one_class(call: Ask, *, path: ById, query: Deletion) -> None:
    """Takes a class out of use, restorably."""
    await delete_class(call.session, actor_of(call), path.id, reason=query.reason, clock=call.clock)


@routes.endpoint(
    "POST",
    "/api/v1/classes/{id}/restore",
    who=May("restore", "class"),
    rate=WRITES,
    deadline_s=WRITE_S,
    work="write",
    tags=("classes",),
)
async def restore_one_class(call: Ask, *, path: ById) -> ClassRow:
    """Brings a class back."""
    return await restore_class(call.session, actor_of(call), path.id)


class Grades(msgspec.Struct, frozen=True):
    """The grades that the programme works with."""

    grades: list[int]


@routes.endpoint(
    "GET",
    "/api/v1/settings/grades",
    who=May("read", "class"),
    rate=READS,
    deadline_s=READ_S,
    work="read",
    tags=("settings",),
)
async def read_programme_grades(call: Ask) -> Grades:
    """The grades of the programme."""
    return Grades(await read_grades(call.session))


@routes.endpoint(
    "PUT",
    "/api/v1/settings/grades",
    who=May("change", "setting"),
    rate=WRITES,
    deadline_s=WRITE_S,
    work="write",
    body_bytes=SMALL_BODY,
    tags=("settings",),
)
async def change_programme_grades(call: Ask, *, body: Grades) -> Grades:
    """Sets the grades of the programme."""
    return Grades(await change_grades(call.session, actor_of(call), body.grades))
