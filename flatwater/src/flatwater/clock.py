"""The only source of time: what asks for the time asks a clock, so tests can stand still."""

from __future__ import annotations

import time
from datetime import UTC, date, datetime, timedelta
from typing import Protocol


class Clock(Protocol):
    """Tells instants (UTC) and a monotonic number of seconds."""

    def now(self) -> datetime: ...

    def monotonic(self) -> float: ...


class SystemClock:
    """The machine's time."""

    def now(self) -> datetime:
        return datetime.now(UTC)

    def monotonic(self) -> float:
        return time.monotonic()


class StandingClock:
    """A clock that moves only when told to; for tests and for building a past programme."""

    def __init__(self, at: datetime) -> None:
        self._at = at
        self._monotonic = 0.0

    def now(self) -> datetime:
        return self._at

    def monotonic(self) -> float:
        return self._monotonic

    def advance(self, seconds: float) -> None:
        """Moves both times forward; *Units*: seconds, not negative."""
        if seconds < 0:
            raise ValueError("a clock does not go back")
        self._at += timedelta(seconds=seconds)
        self._monotonic += seconds


def today(clock: Clock) -> date:
    """The day at the clock, in UTC."""
    return clock.now().date()
