"""The pages on which places and schools are moved, split and merged: each shows first what it would do, then does it."""

from __future__ import annotations

from datetime import date
from typing import Any, Literal, TypeAlias

import msgspec

from flatwater.clock import today
from flatwater.contract import Html, Redirect
from flatwater.paging import CEILING_ROWS, PageLimit, PageRequest
from rightlevel.programme.boundaries import (
    BoundaryPlan,
    BoundaryPreview,
    Part,
    SchoolMerge,
    SchoolPreview,
    SchoolSplit,
    change_boundaries,
    list_boundary_changes,
    merge_school,
    preview_boundary_change,
    preview_school_merge,
    preview_school_split,
    split_school,
)
from rightlevel.programme.errors import NotFound
from rightlevel.programme.ids import time_ordered_id
from rightlevel.programme.permissions import May
from rightlevel.programme.places import Place, PlaceRow, list_places, read_place
from rightlevel.programme.schools import (
    SchoolRow,
    SchoolSearch,
    current_year,
    list_classes,
    list_schools,
    preview_school_move,
    read_school,
)
from rightlevel.web.feature import SAVED
from rightlevel.web.places import place_choices
from rightlevel.web.request import CLASS_BODY, ROLL_S, ById, Request, SchoolSought, actor_of
from rightlevel.web.routes import Routes
from rightlevel.web.templating import done, render

routes = Routes("pages")

Kind: TypeAlias = Literal["move", "merge", "split"]

ALL = PageRequest(CEILING_ROWS)
CHANGES = May("change", "place")
CHANGES_SCHOOLS = May("change", "school")


class MoveForm(msgspec.Struct, frozen=True):
    """Below which place another goes; `do` when the preview was seen."""

    id: str
    to_parent_id: int
    reason: str
    code: str = ""
    do: str = ""


class MergeForm(msgspec.Struct, frozen=True):
    """Into which place another goes."""

    id: str
    into_place_id: int
    reason: str
    do: str = ""


class SplitForm(msgspec.Struct, frozen=True):
    """Two parts: the first is the old place or a new one, the second is new and gets what is ticked."""

    id: str
    reason: str = ""
    goes_on: bool = False
    code_1: str = ""
    name_1: str = ""
    code_2: str = ""
    name_2: str = ""
    schools: list[int] = []
    places: list[int] = []
    do: str = ""


class MergeSchoolForm(msgspec.Struct, frozen=True):
    """When and why a school's children go to another one."""

    id: str
    moved_on: date
    reason: str = ""
    do: str = ""


class SplitSchoolForm(msgspec.Struct, frozen=True):
    """When and why children go, whose, and to which new school."""

    id: str
    moved_on: date
    reason: str = ""
    classes: list[int] = []
    code: str = ""
    name_local: str = ""
    name_latin: str = ""
    do: str = ""


class Where(msgspec.Struct, frozen=True):
    """The place that is looked at."""

    place: int | None = None


class TwoSchools(msgspec.Struct, frozen=True):
    """A path with the school that goes and the one it goes into."""

    id: int
    school: int


PlaceForm: TypeAlias = MoveForm | MergeForm | SplitForm


def _typed(form: msgspec.Struct | None) -> dict[str, Any]:
    """What was typed before a look at what it would do; of a page that is opened, the id that its write will have."""
    return {"id": time_ordered_id()} if form is None else msgspec.structs.asdict(form)


async def _plan(request: Request, place_id: int, form: PlaceForm) -> BoundaryPlan:
    if isinstance(form, MoveForm):
        return BoundaryPlan(
            form.id, "move", [place_id], form.reason, to_parent_id=form.to_parent_id, code=form.code
        )
    if isinstance(form, MergeForm):
        return BoundaryPlan(form.id, "merge", [place_id], form.reason, into_place_id=form.into_place_id)
    schools, places = await _hanging(request, place_id)
    rest = [each.id for each in schools if each.id not in form.schools]
    below = [each.id for each in places if each.id not in form.places]
    first = (
        Part(goes_on=True, school_ids=rest, place_ids=below)
        if form.goes_on
        else Part(form.code_1, form.name_1, school_ids=rest, place_ids=below)
    )
    second = Part(form.code_2, form.name_2, school_ids=form.schools, place_ids=form.places)
    return BoundaryPlan(form.id, "split", [place_id], form.reason, parts=[first, second])


