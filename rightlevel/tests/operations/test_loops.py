"""Every loop of the running platform survives what nobody catches, and its failure is told: on the page, in metrics, to the doctor."""

from __future__ import annotations

import asyncio
import os
import signal
import time
from collections.abc import AsyncIterator, Awaitable, Callable
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import httpx
import psycopg
import pytest
from people import make_cast
from serving import OneDatabase, Served, serving

from flatwater.alerts import Alert
from flatwater.clock import StandingClock, SystemClock
from flatwater.doctor.look import Look
from flatwater.doctor.model import Finding, NotExamined
from flatwater.pool import Database
from flatwater.supervisor import LoopStanding, Supervisor, TaskLoop, ThreadLoop
from rightlevel import assembly
from rightlevel.assembly import Platform, open_platform
from rightlevel.database.bounded_log import BoundedLog
from rightlevel.database.server import PrivateServer
from rightlevel.operations.import_runner import ImportRequest
from rightlevel.operations.loops import LoopReport
from rightlevel.operations.platform_checks import BackgroundLoops
from rightlevel.programme.exchange import NewRun
from rightlevel.settings import Settings

pytestmark = pytest.mark.anyio

PERIOD_S = 0.2
LOOPS = {
    "postgres log",
    "postgres keeper",
    "process monitor",
    "memory line",
    "memory room",
    "load shedding",
    "invalidation",
    "service levels",
    "alerts 1, by log",
    "months",
    "sessions noted",
    "round sealing",
    "sweeping",
    "hosts forgotten",
    "clean-up",
    "reading history",
    "loop report",
    "imports",
    "import marks",
    "import progress",
    "webhooks",
    "complete schools",
    "round days",
}
"""Every loop there is. A new one joins the walks below."""


class NobodyCatchesThis(BaseException):
    """Not even `except Exception` does."""


class Trips(Supervisor):
    """Every loop turns often here, and throws at its first turn what nobody catches."""

    def every(
        self, name: str, turn: Callable[[], Awaitable[object]], *, period_s: float, **more: Any
    ) -> TaskLoop:
        async def tripped() -> None:
            if standing_of(self, name).failures == 0:
                raise NobodyCatchesThis(name)
            await turn()

        return super().every(name, tripped, period_s=min(period_s, PERIOD_S), first_after_s=0.0)

    def keep(self, name: str, work: Callable[[TaskLoop], Awaitable[object]], **more: Any) -> TaskLoop:
        async def tripped(loop: TaskLoop) -> None:
            if loop.standing().failures == 0:
                raise NobodyCatchesThis(name)
            await work(loop)

        return super().keep(name, tripped, **more)

    def thread(self, name: str, work: Callable[[ThreadLoop], object], **more: Any) -> ThreadLoop:
        def tripped(loop: ThreadLoop) -> None:
            if loop.standing().failures == 0:
                raise NobodyCatchesThis(name)
            work(loop)

        return super().thread(name, tripped, **more)


class Often(Supervisor):
    """Every loop turns often here."""

    def every(
        self, name: str, turn: Callable[[], Awaitable[object]], *, period_s: float, **more: Any
    ) -> TaskLoop:
        return super().every(name, turn, period_s=min(period_s, PERIOD_S), first_after_s=0.0)


def standing_of(supervisor: Supervisor, name: str) -> LoopStanding:
    return next(each for each in supervisor.standings() if each.name == name)


async def until(is_so: Callable[[], bool], what: str, *, within_s: float = 60.0) -> None:
    end = time.monotonic() + within_s
    while not is_so():
        assert time.monotonic() < end, f"it did not happen: {what}"
        await asyncio.sleep(0.02)


def settings_in(folder: Path) -> Settings:
    return Settings(data_folder=folder, memory_bytes=4_000_000_000)


