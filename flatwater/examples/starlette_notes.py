"""A Starlette service kept flat: what flatwater needs of it stands between the two lines.

DATABASE_URL=postgresql://... uvicorn starlette_notes:app
"""

from __future__ import annotations

import contextlib
import os
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Annotated

import msgspec
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from flatwater.answers import problem, problem_for
from flatwater.errors import Refused
from flatwater.guard import Guard, GuardLimits
from flatwater.paging import BadCursor, PageRequest, page_of
from flatwater.pool import Database
from flatwater.queries import read_queries
from flatwater.rate_limit import RateClass
from flatwater.transaction import ValueRefused

queries = read_queries(Path(__file__).with_name("notes.sql").read_text("utf-8"), origin="notes.sql")


class Note(msgspec.Struct):
    id: int
    words: str


class NewNote(msgspec.Struct):
    words: str


class ListQuery(msgspec.Struct):
    limit: Annotated[int, msgspec.Meta(ge=1, le=100)] = 20
    after: str | None = None


class SleepQuery(msgspec.Struct):
    seconds: Annotated[float, msgspec.Meta(ge=0, le=60)] = 1.0


async def list_notes(request: Request) -> Response:
    query = msgspec.convert(dict(request.query_params), ListQuery, strict=False)
    page = PageRequest(query.limit, query.after)
    after = page.key(tuple[int]) or (0,)
    async with request.state.database.read(deadline_s=5, route="list_notes") as session:
        rows = await session.fetch_all(
            queries["list_notes"], {"after": after[0], "rows": page.rows_to_ask}, into=Note
        )
    return json(page_of(rows, page, lambda note: (note.id,)))


async def add_note(request: Request) -> Response:
    note = msgspec.json.decode(await request.body(), type=NewNote)
    async with request.state.database.transaction(deadline_s=5) as session:
        return json(await session.fetch_one(queries["add_note"], {"words": note.words}, into=Note), 201)


async def sleep(request: Request) -> Response:
    seconds = msgspec.convert(dict(request.query_params), SleepQuery, strict=False).seconds
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


async def refused(request: Request, error: Exception) -> Response:
    answer = problem_for(error) or problem(422, "input_invalid", str(error))
    return Response(answer.content, answer.status, answer.headers, answer.content_type)


routes = [Route("/notes", list_notes), Route("/notes", add_note, methods=["POST"]), Route("/sleep", sleep)]
expected = (Refused, BadCursor, ValueRefused, msgspec.MsgspecError)
inner = Starlette(routes=routes, lifespan=lifespan, exception_handlers=dict.fromkeys(expected, refused))
app = Guard(inner, GuardLimits(body_bytes=10_000, deadline_s=2), rate=RateClass("notes", per_s=10, burst=200))
# -----------------------------------------------------------------------------------------------------------------------------
