"""How much memory this process really owns: one reading, taken at a bounded cost, that every guard and every page judges by."""

from __future__ import annotations

import os
import time
from collections.abc import Callable
from typing import Final

import msgspec

from flatwater.clock import Clock
from flatwater.monitors.smaps import MemoryOfProcess, memory_of

EVERY_S: Final = 0.25
"""As often as the shedder looks: a reading takes 0.7 ms at 60 MB, 0.3 % of one core."""
COST_SHARE: Final = 0.01
"""The share of one core that reading may take; a larger process is read less often (of 2 GB, every two to three seconds)."""


class MemoryReading(msgspec.Struct, frozen=True):
    """What this process had when it was looked at. *Units*: `at_s` in seconds of the clock's monotonic time."""

    at_s: float
    memory: MemoryOfProcess


class MemorySampler:
    """The newest reading of this process's memory, taken again when it is due, by whoever asks first.

    What a process owns is its PSS: what is its alone, and its share of what it shares. RSS counts what is shared in full, and is judged by
    nobody here. *Errors*: none; None where this machine doesn't tell, which is never taken for little.
    """

    def __init__(
        self,
        clock: Clock,
        *,
        every_s: float = EVERY_S,
        read: Callable[[], MemoryOfProcess | None] | None = None,
    ) -> None:
        """With `every_s` 0 each asking takes a reading, whatever it costs: for a caller with a rhythm of its own."""
        self._clock = clock
        self._every_s = every_s
        self._read = read or (lambda: memory_of(os.getpid()))
        self._due_s = float("-inf")
        self.cost_s = 0.0
        self.latest: MemoryReading | None = None

    def take(self) -> MemoryReading | None:
        """The newest reading, a quarter of a second old at most (older where reading is dear). *Cost*: 0.7 ms when one is due, else nothing."""
        now_s = self._clock.monotonic()
        if now_s < self._due_s:
            return self.latest
        began = time.thread_time()  # what it took of a core, not how long others held it up
        memory = self._read()
        self.cost_s = time.thread_time() - began
        self._due_s = now_s + (max(self._every_s, self.cost_s / COST_SHARE) if self._every_s else 0.0)
        self.latest = None if memory is None else MemoryReading(now_s, memory)
        return self.latest

    def owned_bytes(self) -> int | None:
        """What this process owns (PSS), by the newest reading; None where it can't be told."""
        reading = self.take()
        return None if reading is None else reading.memory.pss_bytes
