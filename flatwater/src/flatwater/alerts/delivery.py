"""Delivering alerts: a bounded queue and one worker for each channel, so a dead channel holds up nobody."""

from __future__ import annotations

import asyncio
import contextlib
import logging
import random
from collections import deque
from collections.abc import Awaitable, Callable, Iterable
from typing import Final, Self

import msgspec

from flatwater.alerts.alarms import Alert
from flatwater.alerts.channels import Channel, Undelivered
from flatwater.supervisor import Supervisor, TaskLoop

log = logging.getLogger("flatwater.alerts")

WAITING: Final = 100
"""Alerts that may wait for a channel: every service level raised, worsened and cleared four times over."""

ATTEMPTS: Final = 3
FIRST_PAUSE_S: Final = 1.0
DRAIN_S: Final = 5.0


class ChannelStatistics(msgspec.Struct, frozen=True):
    """What a channel has been through since the start."""

    name: str
    waiting: int
    sent: int
    failed: int
    dropped: int


class _Line:
    """The alerts that wait for one channel."""

    def __init__(self, channel: Channel, max_waiting: int) -> None:
        self.channel = channel
        self.waiting: deque[Alert] = deque()
        self.max_waiting = max_waiting
        self.arrived = asyncio.Event()
        self.idle = asyncio.Event()
        self.idle.set()
        self.sent = self.failed = self.dropped = 0

    def add(self, alert: Alert) -> None:
        if len(self.waiting) >= self.max_waiting:
            # The oldest goes: what is true now matters more than what was. The log tells that something went.
            lost = self.waiting.popleft()
            self.dropped += 1
            log.error(
                "%s: the alert %s (%s) was dropped, too many wait", self.channel.name, lost.name, lost.kind
            )
        self.waiting.append(alert)
        self.idle.clear()
        self.arrived.set()


class Delivery:
    """Takes alerts and delivers them by every channel, in the background. Open it, use it from one loop, close it.

    At the end what still waits gets five seconds; what is left then is counted as dropped and logged.
    """

    def __init__(
        self,
        channels: Iterable[Channel],
        *,
        max_waiting: int = WAITING,
        attempts: int = ATTEMPTS,
        first_pause_s: float = FIRST_PAUSE_S,
        drain_s: float = DRAIN_S,
        supervisor: Supervisor | None = None,
    ) -> None:
        if max_waiting < 1 or attempts < 1:
            raise ValueError("at least one alert may wait and is tried once")
        self._lines = [_Line(channel, max_waiting) for channel in channels]
        self._attempts = attempts
        self._first_pause_s = first_pause_s
        self._drain_s = drain_s
        self._random = random.Random()  # noqa: S311  # it spreads pauses, it keeps no secret
        self._supervisor = supervisor or Supervisor()
        self._workers: list[TaskLoop] = []

    async def __aenter__(self) -> Self:
        self._workers = [
            self._supervisor.keep(f"alerts {number}, by {line.channel.name}", self._worker(line))
            for number, line in enumerate(self._lines, 1)
        ]
        return self

    async def __aexit__(self, *_: object) -> None:
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(self._drain_s):
                await asyncio.gather(*(line.idle.wait() for line in self._lines))
        for worker in self._workers:
            await worker.stop()
        for line in self._lines:
            while line.waiting:
                lost = line.waiting.popleft()
                line.dropped += 1
                log.error(
                    "%s: the alert %s (%s) was not sent before the end",
                    line.channel.name,
                    lost.name,
                    lost.kind,
                )

    def tell(self, alert: Alert) -> None:
        """Hands an alert to every channel, at once and without waiting."""
        for line in self._lines:
            line.add(alert)

    def statistics(self) -> tuple[ChannelStatistics, ...]:
        """Counters since the start, one for each channel."""
        return tuple(
            ChannelStatistics(line.channel.name, len(line.waiting), line.sent, line.failed, line.dropped)
            for line in self._lines
        )

    def _worker(self, line: _Line) -> Callable[[TaskLoop], Awaitable[None]]:
        return lambda loop: self._work(loop, line)

    async def _work(self, loop: TaskLoop, line: _Line) -> None:
        while True:
            if not line.waiting:
                line.idle.set()
                line.arrived.clear()
                await line.arrived.wait()
            # It stays in the queue while it is tried, so that the end can tell what was not delivered.
            alert = line.waiting[0]
            is_sent = await self._deliver(line.channel, alert)
            line.sent += is_sent
            line.failed += not is_sent
            if line.waiting and line.waiting[0] is alert:
                line.waiting.popleft()
            loop.turned()

    async def _deliver(self, channel: Channel, alert: Alert) -> bool:
        for attempt in range(1, self._attempts + 1):
            try:
                await channel.send(alert)
            except Undelivered as error:
                log.warning("%s: attempt %d failed: %s", channel.name, attempt, error)
                if error.is_final or attempt == self._attempts:
                    break
            except Exception:
                # A channel somebody wrote; one broken alert must not end the worker for the next.
                log.exception("%s: could not be used", channel.name)
                break
            else:
                return True
            await asyncio.sleep(self._first_pause_s * 4 ** (attempt - 1) * self._random.uniform(0.5, 1.5))
        log.error("%s: the alert %s (%s) was not delivered", channel.name, alert.name, alert.kind)
        return False
