"""Everything that runs in the background runs under a supervisor: what fails is told, counted, and tried again.

A loop ends when it is stopped and at no other time, whatever its work raises. Nothing else in flatwater, or in a service that
keeps to its rule, makes a task or a thread.
"""

from __future__ import annotations

import asyncio
import contextlib
import logging
import random
import threading
from collections.abc import Awaitable, Callable, Coroutine
from datetime import datetime
from typing import Any, Final, Literal, Self, TypeVar

import msgspec

from flatwater.clock import Clock, SystemClock
from flatwater.errors import Refused

log = logging.getLogger("flatwater.supervisor")

Kind = Literal["task", "thread"]
State = Literal["running", "failing", "ended", "dead"]
"""`ended` was stopped or had done its work; `dead` stands still and nobody stopped it."""

MAX_LOOPS: Final = 64
"""Each loop is a label in the metrics and a line on the operators' page."""
MISSED_TURNS: Final = 3
"""So many turns missed are a warning, whatever the period."""
LEAST_LATE_S: Final = 5.0
"""A loop of a quarter of a second is not late because the machine was busy for one."""
FIRST_PAUSE_S: Final = 1.0
SHORTEST_BACK_OFF_S: Final = 5.0
LONGEST_BACK_OFF_S: Final = 60.0
TELL_AGAIN_S: Final = 60.0
"""The same failure is told once in this time, with how often it came meanwhile."""
MAX_CAUSES: Final = 8
MAX_CAUSE_CHARS: Final = 300
CANCEL_AGAIN_S: Final = 1.0
CANCELS: Final = 10

NOT_OURS: Final = (KeyboardInterrupt, SystemExit, GeneratorExit)
"""Ends the program, not a turn."""

ResultT = TypeVar("ResultT")
Turn = Callable[[], Awaitable[object]]


class LoopStanding(msgspec.Struct, frozen=True):
    """How a loop stands. `period_s` is None for one that waits for work, which is never late by the clock. Times in seconds."""

    name: str
    kind: Kind
    period_s: float | None
    state: State
    turns: int
    failures: int
    failures_in_a_row: int
    missed_turns: int
    last_turn_at: datetime | None
    last_success_at: datetime | None
    last_failure_at: datetime | None
    last_error: str

    @property
    def needs_attention(self) -> bool:
        """Whether an operator should look: three turns missed or failed one after another, or it stands still."""
        return self.state == "dead" or max(self.missed_turns, self.failures_in_a_row) >= MISSED_TURNS


