"""Schools, school years and classes over HTTP."""

from __future__ import annotations

import msgspec

from flatwater.contract import Created
from flatwater.paging import Page, PageRequest
from rightlevel.programme.permissions import May
from rightlevel.programme.schools import (
    ClassChange,
    ClassRow,
    NewClass,
    NewSchool,
    School,
    SchoolChange,
    SchoolRow,
    SchoolSearch,
    change_class,
    change_grades,
    change_school,
    create_class,
    create_school,
    delete_class,
    delete_school,
    list_classes,
    list_schools,
    read_class,
    read_grades,
    read_school,
    restore_class,
    restore_school,
)
from rightlevel.web.call import Ask, ById, Deletion, actor_of
from rightlevel.web.routes import Routes

routes = Routes("schools")


class ClassSearch(msgspec.Struct, frozen=True):
    """Which classes are asked for."""

    school_id: int
    school_year_id: int | None = None
    deleted: bool = False


@routes.get("/api/v1/schools", May("read", "school"))
async def list_all_schools(call: Ask, *, query: SchoolSearch, page: PageRequest) -> Page[SchoolRow]:
    """Schools by name; field staff see those assigned to them."""
    return await list_schools(call.session, actor_of(call), page, query)


@routes.post("/api/v1/schools", May("create", "school"))
async def create_one_school(call: Ask, *, body: NewSchool) -> Created[School]:
    """Makes a school."""
    made = await create_school(call.session, actor_of(call), body)
    return Created(made, f"/api/v1/schools/{made.id}")


@routes.get("/api/v1/schools/{id}", May("read", "school"))
async def read_one_school(call: Ask, *, path: ById) -> School:
    """One school."""
    return await read_school(call.session, actor_of(call), path.id)


@routes.patch("/api/v1/schools/{id}", May("change", "school"))
async def change_one_school(call: Ask, *, path: ById, body: SchoolChange) -> School:
    """Changes a school; a stale version gets 409 with both."""
    return await change_school(call.session, actor_of(call), path.id, body, call.clock)


@routes.delete("/api/v1/schools/{id}", May("delete", "school"))
async def delete_one_school(call: Ask, *, path: ById, query: Deletion) -> None:
    """Takes a school out of use, restorably."""
    await delete_school(call.session, actor_of(call), path.id, reason=query.reason, clock=call.clock)


@routes.post("/api/v1/schools/{id}/restore", May("restore", "school"))
async def restore_one_school(call: Ask, *, path: ById) -> School:
    """Brings a school back."""
    return await restore_school(call.session, actor_of(call), path.id)


@routes.get("/api/v1/classes", May("read", "class"), tags=("classes",))
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


@routes.post("/api/v1/classes", May("create", "class"), tags=("classes",))
async def create_one_class(call: Ask, *, body: NewClass) -> Created[ClassRow]:
    """Makes a class."""
    made = await create_class(call.session, actor_of(call), body)
    return Created(made, f"/api/v1/classes/{made.id}")


@routes.get("/api/v1/classes/{id}", May("read", "class"), tags=("classes",))
async def read_one_class(call: Ask, *, path: ById) -> ClassRow:
    """One class."""
    return await read_class(call.session, actor_of(call), path.id)


@routes.patch("/api/v1/classes/{id}", May("change", "class"), tags=("classes",))
async def change_one_class(call: Ask, *, path: ById, body: ClassChange) -> ClassRow:
    """Changes a class; a stale version gets 409 with both."""
    return await change_class(call.session, actor_of(call), path.id, body)


@routes.delete("/api/v1/classes/{id}", May("delete", "class"), tags=("classes",))
async def delete_one_class(call: Ask, *, path: ById, query: Deletion) -> None:
    """Takes a class out of use, restorably."""
    await delete_class(call.session, actor_of(call), path.id, reason=query.reason, clock=call.clock)


@routes.post("/api/v1/classes/{id}/restore", May("restore", "class"), tags=("classes",))
async def restore_one_class(call: Ask, *, path: ById) -> ClassRow:
    """Brings a class back."""
    return await restore_class(call.session, actor_of(call), path.id)


class Grades(msgspec.Struct, frozen=True):
    """The grades that the programme works with."""

    grades: list[int]


@routes.get("/api/v1/settings/grades", May("read", "class"), tags=("settings",))
async def read_programme_grades(call: Ask) -> Grades:
    """The grades of the programme."""
    return Grades(await read_grades(call.session))


@routes.put("/api/v1/settings/grades", May("change", "setting"), tags=("settings",))
async def change_programme_grades(call: Ask, *, body: Grades) -> Grades:
    """Sets the grades of the programme."""
    return Grades(await change_grades(call.session, actor_of(call), body.grades))
