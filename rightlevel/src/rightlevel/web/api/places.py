"""Places over HTTP."""

from __future__ import annotations

import msgspec

from flatwater.contract import Created, Registry
from flatwater.paging import Page, PageLimit, PageRequest
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
from rightlevel.web.call import READ_S, READS, SMALL_BODY, WRITE_S, WRITES, Ask, ById, Deletion, actor_of

routes = Registry()


class PlaceSearch(msgspec.Struct, frozen=True):
    """Which places are asked for; without anything, the countries."""

    parent_id: int | None = None
    kind: str | None = None
    search: str | None = None
    deleted: bool = False
    closed: bool = False


@routes.endpoint(
    "GET",
    "/api/v1/places",
    who=May("read", "place"),
    rate=READS,
    deadline_s=READ_S,
    work="read",
    page=PageLimit(),
    tags=("places",),
)
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


@routes.endpoint(
    "POST",
    "/api/v1/places",
    who=May("create", "place"),
    rate=WRITES,
    deadline_s=WRITE_S,
    work="write",
    body_bytes=SMALL_BODY,
    tags=("places",),
    statuses={201: "made"},
)
async def create_one_place(call: Ask, *, body: NewPlace) -> Created[Place]:
    """Makes a place."""
    made = await create_place(call.session, actor_of(call), body)
    return Created(made, f"/api/v1/places/{made.id}")


@routes.endpoint(
    "GET",
    "/api/v1/places/{id}",
    who=May("read", "place"),
    rate=READS,
    deadline_s=READ_S,
    work="read",
    tags=("places",),
)
async def read_one_place(call: Ask, *, path: ById) -> Place:
    """One place."""
    return await read_place(call.session, actor_of(call), path.id)


@routes.endpoint(
    "PATCH",
    "/api/v1/places/{id}",
    who=May("change", "place"),
    rate=WRITES,
    deadline_s=WRITE_S,
    work="write",
    body_bytes=SMALL_BODY,
    tags=("places",),
)
async def change_one_place(call: Ask, *, path: ById, body: PlaceChange) -> Place:
    """Changes a place; a stale version gets 409 with both."""
    return await change_place(call.session, actor_of(call), path.id, body)


@routes.endpoint(
    "DELETE",
    "/api/v1/places/{id}",
    who=May("delete", "place"),
    rate=WRITES,
    deadline_s=WRITE_S,
    work="write",
    tags=("places",),
)
async def delete_one_place(call: Ask, *, path: ById, query: Deletion) -> None:
    """Takes a place out of use, restorably."""
    await delete_place(call.session, actor_of(call), path.id, reason=query.reason, clock=call.clock)


@routes.endpoint(
    "POST",
    "/api/v1/places/{id}/restore",
    who=May("restore", "place"),
    rate=WRITES,
    deadline_s=WRITE_S,
    work="write",
    tags=("places",),
)
async def restore_one_place(call: Ask, *, path: ById) -> Place:
    """Brings a place back."""
    return await restore_place(call.session, actor_of(call), path.id)
