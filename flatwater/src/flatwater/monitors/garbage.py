"""Garbage collection: how often, how long, and set so that it is seldom in the way."""

from __future__ import annotations

import gc
import logging
import time
from collections import deque
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any, Self

import msgspec

log = logging.getLogger("flatwater.monitors.garbage")

PAUSE_BOUNDS_S = (0.000_1, 0.000_3, 0.001, 0.003, 0.01, 0.03, 0.05, 0.1, 0.3)
LONG_PAUSE_S = 0.05
"""A pause people may notice: a tenth of the time an answer may take. *Source*: guard-spec, p95 below 500 ms."""
LONG_PAUSES_KEPT = 32
YOUNG_THRESHOLD = 2_000
"""New containers before the youngest are looked through: what Python has from 3.13 on (700 before).

*Source*: measured 2026-11-23, Python 3.11, 20,000 requests that each decode 50 rows and leave a cycle of 300 objects. At 700,
2,000, 10,000 and 50,000 the longest pause is 0.3, 0.2, 5 and 18 ms and collecting takes 285, 302, 381 and 1,190 ms in all:
more is worse, what is collected late has left the processor's cache. Not freezing costs a pause of 27 ms and 354 ms in all.
Requests that leave no cycles are not collected at any threshold.
"""


class GarbageStanding(msgspec.Struct, frozen=True):
    """What collecting has cost since the watch began. *Shape*: one more `pauses` than bounds, the last without a bound."""

    collections: tuple[int, int, int]
    pauses: tuple[int, ...]
    pause_s_total: float
    pause_s_max: float
    collected: int
    uncollectable: int
    long_pauses: int


class GarbageMonitor:
    """Counts collections and their pauses while it is entered, however often. *Cost*: two readings of a clock a collection."""

    def __init__(self) -> None:
        self._entered = 0
        self._started_at: float | None = None
        self._collections = [0, 0, 0]
        self._pauses = [0] * (len(PAUSE_BOUNDS_S) + 1)
        self._pause_s_total = 0.0
        self._pause_s_max = 0.0
        self._recent_max_s = 0.0
        self._collected = 0
        self._uncollectable = 0
        self._long_pauses = 0
        self._to_log: deque[tuple[int, float]] = deque(maxlen=LONG_PAUSES_KEPT)

    def __enter__(self) -> Self:
        if not self._entered:
            gc.callbacks.append(self._see)
        self._entered += 1
        return self

    def __exit__(self, *_: object) -> None:
        self._entered -= 1
        if not self._entered:
            gc.callbacks.remove(self._see)
            self.log_long_pauses()

    def _see(self, phase: str, about: dict[str, Any]) -> None:
        if phase == "start":
            self._started_at = time.perf_counter()
        elif self._started_at is not None:
            self.count(
                about["generation"],
                time.perf_counter() - self._started_at,
                about["collected"],
                about["uncollectable"],
            )
            self._started_at = None

    def count(self, generation: int, pause_s: float, collected: int = 0, uncollectable: int = 0) -> None:
        """Takes one collection into account."""
        self._collections[generation] += 1
        place = next((at for at, bound in enumerate(PAUSE_BOUNDS_S) if pause_s <= bound), len(PAUSE_BOUNDS_S))
        self._pauses[place] += 1
        self._pause_s_total += pause_s
        self._pause_s_max = max(self._pause_s_max, pause_s)
        self._recent_max_s = max(self._recent_max_s, pause_s)
        self._collected += collected
        self._uncollectable += uncollectable
        if pause_s > LONG_PAUSE_S:
            # Not logged here: a collection may begin inside the very log handler that would write this.
            self._long_pauses += 1
            self._to_log.append((generation, pause_s))

    def log_long_pauses(self) -> None:
        """Writes a line for each long pause since the last time (at most 32 of them)."""
        while self._to_log:
            generation, pause_s = self._to_log.popleft()
            log.warning(
                "collecting garbage of generation %d held everything up for %.0f ms",
                generation,
                pause_s * 1000,
            )

    def take_recent_max_s(self) -> float:
        """The longest pause since this was last asked."""
        longest, self._recent_max_s = self._recent_max_s, 0.0
        return longest

    def standing(self) -> GarbageStanding:
        return GarbageStanding(
            collections=(self._collections[0], self._collections[1], self._collections[2]),
            pauses=tuple(self._pauses),
            pause_s_total=self._pause_s_total,
            pause_s_max=self._pause_s_max,
            collected=self._collected,
            uncollectable=self._uncollectable,
            long_pauses=self._long_pauses,
        )


class _Tuning:
    depth = 0


@contextmanager
def tuned(young: int = YOUNG_THRESHOLD) -> Iterator[None]:
    """Never looks again at what is loaded by now, and seldom at the rest, while the block runs; then as it was before.

    Enter it once everything is imported and opened. Nested blocks change nothing more.
    """
    before = gc.get_threshold()
    _Tuning.depth += 1
    if _Tuning.depth == 1:
        gc.collect()
        gc.freeze()
        gc.set_threshold(young, *before[1:])
        log.info(
            "garbage collection: %d objects set aside, thresholds %s instead of %s",
            gc.get_freeze_count(),
            gc.get_threshold(),
            before,
        )
    try:
        yield
    finally:
        _Tuning.depth -= 1
        if _Tuning.depth == 0:
            gc.set_threshold(*before)
            gc.unfreeze()
