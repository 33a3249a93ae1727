"""Places and schools moved, split and merged: each shows first what it would do, then does it, and can be taken back."""

from __future__ import annotations

from typing import Any

import msgspec

from flatwater.clock import today
from flatwater.contract import Html, Redirect
from flatwater.paging import CEILING_ROWS, PageLimit, PageRequest
from rightlevel.programme.boundaries import (
    BoundaryPlan,
    Part,
    SchoolMerge,
    SchoolSplit,
    change_boundaries,
    list_boundary_changes,
    merge_school,
    preview_boundary_change,
    preview_school_merge,
    preview_school_split,
    split_school,
    undo_boundary_change,
    undo_school_change,
)
from rightlevel.programme.errors import NotFound
from rightlevel.programme.ids import time_ordered_id
from rightlevel.programme.permissions import May
from rightlevel.programme.places import Place, close_place, list_places, read_place, reopen_place
from rightlevel.programme.schools import (
    SchoolChange,
    SchoolSearch,
    change_school,
    current_year,
    list_classes,
    list_schools,
    preview_school_move,
    read_school,
)
from rightlevel.web.call import (
    CLASS_BODY,
    ROLL_S,
    Ask,
    ById,
    ByUuid,
    actor_of,
)
from rightlevel.web.pages.forms import NoFields, Reason, Typed
from rightlevel.web.places import place_choices
from rightlevel.web.routes import Routes
from rightlevel.web.templating import done, language_of, render

routes = Routes("pages")

ALL = PageRequest(CEILING_ROWS)
CHANGES = May("change", "place")
CHANGES_SCHOOLS = May("change", "school")


class MoveForm(msgspec.Struct, frozen=True):
    """Below which place another goes; `do` when the preview was seen."""

    id: str = ""
    to_parent_id: int | None = None
    code: str = ""
    reason: str = ""
    do: str = ""


class MergeForm(msgspec.Struct, frozen=True):
    """Into which place another goes."""

    id: str = ""
    into_place_id: int | None = None
    reason: str = ""
    do: str = ""


class SplitForm(msgspec.Struct, frozen=True):
    """Two parts: the first is the old place or a new one, the second is new and gets what is ticked."""

    id: str = ""
    goes_on: bool = False
    code_1: str = ""
    name_1: str = ""
    code_2: str = ""
    name_2: str = ""
    schools: list[int] = []
    places: list[int] = []
    reason: str = ""
    do: str = ""


class Where(msgspec.Struct, frozen=True):
    """The place that is looked at."""

    place: int | None = None


class SchoolMoveForm(msgspec.Struct, frozen=True):
    """Where a school goes, and why."""

    place: int = 0
    version: int = 0
    reason: str = ""


class SchoolWanted(msgspec.Struct, frozen=True):
    """Which school is looked for."""

    search: str = ""


class TwoSchools(msgspec.Struct, frozen=True):
    """A path with the school that goes and the one it goes into."""

    id: int
    school: int


class SchoolForm(msgspec.Struct, frozen=True):
    """When and why children go; for a split, whose and to which new school."""

    id: str = ""
    moved_on: str = ""
    reason: str = ""
    classes: list[int] = []
    code: str = ""
    name_local: str = ""
    name_latin: str = ""
    do: str = ""


class UndoForm(msgspec.Struct, frozen=True):
    """Why something is taken back, and of which school it was."""

    reason: str = ""
    school_id: int = 0


def _move_plan(place: Place, form: MoveForm) -> BoundaryPlan:
    typed = Typed()
    if form.to_parent_id is None:
        typed.needed("to_parent_id")
    typed.check()
    return BoundaryPlan(
        form.id, "move", [place.id], typed.reason(form.reason), form.to_parent_id, code=form.code
    )


def _merge_plan(place: Place, form: MergeForm) -> BoundaryPlan:
    typed = Typed()
    if form.into_place_id is None:
        typed.needed("into_place_id")
    typed.check()
    return BoundaryPlan(
        form.id, "merge", [place.id], typed.reason(form.reason), into_place_id=form.into_place_id
    )


