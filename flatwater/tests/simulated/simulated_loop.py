"""An event loop without a machine: time passes only when nothing is left to do, and what is ready runs in an order drawn from a seed.

The same seed gives the same run, callback for callback. Nothing waits for real: an hour of retries and time-outs takes milliseconds.
"""

from __future__ import annotations

import asyncio
import contextlib
import hashlib
import heapq
import random
from collections.abc import Callable, Coroutine
from datetime import UTC, datetime, timedelta
from typing import Any

BEGAN = datetime(2026, 11, 29, tzinfo=UTC)
MOST_STEPS = 400_000


class Stuck(AssertionError):
    """Nothing is ready and nothing is to come, and the work is not done: somebody waits who is never woken."""


class SimulatedLoop(asyncio.BaseEventLoop):
    """Runs one ready callback at a time, drawn by chance; jumps to the next timer when none is ready."""

    def __init__(self, seed: int) -> None:
        super().__init__()
        self.random = random.Random(seed)
        self._now = 0.0
        self._steps = 0
        self._trace = hashlib.sha256()
        self.faults: list[BaseException] = []
        self.set_exception_handler(self._keep_fault)

    def _keep_fault(self, _loop: asyncio.AbstractEventLoop, context: dict[str, Any]) -> None:
        self.faults.append(context.get("exception") or RuntimeError(context["message"]))

    def time(self) -> float:
        return self._now

    def note(self, *words: object) -> None:
        """Adds what happened to the trace, by which two runs are compared bit for bit."""
        self._trace.update(f"{self._now:.9f} {words}\n".encode())

    @property
    def digest(self) -> str:
        return self._trace.hexdigest()

    def _run_once(self) -> None:
        self._steps += 1
        if self._steps > MOST_STEPS:
            raise Stuck(f"not done after {MOST_STEPS} steps")
        while self._scheduled and self._scheduled[0]._cancelled:
            heapq.heappop(self._scheduled)._scheduled = False
        if not self._ready and self._scheduled:
            self._now = max(self._now, self._scheduled[0]._when)
        while self._scheduled and self._scheduled[0]._when <= self._now:
            timer = heapq.heappop(self._scheduled)
            timer._scheduled = False
            self._ready.append(timer)
        if not self._ready:
            if self._stopping:
                return
            raise Stuck("nothing is ready and no timer runs")
        # The first is taken often enough that a run gets somewhere, and any other often enough that it meets what it would not.
        place = 0 if self.random.random() < 0.5 else self.random.randrange(len(self._ready))
        handle = self._ready[place]
        del self._ready[place]
        if not handle._cancelled:
            handle._run()

    def _write_to_self(self) -> None:
        """There is no other thread to wake."""

    def _process_events(self, event_list: object) -> None:
        """There are no sockets."""


class SimulatedClock:
    """The loop's time."""

    def __init__(self, loop: SimulatedLoop) -> None:
        self._loop = loop

    def now(self) -> datetime:
        return BEGAN + timedelta(seconds=self._loop.time())

    def monotonic(self) -> float:
        return self._loop.time()


def simulate(seed: int, world: Callable[[SimulatedLoop], Coroutine[Any, Any, None]]) -> str:
    """Runs a world by a seed; the digest of its trace. *Errors*: whatever the world finds wrong, and Stuck."""
    loop = SimulatedLoop(seed)
    try:
        loop.run_until_complete(world(loop))
        if loop.faults:
            raise loop.faults[0]
        return loop.digest
    finally:
        left = [task for task in asyncio.all_tasks(loop) if not task.done()]
        for task in left:
            task.cancel()
        if left:
            with contextlib.suppress(Stuck):  # what the world found wrong is what is told
                loop.run_until_complete(asyncio.gather(*left, return_exceptions=True))
        loop.close()
