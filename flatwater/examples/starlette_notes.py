"""A Starlette service kept flat: what flatwater needs of it stands between the two lines.

DATABASE_URL=postgresql://... uvicorn starlette_notes:app
"""

from __future__ import annotations

import contextlib
import os
from collections.abc import AsyncIterator
from pathlib import Path

import msgspec
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from flatwater.errors import Refused
from flatwater.guard import Guard, GuardLimits, answer_to
from flatwater.paging import PageLimit, PageRequest, page_of
from flatwater.pool import Database
from flatwater.queries import read_queries
from flatwater.rate_limit import RateClass

queries = read_queries(Path(__file__).with_name("notes.sql").read_text("utf-8"), origin="notes.sql")
PAGE = PageLimit(default=20, ceiling=100)


class Note(msgspec.Struct):
    id: int
    words: str


async def list_notes(request: Request) -> Response:
    limit = min(max(1, int(request.query_params.get("limit", PAGE.default))), PAGE.ceiling)
    page = PageRequest(limit, request.query_params.get("after"))
    after = page.key(tuple[int]) or (0,)
    async with request.state.database.read(deadline_s=5, route="list_notes") as session:
        rows = await session.fetch_all(
            queries["list_notes"], {"after": after[0], "rows": page.rows_to_ask}, into=Note
        )
    return json(page_of(rows, page, lambda note: (note.id,)))


async def add_note(request: Request) -> Response:
    words = msgspec.json.decode(await request.body(), type=dict[str, str])["words"]
    async with request.state.database.transaction(deadline_s=5) as session:
        return json(await session.fetch_one(queries["add_note"], {"words": words}, into=Note), 201)


async def sleep(request: Request) -> Response:
    seconds = float(request.query_params.get("seconds", "1"))
    async with request.state.database.read(deadline_s=20, route="sleep") as session:
        await session.fetch_value(queries["sleep"], {"seconds": seconds})
    return json("slept")


def json(content: object, status: int = 200) -> Response:
    return Response(msgspec.json.encode(content), status, media_type="application/json")


# flatwater: ten lines --------------------------------------------------------------------------------------------------------
@contextlib.asynccontextmanager
async def lifespan(app: Starlette) -> AsyncIterator[dict[str, Database]]:
    async with Database(os.environ["DATABASE_URL"], application_name="notes") as database:
        yield {"database": database}


async def refused(request: Request, error: Refused) -> Response:
    status, headers, content = answer_to(error)
    return Response(content, status, headers)


routes = [Route("/notes", list_notes), Route("/notes", add_note, methods=["POST"]), Route("/sleep", sleep)]
inner = Starlette(routes=routes, lifespan=lifespan, exception_handlers={Refused: refused})
app = Guard(inner, GuardLimits(body_bytes=10_000, deadline_s=2), rate=RateClass("notes", per_s=50, burst=200))
# -----------------------------------------------------------------------------------------------------------------------------
