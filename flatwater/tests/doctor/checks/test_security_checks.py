"""Who gets in, as what, over which line, and what everybody may do."""

from __future__ import annotations

import os
import shutil
import subprocess
import time
from datetime import date
from pathlib import Path

import psycopg
import pytest

from flatwater.doctor.checks.definer_functions import DefinerFunctions
from flatwater.doctor.checks.disabled_triggers import DisabledTriggers
from flatwater.doctor.checks.md5_passwords import Md5Passwords
from flatwater.doctor.checks.missing_tls import MissingTls
from flatwater.doctor.checks.pooler import Pooler
from flatwater.doctor.checks.public_write_rights import PublicWriteRights
from flatwater.doctor.checks.risky_settings import RiskySettings
from flatwater.doctor.checks.superuser_use import SuperuserUse
from flatwater.doctor.checks.trust_authentication import TrustAuthentication
from flatwater.doctor.checks.version_and_restart import VersionAndRestart, releases_since

from .conftest import NOBODY, OwnServer, Ward

WAITS = "select 1 from pg_settings where pending_restart and name = 'track_commit_timestamp'"


def test_rights_of_everybody_are_found_and_taken_back(ward: Ward) -> None:
    assert ward.loud(PublicWriteRights()) == set()
    ward.run(
        'create table "The Bills" (n int)',
        'grant insert, update, select on "The Bills" to public',
        "grant create on schema public to public",
        "create table read_only (n int)",
        "grant select on read_only to public",
    )
    found = ward.see(PublicWriteRights())
    assert set(found) == {"public_write_rights/public.The Bills", "public_write_rights/schema public"}
    assert found["public_write_rights/public.The Bills"].numbers["rights"] == "insert, update"
    for each in found.values():
        ward.cure(*each.cures)
    assert ward.loud(PublicWriteRights()) == set()
    assert ward.value("""select has_table_privilege('pg_monitor', '"The Bills"', 'select')""")


def test_a_line_that_lets_everybody_in_is_found_and_closed_by_its_command(ward: Ward) -> None:
    file = ward.server.cluster / "pg_hba.conf"
    kept = file.read_text()
    try:
        with file.open("a") as lines:
            lines.write("host all all 10.0.0.0/8 trust\nhost shop clerk 0.0.0.0/0 password\n")
        found = ward.see(TrustAuthentication())
        finding = found["trust_authentication/host all all 10.0.0.0 trust"]
        assert finding.severity == "critical"
        assert found["trust_authentication/local all all trust"].severity == "warning"
        assert found["trust_authentication/host shop clerk 0.0.0.0 password"].severity == "warning"
        subprocess.run(["sh", "-c", finding.cures[0].command], check=True)
        assert finding.key not in ward.see(TrustAuthentication())
        assert "10.0.0.0/8 scram-sha-256" in file.read_text()
        subprocess.run(["sh", "-c", finding.cures[0].undo], check=True)
        assert finding.key in ward.see(TrustAuthentication())
        with file.open("a") as lines:
            lines.write("host all all nowhere/8 trust\n")
        broken = [each for key, each in ward.see(TrustAuthentication()).items() if "broken line" in key]
        assert len(broken) == 1
    finally:
        file.write_text(kept)


def test_who_may_not_see_the_entrance_is_told_how_it_could(ward: Ward) -> None:
    ward.run("create role clerk login")
    finding = ward.see(TrustAuthentication(), role="clerk")["trust_authentication/not examined"]
    assert "grant" in finding.saw
    ward.run("drop role clerk")


def test_an_application_that_is_connected_as_a_superuser_is_found_and_lowered(ward: Ward) -> None:
    ward.run("create role boss superuser login")
    session = ward.open("shop/pay", user="boss")
    session.execute("select 1")
    finding = ward.see(SuperuserUse(), "shop")["superuser_use/shop/boss"]
    assert finding.severity == "warning"
    assert ward.see(SuperuserUse())["superuser_use/shop/boss"].severity == "notice"
    ward.cure(finding.cures[0])
    assert "superuser_use/shop/boss" not in ward.see(SuperuserUse(), "shop")
    session.close()
    ward.run("drop role boss")


