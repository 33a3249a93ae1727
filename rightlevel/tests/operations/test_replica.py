"""A primary with a standby that follows it: the primary is killed under writes, the standby takes its place, and nothing that was acknowledged is lost."""

from __future__ import annotations

import asyncio
import os
import signal
import subprocess
import time
import uuid
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path

import msgspec
import psycopg
import pytest
from people import NOW, Cast, make_cast

from flatwater.clock import StandingClock, SystemClock
from flatwater.errors import Refused
from flatwater.pool import Database, Limits
from flatwater.queries import read_queries
from rightlevel.assembly import open_platform
from rightlevel.database.migrations import migrate
from rightlevel.database.ownership import Runner
from rightlevel.database.server import ServerDidNotStart, existing_server, find_binaries
from rightlevel.operations import replica as replicas
from rightlevel.operations.import_runner import ImportRequest, ImportRunner
from rightlevel.operations.reconcile import reconcile
from rightlevel.operations.replica import Replica, ReplicaProblem, open_replica
from rightlevel.programme.exchange import NewRun, read_run
from rightlevel.programme.exports import ExportAsk, begin_export
from rightlevel.programme.results import ResultWrite, enter_results
from rightlevel.settings import Settings

pytestmark = pytest.mark.anyio
CHILDREN = 400
PHONES = 8
BEFORE_S = 1.0
QUERIES = read_queries(
    """
-- name: fill
-- Children to be tested.
insert into student (school_id, school_year_id, code, name, name_key, sex, grade)
select %(school)s, %(year)s, 'FO' || n, 'x', 'x', 1, 3 from generate_series(1, %(many)s) n
returning id::text as id
-- name: results
-- Of whom there is a result.
select student_id::text as id from result where deleted_at is null and subject = 'math'
-- name: lock
-- Holds the whole table.
lock table student in share row exclusive mode
""",
    origin="test_replica",
)


class Child(msgspec.Struct, frozen=True):
    id: str


class Pair(msgspec.Struct):
    """A primary and a standby of one user, each with a folder for its socket."""

    runner: Runner
    binaries: Path
    folder: Path
    primary: subprocess.Popen[bytes] | None = None

    def at(self, name: str) -> str:
        return f"host={self.folder / name} user=owner dbname=postgres"

    @property
    def conninfo(self) -> str:
        """Both, and whichever writes."""
        both = f"{self.folder / 'a'},{self.folder / 'b'}"
        return f"host={both} user=owner dbname=postgres target_session_attrs=read-write"

    def run(self, name: str, *words: str | Path) -> None:
        done = subprocess.run(
            self.runner.command(self.binaries / name, *words),
            capture_output=True,
            text=True,
            check=False,
            cwd="/",
            user=self.runner.user,
            group=self.runner.user,
            extra_groups=self.runner.groups,
            timeout=60,
        )
        assert done.returncode == 0, done.stderr

    @contextmanager
    def server(self, name: str) -> Iterator[subprocess.Popen[bytes]]:
        words = (
            "-D",
            self.folder / f"cluster_{name}",
            "-c",
            "listen_addresses=",
            "-c",
            f"unix_socket_directories={self.folder / name}",
        )
        more = (
            "-c",
            "shared_buffers=32MB",
            "-c",
            "max_wal_senders=4",
            "-c",
            "max_connections=40",
            "-c",
            "wal_level=replica",
        )
        process = subprocess.Popen(
            self.runner.command(self.binaries / "postgres", *words, *more),
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
            cwd="/",
            user=self.runner.user,
            group=self.runner.user,
            extra_groups=self.runner.groups,
        )
        try:
            until = time.monotonic() + 30
            while True:
                try:
                    psycopg.connect(self.at(name)).close()
                    break
                except psycopg.OperationalError:
                    assert time.monotonic() < until
                    time.sleep(0.05)
            yield process
        finally:
            if process.poll() is None:
                process.send_signal(signal.SIGINT)
            process.wait(30)


