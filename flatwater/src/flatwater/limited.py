"""A rate on a function or a request, in any framework: as a decorator, as a FastAPI dependency, around a Flask or Django view.

    limit = Limited(RateClass("sign_in", per_s=1, burst=5), who=lambda request: request.client.host)

    @limit                                    # any function, async or not: `who` is given its arguments
    @app.get("/notes", dependencies=[Depends(limit.request)])     # FastAPI, where `who` takes a Starlette request

A store that fails lets in what fails open and refuses what fails closed, as said; either is counted.
"""

from __future__ import annotations

import functools
import inspect
import logging
import threading
from collections.abc import Callable, Coroutine
from importlib import import_module
from typing import Any, Generic, Literal, ParamSpec, TypeVar, cast

from flatwater.errors import TooMany
from flatwater.rate_limit import Decision, MemoryRateLimiter, RateClass, RateStore, StoreFailed

log = logging.getLogger("flatwater.limited")

Arguments = ParamSpec("Arguments")
ResultT = TypeVar("ResultT")


class Limited(Generic[Arguments]):
    """Counts in memory, or in a `store` (PostgreSQL's, Valkey's) for functions that are async. `who` gives whom it is counted for; None passes.

    *Errors*: TooMany with when to come back; StoreFailed where the store fails and `fails` is "closed". *Cost*: 1.5 µs in memory
    (measured 2026-11-30, `benchmarks/parts.py`).
    """

    def __init__(
        self,
        rate: RateClass,
        *,
        who: Callable[Arguments, str | None],
        store: RateStore | None = None,
        fails: Literal["open", "closed"] = "open",
    ) -> None:
        self.rate = rate
        self.fails = fails
        self.refused = 0
        self.failed = 0
        """How often the store could not be asked, whether that let in or refused."""
        self._who = who
        self._store = store
        self._memory = MemoryRateLimiter()
        self._lock = threading.Lock()

    def __call__(self, function: Callable[Arguments, ResultT]) -> Callable[Arguments, ResultT]:
        """The function, refused to whoever asks too often. *Errors*: TypeError for a function that is not async where a store is asked."""
        if inspect.iscoroutinefunction(function):
            work = cast("Callable[Arguments, Coroutine[Any, Any, Any]]", function)

            @functools.wraps(function)
            async def limited_async(*arguments: Arguments.args, **named: Arguments.kwargs) -> Any:
                await self.require(*arguments, **named)
                return await work(*arguments, **named)

            return cast("Callable[Arguments, ResultT]", limited_async)
        if self._store is not None:
            raise TypeError("a store is asked asynchronously: limit an async function, or count in memory")

        @functools.wraps(function)
        def limited(*arguments: Arguments.args, **named: Arguments.kwargs) -> ResultT:
            self.require_here(*arguments, **named)
            return function(*arguments, **named)

        return limited

    async def require(self, *arguments: Arguments.args, **named: Arguments.kwargs) -> None:
        """Passes for who may ask once more. *Errors*: TooMany, StoreFailed."""
        who = self._who(*arguments, **named)
        if who is None:
            return
        if self._store is None:
            self._decided(self._in_memory(who))
            return
        try:
            decision = await self._store.decide(self.rate, who)
        except Exception as error:
            self.failed += 1
            log.warning("the rate %s could not be looked up: %s", self.rate.name, type(error).__name__)
            if self.fails == "closed":
                raise StoreFailed from error
            return
        self._decided(decision)

    def require_here(self, *arguments: Arguments.args, **named: Arguments.kwargs) -> None:
        """As `require`, counted in memory, from any thread. *Errors*: TooMany."""
        who = self._who(*arguments, **named)
        if who is not None:
            self._decided(self._in_memory(who))

    @property
    def request(self) -> Callable[..., Coroutine[Any, Any, None]]:
        """As a dependency: `Depends(limit.request)`, for a `who` that takes the request. *Errors*: TooMany, StoreFailed."""
        require = cast("Callable[..., Coroutine[Any, Any, None]]", self.require)

        async def limited(request: Any) -> None:
            await require(request)

        # FastAPI gives its request to a parameter of this type; it is looked up when it is used, for nothing here needs Starlette.
        limited.__annotations__["request"] = import_module("starlette.requests").Request
        return limited

    def _in_memory(self, who: str) -> Decision:
        with self._lock:
            return self._memory.decide(self.rate, who)

    def _decided(self, decision: Decision) -> None:
        if not decision.allowed:
            self.refused += 1
            raise TooMany(retry_after_s=decision.retry_after_s)
