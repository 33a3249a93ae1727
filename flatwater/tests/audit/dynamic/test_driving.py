"""What driving sees and doesn't see: hangs, leaving clients, refused calls, writes, memory in small and in caches that fill."""

from __future__ import annotations

import asyncio
import functools
import itertools
from collections.abc import Callable
from pathlib import Path
from typing import Any

import psycopg
import pytest
from psycopg_pool import AsyncConnectionPool
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import JSONResponse, PlainTextResponse, Response
from starlette.routing import Route

from flatwater.audit.dynamic import CouldNotStart, Driven, NoDocument, audit_dynamically, drive_application

pytestmark = pytest.mark.anyio

KEPT: list[bytes] = []
CHAIN: list[Any] = [None]
PLAIN = {"responses": {"200": {"description": "ok"}}}


def document(**operations: Any) -> dict[str, Any]:
    return {"openapi": "3.1.0", "paths": {f"/{name}": {"get": each} for name, each in operations.items()}}


def serving(handler: Callable[[Request], Any], path: str = "/it") -> Starlette:
    return Starlette(routes=[Route(path, handler)])


async def driven(handler: Callable[[Request], Any], *, calls: int = 40, **more: Any) -> Driven:
    return await drive_application(
        serving(handler), openapi=document(it=PLAIN), calls=calls, root=Path(__file__).parent, **more
    )


async def keep_sixty_bytes(request: Request) -> Response:
    KEPT.append(bytes(27))
    return PlainTextResponse("")


async def test_sixty_bytes_a_request_are_measured_and_laid_to_their_line() -> None:
    found = await driven(keep_sixty_bytes)
    growth = found.readings[0].growth
    assert growth is not None
    assert growth.bytes_per_request == pytest.approx(60, abs=8)
    assert (growth.slope.low, growth.slope.high) == (1.0, 1.0)
    assert [(each.rule, each.priority) for each in found.findings] == [("growing-container", "P1")]
    where = found.findings[0].where
    line = keep_sixty_bytes.__code__.co_firstlineno + 1
    assert (where.path, where.line) == ("test_driving.py", line)


async def test_what_no_container_shows_is_still_seen_to_grow() -> None:
    async def chain(request: Request) -> Response:
        CHAIN[0] = (bytes(27), CHAIN[0])
        return PlainTextResponse("")

    found = await driven(chain)
    assert [each.rule for each in found.findings] == ["memory-grows"]
    assert found.findings[0].where.path == "test_driving.py"


async def test_a_cache_that_fills_up_to_its_ceiling_is_no_leak() -> None:
    numbers = itertools.count()

    @functools.lru_cache(maxsize=90)
    def worked_out(number: int) -> list[int]:
        return [number]

    async def cached(request: Request) -> Response:
        return JSONResponse(worked_out(next(numbers)))

    found = await driven(cached)
    growth = found.readings[0].growth
    assert growth is not None
    assert growth.verdict == "flat"
    assert growth.settled_after
    assert found.findings == ()


async def test_a_bounded_cache_that_is_not_full_yet_is_not_examined_to_the_end() -> None:
    numbers = itertools.count()
    held = functools.lru_cache(maxsize=100_000)(lambda number: [number])

    async def cached(request: Request) -> Response:
        return JSONResponse(held(next(numbers)))

    app = serving(cached)
    app.state.held = held
    found = await drive_application(app, openapi=document(it=PLAIN), calls=40)
    assert found.findings == ()
    assert [each.what for each in found.unseen] == ["GET /it"]
    assert "filling up" in found.unseen[0].why


async def test_calls_that_are_refused_are_not_examined_until_a_token_lets_them_in() -> None:
    async def closed(request: Request) -> Response:
        is_known = request.headers.get("authorization") == "Bearer t"
        return PlainTextResponse("", 200 if is_known else 401)

    refused = await driven(closed)
    assert refused.readings[0].verdict == "not_examined"
    assert "401" in refused.unseen[0].why
    assert (await driven(closed, headers={"Authorization": "Bearer t"})).readings[0].verdict == "flat"


