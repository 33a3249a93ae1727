"""A Litestar service kept flat: what flatwater needs of it stands between the two lines.

DATABASE_URL=postgresql://... uvicorn litestar_notes:app
"""

from __future__ import annotations

import contextlib
import os
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Annotated, Any

import msgspec
from litestar import Litestar, MediaType, Request, Response, get, post
from litestar.datastructures import State
from litestar.params import Parameter

from flatwater.answers import problem, problem_for
from flatwater.errors import Refused
from flatwater.guard import Guard, GuardLimits
from flatwater.paging import BadCursor, Page, PageRequest, page_of
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


@get("/notes")
async def list_notes(
    state: State, limit: Annotated[int, Parameter(ge=1, le=100)] = 20, after: str | None = None
) -> Page[Note]:
    page = PageRequest(limit, after)
    key = page.key(tuple[int]) or (0,)
    async with state.database.read(deadline_s=5, route="list_notes") as session:
        rows = await session.fetch_all(
            queries["list_notes"], {"after": key[0], "rows": page.rows_to_ask}, into=Note
        )
    return page_of(rows, page, lambda note: (note.id,))


@post("/notes")
async def add_note(state: State, data: NewNote) -> Note:
    async with state.database.transaction(deadline_s=5) as session:
        return await session.fetch_one(queries["add_note"], {"words": data.words}, into=Note)


@get("/sleep", media_type=MediaType.TEXT)
async def sleep(state: State, seconds: Annotated[float, Parameter(ge=0, le=60)] = 1.0) -> str:
    async with state.database.read(deadline_s=20, route="sleep") as session:
        await session.fetch_value(queries["sleep"], {"seconds": seconds})
    return "slept"


# flatwater: ten lines --------------------------------------------------------------------------------------------------------
@contextlib.asynccontextmanager
async def lifespan(app: Litestar) -> AsyncIterator[None]:
    async with Database(os.environ["DATABASE_URL"], application_name="notes") as database:
        app.state.database = database
        yield


def refused(request: Request[Any, Any, Any], error: Exception) -> Response[bytes]:
    answer = problem_for(error) or problem(500, "internal_error", "This could not be done.")
    return Response(
        answer.content, status_code=answer.status, headers=answer.headers, media_type=answer.content_type
    )


inner = Litestar(
    [list_notes, add_note, sleep],
    lifespan=[lifespan],
    exception_handlers={Refused: refused, BadCursor: refused, ValueRefused: refused},
    openapi_config=None,
    logging_config=None,
)
app = Guard(inner, GuardLimits(body_bytes=10_000, deadline_s=2), rate=RateClass("notes", per_s=10, burst=200))
# -----------------------------------------------------------------------------------------------------------------------------
