"""The guard around an application that it knows nothing of, under a real uvicorn: each bound, and what it does not do."""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import httpx
import pytest
import uvicorn
from starlette.applications import Starlette
from starlette.background import BackgroundTask
from starlette.requests import Request
from starlette.responses import FileResponse, PlainTextResponse, Response, StreamingResponse
from starlette.routing import Route
from starlette.types import Scope
from waiting import until

from flatwater.errors import DatabaseUnavailable, DeadlineExceeded, StatementTimeout
from flatwater.guard import Guard, GuardLimits, answer_to

pytestmark = pytest.mark.anyio

LIMITS = GuardLimits(deadline_s=0.3, response_bytes=10_000)
Handler = Callable[[Request], Awaitable[Response] | Response]


@asynccontextmanager
async def served(
    handler: Handler, limits: GuardLimits = LIMITS, **more: Any
) -> AsyncIterator[tuple[httpx.AsyncClient, Guard]]:
    guard = Guard(Starlette(routes=[Route("/", handler, methods=["GET", "POST"])]), limits, **more)
    server = uvicorn.Server(uvicorn.Config(guard, port=0, log_level="critical", lifespan="off"))
    running = asyncio.create_task(server.serve())
    while not server.started:
        await asyncio.sleep(0.01)
    port = server.servers[0].sockets[0].getsockname()[1]
    async with httpx.AsyncClient(base_url=f"http://127.0.0.1:{port}", timeout=10) as client:
        try:
            yield client, guard
        finally:
            server.should_exit = True
            await running


async def until_left(guard: Guard) -> None:
    """A client has its answer before the request has left the guard."""
    await until(lambda: not guard.in_flight, within_s=5)


async def test_work_in_the_background_is_not_ended_by_the_deadline() -> None:
    done = asyncio.Event()

    async def later() -> None:
        await asyncio.sleep(0.6)
        done.set()

    async def handler(request: Request) -> Response:
        return PlainTextResponse("taken", background=BackgroundTask(later))

    async with served(handler) as (client, _):
        assert (await client.get("/")).text == "taken"
        await asyncio.wait_for(done.wait(), 5)


async def test_an_event_stream_outlives_the_deadline() -> None:
    async def handler(request: Request) -> Response:
        async def events() -> AsyncIterator[bytes]:
            for number in range(8):
                yield f"data: {number}\n\n".encode()
                await asyncio.sleep(0.1)

        return StreamingResponse(events(), media_type="text/event-stream")

    async with served(handler) as (client, _):
        assert (await client.get("/")).text.count("data:") == 8


async def test_a_stream_is_ended_by_its_own_limit_where_it_has_one() -> None:
    ended = asyncio.Event()

    async def handler(request: Request) -> Response:
        async def events() -> AsyncIterator[bytes]:
            try:
                while True:
                    yield b"data: x\n\n"
                    await asyncio.sleep(0.05)
            finally:
                ended.set()

        return StreamingResponse(events(), media_type="text/event-stream")

    def route(scope: Scope) -> GuardLimits | None:
        return GuardLimits(deadline_s=0.3, stream_s=0.5)

    async with served(handler, route=route) as (client, guard):
        began = time.monotonic()
        with pytest.raises(httpx.RemoteProtocolError):
            await client.get("/")
        assert 0.4 < time.monotonic() - began < 2
        await asyncio.wait_for(ended.wait(), 5)
        await until_left(guard)


async def test_a_route_may_take_longer_where_it_says_so() -> None:
    async def handler(request: Request) -> Response:
        await asyncio.sleep(0.6)
        return PlainTextResponse("a report")

    async with served(handler, route=lambda scope: GuardLimits(deadline_s=5)) as (client, _):
        assert (await client.get("/")).text == "a report"


async def test_at_the_deadline_the_work_is_ended_and_the_answer_promises_nothing() -> None:
    ended = asyncio.Event()

    async def handler(request: Request) -> Response:
        try:
            await asyncio.sleep(30)
        finally:
            ended.set()
        return PlainTextResponse("never")

    async with served(handler) as (client, guard):
        answer = await client.get("/")
        assert (answer.status_code, answer.json()["code"]) == (504, "deadline_exceeded")
        assert "stays done" in answer.json()["detail"]
        assert "saved" not in answer.json()["detail"]
        await asyncio.wait_for(ended.wait(), 5)
        assert (await client.get("/")).status_code == 504, "the connection may be used again"
        await until_left(guard)


async def test_a_thread_that_goes_on_does_not_hold_back_the_answer_and_what_it_writes_stays(
    tmp_path: Path,
) -> None:
    written = tmp_path / "written"

    def handler(request: Request) -> Response:
        time.sleep(1.5)
        written.write_text("done")
        return PlainTextResponse("too late")

    async with served(handler) as (client, _):
        began = time.monotonic()
        answer = await client.get("/")
        assert time.monotonic() - began < 1.2
        assert answer.status_code == 504
        assert not written.exists()
        until = time.monotonic() + 5
        while not written.exists():
            assert time.monotonic() < until
            await asyncio.sleep(0.02)


