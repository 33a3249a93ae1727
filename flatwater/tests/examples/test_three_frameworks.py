"""The three example services under a real uvicorn and a real PostgreSQL: each bound is pushed past."""

from __future__ import annotations

import asyncio
import os
import signal
import socket
import subprocess
import sys
import time
from collections.abc import AsyncIterator
from pathlib import Path

import httpx
import msgspec
import psycopg
import pytest
from network import Onlooker

pytestmark = pytest.mark.anyio

EXAMPLES = Path(__file__).parents[2] / "examples"
SERVICES = ("starlette_notes", "fastapi_notes", "litestar_notes")


class Running(msgspec.Struct):
    """One example service in a process of its own."""

    client: httpx.AsyncClient
    process: subprocess.Popen[bytes]
    port: int


@pytest.fixture(scope="module", params=SERVICES)
async def running(
    request: pytest.FixtureRequest, server: object, anyio_backend: object
) -> AsyncIterator[Running]:
    conninfo = server.conninfo  # type: ignore[attr-defined]
    with psycopg.connect(conninfo, autocommit=True) as connection:
        connection.execute((EXAMPLES / "schema.sql").read_bytes())
        connection.execute("truncate example_note restart identity")
    service = start(request.param, conninfo)
    async with httpx.AsyncClient(base_url=f"http://127.0.0.1:{service[1]}", timeout=30) as client:
        await until_answered(client)
        yield Running(client, *service)
    service[0].send_signal(signal.SIGTERM)
    assert service[0].wait(15) in (0, -signal.SIGTERM)


def start(name: str, conninfo: str) -> tuple[subprocess.Popen[bytes], int]:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    command = [sys.executable, "-m", "uvicorn", f"{name}:app", "--port", str(port), "--log-level", "error"]
    environment = {**os.environ, "DATABASE_URL": conninfo, "PYTHONPATH": str(EXAMPLES)}
    return subprocess.Popen(command, env=environment, cwd=EXAMPLES), port


async def until_answered(client: httpx.AsyncClient) -> None:
    until = time.monotonic() + 20
    while True:
        try:
            await client.get("/notes")
        except httpx.TransportError:
            assert time.monotonic() < until, "the service did not start"
            await asyncio.sleep(0.05)
        else:
            return


async def test_notes_are_added_and_paged(running: Running) -> None:
    client = running.client
    for number in range(25):
        added = await client.post("/notes", json={"words": f"note {number}"})
        assert (added.status_code, added.json()["words"]) == (201, f"note {number}")
    first = (await client.get("/notes")).json()
    second = (await client.get("/notes", params={"after": first["next"], "limit": 10})).json()
    assert len(first["items"]) == 20
    assert [each["id"] for each in second["items"]][:2] == [21, 22]


@pytest.mark.parametrize(
    "query", ["after=garbage", "after=%00", "limit=many", "limit=0", "limit=1&after=W10"]
)
async def test_a_page_that_is_none_is_refused_as_the_callers_fault(running: Running, query: str) -> None:
    answer = await running.client.get(f"/notes?{query}")
    assert answer.status_code in (400, 422)
    assert answer.headers["content-type"].startswith(("application/problem+json", "application/json"))


async def test_a_damaged_page_link_says_to_start_again(running: Running) -> None:
    answer = await running.client.get("/notes", params={"after": "garbage"})
    assert (answer.status_code, answer.json()["code"]) == (422, "bad_cursor")
    assert "Start again" in answer.json()["detail"]


@pytest.mark.parametrize("content", [b"", b"{", b"[]", b'{"words": 1}', b'{"words": "a\\u0000b"}'])
async def test_a_note_that_is_none_is_refused_as_the_callers_fault(running: Running, content: bytes) -> None:
    answer = await running.client.post(
        "/notes", content=content, headers={"content-type": "application/json"}
    )
    assert answer.status_code in (400, 422)
    assert (await running.client.get("/sleep", params={"seconds": "long"})).status_code in (400, 422)


async def test_nobody_gets_more_than_the_pages_ceiling(running: Running) -> None:
    answer = await running.client.get("/notes", params={"limit": 1_000_000_000})
    assert answer.status_code in (400, 422) or len(answer.json()["items"]) <= 100


