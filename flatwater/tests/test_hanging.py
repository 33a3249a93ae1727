"""Transactions that hang: a second after their deadline no connection is held and no statement runs, whatever hangs."""

from __future__ import annotations

import asyncio
import contextlib
import random
import time
from collections.abc import AsyncIterator, Awaitable, Callable

import pytest
from network import Network, Onlooker, query
from running_server import RunningServer

from flatwater.errors import CommitUnknown, DatabaseUnavailable, DeadlineExceeded, PoolFull, PoolTimeout
from flatwater.pool import Database, Limits
from flatwater.transaction import Session

pytestmark = pytest.mark.anyio

HANGING = 20
DEADLINE_S = 0.5
AFTER_S = 1.0
"""The promise: a second after the deadline it is over."""
LONG_S = 10.0
"""Well beyond every promise here, and short enough for a broken build to fail soon."""
CANCELS = 2_000

ONE = query("select 1")
COUNT = query("select count(*) from note")
ADD = query("insert into note (author, words) values (%(author)s, %(words)s)")
SLEEP = query("select pg_sleep(%(seconds)s)")
LOCKED = query("update counter set value = value + 1 where name = 'hot'")
COPY = query("copy note (author, words) from stdin")


async def _sleep(session: Session) -> None:
    await session.fetch_value(SLEEP, {"seconds": LONG_S})


async def _wait_for_a_lock(session: Session) -> None:
    await session.execute(LOCKED, {})


async def _wait_for_another_service(session: Session) -> None:
    await session.fetch_value(ONE, {})
    await asyncio.sleep(LONG_S)


async def _copy_for_ever(session: Session) -> None:
    async with session.copy_in(COPY) as copy:
        await copy.write("hanging\tone\n")
        await asyncio.sleep(LONG_S)


KINDS = (_sleep, _wait_for_a_lock, _wait_for_another_service, _copy_for_ever)


async def hang(database: Database, kind: Callable[[Session], Awaitable[None]]) -> float:
    """One transaction that never ends by itself; how long it took until its caller was free."""
    began = time.monotonic()
    with pytest.raises((DeadlineExceeded, PoolTimeout, DatabaseUnavailable)):
        async with database.transaction(deadline_s=DEADLINE_S) as session:
            await session.execute(ADD, {"author": "hanging", "words": str(began + random.random())})
            await kind(session)
    return time.monotonic() - began


@contextlib.asynccontextmanager
async def under_load(database: Database, clients: int = 8) -> AsyncIterator[dict[str, int]]:
    """Clients that read all the while, as fast as they are answered; how often they were, and how often refused."""
    told = {"answered": 0, "refused": 0}

    async def read() -> None:
        while True:
            try:
                async with database.read(deadline_s=2.0) as session:
                    await session.fetch_value(ONE, {})
                told["answered"] += 1
            except (PoolFull, PoolTimeout, DeadlineExceeded, DatabaseUnavailable):
                told["refused"] += 1
            await asyncio.sleep(0.002)

    tasks = [asyncio.create_task(read()) for _ in range(clients)]
    try:
        yield told
    finally:
        for task in tasks:
            task.cancel()
        await asyncio.wait(tasks)


async def assert_free(database: Database) -> None:
    """Nothing is held, and every connection of the pool can be had at once, works, and is in no transaction."""
    async with asyncio.timeout(2.0):
        while database._held:  # pyright: ignore[reportPrivateUsage]
            await asyncio.sleep(0.005)
    async with contextlib.AsyncExitStack() as stack:
        for _ in range(database.limits.connections):
            session = await stack.enter_async_context(database.read(deadline_s=5))
            assert await session.fetch_value(ONE, {}) == 1
            assert session.connection.info.transaction_status.name == "IDLE"


async def left_over(onlooker: Onlooker) -> int:
    """How many sessions of ours are still in one of the transactions that hung."""
    return await onlooker.value(
        "select count(*) from pg_stat_activity where application_name = 'hanging' and (xact_start is not null or state = 'active')"
        " and query <> 'select 1' and query not like 'COMMIT%%'",
    )


@pytest.mark.parametrize("connections", [3, HANGING])
async def test_twenty_that_hang_are_over_a_second_after_their_deadline(
    conninfo: str, onlooker: Onlooker, connections: int
) -> None:
    await onlooker.connection.execute("insert into counter values ('hot', 0)")
    limits = Limits(connections=connections, acquire_s=2.0, lock_s=30)
    async with Database(conninfo, limits=limits, application_name="hanging") as database:
        async with onlooker.connection.transaction():
            await onlooker.value("select value from counter where name = 'hot' for update")
            async with under_load(database) as told:
                work = [hang(database, KINDS[number % len(KINDS)]) for number in range(HANGING)]
                waited = await asyncio.gather(*work)
                assert max(waited) < DEADLINE_S + AFTER_S
                await asyncio.sleep(max(0.0, DEADLINE_S + AFTER_S - max(waited)))
                assert await left_over(onlooker) == 0
                before = told["answered"]
                await asyncio.sleep(0.2)
                assert told["answered"] > before, "the others go on"
            await assert_free(database)
        assert len(await onlooker.sessions("hanging")) <= connections
    assert await onlooker.value("select count(*) from note where author = 'hanging'") == 0