@pytest.fixture(scope="module")
def pair(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Pair]:
    """Made once; the last test kills its primary."""
    tmp_path = tmp_path_factory.mktemp("pair")
    binaries = find_binaries()
    runner = Runner(tmp_path, binaries)
    runner.own(tmp_path)
    found = Pair(runner, binaries, tmp_path)
    for name in ("a", "b"):
        (tmp_path / name).mkdir()
        runner.own(tmp_path / name)
    found.run(
        "initdb",
        "-D",
        tmp_path / "cluster_a",
        "-U",
        "owner",
        "--auth=trust",
        "--no-sync",
        "--encoding=UTF8",
        "--locale=C",
    )
    with ExitStack() as opened:
        found.primary = opened.enter_context(found.server("a"))
        migrate(found.at("a"))
        found.run(
            "pg_basebackup",
            "-d",
            found.at("a"),
            "-D",
            tmp_path / "cluster_b",
            "-R",
            "-X",
            "stream",
            "-c",
            "fast",
            "--no-sync",
        )
        opened.enter_context(found.server("b"))
        # From here on a commit is answered once the standby has it.
        with psycopg.connect(found.at("a"), autocommit=True) as connection:
            connection.execute("alter system set synchronous_standby_names = '*'")
            connection.execute("select pg_reload_conf()")
            while connection.execute(
                "select count(*) from pg_stat_replication where sync_state = 'sync'"
            ).fetchone() != (1,):
                time.sleep(0.05)
        yield found


def add(conninfo: str, words: str) -> None:
    with psycopg.connect(conninfo, autocommit=True) as connection:
        connection.execute(words.encode())


COUNT = read_queries(
    """
-- name: count
-- How many sources there are, and whether this is a replica.
select (select count(*) from import_source)::int as sources, pg_is_in_recovery() as is_replica
""",
    origin="test_replica",
)["count"]


class Seen(msgspec.Struct, frozen=True):
    sources: int
    is_replica: bool


async def seen_by(replica: Replica) -> tuple[int, bool]:
    async with replica.snapshot(deadline_s=10) as session:
        seen = await session.fetch_one(COUNT, {}, into=Seen)
    assert seen is not None
    return seen.sources, seen.is_replica


async def test_long_reads_go_to_a_replica_once_it_is_as_far_and_to_the_primary_where_it_is_not(
    pair: Pair, monkeypatch: pytest.MonkeyPatch
) -> None:
    clock = StandingClock(NOW)
    monkeypatch.setattr(replicas, "CATCH_UP_S", 0.3)
    source = "insert into import_source (kind, name, mapping) values ('students', '{}', '')"
    async with (
        Database(pair.at("a")) as primary,
        open_replica(primary, pair.at("b"), Limits(), SystemClock()) as replica,
    ):
        for number in range(5):
            add(pair.at("a"), source.format(f"R{number}"))
            assert await seen_by(replica) == (number + 1, True), "what was committed is seen at once"
        # It falls behind; a commit waits until the standby has it, not until it shows it.
        add(pair.at("b"), "select pg_wal_replay_pause()")
        await asyncio.sleep(0.2)
        add(pair.at("a"), source.format("R5"))
        assert await seen_by(replica) == (6, False), "never less than was committed"
        add(pair.at("b"), "select pg_wal_replay_resume()")
        assert (await seen_by(replica))[1] is False, "it is passed over for a while"
        assert (replica.reads.on_replica, replica.reads.on_primary) == (5, 2)
    async with Database(pair.at("a")) as primary:
        # One that follows none goes its own way; one that is away is passed over; neither costs anybody the read.
        for elsewhere in (pair.at("a"), "host=/nowhere user=owner dbname=postgres"):
            async with open_replica(primary, elsewhere, Limits(connect_s=0.2), SystemClock()) as replica:
                assert (await seen_by(replica))[1] is False
        with pytest.raises(ReplicaProblem, match="RIGHTLEVEL_REPLICA_URL"):
            async with open_replica(primary, "postgresql://[", Limits(), clock):
                raise AssertionError


@pytest.fixture(scope="module")
async def cast(pair: Pair, anyio_backend: object) -> Cast:
    async with Database(pair.at("a")) as database, database.transaction(deadline_s=30) as session:
        return await make_cast(session)


