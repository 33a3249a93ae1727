"""Allowances and word of changes: what a decision costs, in memory and in the database; what telling costs sixteen writers.

The database is one of the project's own (150 MB, durable writes); the sixteen writers have one that takes as many. The floor of a decision in it is the bare upsert of the
same row over one raw connection.
"""

from __future__ import annotations

import asyncio
import sys
import time
from collections.abc import Awaitable, Callable, Iterator
from contextlib import contextmanager

import psycopg

from benchmarks.work import ROOT, Figure, fresh
from flatwater import tables
from flatwater.announcing import Way
from flatwater.pool import Database, Limits
from flatwater.rate_limit import MemoryRateLimiter, RateClass
from flatwater.rate_limit_postgres import PostgresRateLimiter, sweep_rate_limits
from rightlevel.database.server import open_server

MEMORY_TIMES, POSTGRES_TIMES = 100.0, 5.0
"""Of a look-up in a dict by the same names; of a bare upsert of the same row."""
RATE = RateClass("reads", per_s=1e6, burst=1_000_000)
DURABLE = RateClass("sign_in", per_s=1e6, burst=1_000_000, store="durable")
WRITERS = 16
WRITE_S = 5.0
EXPIRED = 5_000_000
DECISIONS = 2_000
TINY = {"EXPIRED": 2_000, "WRITERS": 2, "WRITE_S": 0.2, "DECISIONS": 50}


@contextmanager
def database_of_our_own() -> Iterator[str]:
    server = open_server(fresh("rates"), 150_000_000, {}, None)
    server.start()
    try:
        with psycopg.connect(server.conninfo, autocommit=True) as connection:
            connection.execute(tables.RATE_LIMIT)
        yield server.conninfo
    finally:
        server.stop()


@contextmanager
def room_for_sixteen() -> Iterator[str]:
    """A server as the tests have it, but with durable writes: our own small one takes no sixteen writers."""
    sys.path.insert(0, str(ROOT / "flatwater" / "tests"))
    import running_server

    running_server.SMALL["fsync"] = "on"
    server = running_server.RunningServer()
    server.start()
    try:
        with psycopg.connect(server.conninfo, autocommit=True) as connection:
            connection.execute(tables.OUTBOX)
            connection.execute(
                "create table written (id bigint generated always as identity primary key, what text)"
            )
        yield server.conninfo
    finally:
        server.remove()


def measure(say: Callable[[str], None]) -> list[Figure]:
    figures = [_memory(say)]
    with database_of_our_own() as conninfo:
        figures.append(asyncio.run(_postgres(say, conninfo)))
        figures += asyncio.run(_sweep(say, conninfo))
    with room_for_sixteen() as conninfo:
        figures += asyncio.run(_telling(say, conninfo))
    return figures


def _memory(say: Callable[[str], None]) -> Figure:
    say("a rate decision in memory, for 1,000 identities")
    limiter, names = MemoryRateLimiter(), [f"p {number}" for number in range(1_000)]
    best = float("inf")
    for _ in range(5):
        began = time.perf_counter()
        for _ in range(50):
            for name in names:
                limiter.decide(RATE, name)
        best = min(best, time.perf_counter() - began)
    took, floor = best / 50_000 * 1e6, _look_us(names)
    return Figure(
        "a rate decision in memory",
        took,
        "µs",
        f"<= {MEMORY_TIMES:.0f} x a look-up",
        took <= MEMORY_TIMES * floor,
        f"a look-up in a dict {floor:.3f} µs",
    )


def _look_us(names: list[str]) -> float:
    known, best = dict.fromkeys(names, 0.0), float("inf")
    for _ in range(5):
        began = time.perf_counter()
        for _ in range(50):
            for name in names:
                known.get(name)
        best = min(best, time.perf_counter() - began)
    return best / (50 * len(names)) * 1e6


