"""Whatever driver an application has, its statements and rows are counted, or told as not counted; none is ever a measured nothing."""

from __future__ import annotations

import sys
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

import asyncpg
import psycopg2
import psycopg2.pool
import pytest
import sqlalchemy
from psycopg.conninfo import conninfo_to_dict
from sqlalchemy.ext.asyncio import create_async_engine
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Route

from flatwater.audit.dynamic import drive_application
from flatwater.audit.dynamic.drive import Driven
from flatwater.audit.dynamic.probe import COUNTED

pytestmark = pytest.mark.anyio
OK = {"responses": {"200": {"description": "ok"}}}
MANY = "select n from generate_series(1, 7) n"


def document(*paths: str) -> dict[str, Any]:
    return {"openapi": "3.1.0", "paths": {each: {"get": OK} for each in paths}}


def host_of(conninfo: str) -> str:
    return str(conninfo_to_dict(conninfo)["host"])


async def driven(app: Starlette, *paths: str, **more: Any) -> Driven:
    return await drive_application(app, openapi=document(*paths), calls=40, **more)


async def test_asyncpg_is_counted_and_a_connection_that_it_keeps_is_found(conninfo: str) -> None:
    @asynccontextmanager
    async def lifespan(app: Starlette) -> AsyncIterator[dict[str, Any]]:
        async with asyncpg.create_pool(
            host=host_of(conninfo), user="postgres", max_size=30, min_size=1
        ) as pool:
            yield {"pool": pool}

    async def ask(request: Request) -> Response:
        async with request.state.pool.acquire() as connection:
            rows = await connection.fetch(MANY)
            await connection.fetchval("select 1")
            statement = await connection.prepare("select $1::int")
            await statement.fetch(3)
        return JSONResponse(len(rows))

    async def keep(request: Request) -> Response:
        connection = await request.state.pool.acquire()
        return JSONResponse(await connection.fetchval("select 1"))

    app = Starlette(routes=[Route("/ask", ask), Route("/keep", keep)], lifespan=lifespan)
    found = await driven(app, "/ask", "/keep")
    told = {each.path: each.told for each in found.readings}
    assert (told["/ask"].statements, told["/ask"].rows) == (3, 9)
    assert told["/ask"].with_connection_s > 0
    assert {(each.route, each.rule) for each in found.findings if each.priority == "P1"} == {
        ("GET /keep", "connection-not-returned")
    }


async def test_sqlalchemy_over_asyncpg_is_counted(conninfo: str) -> None:
    engine = create_async_engine(f"postgresql+asyncpg://postgres@/postgres?host={host_of(conninfo)}")

    async def ask(request: Request) -> Response:
        async with engine.connect() as connection:
            rows = (await connection.execute(sqlalchemy.text(MANY))).all()
        return JSONResponse(len(rows))

    found = await driven(Starlette(routes=[Route("/ask", ask)]), "/ask")
    await engine.dispose()
    (reading,) = found.readings
    assert (reading.told.statements, reading.told.rows) == (1, 7)


async def test_psycopg2_is_counted_in_threads_too(conninfo: str) -> None:
    def ask(request: Request) -> Response:
        connection = psycopg2.connect(conninfo)
        try:
            with connection.cursor() as cursor:
                cursor.execute(MANY)
                rows = cursor.fetchall()
                cursor.execute("select 1")
        finally:
            connection.close()
        return JSONResponse(len(rows))

    found = await driven(Starlette(routes=[Route("/ask", ask)]), "/ask")
    (reading,) = found.readings
    assert (reading.told.statements, reading.told.rows) == (2, 8)
    assert psycopg2.connect.__module__ == "psycopg2", "it is left as it was"


async def test_what_another_driver_asks_is_told_as_not_counted(
    conninfo: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def ask(request: Request) -> Response:
        return JSONResponse([])

    monkeypatch.setitem(sys.modules, "pg8000", sys)
    found = await driven(Starlette(routes=[Route("/ask", ask)]), "/ask")
    (reading,) = found.readings
    assert (reading.told.statements, reading.told.rows) == (None, None)
    (unseen,) = [each for each in found.unseen if each.what == "statements and rows"]
    assert "pg8000" in unseen.why
    assert all(each in unseen.why for each in COUNTED)
