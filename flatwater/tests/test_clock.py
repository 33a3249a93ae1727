from datetime import UTC, date, datetime, timedelta

import pytest

from flatwater.clock import StandingClock, SystemClock, today

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
