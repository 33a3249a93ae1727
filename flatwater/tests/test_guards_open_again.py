"""Every guard that can shut opens again by itself, without load and without anybody's hand: one test for each, and the list of all."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from datetime import UTC, datetime

import pytest
from network import query

from flatwater.circuit_breaker import LONGEST_OPEN_S, PROBE_S, BreakerOpen, CircuitBreaker
from flatwater.clock import StandingClock
from flatwater.errors import PoolFull, PoolTimeout
from flatwater.load_shedding import PRIORITIES, LoadShedder, Overloaded
from flatwater.pool import Database, Limits, PoolStatistics
from flatwater.rate_limit import MemoryRateLimiter, RateClass
from flatwater.recycling import RECYCLE_EVERY_S, Recycler
from flatwater.retry_budget import RetryBudget

pytestmark = pytest.mark.anyio
SLEEP = query("select pg_sleep(0.3)::text as slept")


@pytest.fixture
def clock() -> StandingClock:
    clock = StandingClock(datetime(2026, 11, 29, tzinfo=UTC))
    clock.advance(10_000)
    return clock


def test_a_breaker_that_was_opened_a_hundred_times_lets_one_look_within_half_a_minute(
    clock: StandingClock,
) -> None:
    breaker = CircuitBreaker("x", failures=1, clock=clock)
    for _ in range(100):
        clock.advance(LONGEST_OPEN_S)
        breaker.admit()
        breaker.failed()
    with pytest.raises(BreakerOpen):
        breaker.admit()
    clock.advance(LONGEST_OPEN_S)
    breaker.admit()
    breaker.succeeded()
    assert breaker.state == "closed"


@pytest.mark.parametrize("ending", ["gave up", "never told"])
def test_a_breaker_whose_probe_came_to_nothing_lets_another_look(clock: StandingClock, ending: str) -> None:
    breaker = CircuitBreaker("x", failures=1, clock=clock)
    breaker.admit()
    breaker.failed()
    clock.advance(LONGEST_OPEN_S)
    breaker.admit()
    if ending == "gave up":
        breaker.gave_up()
    else:
        clock.advance(PROBE_S)
    breaker.admit()
    breaker.succeeded()
    assert breaker.state == "closed"


def test_an_allowance_that_was_overdrawn_a_thousand_times_is_whole_again_after_its_time(
    clock: StandingClock,
) -> None:
    """What is refused takes nothing: whoever goes on asking does not put off the moment."""
    limiter = MemoryRateLimiter(clock=clock)
    rate = RateClass("scarce", per_s=1, burst=5)
    refused = sum(not limiter.decide(rate, "somebody").allowed for _ in range(1_000))
    assert refused == 995
    clock.advance(5)
    assert all(limiter.decide(rate, "somebody").allowed for _ in range(5))


def test_a_spent_retry_budget_fills_by_itself(clock: StandingClock) -> None:
    budget = RetryBudget(clock=clock)
    while budget.spend():
        pass
    clock.advance(1.0)
    assert budget.spend()


async def test_a_pool_that_refused_serves_again_when_its_work_is_done(conninfo: str) -> None:
    async with Database(conninfo, limits=Limits(connections=1, waiting=2, acquire_s=0.2)) as database:

        async def work() -> str:
            try:
                async with database.read(deadline_s=3) as session:
                    await session.fetch_value(SLEEP, {})
            except (PoolFull, PoolTimeout) as refused:
                return refused.code
            return "served"

        outcomes = await asyncio.gather(*(work() for _ in range(20)))
        assert set(outcomes) >= {"served", "pool_full"}
        assert await work() == "served"
        assert (database.statistics().waiting, database.breaker.state) == (0, "closed")


Cause = Callable[["Scales"], None]


class Scales:
    """What the shedder looks at, as the test wants it."""

    def __init__(self) -> None:
        self.share, self.waiting, self.lag_s = 0.5, 0, 0.0

    def statistics(self) -> PoolStatistics:
        return PoolStatistics(3, 0, self.waiting, 0, 0, 0, 0.0, 0, 0, 0, 0)


def memory(scales: Scales) -> None:
    scales.share = 2.0


def pool(scales: Scales) -> None:
    scales.waiting = 64


def loop(scales: Scales) -> None:
    scales.lag_s = 5.0


@pytest.mark.parametrize("cause", [memory, pool, loop])
def test_whatever_it_turned_away_for_it_lets_all_in_when_that_is_over_and_one_before(
    clock: StandingClock, cause: Cause
) -> None:
    scales = Scales()
    shedder = LoadShedder(
        1_000,
        lambda: round(scales.share * 1_000),
        clock,
        pool_statistics=scales.statistics,
        relieve=lambda: None,
    )

    def let_in_beside_work() -> set[str]:
        found: set[str] = set()
        with shedder.room("never"):
            for priority in PRIORITIES:
                try:
                    with shedder.room(priority):
                        found.add(priority)
                except Overloaded:
                    pass
        return found

    cause(scales)
    for _ in range(3):
        shedder.look(scales.lag_s)
    assert "first" not in let_in_beside_work()
    with shedder.room("first"):
        assert shedder.in_flight == 1, "with nothing at work it lets in"
    scales.share, scales.waiting, scales.lag_s = 0.7, 0, 0.0
    shedder.look(scales.lag_s)
    assert let_in_beside_work() == set(PRIORITIES)
    assert shedder.turning_away_s == 0


def test_a_process_that_was_replaced_a_moment_ago_is_replaced_again_when_it_must(
    clock: StandingClock, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Between two replacements one at a time is let in (above), so that this pause shuts nobody out."""
    first = Recycler(1_000, clock)
    assert first.see(990, memory_short_s=60)
    monkeypatch.setenv("FLATWATER_RECYCLED", first.mark)
    second = Recycler(1_000, clock)
    assert not second.see(990, memory_short_s=60)
    clock.advance(RECYCLE_EVERY_S)
    assert second.see(990, memory_short_s=60)