def test_the_first_superuser_is_never_to_be_lowered(ward: Ward) -> None:
    ward.open("shop").execute("select 1")
    finding = ward.see(SuperuserUse(), "shop")["superuser_use/shop/postgres"]
    assert not any("nosuperuser" in cure.sql for cure in finding.cures)
    ward.cure(finding.cures[0])
    ward.at.execute(finding.cures[0].undo)


def test_a_line_from_elsewhere_without_encryption_is_found(ward: Ward) -> None:
    assert ward.see(MissingTls())["missing_tls/all"].severity == "ok"
    ward.open("shop", host="127.0.0.1").execute("select 1")
    assert ward.see(MissingTls())["missing_tls/all"].severity == "ok", "this machine is near"
    finding = ward.see(MissingTls(near=("::1/128",)))["missing_tls/127.0.0.1"]
    assert finding.severity == "warning"
    assert "shop" in finding.saw


def test_encryption_that_is_off_is_found_and_switched_on(with_statements: OwnServer) -> None:
    near = MissingTls(near=("::1/128",))
    ward = Ward(with_statements, with_statements.conninfo)
    key, certificate = (with_statements.cluster / name for name in ("server.key", "server.crt"))
    try:
        far = ward.open("shop", host="127.0.0.1")
        found = ward.see(near)["missing_tls/127.0.0.1"]
        words = (
            f"openssl req -x509 -newkey rsa:2048 -nodes -subj /CN=localhost -keyout {key} -out {certificate}"
        )
        subprocess.run(words.split(), check=True, capture_output=True)
        if os.geteuid() == 0:
            os.chown(key, NOBODY, NOBODY)
        ward.cure(*found.cures[:2])
        _until(ward, "current_setting('ssl') = 'on'")
        far.close()
        ward.open("shop", host="127.0.0.1", sslmode="require").execute("select 1")
        _until(ward, "(select count(*) from pg_stat_activity where application_name = 'shop') = 1")
        assert ward.see(near)["missing_tls/all"].severity == "ok"
        ward.run(found.cures[0].undo, "select pg_reload_conf()")
    finally:
        ward.end()


def test_what_waits_for_a_restart_is_cured_by_one(with_statements: OwnServer) -> None:
    ward = Ward(with_statements, with_statements.conninfo)
    ward.run("alter system set track_commit_timestamp = on", "select pg_reload_conf()")
    _until(ward, f"exists ({WAITS})")
    finding = ward.see(VersionAndRestart())["version_and_restart/track_commit_timestamp"]
    ward.end()
    words = finding.cures[0].command.split()
    assert words == ["pg_ctl", "restart", "-m", "fast"]
    with_statements.run(*words, "-D", with_statements.cluster, "-w", "-l", "/dev/null")
    ward = Ward(with_statements, with_statements.conninfo)
    try:
        assert finding.key not in ward.see(VersionAndRestart())
    finally:
        ward.run("alter system reset track_commit_timestamp")
        ward.end()


def test_settings_that_risk_rows_are_found_with_their_cure(ward: Ward) -> None:
    found = ward.see(RiskySettings())
    assert found["risky_settings/fsync"].severity == "critical", "the test's own server has it off"
    assert found["risky_settings/random_page_cost"].severity == "notice"
    ward.cure(*found["risky_settings/log_lock_waits"].cures, *found["risky_settings/random_page_cost"].cures)
    try:
        _until(ward, "current_setting('random_page_cost') = '1.1'")
        again = ward.see(RiskySettings())
        assert "risky_settings/log_lock_waits" not in again
        assert "risky_settings/random_page_cost" not in again
    finally:
        ward.at.execute("alter system reset log_lock_waits")
        ward.at.execute("alter system reset random_page_cost")
        ward.run("select pg_reload_conf()")


def test_a_plan_forbidden_for_everybody_is_found(ward: Ward) -> None:
    ward.run(f"alter database {ward.value('select current_database()')} set enable_hashjoin = off")
    assert ward.see(RiskySettings())["risky_settings/enable_hashjoin"].severity == "warning"


def test_a_setting_that_waits_for_a_restart_is_found(ward: Ward) -> None:
    ward.run("alter system set track_commit_timestamp = on", "select pg_reload_conf()")
    try:
        _until(ward, f"exists ({WAITS})")
        finding = ward.see(VersionAndRestart())["version_and_restart/track_commit_timestamp"]
        assert "still off" in finding.saw
        ward.at.execute(finding.cures[0].undo)
        ward.run("select pg_reload_conf()")
        _until(ward, f"not exists ({WAITS})")
        assert finding.key not in ward.see(VersionAndRestart())
    finally:
        ward.run("alter system reset track_commit_timestamp", "select pg_reload_conf()")


