"""Every cure that the doctor applies by itself: it does nothing when what it rests on has changed, and when it is done the illness is gone."""

from __future__ import annotations

import ast
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import psycopg
import psycopg_pool
import pytest
from click.testing import CliRunner
from running_server import RunningServer

from flatwater.commands import main
from flatwater.doctor import checks
from flatwater.doctor.check import Check
from flatwater.doctor.checks import ALL
from flatwater.doctor.checks.bloat import Bloat
from flatwater.doctor.checks.blocking import Blocking
from flatwater.doctor.checks.connections import Connections
from flatwater.doctor.checks.diagnosis import Diagnosis
from flatwater.doctor.checks.lock_queues import LockQueues
from flatwater.doctor.checks.long_statements import LongStatements
from flatwater.doctor.checks.pool_waits import PoolWaits
from flatwater.doctor.checks.stale_statistics import StaleStatistics
from flatwater.doctor.checks.vacuum import Vacuum
from flatwater.doctor.fix import Deed, apply, safe_cures
from flatwater.doctor.look import Look
from flatwater.doctor.pool_numbers import PoolNumbers
from flatwater.doctor.run import Doctor, Report
from flatwater.doctor.sessions import Session, is_cancelled_without_harm

Between = Callable[[], object]
UNUSED_S = 0.3


def nothing() -> None:
    """Nothing changes between the finding and its cure."""


def seen_and_cured(
    server: RunningServer, check: Check, between: Between, *, pool: int | None = None
) -> tuple[Report, list[Deed], Report]:
    """What the check found, what came of its safe cures after `between`, and what it finds then."""
    with Look(server.conninfo, application="shop", pool=pool) as look:
        report = Doctor([check]).examine(look)
        assert safe_cures(report), report.findings
        between()
        deeds = list(apply(look, report, lambda finding, cure: True, [check]))
        time.sleep(0.1)
        return report, deeds, Doctor([check]).examine(look)


def run_by_hand(server: RunningServer, check: Check, key: str) -> None:
    """Pastes the finding's first statement, as whoever reads it does."""
    with Look(server.conninfo, application="shop") as look:
        finding = {each.key: each for each in check.look(look)}[key]
    with psycopg.connect(server.conninfo, autocommit=True) as connection:
        connection.execute(finding.cures[0].sql.encode())


def make_forgotten(monkeypatch: pytest.MonkeyPatch, after_s: float = 0.0) -> None:
    monkeypatch.setattr("flatwater.doctor.sessions.FORGOTTEN_S", after_s)
    monkeypatch.setattr("flatwater.doctor.sessions.OVERLONG_S", after_s)


def waits(pid: int) -> str:
    return f"exists (select 1 from pg_locks where pid = {pid} and not granted)"


@contextmanager
def busy_service(conninfo: str, connections: int) -> Iterator[list[BaseException]]:
    """A healthy service: so many pooled connections, each asked every 50 ms; what its requests raise is collected."""
    failed: list[BaseException] = []
    stop = threading.Event()

    def one(connection: psycopg.Connection) -> None:
        with connection:
            while not stop.wait(0.05):
                try:
                    connection.execute("select 1")
                except psycopg.Error as error:
                    failed.append(error)
                    return

    opened = [psycopg.connect(conninfo, autocommit=True, application_name="bank") for _ in range(connections)]
    threads = [threading.Thread(target=one, args=(each,)) for each in opened]
    for each in threads:
        each.start()
    try:
        yield failed
    finally:
        stop.set()
        for each in threads:
            each.join()


@pytest.mark.parametrize("said", [[], ["--pool", "20"], ["--pool", "5"]], ids=["unsaid", "right", "wrong"])
def test_connections_that_are_in_use_are_never_ended_whatever_was_said(
    server: RunningServer, tmp_path: Path, said: list[str]
) -> None:
    with busy_service(server.conninfo, 20) as failed:
        time.sleep(0.2)
        kept = ["--snapshot", str(tmp_path / "kept.json")]
        arguments = ["doctor", server.conninfo, *kept, "--application", "bank", *said, "--fix", "--yes"]
        told = CliRunner().invoke(main, arguments)
        assert "Nothing to cure" in told.output
        time.sleep(0.2)
        assert not failed
    assert ("more connections" in told.output.lower()) == (said == ["--pool", "5"])


