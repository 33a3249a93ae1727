"""Turning work away before memory, the pool or the loop runs out: what can wait first, what must be saved last.

A sampler recomputes how many requests of each priority may be in flight; a request only compares two numbers.

Every state of turning away has an end. Whatever is short, a service that works on nothing lets the next one in; memory is given back
while it is short; and what lasts a minute all the same is told (`turning_away_s` is a service level) and, where it is memory, ends with a
fresh process (`flatwater.recycling`, which judges by the same reading).
"""

from __future__ import annotations

import asyncio
import logging
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Final, Literal, Self

import msgspec

from flatwater.allocator import give_memory_back
from flatwater.clock import Clock
from flatwater.errors import Refused
from flatwater.pool import PoolStatistics
from flatwater.supervisor import Supervisor, TaskLoop

log = logging.getLogger("flatwater.load_shedding")

Priority = Literal["first", "normal", "last", "never"]
"""When it is shed: exports, imports and reports first; a teacher's save last; health, metrics, version and sign-in never."""
Cause = Literal["memory", "pool", "loop", "in_flight"]
PRIORITIES: Final[tuple[Priority, ...]] = ("first", "normal", "last")
"""Those that are shed, in this order."""
CAUSES: Final[tuple[Cause, ...]] = ("memory", "pool", "loop", "in_flight")

MEMORY_SHARES: Final[dict[Priority, float]] = {"first": 0.85, "normal": 0.92, "last": 0.98}
"""The share of the memory budget from which a priority is shed. *Source*: issue 3, part 5; 15 % is room for the eight
largest requests (32 MB each) in a process of 2 GB, or for what is in flight in one of 150 MB."""
MEMORY_HYSTERESIS: Final = 0.05
"""How far below its share the memory must fall before a priority is let in again, so that it does not flap."""
IN_FLIGHT_SHARES: Final[dict[Priority, float]] = {"first": 0.5, "normal": 0.9, "last": 1.0}
"""The share of the ceiling in flight that a priority may fill: half is always left for what people wait for."""
QUEUE_SHED, QUEUE_ADMIT = 0.5, 0.25
"""The shares of the pool's queue at which the first are shed, and let in again."""
LAG_SHED_S, LAG_ADMIT_S = 0.5, 0.25
"""How late the loop may be: half a second is the p95 an answer may take. *Source*: guard-spec, levels."""
LATE_LOOKS: Final = 2
"""So many looks in a row must be late: one stall (a start, a first page) is over when it is seen, and turning away helps nobody then."""
WAITED_FOR: Final = 8
"""With nothing at work one more is let in even so; of those whose bodies are still on their way, so many at most."""
LOOK_EVERY_S = 0.25
RELIEVE_EVERY_S = 30.0


class Overloaded(Refused):
    """The service is very busy just now. Nothing of this was done; please try again in a moment."""

    code = "overloaded"
    retry_after_s = 2.0


class SheddingStanding(msgspec.Struct, frozen=True):
    """What is shed now and was shed so far. *Shape*: `shed[priority][cause]`; shares are of the budget and the queue.

    `turning_away_s` is how long somebody has been turned away without a pause, 0 when nobody is; `memory_short_s` the same for
    memory alone. `let_in_anyway`: those of a shed priority that were let in because nothing was at work.
    """

    shedding: dict[Priority, Cause]
    shed: dict[Priority, dict[Cause, int]]
    in_flight: int
    memory_share: float | None
    queue_share: float | None
    lag_s: float
    reliefs: int
    turning_away_s: float = 0.0
    memory_short_s: float = 0.0
    let_in_anyway: int = 0


