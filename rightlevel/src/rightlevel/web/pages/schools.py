"""Schools: find, look, add, change, take away and bring back; their classes."""

from __future__ import annotations

from typing import Any

import msgspec

from flatwater.contract import Html, Redirect
from flatwater.paging import CEILING_ROWS, PageLimit, PageRequest
from rightlevel.programme.boundaries import SchoolChanged, list_school_changes
from rightlevel.programme.permissions import May, allowed
from rightlevel.programme.places import read_place
from rightlevel.programme.schools import (
    ClassRow,
    NewClass,
    NewSchool,
    School,
    SchoolChange,
    SchoolSearch,
    change_school,
    count_schools,
    create_class,
    create_school,
    current_year,
    delete_class,
    delete_school,
    list_classes,
    list_schools,
    list_stays,
    list_years,
    read_school,
    restore_class,
    restore_school,
)
from rightlevel.programme.students import StudentSearch, count_students
from rightlevel.web.call import Ask, ById, actor_of
from rightlevel.web.pages.forms import NoFields, Reason, Typed, reason_of
from rightlevel.web.pages.work import grade_choices, round_of_today, work_at
from rightlevel.web.places import place_choices
from rightlevel.web.routes import Routes
from rightlevel.web.templating import done, language_of, render

routes = Routes("pages")

ALL = PageRequest(CEILING_ROWS)


class SchoolsWanted(msgspec.Struct, frozen=True):
    """Which schools are asked for."""

    search: str = ""
    place_id: int | None = None


class SchoolForm(msgspec.Struct, frozen=True):
    """What the forms for a school send."""

    code: str = ""
    name_local: str = ""
    name_latin: str = ""
    place_id: int | None = None
    ownership: str = ""
    area: str = ""
    latitude: str = ""
    longitude: str = ""
    is_practice: bool = False
    version: int = 0
    status: str = ""


class ClassForm(msgspec.Struct, frozen=True):
    """What the form for a class sends."""

    grade: int = 0
    section: str = ""
    school_year_id: int | None = None


class ClassOfSchool(msgspec.Struct, frozen=True):
    """The way to a class of a school."""

    id: int
    class_id: int


@routes.get("/schools", May("read", "school"), page=PageLimit(50))
async def schools_page(call: Ask, *, query: SchoolsWanted, page: PageRequest) -> Html:
    """Schools by name, with their exact number."""
    actor = actor_of(call)
    asked = SchoolSearch(search=query.search.strip() or None, place_id=query.place_id)
    return render(
        call,
        "schools/list.html",
        query=query,
        page=await list_schools(call.session, actor, page, asked),
        total=await count_schools(call.session, actor, asked),
        places=await place_choices(call, query.place_id),
    )


@routes.get("/schools/new", May("create", "school"))
async def new_school_page(call: Ask, *, query: SchoolsWanted) -> Html:
    """The form for a school."""
    form = SchoolForm(place_id=query.place_id)
    return render(call, "schools/form.html", **await _form(call, None, form))


async def _form(call: Ask, school: School | None, form: SchoolForm) -> dict[str, Any]:
    return {"school": school, "form": form, "places": await place_choices(call, form.place_id)}


def _fields(form: SchoolForm) -> dict[str, Any]:
    """What was typed, as the actions take it. *Errors*: Invalid for what can't be read as a number."""
    typed = Typed()
    latitude = typed.decimal_or_none("latitude", form.latitude)
    longitude = typed.decimal_or_none("longitude", form.longitude)
    for field in ("code", "name_local", "place_id"):
        if not getattr(form, field):
            typed.needed(field)
    typed.check()
    return {
        "place_id": form.place_id,
        "code": form.code,
        "name_local": form.name_local,
        "name_latin": form.name_latin,
        "ownership": form.ownership or None,
        "area": form.area or None,
        "latitude": latitude,
        "longitude": longitude,
        "is_practice": form.is_practice,
    }


@routes.post("/schools/new", May("create", "school"))
async def create_school_here(call: Ask, *, form: SchoolForm) -> Redirect:
    """Adds a school."""
    school = await create_school(call.session, actor_of(call), NewSchool(**_fields(form)))
    _ = language_of(call).gettext
    return done(call, f"/schools/{school.id}", _("Saved."))


class YearShown(msgspec.Struct, frozen=True):
    """Whose classes are shown: those of the current year when nobody says."""

    year: int | None = None


@routes.get("/schools/{id}", May("read", "school"))
async def school_page(call: Ask, *, path: ById, query: YearShown) -> Html:
    """One school: what is tested there, its children and its classes of a year."""
    return render(call, "schools/one.html", **await _one(call, path.id, year_id=query.year))