class Loop:
    """What every loop has in common: its counts, and how its failures are told and backed off.

    One task or thread turns it, any may read its standing.
    """

    longest_pause_s: float | None = None
    """The longest pause after failures, where the period doesn't tell."""

    def __init__(self, name: str, kind: Kind, period_s: float | None, clock: Clock) -> None:
        self.name = name
        self.kind: Kind = kind
        self.period_s = period_s
        self._clock = clock
        self._random = random.Random()  # noqa: S311  spreads what is tried again, guards no secret
        self._since_s = clock.monotonic()
        self._turns = self._failures = self._in_a_row = 0
        self._last_turn_at: datetime | None = None
        self._last_success_at: datetime | None = None
        self._last_failure_at: datetime | None = None
        self._last_error = ""
        self._told: dict[str, float] = {}
        self._untold = 0
        self._is_stopping = False

    def continue_from(self, before: Loop) -> None:
        """Takes over the counts of the loop of this name that was here before."""
        self._turns, self._failures = before._turns, before._failures
        self._last_success_at, self._last_failure_at = before._last_success_at, before._last_failure_at
        self._last_error = before._last_error

    @property
    def is_alive(self) -> bool:
        """Whether something turns it."""
        raise NotImplementedError

    def turned(self) -> None:
        """A turn ended well. Work that turns by itself says so after each."""
        self._turns += 1
        self._since_s = self._clock.monotonic()
        self._last_turn_at = self._last_success_at = self._clock.now()
        if self._in_a_row:
            log.warning("%s works again after %d failures", self.name, self._in_a_row)
            self._in_a_row = self._untold = 0
            self._told.clear()

    def failed(self, error: BaseException) -> float:
        """A turn failed, which is told and counted; how long to pause. Work that goes on in spite of it says so itself."""
        self._failures += 1
        self._in_a_row += 1
        self._last_turn_at = self._last_failure_at = self._clock.now()
        self._last_error = _cause_of(error)
        self._tell(error)
        return self._pause_s()

    def _tell(self, error: BaseException) -> None:
        now_s = self._clock.monotonic()
        told_s = self._told.get(self._last_error)
        if told_s is None and len(self._told) >= MAX_CAUSES:
            told_s = min(self._told.values())
        if told_s is not None and now_s - told_s < TELL_AGAIN_S:
            self._untold += 1
            return
        if len(self._told) >= MAX_CAUSES:
            self._told.clear()
        self._told[self._last_error] = now_s
        more = f" (and {self._untold} failures that were not told)" if self._untold else ""
        self._untold = 0
        # What was expected to happen now and then needs no traceback, nor does what was told with one already.
        trace = None if told_s is not None or isinstance(error, Refused) else error
        log.error(
            "%s failed, %d in a row, and is tried again: %s%s",
            self.name,
            self._in_a_row,
            self._last_error,
            more,
            exc_info=trace,
        )

    def _pause_s(self) -> float:
        """Sooner at first, never later than the next turn would be, and never all loops at once."""
        period_s = self.period_s if self.period_s is not None else LONGEST_BACK_OFF_S
        longest_s = self.longest_pause_s or min(max(period_s, SHORTEST_BACK_OFF_S), LONGEST_BACK_OFF_S)
        first_s = min(FIRST_PAUSE_S, period_s)
        pause_s = min(first_s * 2 ** min(self._in_a_row - 1, 30), longest_s)
        return self._random.uniform(pause_s / 2, pause_s)

    def standing(self) -> LoopStanding:
        """How it stands now."""
        is_alive, since_s = self.is_alive, self._clock.monotonic() - self._since_s
        missed = 0
        if self.period_s is not None and not self._has_ended and since_s >= LEAST_LATE_S:
            missed = int(since_s / self.period_s)
        state: State = "failing" if self._in_a_row else "running"
        if not is_alive:
            state = "ended" if self._has_ended else "dead"
        return LoopStanding(
            name=self.name,
            kind=self.kind,
            period_s=self.period_s,
            state=state,
            turns=self._turns,
            failures=self._failures,
            failures_in_a_row=self._in_a_row,
            missed_turns=missed,
            last_turn_at=self._last_turn_at,
            last_success_at=self._last_success_at,
            last_failure_at=self._last_failure_at,
            last_error=self._last_error,
        )

    @property
    def _has_ended(self) -> bool:
        return self._is_stopping and not self.is_alive


class TaskLoop(Loop):
    """A loop in a task: a turn each period, or work that turns by itself for as long as it runs."""

    def __init__(
        self,
        name: str,
        work: Callable[[TaskLoop], Awaitable[object]],
        clock: Clock,
        *,
        period_s: float | None,
        is_periodic: bool,
        first_after_s: float = 0.0,
        turn_s: float | None = None,
    ) -> None:
        super().__init__(name, "task", period_s, clock)
        self._work = work
        self._is_periodic = is_periodic
        self._first_after_s = first_after_s
        self._turn_s = turn_s
        self._task: asyncio.Task[None] | None = None

    @property
    def is_alive(self) -> bool:
        return self._task is not None and not self._task.done()

    def start(self) -> None:
        """Begins in a task of its own."""
        self._task = asyncio.get_running_loop().create_task(self._run(), name=self.name)

    async def stop(self) -> None:
        """Ends it, in the middle of a turn if need be, and waits until it has."""
        self._is_stopping = True
        task = self._task
        if task is None:
            return
        # Once more each second: libraries exist that swallow a cancellation which comes at a bad moment.
        for _ in range(CANCELS):
            if task.done():
                break
            task.cancel()
            await asyncio.wait([task], timeout=CANCEL_AGAIN_S)
        else:
            log.error("%s does not end when it is told to", self.name)

    async def _run(self) -> None:
        if self._first_after_s:
            await asyncio.sleep(self._first_after_s)
        while not self._is_stopping:  # noqa: ASYNC110  it turns, it waits for no event
            await asyncio.sleep(await self._turn())

    async def _turn(self) -> float:
        """One turn, however it ends; how long to pause after it."""
        try:
            async with asyncio.timeout(self._turn_s):
                await self._work(self)
            if not self._is_periodic:
                raise EndedByItself
        except asyncio.CancelledError as error:
            task = asyncio.current_task()
            if self._is_stopping or (task is not None and task.cancelling()):
                raise
            return self.failed(error)  # something that it waited for was cancelled, not this
        except NOT_OURS:
            raise
        except BaseException as error:  # noqa: BLE001  told, counted and tried again is what a supervisor is for
            return self.failed(error)
        self.turned()
        return self.period_s or 0.0


