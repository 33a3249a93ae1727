"""A cache that stays small: bounded by entries and by bytes, one load for a thousand waiters, dropped by key or tag.

What is kept and what goes is decided by S3-FIFO: new entries wait in a small queue and are kept only when somebody asks
for them again, so that one long walk through everything does not wash out what is asked for all day.
*Source*: Yang et al., "FIFO queues are all you need for cache eviction", SOSP 2023; `benchmarks/caches.py` compares it
with cachetools and cachebox on recorded traces.
"""

from __future__ import annotations

import asyncio
import gc
import logging
import random
import sys
from collections import OrderedDict
from collections.abc import Awaitable, Callable, Hashable
from types import (
    AsyncGeneratorType,
    BuiltinFunctionType,
    CoroutineType,
    FrameType,
    FunctionType,
    GeneratorType,
    ModuleType,
)
from typing import Any, Final, Generic, TypeVar, cast

import msgspec

from flatwater.clock import Clock, SystemClock

log = logging.getLogger("flatwater.cache")

ValueT = TypeVar("ValueT")
DefaultT = TypeVar("DefaultT")

SMALL_SHARE: Final = 0.1
MOST_HITS: Final = 3
KEPT_FROM_HITS: Final = 1
ENTRY_BYTES: Final = 400
"""What an entry costs beside its key, value and tags: the object, its places in two dictionaries and in the ghosts."""
FEWEST_GHOSTS: Final = 100
"""Of as many keys as are kept it is known that they were here lately; of so many where fewer are kept."""
TOLD_AT: Final = frozenset(10**each for each in range(10))
MAX_FLIGHTS: Final = 1_000
MAX_PARTS_SIZED: Final = 10_000
LARGER_THAN_ANY_CACHE: Final = sys.maxsize // 4
ALIGNED_TO: Final = 16
"""The allocator hands out multiples of this: an int of 28 bytes takes 32."""
DICT_BYTES: Final = 104
POINTER_BYTES: Final = 8
TAG_BYTES: Final = 320
"""What a tag costs an entry: its place in the index of tags and, where nobody else has the tag, a set of its own."""
ATOMS: Final = (str, bytes, int, float, complex, bool, type(None))
OF_THE_PROGRAM: Final = (type, ModuleType, FunctionType, BuiltinFunctionType)
UNSEEN: Final = (GeneratorType, CoroutineType, AsyncGeneratorType, FrameType, memoryview)
FOR_EVER: Final = float("inf")


class Missing:
    """What a look-up gives when there is nothing; a cached None is something."""

    __slots__ = ()

    def __bool__(self) -> bool:
        return False


MISSING: Final = Missing()


class CacheStatistics(msgspec.Struct, frozen=True):
    """What a cache holds and has been through. Times in seconds."""

    name: str
    entries: int
    max_entries: int
    size_bytes: int
    max_bytes: int
    hits: int
    misses: int
    joined: int
    bypassed: int
    loads: int
    loads_failed: int
    load_s: float
    evicted_by_entries: int
    evicted_by_bytes: int
    expired: int
    invalidated: int
    stale_refused: int
    too_big: int

    @property
    def hit_rate(self) -> float | None:
        """Hits (joined loads count as such) over everything asked; None before anybody asked."""
        asked = self.hits + self.joined + self.misses
        return (self.hits + self.joined) / asked if asked else None


class _Entry:
    __slots__ = ("expires_at", "hits", "is_main", "key", "size_bytes", "tags", "value")

    def __init__(
        self, key: Hashable, value: Any, expires_at: float, size_bytes: int, tags: tuple[str, ...]
    ) -> None:
        self.key = key
        self.value = value
        self.expires_at = expires_at
        self.size_bytes = size_bytes
        self.tags = tags
        self.hits = 0
        self.is_main = False


class _Flight:
    __slots__ = ("has_more_tags", "is_stale", "result", "tags")

    def __init__(self, tags: tuple[str, ...], *, has_more_tags: bool) -> None:
        self.tags = tags
        self.has_more_tags = has_more_tags
        self.is_stale = False
        self.result: asyncio.Future[Any] | None = None


