"""One endpoint's calls, driven alone, and the allocator's blocks between them: what stays is exact to the block."""

from __future__ import annotations

import asyncio
import gc
import sys
from array import array
from collections.abc import Callable
from typing import Any, Final

import msgspec

from flatwater.audit.dynamic.asking import Call
from flatwater.audit.dynamic.census import LRU_CACHE
from flatwater.audit.dynamic.client import Answer, AppClient
from flatwater.audit.dynamic.tally import Tally, settle, tallied
from flatwater.slope import Slope, fit_slope

POINTS: Final = 40
RESAMPLES: Final = 200
SLOWING: Final = 0.7
SETTLE_S: Final = 0.5
IMPATIENT_S: Final = 0.005
CANCELLED_TIMERS: Final = 128
"""More than the hundred that asyncio lets lie before it clears its timers away. *Source*: asyncio.base_events."""
CLEARED: Final = frozenset({"email", "fnmatch", "http", "ipaddress", "re", "urllib"})
"""Python's own modules with bounded caches of what a request brings; emptying others' makes them grow (psycopg's by 0.3 a call)."""


class Heap:
    """The allocator's blocks, counted when what is over has been cleared away."""

    def __init__(self) -> None:
        # The bounded caches of Python's own library fill by what is asked, up to their ceiling. An application's own are left
        # alone: people keep their settings and their pools in them.
        self._caches: list[Any] = [
            each
            for each in gc.get_objects()
            if issubclass(type(each), LRU_CACHE)
            and each.cache_parameters()["maxsize"]
            and (getattr(each, "__module__", "") or "").partition(".")[0] in CLEARED
        ]

    async def settled_blocks(self) -> int:
        loop = asyncio.get_running_loop()
        for _ in range(CANCELLED_TIMERS):
            loop.call_later(60.0, _nothing).cancel()
        for _ in range(3):
            await asyncio.sleep(0)
        for cache in self._caches:
            cache.cache_clear()
        gc.collect()
        return sys.getallocatedblocks()


def _nothing() -> None: ...


class Stretch(msgspec.Struct, frozen=True):
    """A stretch of calls: the slope of what they left, and how much its halves left, each point."""

    slope: Slope
    first_half: float
    second_half: float

    @property
    def slows(self) -> bool:
        """Whether it grew less and less. A leak does not; what fills up does."""
        return self.second_half < SLOWING * self.first_half


class Run:
    """One endpoint's calls of one sort. The bookkeeping allocates nothing that stays, or it would be measured too."""

    def __init__(
        self, client: AppClient, heap: Heap, ask: Callable[[int], Call], *, patience_s: float = SETTLE_S
    ) -> None:
        self._client = client
        self._ask = ask
        self.heap = heap
        self._patience_s = patience_s
        self.statuses = array("q", bytes(8 * 600))
        self.connections_kept = 0
        self.calls = 0
        self._spent_s = 0.0

    @property
    def patience_s(self) -> float:
        """How long it is waited for connections to come back: not long any more where the first three did not."""
        return self._patience_s if self.connections_kept < 3 else IMPATIENT_S

    async def once(self, *, keeps: bool = False) -> tuple[Answer, Tally]:
        """One more call, with what it did at the database."""
        self.calls += 1
        with tallied() as tally:
            answer = await self._client.ask(self._ask(self.calls), keeps=keeps)
        if tally.kept:
            await settle(tally, self.patience_s)
            self.connections_kept += await tally.take_back()
        self.statuses[min(answer.status, 599)] += 1
        self._spent_s += answer.seconds
        return answer, tally

    async def some(self, calls: int, within_s: float) -> None:
        """So many calls, or as many as fit into the time; at least one."""
        until = self._spent_s + within_s
        for _ in range(calls):
            await self.once()
            if self._spent_s > until:
                return

    def affordable(self, calls: int, within_s: float) -> int:
        """How many of these calls fit into the time, going by those so far."""
        each_s = self._spent_s / max(1, self.calls)
        return calls if calls * each_s <= within_s else int(within_s / each_s)

    @property
    def good_share(self) -> float:
        return sum(self.statuses[200:400]) / max(1, self.calls)

    @property
    def answers(self) -> str:
        """What was answered how often, in words."""
        told = [
            f"{status or 'nothing'} ({times} times)" for status, times in enumerate(self.statuses) if times
        ]
        return ", ".join(told)

    async def stretch(self, calls: int, seed: int) -> Stretch:
        """The blocks that these calls leave behind, with the interval."""
        every = max(1, calls // POINTS)
        points = calls // every
        counted = array("q", bytes(8 * (points + 1)))
        for point in range(points + 1):
            counted[point] = await self.heap.settled_blocks()
            for _ in range(every if point < points else 0):
                await self.once()
        slope = fit_slope(
            [(float(number * every), float(blocks)) for number, blocks in enumerate(counted)],
            seed=seed,
            resamples=RESAMPLES,
        )
        middle = counted[points // 2]
        return Stretch(
            slope, (middle - counted[0]) / (points // 2), (counted[points] - middle) / (points - points // 2)
        )
