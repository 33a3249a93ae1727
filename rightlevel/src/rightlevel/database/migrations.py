"""Brings a database's schema to this program's, under a lock so that two programs that start together do it once."""

from __future__ import annotations

import hashlib
import re
from importlib.resources import files

import msgspec
import psycopg

from rightlevel.database.errors import MigrationProblem
from rightlevel.database.roles import let_in

LOCK_KEY = 7_265_881_104
"""Any number, the same in every version: who holds it may migrate."""
WAIT_FOR_OTHERS = "60s"
LOCK_TIMEOUT = "4s"
STATEMENT_TIMEOUT = "5s"
_NAME = re.compile(r"(\d{4})_([a-z0-9_]+)\.sql")


class Migration(msgspec.Struct, frozen=True):
    """One numbered step of the schema."""

    number: int
    name: str
    text: str

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

    The role that the service works as, where it is another than the owner, gets the rows of every table. *Errors*: MigrationProblem when the database is newer than the program, or an applied step was edited since.
    """
    known = known_migrations()
    applied_now: list[int] = []
    with psycopg.connect(conninfo, autocommit=True, connect_timeout=5) as connection:
        connection.execute(f"set lock_timeout = '{WAIT_FOR_OTHERS}'")
        try:
            connection.execute("select pg_advisory_lock(%s)", [LOCK_KEY])
        except psycopg.errors.LockNotAvailable as error:
            raise MigrationProblem(
                "Another program has been changing the schema for a minute. Try again later."
            ) from error
        applied = _applied(connection)
        _refuse_mismatch(known, applied)
        for migration in known[len(applied) :]:
            _apply(connection, migration)
            applied_now.append(migration.number)
        if service_role is not None:
            let_in(connection, service_role)
        connection.execute("select pg_advisory_unlock(%s)", [LOCK_KEY])
    return applied_now


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


def _apply(connection: psycopg.Connection[tuple[object, ...]], migration: Migration) -> None:
    with connection.transaction():
        connection.execute(f"set local lock_timeout = '{LOCK_TIMEOUT}'")
        connection.execute(f"set local statement_timeout = '{STATEMENT_TIMEOUT}'")
        connection.execute(migration.text.encode())
        connection.execute(
            "insert into schema_migration (number, name, sha256) values (%s, %s, %s)",
            [migration.number, migration.name, migration.sha256],
        )
