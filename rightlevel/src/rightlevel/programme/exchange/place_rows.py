"""Places of a file: hung on the tree, renamed, or moved with everything below them, as on the pages of places.

Rows come in any order: those that hang higher are taken first, so that a parent is there before its children, and no place comes to hang below
itself. A moved place is followed by another, as a change of boundaries has it; a row with the number from before means the one that follows.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import msgspec

from flatwater.transaction import ConstraintViolated, Session
from rightlevel.programme.audit import write_audit
from rightlevel.programme.boundaries import BoundaryPlan, change_boundaries, undo_boundary_change
from rightlevel.programme.exchange.row_deeds import (
    QUERIES,
    UNCHANGED,
    Asking,
    Done,
    Kept,
    Row,
    RowKind,
    StandsOn,
    differing,
    wrong,
)
from rightlevel.programme.ids import time_ordered_id
from rightlevel.programme.permissions import require
from rightlevel.programme.places import NewPlace, PlaceChange, change_place, create_place, read_place

WHY_BACK = "Import undone"


class _Found(msgspec.Struct, frozen=True):
    parents: int
    """How many places the cell for the parent may mean."""
    parent_id: int | None
    place_id: int | None
    place_parent_id: int | None
    place_parent: str | None
    kind: str | None
    code: str | None
    name_local: str | None
    name_latin: str | None
    version: int | None
    is_deleted: bool
    is_closed: bool


async def _look_up(session: Session, _asking: Asking, rows: Sequence[Row]) -> list[_Found]:
    values: dict[str, Any] = {
        f"{name}s": [row.cells[name] for row in rows] for name in ("parent", "code", "id")
    }
    return await session.fetch_all(QUERIES["look_up_places"], values, into=_Found)


async def _do(session: Session, asking: Asking, row: Row, found: _Found) -> Done:
    cells = row.cells
    if cells["parent"] is not None and found.parents == 0:
        raise wrong("parent", "No place has this code", cells["parent"])
    if found.parents > 1:
        rule = "Several places have this code: write all codes from the country on, such as KH/12/1204"
        raise wrong("parent", rule, cells["parent"])
    if cells["id"] is not None and found.place_id is None:
        raise wrong("id", "No place has this number", cells["id"])
    if found.place_id is None:
        new = NewPlace(
            cells["kind"], cells["code"], cells["name_local"], row.text("name_latin"), found.parent_id
        )
        made = await create_place(session, asking.actor, new)
        after = {name: cells[name] for name in ("kind", "name_local", "name_latin", "parent") if cells[name]}
        return Done("new", {}, after, (Kept("place", made.id, made.version, is_new=True),))
    if found.is_deleted:
        raise wrong("code", "This place was deleted: restore it first", cells["code"])
    if found.is_closed:
        raise wrong("code", "This place is closed: it stays as it was", cells["code"])
    if found.kind != cells["kind"]:
        raise wrong("kind", f"This place is another kind, which stays: {found.kind}", cells["kind"])
    if found.place_parent_id != found.parent_id:
        return await _move(session, asking, row, found)
    return await _rename(session, asking, row, found)


def _names(asking: Asking, row: Row, found: _Found) -> tuple[dict[str, Any], dict[str, Any]]:
    told = [name for name in ("code", "name_local", "name_latin") if name in asking.mapped]
    return differing(msgspec.structs.asdict(found), {name: row.text(name) for name in told})


async def _rename(session: Session, asking: Asking, row: Row, found: _Found) -> Done:
    before, after = _names(asking, row, found)
    if not after:
        return UNCHANGED
    change = PlaceChange(found.version or 0, **after)
    changed = await change_place(session, asking.actor, found.place_id or 0, change)
    return Done("changed", before, after, (Kept("place", changed.id, changed.version, before=before),))


async def _move(session: Session, asking: Asking, row: Row, found: _Found) -> Done:
    if not row.text("reason"):
        raise wrong("reason", "Why it moves is needed: say it in a column reason", row.text("parent"))
    before, after = _names(asking, row, found)
    plan = BoundaryPlan(
        time_ordered_id(),
        "move",
        [found.place_id or 0],
        row.text("reason"),
        to_parent_id=found.parent_id,
        code=after.get("code", ""),
    )
    made = await change_boundaries(session, asking.actor, plan, asking.clock)
    kept = [Kept("boundary", found.place_id or 0, before={"boundary_change_id": made.id})]
    followed = await session.fetch_value(
        QUERIES["place_that_follows"], {"id": found.place_id, "change_id": made.id}
    )
    names = {name: value for name, value in after.items() if name != "code"}
    if names:
        there = await read_place(session, asking.actor, followed)
        changed = await change_place(session, asking.actor, followed, PlaceChange(there.version, **names))
        was = {name: before[name] for name in names}
        kept.append(Kept("place", changed.id, changed.version, before=was))
    moved = {"parent": found.place_parent}, {"parent": row.cells["parent"]}
    return Done("moved", before | moved[0], after | moved[1], tuple(kept))


async def undo_place(session: Session, asking: Asking, kept: Kept) -> None:
    """Takes a place away that a file made, or puts its names back. *Errors*: StandsOn, those of `change_place`."""
    if not kept.is_new:
        change = PlaceChange(kept.version, **kept.before)
        await change_place(session, asking.actor, kept.thing_id, change)
        return
    require(asking.actor, "delete", "place")
    place = await read_place(session, asking.actor, kept.thing_id)
    if place.version != kept.version or place.is_deleted or place.closed_at is not None:
        raise StandsOn("This place was changed since")
    try:
        async with session.savepoint():
            gone = await session.execute(QUERIES["remove_place"], {"id": kept.thing_id})
    except ConstraintViolated as error:
        raise StandsOn("Schools or other places hang or hung on this place") from error
    if not gone:
        raise StandsOn("Schools or other places hang or hung on this place")
    before = {"code": place.code, "parent_id": place.parent_id}
    await write_audit(session, asking.actor, "undo", "place", kept.thing_id, before=before)


async def undo_move(session: Session, asking: Asking, kept: Kept) -> None:
    """Takes a change of boundaries back that a file made. *Errors*: those of `undo_boundary_change`."""
    change_id = kept.before["boundary_change_id"]
    await undo_boundary_change(session, asking.actor, change_id, reason=WHY_BACK, clock=asking.clock)


PLACES = RowKind(
    "make_staged_places",
    _look_up,
    _do,
    key="code",
    columns={"parent_id": "parent", "to_parent_id": "parent"},
)