async def test_files_are_taken_out_of_a_replica(pair: Pair, cast: Cast, tmp_path: Path) -> None:
    settings = Settings(data_folder=tmp_path, memory_bytes=4_000_000_000, replica_url=pair.at("b"))
    server = existing_server({"DATABASE_URL": pair.at("a")})
    assert server is not None
    server.start()
    async with open_platform(settings, server=server) as platform:
        async with platform.database.transaction(deadline_s=30) as session:
            ask = ExportAsk("roster", "csv")
            export_id = await begin_export(session, cast.coordinator, ask, platform.clock)
        content = b"".join([each async for each in platform.exports.stream(cast.coordinator, export_id, ask)])
        assert len(content.splitlines()) > len(cast.students_a)
        replica = platform.exports._replica
        assert (replica.reads.on_replica, replica.reads.on_primary) == (1, 0)


async def test_nothing_that_was_acknowledged_is_lost_when_the_primary_is_killed_and_an_import_goes_on(
    pair: Pair, cast: Cast, tmp_path: Path
) -> None:
    clock, told = StandingClock(NOW), dict[str, float]()
    server = existing_server({"DATABASE_URL": pair.at("b")})
    assert server is not None
    with pytest.raises(ServerDidNotStart, match="replica, which takes no writes"):
        server.start()
    async with Database(pair.conninfo) as database:
        async with database.transaction(deadline_s=30) as session:
            values = {"school": cast.school_a, "year": cast.school_year, "many": CHILDREN}
            children = [each.id for each in await session.fetch_all(QUERIES["fill"], values, into=Child)]
        runner = ImportRunner(database, clock, tmp_path / "imports")
        await runner.start()
        is_over = False

        async def taps(mine: list[str]) -> None:
            """One phone: the next child once the one before is on the server, and again for as long as it is not."""
            for child in mine:
                write = ResultWrite(
                    str(uuid.uuid4()), child, cast.round, "math", NOW.date(), level="division"
                )
                while not is_over:
                    try:
                        async with database.transaction(deadline_s=5) as session:
                            (answer,) = await enter_results(session, cast.coordinator, [write], clock)
                    except Refused:
                        await asyncio.sleep(0.05)
                        continue
                    assert answer.code == "saved"
                    told[child] = time.monotonic()
                    break
                await asyncio.sleep(0.03)

        phones = [asyncio.create_task(taps(children[at::PHONES])) for at in range(PHONES)]
        sent = tmp_path / "sent.csv"
        sent.write_text("school_code,code,name,sex,grade\n" + "".join(f"A,FI{n},x,f,3\n" for n in range(300)))
        holding = await psycopg.AsyncConnection.connect(pair.at("a"))
        await holding.execute("lock table class in access exclusive mode")
        new = NewRun("students", sent.name, is_dry_run=False, bytes_total=sent.stat().st_size)
        run = await runner.submit(ImportRequest(new, sent, None, cast.coordinator))
        await asyncio.sleep(BEFORE_S)
        assert pair.primary is not None
        os.kill(pair.primary.pid, signal.SIGKILL)
        killed = time.monotonic()
        before = len(told)
        with psycopg.connect(pair.at("b"), autocommit=True) as connection:
            connection.execute("select pg_promote(true, 30)")
            connection.execute("alter system set synchronous_standby_names = ''")
            connection.execute("select pg_reload_conf()")
        async with asyncio.timeout(60):
            while len(told) < before + 3 * PHONES:
                await asyncio.sleep(0.02)
            again_s = min(at for at in told.values() if at > killed + 0.05) - killed
            while run.ended_at is None:
                await runner.wait_until_idle()
                async with database.read(deadline_s=5) as session:
                    run = await read_run(session, cast.coordinator, run.id)
        is_over = True
        await asyncio.gather(*phones)
        await holding.close()
        await runner.stop()
        async with database.read(deadline_s=10) as session:
            kept = {each.id for each in await session.fetch_all(QUERIES["results"], {}, into=Child)}
        async with database.transaction(deadline_s=30) as session:
            assert (await reconcile(session)).different == 0
    assert before >= PHONES, "there were writes before"
    assert set(told) <= kept, "what was acknowledged is there"
    assert again_s < 10, f"writes again after {again_s:.1f} s"
    assert (run.state, run.added) == ("done", 300), run.message
