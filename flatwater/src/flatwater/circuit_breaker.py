"""A breaker before anything that can be away: after some failures nobody waits for it, and one at a time looks whether it is back."""

from __future__ import annotations

import functools
import inspect
import random
from collections.abc import Callable, Coroutine
from types import TracebackType
from typing import Any, Final, Literal, ParamSpec, TypeVar, cast

import msgspec

from flatwater.clock import Clock, SystemClock
from flatwater.errors import Refused

Arguments = ParamSpec("Arguments")
ResultT = TypeVar("ResultT")
State = Literal["closed", "open", "half_open"]

FAILURES: Final = 5
OPEN_S: Final = 1.0
LONGEST_OPEN_S: Final = 30.0
PROBE_S: Final = 10.0
"""A probe that was neither good nor bad within this time is given up, and somebody else may probe."""


class BreakerOpen(Refused):
    """This can't be reached at the moment, so it was not tried. Please try again in a moment."""

    code = "breaker_open"


OF_THE_CALLER: Final[tuple[type[Exception], ...]] = (
    LookupError,
    TypeError,
    AttributeError,
    NameError,
    AssertionError,
    NotImplementedError,
)
"""Mistakes of whoever calls: they say nothing of the other side. A ValueError is none of them, for a certificate that is refused is one."""


class BreakerStatistics(msgspec.Struct, frozen=True):
    """How a breaker stands and what it has been through."""

    name: str
    state: State
    admitted: int
    refused: int
    failed: int
    opened: int
    probes: int


class CircuitBreaker:
    """Closed while all is well; open after `failures` in a row; then one probe at a time until one succeeds.

    What was tried counts as failed when it raises one of `failing` that is none of `exclude`: by default anything but
    what a program does wrong itself (a KeyError, a TypeError). Around a block, `with` or `async with`; around a function,
    `@breaker`, async or not; or by hand: `admit`, then `succeeded`, `failed` or `gave_up`. How long it stays open doubles with each failed probe, with jitter, up to half a minute. From several threads its
    counts may be off by one; nothing breaks.
    *Cost*: under a microsecond a call. *Source*: Nygard, "Release It!", stability patterns; the jitter is AWS's "full jitter" halved.
    """

    def __init__(
        self,
        name: str,
        *,
        failures: int = FAILURES,
        open_s: float = OPEN_S,
        longest_open_s: float = LONGEST_OPEN_S,
        failing: tuple[type[Exception], ...] = (Exception,),
        exclude: tuple[type[Exception], ...] = OF_THE_CALLER,
        clock: Clock | None = None,
    ) -> None:
        self._failing = failing
        self._exclude = exclude
        if failures < 1 or not 0 < open_s <= longest_open_s:
            raise ValueError(f"a breaker opens after some failure for some time: {name}")
        self.name = name
        self._most = failures
        self._first_open_s = open_s
        self._longest_open_s = longest_open_s
        self._now = (clock or SystemClock()).monotonic
        self._random = random.Random()  # noqa: S311  spreads probes, guards no secret
        self._in_a_row = 0
        self._open_s = open_s
        self._open_until = float("-inf")
        self._is_open = False
        self._probing_until = float("-inf")
        self._admitted = self._refused = self._failed = self._opened = self._probes = 0

    @property
    def state(self) -> State:
        if not self._is_open:
            return "closed"
        return "open" if self._now() < self._open_until else "half_open"

    def admit(self) -> None:
        """Passes when this may be tried; whoever passes says `succeeded` or `failed` after. *Errors*: BreakerOpen."""
        if self._is_open:
            now = self._now()
            wait_s = max(self._open_until, self._probing_until) - now
            if wait_s > 0:
                self._refused += 1
                raise BreakerOpen(retry_after_s=max(wait_s, 0.1))
            self._probing_until = now + PROBE_S
            self._probes += 1
        self._admitted += 1

    def succeeded(self) -> None:
        """It answered: closed again, and the failures before are forgotten."""
        self._in_a_row = 0
        self._is_open = False
        self._open_s = self._first_open_s
        self._probing_until = float("-inf")

    def failed(self) -> None:
        """It did not answer: opens after enough of these in a row, and at once when this was the probe."""
        self._failed += 1
        self._in_a_row += 1
        if self._is_open and self._probing_until <= self._now():
            return  # one of those that were under way when it opened: it says nothing new
        if self._is_open:
            self._open_s = min(self._open_s * 2, self._longest_open_s)
        elif self._in_a_row < self._most:
            return
        self._is_open = True
        self._opened += 1
        self._probing_until = float("-inf")
        self._open_until = self._now() + self._open_s * self._random.uniform(0.5, 1.0)

    def gave_up(self) -> None:
        """Whoever tried was cancelled, which says nothing of the other side; somebody else may probe."""
        self._probing_until = float("-inf")

    def __enter__(self) -> None:
        self.admit()

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if error is None:
            self.succeeded()
        elif isinstance(error, self._failing) and not isinstance(error, self._exclude):
            self.failed()
        else:
            self.gave_up()  # cancelled, or the caller's own fault: it says nothing of the other side

    async def __aenter__(self) -> None:
        self.admit()

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.__exit__(kind, error, trace)

    def __call__(self, function: Callable[Arguments, ResultT]) -> Callable[Arguments, ResultT]:
        """The function behind this breaker; a coroutine function stays one, and its await is what is judged. *Errors*: BreakerOpen."""
        if inspect.iscoroutinefunction(function):
            work = cast("Callable[Arguments, Coroutine[Any, Any, Any]]", function)

            @functools.wraps(function)
            async def tried_async(*arguments: Arguments.args, **named: Arguments.kwargs) -> Any:
                with self:
                    return await work(*arguments, **named)

            return cast("Callable[Arguments, ResultT]", tried_async)
        if inspect.isgeneratorfunction(function) or inspect.isasyncgenfunction(function):
            raise TypeError(
                "a generator does its work after it was called: put the breaker around what it does"
            )

        @functools.wraps(function)
        def tried(*arguments: Arguments.args, **named: Arguments.kwargs) -> ResultT:
            with self:
                return function(*arguments, **named)

        return tried

    def statistics(self) -> BreakerStatistics:
        return BreakerStatistics(
            name=self.name,
            state=self.state,
            admitted=self._admitted,
            refused=self._refused,
            failed=self._failed,
            opened=self._opened,
            probes=self._probes,
        )
