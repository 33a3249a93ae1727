"""Which endpoint the memory grows in: now and then a request is followed, and what its own steps leave behind is counted.

Counted are the allocator's blocks, not resident memory: a page is first touched by whoever comes next, not by who filled the
one before (tried 2026-11-23: a leak of 60 bytes was laid to three innocent neighbours). What a request leaves is exact to the block
when nothing else runs meanwhile. Among others it may be out by one or two, since Python keeps freed lists and dicts for whoever
comes next; the middle of the newest hundred is taken, which a few such swaps can't move.
"""

from __future__ import annotations

import gc
import sys
from collections.abc import Callable, Coroutine, Generator
from dataclasses import dataclass, field
from types import coroutine as coroutine_of
from typing import Any, Final, Generic, TypeVar

import msgspec

from flatwater.monitors.ring import Ring
from flatwater.slope import FEWEST_POINTS, Slope, fit_slope, median

ResultT = TypeVar("ResultT")

OTHERS: Final = "(others)"
"""What endpoints beyond the bound of names are counted under."""
FOLLOW_EVERY: Final = 509
"""One request in so many is followed: counting blocks and collecting young cycles cost 24 µs and up to 100 µs at 60 MB (measured
2026-11-23), twice a step. A prime: endpoints that are asked in a rhythm are all followed in turn."""
NETS_KEPT: Final = 101
BLOCK_BYTES: Final = 64
"""About what a small Python object takes, for saying blocks in bytes. *Source*: measured 2026-11-23 over a program of 700,000."""


class EndpointStanding(msgspec.Struct, frozen=True):
    """One endpoint since the watch began.

    *Shape*: `growth_per_request` is the median of the blocks that the newest hundred followed requests left behind; None before one
    was followed.
    """

    name: str
    requests: int
    followed: int
    growth_per_request: float | None
    largest_bytes: int
    over_budget: int

    @property
    def growth_bytes(self) -> int:
        """About what all its requests have left behind, at 64 bytes a block."""
        return round((self.growth_per_request or 0.0) * self.requests * BLOCK_BYTES)


@dataclass(slots=True)
class _Tally:
    ring: Ring
    nets: Ring = field(default_factory=lambda: Ring(1, NETS_KEPT))
    requests: int = 0
    followed: int = 0
    growth_blocks: int = 0
    largest_bytes: int = 0
    over_budget: int = 0

    def count(self, blocks: int) -> None:
        self.followed += 1
        self.growth_blocks += blocks
        self.nets.append((blocks,))

    @property
    def growth_per_request(self) -> float | None:
        return median(net or 0.0 for (net,) in self.nets) if self.followed else None


