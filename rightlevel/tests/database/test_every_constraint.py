"""Whatever the database refuses is told in words: each constraint of the schema, broken or raised, is answered 409 or 422.

References and columns that must not be empty are broken for real, on a school full of everything; what a walk can't break by itself
(a check over several columns, an exclusion, a trigger's rule) is raised by the server under its own name.
"""

from __future__ import annotations

import re
from typing import Any

import msgspec
import pytest
from fill_school import fill_school, ground
from people import Cast, make_cast
from psycopg import sql

from flatwater.queries import read_queries
from flatwater.transaction import ConstraintViolated, Session
from rightlevel.programme.constraints import translated
from rightlevel.programme.errors import AlreadyTaken, Conflict, InUse, Invalid, RoundSealing
from rightlevel.web.application import STATUSES
from rightlevel.web.language import LANGUAGES

pytestmark = pytest.mark.anyio

QUERIES = read_queries(
    """
-- name: constraints
-- Every constraint and unique index of our schema, with its code, and its columns.
select c.contype::text as sort, r.relname as "table", c.conname as name,
    coalesce((select string_agg(a.attname, ',') from unnest(c.conkey) n join pg_attribute a on a.attrelid = c.conrelid and a.attnum = n), '') as columns
from pg_constraint c join pg_class r on r.oid = c.conrelid join pg_namespace s on s.oid = c.connamespace
where s.nspname = 'public' and c.contype in ('c', 'f', 'p', 'u', 'x')
union all
select 'u', r.relname, i.relname, '' from pg_index x join pg_class i on i.oid = x.indexrelid join pg_class r on r.oid = x.indrelid
join pg_namespace s on s.oid = r.relnamespace
where s.nspname = 'public' and x.indisunique and not exists (select 1 from pg_constraint c where c.conindid = x.indexrelid)
union all
select 'n', r.relname, '', a.attname from pg_attribute a join pg_class r on r.oid = a.attrelid join pg_namespace s on s.oid = r.relnamespace
where s.nspname = 'public' and r.relkind in ('r', 'p') and a.attnotnull and a.attnum > 0
order by 1, 2, 3, 4
-- name: rules_of_triggers
-- The source of every function that raises a rule of its own.
select p.prosrc as source from pg_proc p join pg_namespace s on s.oid = p.pronamespace where s.nspname = 'public' and p.prosrc like '%%raise exception%%'
-- name: is_full
-- Whether rows are there to be broken.
select count(*) from result
""",
    origin="test_every_constraint.py",
)

STATES = {"c": "23514", "f": "23503", "p": "23505", "u": "23505", "x": "23P01", "n": "23502"}
KINDS = {"c": "check", "f": "foreign_key", "p": "unique", "u": "unique", "x": "exclusion", "n": "not_null"}
EXPECTED: dict[str, type[Exception]] = {
    "c": Invalid,
    "f": Invalid,
    "p": AlreadyTaken,
    "u": AlreadyTaken,
    "x": Conflict,
    "n": Invalid,
}


class Constraint(msgspec.Struct, frozen=True):
    """One rule of the schema."""

    sort: str
    table: str
    name: str
    columns: str


class Source(msgspec.Struct, frozen=True):
    source: str


@pytest.fixture
async def full(session: Session) -> tuple[Session, Cast]:
    """A session over a school full of everything."""
    cast = await make_cast(session)
    await fill_school(session, cast.school_a, await ground(session, cast))
    assert await session.fetch_value(QUERIES["is_full"], {})
    return session, cast


async def provoke(session: Session, text: Any) -> ConstraintViolated | None:
    """What the database says to this statement, whose effect is taken back."""
    try:
        async with session.savepoint():
            await session.command(text.as_string(None))
            raise TakenBack
    except TakenBack:
        return None
    except ConstraintViolated as error:
        return error


class TakenBack(Exception):
    """Ends a savepoint whose statement did no harm."""


def raised(each: Constraint) -> Any:
    """The server's own refusal, as it would be, for what no simple statement breaks."""
    return sql.SQL(
        "do $$ begin raise exception 'refused' using errcode = {}, constraint = {}, table = {}, column = {}; end $$"
    ).format(
        sql.Literal(STATES[each.sort]),
        sql.Literal(each.name),
        sql.Literal(each.table),
        sql.Literal(each.columns),
    )


