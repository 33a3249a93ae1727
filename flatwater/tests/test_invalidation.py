"""What one process commits is forgotten by all: by NOTIFY and by the outbox, over lost and silent connections."""

from __future__ import annotations

import asyncio
import signal
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack

import msgspec
import psycopg
import pytest
from network import Network, Onlooker
from running_server import RunningServer
from waiting import until

from flatwater import invalidation as module
from flatwater.announcing import Way
from flatwater.cache import MISSING, Cache
from flatwater.invalidation import Invalidation
from flatwater.pool import Database, Limits
from flatwater.tables import OUTBOX

pytestmark = pytest.mark.anyio


class Process(msgspec.Struct):
    """What one process has: its own pool, cache and ear."""

    database: Database
    cache: Cache[str]
    invalidation: Invalidation


@pytest.fixture(params=["notify", "outbox"])
def way(request: pytest.FixtureRequest) -> Way:
    return request.param


@pytest.fixture
async def processes(conninfo: str, way: Way) -> AsyncIterator[list[Process]]:
    with psycopg.connect(conninfo, autocommit=True) as connection:
        connection.execute("drop table if exists flatwater_outbox")
        connection.execute(OUTBOX)
    async with AsyncExitStack() as opened:
        yield [await start(opened, conninfo, way) for _ in range(2)]


async def start(
    opened: AsyncExitStack, conninfo: str, way: Way, *, application: str = "flatwater"
) -> Process:
    database = await opened.enter_async_context(
        Database(conninfo, limits=Limits(acquire_s=2.0), announce_by=way, application_name=application)
    )
    cache: Cache[str] = Cache("schools", entries=100, size_bytes=1_000_000, ttl_s=300)
    invalidation = Invalidation(database)
    invalidation.watch(cache)
    await opened.enter_async_context(invalidation)
    return Process(database, cache, invalidation)


def fill(*processes: Process) -> None:
    for each in processes:
        each.cache.put("a", "a", tags=("person:1",))
        each.cache.put("b", "b", tags=("person:2",))


def held(process: Process) -> list[str]:
    return [key for key in ("a", "b") if process.cache.lookup(key) is not MISSING]


@pytest.mark.parametrize(("drop", "left"), [({"tag": "person:1"}, ["b"]), ({"key": "b"}, ["a"]), ({}, [])])
async def test_a_commit_is_heard_everywhere(
    processes: list[Process], drop: dict[str, str], left: list[str]
) -> None:
    writer, other = processes
    fill(writer, other)
    async with writer.database.transaction(deadline_s=5) as session:
        session.invalidate("schools", **drop)
        assert held(writer) == held(other) == ["a", "b"], "not before the commit"
    assert held(writer) == left, "the writer's own process forgets at once"
    await until(lambda: held(other) == left, within_s=6)


async def test_a_name_that_no_cache_has_is_heard_by_whoever_asked_and_makes_nothing_stale(
    processes: list[Process],
) -> None:
    writer, other = processes
    fill(writer, other)
    words: list[str] = []
    for each, name in ((writer, "here"), (other, "there")):
        each.invalidation.hear("queue", lambda name=name: words.append(name))
    with pytest.raises(ValueError, match="heard already"):
        other.invalidation.hear("queue", list)
    async with writer.database.transaction(deadline_s=5) as session:
        session.invalidate("queue")
    assert words == ["here"], "at once in the writer's own process"
    await until(lambda: "there" in words, within_s=6)
    assert held(writer) == held(other) == ["a", "b"]


async def test_what_is_rolled_back_is_never_told(processes: list[Process]) -> None:
    writer, other = processes
    fill(writer, other)
    with pytest.raises(ZeroDivisionError):
        async with writer.database.transaction(deadline_s=5) as session:
            session.invalidate("schools")
            raise ZeroDivisionError
    await asyncio.sleep(1.3)
    assert held(writer) == held(other) == ["a", "b"]


