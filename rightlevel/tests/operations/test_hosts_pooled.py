"""Hosts behind a real PgBouncer in transaction mode: many on few connections, nothing left on one for who has it next."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable
from contextlib import AsyncExitStack
from pathlib import Path
from typing import Any

import msgspec
import psycopg
import pytest
from people import Cast, make_cast
from pooler import KEEPS_SINCE, needs_pgbouncer, pooler, version
from serving import OneDatabase

from flatwater.clock import SystemClock
from flatwater.pool import Database, Limits
from flatwater.queries import read_queries
from rightlevel.assembly import Platform, open_platform
from rightlevel.database.migrations import migrate
from rightlevel.database.server import ExistingServer, ServerDidNotStart
from rightlevel.operations.import_runner import ImportRequest
from rightlevel.programme.exchange import NewRun, read_run
from rightlevel.settings import Settings

pytestmark = [pytest.mark.anyio, needs_pgbouncer]
HOSTS = 10
CONNECTIONS = 10
QUERIES = read_queries(
    """
-- name: own
-- What a transaction was told, and on which connection it is.
select current_setting('statement_timeout') as statement, current_setting('application_name') as name,
    current_setting('transaction_read_only') as read_only, pg_backend_pid() as process_id, pg_sleep(0.002)::text as slept
-- name: language
-- What somebody reads.
select language from person where id = %(id)s
-- name: speak
-- Somebody reads another language.
update person set language = %(language)s, version = version + 1 where id = %(id)s
""",
    origin="test_hosts_pooled",
)
LEFT = """
select (select count(*) from pg_locks where locktype = 'advisory' and pid <> pg_backend_pid()),
    (select count(*) from pg_stat_activity where datname = current_database() and state like 'idle in transaction%%'),
    (select max(n) from (select count(*) as n from pg_stat_activity where datname = current_database() and usename = %s) a)
"""
SETTINGS = (
    "statement_timeout",
    "lock_timeout",
    "idle_in_transaction_session_timeout",
    "default_transaction_read_only",
    "search_path",
)


class Own(msgspec.Struct, frozen=True):
    statement: str
    name: str
    read_only: str
    process_id: int
    slept: str


def settings_of(tmp_path: Path, number: int, **more: Any) -> Settings:
    return Settings(
        data_folder=tmp_path / str(number),
        memory_bytes=8_000_000_000,
        port=8000 + number,
        files_folder=str(tmp_path / "shared"),
        **{"pooler": "plain", **more},
    )


def standing_settings(conninfo: str, times: int = 12) -> set[tuple[str, ...]]:
    """What whoever comes next finds on the pooler's connections, one after another."""
    found: set[tuple[str, ...]] = set()
    for _ in range(times):
        with psycopg.connect(conninfo, autocommit=True, prepare_threshold=None) as other:
            rows = other.execute(
                "select string_agg(name || '=' || setting, ' ' order by name) from pg_settings where name = any(%s)",
                [list(SETTINGS)],
            )
            found.add(tuple(rows.fetchone() or ()))
    return found


async def speaks(platform: Platform, person_id: int, language: str) -> None:
    async with platform.database.transaction(deadline_s=20) as session:
        await session.execute(QUERIES["speak"], {"id": person_id, "language": language})


async def asks(platform: Platform, name: str) -> Own:
    async with platform.database.read(deadline_s=20, route=name) as session:
        own = await session.fetch_one(QUERIES["own"], {}, into=Own)
    assert own is not None
    return own


async def test_ten_hosts_work_on_ten_connections_hear_each_other_and_leave_nothing(
    new_database: Callable[[], OneDatabase], tmp_path: Path
) -> None:
    one = new_database()
    with pooler(one, connections=CONNECTIONS) as database:
        before = standing_settings(database.service_conninfo)
        user = str(psycopg.conninfo.conninfo_to_dict(database.service_conninfo)["user"])
        async with AsyncExitStack() as opened:
            hosts = [
                await opened.enter_async_context(
                    open_platform(settings_of(tmp_path, number), server=database)
                )
                for number in range(HOSTS)
            ]
            async with hosts[0].database.transaction(deadline_s=20) as session:
                cast = await make_cast(session)
            work = [asks(host, f"route{number}") for number, host in enumerate(hosts) for _ in range(6)]
            writes = [speaks(host, cast.teacher.person_id, "km") for host in hosts for _ in range(3)]
            told = await asyncio.gather(*work, *writes)
            for number in range(HOSTS):
                own = [each for each in told[number * 6 : number * 6 + 6] if each is not None]
                assert {(each.statement, each.name, each.read_only) for each in own} == {
                    ("30s", f"rightlevel/route{number}", "on")
                }
            shared = {each.process_id for each in told if each is not None}
            assert len(shared) <= CONNECTIONS
            with psycopg.connect(one.conninfo, autocommit=True) as looking:
                locks, open_ended, connections = looking.execute(LEFT, [user]).fetchone() or (None,) * 3
            assert (locks, open_ended) == (0, 0)
            assert connections is not None
            assert connections <= CONNECTIONS, "all hosts together"
            assert await _is_imported_elsewhere(hosts[0], hosts[1], cast, tmp_path)
            assert len(await hosts[-1].hosts.tell(await hosts[-1].readings.take())) == HOSTS
        assert standing_settings(database.service_conninfo) == before


