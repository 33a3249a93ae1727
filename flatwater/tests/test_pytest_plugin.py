"""The plugin in a pytest of its own: budgets of statements, rows, connections and memory, and N+1 named by its line, for each driver."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest
from running_server import RunningServer

PREAMBLE = """
import os
import pytest
from psycopg.conninfo import conninfo_to_dict

CONNINFO = os.environ["SAMPLE_CONNINFO"]
HOST = conninfo_to_dict(CONNINFO)["host"]
budget = pytest.mark.database_budget
"""
ASKS = {
    "psycopg": """
import psycopg
def ask(text):
    with psycopg.connect(CONNINFO) as connection:
        return connection.execute(text).fetchall()
""",
    "psycopg2": """
import psycopg2
def ask(text):
    connection = psycopg2.connect(CONNINFO)
    with connection.cursor() as cursor:
        cursor.execute(text)
        return cursor.fetchall()
""",
    "asyncpg": """
import asyncio, asyncpg
def ask(text):
    async def run():
        connection = await asyncpg.connect(host=HOST, user="postgres")
        rows = await connection.fetch(text)
        await connection.close()
        return rows
    return asyncio.run(run())
""",
    "sqlalchemy": """
import sqlalchemy
engine = sqlalchemy.create_engine(f"postgresql+psycopg2://postgres@/postgres?host={HOST}", poolclass=sqlalchemy.NullPool)
def ask(text):
    with engine.connect() as connection:
        return connection.execute(sqlalchemy.text(text)).all()
ask("select 0")  # the first connection asks the server some things of its own
""",
}


def run(folder: Path, conninfo: str, text: str, *options: str) -> subprocess.CompletedProcess[str]:
    (folder / "test_sample.py").write_text(PREAMBLE + text)
    command = [sys.executable, "-m", "pytest", "-q", "-p", "no:cacheprovider", "--rootdir", str(folder)]
    known = [] if is_installed() else ["-p", "flatwater.pytest_plugin"]
    return subprocess.run(
        [*command, *known, "--strict-markers", *options, "test_sample.py"],
        cwd=folder,
        env={**os.environ, "SAMPLE_CONNINFO": conninfo},
        capture_output=True,
        text=True,
        timeout=100,
        check=False,
    )


def is_installed() -> bool:
    """Whether pytest finds the plugin by itself: an editable install made before it had one does not tell of it."""
    from importlib.metadata import entry_points

    return any(each.value == "flatwater.pytest_plugin" for each in entry_points(group="pytest11"))


@pytest.mark.parametrize("driver", ASKS)
def test_a_budget_holds_for_every_driver(server: RunningServer, tmp_path: Path, driver: str) -> None:
    done = run(
        tmp_path,
        server.conninfo,
        ASKS[driver]
        + """
ROWS = "select n from generate_series(1, 9) n"

@budget(statements=2, rows=18, repeats=2)
def test_within(): ask(ROWS), ask(ROWS)

@budget(rows=8)
def test_rows(): ask(ROWS)

@budget(statements=1)
def test_statements():
    ask("select 1")
    ask("select 2")

@budget(repeats=3)
def test_one_for_each_row():
    for n in range(6):
        ask("select 5")
""",
    )
    assert "3 failed, 1 passed" in done.stdout, done.stdout + done.stderr
    assert "9 rows, and 8 are allowed" in done.stdout
    assert "2 statements, and 1 are allowed" in done.stdout
    assert "6 times from " in done.stdout
    assert "test_sample.py:" in done.stdout
    assert "select 5" in done.stdout


def test_connections_and_memory_have_budgets_and_a_gate_holds_every_test(
    server: RunningServer, tmp_path: Path
) -> None:
    text = (
        ASKS["psycopg"]
        + """
@budget(connections=1)
def test_connections(): ask("select 1"), ask("select 1")

@budget(memory_bytes=1_000_000)
def test_memory(): bytearray(5_000_000)

@budget(memory_bytes=1_000_000)
def test_little_memory(): bytearray(5_000)

def test_without_a_mark():
    for n in range(4):
        ask("select 1")
"""
    )
    done = run(tmp_path, server.conninfo, text)
    assert "2 failed, 2 passed" in done.stdout, done.stdout
    assert "2 connections, and 1 are allowed" in done.stdout
    assert "memory_bytes, and 1,000,000 are allowed" in done.stdout
    assert "3 failed, 1 passed" in run(tmp_path, server.conninfo, text, "--database-repeats", "3").stdout


def test_a_list_can_be_held_to_the_same_number_for_one_and_many_rows(
    server: RunningServer, tmp_path: Path
) -> None:
    done = run(
        tmp_path,
        server.conninfo,
        ASKS["psycopg"]
        + """
def test_alike(database_use):
    with database_use() as few:
        ask("select 1")
    with database_use() as many:
        ask("select n from generate_series(1, 50) n")
    assert (few.statements, few.rows) == (1, 1)
    assert (many.statements, many.rows) == (1, 50)
""",
    )
    assert "1 passed" in done.stdout, done.stdout


def test_what_can_not_be_counted_does_not_pass(server: RunningServer, tmp_path: Path) -> None:
    done = run(
        tmp_path,
        server.conninfo,
        """
import sys
@budget(statements=1)
def test_unseen(monkeypatch):
    for name in ("psycopg", "psycopg2", "asyncpg"):
        sys.modules.pop(name, None)
""",
    )
    assert "could be counted" in done.stdout
    assert "1 failed" in done.stdout


def test_a_budget_that_is_misspelt_is_refused(server: RunningServer, tmp_path: Path) -> None:
    done = run(tmp_path, server.conninfo, "@budget(statments=1)\ndef test_it(): pass\n")
    assert done.returncode != 0
    assert "by name" in done.stdout


def test_the_drivers_are_left_as_they_were(server: RunningServer, tmp_path: Path) -> None:
    done = run(
        tmp_path,
        server.conninfo,
        """
import psycopg, psycopg2
before = (psycopg.Cursor.execute, vars(psycopg.Connection)["connect"], psycopg2.connect)

@budget(statements=5)
def test_first(): pass

def test_after():
    assert before == (psycopg.Cursor.execute, vars(psycopg.Connection)["connect"], psycopg2.connect)
""",
    )
    assert "2 passed" in done.stdout, done.stdout
