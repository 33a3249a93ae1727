"""What programs do again and again: waits in the wrong order, counts of everything, policies and settings that hold badly."""

from __future__ import annotations

import os
import shutil
import subprocess
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from flatwater.doctor.checks.blocking import Blocking
from flatwater.doctor.checks.connections import Connections
from flatwater.doctor.checks.diagnosis import Diagnosis
from flatwater.doctor.checks.missing_indexes import MissingIndexes
from flatwater.doctor.checks.row_policies import RowPolicies
from flatwater.doctor.checks.session_settings import SessionSettings
from flatwater.doctor.checks.timeouts_order import OUTER, TimeoutsOrder
from flatwater.doctor.checks.whole_counts import WholeCounts
from flatwater.doctor.look import Look
from flatwater.doctor.run import Doctor

from .conftest import NOBODY, Ward

PEOPLE = (
    "create table person (id int primary key, owner int not null, name text)",
    "insert into person select n, n % 500, 'name ' || n from generate_series(1, 12000) n",
    "analyze person",
)


@pytest.fixture
def teller(ward: Ward, monkeypatch: pytest.MonkeyPatch) -> Iterator[Ward]:
    """A ward with a role of its own that is connected, and nobody who said how long he waits."""
    for each in OUTER:
        monkeypatch.delenv(each, raising=False)
    ward.run("create role teller login superuser")
    yield ward
    ward.end()
    with Ward(ward.server, ward.conninfo).at as connection:
        connection.execute("drop owned by teller")
        connection.execute("drop role teller")


def of_teller(ward: Ward) -> dict[str, str]:
    ward.open("shop", user="teller").execute("select 1")
    return {key: each.severity for key, each in ward.see(TimeoutsOrder()).items() if "/teller/" in key}


def test_time_outs_in_the_wrong_order_are_found_and_put_in_order(
    teller: Ward, monkeypatch: pytest.MonkeyPatch
) -> None:
    teller.run(
        "alter role teller set statement_timeout = '30s'",
        "alter role teller set lock_timeout = '1min'",
    )
    assert of_teller(teller) == {"timeouts_order/teller/ward/lock": "warning"}
    found = teller.see(TimeoutsOrder())
    assert "not known here" in found["timeouts_order/not examined"].saw
    teller.cure(*found["timeouts_order/teller/ward/lock"].cures)
    assert of_teller(teller) == {}
    monkeypatch.setenv("FLATWATER_CLIENT_TIMEOUT_S", "60")
    monkeypatch.setenv("FLATWATER_BALANCER_TIMEOUT_S", "10")
    key = "timeouts_order/teller/ward/waiting"
    assert of_teller(teller) == {key: "warning"}
    waits = teller.see(TimeoutsOrder())[key]
    assert "the balancer gives up after 10 s" in waits.saw
    teller.cure(*waits.cures)
    assert teller.value("select 1") == 1
    assert "statement_timeout=8000ms" in str(
        teller.value(
            "select setconfig from pg_db_role_setting where setrole = 'teller'::regrole and setdatabase <> 0"
        )
    )
    # The lock's own limit is what the first cure made of it: longer than the new one of the statement, and so the next to be told.
    assert of_teller(teller) == {"timeouts_order/teller/ward/lock": "warning"}
    teller.cure(*teller.see(TimeoutsOrder())["timeouts_order/teller/ward/lock"].cures)
    assert of_teller(teller) == {}


def test_a_statement_that_outlasts_its_transactions_limit_is_told(teller: Ward) -> None:
    if teller.value("select current_setting('server_version_num')::int") < 170_000:
        pytest.skip("transaction_timeout came with PostgreSQL 17")
    teller.run(
        "alter role teller set transaction_timeout = '20s'", "alter role teller set statement_timeout = '30s'"
    )
    assert of_teller(teller) == {"timeouts_order/teller/ward/transaction": "warning"}