def test_releases_are_counted_by_the_calendar_that_was_promised() -> None:
    began = date(2025, 9, 25)
    assert releases_since(began, date(2025, 11, 1)) == 0
    # The second Thursday of November 2025 is the 13th; a week is given to install it.
    assert releases_since(began, date(2025, 11, 19)) == 0
    assert releases_since(began, date(2025, 11, 20)) == 1
    assert releases_since(began, date(2026, 11, 23)) == 5
    assert releases_since(date(2020, 9, 24), date(2025, 11, 30)) == 21


@pytest.mark.parametrize(
    ("version", "today", "keys"),
    [
        (180_000, date(2025, 10, 1), set()),
        (180_000, date(2026, 11, 23), {"version_and_restart/minor"}),
        (140_019, date(2026, 11, 23), {"version_and_restart/ended"}),
        (150_099, date(2027, 10, 1), {"version_and_restart/ending"}),
        (120_001, date(2026, 11, 23), {"version_and_restart/ended"}),
        (190_000, date(2027, 11, 23), set()),
    ],
)
def test_versions_are_judged_by_the_day(version: int, today: date, keys: set[str]) -> None:
    found = VersionAndRestart()._version(version, today)
    assert {each.key for each in found} - ({"version_and_restart/minor"} - keys) == keys


