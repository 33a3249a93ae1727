"""How long the main roads are: for each trip the files it passes through, the calls it makes and the statements it asks, in this process.

The whole application over a database of its own, with the tests' cast in it; each trip is made three times before it is counted, so that
what is kept (templates, plans, roles) is there. Calls are those of functions of rightlevel and flatwater, counted by the interpreter's own
profiler; statements are all that go to PostgreSQL, begin and commit among them."""

from __future__ import annotations

import asyncio
import sys
import tempfile
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator
from contextlib import asynccontextmanager, contextmanager
from contextvars import ContextVar
from itertools import cycle
from pathlib import Path
from types import FrameType
from typing import Any, Final
from uuid import uuid4

import httpx
import msgspec
import psycopg
from simulation.forms import Form, forms_of

from benchmarks.work import ROOT, Figure

SOURCES: Final = tuple(str(ROOT / each / "src") for each in ("rightlevel", "flatwater"))
BEGUN_BEFORE: Final = 10
"""Up to which instruction a frame has only begun: a coroutine that goes on stands at a later one."""
WARM_UPS: Final = 3
TINY: Final = {"WARM_UPS": 1}


_is_on_the_road: ContextVar[bool] = ContextVar("_is_on_the_road", default=False)
"""Set in the trip's own task: what loops in the background do meanwhile is not its."""


class Road(msgspec.Struct):
    """What one trip took."""

    files: set[str] = msgspec.field(default_factory=set[str])
    calls: int = 0
    statements: list[str] = msgspec.field(default_factory=list[str])


class Goal(msgspec.Struct, frozen=True):
    """At most so many files, calls and statements."""

    files: int
    calls: int
    statements: int


Trip = Callable[[], Awaitable[Callable[[], Awaitable[httpx.Response]]]]
"""Makes ready (a page is opened for its form), and gives what is to be counted."""

GOALS: Final = {
    "one tap": Goal(28, 350, 4),
    "the country's page": Goal(30, 1_500, 6),
    "a visit's page": Goal(35, 2_000, 5),
    "a visit's autosave": Goal(35, 2_000, 5),
}


def measure(say: Callable[[str], None]) -> list[Figure]:
    """*Cost*: a quarter of a minute."""
    with tempfile.TemporaryDirectory() as folder:
        return asyncio.run(_measure(Path(folder), say))


async def _measure(folder: Path, say: Callable[[str], None]) -> list[Figure]:
    figures: list[Figure] = []
    async with open_site(folder) as site:
        for name, trip in (await _trips(site)).items():
            road = await _walk(trip)
            say(f"{name}: {len(road.files)} files, {road.calls:,} calls, {len(road.statements)} statements")
            say("  " + "; ".join(road.statements))
            figures += _figures(name, road)
    return figures


def _figures(name: str, road: Road) -> Iterator[Figure]:
    goal = GOALS.get(name)
    counted = {"files": len(road.files), "calls": road.calls, "statements": len(road.statements)}
    for unit, count in counted.items():
        most = getattr(goal, unit) if goal else None
        yield Figure(
            f"{name}: {unit}",
            count,
            unit,
            f"<= {most:,}" if most else "",
            count <= most if most else None,
            "",
        )


async def _walk(trip: Trip) -> Road:
    for _ in range(WARM_UPS):
        _require_taken(await (await trip())())
    deed, road = await trip(), Road()
    with _counting(road):
        answer = await deed()
    _require_taken(answer)
    return road


def _require_taken(answer: httpx.Response) -> None:
    if answer.status_code not in (200, 201, 202, 303):
        raise RuntimeError(f"{answer.request.url} answered {answer.status_code}: {answer.text[:500]}")


@contextmanager
def _counting(road: Road) -> Iterator[None]:
    execute = psycopg.AsyncCursor.execute

    async def counted(self: Any, query: Any, *values: Any, **more: Any) -> Any:
        if _is_on_the_road.get():
            road.statements.append(_title(query))
        return await execute(self, query, *values, **more)

    def called(frame: FrameType, event: str, _argument: object) -> None:
        code = frame.f_code
        is_ours = event == "call" and code.co_filename.startswith(SOURCES)
        if is_ours and frame.f_lasti <= BEGUN_BEFORE and _is_on_the_road.get():
            road.calls += 1
            road.files.add(code.co_filename)

    psycopg.AsyncCursor.execute = counted  # type: ignore[method-assign]
    token = _is_on_the_road.set(True)
    sys.setprofile(called)
    try:
        yield
    finally:
        sys.setprofile(None)
        _is_on_the_road.reset(token)
        psycopg.AsyncCursor.execute = execute  # type: ignore[method-assign]


