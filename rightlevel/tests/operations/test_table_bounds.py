"""Every table of the live schema is named with what adds rows, what takes them away, and what holds its bound; and that works."""

from __future__ import annotations

import importlib
import re
from collections.abc import Callable, Iterator
from datetime import timedelta
from pathlib import Path

import psycopg
import pytest
from people import NOW, make_cast
from serving import OneDatabase

import rightlevel
from flatwater.clock import StandingClock
from flatwater.doctor.look import Look
from flatwater.pool import Database
from flatwater.rate_limit_postgres import sweep_rate_limits
from rightlevel.operations.clean_up import CleanUp
from rightlevel.operations.platform_checks import TableBudgets
from rightlevel.operations.table_bounds import BOUNDS, as_page
from rightlevel.operations.upkeep import sweep

pytestmark = pytest.mark.anyio
DOCS = Path(rightlevel.__file__).parents[3] / "docs"
SOURCES = Path(rightlevel.__file__).parents[3]


@pytest.fixture
def connection(new_database: Callable[[], OneDatabase]) -> Iterator[psycopg.Connection[tuple[object, ...]]]:
    with psycopg.connect(new_database().conninfo, autocommit=True) as opened:
        yield opened


def tables(connection: psycopg.Connection[tuple[object, ...]]) -> set[str]:
    found = connection.execute(
        "select c.relname from pg_class c join pg_namespace n on n.oid = c.relnamespace "
        "where n.nspname = 'public' and c.relkind in ('r', 'p') and not c.relispartition"
    ).fetchall()
    return {str(name) for (name,) in found}


def test_every_table_of_the_schema_is_named_and_every_named_one_is_there(
    connection: psycopg.Connection[tuple[object, ...]],
) -> None:
    named = [each.table for each in BOUNDS]
    assert len(named) == len(set(named))
    assert set(named) == tables(connection)


def test_a_table_that_nobody_named_would_be_seen(connection: psycopg.Connection[tuple[object, ...]]) -> None:
    connection.execute("create table grows_without_bound (id bigint)")
    assert tables(connection) - {each.table for each in BOUNDS} == {"grows_without_bound"}


def test_each_bound_says_what_adds_what_removes_and_a_budget() -> None:
    for each in BOUNDS:
        assert each.adds, each.table
        assert each.removes, each.table
        assert each.budget_megabytes > 0, each.table


def test_what_holds_each_bound_is_there(connection: psycopg.Connection[tuple[object, ...]]) -> None:
    """A unique index or an exclusion of that very table, a query that deletes from it, or a ceiling in the code."""
    deletes = "\n".join(
        path.read_text("utf-8")
        for folder in ("rightlevel/src", "flatwater/src")
        for path in sorted((SOURCES / folder).rglob("*.sql"))
        if "migrations" not in path.parts and path.name != "schema.sql"
    )
    queries = dict(re.findall(r"-- name: (\w+)\n(.*?)(?=\n-- name:|\Z)", deletes, re.DOTALL))
    wrong: list[str] = []
    for each in BOUNDS:
        kind, _, name = each.by.rpartition(":")
        if kind == "sweep":
            # Months are dropped by the schema's own function; all else by a query that names the table.
            text = (
                "delete from audit_entry"
                if name == "drop_month" and name in queries
                else queries.get(name, "")
            )
            if f"delete from {each.table}" not in text:
                wrong.append(f"{each.table}: {name} deletes nothing from it")
        elif kind == "most":
            module, _, constant = name.rpartition(".")
            if not isinstance(getattr(importlib.import_module(module), constant, None), int):
                wrong.append(f"{each.table}: there is no {name}")
        else:
            found = connection.execute(
                "select i.indisunique or i.indisexclusion from pg_index i join pg_class x on x.oid = i.indexrelid "
                "where i.indrelid = %s::regclass and x.relname = %s",
                [each.table, each.by],
            ).fetchone()
            if found != (True,):
                wrong.append(f"{each.table}: {each.by} is no unique index and no exclusion of it")
    assert wrong == []


def test_the_page_for_operators_says_the_same() -> None:
    page = (DOCS / "operators" / "tables.md").read_text("utf-8")
    assert as_page() in page, "write rightlevel.operations.table_bounds.as_page() into it"


