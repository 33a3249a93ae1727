"""Asks an ASGI application inside this process: its lifespan, its answers counted and not kept, clients that leave."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, MutableMapping, Sequence
from types import TracebackType
from typing import Any, Final, Literal, Self
from urllib.parse import unquote

import msgspec

from flatwater.audit.dynamic.asking import Call
from flatwater.clock import Clock
from flatwater.supervisor import beside

Message = MutableMapping[str, Any]
AsgiApp = Callable[
    [MutableMapping[str, Any], Callable[[], Awaitable[Message]], Callable[[Message], Awaitable[None]]],
    Awaitable[None],
]
Leaving = Literal["never", "at_once", "after_a_piece"]
Ending = Literal["answered", "raised", "hung", "left", "worked_on"]
"""It worked on where the client had left and the patience for that was over; it hung where its time was up before."""

PIECE_BYTES: Final = 65_536
KEPT_BYTES: Final = 4_000_000
"""An answer that is read is kept up to here; the rest is counted."""
LIFESPAN_S: Final = 60.0
CALL_S: Final = 5.0
"""What one call may take before it counts as never ending."""
CANCEL_S: Final = 2.0


class CouldNotStart(Exception):
    """The application did not start, so nothing of it could be examined."""


class Raised(msgspec.Struct, frozen=True):
    """What escaped the application: the kind, and the files and lines it came through, the innermost last."""

    kind: str
    lines: tuple[tuple[str, int, str], ...]


class Answer(msgspec.Struct, frozen=True):
    """What one call came to. *Shape*: `kept` is the body where it was asked for and fits; status 0 is none."""

    status: int
    ending: Ending
    seconds: float
    body_bytes: int
    largest_piece_bytes: int
    taken_bytes: int
    """How much of the request's body the application read."""
    kept: bytes = b""
    raised: Raised | None = None
    is_stream: bool = False

    @property
    def is_good(self) -> bool:
        return 200 <= self.status < 400 and self.ending != "raised"


class _Exchange:
    """One request and its answer."""

    def __init__(self, call: Call, leaving: Leaving, keeps: bool) -> None:
        self._body = memoryview(call.body)
        self._leaving = leaving
        self._keeps = keeps
        self._is_asked = False
        self.gone = asyncio.Event()
        self.status = 0
        self.body_bytes = self.largest_piece_bytes = self.taken_bytes = 0
        self.kept = bytearray()
        self.is_stream = False

    async def receive(self) -> Message:
        if self.taken_bytes < len(self._body) or not self._is_asked:
            piece = bytes(self._body[self.taken_bytes : self.taken_bytes + PIECE_BYTES])
            self.taken_bytes += len(piece)
            self._is_asked = True
            has_more = self.taken_bytes < len(self._body)
            if self._leaving == "at_once" and not has_more:
                self.gone.set()
            return {"type": "http.request", "body": piece, "more_body": has_more}
        await self.gone.wait()
        return {"type": "http.disconnect"}

    async def send(self, message: Message) -> None:
        if message["type"] == "http.response.start":
            self.status = message["status"]
            heads = {bytes(name).lower(): bytes(value) for name, value in message.get("headers", ())}
            self.is_stream = heads.get(b"content-type", b"").startswith(b"text/event-stream")
        elif message["type"] == "http.response.body":
            piece = message.get("body", b"")
            self.body_bytes += len(piece)
            self.largest_piece_bytes = max(self.largest_piece_bytes, len(piece))
            if self._keeps and self.body_bytes <= KEPT_BYTES:
                self.kept += piece
            if not message.get("more_body", False) or (self._leaving == "after_a_piece" and piece):
                self.gone.set()
        # As a real server does, each piece gives others their turn.
        await asyncio.sleep(0)


