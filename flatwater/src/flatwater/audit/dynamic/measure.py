"""What one endpoint takes and what it leaves behind: driven alone, again and again, on a heap whose garbage is collected."""

from __future__ import annotations

import asyncio
import gc
import sys
import threading
import tracemalloc
from array import array
from collections.abc import Callable, Sequence
from pathlib import Path
from statistics import median
from typing import Any, Final, Literal

import msgspec

from flatwater.audit.dynamic.asking import Call
from flatwater.audit.dynamic.census import LRU_CACHE, Grown, count, grown
from flatwater.audit.dynamic.client import Answer, AppClient, AsgiApp
from flatwater.audit.dynamic.places import Source
from flatwater.audit.dynamic.probe import Tally, settle, tallied
from flatwater.audit.model import Place
from flatwater.slope import Slope, fit_slope

GrowthVerdict = Literal["flat", "grows", "shrinks", "cannot_tell"]

POINTS: Final = 40
RESAMPLES: Final = 200
WITHIN_BLOCKS: Final = 0.2
"""Flat is less than one kept thing in five requests. What a request leaves when it runs alone is exact to the block (measured
2026-11-23), so the bound need only be above what one resized dictionary in a run does to the middle slope."""
LONGER: Final = 2
"""How many times longer an endpoint that grew is driven on: a cache that fills up is full by then, a leak is not."""
LONGER_STRETCHES: Final = 3
SLOWING: Final = 0.7
"""What grows less and less, by so much from stretch to stretch, is driven on: it is filling up."""
FEWEST_CALLS: Final = 40
ENDPOINT_S: Final = 30.0
"""What the first stretch of one endpoint may take; a slow one is called less often, down to forty times."""
MOST_NAMED: Final = 8
TRACED_CALLS: Final = 20
FRAMES: Final = 12
SETTLE_S: Final = 1.0
IMPATIENT_S: Final = 0.005

TASKS_SETTLE_S: Final = 1.0

CANCELLED_TIMERS: Final = 128
"""More than the hundred that asyncio lets lie before it clears its timers away. *Source*: asyncio.base_events."""


CLEARED: Final = frozenset({"email", "fnmatch", "http", "ipaddress", "re", "urllib"})
"""Python's own modules with bounded caches of what a request brings; emptying others' makes them grow (psycopg's by 0.3 a call)."""


class Growth(msgspec.Struct, frozen=True):
    """What repeated calls leave behind. *Units*: blocks of the allocator a request; bytes a request.

    *Shape*: `settled_after` is the number of calls after which it grew no more; `lines` are the application's lines
    that allocated what stayed, with how much of it a request; `containers` those that grew.
    """

    verdict: GrowthVerdict
    slope: Slope
    calls: int
    bytes_per_request: float = 0.0
    settled_after: int | None = None
    lines: tuple[tuple[Place, float], ...] = ()
    containers: tuple[Grown, ...] = ()


class Left(msgspec.Struct, frozen=True):
    """What is left after a run that is not memory, a request."""

    connections: float = 0.0
    tasks: float = 0.0
    task: str = ""
    threads: float = 0.0
    files: float = 0.0