OLD_ROWS = {
    "person_session": "insert into person_session (token_hash, person_id, csrf_token, expires_at, address) "
    "select sha256('old'), min(id), 'x', %(long_ago)s, 'x' from person",
    "held_form": "insert into held_form (secret_hash, person_id, content, expires_at) select sha256('old'), min(id), 'old', %(long_ago)s from person",
    "api_token": "insert into api_token (person_id, token_hash, expires_at) select min(id), sha256('old'), %(long_ago)s from person",
    "sign_in_failure": "insert into sign_in_failure values ('account', 'old', 1, %(long_ago)s, %(long_ago)s)",
    "write_receipt": "insert into write_receipt (write_id, person_id, operation, created_at) "
    "select gen_random_uuid(), min(id), 'old', %(long_ago)s from person",
    "import_run": "insert into import_run (kind, filename, started_at, ended_at) values ('schools', 'old.csv', %(long_ago)s, %(long_ago)s)",
    "import_added": "insert into import_added (run_id, thing, other_ids) select min(id::text)::uuid, 'place', array[1] from import_run",
    "import_changed": "insert into import_changed (run_id, school_id, version, before) select min(id::text)::uuid, 1, 1, '{}' from import_run",
    "import_preview": "with old as (insert into import_run (kind, filename, is_dry_run, started_at, ended_at) "
    "values ('schools', 'looked-at.csv', true, %(long_ago)s, %(long_ago)s) returning id) "
    "insert into import_preview (run_id, what, row_number) select id, 5, 2 from old",
    "webhook_delivery": "with one as (insert into webhook (name, url, events, secret, created_at, created_by) "
    "select 'old', 'https://old.example', '{import.done}', 'x', %(long_ago)s, min(id) from person returning id) "
    "insert into webhook_delivery (webhook_id, event, body, made_at, state, next_at, until_at, ended_at) "
    "select id, 'import.done', '{}', %(long_ago)s, 'sent', %(long_ago)s, %(long_ago)s, %(long_ago)s from one",
    "export_run": "insert into export_run (what, format, filters, is_deidentified, person_id, started_at) "
    "select 'roster', 'csv', '{}', false, min(id), %(long_ago)s from person",
    "join_request": "insert into join_request (name, contact, role_wished, address, made_at) values ('Old', 'old@x', 'teacher', 'x', %(long_ago)s)",
    "one_time_code": "insert into one_time_code (person_id, code_hash, made_at, expires_at, attempts_left) select min(id), 'old', %(long_ago)s, %(long_ago)s, 3 from person",
    "device_link_code": "insert into device_link_code (code_hash, school_id, made_by, expires_at) "
    "select sha256('old'), (select min(id) from school), min(id), %(long_ago)s from person",
    "flatwater_rate_limit": "insert into flatwater_rate_limit values ('old', 'old', %(long_ago)s)",
    "calendar_link": "insert into calendar_link (person_id, token_hash, created_at, expires_at) select min(id), sha256('old'), %(long_ago)s, %(long_ago)s from person",
}
"""A row past its time, for every table that is swept by the two chores; months, loops, hosts, the outbox and readings have tests of their own."""


async def test_what_is_past_its_time_is_swept_out_of_every_table_that_is_swept(
    new_database: Callable[[], OneDatabase],
) -> None:
    conninfo, clock = new_database().conninfo, StandingClock(NOW)
    async with Database(conninfo) as database:
        async with database.transaction(deadline_s=30) as session:
            await make_cast(session)
        with psycopg.connect(conninfo, autocommit=True) as connection:

            def rows() -> dict[str, object]:
                return {
                    table: connection.execute(f"select count(*) from {table}").fetchone()  # type: ignore[arg-type]
                    for table in OLD_ROWS
                }

            before = rows()
            for text in OLD_ROWS.values():
                connection.execute(text, {"long_ago": NOW - timedelta(days=1_500)})  # type: ignore[arg-type]
            assert all(rows()[table] != before[table] for table in OLD_ROWS)
            await sweep(database, clock)
            await CleanUp(database, clock).run_now()
            await sweep_rate_limits(database)
            left = {table for table, count in rows().items() if count != before[table]}
    assert left == set()
    swept = {each.table for each in BOUNDS if each.by.startswith("sweep:")}
    elsewhere = {
        "audit_entry",
        "reading_history",
        "loop_standing",
        "host_standing",
        "flatwater_outbox",
        "backup",
    }
    assert swept - elsewhere == set(OLD_ROWS)


async def test_a_table_over_its_budget_is_told_with_what_should_have_kept_it_small(
    connection: psycopg.Connection[tuple[object, ...]], monkeypatch: pytest.MonkeyPatch
) -> None:
    def says() -> list[tuple[str, str]]:
        with Look(
            connection.info.dsn + f" password={connection.info.password}", application="rightlevel"
        ) as look:
            return [(each.severity, each.saw) for each in TableBudgets().look(look)]

    ((severity, _),) = says()
    assert severity == "ok"
    connection.execute(
        "insert into clean_up (name, started_at) select repeat('x', 200) || n, now() from generate_series(1, 5000) n"
    )
    ((severity, saw),) = says()
    assert severity == "warning"
    assert saw.startswith("clean_up takes ")
    assert "over its budget of 1 MB" in saw
    assert "one for each kind of clean-up" in saw
