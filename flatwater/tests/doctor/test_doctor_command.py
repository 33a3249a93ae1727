from __future__ import annotations

import json
import os
import re
import subprocess
import sys
import time
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from functools import partial
from pathlib import Path

import pytest
from click.testing import CliRunner, Result
from msgspec import Struct
from running_server import RunningServer

from flatwater.clock import StandingClock
from flatwater.commands import main
from flatwater.doctor.acknowledged import Acknowledged, quiet
from flatwater.doctor.checks.blocking import Blocking
from flatwater.doctor.checks.connections import Connections
from flatwater.doctor.fix import apply
from flatwater.doctor.look import MAX_REMEMBERED, CouldNotLook, Look
from flatwater.doctor.model import Finding, NotExamined, Snapshot
from flatwater.doctor.quoting import printable, statement_shape
from flatwater.doctor.run import REST_S, Doctor
from flatwater.doctor.snapshot import Kept, SnapshotBroken, place_of, read_kept, write_kept
from flatwater.doctor.trends import theil_sen
from flatwater.doctor.watching import HEIGHT, WIDTH, Watch, frame
from flatwater.queries import read_queries

ASIDE = read_queries(
    "-- name: wait\n-- Waits.\nselect pg_sleep(2)::text as slept limit 1\n-- name: gone\n-- Is not there.\nselect nothing from nowhere limit 1\n-- name: locked\n-- Waits for a lock.\nselect count(*)::int as rows from counter limit 1",
    origin="test",
)


@pytest.fixture
def place(tmp_path: Path) -> Path:
    return tmp_path / "kept.json"


def run(server: RunningServer, place: Path, *more: str, answers: str = "") -> Result:
    arguments = ["doctor", server.conninfo, "--snapshot", str(place), *more]
    result = CliRunner().invoke(main, arguments, input=answers)
    assert result.exception is None or isinstance(result.exception, SystemExit), result.output
    return result


@pytest.fixture
def unused_at_once(monkeypatch: pytest.MonkeyPatch) -> None:
    """A connection counts as unused when nobody asked it for a fifth of a second."""
    monkeypatch.setattr(
        "flatwater.commands.doctor.Doctor",
        lambda: Doctor([Connections(idle_s=0.2), Blocking(critical_s=0.2)]),
    )
    monkeypatch.setattr(
        "flatwater.commands.consultation.apply",
        partial(apply, checks=[Connections(idle_s=0.2), Blocking(critical_s=0.2)]),
    )


@pytest.mark.usefixtures("unused_at_once")
def test_a_leaked_pool_is_explained_and_cured_by_fix_and_can_be_cured_again(
    others, server: RunningServer, place: Path
) -> None:
    for _ in range(12):
        others.open("shop").execute("select 1")
    for _ in range(2):
        others.open("shopping").execute("select 1")
    time.sleep(0.2)
    pool = ["--application", "shop", "--pool", "5"]
    seen = run(server, place, *pool)
    assert seen.exit_code == 2
    assert "12 connections" in seen.output
    assert "pg_terminate_backend" in seen.output
    assert others.count("shop") == 12, "nothing is changed without --fix"

    cured = run(server, place, *pool, "--fix", "--yes")
    assert "cured: " in cured.output
    others.wait_until("(select count(*) from pg_stat_activity where application_name = 'shop') <= 5")
    assert others.count("shop") == 5
    assert others.count("shopping") == 2
    again = run(server, place, *pool, "--fix", "--yes")
    assert "Nothing to cure" in again.output
    assert others.count("shop") == 5


@pytest.mark.usefixtures("unused_at_once")
def test_a_forgotten_transaction_that_holds_others_up_is_ended_and_they_go_on(
    others, server: RunningServer, place: Path
) -> None:
    holder = others.forget("shop/pay", "insert into counter values ('a', 1)")
    waiter = others.begin("insert into counter values ('a', 2)", "shop/ship")
    others.wait_until(
        f"exists (select 1 from pg_locks where pid = {waiter.info.backend_pid} and not granted)"
    )
    time.sleep(0.3)
    result = run(server, place, "--application", "shop", "--fix", "--yes")
    assert result.exit_code in {1, 2}
    others.wait_until(f"not exists (select 1 from pg_stat_activity where pid = {holder.info.backend_pid})")
    others.wait_until("exists (select 1 from counter where name = 'a' and value = 2)")


