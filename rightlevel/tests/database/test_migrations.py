import subprocess
from collections.abc import Callable
from importlib.resources import files
from threading import Thread

import psycopg
import pytest

from rightlevel.database import migrations
from rightlevel.database.errors import MigrationProblem
from rightlevel.database.migrations import known_migrations, migrate
from rightlevel.database.server import PrivateServer, find_binaries, with_database


@pytest.fixture
def empty(server: PrivateServer, request: pytest.FixtureRequest) -> str:
    name = request.node.name[:50].replace("[", "_").replace("]", "_").lower()
    with psycopg.connect(server.conninfo, autocommit=True) as connection:
        connection.execute(f'create database "{name}"')
    return with_database(server.conninfo, name)


def dump(conninfo: str) -> list[str]:
    done = subprocess.run(
        [find_binaries() / "pg_dump", "--schema-only", "--no-privileges", "--exclude-table=schema_migration", conninfo],
        capture_output=True, text=True, check=True,
    )  # fmt: skip
    return [
        line for line in done.stdout.splitlines() if not line.startswith(("\\restrict", "\\unrestrict", "--"))
    ]


def rows(conninfo: str) -> list[tuple[object, ...]]:
    with psycopg.connect(conninfo) as connection:
        return connection.execute(
            "select subject, rank, code, colour, label from scale_level join scale on id = scale_id"
        ).fetchall()


def test_the_migrations_end_in_exactly_the_schema(empty: str, new_database: Callable[[], object]) -> None:
    text = files("rightlevel.database").joinpath("schema.sql").read_text("utf-8")
    with psycopg.connect(empty, autocommit=True) as connection:
        connection.execute(text.encode())
    migrated = new_database().conninfo  # type: ignore[attr-defined]
    assert dump(migrated) == dump(empty)
    assert rows(migrated) == rows(empty)


def test_a_second_time_applies_nothing(empty: str) -> None:
    assert migrate(empty) == [each.number for each in known_migrations()]
    assert migrate(empty) == []


def test_two_programs_that_start_together_migrate_once(empty: str) -> None:
    applied: list[list[int]] = []
    threads = [Thread(target=lambda: applied.append(migrate(empty))) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert sorted(len(each) for each in applied) == [0, 0, 0, len(known_migrations())]


def test_a_database_of_a_newer_program_is_refused(empty: str) -> None:
    migrate(empty)
    with psycopg.connect(empty) as connection:
        connection.execute("insert into schema_migration (number, name, sha256) values (999, 'future', '')")
    with pytest.raises(MigrationProblem, match="newer program"):
        migrate(empty)


def test_an_edited_migration_is_refused(empty: str) -> None:
    migrate(empty)
    with psycopg.connect(empty) as connection:
        connection.execute("update schema_migration set sha256 = 'other' where number = 1")
    with pytest.raises(MigrationProblem, match="was changed after it was applied"):
        migrate(empty)


def test_a_migration_that_fails_leaves_nothing_half_done(empty: str, monkeypatch: pytest.MonkeyPatch) -> None:
    broken = migrations.Migration(
        len(known_migrations()) + 1, "broken", "create table half (a int); select 1/0;"
    )
    monkeypatch.setattr(migrations, "known_migrations", lambda: [*known_migrations(), broken])
    with pytest.raises(psycopg.errors.DivisionByZero):
        migrations.migrate(empty)
    with psycopg.connect(empty) as connection:
        assert connection.execute("select to_regclass('half')").fetchone() == (None,)
        assert connection.execute("select max(number) from schema_migration").fetchone() == (
            len(known_migrations()),
        )


def test_the_triggers_and_tables_hold_on_the_oldest_server_too(server: PrivateServer) -> None:
    text = files("rightlevel.database").joinpath("schema.sql").read_text("utf-8")
    assert "uuidv7(" not in text, "PostgreSQL has its own uuidv7() only from 18 on"
