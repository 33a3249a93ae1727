"""A database written out whole by PostgreSQL's own `pg_dump`, and read back by `pg_restore`."""

from __future__ import annotations

import os
import subprocess
from pathlib import Path
from typing import Final

import psycopg
from psycopg.conninfo import conninfo_to_dict, make_conninfo

from rightlevel.database.errors import DatabaseProblem
from rightlevel.database.server import find_binaries

MOST_S: Final = 6 * 3_600
"""A country's ten million results take a minute; what takes six hours stands still."""
LOCK_MS: Final = 60_000
OF_THE_MOMENT: Final = ("host_standing", "election")
"""Which processes serve now: read back elsewhere they would be taken for alive, with files that nobody sees."""
TOLD_CHARS: Final = 1_000


class NotDumped(DatabaseProblem):
    """The database could not be written out, or not read back; the message says why."""


def dump(conninfo: str, file: Path) -> None:
    """One consistent picture of the database, while it goes on being written to. *Errors*: NotDumped, with nothing left in `file`.

    *Cost*: one connection and a process of 10 MB for as long as reading every row takes; a fifth of the database's size on disk.
    """
    words = [
        "--format=custom",
        "--no-owner",
        "--no-privileges",
        f"--lock-wait-timeout={LOCK_MS}",
        *(f"--exclude-table-data={each}" for each in OF_THE_MOMENT),
        f"--file={file}",
    ]
    try:
        _run("pg_dump", conninfo, *words)
        # Its list of contents stands at the front and is whole only if the file was ended.
        _run("pg_restore", None, "--list", str(file))
    except NotDumped:
        file.unlink(missing_ok=True)
        raise


def restore(conninfo: str, file: Path) -> None:
    """Everything of a dump into an empty database, or nothing of it. *Errors*: NotDumped."""
    _run(
        "pg_restore",
        conninfo,
        *("--single-transaction", "--exit-on-error", "--no-owner", "--no-privileges"),
        str(file),
    )
    with psycopg.connect(conninfo, autocommit=True) as connection:
        connection.execute("analyze")


def has_platform(conninfo: str) -> bool:
    """Whether a platform is in the database already."""
    with psycopg.connect(conninfo) as connection:
        found = connection.execute("select to_regclass('schema_migration') is not null").fetchone()
    return found is not None and bool(found[0])


def _run(program: str, conninfo: str | None, *words: str) -> None:
    """Runs one of PostgreSQL's programs. The password goes through the environment: everybody may read a command line."""
    environment = dict(os.environ)
    where: list[str] = []
    if conninfo is not None:
        parts = conninfo_to_dict(conninfo)
        password = parts.pop("password", None)
        if password:
            environment["PGPASSWORD"] = str(password)
        where = [f"--dbname={make_conninfo('', **parts)}"]
    try:
        done = subprocess.run(
            [str(find_binaries() / program), *where, *words],
            env=environment,
            capture_output=True,
            check=False,
            timeout=MOST_S,
            stdin=subprocess.DEVNULL,
        )
    except subprocess.TimeoutExpired as error:
        raise NotDumped(f"{program} did not end within {MOST_S // 3600} hours.") from error
    if done.returncode != 0:
        # Where a row could not be read back, PostgreSQL's CONTEXT shows the row: a child's.
        lines = [
            each
            for each in done.stderr.decode("utf-8", "replace").splitlines()
            if not each.startswith("CONTEXT:")
        ]
        told = "\n".join(lines)[-TOLD_CHARS:]
        raise NotDumped(f"{program} ended with {done.returncode}: {told}")
