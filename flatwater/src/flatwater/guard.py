"""The guards for any ASGI application: bounded bodies, answers, time, rates and load, without a router of ours.

    app = Guard(app, GuardLimits(body_bytes=1_000_000, deadline_s=10))

It stands outside the application and knows no framework. What it refuses it answers itself, as a problem document; what the
application refuses (any `Refused`, raised by `Database` for one) it answers where the application lets it through, and
`answer_to` is what an exception handler gives where the framework catches everything.

The deadline is the answer's: it ends with the first byte. What comes after, a stream or work in the background, is the
application's own; a stream may have a limit of its own. A request over its deadline is answered at once, whether or not its work can be
ended: a thread goes on, and what it had done by then stays done, so that the answer promises nothing.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, MutableMapping
from contextlib import suppress
from time import perf_counter
from typing import Any, Final

import msgspec

from flatwater.answers import problem, problem_for
from flatwater.asgi_types import ASGIApp, Message, Receive, Scope, Send
from flatwater.errors import (
    DatabaseUnavailable,
    DeadlineExceeded,
    Refused,
    StatementTimeout,
    TooBig,
    TooMany,
)
from flatwater.guards import NO_GUARDS, Guards
from flatwater.load_shedding import Overloaded, Priority
from flatwater.memory_budget import MEGABYTE, BudgetExceeded, RequestBudget
from flatwater.rate_limit import Decision, MemoryRateLimiter, RateClass
from flatwater.supervisor import beside

MAX_NAME_PARTS: Final = 3
DRAIN_S: Final = 1.0
DRAIN_BYTES: Final = 1 * MEGABYTE
SHORTCUTS: Final = frozenset({"http.response.pathsend", "http.response.zerocopysend"})
BODILESS: Final = frozenset({"GET", "HEAD", "OPTIONS"})


class GuardLimits(msgspec.Struct, frozen=True):
    """What one request, and all at once, may take. Sizes in bytes, times in seconds."""

    body_bytes: int = 1 * MEGABYTE
    response_bytes: int = 8 * MEGABYTE
    """Of an answer, in one piece or in many; one that is being streamed is cut there."""
    allocation_bytes: int = 32 * MEGABYTE
    deadline_s: float = 30.0
    """Until the answer's first byte."""
    stream_s: float | None = None
    """From the first byte of a streamed answer to its last; None for as long as somebody listens."""
    in_flight: int = 256
    """All requests of the service together, whatever a route has of its own."""


STAYS_DONE: Final = "What this request had finished by then stays done; look before you send it again."
UNPROMISED: Final[dict[type[Refused], str]] = {
    DeadlineExceeded: f"This took longer than it may, so no more was waited for. {STAYS_DONE}",
    StatementTimeout: f"One question to the database took longer than it may, so it was stopped. {STAYS_DONE}",
    DatabaseUnavailable: f"The database can't be reached. {STAYS_DONE}",
}
"""What is known of a request of which only its outside is seen. `Database` may say of its own transaction that nothing was saved."""


def address_of(scope: Scope) -> str:
    """Whom a rate is counted for when nothing better is known."""
    client = scope.get("client")
    return str(client[0]) if client else "local"


def name_of(scope: Scope) -> str:
    """What a request is counted under: its method and the first parts of its path, numbers left out."""
    return plain_name(scope["method"], scope["path"])


def plain_name(method: str, path: str) -> str:
    """A method with the first parts of a path, numbers left out: so many names as there are routes, and not as there are rows."""
    parts = [part for part in path.split("/") if part][:MAX_NAME_PARTS]
    return f"{method} /" + "/".join("{}" if any(c.isdigit() for c in part) else part for part in parts)


def answer_to(error: Refused) -> tuple[int, dict[str, str], bytes]:
    """Status, headers and body of the problem document for a refusal; for a framework's exception handler."""
    known = UNPROMISED.get(type(error))
    if known is not None:
        error = type(error)(known, retry_after_s=error.retry_after_s)
    answer = problem_for(error) or problem(error.status, error.code, str(error))
    return answer.status, {"content-type": answer.content_type, **answer.headers}, answer.content


