"""The only source of time: what asks for the time asks a clock, so tests can stand still."""

from __future__ import annotations

import time
from datetime import UTC, date, datetime, timedelta, tzinfo
from datetime import time as time_of_day
from typing import Protocol


class Clock(Protocol):
    """Tells instants (UTC), a monotonic number of seconds, and the zone in which its days begin and end."""

    @property
    def zone(self) -> tzinfo: ...

    def now(self) -> datetime: ...

    def monotonic(self) -> float: ...


class SystemClock:
    """The machine's time; its days are UTC's."""

    zone: tzinfo = UTC

    def now(self) -> datetime:
        return datetime.now(UTC)

    def monotonic(self) -> float:
        return time.monotonic()


class StandingClock:
    """A clock that moves only when told to; for tests and for building a past programme."""

    def __init__(self, at: datetime, zone: tzinfo = UTC) -> None:
        self._at = at
        self.zone: tzinfo = zone
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
    """The day at the clock, in its zone: the only way in which a day is made of the present."""
    return clock.now().astimezone(clock.zone).date()


def day_span(day: date, zone: tzinfo) -> tuple[datetime, datetime]:
    """The instants (UTC) at which a day begins and at which the next one does: 23, 24 or 25 hours lie between.

    Where midnight is skipped by a change of the clocks, the day begins when its first hour does.
    """
    return _midnight(day, zone), _midnight(day + timedelta(days=1), zone)


def _midnight(day: date, zone: tzinfo) -> datetime:
    return datetime.combine(day, time_of_day.min, tzinfo=zone).astimezone(UTC)