@dataclass(slots=True)
class EndpointGrowth:
    """Growth by endpoint for at most `names` endpoints, with `points` points each over time."""

    names: int = 256
    points: int = 120
    follow_every: int = FOLLOW_EVERY
    is_following: bool = False
    """One at a time: two that are followed would collect each other's cycles."""
    _tallies: dict[str, _Tally] = field(default_factory=dict[str, _Tally])
    _asked: int = 0

    def follow(
        self, name: str, coroutine: Coroutine[Any, Any, ResultT]
    ) -> Coroutine[Any, Any, ResultT] | Followed[ResultT]:
        """What to await for the coroutine: mostly itself, now and then followed. *Cost*: a comparison, and some more when the followed are shared out.

        The coroutine is all there is to one request, its answer's sending included: what is alive at its end counts as left.
        """
        self._asked += 1
        if self._asked % self.follow_every or self.is_following:
            return coroutine
        return Followed(coroutine, self, self._tally(name).count)

    def record(self, name: str, largest_step_bytes: int, *, was_over_budget: bool = False) -> None:
        """Counts one request and the most that one of its steps took. *Cost*: a few counts."""
        tally = self._tally(name)
        tally.requests += 1
        if largest_step_bytes > tally.largest_bytes:
            tally.largest_bytes = largest_step_bytes
        if was_over_budget:
            tally.over_budget += 1

    def _tally(self, name: str) -> _Tally:
        tally = self._tallies.get(name)
        if tally is None:
            if len(self._tallies) >= self.names:
                name = OTHERS
            tally = self._tallies.setdefault(name, _Tally(Ring(2, self.points)))
        return tally

    def mark(self) -> None:
        """Keeps a point of every endpoint's growth over its followed requests; called by the sampler."""
        for tally in self._tallies.values():
            newest = tally.ring.newest()
            if tally.followed and (newest is None or newest[0] != tally.followed):
                tally.ring.append((tally.followed, tally.growth_blocks))

    def points_of(self, name: str) -> list[tuple[float, float]]:
        """An endpoint's growth over time. *Shape*: (requests followed so far, blocks they left behind so far)."""
        tally = self._tallies.get(name)
        if tally is None:
            return []
        return [(followed or 0.0, blocks or 0.0) for followed, blocks in tally.ring]

    def slope_of(self, name: str) -> Slope | None:
        """Blocks a request of this endpoint leaves behind, with the interval; None while there are too few points to say.

        *Cost*: up to a second; not for the event loop.
        """
        points = self.points_of(name)
        return fit_slope(points) if len(points) >= FEWEST_POINTS else None

    def standing(self) -> list[EndpointStanding]:
        """Every endpoint, the one that grew most first; never more than `names` and the others together."""
        standings = [
            EndpointStanding(
                name=name,
                requests=each.requests,
                followed=each.followed,
                growth_per_request=each.growth_per_request,
                largest_bytes=each.largest_bytes,
                over_budget=each.over_budget,
            )
            for name, each in self._tallies.items()
        ]
        return sorted(standings, key=lambda each: each.growth_bytes, reverse=True)


class Followed(Generic[ResultT]):
    """Awaits a coroutine and counts what its own steps leave behind; whatever else runs between them doesn't count.

    Cycles that outlive a wait and are many may count as left until the collector comes to them.
    """

    __slots__ = ("_coroutine", "_count", "_growth")

    def __init__(
        self, coroutine: Coroutine[Any, Any, ResultT], growth: EndpointGrowth, count: Callable[[int], None]
    ) -> None:
        self._coroutine = coroutine
        self._growth = growth
        self._count = count

    def __await__(self) -> Generator[Any, Any, ResultT]:
        self._growth.is_following = True
        try:
            return (yield from _counting(self._coroutine, self._count))
        finally:
            self._growth.is_following = False


def _counting(
    coroutine: Coroutine[Any, Any, ResultT], count: Callable[[int], None]
) -> Generator[Any, Any, ResultT]:
    """Drives the coroutine and tells what it left; not where it ended by an error, which still holds its frames."""
    left = 0
    sent: Any = None
    thrown: BaseException | None = None
    gc.collect(1)
    while True:
        before = _blocks(0)  # without others' young cycles, which would be collected in our step
        try:
            awaited = coroutine.send(sent) if thrown is None else coroutine.throw(thrown)
        except StopIteration as done:
            count(left - before + _blocks(1) - _own_blocks())
            return done.value
        finally:
            thrown = None
        left += _blocks(0) - before
        try:
            sent = yield awaited
        except GeneratorExit:
            coroutine.close()
            raise
        except BaseException as error:  # noqa: BLE001  all of it is the coroutine's to take
            sent, thrown = None, error


_own: list[int] = []


def _own_blocks() -> int:
    """What the counting itself holds when it counts: found by counting a coroutine that leaves nothing."""
    if not _own:
        found: list[int] = []
        _own.append(0)
        for _ in range(5):
            for _ in _counting(_nothing(), found.append):
                pass
        _own[0] = sorted(found)[2]
    return _own[0]


async def _nothing() -> None:
    await _once()


@coroutine_of
def _once() -> Generator[None, None, None]:
    yield


def _blocks(generation: int) -> int:
    """The blocks that are allocated once the cycles so young have been collected."""
    gc.collect(generation)
    return sys.getallocatedblocks()
