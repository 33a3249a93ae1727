"""Serving an ASGI application with uvicorn until it is told to stop: nothing cut off, nothing left open.

SIGTERM or SIGINT: no new connections, what is in flight is answered within ten seconds, then everything closes in reverse.
A second signal waits for nobody, and still closes. Being recycled is the same, except that the socket stays.
"""

from __future__ import annotations

import asyncio
import logging
import signal
import socket
from collections.abc import Callable, Iterator, MutableMapping
from contextlib import contextmanager
from functools import partial
from typing import Any, Literal, cast

import msgspec

from flatwater.answers import problem_for
from flatwater.asgi_types import ASGIApp, Receive, Scope, Send
from flatwater.errors import Refused
from flatwater.forwarded import TrustedProxies
from flatwater.recycling import Recycler, listening_socket, reexecute
from flatwater.supervisor import beside

try:
    import uvicorn

    from flatwater.http_bounds import BoundedHttp, Doorkeeper, HeadLimits
except ImportError as missing:
    raise ImportError("flatwater.serving needs uvicorn and httptools, which are not installed") from missing

log = logging.getLogger("flatwater.serving")

Ending = Literal["stopped", "recycle"]
SIGNALS = (signal.SIGTERM, signal.SIGINT)
POLL_S = 0.02
CANCEL_S = 1.0
"""What requests that outlived the draining get for giving back what they hold, once cancelled."""


class ServingLimits(msgspec.Struct, frozen=True):
    """What serving may take. Times in seconds.

    `linger_s`: how long connections that say nothing stay open once no new ones are taken: a request may be on its way.
    `handover_s`: how long clients are told to connect anew before a recycling, while everything is still answered.
    `head_s`: how long a connection may take to send the head of a request. uvicorn waits for ever, and at `connections` of such it
    refuses everybody, health included. `waiting_per_address`: connections of one address (or IPv6 network) that have no request under way;
    addresses of `trusted_peers` (proxies, which speak for many) have no bound of their own. Four fifths of all connections may be such.
    """

    drain_s: float = 10.0
    linger_s: float = 0.2
    handover_s: float = 3.0
    keep_alive_s: int = 75
    head_s: float = 20.0
    connections: int = 1_000
    backlog: int = 512
    header_bytes: int = 32 * 1024
    headers: int = 100
    waiting_per_address: int = 200
    trusted_peers: tuple[str, ...] = ()


class Stopping(Refused):
    """The service is being stopped, and this took longer than it could wait. Please try again in a moment."""

    code = "stopping"
    retry_after_s = 5.0


class _Gate:
    """The application, and while it drains, `connection: close` on each of its answers."""

    def __init__(self, app: ASGIApp) -> None:
        self._app = app
        self.is_draining = False
        self.is_cutting_off = False
        self.is_closed = False

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        if self.is_closed:
            await self._say_stopping(send)
            return
        is_begun = False

        async def tell(message: MutableMapping[str, Any]) -> None:
            nonlocal is_begun
            if message["type"] == "http.response.start":
                is_begun = True
                if self.is_draining:
                    kept = [each for each in message.get("headers", ()) if each[0].lower() != b"connection"]
                    message = {**message, "headers": [*kept, (b"connection", b"close")]}
            await send(message)

        try:
            await self._app(scope, receive, tell)
        except asyncio.CancelledError:
            if not self.is_cutting_off or is_begun:
                raise  # an answer that has begun is cut: the client sees that it is not all
            await self._say_stopping(tell)

    async def _say_stopping(self, tell: Send) -> None:
        answer = problem_for(Stopping())
        named = {
            **answer.headers,
            "content-type": answer.content_type,
            "content-length": str(len(answer.content)),
            "connection": "close",
        }
        head = [(name.encode(), value.encode()) for name, value in named.items()]
        await tell({"type": "http.response.start", "status": answer.status, "headers": head})
        await tell({"type": "http.response.body", "body": answer.content})


class ServiceNotStarted(Exception):
    """The application could not be opened, so nothing is served."""