@pytest.mark.usefixtures("unused_at_once")
def test_each_cure_is_asked_about_and_a_no_leaves_it(others, server: RunningServer, place: Path) -> None:
    for _ in range(10):
        others.open("shop").execute("select 1")
    time.sleep(0.2)
    result = run(server, place, "--application", "shop", "--pool", "5", "--fix", answers="y\n" + "n\n" * 20)
    assert "left as it is" in result.output
    others.wait_until("(select count(*) from pg_stat_activity where application_name = 'shop') = 9")


def test_a_pools_size_wants_the_name_of_its_application(server: RunningServer, place: Path) -> None:
    result = run(server, place, "--pool", "5")
    assert result.exit_code == 2
    assert "--application" in result.output


def test_a_session_that_woke_up_since_it_was_seen_is_left_alone(others, server: RunningServer) -> None:
    sessions = [others.open("shop") for _ in range(9)]
    for each in sessions:
        each.execute("select 1")
    check = Connections(idle_s=0.0)
    with Look(server.conninfo, application="shop", pool=3) as look:
        report = Doctor([check]).examine(look)
        for each in sessions:
            each.execute("begin")
        deeds = list(apply(look, report, lambda finding, cure: True))
        assert deeds
        assert not any(deed.done for deed in deeds)
        assert all("gone or does something else" in deed.said for deed in deeds)
        held = look.connection.execute(
            "select current_setting('default_transaction_read_only') as held"
        ).fetchone()
        assert held == {"held": "on"}
    assert others.count("shop") == 9


def test_fix_wants_the_name_of_the_application(server: RunningServer, place: Path) -> None:
    result = run(server, place, "--fix", "--yes")
    assert result.exit_code == 2
    assert "--application" in result.output


def test_an_accepted_finding_is_quiet_until_it_gets_worse(others, server: RunningServer, place: Path) -> None:
    for _ in range(10):
        others.open("shop").execute("select 1")
    seen: list[str] = []
    for _ in range(3):  # on a busy machine another finding may come while the first are accepted
        report = json.loads(run(server, place, "--application", "shop", "--pool", "5", "--json").stdout)
        loud = [each["key"] for each in report["findings"] if each["severity"] in {"warning", "critical"}]
        seen += loud
        for key in loud:
            run(
                server,
                place,
                "--application",
                "shop",
                "--pool",
                "5",
                "--acknowledge",
                key,
                "--reason",
                "a night of imports",
            )
    assert seen.count("connections/shop") == 1
    accepted = run(server, place, "--application", "shop", "--pool", "5")
    assert accepted.exit_code == 0
    assert "connections/shop\n" not in accepted.output
    for _ in range(8):
        others.open("shop").execute("select 1")
    assert run(server, place, "--application", "shop", "--pool", "5").exit_code == 2


def test_accepting_wants_a_reason_and_a_finding_that_is_there(server: RunningServer, place: Path) -> None:
    assert run(server, place, "--acknowledge", "connections/room").exit_code == 2
    result = run(server, place, "--acknowledge", "connections/nobody", "--reason", "x")
    assert "No finding has the key" in result.output


def test_what_was_accepted_is_loud_again_after_ninety_days() -> None:
    at = datetime(2026, 1, 1, tzinfo=UTC)
    finding = Finding("a", "a/b", "warning", "", "")
    known = (Acknowledged("a/b", "warning", "why", at),)
    assert quiet(finding, known, at + timedelta(days=89))
    assert not quiet(finding, known, at + timedelta(days=91))


def test_a_server_that_is_not_there_is_exit_code_3(place: Path, tmp_path: Path) -> None:
    result = CliRunner().invoke(main, ["doctor", f"host={tmp_path} user=x", "--snapshot", str(place)])
    assert result.exit_code == 3
    assert "Nobody answers at this address" in result.output


def test_a_full_server_is_told_with_the_way_in(others, server: RunningServer) -> None:
    others.onlooker.execute("create role clerk2 login")
    try:
        for _ in range(36):
            others.open("crowd")
        with pytest.raises(
            CouldNotLook, match=r"Every connection of the server is taken.*pg_use_reserved_connections"
        ):
            Look(f"{server.conninfo} user=clerk2").__enter__()
        with Look(server.conninfo) as look:
            assert look.is_superuser
    finally:
        others.onlooker.execute("drop role clerk2")


