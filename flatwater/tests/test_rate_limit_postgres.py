"""Durable allowances: one row an identity and rule, shared by processes, swept in batches beside those who use it."""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncIterator

import psycopg
import pytest
from network import Onlooker

from flatwater import rate_limit_postgres
from flatwater.errors import Refused
from flatwater.pool import Database, Limits
from flatwater.rate_limit import Decision, MemoryRateLimiter, RateClass, RateLimits, StoreFailed
from flatwater.rate_limit_postgres import (
    ROWS_PER_BATCH,
    PostgresRateLimiter,
    count_rate_limits,
    sweep_rate_limits,
)
from flatwater.tables import RATE_LIMIT

pytestmark = pytest.mark.anyio

SIGN_IN = RateClass("sign_in", per_s=0.001, burst=3, store="durable", when_store_fails="closed")
READS = RateClass("reads", per_s=0.001, burst=3, store="durable")


@pytest.fixture
async def table(conninfo: str) -> AsyncIterator[str]:
    with psycopg.connect(conninfo, autocommit=True) as connection:
        connection.execute("drop table if exists flatwater_rate_limit")
        connection.execute(RATE_LIMIT)
        yield conninfo
        connection.execute("set lock_timeout = '5s'; drop table flatwater_rate_limit")


def fill(conninfo: str, rows: int, *, expired: bool = True) -> None:
    with psycopg.connect(conninfo, autocommit=True) as connection:
        connection.execute(
            "insert into flatwater_rate_limit select 'old', 'identity ' || n, now() + %s * interval '1 hour' "
            "from generate_series(1, %s) n",
            [-1 if expired else 1, rows],
        )
        connection.execute("analyze flatwater_rate_limit")


async def test_what_one_process_took_is_gone_for_the_other(table: str) -> None:
    async with Database(table) as here, Database(table) as there:
        first, second = PostgresRateLimiter(here), PostgresRateLimiter(there)
        taken = [await each.decide(SIGN_IN, "a") for each in (first, second, first)]
        assert [(each.allowed, each.remaining) for each in taken] == [(True, 2), (True, 1), (True, 0)]
        refused = await second.decide(SIGN_IN, "a")
        assert not refused.allowed
        assert 900 < refused.retry_after_s <= 1_000
        assert (await second.decide(SIGN_IN, "b")).allowed
        assert (await second.decide(READS, "a")).allowed


async def test_parallel_asks_never_get_more_than_the_burst(table: str, database: Database) -> None:
    limits = PostgresRateLimiter(database)
    taken = await asyncio.gather(*(limits.decide(SIGN_IN, "a") for _ in range(40)))
    assert sum(each.allowed for each in taken) == 3


async def test_it_agrees_with_the_one_in_memory(table: str, database: Database) -> None:
    rate = RateClass("reads", per_s=0.01, burst=10, cost=3)
    memory, durable = MemoryRateLimiter(), PostgresRateLimiter(database)
    for _ in range(6):
        here, there = memory.decide(rate, "a"), await durable.decide(rate, "a")
        assert (here.allowed, here.remaining) == (there.allowed, there.remaining)
        assert here.retry_after_s == pytest.approx(there.retry_after_s, abs=1.0)


async def test_one_identity_is_one_row_however_often_it_asks(table: str, database: Database) -> None:
    limits = PostgresRateLimiter(database)
    for _ in range(50):
        await limits.decide(SIGN_IN, "a")
    with psycopg.connect(table) as connection:
        assert connection.execute("select count(*) from flatwater_rate_limit").fetchone() == (1,)


class Gone:
    """A store that can't be asked, as one whose server is away."""

    async def decide(self, rate: RateClass, identity: str) -> Decision:
        raise Refused


async def test_without_its_store_sign_in_is_closed_and_reading_open_and_both_are_counted() -> None:
    limits = RateLimits(MemoryRateLimiter(), {"durable": Gone()})
    with pytest.raises(StoreFailed):
        await limits.decide(SIGN_IN, "a")
    assert (await limits.decide(READS, "a")).allowed
    statistics = limits.statistics()
    assert (statistics.failed_closed, statistics.failed_open) == (1, 1)


async def test_a_real_table_that_is_away_closes_sign_in_too(conninfo: str) -> None:
    database = Database("host=/nowhere dbname=x", limits=Limits(connect_s=1, acquire_s=0.2))
    with pytest.raises(Refused):
        await RateLimits(MemoryRateLimiter(), {"durable": PostgresRateLimiter(database)}).decide(SIGN_IN, "a")


