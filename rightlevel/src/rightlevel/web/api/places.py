"""Places over HTTP."""

from __future__ import annotations

import msgspec

from flatwater.contract import Created
from flatwater.paging import Page, PageRequest
from rightlevel.programme.permissions import May
from rightlevel.programme.places import (
    NewPlace,
    Place,
    PlaceChange,
    PlaceRow,
    change_place,
    create_place,
    delete_place,
    list_places,
    read_place,
    restore_place,
)
from rightlevel.web.call import Ask, ById, Deletion, actor_of
from rightlevel.web.routes import Routes

routes = Routes("places")


class PlaceSearch(msgspec.Struct, frozen=True):
    """Which places are asked for; without anything, the countries."""

    parent_id: int | None = None
    kind: str | None = None
    search: str | None = None
    deleted: bool = False
    closed: bool = False


@routes.get("/api/v1/places", May("read", "place"))
async def list_all_places(call: Ask, *, query: PlaceSearch, page: PageRequest) -> Page[PlaceRow]:
    """Places by name."""
    return await list_places(
        call.session,
        actor_of(call),
        page,
        parent_id=query.parent_id,
        kind=query.kind,
        search=query.search,
        deleted=query.deleted,
        closed=query.closed,
    )


@routes.post("/api/v1/places", May("create", "place"))
async def create_one_place(call: Ask, *, body: NewPlace) -> Created[Place]:
    """Makes a place."""
    made = await create_place(call.session, actor_of(call), body)
    return Created(made, f"/api/v1/places/{made.id}")


@routes.get("/api/v1/places/{id}", May("read", "place"))
async def read_one_place(call: Ask, *, path: ById) -> Place:
    """One place."""
    return await read_place(call.session, actor_of(call), path.id)


@routes.patch("/api/v1/places/{id}", May("change", "place"))
async def change_one_place(call: Ask, *, path: ById, body: PlaceChange) -> Place:
    """Changes a place; a stale version gets 409 with both."""
    return await change_place(call.session, actor_of(call), path.id, body)


@routes.delete("/api/v1/places/{id}", May("delete", "place"))
async def delete_one_place(call: Ask, *, path: ById, query: Deletion) -> None:
    """Takes a place out of use, restorably."""
    await delete_place(call.session, actor_of(call), path.id, reason=query.reason, clock=call.clock)


@routes.post("/api/v1/places/{id}/restore", May("restore", "place"))
async def restore_one_place(call: Ask, *, path: ById) -> Place:
    """Brings a place back."""
    return await restore_place(call.session, actor_of(call), path.id)