def test_no_pooler_named_is_not_examined_and_one_that_is_gone_too(
    ward: Ward, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("FLATWATER_POOLER_DSN", raising=False)
    assert "No pooler" in ward.see(Pooler())["pooler/not examined"].saw
    monkeypatch.setenv("FLATWATER_POOLER_DSN", f"host={ward.server.folder} port=1")
    assert "did not answer" in ward.see(Pooler())["pooler/not examined"].saw


def test_clients_that_wait_in_the_pooler_are_found(ward: Ward) -> None:
    program = shutil.which("pgbouncer", path=f"{os.environ.get('PATH', '')}:/usr/sbin")
    if program is None:
        pytest.skip("pgbouncer is not installed on this machine")
    folder = ward.server.folder
    name = ward.value("select current_database()")
    (folder / "users.txt").write_text('"postgres" ""\n')
    (folder / "pgbouncer.ini").write_text(
        f"[databases]\n{name} = host={folder} port={ward.server.port} user=postgres\n[pgbouncer]\nlisten_addr =\nlisten_port = 6432\n"
        f"unix_socket_dir = {folder}\nauth_type = any\npool_mode = transaction\ndefault_pool_size = 1\nadmin_users = postgres\n"
        "ignore_startup_parameters = extra_float_digits\n"
    )
    for each in ("users.txt", "pgbouncer.ini"):
        Path(folder / each).chmod(0o644)
    drop = (
        ["setpriv", f"--reuid={NOBODY}", f"--regid={NOBODY}", "--clear-groups"] if os.geteuid() == 0 else []
    )
    running = subprocess.Popen(
        [*drop, program, str(folder / "pgbouncer.ini")], stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL
    )
    console = f"host={folder} port=6432 user=postgres dbname=pgbouncer"
    try:
        until = time.monotonic() + 10
        while "pooler/not examined" in ward.see(Pooler(dsn=console)):
            assert time.monotonic() < until
            time.sleep(0.02)
        assert ward.see(Pooler(dsn=console))["pooler/all"].severity == "ok"
        through = {"host": str(folder), "port": 6432}
        holder = ward.open("shop/pay", **through)
        holder.execute("begin")
        waiter = ward.open("shop/list_orders", **through)
        waiter.pgconn.send_query(b"select 1")
        waiter.pgconn.flush()
        key = f"pooler/{name}/postgres"
        until = time.monotonic() + 10
        while key not in ward.see(Pooler(dsn=console)):
            assert time.monotonic() < until
            time.sleep(0.02)
        finding = ward.see(Pooler(dsn=console))[key]
        assert finding.numbers["waiting"] == 1
        assert ward.see(Pooler(dsn=console, warning_s=0.0))[key].severity == "warning"
        holder.execute("commit")
        waiter.pgconn.get_result()
        assert "pooler/all" in ward.see(Pooler(dsn=console))
    finally:
        running.terminate()
        running.wait(10)


def _until(ward: Ward, condition: str) -> None:
    until = time.monotonic() + 10
    while not ward.value(f"select {condition}"):
        assert time.monotonic() < until, condition
        time.sleep(0.02)


def test_triggers_that_are_switched_off_are_found_and_switched_on(ward: Ward) -> None:
    ward.run(
        "create table author (id int primary key)",
        "create table note (id int primary key, author_id int constraint note_has_author references author)",
        "create function stamp() returns trigger language plpgsql as 'begin return new; end'",
        "create trigger stamps before insert on author for each row execute function stamp()",
    )
    assert ward.loud(DisabledTriggers()) == set()
    ward.run("alter table author disable trigger stamps", "alter table note disable trigger all")
    found = ward.see(DisabledTriggers())
    assert found["disabled_triggers/public.author"].severity == "warning"
    assert "stamps" in found["disabled_triggers/public.author"].saw
    assert found["disabled_triggers/public.note"].severity == "critical"
    assert "note_has_author" in found["disabled_triggers/public.note"].saw
    ward.run("insert into note values (1, 77)")
    for each in found.values():
        ward.cure(each.cures[0])
    assert ward.loud(DisabledTriggers()) == set()
    with pytest.raises(psycopg.errors.ForeignKeyViolation):
        ward.run("insert into note values (2, 77)")


def test_what_runs_as_its_owner_without_a_path_is_found_and_given_one(ward: Ward) -> None:
    body = "language sql security definer as 'select 1'"
    ward.run(
        f'create function "of all"(n int, w text) returns int {body}',
        f"create function of_some() returns int {body}",
        "revoke execute on function of_some() from public",
        "create function safe() returns int language sql security definer set search_path = pg_catalog as 'select 1'",
        "create function plain() returns int language sql as 'select 1'",
        "create procedure done() language sql security definer as 'select 1'",
    )
    found = ward.see(DefinerFunctions())
    assert {key: each.severity for key, each in found.items()} == {
        "definer_functions/public.of all(n integer, w text)": "critical",
        "definer_functions/public.of_some()": "warning",
        "definer_functions/public.done()": "critical",
    }
    for each in found.values():
        ward.cure(*each.cures)
    assert ward.loud(DefinerFunctions()) == set()
    for each in found.values():
        ward.run(each.cures[0].undo)
    assert len(ward.loud(DefinerFunctions())) == 3
    ward.run(
        'drop function "of all"',
        "drop function of_some",
        "drop procedure done",
        "drop function safe",
        "drop function plain",
    )


def test_passwords_kept_as_md5_are_found_and_only_by_who_may_see(ward: Ward) -> None:
    assert ward.loud(Md5Passwords()) == set()
    ward.run(
        "set password_encryption = 'md5'",
        "create role clerk3 login password 'x'",
        "reset password_encryption",
    )
    try:
        finding = ward.see(Md5Passwords())["md5_passwords/all"]
        assert finding.severity == "warning"
        assert "clerk3" in finding.saw
        ward.run("alter role clerk3 superuser")
        assert ward.see(Md5Passwords())["md5_passwords/all"].severity == "critical"
        ward.run("alter role clerk3 nosuperuser password 'x'")
        assert ward.loud(Md5Passwords()) == set()
    finally:
        ward.run("drop role clerk3")


@pytest.mark.parametrize(
    ("setting", "value", "key"),
    [
        ("password_encryption", "md5", "risky_settings/password_encryption"),
        ("log_min_duration_statement", "0", "risky_settings/log_min_duration_statement"),
        ("max_wal_size", "64MB", "risky_settings/max_wal_size"),
    ],
)
def test_more_settings_that_harm_are_found_and_cured(ward: Ward, setting: str, value: str, key: str) -> None:
    def settled() -> None:
        ward.run("select pg_reload_conf()")
        time.sleep(0.3)

    assert key not in ward.loud(RiskySettings())
    ward.run(f"alter system set {setting} = '{value}'")
    settled()
    try:
        finding = ward.see(RiskySettings())[key]
        assert finding.severity == "warning"
        ward.cure(*finding.cures)
        settled()
        assert key not in ward.loud(RiskySettings())
    finally:
        ward.run(f"alter system reset {setting}")
        settled()