class LoadShedder:
    """Admits requests while there is room, by priority; looks four times a second while it is entered.

    `read_memory` says what the process owns (`MemorySampler.owned_bytes`), and what it is judged by here is what the recycler is told. Every `admit` that passes is paired with a `leave` (or use `room`). *Errors*: `read_memory` gives None where memory
    can't be read; then memory sheds nothing, and the standing says None.
    """

    def __init__(
        self,
        budget_bytes: int,
        read_memory: Callable[[], int | None],
        clock: Clock,
        *,
        pool_statistics: Callable[[], PoolStatistics] | None = None,
        pool_waiting: int = 64,
        in_flight_ceiling: int = 512,
        every_s: float = LOOK_EVERY_S,
        relieve: Callable[[], None] = give_memory_back,
        supervisor: Supervisor | None = None,
    ) -> None:
        self._budget_bytes = budget_bytes
        self._read_memory = read_memory
        self._clock = clock
        self._pool_statistics = pool_statistics
        self._pool_waiting = max(1, pool_waiting)
        self._every_s = every_s
        self._relieve = relieve
        self._relieved_at_s: float | None = None
        self._open: dict[Priority, int] = {
            each: max(1, int(share * in_flight_ceiling)) for each, share in IN_FLIGHT_SHARES.items()
        }
        self._open["never"] = sys.maxsize
        self._ceilings = dict(self._open)
        self._causes: dict[Priority, Cause] = {}
        self._shed: dict[Priority, dict[Cause, int]] = {
            priority: dict.fromkeys(CAUSES, 0) for priority in PRIORITIES
        }
        self._memory_share: float | None = None
        self._queue_share: float | None = None
        self._lag_s = 0.0
        self._supervisor = supervisor or Supervisor(clock)
        self._loop: TaskLoop | None = None
        self._late_looks = 0
        self._turning_away_since_s: float | None = None
        self._memory_short_since_s: float | None = None
        self._let_in_anyway = 0
        self.in_flight = 0
        self.waited_for = 0
        """Of those in flight, how many wait for their clients to send the rest."""
        self.reliefs = 0

    def admit(self, priority: Priority) -> None:
        """Takes a request in. *Errors*: Overloaded when its priority is shed now. *Cost*: a comparison."""
        if self.in_flight >= self._ceilings[priority]:
            if not self._works_on_nothing(priority):
                raise self._refusal(priority)
            self._let_in_anyway += 1
        self.in_flight += 1

    def _works_on_nothing(self, priority: Priority) -> bool:
        """Whether one of a shed priority is let in even so: then it finds out what there is room for, not a number of before."""
        return priority in self._causes and self.in_flight == self.waited_for < WAITED_FOR

    def leave(self) -> None:
        """Lets a request that was admitted go."""
        self.in_flight -= 1

    @contextmanager
    def room(self, priority: Priority) -> Iterator[None]:
        """Room for one request while the block runs. *Errors*: Overloaded."""
        self.admit(priority)
        try:
            yield
        finally:
            self.leave()

    @contextmanager
    def waiting_for_client(self) -> Iterator[None]:
        """While the block runs, an admitted request waits for its client, which is no work: a slow phone keeps nobody out."""
        self.waited_for += 1
        try:
            yield
        finally:
            self.waited_for -= 1

    def _refusal(self, priority: Priority) -> Overloaded:
        cause = self._causes.get(priority, "in_flight")
        self._shed[priority][cause] += 1
        return Overloaded(retry_after_s=10.0 if cause == "memory" else None)

    async def __aenter__(self) -> Self:
        self.look(0.0)
        self._loop = self._supervisor.keep("load shedding", self._run, period_s=self._every_s)
        return self

    async def __aexit__(self, *_: object) -> None:
        if self._loop is not None:
            await self._loop.stop()
            self._loop = None

    async def _run(self, loop: TaskLoop) -> None:
        """One bad look doesn't leave the doors as they happen to stand: the supervisor begins this again."""
        while True:
            due_s = self._clock.monotonic() + self._every_s
            await asyncio.sleep(self._every_s)
            self.look(max(0.0, self._clock.monotonic() - due_s))
            loop.turned()

    def look(self, lag_s: float) -> None:
        """Looks at memory, the pool's queue and how late the loop is, and settles who is let in. *Cost*: a few comparisons beside the reading."""
        self._lag_s = lag_s
        self._late_looks = self._late_looks + 1 if lag_s > LAG_SHED_S else 0
        memory_bytes = self._read_memory()
        self._memory_share = None if memory_bytes is None else memory_bytes / self._budget_bytes
        if self._pool_statistics is not None:
            self._queue_share = self._pool_statistics().waiting / self._pool_waiting
        causes: dict[Priority, Cause] = {
            each: cause for each in PRIORITIES if (cause := self._cause(each)) is not None
        }
        if causes.keys() != self._causes.keys():
            self._tell(causes)
        self._causes = causes
        now_s = self._clock.monotonic()
        self._turning_away_since_s = _since(self._turning_away_since_s, now_s, is_so=bool(causes))
        self._memory_short_since_s = _since(
            self._memory_short_since_s, now_s, is_so="memory" in causes.values()
        )
        for priority in PRIORITIES:
            self._ceilings[priority] = 0 if priority in causes else self._open[priority]
        if "memory" in causes.values():
            self._relieve_now_and_then()

    def _cause(self, priority: Priority) -> Cause | None:
        """Why a priority is shed; one that is shed already stays so until its cause has clearly gone."""
        before = self._causes.get(priority)
        share = MEMORY_SHARES[priority] - (MEMORY_HYSTERESIS if before == "memory" else 0.0)
        if self._memory_share is not None and self._memory_share >= share:
            return "memory"
        if priority != "first":
            return None
        if (self._queue_share or 0.0) > (QUEUE_ADMIT if before == "pool" else QUEUE_SHED):
            return "pool"
        if self._lag_s > LAG_ADMIT_S if before == "loop" else self._late_looks >= LATE_LOOKS:
            return "loop"
        return None

    def _tell(self, causes: dict[Priority, Cause]) -> None:
        if causes:
            share = "not told" if self._memory_share is None else f"{self._memory_share:.0%}"
            told = ", ".join(f"{each} ({cause})" for each, cause in causes.items())
            log.warning("turning away: %s; memory %s of its allowance", told, share)
        else:
            log.warning("everything is let in again")

    def _relieve_now_and_then(self) -> None:
        now_s = self._clock.monotonic()
        if self._relieved_at_s is None or now_s - self._relieved_at_s >= RELIEVE_EVERY_S:
            self._relieved_at_s = now_s
            self.reliefs += 1
            self._relieve()

    @property
    def turning_away_s(self) -> float:
        """How long somebody has been turned away without a pause; 0 when nobody is."""
        return self._lasting(self._turning_away_since_s)

    @property
    def memory_short_s(self) -> float:
        """How long somebody has been turned away for memory without a pause; 0 when nobody is."""
        return self._lasting(self._memory_short_since_s)

    def _lasting(self, since_s: float | None) -> float:
        return 0.0 if since_s is None else max(0.0, self._clock.monotonic() - since_s)

    def standing(self) -> SheddingStanding:
        return SheddingStanding(
            shedding=dict(self._causes),
            shed={priority: dict(counts) for priority, counts in self._shed.items()},
            in_flight=self.in_flight,
            memory_share=self._memory_share,
            queue_share=self._queue_share,
            lag_s=self._lag_s,
            reliefs=self.reliefs,
            turning_away_s=self.turning_away_s,
            memory_short_s=self.memory_short_s,
            let_in_anyway=self._let_in_anyway,
        )


def _since(before_s: float | None, now_s: float, *, is_so: bool) -> float | None:
    """Since when it has been so; None when it isn't."""
    if not is_so:
        return None
    return now_s if before_s is None else before_s
