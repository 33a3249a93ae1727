"""What is done to places: list, read, make, rename, take away, bring back."""

from __future__ import annotations

import msgspec

from flatwater.clock import Clock
from flatwater.paging import Page, PageRequest
from flatwater.transaction import ConstraintViolated, Session
from rightlevel.programme.audit import write_audit
from rightlevel.programme.errors import AlreadyTaken, Conflict, Fault, InUse, Invalid, NotFound, Stale
from rightlevel.programme.permissions import Actor, require
from rightlevel.programme.places import store
from rightlevel.programme.places.model import (
    KINDS,
    NewPlace,
    Place,
    PlaceChange,
    PlaceName,
    PlaceRow,
    place_faults,
)


class PlaceClosed(Conflict):
    """This place is closed: it stays as it was, with what was counted there."""

    code = "place_closed"


class PlaceFollowed(Conflict):
    """Other places follow this one. Take that change back instead."""

    code = "place_followed"


class PlaceHasPast(Conflict):
    """Schools stood in this place, and what was counted there stays. It can't be removed; close it instead."""

    code = "place_has_a_past"


async def list_places(
    session: Session,
    actor: Actor,
    page: PageRequest,
    *,
    parent_id: int | None = None,
    kind: str | None = None,
    search: str | None = None,
    deleted: bool = False,
    closed: bool = False,
) -> Page[PlaceRow]:
    """Places by name, the open or the closed ones; without parent, kind or search the countries. *Cost*: one statement."""
    require(actor, "read", "place")
    if kind is not None and kind not in KINDS:
        raise Invalid(faults=(Fault("kind", f"One of: {', '.join(KINDS)}", kind),))
    return await store.page_of_places(
        session, page, parent_id=parent_id, kind=kind, search=search, deleted=deleted, closed=closed
    )


async def read_place(session: Session, actor: Actor, place_id: int) -> Place:
    """One place, the way to it, and what it follows or is followed by. *Errors*: NotFound. *Cost*: three statements, four for a closed place."""
    require(actor, "read", "place")
    return await store.find_place(session, place_id)


async def way_to_place(session: Session, actor: Actor, place_id: int) -> list[PlaceName]:
    """The names of the places on the way to one, the country first and itself last. *Errors*: NotFound. *Cost*: one statement."""
    require(actor, "read", "place")
    return await store.way_to_place(session, place_id)


async def create_place(session: Session, actor: Actor, new: NewPlace) -> Place:
    """A new place. *Errors*: Invalid with every fault, AlreadyTaken for its code below this parent."""
    require(actor, "create", "place")
    parent_kind = None
    faults: list[Fault] = []
    if new.parent_id is not None:
        try:
            parent = await store.find_place(session, new.parent_id, for_update=True)
            parent_kind = parent.kind
            if parent.is_deleted:
                faults.append(
                    Fault("parent_id", "This place was removed; restore it first", str(new.parent_id))
                )
            if parent.closed_at is not None:
                faults.append(Fault("parent_id", "This place is closed", str(new.parent_id)))
        except NotFound:
            raise Invalid(
                faults=(Fault("parent_id", "There is no such place", str(new.parent_id)),)
            ) from None
    faults += place_faults(new.kind, parent_kind, new.code, new.name_local, new.name_latin)
    if faults:
        raise Invalid(faults=tuple(faults))
    try:
        place_id = await store.insert_place(
            session,
            parent_id=new.parent_id,
            kind=new.kind,
            code=new.code.strip(),
            name_local=new.name_local.strip(),
            name_latin=new.name_latin.strip(),
        )
    except ConstraintViolated as error:
        raise AlreadyTaken(
            faults=(Fault("code", "This code is in use below this place", new.code),)
        ) from error
    await write_audit(session, actor, "create", "place", place_id, after=msgspec.to_builtins(new))
    return await store.find_place(session, place_id)