async def _hanging(request: Request, place_id: int) -> tuple[list[SchoolRow], list[PlaceRow]]:
    """The schools and places directly below a place, a thousand of each at most."""
    actor = actor_of(request)
    found = await list_schools(request.session, actor, ALL, SchoolSearch(place_id=place_id))
    schools = [each for each in found.items if each.place_id == place_id]
    return schools, (await list_places(request.session, actor, ALL, parent_id=place_id)).items


async def _choices(request: Request, kind: Kind, place: Place) -> dict[str, Any]:
    if kind == "move":
        return {"choices": [(each, name) for each, name in await place_choices(request) if each != place.id]}
    if kind == "merge":
        same = (await list_places(request.session, actor_of(request), ALL, kind=place.kind)).items
        return {"choices": [(each.id, each.name_local) for each in same if each.id != place.id]}
    schools, places = await _hanging(request, place.id)
    return {"schools": schools, "places": places}


async def _show(
    request: Request,
    kind: Kind,
    place_id: int,
    form: PlaceForm | None = None,
    preview: BoundaryPreview | None = None,
) -> Html:
    place = await read_place(request.session, actor_of(request), place_id)
    if place.is_deleted or place.closed_at is not None:
        raise NotFound
    values = await _choices(request, kind, place)
    return render(
        request,
        "boundaries/place.html",
        kind=kind,
        place=place,
        form=_typed(form),
        preview=preview,
        **values,
    )


async def _do(request: Request, kind: Kind, place_id: int, form: PlaceForm) -> Html | Redirect:
    """Shows what a change would do, or does it."""
    plan = await _plan(request, place_id, form)
    if form.do != "yes":
        preview = await preview_boundary_change(request.session, actor_of(request), plan)
        return await _show(request, kind, place_id, form, preview)
    made = await change_boundaries(request.session, actor_of(request), plan, request.clock)
    below = made.followed[0].successor_id if made.followed else place_id
    return done(request, f"/places?below={below}", SAVED)


@routes.get("/places/{id}/move", CHANGES)
async def move_place_page(request: Request, *, path: ById) -> Html:
    """The form that hangs a place on another."""
    return await _show(request, "move", path.id)


@routes.post("/places/{id}/move", CHANGES, deadline_s=ROLL_S)
async def post_move_place(request: Request, *, path: ById, form: MoveForm) -> Html | Redirect:
    """Shows what moving a place would do, or moves it."""
    return await _do(request, "move", path.id, form)


@routes.get("/places/{id}/merge", CHANGES)
async def merge_place_page(request: Request, *, path: ById) -> Html:
    """The form that merges a place into another."""
    return await _show(request, "merge", path.id)


@routes.post("/places/{id}/merge", CHANGES, deadline_s=ROLL_S)
async def post_merge_place(request: Request, *, path: ById, form: MergeForm) -> Html | Redirect:
    """Shows what merging a place would do, or merges it."""
    return await _do(request, "merge", path.id, form)


@routes.get("/places/{id}/split", CHANGES)
async def split_place_page(request: Request, *, path: ById) -> Html:
    """The form that splits a place in two."""
    return await _show(request, "split", path.id)


@routes.post("/places/{id}/split", CHANGES, deadline_s=ROLL_S, body_bytes=CLASS_BODY)
async def post_split_place(request: Request, *, path: ById, form: SplitForm) -> Html | Redirect:
    """Shows what splitting a place would do, or splits it."""
    return await _do(request, "split", path.id, form)


@routes.get("/boundary-changes", May("read", "place"), page=PageLimit(20))
async def boundary_changes_page(request: Request, *, page: PageRequest) -> Html:
    """Changes of places, the latest first."""
    found = await list_boundary_changes(request.session, actor_of(request), page)
    return render(request, "boundaries/list.html", page=found)


