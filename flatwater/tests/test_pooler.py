"""Behind PgBouncer in transaction mode: the same limits, held by each transaction, and nothing left on others' connections."""

from __future__ import annotations

import asyncio
import os
import re
import shutil
import socket
import subprocess
import time
from collections.abc import AsyncIterator, Iterator
from pathlib import Path

import msgspec
import psycopg
import pytest
from network import Onlooker, query
from running_server import NOBODY, RunningServer

from flatwater.cache import MISSING, Cache
from flatwater.errors import DeadlineExceeded, StatementTimeout
from flatwater.invalidation import Invalidation
from flatwater.pool import Database, Limits, LimitsNotHeld
from flatwater.tables import OUTBOX
from flatwater.transaction import ConstraintViolated, Session

PROGRAM = shutil.which("pgbouncer") or shutil.which("pgbouncer", path="/usr/sbin")


def _version() -> tuple[int, ...]:
    """Of the PgBouncer here; none where there is none."""
    if PROGRAM is None:
        return ()
    said = subprocess.run([PROGRAM, "--version"], capture_output=True, text=True, check=True, timeout=10)
    return tuple(int(each) for each in re.findall(r"\d+", said.stdout)[:2])


pytestmark = [
    pytest.mark.anyio,
    pytest.mark.skipif(PROGRAM is None, reason="pgbouncer is not installed here"),
]

ONE = query("select 1")
SETTINGS = query(
    "select current_setting('statement_timeout') || ' ' || current_setting('lock_timeout') || ' ' "
    "|| current_setting('transaction_read_only') || ' ' || current_setting('application_name')"
)
ADD = query("insert into note (author, words) values ('p', %(words)s)")
COUNT = query("select count(*) from note where author = 'p'")
END = query("select current_setting('transaction_timeout')")
NUMBERS = query("select words::int as n from note where author = 'p' order by 1")
SLEEP = query("select pg_sleep(%(seconds)s)")


class Number(msgspec.Struct):
    n: int