class Guard:
    """Guards an application. Rates are counted by `who`, for whom None counts as nobody and passes.

    `route` gives the limits of a request that has its own (an upload, a stream, a report), or None for those of all.
    With `guards` (a shedder, memory budgets, somebody who observes) requests are shed, metered and told; `priority` says which
    may wait. *Cost*: 33 µs a request with a deadline and a rate (measured 2026-11-30, `benchmarks/parts.py`).
    """

    def __init__(
        self,
        app: ASGIApp,
        limits: GuardLimits | None = None,
        *,
        rate: RateClass | Callable[[Scope], RateClass | None] | None = None,
        who: Callable[[Scope], str | None] = address_of,
        limiter: MemoryRateLimiter | None = None,
        guards: Guards = NO_GUARDS,
        priority: Callable[[Scope], Priority] | None = None,
        name: Callable[[Scope], str] = name_of,
        route: Callable[[Scope], GuardLimits | None] | None = None,
    ) -> None:
        self._app = app
        self._route = route
        self.limits = limits or GuardLimits()
        self._rate = rate
        self._who = who
        self._limiter = MemoryRateLimiter() if limiter is None else limiter
        self._guards = guards
        self._priority = priority
        self._name = name
        self.in_flight = 0
        self.clients_left = 0

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        limits = (self._route(scope) if self._route is not None else None) or self.limits
        wire = _Wire(receive, send, scope, limits)
        began = perf_counter()
        try:
            await self._guarded(_without_shortcuts(scope), wire, limits)
        except Refused as error:
            await wire.refuse(error)
        except asyncio.CancelledError:
            if not wire.has_cancelled or wire.cancels_left() > 0:
                raise  # somebody else cancels too
            if wire.is_cut:
                raise DeadlineExceeded("A stream took longer than it may.") from None
        finally:
            self.clients_left += wire.client_left
            await wire.close()
            if self._guards.observe is not None and wire.status:
                self._guards.observe(self._name(scope), scope["method"], wire.status, perf_counter() - began)

    async def _guarded(self, scope: Scope, wire: _Wire, limits: GuardLimits) -> None:
        self._require_rate(scope, wire)
        if self.in_flight >= self.limits.in_flight:
            raise Overloaded
        shedder = self._guards.shedder
        if shedder is not None:
            shedder.admit("normal" if self._priority is None else self._priority(scope))
        self.in_flight += 1
        try:
            await self._within_deadline(scope, wire, limits)
        finally:
            self.in_flight -= 1
            if shedder is not None:
                shedder.leave()

    def _require_rate(self, scope: Scope, wire: _Wire) -> None:
        rate = self._rate(scope) if callable(self._rate) else self._rate
        identity = self._who(scope) if rate is not None else None
        if rate is None or identity is None:
            return
        decision = self._limiter.decide(rate, identity)
        wire.show_rate(rate, decision)
        if not decision.allowed:
            raise TooMany(retry_after_s=decision.retry_after_s)

    async def _within_deadline(self, scope: Scope, wire: _Wire, limits: GuardLimits) -> None:
        wire.begin(limits.deadline_s)
        await wire.watch()
        budgets = self._guards.budgets
        running = self._run(scope, wire)
        if budgets is None:
            await running
        else:
            budget = RequestBudget(
                body_bytes=limits.body_bytes,
                response_bytes=limits.response_bytes,
                allocation_bytes=limits.allocation_bytes,
            )
            await budgets.run(self._name(scope), running, budgets.meter(budget))

    async def _run(self, scope: Scope, wire: _Wire) -> None:
        await self._app(scope, wire.receive, wire.send)
        if wire.refusal is not None:
            raise wire.refusal  # the application caught it and its own answer was held back


def _without_shortcuts(scope: Scope) -> Scope:
    """The scope without the server's ways to send a file past whoever counts what is sent."""
    extensions = scope.get("extensions")
    if not extensions or not extensions.keys() & SHORTCUTS:
        return scope
    return {
        **scope,
        "extensions": {name: value for name, value in extensions.items() if name not in SHORTCUTS},
    }


