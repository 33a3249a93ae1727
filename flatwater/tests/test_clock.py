from datetime import UTC, date, datetime, timedelta
from zoneinfo import ZoneInfo

import pytest

from flatwater.clock import StandingClock, SystemClock, day_span, today

AT = datetime(2026, 11, 23, 23, 59, tzinfo=UTC)


def test_a_standing_clock_moves_only_when_told_to() -> None:
    clock = StandingClock(AT)
    assert (clock.now(), clock.monotonic()) == (AT, 0.0)
    clock.advance(90)
    assert (clock.now(), clock.monotonic()) == (AT + timedelta(seconds=90), 90.0)
    assert today(clock) == date(2026, 11, 24)


def test_a_standing_clock_does_not_go_back() -> None:
    with pytest.raises(ValueError, match="does not go back"):
        StandingClock(AT).advance(-1)


def test_the_system_clock_tells_utc_and_never_goes_back() -> None:
    clock = SystemClock()
    assert clock.now().utcoffset() == timedelta(0)
    first = clock.monotonic()
    assert clock.monotonic() >= first


ZONES = [
    ("Asia/Phnom_Penh", date(2026, 11, 23), 24),
    ("Europe/Berlin", date(2026, 3, 29), 23),
    ("Europe/Berlin", date(2026, 10, 25), 25),
    ("America/Santiago", date(2026, 9, 6), 23),  # where midnight itself is skipped
    ("America/Santiago", date(2026, 4, 4), 25),
]


@pytest.mark.parametrize(("name", "day", "hours"), ZONES)
def test_a_day_lasts_as_long_as_it_does_in_its_zone(name: str, day: date, hours: int) -> None:
    zone = ZoneInfo(name)
    begins, ends = day_span(day, zone)
    assert ends - begins == timedelta(hours=hours)
    assert begins.utcoffset() == timedelta(0)
    second = timedelta(seconds=1)
    assert today(StandingClock(begins - second, zone)) == day - timedelta(days=1)
    clock = StandingClock(begins, zone)
    for _ in range(hours * 60):  # the same day at each of its minutes, also where an hour comes twice
        assert today(clock) == day
        clock.advance(60)
    assert clock.now() == ends
    assert today(clock) == day + timedelta(days=1)
