"""Two who write results of one child in two rounds at the same moment: the second counts what the first did."""

from __future__ import annotations

import threading
from collections.abc import Callable
from typing import Any

import psycopg
import pytest
from people import make_cast
from serving import OneDatabase

from flatwater.pool import Database

pytestmark = pytest.mark.anyio
ROUND = (
    "insert into round (school_year_id, kind, starts_on, ends_on) "
    "values (%s, 'endline', '2026-12-06', '2026-12-10') returning id"
)
RESULT = (
    "insert into result (id, student_id, round_id, school_id, assessor_id, tested_on, subject, outcome, method, rank, grade, sex) "
    "select gen_random_uuid(), id, %s, school_id, %s, '2026-11-23', 'language', 'assessed', 'direct', %s, grade, sex from student where id = %s"
)


async def test_of_two_rounds_written_at_once_both_are_counted(
    new_database: Callable[[], OneDatabase],
) -> None:
    conninfo = new_database().conninfo
    async with Database(conninfo) as database, database.transaction(deadline_s=10) as session:
        cast = await make_cast(session)
    by, child = cast.coordinator.person_id, cast.students_a[0]
    with psycopg.connect(conninfo) as first, psycopg.connect(conninfo) as second:
        row = first.execute(ROUND, [cast.school_year]).fetchone()
        assert row
        first.commit()
        first.execute(RESULT, [cast.round, by, 2, child])
        failed: list[Exception] = []

        def write() -> None:
            try:
                second.execute(RESULT, [row[0], by, 4, child])
                second.commit()
            except psycopg.Error as error:
                failed.append(error)

        other = threading.Thread(target=write)
        other.start()
        other.join(0.5)
        assert other.is_alive(), "the second waits for the first"
        first.commit()
        other.join(10)
        assert not failed
        counted: Any = first.execute(
            "select from_rank, rank_4 from school_movement where round_id = %s and later_round_id = %s",
            [cast.round, row[0]],
        ).fetchall()
    assert counted == [(2, 1)]
