"""Any table of children: what is imported reads back as it was written, and the same file again changes nothing."""

from __future__ import annotations

import csv
import random
from datetime import date
from pathlib import Path
from typing import Any

import msgspec
import openpyxl
import pytest
from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st
from people import Cast

from flatwater.clock import StandingClock
from flatwater.queries import read_queries
from flatwater.transaction import Session
from rightlevel.programme.exchange import ImportOutcome, NewRun, Progress, import_sheet, open_sheet, start_run
from rightlevel.programme.exchange.cells import is_error, says_nothing
from rightlevel.programme.students import code_form

pytestmark = pytest.mark.anyio

HEADER = ["school_code", "code", "name", "sex", "grade", "section", "birth_on", "age"]
ZEROES = "0០०٠"
QUERIES = read_queries(
    """
-- name: children
-- Every child that was imported.
select sc.code as school_code, st.code, st.name, st.sex, st.grade, c.section, st.birth_on, st.age
from student st join school sc on sc.id = st.school_id left join class c on c.id = st.class_id
where starts_with(st.code, 'x') order by sc.code, st.code collate "C"
""",
    origin="test_import_property",
)


class Child(msgspec.Struct, frozen=True, order=True):
    """A child as stored."""

    school_code: str
    code: str
    name: str
    sex: int
    grade: int
    section: str | None
    birth_on: date | None
    age: int | None


class _Undone(Exception):
    pass


letters = st.characters(exclude_categories=("C", "Z", "Nd"), exclude_characters="\0")


def without_case(code: str) -> str:
    """As the database compares codes: letter by letter."""
    return "".join(each.lower()[0] for each in code)


def says_something(word: str) -> bool:
    """Whether a cell is taken as it is: no word for nothing, no error of a spreadsheet."""
    return not (says_nothing(word, is_name=False) or is_error(word))


words = st.text(letters, min_size=1, max_size=12).filter(says_something)
names = st.lists(words, min_size=1, max_size=3).map(" ".join)
children = st.builds(
    Child,
    school_code=st.sampled_from(["A", "B", "PRACTICE"]),
    code=words.map(lambda word: code_form("x" + word)),
    name=names,
    sex=st.sampled_from([0, 1, 2, 9]),
    grade=st.sampled_from([3, 4, 5]),
    section=st.none() | words.map(lambda word: word[:10]).filter(says_something),
    birth_on=st.none() | st.dates(date(2002, 1, 1), date(2022, 12, 31)),
    age=st.none() | st.integers(3, 25),
)
tables = st.lists(
    children, max_size=30, unique_by=lambda child: (child.school_code, without_case(child.code))
)


def as_cell(value: Any, zero: str) -> str:
    """The value as somebody writes it who uses these digits."""
    text = "" if value is None else str(value)
    return "".join(chr(ord(zero) + int(each)) if each in "0123456789" else each for each in text)


def as_csv(path: Path, table: list[Child], zero: str) -> Path:
    with path.open("w", newline="", encoding="utf-8") as file:
        writer = csv.writer(file)
        writer.writerow(HEADER)
        for child in table:
            values = msgspec.structs.asdict(child)
            plain = [values[name] or "" for name in ("school_code", "code", "name")]
            writer.writerow(
                [
                    *plain,
                    as_cell(child.sex, zero),
                    as_cell(child.grade, zero),
                    child.section or "",
                    *(as_cell(values[name], zero) for name in ("birth_on", "age")),
                ]
            )
    return path


def as_workbook(path: Path, table: list[Child]) -> Path:
    book = openpyxl.Workbook(write_only=True)
    sheet = book.create_sheet()
    sheet.append(HEADER)
    for child in table:
        cells = []
        for value in msgspec.structs.astuple(child):
            cell = openpyxl.cell.WriteOnlyCell(sheet, value=value)
            if isinstance(value, str):
                cell.data_type = "s"
            cells.append(cell)
        sheet.append(cells)
    book.save(path)
    return path


async def imported(session: Session, cast: Cast, clock: StandingClock, path: Path) -> ImportOutcome:
    new = NewRun("students", path.name, False, path.stat().st_size)
    run_id = await start_run(session, cast.coordinator, new, clock)
    with open_sheet(path) as sheet:
        return await import_sheet(session, cast.coordinator, run_id, new, sheet, None, Progress(), clock)


@settings(
    max_examples=40,
    deadline=None,
    suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow],
)
@given(table=tables, zero=st.sampled_from(ZEROES), again=st.randoms(use_true_random=False))
@example(table=[Child("A", "x\\", 'a\\N "b"', 2, 3, "\\.", None, None)], zero="0", again=random.Random(1))
@example(
    table=[Child("A", "x{}", "=SUM(A1)", 2, 3, "'", date(2016, 2, 29), 10)], zero="០", again=random.Random(1)
)
async def test_what_is_imported_reads_back_and_the_same_file_changes_nothing(
    session: Session,
    cast: Cast,
    clock: StandingClock,
    tmp_path: Path,
    table: list[Child],
    zero: str,
    again: random.Random,
) -> None:
    try:
        async with session.savepoint():
            first = await imported(session, cast, clock, as_csv(tmp_path / "a.csv", table, zero))
            assert (first.faults, first.added) == (0, len(table))
            stored = await session.fetch_all(QUERIES["children"], {}, into=Child)
            assert sorted(stored, key=repr) == sorted(table, key=repr)
            again.shuffle(table)
            second = await imported(session, cast, clock, as_csv(tmp_path / "b.csv", table, "0"))
            assert (second.faults, second.added, second.changed, second.unchanged) == (0, 0, 0, len(table))
            raise _Undone
    except _Undone:
        pass


plain_letters = st.characters(categories=("L",), max_codepoint=0xFFFF)
plain_words = st.text(plain_letters, min_size=1, max_size=8).filter(says_something)
plain_children = st.builds(
    Child,
    school_code=st.sampled_from(["A", "B"]),
    code=plain_words.map(lambda word: code_form("x" + word)),
    name=plain_words,
    sex=st.sampled_from([1, 2]),
    grade=st.sampled_from([3, 4, 5]),
    section=st.none() | plain_words,
    birth_on=st.none() | st.dates(date(2002, 1, 1), date(2022, 12, 31)),
    age=st.none() | st.integers(3, 25),
)


@settings(
    max_examples=15,
    deadline=None,
    suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow],
)
@given(
    table=st.lists(
        plain_children,
        min_size=1,
        max_size=15,
        unique_by=lambda child: (child.school_code, without_case(child.code)),
    )
)
async def test_a_workbook_equals_its_csv(
    session: Session, cast: Cast, clock: StandingClock, tmp_path: Path, table: list[Child]
) -> None:
    try:
        async with session.savepoint():
            first = await imported(session, cast, clock, as_workbook(tmp_path / "a.xlsx", table))
            assert (first.faults, first.added) == (0, len(table))
            second = await imported(session, cast, clock, as_csv(tmp_path / "b.csv", table, "0"))
            assert (second.faults, second.unchanged) == (0, len(table))
            raise _Undone
    except _Undone:
        pass