class Cache(Generic[ValueT]):
    """Values by key, for `ttl_s` at most. For use from one event loop.

    *Cost*: a hit is one look into a dictionary, no lock, no list moved. Memory stays under `size_bytes`, keys and tags included, as `size_of`
    counts values (`deep_size` weighs whatever is reached from one), and under `entries`.
    """

    def __init__(
        self,
        name: str,
        *,
        entries: int,
        size_bytes: int,
        ttl_s: float,
        jitter: float = 0.1,
        size_of: Callable[[Any], int] | None = None,
        clock: Clock | None = None,
    ) -> None:
        if entries < 1 or size_bytes < 1 or ttl_s <= 0 or not 0 <= jitter < 1:
            raise ValueError(f"a cache holds something for some time: {name}")
        self.name = name
        self.max_entries = entries
        self.max_bytes = size_bytes
        self._ttl_s = ttl_s
        self._jitter = jitter
        self._size_of = size_of or deep_size
        self._now = (clock or SystemClock()).monotonic
        self._entries: dict[Hashable, _Entry] = {}
        self._small: OrderedDict[Hashable, _Entry] = OrderedDict()
        self._main: OrderedDict[Hashable, _Entry] = OrderedDict()
        self._ghosts: OrderedDict[int, None] = OrderedDict()
        self._by_tag: dict[str, set[Hashable]] = {}
        self._flights: dict[Hashable, _Flight] = {}
        self._bytes = 0
        self._small_bytes = 0
        self._trusted_until = FOR_EVER
        self._random = random.Random()  # noqa: S311  spreads expiry, guards no secret
        self._hits = self._misses = self._joined = self._bypassed = 0
        self._loads = self._loads_failed = 0
        self._load_s = 0.0
        self._evicted_by_entries = self._evicted_by_bytes = 0
        self._expired = self._invalidated = self._stale_refused = self._too_big = 0

    def __len__(self) -> int:
        return len(self._entries)

    @property
    def size_bytes(self) -> int:
        return self._bytes

    def lookup(self, key: Hashable) -> ValueT | Missing:
        """What is kept under a key, or MISSING. *Cost*: 0.2 µs (measured 2026-11-30, `benchmarks/parts.py`)."""
        entry = self._entries.get(key)
        if entry is None:
            self._misses += 1
            return MISSING
        now = self._now()
        if now >= entry.expires_at:
            self._take_out(entry)
            self._expired += 1
            self._misses += 1
            return MISSING
        if now >= self._trusted_until:
            self._stale_refused += 1
            self._misses += 1
            return MISSING
        if entry.hits < MOST_HITS:
            entry.hits += 1
        self._hits += 1
        return entry.value

    async def get(
        self,
        key: Hashable,
        load: Callable[[], Awaitable[ValueT]],
        *,
        tags: tuple[str, ...] = (),
        tags_of: Callable[[ValueT], tuple[str, ...]] | None = None,
    ) -> ValueT:
        """What is kept under the key, else what `load` gives, which is then kept unless it was invalidated meanwhile.

        `tags_of` gives further tags once the value is known: what it is made of. Whatever tag is dropped while it is being
        loaded may be one of them, so then it isn't kept. Everybody who asks during a load waits for that one load. A load that fails is not remembered: its error goes to all
        who waited. `load` may use what its caller already holds (a session); it must not wait for something that only
        another waiter can give back. *Errors*: whatever `load` raises.
        """
        while True:
            value = self.lookup(key)
            if value is not MISSING:
                return cast("ValueT", value)
            flight = self._flights.get(key)
            if flight is None:
                return await self._load(key, load, tags, tags_of)
            if flight.result is None:
                flight.result = asyncio.get_running_loop().create_future()
            self._misses -= 1  # not a miss of its own
            self._joined += 1
            try:
                return await asyncio.shield(flight.result)
            except _Abandoned:
                self._joined -= 1  # whoever loaded was cancelled; one of those who waited takes over

    async def read_through(
        self,
        key: Hashable,
        load: Callable[[], Awaitable[ValueT]],
        *,
        bypass: bool,
        tags: tuple[str, ...] = (),
        tags_of: Callable[[ValueT], tuple[str, ...]] | None = None,
    ) -> ValueT:
        """`get`, or with `bypass` what the database says in the caller's own transaction, past every kept value.

        What a bypass read is not kept: its transaction may see what nobody else may see yet.
        """
        if bypass:
            self._bypassed += 1
            return await load()
        return await self.get(key, load, tags=tags, tags_of=tags_of)

    async def _load(
        self,
        key: Hashable,
        load: Callable[[], Awaitable[ValueT]],
        tags: tuple[str, ...],
        tags_of: Callable[[ValueT], tuple[str, ...]] | None,
    ) -> ValueT:
        flight = _Flight(tags, has_more_tags=tags_of is not None)
        if len(self._flights) < MAX_FLIGHTS:
            self._flights[key] = flight
        began = self._now()
        try:
            value = await load()
        except BaseException as error:
            self._loads_failed += 1
            self._land(key, flight, error=error)
            raise
        self._loads += 1
        self._load_s += self._now() - began
        if flight.is_stale or self._now() >= self._trusted_until:
            self._stale_refused += 1
        else:
            self.put(key, value, tags=tags if tags_of is None else (*tags, *tags_of(value)))
        self._land(key, flight, value=value)
        return value

    def _land(
        self, key: Hashable, flight: _Flight, *, value: Any = None, error: BaseException | None = None
    ) -> None:
        if self._flights.get(key) is flight:
            del self._flights[key]
        if flight.result is None or flight.result.done():
            return
        if error is None:
            flight.result.set_result(value)
        elif isinstance(error, Exception):
            flight.result.set_exception(error)
        else:
            flight.result.set_exception(_Abandoned())
        if error is not None:
            flight.result.exception()  # the last waiter may have left; nobody need be told then

    def put(
        self, key: Hashable, value: ValueT, *, tags: tuple[str, ...] = (), ttl_s: float | None = None
    ) -> None:
        """Keeps a value, unless it alone is larger than a tenth of the cache. Something older goes when there's no room."""
        size = (
            self._size_of(value)
            + ENTRY_BYTES
            + deep_size(key)
            + sum(deep_size(tag) + TAG_BYTES for tag in tags)
        )
        old = self._entries.get(key)
        if old is not None:
            self._take_out(old)
        if size > max(self.max_bytes * SMALL_SHARE, ENTRY_BYTES + 1):
            self._too_big += 1
            self._say_too_big(key, size)
            return
        life_s = (self._ttl_s if ttl_s is None else ttl_s) * (1 - self._jitter * self._random.random())
        entry = _Entry(key, value, self._now() + life_s, size, tags)
        was_here_lately = self._ghosts.pop(hash(key), MISSING) is None
        self._put_in(entry, is_main=was_here_lately or (old is not None and old.is_main))
        for tag in tags:
            self._by_tag.setdefault(tag, set()).add(key)
        self._make_room()

    def _say_too_big(self, key: Hashable, size: int) -> None:
        """Says it the first time, the tenth, the hundredth …: a cache that never keeps anything is not found by its figures alone."""
        if self._too_big in TOLD_AT:
            what = "can't be weighed" if size >= LARGER_THAN_ANY_CACHE else f"takes {size:,} bytes"
            log.warning(
                "cache %s: the value of a key of type %s %s and is not kept; one value may take a tenth of %s",
                self.name,
                type(key).__name__,
                what,
                f"{self.max_bytes:,} bytes ({self._too_big:,} so far)",
            )

    def _put_in(self, entry: _Entry, *, is_main: bool) -> None:
        entry.is_main = is_main
        self._entries[entry.key] = entry
        self._bytes += entry.size_bytes
        if is_main:
            self._main[entry.key] = entry
        else:
            self._small[entry.key] = entry
            self._small_bytes += entry.size_bytes

    def _make_room(self) -> None:
        while (is_many := len(self._entries) > self.max_entries) or self._bytes > self.max_bytes:
            small_is_full = (
                len(self._small) > self.max_entries * SMALL_SHARE
                or self._small_bytes > self.max_bytes * SMALL_SHARE
            )
            if self._small and (small_is_full or not self._main):
                went = self._step_small()
            else:
                went = self._step_main()
            if went and is_many:
                self._evicted_by_entries += 1
            elif went:
                self._evicted_by_bytes += 1

    def _step_small(self) -> bool:
        """The oldest newcomer goes over to the kept ones if it was asked for again, and away if not."""
        key, entry = self._small.popitem(last=False)
        if entry.hits >= KEPT_FROM_HITS:
            self._small_bytes -= entry.size_bytes
            entry.hits = 0
            entry.is_main = True
            self._main[key] = entry
            return False
        self._small[key] = entry
        self._take_out(entry)
        self._ghosts[hash(key)] = None
        if len(self._ghosts) > max(len(self._entries), FEWEST_GHOSTS):
            self._ghosts.popitem(last=False)
        return True

    def _step_main(self) -> bool:
        """The oldest kept one goes round again for each time that it was asked for, and away when that is used up."""
        key, entry = self._main.popitem(last=False)
        self._main[key] = entry
        if entry.hits > 0:
            entry.hits -= 1
            return False
        self._take_out(entry)
        return True

    def _take_out(self, entry: _Entry) -> None:
        del self._entries[entry.key]
        self._bytes -= entry.size_bytes
        if entry.is_main:
            del self._main[entry.key]
        else:
            del self._small[entry.key]
            self._small_bytes -= entry.size_bytes
        for tag in entry.tags:
            keys = self._by_tag.get(tag)
            if keys is not None:
                keys.discard(entry.key)
                if not keys:
                    del self._by_tag[tag]

    def drop(self, key: Hashable) -> None:
        """Forgets one key; a load of it that is under way is not kept."""
        flight = self._flights.pop(key, None)
        if flight is not None:
            flight.is_stale = True
        entry = self._entries.get(key)
        if entry is not None:
            self._take_out(entry)
            self._invalidated += 1

    def drop_tag(self, tag: str) -> None:
        """Forgets everything with this tag. *Cost*: as many steps as entries have the tag, and loads are under way."""
        for key in [
            key for key, flight in self._flights.items() if flight.has_more_tags or tag in flight.tags
        ]:
            self._flights.pop(key).is_stale = True
        for key in list(self._by_tag.get(tag, ())):
            self._take_out(self._entries[key])
            self._invalidated += 1

    def drop_all(self) -> None:
        """Forgets everything."""
        for flight in self._flights.values():
            flight.is_stale = True
        self._invalidated += len(self._entries)
        for each in (self._flights, self._entries, self._small, self._main, self._ghosts, self._by_tag):
            each.clear()
        self._bytes = self._small_bytes = 0

    def trust_until(self, monotonic_s: float) -> None:
        """Until when what is kept may be given out; after it everything counts as stale until trust is renewed."""
        self._trusted_until = monotonic_s

    def statistics(self) -> CacheStatistics:
        """Counters since the start and the state now."""
        return CacheStatistics(
            name=self.name,
            entries=len(self._entries),
            max_entries=self.max_entries,
            size_bytes=self._bytes,
            max_bytes=self.max_bytes,
            hits=self._hits,
            misses=self._misses,
            joined=self._joined,
            bypassed=self._bypassed,
            loads=self._loads,
            loads_failed=self._loads_failed,
            load_s=self._load_s,
            evicted_by_entries=self._evicted_by_entries,
            evicted_by_bytes=self._evicted_by_bytes,
            expired=self._expired,
            invalidated=self._invalidated,
            stale_refused=self._stale_refused,
            too_big=self._too_big,
        )