@pytest.mark.parametrize("kind", [DeadlineExceeded, StatementTimeout, DatabaseUnavailable])
def test_an_exception_handler_of_a_framework_promises_no_more(kind: type[Any]) -> None:
    status, _, content = answer_to(kind())
    assert status == kind.status
    assert b"saved" not in content
    assert b"stays done" in content
    assert b"of ours" in answer_to(kind("A sentence of ours."))[2] or b"stays done" in content


def pieces(count: int) -> Callable[[], AsyncIterator[bytes]]:
    async def give() -> AsyncIterator[bytes]:
        for _ in range(count):
            yield b"x" * 1_000

    return give


async def test_a_streamed_answer_within_its_bound_passes() -> None:
    async def handler(request: Request) -> Response:
        return StreamingResponse(pieces(10)())

    async with served(handler) as (client, _):
        assert len((await client.get("/")).content) == 10_000


async def test_a_streamed_answer_is_cut_at_its_bound_and_can_be_told_from_a_whole_one() -> None:
    async def handler(request: Request) -> Response:
        return StreamingResponse(pieces(50)())

    async with served(handler) as (client, guard):
        got = 0
        with pytest.raises(httpx.RemoteProtocolError):
            async with client.stream("GET", "/") as answer:
                async for piece in answer.aiter_raw():
                    got += len(piece)
        assert 0 < got <= 10_000
        await until_left(guard)


@pytest.mark.parametrize("how", ["whole", "told"])
async def test_an_answer_that_is_known_to_be_too_large_is_refused_before_its_first_byte(how: str) -> None:
    async def handler(request: Request) -> Response:
        if how == "whole":
            return PlainTextResponse("x" * 50_000)
        return StreamingResponse(pieces(50)(), headers={"content-length": "50000"})

    async with served(handler) as (client, _):
        answer = await client.get("/")
        assert answer.status_code == 503
        assert "10,000 bytes" in answer.json()["detail"]


async def test_a_head_is_answered_without_the_bytes_it_tells_of() -> None:
    async def handler(request: Request) -> Response:
        return Response(headers={"content-length": "50000"})

    guard = Guard(Starlette(routes=[Route("/", handler)]), LIMITS)
    transport = httpx.ASGITransport(guard)
    async with httpx.AsyncClient(transport=transport, base_url="http://x") as client:
        assert (await client.head("/")).status_code == 200


@pytest.fixture
def large_file(tmp_path: Path) -> Path:
    path = tmp_path / "file"
    path.write_bytes(b"x" * 50_000)
    return path


async def test_a_file_does_not_go_past_who_counts_by_the_servers_shortcut(large_file: Path) -> None:
    async def handler(request: Request) -> Response:
        return FileResponse(large_file)

    guard = Guard(Starlette(routes=[Route("/", handler)]), LIMITS)
    sent: list[dict[str, Any]] = []

    async def receive() -> dict[str, Any]:
        await asyncio.sleep(0)
        return {"type": "http.request", "body": b"", "more_body": False}

    async def send(message: Any) -> None:
        sent.append(message)

    scope = {
        "type": "http",
        "method": "POST",
        "path": "/",
        "headers": [],
        "query_string": b"",
        "client": ("a", 1),
        "extensions": {"http.response.pathsend": {}},
    }
    inner = Guard(FileResponse(large_file), LIMITS)
    await inner(scope, receive, send)
    assert [each["type"] for each in sent] == ["http.response.start", "http.response.body"]
    assert sent[0]["status"] == 503
    assert guard.in_flight == 0


async def test_a_client_that_leaves_ends_its_work_and_is_counted_once() -> None:
    ended = asyncio.Event()

    async def handler(request: Request) -> Response:
        try:
            await asyncio.sleep(30)
        finally:
            ended.set()
        return PlainTextResponse("never")

    async with served(handler, GuardLimits(deadline_s=20)) as (client, guard):
        with pytest.raises(httpx.ReadTimeout):
            await client.get("/", timeout=0.2)
        await asyncio.wait_for(ended.wait(), 5)
        await until_left(guard)
        assert guard.clients_left == 1


async def test_an_application_that_holds_on_after_its_deadline_says_nothing_more() -> None:
    async def handler(request: Request) -> Response:
        try:
            await asyncio.sleep(30)
        except asyncio.CancelledError:
            await asyncio.sleep(0.2)
        return PlainTextResponse("after all")

    async with served(handler) as (client, guard):
        assert (await client.get("/")).status_code == 504
        await asyncio.sleep(0.4)
        assert (await client.get("/")).status_code == 504
        assert guard.in_flight <= 1


async def test_whoever_cancels_from_outside_comes_first() -> None:
    async def handler(request: Request) -> Response:
        await asyncio.sleep(30)
        return PlainTextResponse("never")

    guard = Guard(Starlette(routes=[Route("/", handler)]), GuardLimits(deadline_s=0.2))
    async with httpx.AsyncClient(transport=httpx.ASGITransport(guard), base_url="http://x") as client:
        asking = asyncio.create_task(client.get("/"))
        await asyncio.sleep(0.05)
        asking.cancel()
        with pytest.raises(asyncio.CancelledError):
            await asking
        assert (await client.get("/")).status_code == 504
