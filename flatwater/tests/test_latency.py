"""Quantiles of the last five minutes, beside the exact ones."""

from __future__ import annotations

import math
import tracemalloc
from datetime import UTC, datetime

import pytest
from hypothesis import given
from hypothesis import strategies as st

from flatwater.clock import StandingClock
from flatwater.latency import HIGHEST_S, LOWEST_S, RELATIVE_ERROR, LatencyHistogram


def standing_clock() -> StandingClock:
    return StandingClock(datetime(2026, 11, 23, tzinfo=UTC))


def exact(durations: list[float], q: float) -> float:
    """The nearest rank, as statistics books have it."""
    return sorted(durations)[max(1, math.ceil(q * len(durations) - 1e-9)) - 1]


@given(
    st.lists(st.floats(LOWEST_S * 1.001, HIGHEST_S), min_size=1, max_size=200),
    st.sampled_from((0.01, 0.5, 0.9, 0.95, 0.99, 1.0)),
)
def test_a_quantile_is_within_the_stated_error_of_the_exact_one(durations: list[float], q: float) -> None:
    histogram = LatencyHistogram()
    for duration in durations:
        histogram.observe(duration)
    found = histogram.quantile(q)
    assert found is not None
    assert abs(found / exact(durations, q) - 1) <= RELATIVE_ERROR + 1e-9


@given(st.lists(st.floats(0, 1e6), min_size=1))
def test_quantiles_never_fall_as_q_grows(durations: list[float]) -> None:
    histogram = LatencyHistogram()
    for duration in durations:
        histogram.observe(duration)
    found = [histogram.quantile(q / 20) or 0 for q in range(1, 21)]
    assert found == sorted(found)


def test_without_durations_there_is_no_quantile() -> None:
    assert LatencyHistogram().quantile(0.95) is None


def test_what_is_beyond_the_bounds_is_not_made_smaller() -> None:
    histogram = LatencyHistogram()
    histogram.observe(0.0)
    assert histogram.quantile(1.0) == LOWEST_S
    histogram.observe(100_000.0)
    assert histogram.quantile(1.0) == math.inf


@pytest.mark.parametrize("duration", [-0.001, math.nan])
def test_what_is_no_duration_is_refused(duration: float) -> None:
    histogram = LatencyHistogram()
    with pytest.raises(ValueError, match="duration"):
        histogram.observe(duration)
    assert histogram.count() == 0


def test_what_is_older_than_five_minutes_is_forgotten() -> None:
    clock = standing_clock()
    histogram = LatencyHistogram(clock=clock)
    histogram.observe(9.0)
    clock.advance(200)
    histogram.observe(0.1)
    clock.advance(69)
    assert histogram.count() == 2
    clock.advance(31)
    assert histogram.count() == 1
    assert histogram.quantile(0.95) == pytest.approx(0.1, rel=RELATIVE_ERROR)
    clock.advance(100_000)
    assert histogram.quantile(0.95) is None
    histogram.observe(0.2)
    assert histogram.count() == 1


@given(st.lists(st.tuples(st.floats(0, 400), st.floats(0.001, 10)), max_size=60))
def test_at_least_four_and_a_half_and_at_most_five_minutes_are_known(
    steps: list[tuple[float, float]],
) -> None:
    clock = standing_clock()
    histogram = LatencyHistogram(clock=clock)
    seen: list[float] = []
    for pause_s, duration in steps:
        clock.advance(pause_s)
        histogram.observe(duration)
        seen.append(clock.monotonic())
    now = clock.monotonic()
    least = sum(at > now - 270 for at in seen)
    most = sum(at >= now - 300 for at in seen)
    assert least <= histogram.count() <= most


def test_memory_does_not_grow_with_observations() -> None:
    histogram = LatencyHistogram()
    for step in range(1000):
        histogram.observe(step / 10)
    tracemalloc.start()
    try:
        before, _ = tracemalloc.get_traced_memory()
        for step in range(20_000):
            histogram.observe(step / 1000)
        after, _ = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    assert after - before < 1_000
