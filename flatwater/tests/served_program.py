"""A small program that the tests start, stop and have recycled: `served_program.py PORT CONNINFO DRAIN_S`.

Each answer names the life it was given in; a recycled process keeps its number but begins another life.
"""

from __future__ import annotations

import asyncio
import sys
import uuid
from contextlib import AsyncExitStack

import click
from starlette.types import Receive, Scope, Send

from flatwater.clock import SystemClock
from flatwater.pool import Database, Limits
from flatwater.queries import read_queries
from flatwater.recycling import Recycler
from flatwater.serving import ServingLimits, run

LIFE = uuid.uuid4().hex
LARGE_BYTES = 20_000_000
QUERIES = read_queries(
    "-- name: wait\n-- Waits on the server.\nselect pg_sleep(%(seconds)s)::text as waited;",
    origin="served program",
)
recyclers: list[Recycler] = []


def recycler() -> Recycler:
    recyclers.append(Recycler(10**12, SystemClock(), every_s=0.0))
    return recyclers[0]


class Program:
    def __init__(self, conninfo: str) -> None:
        self._conninfo = conninfo
        self._stack = AsyncExitStack()

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] == "lifespan":
            await self._live(receive, send)
            return
        content = await self._content(scope["path"])
        head = [(b"content-length", str(len(content)).encode())]
        await send({"type": "http.response.start", "status": 200, "headers": head})
        await send({"type": "http.response.body", "body": content})

    async def _content(self, path: str) -> bytes:
        if path == "/large":
            return b"x" * LARGE_BYTES
        if path == "/recycle":
            recyclers[0].ask("the test wants it")
        if path.startswith("/wait/"):
            async with self._database.read(deadline_s=60.0) as session:
                await session.fetch_value(QUERIES["wait"], {"seconds": float(path.removeprefix("/wait/"))})
        return LIFE.encode()

    async def _live(self, receive: Receive, send: Send) -> None:
        await receive()
        limits = Limits(statement_s=60.0, acquire_s=20.0)
        database = Database(self._conninfo, limits=limits, application_name="served")
        self._database = await self._stack.enter_async_context(database)
        await send({"type": "lifespan.startup.complete"})
        await receive()
        await asyncio.sleep(0)
        await self._stack.aclose()
        await send({"type": "lifespan.shutdown.complete"})


if __name__ == "__main__":
    run(
        Program(sys.argv[2]),
        "127.0.0.1",
        int(sys.argv[1]),
        limits=ServingLimits(drain_s=float(sys.argv[3])),
        recycler=recycler,
        ready=lambda: click.echo("ready"),
    )
