"""A FastAPI service kept flat: what flatwater needs of it stands between the two lines.

DATABASE_URL=postgresql://... uvicorn fastapi_notes:app
"""

from __future__ import annotations

import contextlib
import os
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Annotated, Any

import msgspec
from fastapi import Body, Depends, FastAPI, Query, Request, Response

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


# flatwater: ten lines --------------------------------------------------------------------------------------------------------
@contextlib.asynccontextmanager
async def lifespan(app: FastAPI) -> AsyncIterator[dict[str, Database]]:
    async with Database(os.environ["DATABASE_URL"], application_name="notes") as database:
        yield {"database": database}


def database_of(request: Request) -> Database:
    return request.state.database


def page_asked(limit: Annotated[int, Query(ge=1, le=100)] = 20, after: str | None = None) -> PageRequest:
    return PageRequest(limit, after)


inner = FastAPI(lifespan=lifespan)
app = Guard(inner, GuardLimits(body_bytes=10_000, deadline_s=2), rate=RateClass("notes", per_s=10, burst=200))


@inner.exception_handler(Refused)
@inner.exception_handler(BadCursor)
@inner.exception_handler(ValueRefused)
async def refused(request: Request, error: Exception) -> Response:
    answer = problem_for(error) or problem(500, "internal_error", "This could not be done.")
    return Response(answer.content, answer.status, answer.headers, answer.content_type)


# -----------------------------------------------------------------------------------------------------------------------------


Reached = Annotated[Database, Depends(database_of)]


@inner.get("/notes")
async def list_notes(database: Reached, page: Annotated[PageRequest, Depends(page_asked)]) -> Any:
    after = page.key(tuple[int]) or (0,)
    async with database.read(deadline_s=5, route="list_notes") as session:
        rows = await session.fetch_all(
            queries["list_notes"], {"after": after[0], "rows": page.rows_to_ask}, into=Note
        )
    return msgspec.to_builtins(page_of(rows, page, lambda note: (note.id,)))


@inner.post("/notes", status_code=201)
async def add_note(database: Reached, words: Annotated[str, Body(embed=True)]) -> Any:
    async with database.transaction(deadline_s=5) as session:
        return msgspec.to_builtins(await session.fetch_one(queries["add_note"], {"words": words}, into=Note))


@inner.get("/sleep")
async def sleep(database: Reached, seconds: Annotated[float, Query(ge=0, le=60)] = 1.0) -> str:
    async with database.read(deadline_s=20, route="sleep") as session:
        await session.fetch_value(queries["sleep"], {"seconds": seconds})
    return "slept"