def _title(query: object) -> str:
    words = " ".join(str(query).split())
    return words[:60]


@asynccontextmanager
async def open_site(folder: Path) -> AsyncIterator[Any]:
    sys.path.insert(0, str(ROOT / "rightlevel/tests"))
    from serving import NewDatabase, make_template, serving

    from rightlevel.database.server import PrivateServer

    server = PrivateServer(folder / "server", 150_000_000)
    conninfo = server.start()
    try:
        make_template(server, conninfo)
        async with serving(NewDatabase(server)(), folder / "data") as site:
            yield site
    finally:
        server.stop()


def _form_at(text: str, action: str) -> dict[str, list[str]]:
    """What the form that goes there would send, untouched."""
    form: Form = next(each for each in forms_of(text) if action in each.action and each.method == "post")
    sent: dict[str, list[str]] = {}
    for name, value in form.fields:
        sent.setdefault(name, []).append(value)
    return sent | {name: sent.get(name, []) for name in form.choices}


async def _trips(site: Any) -> dict[str, Trip]:
    """The main roads: by whom they are gone, and what is sent."""
    cast = site.cast
    teacher, mentor, coordinator, viewer = (
        site.client(name, by="cookie") for name in ("teacher", "mentor", "coordinator", "viewer")
    )
    device = site.client("teacher")
    grid = f"/schools/{cast.school_a}/grid?round={cast.round}&subject=language&group=class-{cast.class_3a}"
    levels = cycle(("letter", "word", "paragraph", "story"))
    sums = cycle(("number_1digit", "number_2digit", "subtraction"))
    begun = {"school_id": str(cast.school_a), "subject": "math", "visited_on": "2026-11-20"}
    visit = (await mentor.post("/visits/new", data=begun)).headers["location"]

    def reading(client: httpx.AsyncClient, path: str) -> Trip:
        async def ready() -> Callable[[], Awaitable[httpx.Response]]:
            return lambda: client.get(path)

        return ready

    async def tap() -> Callable[[], Awaitable[httpx.Response]]:
        sheet = _form_at((await teacher.get(grid)).text, "/grid")
        child = cast.students_a[0]
        fields = {name: sent[0] for name, sent in sheet.items() if sent and name.endswith(f".{child}")}
        fields |= {"student": child, "tested_on": sheet["tested_on"][0], f"choice.{child}": next(levels)}
        return lambda: teacher.post(grid.replace("/grid?", "/grid/row?"), data=fields)

    async def class_grid() -> Callable[[], Awaitable[httpx.Response]]:
        sheet = _form_at((await teacher.get(grid)).text, "/grid")
        marks = {name: [next(levels)] for name in sheet if name.startswith("choice.")}
        return lambda: teacher.post(grid, data=sheet | marks)

    async def batch() -> Callable[[], Awaitable[httpx.Response]]:
        listed = await device.get(f"/api/v1/results?round_id={cast.round}&subject=math&limit=50")
        versions = {each["student_id"]: each["version"] for each in listed.json()["items"]}
        writes = [
            {
                "id": str(uuid4()),
                "student_id": child,
                "round_id": cast.round,
                "subject": "math",
                "tested_on": "2026-11-20",
                "level": next(sums),
                "version": versions.get(child),
            }
            for child in cast.students_a
        ]
        return lambda: device.post("/api/v1/results/batch", json={"writes": writes})

    async def autosave() -> Callable[[], Awaitable[httpx.Response]]:
        form = _form_at((await mentor.get(visit)).text, visit)
        fields = form | {"feedback": [str(uuid4())], "write_id": [str(uuid4())]}
        return lambda: mentor.post(visit, data=fields, headers={"hx-request": "true"})

    return {
        "one tap": tap,
        "a class by the grid": class_grid,
        "a device's batch": batch,
        "the country's figures": reading(coordinator, f"/api/v1/figures?round_id={cast.round}&subject=math"),
        "the country's page": reading(viewer, "/figures"),
        "a list of children": reading(coordinator, "/api/v1/students?limit=50"),
        "a visit's page": reading(mentor, visit),
        "a visit's autosave": autosave,
    }
