"""What may stop the server: the log of writes, slots, replicas, prepared transactions, wraparound, checkpoints, the disk."""

from __future__ import annotations

import time
from collections.abc import Callable

import psycopg

from flatwater.doctor.checks.checkpoints import Checkpoints
from flatwater.doctor.checks.disk_space import DiskSpace
from flatwater.doctor.checks.notification_queue import NotificationQueue
from flatwater.doctor.checks.prepared_transactions import PreparedTransactions
from flatwater.doctor.checks.replicas_lag import ReplicasLag
from flatwater.doctor.checks.vacuum import Vacuum
from flatwater.doctor.checks.wal_and_slots import WalAndSlots
from flatwater.doctor.checks.wraparound import Wraparound
from flatwater.doctor.fix import apply, safe_cures
from flatwater.doctor.look import Look
from flatwater.doctor.run import Doctor

from .conftest import OwnServer, Ward, newest_binaries


def test_a_slot_nobody_reads_is_found_and_dropped(ward: Ward) -> None:
    ward.run("select pg_create_physical_replication_slot('gone', true)", "create table t as select 1 as n")
    try:
        found = ward.see(WalAndSlots())
        finding = found["wal_and_slots/slot gone"]
        assert finding.severity == "warning"
        assert finding.numbers["held_bytes"] > 0
        assert "read by nobody" in finding.saw
        assert found["wal_and_slots/unbounded"].severity == "notice"
        assert ward.see(WalAndSlots(slot_bytes=1))["wal_and_slots/slot gone"].severity == "critical"
        ward.cure(*found["wal_and_slots/unbounded"].cures)
        _until(ward, "current_setting('max_slot_wal_keep_size') = '10GB'")
        assert "wal_and_slots/unbounded" not in ward.see(WalAndSlots())
        ward.at.execute(found["wal_and_slots/unbounded"].cures[0].undo)
        ward.run("select pg_reload_conf()")
        ward.run("checkpoint", "select pg_replication_slot_advance('gone', pg_current_wal_lsn())")
        assert ward.at.execute(finding.cures[0].sql).fetchall() == [], "it was read since"
        ward.cure(ward.see(WalAndSlots())["wal_and_slots/slot gone"].cures[0])
        assert ward.see(WalAndSlots())["wal_and_slots/all"].severity == "ok"
        ward.at.execute(finding.cures[0].undo)
        assert "wal_and_slots/slot gone" in ward.see(WalAndSlots())
    finally:
        ward.run("select pg_drop_replication_slot('gone')")


def test_a_logical_slot_that_lost_its_reader_is_named_as_what_holds_vacuum_back(ward: Ward) -> None:
    ward.run("select pg_create_logical_replication_slot('feed', 'pgoutput')")
    try:
        for number in range(5):
            ward.run(f"create table t{number} (n int)")
        finding = ward.see(Vacuum(horizon_notice=3))["vacuum/held back"]
        assert "replication slot feed" in finding.saw
        ward.cure(ward.see(WalAndSlots())["wal_and_slots/slot feed"].cures[0])
        assert "vacuum/held back" not in ward.see(Vacuum(horizon_notice=3))
    finally:
        ward.run(
            "select pg_drop_replication_slot(slot_name) from pg_replication_slots where slot_name = 'feed'"
        )


def test_a_log_larger_than_it_should_be_is_told(ward: Ward) -> None:
    assert "wal_and_slots/size" in ward.loud(WalAndSlots(times_max_wal=0.001))


def test_who_may_not_see_the_log_is_told_so_and_slots_are_still_looked_at(ward: Ward) -> None:
    ward.run("create role clerk login")
    finding = ward.see(WalAndSlots(), role="clerk")["wal_and_slots/not examined"]
    assert "0 slots were looked at" in finding.saw
    assert "may not see it" in finding.saw
    ward.run("drop role clerk")


def test_a_replica_that_is_behind_is_seen_from_both_sides_and_resumed(
    ward: Ward, replica_of: Callable[[OwnServer], OwnServer]
) -> None:
    replica = replica_of(ward.server)
    there = Ward(
        replica,
        replica.conninfo.replace("dbname=postgres", ward.conninfo.split("dbname=")[1].join(("dbname=", ""))),
    )
    try:
        _until(ward, "exists (select 1 from pg_stat_replication where state = 'streaming')")
        check = ReplicasLag(warning_bytes=1 << 20)
        there.at.execute("select pg_wal_replay_pause()")
        ward.run("create table written as select n, repeat('x', 200) from generate_series(1, 10000) n")
        finding = ward.see(check)["replicas_lag/walreceiver"]
        assert finding.severity == "warning"
        assert finding.numbers["behind_bytes"] > 1 << 20
        paused = there.see(check)["replicas_lag/paused"]
        there.at.execute(paused.cures[0].sql)
        _until(ward, "(select replay_lsn = pg_current_wal_lsn() from pg_stat_replication)")
        assert ward.loud(check) == set()
        assert there.loud(check) == set()
    finally:
        there.end()


def test_commits_that_wait_for_a_replica_that_is_not_there_are_critical(ward: Ward) -> None:
    ward.run("alter system set synchronous_standby_names = 'far'", "select pg_reload_conf()")
    try:
        _until(ward, "current_setting('synchronous_standby_names') = 'far'")
        finding = ward.see(ReplicasLag())["replicas_lag/synchronous"]
        assert finding.severity == "critical"
        ward.cure(*finding.cures)
        _until(ward, "current_setting('synchronous_standby_names') = ''")
        assert ward.loud(ReplicasLag()) == set()
    finally:
        ward.at.execute("alter system reset synchronous_standby_names")
        ward.run("select pg_reload_conf()")