async def _split_plan(call: Ask, place: Place, form: SplitForm) -> BoundaryPlan:
    schools, places = await _hanging(call, place.id)
    rest = [each.id for each in schools if each.id not in form.schools]
    below = [each.id for each in places if each.id not in form.places]
    first = (
        Part(goes_on=True, school_ids=rest, place_ids=below)
        if form.goes_on
        else Part(form.code_1, form.name_1, school_ids=rest, place_ids=below)
    )
    second = Part(form.code_2, form.name_2, school_ids=form.schools, place_ids=form.places)
    return BoundaryPlan(form.id, "split", [place.id], form.reason, parts=[first, second])


async def _hanging(call: Ask, place_id: int) -> tuple[list[Any], list[Any]]:
    """The schools and places directly below a place, a thousand of each at most."""
    actor = actor_of(call)
    found = await list_schools(call.session, actor, ALL, SchoolSearch(place_id=place_id))
    schools = [each for each in found.items if each.place_id == place_id]
    return schools, (await list_places(call.session, actor, ALL, parent_id=place_id)).items


async def _open(call: Ask, place_id: int) -> Place:
    place = await read_place(call.session, actor_of(call), place_id)
    if place.is_deleted or place.closed_at is not None:
        raise NotFound
    return place


async def _choices(call: Ask, kind: str, place: Place) -> dict[str, Any]:
    actor = actor_of(call)
    if kind == "move":
        above = [(each, name) for each, name in await place_choices(call) if each != place.id]
        return {"choices": above}
    if kind == "merge":
        same = (await list_places(call.session, actor, ALL, kind=place.kind)).items
        return {"choices": [(each.id, each.name_local) for each in same if each.id != place.id]}
    schools, places = await _hanging(call, place.id)
    return {"schools": schools, "places": places}


async def _page(
    call: Ask, kind: str, place: Place, form: msgspec.Struct, preview: Any = None
) -> dict[str, Any]:
    return {
        "kind": kind,
        "place": place,
        "form": form,
        "preview": preview,
        **await _choices(call, kind, place),
    }


async def _plan(call: Ask, kind: str, place: Place, form: Any) -> BoundaryPlan:
    if kind == "split":
        return await _split_plan(call, place, form)
    return _move_plan(place, form) if kind == "move" else _merge_plan(place, form)


async def _show(call: Ask, kind: str, place_id: int, form: Any) -> Html:
    place = await _open(call, place_id)
    return render(call, "boundaries/place.html", **await _page(call, kind, place, form))


async def _do(call: Ask, kind: str, place_id: int, form: Any) -> Html | Redirect:
    """Shows what a change would do, or does it."""
    place = await _open(call, place_id)
    plan = await _plan(call, kind, place, form)
    if form.do != "yes":
        preview = await preview_boundary_change(call.session, actor_of(call), plan)
        return render(call, "boundaries/place.html", **await _page(call, kind, place, form, preview))
    made = await change_boundaries(call.session, actor_of(call), plan, call.clock)
    below = made.followed[0].successor_id if made.followed else place_id
    return done(call, f"/places?below={below}", language_of(call).gettext("Saved."))


@routes.get("/places/{id}/move", CHANGES)
async def move_place_page(call: Ask, *, path: ById) -> Html:
    """The form that hangs a place on another."""
    return await _show(call, "move", path.id, MoveForm(time_ordered_id()))


@routes.post("/places/{id}/move", CHANGES, deadline_s=ROLL_S)
async def move_place_here(call: Ask, *, path: ById, form: MoveForm) -> Html | Redirect:
    """Shows what moving a place would do, or moves it."""
    return await _do(call, "move", path.id, form)


@routes.get("/places/{id}/merge", CHANGES)
async def merge_place_page(call: Ask, *, path: ById) -> Html:
    """The form that merges a place into another."""
    return await _show(call, "merge", path.id, MergeForm(time_ordered_id()))


@routes.post("/places/{id}/merge", CHANGES, deadline_s=ROLL_S)
async def merge_place_here(call: Ask, *, path: ById, form: MergeForm) -> Html | Redirect:
    """Shows what merging a place would do, or merges it."""
    return await _do(call, "merge", path.id, form)


