"""What was changed is forgotten in every process: told in the writer's own transaction, so it is never lost or early.

A transaction collects what it makes stale (`session.invalidate`), and its commit tells it once, however much it is. The
telling goes by NOTIFY, or where commits are many (NOTIFY takes a lock on the whole cluster at commit) or a pooler stands in
between, by a row in an outbox that every process reads each second. A process that can't hear trusts nothing it keeps.
"""

from __future__ import annotations

import asyncio
import logging
import os
from collections.abc import Awaitable, Callable, Iterable
from typing import Any, Final, Self

import msgspec

from flatwater.announcing import CHANNEL, Drop
from flatwater.cache import Cache
from flatwater.pool import Database
from flatwater.queries import load_queries
from flatwater.supervisor import Supervisor, TaskLoop
from flatwater.valkey import SharedCache

log = logging.getLogger("flatwater.invalidation")

HEARTBEAT_S: Final = 2.0
TRUST_S: Final = 5.0
"""So long after a heartbeat was sent what is kept is trusted: a network that falls silent is noticed by then."""
POLL_S: Final = 1.0
POLL_TRUST_S: Final = 3.0
KEPT_S: Final = 600.0
ROWS_PER_POLL: Final = 10_000
POLLS_PER_SWEEP: Final = 60
MAX_TELLING: Final = 100

_queries = load_queries("flatwater")


class HearingStatistics(msgspec.Struct, frozen=True):
    """How well this process hears what others change."""

    is_hearing: bool
    heard: int
    told: int
    collapsed: int
    lost: int