async def _is_imported_elsewhere(taking: Platform, importing: Platform, cast: Cast, tmp_path: Path) -> bool:
    """A file is taken by one host and imported by whichever is free, over the same few connections."""
    await taking.imports.stop()
    sent = tmp_path / "sent.csv"
    sent.write_text("school_code,code,name,sex,grade\n" + "".join(f"A,PG{n},x,f,3\n" for n in range(3_000)))
    new = NewRun("students", sent.name, is_dry_run=False, bytes_total=sent.stat().st_size)
    run = await taking.imports.submit(ImportRequest(new, sent, None, cast.coordinator))
    async with asyncio.timeout(30):
        while run.ended_at is None:
            await asyncio.sleep(0.05)
            async with importing.database.read(deadline_s=5) as session:
                run = await read_run(session, cast.coordinator, run.id)
    return (run.state, run.added) == ("done", 3_000)


@pytest.fixture
async def two_on_one(
    new_database: Callable[[], OneDatabase],
) -> AsyncIterator[tuple[Database, Database, str, OneDatabase]]:
    """Two programs with limits and names of their own on one connection to the server; how to reach it through the pooler; the database itself."""
    one = new_database()
    with pooler(one, connections=1) as database:
        conninfo = database.service_conninfo
        async with (
            Database(conninfo, limits=Limits(statement_s=7), application_name="one", pooler=True) as first,
            Database(conninfo, limits=Limits(statement_s=9), application_name="two", pooler=True) as second,
        ):
            yield first, second, conninfo, one


async def test_nothing_of_ones_settings_reaches_another_on_the_same_connection(
    two_on_one: tuple[Database, Database, str, OneDatabase],
) -> None:
    first, second, conninfo, one = two_on_one

    async def ask(database: Database, number: int) -> Own:
        if number % 3 == 0:
            async with database.transaction(deadline_s=6) as session:
                own = await session.fetch_one(QUERIES["own"], {}, into=Own)
        else:
            async with database.read(deadline_s=20, route=f"r{number}") as session:
                own = await session.fetch_one(QUERIES["own"], {}, into=Own)
        assert own is not None
        return own

    told = await asyncio.gather(*(ask(each, number) for number in range(60) for each in (first, second)))
    assert len({each.process_id for each in told}) == 1, "all on one connection"
    for number in range(60):
        for own, statement, name in zip(
            told[2 * number : 2 * number + 2], ("7s", "9s"), ("one", "two"), strict=True
        ):
            route = "other" if number % 3 == 0 else f"r{number}"
            read_only = "off" if number % 3 == 0 else "on"
            assert (own.statement, own.name, own.read_only) == (statement, f"{name}/{route}", read_only)
    assert standing_settings(conninfo) == standing_settings(one.service_conninfo, 1), (
        "as a connection is that nobody used"
    )


async def test_what_begins_through_the_pooler_that_may_not_ends_with_a_sentence_and_leaves_nothing(
    two_on_one: tuple[Database, Database, str, OneDatabase], monkeypatch: pytest.MonkeyPatch
) -> None:
    *_, conninfo, one = two_on_one
    before = standing_settings(conninfo, 1)
    with pytest.raises(ServerDidNotStart, match="RIGHTLEVEL_OWNER_DATABASE_URL"):
        ExistingServer(conninfo, conninfo, has_pooler=True).start()
    with monkeypatch.context() as patched:
        patched.setattr("rightlevel.database.migrations.known_migrations", _fails)
        with pytest.raises(Exception, match="made to fail"):
            await asyncio.to_thread(migrate, one.conninfo)
    with psycopg.connect(one.conninfo, autocommit=True) as looking:
        assert looking.execute("select count(*) from pg_locks where locktype = 'advisory'").fetchone() == (0,)
    assert standing_settings(conninfo, 1) == before


def _fails() -> list[Any]:
    raise RuntimeError("made to fail")


@pytest.mark.skipif(
    version() < KEEPS_SINCE,
    reason="the PgBouncer that is installed here keeps no prepared statements (1.21 and later do)",
)
async def test_prepared_statements_are_brought_along_where_the_pooler_keeps_them(
    new_database: Callable[[], OneDatabase], tmp_path: Path
) -> None:
    with pooler(new_database(), connections=2, keeps_statements=200) as database:
        settings = settings_of(tmp_path, 1, pooler="keeps_statements")
        async with open_platform(settings, server=database, clock=SystemClock()) as platform:
            async with platform.database.transaction(deadline_s=20) as session:
                cast = await make_cast(session)
            await asyncio.gather(*(asks(platform, "prepared") for _ in range(60)))
            for _ in range(12):
                await speaks(platform, cast.teacher.person_id, "km")
            async with platform.database.read(deadline_s=5) as session:
                assert await session.fetch_value(QUERIES["language"], {"id": cast.teacher.person_id}) == "km"