class _Probe(Struct, frozen=True):
    query: str
    name: str = "probe"
    title: str = "Probe"
    why: str = "A test looks."

    def look(self, look: Look) -> Iterator[Finding]:
        look.rows(ASIDE[self.query], into=dict[str, object])
        yield Finding(self.name, "probe/all", "ok", "1 probe", self.why)


class _Broken(_Probe, frozen=True):
    name: str = "broken"

    def look(self, look: Look) -> Iterator[Finding]:
        del look
        yield Finding(self.name, "broken/first", "warning", "1 thing", self.why)
        raise ZeroDivisionError


@pytest.mark.parametrize(("query", "words"), [("wait", "longer than 400 ms"), ("gone", "does not exist")])
def test_a_slow_or_refused_probe_is_not_examined_and_then_rests(
    server: RunningServer, query: str, words: str
) -> None:
    clock = StandingClock(datetime(2026, 11, 29, tzinfo=UTC))
    ward = Doctor((_Probe(query), _Broken("")), clock=clock)
    with Look(server.conninfo) as look:
        first = ward.examine(look)
        assert [each.severity for each in first.findings if each.check == "probe"] == ["not_examined"]
        assert words in first.findings[1].saw
        assert {each.key for each in first.findings if each.check == "broken"} == {
            "broken/first",
            "broken/not examined",
        }
        look.begin_again(())
        second = ward.examine(look)
        off = next(each for each in second.findings if each.check == "probe")
        assert off.saw.startswith("Switched off: ")
        assert "probe" not in second.took_ms
        clock.advance(REST_S)
        look.begin_again(())
        third = ward.examine(look)
    assert "probe" in third.took_ms, "what was refused once may be there by now"


def test_a_probe_that_waits_for_a_lock_gives_up_at_once_and_looks_again_next_time(
    others, server: RunningServer
) -> None:
    holder = others.forget("shop", "lock table counter in access exclusive mode")
    ward = Doctor((_Probe("locked"),))
    with Look(server.conninfo) as look:
        assert "within 50 ms" in ward.examine(look).findings[0].saw
        holder.execute("rollback")
        assert ward.examine(look).findings[0].severity == "ok"


def test_a_look_past_its_budget_says_what_it_left_out(server: RunningServer) -> None:
    class Late(StandingClock):
        def monotonic(self) -> float:
            self.advance(10.0)
            return super().monotonic()

    with Look(server.conninfo) as look:
        report = Doctor(
            [_Probe("gone", name) for name in "abc"], clock=Late(datetime(2026, 1, 1, tzinfo=UTC))
        ).examine(look)
    assert "were over before it" in report.findings[-1].saw
    assert report.exit_code == 3


def test_a_server_that_falls_silent_is_hung_up_on(server: RunningServer) -> None:
    import signal

    with Look(server.conninfo) as look:
        pid = look.backend_pid
        timer = look.within(0.3)
        os.kill(pid, signal.SIGSTOP)
        try:
            with pytest.raises(NotExamined, match="did not answer"):
                look.rows(ASIDE["locked"], into=dict[str, object])
        finally:
            timer.cancel()
            os.kill(pid, signal.SIGCONT)
        with pytest.raises(NotExamined, match="did not answer"):
            look.rows(ASIDE["locked"], into=dict[str, object])


def test_the_file_between_looks_stays_small_and_private(place: Path) -> None:
    kept = Kept()
    numbers = {f"table/{number}": 1.0 for number in range(MAX_REMEMBERED - 1)} | {"trend/connections": 2.0}
    for number in range(150):
        kept = kept.after(Snapshot(datetime(2026, 1, 1, tzinfo=UTC) + timedelta(minutes=number), numbers))
    write_kept(place, kept)
    assert place.stat().st_mode & 0o077 == 0
    assert place.stat().st_size < 200_000
    assert read_kept(place) == kept
    assert len(kept.looks) == 100
    assert len(kept.looks[-1].numbers) == MAX_REMEMBERED
    assert set(kept.looks[0].numbers) == {"trend/connections"}