class _Server(uvicorn.Server):
    """uvicorn without its signals (it raises them again when done, before others have closed) and with our ending."""

    def __init__(self, gate: _Gate, limits: ServingLimits, listener: socket.socket) -> None:
        head = HeadLimits(
            header_bytes=limits.header_bytes,
            headers=limits.headers,
            head_s=limits.head_s,
            waiting_per_address=limits.waiting_per_address,
            waiting=max(1, limits.connections * 4 // 5),
        )
        keeper = Doorkeeper(head, TrustedProxies(limits.trusted_peers).trusts)
        super().__init__(
            uvicorn.Config(
                gate,
                log_level="warning",
                access_log=False,
                lifespan="on",
                timeout_keep_alive=limits.keep_alive_s,
                limit_concurrency=limits.connections,
                backlog=limits.backlog,
                server_header=False,
                proxy_headers=False,
                http=cast("type[asyncio.Protocol]", partial(BoundedHttp, keeper=keeper)),
            )
        )
        self._gate = gate
        self._limits = limits
        self._listener = listener
        self._is_hurried = False
        self.is_ended = False
        self.is_recycling = False

    @property
    def will_be_recycled(self) -> bool:
        """Whether a fresh process takes over: it was asked for, and nobody told this one to end since."""
        return self.is_recycling and not self.is_ended

    @contextmanager
    def capture_signals(self) -> Iterator[None]:
        yield

    def end(self) -> None:
        """Ends the serving; called a second time, waits for no request."""
        self._is_hurried = self.is_ended
        self.is_ended = True
        self.should_exit = True

    async def hand_over(self) -> None:
        """Tells clients to connect anew, answers all of them meanwhile, then stops taking connections."""
        self.is_recycling = True
        self._gate.is_draining = True
        old = set(self.server_state.connections)
        await self._until(lambda: not old & self.server_state.connections, self._limits.handover_s)
        self.should_exit = True

    async def shutdown(self, sockets: list[socket.socket] | None = None) -> None:
        """Stops taking connections, answers what is in flight, cancels what outlives that, closes the application."""
        self._gate.is_draining = True
        await asyncio.sleep(0)  # who is in the backlog by now is taken in; closing would cut them off
        for server in self.servers:
            server.close()
        if not self.will_be_recycled:
            self._listener.close()  # or who connects now would wait in its backlog for nobody
        await asyncio.sleep(POLL_S)  # who was taken in a moment ago is not among the connections until then
        state, limits = self.server_state, self._limits
        # A request may be on its way on a connection that looks idle, and more so on one that was just taken.
        linger_s = limits.handover_s if self.is_recycling else limits.linger_s
        await self._until(lambda: not state.connections, linger_s)
        for connection in list(state.connections):
            connection.shutdown()
        if not await self._until(lambda: not state.connections and not state.tasks, limits.drain_s):
            log.warning("%d requests are cut off: they took longer than the draining", len(state.tasks))
        if tasks := list(state.tasks):
            self._gate.is_cutting_off = True
            for task in tasks:
                task.cancel()
            await asyncio.wait(tasks, timeout=CANCEL_S)
        self._gate.is_closed = True
        await self.lifespan.shutdown()

    async def _until(self, is_so: Callable[[], bool], within_s: float) -> bool:
        """Waits until it is so, but not longer, and not at all in a hurry; whether it is."""
        loop = asyncio.get_running_loop()
        until_s = loop.time() + within_s
        while not is_so() and not self._is_hurried and loop.time() < until_s:  # noqa: ASYNC110  several things end it
            await asyncio.sleep(POLL_S)
        return is_so()

    async def say_when_ready(self, ready: Callable[[], None]) -> None:
        """Calls `ready` once requests are taken."""
        while not self.started:  # noqa: ASYNC110  uvicorn tells it no other way
            await asyncio.sleep(POLL_S)
        ready()

    async def hand_over_when(self, wanted: asyncio.Event) -> None:
        await wanted.wait()
        await self.hand_over()

    async def end_when(self, stop: asyncio.Event) -> None:
        await stop.wait()
        self.end()


async def serve(
    app: ASGIApp,
    listener: socket.socket,
    *,
    limits: ServingLimits | None = None,
    stop: asyncio.Event | None = None,
    recycler: Recycler | None = None,
    ready: Callable[[], None] | None = None,
) -> Ending:
    """Serves until SIGTERM, SIGINT or `stop`, or until the recycler wants a fresh process; says which.

    The listener is closed when this stops, and stays open for `reexecute` when it is recycled. `ready` is called when
    requests are taken. *Errors*: ServiceNotStarted when the application's lifespan fails; whatever `ready` raises.
    """
    server = _Server(_Gate(app), limits or ServingLimits(), listener)
    watches = [server.say_when_ready(ready)] if ready is not None else []
    watches += [server.end_when(stop)] if stop is not None else []
    watches += [server.hand_over_when(recycler.wanted)] if recycler is not None else []
    # The copy is closed with the server; the listener, and with it who waits in its backlog, outlives a recycling.
    with listener.dup() as copy, _signals(server.end):
        await _with_watches(server, copy, [beside(each, name="flatwater serving watch") for each in watches])
    if not server.started:
        raise ServiceNotStarted("The service could not start; its log says why.")
    return "recycle" if server.will_be_recycled else "stopped"


async def _with_watches(server: _Server, copy: socket.socket, watches: list[asyncio.Task[None]]) -> None:
    """Serves while the watches run; a watch that fails ends the serving."""

    def look(watch: asyncio.Task[None]) -> None:
        if not watch.cancelled() and watch.exception() is not None:
            server.end()

    for watch in watches:
        watch.add_done_callback(look)
    try:
        await server.serve([copy])
    except SystemExit as error:  # how uvicorn says that the lifespan failed
        raise ServiceNotStarted("The service could not start; its log says why.") from error
    finally:
        for watch in watches:
            watch.cancel()
        outcomes = await asyncio.gather(*watches, return_exceptions=True)
    faults = [each for each in outcomes if isinstance(each, Exception)]
    if faults:
        raise faults[0]


@contextmanager
def _signals(end: Callable[[], None]) -> Iterator[None]:
    """Calls `end` for a signal while the block runs. Only the main thread hears signals; others use `stop`."""
    loop = asyncio.get_running_loop()
    heard: list[signal.Signals] = []
    for number in SIGNALS:
        try:
            loop.add_signal_handler(number, end)
        except (RuntimeError, ValueError, NotImplementedError):
            log.debug("%s is not heard here: this is not the main thread", number.name)
        else:
            heard.append(number)
    try:
        yield
    finally:
        for number in heard:
            loop.remove_signal_handler(number)


def run(
    app: ASGIApp,
    host: str,
    port: int,
    *,
    limits: ServingLimits | None = None,
    recycler: Callable[[], Recycler] | None = None,
    ready: Callable[[], None] | None = None,
) -> None:
    """Serves on an address until stopped, on uvloop where it is there; replaced by a fresh process where that is wanted.

    `recycler` is made inside the running loop. *Errors*: OSError when the address can't be had; ServiceNotStarted.
    """
    limits = limits or ServingLimits()
    with listening_socket(host, port, backlog=limits.backlog) as listener:
        mark: str | None = None

        async def serving() -> Ending:
            nonlocal mark
            made = recycler() if recycler is not None else None
            ending = await serve(app, listener, limits=limits, recycler=made, ready=ready)
            mark = made.mark if made is not None else None
            return ending

        with asyncio.Runner(loop_factory=new_event_loop()) as runner:
            ending = runner.run(serving())
        if ending == "recycle":
            reexecute(listener, mark)


def new_event_loop() -> Callable[[], asyncio.AbstractEventLoop]:
    """How to make an event loop: uvloop's where it is installed."""
    try:
        import uvloop
    except ImportError:
        return asyncio.new_event_loop
    return uvloop.new_event_loop