def test_a_pool_of_any_size_is_well_where_it_is_as_large_as_was_said(others, see) -> None:
    for _ in range(18):
        others.open("shop").execute("select 1")
    found = {each.key: each for each in see(Connections(), "shop")}["connections/shop"]
    assert found.severity == "ok"
    assert "--pool" in found.saw


def test_connections_beyond_the_pools_size_are_ended_when_nobody_uses_them(
    others, server: RunningServer
) -> None:
    for _ in range(12):
        others.open("shop").execute("select 1")
    others.open("shopping").execute("select 1")
    time.sleep(UNUSED_S)
    report, deeds, after = seen_and_cured(server, Connections(idle_s=UNUSED_S), nothing, pool=5)
    assert "12 connections" in {each.key: each for each in report.findings}["connections/shop"].saw
    assert [each.done for each in deeds] == [True] * 7
    assert (others.count("shop"), others.count("shopping")) == (5, 1)
    assert {each.key: each for each in after.findings}["connections/shop"].severity == "ok"


@pytest.mark.parametrize("check", [Connections(idle_s=UNUSED_S), Diagnosis(idle_s=UNUSED_S)], ids=str)
def test_a_connection_that_was_used_since_is_not_ended_though_it_is_idle_again(
    others, server: RunningServer, check: Check
) -> None:
    opened = [others.open("shop") for _ in range(9)]
    time.sleep(UNUSED_S)

    def use() -> None:
        for each in opened:
            each.execute("select 1")

    _, deeds, _ = seen_and_cured(server, check, use, pool=5)
    assert not any(each.done for each in deeds)
    assert others.count("shop") == 9


def test_a_leak_is_told_by_diagnosis_and_gone_after_its_cure(others, server: RunningServer) -> None:
    for _ in range(9):
        others.open("shop").execute("select 1")
    time.sleep(UNUSED_S)
    report, deeds, after = seen_and_cured(server, Diagnosis(idle_s=UNUSED_S), nothing, pool=5)
    assert report.findings[0].key == "diagnosis/leak/shop"
    assert [each.done for each in deeds] == [True] * 4
    assert [each.severity for each in after.findings] == ["ok"]


@pytest.mark.parametrize(
    ("check", "key"),
    [
        (Connections(idle_in_transaction_s=0.0), "connections/idle in transaction/shop/pay"),
        (Diagnosis(forgotten_s=0.0), "diagnosis/forgotten/pay"),
    ],
    ids=["connections", "diagnosis"],
)
def test_a_forgotten_transaction_is_ended_and_gone(
    others, server: RunningServer, monkeypatch: pytest.MonkeyPatch, check: Check, key: str
) -> None:
    make_forgotten(monkeypatch)
    others.forget("shop/pay")
    report, deeds, after = seen_and_cured(server, check, nothing)
    assert [each.done for each in deeds] == [True]
    assert key in {each.key for each in report.findings}
    assert key not in {each.key for each in after.findings}


