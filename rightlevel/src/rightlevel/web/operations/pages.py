"""The operator's page: how the platform is now and was for thirty days, what the doctor says, and its cures."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from datetime import timedelta
from typing import Final

import msgspec

from flatwater.asgi import NotAllowed, NotSignedIn
from flatwater.contract import Html, Redirect, Streamed
from flatwater.load_shedding import Overloaded
from flatwater.paging import PageLimit, PageRequest
from flatwater.transaction import Session
from rightlevel import __version__
from rightlevel.operations.backup import newest_backup
from rightlevel.operations.history import Point, readings_since
from rightlevel.operations.hosts import list_hosts
from rightlevel.operations.operator_view import OperatorView, Parts, gather, sessions_of_the_database
from rightlevel.programme.audit import write_audit
from rightlevel.programme.exchange import count_waiting, list_runs
from rightlevel.programme.permissions import May
from rightlevel.web.authority import actor_again
from rightlevel.web.language import N_
from rightlevel.web.request import READ_S, Request, actor_of
from rightlevel.web.routes import Routes
from rightlevel.web.sent import NoFields
from rightlevel.web.templating import done, language_of, render

routes = Routes("pages")

EVERY_S: Final = 2.0
STREAM_S: Final = 60.0
"""A stream ends after a minute and the browser asks for the next, which is when it is seen whether it still may."""
MAX_STREAMS: Final = 8
CURE_S: Final = 300.0
PAGE_S: Final = 15.0
"""The doctor is waited for for ten seconds, and then told of as still looking."""
DAYS: Final = (1, 7, 30)
RUNNING: Final = ("waiting", "reading", "saving")
_streams = [0]


class Since(msgspec.Struct, frozen=True):
    """How many days of history to show."""

    days: int = 1


class CureForm(msgspec.Struct, frozen=True):
    """Which cure of which finding."""

    key: str = ""
    sql: str = ""


def parts_of(request: Request) -> Parts:
    """What the view is gathered from."""
    app = request.app
    return Parts(
        database=app.database,
        server=app.server,
        readings=app.readings,
        vitals=app.vitals,
        delivery=app.delivery,
        caches=app.caches,
        imports=app.imports,
        supervisor=app.supervisor,
        budget_bytes=app.settings.memory_bytes,
        second_levels=app.second_levels,
        this_host=app.hosts.id,
    )


async def _view(request: Request) -> OperatorView:
    async with request.database.operations(deadline_s=READ_S) as session:
        sessions = await sessions_of_the_database(session)
        backup = await newest_backup(session)
        hosts = await list_hosts(session)
        waiting = await count_waiting(session)
    return await gather(parts_of(request), sessions, backup, hosts, waiting)


@routes.get("/operations", May("read", "metric"), work="none", deadline_s=PAGE_S, page=PageLimit(5, 20))
async def operations_page(request: Request, *, query: Since, page: PageRequest) -> Html:
    """How the platform is, as it is now; kept up to date where the browser can."""
    days = query.days if query.days in DAYS else 1
    now = request.clock.now()
    async with request.database.read(deadline_s=READ_S, route="operations_page") as session:
        points = await readings_since(session, now - timedelta(days=days), now)
        jobs = await list_runs(session, actor_of(request), page)
    examined = await request.app.desk.examine()
    return render(
        request,
        "operations/page.html",
        view=await _view(request),
        days=days,
        all_days=DAYS,
        examined=examined,
        jobs=jobs.items,
        running=RUNNING,
        version=__version__,
        lines=lines_of(points),
    )


@routes.get(
    "/operations/live", May("read", "metric"), work="none", tags=("service",), media=("text/event-stream",)
)
async def operations_live(request: Request) -> Streamed:
    """The live part of the page, again every two seconds, as server-sent events."""
    if _streams[0] >= MAX_STREAMS:
        raise Overloaded
    return Streamed(
        _events(request), "text/event-stream", {"cache-control": "no-store", "x-accel-buffering": "no"}
    )


async def _events(request: Request) -> AsyncIterator[bytes]:
    _streams[0] += 1
    loop = asyncio.get_running_loop()
    until = loop.time() + STREAM_S
    try:
        yield b"retry: 2000\n\n"
        while loop.time() < until and await _may_still_look(request):
            text = render(request, "operations/live.html", view=await _view(request)).text
            lines = "".join(f"data: {line}\n" for line in text.splitlines() if line.strip())
            yield f"event: live\n{lines}\n".encode()
            await asyncio.sleep(EVERY_S)
    finally:
        _streams[0] -= 1


async def _may_still_look(request: Request) -> bool:
    """Whether whoever opened the stream is still signed in and may look: read each time, so that it ends with their session."""
    try:
        async with request.database.read(deadline_s=READ_S) as session:
            await actor_again(request, session)
    except (NotSignedIn, NotAllowed):
        return False
    return True


@routes.post("/operations/cure", May("change", "setting"), work="none", deadline_s=CURE_S)
async def post_cure(request: Request, *, form: CureForm) -> Redirect:
    """Applies one safe cure of the doctor's, if what it cures is still there; written down with what came of it."""
    actor = actor_of(request)
    deed = await request.app.desk.cure(form.key, form.sql)

    async def write(session: Session) -> None:
        after = {"finding": form.key, "cure": form.sql[:500], "said": deed.said}
        await write_audit(session, actor, "cure", "database", form.key[:60], after=after)

    await request.database.run(write, deadline_s=READ_S)
    gettext = language_of(request).gettext
    text = gettext(N_("Done: {said}")) if deed.done else gettext(N_("Not done: {said}"))
    return done(request, "/operations#doctor", text.format(said=deed.said))


@routes.post("/operations/look", May("read", "metric"), work="none", deadline_s=CURE_S)
async def look_again(request: Request, *, form: NoFields) -> Redirect:
    """Has the doctor look again, now."""
    await request.app.desk.examine(afresh=True)
    return done(request, "/operations#doctor")


WIDTH, HEIGHT = 300, 60


def lines_of(points: list[Point]) -> dict[str, tuple[str, str]]:
    """The history as polylines in a box of 300 by 60, each with its highest value in words; nothing for fewer than two points."""
    values: dict[str, list[float | None]] = {
        "memory": [each.memory_bytes for each in points],
        "connections": [each.connections for each in points],
        "query_p95": [each.query_p95_s for each in points],
    }
    units = {"memory": (1e6, "MB"), "connections": (1.0, ""), "query_p95": (1e-3, "ms")}
    lines: dict[str, tuple[str, str]] = {}
    for name, series in values.items():
        seen = [(at, value) for at, value in enumerate(series) if value is not None]
        if len(seen) < 2:
            continue
        highest = max(value for _, value in seen) or 1.0
        drawn = " ".join(
            f"{at / max(len(series) - 1, 1) * WIDTH:.1f},{HEIGHT - value / highest * (HEIGHT - 4):.1f}"
            for at, value in seen
        )
        scale, unit = units[name]
        lines[name] = drawn, f"{highest / scale:,.0f} {unit}".strip()
    return lines
