"""A database that is away: everybody is told at once, one at a time looks, and it is back within a second of being back."""

from __future__ import annotations

import asyncio
import signal
import time
from collections.abc import Iterator
from datetime import UTC, datetime

import pytest
from network import query
from running_server import RunningServer

from flatwater.clock import StandingClock
from flatwater.errors import DatabaseUnavailable
from flatwater.pool import Database, Limits
from flatwater.retry_budget import RetryBudget
from flatwater.transaction import Serialization, Session

pytestmark = pytest.mark.anyio
ONE = query("select 1")


@pytest.fixture
def killable() -> Iterator[RunningServer]:
    running = RunningServer()
    running.start()
    yield running
    running.remove()


async def ask(database: Database) -> str:
    try:
        async with database.read(deadline_s=3) as session:
            await session.fetch_value(ONE, {})
    except DatabaseUnavailable as gone:
        return gone.code
    return "ok"


async def test_while_it_is_away_nobody_waits_and_it_is_back_at_once(killable: RunningServer) -> None:
    async with Database(killable.conninfo, limits=Limits(acquire_s=0.5)) as database:
        assert await ask(database) == "ok"
        for _ in range(2):
            killable.end(signal.SIGKILL)
            while database.statistics().breaker == "closed":
                await ask(database)
            began, told = time.monotonic(), 0
            while time.monotonic() - began < 1.0:
                asked = time.monotonic()
                codes = await asyncio.gather(*(ask(database) for _ in range(20)))
                told += codes.count("circuit_open")
                assert "ok" not in codes
                if set(codes) == {"circuit_open"}:
                    assert time.monotonic() - asked < 0.2
                await asyncio.sleep(0.01)
            assert told > 100, "most were told at once"
            killable.start()
            began = time.monotonic()
            while await ask(database) != "ok":
                await asyncio.sleep(0.01)
            assert time.monotonic() - began < 2.0
            assert await asyncio.gather(*(ask(database) for _ in range(50))) == ["ok"] * 50
        assert database.statistics().breaker_opened >= 2


async def test_too_many_asking_is_no_sign_that_it_is_away(killable: RunningServer) -> None:
    limits = Limits(connections=1, waiting=2, acquire_s=0.2)
    async with Database(killable.conninfo, limits=limits) as database:
        async with database.read(deadline_s=5):
            for _ in range(10):
                with pytest.raises(Exception, match=r"busy|free in time"):
                    async with database.read(deadline_s=1):
                        pass
        assert database.statistics().breaker == "closed"
        assert await ask(database) == "ok"


async def test_a_minute_of_quiet_leaves_no_connection(killable: RunningServer) -> None:
    async with Database(killable.conninfo, limits=Limits(idle_close_s=0.3)) as database:
        await asyncio.gather(*(ask(database) for _ in range(20)))
        assert database.statistics().connections >= 1
        for _ in range(100):
            if database.statistics().connections == 0:
                break
            await asyncio.sleep(0.1)
        assert database.statistics().connections == 0
        assert await ask(database) == "ok"


def test_a_fifth_of_the_calls_and_ten_a_second_may_be_retries() -> None:
    clock = StandingClock(datetime(2026, 11, 23, tzinfo=UTC))
    budget = RetryBudget(most=10, clock=clock)
    assert [budget.spend() for _ in range(12)].count(True) == 10
    for _ in range(11):
        budget.called()
    assert [budget.spend() for _ in range(5)] == [True, True, False, False, False]
    clock.advance(0.5)
    assert [budget.spend() for _ in range(7)].count(True) == 5
    clock.advance(3_600)
    assert [budget.spend() for _ in range(20)].count(True) == 10, "what was saved up has a bound"


async def test_retries_end_when_their_budget_does(conninfo: str) -> None:
    async with Database(conninfo) as database:
        database.retry_budget = RetryBudget(share=0.0, per_s=0.001, most=7)
        tries = 0

        async def always_in_the_way(session: Session) -> None:
            nonlocal tries
            tries += 1
            raise Serialization

        for _ in range(10):
            with pytest.raises(Exception, match="Others kept changing"):
                await database.run(always_in_the_way, deadline_s=5)
        assert tries == 10 + 7
        assert database.statistics().retries_refused >= 5