async def change_place(session: Session, actor: Actor, place_id: int, change: PlaceChange) -> Place:
    """Changes code or names. *Errors*: NotFound, Stale with both, Invalid, AlreadyTaken."""
    require(actor, "change", "place")
    place = await store.find_place(session, place_id, for_update=True)
    if place.is_deleted:
        raise NotFound
    if place.closed_at is not None:
        raise PlaceClosed
    fields = {
        name: (getattr(place, name) if given is None else given.strip())
        for name, given in (
            ("code", change.code),
            ("name_local", change.name_local),
            ("name_latin", change.name_latin),
        )
    }
    parent_kind = place.lineage[-2].kind if len(place.lineage) > 1 else None
    faults = place_faults(place.kind, parent_kind, **fields)
    if faults:
        raise Invalid(faults=tuple(faults))
    try:
        changed = await store.change_place_row(session, place_id, change.version, fields)
    except ConstraintViolated as error:
        raise AlreadyTaken(
            faults=(Fault("code", "This code is in use below this place", fields["code"]),)
        ) from error
    if not changed:
        raise Stale(current=msgspec.to_builtins(place), yours=msgspec.to_builtins(change))
    before = {name: getattr(place, name) for name in fields}
    await write_audit(session, actor, "change", "place", place_id, before=before, after=fields)
    return await store.find_place(session, place_id)


async def delete_place(session: Session, actor: Actor, place_id: int, *, reason: str, clock: Clock) -> None:
    """Takes a place out of use, restorably. *Errors*: NotFound, InUse while anything live hangs on it, PlaceHasPast once schools stood there."""
    require(actor, "delete", "place")
    await store.find_place(session, place_id, for_update=True)
    if await store.count_live_below(session, place_id):
        raise InUse("Schools or other places hang on this place, so it can’t be removed.")
    if await store.has_past(session, place_id):
        raise PlaceHasPast
    if not await store.delete_place_row(
        session, place_id, by=actor.person_id, reason=reason, now=clock.now()
    ):
        raise NotFound
    await write_audit(session, actor, "delete", "place", place_id, reason=reason)


async def _require_parent(session: Session, place: Place) -> None:
    """Passes when the place above is in use. *Errors*: Invalid."""
    if place.parent_id is None:
        return
    parent = await store.find_place(session, place.parent_id)
    if parent.is_deleted or parent.closed_at is not None:
        rule = "This place was removed; restore it first" if parent.is_deleted else "This place is closed"
        raise Invalid(faults=(Fault("parent_id", rule, str(place.parent_id)),))


async def close_place(session: Session, actor: Actor, place_id: int, *, reason: str, clock: Clock) -> Place:
    """Closes a place on which nothing hangs any more; what was counted there stays. *Errors*: NotFound, PlaceClosed, InUse, Invalid."""
    require(actor, "change", "place")
    place = await store.find_place(session, place_id, for_update=True)
    if place.is_deleted:
        raise NotFound
    if place.closed_at is not None:
        raise PlaceClosed
    said = reason.strip()
    if not 1 <= len(said) <= 200:
        raise Invalid(faults=(Fault("reason", "Between 1 and 200 characters", reason[:60]),))
    if await store.count_live_below(session, place_id):
        raise InUse("Schools or other places hang on this place, so it can’t be closed.")
    await store.close_place_row(session, place_id, by=actor.person_id, reason=said, now=clock.now())
    await write_audit(session, actor, "close", "place", place_id, reason=said)
    return await store.find_place(session, place_id)


async def reopen_place(session: Session, actor: Actor, place_id: int) -> Place:
    """Opens a closed place again. *Errors*: NotFound; Invalid while the place above is closed; AlreadyTaken when its code was given away;
    PlaceFollowed while others follow it: their change is taken back instead."""
    require(actor, "change", "place")
    place = await store.find_place(session, place_id, for_update=True)
    if place.is_deleted or place.closed_at is None:
        raise NotFound
    if place.followed_by:
        raise PlaceFollowed
    await _require_parent(session, place)
    try:
        async with session.savepoint():
            await store.reopen_place_row(session, place_id)
    except ConstraintViolated as error:
        raise AlreadyTaken(
            faults=(Fault("code", "This code is in use below this place", place.code),)
        ) from error
    await write_audit(session, actor, "reopen", "place", place_id)
    return await store.find_place(session, place_id)


async def restore_place(session: Session, actor: Actor, place_id: int) -> Place:
    """Brings a place back. *Errors*: NotFound; Invalid while the place above is away."""
    require(actor, "restore", "place")
    place = await store.find_place(session, place_id, for_update=True)
    await _require_parent(session, place)
    if not await store.restore_place_row(session, place_id):
        raise NotFound
    await write_audit(session, actor, "restore", "place", place_id)
    return await store.find_place(session, place_id)
