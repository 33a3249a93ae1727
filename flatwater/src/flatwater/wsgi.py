"""The guards for any WSGI application (Flask, Django, whatever runs in threads): bounded bodies, answers, rates, requests at once and time.

    app = WsgiGuard(app, GuardLimits(body_bytes=1_000_000, deadline_s=10), ledger=ledger)

A thread can't be ended from outside. At the deadline what the request does at the database is cancelled on the server, and it may ask
nothing more; the application then raises, and what is answered is a 504 that promises nothing. What waits elsewhere is not ended.
"""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterable, Iterator
from http import HTTPStatus
from time import perf_counter
from typing import Any

from flatwater.deadlines import Deadlines
from flatwater.errors import DeadlineExceeded, Refused, TooBig, TooMany
from flatwater.guard import GuardLimits, answer_to, plain_name
from flatwater.ledger import Budget, Ledger
from flatwater.load_shedding import Overloaded
from flatwater.memory_budget import BudgetExceeded
from flatwater.rate_limit import MemoryRateLimiter, RateClass

Environ = dict[str, Any]
WsgiApp = Callable[[Environ, Callable[..., Any]], Iterable[bytes]]
Observe = Callable[[str, str, int, float], None]


def address_of(environ: Environ) -> str:
    """Whom a rate is counted for when nothing better is known."""
    return str(environ.get("REMOTE_ADDR") or "local")


def name_of(environ: Environ) -> str:
    """What a request is counted under: its method and the first parts of its path, numbers left out."""
    return plain_name(str(environ.get("REQUEST_METHOD", "GET")), str(environ.get("PATH_INFO", "/")))


class WsgiGuard:
    """Guards an application. Rates are counted by `who`, for whom None counts as nobody and passes; `route` gives a request its own limits.

    From several threads. *Cost*: 15 µs a request with deadline, rate and ledger (measured 2026-11-30, `benchmarks/parts.py`).
    """

    def __init__(
        self,
        app: WsgiApp,
        limits: GuardLimits | None = None,
        *,
        ledger: Ledger | None = None,
        budget: Budget | None = None,
        rate: RateClass | Callable[[Environ], RateClass | None] | None = None,
        who: Callable[[Environ], str | None] = address_of,
        name: Callable[[Environ], str] = name_of,
        route: Callable[[Environ], GuardLimits | None] | None = None,
        observe: Observe | None = None,
    ) -> None:
        self._app = app
        self.limits = limits or GuardLimits()
        self.ledger = ledger or Ledger()
        self._budget = budget
        self._rate = rate
        self._who = who
        self._name = name
        self._route = route
        self._observe = observe
        self._limiter = MemoryRateLimiter()
        self._deadlines = Deadlines()
        self._lock = threading.Lock()
        self.in_flight = 0

    def __call__(self, environ: Environ, start_response: Callable[..., Any]) -> Iterable[bytes]:
        answer = _Answer(start_response)
        began, name = perf_counter(), self._name(environ)
        try:
            yield from self._guarded(environ, answer, name)
        finally:
            if self._observe is not None and answer.status:
                self._observe(
                    name, str(environ.get("REQUEST_METHOD", "")), answer.status, perf_counter() - began
                )

    def _guarded(self, environ: Environ, answer: _Answer, name: str) -> Iterator[bytes]:
        try:
            limits = (self._route(environ) if self._route is not None else None) or self.limits
            self._require_rate(environ)
            self._enter()
        except Refused as error:
            yield from answer.refuse(error)
            return
        try:
            with self.ledger.request(name, self._budget) as request:
                answer.limits, answer.late = limits, lambda: request.is_late
                environ = {**environ, "wsgi.input": _Body(environ.get("wsgi.input"), limits.body_bytes)}
                yield from self._run(environ, answer, limits, lambda: self.ledger.cancel(request))
        finally:
            with self._lock:
                self.in_flight -= 1

    def _run(
        self, environ: Environ, answer: _Answer, limits: GuardLimits, strike: Callable[[], object]
    ) -> Iterator[bytes]:
        pieces: Iterable[bytes] = ()
        try:
            length = str(environ.get("CONTENT_LENGTH") or "")
            if length.isdigit() and int(length) > limits.body_bytes:
                raise too_big(limits.body_bytes)
            with self._deadlines.within(limits.deadline_s, strike):
                pieces = self._app(environ, answer.start)
                given = iter(pieces)
                first = next(given, None)
                answer.require_in_time()
        except Refused as error:
            _close(pieces)
            yield from answer.refuse(error)
            return
        except Exception as error:
            _close(pieces)
            if not answer.late() or answer.is_sent:
                raise
            yield from answer.refuse(DeadlineExceeded().with_traceback(error.__traceback__))
            return
        try:
            yield from answer.pieces(first, given)
        finally:
            _close(pieces)

    def _enter(self) -> None:
        with self._lock:
            if self.in_flight >= self.limits.in_flight:
                raise Overloaded
            self.in_flight += 1

    def _require_rate(self, environ: Environ) -> None:
        rate = self._rate(environ) if callable(self._rate) else self._rate
        identity = self._who(environ) if rate is not None else None
        if rate is None or identity is None:
            return
        with self._lock:
            decision = self._limiter.decide(rate, identity)
        if not decision.allowed:
            raise TooMany(retry_after_s=decision.retry_after_s)

    def close(self) -> None:
        """Ends the thread of deadlines."""
        self._deadlines.close()


