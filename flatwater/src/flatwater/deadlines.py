"""Deadlines for work in threads: when one strikes, what the request does at the database is cancelled on the server."""

from __future__ import annotations

import heapq
import itertools
import logging
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Final

from flatwater.clock import Clock, SystemClock
from flatwater.supervisor import thread_beside

log = logging.getLogger("flatwater.deadlines")
_IDLE_S: Final = 60.0


class Deadlines:
    """One thread for all deadlines of a process; it begins with the first and ends with `close`, or with the process.

    *Cost*: a place in a heap for each request that runs, 2 µs (measured 2026-11-30, `benchmarks/parts.py`).
    """

    def __init__(self, clock: Clock | None = None) -> None:
        self._now = (clock or SystemClock()).monotonic
        self._ahead: list[tuple[float, int, _Deadline]] = []
        self._numbers = itertools.count()
        self._changed = threading.Condition()
        self._thread: threading.Thread | None = None
        self._is_closed = False

    @contextmanager
    def within(self, seconds: float, strike: Callable[[], object]) -> Iterator[None]:
        """Runs the block; `strike` is called from the thread when it lasts longer, at most once and never after the block's end."""
        deadline = _Deadline(strike)
        with self._changed:
            heapq.heappush(self._ahead, (self._now() + seconds, next(self._numbers), deadline))
            if self._thread is None or not self._thread.is_alive():  # a process that was forked has none
                self._is_closed = False
                self._thread = thread_beside(self._watch, name="flatwater deadlines")
            self._changed.notify()
        try:
            yield
        finally:
            deadline.end()

    def _watch(self) -> None:
        while True:
            with self._changed:
                while self._ahead and self._ahead[0][2].is_over:
                    heapq.heappop(self._ahead)
                if self._is_closed:
                    return
                wait_s = self._ahead[0][0] - self._now() if self._ahead else _IDLE_S
                if wait_s > 0:
                    self._changed.wait(min(wait_s, _IDLE_S))
                    continue
                _, _, deadline = heapq.heappop(self._ahead)
            deadline.strike()

    def close(self) -> None:
        """Ends the thread; deadlines that are ahead don't strike any more."""
        with self._changed:
            self._is_closed = True
            self._changed.notify()
            thread = self._thread
        if thread is not None:
            thread.join(5.0)


class _Deadline:
    def __init__(self, strike: Callable[[], object]) -> None:
        self._strike: Callable[[], object] | None = strike
        self._lock = threading.Lock()

    @property
    def is_over(self) -> bool:
        return self._strike is None

    def strike(self) -> None:
        # Under the lock, so that a block that ends meanwhile waits for it: nothing is cancelled that is not this request's any more.
        with self._lock:
            strike, self._strike = self._strike, None
            if strike is None:
                return
            try:
                strike()
            except Exception:
                log.exception("a deadline could not end what it was for")

    def end(self) -> None:
        self._strike = None
        with self._lock:
            pass
