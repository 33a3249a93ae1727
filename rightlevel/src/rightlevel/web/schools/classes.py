"""The classes of a school, and the grades that the programme works with."""

from __future__ import annotations

import msgspec

from flatwater.contract import Created, Redirect
from flatwater.paging import Page, PageRequest
from rightlevel.programme.permissions import May
from rightlevel.programme.schools import (
    ClassChange,
    ClassRow,
    NewClass,
    change_class,
    change_grades,
    create_class,
    delete_class,
    list_classes,
    read_class,
    read_grades,
    restore_class,
)
from rightlevel.web.call import Ask, ById, Deletion, actor_of
from rightlevel.web.feature import IN_PAGES
from rightlevel.web.routes import Routes
from rightlevel.web.sent import NoFields, Reason, reason_of
from rightlevel.web.templating import done, language_of

routes = Routes("classes")


class ClassSearch(msgspec.Struct, frozen=True):
    """Which classes are asked for."""

    school_id: int
    school_year_id: int | None = None
    deleted: bool = False


class ClassForm(msgspec.Struct, frozen=True):
    """What the form for a class sends."""

    grade: int = 0
    section: str = ""
    school_year_id: int | None = None


class ClassOfSchool(msgspec.Struct, frozen=True):
    """The way to a class of a school."""

    id: int
    class_id: int


@routes.get("/api/v1/classes", May("read", "class"))
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


@routes.post("/api/v1/classes", May("create", "class"))
async def create_one_class(call: Ask, *, body: NewClass) -> Created[ClassRow]:
    """Makes a class."""
    made = await create_class(call.session, actor_of(call), body)
    return Created(made, f"/api/v1/classes/{made.id}")


@routes.get("/api/v1/classes/{id}", May("read", "class"))
async def read_one_class(call: Ask, *, path: ById) -> ClassRow:
    """One class."""
    return await read_class(call.session, actor_of(call), path.id)


@routes.patch("/api/v1/classes/{id}", May("change", "class"))
async def change_one_class(call: Ask, *, path: ById, body: ClassChange) -> ClassRow:
    """Changes a class; a stale version gets 409 with both."""
    return await change_class(call.session, actor_of(call), path.id, body)


@routes.delete("/api/v1/classes/{id}", May("delete", "class"))
async def delete_one_class(call: Ask, *, path: ById, query: Deletion) -> None:
    """Takes a class out of use, restorably."""
    await delete_class(call.session, actor_of(call), path.id, reason=query.reason, clock=call.clock)


@routes.post("/api/v1/classes/{id}/restore", May("restore", "class"))
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


@routes.post("/schools/{id}/classes", May("create", "class"), **IN_PAGES)
async def create_class_here(call: Ask, *, path: ById, form: ClassForm) -> Redirect:
    """Adds a class to a school."""
    new = NewClass(path.id, form.grade, form.section, form.school_year_id)
    await create_class(call.session, actor_of(call), new)
    _ = language_of(call).gettext
    return done(call, f"/schools/{path.id}#classes", _("Saved."))


@routes.post("/schools/{id}/classes/{class_id}/delete", May("delete", "class"), **IN_PAGES)
async def delete_class_here(call: Ask, *, path: ClassOfSchool, form: Reason) -> Redirect:
    """Takes a class away, restorably, with a reason."""
    await delete_class(call.session, actor_of(call), path.class_id, reason=reason_of(form), clock=call.clock)
    _ = language_of(call).gettext
    return done(
        call, f"/schools/{path.id}#classes", _("Deleted. It can be brought back under “Deleted things”.")
    )


@routes.post("/schools/{id}/classes/{class_id}/restore", May("restore", "class"), **IN_PAGES)
async def restore_class_here(call: Ask, *, path: ClassOfSchool, form: NoFields) -> Redirect:
    """Brings a class back."""
    await restore_class(call.session, actor_of(call), path.class_id)
    _ = language_of(call).gettext
    return done(call, f"/schools/{path.id}#classes", _("It is back."))
