"""The operator's page: for admins, live, with the doctor's cures behind a confirm."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable
from datetime import timedelta
from pathlib import Path

import httpx
import psycopg
import pytest
from people import NOW
from serving import OneDatabase, Served, serving

from flatwater.clock import StandingClock
from flatwater.monitors import MemorySampler
from rightlevel.operations.history import KEPT, keep_reading, readings_since
from rightlevel.operations.readings import Readings

pytestmark = pytest.mark.anyio


@pytest.fixture
async def platform(new_database: Callable[[], OneDatabase], tmp_path: Path) -> AsyncIterator[Served]:
    async with serving(new_database(), tmp_path) as opened:
        yield opened


async def page(platform: Served, **query: str) -> httpx.Response:
    async with platform.client("admin", by="cookie") as client:
        return await client.get("/operations", params=query)


async def test_only_admins_see_it(platform: Served) -> None:
    for name in ("coordinator", "mentor", "teacher", "viewer"):
        async with platform.client(name, by="cookie") as client:
            assert (await client.get("/operations")).status_code == 403
            assert (await client.get("/operations/live")).status_code == 403
            assert (await client.post("/operations/cure", data={})).status_code == 403


async def test_it_shows_levels_memory_connections_and_what_the_doctor_says(platform: Served) -> None:
    text = (await page(platform)).text
    for wanted in (
        "Database connections",
        "Memory of program and database",
        "This program",
        "rightlevel/",
        "What the doctor says",
        "There is no backup yet",
        "Statements that took the most time",
        "Collections: young, middle, old",
        "Files to import",
    ):
        assert wanted in text, wanted


async def test_it_is_there_in_khmer(platform: Served) -> None:
    async with platform.client("admin", by="cookie") as client:
        client.cookies.set("rl_language", "km")
        async with platform.database.transaction(deadline_s=5) as session:
            await session.command("update person set language = 'km' where role = 'admin'")
        text = (await client.get("/operations")).text
    assert "ប្រតិបត្តិការ" in text


async def test_the_live_part_comes_again_and_again_and_the_streams_have_a_bound(platform: Served) -> None:
    from rightlevel.web.operations import pages as operations

    async with platform.client("admin", by="cookie") as client:
        operations._streams[0] = operations.MAX_STREAMS
        try:
            assert (await client.get("/operations/live")).status_code == 503
        finally:
            operations._streams[0] = 0


@pytest.mark.parametrize(
    "ending",
    [
        "delete from person_session",
        "update person set is_active = false",
        "update person set role = 'coordinator'",
    ],
)
async def test_a_live_stream_ends_with_the_session_the_account_or_the_role(
    platform: Served, monkeypatch: pytest.MonkeyPatch, ending: str
) -> None:
    from rightlevel.web.operations import pages as operations

    monkeypatch.setattr(operations, "EVERY_S", 0.05)
    async with platform.client("admin", by="cookie") as client:
        streaming = asyncio.create_task(client.get("/operations/live"))
        await asyncio.sleep(0.5)
        assert not streaming.done(), "it goes on while its holder is signed in"
        with psycopg.connect(platform.server.conninfo, autocommit=True) as connection:
            connection.execute(ending)  # type: ignore[arg-type]
        async with asyncio.timeout(10):
            answer = await streaming
    assert answer.status_code == 200
    assert b"event: live" in answer.content
    assert operations._streams[0] == 0


async def forgotten(platform: Served) -> psycopg.Connection:
    """A connection of the platform's own that somebody left in the middle of a transaction."""
    connection = psycopg.connect(platform.server.conninfo, application_name="rightlevel/forgotten")
    connection.execute("select 1")
    await asyncio.sleep(0.1)
    connection.execute("insert into reading_history (at, worst) values ('2020-01-01', 'ok')")
    return connection


async def test_a_cure_is_done_only_when_what_it_cures_is_still_there_and_it_is_written_down(
    platform: Served,
) -> None:
    async with platform.client("admin", by="cookie") as client:
        answer = await client.post(
            "/operations/cure",
            data={"key": "made/up", "sql": "select pg_terminate_backend(1)", "csrf_token": "csrf"},
        )
        assert answer.status_code == 409, "only the doctor's own cures are ever run"
    with psycopg.connect(platform.server.conninfo) as connection:
        found = connection.execute("select count(*) from audit_entry where action = 'cure'").fetchone()
    assert found == (0,)


async def test_a_reading_is_kept_each_five_minutes_for_thirty_days(platform: Served) -> None:
    clock = StandingClock(NOW)

    class Server:
        is_private = False

        def process_ids(self) -> list[int]:
            return []

    readings = Readings(platform.database, Server(), (), MemorySampler(clock), lambda: 0.0)  # type: ignore[arg-type]
    for _ in range(7):
        await keep_reading(platform.database, readings, clock)
        clock.advance(60)
    async with platform.database.read(deadline_s=5) as session:
        kept = await readings_since(session, NOW - timedelta(days=1), clock.now())
    assert 1 <= len(kept) <= 3
    clock.advance(KEPT.total_seconds() + 600)
    await keep_reading(platform.database, readings, clock)
    with psycopg.connect(platform.server.conninfo) as connection:
        assert connection.execute(
            "select count(*) from reading_history where at < %s", [clock.now() - KEPT]
        ).fetchone() == (0,)