class Costs(msgspec.Struct, frozen=True):
    """What one call takes at the median of some, and at the most. Times in seconds, sizes in bytes."""

    statements: int
    rows: int
    repeated: str
    repeats: int
    statement_s: float
    held_s: float
    waited_s: float
    connects: int
    body_bytes: int
    largest_piece_bytes: int
    peak_bytes: int
    seconds: float


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

    async def stretch(self, calls: int, seed: int) -> Slope:
        """The blocks that these calls leave behind, with the interval."""
        every = max(1, calls // POINTS)
        points = calls // every
        counted = array("q", bytes(8 * (points + 1)))
        for point in range(points + 1):
            counted[point] = await self.heap.settled_blocks()
            for _ in range(every if point < points else 0):
                await self.once()
        return fit_slope(
            [(float(number * every), float(blocks)) for number, blocks in enumerate(counted)],
            seed=seed,
            resamples=RESAMPLES,
        )


async def growth_of(run: Run, wanted: int, seed: int, app: AsgiApp, source: Source) -> Growth | None:
    """Drives until it can be said whether the endpoint grows; where it does, also what grows and which line fills it.

    None where not even forty calls fit into half a minute.
    """
    calls, before = run.affordable(wanted, ENDPOINT_S), run.calls
    if calls < FEWEST_CALLS:
        return None
    slope = await run.stretch(calls, seed)
    if slope.verdict(WITHIN_BLOCKS) == "flat":
        return Growth("flat", slope, calls)
    settled = 0
    for _ in range(LONGER_STRETCHES):
        settled, earlier = run.calls - before, slope
        longer = run.affordable(calls * LONGER, 2 * ENDPOINT_S)
        slope = await run.stretch(max(longer, FEWEST_CALLS), seed)
        if slope.verdict(WITHIN_BLOCKS) == "flat" or slope.slope > earlier.slope * SLOWING:
            break
    verdict = slope.verdict(WITHIN_BLOCKS)
    if verdict != "grows":
        return Growth(
            verdict, slope, run.calls - before, settled_after=settled if verdict == "flat" else None
        )
    modules = list(source.modules())
    census, counted_at = count(modules, app), run.calls
    traced_bytes, lines = await _traced(run, source)
    containers = grown(census, count(modules, app), run.calls - counted_at)
    bounded = [each for each in containers if each.container.is_bounded]
    if containers and len(bounded) == len(containers):
        # Every container that fills has a ceiling beside it. What else may hide behind it shows when it is full.
        verdict = "cannot_tell"
    else:
        containers = [each for each in containers if not each.container.is_bounded]
    return Growth(
        verdict, slope, run.calls - before, traced_bytes, None, tuple(lines), tuple(containers[:MOST_NAMED])
    )


async def _traced(run: Run, source: Source) -> tuple[float, list[tuple[Place, float]]]:
    """Bytes that stay a request, and the application's lines that allocated them. *Cost*: a tracing run of 20 calls."""
    tracemalloc.start(FRAMES)
    try:
        await run.once()
        await run.heap.settled_blocks()
        before, began = tracemalloc.take_snapshot(), tracemalloc.get_traced_memory()[0]
        for _ in range(TRACED_CALLS):
            await run.once()
        await run.heap.settled_blocks()
        kept = tracemalloc.get_traced_memory()[0] - began
        after = tracemalloc.take_snapshot()
    finally:
        tracemalloc.stop()
    by_place: dict[Place, float] = {}
    for each in after.compare_to(before, "traceback"):
        if each.count_diff >= TRACED_CALLS // 2:
            place = source.place([(frame.filename, frame.lineno, "") for frame in each.traceback])
            if place.path:
                by_place[place] = by_place.get(place, 0.0) + each.size_diff / TRACED_CALLS
    lines = sorted(by_place.items(), key=lambda each: -each[1])[:5]
    return kept / TRACED_CALLS, lines


class Standing(msgspec.Struct, frozen=True):
    """What this process holds besides memory."""

    tasks: frozenset[asyncio.Task[object]]
    threads: int
    files: int

    @classmethod
    def now(cls) -> Standing:
        folder = Path("/proc/self/fd")
        files = sum(1 for _ in folder.iterdir()) if folder.exists() else 0
        return cls(frozenset(asyncio.all_tasks()), threading.active_count(), files)


async def left_since(before: Standing, run: Run, calls_before: int) -> Left:
    """What stayed since, a request; tasks get a second to end, then they are cancelled so that others can be measured."""
    waited_s = 0.0
    while (tasks := asyncio.all_tasks() - before.tasks) and waited_s < TASKS_SETTLE_S:
        await asyncio.sleep(0.02)
        waited_s += 0.02
    now = Standing.now()
    calls = max(1, run.calls - calls_before)
    name = next((_named(task) for task in tasks), "")
    left = Left(
        run.connections_kept / calls,
        len(tasks) / calls,
        name,
        max(0, now.threads - before.threads) / calls,
        max(0, now.files - before.files) / calls,
    )
    for task in tasks:
        task.cancel()
    if tasks:
        await asyncio.wait(tasks, timeout=TASKS_SETTLE_S)
    return left


def _named(task: asyncio.Task[object]) -> str:
    return getattr(task.get_coro(), "__qualname__", "a task")


async def costs_of(run: Run, calls: int) -> Costs:
    """What a call takes: the medians of some calls, with their peak of memory traced."""
    answers: list[Answer] = []
    tallies: list[Tally] = []
    peaks: list[int] = []
    tracemalloc.start(1)
    try:
        for _ in range(calls):
            gc.collect(0)
            tracemalloc.reset_peak()
            began = tracemalloc.get_traced_memory()[0]
            answer, tally = await run.once()
            peaks.append(tracemalloc.get_traced_memory()[1] - began)
            answers.append(answer)
            tallies.append(tally)
    finally:
        tracemalloc.stop()
    text, repeats = max((tally.most_repeated for tally in tallies), key=lambda each: each[1])
    return Costs(
        statements=_middle([tally.statements for tally in tallies]),
        rows=_middle([tally.rows for tally in tallies]),
        repeated=text,
        repeats=repeats,
        statement_s=median(tally.statement_s for tally in tallies),
        held_s=median(tally.held_s for tally in tallies),
        waited_s=median(tally.waited_s for tally in tallies),
        connects=_middle([tally.connects for tally in tallies]),
        body_bytes=_middle([answer.body_bytes for answer in answers]),
        largest_piece_bytes=max(answer.largest_piece_bytes for answer in answers),
        peak_bytes=max(peaks),
        seconds=median(answer.seconds for answer in answers),
    )


def _middle(values: Sequence[int]) -> int:
    return round(median(values))