class ThreadLoop(Loop):
    """A loop in a thread, for what must go on while the event loop does not, or where there is none.

    Its work returns when it has nothing more to do, or soon after `stopping` is set.
    """

    def __init__(
        self, name: str, work: Callable[[ThreadLoop], object], clock: Clock, *, period_s: float | None
    ) -> None:
        super().__init__(name, "thread", period_s, clock)
        self._work = work
        self.stopping = threading.Event()
        self._thread = threading.Thread(target=self._run, name=name, daemon=True)

    @property
    def is_alive(self) -> bool:
        return self._thread.is_alive()

    def start(self) -> None:
        """Begins in a thread of its own."""
        self._thread.start()

    def stop(self, within_s: float) -> None:
        """Tells it to end and waits for that. Its work may be waiting for something else that is to end first."""
        self._is_stopping = True
        self.stopping.set()
        if self._thread.ident is not None and self._thread is not threading.current_thread():
            self._thread.join(timeout=within_s)
            if self._thread.is_alive():
                log.error("%s does not end when it is told to", self.name)

    def _run(self) -> None:
        while not self.stopping.is_set():
            try:
                self._work(self)
            except BaseException as error:  # noqa: BLE001  in a thread nobody else would hear of it
                self.stopping.wait(self.failed(error))
            else:
                self._is_stopping = True  # its work is done
                return


class EndedByItself(Exception):
    """It ended, and it should go on for ever."""


class ErrandStanding(msgspec.Struct, frozen=True):
    """Short pieces of work that nobody waits for, by what they are."""

    name: str
    begun: int
    failed: int


