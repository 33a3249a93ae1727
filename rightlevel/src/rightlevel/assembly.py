"""Builds one frozen Platform and closes it in reverse."""

from __future__ import annotations

import os
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import msgspec

from flatwater.clock import Clock, SystemClock
from flatwater.pool import Database, Limits
from rightlevel.database.migrations import migrate
from rightlevel.database.server import Server, open_server
from rightlevel.programme.accounts import PasswordHasher
from rightlevel.settings import Settings


class Platform(msgspec.Struct, frozen=True):
    """Everything a running platform works with."""

    settings: Settings
    server: Server
    database: Database
    clock: Clock
    passwords: PasswordHasher


@asynccontextmanager
async def open_platform(
    settings: Settings, *, server: Server | None = None, clock: Clock | None = None
) -> AsyncIterator[Platform]:
    """A platform whose server runs, whose schema is current and whose pool is open; all closed again after.

    A server handed in is already running and is left running.
    """
    own = server is None
    running = server or open_server(settings.data_folder, settings.memory_bytes, os.environ)
    conninfo = running.start() if own else running.conninfo
    try:
        migrate(conninfo)
        clock = clock or SystemClock()
        database = Database(
            conninfo, limits=Limits(connections=settings.pool_connections), application_name="rightlevel", clock=clock
        )
        await database.open()
        passwords = PasswordHasher()
        try:
            yield Platform(settings, running, database, clock, passwords)
        finally:
            passwords.close()
            await database.close()
    finally:
        if own:
            running.stop()
