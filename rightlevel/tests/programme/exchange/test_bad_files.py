"""Every file of the corpus of bad ones gets a sentence that says what is wrong and where, and nothing of it is saved; memory stays bounded."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import anyio
import pytest
from bad_files import BadFile, bad_files
from people import NOW, Cast, make_cast

from flatwater.clock import StandingClock
from flatwater.paging import PageRequest
from flatwater.pool import Database
from flatwater.queries import read_queries
from rightlevel.operations.import_runner import ImportRequest, begin_import, perform_import
from rightlevel.programme.exchange import ImportFault, NewRun, Progress, list_faults, read_run

pytestmark = pytest.mark.anyio
READER = Path(__file__).parents[2] / "reading_bad_files.py"
ROWS = ("schools", "results", "places", "classes", "people", "assignments")
"""Groups of the corpus whose files are wrong in a row; those of another kind (children for schools) in their headers."""
AT_ONCE = 2
"""Each waits for the database half of the time."""
MOST_GROWTH = 32 * 1024 * 1024
"""Measured: 20 MB. The largest file of the corpus unpacks to 60 MB, and guesses at an encoding load tables of their own."""
QUERIES = read_queries(
    """
-- name: saved
-- All that an import can add or change.
select (select count(*) from student)::text || ' ' || (select count(*) from school)::text || ' ' || (select count(*) from class)::text || ' '
    || (select count(*) from place)::text || ' ' || (select coalesce(sum(version), 0) from student)::text || ' '
    || (select coalesce(sum(version), 0) from school)::text || ' ' || (select count(*) || ' ' || sum(version) from person) || ' '
    || (select count(*) from assignment)::text as saved
""",
    origin="test_bad_files",
)


def test_the_corpus_holds_at_least_150_different_files() -> None:
    names = [(each.group, each.name) for each in bad_files()]
    assert len(set(names)) == len(names) >= 150


async def test_each_bad_file_gets_a_sentence_that_says_what_and_where_and_saves_nothing(
    new_database: Callable[[], Any], tmp_path: Path
) -> None:
    wrong: list[str] = []
    clock = StandingClock(NOW)
    async with Database(new_database().conninfo) as database:
        async with database.transaction(deadline_s=30) as session:
            cast = await make_cast(session)
        before = await saved(database)
        waiting = list(enumerate(bad_files()))

        async def work() -> None:
            while waiting:
                number, bad = waiting.pop()
                path = tmp_path / f"bad-{number}{bad.suffix}"
                state, faults = await imported(database, cast, clock, path, bad)
                said = "; ".join(f"row {each.row_number} {each.column_name}: {each.rule}" for each in faults)
                if state != "faulty" or not faults:
                    wrong.append(f"{bad.group}: {bad.name}: {state} {said}")
                elif (
                    bad.group in ROWS
                    and " for " not in bad.name
                    and any(each.rule.startswith("No column") for each in faults)
                ):
                    wrong.append(f"{bad.group}: {bad.name}: its rows were never looked at")
                elif not all(says_what_and_where(each) for each in faults):
                    wrong.append(f"{bad.group}: {bad.name}: says too little: {said}")

        async with anyio.create_task_group() as tasks:
            for _ in range(AT_ONCE):
                tasks.start_soon(work)
        after = await saved(database)
    assert wrong == []
    assert after == before


async def imported(
    database: Database, cast: Cast, clock: StandingClock, path: Path, bad: BadFile
) -> tuple[str, list[ImportFault]]:
    await anyio.Path(path).write_bytes(bad.content)
    new = NewRun(bad.kind, path.name, is_dry_run=False, bytes_total=len(bad.content))
    request = ImportRequest(new, path, None, cast.coordinator)
    run_id = await begin_import(database, clock, request)
    await perform_import(database, clock, run_id, request, Progress())
    async with database.read(deadline_s=5) as session:
        run = await read_run(session, cast.coordinator, run_id)
        page = await list_faults(session, cast.coordinator, run_id, PageRequest(100))
    return run.state, [each for each in page.items if not each.is_left_out]


async def saved(database: Database) -> str:
    async with database.read(deadline_s=5) as session:
        return await session.fetch_value(QUERIES["saved"], {})


def says_what_and_where(fault: ImportFault) -> bool:
    """A rule in words, beside its row and column; or of the file as a whole, a sentence."""
    words = len(fault.rule.split())
    return words >= 2 if fault.row_number and fault.column_name else words >= 4


def test_reading_them_all_keeps_memory_bounded(tmp_path: Path) -> None:
    for number, bad in enumerate(bad_files()):
        (tmp_path / f"{bad.kind}-{number}{bad.suffix}").write_bytes(bad.content)
    done = subprocess.run(
        [sys.executable, str(READER), str(tmp_path)], capture_output=True, text=True, check=True, timeout=120
    )
    assert int(done.stdout) < MOST_GROWTH, done.stdout
