"""What hangs and what is cancelled: 20,000 writes cancelled at any moment, and twenty transactions that hang, under load.

The pool must be whole afterwards: nothing held, no transaction open on the server, every connection to be had at once.
"""

from __future__ import annotations

import asyncio
import random
import sys
import time
from collections.abc import Callable
from contextlib import AsyncExitStack, suppress

import psycopg

from benchmarks.work import ROOT, Figure
from flatwater.errors import Refused
from flatwater.pool import Database, Limits
from flatwater.queries import read_queries
from flatwater.transaction import Session

CANCELS = 20_000
AT_ONCE = 20
ROUNDS = 10
DEADLINE_S = 0.5
NAME = "hanging"
TINY = {"CANCELS": 40, "ROUNDS": 1, "DEADLINE_S": 0.3}

TABLE = "create table kept (number integer not null)"
QUERIES = read_queries(
    """
-- name: keep
-- Saves one row.
insert into kept (number) values (%(number)s)
-- name: sleep
-- Keeps a connection busy.
select pg_sleep(%(seconds)s)
-- name: one
-- Asks for as little as can be asked for.
select 1
""",
    origin="benchmarks/hanging.py",
)
OPEN = "select count(*) from pg_stat_activity where application_name like 'hanging%%' and xact_start is not null and query <> 'select 1'"


def measure(say: Callable[[str], None]) -> list[Figure]:
    sys.path.insert(0, str(ROOT / "flatwater" / "tests"))
    from running_server import RunningServer

    server = RunningServer()
    server.start()
    try:
        with psycopg.connect(server.conninfo, autocommit=True) as onlooker:
            onlooker.execute(TABLE)
            say(f"{CANCELS:,} writes, each cancelled at a random moment")
            cancelled = asyncio.run(_cancels(server.conninfo, onlooker))
            say(f"{ROUNDS} times twenty transactions that hang, beside eight clients that read")
            hung = asyncio.run(_hang(server.conninfo, onlooker))
    finally:
        server.remove()
    return [*cancelled, *hung]


async def _cancels(conninfo: str, onlooker: psycopg.Connection) -> list[Figure]:
    chance = random.Random(20_000)
    saved = 0

    async def write(database: Database, number: int) -> None:
        nonlocal saved

        async def keep(session: Session) -> None:
            await session.execute(QUERIES["keep"], {"number": number})
            if number % 3 == 0:
                await session.fetch_value(QUERIES["sleep"], {"seconds": chance.uniform(0, 0.004)})

        await database.run(keep, deadline_s=5)
        saved += 1

    async def cancelled(database: Database, number: int) -> bool:
        task = asyncio.create_task(write(database, number))
        await asyncio.sleep(chance.uniform(0, 0.02))
        task.cancel()
        with suppress(asyncio.CancelledError, Refused):
            await task
        return task.cancelled()

    async with Database(conninfo, limits=Limits(), application_name=NAME) as database:
        count = 0
        for first in range(0, CANCELS, AT_ONCE):
            count += sum(
                await asyncio.gather(*(cancelled(database, first + each) for each in range(AT_ONCE)))
            )
        left, whole_s = await _left(database, onlooker)
    row = onlooker.execute("select count(*) from kept").fetchone()
    assert row is not None
    lost = max(saved - row[0], 0)
    beside = f"{count:,} were cut off in the middle, {saved:,} came through"
    return [
        Figure(f"left over after {CANCELS:,} random cancels", left, "", "0", left == 0, beside),
        Figure("told as saved and not there", lost, "", "0", lost == 0, f"{row[0]:,} rows"),
        Figure("all connections to be had again", whole_s, "s", "< 1 s", whole_s < 1),
    ]


async def _hang(conninfo: str, onlooker: psycopg.Connection) -> list[Figure]:
    async def hang(database: Database) -> float:
        began = time.monotonic()
        with suppress(Refused):
            async with database.transaction(deadline_s=DEADLINE_S) as session:
                await session.execute(QUERIES["keep"], {"number": -1})
                await session.fetch_value(QUERIES["sleep"], {"seconds": 60})
        return time.monotonic() - began

    async def read(database: Database) -> None:
        while True:
            with suppress(Refused):
                async with database.read(deadline_s=2) as session:
                    await session.fetch_value(QUERIES["one"], {})
            await asyncio.sleep(0.001)

    longest, left = 0.0, 0
    async with Database(conninfo, limits=Limits(connections=20), application_name=NAME) as database:
        readers = [asyncio.create_task(read(database)) for _ in range(8)]
        for _ in range(ROUNDS):
            began = time.monotonic()
            longest = max(longest, *await asyncio.gather(*(hang(database) for _ in range(20))))
            await asyncio.sleep(max(0.0, began + DEADLINE_S + 1 - time.monotonic()))
            row = onlooker.execute(OPEN).fetchone()
            assert row is not None
            left = max(left, row[0])
        for reader in readers:
            reader.cancel()
        await asyncio.wait(readers)
        held, _ = await _left(database, onlooker)
    over_s = longest - DEADLINE_S
    return [
        Figure(
            "a caller whose transaction hangs, past its deadline",
            over_s,
            "s",
            "< 1 s",
            over_s < 1,
            "the worst of 200",
        ),
        Figure("transactions open a second after the deadline", left, "", "0", left == 0),
        Figure("left over after 200 that hung", held, "", "0", held == 0),
    ]


async def _left(database: Database, onlooker: psycopg.Connection) -> tuple[int, float]:
    """What is held here or open on the server half a second after the last, and how long it takes to have every connection."""
    await asyncio.sleep(0.5)
    row = onlooker.execute(OPEN).fetchone()
    assert row is not None
    told = database.statistics()
    left = row[0] + told.connections - told.idle
    began = time.monotonic()
    async with AsyncExitStack() as stack:
        for _ in range(database.limits.connections):
            session = await stack.enter_async_context(database.read(deadline_s=5))
            await session.fetch_value(QUERIES["one"], {})
    return left, time.monotonic() - began