class _Wire:
    """One request's two directions: counts what goes by, holds back what must not be sent, notices who leaves."""

    def __init__(self, receive: Receive, send: Send, scope: Scope, limits: GuardLimits) -> None:
        self._receive = receive
        self._send = send
        self._scope = scope
        self._limits = limits
        self._body_bytes = 0
        self._response_bytes = 0
        self._head: Message | None = None
        self._headers: list[tuple[bytes, bytes]] = []
        self._first: Message | None = None
        self._is_whole = False
        self._left = asyncio.Event()
        self._watcher: asyncio.Task[None] | None = None
        self._task = asyncio.current_task()
        self._timer: asyncio.TimerHandle | None = None
        self._late: asyncio.Task[None] | None = None
        self._cancels = 0
        self.has_cancelled = False
        self.is_cut = False
        self.refusal: Refused | None = None
        self.client_left = False
        self.status = 0
        self._is_sent = False

    def show_rate(self, rate: RateClass, decision: Decision) -> None:
        """Every answer to this request says what is left of the allowance."""
        self._headers += [
            (b"ratelimit-policy", rate.policy.encode()),
            (b"ratelimit", decision.header(rate).encode()),
        ]

    async def watch(self) -> None:
        """Looks out for the client's leaving where nothing more of the request is to come. *Errors*: TooBig by its length."""
        length = next((value for name, value in self._scope["headers"] if name == b"content-length"), None)
        if length is not None and length.isdigit() and int(length) > self._limits.body_bytes:
            raise self._too_big()
        if self._scope["method"] in BODILESS and length in (None, b"0"):
            self._first = await self._receive()
            self._is_whole = not self._first.get("more_body", False)
            self._begin_watch()

    def _begin_watch(self) -> None:
        if self._is_whole and self._watcher is None:
            self._watcher = beside(self._look(), name="flatwater client watch")

    async def _look(self) -> None:
        while (await self._receive())["type"] != "http.disconnect":
            pass
        self._left.set()
        if not self._is_sent:
            self.client_left = True
            self._cancel()

    def begin(self, deadline_s: float) -> None:
        """Starts the time until the answer's first byte."""
        self._timer = asyncio.get_running_loop().call_later(deadline_s, self._strike)

    def _strike(self) -> None:
        # Answered beside the application and not after it: one that works in a thread does not end when it is cancelled.
        self._late = beside(self.refuse(DeadlineExceeded()), name="flatwater late answer")
        self._cancel()

    def _cut(self) -> None:
        self.is_cut = True
        self._cancel()

    def _cancel(self) -> None:
        if self._task is not None and not self.has_cancelled:
            self._task.cancel()
            self._cancels += 1
        self.has_cancelled = True

    def cancels_left(self) -> int:
        """Takes our own cancellation back; how many there are of others."""
        if self._task is None:
            return 0
        if self._cancels:
            self._cancels = 0
            return self._task.uncancel()
        return self._task.cancelling()

    def _end_timer(self) -> None:
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None

    async def receive(self) -> Message:
        """What the application hears. *Errors*: TooBig above the ceiling; BudgetExceeded never."""
        if self._first is not None:
            message, self._first = self._first, None
            return message
        if self._is_whole:
            await self._left.wait()
            return {"type": "http.disconnect"}
        message = await self._receive()
        if message["type"] == "http.request":
            self._body_bytes += len(message.get("body", b""))
            if self._body_bytes > self._limits.body_bytes:
                self.refusal = self._too_big()
                raise self.refusal
            if not message.get("more_body", False):
                self._is_whole = True
                self._begin_watch()
        return message

    def _too_big(self) -> TooBig:
        return TooBig(
            f"What was sent is larger than {self._limits.body_bytes:,} bytes, which is the most that this takes."
        )

    async def send(self, message: Message) -> None:
        """What the application says: its head goes out with the first of its body, so that what is too large can still be refused."""
        if self._late is not None or (self.refusal is not None and not self.status):
            return  # what is said after it was answered goes nowhere
        if message["type"] == "http.response.start":
            self._head = message
            return
        if message["type"] != "http.response.body":
            await self._send(message)
            return
        self._response_bytes += len(message.get("body", b""))
        has_more = bool(message.get("more_body", False))
        if max(self._response_bytes, self._told_bytes()) > self._limits.response_bytes:
            raise BudgetExceeded(
                f"This answer would be larger than {self._limits.response_bytes:,} bytes. Please ask for less at a time."
            )
        if self._head is not None:
            await self._send_head(self._head, is_stream=has_more)
        if not has_more:
            self._is_sent = True
            self._end_timer()
        await self._send(message)

    def _told_bytes(self) -> int:
        """How long the answer says that it will be, while its head is still held back."""
        if self._head is None:
            return 0
        told = next(
            (value for name, value in self._head.get("headers", ()) if name.lower() == b"content-length"), b""
        )
        return int(told) if told.isdigit() and self._scope["method"] != "HEAD" else 0

    async def _send_head(self, head: MutableMapping[str, Any], *, is_stream: bool) -> None:
        self._head = None
        self.status = int(head["status"])
        self._end_timer()
        if is_stream and self._limits.stream_s is not None:
            self._timer = asyncio.get_running_loop().call_later(self._limits.stream_s, self._cut)
        await self._send({**head, "headers": [*head.get("headers", ()), *self._headers]})

    async def refuse(self, error: Refused) -> None:
        """Answers for the application, unless it has begun to; then the error goes on, and the server cuts the connection."""
        if self._late is not None and asyncio.current_task() is not self._late:
            return
        if self.status:
            raise error
        self._end_timer()
        if not self._is_whole:
            await self._drain()
        status, headers, content = answer_to(error)
        pairs = [(name.encode(), value.encode()) for name, value in headers.items()]
        pairs += [(b"content-length", str(len(content)).encode()), *self._headers]
        if not self._is_whole:
            pairs.append((b"connection", b"close"))  # the rest of what is being sent is not read
        self.status = status
        self._is_sent = True
        await self._send({"type": "http.response.start", "status": status, "headers": pairs})
        await self._send({"type": "http.response.body", "body": content})

    async def _drain(self) -> None:
        """Takes in some of the rest, for a client that still sends may lose an answer that comes before it is done."""
        drained = 0
        with suppress(TimeoutError):
            async with asyncio.timeout(DRAIN_S):
                while drained < DRAIN_BYTES:
                    message = await self._receive()
                    drained += len(message.get("body", b""))
                    if message["type"] == "http.disconnect" or not message.get("more_body", False):
                        self._is_whole = True
                        return

    async def close(self) -> None:
        """Ends the watch and the time, and waits for an answer that is on its way."""
        self._end_timer()
        if self._late is not None:
            await self._late
        if self._cancels and self.cancels_left() == 0:
            with suppress(asyncio.CancelledError):  # one of our own that nobody has heard of yet
                await asyncio.sleep(0)
        if self._watcher is not None and not self._watcher.done():
            self._watcher.cancel()
            await asyncio.wait([self._watcher])


__all__ = ["Guard", "GuardLimits", "address_of", "answer_to", "name_of"]
