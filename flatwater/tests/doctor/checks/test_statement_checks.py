"""Statements that are slow, frequent or forgotten, and what they cost the server."""

from __future__ import annotations

import time
from datetime import timedelta

import psycopg
import pytest
from msgspec.structs import replace

from flatwater.doctor.checks.missing_indexes import MissingIndexes
from flatwater.doctor.checks.rollbacks_and_deadlocks import RollbacksAndDeadlocks
from flatwater.doctor.checks.slow_statements import SlowStatements
from flatwater.doctor.checks.statements_forgotten import StatementsForgotten
from flatwater.doctor.checks.temp_files import TempFiles


def test_slow_statements_are_found_by_their_mean_without_their_values(statements_ward) -> None:
    ward = statements_ward
    for _ in range(20):
        ward.run("select pg_sleep(0.004), 'a secret'")
    found = ward.see(SlowStatements(warning_ms=3.0, critical_ms=1_000.0))
    slow = [each for each in found.values() if each.severity == "warning"]
    assert len(slow) == 1
    assert slow[0].numbers["calls"] == 20
    assert "pg_sleep" in slow[0].saw
    assert "secret" not in slow[0].saw
    well = ward.see(SlowStatements())
    assert set(well) == {"slow_statements/all"}
    assert "Most frequent: " in well["slow_statements/all"].saw


def test_one_statement_that_takes_a_third_of_all_time_is_told(statements_ward) -> None:
    ward = statements_ward
    ward.run("select pg_sleep(0.2)")
    found = ward.see(SlowStatements(least_total_ms=100.0))
    assert any("of all time" in each.saw for each in found.values() if each.severity == "notice")


def test_without_statistics_of_statements_own_samples_find_what_runs_and_say_what_they_can_not(ward) -> None:
    busy = ward.open("shop/report")
    busy.pgconn.send_query(b"select pg_sleep(20), 'a secret'")
    busy.pgconn.flush()
    time.sleep(0.2)
    found = ward.see(SlowStatements(notice_ms=100.0, warning_ms=10_000.0))
    sampled = [each for each in found.values() if each.severity == "notice"]
    assert len(sampled) == 1
    assert "shop/report" in sampled[0].saw
    assert "secret" not in sampled[0].saw
    assert "pg_stat_statements" in found["slow_statements/not examined"].saw
    busy.cancel_safe()
    assert set(ward.see(SlowStatements())) == {"slow_statements/not examined"}, "samples alone never say well"


def test_statements_that_were_forgotten_are_told_with_the_room_to_give(statements_ward) -> None:
    ward = statements_ward
    assert ward.see(StatementsForgotten())["statements_forgotten/all"].severity == "ok"
    for number in range(150):
        ward.at.execute(f"select {'1, ' * number}1")
    finding = ward.see(StatementsForgotten())["statements_forgotten/all"]
    assert finding.severity == "notice"
    assert finding.cures[0].sql == "alter system set pg_stat_statements.max = 200;"
    ward.cure(finding.cures[0])
    ward.at.execute(finding.cures[0].undo)


def test_statements_are_not_called_remembered_where_nobody_keeps_them(ward) -> None:
    assert ward.see(StatementsForgotten())["statements_forgotten/not examined"].severity == "not_examined"


def test_the_column_of_a_missing_index_is_read_from_the_kept_statements(statements_ward) -> None:
    ward = statements_ward
    ward.run("create table orders (id int primary key, note text)")
    ward.run("insert into orders select n, 'n' || n from generate_series(1, 20000) n", "analyze orders")
    for number in range(55):
        ward.at.execute("select id from orders where note = %s", [f"n{number}"])
    ward.run("select 1")
    assert ward.see(MissingIndexes())["missing_indexes/public.orders"].numbers["column"] == "note"


def test_spilled_sorts_are_told_by_their_rate_since_the_look_before(ward) -> None:
    ward.run("set work_mem = '64kB'", "select n from generate_series(1, 200000) n order by -n offset 199999")
    check = TempFiles(notice_bytes_an_hour=1 << 20, warning_bytes_an_hour=1 << 40)
    finding = ward.see(check)["temp_files/all"]
    assert finding.severity == "notice"
    assert finding.numbers["bytes"] > 1 << 20
    assert "nothing limits them" in finding.saw
    an_hour_ago = replace(ward.left, at=ward.left.at - timedelta(hours=1))
    assert ward.see(check, history=(an_hour_ago,))["temp_files/all"].severity == "ok"
    assert ward.see(TempFiles())["temp_files/all"].severity == "ok"


def test_rollbacks_are_told_by_their_share(ward) -> None:
    check = RollbacksAndDeadlocks(least_transactions=20)
    assert ward.see(check)["rollbacks_and_deadlocks/all"].severity == "ok"
    before = ward.left
    for _ in range(30):
        ward.at.execute("begin; rollback")
    ward.run("select 1")
    finding = ward.see(check, history=(before,))["rollbacks_and_deadlocks/rollbacks"]
    assert finding.severity == "notice", "pools end what was only read by a rollback"
    assert finding.numbers["share"] > 0.5


def test_deadlocks_are_told_by_the_minute(ward) -> None:
    ward.run(
        "create table pair (id int primary key)",
        "insert into pair values (1), (2)",
        "set deadlock_timeout = '20ms'",
    )
    other = ward.open("shop")
    other.execute("begin; update pair set id = 1 where id = 1")
    ward.at.execute("begin; update pair set id = 2 where id = 2")
    other.pgconn.send_query(b"update pair set id = 2 where id = 2")
    other.pgconn.flush()
    with pytest.raises(psycopg.errors.DeadlockDetected):
        ward.at.execute("update pair set id = 1 where id = 1")
    ward.at.execute("rollback")
    ward.run("select 1")
    finding = ward.see(RollbacksAndDeadlocks(deadlocks_a_minute=0.01))["rollbacks_and_deadlocks/deadlocks"]
    assert finding.numbers["deadlocks"] == 1