async def test_every_loop_throws_what_nobody_catches_is_told_and_works_again(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setattr(assembly, "Supervisor", Trips)
    async with open_platform(settings_in(tmp_path)) as platform:
        supervisor = platform.supervisor
        await give_work(platform, tmp_path)

        def working() -> set[str]:
            return {each.name for each in supervisor.standings() if each.failures and each.turns}

        try:
            await until(lambda: working() == LOOPS, "every loop failed and works", within_s=300.0)
        finally:
            left = LOOPS - working()
            assert not left, f"these did not come back: {left}; unknown: {working() - LOOPS}"
        for name in LOOPS:
            assert f"{name} failed, 1 in a row, and is tried again: NobodyCatchesThis: {name}" in caplog.text
    assert {each.state for each in supervisor.standings()} == {"ended"}, "all end with the platform"


async def give_work(platform: Platform, folder: Path) -> None:
    """What those wait for that turn only when there is something to do: an alert, an import, a server that has died."""
    async with platform.database.transaction(deadline_s=30) as session:
        cast = await make_cast(session)
    at = datetime.now(UTC)
    platform.delivery.tell(Alert("connections", "raised", "warning", "Too many.", at, at))
    platform.imports._unmarked.append(_nothing)
    for number in (1, 2):  # the progress of the first trips, that of the second turns
        path = folder / f"schools {number}.csv"
        rows = "".join(f"KH01,S{each},School {each}\n" for each in range(20_000))
        path.write_text("place_code,code,name\n" + rows)
        new = NewRun("schools", path.name, True, path.stat().st_size)
        await platform.imports.submit(ImportRequest(new, path, None, cast.coordinator))
        await platform.imports.wait_until_idle()
    platform.imports._unmarked.append(_nothing)
    os.kill(platform.server.process_ids()[0], signal.SIGKILL)


async def _nothing(_session: object) -> None:
    """Writes nothing down."""


UNDER: dict[str, str] = {
    "months": "audit_entry",
    "sessions noted": "person_session",
    "round sealing": "round_snapshot",
    "sweeping": "write_receipt",
    "hosts forgotten": "host_standing",
    "clean-up": "join_request",
    "reading history": "reading_history",
    "loop report": "loop_standing",
    "import marks": "import_run",
    "webhooks": "webhook_delivery",
    "complete schools": "webhook",
    "round days": "round",
}
"""A table without which each of these can't do its work."""
WITHOUT_A_TABLE = LOOPS - set(UNDER) - {"imports", "import progress"}
"""These ask no table: processes, memory, LISTEN, levels of the server, a log. The two of imports run only while there is one."""


@pytest.fixture
async def often(
    new_database: Callable[[], OneDatabase], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> AsyncIterator[tuple[Platform, OneDatabase]]:
    monkeypatch.setattr(assembly, "Supervisor", Often)
    database = new_database()
    async with open_platform(settings_in(tmp_path), server=database) as platform:
        yield platform, database


async def test_a_table_renamed_under_each_loop_is_told_holds_up_no_other_and_all_work_when_it_is_back(
    often: tuple[Platform, OneDatabase], caplog: pytest.LogCaptureFixture
) -> None:
    platform, database = often
    supervisor = platform.supervisor
    assert {each.name for each in supervisor.standings()} >= LOOPS - {
        "postgres log",
        "postgres keeper",
        "import progress",
    }

    async def note() -> None:
        platform.seen_sessions.note("01890000-0000-7000-8000-000000000000")
        if not platform.imports._unmarked:
            platform.imports._unmarked.append(mark)
        platform.clean_up._is_owed = True

    async def mark(session: Any) -> None:
        await session.command("select from import_run limit 1")

    supervisor.every("the test gives work", note, period_s=PERIOD_S)
    with psycopg.connect(database.conninfo, autocommit=True) as connection:
        for name, table in UNDER.items():
            caplog.clear()
            connection.execute(f"alter table {table} rename to away_for_a_minute")  # type: ignore[arg-type]
            try:
                await until(
                    lambda name=name: standing_of(supervisor, name).failures_in_a_row >= 2, f"{name} fails"
                )
                assert "TableAway" in standing_of(supervisor, name).last_error
                other = "round sealing" if name != "round sealing" else "sweeping"
                turns = standing_of(supervisor, other).turns
                await until(
                    lambda other=other, turns=turns: standing_of(supervisor, other).turns > turns,
                    f"{other} goes on",
                )
                assert f"{name} failed" in caplog.text
                assert f'relation "{table}" does not exist' in caplog.text
            finally:
                connection.execute(f"alter table away_for_a_minute rename to {table}")  # type: ignore[arg-type]
            await until(
                lambda name=name: standing_of(supervisor, name).failures_in_a_row == 0, f"{name} works again"
            )


async def test_connections_killed_under_all_loops_are_made_anew_by_each(
    often: tuple[Platform, OneDatabase],
) -> None:
    platform, database = often
    supervisor = platform.supervisor
    await until(lambda: platform.invalidation.statistics().is_hearing, "it hears")
    with psycopg.connect(database.conninfo, autocommit=True) as connection:
        for _ in range(3):
            connection.execute(
                "select pg_terminate_backend(pid) from pg_stat_activity where datname = current_database() and pid <> pg_backend_pid()"
            )
            await asyncio.sleep(0.3)
    before = {each.name: each.turns for each in supervisor.standings() if each.period_s is not None}

    def turned() -> set[str]:
        return {name for name, turns in before.items() if standing_of(supervisor, name).turns > turns}

    await until(lambda: turned() == set(before), "each loop with a period turns again")
    await until(lambda: platform.invalidation.statistics().is_hearing, "it hears again")
    assert not [each for each in supervisor.standings() if each.needs_attention]


def test_a_full_disk_loses_lines_of_the_log_and_neither_the_server_nor_the_next_lines(tmp_path: Path) -> None:
    supervisor = Supervisor()
    server = PrivateServer(tmp_path, 150_000_000, supervisor=supervisor)
    folder = tmp_path / "postgres"
    folder.mkdir(parents=True)
    (folder / "log").symlink_to("/dev/full")  # every write fails as on a full disk
    conninfo = server.start()
    try:
        with psycopg.connect(conninfo, autocommit=True) as connection:
            # Three times what the pipe holds: a server whose lines nobody takes stands still here.
            for number in range(200):
                connection.execute("do $$ begin raise warning '%', repeat('x', 1000); end $$")
                assert connection.execute("select %s", [number]).fetchone() == (number,)
            log = standing_of(supervisor, "postgres log")
            assert log.failures >= 100
            assert "No space left on device" in log.last_error
            assert log.state == "failing"
            (folder / "log").unlink()
            connection.execute("do $$ begin raise warning 'there is room again'; end $$")
            connection.execute("do $$ begin raise warning 'there is room indeed'; end $$")
        end = time.monotonic() + 60
        while "there is room indeed" not in (
            (folder / "log").read_text() if (folder / "log").exists() else ""
        ):
            assert time.monotonic() < end
            time.sleep(0.05)
        assert standing_of(supervisor, "postgres log").failures_in_a_row == 0
    finally:
        server.stop()


def test_a_log_that_could_not_be_turned_over_is_written_again(tmp_path: Path) -> None:
    log = BoundedLog(tmp_path / "log", max_bytes=100)
    log.write(b"x" * 90 + b"\n")
    (tmp_path / "log.1").mkdir()  # nothing can be put in the place of a folder
    with pytest.raises(OSError, match="directory"):
        log.write(b"y" * 90 + b"\n")
    (tmp_path / "log.1").rmdir()
    log.write(b"z" * 90 + b"\n")
    assert (tmp_path / "log").read_bytes() == b"z" * 90 + b"\n"
    log.close()


# Where it is seen.


async def says(conninfo: str) -> list[Finding]:
    with Look(conninfo, application="rightlevel") as look:
        return list(BackgroundLoops().look(look))


async def test_the_doctor_warns_after_three_missed_turns_by_each_loops_own_period(
    new_database: Callable[[], OneDatabase],
) -> None:
    conninfo = new_database().conninfo
    clock = StandingClock(datetime.now(UTC))
    with pytest.raises(NotExamined):
        await says(conninfo)

    async def turn() -> None:
        """Never comes to it."""

    async with Supervisor(clock) as supervisor, Database(conninfo) as database:
        supervisor.every("each minute", turn, period_s=60.0)
        supervisor.every("each day", turn, period_s=86_400.0)
        report = LoopReport(database, supervisor, clock)
        await report.tell()
        (found,) = await says(conninfo)
        assert (found.severity, found.numbers["loops"]) == ("ok", 2)
        clock.advance(181)
        await report.tell()
        (found,) = await says(conninfo)
        assert found.severity == "warning"
        assert "“each minute”" in found.saw
        assert "missed 3 turns of 60 s" in found.saw
        clock.advance(3 * 86_400)
        await report.tell()
        assert {each.key for each in await says(conninfo)} == {
            "background_loops/each minute",
            "background_loops/each day",
        }
        with psycopg.connect(conninfo, autocommit=True) as connection:
            connection.execute("update loop_standing set told_at = told_at - interval '10 minutes'")
            (found,) = await says(conninfo)
            assert "has told nothing of its loops for 10 minutes" in found.saw
            connection.execute(
                "insert into loop_standing select 'another host', 1, name, now(), now(), 60, 'running', 1, 0, 0, 0, now(), '' "
                "from loop_standing limit 1"
            )
            (found,) = await says(conninfo)
            assert found.severity == "ok", "a process that began later replaced the one that was killed"
        await report.take_back()
        with psycopg.connect(conninfo) as connection:
            assert connection.execute("select distinct host from loop_standing").fetchall() == [
                ("another host",)
            ]


async def test_a_loop_that_fails_three_times_in_a_row_is_a_warning_with_its_last_error(
    new_database: Callable[[], OneDatabase],
) -> None:
    conninfo = new_database().conninfo
    async with Supervisor() as supervisor, Database(conninfo) as database:
        loop = supervisor.keep("waits for work", lambda _: asyncio.sleep(3_600))
        for _ in range(3):
            loop.failed(OSError(28, "No space left on device"))
        await LoopReport(database, supervisor, SystemClock()).tell()
        (found,) = await says(conninfo)
    assert found.severity == "warning"
    assert "failed 3 times in a row" in found.saw
    assert "No space left on device" in found.saw


async def test_the_page_the_metrics_and_health_say_how_each_loop_fares(
    new_database: Callable[[], OneDatabase], tmp_path: Path
) -> None:
    async with serving(new_database(), tmp_path) as served:
        loop = next(each for each in served.platform.supervisor.loops() if each.name == "sweeping")
        loop.failed(ZeroDivisionError("told on the page"))
        async with served.client("admin", by="cookie") as client:
            page = (await client.get("/operations")).text
        async with served.client("admin") as client:
            metrics = (await client.get("/metrics")).text
            once = (await client.get("/healthz")).json()
            loop.failed(ZeroDivisionError("told on the page"))
            loop.failed(ZeroDivisionError("told on the page"))
            thrice = (await client.get("/healthz")).json()
    said = [note for note in thrice["notes"] if "sweeping" in note]
    assert (once["status"], [note for note in once["notes"] if "loop" in note]) == ("ok", [])
    assert (thrice["status"], len(said)) == ("warning", 1), "after three, as the doctor"
    assert "failed 3 times in a row" in said[0]
    assert "ZeroDivisionError" not in said[0], "what strangers may read names no error"
    assert "In the background" in page
    assert "ZeroDivisionError: told on the page" in page
    assert 'flatwater_loop_failures_total{loop="sweeping"} 1.0' in metrics
    assert 'flatwater_loop_state{loop="sweeping",state="failing"} 1.0' in metrics
    assert 'flatwater_loop_state{loop="invalidation",state="running"} 1.0' in metrics


# While a table is away.


def tables_of(served: Served) -> list[str]:
    with psycopg.connect(served.server.conninfo) as connection:
        return [
            name
            for (name,) in connection.execute(
                "select c.relname from pg_class c join pg_namespace n on n.oid = c.relnamespace where n.nspname = 'public' "
                "and c.relkind in ('r', 'p') and not c.relispartition order by 1"
            ).fetchall()
        ]


async def test_while_any_table_is_away_health_and_sign_in_answer_honestly(served: Served) -> None:
    unexpected: list[str] = []
    refused: set[str] = set()
    names = tables_of(served)
    assert len(names) > 60
    with psycopg.connect(served.server.conninfo, autocommit=True) as connection:
        for number, name in enumerate(names):
            form = {"username": f"nobody {number}", "password": "wrong password"}
            transport = httpx.ASGITransport(
                served.app, raise_app_exceptions=False, client=(f"10.1.1.{number}", 1)
            )
            connection.execute(f'alter table "{name}" rename to away_for_a_minute')  # type: ignore[arg-type]
            try:
                async with httpx.AsyncClient(transport=transport, base_url="http://test") as client:
                    health = await client.get("/healthz")
                    signed_in = await client.post("/sign-in", data=form)
                    page = await client.get("/sign-in")
            finally:
                connection.execute(f'alter table away_for_a_minute rename to "{name}"')  # type: ignore[arg-type]
            if (
                health.status_code != 200
                or signed_in.status_code not in (403, 429, 503)
                or page.status_code not in (200, 503)
            ):
                unexpected.append(f"{name}: {health.status_code} {signed_in.status_code} {page.status_code}")
            if signed_in.status_code == 503:
                refused.add(name)
    assert unexpected == []
    assert refused >= {"flatwater_rate_limit", "sign_in_failure", "person", "audit_entry"}, (
        "what a sign-in asks"
    )


async def test_sign_in_is_closed_and_counted_while_its_allowances_are_away(
    new_database: Callable[[], OneDatabase], tmp_path: Path
) -> None:
    async with serving(new_database(), tmp_path) as served:
        with psycopg.connect(served.server.conninfo, autocommit=True) as connection:
            connection.execute("alter table flatwater_rate_limit rename to away_for_a_minute")
            async with served.on_this_machine() as client:
                answers = [
                    await client.post("/sign-in", data={"username": "x", "password": "y"}) for _ in range(3)
                ]
                await asyncio.sleep(2.1)  # a reading is kept for two seconds
                health = (await client.get("/healthz")).json()
            connection.execute("alter table away_for_a_minute rename to flatwater_rate_limit")
        assert [each.status_code for each in answers] == [503, 503, 503]
        assert served.platform.vitals.rates.statistics().failed_closed == 3
        levels = {each["name"]: each["verdict"] for each in health["levels"]}
        assert levels["rate_limit_rows"] == "not_examined"
        assert levels["connections"] != "not_examined", "what could be looked at is"
