"""How some lists are read, told by the server's plan: by the key of what is asked for, and never the whole table for a part of it.

Each of these grew with the country once (`benchmarks/pages.py` asks every page at three sizes; this is quick, and knows only those).
"""

from __future__ import annotations

import re
from collections.abc import Callable
from pathlib import Path

import psycopg
import pytest
from serving import OneDatabase

import rightlevel.programme
from flatwater.queries import load_queries, read_queries

VALUES = {
    "after_assessor": None,
    "after_round": None,
    "after_school": None,
    "after_student": None,
    "blind_to": 1,
    "held_schools": [1, 2],
    "held_subjects": ["math", "math"],
    "on": "2026-11-23",
    "reached": [1, 2],
    "after_subject": None,
    "boundaries": "then",
    "by": "rounds",
    "grade": None,
    "in_place": None,
    "school_ids": [1, 2],
    "sex": None,
    "subjects": ["math"],
    "after_at": None,
    "after_id": None,
    "code": "sok",
    "grades": [3],
    "place_id": 1,
    "role": "teacher",
    "round_id": 1,
    "rows": 51,
    "school_id": 1,
    "scope_classes": [],
    "scope_schools": [1, 2, 3],
    "sexes": [1, 2],
    "since": "2026-11-01",
    "statuses": ["active"],
    "subject": "math",
    "today": "2026-11-30",
}


@pytest.mark.parametrize(
    ("package", "query", "parts", "wanted"),
    [
        (
            "quality",
            "assessors_of_day",
            ("in_scope",),
            r"Index Only Scan using result_by_day.*\n\s*Index Cond: \(\(tested_on = ",
        ),
        (
            "figures",
            "school_figures",
            (),
            r"school_roll_pkey.*\n.*Index Cond: \(\(school_id = unit",
        ),
        (
            "figures",
            "school_breakdown",
            (),
            r"school_roll_pkey.*\n.*Index Cond: \(\(school_id = unit",
        ),
        (
            "figures",
            "school_breakdown",
            (),
            r"school_enrolled_pkey.*\n.*Index Cond: \(\(school_id = unit",
        ),
        ("figures", "place_figures", (), r"place_roll_pkey.*\n.*Index Cond: \(\(place_id = unit"),
        ("assignments", "schools_without", (), r"school_held_\w+ on .*\n.*Index Cond: \(\(subject = 'math'"),
        ("results", "results_of_round", (), r"school_count_by_round"),
        ("duplicates", "list_merges", (), r"student_merge_pkey.*\n.*Index Cond: \(id = ANY"),
        (
            "students",
            "find_students",
            ("live",),
            r"student_pkey on student w.*\n.*Index Cond: \(id = found\.id\)",
        ),
        ("students", "list_students", ("live", "in_scope"), r"Sort Key: \(\(name_key \|\|"),
        ("verification", "pairs", (), r"Index Only Scan using verification_compared"),
    ],
)
def test_a_list_is_read_by_the_key_of_what_is_asked_for(
    new_database: Callable[[], OneDatabase], package: str, query: str, parts: tuple[str, ...], wanted: str
) -> None:
    text = load_queries(f"rightlevel.programme.{package}")[query].plus(*parts).text
    with psycopg.connect(new_database().conninfo) as connection:
        # The tables are empty; without these every plan would be to read nothing of them whole.
        connection.execute("set enable_seqscan = off")
        connection.execute("set enable_bitmapscan = off")
        rows = connection.execute(b"explain " + text.encode(), VALUES).fetchall()
    plan = "\n".join(row[0] for row in rows)
    assert re.search(wanted, plan), plan


def test_whether_a_result_is_blind_is_asked_row_by_row() -> None:
    """`offset 0` keeps PostgreSQL from reading every open re-test of the country into a hash, which it does as soon as it expects a few hundred rows."""
    source = Path(rightlevel.programme.__path__[0])
    texts = [
        query.plus(*query.parts).text
        for each in source.rglob("*.sql")
        for query in read_queries(each.read_text("utf-8"), origin=each.name).values()
    ]
    blind = [line for text in texts for line in text.splitlines() if line.endswith("as is_blind")]
    assert len(blind) >= 5
    assert [line for line in blind if "offset 0)" not in line] == []


def test_how_many_retests_are_open_is_counted_from_an_index(new_database: Callable[[], OneDatabase]) -> None:
    text = load_queries("rightlevel.programme.rounds", "open_retests.sql")["count_open"].text
    with psycopg.connect(new_database().conninfo) as connection:
        connection.execute("set enable_seqscan = off")
        connection.execute("set enable_bitmapscan = off")
        rows = connection.execute(b"explain " + text.encode(), VALUES).fetchall()
    plan = "\n".join(row[0] for row in rows)
    assert " on student" not in plan, plan
    assert " on result" not in plan, plan
