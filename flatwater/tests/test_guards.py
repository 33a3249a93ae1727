"""What stands around every request: rows, answers and memory within the route's budget; shedding by priority; who is told."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

import httpx
import msgspec
import pytest
from network import query

from flatwater.asgi import ContractApp, WebApplication
from flatwater.clock import Clock, SystemClock
from flatwater.contract import Call, Everyone, Raw, Registry
from flatwater.guards import Guards
from flatwater.load_shedding import LoadShedder
from flatwater.memory_budget import MemoryBudgets, RequestBudget
from flatwater.paging import Page, PageLimit, PageRequest, page_of
from flatwater.pool import Database
from flatwater.rate_limit import RateClass

pytestmark = pytest.mark.anyio

ANY = RateClass("any", per_s=10_000, burst=10_000)
SCARCE = RateClass("scarce", per_s=0.5, burst=2)
NUMBERS = query("select n from generate_series(1, %(rows)s) n")
ADD = query("insert into note (author, words) values ('a', %(words)s)")
COUNT = query("select count(*) from note")
MEGABYTE = 1024 * 1024


class Number(msgspec.Struct):
    n: int


class Many(msgspec.Struct):
    rows: int = 10


class App(msgspec.Struct):
    database: Database
    clock: Clock
    guards: Guards
    go: asyncio.Event


Ask = Call[None, App]
routes = Registry()


@routes.endpoint(
    "GET",
    "/rows",
    who=Everyone(),
    rate=ANY,
    deadline_s=5,
    work="read",
    page=PageLimit(),
    budget=RequestBudget(rows=1_000),
)
async def rows(call: Ask, *, query: Many, page: PageRequest) -> Page[Number]:
    """So many rows."""
    found = await call.session.fetch_all(NUMBERS, {"rows": query.rows}, into=Number)
    return page_of(found[:20], page, lambda each: (each.n,))


@routes.endpoint(
    "POST",
    "/answer",
    who=Everyone(),
    rate=ANY,
    deadline_s=5,
    work="write",
    body_bytes=100,
    media=("text/plain",),
    budget=RequestBudget(response_bytes=10_000),
)
async def answer(call: Ask, *, query: Many, body: dict[str, str]) -> Raw:
    """Saves, and answers with so many bytes."""
    await call.session.execute(ADD, {"words": f"answer {query.rows}"})
    return Raw(b"x" * query.rows, "text/plain")


@routes.endpoint(
    "GET",
    "/memory",
    who=Everyone(),
    rate=ANY,
    deadline_s=5,
    work="read",
    media=("text/plain",),
    budget=RequestBudget(allocation_bytes=20 * MEGABYTE),
    priority="first",
)
async def memory(call: Ask, *, query: Many) -> Raw:
    """Takes so many megabytes, one after the other."""
    held: list[bytes] = []
    for _ in range(query.rows):
        held.append(b"x" * MEGABYTE)
        await call.session.fetch_all(NUMBERS, {"rows": 1}, into=Number)
    return Raw(str(len(held)).encode(), "text/plain")


@routes.endpoint(
    "GET",
    "/health",
    who=Everyone(),
    rate=ANY,
    deadline_s=5,
    work="none",
    priority="never",
    media=("text/plain",),
)
async def health(call: Ask) -> Raw:
    """Whether this is well."""
    return Raw(b"well", "text/plain")


@routes.endpoint(
    "GET",
    "/slow",
    who=Everyone(),
    rate=ANY,
    deadline_s=5,
    work="none",
    priority="never",
    media=("text/plain",),
)
async def slow(call: Ask) -> Raw:
    """At work until it is let go."""
    await call.app.go.wait()
    return Raw(b"done", "text/plain")


@routes.endpoint(
    "GET", "/scarce", who=Everyone(), rate=SCARCE, deadline_s=5, work="none", media=("text/plain",)
)
async def scarce(call: Ask) -> Raw:
    """What may be asked for twice."""
    return Raw(b"here", "text/plain")


class Served(msgspec.Struct):
    client: httpx.AsyncClient
    database: Database
    shedder: LoadShedder
    budgets: MemoryBudgets
    seen: list[tuple[str, str, int]]
    memory_bytes: list[int]
    app: App

    @asynccontextmanager
    async def at_work(self) -> AsyncIterator[None]:
        """One request is at work while the block runs."""
        working = asyncio.create_task(self.client.get("/slow"))
        while not self.shedder.in_flight:
            await asyncio.sleep(0)
        try:
            yield
        finally:
            self.app.go.set()
            await working
            self.app.go.clear()


@pytest.fixture
async def served(database: Database) -> AsyncIterator[Served]:
    memory_bytes = [50 * MEGABYTE]
    shedder = LoadShedder(100 * MEGABYTE, lambda: memory_bytes[0], SystemClock(), relieve=lambda: None)
    budgets, seen = MemoryBudgets(), []

    def observe(name: str, method: str, status: int, took_s: float) -> None:
        assert took_s > 0
        seen.append((name, method, status))

    app = App(database, SystemClock(), Guards(shedder, budgets, observe), asyncio.Event())

    @asynccontextmanager
    async def lifespan() -> AsyncIterator[App]:
        yield app

    service = ContractApp(routes, WebApplication[None, App](), lifespan, guards=lambda app: app.guards)
    transport = httpx.ASGITransport(service)
    async with service.running(), httpx.AsyncClient(transport=transport, base_url="http://test") as client:
        yield Served(client, database, shedder, budgets, seen, memory_bytes, app)


async def code(answer: httpx.Response) -> tuple[int, Any]:
    return answer.status_code, answer.json()["code"]


async def test_more_rows_than_the_budget_are_refused_before_they_become_values(served: Served) -> None:
    assert (await served.client.get("/rows", params={"rows": 1_000})).status_code == 200
    assert await code(await served.client.get("/rows", params={"rows": 1_001})) == (503, "budget_exceeded")
    assert (await served.client.get("/rows", params={"rows": 5})).status_code == 200


async def test_an_answer_over_the_budget_is_refused_and_nothing_of_it_saved(served: Served) -> None:
    assert (await served.client.post("/answer", params={"rows": 10_000}, json={})).status_code == 200
    refused = await served.client.post("/answer", params={"rows": 10_001}, json={})
    assert await code(refused) == (503, "budget_exceeded")
    async with served.database.read(deadline_s=5) as session:
        assert await session.fetch_value(COUNT, {}) == 1


async def test_a_request_that_takes_too_much_memory_is_stopped_and_its_connection_comes_back(
    served: Served,
) -> None:
    assert (await served.client.get("/memory", params={"rows": 2})).text == "2"
    for _ in range(5):
        stopped = await served.client.get("/memory", params={"rows": 200})
        assert await code(stopped) == (503, "budget_exceeded")
    assert served.budgets.struck == 5
    assert (await served.client.get("/memory", params={"rows": 2})).text == "2"
    assert {each.name for each in served.budgets.growth.standing()} == {"memory"}


async def test_what_people_save_is_shed_last(served: Served) -> None:
    statuses: dict[int, list[int]] = {}
    for share in (80, 88, 94, 99):
        served.memory_bytes[0] = share * MEGABYTE
        served.shedder.look(0.0)
        async with served.at_work():
            statuses[share] = [
                (await served.client.get("/memory", params={"rows": 1})).status_code,
                (await served.client.get("/rows")).status_code,
                (await served.client.post("/answer", params={"rows": share}, json={})).status_code,
                (await served.client.get("/health")).status_code,
            ]
    assert statuses == {
        80: [200, 200, 200, 200],
        88: [503, 200, 200, 200],
        94: [503, 503, 200, 200],
        99: [503, 503, 503, 200],
    }
    served.memory_bytes[0] = 50 * MEGABYTE
    served.shedder.look(0.0)
    again = await served.client.get("/rows")
    assert again.status_code == 200
    assert served.shedder.in_flight == 0


async def test_an_idle_service_serves_however_short_memory_is(served: Served) -> None:
    served.memory_bytes[0] = 1_000 * MEGABYTE
    served.shedder.look(0.0)
    for _ in range(20):
        assert (await served.client.get("/rows")).status_code == 200
        assert (await served.client.get("/memory", params={"rows": 1})).status_code == 200
    assert served.shedder.in_flight == 0


async def test_a_body_that_stops_in_the_middle_keeps_nobody_out(served: Served) -> None:
    served.memory_bytes[0] = 1_000 * MEGABYTE
    served.shedder.look(0.0)
    is_over = asyncio.Event()

    async def half_sent() -> AsyncIterator[bytes]:
        yield b"["
        await is_over.wait()
        yield b"]"

    sending = [
        asyncio.create_task(served.client.post("/answer", params={"rows": 1}, content=half_sent()))
        for _ in range(6)
    ]
    while served.shedder.waited_for < 6:
        await asyncio.sleep(0)
    assert (await served.client.get("/rows")).status_code == 200
    is_over.set()
    await asyncio.gather(*sending)
    assert (served.shedder.in_flight, served.shedder.waited_for) == (0, 0)


async def test_a_refusal_says_when_to_come_back(served: Served) -> None:
    served.memory_bytes[0] = 99 * MEGABYTE
    served.shedder.look(0.0)
    async with served.at_work():
        shed = await served.client.get("/rows")
    assert await code(shed) == (503, "overloaded")
    assert int(shed.headers["retry-after"]) >= 1


async def test_every_answer_is_told_refusals_included(served: Served) -> None:
    await served.client.get("/rows")
    await served.client.get("/rows", params={"rows": 2_000})
    await served.client.get("/rows", params={"limit": "many"})
    assert [each[:2] for each in served.seen] == [("rows", "GET")] * 3
    assert served.seen[0][2] == 200
    assert served.seen[1][2] == 503
    assert 400 <= served.seen[2][2] < 500


async def test_answers_say_what_is_left_and_refusals_when_to_ask_again(served: Served) -> None:
    first, second, third = [await served.client.get("/scarce") for _ in range(3)]
    assert first.headers["ratelimit-policy"] == '"scarce";q=2;w=4'
    assert first.headers["ratelimit"] == '"scarce";r=1;t=2'
    assert second.headers["ratelimit"].startswith('"scarce";r=0;t=')
    assert third.status_code == 429
    assert 1 <= int(third.headers["retry-after"]) <= 2
    assert third.headers["ratelimit"].startswith('"scarce";r=0;t=')
