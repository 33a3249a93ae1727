"""Whoever loses the right to import while a file is being imported imports nothing of it."""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable, Iterator
from pathlib import Path
from typing import Any

import msgspec
import psycopg
import pytest
from people import Cast, make_cast
from serving import OneDatabase

from flatwater.clock import StandingClock
from flatwater.pool import Database
from flatwater.transaction import Session
from rightlevel.programme.errors import Forbidden
from rightlevel.programme.exchange import (
    DEED_KINDS,
    NewRun,
    Progress,
    import_sheet,
    open_sheet,
    start_run,
)
from rightlevel.programme.permissions import TokenReach

pytestmark = pytest.mark.anyio

LOSSES = {
    "role": "update person set role = 'viewer' where username = 'coordinator'",
    "switched off": "update person set is_active = false where username = 'coordinator'",
    "deleted": "update person set deleted_at = now() where username = 'coordinator'",
}


class LosingSheet:
    """A sheet in the middle of which somebody else takes the importer's right away, over a connection of their own."""

    def __init__(self, real: Any, conninfo: str, statement: str) -> None:
        self._real, self._conninfo, self._statement = real, conninfo, statement

    def __getattr__(self, name: str) -> Any:
        return getattr(self._real, name)

    def batches(self, rows: int) -> Iterator[Any]:
        yield from self._real.batches(rows)
        with psycopg.connect(self._conninfo, autocommit=True) as other:
            other.execute(self._statement.encode())


@pytest.fixture
async def place(
    new_database: Callable[[], OneDatabase], anyio_backend: object
) -> AsyncIterator[tuple[Database, Cast, str]]:
    made = new_database()
    async with Database(made.conninfo) as database:
        async with database.transaction(deadline_s=10) as session:
            cast = await make_cast(session)
        yield database, cast, made.conninfo


@pytest.mark.parametrize("loss", LOSSES)
async def test_who_loses_the_right_in_the_middle_of_an_import_imports_nothing(
    place: tuple[Database, Cast, str], clock: StandingClock, tmp_path: Path, loss: str
) -> None:
    database, cast, conninfo = place
    path = tmp_path / "in.csv"
    path.write_text("school_code,code,name,sex,grade\nA,NEW,New child,m,3\n", encoding="utf-8")
    new = NewRun("students", path.name, False, path.stat().st_size)

    async def run(sheet: Any) -> int:
        async with database.transaction(deadline_s=10) as session:
            run_id = await start_run(session, cast.coordinator, new, clock)
            outcome = await import_sheet(
                session, cast.coordinator, run_id, new, sheet, None, Progress(), clock
            )
            return outcome.added

    with open_sheet(path) as sheet, pytest.raises(Forbidden, match="any more"):
        await run(LosingSheet(sheet, conninfo, LOSSES[loss]))
    with psycopg.connect(conninfo, autocommit=True) as other:
        assert other.execute("select count(*) from student where code = 'NEW'").fetchone() == (0,)
        other.execute(
            b"update person set role = 'coordinator', is_active = true, deleted_at = null where username = 'coordinator'"
        )
    with open_sheet(path) as sheet:
        assert await run(sheet) == 1
    with pytest.raises(Forbidden):
        with psycopg.connect(conninfo, autocommit=True) as other:
            other.execute(LOSSES[loss].encode())
        with open_sheet(path) as sheet:
            await run(sheet)


async def test_who_stands_lower_in_the_middle_of_an_import_of_people_imports_nobody(
    place: tuple[Database, Cast, str], clock: StandingClock, tmp_path: Path
) -> None:
    database, cast, conninfo = place
    path = tmp_path / "in.csv"
    path.write_text("username,display_name,role\nnew.one,New,coordinator\n", encoding="utf-8")
    new = NewRun("people", path.name, False, path.stat().st_size)
    lower = "update person set role = 'coordinator' where username = 'admin'"
    with open_sheet(path) as sheet, pytest.raises(Forbidden, match="any more"):
        async with database.transaction(deadline_s=10) as session:
            run_id = await start_run(session, cast.admin, new, clock)
            losing: Any = LosingSheet(sheet, conninfo, lower)
            await import_sheet(session, cast.admin, run_id, new, losing, None, Progress(), clock)
    with psycopg.connect(conninfo, autocommit=True) as other:
        assert other.execute("select count(*) from person where username = 'new.one'").fetchone() == (0,)


@pytest.mark.parametrize("kind", DEED_KINDS)
async def test_a_token_that_reaches_imports_alone_brings_no_rows_that_are_other_deeds(
    session: Session, cast: Cast, clock: StandingClock, kind: Any
) -> None:
    by_token = msgspec.structs.replace(cast.admin, token=TokenReach(resources=("import",)))
    with pytest.raises(Forbidden):
        await start_run(session, by_token, NewRun(kind, "in.csv", False, 1), clock)
    await start_run(session, cast.admin, NewRun(kind, "in.csv", False, 1), clock)
