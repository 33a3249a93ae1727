from datetime import UTC, datetime

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from flatwater.clock import StandingClock
from flatwater.rate_limit import MAX_IDENTITY_CHARS, MemoryRateLimiter, RateClass

AT = datetime(2026, 11, 23, tzinfo=UTC)


def limiter(max_identities: int = 1_000) -> tuple[MemoryRateLimiter, StandingClock]:
    clock = StandingClock(AT)
    return MemoryRateLimiter(max_identities=max_identities, clock=clock), clock


def test_a_burst_passes_at_once_and_then_one_for_each_spacing() -> None:
    limits, clock = limiter()
    rate = RateClass("reads", per_s=2, burst=3)
    assert [limits.decide(rate, "a").allowed for _ in range(4)] == [True, True, True, False]
    assert limits.decide(rate, "a").retry_after_s == pytest.approx(0.5)
    clock.advance(0.49)
    assert not limits.decide(rate, "a").allowed
    clock.advance(0.01)
    assert [limits.decide(rate, "a").allowed for _ in range(2)] == [True, False]


def test_whoever_asks_all_the_time_gets_exactly_the_rate() -> None:
    limits, clock = limiter()
    rate = RateClass("reads", per_s=5, burst=10)
    passed = 0
    for _ in range(10_000):
        passed += limits.decide(rate, "a").allowed
        clock.advance(0.01)
    assert passed == 10 + 5 * 100 - 1  # the last of them would pass at the hundredth second
    assert limits.refused == 10_000 - passed


def test_waiting_as_long_as_told_is_enough() -> None:
    limits, clock = limiter()
    rate = RateClass("reads", per_s=3, burst=1)
    for _ in range(200):
        assert limits.decide(rate, "a").allowed
        decision = limits.decide(rate, "a")
        assert not decision.allowed
        clock.advance(decision.retry_after_s)


@settings(max_examples=50, deadline=None)
@given(
    per_s=st.sampled_from([0.2, 1.0, 7.0]),
    burst=st.integers(1, 20),
    gaps=st.lists(st.floats(0, 3), min_size=1, max_size=100),
)
def test_no_window_holds_more_than_the_burst_and_the_rate(
    per_s: float, burst: int, gaps: list[float]
) -> None:
    limits, clock = limiter()
    rate = RateClass("reads", per_s=per_s, burst=burst)
    passed: list[float] = []
    for gap in gaps:
        clock.advance(gap)
        if limits.decide(rate, "a").allowed:
            passed.append(clock.monotonic())
    for first, start in enumerate(passed):
        for last in range(first, len(passed)):
            assert last - first + 1 <= burst + per_s * (passed[last] - start) + 1e-6


def test_classes_and_identities_do_not_share_an_allowance() -> None:
    limits, _ = limiter()
    reads, writes = RateClass("reads", per_s=1, burst=1), RateClass("writes", per_s=1, burst=1)
    assert limits.decide(reads, "a").allowed
    assert limits.decide(reads, "b").allowed
    assert limits.decide(writes, "a").allowed
    assert not limits.decide(reads, "a").allowed


def test_what_costs_more_takes_more() -> None:
    limits, _ = limiter()
    rate = RateClass("reads", per_s=1, burst=10)
    assert limits.decide(rate, "a", cost=8).allowed
    assert not limits.decide(rate, "a", cost=3).allowed
    assert limits.decide(rate, "a", cost=2).allowed


def test_memory_is_bounded_however_many_ask() -> None:
    limits, _ = limiter(max_identities=100)
    rate = RateClass("reads", per_s=0.001, burst=5)
    for number in range(10_000):
        assert limits.decide(rate, f"address {number}").allowed
        assert len(limits) <= 100
    assert limits.forgotten == 9_900


def test_the_one_who_asked_longest_ago_is_forgotten_first() -> None:
    limits, _ = limiter(max_identities=2)
    rate = RateClass("reads", per_s=0.001, burst=2)
    for identity in ("a", "b", "a", "c"):
        limits.decide(rate, identity)
    assert not limits.decide(rate, "a").allowed
    assert limits.decide(rate, "b").allowed


def test_those_who_have_gone_leave_no_trace() -> None:
    limits, clock = limiter()
    rate = RateClass("reads", per_s=1, burst=5)
    for number in range(500):
        limits.decide(rate, f"address {number}")
    clock.advance(60)
    for _ in range(300):
        limits.decide(rate, "still here")
        clock.advance(2)
    assert len(limits) == 1
    assert limits.forgotten == 0


def test_an_endless_identity_takes_no_more_memory_than_a_short_one() -> None:
    limits, _ = limiter()
    limits.decide(RateClass("reads", per_s=1, burst=1), "x" * 1_000_000)
    assert all(len(identity) <= MAX_IDENTITY_CHARS for _, identity in limits._arrivals)  # pyright: ignore[reportPrivateUsage]


@pytest.mark.parametrize(("per_s", "burst"), [(0, 1), (-1, 1), (1, 0)])
def test_a_class_that_allows_nothing_is_a_mistake(per_s: float, burst: int) -> None:
    with pytest.raises(ValueError, match="allows something"):
        RateClass("none", per_s=per_s, burst=burst)
