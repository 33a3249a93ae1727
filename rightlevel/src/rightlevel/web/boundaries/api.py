"""Places and schools moved, split and merged over HTTP."""

from __future__ import annotations

import msgspec

from flatwater.paging import Page, PageRequest
from rightlevel.programme.boundaries import (
    BoundaryChange,
    BoundaryPlan,
    BoundaryPreview,
    SchoolChanged,
    SchoolMerge,
    SchoolPreview,
    SchoolSplit,
    SchoolUndone,
    change_boundaries,
    list_boundary_changes,
    list_school_changes,
    merge_school,
    preview_boundary_change,
    preview_school_merge,
    preview_school_split,
    split_school,
    undo_boundary_change,
    undo_school_change,
)
from rightlevel.programme.permissions import May
from rightlevel.programme.places import Place, close_place, reopen_place
from rightlevel.programme.schools import MovePreview, Stay, list_stays, preview_school_move
from rightlevel.web.call import (
    CLASS_BODY,
    ROLL_S,
    Ask,
    ById,
    ByUuid,
    actor_of,
)
from rightlevel.web.routes import Routes

routes = Routes("schools")

CHANGES = May("change", "place")
CHANGES_SCHOOLS = May("change", "school")


class Reason(msgspec.Struct, frozen=True):
    """Why."""

    reason: str


class Destination(msgspec.Struct, frozen=True):
    """The place that a school would go to."""

    place_id: int


class Stays(msgspec.Struct, frozen=True):
    """Where a school stood and stands, the latest first."""

    stays: list[Stay]


@routes.post(
    "/api/v1/boundary-changes/preview", CHANGES, work="read", body_bytes=CLASS_BODY, tags=("places",)
)
async def preview_one_boundary_change(call: Ask, *, body: BoundaryPlan) -> BoundaryPreview:
    """What moving, splitting or merging places would do; nothing is written."""
    return await preview_boundary_change(call.session, actor_of(call), body)


@routes.post("/api/v1/boundary-changes", CHANGES, deadline_s=ROLL_S, body_bytes=CLASS_BODY, tags=("places",))
async def make_boundary_change(call: Ask, *, body: BoundaryPlan) -> BoundaryChange:
    """Moves, splits or merges places; the same id again gets the same answer."""
    return await change_boundaries(call.session, actor_of(call), body, call.clock)


@routes.get("/api/v1/boundary-changes", May("read", "place"), tags=("places",))
async def list_all_boundary_changes(call: Ask, *, page: PageRequest) -> Page[BoundaryChange]:
    """Changes of places, the latest first."""
    return await list_boundary_changes(call.session, actor_of(call), page)


@routes.post("/api/v1/boundary-changes/{id}/undo", CHANGES, deadline_s=ROLL_S, tags=("places",))
async def undo_one_boundary_change(call: Ask, *, path: ByUuid, body: Reason) -> BoundaryChange:
    """Takes a change of places back."""
    return await undo_boundary_change(
        call.session, actor_of(call), path.id, reason=body.reason, clock=call.clock
    )


@routes.post("/api/v1/places/{id}/close", CHANGES, tags=("places",))
async def close_one_place(call: Ask, *, path: ById, body: Reason) -> Place:
    """Closes a place on which nothing hangs any more."""
    return await close_place(call.session, actor_of(call), path.id, reason=body.reason, clock=call.clock)


@routes.post("/api/v1/places/{id}/reopen", CHANGES, tags=("places",))
async def reopen_one_place(call: Ask, *, path: ById) -> Place:
    """Opens a closed place again."""
    return await reopen_place(call.session, actor_of(call), path.id)


@routes.get("/api/v1/schools/{id}/places", May("read", "school"))
async def list_places_of_school(call: Ask, *, path: ById) -> Stays:
    """Where a school stood and stands."""
    return Stays(await list_stays(call.session, actor_of(call), path.id))


@routes.post("/api/v1/schools/{id}/move/preview", CHANGES_SCHOOLS, work="read")
async def preview_one_move(call: Ask, *, path: ById, body: Destination) -> MovePreview:
    """What moving a school would do to each round; the move itself is a change of its place, with a reason."""
    return await preview_school_move(call.session, actor_of(call), path.id, body.place_id)


@routes.post("/api/v1/schools/{id}/merge/preview", CHANGES_SCHOOLS, work="read")
async def preview_one_merge(call: Ask, *, path: ById, body: SchoolMerge) -> SchoolPreview:
    """What merging a school into another would do."""
    return await preview_school_merge(call.session, actor_of(call), path.id, body)


@routes.post("/api/v1/schools/{id}/merge", CHANGES_SCHOOLS, deadline_s=ROLL_S)
async def merge_one_school(call: Ask, *, path: ById, body: SchoolMerge) -> SchoolChanged:
    """All children go to another school, and this one closes; the same id again gets the same answer."""
    return await merge_school(call.session, actor_of(call), path.id, body, call.clock)


@routes.post("/api/v1/schools/{id}/split/preview", CHANGES_SCHOOLS, work="read")
async def preview_one_split(call: Ask, *, path: ById, body: SchoolSplit) -> SchoolPreview:
    """What splitting a school would do."""
    return await preview_school_split(call.session, actor_of(call), path.id, body)


@routes.post("/api/v1/schools/{id}/split", CHANGES_SCHOOLS, deadline_s=ROLL_S)
async def split_one_school(call: Ask, *, path: ById, body: SchoolSplit) -> SchoolChanged:
    """The children of some classes go to a new school; the same id again gets the same answer."""
    return await split_school(call.session, actor_of(call), path.id, body, call.clock)


@routes.get("/api/v1/schools/{id}/changes", May("read", "school"))
async def list_changes_of_school(call: Ask, *, path: ById, page: PageRequest) -> Page[SchoolChanged]:
    """Merges and splits that a school had part in."""
    return await list_school_changes(call.session, actor_of(call), path.id, page)


@routes.post("/api/v1/school-changes/{id}/undo", CHANGES_SCHOOLS, deadline_s=ROLL_S)
async def undo_one_school_change(call: Ask, *, path: ByUuid, body: Reason) -> SchoolUndone:
    """Takes a merge or split back, for the children who are still where it took them."""
    return await undo_school_change(
        call.session, actor_of(call), path.id, reason=body.reason, clock=call.clock
    )
