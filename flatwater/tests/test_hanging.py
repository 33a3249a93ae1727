"""Transactions that hang, a server that freezes, a link that is cut, cancellations at any moment: nothing stays held."""

from __future__ import annotations

import asyncio
import os
import random
import signal
import time
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager, suppress

import psutil
import pytest
from network import Network, Onlooker, query
from running_server import RunningServer

from flatwater.errors import Refused
from flatwater.pool import Database, Limits
from flatwater.transaction import Session

pytestmark = pytest.mark.anyio

ONE = query("select 1")
SLEEP = query("select pg_sleep(%(seconds)s)")
ADD = query("insert into note (author, words) values ('h', gen_random_uuid()::text)")
HANGING = 20
DEADLINE_S = 0.6
CANCELS = int(os.environ.get("CANCELS", "20000"))


async def hang(database: Database, how: int) -> float:
    """A transaction that never ends by itself: in a statement, or between two. Returns how long its caller was held."""
    began = time.monotonic()

    async def work(session: Session) -> None:
        await session.execute(ADD, {})
        if how % 2:
            await session.fetch_value(SLEEP, {"seconds": 60})
        else:
            await asyncio.sleep(60)

    with pytest.raises(Refused):
        await database.run(work, deadline_s=DEADLINE_S)
    return time.monotonic() - began


@asynccontextmanager
async def under_load(database: Database) -> AsyncIterator[list[bool]]:
    """Sixteen who read all the time while the block runs; whether each read was answered."""
    answered: list[bool] = []

    async def read() -> None:
        while True:
            try:
                async with database.read(deadline_s=2) as session:
                    await session.fetch_value(ONE, {})
                answered.append(True)
            except Refused:
                answered.append(False)
                await asyncio.sleep(0.02)

    readers = [asyncio.create_task(read()) for _ in range(16)]
    try:
        yield answered
    finally:
        for reader in readers:
            reader.cancel()
        await asyncio.wait(readers)


async def works_again(database: Database, within_s: float) -> None:
    until = time.monotonic() + within_s
    while True:
        try:
            async with database.read(deadline_s=1) as session:
                await session.fetch_value(ONE, {})
                return
        except Refused:
            assert time.monotonic() < until, "it does not work again"
            await asyncio.sleep(0.05)


async def test_twenty_transactions_that_hang_leave_nothing_a_second_after_their_deadline(
    conninfo: str, onlooker: Onlooker
) -> None:
    async with Database(
        conninfo, application_name="hangs", limits=Limits(connections=3, acquire_s=5)
    ) as database:
        async with under_load(database) as answered:
            held = await asyncio.gather(*(hang(database, number) for number in range(HANGING)))
            assert max(held) < DEADLINE_S + 1
            await asyncio.sleep(max(0.0, DEADLINE_S + 1 - max(held)))
            assert await onlooker.running("hangs", "pg_sleep") == 0
            states = [state for state, _ in await onlooker.sessions("hangs")]
            assert not [state for state in states if state.startswith("idle in transaction")]
            before = len(answered)
            await asyncio.sleep(0.3)
            assert sum(answered[before:]) > 10, "the load goes on"
        assert database._held == 0


@pytest.fixture
def freezable() -> Iterator[RunningServer]:
    running = RunningServer()
    running.start()
    yield running
    for process in processes_of(running):
        process.send_signal(signal.SIGCONT)
    running.remove()


def processes_of(server: RunningServer) -> list[psutil.Process]:
    assert server._process is not None
    postmaster = psutil.Process(server._process.pid)
    return [postmaster, *postmaster.children(recursive=True)]


async def test_a_frozen_server_holds_nobody_longer_and_is_there_again_when_it_thaws(
    freezable: RunningServer,
) -> None:
    limits = Limits(connections=3, acquire_s=1, connect_s=2)
    async with Database(freezable.conninfo, limits=limits) as database:
        async with database.transaction(deadline_s=5) as session:
            await session.command("create table note (author text, words text)")
        async with under_load(database):
            await asyncio.sleep(0.2)
            frozen = processes_of(freezable)
            for process in frozen:
                process.send_signal(signal.SIGSTOP)
            held = await asyncio.gather(*(hang(database, number) for number in range(HANGING)))
            assert max(held) < DEADLINE_S + 1
            for process in frozen:
                with suppress(psutil.NoSuchProcess):
                    process.send_signal(signal.SIGCONT)
            await works_again(database, within_s=4)
        assert database._held == 0


async def test_a_link_cut_without_a_word_holds_nobody_longer(network: Network) -> None:
    async with Database(network.conninfo, limits=Limits(connections=3, acquire_s=1, connect_s=2)) as database:
        async with under_load(database):
            await asyncio.sleep(0.2)
            network.fall_silent()
            held = await asyncio.gather(*(hang(database, number) for number in range(HANGING)))
            assert max(held) < DEADLINE_S + 1
            network.speak()
            await works_again(database, within_s=4)
        assert database._held == 0


async def test_thousands_of_random_cancellations_leave_the_pool_whole(
    conninfo: str, onlooker: Onlooker
) -> None:
    draw, cancelled, finished = random.Random(7), 0, 0
    async with Database(conninfo, application_name="cancels", limits=Limits(connections=5)) as database:

        async def ask() -> None:
            async with database.transaction(deadline_s=5) as session:
                await session.fetch_value(SLEEP, {"seconds": draw.uniform(0, 0.02)})

        async def one_after_the_other(times: int) -> None:
            nonlocal cancelled, finished
            for _ in range(times):
                task = asyncio.create_task(ask())
                await asyncio.sleep(draw.uniform(0, 0.02))
                task.cancel()
                try:
                    await task
                    finished += 1
                except asyncio.CancelledError:
                    cancelled += 1
                except Refused:
                    finished += 1

        await asyncio.gather(*(one_after_the_other(CANCELS // 40) for _ in range(40)))
        assert cancelled > CANCELS * 0.5
        await asyncio.sleep(0.6)
        assert database._held == 0
        assert await onlooker.running("cancels", "pg_sleep") == 0
        assert len(await onlooker.sessions("cancels")) <= 5
        await works_again(database, within_s=1)
        statistics = database.statistics()
        assert statistics.connections - statistics.idle == 0