class _Abandoned(Exception):
    """Whoever was loading was cancelled."""


def deep_size(value: Any) -> int:
    """How many bytes a value takes with everything that is reached from it, whatever it is made of: containers, dataclasses with and without
    slots, pydantic models, structs, plain objects.

    A part that is reached twice counts once; numbers and strings shared with the rest of the program count too: it errs upwards. Classes,
    modules and functions belong to the program and count nothing. What is reached from more than 10,000 parts (an object that holds its
    session, and with it the whole engine) or can't be looked into (a running generator, a view of somebody's memory) is larger than any
    cache. *Cost*: one step for each part.
    """
    size = 0
    seen: set[int] = set()
    parts: list[Any] = [value]
    while parts:
        part = parts.pop()
        if id(part) in seen or isinstance(part, OF_THE_PROGRAM):
            continue
        if len(seen) >= MAX_PARTS_SIZED or len(parts) > 2 * MAX_PARTS_SIZED or isinstance(part, UNSEEN):
            return LARGER_THAN_ANY_CACHE
        seen.add(id(part))
        size += -sys.getsizeof(part) // ALIGNED_TO * -ALIGNED_TO
        if isinstance(part, ATOMS):
            continue
        held: list[Any] = gc.get_referents(part)
        if type(part).__dictoffset__ != 0:
            size += DICT_BYTES + POINTER_BYTES * len(
                held
            )  # in 3.11 and later the attributes lie where getsizeof doesn't look
        if isinstance(part, msgspec.Struct):
            held += [getattr(part, name) for name in part.__struct_fields__]
        parts += held
    return size
