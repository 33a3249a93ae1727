"""What a machine asks a service: is it well, which version is it, what does it offer."""

from __future__ import annotations

import asyncio

import msgspec

from flatwater.contract import Everyone, Raw
from flatwater.metrics import CONTENT_TYPE, text_of
from flatwater.queries import load_queries
from rightlevel import __version__
from rightlevel.operations.health import read_health
from rightlevel.programme.permissions import May, may
from rightlevel.web.application import is_on_this_machine
from rightlevel.web.request import Request
from rightlevel.web.routes import Routes

routes = Routes("service")
_queries = load_queries(__package__ or "")


class Version(msgspec.Struct, frozen=True):
    """Which program runs."""

    version: str
    schema: int


class UpOrDown(msgspec.Struct, frozen=True):
    """All that a stranger is told of the service's health."""

    status: str


@routes.get(
    "/healthz",
    Everyone(),
    work="none",
    statuses={503: "The database is away; told with the same numbers."},
    priority="never",
    media=("application/json",),
)
async def healthz(request: Request) -> Raw:
    """Whether program and database are well; 503 when the database is away. With numbers on this machine itself, and for an admin's token."""
    health = await read_health(
        request.app.database,
        request.app.readings,
        request.app.settings.memory_bytes,
        request.app.supervisor.standings(),
    )
    is_down = health.status == "down"
    sees_numbers = is_on_this_machine(request) or (
        request.actor is not None and may(request.actor, "read", "metric")
    )
    shown = health if sees_numbers else UpOrDown("down" if is_down else "up")
    return Raw(msgspec.json.encode(shown), "application/json", 503 if is_down else 200)


@routes.get("/version", Everyone(), priority="never")
async def version(request: Request) -> Version:
    """Which version of the program runs, and of the schema."""
    return Version(__version__, await request.session.fetch_value(_queries["schema_number"], {}))


@routes.get("/metrics", May("read", "metric"), work="none", priority="never", media=(CONTENT_TYPE,))
async def metrics(request: Request) -> Raw:
    """Everything that is counted, for Prometheus; scraped with an admin's API token."""
    await request.app.readings.take()
    families = request.app.vitals.metrics.families()
    # The text takes tens of milliseconds to write, which nobody else should wait for.
    return Raw(await asyncio.to_thread(text_of, families), CONTENT_TYPE)