def require_words(error: ConstraintViolated) -> None:
    """Passes when this is told with a status below 500, in every language, and with a field where one is at fault."""
    told = translated(error)
    assert STATUSES[told.kind] in (409, 422)
    for language in LANGUAGES.values():
        assert language.knows(told.text), (language.code, told.text)
        for fault in told.faults:
            assert re.fullmatch(r"[a-z0-9_]+", fault.field), (error.constraint, fault)
            assert language.knows_rule(fault.rule), (language.code, fault.rule)
    if isinstance(told, Invalid):
        assert told.faults, error.constraint


async def test_every_constraint_of_the_schema_has_words(session: Session) -> None:
    rules = await session.fetch_all(QUERIES["constraints"], {}, into=Constraint)
    assert len(rules) > 800
    for each in rules:
        error = await provoke(session, raised(each))
        assert error is not None, each
        assert (error.kind, error.constraint) == (KINDS[each.sort], each.name)
        require_words(error)
        assert type(translated(error)) is EXPECTED[each.sort], each


async def test_every_rule_of_a_trigger_has_words(session: Session) -> None:
    names = set[str]()
    for each in await session.fetch_all(QUERIES["rules_of_triggers"], {}, into=Source):
        names |= set(re.findall(r"constraint = '(\w+)'", each.source))
    assert len(names) >= 8
    for name in names:
        error = await provoke(session, raised(Constraint("c", "result", name, "")))
        assert error is not None
        require_words(error)
        assert isinstance(translated(error), Conflict), name
        assert isinstance(translated(error), RoundSealing) == (name == "round_is_sealing")


async def test_every_reference_that_leads_nowhere_names_its_field(full: tuple[Session, Cast]) -> None:
    session, _ = full
    broken = 0
    for each in await session.fetch_all(QUERIES["constraints"], {}, into=Constraint):
        if each.sort != "f" or "," in each.columns:
            continue
        names = {"table": sql.Identifier(each.table), "column": sql.Identifier(each.columns)}
        for nothing in ("999999999", "'00000000-0000-7000-8000-000000000000'"):
            text = sql.SQL(
                "update {table} set {column} = "
                + nothing
                + " where ctid = (select ctid from {table} limit 1)"
            ).format(**names)
            error = await tried(session, text)
            if error is None or error.constraint != each.name:
                continue
            broken += 1
            require_words(error)
            told = translated(error)
            assert [fault.field for fault in told.faults] == [each.columns], each
    assert broken >= 60, broken


async def test_every_column_that_must_be_filled_names_itself(full: tuple[Session, Cast]) -> None:
    session, _ = full
    broken = 0
    for each in await session.fetch_all(QUERIES["constraints"], {}, into=Constraint):
        if each.sort != "n":
            continue
        names = {"table": sql.Identifier(each.table), "column": sql.Identifier(each.columns)}
        text = sql.SQL(
            "update {table} set {column} = null where ctid = (select ctid from {table} limit 1)"
        ).format(**names)
        error = await tried(session, text)
        if error is None or error.kind != "not_null" or error.column != each.columns:
            continue
        broken += 1
        require_words(error)
        assert [fault.field for fault in translated(error).faults] == [each.columns]
    assert broken >= 250, broken


async def tried(session: Session, text: Any) -> ConstraintViolated | None:
    """What a constraint says; None where something else stood before it (a type, a trigger, an identity column)."""
    try:
        return await provoke(session, text)
    except Exception:
        return None


async def test_what_is_referred_to_is_in_use(full: tuple[Session, Cast]) -> None:
    session, cast = full
    for table, row in (("school", cast.school_a), ("place", cast.country), ("person", cast.mentor.person_id)):
        text = sql.SQL("delete from {} where id = {}").format(sql.Identifier(table), sql.Literal(row))
        error = await tried(session, text)
        assert error is not None, table
        assert error.kind == "still_referenced"
        assert isinstance(translated(error), InUse)
