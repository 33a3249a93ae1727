"""What a machine asks a service: is it well, which version is it, what does it offer."""

from __future__ import annotations

import asyncio

import msgspec

from flatwater.contract import Everyone, Raw, Registry
from flatwater.metrics import CONTENT_TYPE, text_of
from flatwater.openapi import openapi
from flatwater.queries import load_queries
from rightlevel import __version__
from rightlevel.operations.health import read_health
from rightlevel.programme.permissions import May, may
from rightlevel.web.application import is_answered_with_pages, is_on_this_machine
from rightlevel.web.call import Ask
from rightlevel.web.refusals import EVERY_ANSWER, ProblemsOfRoutes
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
async def healthz(call: Ask) -> Raw:
    """Whether program and database are well; 503 when the database is away. With numbers on this machine itself, and for an admin's token."""
    health = await read_health(
        call.app.database, call.app.readings, call.app.settings.memory_bytes, call.app.supervisor.standings()
    )
    is_down = health.status == "down"
    sees_numbers = is_on_this_machine(call) or (call.actor is not None and may(call.actor, "read", "metric"))
    shown = health if sees_numbers else UpOrDown("down" if is_down else "up")
    return Raw(msgspec.json.encode(shown), "application/json", 503 if is_down else 200)


@routes.get("/version", Everyone(), priority="never")
async def version(call: Ask) -> Version:
    """Which version of the program runs, and of the schema."""
    return Version(__version__, await call.session.fetch_value(_queries["schema_number"], {}))


@routes.get("/metrics", May("read", "metric"), work="none", priority="never", media=(CONTENT_TYPE,))
async def metrics(call: Ask) -> Raw:
    """Everything that is counted, for Prometheus; scraped with an admin's API token."""
    await call.app.readings.take()
    families = call.app.vitals.metrics.families()
    # The text takes tens of milliseconds to write, which nobody else should wait for.
    return Raw(await asyncio.to_thread(text_of, families), CONTENT_TYPE)


DOCUMENT_S = 30.0
"""Making the document takes a second or two of a processor; where many work on a small machine, that is more than a read may take."""
SECURITY = {
    "bearer": {"type": "http", "scheme": "bearer"},
    "session": {"type": "apiKey", "in": "cookie", "name": "rl_session"},
}


def document(registry: Registry) -> bytes:
    """The OpenAPI document of all routes, as bytes."""
    told = openapi(
        registry,
        title="RightLevel",
        version=__version__,
        security=SECURITY,
        problems=ProblemsOfRoutes(),
        in_pages=is_answered_with_pages,
        headers=EVERY_ANSWER,
    )
    return msgspec.json.encode(told)


def document_route(registry: Registry) -> Registry:
    """The route that serves the document of a registry, itself included; the bytes are made at the first request."""
    own = Routes("service")
    made: list[bytes] = []

    @own.get(
        "/api/v1/openapi.json", Everyone(), work="none", deadline_s=DOCUMENT_S, media=("application/json",)
    )
    async def openapi_document(call: Ask) -> Raw:  # pyright: ignore[reportUnusedFunction]
        """This API, described for programs."""
        if not made:
            # Looking through the code of every handler takes half a second, once; others go on meanwhile.
            made.append(await asyncio.to_thread(document, registry))
        return Raw(made[0], "application/json")

    return own
