"""Databases of their own, and the whole application over one: for tests that commit."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from itertools import count
from pathlib import Path

import httpx
import msgspec
import psycopg
from people import NOW, Cast, make_cast, token_of
from starlette.types import ASGIApp

from flatwater.clock import StandingClock
from flatwater.pool import Database
from rightlevel.assembly import Platform, open_platform
from rightlevel.database.migrations import migrate
from rightlevel.database.roles import OWNER
from rightlevel.database.server import PrivateServer, Server, with_database
from rightlevel.settings import Settings

DEADLINE_S = 60.0
_numbers = count(1)


class OneDatabase(msgspec.Struct, frozen=True):
    """One database on the run's server, shown as a server of its own."""

    conninfo: str
    service_conninfo: str
    process_ids_of: Server
    is_private: bool = True

    @property
    def service_role(self) -> str | None:
        return self.process_ids_of.service_role

    def start(self) -> str:
        return self.conninfo

    def stop(self) -> None:
        """The run's server goes on."""

    def process_ids(self) -> list[int]:
        return self.process_ids_of.process_ids()


def make_template(server: PrivateServer, conninfo: str) -> None:
    """Puts the schema into the template database `migrated` of a server that runs, and lets its owner make databases."""
    with psycopg.connect(server.superuser_conninfo(), autocommit=True) as connection:
        connection.execute(f"alter role {OWNER} createdb")
    with psycopg.connect(conninfo, autocommit=True) as connection:
        connection.execute("create database migrated")
    migrate(with_database(conninfo, "migrated"), server.service_role)


class NewDatabase(msgspec.Struct, frozen=True):
    server: PrivateServer

    def __call__(self) -> OneDatabase:
        name = f"test_{next(_numbers)}"
        with psycopg.connect(self.server.conninfo, autocommit=True) as connection:
            # By its files: through the log it would take twice as long, and a run makes hundreds.
            connection.execute(f"create database {name} template migrated strategy file_copy")
        return OneDatabase(
            with_database(self.server.conninfo, name),
            with_database(self.server.service_conninfo, name),
            self.server,
        )


class Served(msgspec.Struct, frozen=True):
    """The whole application over a database of its own, with the cast in it."""

    app: ASGIApp
    cast: Cast
    database: Database
    server: OneDatabase
    platform: Platform
    clock: StandingClock = msgspec.field(default_factory=lambda: StandingClock(NOW))
    """The platform's own, where `serving` made it."""

    def on_this_machine(self) -> httpx.AsyncClient:
        """A program that asks from the machine on which the service runs."""
        transport = httpx.ASGITransport(self.app, raise_app_exceptions=False)
        return httpx.AsyncClient(transport=transport, base_url="http://localhost")

    def client(self, name: str | None = None, *, by: str = "bearer") -> httpx.AsyncClient:
        """A client signed in as somebody of the cast: by bearer token, or by the session's cookie as a browser is."""
        headers = {"authorization": f"Bearer {token_of(name)}"} if name and by == "bearer" else {}
        cookies = {"rl_session": token_of(name)} if name and by == "cookie" else {}
        if cookies:
            headers["x-csrf-token"] = "csrf"
        transport = httpx.ASGITransport(self.app, raise_app_exceptions=False)
        return httpx.AsyncClient(
            transport=transport, base_url="http://test", headers=headers, cookies=cookies
        )


@asynccontextmanager
async def serving(database: OneDatabase, folder: Path, **settings: object) -> AsyncIterator[Served]:
    """The application, started, on a migrated database into which the cast is committed."""
    async with Database(database.conninfo) as opened:
        async with opened.transaction(deadline_s=DEADLINE_S) as session:
            cast = await make_cast(session)
        from rightlevel.web.app import build_app

        # The tests' own process is larger than any service: its memory must not make the service turn people away.
        chosen = {
            "data_folder": str(folder),
            "memory_bytes": 4_000_000_000,
            "cookie_is_secure": "false",
            **settings,
        }
        read = msgspec.convert(chosen, Settings, dec_hook=lambda _kind, value: Path(value))
        platforms: list[Platform] = []
        clock = StandingClock(NOW)

        @asynccontextmanager
        async def platform() -> AsyncIterator[Platform]:
            async with open_platform(read, server=database, clock=clock) as running:
                platforms.append(running)
                yield running

        app = build_app(platform)
        async with app.running():
            yield Served(app, cast, opened, database, platforms[0], clock)
