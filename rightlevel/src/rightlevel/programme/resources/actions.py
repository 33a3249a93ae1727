"""What is done with the library: look, add, change, take away, bring back, open."""

from __future__ import annotations

from datetime import timedelta
from typing import Any, cast

import msgspec

from flatwater.clock import Clock, today
from flatwater.paging import Page, PageRequest
from flatwater.transaction import Session
from rightlevel.programme.audit import write_audit
from rightlevel.programme.errors import Conflict, Fault, Invalid, NotFound, Stale
from rightlevel.programme.levels import SCALES, known_scales, rank_of
from rightlevel.programme.permissions import Actor, require
from rightlevel.programme.resources import store
from rightlevel.programme.resources.model import (
    KEPT_AFTER_DELETION_DAYS,
    MAX_RESOURCES,
    MAX_TOTAL_BYTES,
    KeptFile,
    NewResource,
    Resource,
    ResourceChange,
    ResourceSearch,
    StoredFile,
    resource_faults,
)


class LibraryFull(Conflict):
    """The library is full. Delete what is not used any more; its room is free again after 30 days."""

    code = "library_full"


async def list_resources(
    session: Session, actor: Actor, page: PageRequest, asked: ResourceSearch, clock: Clock
) -> Page[Resource]:
    """Resources for a subject and level, the newest first. *Errors*: Invalid. *Cost*: one statement."""
    require(actor, "change" if asked.deleted else "read", "resource")
    if asked.subject is not None and asked.subject not in SCALES:
        raise Invalid(faults=(Fault("subject", f"One of: {', '.join(SCALES)}", asked.subject[:60]),))
    if asked.level is not None:
        if asked.subject is None:
            raise Invalid(faults=(Fault("subject", "Please fill this in"),))
        if not any(asked.level in scale.ranks for scale in known_scales(asked.subject)):
            rank_of(asked.subject, asked.level)
    return await store.page_of_resources(session, page, asked, today(clock))


async def read_resource(session: Session, actor: Actor, resource_id: int, clock: Clock) -> Resource:
    """One resource. *Errors*: NotFound, also for a deleted one to whoever can't bring it back."""
    require(actor, "read", "resource")
    found = await store.find_resource(session, resource_id, today(clock))
    if found.is_deleted:
        require(actor, "change", "resource")
    return found


async def create_resource(
    session: Session, actor: Actor, new: NewResource, clock: Clock, file: KeptFile | None = None
) -> Resource:
    """A new activity, link or (with a kept file) file. *Errors*: Invalid with every fault, LibraryFull."""
    require(actor, "change", "resource")
    faults = resource_faults(new, new.kind)
    if (new.kind == "file") != (file is not None):
        faults.append(Fault("file", "A file is needed" if file is None else "Only a file has a file"))
    if faults:
        raise Invalid(faults=tuple(faults))
    measured = await store.measure(session, file.sha256 if file else None)
    more = file.size_bytes if file is not None and not measured.has_file else 0
    if measured.resources >= MAX_RESOURCES or measured.size_bytes + more > MAX_TOTAL_BYTES:
        raise LibraryFull
    resource_id = await store.insert_resource(session, new, file, actor.person_id, clock.now())
    made = await store.find_resource(session, resource_id, today(clock))
    await write_audit(session, actor, "create", "resource", resource_id, after=_audited(made))
    return made


async def change_resource(
    session: Session, actor: Actor, resource_id: int, change: ResourceChange, clock: Clock
) -> Resource:
    """Changes what a resource says. *Errors*: NotFound, Invalid, Stale with both."""
    require(actor, "change", "resource")
    found = await store.find_resource(session, resource_id, today(clock), for_update=True)
    if found.is_deleted:
        raise NotFound
    faults = resource_faults(change, found.kind)
    if faults:
        raise Invalid(faults=tuple(faults))
    if not await store.change_resource(session, resource_id, change):
        raise Stale(current=msgspec.to_builtins(found), yours=msgspec.to_builtins(change))
    after = await store.find_resource(session, resource_id, today(clock))
    await write_audit(
        session, actor, "change", "resource", resource_id, before=_audited(found), after=_audited(after)
    )
    return after


async def delete_resource(
    session: Session, actor: Actor, resource_id: int, *, reason: str, clock: Clock
) -> None:
    """Takes a resource out of use; it can be brought back, a file for 30 days. *Errors*: NotFound."""
    require(actor, "change", "resource")
    if not await store.delete_resource(session, resource_id, actor.person_id, reason[:500], clock.now()):
        raise NotFound
    await write_audit(session, actor, "delete", "resource", resource_id, reason=reason[:500])


async def restore_resource(session: Session, actor: Actor, resource_id: int, clock: Clock) -> Resource:
    """Brings a resource back. *Errors*: NotFound, also when its file is gone."""
    require(actor, "change", "resource")
    if not await store.restore_resource(session, resource_id):
        raise NotFound
    await write_audit(session, actor, "restore", "resource", resource_id)
    return await store.find_resource(session, resource_id, today(clock))


async def begin_upload(session: Session, actor: Actor, clock: Clock) -> list[str]:
    """Lets one person at a time add a file; the files of what was deleted 30 days ago, which nothing refers to any more, to be removed.

    Removed and added under the same hold, so that a file that comes back just then isn't lost.
    """
    require(actor, "change", "resource")
    await store.measure(session, None)
    return await store.forget_files(session, clock.now() - timedelta(days=KEPT_AFTER_DELETION_DAYS))


async def open_file(session: Session, actor: Actor, resource_id: int) -> StoredFile:
    """The file of a resource. *Errors*: NotFound."""
    require(actor, "read", "resource")
    return await store.file_of(session, resource_id)


async def count_view(session: Session, actor: Actor, resource_id: int, clock: Clock) -> None:
    """Counts that a resource was opened. *Errors*: NotFound. *Cost*: two statements."""
    require(actor, "read", "resource")
    found = await store.find_resource(session, resource_id, today(clock))
    if found.is_deleted:
        raise NotFound
    await store.count_view(session, resource_id, today(clock))


def _audited(resource: Resource) -> dict[str, Any]:
    kept = cast("dict[str, Any]", msgspec.to_builtins(resource))
    return {name: value for name, value in kept.items() if name not in ("views", "created_at")}
