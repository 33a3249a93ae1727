"""The doctor where servers really stand: behind PgBouncer, for a role without rights, with TLS only, on a standby."""

from __future__ import annotations

import os
import shutil
import subprocess
from collections.abc import Iterator
from pathlib import Path

import psycopg
import pytest
from click.testing import CliRunner, Result

from flatwater.commands import main
from flatwater.doctor.checks import ALL

from .conftest import NOBODY, OwnServer, newest_binaries


@pytest.fixture(scope="module")
def primary() -> Iterator[OwnServer]:
    running = OwnServer(newest_binaries(), {"wal_level": "replica"})
    with psycopg.connect(running.conninfo, autocommit=True) as at:
        at.execute("create role nobody_much login")
    yield running
    running.remove()


def look(tmp_path: Path, conninfo: str, *words: str) -> Result:
    return CliRunner().invoke(
        main, ["doctor", conninfo, "--snapshot", str(tmp_path / "kept.json"), "--all", *words]
    )


def test_through_a_pooler_it_refuses_with_what_to_do(primary: OwnServer, tmp_path: Path) -> None:
    program = shutil.which("pgbouncer", path=f"{os.environ.get('PATH', '')}:/usr/sbin")
    if program is None:
        pytest.skip("pgbouncer is not installed on this machine")
    settings = primary.folder / "pgbouncer.ini"
    settings.write_text(
        f"[databases]\npostgres = host={primary.folder} port={primary.port} user=postgres\n[pgbouncer]\nlisten_addr =\nlisten_port = 6434\n"
        f"unix_socket_dir = {primary.folder}\nauth_type = any\npool_mode = transaction\n"
    )
    settings.chmod(0o644)
    drop = (
        ["setpriv", f"--reuid={NOBODY}", f"--regid={NOBODY}", "--clear-groups"] if os.geteuid() == 0 else []
    )
    running = subprocess.Popen(
        [*drop, program, str(settings)], stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL
    )
    try:
        while not (primary.folder / ".s.PGSQL.6434").exists():
            assert running.poll() is None
        for more in ("", "ignore_startup_parameters = options,extra_float_digits\n"):
            settings.write_text(settings.read_text() + more)
            running.send_signal(1)  # read again
            told = look(tmp_path, f"host={primary.folder} port=6434 user=postgres dbname=postgres")
            assert told.exit_code == 3
            assert "PostgreSQL itself" in told.output
    finally:
        running.terminate()
        running.wait(10)


def test_a_role_without_rights_is_told_what_it_did_not_see(primary: OwnServer, tmp_path: Path) -> None:
    told = look(tmp_path, f"host={primary.folder} port={primary.port} user=nobody_much dbname=postgres")
    assert told.exit_code in {1, 2}
    assert "NOT EXAMINED" in told.output
    assert "itself is broken" not in told.output
    strict = look(
        tmp_path, f"host={primary.folder} port={primary.port} user=nobody_much dbname=postgres", "--strict"
    )
    assert strict.exit_code in {2, 3}


def test_on_a_standby_it_looks_and_writes_nothing(primary: OwnServer, tmp_path: Path) -> None:
    standby = OwnServer(newest_binaries(), {"hot_standby": "on"}, copy_of=primary)
    try:
        told = look(tmp_path, standby.conninfo)
        assert told.exit_code in {1, 2}
        assert "itself is broken" not in told.output
        assert all(f"{check.name}" in told.output for check in ALL)
        assert "recovery is in progress" not in told.output, "no check asks what a standby refuses"
    finally:
        standby.remove()


def test_with_tls_only_it_looks_over_tls(tmp_path: Path, tmp_path_factory: pytest.TempPathFactory) -> None:
    found = sorted(Path("/usr/lib/postgresql").glob("*/bin/initdb"))
    if not found or shutil.which("openssl") is None:
        pytest.skip("no PostgreSQL of the system's packages, which has TLS, or no openssl is on this machine")
    folder = Path("/tmp") / tmp_path_factory.mktemp("tls").name  # noqa: S108  the server's user has to reach it
    folder.mkdir(exist_ok=True)
    subprocess.run(
        [
            "openssl",
            "req",
            "-new",
            "-x509",
            "-days",
            "2",
            "-nodes",
            "-newkey",
            "rsa:2048",
            "-subj",
            "/CN=localhost",
            "-out",
            folder / "server.crt",
            "-keyout",
            folder / "server.key",
        ],
        check=True,
        capture_output=True,
    )
    (folder / "hba.conf").write_text("local all all trust\nhostssl all all 127.0.0.1/32 trust\n")
    for each in (folder, *folder.iterdir()):
        if os.geteuid() == 0:
            os.chown(each, NOBODY, NOBODY)
        each.chmod(0o700 if each.is_dir() else 0o600)
    running = OwnServer(
        found[-1].parent,
        {
            "ssl": "on",
            "ssl_cert_file": str(folder / "server.crt"),
            "ssl_key_file": str(folder / "server.key"),
            "hba_file": str(folder / "hba.conf"),
        },
    )
    try:
        plain = look(tmp_path, f"{running.tcp} sslmode=disable")
        assert plain.exit_code == 3
        assert "itself is broken" not in plain.output
        over_tls = look(tmp_path, f"{running.tcp} sslmode=require")
        assert over_tls.exit_code in {1, 2}
        assert "itself is broken" not in over_tls.output
        trusting = look(
            tmp_path, f"{running.tcp} sslmode=verify-full sslrootcert={folder / 'server.crt'} host=localhost"
        )
        assert trusting.exit_code in {1, 2}, trusting.output
    finally:
        running.remove()
        shutil.rmtree(folder, ignore_errors=True)
