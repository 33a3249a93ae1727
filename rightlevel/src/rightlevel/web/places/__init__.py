"""Places: walk down the tree from the country, add, rename, take away."""

from __future__ import annotations

from typing import Any

import msgspec

from flatwater.contract import Html
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
    restore_place,
)
from rightlevel.web.feature import IN_PAGES, Feature, Filters
from rightlevel.web.request import Request, actor_of
from rightlevel.web.templating import language_of, render
from rightlevel.web.words import word

ALL = PageRequest(CEILING_ROWS)
CHOICE_KINDS = ("country", "province", "district")


class Below(msgspec.Struct, frozen=True):
    """Below which place one looks."""

    below: int | None = None


async def place_choices(request: Request, chosen: int | None = None) -> list[tuple[int, str]]:
    """Countries, provinces and districts in the order of the tree, for a select; and the chosen place, wherever it is.

    *Cost*: three statements of at most 1,000 rows each; whoever has more districts goes through the tree.
    """
    below: dict[int | None, list[PlaceRow]] = {}
    for kind in CHOICE_KINDS:
        for place in (await list_places(request.session, actor_of(request), ALL, kind=kind)).items:
            below.setdefault(place.parent_id, []).append(place)
    choices: list[tuple[int, str]] = []

    def add(parent_id: int | None, depth: int) -> None:
        for place in below.get(parent_id, []):
            choices.append((place.id, "\u2003" * depth + place.name_local))
            add(place.id, depth + 1)

    add(None, 0)
    if chosen is not None and chosen not in dict(choices):
        choices.append((chosen, (await read_place(request.session, actor_of(request), chosen)).name_local))
    return choices


async def _around(request: Request, place: Place | None, asked: Below | None) -> dict[str, Any]:
    """The place above a new one, and the kinds that may stand below it."""
    if place is not None or asked is None or asked.below is None:
        return {"parent": None, "kinds": []}
    parent = await read_place(request.session, actor_of(request), asked.below)
    language = language_of(request)
    kinds = [(each, language.gettext(word("place", each))) for each in kinds_below(parent.kind)]
    return {"parent": parent, "kinds": kinds}


async def _above(request: Request, given: dict[str, Any]) -> str:
    """Where to look when a place is taken away: at the place above it."""
    place = await read_place(request.session, actor_of(request), given["path"].id)
    return "/places" + (f"?below={place.parent_id}" if place.parent_id is not None else "")


routes = Feature("place", "places")
routes.lists(list_places, Filters)
routes.reads(read_place)
routes.creates(
    create_place, NewPlace, "form.html", then="/places?below={made.id}", asks=Below, beside=_around
)
routes.changes(
    change_place,
    PlaceChange,
    "form.html",
    read=read_place,
    then="/places?below={path.id}",
    at="/{id}/edit",
    beside=_around,
)
routes.deletes(delete_place, then=_above)
routes.restores(restore_place)


@routes.get("/places", May("read", "place"), page=PageLimit(50), **IN_PAGES)
async def places_page(request: Request, *, query: Below, page: PageRequest) -> Html:
    """One place and the places below it; without one, the countries."""
    actor = actor_of(request)
    place = await read_place(request.session, actor, query.below) if query.below is not None else None
    if place is not None and place.is_deleted:
        raise NotFound
    closed = await list_places(request.session, actor, ALL, parent_id=query.below, closed=True)
    return render(
        request,
        "places/tree.html",
        place=place,
        above=place.lineage[:-1] if place else [],
        page=await list_places(request.session, actor, page, parent_id=query.below),
        closed=closed.items,
    )
