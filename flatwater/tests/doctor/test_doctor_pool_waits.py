"""An application whose pool is full behind a real lock, seen through its health page and in the server at once."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from functools import partial

import msgspec
import pytest
from click.testing import CliRunner
from running_server import RunningServer

from flatwater.commands import main
from flatwater.doctor.checks.pool_waits import PoolWaits
from flatwater.doctor.look import Look
from flatwater.doctor.model import Finding, NotExamined
from flatwater.doctor.pool_numbers import read_pool
from flatwater.pool import Database, Limits
from flatwater.queries import read_queries
from flatwater.transaction import Session

pytestmark = pytest.mark.anyio

CHANGE = read_queries(
    "-- name: change\n-- Changes the one row.\nupdate counter set value = value + 1 where name = 'one' returning value",
    origin="test",
)["change"]
NOWHERE = "http://127.0.0.1:1/healthz"


@asynccontextmanager
async def _health_page(tell: Callable[[], bytes], status: str = "200 OK") -> AsyncIterator[str]:
    async def answer(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.readuntil(b"\r\n\r\n")
        writer.write(f"HTTP/1.0 {status}\r\n\r\n".encode() + tell())
        await writer.drain()
        writer.close()

    page = await asyncio.start_server(answer, "127.0.0.1", 0)
    async with page:
        yield f"http://127.0.0.1:{page.sockets[0].getsockname()[1]}/healthz"


async def _until(is_true: Callable[[], Awaitable[bool]]) -> None:
    async with asyncio.timeout(10):
        while not await is_true():
            await asyncio.sleep(0.01)


def _findings(server: RunningServer, url: str | None, application: str | None = "shop") -> list[Finding]:
    numbers = None if url is None else partial(read_pool, url)
    with Look(server.conninfo, application=application, pool_numbers=numbers) as look:
        return list(PoolWaits().look(look))


async def test_requests_that_wait_for_a_connection_are_joined_to_the_session_whose_lock_fills_the_pool(
    others, server: RunningServer
) -> None:
    limits = Limits(connections=2, acquire_s=8.0)
    async with Database(server.conninfo, limits=limits, application_name="shop") as database:

        def tell() -> bytes:
            return msgspec.json.encode({"status": "warning", "pool": database.statistics()})

        async def buy() -> None:
            async def change(session: Session) -> None:
                await session.fetch_value(CHANGE, {})

            await database.run(change, deadline_s=8.0, route="buy")

        await asyncio.to_thread(others.onlooker.execute, "insert into counter values ('one', 0)")
        holder = await asyncio.to_thread(
            others.forget, "shop/pay", "update counter set value = 1 where name = 'one'"
        )
        async with _health_page(tell) as url, asyncio.TaskGroup() as tasks:
            for _ in range(8):
                tasks.create_task(buy())

            async def is_full() -> bool:
                row = await asyncio.to_thread(
                    lambda: others.onlooker.execute(
                        "select count(*) from pg_locks where not granted"
                    ).fetchone()
                )
                return row[0] >= 2 and database.statistics().waiting == 6

            await _until(is_full)
            (found,) = await asyncio.to_thread(_findings, server, url)
            await asyncio.to_thread(holder.execute, "rollback")
        (calm,) = await asyncio.to_thread(_told, server, tell)
    assert found.severity == "critical"
    assert "6 requests wait for a connection of the application (buy 6)" in found.saw
    assert "2 of its 3 connections stand behind route pay of shop" in found.saw
    assert f"pid {holder.info.backend_pid}" in found.saw
    assert found.cures
    assert str(holder.info.backend_pid) in found.cures[0].sql
    assert calm.severity == "ok"


def _told(server: RunningServer, tell: Callable[[], bytes]) -> list[Finding]:
    async def ask() -> list[Finding]:
        async with _health_page(tell) as url:
            return await asyncio.to_thread(_findings, server, url)

    return asyncio.run(ask())


async def test_a_page_that_answers_503_still_tells_who_waits(server: RunningServer) -> None:
    async with _health_page(lambda: b'{"pool": {"waiting": 2}}', "503 Unavailable") as url:
        (found,) = await asyncio.to_thread(_findings, server, url, None)
    assert found.severity == "warning"
    assert "name it with --application" in found.saw


@pytest.mark.parametrize(
    "told", [b"<html>", b'{"pool": {"size": 2}}', b"[]"], ids=["no JSON", "no number", "a list"]
)
async def test_a_page_without_the_number_is_not_examined(server: RunningServer, told: bytes) -> None:
    async with _health_page(lambda: told) as url:
        with pytest.raises(NotExamined):
            await asyncio.to_thread(_findings, server, url)


def test_a_page_that_does_not_answer_or_was_not_named_is_not_examined(server: RunningServer) -> None:
    with pytest.raises(NotExamined, match="did not answer"):
        _findings(server, NOWHERE)
    with pytest.raises(NotExamined, match="--healthz"):
        _findings(server, None)


def test_the_command_says_not_examined_and_refuses_what_is_no_address(
    server: RunningServer, tmp_path
) -> None:
    kept = ["doctor", server.conninfo, "--snapshot", str(tmp_path / "kept.json"), "--healthz"]
    told = CliRunner().invoke(main, [*kept, NOWHERE, "--all"])
    assert "NOT EXAMINED" in told.output
    assert "did not answer" in " ".join(told.output.split())
    assert "http://" in CliRunner().invoke(main, [*kept, "file:///etc/hosts"]).output