async def test_one_commit_tells_once_and_too_much_becomes_everything(processes: list[Process]) -> None:
    writer, other = processes
    fill(writer, other)
    async with writer.database.transaction(deadline_s=5) as session:
        for number in range(5_000):
            session.invalidate("schools", tag=f"nobody:{number:06}")
    await until(lambda: held(other) == [], within_s=6)
    assert writer.database.announcer.told == 1


async def test_a_transaction_that_only_reads_makes_nothing_stale(processes: list[Process]) -> None:
    async with processes[0].database.read(deadline_s=5) as session:
        with pytest.raises(RuntimeError, match="only a transaction that writes"):
            session.invalidate("schools")


async def test_a_transaction_that_commits_late_is_heard_after_one_that_began_later(
    processes: list[Process],
) -> None:
    writer, other = processes
    async with writer.database.transaction(deadline_s=10) as slow:
        slow.invalidate("schools", key="a")
        await slow.command("select pg_current_xact_id()")
        async with writer.database.transaction(deadline_s=5) as quick:
            quick.invalidate("schools", key="b")
        fill(other)
        await asyncio.sleep(2.2)
        fill(other)
    await until(lambda: held(other) == ["b"], within_s=6)


async def test_nonsense_on_the_channel_makes_everything_forgotten(
    processes: list[Process], conninfo: str
) -> None:
    _, other = processes
    fill(other)
    with psycopg.connect(conninfo, autocommit=True) as connection:
        connection.execute("select pg_notify('flatwater_invalidation', 'hello')")
        connection.execute("insert into flatwater_outbox (payload) values ('hello')")
    await until(lambda: held(other) == [], within_s=6)


async def test_a_process_whose_listening_connection_is_cut_forgets_everything(conninfo: str) -> None:
    async with AsyncExitStack() as opened:
        process = await start(opened, conninfo, "notify")
        fill(process)
        assert held(process) == ["a", "b"]
        with psycopg.connect(conninfo, autocommit=True) as connection:
            connection.execute(
                "select pg_terminate_backend(pid) from pg_stat_activity "
                "where query in ('LISTEN flatwater_invalidation', 'SELECT 1') and pid <> pg_backend_pid()"
            )
        await until(lambda: len(process.cache) == 0, within_s=6)
        await until(lambda: process.invalidation.statistics().is_hearing, within_s=6)
        fill(process)
        assert held(process) == ["a", "b"]


async def test_without_a_server_nothing_is_given_out_until_it_is_back() -> None:
    server = RunningServer()
    server.start()
    try:
        async with AsyncExitStack() as opened:
            process = await start(opened, server.conninfo, "notify")
            fill(process)
            server.end(signal.SIGKILL)
            await until(lambda: not process.invalidation.statistics().is_hearing, within_s=6)
            assert held(process) == []
            server.start()
            await until(lambda: process.invalidation.statistics().is_hearing, within_s=15)
            assert len(process.cache) == 0, "what was said meanwhile was not heard"
    finally:
        server.remove()


async def test_listening_takes_no_connection_of_its_own(conninfo: str, onlooker: Onlooker) -> None:
    async with AsyncExitStack() as opened:
        process = await start(opened, conninfo, "notify", application="listens")
        for _ in range(20):
            async with process.database.operations(deadline_s=2) as session:
                await session.command("select pg_sleep(0.01)")
        assert len(await onlooker.sessions("listens")) <= 2, (
            "the one kept apart, and the one that start-up used"
        )


async def test_a_silent_network_is_noticed_within_the_trust(
    network: Network, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(module, "TRUST_S", 1.0)
    monkeypatch.setattr(module, "HEARTBEAT_S", 0.2)
    async with AsyncExitStack() as opened:
        process = await start(opened, network.conninfo, "notify")
        fill(process)
        network.fall_silent()
        await asyncio.sleep(1.1)
        assert held(process) == []
        network.speak()
        await until(lambda: process.invalidation.statistics().is_hearing, within_s=10)
