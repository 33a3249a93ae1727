"""What is assigned to whom today, kept between reads and never between writes.

Reads (lists, figures, pages) may use what another read found in the last five minutes, in every process forgotten by the
very commit that changes an assignment. A session that writes always reads the database: whoever lost a school has lost
it for the next thing they try to save, whatever any process still remembers.
"""

from __future__ import annotations

from datetime import datetime
from typing import Final

from flatwater.cache import Cache
from flatwater.clock import Clock, today
from flatwater.transaction import Session
from flatwater.valkey import Client, SharedCache
from rightlevel.programme.accounts import store
from rightlevel.programme.permissions import Held

CACHE: Final = "assignments"
ENTRIES: Final = 5_000
SIZE_BYTES: Final = 3_000_000
TTL_S: Final = 300.0
HELD_BYTES: Final = 120


def size_of_held(held: tuple[Held, ...]) -> int:
    """*Units*: bytes; measured with `flatwater.cache.deep_size` on tuples of 1 to 100."""
    return 60 + HELD_BYTES * len(held)


class Scopes:
    """The cache of assignments, by person and day, tagged by person and by each school they hold.

    `share` puts a second level behind it that several hosts share; without one it is this process's alone.
    """

    def __init__(self, clock: Clock) -> None:
        self.cache: Cache[tuple[Held, ...]] = Cache(
            CACHE, entries=ENTRIES, size_bytes=SIZE_BYTES, ttl_s=TTL_S, size_of=size_of_held, clock=clock
        )
        self._clock = clock
        self._levels: Cache[tuple[Held, ...]] | SharedCache[tuple[Held, ...]] = self.cache

    def share(self, client: Client) -> SharedCache[tuple[Held, ...]]:
        """From now on what another host loaded is found in the shared store, and what anybody changes is forgotten there too."""
        shared = SharedCache(self.cache, client, tuple[Held, ...], prefix="rightlevel", ttl_s=TTL_S)
        self._levels = shared
        return shared

    async def held_by(
        self, session: Session, person_id: int, *, bypass_cache: bool = False
    ) -> tuple[Held, ...]:
        """What a person holds today. A session that writes bypasses the cache whether or not it is asked to.

        *Cost*: nothing on a hit, else one statement.
        """
        day = today(self._clock)

        async def load() -> tuple[Held, ...]:
            return await store.held_by(session, person_id, day)

        key = f"{person_id} {day}"
        bypass = bypass_cache or session.is_writing
        return await self._levels.read_through(
            key, load, bypass=bypass, tags=(tag_of_person(person_id),), tags_of=tags_of_schools
        )


async def end_assignments_of(
    session: Session,
    now: datetime,
    *,
    person_id: int | None = None,
    school_id: int | None = None,
    class_id: int | None = None,
) -> dict[str, list[int]]:
    """Ends what is assigned to a person, at a school or for a class that is taken away, in the same deed; what its audit row says of it.

    They don't come back with what is restored: whoever restores assigns anew. *Cost*: one statement.
    """
    ended = await store.end_assignments_of(
        session, now, person_id=person_id, school_id=school_id, class_id=class_id
    )
    for each in sorted({whose for _, whose in ended}):
        forget_assignments(session, each)
    return {"ended_assignments": [number for number, _ in ended]} if ended else {}


def tag_of_person(person_id: int) -> str:
    return f"person:{person_id}"


def tag_of_school(school_id: int) -> str:
    return f"school:{school_id}"


def tags_of_schools(held: tuple[Held, ...]) -> tuple[str, ...]:
    """The tags of every school that is held."""
    return tuple(sorted({tag_of_school(each.school_id) for each in held}))


def forget_assignments(
    session: Session, person_id: int | None = None, *, school_id: int | None = None
) -> None:
    """Makes every process forget, at this commit, what a person holds, or what anybody holds of a school, or of any."""
    if school_id is not None:
        session.invalidate(CACHE, tag=tag_of_school(school_id))
    if person_id is not None or school_id is None:
        session.invalidate(CACHE, tag=None if person_id is None else tag_of_person(person_id))
