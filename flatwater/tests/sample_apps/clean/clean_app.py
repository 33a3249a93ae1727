"""The clean twin of the leaking notes service: the same endpoints, and nothing that stays.

SAMPLE_CONNINFO says where its PostgreSQL is.
"""

from __future__ import annotations

import json
import os
from collections import OrderedDict, deque
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

from prometheus_client import CollectorRegistry, Counter
from psycopg_pool import AsyncConnectionPool
from starlette.applications import Starlette
from starlette.background import BackgroundTask
from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import JSONResponse, PlainTextResponse, Response, StreamingResponse
from starlette.routing import Route

DOCUMENT = json.loads((Path(__file__).parents[1] / "openapi.json").read_text())
LINE = "a line of forty characters, no more of it\n"
MOST_FOUND = 32
MOST_BODY_BYTES = 10_000

VISITS: deque[str] = deque(maxlen=10)
FOUND: OrderedDict[str, dict[str, Any]] = OrderedDict()
FAULTS: deque[str] = deque(maxlen=10)
GREETINGS = Counter("greetings", "Greetings by route.", ["route"], registry=CollectorRegistry())


def number_of(request: Request, name: str, default: int, lowest: int, highest: int) -> int:
    """A whole number from the query. *Errors*: 422 where it isn't one, or out of bounds."""
    try:
        number = int(request.query_params.get(name, default))
    except ValueError:
        raise HTTPException(422, f"{name} is a whole number") from None
    if not lowest <= number <= highest:
        raise HTTPException(422, f"{name} lies between {lowest} and {highest}")
    return number


def text_of(request: Request, name: str) -> str:
    text = request.query_params.get(name, "")
    if not 0 < len(text) <= 40 or "\0" in text:
        raise HTTPException(422, f"{name} has 1 to 40 characters")
    return text


async def ping(request: Request) -> Response:
    return PlainTextResponse("pong")


async def visits(request: Request) -> Response:
    VISITS.append(f"{request.url.path} at {len(VISITS)}")
    return JSONResponse({"visits": len(VISITS)})


async def search(request: Request) -> Response:
    words = text_of(request, "words")
    if words not in FOUND:
        async with request.app.state.pool.connection() as connection:
            cursor = await connection.execute(
                "select count(*) from sample.note where words like %s", [f"%{words}%"]
            )
            FOUND[words] = {"words": words, "notes": (await cursor.fetchone())[0]}
        while len(FOUND) > MOST_FOUND:
            FOUND.popitem(last=False)
    return JSONResponse(FOUND[words])


async def hello(request: Request) -> Response:
    user = text_of(request, "user")
    GREETINGS.labels("/hello").inc()
    return PlainTextResponse(f"Hello {user}")


async def report(request: Request) -> Response:
    async with request.app.state.pool.connection() as connection:
        cursor = await connection.execute("select count(*) from sample.note")
        return JSONResponse({"notes": (await cursor.fetchone())[0]})


async def authors(request: Request) -> Response:
    limit, after = number_of(request, "limit", 20, 1, 100), number_of(request, "after", 0, 0, 2**63 - 1)
    number_of(request, "offset", 0, 0, 0)  # pages are asked for by key
    async with request.app.state.pool.connection() as connection:
        cursor = await connection.execute(
            """select author.id, author.name, count(note.id)
               from (select id, name from sample.author where id > %s order by id limit %s) as author
               left join sample.note on note.author_id = author.id group by author.id, author.name""",
            [after, limit],
        )
        rows = await cursor.fetchall()
    return JSONResponse(
        {"items": [{"id": number, "name": name, "notes": notes} for number, name, notes in rows]}
    )


async def author(request: Request) -> Response:
    try:
        number = int(request.path_params["id"])
        if not 0 < number < 2**63:
            raise ValueError(number)
    except ValueError as error:
        FAULTS.append(str(error)[:100])
        return JSONResponse({"error": "not a number"}, 422)
    async with request.app.state.pool.connection() as connection:
        cursor = await connection.execute("select name from sample.author where id = %s", [number])
        row = await cursor.fetchone()
    return JSONResponse({"name": row[0]}) if row else JSONResponse({"error": "no such author"}, 404)


async def notes(request: Request) -> Response:
    limit = number_of(request, "limit", 20, 1, 100)
    async with request.app.state.pool.connection() as connection:
        cursor = await connection.execute(
            "select id, author_id, words from sample.note order by id limit %s", [limit]
        )
        rows = await cursor.fetchall()
    return JSONResponse([{"id": number, "author": by, "words": words} for number, by, words in rows])


async def keep_note(request: Request) -> Response:
    body = bytearray()
    async for piece in request.stream():
        body += piece
        if len(body) > MOST_BODY_BYTES:
            return JSONResponse({"error": "too big"}, 413)
    try:
        words = json.loads(body)["words"]
    except (ValueError, TypeError, KeyError):
        return JSONResponse({"error": "not a note"}, 422)
    return JSONResponse({"length": len(words)}, 201, background=BackgroundTask(_announce, len(words)))


async def _announce(length: int) -> None:
    """Ends."""


async def totals(request: Request) -> Response:
    async with request.app.state.pool.connection() as connection:
        cursor = await connection.execute(
            "select sum(cardinality(string_to_array(trim(words), ' '))) from sample.note"
        )
        return JSONResponse({"words": (await cursor.fetchone())[0]})


async def export(request: Request) -> Response:
    async def pieces() -> AsyncIterator[str]:
        for _ in range(20):
            yield LINE * 1_500

    return StreamingResponse(pieces(), media_type="text/plain")


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
        Route("/ping", ping),
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
