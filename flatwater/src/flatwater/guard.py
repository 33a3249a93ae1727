"""The guards for any ASGI application: bounded bodies, answers, time, rates and load, without a router of ours.

    app = Guard(app, GuardLimits(body_bytes=1_000_000, deadline_s=10))

It stands outside the application and knows no framework. What it refuses it answers itself, as a problem document; what the
application refuses (any `Refused`, raised by `Database` for one) it answers where the application lets it through, and
`answer_to` is what an exception handler gives where the framework catches everything.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, MutableMapping
from contextlib import suppress
from time import perf_counter
from typing import Any, Final

import msgspec
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from flatwater.answers import problem, problem_for
from flatwater.errors import DeadlineExceeded, Refused, TooBig, TooMany
from flatwater.guards import NO_GUARDS, Guards
from flatwater.load_shedding import Overloaded, Priority
from flatwater.memory_budget import MEGABYTE, BudgetExceeded, RequestBudget
from flatwater.rate_limit import Decision, MemoryRateLimiter, RateClass
from flatwater.supervisor import beside

MAX_NAME_PARTS: Final = 3
DRAIN_S: Final = 1.0
DRAIN_BYTES: Final = 1 * MEGABYTE
BODILESS: Final = frozenset({"GET", "HEAD", "OPTIONS"})


class GuardLimits(msgspec.Struct, frozen=True):
    """What one request, and all at once, may take. Sizes in bytes, times in seconds."""

    body_bytes: int = 1 * MEGABYTE
    response_bytes: int = 8 * MEGABYTE
    allocation_bytes: int = 32 * MEGABYTE
    deadline_s: float = 30.0
    in_flight: int = 256


def address_of(scope: Scope) -> str:
    """Whom a rate is counted for when nothing better is known."""
    client = scope.get("client")
    return str(client[0]) if client else "local"


def name_of(scope: Scope) -> str:
    """What a request is counted under: its method and the first parts of its path, numbers left out."""
    parts = [part for part in scope["path"].split("/") if part][:MAX_NAME_PARTS]
    return f"{scope['method']} /" + "/".join(
        "{}" if any(c.isdigit() for c in part) else part for part in parts
    )


def answer_to(error: Refused) -> tuple[int, dict[str, str], bytes]:
    """Status, headers and body of the problem document for a refusal; for a framework's exception handler."""
    answer = problem_for(error) or problem(error.status, error.code, str(error))
    return answer.status, {"content-type": answer.content_type, **answer.headers}, answer.content


class Guard:
    """Guards an application. Rates are counted by `who`, for whom None counts as nobody and passes.

    With `guards` (a shedder, memory budgets, somebody who observes) requests are shed, metered and told; `priority` says which
    may wait. *Cost*: about 15 µs a request with everything on.
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
    ) -> None:
        self._app = app
        self.limits = limits or GuardLimits()
        self._rate = rate
        self._who = who
        self._limiter = MemoryRateLimiter() if limiter is None else limiter
        self._guards = guards
        self._priority = priority
        self._name = name
        self._budget = RequestBudget(
            body_bytes=self.limits.body_bytes,
            response_bytes=self.limits.response_bytes,
            allocation_bytes=self.limits.allocation_bytes,
        )
        self.in_flight = 0
        self.clients_left = 0

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        wire = _Wire(receive, send, scope, self.limits)
        began = perf_counter()
        try:
            await self._guarded(scope, wire)
        except Refused as error:
            await wire.refuse(error)
        except asyncio.CancelledError:
            if not wire.client_left:
                raise
            self.clients_left += 1
            task = asyncio.current_task()
            if task is not None and task.uncancel() > 0:
                raise  # somebody else cancels too
        finally:
            await wire.close()
            if self._guards.observe is not None and wire.status:
                self._guards.observe(self._name(scope), scope["method"], wire.status, perf_counter() - began)

    async def _guarded(self, scope: Scope, wire: _Wire) -> None:
        self._require_rate(scope, wire)
        if self.in_flight >= self.limits.in_flight:
            raise Overloaded
        shedder = self._guards.shedder
        if shedder is not None:
            shedder.admit("normal" if self._priority is None else self._priority(scope))
        self.in_flight += 1
        try:
            await self._within_deadline(scope, wire)
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

    async def _within_deadline(self, scope: Scope, wire: _Wire) -> None:
        limit = asyncio.timeout(self.limits.deadline_s)
        try:
            async with limit:
                await wire.watch()
                budgets = self._guards.budgets
                running = self._run(scope, wire)
                if budgets is None:
                    await running
                else:
                    await budgets.run(self._name(scope), running, budgets.meter(self._budget))
        except TimeoutError as error:
            if limit.expired():
                raise DeadlineExceeded from error
            raise

    async def _run(self, scope: Scope, wire: _Wire) -> None:
        await self._app(scope, wire.receive, wire.send)
        if wire.refusal is not None:
            raise wire.refusal  # the application caught it and its own answer was held back


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
            if self._task is not None:
                self._task.cancel()

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
        if self.refusal is not None and not self.status:
            return
        if message["type"] == "http.response.start":
            self._head = message
            return
        if message["type"] != "http.response.body":
            await self._send(message)
            return
        self._response_bytes += len(message.get("body", b""))
        if (
            self._response_bytes > self._limits.response_bytes
            and not message.get("more_body", False)
            and self._head
        ):
            raise BudgetExceeded(
                f"This answer would be larger than {self._limits.response_bytes:,} bytes. Please ask for less at a time."
            )
        await self._send_head()
        self._is_sent = self._is_sent or not message.get("more_body", False)
        await self._send(message)

    async def _send_head(self) -> None:
        if self._head is not None:
            head: MutableMapping[str, Any] = self._head
            self._head = None
            self.status = int(head["status"])
            await self._send({**head, "headers": [*head.get("headers", ()), *self._headers]})

    async def refuse(self, error: Refused) -> None:
        """Answers for the application, unless it has begun to; then the error goes on, and the server cuts the connection."""
        if self.status:
            raise error
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
        """Ends the watch."""
        if self._watcher is not None and not self._watcher.done():
            self._watcher.cancel()
            await asyncio.wait([self._watcher])


__all__ = ["Guard", "GuardLimits", "address_of", "answer_to", "name_of"]
