"""One real PostgreSQL for the run, a second connection that looks on, and a network that can fall silent."""

from __future__ import annotations

import contextlib
import sys
from collections.abc import AsyncIterator, Iterator
from pathlib import Path
from typing import Any

import psycopg
import pytest

from flatwater.pool import Database, Limits

sys.path.insert(0, str(Path(__file__).parent))

from network import Network, Onlooker
from running_server import RunningServer

TABLES = """
create table note (
    id bigint generated always as identity primary key,
    author text not null,
    words text not null constraint note_words_are_short check (length(words) < 100),
    constraint note_is_unique unique (author, words)
);
create table counter (name text primary key, value integer not null);
"""


@pytest.fixture(scope="session")
def anyio_backend() -> tuple[str, dict[str, Any]]:
    return "asyncio", {"use_uvloop": True}


@pytest.fixture(scope="session")
def server() -> Iterator[RunningServer]:
    running = RunningServer()
    running.start()
    with psycopg.connect(running.conninfo, autocommit=True) as connection:
        connection.execute(TABLES)
    yield running
    running.remove()


@pytest.fixture
def conninfo(server: RunningServer) -> Iterator[str]:
    """How to reach the server; what the test leaves in the tables is taken out after it."""
    yield server.conninfo
    with psycopg.connect(server.conninfo, autocommit=True) as connection:
        connection.execute("set lock_timeout = '2s'; truncate note restart identity; truncate counter")


@pytest.fixture
async def database(conninfo: str) -> AsyncIterator[Database]:
    async with Database(conninfo, limits=Limits(acquire_s=2.0)) as opened:
        yield opened


@pytest.fixture
async def onlooker(conninfo: str) -> AsyncIterator[Onlooker]:
    """A second real connection."""
    connection = await psycopg.AsyncConnection.connect(conninfo, autocommit=True, application_name="onlooker")
    async with connection:
        yield Onlooker(connection)


@pytest.fixture
async def network(server: RunningServer) -> AsyncIterator[Network]:
    """A TCP way to the server that can fall silent or be cut."""
    async with contextlib.AsyncExitStack() as stack:
        opened = Network(server.socket_path)
        await opened.open()
        stack.push_async_callback(opened.close)
        yield opened
