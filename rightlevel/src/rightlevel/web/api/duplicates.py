"""Children entered twice, over HTTP: the likely ones of a school, merging, and taking that back; and children under another child's name."""

from __future__ import annotations

import msgspec

from flatwater.contract import Created
from flatwater.paging import Page, PageRequest
from rightlevel.programme.duplicates import (
    DuplicatesOfSchool,
    Merge,
    Merged,
    Rename,
    dismiss_duplicates,
    find_duplicates,
    list_merges,
    list_renames,
    merge_duplicates,
    put_back_name,
    say_same_child,
    undo_merge_of_duplicates,
)
from rightlevel.programme.permissions import May
from rightlevel.programme.students import Student
from rightlevel.web.call import Ask, ById, ByUuid, actor_of
from rightlevel.web.routes import Routes

routes = Routes("duplicates")


class TwoChildren(msgspec.Struct, frozen=True):
    """Two records that are two children."""

    student_id: str
    other_id: str


class Why(msgspec.Struct, frozen=True):
    """Why a merge is undone."""

    reason: str


class RenamesWanted(msgspec.Struct, frozen=True):
    """Of which school; of all where none is named."""

    school_id: int | None = None


class PuttingBack(msgspec.Struct, frozen=True):
    """Which version of the child is meant, and why its former name is put back."""

    version: int
    reason: str


@routes.get("/api/v1/schools/{id}/duplicates", May("merge", "student"))
async def find_duplicates_of_school(call: Ask, *, path: ById) -> DuplicatesOfSchool:
    """At most a hundred pairs that may be one child, the likeliest first, with the reasons."""
    return await find_duplicates(call.session, actor_of(call), path.id, call.clock)


@routes.get("/api/v1/schools/{id}/merges", May("merge", "student"))
async def list_merges_of_school(call: Ask, *, path: ById, page: PageRequest) -> Page[Merged]:
    """The merges of a school's children, the latest first."""
    return await list_merges(call.session, actor_of(call), path.id, page)


@routes.post("/api/v1/merges", May("merge", "student"), statuses={201: "merged"})
async def merge_two_records(call: Ask, *, body: Merge) -> Created[Merged]:
    """Makes two records one; both histories are kept."""
    made = await merge_duplicates(call.session, actor_of(call), body, call.clock)
    return Created(made, f"/api/v1/students/{made.kept_id}")


@routes.post("/api/v1/merges/{id}/undo", May("merge", "student"))
async def undo_one_merge(call: Ask, *, path: ByUuid, body: Why) -> Merged:
    """Makes two of one again."""
    return await undo_merge_of_duplicates(
        call.session, actor_of(call), path.id, reason=body.reason, clock=call.clock
    )


@routes.post("/api/v1/not-duplicates", May("merge", "student"))
async def say_two_are_two(call: Ask, *, body: TwoChildren) -> None:
    """Remembers that two records are two children."""
    await dismiss_duplicates(call.session, actor_of(call), body.student_id, body.other_id, call.clock)


@routes.get("/api/v1/renames", May("settle", "student"))
async def list_all_renames(call: Ask, *, query: RenamesWanted, page: PageRequest) -> Page[Rename]:
    """Children whose name became another one: perhaps another child. A page may be short and still have a next one."""
    return await list_renames(call.session, actor_of(call), page, call.clock, school_id=query.school_id)


@routes.post("/api/v1/renames/{id}/same", May("settle", "student"))
async def say_renamed_child_is_the_same(call: Ask, *, path: ById) -> None:
    """Remembers that it is the same child under its new name."""
    await say_same_child(call.session, actor_of(call), path.id, call.clock)


@routes.post("/api/v1/renames/{id}/put-back", May("settle", "student"))
async def put_one_name_back(call: Ask, *, path: ById, body: PuttingBack) -> Student:
    """Gives a child its former name back, with what else the same change took."""
    return await put_back_name(
        call.session, actor_of(call), path.id, version=body.version, reason=body.reason, clock=call.clock
    )
