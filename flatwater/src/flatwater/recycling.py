"""The last line against growing memory: this process replaced by a fresh copy of itself, without losing a request.

The listening socket outlives the process: who connects meanwhile waits in its backlog. That it was needed is a defect, and
is counted and logged as one.
"""

from __future__ import annotations

import asyncio
import logging
import os
import socket
import sys
from collections.abc import Callable, Sequence
from contextlib import suppress
from typing import NoReturn

from flatwater.clock import Clock
from flatwater.monitors.endpoints import EndpointStanding

log = logging.getLogger("flatwater.recycling")

LISTENER_VARIABLE = "FLATWATER_LISTENER"
"""`descriptor:process` of a listening socket that is handed over; the process stops children from taking it for theirs."""
RECYCLED_VARIABLE = "FLATWATER_RECYCLED"
"""`times:monotonic seconds` of the recycling that this process came from; the machine's monotonic time outlives it."""
BACKLOG = 512
RECYCLE_EVERY_S = 600.0
"""At most once in ten minutes: a process that fills faster has a fault that starting again does not cure."""
SAMPLES_ABOVE = 6
"""Half a minute of samples above the critical level, so that shedding and giving memory back had their chance."""
TURNED_AWAY_S = 60.0
"""Turning away for memory ends here: a process that still has to after a minute rests too high, whatever its critical level is."""
PUT_OFF_S = 600.0
"""So long at most a replacement waits for work that would be lost (an import under way), and then no longer."""
NAMED = 5


class Recycler:
    """Decides when this process must be replaced, from one memory sample at a time; `wanted` is set when it must."""

    def __init__(
        self,
        critical_bytes: int,
        clock: Clock,
        *,
        samples: int = SAMPLES_ABOVE,
        every_s: float = RECYCLE_EVERY_S,
        turned_away_s: float = TURNED_AWAY_S,
        grown: Callable[[], Sequence[EndpointStanding]] = list,
        is_busy: Callable[[], bool] = bool,
    ) -> None:
        """`is_busy` says whether work is under way that a replacement would cost; it is then put off, for ten minutes at most."""
        self._critical_bytes = critical_bytes
        self._clock = clock
        self._samples = samples
        self._every_s = every_s
        self._turned_away_s = turned_away_s
        self._grown = grown
        self._is_busy = is_busy
        self._put_off_since_s: float | None = None
        self._above = 0
        self._said_too_soon = False
        self.recycled, self._recycled_at_s = _recycled_before()
        self.wanted = asyncio.Event()

    def see(self, memory_bytes: int | None, *, memory_short_s: float = 0.0) -> bool:
        """Takes a sample in; whether the process is to be replaced. None (not examined) neither adds nor clears.

        `memory_short_s`: for how long the shedder has turned away for memory, by the same measure (`LoadShedder.memory_short_s`).
        """
        if memory_bytes is None or self.wanted.is_set():
            return self.wanted.is_set()
        self._above = self._above + 1 if memory_bytes > self._critical_bytes else 0
        reason = self._reason(memory_bytes, memory_short_s)
        if reason is None:
            self._put_off_since_s = None
            return False
        if self._is_too_soon() or self._is_put_off():
            return False
        self.ask(reason)
        return True

    def _reason(self, memory_bytes: int, memory_short_s: float) -> str | None:
        if self._above >= self._samples:
            return f"{memory_bytes:,} bytes of memory, more than {self._critical_bytes:,}, for {self._above} samples"
        if memory_short_s >= self._turned_away_s:
            return f"requests have been turned away for memory for {memory_short_s:.0f} s, at {memory_bytes:,} of {self._critical_bytes:,} bytes"
        return None

    def _is_put_off(self) -> bool:
        now_s = self._clock.monotonic()
        if not self._is_busy():
            return False
        if self._put_off_since_s is None:
            self._put_off_since_s = now_s
            log.warning("this process is replaced by a fresh one as soon as the work under way has ended")
        return now_s - self._put_off_since_s < PUT_OFF_S

    def ask(self, reason: str) -> None:
        """Has the process replaced as soon as what is in flight has its answer; counted as a defect."""
        self.recycled += 1
        self._recycled_at_s = self._clock.monotonic()
        log.error("defect: this process is replaced by a fresh one: %s; grew most: %s", reason, self._names())
        self.wanted.set()

    def renew(self) -> None:
        """Has the process replaced because an operator asked for it, as soon as what is in flight has its answer: no defect."""
        if not self.wanted.is_set():
            log.info("this process is replaced by a fresh one, as it was asked to be")
            self.wanted.set()

    def _is_too_soon(self) -> bool:
        if self._recycled_at_s is None or self._clock.monotonic() - self._recycled_at_s >= self._every_s:
            return False
        if not self._said_too_soon:
            self._said_too_soon = True
            log.error(
                "memory is above its critical level again, but this process was replaced a short while ago"
            )
        return True

    def _names(self) -> str:
        grown = [each for each in self._grown() if each.growth_bytes > 0][:NAMED]
        return ", ".join(f"{each.name} about {each.growth_bytes:,} bytes" for each in grown) or "not known"

    @property
    def mark(self) -> str:
        """What the fresh process is told of this recycling; nothing where there was none for its memory."""
        return "" if self._recycled_at_s is None else f"{self.recycled}:{self._recycled_at_s}"


def _recycled_before() -> tuple[int, float | None]:
    times, _, at_s = os.environ.get(RECYCLED_VARIABLE, "").partition(":")
    try:
        return int(times), float(at_s)
    except ValueError:
        return 0, None


def listening_socket(host: str, port: int, *, backlog: int = BACKLOG) -> socket.socket:
    """The socket to serve on: the one handed over by the process before this one, or a new one.

    *Errors*: OSError when the address can't be had.
    """
    inherited = _inherited()
    if inherited is not None:
        return inherited
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    made = socket.socket(family, socket.SOCK_STREAM)
    try:
        made.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        made.bind((host, port))
        made.listen(backlog)
        made.settimeout(0)
    except BaseException:
        made.close()
        raise
    return made


def _inherited() -> socket.socket | None:
    number, _, pid = os.environ.pop(LISTENER_VARIABLE, "").partition(":")
    if not number or pid != str(os.getpid()):
        return None
    os.set_inheritable(int(number), False)  # noqa: FBT003  takes nothing by name
    return socket.socket(fileno=int(number))


def reexecute(listener: socket.socket, mark: str | None = None) -> NoReturn:
    """Becomes a fresh copy of this process that serves on the same socket. Call it when everything else is closed.

    *Errors*: OSError when the program can't be started again; the socket is then still open.
    """
    number = listener.fileno()
    os.set_inheritable(number, True)  # noqa: FBT003  takes nothing by name
    os.environ[LISTENER_VARIABLE] = f"{number}:{os.getpid()}"
    if mark is not None:
        os.environ[RECYCLED_VARIABLE] = mark
    for stream in (sys.stdout, sys.stderr):
        with suppress(ValueError):  # closed by whoever started us
            stream.flush()
    try:
        os.execv(sys.executable, [sys.executable, *sys.orig_argv[1:]])  # noqa: S606  it is ourselves
    except OSError:
        os.set_inheritable(number, False)  # noqa: FBT003  takes nothing by name
        del os.environ[LISTENER_VARIABLE]
        raise