def test_a_broken_file_between_looks_is_told_and_never_taken_for_none(
    server: RunningServer, place: Path
) -> None:
    place.write_text("{")
    with pytest.raises(SnapshotBroken):
        read_kept(place)
    assert run(server, place).exit_code == 3


def test_the_default_file_is_named_without_the_password(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setenv("XDG_STATE_HOME", str(tmp_path))
    assert place_of("host=a password=b") == place_of("host=a password=c")
    assert place_of("host=a dbname=x") != place_of("host=a dbname=y")
    assert place_of("host=a").parent == tmp_path / "flatwater"


def test_watching_looks_again_and_finds_what_grows(server: RunningServer, place: Path) -> None:
    result = run(server, place, "--watch", "1", "--looks", "2")
    assert result.output.count("postgres on PostgreSQL 18") == 2
    assert len(read_kept(place).looks) == 2


def test_the_live_view_fits_its_screen_and_shows_who_waits(others, server: RunningServer) -> None:
    evil = "shop/\x1b[2Jpay"
    others.forget(evil, "insert into counter values ('a', 1)")
    waiters = [
        others.begin(f"insert into counter values ('a', {n}) -- {'long ' * 60}", f"shop/ship_{n}")
        for n in range(12)
    ]
    for waiter in waiters:
        others.wait_until(
            f"exists (select 1 from pg_locks where pid = {waiter.info.backend_pid} and not granted)"
        )
    watching = Watch()
    with Look(server.conninfo) as look:
        for _ in range(6):
            reading = watching.read(look, {"waiting": 3.0})
            look.begin_again(())
    shown = frame(reading)
    lines = shown.split("\n")
    assert len(lines) <= HEIGHT
    assert max(len(line) for line in lines) <= WIDTH
    assert "\x1b" not in shown
    assert "12 wait" in shown
    assert "waiting 3" in shown
    assert reading.connections_slope is not None
    assert re.search(r"connections  1[3-9] of 40", shown)


def test_the_watch_command_prints_frames(server: RunningServer) -> None:
    result = CliRunner().invoke(main, ["watch", server.conninfo, "--looks", "2", "--interval", "0.5"])
    assert result.exit_code == 0, result.output
    assert result.output.count("flatwater watch  postgres") == 2


def test_values_are_taken_out_of_statements_and_control_characters_out_of_names() -> None:
    assert (
        statement_shape("select * from t where a = 'it''s' and b=12.5 and c1 = $1 -- x")
        == "select * from t where a = ? and b=? and c1 = $1 ?"
    )
    assert statement_shape("select $tag$secret$tag$, E'a\\'b', 'unfinished sec") == "select ?, ?, ?"
    assert len(statement_shape("select " + "a, " * 500)) == 160
    assert printable("a\x1b[31mb") == "a\ufffd[31mb"


def test_the_slope_has_an_interval_that_holds_the_true_one() -> None:
    slope = theil_sen([(float(x), 3.0 * x + (-1) ** x * 0.5) for x in range(20)])
    assert slope is not None
    assert slope.low <= 3.0 <= slope.high
    assert slope.grows
    flat = theil_sen([(float(x), float((x * 7) % 5)) for x in range(20)])
    assert flat is not None
    assert not flat.grows
    assert theil_sen([(0.0, 1.0)] * 4) is None


def test_one_look_holds_under_30_mb_of_its_own(server: RunningServer, place: Path) -> None:
    program = (
        "import atexit, sys\n"
        "from flatwater.commands import main\n"
        "def tell():\n"
        "    lines = open('/proc/self/smaps_rollup').read().splitlines()[1:]\n"
        "    held = {line.split(':')[0]: int(line.split()[1]) for line in lines}\n"
        "    print('own', held['Private_Dirty'], file=sys.stderr)\n"
        "atexit.register(tell)\n"
        f"main(['doctor', {server.conninfo!r}, '--snapshot', {str(place)!r}])\n"
    )
    done = subprocess.run(
        [sys.executable, "-c", program], capture_output=True, text=True, timeout=60, check=False
    )
    found = re.search(r"own (\d+)", done.stderr)
    assert found is not None, done.stderr
    assert int(found[1]) < 30_000