async def test_a_flood_never_takes_more_than_three_connections(running: Running, onlooker: Onlooker) -> None:
    most = 0

    async def look() -> None:
        nonlocal most
        while True:
            most = max(most, len(await onlooker.sessions("notes")))
            await asyncio.sleep(0.01)

    looking = asyncio.create_task(look())
    answers = await asyncio.gather(
        *(running.client.get("/sleep", params={"seconds": 0.05}) for _ in range(40))
    )
    looking.cancel()
    assert {each.status_code for each in answers} <= {200, 503}
    assert sum(each.status_code == 200 for each in answers) >= 30
    assert 1 <= most <= 3


@pytest.mark.parametrize("is_told", [True, False])
async def test_a_body_over_the_ceiling_is_refused(running: Running, *, is_told: bool) -> None:
    content = b'{"words": "' + b"x" * 20_000 + b'"}'

    async def pieces() -> AsyncIterator[bytes]:
        for start in range(0, len(content), 1_000):
            yield content[start : start + 1_000]

    headers = {"content-type": "application/json"}
    answer = await running.client.post("/notes", content=content if is_told else pieces(), headers=headers)
    assert (answer.status_code, answer.json()["code"]) == (413, "too_big")


async def test_what_takes_too_long_is_ended_and_so_is_its_query(running: Running, onlooker: Onlooker) -> None:
    began = time.monotonic()
    answer = await running.client.get("/sleep", params={"seconds": 30})
    assert (answer.status_code, answer.json()["code"]) == (504, "deadline_exceeded")
    assert 1.9 < time.monotonic() - began < 3.5
    await onlooker.wait_until_running("notes", "pg_sleep", count=0)


async def test_a_client_that_leaves_ends_its_query(running: Running, onlooker: Onlooker) -> None:
    with pytest.raises(httpx.ReadTimeout):
        await running.client.get("/sleep", params={"seconds": 1.9}, timeout=0.3)
    began = time.monotonic()
    await onlooker.wait_until_running("notes", "pg_sleep", count=0)
    assert time.monotonic() - began < 1.0, "it ended before it was done"


async def test_a_refusal_of_the_database_is_a_problem_document(running: Running) -> None:
    answers = await asyncio.gather(*(running.client.get("/sleep", params={"seconds": 1}) for _ in range(90)))
    refused = [each for each in answers if each.status_code == 503]
    assert refused, "ninety seconds of sleep do not fit into three connections and two seconds"
    assert {each.json()["code"] for each in refused} <= {"pool_full", "pool_timeout"}
    assert all(int(each.headers["retry-after"]) >= 1 for each in refused)


async def test_who_asks_too_often_is_told_when_to_ask_again(running: Running) -> None:
    first = await running.client.get("/notes")
    assert first.headers["ratelimit-policy"] == '"notes";q=200;w=20'
    answers = await asyncio.gather(
        *(running.client.get("/notes") for _ in range(900)), return_exceptions=True
    )
    refused = [each for each in answers if isinstance(each, httpx.Response) and each.status_code == 429]
    assert refused
    assert refused[0].json()["code"] == "too_many_requests"
    assert int(refused[0].headers["retry-after"]) >= 1


@pytest.mark.parametrize("name", SERVICES)
async def test_told_to_stop_under_load_it_answers_what_is_in_flight_and_leaves_no_connection(
    name: str, conninfo: str, onlooker: Onlooker
) -> None:
    with psycopg.connect(conninfo, autocommit=True) as connection:
        connection.execute((EXAMPLES / "schema.sql").read_bytes())
    process, port = start(name, conninfo)
    async with httpx.AsyncClient(base_url=f"http://127.0.0.1:{port}", timeout=30) as client:
        await until_answered(client)
        asked = [asyncio.create_task(client.get("/sleep", params={"seconds": 0.8})) for _ in range(3)]
        await asyncio.sleep(0.4)
        process.send_signal(signal.SIGTERM)
        assert {each.status_code for each in await asyncio.gather(*asked)} == {200}
    assert process.wait(15) in (0, -signal.SIGTERM)
    assert len(await onlooker.sessions("notes")) <= 3  # the module's own service, where one runs
