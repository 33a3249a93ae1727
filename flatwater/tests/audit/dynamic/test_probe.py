"""What is counted of a request at the database, by every way psycopg has of asking it."""

from __future__ import annotations

import asyncio

import psycopg
import pytest
from psycopg import sql
from psycopg_pool import AsyncConnectionPool, ConnectionPool

from flatwater.audit.dynamic.probe import Probe
from flatwater.audit.dynamic.tally import fingerprint, settle, tallied
from flatwater.clock import SystemClock

pytestmark = pytest.mark.anyio

PROBE = Probe(SystemClock())


@pytest.mark.parametrize(
    ("one", "other"),
    [
        ("select 1", "select  22"),
        ("select name from note where id = 7", b"select name from note\n where id = 8"),
        ("select 'a'", "select 'b''s'"),
        ("select 1 where 1 in (1, 2)", "select 1 where 1 in (1, 2, 3, 4)"),
        ("select 1 where 1 in (%s)", "select 1 where 1 in (%s, %s, %s)"),
        (sql.SQL("select {}").format(sql.Literal(1)), "select 3"),
    ],
)
async def test_statements_that_differ_in_values_only_have_one_fingerprint(one: object, other: object) -> None:
    assert fingerprint(one) == fingerprint(other)


async def test_statements_that_differ_otherwise_have_two() -> None:
    assert fingerprint("select a from t1") != fingerprint("select b from t1")


async def test_every_way_of_asking_is_counted_and_transactions_are_not(conninfo: str) -> None:
    async with await psycopg.AsyncConnection.connect(conninfo) as connection:
        with PROBE.in_place(), tallied() as tally:
            await connection.execute("begin")
            await connection.execute("select generate_series(1, 7)")
            async with connection.cursor() as cursor:
                await cursor.executemany("select %s::int", [(1,), (2,)])
                assert [row async for row in cursor.stream("select generate_series(1, 3)")]
                async with cursor.copy("copy (select 1) to stdout") as copy:
                    assert [bytes(row) async for row in copy]
            async with connection.cursor("named") as cursor:
                await cursor.execute("select generate_series(1, 500)")
                assert len(await cursor.fetchmany(200)) == 200
            await connection.execute("rollback")
    assert tally.statements == 5
    assert tally.rows == 7 + 3 + 200
    assert tally.statement_s > 0


async def test_synchronous_ways_are_counted_too(conninfo: str) -> None:
    def ask() -> None:
        with ConnectionPool(conninfo, min_size=1, max_size=1) as pool, pool.connection() as connection:
            connection.execute("select generate_series(1, 7)")

    with PROBE.in_place(), tallied() as tally:
        await asyncio.to_thread(ask)
    assert (tally.statements, tally.rows) == (1, 7)
    assert tally.held_s > 0
    assert tally.kept == 0


async def test_repeats_are_counted_by_fingerprint(conninfo: str) -> None:
    async with await psycopg.AsyncConnection.connect(conninfo) as connection:
        with PROBE.in_place(), tallied() as tally:
            for number in range(6):
                await connection.execute("select %s::int", [number])
            await connection.execute("select 1, 2")
    assert tally.most_repeated == ("select %s::int", 6)


async def test_what_others_ask_at_the_same_time_is_not_counted(conninfo: str) -> None:
    async with await psycopg.AsyncConnection.connect(conninfo) as connection:

        async def elsewhere() -> None:
            await connection.execute("select 1")

        with PROBE.in_place():
            other = asyncio.create_task(elsewhere())
            with tallied() as tally:
                await other
    assert tally.statements == 0


async def test_connections_that_are_kept_are_seen_and_taken_back(conninfo: str) -> None:
    with PROBE.in_place():
        async with AsyncConnectionPool(conninfo, min_size=1, max_size=1, open=False) as pool:
            with tallied() as tally:
                connection = await pool.getconn()
                await connection.execute("select 1")
                alone = await psycopg.AsyncConnection.connect(conninfo)
            await settle(tally, 0.02)
            assert (tally.kept, tally.connects) == (2, 1)
            assert await tally.take_back() == 2
            assert (tally.kept, alone.closed) == (0, True)
            async with pool.connection(timeout=2.0) as again:
                assert again is connection


async def test_a_subclass_of_a_connection_connects_as_itself(conninfo: str) -> None:
    class Mine(psycopg.AsyncConnection[tuple[object, ...]]):
        pass

    with PROBE.in_place(), tallied() as tally:
        async with await Mine.connect(conninfo) as connection:
            assert type(connection) is Mine
    assert (tally.connects, tally.kept) == (1, 0)
