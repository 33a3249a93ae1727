"""Places: walk down the tree from the country, add, rename, take away."""

from __future__ import annotations

from typing import Any

import msgspec

from flatwater.contract import Html, Redirect
from flatwater.paging import CEILING_ROWS, PageLimit, PageRequest
from rightlevel.programme.errors import NotFound
from rightlevel.programme.permissions import May
from rightlevel.programme.places import (
    NewPlace,
    Place,
    PlaceChange,
    PlaceRow,
    change_place,
    create_place,
    delete_place,
    kinds_below,
    list_places,
    read_place,
)
from rightlevel.web.call import Ask, ById, actor_of
from rightlevel.web.language import Language
from rightlevel.web.pages.forms import Reason, reason_of
from rightlevel.web.routes import Routes
from rightlevel.web.templating import done, language_of, render
from rightlevel.web.words import word

routes = Routes("pages")

ALL = PageRequest(CEILING_ROWS)
CHOICE_KINDS = ("country", "province", "district")


class Below(msgspec.Struct, frozen=True):
    """Below which place one looks."""

    below: int | None = None


class PlaceForm(msgspec.Struct, frozen=True):
    """What the forms for a place send."""

    kind: str = ""
    code: str = ""
    name_local: str = ""
    name_latin: str = ""
    version: int = 0


async def place_choices(call: Ask, chosen: int | None = None) -> list[tuple[int, str]]:
    """Countries, provinces and districts in the order of the tree, for a select; and the chosen place, wherever it is.

    *Cost*: three statements of at most 1,000 rows each; whoever has more districts goes through the tree.
    """
    below: dict[int | None, list[PlaceRow]] = {}
    for kind in CHOICE_KINDS:
        for place in (await list_places(call.session, actor_of(call), ALL, kind=kind)).items:
            below.setdefault(place.parent_id, []).append(place)
    choices: list[tuple[int, str]] = []

    def add(parent_id: int | None, depth: int) -> None:
        for place in below.get(parent_id, []):
            choices.append((place.id, "\u2003" * depth + place.name_local))
            add(place.id, depth + 1)

    add(None, 0)
    if chosen is not None and chosen not in dict(choices):
        choices.append((chosen, (await read_place(call.session, actor_of(call), chosen)).name_local))
    return choices


def _kinds(language: Language, kind: str) -> list[tuple[str, str]]:
    return [(each, language.gettext(word("place", each))) for each in kinds_below(kind)]


@routes.get("/places", May("read", "place"), page=PageLimit(50))
async def places_page(call: Ask, *, query: Below, page: PageRequest) -> Html:
    """One place and the places below it; without one, the countries."""
    return render(call, "schools/places.html", **await _tree(call, query.below, page))


async def _tree(call: Ask, place_id: int | None, page: PageRequest) -> dict[str, Any]:
    actor = actor_of(call)
    place = await read_place(call.session, actor, place_id) if place_id is not None else None
    if place is not None and place.is_deleted:
        raise NotFound
    rows = await list_places(call.session, actor, page, parent_id=place_id)
    closed = await list_places(call.session, actor, ALL, parent_id=place_id, closed=True)
    return {
        "place": place,
        "above": place.lineage[:-1] if place else [],
        "page": rows,
        "closed": closed.items,
    }


@routes.get("/places/new", May("create", "place"))
async def new_place_page(call: Ask, *, query: Below) -> Html:
    """The form for a place below another, or for a country."""
    return render(call, "schools/place_form.html", **await _new_place(call, query.below, PlaceForm()))


async def _new_place(call: Ask, below: int | None, form: PlaceForm) -> dict[str, Any]:
    parent = await read_place(call.session, actor_of(call), below) if below is not None else None
    kinds = _kinds(language_of(call), parent.kind) if parent else []
    return {"place": None, "parent": parent, "form": form, "kinds": kinds}


@routes.post("/places/new", May("create", "place"))
async def create_place_here(call: Ask, *, query: Below, form: PlaceForm) -> Redirect:
    """Adds a place."""
    kind = form.kind if query.below is not None else "country"
    new = NewPlace(kind, form.code, form.name_local, form.name_latin, query.below)
    place = await create_place(call.session, actor_of(call), new)
    _ = language_of(call).gettext
    return done(call, f"/places?below={place.id}", _("Saved."))


@routes.get("/places/{id}/edit", May("change", "place"))
async def edit_place_page(call: Ask, *, path: ById) -> Html:
    """The form that renames a place."""
    place = await read_place(call.session, actor_of(call), path.id)
    return render(call, "schools/place_form.html", **_edit(place, _form_of(place)))


def _edit(place: Place, form: PlaceForm) -> dict[str, Any]:
    return {"place": place, "parent": None, "form": form, "kinds": []}


def _form_of(place: Place) -> PlaceForm:
    return PlaceForm(place.kind, place.code, place.name_local, place.name_latin, place.version)


@routes.post("/places/{id}/edit", May("change", "place"))
async def change_place_here(call: Ask, *, path: ById, form: PlaceForm) -> Redirect:
    """Renames a place or gives it another code."""
    change = PlaceChange(form.version, form.code, form.name_local, form.name_latin)
    await change_place(call.session, actor_of(call), path.id, change)
    _ = language_of(call).gettext
    return done(call, f"/places?below={path.id}", _("Saved."))


@routes.post("/places/{id}/delete", May("delete", "place"))
async def delete_place_here(call: Ask, *, path: ById, form: Reason) -> Redirect:
    """Takes a place away, restorably, with a reason."""
    place = await read_place(call.session, actor_of(call), path.id)
    await delete_place(call.session, actor_of(call), path.id, reason=reason_of(form), clock=call.clock)
    _ = language_of(call).gettext
    above = f"?below={place.parent_id}" if place.parent_id is not None else ""
    return done(call, f"/places{above}", _("Deleted. It can be brought back under “Deleted things”."))
