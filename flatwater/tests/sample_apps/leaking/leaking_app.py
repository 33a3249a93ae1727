"""A small notes service with every leak that the audit must find; its clean twin is beside it. Never copy from here.

SAMPLE_CONNINFO says where its PostgreSQL is.
"""

from __future__ import annotations

import asyncio
import json
import os
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import psycopg
from prometheus_client import CollectorRegistry, Counter
from psycopg_pool import AsyncConnectionPool
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import JSONResponse, PlainTextResponse, Response
from starlette.routing import Route

DOCUMENT = json.loads((Path(__file__).parents[1] / "openapi.json").read_text())
LINE = "a line of forty characters, no more of it\n"

VISITS: list[str] = []
FOUND: dict[str, dict[str, Any]] = {}
FAULTS: list[BaseException] = []
GREETINGS = Counter("greetings", "Greetings by user.", ["user"], registry=CollectorRegistry())


class Pings:
    """Keeps sixty bytes of each ping: 33 of a bytes object's head, and 27."""

    def __init__(self) -> None:
        self.kept: list[bytes] = []

    async def answer(self, request: Request) -> Response:
        self.kept.append(bytes(27))
        return PlainTextResponse("pong")


async def visits(request: Request) -> Response:
    VISITS.append(f"{request.url.path} number {len(VISITS)}")
    return JSONResponse({"visits": len(VISITS)})


async def search(request: Request) -> Response:
    asked = str(request.url.query)
    if asked not in FOUND:
        words = request.query_params["words"].replace("\0", "")
        async with request.app.state.pool.connection() as connection:
            cursor = await connection.execute(
                "select count(*) from sample.note where words like %s", [f"%{words}%"]
            )
            FOUND[asked] = {"words": words, "notes": (await cursor.fetchone())[0]}
    return JSONResponse(FOUND[asked])


async def hello(request: Request) -> Response:
    user = request.query_params.get("user", "")
    GREETINGS.labels(user).inc()
    return PlainTextResponse(f"Hello {user}")


async def report(request: Request) -> Response:
    connection = await request.app.state.pool.getconn()
    cursor = await connection.execute("select count(*) from sample.note")
    return JSONResponse({"notes": (await cursor.fetchone())[0]})


async def authors(request: Request) -> Response:
    limit, offset = int(request.query_params.get("limit", 20)), int(request.query_params.get("offset", 0))
    async with request.app.state.pool.connection() as connection:
        cursor = await connection.execute(
            "select id, name from sample.author order by id limit %s offset %s", [limit, offset]
        )
        items = []
        for number, name in await cursor.fetchall():
            one = await connection.execute("select count(*) from sample.note where author_id = %s", [number])
            items.append({"id": number, "name": name, "notes": (await one.fetchone())[0]})
    return JSONResponse({"items": items})


async def author(request: Request) -> Response:
    try:
        number = int(request.path_params["id"])
        if not 0 < number < 2**63:
            raise ValueError(number)
    except ValueError as error:
        FAULTS.append(error)
        return JSONResponse({"error": "not a number"}, 422)
    async with await psycopg.AsyncConnection.connect(os.environ["SAMPLE_CONNINFO"]) as connection:
        cursor = await connection.execute("select name from sample.author where id = %s", [number])
        row = await cursor.fetchone()
    return JSONResponse({"name": row[0]}) if row else JSONResponse({"error": "no such author"}, 404)


async def notes(request: Request) -> Response:
    async with request.app.state.pool.connection() as connection:
        cursor = await connection.execute("select id, author_id, words from sample.note order by id")
        rows = await cursor.fetchall()
    return JSONResponse([{"id": number, "author": by, "words": words} for number, by, words in rows])


async def keep_note(request: Request) -> Response:
    try:
        words = json.loads(await request.body())["words"]
    except (ValueError, TypeError, KeyError):
        return JSONResponse({"error": "not a note"}, 422)
    asyncio.get_running_loop().create_task(_announce(len(words)))
    return JSONResponse({"length": len(words)}, 201)


async def _announce(length: int) -> None:
    while length >= 0:
        await asyncio.sleep(3_600)


async def totals(request: Request) -> Response:
    async with request.app.state.pool.connection() as connection:
        cursor = await connection.execute("select words from sample.note")
        words = sum(len(row[0].split()) for row in await cursor.fetchall())
    return JSONResponse({"words": words})


async def export(request: Request) -> Response:
    return PlainTextResponse("".join(LINE for _ in range(30_000)))


async def document(request: Request) -> Response:
    return JSONResponse(DOCUMENT)


@asynccontextmanager
async def lifespan(app: Starlette) -> AsyncIterator[None]:
    async with AsyncConnectionPool(os.environ["SAMPLE_CONNINFO"], min_size=1, max_size=3, open=False) as pool:
        app.state.pool = pool
        yield


app = Starlette(
    routes=[
        Route("/openapi.json", document),
        Route("/ping", Pings().answer),
        Route("/visits", visits),
        Route("/search", search),
        Route("/hello", hello),
        Route("/report", report),
        Route("/authors", authors),
        Route("/authors/{id}", author),
        Route("/notes", notes),
        Route("/notes", keep_note, methods=["POST"]),
        Route("/totals", totals),
        Route("/export", export),
    ],
    lifespan=lifespan,
)
