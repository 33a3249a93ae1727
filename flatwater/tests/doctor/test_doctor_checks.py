from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Callable
from datetime import UTC, datetime, timedelta

import msgspec
import psycopg
import pytest
from running_server import RunningServer

from flatwater.doctor.checks.application_memory import ApplicationMemory
from flatwater.doctor.checks.backend_memory import BackendMemory
from flatwater.doctor.checks.blocking import Blocking
from flatwater.doctor.checks.connections import Connections
from flatwater.doctor.checks.diagnosis import Diagnosis
from flatwater.doctor.checks.lock_queues import LockQueues
from flatwater.doctor.checks.long_statements import LongStatements
from flatwater.doctor.checks.settings_for_memory import SettingsForMemory
from flatwater.doctor.checks.timeouts_unset import TimeoutsUnset
from flatwater.doctor.checks.trend import Trend
from flatwater.doctor.look import Look
from flatwater.doctor.model import Finding, Snapshot
from flatwater.doctor.pool_numbers import PoolNumbers

See = Callable[..., list[Finding]]


def by_key(findings: list[Finding]) -> dict[str, Finding]:
    assert len({each.key for each in findings}) == len(findings)
    return {each.key: each for each in findings}


def test_what_belongs_to_another_application_has_no_safe_cure(
    others, see: See, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("flatwater.doctor.sessions.FORGOTTEN_S", 0.0)
    others.forget("shop")
    others.forget("shopping")
    found = see(Connections(idle_in_transaction_s=0.0))
    foreign = by_key(found)["connections/idle in transaction/shopping"]
    assert not any(cure.is_safe for cure in foreign.cures)
    assert by_key(found)["connections/idle in transaction/shop"].cures[0].is_safe
    without_name = see(Connections(idle_in_transaction_s=0.0), None)
    assert not any(cure.is_safe for each in without_name for cure in each.cures)


def test_a_session_idle_in_its_transaction_is_found_with_its_route(others, see: See) -> None:
    others.forget("shop/list_orders", "select count(*) from note")
    found = by_key(see(Connections(idle_in_transaction_s=0.0)))
    finding = found["connections/idle in transaction/shop/list_orders"]
    assert finding.severity == "warning"
    assert "route list_orders" in finding.saw
    assert "pg_terminate_backend" in finding.cures[0].sql


def test_nearly_all_connections_taken_is_critical(others, see: See) -> None:
    for _ in range(33):
        others.open("crowd")
    assert by_key(see(Connections()))["connections/room"].severity == "critical"


def test_a_quiet_server_is_well_and_says_what_was_looked_at(others, see: See) -> None:
    others.open().execute("select 1")
    for check in (
        Connections(),
        LongStatements(),
        Blocking(),
        LockQueues(),
        Diagnosis(),
        BackendMemory(),
        SettingsForMemory(),
    ):
        found = see(check)
        assert found
        assert {each.severity for each in found} == {"ok"}, found
        assert all(any(letter.isdigit() for letter in each.saw) or "No change" in each.saw for each in found)


def test_a_long_statement_is_found_without_the_values_in_it(others, see: See) -> None:
    others.begin("select pg_sleep(30), 'a secret of somebody''s'", "shop/report")
    others.wait_until(
        "exists (select 1 from pg_stat_activity where application_name = 'shop/report' and state = 'active')"
    )
    finding = see(LongStatements(warning_s=0.0))[0]
    assert finding.key == "long_statements/shop/report"
    assert "pg_sleep(?), ?" in finding.saw
    assert "secret" not in finding.saw
    assert "pg_cancel_backend" in finding.cures[0].sql
    assert by_key(see(LongStatements()))["long_statements/all"].severity == "ok"


def test_who_waits_for_whom_is_a_tree_below_the_one_who_holds_everybody_up(others, see: See) -> None:
    others.forget("shop/pay", "insert into counter values ('a', 1)")
    first = others.begin("insert into counter values ('a', 2)", "shop/ship")
    others.wait_until(f"exists (select 1 from pg_locks where pid = {first.info.backend_pid} and not granted)")
    second = others.begin("alter table counter add note text", "migration")
    others.wait_until(
        f"exists (select 1 from pg_locks where pid = {second.info.backend_pid} and not granted)"
    )
    third = others.begin("select count(*) from counter", "shop/count")
    others.wait_until(f"exists (select 1 from pg_locks where pid = {third.info.backend_pid} and not granted)")

    finding = by_key(see(Blocking(warning_s=0.0)))["blocking/shop/pay"]
    assert finding.severity == "warning"
    assert finding.numbers["waiting"] == 3
    assert "shop/ship" in finding.saw
    assert "migration" in finding.saw
    assert "shop/count" in finding.saw
    assert finding.saw.index("migration") < finding.saw.index("shop/count")
    assert "idle in transaction" in finding.saw
    assert not finding.cures[0].is_safe, "they waited for less than five seconds"
    assert see(Blocking(critical_s=0.0))[0].cures[0].is_safe

    queue = see(LockQueues(critical_s=0.0))[0]
    assert queue.key == "lock_queues/counter"
    assert queue.severity == "critical"
    assert queue.numbers["behind"] == 1
    assert not queue.cures[0].is_safe

    joined = see(Diagnosis(forgotten_s=60, held_up_s=0.0))
    assert [each.key for each in joined] == ["diagnosis/pile-up/route pay of shop"]
    assert "2 of 3 connections of shop wait" in joined[0].saw
    assert "ship 1" in joined[0].saw
    assert "count 1" in joined[0].saw


def test_many_idle_connections_are_told_from_a_pile_up_as_a_leak(others, server: RunningServer) -> None:
    for _ in range(12):
        others.open().execute("select count(*) from note where author = 'somebody'")
    with Look(server.conninfo, application="shop", pool=5) as look:
        (finding,) = Diagnosis(idle_s=0.0).look(look)
        assert finding.key == "diagnosis/leak/shop"
        assert "12 of them last ran: select count(*) from note where author = ?" in finding.saw
        assert next(iter(Diagnosis().look(look))).severity == "ok", "nobody used them for a moment only"


def test_what_was_seen_over_time_tells_a_pool_that_grows_beyond_it_and_ends_nothing(
    others, server: RunningServer
) -> None:
    for _ in range(12):
        others.open().execute("select 1")
    now = datetime.now(UTC)
    history = tuple(
        Snapshot(now - timedelta(minutes=20 - each), {"trend/connections of shop": 4}) for each in range(15)
    )
    with Look(server.conninfo, application="shop", history=history) as look:
        finding = by_key(list(Connections(idle_s=0.0).look(look)))["connections/shop"]
        assert finding.severity == "warning"
        assert "may hold 9 (4 at most in 15 earlier looks)" in finding.saw
        assert not any(each.is_safe for each in finding.cures)
    with Look(server.conninfo, application="shop", history=history[:3]) as look:
        assert by_key(list(Connections().look(look)))["connections/shop"].severity == "ok"


def test_the_pools_size_is_read_from_the_health_page(others, server: RunningServer) -> None:
    for _ in range(5):
        others.open().execute("select 1")

    def tells(limit: float) -> Look:
        return Look(
            server.conninfo,
            application="shop",
            pool_numbers=lambda: PoolNumbers({"limit": limit, "processes": 2}),
        )

    with tells(3) as look:
        assert by_key(list(Connections().look(look)))["connections/shop"].severity == "ok"
    with tells(2) as look:
        assert by_key(list(Connections().look(look)))["connections/shop"].severity == "warning"


def test_what_rests_with_a_quarter_of_the_servers_room_is_a_warning(others, see: See) -> None:
    for _ in range(4):
        others.open("rests").execute("select 1")
    assert by_key(see(Connections(idle_s=0.0)))["connections/idle/rests"].severity == "notice"
    for _ in range(8):
        others.open("rests").execute("select 1")
    assert by_key(see(Connections(idle_s=0.0)))["connections/idle/rests"].severity == "warning"


def test_an_application_that_nobody_saw_is_not_examined_and_never_well(others, see: See) -> None:
    others.open("shop")
    for check in (Diagnosis(), TimeoutsUnset(), ApplicationMemory()):
        assert [each.severity for each in see(check, "shpo")] == ["not_examined"]
    assert "shop" in see(Diagnosis(), "shpo")[0].saw


def test_unset_time_outs_are_found_for_the_roles_of_the_application_and_cured_by_the_cure(
    others, see: See
) -> None:
    others.onlooker.execute("create role clerk login")
    try:
        others.open("shop", user="clerk")
        finding = by_key(see(TimeoutsUnset()))["timeouts_unset/clerk/postgres"]
        assert finding.numbers["unset"] == 3
        for cure in finding.cures:
            others.onlooker.execute(cure.sql)
        assert [each.severity for each in see(TimeoutsUnset())] == ["ok"]
        for cure in finding.cures:
            others.onlooker.execute(cure.undo)
        assert by_key(see(TimeoutsUnset()))["timeouts_unset/clerk/postgres"].numbers["unset"] == 3
    finally:
        others.onlooker.execute(
            "select pg_terminate_backend(pid, 2000) from pg_stat_activity where usename = 'clerk'"
        )
        others.onlooker.execute("drop role clerk")


@pytest.mark.parametrize(
    ("memory_bytes", "keys"),
    [
        (20 << 20, {"shared_buffers", "work_mem", "maintenance_work_mem"}),
        (256 << 20, {"work_mem", "maintenance_work_mem"}),
        (64 << 30, {"all"}),
    ],
)
def test_settings_are_judged_by_the_memory_of_the_machine(
    server: RunningServer, memory_bytes: int, keys: set[str]
) -> None:
    with Look(server.conninfo) as look:
        look.memory_bytes = memory_bytes
        assert {each.key.partition("/")[2] for each in SettingsForMemory().look(look)} == keys


def test_settings_beyond_the_machines_memory_are_cured(others, server: RunningServer) -> None:
    def see_with(memory_bytes: int) -> dict[str, Finding]:
        with Look(server.conninfo) as look:
            look.memory_bytes = memory_bytes
            return by_key(list(SettingsForMemory().look(look)))

    found = see_with(256 << 20)
    cures = [each.cures[0] for each in found.values()]
    try:
        for cure in cures:
            others.onlooker.execute(cure.sql)
        others.onlooker.execute("select pg_reload_conf()")
        others.wait_until(
            "exists (select 1 from pg_settings where name = 'work_mem' and source = 'configuration file')"
        )
        assert set(see_with(256 << 20)) == {"settings_for_memory/all"}
        restarting = see_with(20 << 20)["settings_for_memory/shared_buffers"].cures[0]
        others.onlooker.execute(restarting.sql)
        row = others.onlooker.execute(
            "select setting from pg_file_settings where name = 'shared_buffers' order by seqno desc limit 1"
        ).fetchone()
        assert row == (f"{5 << 10}kB",), "a quarter of the machine; it holds after a restart"
        others.onlooker.execute(restarting.undo)
    finally:
        for cure in cures:
            others.onlooker.execute(cure.undo)
        others.onlooker.execute("select pg_reload_conf()")


def test_settings_are_not_examined_where_the_machine_is_another(server: RunningServer, see: See) -> None:
    del see
    with Look(server.conninfo) as look:
        look.memory_bytes = None
        with pytest.raises(Exception, match="another machine"):
            list(SettingsForMemory().look(look))


@pytest.mark.parametrize("is_used_since", [False, True], ids=["still", "used since"])
def test_a_session_that_holds_much_memory_is_found_and_ended(others, see: See, is_used_since: bool) -> None:
    large = others.open()
    large.execute("select 1")
    found = by_key(see(BackendMemory(own_warning_bytes=10_000)))
    assert found["backend_memory/shop"].severity == "warning"
    assert found["backend_memory/all"].numbers["pss_bytes"] > 1 << 20
    if is_used_since:
        large.execute("select 1")
    for cure in found["backend_memory/shop"].cures[:1]:
        others.onlooker.execute(cure.sql)
    others.wait_until(
        "true"
        if is_used_since
        else "not exists (select 1 from pg_stat_activity where application_name = 'shop')"
    )
    assert ("backend_memory/shop" in by_key(see(BackendMemory(own_warning_bytes=10_000)))) == is_used_since


def test_memory_of_a_server_elsewhere_tells_the_own_session_and_that_it_saw_no_more(
    server: RunningServer,
) -> None:
    with Look(server.conninfo) as look:
        look.is_local = False
        findings = []
        with pytest.raises(Exception, match="not on this machine"):
            findings.extend(BackendMemory().look(look))
        first = next(iter(BackendMemory().look(look)))
    assert first.key == "backend_memory/own"
    assert first.numbers["size_bytes"] > 100_000


def test_a_process_that_tells_its_pid_is_found_with_its_memory(others, see: See) -> None:
    others.open(f"shop/pay pid={os.getpid()}")
    finding = see(ApplicationMemory(target_bytes=1))[0]
    assert finding.severity == "notice"
    assert f"pid {os.getpid()}" in finding.saw


def test_the_process_at_the_other_end_of_a_loopback_port_is_found() -> None:
    import socket

    from flatwater.doctor.processes import owners_of_ports

    with socket.create_server(("127.0.0.1", 0)) as listening:
        program = (
            "import socket,sys; s = socket.create_connection(('127.0.0.1', int(sys.argv[1])));"
            "print(s.getsockname()[1], flush=True); sys.stdin.read()"
        )
        with subprocess.Popen(
            [sys.executable, "-c", program, str(listening.getsockname()[1])],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
        ) as child:
            assert child.stdout is not None
            port = int(child.stdout.readline())
            accepted, _ = listening.accept()
            with accepted:
                assert owners_of_ports(frozenset({port})) == {port: child.pid}
            child.kill()


@pytest.mark.parametrize(
    ("daily", "severity"), [(0.0, "ok"), (1.0, "notice"), (20.0, "warning"), (-20.0, "ok")]
)
def test_growth_is_told_from_noise_by_the_lower_end_of_its_interval(
    server: RunningServer, daily: float, severity: str
) -> None:
    with Look(server.conninfo) as look:
        noise = [0.03, -0.02, 0.0, 0.01, -0.03, 0.02, -0.01, 0.03, -0.02, 0.0]
        look.history = tuple(
            Snapshot(
                look.at - timedelta(days=10 - number),
                {"trend/connections": 300 + daily * number + noise[number]},
            )
            for number in range(10)
        )
        look.remember("trend/connections", 300 + daily * 10)
        found = by_key(list(Trend().look(look)))
    assert found["trend/connections"].severity == severity
    assert found["trend/database_bytes"].severity == "not_examined"


def test_what_grows_for_minutes_is_no_warning_of_a_day(server: RunningServer) -> None:
    with Look(server.conninfo) as look:
        for every, severity in ((timedelta(seconds=10), "notice"), (timedelta(minutes=10), "warning")):
            look.history = tuple(
                Snapshot(look.at - every * (10 - number), {"trend/connections": 100.0 + number})
                for number in range(10)
            )
            look.remembered = {"trend/connections": 110.0}
            assert by_key(list(Trend().look(look)))["trend/connections"].severity == severity


def test_a_role_that_may_not_see_others_says_so_and_never_well(others, server: RunningServer) -> None:
    others.onlooker.execute("create role stranger login")
    try:
        others.forget("shop")
        with Look(f"{server.conninfo} user=stranger", application="shop") as look:
            found = by_key(list(Connections(idle_in_transaction_s=0.0).look(look)))
            long = list(LongStatements().look(look))
            joined = list(Diagnosis().look(look))
        assert found["connections/hidden"].severity == "not_examined"
        assert not any("idle in transaction" in key for key in found)
        assert [each.severity for each in long] == ["not_examined"]
        assert [each.severity for each in joined] == ["not_examined"]
    finally:
        others.onlooker.execute("drop role stranger")


def test_a_role_that_may_not_see_others_still_sees_that_they_wait(others, server: RunningServer) -> None:
    others.onlooker.execute("create role stranger2 login")
    try:
        others.forget("shop/pay", "insert into counter values ('a', 1)")
        waiter = others.begin("insert into counter values ('a', 2)", "shop/ship")
        others.wait_until(
            f"exists (select 1 from pg_locks where pid = {waiter.info.backend_pid} and not granted)"
        )
        with Look(f"{server.conninfo} user=stranger2", application="shop") as look:
            finding = next(iter(Blocking().look(look)))
        assert finding.numbers["waiting"] == 1
        assert not any(cure.is_safe for cure in finding.cures), "what is hidden is not ended"
    finally:
        others.onlooker.execute("drop role stranger2")


def test_every_finding_can_be_written_down(others, see: See) -> None:
    others.forget()
    assert msgspec.json.decode(msgspec.json.encode(see(Connections())), type=list[Finding])


def test_no_probe_may_write(server: RunningServer) -> None:
    with Look(server.conninfo) as look, pytest.raises(psycopg.errors.ReadOnlySqlTransaction):
        look.connection.execute("create table intruder (id int)")
