"""A database of before there were forms: its visits keep the four questions they were made with, new ones are asked the first whole form."""

from collections.abc import Iterator

import psycopg
import pytest

from rightlevel.database import migrations
from rightlevel.database.server import PrivateServer, with_database
from rightlevel.programme.forms import from_json, print_rows, read_answers

BEFORE_FORMS = 9
OLD_VISIT = """
insert into place (kind, code, name_local) values ('country', 'X', 'X');
insert into school (code, name_local, place_id) select 'X', 'X', id from place;
insert into person (username, display_name, role) values ('old', 'Old', 'mentor');
insert into visit (id, write_id, school_id, subject, mentor_id, visited_on, form_version_id, answers, created_at, changed_at)
select gen_random_uuid(), gen_random_uuid(), s.id, 'math', p.id, '2026-01-05', 1,
    '{"session_ran": "no", "not_ran_reason": "Rain", "feedback": ""}', now(), now()
from school s cross join person p
"""


@pytest.fixture
def before_forms(server: PrivateServer, monkeypatch: pytest.MonkeyPatch) -> Iterator[str]:
    with psycopg.connect(server.conninfo, autocommit=True) as connection:
        connection.execute("create database before_forms")
    conninfo = with_database(server.conninfo, "before_forms")
    known = migrations.known_migrations()
    with monkeypatch.context() as patch:
        patch.setattr(migrations, "known_migrations", lambda: known[:BEFORE_FORMS])
        migrations.migrate(conninfo)
    yield conninfo
    with psycopg.connect(server.conninfo, autocommit=True) as connection:
        connection.execute("drop database before_forms with (force)")


def test_visits_of_before_there_were_forms_stay_readable(before_forms: str) -> None:
    with psycopg.connect(before_forms) as connection:
        connection.execute(OLD_VISIT)
    assert migrations.migrate(before_forms)[0] == BEFORE_FORMS + 1
    with psycopg.connect(before_forms) as connection:
        found = connection.execute(
            "select f.code, e.number, e.definition, v.answers from visit v "
            "join form_version e on e.id = v.form_version_id join form f on f.id = e.form_id"
        ).fetchall()
    assert [row[:2] for row in found] == [("visit", 1)]
    form = from_json(found[0][2])
    answers, faults = read_answers(form, found[0][3])
    assert not faults
    assert [(row.path, row.answer) for row in print_rows(form, answers, "en")][:2] == [
        ("session_ran", "No"),
        ("not_ran_reason", "Rain"),
    ]
