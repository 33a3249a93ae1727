"""The breaker: closed, open, half-open with one probe."""

from __future__ import annotations

import asyncio
from datetime import UTC, datetime

import pytest

from flatwater.circuit_breaker import PROBE_S, BreakerOpen, CircuitBreaker
from flatwater.clock import StandingClock

pytestmark = pytest.mark.anyio


@pytest.fixture
def clock() -> StandingClock:
    return StandingClock(datetime(2026, 11, 23, tzinfo=UTC))


def opened(clock: StandingClock, failures: int = 5) -> CircuitBreaker:
    breaker = CircuitBreaker("upstream", failures=failures, open_s=1.0, clock=clock)
    for _ in range(failures):
        breaker.admit()
        breaker.failed()
    return breaker


def test_it_opens_after_so_many_failures_in_a_row_and_not_before(clock: StandingClock) -> None:
    breaker = CircuitBreaker("upstream", failures=3, clock=clock)
    for succeeds in (False, False, True, False, False):
        breaker.admit()
        breaker.succeeded() if succeeds else breaker.failed()
    assert breaker.state == "closed"
    breaker.admit()
    breaker.failed()
    assert breaker.state == "open"


def test_while_it_is_open_nobody_tries(clock: StandingClock) -> None:
    breaker = opened(clock)
    for _ in range(1_000):
        with pytest.raises(BreakerOpen) as refused:
            breaker.admit()
        assert 0 < (refused.value.retry_after_s or 0) <= 1.0
    assert breaker.statistics().refused == 1_000


def test_half_open_lets_exactly_one_probe_through(clock: StandingClock) -> None:
    breaker = opened(clock)
    clock.advance(1.1)
    assert breaker.state == "half_open"
    breaker.admit()
    for _ in range(100):
        with pytest.raises(BreakerOpen):
            breaker.admit()
    assert breaker.statistics().probes == 1
    breaker.succeeded()
    assert breaker.state == "closed"
    breaker.admit()


def test_each_failed_probe_doubles_the_wait_up_to_a_bound(clock: StandingClock) -> None:
    breaker = opened(clock)
    waits: list[float] = []
    for _ in range(9):
        waited = 0.0
        while True:
            try:
                breaker.admit()
                break
            except BreakerOpen:
                clock.advance(0.1)
                waited += 0.1
        waits.append(waited)
        breaker.failed()
    assert 0.4 <= waits[0] <= 1.2
    assert 7.5 <= waits[4] <= 16.2
    assert max(waits) <= 30.2


def test_those_who_were_under_way_when_it_opened_make_the_wait_no_longer(clock: StandingClock) -> None:
    breaker = CircuitBreaker("elsewhere", failures=2, clock=clock)
    for _ in range(20):
        breaker.admit()
    for _ in range(20):
        breaker.failed()
    assert (breaker.statistics().opened, breaker.statistics().failed) == (1, 20)
    clock.advance(1.0)
    breaker.admit()  # the probe: the wait is still the first one


async def test_a_probe_that_was_cancelled_lets_the_next_one_probe(clock: StandingClock) -> None:
    breaker = opened(clock)
    clock.advance(1.1)

    async def hang() -> None:
        async with breaker:
            await asyncio.sleep(60)

    probe = asyncio.create_task(hang())
    await asyncio.sleep(0)
    probe.cancel()
    await asyncio.wait([probe])
    async with breaker:
        pass
    assert breaker.state == "closed"


def test_a_probe_that_nobody_ended_does_not_keep_it_shut_for_ever(clock: StandingClock) -> None:
    breaker = opened(clock)
    clock.advance(1.1)
    breaker.admit()
    clock.advance(PROBE_S)
    breaker.admit()


async def test_what_is_raised_counts_as_a_failure(clock: StandingClock) -> None:
    breaker = CircuitBreaker("upstream", failures=1, clock=clock)
    with pytest.raises(OSError, match="away"):
        async with breaker:
            raise OSError("away")
    with pytest.raises(BreakerOpen):
        async with breaker:
            raise AssertionError("not tried")


@pytest.mark.parametrize("mistake", [KeyError("a"), IndexError(), TypeError(), AttributeError()], ids=repr)
def test_a_mistake_of_the_callers_own_opens_nothing(clock: StandingClock, mistake: Exception) -> None:
    breaker = CircuitBreaker("upstream", failures=1, clock=clock)
    with pytest.raises(type(mistake)), breaker:
        raise mistake
    assert breaker.state == "closed"
    with pytest.raises(OSError, match="away"), breaker:
        raise OSError("away")
    assert breaker.state == "open"


def test_what_counts_is_as_said(clock: StandingClock) -> None:
    only = CircuitBreaker(
        "upstream", failures=1, failing=(OSError,), exclude=(FileNotFoundError,), clock=clock
    )
    for harmless in (FileNotFoundError(), RuntimeError(), ValueError()):
        with pytest.raises(type(harmless)), only:
            raise harmless
    assert only.state == "closed"
    every = CircuitBreaker("upstream", failures=1, exclude=(), clock=clock)
    with pytest.raises(KeyError), every:
        raise KeyError("a")
    assert every.state == "open"


def test_a_function_behind_a_breaker_is_not_called_while_it_is_open(clock: StandingClock) -> None:
    breaker = CircuitBreaker("upstream", failures=2, clock=clock)
    calls: list[str] = []

    @breaker
    def ask(what: str, *, twice: bool = False) -> str:
        """Asks."""
        calls.append(what)
        if what == "bad":
            raise OSError("away")
        return what * (2 if twice else 1)

    assert ask("good", twice=True) == "goodgood"
    assert ask.__doc__ == "Asks."
    for _ in range(2):
        with pytest.raises(OSError, match="away"):
            ask("bad")
    with pytest.raises(BreakerOpen):
        ask("good")
    assert calls == ["good", "bad", "bad"]


async def test_an_async_function_is_judged_by_what_its_await_gives(clock: StandingClock) -> None:
    breaker = CircuitBreaker("upstream", failures=1, clock=clock)

    @breaker
    async def ask(what: str) -> str:
        if what == "bad":
            raise OSError("away")
        return what

    assert await ask("good") == "good"
    waiting = ask("bad")
    assert breaker.state == "closed"
    with pytest.raises(OSError, match="away"):
        await waiting
    with pytest.raises(BreakerOpen):
        await ask("good")


def test_a_generator_is_refused_because_it_works_after_its_call() -> None:
    with pytest.raises(TypeError, match="generator"):

        @CircuitBreaker("upstream")
        def rows() -> object:
            yield 1


def test_a_cancelled_call_says_nothing_and_lets_the_next_probe(clock: StandingClock) -> None:
    breaker = CircuitBreaker("upstream", failures=1, clock=clock)
    with pytest.raises(KeyboardInterrupt), breaker:
        raise KeyboardInterrupt
    assert breaker.state == "closed"
