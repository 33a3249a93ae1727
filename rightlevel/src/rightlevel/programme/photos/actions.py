"""Adding photos to a visit, looking at them, taking them away, and sweeping what is left of them."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from datetime import timedelta
from hashlib import sha256
from typing import Final

from flatwater.clock import Clock
from flatwater.pool import Database
from flatwater.transaction import Session
from rightlevel.programme.audit import write_audit
from rightlevel.programme.errors import Conflict, NotFound
from rightlevel.programme.ids import is_uuid
from rightlevel.programme.permissions import Actor, require
from rightlevel.programme.photos import store
from rightlevel.programme.photos.model import (
    MAX_ALL_BYTES,
    MAX_PHOTOS,
    MAX_SCHOOL_BYTES,
    REMOVED_FOR_DAYS,
    Photo,
    Shrunk,
    stored_name,
)
from rightlevel.programme.photos.shrinking import Shrinker
from rightlevel.programme.photos.storing import Store
from rightlevel.programme.visits import changeable_visit, visible_visit

WRITE_S: Final = 5.0
STORING_FOR: Final = timedelta(hours=1)
"""Storing takes seconds; what still says so after an hour was interrupted."""
SWEPT_AT_ONCE: Final = 200
NO_ID: Final = "00000000-0000-0000-0000-000000000000"


class TooManyPhotos(Conflict):
    """A visit has at most five photos. Take one away first."""

    code = "too_many_photos"


class PhotoSpaceFull(Conflict):
    """There is no more space for photos of this school. Tell your coordinator."""

    code = "photo_space_full"


class Album:
    """The photos of visits: rows in the database, bytes in a store. Each deed opens its own short transactions."""

    def __init__(
        self,
        database: Database,
        bytes_store: Store,
        clock: Clock,
        *,
        school_bytes: int = MAX_SCHOOL_BYTES,
        all_bytes: int = MAX_ALL_BYTES,
    ) -> None:
        self._database = database
        self._store = bytes_store
        self._clock = clock
        self._school_bytes = school_bytes
        self._all_bytes = all_bytes
        self.shrinker = Shrinker()

    async def add(
        self,
        actor: Actor,
        visit_id: str,
        photo_id: str,
        content: bytes,
        *,
        keeps_place: bool = False,
        again: Callable[[Session], Awaitable[Actor]] | None = None,
    ) -> Photo:
        """A photo on a visit; the same picture again gets the same answer. No transaction is open while it is made small or stored.

        `again` gives the actor as they are in the transaction that writes: the while may be long. *Errors*: Forbidden, NotFound, VisitLocked, Invalid, TooManyPhotos, PhotoSpaceFull, Refused.
        """
        require(actor, "change", "visit")
        if not is_uuid(photo_id):
            raise NotFound
        # Judged before anything is decoded: who may not add one costs no work.
        async with self._database.read(deadline_s=WRITE_S) as session:
            await changeable_visit(session, actor, visit_id)
        small = await self.shrinker.shrink(content, keeps_place=keeps_place)

        async def keep(session: Session) -> store.Same:
            now = actor if again is None else await again(session)
            return await self._keep_row(session, now, visit_id, photo_id, small, keeps_place=keeps_place)

        kept = await self._database.run(keep, deadline_s=WRITE_S)
        row_id = kept.id
        if not kept.is_stored:
            await self._store.put(stored_name(visit_id, row_id), small.content)

        async def say(session: Session) -> Photo:
            if again is not None:
                await changeable_visit(session, await again(session), visit_id)
            if await store.say_stored(session, row_id):
                after = {"photo_id": row_id, "size_bytes": len(small.content)}
                await write_audit(session, actor, "create", "photo", visit_id, after=after)
            return await store.find_photo(session, row_id)

        return await self._database.run(say, deadline_s=WRITE_S)

    async def _keep_row(
        self,
        session: Session,
        actor: Actor,
        visit_id: str,
        photo_id: str,
        small: Shrunk,
        *,
        keeps_place: bool,
    ) -> store.Same:
        visit = await changeable_visit(session, actor, visit_id, is_held=True)
        digest = sha256(small.content).digest()
        there = await store.same_photo(session, visit_id, digest)
        if there is not None:
            # One whose storing was interrupted is stored now.
            return there
        if await store.count_photos(session, visit_id) >= MAX_PHOTOS:
            raise TooManyPhotos
        size = len(small.content)
        if not await store.take_space(
            session, visit.school_id, size, most_school=self._school_bytes, most_all=self._all_bytes
        ):
            raise PhotoSpaceFull
        values = {
            "id": photo_id,
            "visit_id": visit_id,
            "school_id": visit.school_id,
            "sha256": digest,
            "size_bytes": size,
            "width": small.width,
            "height": small.height,
            "keeps_place": keeps_place,
            "now": self._clock.now(),
            "person_id": actor.person_id,
        }
        if not await store.insert_photo(session, values):
            raise Conflict
        return store.Same(photo_id, is_stored=False)

    async def content(self, actor: Actor, photo_id: str) -> bytes:
        """A photo's bytes, for whoever may see its visit. *Errors*: Forbidden, NotFound, Refused."""
        require(actor, "read", "visit")
        if not is_uuid(photo_id):
            raise NotFound
        async with self._database.read(deadline_s=WRITE_S) as session:
            photo = await store.find_photo(session, photo_id)
            await visible_visit(session, actor, photo.visit_id)
        found = await self._store.get(stored_name(photo.visit_id, photo.id))
        if found is None:
            raise NotFound
        return found

    async def stored_after(self, photo_id: str = NO_ID) -> list[tuple[str, str]]:
        """Photos and the names of their bytes, by id, at most 200 behind one: for backups."""
        async with self._database.read(deadline_s=WRITE_S) as session:
            found = await store.list_stored(session, photo_id, SWEPT_AT_ONCE)
        return [(each.id, stored_name(each.visit_id, each.id)) for each in found]

    async def bytes_of(self, name: str) -> bytes | None:
        """What lies in the store under a name, for backups. *Errors*: Refused."""
        return await self._store.get(name)

    async def put_back(self, name: str, content: bytes) -> None:
        """Puts the bytes of a backup where they were. *Errors*: Refused."""
        await self._store.put(name, content)

    async def sweep(self) -> int:
        """Takes out the bytes and rows of photos that were interrupted, or removed a month ago, or whose visit is gone; how many. At most 600 at a time."""
        now = self._clock.now()
        before = now - timedelta(days=REMOVED_FOR_DAYS)
        async with self._database.read(deadline_s=WRITE_S) as session:
            gone = await store.photos_to_sweep(
                session, storing_before=now - STORING_FOR, removed_before=before, rows=SWEPT_AT_ONCE
            )
        for each in gone:
            await self._store.remove(stored_name(each.visit_id, each.id))

            async def forget(session: Session, which: store.ToSweep = each) -> None:
                await store.forget_photo(session, which)

            await self._database.run(forget, deadline_s=WRITE_S)
        return len(gone) + await self._sweep_left()

    async def _sweep_left(self) -> int:
        """Takes out bytes whose visit is gone: of practice schools that were reset."""
        async with self._database.read(deadline_s=WRITE_S) as session:
            left = await store.photos_left(session, self._clock.now(), rows=SWEPT_AT_ONCE)
        for each in left:
            await self._store.remove(stored_name(each.visit_id, each.id))

            async def forget(session: Session, which: store.Left = each) -> None:
                await store.forget_left(session, which)

            await self._database.run(forget, deadline_s=WRITE_S)
        return len(left)


async def list_photos(session: Session, actor: Actor, visit_id: str) -> list[Photo]:
    """The photos of a visit, at most five. *Errors*: Forbidden, NotFound. *Cost*: two statements."""
    require(actor, "read", "visit")
    await visible_visit(session, actor, visit_id)
    return await store.photos_of(session, visit_id)


async def remove_photo(session: Session, actor: Actor, photo_id: str, clock: Clock) -> str:
    """Takes a photo off its visit; the visit's id. *Errors*: Forbidden, NotFound, VisitLocked."""
    require(actor, "change", "visit")
    if not is_uuid(photo_id):
        raise NotFound
    photo = await store.find_photo(session, photo_id)
    await changeable_visit(session, actor, photo.visit_id, is_held=True)
    if not await store.remove_photo(session, photo_id, clock.now()):
        raise NotFound
    await write_audit(session, actor, "delete", "photo", photo.visit_id, after={"photo_id": photo_id})
    return photo.visit_id