async def test_a_frozen_server_frees_its_callers_and_holds_nothing_once_it_goes_on(
    conninfo: str, server: RunningServer, onlooker: Onlooker
) -> None:
    limits = Limits(connections=3, acquire_s=2.0)
    async with Database(conninfo, limits=limits, application_name="hanging") as database:
        await assert_free(database)
        work = [asyncio.create_task(hang(database, _sleep)) for _ in range(HANGING)]
        await onlooker.wait_until_running("hanging", "pg_sleep", count=3)
        server.freeze()
        try:
            async with asyncio.timeout(5.0):
                waited = await asyncio.gather(*work)
            await asyncio.sleep(0.3)
        finally:
            server.thaw()
        assert max(waited) < DEADLINE_S + AFTER_S
        thawed = time.monotonic()
        async with asyncio.timeout(AFTER_S):
            while await left_over(onlooker):
                await asyncio.sleep(0.01)
        await _until_answered(database)
        assert time.monotonic() - thawed < AFTER_S + 1.0
        await assert_free(database)
    assert await onlooker.value("select count(*) from note where author = 'hanging'") == 0


async def _until_answered(database: Database) -> None:
    """Until somebody who asks is answered: the look whether it is back comes within a second."""
    async with asyncio.timeout(5.0):
        while True:
            with contextlib.suppress(DatabaseUnavailable, PoolTimeout):
                async with database.read(deadline_s=2.0) as session:
                    await session.fetch_value(ONE, {})
                return
            await asyncio.sleep(0.02)


async def test_a_link_that_is_cut_without_a_word_leaves_no_statement_on_the_server(
    network: Network, onlooker: Onlooker, conninfo: str
) -> None:
    limits = Limits(connections=3, acquire_s=2.0, network_silence_s=2.0)
    async with Database(network.conninfo, limits=limits, application_name="hanging") as database:
        await assert_free(database)
        begun = time.monotonic()
        kinds = (_sleep, _wait_for_another_service, _copy_for_ever)
        work = [asyncio.create_task(hang(database, kind)) for kind in kinds]
        await onlooker.wait_until_running("hanging", "pg_sleep")
        network.fall_silent()  # no cancel request of ours arrives from now on, and nothing is closed
        waited = await asyncio.gather(*work)
        assert max(waited) < DEADLINE_S + AFTER_S
        await asyncio.sleep(max(0.0, begun + DEADLINE_S + AFTER_S - time.monotonic()))
        assert await left_over(onlooker) == 0, "the server ended them by itself"
        assert database._held == 0  # pyright: ignore[reportPrivateUsage]
        network.cut()
        network.speak()
        await _until_answered(database)
        await assert_free(database)
    assert await onlooker.value("select count(*) from note where author = 'hanging'") == 0


async def test_two_thousand_cancels_at_any_moment_leave_nothing_behind(
    conninfo: str, onlooker: Onlooker
) -> None:
    chance = random.Random(11)
    saved = 0

    async def write(database: Database, number: int) -> None:
        nonlocal saved

        async def add(session: Session) -> None:
            await session.execute(ADD, {"author": "cancelled", "words": str(number)})
            if number % 3 == 0:
                await session.fetch_value(SLEEP, {"seconds": chance.uniform(0, 0.004)})

        await database.run(add, deadline_s=5)
        saved += 1

    async def cancelled(database: Database, number: int) -> bool:
        task = asyncio.create_task(write(database, number))
        await asyncio.sleep(chance.uniform(0, 0.02))
        task.cancel()
        await asyncio.wait([task])
        assert task.cancelled() or task.exception() is None or isinstance(task.exception(), CommitUnknown)
        return task.cancelled()

    async with Database(conninfo, limits=Limits(acquire_s=5.0), application_name="hanging") as database:
        outcomes = [
            outcome
            for batch in range(CANCELS // 20)
            for outcome in await asyncio.gather(
                *(cancelled(database, batch * 20 + each) for each in range(20))
            )
        ]
        assert sum(outcomes) > CANCELS // 4
        await assert_free(database)
        assert await left_over(onlooker) == 0
        assert len(await onlooker.sessions("hanging")) <= 4
    # Who was told that it is saved finds it; a few more may be saved whose answer was cancelled on its way.
    kept = await onlooker.value("select count(*) from note where author = 'cancelled'")
    assert saved <= kept <= CANCELS