@routes.get("/schools/{id}/move", CHANGES_SCHOOLS)
async def move_school_page(request: Request, *, path: ById, query: Where) -> Html:
    """Down the tree to the place a school goes to, and what that does to each round."""
    actor, session = actor_of(request), request.session
    school = await read_school(session, actor, path.id)
    if school.is_deleted:
        raise NotFound
    place = await read_place(session, actor, query.place) if query.place is not None else None
    is_elsewhere = place is not None and place.id != school.place_id and place.closed_at is None
    return render(
        request,
        "boundaries/school_move.html",
        school=school,
        place=place,
        above=place.lineage if place else [],
        below=(await list_places(session, actor, ALL, parent_id=query.place)).items,
        preview=await preview_school_move(session, actor, path.id, place.id)
        if place and is_elsewhere
        else None,
    )


@routes.get("/schools/{id}/merge", CHANGES_SCHOOLS, page=PageLimit(20))
async def choose_merge_page(request: Request, *, path: ById, query: SchoolSought, page: PageRequest) -> Html:
    """The schools that another may be merged into."""
    actor = actor_of(request)
    school = await read_school(request.session, actor, path.id)
    asked = SchoolSearch(search=query.search.strip() or None, status="open", is_practice=False)
    found = await list_schools(request.session, actor, page, asked)
    others = msgspec.structs.replace(found, items=[each for each in found.items if each.id != school.id])
    return render(request, "boundaries/choose_school.html", school=school, schools=others, query=query)


async def _school_page(
    request: Request,
    school_id: int,
    into_id: int | None = None,
    form: MergeSchoolForm | SplitSchoolForm | None = None,
    preview: SchoolPreview | None = None,
) -> Html:
    """A school that is split, or merged `into` another."""
    actor, session = actor_of(request), request.session
    year = await current_year(session) if into_id is None else None
    classes = (
        (await list_classes(session, actor, ALL, school_id=school_id, school_year_id=year.id)).items
        if year
        else []
    )
    return render(
        request,
        "boundaries/school.html",
        kind="split" if into_id is None else "merge",
        school=await read_school(session, actor, school_id),
        into=await read_school(session, actor, into_id) if into_id is not None else None,
        classes=classes,
        form={"moved_on": today(request.clock)} | _typed(form),
        preview=preview,
    )


@routes.get("/schools/{id}/merge/{school}", CHANGES_SCHOOLS)
async def merge_school_page(request: Request, *, path: TwoSchools) -> Html:
    """The form that merges a school into another."""
    return await _school_page(request, path.id, path.school)


@routes.post("/schools/{id}/merge/{school}", CHANGES_SCHOOLS, deadline_s=ROLL_S)
async def post_merge_school(request: Request, *, path: TwoSchools, form: MergeSchoolForm) -> Html | Redirect:
    """Shows what merging a school would do, or merges it."""
    merge = SchoolMerge(form.id, path.school, form.moved_on, form.reason)
    if form.do != "yes":
        preview = await preview_school_merge(request.session, actor_of(request), path.id, merge)
        return await _school_page(request, path.id, path.school, form, preview)
    await merge_school(request.session, actor_of(request), path.id, merge, request.clock)
    return done(request, f"/schools/{path.school}", SAVED)


@routes.get("/schools/{id}/split", CHANGES_SCHOOLS)
async def split_school_page(request: Request, *, path: ById) -> Html:
    """The form that makes a new school of some classes."""
    return await _school_page(request, path.id)


@routes.post("/schools/{id}/split", CHANGES_SCHOOLS, deadline_s=ROLL_S)
async def post_split_school(request: Request, *, path: ById, form: SplitSchoolForm) -> Html | Redirect:
    """Shows what splitting a school would do, or splits it."""
    split = SchoolSplit(
        form.id,
        form.classes,
        form.moved_on,
        form.code,
        form.name_local,
        reason=form.reason,
        name_latin=form.name_latin,
    )
    if form.do != "yes":
        preview = await preview_school_split(request.session, actor_of(request), path.id, split)
        return await _school_page(request, path.id, form=form, preview=preview)
    made = await split_school(request.session, actor_of(request), path.id, split, request.clock)
    return done(request, f"/schools/{made.to_school_id}", SAVED)