class Supervisor:
    """Runs loops and knows how each stands. Leave it (or stop each loop) and nothing of it runs any more."""

    def __init__(self, clock: Clock | None = None) -> None:
        self._clock = clock or SystemClock()
        self._loops: dict[str, Loop] = {}
        self._errands: dict[str, list[int]] = {}
        self._running: set[asyncio.Task[Any]] = set()

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(self, *_: object) -> None:
        for loop in reversed(list(self._loops.values())):
            if isinstance(loop, TaskLoop):
                await loop.stop()

    def every(
        self,
        name: str,
        turn: Turn,
        *,
        period_s: float,
        first_after_s: float | None = None,
        turn_s: float | None = None,
    ) -> TaskLoop:
        """Turns again and again, `period_s` after a turn has ended; first after a period unless said otherwise.

        A turn that takes longer than `turn_s` is ended and has failed. *Errors*: ValueError when a loop of this name runs.
        """
        after_s = period_s if first_after_s is None else first_after_s
        loop = TaskLoop(
            name,
            lambda _: turn(),
            self._clock,
            period_s=period_s,
            is_periodic=True,
            first_after_s=after_s,
            turn_s=turn_s,
        )
        self._add(loop)
        loop.start()
        return loop

    def keep(
        self,
        name: str,
        work: Callable[[TaskLoop], Awaitable[object]],
        *,
        period_s: float | None = None,
    ) -> TaskLoop:
        """Keeps work running that turns by itself and says `turned` after each turn; begun again whenever it ends.

        `period_s` is how often it should turn; None for what waits until there is work. *Errors*: ValueError as above.
        """
        loop = TaskLoop(name, work, self._clock, period_s=period_s, is_periodic=False)
        self._add(loop)
        loop.start()
        return loop

    def thread(
        self,
        name: str,
        work: Callable[[ThreadLoop], object],
        *,
        period_s: float | None = None,
        longest_pause_s: float | None = None,
    ) -> ThreadLoop:
        """Runs work in a thread until it returns, again whenever it fails. *Errors*: ValueError as above."""
        loop = ThreadLoop(name, work, self._clock, period_s=period_s)
        loop.longest_pause_s = longest_pause_s
        self._add(loop)
        loop.start()
        return loop

    def _add(self, loop: Loop) -> None:
        before = self._loops.get(loop.name)
        if before is not None and before.is_alive:
            raise ValueError(f"two loops are called {loop.name}")
        if before is None and len(self._loops) >= MAX_LOOPS:
            raise ValueError(f"there are {MAX_LOOPS} loops already")
        if before is not None:
            loop.continue_from(before)
        self._loops[loop.name] = loop

    def errand(self, name: str, work: Coroutine[Any, Any, object]) -> asyncio.Task[None]:
        """Begins a short piece of work that nobody needs the outcome of. When it fails that is told and counted.

        Whoever begins errands bounds how many there are. The task may be waited for; it never raises.
        """
        counts = self._errands.setdefault(name, [0, 0])
        counts[0] += 1

        async def run() -> None:
            try:
                await work
            except NOT_OURS:
                raise
            except asyncio.CancelledError:
                raise
            except BaseException as error:
                counts[1] += 1
                log.error("%s failed: %s", name, _cause_of(error), exc_info=error)

        task = asyncio.get_running_loop().create_task(run(), name=name)
        self._running.add(task)
        task.add_done_callback(self._running.discard)
        return task

    def loops(self) -> tuple[Loop, ...]:
        """The loops that run or ran, in the order in which they were begun."""
        return tuple(self._loops.values())

    def standings(self) -> tuple[LoopStanding, ...]:
        """How every loop stands. *Cost*: a microsecond each."""
        return tuple(loop.standing() for loop in self.loops())

    def errands(self) -> tuple[ErrandStanding, ...]:
        """The errands by name."""
        return tuple(ErrandStanding(name, begun, failed) for name, (begun, failed) in self._errands.items())


def beside(work: Coroutine[Any, Any, ResultT], *, name: str) -> asyncio.Task[ResultT]:
    """Work that runs beside its maker and ends with it: whoever begins it waits for it, and gets what it raises."""
    return asyncio.get_running_loop().create_task(work, name=name)


def thread_beside(work: Callable[[], object], *, name: str) -> threading.Thread:
    """A started thread whose maker waits for what it does. What it raises is told; nobody else would hear of it."""
    thread = threading.Thread(target=_told(work, name), name=name, daemon=True)
    thread.start()
    return thread


def ask_loop(loop: asyncio.AbstractEventLoop, work: Coroutine[Any, Any, ResultT]) -> ResultT:
    """What a thread asks of the loop that it works beside: done there, waited for here. *Errors*: what the work raises."""
    return asyncio.run_coroutine_threadsafe(work, loop).result()


def after(seconds: float, work: Callable[[], object], *, name: str) -> threading.Timer:
    """A started timer that does its work in a thread once the time is up, unless it is cancelled before."""
    timer = threading.Timer(seconds, _told(work, name))
    timer.name = name
    timer.daemon = True
    timer.start()
    return timer


def _told(work: Callable[[], object], name: str) -> Callable[[], None]:
    def run() -> None:
        try:
            work()
        except BaseException as error:
            log.error("%s failed: %s", name, _cause_of(error), exc_info=error)

    return run


def _cause_of(error: BaseException) -> str:
    text = ""
    with contextlib.suppress(Exception):  # an exception may fail to say what it is
        text = " ".join(str(error).split())
    kind = type(error).__name__
    return (f"{kind}: {text}" if text else kind)[:MAX_CAUSE_CHARS]