async def test_only_rows_whose_allowance_is_full_again_are_swept(table: str, database: Database) -> None:
    fill(table, 25_000)
    fill_live = RateClass("live", per_s=0.001, burst=3, store="durable")
    await PostgresRateLimiter(database).decide(fill_live, "a")
    swept = await sweep_rate_limits(database)
    assert swept.removed == 25_000
    assert swept.batches >= 3
    with psycopg.connect(table) as connection:
        assert connection.execute("select rule from flatwater_rate_limit").fetchall() == [("live",)]


async def test_what_is_left_is_counted_and_never_what_the_statistics_believe(
    table: str, database: Database
) -> None:
    """The statistics went on believing in 809,982 rows where 2 were left."""
    fill(table, 50_000)
    with psycopg.connect(table, autocommit=True) as connection:
        connection.execute("analyze flatwater_rate_limit")
        connection.execute(
            "update flatwater_rate_limit set arrival_at = now() + interval '1 hour' where identity in ('identity 1', 'identity 2')"
        )
    swept = await sweep_rate_limits(database)
    assert (swept.removed, swept.left, swept.left_is_at_least) == (49_998, 2, False)
    limits = PostgresRateLimiter(database, max_rows=1_000)
    await limits.decide(READS, "somebody")
    assert not limits.is_over, "50,000 rows were there a moment ago, and their room is"


async def test_more_than_can_be_counted_is_said_to_be_at_least_that(
    table: str, database: Database, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(rate_limit_postgres, "COUNTED", 10)
    fill(table, 100)
    with psycopg.connect(table, autocommit=True) as connection:
        connection.execute("update flatwater_rate_limit set arrival_at = now() + interval '1 hour'")
    swept = await sweep_rate_limits(database)
    assert (swept.left, swept.left_is_at_least) == (10, True)


async def test_whatever_a_store_raises_closes_sign_in_and_is_counted() -> None:
    class Broken:
        async def decide(self, rate: RateClass, identity: str) -> Decision:
            raise ZeroDivisionError

    limits = RateLimits(MemoryRateLimiter(), {"durable": Broken()})
    for _ in range(3):
        with pytest.raises(StoreFailed):
            await limits.decide(SIGN_IN, "a")
    assert (await limits.decide(READS, "a")).allowed
    assert (limits.statistics().failed_closed, limits.statistics().failed_open) == (3, 1)


async def test_a_row_in_use_is_left_and_nobody_waits_for_it(table: str, database: Database) -> None:
    fill(table, 100)
    with psycopg.connect(table) as other:
        other.execute("select 1 from flatwater_rate_limit where identity = 'identity 7' for update")
        swept = await sweep_rate_limits(database)
    assert swept.removed == 99


async def test_with_a_million_expired_rows_sign_in_goes_on_while_they_are_swept(
    table: str, database: Database, onlooker: Onlooker
) -> None:
    fill(table, 1_000_000)
    limits = PostgresRateLimiter(database, max_rows=10_000_000)
    rate = RateClass("sign_in", per_s=1_000, burst=1_000, store="durable", when_store_fails="closed")
    waits: list[float] = []
    sweeping = asyncio.create_task(sweep_rate_limits(database))
    while not sweeping.done():
        began = time.monotonic()
        assert (await limits.decide(rate, f"person {len(waits) % 50}")).allowed
        waits.append(time.monotonic() - began)
        await asyncio.sleep(0.01)
    swept = await sweeping
    assert swept.removed >= 1_000_000
    assert swept.batches >= 1_000_000 / ROWS_PER_BATCH
    assert swept.longest_batch_s < 2.0
    assert max(waits) < 1.0, "a sign-in waited for the sweep"
    assert len(waits) > 20


async def test_a_table_over_its_bound_shares_buckets_and_is_itself_again_after_the_sweep(
    table: str, database: Database
) -> None:
    fill(table, 2_000)
    limits = PostgresRateLimiter(database, max_rows=1_000)
    for number in range(200):
        await limits.decide(READS, f"attacker {number}")
    assert limits.is_over
    assert limits.shared == 200
    with psycopg.connect(table) as connection:
        assert connection.execute(
            "select count(*) from flatwater_rate_limit where identity like 'attacker%%'"
        ).fetchone() == (0,)
    await sweep_rate_limits(database)
    assert await count_rate_limits(database) < 1_000
    limits._looked_at = float("-inf")
    await limits.decide(READS, "attacker 1")
    assert not limits.is_over