async def _postgres(say: Callable[[str], None], conninfo: str) -> Figure:
    say("a rate decision in PostgreSQL, one after the other")
    async with Database(conninfo) as database:
        limiter = PostgresRateLimiter(database)
        took = await _median_ms(lambda number: limiter.decide(DURABLE, f"p {number % 100}"), DECISIONS)
    async with await psycopg.AsyncConnection.connect(conninfo, autocommit=True) as connection:
        await connection.execute("set default_transaction_read_only = off")
        text = (
            "insert into flatwater_rate_limit as r values ('floor', %s, now()) "
            "on conflict (rule, identity) do update set arrival_at = now() returning arrival_at"
        )
        floor = await _median_ms(lambda number: connection.execute(text, [f"p {number % 100}"]), DECISIONS)
    return Figure(
        "a rate decision in PostgreSQL",
        took,
        "ms",
        f"<= {POSTGRES_TIMES:.0f} x its floor",
        took <= POSTGRES_TIMES * floor,
        f"bare upsert {floor:.2f} ms",
    )


async def _median_ms(work: Callable[[int], Awaitable[object]], times: int) -> float:
    took: list[float] = []
    for number in range(times):
        began = time.perf_counter()
        await work(number)
        took.append(time.perf_counter() - began)
    return sorted(took)[times // 2] * 1e3


async def _sweep(say: Callable[[str], None], conninfo: str) -> list[Figure]:
    say(f"{EXPIRED:,} expired rows, swept while sign-in goes on")
    with psycopg.connect(conninfo, autocommit=True) as connection:
        connection.execute("truncate flatwater_rate_limit")
        connection.execute(
            "insert into flatwater_rate_limit select 'old', 'identity ' || n, now() - interval '1 hour' from generate_series(1, %s) n",
            [EXPIRED],
        )
        connection.execute("analyze flatwater_rate_limit")
    async with Database(conninfo) as database:
        limiter = PostgresRateLimiter(database, max_rows=2 * EXPIRED)
        waits: list[float] = []
        began = time.perf_counter()
        sweeping = asyncio.create_task(sweep_rate_limits(database))
        while not sweeping.done():
            asked = time.perf_counter()
            await limiter.decide(DURABLE, f"person {len(waits) % 50}")
            waits.append(time.perf_counter() - asked)
        swept, took = await sweeping, time.perf_counter() - began
    if swept.removed < EXPIRED:
        raise RuntimeError(f"only {swept.removed:,} of {EXPIRED:,} rows were swept")
    waits.sort()
    p99_ms = waits[len(waits) * 99 // 100] * 1e3
    longest_ms = swept.longest_batch_s * 1e3
    return [
        Figure(
            f"longest batch of a sweep of {EXPIRED:,}",
            longest_ms,
            "ms",
            "<= 500 ms",
            longest_ms <= 500,
            f"{swept.batches:,} batches in {took:.1f} s",
        ),
        Figure(
            "sign-in decisions meanwhile, p99",
            p99_ms,
            "ms",
            "<= 50 ms",
            p99_ms <= 50,
            f"{len(waits):,} decisions, slowest {waits[-1] * 1e3:.0f} ms",
        ),
    ]


async def _telling(say: Callable[[str], None], conninfo: str) -> list[Figure]:
    figures: list[Figure] = []
    silent = await _commits(say, conninfo, None)
    for way in ("notify", "outbox"):
        told = await _commits(say, conninfo, way)
        figures.append(
            Figure(
                f"commits of {WRITERS} writers that tell by {way}",
                told,
                "commits/s",
                floor=f"silent {silent:,.0f}/s: {told / silent:.0%}",
            )
        )
    return figures


async def _commits(say: Callable[[str], None], conninfo: str, way: Way | None) -> float:
    say(f"{WRITERS} writers for {WRITE_S:.0f} s, telling by {way or 'nothing'}")
    from flatwater.queries import read_queries

    insert = read_queries(
        "-- name: insert_one\n-- One row.\ninsert into written (what) values ('x')", origin="rates"
    )["insert_one"]
    done = 0
    until = time.perf_counter() + WRITE_S
    async with Database(
        conninfo, limits=Limits(connections=WRITERS), announce_by=way or "notify"
    ) as database:

        async def write() -> None:
            nonlocal done
            while time.perf_counter() < until:
                async with database.transaction(deadline_s=30) as session:
                    await session.execute(insert, {})
                    if way is not None:
                        session.invalidate("things", key="a")
                done += 1

        await asyncio.gather(*(write() for _ in range(WRITERS)))
    return done / WRITE_S
