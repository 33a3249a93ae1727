"""The oldest server that is promised to work, when this machine has one."""

import subprocess
import time
from collections.abc import Iterator
from pathlib import Path

import psycopg
import pytest
from people import NOW, make_cast

from flatwater.clock import StandingClock
from flatwater.paging import PageRequest
from flatwater.pool import Database
from rightlevel.database.migrations import migrate
from rightlevel.database.ownership import Runner
from rightlevel.database.server import existing_server
from rightlevel.operations.reconcile import reconcile
from rightlevel.programme.figures import FigureQuery, read_figures
from rightlevel.programme.results import ResultWrite, enter_results
from rightlevel.programme.students import list_students

pytestmark = pytest.mark.anyio
BINARIES = next(
    iter(
        sorted(path for path in Path("/usr/lib/postgresql").glob("1[5-7]/bin") if (path / "initdb").exists())
    ),
    None,
)
needs_server = pytest.mark.skipif(
    BINARIES is None, reason="no PostgreSQL 15 to 17 is installed here (Debian: apt-get install postgresql)"
)


@pytest.fixture
def conninfo(tmp_path: Path) -> Iterator[str]:
    assert BINARIES is not None
    runner = Runner(tmp_path, BINARIES)
    runner.own(tmp_path)
    owner = {"user": runner.user, "group": runner.user, "extra_groups": runner.groups}
    cluster = tmp_path / "cluster"
    subprocess.run(
        runner.command(
            BINARIES / "initdb",
            "-D",
            cluster,
            "-U",
            "owner",
            "--auth=trust",
            "--no-sync",
            "--encoding=UTF8",
            "--locale=C",
        ),
        check=True,
        capture_output=True,
        cwd="/",
        **owner,
    )
    process = subprocess.Popen(
        runner.command(
            BINARIES / "postgres",
            "-D",
            cluster,
            "-c",
            "listen_addresses=",
            "-c",
            f"unix_socket_directories={tmp_path}",
        ),
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
        cwd="/",
        **owner,
    )
    found = f"host={tmp_path} user=owner dbname=postgres"
    until = time.monotonic() + 30
    while True:
        try:
            psycopg.connect(found).close()
            break
        except psycopg.OperationalError:
            assert time.monotonic() < until
            time.sleep(0.05)
    yield found
    process.terminate()
    process.wait(30)


@needs_server
async def test_the_main_job_runs_on_the_oldest_server(conninfo: str) -> None:
    server = existing_server({"DATABASE_URL": conninfo})
    assert server is not None
    migrate(server.start())
    clock = StandingClock(NOW)
    async with Database(conninfo) as database:
        async with database.transaction(deadline_s=30) as session:
            cast = await make_cast(session)
            writes = [
                ResultWrite(student, student, cast.round, "language", NOW.date(), level="story")
                for student in cast.students_a
            ]
            answers = await enter_results(session, cast.teacher, writes, clock)
            assert {answer.code for answer in answers} == {"saved"}
        async with database.read(deadline_s=30) as session:
            assert (
                await read_figures(session, cast.coordinator, FigureQuery(cast.round, "language"))
            ).assessed == 5

            assert len((await list_students(session, cast.teacher, PageRequest())).items) == 5
            assert (await reconcile(session)).different == 0