async def _one(call: Ask, school_id: int, *, year_id: int | None = None) -> dict[str, Any]:
    actor, session = actor_of(call), call.session
    school = await read_school(session, actor, school_id)
    place = await read_place(session, actor, school.place_id)
    years = (await list_years(session, actor, PageRequest(20))).items
    year = (
        await current_year(session)
        if year_id is None
        else next((each for each in years if each.id == year_id), None)
    )
    may_see = allowed(actor.role, "read", "student") and not school.is_deleted
    round_ = await round_of_today(call)
    classes = (
        await list_classes(session, actor, ALL, school_id=school_id, school_year_id=year.id) if year else None
    )
    return {
        "school": school,
        "place_names": [each.name_local for each in place.lineage],
        "year": year,
        "years": years,
        "round": round_,
        "may_see_children": may_see,
        "classes": classes.items if classes else [],
        "class_form": ClassForm(),
        "enrolled": await count_students(session, actor, StudentSearch(school_id, status="active"))
        if may_see
        else 0,
        "rows": await work_at(call, school_id, round_) if may_see and round_ else [],
        "stays": (await list_stays(session, actor, school_id))[1:],
        "changes": await _changes(call, school_id),
        "merged_into": await read_school(session, actor, school.merged_into)
        if school.merged_into and actor.scope.reaches_school(school.merged_into)
        else None,
        "grades": await grade_choices(call),
        "deleted_classes": await _deleted_classes(call, school_id),
    }


async def _changes(call: Ask, school_id: int) -> list[SchoolChanged]:
    return (await list_school_changes(call.session, actor_of(call), school_id, PageRequest(20))).items


async def _deleted_classes(call: Ask, school_id: int) -> list[ClassRow]:
    actor = actor_of(call)
    if not allowed(actor.role, "restore", "class"):
        return []
    return (await list_classes(call.session, actor, ALL, school_id=school_id, deleted=True)).items


@routes.get("/schools/{id}/edit", May("change", "school"))
async def edit_school_page(call: Ask, *, path: ById) -> Html:
    """The form that changes a school."""
    school = await read_school(call.session, actor_of(call), path.id)
    return render(call, "schools/form.html", **await _form(call, school, _form_of(school)))


def _form_of(school: School) -> SchoolForm:
    return SchoolForm(
        school.code,
        school.name_local,
        school.name_latin,
        school.place_id,
        school.ownership or "",
        school.area or "",
        "" if school.latitude is None else str(school.latitude),
        "" if school.longitude is None else str(school.longitude),
        school.is_practice,
        school.version,
        school.status,
    )


@routes.post("/schools/{id}/edit", May("change", "school"))
async def change_school_here(call: Ask, *, path: ById, form: SchoolForm) -> Redirect:
    """Changes a school."""
    school = await read_school(call.session, actor_of(call), path.id)
    typed = msgspec.structs.replace(form, place_id=school.place_id)
    change = SchoolChange(form.version, status=form.status or None, **_fields(typed))
    await change_school(call.session, actor_of(call), path.id, change, call.clock)
    _ = language_of(call).gettext
    return done(call, f"/schools/{path.id}", _("Saved."))


@routes.post("/schools/{id}/delete", May("delete", "school"))
async def delete_school_here(call: Ask, *, path: ById, form: Reason) -> Redirect:
    """Takes a school away, restorably, with a reason."""
    await delete_school(call.session, actor_of(call), path.id, reason=reason_of(form), clock=call.clock)
    _ = language_of(call).gettext
    return done(call, "/schools", _("Deleted. It can be brought back under “Deleted things”."))


@routes.post("/schools/{id}/restore", May("restore", "school"))
async def restore_school_here(call: Ask, *, path: ById, form: NoFields) -> Redirect:
    """Brings a school back."""
    await restore_school(call.session, actor_of(call), path.id)
    _ = language_of(call).gettext
    return done(call, f"/schools/{path.id}", _("It is back."))


@routes.post("/schools/{id}/classes", May("create", "class"))
async def create_class_here(call: Ask, *, path: ById, form: ClassForm) -> Redirect:
    """Adds a class to a school."""
    new = NewClass(path.id, form.grade, form.section, form.school_year_id)
    await create_class(call.session, actor_of(call), new)
    _ = language_of(call).gettext
    return done(call, f"/schools/{path.id}#classes", _("Saved."))


@routes.post("/schools/{id}/classes/{class_id}/delete", May("delete", "class"))
async def delete_class_here(call: Ask, *, path: ClassOfSchool, form: Reason) -> Redirect:
    """Takes a class away, restorably, with a reason."""
    await delete_class(call.session, actor_of(call), path.class_id, reason=reason_of(form), clock=call.clock)
    _ = language_of(call).gettext
    return done(
        call, f"/schools/{path.id}#classes", _("Deleted. It can be brought back under “Deleted things”.")
    )


@routes.post("/schools/{id}/classes/{class_id}/restore", May("restore", "class"))
async def restore_class_here(call: Ask, *, path: ClassOfSchool, form: NoFields) -> Redirect:
    """Brings a class back."""
    await restore_class(call.session, actor_of(call), path.class_id)
    _ = language_of(call).gettext
    return done(call, f"/schools/{path.id}#classes", _("It is back."))
