"""A PgBouncer in transaction mode before one database of the run's server, where one is installed."""

from __future__ import annotations

import os
import re
import shutil
import socket
import subprocess
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import psycopg
import pytest
from psycopg.conninfo import conninfo_to_dict, make_conninfo
from serving import OneDatabase

PROGRAM = shutil.which("pgbouncer") or shutil.which("pgbouncer", path="/usr/sbin")
KEEPS_SINCE = (1, 21)
"""*Source*: PgBouncer 1.21, release notes: max_prepared_statements."""
needs_pgbouncer = pytest.mark.skipif(
    PROGRAM is None, reason="pgbouncer is not installed here (Debian: apt-get install pgbouncer)"
)


def version() -> tuple[int, ...]:
    """Of the program that is installed; none where none is."""
    if PROGRAM is None:
        return ()
    said = subprocess.run(
        [PROGRAM, "--version"], capture_output=True, text=True, check=True, timeout=10
    ).stdout
    found = re.search(r"PgBouncer (\d+)\.(\d+)", said)
    return tuple(map(int, found.groups())) if found else ()


def pooled_by(database: OneDatabase, port: int) -> OneDatabase:
    """The same database as somebody else's server: the service reaches it through the pooler, its owner past it."""
    told = conninfo_to_dict(database.service_conninfo)
    through = make_conninfo(
        "",
        host="127.0.0.1",
        port=port,
        user=str(told["user"]),
        dbname=str(told["dbname"]),
        password=str(told["password"]),
    )
    return Elsewhere(database.conninfo, through, database.process_ids_of)


class Elsewhere(OneDatabase, frozen=True):
    """A server that somebody else runs."""

    is_private: bool = False


@contextmanager
def pooler(database: OneDatabase, *, connections: int, keeps_statements: int = 0) -> Iterator[OneDatabase]:
    """The database behind a PgBouncer with so many connections to it for everybody."""
    assert PROGRAM is not None
    told = conninfo_to_dict(database.service_conninfo)
    home = Path(str(told["host"]))
    owner = home.stat().st_uid
    with socket.socket() as probe, tempfile.TemporaryDirectory(dir="/tmp", prefix="pooler") as name:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
        probe.close()
        folder = Path(name)
        users, settings = folder / "users.txt", folder / "pgbouncer.ini"
        users.write_text(f'"{told["user"]}" "{told["password"]}"\n')
        keeps = f"max_prepared_statements = {keeps_statements}\n" if keeps_statements else ""
        settings.write_text(
            f"[databases]\n{told['dbname']} = host={home} port={told.get('port', 5432)}\n[pgbouncer]\n"
            f"listen_addr = 127.0.0.1\nlisten_port = {port}\nauth_type = trust\nauth_file = {users}\n"
            f"pool_mode = transaction\ndefault_pool_size = {connections}\nmax_client_conn = 500\nunix_socket_dir =\n{keeps}"
        )
        # As the server's own user, whose socket it is to reach: somebody harmless, or root's in a namespace (see Runner).
        is_root, prefix = os.geteuid() == 0, list[str]()
        if is_root and owner == 0:
            prefix = ["unshare", "--user", "--map-user=1000", "--map-group=1000", "--"]
        elif is_root:
            for each in (folder, users, settings):
                os.chown(each, owner, owner)
        with (folder / "log").open("wb") as log:
            process = subprocess.Popen(
                [*prefix, PROGRAM, str(settings)],
                stdout=log,
                stderr=log,
                user=owner if is_root and owner else None,
                cwd="/",
            )
        try:
            found = pooled_by(database, port)
            _wait_for(found.service_conninfo, folder / "log")
            yield found
        finally:
            process.terminate()
            process.wait(10)


def _wait_for(conninfo: str, log: Path) -> None:
    until = time.monotonic() + 10
    while True:
        try:
            psycopg.connect(conninfo, prepare_threshold=None).close()
            return
        except psycopg.OperationalError:
            if time.monotonic() > until:
                pytest.fail(f"pgbouncer did not start: {log.read_text()[-2000:]}")
            time.sleep(0.05)
