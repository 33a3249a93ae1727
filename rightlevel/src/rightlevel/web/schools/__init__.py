"""Schools: find, look, add, change, take away and bring back; their classes."""

from __future__ import annotations

from typing import Any

import msgspec

from flatwater.contract import Html
from flatwater.paging import CEILING_ROWS, PageLimit, PageRequest
from rightlevel.programme.boundaries import SchoolChanged, list_school_changes
from rightlevel.programme.permissions import May, allowed
from rightlevel.programme.places import read_place
from rightlevel.programme.schools import (
    ClassRow,
    NewSchool,
    School,
    SchoolChange,
    SchoolSearch,
    change_school,
    count_schools,
    create_school,
    current_year,
    delete_school,
    list_classes,
    list_schools,
    list_stays,
    list_years,
    read_school,
    restore_school,
)
from rightlevel.programme.students import StudentSearch, count_students
from rightlevel.web.feature import IN_PAGES, Feature
from rightlevel.web.places import place_choices
from rightlevel.web.request import ById, Request, actor_of
from rightlevel.web.schools import classes
from rightlevel.web.templating import render
from rightlevel.web.work import grade_choices, round_of_today, work_at

ALL = PageRequest(CEILING_ROWS)


class SchoolsWanted(msgspec.Struct, frozen=True):
    """Which schools are asked for; `untested`: those without a result in the open round."""

    search: str = ""
    place_id: int | None = None
    untested: bool = False


class YearShown(msgspec.Struct, frozen=True):
    """Whose classes are shown: those of the current year when nobody says."""

    year: int | None = None


async def _places(request: Request, school: School | None, asked: SchoolsWanted | None) -> dict[str, Any]:
    """The places from which to choose one for a new school; where one stands is changed on a page of its own, with a reason."""
    if school is not None:
        return {"places": [], "place_id": school.place_id}
    place_id = asked.place_id if asked else None
    return {"places": await place_choices(request, place_id), "place_id": place_id}


routes = Feature("school", "schools")
routes.lists(list_schools, SchoolSearch)
routes.reads(read_school)
routes.creates(
    create_school, NewSchool, "form.html", then="/schools/{made.id}", asks=SchoolsWanted, beside=_places
)
routes.changes(
    change_school,
    SchoolChange,
    "form.html",
    read=read_school,
    then="/schools/{path.id}",
    at="/{id}/edit",
    beside=_places,
    none_if_blank=("ownership", "area"),
)
routes.deletes(delete_school, then="/schools")
routes.restores(restore_school, then="/schools/{path.id}")
routes.include(classes.routes)


@routes.get("/schools", May("read", "school"), page=PageLimit(50), **IN_PAGES)
async def schools_page(request: Request, *, query: SchoolsWanted, page: PageRequest) -> Html:
    """Schools by name, with their exact number."""
    actor = actor_of(request)
    round_ = await round_of_today(request)
    is_open = round_ is not None and round_.state == "open"
    asked = SchoolSearch(
        search=query.search.strip() or None,
        place_id=query.place_id,
        untested_in=round_.id if query.untested and round_ else None,
    )
    return render(
        request,
        "schools/list.html",
        is_open=is_open,
        query=query,
        page=await list_schools(request.session, actor, page, asked),
        total=await count_schools(request.session, actor, asked),
        places=await place_choices(request, query.place_id),
    )


@routes.get("/schools/{id}", May("read", "school"), **IN_PAGES)
async def school_page(request: Request, *, path: ById, query: YearShown) -> Html:
    """One school: what is tested there, its children and its classes of a year."""
    return render(request, "schools/one.html", **await _one(request, path.id, year_id=query.year))


async def _one(request: Request, school_id: int, *, year_id: int | None = None) -> dict[str, Any]:
    actor, session = actor_of(request), request.session
    school = await read_school(session, actor, school_id)
    place = await read_place(session, actor, school.place_id)
    years = (await list_years(session, actor, PageRequest(20))).items
    year = (
        await current_year(session)
        if year_id is None
        else next((each for each in years if each.id == year_id), None)
    )
    may_see = allowed(actor.role, "read", "student") and not school.is_deleted
    round_ = await round_of_today(request)
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
        "enrolled": await count_students(session, actor, StudentSearch(school_id, status="active"))
        if may_see
        else 0,
        "rows": await work_at(request, school_id, round_) if may_see and round_ else [],
        "stays": (await list_stays(session, actor, school_id))[1:],
        "changes": await _changes(request, school_id),
        "merged_into": await read_school(session, actor, school.merged_into)
        if school.merged_into and actor.scope.reaches_school(school.merged_into)
        else None,
        "grades": await grade_choices(request),
        "deleted_classes": await _deleted_classes(request, school_id),
    }


async def _changes(request: Request, school_id: int) -> list[SchoolChanged]:
    return (await list_school_changes(request.session, actor_of(request), school_id, PageRequest(20))).items


async def _deleted_classes(request: Request, school_id: int) -> list[ClassRow]:
    actor = actor_of(request)
    if not allowed(actor.role, "restore", "class"):
        return []
    return (await list_classes(request.session, actor, ALL, school_id=school_id, deleted=True)).items