def test_a_count_of_all_rows_that_is_asked_again_and_again_is_found(statements_ward: Ward) -> None:
    ward = statements_ward
    ward.run(*PEOPLE)
    for _ in range(25):
        ward.run("select count(*) from person", "select count(*) from person where id < 5")
    (found,) = ward.see(WholeCounts()).values()
    assert found.severity == "notice"
    assert found.numbers["calls"] == 25
    assert ward.see(WholeCounts(warning_ms=0.0))[found.key].severity == "warning"
    estimate = found.cures[0].explanation.partition("will do: ")[2].partition(". In Django")[0]
    ward.run("select pg_stat_statements_reset()")
    for _ in range(25):
        assert ward.value(estimate) == 12_000
    assert ward.loud(WholeCounts()) == set()


def test_without_statistics_of_statements_no_habit_is_seen(ward: Ward) -> None:
    assert set(ward.see(WholeCounts())) == {"whole_counts/not examined"}


def test_a_row_policy_that_no_index_serves_is_found_and_served(ward: Ward) -> None:
    ward.run(
        *PEOPLE,
        "alter table person enable row level security",
        "create policy own on person using (owner = current_setting('app.owner', true)::int)",
    )
    key = "row_policies/public.person.own"
    found = ward.see(RowPolicies())[key]
    assert "no index begins with owner" in found.saw
    assert ward.see(RowPolicies(warning_rows=1_000))[key].severity == "warning"
    ward.cure(*found.cures)
    assert ward.loud(RowPolicies()) == set()


def test_a_row_policy_that_compares_no_column_as_it_is_kept_says_so(ward: Ward) -> None:
    ward.run(
        *PEOPLE,
        "create index on person (owner)",
        "alter table person enable row level security",
        "create policy own on person using (owner::text = current_setting('app.owner', true))",
    )
    found = ward.see(RowPolicies())["row_policies/public.person.own"]
    assert "no index can serve it" in found.saw
    ward.run("alter policy own on person using (owner = current_setting('app.owner', true)::int)")
    assert ward.loud(RowPolicies()) == set()
    ward.run("alter table person disable row level security")
    assert ward.see(RowPolicies())["row_policies/all"].numbers["policies"] == 0


@pytest.fixture
def pooled(ward: Ward) -> Iterator[str]:
    """PgBouncer in transaction mode before the ward; how its console is reached."""
    program = shutil.which("pgbouncer", path=f"{os.environ.get('PATH', '')}:/usr/sbin")
    if program is None:
        pytest.skip("pgbouncer is not installed on this machine")
    folder = ward.server.folder
    settings = folder / "pooled.ini"
    settings.write_text(
        f"[databases]\nward = host={folder} port={ward.server.port} user=postgres\n[pgbouncer]\nlisten_addr =\nlisten_port = 6433\n"
        f"unix_socket_dir = {folder}\nauth_type = any\npool_mode = transaction\ndefault_pool_size = 1\nadmin_users = postgres\n"
    )
    Path(settings).chmod(0o644)
    drop = (
        ["setpriv", f"--reuid={NOBODY}", f"--regid={NOBODY}", "--clear-groups"] if os.geteuid() == 0 else []
    )
    running = subprocess.Popen(
        [*drop, program, str(settings)], stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL
    )
    until = time.monotonic() + 10
    while not (folder / ".s.PGSQL.6433").exists():
        assert time.monotonic() < until, "pgbouncer did not start"
        time.sleep(0.02)
    yield f"host={folder} port=6433 user=postgres dbname=pgbouncer"
    running.terminate()
    running.wait(10)