def _close(pieces: Iterable[bytes]) -> None:
    close = getattr(pieces, "close", None)
    if close is not None:
        close()


def too_big(body_bytes: int) -> TooBig:
    """The refusal of a body above its ceiling."""
    return TooBig(f"What was sent is larger than {body_bytes:,} bytes, which is the most that this takes.")


class _Body:
    """A request's body that refuses to be read past its ceiling, whatever its length was told to be."""

    def __init__(self, inner: Any, most_bytes: int) -> None:
        self._inner = inner
        self._most_bytes = most_bytes
        self._read_bytes = 0

    def read(self, size: int | None = -1) -> bytes:
        left = self._most_bytes - self._read_bytes + 1
        return self._counted(self._inner.read(left if size is None or size < 0 else min(size, left)))

    def readline(self, size: int | None = -1) -> bytes:
        left = self._most_bytes - self._read_bytes + 1
        return self._counted(self._inner.readline(left if size is None or size < 0 else min(size, left)))

    def readlines(self, hint: int = -1) -> list[bytes]:
        return list(self)

    def __iter__(self) -> Iterator[bytes]:
        while line := self.readline():
            yield line

    def _counted(self, piece: bytes) -> bytes:
        self._read_bytes += len(piece)
        if self._read_bytes > self._most_bytes:
            raise too_big(self._most_bytes)
        return piece


class _Answer:
    """One request's answer: its head is held back until its first piece, so that what is too large or too late can still be refused."""

    def __init__(self, start_response: Callable[..., Any]) -> None:
        self._start_response = start_response
        self._head: tuple[Any, ...] | None = None
        self._write_bytes = 0
        self.limits = GuardLimits()
        self.late: Callable[[], bool] = lambda: False
        self.status = 0
        self.is_sent = False

    def start(
        self, status: str, headers: list[tuple[str, str]], exc_info: Any = None
    ) -> Callable[[bytes], None]:
        if exc_info is not None and self.is_sent:
            raise exc_info[1].with_traceback(exc_info[2])
        self._head = (status, headers)
        told = next((value for name, value in headers if name.lower() == "content-length"), "")
        if told.isdigit():
            self._require_room(int(told))
        return self._write

    def _write(self, piece: bytes) -> None:
        self._require_room(self._write_bytes + len(piece))
        self._write_bytes += len(piece)
        self._send_head()(piece)

    def _require_room(self, size_bytes: int) -> None:
        if size_bytes > self.limits.response_bytes:
            raise BudgetExceeded(
                f"This answer would be larger than {self.limits.response_bytes:,} bytes. Please ask for less at a time."
            )

    def require_in_time(self) -> None:
        """Passes for an answer that is not late. *Errors*: DeadlineExceeded."""
        if self.late() and not self.is_sent:
            raise DeadlineExceeded

    def _send_head(self) -> Callable[[bytes], None]:
        if self._head is None:
            raise AssertionError("the application gave a piece before it began its answer")
        status, headers = self._head
        self.status = int(status.split(None, 1)[0])
        self.is_sent = True
        return self._start_response(status, headers)

    def pieces(self, first: bytes | None, rest: Iterator[bytes]) -> Iterator[bytes]:
        """The answer's pieces, up to its ceiling. *Errors*: BudgetExceeded once its head was sent: the server then cuts the connection."""
        size_bytes = self._write_bytes
        if not self.is_sent:
            self._send_head()
        if first is None:
            return
        size_bytes += len(first)
        self._require_room(size_bytes)
        yield first
        for piece in rest:
            size_bytes += len(piece)
            self._require_room(size_bytes)
            yield piece

    def refuse(self, error: Refused) -> Iterator[bytes]:
        """Answers for the application, unless it has begun to."""
        if self.is_sent:
            raise error
        status, headers, content = answer_to(error)
        self.status = status
        self.is_sent = True
        phrase = HTTPStatus(status).phrase
        pairs = [*headers.items(), ("content-length", str(len(content)))]
        self._start_response(f"{status} {phrase}", pairs)
        yield content
