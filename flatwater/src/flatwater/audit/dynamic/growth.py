"""Whether an endpoint grows, with an interval; and where it does, what grows and the line that fills it."""

from __future__ import annotations

import tracemalloc
from array import array
from statistics import median
from typing import Final, Literal

import msgspec

from flatwater.audit.dynamic.census import Grown, count, grown
from flatwater.audit.dynamic.client import AsgiApp
from flatwater.audit.dynamic.places import Source
from flatwater.audit.dynamic.run import SLOWING, Run
from flatwater.audit.model import Place
from flatwater.slope import Slope

GrowthVerdict = Literal["flat", "grows", "shrinks", "cannot_tell"]

WITHIN_BLOCKS: Final = 0.2
"""Flat is less than one kept thing in five requests. What a request leaves when it runs alone is exact to the block (measured
2026-11-23), so the bound need only be above what one resized dictionary in a run does to the middle slope."""
LONGER: Final = 2
"""How many times longer an endpoint that grew is driven on: a cache that fills up is full by then, a leak is not."""
LONGER_STRETCHES: Final = 3
PLAIN: Final = 0.9
"""A thing in every call is plain. What is rarer is driven on to the end: formatting by regular expressions leaves something in
every second call for some hundred calls (measured 2026-11-23), and then no more."""
FEWEST_CALLS: Final = 40
ENDPOINT_S: Final = 30.0
"""What the first stretch of one endpoint may take; a slow one is called less often, down to forty times."""
MOST_NAMED: Final = 8
TRACED_CALLS: Final = 20
FRAMES: Final = 12


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


async def growth_of(run: Run, wanted: int, seed: int, app: AsgiApp, source: Source) -> Growth | None:
    """Drives until it can be said whether the endpoint grows; where it does, also what grows and which line fills it.

    None where not even forty calls fit into half a minute.
    """
    calls, before = run.affordable(wanted, ENDPOINT_S), run.calls
    if calls < FEWEST_CALLS:
        return None
    stretch, settled, slows = await run.stretch(calls, seed), 0, False
    if stretch.slope.verdict(WITHIN_BLOCKS) == "flat":
        return Growth("flat", stretch.slope, calls)
    for _ in range(LONGER_STRETCHES):
        settled, earlier = run.calls - before, stretch
        longer = run.affordable(calls * LONGER, 2 * ENDPOINT_S)
        stretch = await run.stretch(max(longer, FEWEST_CALLS), seed)
        slows = stretch.slows or stretch.slope.slope < SLOWING * earlier.slope.slope
        is_plain = stretch.slope.low >= PLAIN and not slows
        if is_plain or stretch.slope.verdict(WITHIN_BLOCKS) == "flat":
            break
    slope, verdict = stretch.slope, stretch.slope.verdict(WITHIN_BLOCKS)
    if verdict == "grows" and slows:
        verdict = "cannot_tell"
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
        verdict=verdict,
        slope=slope,
        calls=run.calls - before,
        bytes_per_request=traced_bytes,
        settled_after=None,
        lines=tuple(lines),
        containers=tuple(containers[:MOST_NAMED]),
    )


async def _traced(run: Run, source: Source) -> tuple[float, list[tuple[Place, float]]]:
    """Bytes that stay a request, and the application's lines that allocated them. *Cost*: a tracing run of 20 calls."""
    tracemalloc.start(FRAMES)
    try:
        await run.once()
        await run.heap.settled_blocks()
        before, nets = tracemalloc.take_snapshot(), array("q", bytes(8 * TRACED_CALLS))
        await run.heap.settled_blocks()
        began = tracemalloc.get_traced_memory()[0]
        for number in range(TRACED_CALLS):
            await run.once()
            await run.heap.settled_blocks()
            now = tracemalloc.get_traced_memory()[0]
            nets[number], began = now - began, now
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
    # The middle call: a list that is resized counts as new as a whole.
    return median(nets), lines