@routes.get("/places/{id}/split", CHANGES)
async def split_place_page(call: Ask, *, path: ById) -> Html:
    """The form that splits a place in two."""
    return await _show(call, "split", path.id, SplitForm(time_ordered_id(), goes_on=True))


@routes.post("/places/{id}/split", CHANGES, deadline_s=ROLL_S, body_bytes=CLASS_BODY)
async def split_place_here(call: Ask, *, path: ById, form: SplitForm) -> Html | Redirect:
    """Shows what splitting a place would do, or splits it."""
    return await _do(call, "split", path.id, form)


@routes.get("/boundary-changes", May("read", "place"), page=PageLimit(20))
async def boundary_changes_page(call: Ask, *, page: PageRequest) -> Html:
    """Changes of places, the latest first."""
    return render(
        call, "boundaries/list.html", page=await list_boundary_changes(call.session, actor_of(call), page)
    )


@routes.post("/boundary-changes/{id}/undo", CHANGES, deadline_s=ROLL_S)
async def undo_boundary_change_here(call: Ask, *, path: ByUuid, form: Reason) -> Redirect:
    """Takes a change of places back."""
    await undo_boundary_change(call.session, actor_of(call), path.id, reason=form.reason, clock=call.clock)
    return done(call, "/boundary-changes", language_of(call).gettext("Undone."))


@routes.post("/places/{id}/close", CHANGES)
async def close_place_here(call: Ask, *, path: ById, form: Reason) -> Redirect:
    """Closes a place on which nothing hangs any more."""
    await close_place(call.session, actor_of(call), path.id, reason=form.reason, clock=call.clock)
    return done(call, f"/places?below={path.id}", language_of(call).gettext("Saved."))


@routes.post("/places/{id}/reopen", CHANGES)
async def reopen_place_here(call: Ask, *, path: ById, form: NoFields) -> Redirect:
    """Opens a closed place again."""
    await reopen_place(call.session, actor_of(call), path.id)
    return done(call, f"/places?below={path.id}", language_of(call).gettext("Saved."))


async def _school_move(
    call: Ask, school_id: int, place_id: int | None, form: SchoolMoveForm
) -> dict[str, Any]:
    actor, session = actor_of(call), call.session
    school = await read_school(session, actor, school_id)
    if school.is_deleted:
        raise NotFound
    place = await read_place(session, actor, place_id) if place_id is not None else None
    below = await list_places(session, actor, ALL, parent_id=place_id)
    is_elsewhere = place is not None and place.id != school.place_id and place.closed_at is None
    return {
        "school": school,
        "place": place,
        "above": place.lineage if place else [],
        "below": below.items,
        "form": msgspec.structs.replace(form, version=form.version or school.version),
        "preview": await preview_school_move(session, actor, school_id, place.id)
        if place and is_elsewhere
        else None,
    }


@routes.get("/schools/{id}/move", CHANGES_SCHOOLS)
async def move_school_page(call: Ask, *, path: ById, query: Where) -> Html:
    """Down the tree to the place a school goes to, and what that does to each round."""
    form = SchoolMoveForm(query.place or 0)
    return render(call, "boundaries/school_move.html", **await _school_move(call, path.id, query.place, form))


@routes.post("/schools/{id}/move", CHANGES_SCHOOLS)
async def move_school_here(call: Ask, *, path: ById, form: SchoolMoveForm) -> Redirect:
    """Moves a school to another place, with a reason."""
    change = SchoolChange(form.version, place_id=form.place, reason=form.reason)
    await change_school(call.session, actor_of(call), path.id, change, call.clock)
    return done(call, f"/schools/{path.id}", language_of(call).gettext("Saved."))


@routes.get("/schools/{id}/merge", CHANGES_SCHOOLS, page=PageLimit(20))
async def choose_merge_page(call: Ask, *, path: ById, query: SchoolWanted, page: PageRequest) -> Html:
    """The schools that another may be merged into."""
    actor = actor_of(call)
    school = await read_school(call.session, actor, path.id)
    asked = SchoolSearch(search=query.search.strip() or None, status="open", is_practice=False)
    found = await list_schools(call.session, actor, page, asked)
    others = msgspec.structs.replace(found, items=[each for each in found.items if each.id != school.id])
    return render(call, "boundaries/choose_school.html", school=school, schools=others, query=query)