def test_what_is_set_for_a_session_behind_a_pooler_is_found_and_set_for_the_role(
    ward: Ward, pooled: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("FLATWATER_POOLER_DSN", raising=False)
    assert "not known here" in ward.see(SessionSettings())["session_settings/not examined"].saw
    through = ward.open("shop", host=str(ward.server.folder), port=6433, prepare_threshold=None)
    through.execute("select 1")
    assert ward.see(SessionSettings(dsn=pooled))["session_settings/all"].severity == "ok"
    ward.run("create schema tenant_a")
    through.execute("set search_path = tenant_a, public")
    (found,) = ward.see(SessionSettings(dsn=pooled)).values()
    assert found.severity == "warning"
    assert "search_path" in found.saw
    ward.cure(*found.cures)
    with Ward(ward.server, ward.conninfo).at as fresh:
        assert fresh.execute("show search_path").fetchone() == ("tenant_a, public",)
    through.execute("begin; set local search_path = tenant_a; commit")
    through.execute("select 1")
    assert ward.loud(SessionSettings(dsn=pooled)) == set()
    ward.cure(*(type(each)(sql=each.undo) for each in found.cures))


def seen_scanning(ward: Ward, statement: str) -> str:
    """The explanation of the first cure for a table that such statements read whole."""
    reader = ward.open("shop")
    for _ in range(4):
        reader.execute(statement)
    reader.execute("select pg_stat_force_next_flush()")
    reader.execute(statement)
    ward.at.execute("select pg_stat_force_next_flush()")
    found = ward.see(MissingIndexes(least_scans=3))["missing_indexes/public.person"]
    assert bool(found.cures[0].sql) == (
        "Look at their plan with explain before and after" in found.cures[0].explanation
    )
    return found.cures[0].explanation


def test_an_index_is_tried_without_being_built_and_not_offered_where_the_planner_leaves_it(
    statements_ward: Ward,
) -> None:
    ward = statements_ward
    if not ward.value("select exists (select 1 from pg_available_extensions where name = 'hypopg')"):
        pytest.skip("hypopg is not installed on this machine")
    ward.run(*PEOPLE, "alter table person add here boolean not null default true", "analyze person")
    assert "hypopg" not in seen_scanning(ward, "select name from person where owner = 7")
    ward.run("create extension hypopg")
    said = seen_scanning(ward, "select name from person where owner = 7")
    assert "the planner uses it" in said
    ward.run("select pg_stat_statements_reset()")
    assert "is not used" in seen_scanning(ward, "select name from person where here = true")
    assert ward.value("select count(*) from pg_class where relname like '%hypo%' and relkind = 'i'") == 0


def test_a_column_that_an_index_is_skipped_to_wants_none_of_its_own(ward: Ward) -> None:
    if ward.value("select current_setting('server_version_num')::int") < 180_000:
        pytest.skip("indexes are skipped through from PostgreSQL 18 on")
    ward.run(
        *PEOPLE,
        "alter table person add kind int not null default 1",
        "create index on person (kind, owner)",
        "analyze person",
        "set enable_indexscan = off",
    )
    reader = "begin; set local enable_indexscan = off; set local enable_indexonlyscan = off; set local enable_bitmapscan = off"
    shop = ward.open("shop")
    for _ in range(4):
        shop.execute(reader)
        shop.execute("select name from person where owner = 7")
        shop.execute("commit")
    shop.execute("select pg_stat_force_next_flush()")
    shop.execute("select name from person where owner = 7")
    found = ward.see(MissingIndexes(least_scans=3))["missing_indexes/public.person"]
    assert not found.cures[0].sql
    assert "by skipping" in found.cures[0].explanation


def test_one_illness_of_a_session_is_told_with_its_cure_once(
    ward: Ward, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("flatwater.doctor.sessions.FORGOTTEN_S", 0.0)
    ward.run("create table note (id int)")
    holder = ward.open("shop/pay")
    holder.execute("begin")
    holder.execute("lock table note")
    waiter = ward.open("shop/list")
    waiter.pgconn.send_query(b"select * from note")
    waiter.pgconn.flush()
    time.sleep(0.1)
    with Look(ward.conninfo, application="shop") as look:
        report = Doctor(
            [Diagnosis(forgotten_s=0.0), Connections(idle_in_transaction_s=0.0), Blocking()]
        ).examine(look)
    pid = str(holder.info.backend_pid)
    loud = [each for each in report.findings if each.severity in {"warning", "critical"}]
    curing = [each for each in loud if each.cures and f"pid = {pid}" in each.cures[0].sql]
    assert len(curing) == 1
    pointing = [each for each in report.findings if "Told with its cure as" in each.saw]
    assert pointing
    assert all(curing[0].key in each.saw for each in pointing)
