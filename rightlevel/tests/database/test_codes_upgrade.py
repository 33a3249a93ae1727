"""Codes that were stored before there was one form of them: brought into it once, where no other has it already."""

from collections.abc import Iterator

import psycopg
import pytest

from rightlevel.database import migrations
from rightlevel.database.server import PrivateServer, with_database
from rightlevel.programme.codes import code_form

CODES = [
    "cafe\u0301",
    "x\u200b1",
    "101.0",
    '="0012"',
    "'0013",
    "\u17e1\u17e2",
    "  7  b",
    "plain",
    "200.0",
    "200",
    "A'B",
]


@pytest.fixture
def before_codes(server: PrivateServer, monkeypatch: pytest.MonkeyPatch) -> Iterator[str]:
    with psycopg.connect(server.conninfo, autocommit=True) as connection:
        connection.execute("create database before_codes")
    conninfo = with_database(server.conninfo, "before_codes")
    known = migrations.known_migrations()
    step = next(place for place, each in enumerate(known) if each.name == "files")
    with monkeypatch.context() as patch:
        patch.setattr(migrations, "known_migrations", lambda: known[:step])
        migrations.migrate(conninfo)
    yield conninfo
    with psycopg.connect(server.conninfo, autocommit=True) as connection:
        connection.execute("drop database before_codes with (force)")


def test_codes_come_into_one_form_and_none_becomes_anothers(before_codes: str) -> None:
    with psycopg.connect(before_codes) as connection:
        connection.execute("insert into place (kind, code, name_local) values ('country', 'X', 'X')")
        connection.execute(
            "insert into school_year (name, starts_on, ends_on) values ('2026', '2026-01-01', '2026-12-31')"
        )
        for code in CODES:
            connection.execute(
                "insert into school (code, name_local, place_id) select %s, 'S', id from place", [code]
            )
            connection.execute(
                "insert into student (id, school_id, school_year_id, code, name, name_key, sex, grade) "
                "select new_id(), (select min(s.id) from school s), y.id, %s, 'N', 'n', 1, 3 from school_year y",
                [code],
            )
    migrations.migrate(before_codes)
    wanted = sorted(code if code == "200.0" else code_form(code) for code in CODES)
    with psycopg.connect(before_codes) as connection:
        for table in ("school", "student"):
            found = connection.execute(f"select code from {table}").fetchall()
            assert sorted(row[0] for row in found) == wanted, table
