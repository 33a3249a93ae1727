"""Times of statements by query: counted for variants together, the costliest first, and bounded."""

from __future__ import annotations

import pytest

from flatwater.pool import Database
from flatwater.queries import Query, read_queries
from flatwater.statement_times import MOST_NAMES, OTHERS, StatementTimes
from flatwater.transaction import StatementTimeout

QUERIES = read_queries(
    """
-- name: quick
-- One row.
select 1
--? more: where true
-- name: slow
-- Sleeps.
select pg_sleep(0.05)
-- name: endless
-- Sleeps for longer than a statement may.
select pg_sleep(30)
""",
    origin="shop/queries.sql",
)


def named(number: int) -> Query:
    return read_queries(f"-- name: q{number}\n-- A query.\nselect {number}", origin="many")[f"q{number}"]


def test_variants_are_one_query_and_the_costliest_comes_first() -> None:
    times = StatementTimes()
    for _ in range(3):
        times.observe(QUERIES["quick"], 0.25)
    times.observe(QUERIES["quick"].plus("more"), 0.5)
    times.observe(QUERIES["slow"], 1.0)
    first, second = times.costliest(8)
    assert (first.name, first.calls, first.total_s, first.mean_s, first.longest_s) == (
        "shop/queries.sql: quick",
        4,
        1.25,
        0.3125,
        0.5,
    )
    assert (second.name, second.calls) == ("shop/queries.sql: slow", 1)
    assert [each.name for each in times.costliest(1)] == [first.name]
    times.observe(QUERIES["quick"], 9.0)
    assert first.calls == 4, "what was told stays as it was"


def test_past_the_bound_they_are_counted_together() -> None:
    times = StatementTimes()
    for number in range(MOST_NAMES + 50):
        times.observe(named(number), 0.001)
    found = times.costliest(2 * MOST_NAMES)
    assert len(found) == MOST_NAMES + 1
    assert (found[0].name, found[0].calls) == (OTHERS, 50)


@pytest.mark.anyio
async def test_a_database_times_what_it_runs_failures_included(database: Database) -> None:
    async with database.transaction(deadline_s=10) as session:
        await session.fetch_value(QUERIES["slow"], {})
        await session.fetch_value(QUERIES["quick"], {})
    with pytest.raises(StatementTimeout):
        async with database.transaction(deadline_s=10) as session:
            await session.command("set local statement_timeout = 100")
            await session.execute(QUERIES["endless"], {})
    found = {each.name.partition(": ")[2]: each for each in database.statements.costliest(8)}
    assert (found["slow"].calls, found["quick"].calls, found["endless"].calls) == (1, 1, 1)
    assert 0.05 <= found["slow"].longest_s < 5
    assert 0.1 <= found["endless"].longest_s < 5
