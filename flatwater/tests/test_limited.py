"""A rate on functions and requests: sync and async, counted apart by who asks, and open or closed when the store fails."""

from __future__ import annotations

import asyncio

import httpx
import psycopg
import pytest
from fastapi import Depends, FastAPI, Request
from fastapi.responses import Response

from flatwater.errors import Refused, TooMany
from flatwater.guard import answer_to
from flatwater.limited import Limited
from flatwater.pool import Database
from flatwater.rate_limit import Decision, RateClass, StoreFailed
from flatwater.rate_limit_postgres import PostgresRateLimiter
from flatwater.tables import RATE_LIMIT

pytestmark = pytest.mark.anyio
TWICE = RateClass("twice", per_s=0.01, burst=2)


class Away:
    async def decide(self, rate: RateClass, identity: str) -> Decision:
        raise OSError("away")


def test_a_function_is_counted_for_who_asks() -> None:
    limit = Limited(TWICE, who=lambda name, **_: name)

    @limit
    def greet(name: str, *, loud: bool = False) -> str:
        """Greets."""
        return name.upper() if loud else name

    assert [greet("a"), greet("a", loud=True), greet("b")] == ["a", "A", "b"]
    with pytest.raises(TooMany) as refused:
        greet("a")
    assert refused.value.retry_after_s is not None
    assert refused.value.retry_after_s > 1
    assert greet.__doc__ == "Greets."
    assert limit.refused == 1


async def test_an_async_function_stays_one() -> None:
    limit = Limited(TWICE, who=lambda: "everybody")

    @limit
    async def work() -> int:
        await asyncio.sleep(0)
        return 1

    assert await work() + await work() == 2
    with pytest.raises(TooMany):
        await work()


async def test_nobody_in_particular_passes() -> None:
    limit = Limited(TWICE, who=lambda: None)
    for _ in range(5):
        await limit.require()


@pytest.mark.parametrize("fails", ["open", "closed"])
async def test_a_store_that_fails_is_open_or_closed_as_said(fails: str) -> None:
    limit = Limited(TWICE, who=lambda: "a", store=Away(), fails=fails)  # type: ignore[arg-type]

    @limit
    async def work() -> int:
        return 1

    if fails == "open":
        assert await work() == 1
    else:
        with pytest.raises(StoreFailed):
            await work()
    assert limit.failed == 1


def test_a_store_can_not_be_asked_by_a_function_that_is_not_async() -> None:
    with pytest.raises(TypeError, match="asynchronously"):

        @Limited(TWICE, who=lambda: "a", store=Away())
        def work() -> None: ...


async def test_it_is_counted_in_postgresql_over_processes(database: Database, conninfo: str) -> None:
    with psycopg.connect(conninfo, autocommit=True) as connection:
        connection.execute("drop table if exists flatwater_rate_limit")
        connection.execute(RATE_LIMIT)
    store = PostgresRateLimiter(database)
    first, second = (Limited(TWICE, who=lambda: "a", store=store, fails="closed") for _ in range(2))
    await first.require()
    await second.require()
    with pytest.raises(TooMany):
        await first.require()


async def test_it_is_a_dependency_of_fastapi() -> None:
    limit = Limited(TWICE, who=lambda request: request.headers.get("x-name"))
    app = FastAPI()

    @app.exception_handler(Refused)
    async def refused(request: Request, error: Exception) -> Response:
        assert isinstance(error, Refused)
        status, headers, content = answer_to(error)
        return Response(content, status, headers)

    @app.get("/", dependencies=[Depends(limit.request)])
    async def home() -> str:
        return "home"

    async with httpx.AsyncClient(transport=httpx.ASGITransport(app), base_url="http://x") as client:
        statuses = [(await client.get("/", headers={"x-name": "a"})).status_code for _ in range(3)]
        assert statuses == [200, 200, 429]
        assert (await client.get("/", headers={"x-name": "b"})).status_code == 200