class AppClient:
    """An application that has been started, to be asked one call at a time. *Errors*: CouldNotStart."""

    def __init__(self, app: AsgiApp, headers: Sequence[tuple[str, str]], clock: Clock) -> None:
        self._app = app
        self._headers = [(name.lower().encode("latin-1"), value.encode("latin-1")) for name, value in headers]
        self._clock = clock
        self.ended_badly = ""
        self._state: dict[str, Any] = {}
        self._lifespan: asyncio.Task[None] | None = None
        self._told: asyncio.Queue[Message] = asyncio.Queue(2)
        self._answered: asyncio.Queue[Message] = asyncio.Queue(4)

    async def __aenter__(self) -> Self:
        await self._told.put({"type": "lifespan.startup"})
        scope = {
            "type": "lifespan",
            "asgi": {"version": "3.0", "spec_version": "2.0"},
            "state": self._state,
        }

        async def live() -> None:
            await self._app(scope, self._told.get, self._answered.put)

        self._lifespan = beside(live(), name="audit lifespan")
        answer = await self._lifespan_answer()
        if answer is not None and answer["type"] == "lifespan.startup.failed":
            raise CouldNotStart(answer.get("message") or "the application's start failed")
        self.ended_badly = ""
        return self

    async def _lifespan_answer(self) -> Message | None:
        """What the lifespan says next; None where the application has none, which it shows by ending."""
        lifespan = self._lifespan
        if lifespan is None:
            return None
        waiting = beside(self._answered.get(), name="audit lifespan answer")
        await asyncio.wait({waiting, lifespan}, timeout=LIFESPAN_S, return_when=asyncio.FIRST_COMPLETED)
        if waiting.done():
            return waiting.result()
        waiting.cancel()
        if not lifespan.done():
            raise CouldNotStart(f"the application did not start or stop within {LIFESPAN_S:.0f} s")
        # An application without a lifespan may refuse the scope: at the start that is no fault, at the end it is told.
        if lifespan.cancelled() or lifespan.exception() is not None:
            self.ended_badly = (
                "it was cancelled" if lifespan.cancelled() else repr(lifespan.exception())[:200]
            )
        self._lifespan = None
        return None

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if self._lifespan is None:
            return
        await self._told.put({"type": "lifespan.shutdown"})
        lifespan = self._lifespan
        try:
            answer = await self._lifespan_answer()
        except CouldNotStart as reason:
            # What was measured by then is told all the same; it may be why the application can't end.
            self.ended_badly = str(reason)
            lifespan.cancel()
            return
        if answer is not None and answer["type"] == "lifespan.shutdown.failed":
            self.ended_badly = answer.get("message") or "its shutdown failed"
        await asyncio.wait({lifespan}, timeout=LIFESPAN_S)

    async def ask(
        self, call: Call, *, leaving: Leaving = "never", keeps: bool = False, patience_s: float = 0.0
    ) -> Answer:
        """What the application answers; never raises what it raises, nor waits longer than a call may take.

        When the client leaves, the application has the patience to stop.
        """
        exchange = _Exchange(call, leaving, keeps)
        began = self._clock.monotonic()
        task = beside(self._serve(call, exchange), name="audit call")
        ending: Ending = "answered"
        if leaving == "never":
            await asyncio.wait({task}, timeout=CALL_S)
        else:
            ending = "left"
            gone = beside(exchange.gone.wait(), name="audit client leaves")
            await asyncio.wait({task, gone}, timeout=CALL_S, return_when=asyncio.FIRST_COMPLETED)
            await asyncio.wait({task}, timeout=patience_s)
            gone.cancel()
        if not task.done():
            ending = "worked_on" if leaving != "never" and exchange.gone.is_set() else "hung"
            task.cancel()
            await asyncio.wait({task}, timeout=CANCEL_S)
        raised = None
        if task.done() and not task.cancelled() and (error := task.exception()) is not None:
            ending, raised = "raised", _raised(error)
            error = None
        return Answer(
            status=exchange.status,
            ending=ending,
            seconds=self._clock.monotonic() - began,
            body_bytes=exchange.body_bytes,
            largest_piece_bytes=exchange.largest_piece_bytes,
            taken_bytes=exchange.taken_bytes,
            kept=bytes(exchange.kept),
            raised=raised,
            is_stream=exchange.is_stream,
        )

    async def _serve(self, call: Call, exchange: _Exchange) -> None:
        """The application's call, one line of the audit's own above it: what lies further out is never its doing."""
        await self._app(self._scope(call), exchange.receive, exchange.send)

    def _scope(self, call: Call) -> MutableMapping[str, Any]:
        headers = [(b"host", b"localhost"), (b"accept", b"*/*"), *self._headers]
        if call.media_type:
            headers += [
                (b"content-type", call.media_type.encode()),
                (b"content-length", str(len(call.body)).encode()),
            ]
        return {
            "type": "http",
            "asgi": {"version": "3.0", "spec_version": "2.3"},
            "http_version": "1.1",
            "method": call.method,
            "scheme": "http",
            "path": unquote(call.path),
            "raw_path": call.path.encode("ascii"),
            "query_string": call.query.encode("ascii"),
            "root_path": "",
            "headers": headers,
            "client": ("127.0.0.1", 50_000),
            "server": ("localhost", 80),
            "state": self._state.copy(),
        }


def _raised(error: BaseException) -> Raised:
    lines: list[tuple[str, int, str]] = []
    trace = error.__traceback__
    while trace is not None:
        code = trace.tb_frame.f_code
        lines.append((code.co_filename, trace.tb_lineno, code.co_qualname))
        trace = trace.tb_next
    return Raised(type(error).__name__, tuple(lines[-30:]))