class Invalidation:
    """Keeps the caches of this process true to what any process on the database commits.

    Enter it after the database is open; `watch` the caches before. *Errors*: none while it runs: whatever goes wrong with hearing
    makes every watched cache stale until it works again, and is counted.
    """

    def __init__(self, database: Database, *, supervisor: Supervisor | None = None) -> None:
        self._database = database
        self._supervisor = supervisor or Supervisor(database.clock)
        self._caches: dict[str, Cache[Any]] = {}
        self._hearers: dict[str, Callable[[], None]] = {}
        self._loop: TaskLoop | None = None
        self._heard_first = asyncio.Event()
        self._second_levels: list[SharedCache[Any]] = []
        self._telling: set[asyncio.Task[None]] = set()
        self._trusted_until = float("-inf")
        self._heard = self._lost = 0

    def watch(self, cache: Cache[Any] | SharedCache[Any]) -> None:
        """From now on this cache is told of every change, and trusted only while changes can be heard."""
        if isinstance(cache, SharedCache):
            self._second_levels.append(cache)
            cache = cache.first
        if cache.name in self._caches:
            raise ValueError(f"two caches are called {cache.name}")
        self._caches[cache.name] = cache
        cache.trust_until(self._trusted_until)

    def hear(self, name: str, told: Callable[[], None]) -> None:
        """From now on `told` is called whenever any process tells of this name (`session.invalidate(name)`), which no cache has: something waits.

        And whenever something may have been missed. It returns at once and raises nothing; a word may come twice.
        """
        if name in self._hearers:
            raise ValueError(f"{name} is heard already")
        self._hearers[name] = told

    def statistics(self) -> HearingStatistics:
        """Counters since the start, and whether this process hears now."""
        is_hearing = self._database.clock.monotonic() < self._trusted_until
        announcer = self._database.announcer
        return HearingStatistics(is_hearing, self._heard, announcer.told, announcer.collapsed, self._lost)

    async def __aenter__(self) -> Self:
        self._database.announcer.apply = self.apply
        listens = self._database.announcer.way == "notify"
        hear, period_s = (self._listen, HEARTBEAT_S) if listens else (self._poll, POLL_S)
        self._loop = self._supervisor.keep(
            "invalidation", lambda loop: self._keep(loop, hear), period_s=period_s
        )
        try:
            await asyncio.wait_for(self._heard_first.wait(), TRUST_S)
        except TimeoutError:
            log.warning("changes by others can't be heard yet; nothing is given out of caches until they can")
        return self

    async def __aexit__(self, *_: object) -> None:
        self._database.announcer.apply = None
        self._distrust()
        if self._loop is not None:
            await self._loop.stop()
        if self._telling:
            await asyncio.wait(self._telling)

    def apply(self, drops: Iterable[Drop]) -> None:
        """Forgets in this process what was made stale; what is not kept here is none of its business."""
        drops = list(drops)
        if kept := [each for each in drops if each.cache not in self._hearers]:
            self._tell_second_levels(kept)
        for name in {each.cache for each in drops} & self._hearers.keys():
            self._hearers[name]()
        for drop in drops:
            cache = self._caches.get(drop.cache)
            if cache is None:
                continue
            if drop.kind == "tag":
                cache.drop_tag(drop.what)
            elif drop.kind == "key":
                cache.drop(drop.what)
            else:
                cache.drop_all()

    def _tell_second_levels(self, drops: list[Drop]) -> None:
        for second in self._second_levels:
            if len(self._telling) >= MAX_TELLING:
                second.owe_everything()  # it isn't used again before everything in it was forgotten
                continue
            task = self._supervisor.errand("telling the second level", second.forget(drops))
            self._telling.add(task)
            task.add_done_callback(self._telling.discard)

    # The listener's side.

    async def _keep(self, loop: TaskLoop, hear: Callable[[TaskLoop], Awaitable[None]]) -> None:
        """Hears until something goes wrong, whatever it is; until it is begun again nothing that is kept is trusted."""
        try:
            await hear(loop)
        except Exception:
            self._lost += 1
            raise
        finally:
            self._distrust()

    async def _listen(self, loop: TaskLoop) -> None:
        """Listens on the connection kept apart, which others may use between two looks."""
        listening: object = None
        while True:
            sent = self._database.clock.monotonic()
            async with self._database.operations(deadline_s=TRUST_S) as session:
                connection = session.connection
                if connection is not listening:
                    await session.command("LISTEN " + CHANNEL)
                    self._forget_all()  # what was said before we listened was not heard
                    listening = connection
                else:
                    await session.command("SELECT 1")  # and with its answer comes what was said
                heard = [note.payload async for note in connection.notifies(timeout=0)]
                descriptor = os.dup(connection.fileno())
            for payload in heard:
                self._hear(payload)
            self._trust(sent + TRUST_S)
            loop.turned()
            await _until_readable(descriptor, HEARTBEAT_S)

    async def _poll(self, loop: TaskLoop) -> None:
        since, is_first, polls = 0, True, 0
        seen: set[int] = set()
        while True:
            sent = self._database.clock.monotonic()
            async with self._database.operations(deadline_s=TRUST_S) as session:
                told = await session.fetch_all(
                    _queries["read_outbox"], {"since": since, "rows": ROWS_PER_POLL}, into=_Told
                )
            if is_first or len(told) >= ROWS_PER_POLL:
                self._forget_all()
            else:
                for each in told:
                    if each.payload is not None and each.id not in seen:
                        self._hear(each.payload)
            seen = {each.id for each in told if each.id is not None}
            since, is_first = told[0].oldest_running, False
            self._trust(sent + POLL_TRUST_S)
            loop.turned()
            polls += 1
            if polls % POLLS_PER_SWEEP == 0:
                async with self._database.operations(deadline_s=TRUST_S, writes=True) as session:
                    await session.execute(_queries["sweep_outbox"], {"kept_s": KEPT_S, "rows": ROWS_PER_POLL})
            await asyncio.sleep(POLL_S)

    def _hear(self, payload: str) -> None:
        try:
            drops = msgspec.json.decode(payload, type=list[Drop])
        except msgspec.DecodeError:
            log.error(
                "somebody sent %r on %s, which is nothing we know: everything is forgotten",
                payload[:100],
                CHANNEL,
            )
            self._forget_all()
            return
        self._heard += 1
        self.apply(drops)

    def _forget_all(self) -> None:
        for cache in self._caches.values():
            cache.drop_all()
        for second in self._second_levels:
            second.owe_everything()
        for told in self._hearers.values():
            told()

    def _trust(self, until: float) -> None:
        self._trusted_until = until
        for cache in self._caches.values():
            cache.trust_until(until)
        self._heard_first.set()

    def _distrust(self) -> None:
        self._trusted_until = float("-inf")
        for cache in self._caches.values():
            cache.trust_until(self._trusted_until)


async def _until_readable(descriptor: int, within_s: float) -> None:
    """Until something comes, or the time is up; closes the descriptor, which is a copy, for the driver watches its own."""
    loop = asyncio.get_running_loop()
    readable = asyncio.Event()
    loop.add_reader(descriptor, readable.set)
    try:
        async with asyncio.timeout(within_s):
            await readable.wait()
    except TimeoutError:
        pass
    finally:
        loop.remove_reader(descriptor)
        os.close(descriptor)


class _Told(msgspec.Struct, frozen=True):
    oldest_running: int
    id: int | None
    payload: str | None
