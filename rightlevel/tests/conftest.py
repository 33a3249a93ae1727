"""One private PostgreSQL for the whole run; each test in a transaction that is rolled back, or on a database of its own."""

from __future__ import annotations

import sys
from collections.abc import AsyncIterator, Generator, Iterator
from pathlib import Path

import msgspec
import psycopg
import pytest

from flatwater.clock import StandingClock
from flatwater.pool import Database
from flatwater.transaction import Session
from rightlevel.database import server as database_server
from rightlevel.database.roles import OWNER
from rightlevel.database.server import PrivateServer
from rightlevel.database.sizing import server_settings
from rightlevel.programme.levels import NOTHING_ELSE, measured

sys.path.insert(0, str(Path(__file__).parent))
sys.path.append(str(Path(__file__).parents[2]))  # the reader of rendered forms is the simulation's

from answer_checks import CheckedApp, require_documented
from people import NOW, Cast, make_cast
from serving import DEADLINE_S, NewDatabase, Served, make_template, serving

import rightlevel.web.app

# Whoever builds the application, a fixture or a test of its own, builds one whose answers are compared with the document.
rightlevel.web.app.ContractApp = CheckedApp  # type: ignore[misc]


@pytest.hookimpl(wrapper=True)
def pytest_runtest_call() -> Generator[None]:
    """A test that got an answer which the document does not foresee has failed."""
    yield
    require_documented()


class RolledBack(Exception):
    """Ends a test's transaction."""


@pytest.fixture(scope="session")
def anyio_backend() -> tuple[str, dict[str, object]]:
    return "asyncio", {"use_uvloop": True}


def _with_room_for_several(memory_bytes: int, socket_folder: str) -> dict[str, str]:
    # A run makes hundreds of databases of a thousand files each, and throws them away: none of them has to outlive this machine, and none
    # is tended. Every twenty seconds each would be looked at by a process of its own: with a hundred, five a second.
    own = {"max_connections": "40", "fsync": "off", "autovacuum_naptime": "1h"}
    return {**server_settings(memory_bytes, socket_folder), **own}


@pytest.fixture(scope="session")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[PrivateServer]:
    """A private server for the run, with the schema in its template database `migrated`."""
    running = PrivateServer(tmp_path_factory.mktemp("server"), 150_000_000)
    with pytest.MonkeyPatch.context() as patched:
        # One server carries several services at a time here, each with the connections of a whole one.
        patched.setattr(database_server, "server_settings", _with_room_for_several)
        conninfo = running.start()
    with psycopg.connect(running.superuser_conninfo(), autocommit=True) as connection:
        # Tests plant rows past the triggers.
        connection.execute(f"grant set on parameter session_replication_role to {OWNER}")
    make_template(running, conninfo)
    yield running
    running.stop()


@pytest.fixture(scope="session")
def new_database(server: PrivateServer) -> NewDatabase:
    """Makes a migrated database of its own for whoever needs to commit."""
    return NewDatabase(server)


@pytest.fixture
def clock() -> StandingClock:
    return StandingClock(NOW)


class CastInPlace(msgspec.Struct, frozen=True):
    """A database into which the cast is committed, for all tests that roll back what they do with it."""

    database: Database
    cast: Cast


@pytest.fixture(scope="session")
async def database(new_database: NewDatabase, anyio_backend: object) -> AsyncIterator[Database]:
    """An empty database whose tests roll back what they do. Commit nothing here."""
    async with Database(new_database().conninfo) as opened:
        yield opened


@pytest.fixture(scope="session")
async def cast_in_place(new_database: NewDatabase, anyio_backend: object) -> AsyncIterator[CastInPlace]:
    """Made once: the cast takes sixty statements, and two thousand tests ask for it."""
    async with Database(new_database().conninfo) as opened:
        async with opened.transaction(deadline_s=DEADLINE_S) as session:
            cast = await make_cast(session)
        yield CastInPlace(opened, cast)


@pytest.fixture
async def session(request: pytest.FixtureRequest, database: Database) -> AsyncIterator[Session]:
    """A read-write session in a transaction that is rolled back, with the cast in it where the test has one."""
    measured.set(
        NOTHING_ELSE
    )  # tests share a context, and what one test's database measures by is no other's
    if "cast" in request.fixturenames:
        database = request.getfixturevalue("cast_in_place").database
    try:
        async with database.transaction(deadline_s=DEADLINE_S) as opened:
            yield opened
            raise RolledBack
    except RolledBack:
        pass


@pytest.fixture
async def cast(cast_in_place: CastInPlace) -> Cast:
    return cast_in_place.cast


@pytest.fixture(scope="session")
async def served(
    new_database: NewDatabase, tmp_path_factory: pytest.TempPathFactory, anyio_backend: object
) -> AsyncIterator[Served]:
    """One application for all tests that commit; they make their own rows and count nothing global."""
    async with serving(new_database(), tmp_path_factory.mktemp("served")) as opened:
        yield opened
