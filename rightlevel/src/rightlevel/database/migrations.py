"""Brings a database's schema to this program's, under a lock so that two programs that start together do it once."""

from __future__ import annotations

import hashlib
import re
import time
from importlib.resources import files
from typing import Any

import msgspec
import psycopg
from psycopg import sql

from flatwater.dsn import connecting
from rightlevel.database.errors import MigrationProblem
from rightlevel.database.roles import let_in

LOCK_KEY = 7_265_881_104
"""Any number, the same in every version: who holds it may migrate."""
WAIT_FOR_OTHERS_S = 60.0
TRY_AGAIN_S = 0.1
LOCK_TIMEOUT = "4s"
STATEMENT_TIMEOUT = "5s"
TRANSACTION_TIMEOUT_SINCE = 170_000
OUTSIDE = "-- outside a transaction"
"""How a file begins whose indexes are built while others write. A short lock_timeout is right for ALTER TABLE and wrong for those."""
_CONCURRENTLY = re.compile(r"create (?:unique )?index concurrently if not exists ([a-z_0-9]+) on ")
_HALF_BUILT = "select from pg_index where indexrelid = to_regclass(%s) and not indisvalid"
_NAME = re.compile(r"(\d{4})_([a-z0-9_]+)\.sql")


class Migration(msgspec.Struct, frozen=True):
    """One numbered step of the schema."""

    number: int
    name: str
    text: str

    @property
    def is_outside(self) -> bool:
        """Whether its indexes are built outside a transaction, which no writer waits for."""
        return self.text.startswith(OUTSIDE)

    @property
    def statements(self) -> list[str]:
        """Its statements, each of which ends with a line."""
        lines = [line for line in self.text.splitlines() if not line.lstrip().startswith("--")]
        return [each.strip() for each in re.split(r";[ \t]*(?:\n|$)", "\n".join(lines)) if each.strip()]

    @property
    def sha256(self) -> str:
        return hashlib.sha256(self.text.encode()).hexdigest()


def known_migrations() -> list[Migration]:
    """The migrations of this program, in order. *Errors*: MigrationProblem when a number is missing or there twice."""
    found: list[Migration] = []
    for file in files("rightlevel.database").joinpath("migrations").iterdir():
        match = _NAME.fullmatch(file.name)
        if match is not None:
            found.append(Migration(int(match[1]), match[2], file.read_text("utf-8")))
    found.sort(key=lambda each: each.number)
    if [each.number for each in found] != list(range(1, len(found) + 1)):
        raise MigrationProblem(
            f"The migrations are not numbered 1, 2, 3 ...: {[each.number for each in found]}"
        )
    return found


def migrate(conninfo: str, service_role: str | None = None) -> list[int]:
    """Applies what is missing, each step in its own transaction; the numbers applied. Connects as the owner of the tables.

    The role that the service works as, where it is another than the owner, gets the rows of every table. Nothing is set and nothing locked but in
    transactions: a start that fails leaves nothing behind, not even on a connection that a pooler keeps. *Errors*: MigrationProblem when the database is newer than the program, or an applied step was edited since.
    """
    known = known_migrations()
    applied_now: list[int] = []
    with _connect(conninfo, autocommit=False) as alone, _connect(conninfo) as connection:
        _wait_for_others(alone)
        applied = _applied(connection)
        _refuse_mismatch(known, applied)
        for migration in known[len(applied) :]:
            if migration.is_outside:
                _build(conninfo, migration)
            _apply(connection, migration)
            applied_now.append(migration.number)
        if service_role is not None:
            let_in(connection, service_role)
    return applied_now


def _connect(
    conninfo: str, *, autocommit: bool = True, **options: Any
) -> psycopg.Connection[tuple[object, ...]]:
    # No statement is prepared: a pooler's next connection would not know it.
    return psycopg.connect(
        conninfo, autocommit=autocommit, connect_timeout=5, prepare_threshold=None, **options
    )


def _wait_for_others(alone: psycopg.Connection[tuple[object, ...]]) -> None:
    """Holds the lock for as long as this connection's transaction is open: it ends with the process, whatever ends that.

    Tried again and again, and not waited for: a statement that waits has a snapshot, and whoever builds an index concurrently waits for every
    older snapshot. The transaction that holds the lock has none.
    """
    until = time.monotonic() + WAIT_FOR_OTHERS_S
    while alone.execute("select pg_try_advisory_xact_lock(%s)", [LOCK_KEY]).fetchone() != (True,):
        alone.rollback()
        if time.monotonic() > until:
            raise MigrationProblem(
                "Another program has been changing the schema for a minute. Try again later."
            )
        time.sleep(TRY_AGAIN_S)
    alone.execute("set local idle_in_transaction_session_timeout = 0")
    if alone.info.server_version >= TRANSACTION_TIMEOUT_SINCE:
        alone.execute("set local transaction_timeout = 0")


def _applied(connection: psycopg.Connection[tuple[object, ...]]) -> list[tuple[object, ...]]:
    connection.execute(
        "create table if not exists schema_migration (number integer primary key, name text not null, "
        "sha256 text not null, applied_at timestamptz not null default now())"
    )
    return connection.execute(
        "select number, sha256 from schema_migration order by number limit 10000"
    ).fetchall()


def _refuse_mismatch(known: list[Migration], applied: list[tuple[object, ...]]) -> None:
    if len(applied) > len(known):
        raise MigrationProblem(
            f"The database is at step {len(applied)} and this program knows {len(known)}: it was used by a newer program. "
            "Start the newer one."
        )
    for migration, (number, sha256) in zip(known, applied, strict=False):
        if (migration.number, migration.sha256) != (number, sha256):
            raise MigrationProblem(
                f"Migration {migration.number:04}_{migration.name} was changed after it was applied to this database. "
                "Migrations are only ever added; put the old text back."
            )


def _build(conninfo: str, migration: Migration) -> None:
    """Builds the indexes of a step outside any transaction, while everybody goes on writing; one that an earlier try left half built is built anew.

    It has no limit of time: it waits for whoever was writing when it began. *Errors*: MigrationProblem for what is no such statement.
    """
    limits = connecting(conninfo, {"lock_timeout": "0", "statement_timeout": "0"})
    with _connect(conninfo, **limits) as connection:
        for text in migration.statements:
            found = _CONCURRENTLY.match(text)
            if found is None:
                raise MigrationProblem(
                    f"Migration {migration.number:04}_{migration.name} is outside a transaction, where only "
                    "`create index concurrently if not exists` may stand."
                )
            if connection.execute(_HALF_BUILT, [found[1]]).fetchone() is not None:
                connection.execute(
                    sql.SQL("drop index concurrently if exists {}").format(sql.Identifier(found[1]))
                )
            connection.execute(text.encode())


def _apply(connection: psycopg.Connection[tuple[object, ...]], migration: Migration) -> None:
    with connection.transaction():
        connection.execute(f"set local lock_timeout = '{LOCK_TIMEOUT}'")
        connection.execute(f"set local statement_timeout = '{STATEMENT_TIMEOUT}'")
        if not migration.is_outside:
            connection.execute(migration.text.encode())
        connection.execute(
            "insert into schema_migration (number, name, sha256) values (%s, %s, %s)",
            [migration.number, migration.name, migration.sha256],
        )