async def _school_page(
    call: Ask, kind: str, school_id: int, form: SchoolForm, *, into_id: int | None = None, preview: Any = None
) -> dict[str, Any]:
    actor, session = actor_of(call), call.session
    school = await read_school(session, actor, school_id)
    year = await current_year(session)
    classes = (
        (await list_classes(session, actor, ALL, school_id=school_id, school_year_id=year.id)).items
        if kind == "split" and year
        else []
    )
    into = await read_school(session, actor, into_id) if into_id is not None else None
    return {
        "kind": kind,
        "school": school,
        "into": into,
        "classes": classes,
        "form": form,
        "preview": preview,
    }


def _merge(form: SchoolForm, into_id: int) -> SchoolMerge:
    typed = Typed()
    moved_on = typed.day("moved_on", form.moved_on)
    typed.check()
    return SchoolMerge(form.id, into_id, moved_on, form.reason)


def _split(form: SchoolForm) -> SchoolSplit:
    typed = Typed()
    moved_on = typed.day("moved_on", form.moved_on)
    typed.check()
    return SchoolSplit(
        form.id, form.classes, moved_on, form.code, form.name_local, form.reason, form.name_latin
    )


def _blank(call: Ask) -> SchoolForm:
    return SchoolForm(time_ordered_id(), today(call.clock).isoformat())


@routes.get("/schools/{id}/merge/{school}", CHANGES_SCHOOLS)
async def merge_school_page(call: Ask, *, path: TwoSchools) -> Html:
    """The form that merges a school into another."""
    values = await _school_page(call, "merge", path.id, _blank(call), into_id=path.school)
    return render(call, "boundaries/school.html", **values)


@routes.post("/schools/{id}/merge/{school}", CHANGES_SCHOOLS, deadline_s=ROLL_S)
async def merge_school_here(call: Ask, *, path: TwoSchools, form: SchoolForm) -> Html | Redirect:
    """Shows what merging a school would do, or merges it."""
    merge = _merge(form, path.school)
    if form.do != "yes":
        preview = await preview_school_merge(call.session, actor_of(call), path.id, merge)
        values = await _school_page(call, "merge", path.id, form, into_id=path.school, preview=preview)
        return render(call, "boundaries/school.html", **values)
    await merge_school(call.session, actor_of(call), path.id, merge, call.clock)
    return done(call, f"/schools/{path.school}", language_of(call).gettext("Saved."))


@routes.get("/schools/{id}/split", CHANGES_SCHOOLS)
async def split_school_page(call: Ask, *, path: ById) -> Html:
    """The form that makes a new school of some classes."""
    return render(call, "boundaries/school.html", **await _school_page(call, "split", path.id, _blank(call)))


@routes.post("/schools/{id}/split", CHANGES_SCHOOLS, deadline_s=ROLL_S)
async def split_school_here(call: Ask, *, path: ById, form: SchoolForm) -> Html | Redirect:
    """Shows what splitting a school would do, or splits it."""
    split = _split(form)
    if form.do != "yes":
        preview = await preview_school_split(call.session, actor_of(call), path.id, split)
        values = await _school_page(call, "split", path.id, form, preview=preview)
        return render(call, "boundaries/school.html", **values)
    made = await split_school(call.session, actor_of(call), path.id, split, call.clock)
    return done(call, f"/schools/{made.to_school_id}", language_of(call).gettext("Saved."))


@routes.post("/school-changes/{id}/undo", CHANGES_SCHOOLS, deadline_s=ROLL_S)
async def undo_school_change_here(call: Ask, *, path: ByUuid, form: UndoForm) -> Redirect:
    """Takes a merge or split of schools back."""
    undone = await undo_school_change(
        call.session, actor_of(call), path.id, reason=form.reason, clock=call.clock
    )
    told = language_of(call).ngettext("{n} child went back.", "{n} children went back.", undone.back)
    return done(call, f"/schools/{form.school_id}", told)
