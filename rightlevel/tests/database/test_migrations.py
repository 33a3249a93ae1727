import re
import subprocess
import time
from collections.abc import Callable
from importlib.resources import files
from threading import Thread
from typing import Any

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
        [
            find_binaries() / "pg_dump",
            "--schema-only",
            "--no-privileges",
            "--exclude-table=schema_migration",
            conninfo,
        ],
        capture_output=True,
        text=True,
        check=True,
    )
    return [
        line for line in done.stdout.splitlines() if not line.startswith(("\\restrict", "\\unrestrict", "--"))
    ]


def rows(conninfo: str) -> list[tuple[object, ...]]:
    with psycopg.connect(conninfo) as connection:
        return connection.execute(
            "select subject, rank, code, colour, label from scale_level join scale on id = scale_id order by subject, rank"
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


def test_a_start_that_fails_leaves_nothing_set_and_nothing_locked(
    empty: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """What a pooler keeps open and gives to the next: the very connections that the failed start worked on."""
    kept: list[psycopg.Connection[tuple[object, ...]]] = []
    connect = psycopg.connect

    def pooled(conninfo: str, **more: Any) -> Any:
        connection = connect(conninfo, **more)
        # As a pooler does when a client goes: what is open is rolled back, what was set or locked for the session stays.
        connection.close = connection.rollback  # type: ignore[method-assign]
        kept.append(connection)
        return connection

    broken = migrations.Migration(len(known_migrations()) + 1, "broken", "select 1/0;")
    monkeypatch.setattr(migrations, "known_migrations", lambda: [*known_migrations(), broken])
    monkeypatch.setattr(migrations.psycopg, "connect", pooled)
    with pytest.raises(psycopg.errors.DivisionByZero):
        migrations.migrate(empty)
    monkeypatch.undo()
    assert kept
    for connection in kept:
        shown = connection.execute(
            "select current_setting('lock_timeout'), current_setting('statement_timeout'), (select count(*) from pg_locks where "
            "locktype = 'advisory' and database = (select oid from pg_database where datname = current_database()))"
        ).fetchone()
        assert shown == ("0", "0", 0)
        psycopg.Connection.close(connection)
    assert migrate(empty) == [], "and the next start is not kept waiting"


def outside(number: int, name: str, text: str) -> migrations.Migration:
    return migrations.Migration(number, name, f"{migrations.OUTSIDE}\n{text}")


def test_an_index_is_built_while_others_write_and_one_left_half_built_is_built_anew(
    empty: str, server: PrivateServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    migrate(empty)
    number = len(known_migrations()) + 1
    text = "create index concurrently if not exists class_by_its_name on class (section);\n"
    known = [*known_migrations(), outside(number, "by_name", text)]
    monkeypatch.setattr(migrations, "known_migrations", lambda: known)
    done: list[list[int]] = []
    with psycopg.connect(empty) as writer, psycopg.connect(empty, autocommit=True) as other:
        other.execute("create index class_by_its_name on class (section)")
        with psycopg.connect(
            server.superuser_conninfo(other.info.dbname), autocommit=True
        ) as superuser:  # as one looks whose building was cut off
            superuser.execute(
                "update pg_index set indisvalid = false where indexrelid = 'class_by_its_name'::regclass"
            )
        writer.execute("update class set section = section")
        threads = [Thread(target=lambda: done.append(migrate(empty))) for _ in range(2)]
        for thread in threads:
            thread.start()
        time.sleep(0.5)
        assert done == [], "it waits for whoever wrote before"
        other.execute("set lock_timeout = '1s'")
        other.execute("update class set section = section")
        writer.commit()
        for thread in threads:
            thread.join(30)
    assert sorted(done) == [[], [number]]
    with psycopg.connect(empty) as connection:
        assert connection.execute(
            "select indisvalid from pg_index where indexrelid = 'class_by_its_name'::regclass"
        ).fetchone() == (True,)


def test_nothing_but_such_indexes_stands_outside_a_transaction(
    empty: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    migrate(empty)
    number = len(known_migrations()) + 1
    known = [*known_migrations(), outside(number, "no_index", "alter table class add column x int;\n")]
    monkeypatch.setattr(migrations, "known_migrations", lambda: known)
    with pytest.raises(MigrationProblem, match="where only `create index concurrently"):
        migrate(empty)


RULED_FROM = next(each.number for each in known_migrations() if each.name == "hosts")
"""The steps before were written when no country used it."""
MADE = re.compile(r"create table (?:if not exists )?([a-z_0-9]+)")
INDEXED = re.compile(r"create (?:unique )?index (?!concurrently)\S+ on (?:only )?([a-z_0-9]+)")


def locks_writers_out(text: str) -> set[str]:
    """The tables that were there before, and that a step keeps everybody from writing while it builds an index or looks through them."""
    return set(INDEXED.findall(text)) - set(MADE.findall(text))


def test_no_step_keeps_a_country_from_writing_while_it_builds_an_index() -> None:
    assert locks_writers_out("create index a on result (b);") == {"result"}
    assert locks_writers_out("create table new (a int);\ncreate unique index b on new (a);") == set()
    assert locks_writers_out("create index concurrently if not exists a on result (b);") == set()
    for each in known_migrations():
        if each.number >= RULED_FROM:
            assert locks_writers_out(each.text) == set(), f"{each.number:04}_{each.name}"


def test_the_triggers_and_tables_hold_on_the_oldest_server_too(server: PrivateServer) -> None:
    text = files("rightlevel.database").joinpath("schema.sql").read_text("utf-8")
    assert "uuidv7(" not in text, "PostgreSQL has its own uuidv7() only from 18 on"


BEFORE_ROOMS = """
insert into place (kind, code, name_local) values ('country', 'KH', 'K');
insert into school (place_id, code, name_local) select id, 'A', 'A' from place;
insert into school (place_id, code, name_local) select id, 'B', 'B' from place;
insert into school_year (name, starts_on, ends_on, is_current) values ('2026', '2026-01-01', '2026-12-31', true);
insert into round (school_year_id, kind, starts_on, ends_on, state) select id, 'baseline', '2026-11-01', '2026-11-30', 'open' from school_year;
insert into person (username, display_name, role) values ('teacher', 'T', 'teacher'), ('mentor', 'M', 'mentor');
insert into student (school_id, school_year_id, code, name, name_key, sex, grade)
select s.id, y.id, c, c, c, 1, 3 from school s, school_year y, unnest(array['as it was', 'other level', 'decided first', 'moved', 'removed']) c where s.code = 'A';
insert into result (id, student_id, round_id, school_id, assessor_id, tested_on, subject, outcome, method, rank, grade, sex, tool, is_verified)
select new_id(), st.id, r.id, st.school_id, p.id, '2026-11-20', 'math', 'assessed', 'grid', 3, 3, 1, 1, true
from student st, round r, person p where p.username = 'teacher';
insert into verification (result_id, round_id, subject, school_id, state, visible_on, created_by, verifier_id, tested_on, tool, rank, first_rank,
    first_tool, first_assessor_id, stands, reason)
select r.id, r.round_id, r.subject, r.school_id, (case st.code when 'decided first' then 'resolved' else 'agreed' end)::verification_state, '2026-11-20',
    m.id, m.id, '2026-11-21', 2, case st.code when 'decided first' then 4 else 3 end, 3, 1, r.assessor_id,
    case st.code when 'decided first' then 'first' end, case st.code when 'decided first' then 'seen' end
from result r join student st on st.id = r.student_id, person m where m.username = 'mentor';
update result set rank = 5 where student_id in (select id from student where code in ('other level', 'decided first'));
update result set deleted_at = now() where student_id in (select id from student where code = 'removed');
update student set school_id = (select id from school where code = 'B') where code = 'moved';
"""


def test_what_is_there_already_is_verified_at_its_own_level_only_and_where_its_child_is(
    empty: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    known = known_migrations()
    before = [each for each in known if each.number < min(m.number for m in known if m.name == "rooms")]
    monkeypatch.setattr(migrations, "known_migrations", lambda: before)
    migrate(empty)
    with psycopg.connect(empty, autocommit=True) as connection:
        connection.execute(BEFORE_ROOMS.encode())
        monkeypatch.setattr(migrations, "known_migrations", lambda: known)
        migrate(empty)
        found = connection.execute(
            "select st.code, v.state::text, v.ended_why, r.is_verified, s.code from verification v join result r on r.id = v.result_id "
            "join student st on st.id = r.student_id join school s on s.id = v.child_school_id order by st.code"
        ).fetchall()
    assert found == [
        ("as it was", "agreed", None, True, "A"),
        ("decided first", "ended", "changed", False, "A"),
        ("moved", "agreed", None, True, "B"),
        ("other level", "ended", "changed", False, "A"),
        ("removed", "ended", "removed", True, "A"),
    ]
