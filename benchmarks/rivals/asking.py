"""Asks a server what a rival asks it, one query after the other, and keeps what each said."""

from __future__ import annotations

import time
from typing import Any

import msgspec
import psycopg
from psycopg.rows import RowMaker, dict_row

from flatwater.queries import load_queries

PATIENCE_MS = 5_000
"""Neither tool has a limit of its own by default; one that waits this long behind a lock is counted and left."""
VERDICTS = {
    "pghero": {
        "connections",
        "long_running_queries",
        "replication_slots",
        "transaction_ids",
        "sequences",
        "invalid_indexes",
        "invalid_constraints",
        "duplicate_indexes",
        "slow_queries",
        "suggested_indexes",
        "cache_hit_rate",
        "unused_indexes",
        "index_bloat",
    },
    "pg_extras": {
        "missing_fk_indexes",
        "missing_fk_constraints",
        "settings_verdicts",
        "cache_hit",
        "unused_indexes",
        "null_indexes",
        "bloat",
        "duplicate_indexes",
        "outliers",
    },
}
"""The queries whose rows that tool calls trouble; the rest it shows."""


class Answer(msgspec.Struct, frozen=True):
    """What one query said. `rows` is None where it did not answer."""

    name: str
    is_verdict: bool
    rows: list[dict[str, Any]] | None
    took_s: float


def ask(tool: str, conninfo: str) -> list[Answer]:
    """Every answer of one tool, through one connection, each query for itself."""
    answers: list[Answer] = []
    options = f"-c statement_timeout={PATIENCE_MS}"
    with psycopg.Connection[dict[str, Any]].connect(
        conninfo, autocommit=True, row_factory=_by_name, application_name=tool, options=options
    ) as connection:
        for name, query in load_queries(__package__ or "", f"{tool}.sql").items():
            began = time.perf_counter()
            try:
                rows = connection.execute(query.text, {}).fetchall()
            except (psycopg.errors.QueryCanceled, psycopg.errors.UndefinedTable):
                rows = None
            took_s = time.perf_counter() - began
            if rows is not None and rows and "is_red" in rows[0]:
                is_verdict, rows = bool(rows[0]["is_red"]), rows
            else:
                is_verdict = name in VERDICTS[tool]
            answers.append(Answer(name, is_verdict, rows, took_s))
    return answers


def _by_name(cursor: psycopg.Cursor[dict[str, Any]]) -> RowMaker[dict[str, Any]]:
    return dict_row(cursor)