def test_a_prepared_transaction_nobody_came_back_for_is_found_and_rolled_back(ward: Ward) -> None:
    ward.run("create table counted (n int)", "insert into counted values (1)")
    ward.at.execute("begin; update counted set n = 2; prepare transaction 'it''s lost'")
    assert ward.see(PreparedTransactions())["prepared_transactions/all"].numbers["prepared"] == 1
    finding = ward.see(PreparedTransactions(warning_s=0.0))["prepared_transactions/it's lost"]
    assert finding.severity == "warning"
    assert finding.numbers["locks"] >= 2
    assert not finding.cures[0].is_safe
    assert "prepared transaction it's lost" in ward.see(Vacuum(horizon_notice=0))["vacuum/held back"].saw
    ward.cure(finding.cures[0])
    assert ward.loud(PreparedTransactions(warning_s=0.0)) == set()
    assert ward.value("select n from counted") == 1


def test_a_server_whose_freezing_is_overdue_is_found_and_frozen() -> None:
    server = OwnServer(
        newest_binaries(), {"autovacuum_freeze_max_age": "100000", "autovacuum_naptime": "2147483"}
    )
    ward = Ward(server, server.conninfo)
    try:
        assert ward.loud(Wraparound()) == set()
        # An old snapshot, as on a server that comes to this for real: what it may need can't be frozen.
        reader = ward.open("reports/monthly")
        reader.execute("begin isolation level repeatable read; select pg_current_xact_id()")
        ward.run("create table kept (n int)")
        ward.run("do $$ begin for n in 1..115000 loop perform pg_current_xact_id(); commit; end loop; end $$")
        found = ward.see(Wraparound())
        finding = found["wraparound/postgres"]
        assert finding.severity == "warning"
        assert finding.numbers["freeze_at"] == 100_000
        assert finding.numbers["transactions"] > 110_000
        assert any(key.startswith("wraparound/table ") for key in found)
        assert "session reports/monthly" in ward.see(Vacuum(horizon_notice=100_000))["vacuum/held back"].saw
        assert ward.see(Wraparound(critical=100_000))["wraparound/postgres"].severity == "critical"
        reader.execute("rollback")
        ward.open("shop").execute("select 1")  # its role owns the tables
        with Look(ward.conninfo, application="shop") as look:
            report = Doctor([Wraparound()]).examine(look)
            old = {each.key for each, _ in safe_cures(report)}
            faster = min(old)
            ward.run(f"vacuum (freeze) {faster.removeprefix('wraparound/table ')}")  # somebody was faster
            deeds = {each.finding.key: each.done for each in apply(look, report, lambda *_: True)}
            assert deeds == {key: key != faster for key in old}
            left = {each.key for each in Doctor([Wraparound()]).examine(look).findings}
            assert not left & old, "what was frozen is told no more"
        ward.cure(finding.cures[0])
        assert "wraparound/postgres" not in ward.see(Wraparound())
    finally:
        ward.end()
        server.remove()


def test_checkpoints_that_are_asked_for_too_often_are_told_with_more_room_for_the_log(ward: Ward) -> None:
    ward.run("select pg_stat_reset_shared('checkpointer')")
    assert "10 are wanted" in ward.see(Checkpoints())["checkpoints/not examined"].saw
    for number in range(11):
        ward.run(f"create table t{number} (n int)", "checkpoint")
    finding = ward.see(Checkpoints())["checkpoints/all"]
    assert finding.severity == "warning"
    assert finding.numbers["requested"] >= 11
    ward.cure(*finding.cures)
    try:
        _until(ward, "current_setting('max_wal_size') = '2GB'")
    finally:
        ward.at.execute(finding.cures[0].undo)
        ward.run("select pg_reload_conf()", "select pg_stat_reset_shared('checkpointer')")


def test_a_queue_of_notifications_that_a_listener_holds_is_told(ward: Ward) -> None:
    assert ward.see(NotificationQueue())["notification_queue/all"].severity == "ok"
    held = ward.open("shop/listener")
    held.execute("listen news")
    held.execute("begin")
    held.execute("select 1")
    for number in range(200):
        ward.run(
            f"do $$ begin for n in 1..100 loop perform pg_notify('news', {number} || '-' || n || repeat('x', 7000)); end loop; end $$"
        )
        if ward.value("select pg_notification_queue_usage() > 0.001"):
            break
    finding = ward.see(NotificationQueue(warning=0.0005))["notification_queue/all"]
    assert finding.severity == "warning"
    assert "shop/listener" in finding.saw


def test_a_disk_that_is_nearly_full_is_told_and_one_far_away_is_not_examined(ward: Ward) -> None:
    assert ward.see(DiskSpace())["disk_space/all"].severity == "ok" or ward.loud(DiskSpace())
    found = ward.see(DiskSpace(warning=0.0, critical=2.0))
    assert found["disk_space/files"].severity == "warning"
    assert "free_bytes" in found["disk_space/log of writes"].numbers


def _until(ward: Ward, condition: str) -> None:
    until = time.monotonic() + 15
    while True:
        try:
            if ward.value(f"select {condition}"):
                return
        except psycopg.errors.UndefinedTable:
            pass
        assert time.monotonic() < until, condition
        time.sleep(0.02)
