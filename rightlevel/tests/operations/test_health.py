"""Health: down means that the database is away and nothing else; a full pool is busy, with numbers; it never queues behind the work."""

from __future__ import annotations

import asyncio
import os
import signal
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any

import httpx
import msgspec
import psycopg
import pytest
from opening_everything import Running, free_port, prepare, running
from serving import OneDatabase, serving

from rightlevel.database.server import PrivateServer

pytestmark = pytest.mark.anyio

PATIENCE_S = 4.0
"""A look takes two seconds at most, and one that ended in silence a moment more; a load balancer waits five."""


async def test_a_full_pool_is_busy_with_numbers_and_not_down(
    new_database: Callable[[], OneDatabase], tmp_path: Path
) -> None:
    async with serving(new_database(), tmp_path) as platform:
        body = {"school_id": platform.cast.school_a, "name": "Sok Bopha", "sex": 2, "grade": 3}
        with psycopg.connect(platform.server.conninfo) as holder:
            holder.execute("lock table student in exclusive mode")

            async def writes(number: int) -> int:
                async with platform.client("teacher") as client:
                    return (
                        await client.post("/api/v1/students", json={**body, "code": f"H{number}"})
                    ).status_code

            writers = [asyncio.create_task(writes(number)) for number in range(8)]
            await asyncio.sleep(0.5)
            async with platform.on_this_machine() as client:
                began = time.monotonic()
                answer = await client.get("/healthz")
            health = answer.json()
            assert time.monotonic() - began < 2.0
            assert (answer.status_code, health["status"]) == (200, "busy")
            assert (health["pool"]["connections"], health["pool"]["waiting"]) == (3, 5)
            assert "the pool is full: 3 connections at work, 5 requests wait of at most 64" in health["notes"]
            assert health["database_answers_s"] is not None
            holder.rollback()
            assert await asyncio.gather(*writers) == [201] * 8
        await asyncio.sleep(2.1)
        async with platform.on_this_machine() as client:
            assert (await client.get("/healthz")).json()["status"] == "ok", "and it is over when it is over"


async def test_a_look_that_fails_by_itself_is_told_and_is_not_down(
    new_database: Callable[[], OneDatabase], tmp_path: Path
) -> None:
    database = new_database()
    with psycopg.connect(database.conninfo, autocommit=True) as owner:
        owner.execute("alter table flatwater_rate_limit rename to elsewhere")
    async with serving(database, tmp_path) as platform:
        async with platform.on_this_machine() as client:
            answer = await client.get("/healthz")
        levels = {each["name"]: each["verdict"] for each in answer.json()["levels"]}
        assert answer.status_code == 200
        assert levels["rate_limit_rows"] == "not_examined"
        assert levels["connections"] == "ok"


class Elsewhere(msgspec.Struct):
    """A service whose database is a server that the test stops and starts."""

    service: Running
    server: PrivateServer

    async def health(self) -> tuple[int, str, dict[str, Any]]:
        async with self.service.client() as client:
            began = time.monotonic()
            answer = await client.get("/healthz")
        assert time.monotonic() - began < PATIENCE_S
        return answer.status_code, answer.json()["status"], answer.json()

    async def until(self, status: str, within_s: float = 60.0) -> dict[str, Any]:
        until = time.monotonic() + within_s
        while time.monotonic() < until:
            code, found, health = await self.health()
            # A busy machine may make a statement slow, which is a warning and no sign of a database that is away.
            if found == status or (status == "ok" and found == "warning"):
                assert code == (503 if status == "down" else 200)
                return health
            await asyncio.sleep(0.2)
        raise AssertionError(f"not {status} within {within_s} s: {health}")


@pytest.fixture
def elsewhere(tmp_path: Path) -> Iterator[Elsewhere]:
    folder = tmp_path / "data"
    prepare(folder)
    made: Elsewhere | None = None
    server = PrivateServer(folder, 150_000_000)
    conninfo = server.start()
    try:
        with running(
            folder, free_port(), environment={"DATABASE_URL": conninfo}, is_prepared=True
        ) as service:
            made = Elsewhere(service, server)
            yield made
    finally:
        (made.server if made else server).stop()  # a test may have put another in its place


@contextmanager
def frozen(process_ids: list[int]) -> Iterator[None]:
    """Stopped in the middle of everything, as a machine that is short of something does to a process."""
    for each in process_ids:
        os.kill(each, signal.SIGSTOP)
    try:
        yield
    finally:
        for each in process_ids:
            with suppress(ProcessLookupError):
                os.kill(each, signal.SIGCONT)


async def test_a_frozen_database_is_down_and_up_again_when_it_goes_on(elsewhere: Elsewhere) -> None:
    await elsewhere.until("ok")
    with frozen(elsewhere.server.process_ids()):
        health = await elsewhere.until("down")
        assert any("does not answer" in note for note in health["notes"])
        assert health["connections"] is None
    await elsewhere.until("ok")


async def test_a_dead_database_is_down_at_once_and_up_again_when_it_is_back(elsewhere: Elsewhere) -> None:
    await elsewhere.until("ok")
    elsewhere.server.stop()
    await elsewhere.until("down", within_s=20.0)
    elsewhere.server = PrivateServer(elsewhere.service.folder, 150_000_000)
    elsewhere.server.start()
    await elsewhere.until("ok")


async def test_a_server_that_answers_those_it_knows_but_takes_nobody_new_is_busy(
    elsewhere: Elsewhere,
) -> None:
    await elsewhere.until("ok")
    is_over = False

    async def keeps_reading() -> list[int]:
        codes: list[int] = []
        async with elsewhere.service.client("teacher") as client:
            while not is_over:
                with suppress(httpx.TimeoutException):
                    codes.append((await client.get("/students")).status_code)
                await asyncio.sleep(0.02)
        return codes

    reading = asyncio.create_task(keeps_reading())
    await asyncio.sleep(0.5)
    with frozen(elsewhere.server.process_ids()[:1]):  # the postmaster alone: its children go on
        await asyncio.sleep(2.1)
        health = await elsewhere.until("busy")
        assert any("answers those who are connected" in note for note in health["notes"])
    is_over = True
    assert set(await reading) == {200}


async def test_a_server_without_a_free_connection_is_busy(elsewhere: Elsewhere) -> None:
    await elsewhere.until("ok")
    held: list[psycopg.Connection] = []
    try:
        with pytest.raises(psycopg.OperationalError, match=r"too many|reserved"):
            while True:
                held.append(psycopg.connect(elsewhere.server.conninfo))
        await asyncio.sleep(2.1)
        health = await elsewhere.until("busy")
        assert any("takes no more connections" in note for note in health["notes"])
    finally:
        for each in held:
            each.close()
    await elsewhere.until("ok")
