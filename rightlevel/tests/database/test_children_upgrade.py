"""A database of before codes had one form and were compared without case: every child is still there, and no second one is made of a code."""

from collections.abc import Iterator

import psycopg
import pytest

from rightlevel.database import migrations
from rightlevel.database.server import PrivateServer, with_database

BEFORE = """
insert into place (kind, code, name_local) values ('country', 'X', 'X');
insert into school (code, name_local, place_id) select 'S', 'S', id from place;
insert into school_year (name, starts_on, ends_on, is_current) values ('2026', '2026-01-01', '2026-12-31', true);
"""
CHILD = """
insert into student (school_id, school_year_id, code, name, name_key, sex, grade, created_at)
select s.id, y.id, %s, 'Dara', 'dara', 1, 3, %s::timestamptz from school s, school_year y
"""
CODES = ("AB-1", "ab-1", "Ab-1\u200b", "e\u0301 7", "x  y", "ok")


@pytest.fixture
def before(server: PrivateServer, monkeypatch: pytest.MonkeyPatch) -> Iterator[str]:
    with psycopg.connect(server.conninfo, autocommit=True) as connection:
        connection.execute("create database before_children")
    conninfo = with_database(server.conninfo, "before_children")
    known = migrations.known_migrations()
    until = next(each.number for each in known if each.name == "children") - 1
    with monkeypatch.context() as patch:
        patch.setattr(migrations, "known_migrations", lambda: known[:until])
        migrations.migrate(conninfo)
    yield conninfo
    with psycopg.connect(server.conninfo, autocommit=True) as connection:
        connection.execute("drop database before_children with (force)")


def test_children_whose_codes_differ_in_case_survive_and_no_more_are_made(before: str) -> None:
    with psycopg.connect(before) as connection:
        connection.execute(BEFORE)
        for number, code in enumerate(CODES):
            connection.execute(CHILD, [code, f"2026-01-0{number + 1}"])
    migrations.migrate(before)
    with psycopg.connect(before, autocommit=True) as connection:
        found = connection.execute("select code, code_is_shared from student order by created_at").fetchall()
        assert found == [
            ("AB-1", False),
            ("ab-1", True),
            ("Ab-1", True),
            ("é 7", False),
            ("x y", False),
            ("ok", False),
        ]
        for code in ("aB-1", "OK", "É 7"):
            with pytest.raises(psycopg.errors.UniqueViolation):
                connection.execute(CHILD, [code, "2026-02-01"])
        connection.execute("update student set name = 'Sok Dara', version = 2 where code = 'ab-1'")
        assert connection.execute("select deed, before, after from student_change").fetchall() == [
            ("unknown", {"name": "Dara"}, {"name": "Sok Dara"})
        ]
