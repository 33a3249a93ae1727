"""A page of children takes as many statements for one school as for many."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from contextvars import ContextVar

import pytest
from serving import Served

from flatwater.queries import read_queries
from flatwater.transaction import Session

pytestmark = pytest.mark.anyio

QUERIES = read_queries(
    """
-- name: spread
-- A child at each of a number of new schools.
with made as (
    insert into school (place_id, code, name_local)
    select %(place)s, 'SPREAD' || n, 'Spread School ' || n from generate_series(1, %(schools)s) n
    returning id)
insert into student (school_id, school_year_id, code, name, name_key, sex, grade)
select made.id, %(year)s, 'X' || made.id, 'Spread child ' || made.id, 'spread child ' || made.id, 1, 3 from made
""",
    origin="test_children_statements.py",
)


IS_COUNTED: ContextVar[bool] = ContextVar("is_counted", default=False)


@asynccontextmanager
async def counting(monkeypatch: pytest.MonkeyPatch) -> AsyncIterator[list[str]]:
    """The names of the statements that are run for who asks here; those of the program's loops have their own context."""
    seen: list[str] = []
    run = Session._run

    async def counted(self: Session, query, parameters, into):  # type: ignore[no-untyped-def]
        if IS_COUNTED.get():
            seen.append(query.name)
        return await run(self, query, parameters, into)

    with monkeypatch.context() as patched:
        patched.setattr(Session, "_run", counted)
        asked = IS_COUNTED.set(True)
        yield seen
        IS_COUNTED.reset(asked)


async def test_names_of_schools_take_one_statement_however_many_there_are(
    served: Served, monkeypatch: pytest.MonkeyPatch
) -> None:
    async with served.client("coordinator", by="cookie") as client:
        async with counting(monkeypatch) as before:
            assert (await client.get("/students?limit=50")).status_code == 200
        await served.database.run(
            lambda session: session.execute(
                QUERIES["spread"],
                {"place": served.cast.district_1, "year": served.cast.school_year, "schools": 30},
            ),
            deadline_s=10,
        )
        async with counting(monkeypatch) as after:
            page = await client.get("/students?limit=50&search=spread")
    assert page.text.count("Spread School") >= 30
    assert len(after) == len(before), (before, after)
    assert after.count("school_names") == 1