@pytest.fixture(scope="module")
def pooler(server: RunningServer, tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """A PgBouncer in transaction mode with two connections to the server for everybody; how to reach it."""
    folder = tmp_path_factory.mktemp("pooler")
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    users, settings = folder / "users.txt", folder / "pgbouncer.ini"
    users.write_text('"postgres" ""\n')
    settings.write_text(
        f"[databases]\npostgres = host={Path(server.socket_path).parent} user=postgres\n[pgbouncer]\n"
        f"listen_addr = 127.0.0.1\nlisten_port = {port}\nauth_type = trust\nauth_file = {users}\n"
        "pool_mode = transaction\ndefault_pool_size = 2\nmax_client_conn = 100\nunix_socket_dir =\n"
    )
    drop = (
        ["setpriv", f"--reuid={NOBODY}", f"--regid={NOBODY}", "--clear-groups"] if os.geteuid() == 0 else []
    )
    for each in (folder, *folder.parents):
        if each.is_relative_to(tmp_path_factory.getbasetemp().parent.parent):
            each.chmod(each.stat().st_mode | 0o055)
    assert PROGRAM is not None
    process = subprocess.Popen(
        [*drop, PROGRAM, settings], stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL
    )
    conninfo = f"host=127.0.0.1 port={port} user=postgres dbname=postgres"
    until = time.monotonic() + 10
    while True:
        try:
            psycopg.connect(conninfo, prepare_threshold=None).close()
            break
        except psycopg.OperationalError:
            assert time.monotonic() < until, "pgbouncer did not start"
            time.sleep(0.05)
    yield conninfo
    process.terminate()
    process.wait()


@pytest.fixture
async def behind(pooler: str, conninfo: str) -> AsyncIterator[Database]:
    async with Database(
        pooler, pooler=True, limits=Limits(statement_s=7, lock_s=3), application_name="behind"
    ) as opened:
        yield opened


async def test_without_saying_so_it_does_not_start(pooler: str) -> None:
    with pytest.raises(
        (LimitsNotHeld, Exception), match=r"pooler=True|unsupported startup parameter|can't be reached"
    ):
        async with Database(pooler, limits=Limits(connect_s=1)):
            pass


async def test_every_transaction_holds_the_limits(behind: Database) -> None:
    async with behind.read(deadline_s=5, route="list_notes") as session:
        assert await session.fetch_value(SETTINGS, {}) == "7s 3s on behind/list_notes"
    async with behind.transaction(deadline_s=5) as session:
        assert (await session.fetch_value(SETTINGS, {})).startswith("7s 3s off behind/")
    async with behind.operations(deadline_s=5) as session:
        assert (await session.fetch_value(SETTINGS, {})).startswith("7s 3s on ")


async def test_nothing_stays_on_a_connection_that_others_get_next(behind: Database, pooler: str) -> None:
    await asyncio.gather(*(_read(behind) for _ in range(20)))
    with psycopg.connect(pooler, autocommit=True, prepare_threshold=None) as other:
        for _ in range(5):
            assert other.execute("show statement_timeout").fetchone() == ("0",)


PREPARED = query("select count(*) from pg_prepared_statements where not from_sql")


async def _prepared(database: Database) -> int:
    """How many named statements a connection keeps after one was asked often."""
    async with database.transaction(deadline_s=5) as session:
        for _ in range(10):
            await session.fetch_value(PREPARED, {})
        return await session.fetch_value(PREPARED, {})


async def test_no_statement_is_kept_unless_the_pooler_is_said_to_bring_it_along(
    behind: Database, conninfo: str
) -> None:
    assert await _prepared(behind) == 0
    # The server itself brings its own along, as such a pooler would.
    async with Database(conninfo, pooler=True, pooler_keeps_statements=True) as keeping:
        assert await _prepared(keeping) == 1


@pytest.mark.skipif(
    _version() >= (1, 24), reason="this PgBouncer keeps statements unless it is told otherwise"
)
async def test_a_pooler_that_keeps_no_statements_is_not_believed_to_and_nothing_is_left(pooler: str) -> None:
    with pytest.raises(LimitsNotHeld, match="max_prepared_statements"):
        async with Database(pooler, pooler=True, pooler_keeps_statements=True):
            raise AssertionError
    with psycopg.connect(pooler, autocommit=True, prepare_threshold=None) as other:
        for _ in range(5):
            assert other.execute(
                "select count(*) from pg_prepared_statements where not from_sql"
            ).fetchone() == (0,)


def test_word_by_notify_is_refused_where_nothing_could_be_heard(conninfo: str) -> None:
    with pytest.raises(ValueError, match="outbox"):
        Database(conninfo, pooler=True, announce_by="notify")


async def test_streams_copies_and_savepoints_work_through_the_pooler(behind: Database) -> None:
    async with behind.transaction(deadline_s=5) as session:
        async with session.copy_in(query("copy note (author, words) from stdin")) as copy:
            for number in range(1_000):
                await copy.write(f"p\t{number}\n")
        with pytest.raises(ConstraintViolated):
            async with session.savepoint():
                await session.execute(ADD, {"words": "1"})
    async with behind.snapshot(deadline_s=5) as session:
        numbers = [row.n async for row in session.stream(NUMBERS, {}, into=Number, rows_per_batch=100)]
    assert numbers == list(range(1_000))
    async with behind.read(deadline_s=5) as session:
        async for row in session.stream(NUMBERS, {}, into=Number, rows_per_batch=10):
            if row.n == 3:
                break
    await asyncio.gather(*(_read(behind) for _ in range(20)))
    assert behind.statistics().connections_lost == 0


async def test_who_waits_in_the_poolers_queue_is_free_at_the_deadline_too(
    behind: Database, pooler: str
) -> None:
    async with Database(pooler, pooler=True, application_name="others") as others:
        sleepers = [asyncio.create_task(_sleep(others, 1.5)) for _ in range(2)]  # all that the pooler has
        await asyncio.sleep(0.3)
        began = time.monotonic()
        with pytest.raises(DeadlineExceeded):
            async with behind.read(deadline_s=0.3) as session:
                await session.fetch_value(ONE, {})
        assert time.monotonic() - began < 0.3 + 1.0
        await asyncio.gather(*sleepers)
    await _read(behind)


async def _sleep(database: Database, seconds: float) -> None:
    async with database.read(deadline_s=5) as session:
        await session.fetch_value(SLEEP, {"seconds": seconds})


async def test_the_server_ends_a_transaction_that_outlives_its_deadline(behind: Database) -> None:
    async with behind.transaction(deadline_s=2) as session:
        assert await session.fetch_value(END, {}) == "2500ms"
    async with behind.read(deadline_s=2) as session:
        assert await session.fetch_value(END, {}) == "2500ms"


async def _read(database: Database) -> None:
    async with database.read(deadline_s=5) as session:
        await session.fetch_value(ONE, {})


async def test_hundreds_of_reads_and_writes_over_two_connections(behind: Database, conninfo: str) -> None:
    async def write(number: int) -> None:
        async def add(session: Session) -> None:
            await session.execute(ADD, {"words": f"{number}"})

        await behind.run(add, deadline_s=20)

    await asyncio.gather(*(write(number) for number in range(60)))
    for _ in range(5):
        await asyncio.gather(*(_read(behind) for _ in range(40)))
    async with behind.read(deadline_s=5) as session:
        assert await session.fetch_value(COUNT, {}) == 60


async def test_a_deadline_cancels_on_the_server_through_the_pooler(
    behind: Database, onlooker: Onlooker
) -> None:
    with pytest.raises(DeadlineExceeded):
        async with behind.read(deadline_s=0.5, route="sleeper") as session:
            await session.fetch_value(SLEEP, {"seconds": 30})
    await onlooker.wait_until_running("behind", "pg_sleep", count=0)
    await _read(behind)


async def test_a_statement_over_its_limit_is_ended_by_the_server(pooler: str) -> None:
    async with Database(pooler, pooler=True, limits=Limits(statement_s=0.3)) as database:
        with pytest.raises(StatementTimeout):
            async with database.read(deadline_s=5) as session:
                await session.fetch_value(SLEEP, {"seconds": 5})
        await _read(database)


async def test_word_of_changes_goes_by_the_outbox(behind: Database, conninfo: str) -> None:
    with psycopg.connect(conninfo, autocommit=True) as connection:
        connection.execute("drop table if exists flatwater_outbox")
        connection.execute(OUTBOX)
    cache: Cache[str] = Cache("things", entries=10, size_bytes=100_000, ttl_s=300)
    hearing = Invalidation(behind)
    hearing.watch(cache)
    async with hearing, Database(conninfo, announce_by="outbox") as writer:
        cache.put("a", "a")
        assert cache.lookup("a") == "a"
        async with writer.transaction(deadline_s=5) as session:
            session.invalidate("things", key="a")
        for _ in range(40):
            if cache.lookup("a") is MISSING:
                break
            await asyncio.sleep(0.1)
        assert cache.lookup("a") is MISSING
