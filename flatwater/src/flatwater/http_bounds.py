"""uvicorn's HTTP with bounds on what comes before a request: the head in bytes, number and time, and connections that ask nothing.

Without them one header of 100 MB is collected in memory, 100,000 headers are taken, and connections that never finish their head are held
until nobody else gets one. Who is over a bound is closed, the one that has waited longest first; whoever has a request under way never is.
"""

from __future__ import annotations

import asyncio
from collections import Counter, OrderedDict
from collections.abc import Callable
from http import HTTPStatus
from typing import Any

import msgspec
from uvicorn.protocols.http.httptools_impl import HttpToolsProtocol

from flatwater.forwarded import LOCAL, network_of


class HeadLimits(msgspec.Struct, frozen=True):
    """What may come before a request. *Units*: bytes, headers, seconds, connections.

    `waiting_per_address` and `waiting` bound connections without a request under way: idle ones, and those whose head isn't whole.
    """

    header_bytes: int = 32 * 1024
    headers: int = 100
    head_s: float = 20.0
    waiting_per_address: int = 200
    waiting: int = 800


class Doorkeeper:
    """Which connections wait without a request, in the order in which they began to; closes the longest waiting over the bounds.

    *Cost*: constant, but when an address is over its bound: then as many steps as connections wait.
    """

    def __init__(self, limits: HeadLimits, is_exempt: Callable[[str], bool] = lambda _: False) -> None:
        self.limits = limits
        self._is_exempt = is_exempt
        self._waiting: OrderedDict[BoundedHttp, str] = OrderedDict()
        self._of_address: Counter[str] = Counter()
        self.closed = 0

    def __len__(self) -> int:
        return len(self._waiting)

    def waits(self, connection: BoundedHttp, peer: str) -> None:
        """This connection has no request now."""
        if connection in self._waiting:
            return
        address = "" if self._is_exempt(peer) else network_of(peer)
        self._waiting[connection] = address
        self._of_address[address] += 1
        if address and self._of_address[address] > self.limits.waiting_per_address:
            self._close(next(each for each, of in self._waiting.items() if of == address))
        if len(self._waiting) > self.limits.waiting:
            self._close(next(iter(self._waiting)))

    def is_waiting(self, connection: BoundedHttp) -> bool:
        return connection in self._waiting

    def works(self, connection: BoundedHttp) -> None:
        """This connection has a request, or is gone."""
        address = self._waiting.pop(connection, None)
        if address is None:
            return
        self._of_address[address] -= 1
        if not self._of_address[address]:
            del self._of_address[address]

    def _close(self, connection: BoundedHttp) -> None:
        self.closed += 1
        self.works(connection)
        connection.transport.close()


class _TooLarge(Exception):
    """The head is over its bounds."""


class BoundedHttp(HttpToolsProtocol):
    """One connection."""

    def __init__(self, *, keeper: Doorkeeper, **given: Any) -> None:
        super().__init__(**given)
        self._keeper = keeper
        self._head_bytes = 0
        self._head_count = 0
        self._unseen_bytes = 0
        self._is_too_large = False
        self._head_timer: asyncio.TimerHandle | None = None

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]
        super().connection_made(transport)
        self._keeper.waits(self, self._peer)
        self._begin_head()

    @property
    def _peer(self) -> str:
        return self.client[0] if self.client else LOCAL

    def connection_lost(self, exc: Exception | None) -> None:
        self._end_head()
        self._keeper.works(self)
        super().connection_lost(exc)

    def _begin_head(self) -> None:
        if self._head_timer is None:
            self._head_timer = self.loop.call_later(self._keeper.limits.head_s, self._close_silent)

    def _end_head(self) -> None:
        if self._head_timer is not None:
            self._head_timer.cancel()
            self._head_timer = None

    def _close_silent(self) -> None:
        self._head_timer = None
        self._keeper.closed += 1
        self.transport.close()

    def data_received(self, data: bytes) -> None:
        self._unseen_bytes += len(data)
        if self._keeper.is_waiting(self):
            self._begin_head()  # also for a line's end that begins nothing
        super().data_received(data)
        # What the parser only collects (an unfinished header, a trailer, a chunk's extension) has a bound too.
        if self._unseen_bytes > self._keeper.limits.header_bytes and not self.transport.is_closing():
            self._is_too_large = True
            self.send_400_response("")

    def _count(self, size_bytes: int) -> None:
        self._unseen_bytes = 0
        self._head_bytes += size_bytes
        if self._head_bytes > self._keeper.limits.header_bytes:
            self._is_too_large = True
            raise _TooLarge

    def on_message_begin(self) -> None:
        self._head_bytes = self._head_count = self._unseen_bytes = 0
        self._begin_head()
        super().on_message_begin()

    def on_url(self, url: bytes) -> None:
        self._count(len(url))
        super().on_url(url)

    def on_header(self, name: bytes, value: bytes) -> None:
        self._head_count += 1
        self._count(len(name) + len(value) + len(": \r\n"))
        if self._head_count > self._keeper.limits.headers:
            self._is_too_large = True
            raise _TooLarge
        super().on_header(name, value)

    def on_headers_complete(self) -> None:
        self._unseen_bytes = 0
        self._end_head()
        self._keeper.works(self)
        super().on_headers_complete()

    def on_body(self, body: bytes) -> None:
        self._unseen_bytes = 0
        super().on_body(body)

    def on_message_complete(self) -> None:
        self._unseen_bytes = 0
        super().on_message_complete()

    def on_response_complete(self) -> None:
        super().on_response_complete()
        if not self.transport.is_closing() and self.cycle.response_complete:
            self._keeper.waits(self, self._peer)

    def send_400_response(self, msg: str) -> None:
        """A head over its bounds is told so. *Source*: RFC 6585, section 5."""
        if not self._is_too_large:
            super().send_400_response(msg)
            return
        self._end_head()
        status = HTTPStatus.REQUEST_HEADER_FIELDS_TOO_LARGE
        text = b"The head of this request is larger than it may be."
        head = (
            f"HTTP/1.1 {status.value} {status.phrase}\r\ncontent-type: text/plain; charset=utf-8\r\n"
            f"content-length: {len(text)}\r\nconnection: close\r\n\r\n"
        )
        self.transport.write(head.encode("ascii") + text)
        self.transport.close()
