"""An index that is tried without being built: what the planner would do with it, where the extension hypopg is in the database."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Final, cast

import psycopg
from msgspec import Struct
from psycopg import sql

from flatwater.doctor.catalog import queries
from flatwater.doctor.look import Look
from flatwater.doctor.model import NotExamined

_PREPARE: Final = sql.SQL("prepare flatwater_tries as select 1 from {} where {} = $1")
_EXPLAIN: Final = sql.SQL("explain (format json) execute flatwater_tries(null)")
_CREATE: Final = sql.SQL("select count(*) from hypopg_create_index({})")


class Trial(Struct, frozen=True):
    """What a search by one column costs as things are, and with the index; in the planner's units."""

    before: float
    after: float
    is_used: bool


class _Here(Struct, frozen=True):
    is_here: bool


def tried(look: Look, schema: str, table: str, column: str) -> Trial | None:
    """How the planner takes an index on one column, for a value that it doesn't know; None where that can't be tried.

    *Cost*: it lives in the look's own session, writes nothing, and is gone afterwards.
    """
    try:
        if not look.rows(queries["has_hypothetical_indexes"], into=_Here)[0].is_here:
            return None
        with look.connection.cursor() as cursor:
            target = sql.Identifier(schema, table)
            cursor.execute("set plan_cache_mode = force_generic_plan")
            try:
                cursor.execute(_PREPARE.format(target, sql.Identifier(column)))
                before, _ = _plan(cursor)
                made = sql.SQL("create index on {} ({})").format(target, sql.Identifier(column))
                cursor.execute(_CREATE.format(sql.Literal(made.as_string(look.connection))))
                cursor.execute(
                    "deallocate flatwater_tries"
                )  # its plan is kept: nothing tells it of an index that isn't there
                cursor.execute(_PREPARE.format(target, sql.Identifier(column)))
                after, is_used = _plan(cursor)
            finally:
                if not look.connection.closed:
                    cursor.execute("deallocate all")
                    cursor.execute("reset plan_cache_mode")
                    cursor.execute("select hypopg_reset()")
    except (psycopg.Error, NotExamined):
        return None  # a hint that can't be had is none; the finding stands without it
    return Trial(before, after, is_used)


def _plan(cursor: psycopg.Cursor[dict[str, object]]) -> tuple[float, bool]:
    """The whole cost of the plan, and whether it uses an index that isn't built: hypopg names those <number>…."""
    row = cursor.execute(_EXPLAIN).fetchone() or {}
    told = row.get("QUERY PLAN")
    plans = cast(
        "list[Mapping[str, Mapping[str, float]]]", json.loads(told) if isinstance(told, str) else told
    )
    return float(plans[0]["Plan"]["Total Cost"]), '"Index Name": "<' in json.dumps(plans)