async def test_what_changes_something_is_driven_only_when_told_so() -> None:
    changed: list[int] = []

    async def change(request: Request) -> Response:
        changed.append(1)
        changed[:] = changed[-3:]
        return PlainTextResponse("")

    app = Starlette(routes=[Route("/it", change, methods=["DELETE"])])
    listed = {"paths": {"/it": {"delete": PLAIN}}}
    found = await drive_application(app, openapi=listed, calls=40)
    assert changed == []
    assert [each.what for each in found.unseen] == ["DELETE /it"]
    assert (await drive_application(app, openapi=listed, calls=40, writes=True)).unseen == ()
    assert changed != []


async def test_work_that_goes_on_for_a_client_that_has_left_is_found() -> None:
    async def app(scope: Any, receive: Any, send: Any) -> None:
        if scope["type"] != "http":
            return
        await receive()
        await send({"type": "http.response.start", "status": 200, "headers": []})
        await send({"type": "http.response.body", "body": b"piece", "more_body": True})
        message = asyncio.ensure_future(receive())
        await asyncio.wait({message}, timeout=0.001)
        if message.done():
            await asyncio.sleep(30)
        message.cancel()
        await send({"type": "http.response.body", "body": b""})

    found = await drive_application(app, openapi=document(it=PLAIN), calls=40)
    assert [each.rule for each in found.findings] == ["survives-its-client"]


async def test_an_answer_that_never_ends_is_not_examined(monkeypatch: pytest.MonkeyPatch) -> None:
    async def never(request: Request) -> Response:
        await asyncio.sleep(60)
        return PlainTextResponse("")

    monkeypatch.setattr("flatwater.audit.dynamic.client.CALL_S", 0.2)
    found = await driven(never)
    assert found.readings[0].verdict == "not_examined"
    assert [each.what for each in found.unseen] == ["GET /it"]


async def test_psycopg_is_left_as_it_was(conninfo: str) -> None:
    before = (psycopg.AsyncCursor.execute, AsyncConnectionPool.getconn, vars(psycopg.Connection)["connect"])
    await driven(keep_sixty_bytes)
    after = (psycopg.AsyncCursor.execute, AsyncConnectionPool.getconn, vars(psycopg.Connection)["connect"])
    assert after == before


async def test_an_application_that_does_not_start_or_has_no_document_says_so() -> None:
    async def failing(scope: Any, receive: Any, send: Any) -> None:
        await receive()
        await send({"type": "lifespan.startup.failed", "message": "no database"})

    with pytest.raises(CouldNotStart, match="no database"):
        await audit_dynamically(failing, openapi=document(it=PLAIN))
    with pytest.raises(NoDocument):
        await audit_dynamically(serving(keep_sixty_bytes))


async def test_an_application_that_ends_badly_is_told_of() -> None:
    async def app(scope: Any, receive: Any, send: Any) -> None:
        if scope["type"] == "lifespan":
            await receive()
            await send({"type": "lifespan.startup.complete"})
            await receive()
            raise RuntimeError("no end")
        await send({"type": "http.response.start", "status": 200, "headers": []})
        await send({"type": "http.response.body", "body": b""})

    found = await drive_application(app, openapi=document(it=PLAIN), calls=40)
    assert ["no end" in each.why for each in found.unseen] == [True]


async def test_a_task_that_is_started_once_is_let_be() -> None:
    started: list[asyncio.Task[None]] = []

    async def sampled(request: Request) -> Response:
        if not started and request.url.path:
            started.append(asyncio.create_task(asyncio.sleep(600)))
        return PlainTextResponse("")

    found = await driven(sampled)
    assert found.findings == ()
    assert not started[0].done()
    started[0].cancel()


async def test_the_same_seed_finds_the_same() -> None:
    first, second = await driven(keep_sixty_bytes, seed=7), await driven(keep_sixty_bytes, seed=7)
    assert [each.key for each in first.findings] == [each.key for each in second.findings]
    assert first.readings[0].growth is not None
    assert second.readings[0].growth is not None
    assert first.readings[0].growth.slope == second.readings[0].growth.slope