def test_a_session_in_another_transaction_than_the_one_seen_is_left_alone(
    others, server: RunningServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    make_forgotten(monkeypatch)
    opened = others.forget("shop/pay")

    def go_on() -> None:
        opened.execute("commit")
        opened.execute("begin")

    for check in (Connections(idle_in_transaction_s=0.0), Diagnosis(forgotten_s=0.0)):
        _, deeds, _ = seen_and_cured(server, check, go_on)
        assert not any(each.done for each in deeds)
    assert others.count("shop") == 1


def test_a_transaction_that_is_open_for_a_second_is_told_and_not_ended(others, server: RunningServer) -> None:
    others.forget("shop/pay")
    with Look(server.conninfo, application="shop") as look:
        report = Doctor([Connections(idle_in_transaction_s=0.0), Diagnosis(forgotten_s=0.0)]).examine(look)
    assert report.worst == "warning"
    assert not safe_cures(report)


def test_a_long_statement_is_cancelled_and_gone(
    others, server: RunningServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    make_forgotten(monkeypatch)
    others.begin("select pg_sleep(60)", "shop/report")
    others.wait_until("exists (select 1 from pg_stat_activity where query like 'select pg_sleep(60)%')")
    report, deeds, after = seen_and_cured(server, LongStatements(warning_s=0.0), nothing)
    assert report.findings[0].key == "long_statements/shop/report"
    assert [each.done for each in deeds] == [True]
    assert [each.key for each in after.findings] == ["long_statements/all"]


def test_another_statement_of_the_same_session_is_not_cancelled(
    others, server: RunningServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    make_forgotten(monkeypatch)
    opened = others.begin("select pg_sleep(60)", "shop/report")
    others.wait_until("exists (select 1 from pg_stat_activity where query like 'select pg_sleep(60)%')")

    def another() -> None:
        others.onlooker.execute("select pg_cancel_backend(%s)", [opened.info.backend_pid])
        while opened.pgconn.get_result() is not None:
            pass
        opened.pgconn.send_query(b"select pg_sleep(60)")
        opened.pgconn.flush()
        others.wait_until(
            f"(select state = 'active' from pg_stat_activity where pid = {opened.info.backend_pid})"
        )

    _, deeds, after = seen_and_cured(server, LongStatements(warning_s=0.0), another)
    assert not any(each.done for each in deeds)
    assert [each.key for each in after.findings] == ["long_statements/shop/report"]


@pytest.mark.parametrize(
    ("statement", "is_harmless"),
    [
        ("select 1", True),
        ("  UPDATE note set words = 'a'", True),
        ("(select 1) union (select 2)", True),
        ("create index concurrently on note (words)", False),
        ("copy note to stdout", False),
        ("vacuum note", False),
        ("", False),
    ],
)
def test_what_leaves_something_half_done_is_not_cancelled_without_thought(
    statement: str, is_harmless: bool
) -> None:
    session = Session(
        pid=1,
        started="",
        application_name="shop",
        role="",
        database="",
        state="active",
        client_address="",
        client_port=0,
        age_s=99,
        in_state_s=99,
        in_transaction_s=99,
        statement_s=99,
        waits_for_kind="",
        waits_for="",
        is_superuser=False,
        statement=statement,
        state_changed="",
    )
    assert is_cancelled_without_harm(session) == is_harmless


def test_who_holds_others_up_in_a_forgotten_transaction_is_ended_and_they_go_on(
    others, server: RunningServer
) -> None:
    others.forget("shop/pay", "insert into counter values ('a', 1)")
    waiter = others.begin("insert into counter values ('a', 2)", "shop/ship")
    others.wait_until(waits(waiter.info.backend_pid))
    check = Blocking(critical_s=0.0)
    report, deeds, after = seen_and_cured(server, check, nothing)
    assert report.findings[0].key == "blocking/shop/pay"
    assert [each.done for each in deeds] == [True]
    assert [each.key for each in after.findings] == ["blocking/all"]
    others.wait_until("exists (select 1 from counter where name = 'a' and value = 2)")


def test_who_holds_nobody_up_any_more_is_left_alone(others, server: RunningServer) -> None:
    others.forget("shop/pay", "insert into counter values ('a', 1)")
    waiter = others.begin("insert into counter values ('a', 2)", "shop/ship")
    others.wait_until(waits(waiter.info.backend_pid))

    def give_up() -> None:
        others.onlooker.execute("select pg_cancel_backend(%s)", [waiter.info.backend_pid])
        others.wait_until(f"not {waits(waiter.info.backend_pid)}")

    _, deeds, _ = seen_and_cured(server, Blocking(critical_s=0.0), give_up)
    assert not any(each.done for each in deeds)
    assert others.count("shop") == 2


def test_a_statement_that_holds_others_up_is_cancelled_and_they_go_on(others, server: RunningServer) -> None:
    others.begin("begin; insert into counter values ('a', 1); select pg_sleep(60)", "shop/pay")
    others.wait_until("exists (select 1 from pg_stat_activity where wait_event = 'PgSleep')")
    waiter = others.begin("insert into counter values ('a', 2)", "shop/ship")
    others.wait_until(waits(waiter.info.backend_pid))
    run_by_hand(server, Blocking(), "blocking/shop/pay")
    others.wait_until("exists (select 1 from counter where name = 'a' and value = 2)")


def test_a_lock_that_an_idle_session_holds_for_itself_is_freed_by_its_cure_and_never_without_thought(
    others, server: RunningServer
) -> None:
    holder = others.open("shop/leader")
    holder.execute("select pg_advisory_lock(77)")
    waiter = others.begin("select pg_advisory_lock(77)", "shop/next")
    others.wait_until(waits(waiter.info.backend_pid))
    with Look(server.conninfo, application="shop") as look:
        report = Doctor([Blocking(critical_s=0.0)]).examine(look)
    assert report.findings[0].key == "blocking/shop/leader"
    assert not safe_cures(report)
    run_by_hand(server, Blocking(), "blocking/shop/leader")
    others.wait_until(f"not {waits(waiter.info.backend_pid)}")


def test_a_change_that_holds_up_readers_is_cancelled_and_they_go_on(others, server: RunningServer) -> None:
    others.forget("shop/report", "select count(*) from counter")
    change = others.begin("alter table counter add words text", "shop/migration")
    others.wait_until(waits(change.info.backend_pid))
    reader = others.begin("select count(*) from counter", "shop/count")
    others.wait_until(waits(reader.info.backend_pid))
    report, deeds, after = seen_and_cured(server, LockQueues(critical_s=0.0), nothing)
    assert report.findings[0].key == "lock_queues/counter"
    assert [each.done for each in deeds] == [True]
    assert [each.key for each in after.findings] == ["lock_queues/all"]
    others.wait_until(f"not {waits(reader.info.backend_pid)}")


def test_a_change_behind_which_nobody_waits_any_more_is_left_alone(others, server: RunningServer) -> None:
    others.forget("shop/report", "select count(*) from counter")
    change = others.begin("alter table counter add words text", "shop/migration")
    others.wait_until(waits(change.info.backend_pid))
    reader = others.begin("select count(*) from counter", "shop/count")
    others.wait_until(waits(reader.info.backend_pid))

    def give_up() -> None:
        others.onlooker.execute("select pg_cancel_backend(%s)", [reader.info.backend_pid])
        others.wait_until(f"not {waits(reader.info.backend_pid)}")

    _, deeds, _ = seen_and_cured(server, LockQueues(critical_s=0.0), give_up)
    assert not any(each.done for each in deeds)


@pytest.fixture
def swollen(server: RunningServer, others) -> Iterator[Callable[[str], object]]:
    """A table of the application's with many dead rows and no statistics; runs what is to happen to it."""
    others.onlooker.execute("create table swollen (n int) with (autovacuum_enabled = false)")
    others.onlooker.execute("insert into swollen select generate_series(1, 30000)")
    others.onlooker.execute("analyze swollen")
    others.onlooker.execute("delete from swollen where n <= 20000")
    others.onlooker.execute("select pg_stat_force_next_flush()")
    others.open("shop").execute("select 1")  # its role owns the table
    yield others.onlooker.execute
    others.onlooker.execute("drop table if exists swollen")


CURES_OF_TABLES = [
    (Bloat(least_dead_rows=1_000, dead_share=0.1), "bloat/dead rows of public.swollen", "vacuum swollen"),
    (StaleStatistics(patience_s=0.0), "stale_statistics/public.swollen", "analyze swollen"),
    (Vacuum(), "vacuum/late public.swollen", "vacuum swollen"),
]


@pytest.mark.parametrize(("check", "key", "_"), CURES_OF_TABLES, ids=["bloat", "statistics", "vacuum"])
def test_what_is_done_to_a_table_cures_it(
    server: RunningServer, swollen: Callable[[str], object], check: Check, key: str, _: str
) -> None:
    report, deeds, after = seen_and_cured(server, check, lambda: swollen("select pg_stat_force_next_flush()"))
    assert key in {each.key for each in report.findings}
    assert [each.done for each in deeds if each.finding.key == key] == [True]
    assert key not in {each.key for each in after.findings}


@pytest.mark.parametrize(("check", "key", "already"), CURES_OF_TABLES, ids=["bloat", "statistics", "vacuum"])
@pytest.mark.parametrize("how", ["done already", "gone"])
def test_a_table_that_needs_it_no_more_is_left_alone(
    server: RunningServer,
    swollen: Callable[[str], object],
    check: Check,
    key: str,
    already: str,
    how: str,
) -> None:
    def change() -> None:
        swollen(already if how == "done already" else "drop table swollen")
        swollen("select pg_stat_force_next_flush()")

    _, deeds, _ = seen_and_cured(server, check, change)
    (deed,) = [each for each in deeds if each.finding.key == key]
    assert not deed.done
    assert "gone or does something else" in deed.said


class Crowded:
    """A service whose requests wait for its pool's two places, and its own numbers of that."""

    def __init__(self, conninfo: str) -> None:
        self.pool = psycopg_pool.ConnectionPool(
            conninfo,
            min_size=2,
            max_size=2,
            kwargs={"autocommit": True, "application_name": "shop"},
            open=True,
            timeout=20,
        )
        self.pool.wait(10)
        self._threads: list[threading.Thread] = []
        self.answered: list[str] = []

    def ask(self, statement: str, times: int = 1) -> None:
        for _ in range(times):
            self._threads.append(threading.Thread(target=self._one, args=(statement,)))
            self._threads[-1].start()

    def _one(self, statement: str) -> None:
        try:
            with self.pool.connection() as connection:
                connection.execute(statement.encode())
            self.answered.append("done")
        except psycopg.Error as error:
            self.answered.append(error.sqlstate or "gone")

    @property
    def waiting(self) -> int:
        return self.pool.get_stats().get("requests_waiting", 0)

    def numbers(self) -> PoolNumbers:
        return PoolNumbers({"waiting": self.waiting})

    def until_waiting(self, waiting: int) -> None:
        until = time.monotonic() + 10
        while self.waiting != waiting:
            assert time.monotonic() < until, self.waiting
            time.sleep(0.01)

    def end(self) -> None:
        for each in self._threads:
            each.join(20)
        self.pool.close()


@pytest.fixture
def crowded(others, server: RunningServer) -> Iterator[Crowded]:
    service = Crowded(server.conninfo)
    yield service
    others.onlooker.execute(
        "select pg_terminate_backend(pid) from pg_stat_activity where application_name like 'shop%'"
    )
    service.end()


def pool_waits_cured(server: RunningServer, crowded: Crowded, between: Between) -> tuple[list[Deed], str]:
    """What came of the cures of those who wait for the pool, and how the check judges once they had time to go on."""
    check = PoolWaits(lock_critical_s=0.0)
    with Look(server.conninfo, application="shop", pool_numbers=crowded.numbers) as look:
        report = Doctor([check]).examine(look)
        assert safe_cures(report), report.findings
        between()
        deeds = list(apply(look, report, lambda finding, cure: True, [check]))
        if any(each.done for each in deeds):
            crowded.until_waiting(0)
        return deeds, Doctor([check]).examine(look).worst


@pytest.fixture
def behind_a_lock(others, crowded: Crowded) -> psycopg.Connection:
    """Both places of the pool wait for a transaction that somebody of the application forgot, and two more wait for a place."""
    others.onlooker.execute("insert into counter values ('one', 0)")
    holder = others.forget("shop/pay", "update counter set value = 1 where name = 'one'")
    crowded.ask("update counter set value = value + 1 where name = 'one'", times=4)
    crowded.until_waiting(2)
    others.wait_until("(select count(*) from pg_locks where not granted) >= 2")
    return holder


def test_requests_that_wait_for_a_pool_behind_a_lock_go_on_after_the_cure(
    server: RunningServer, crowded: Crowded, behind_a_lock: psycopg.Connection
) -> None:
    deeds, worst = pool_waits_cured(server, crowded, nothing)
    assert [each.done for each in deeds] == [True]
    assert worst == "ok"
    assert behind_a_lock.closed == 0, "the driver has not heard of it yet"


def test_who_held_a_pool_up_and_went_on_is_left_alone(
    others, server: RunningServer, crowded: Crowded, behind_a_lock: psycopg.Connection
) -> None:
    deeds, _ = pool_waits_cured(server, crowded, lambda: behind_a_lock.execute("commit"))
    assert not any(each.done for each in deeds)
    assert behind_a_lock.execute("select 1").fetchone() == (1,)


def test_requests_that_wait_for_a_pool_behind_long_statements_go_on_after_the_cure(
    others, server: RunningServer, crowded: Crowded, monkeypatch: pytest.MonkeyPatch
) -> None:
    make_forgotten(monkeypatch)
    crowded.ask("select pg_sleep(60)", times=2)
    others.wait_until("(select count(*) from pg_stat_activity where wait_event = 'PgSleep') = 2")
    crowded.ask("select 1", times=1)
    crowded.until_waiting(1)
    deeds, worst = pool_waits_cured(server, crowded, nothing)
    assert [each.done for each in deeds] == [True]
    assert worst == "ok"
    assert sorted(crowded.answered) in (["57014"], ["57014", "done"])


def test_another_statement_than_the_one_that_filled_the_pool_is_not_cancelled(
    others, server: RunningServer, crowded: Crowded, monkeypatch: pytest.MonkeyPatch
) -> None:
    make_forgotten(monkeypatch)
    sleeping = "select pid from pg_stat_activity where wait_event = 'PgSleep'"
    crowded.ask("select pg_sleep(60)", times=4)
    others.wait_until(f"(select count(*) from ({sleeping}) s) = 2")
    crowded.until_waiting(2)

    def others_come_on() -> None:
        others.onlooker.execute(f"select pg_cancel_backend(pid) from ({sleeping}) s")
        crowded.until_waiting(0)
        others.wait_until(f"(select count(*) from ({sleeping}) s) = 2")

    deeds, _ = pool_waits_cured(server, crowded, others_come_on)
    assert not any(each.done for each in deeds)
    assert crowded.answered == ["57014", "57014"]


def test_a_place_that_forgotten_code_holds_has_no_cure_at_the_server_and_none_is_offered(
    others, server: RunningServer, crowded: Crowded
) -> None:
    with crowded.pool.connection() as one, crowded.pool.connection() as two:
        for each in (one, two):
            each.execute("begin; select 1")
        crowded.ask("select 1")
        crowded.until_waiting(1)
        with Look(server.conninfo, application="shop", pool_numbers=crowded.numbers) as look:
            (found,) = PoolWaits().look(look)
        assert "sit in an open transaction" in found.saw
        assert not any(cure.sql for cure in found.cures)
        others.onlooker.execute("select pg_terminate_backend(%s, 2000)", [one.info.backend_pid])
        time.sleep(0.1)
        assert crowded.waiting == 1, "the pool gets its place back from the code, not from the server"
        for each in (one, two):
            each.close()


CHECKS = Path(checks.__file__).parent
RUN_BY = {
    "backend_memory": ("test_doctor_checks.py", "test_a_session_that_holds_much_memory_is_found_and_ended"),
    "bloat": ("test_cures.py", "test_what_is_done_to_a_table_cures_it"),
    "blocking": (
        "test_cures.py",
        "test_who_holds_others_up_in_a_forgotten_transaction_is_ended_and_they_go_on",
    ),
    "checkpoints": (
        "checks/test_replication_checks.py",
        "test_checkpoints_that_are_asked_for_too_often_are_told_with_more_room_for_the_log",
    ),
    "connections": (
        "test_cures.py",
        "test_connections_beyond_the_pools_size_are_ended_when_nobody_uses_them",
    ),
    "definer_functions": (
        "checks/test_security_checks.py",
        "test_what_runs_as_its_owner_without_a_path_is_found_and_given_one",
    ),
    "diagnosis": ("test_cures.py", "test_a_leak_is_told_by_diagnosis_and_gone_after_its_cure"),
    "disabled_triggers": (
        "checks/test_security_checks.py",
        "test_triggers_that_are_switched_off_are_found_and_switched_on",
    ),
    "duplicate_indexes": (
        "checks/test_index_checks.py",
        "test_duplicate_indexes_are_those_another_covers_and_none_else",
    ),
    "hot_updates": ("checks/test_storage_checks.py", "test_updates_that_all_leave_their_page_are_told"),
    "invalid_indexes": (
        "checks/test_index_checks.py",
        "test_an_invalid_index_of_a_failed_build_is_found_dropped_and_built_again",
    ),
    "lock_queues": ("test_cures.py", "test_a_change_that_holds_up_readers_is_cancelled_and_they_go_on"),
    "long_statements": ("test_cures.py", "test_a_long_statement_is_cancelled_and_gone"),
    "missing_indexes": (
        "checks/test_index_checks.py",
        "test_a_foreign_key_without_index_is_found_with_the_statement_that_builds_it",
    ),
    "missing_keys": (
        "checks/test_index_checks.py",
        "test_tables_without_a_key_and_columns_without_a_rule_are_told",
    ),
    "missing_tls": ("checks/test_security_checks.py", "test_encryption_that_is_off_is_found_and_switched_on"),
    "null_indexes": (
        "checks/test_index_checks.py",
        "test_an_index_over_a_column_that_is_mostly_empty_gets_a_condition",
    ),
    "pool_waits": (
        "test_cures.py",
        "test_requests_that_wait_for_a_pool_behind_a_lock_go_on_after_the_cure",
    ),
    "prepared_transactions": (
        "checks/test_replication_checks.py",
        "test_a_prepared_transaction_nobody_came_back_for_is_found_and_rolled_back",
    ),
    "public_write_rights": (
        "checks/test_security_checks.py",
        "test_rights_of_everybody_are_found_and_taken_back",
    ),
    "replicas_lag": (
        "checks/test_replication_checks.py",
        "test_commits_that_wait_for_a_replica_that_is_not_there_are_critical",
    ),
    "row_policies": (
        "checks/test_habit_checks.py",
        "test_a_row_policy_that_no_index_serves_is_found_and_served",
    ),
    "risky_settings": ("checks/test_security_checks.py", "test_more_settings_that_harm_are_found_and_cured"),
    "sequences_near_end": (
        "checks/test_storage_checks.py",
        "test_a_sequence_near_the_end_of_its_column_is_found_and_widened",
    ),
    "session_settings": (
        "checks/test_habit_checks.py",
        "test_what_is_set_for_a_session_behind_a_pooler_is_found_and_set_for_the_role",
    ),
    "settings_for_memory": ("test_doctor_checks.py", "test_settings_beyond_the_machines_memory_are_cured"),
    "stale_statistics": ("test_cures.py", "test_what_is_done_to_a_table_cures_it"),
    "statements_forgotten": (
        "checks/test_statement_checks.py",
        "test_statements_that_were_forgotten_are_told_with_the_room_to_give",
    ),
    "superuser_use": (
        "checks/test_security_checks.py",
        "test_an_application_that_is_connected_as_a_superuser_is_found_and_lowered",
    ),
    "timeouts_order": (
        "checks/test_habit_checks.py",
        "test_time_outs_in_the_wrong_order_are_found_and_put_in_order",
    ),
    "timeouts_unset": (
        "test_doctor_checks.py",
        "test_unset_time_outs_are_found_for_the_roles_of_the_application_and_cured_by_the_cure",
    ),
    "trust_authentication": (
        "checks/test_security_checks.py",
        "test_a_line_that_lets_everybody_in_is_found_and_closed_by_its_command",
    ),
    "unbounded_tables": (
        "checks/test_storage_checks.py",
        "test_rows_past_their_end_are_counted_and_the_cure_takes_out_those_and_no_others",
    ),
    "unused_indexes": (
        "checks/test_index_checks.py",
        "test_an_unused_index_is_found_dropped_and_built_again_by_the_undo",
    ),
    "vacuum": ("test_cures.py", "test_what_is_done_to_a_table_cures_it"),
    "version_and_restart": (
        "checks/test_security_checks.py",
        "test_what_waits_for_a_restart_is_cured_by_one",
    ),
    "wal_and_slots": ("checks/test_replication_checks.py", "test_a_slot_nobody_reads_is_found_and_dropped"),
    "wraparound": (
        "checks/test_replication_checks.py",
        "test_a_server_whose_freezing_is_overdue_is_found_and_frozen",
    ),
}
"""Which test runs a check's cure, and sees the illness gone. What only tells more is an explanation and no cure."""


def _cures_offered(check: str) -> bool:
    """Whether a check has a statement or a command to run, by its source."""
    tree = ast.parse((CHECKS / f"{check}.py").read_text())
    calls = [
        each for each in ast.walk(tree) if isinstance(each, ast.Call) and isinstance(each.func, ast.Name)
    ]
    named = {each.func.id for each in calls if isinstance(each.func, ast.Name)}
    words = {
        word.arg
        for each in calls
        if isinstance(each.func, ast.Name) and each.func.id == "Cure"
        for word in each.keywords
    }
    return bool(named & {"terminate", "cancel", "cure_of"} or words & {"sql", "command"})


def test_every_check_that_has_a_cure_has_a_test_that_runs_it() -> None:
    offering = {check.name for check in ALL if _cures_offered(check.name)}
    assert offering == set(RUN_BY)
    for check, (file, name) in RUN_BY.items():
        tree = ast.parse((Path(__file__).parent / file).read_text())
        (test,) = [each for each in tree.body if isinstance(each, ast.FunctionDef) and each.name == name]
        text = ast.unparse(test)
        runs = (
            "cure(",
            "cured(",
            "run_by_hand(",
            ".execute(cure.sql",
            ".execute(paused.cures",
            "subprocess.run(",
            ".run(*words",
        )
        assert any(each in text for each in runs), (check, name)
