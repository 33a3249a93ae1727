"""Files taken out: every child once, what both subjects say, only what its taker reaches, in four kinds that say the same."""

from __future__ import annotations

import csv
import io
import json
from collections import Counter
from datetime import date
from typing import Any

import openpyxl
import pyarrow.parquet as parquet
import pytest
from people import Cast

from flatwater.clock import StandingClock
from flatwater.queries import load_queries, read_queries
from flatwater.transaction import CopiedBlock, Session
from rightlevel.programme.errors import Forbidden, Invalid, OutOfScope
from rightlevel.programme.exports import (
    WRITERS,
    Column,
    ExportAsk,
    Reading,
    SheetBegun,
    begin_export,
    sheet_file,
)
from rightlevel.programme.permissions import Actor

pytestmark = pytest.mark.anyio
QUERIES = read_queries(
    """
-- name: rename
-- Gives a child another name.
update student set name = %(name)s where id = %(id)s::uuid
-- name: drop_child
-- Removes a child.
update student set deleted_at = now() where id = %(id)s::uuid
-- name: give_result
-- Gives a child a result.
insert into result (id, student_id, round_id, school_id, class_id, assessor_id, tested_on, subject, outcome, method, rank, grade, sex, tool, notes)
select new_id(), st.id, %(round)s, st.school_id, st.class_id, %(by)s, '2026-11-20', %(subject)s::subject, %(outcome)s::outcome, 'grid', %(rank)s,
    st.grade, st.sex, 1, %(notes)s
from student st where st.id = %(student)s::uuid
returning id::text as id
-- name: wait_for_retest
-- A re-test of a result that waits.
insert into verification (result_id, round_id, subject, school_id, child_school_id, visible_on, created_by)
select r.id, r.round_id, r.subject, r.school_id, r.school_id, '2026-11-21', %(by)s from result r where r.id = %(result)s::uuid
-- name: crowd
-- Many children of one school, grade and sex.
insert into student (school_id, school_year_id, code, name, name_key, sex, grade, age)
select %(school)s, %(year)s, %(prefix)s || n, 'x', 'x', %(sex)s, %(grade)s, %(age)s from generate_series(1, %(many)s) n
""",
    origin="tests/programme/exports/test_exports.py",
)


async def give_result(
    session: Session,
    cast: Cast,
    student: str,
    *,
    subject: str,
    outcome: str = "assessed",
    rank: int | None = None,
    notes: str | None = None,
) -> str:
    """A result by the teacher; its id."""
    values = {"student": student, "round": cast.round, "by": cast.teacher.person_id, "subject": subject}
    more = {"outcome": outcome, "rank": rank, "notes": notes}
    return await session.fetch_value(QUERIES["give_result"], values | more)


async def taken(
    session: Session, actor: Actor, ask: ExportAsk, clock: StandingClock
) -> tuple[bytes, Reading]:
    """The bytes of a file, and what was counted while it was made."""
    reading = Reading(session, actor, ask, key=b"k" * 32, today=clock.now().date())
    file = WRITERS[ask.format]()
    content: list[bytes] = []
    async for part in reading.parts():
        if isinstance(part, SheetBegun):
            content.append(file.sheet(part.name, part.columns))
        elif isinstance(part, CopiedBlock):
            content.append(file.block(part.content))
        else:
            content.append(file.rows(part.cells))
    content.append(file.end())
    return b"".join(content), reading


async def lines(session: Session, actor: Actor, ask: ExportAsk, clock: StandingClock) -> list[dict[str, str]]:
    """The rows of a CSV file."""
    content, _ = await taken(session, actor, ask, clock)
    return list(csv.DictReader(io.StringIO(content.decode("utf-8-sig"))))


async def test_a_roster_holds_every_child_once_and_no_practice_child(
    session: Session, cast: Cast, clock: StandingClock
) -> None:
    await session.execute(QUERIES["drop_child"], {"id": cast.students_a[4]})
    rows = await lines(session, cast.coordinator, ExportAsk("roster"), clock)
    assert [row["code"] for row in rows] == ["A0", "A1", "A2", "A3", "B0", "B1", "B2"]
    assert rows[0] | {"id": ""} == {
        "school_code": "A",
        "code": "A0",
        "name": "Bopha",
        "sex": "male",
        "grade": "3",
        "section": "A",
        "birth_on": "",
        "age": "",
        "school_year": "2026",
        "id": "",
        "standing": "active",
        "left_on": "",
        "left_reason": "",
        "school_name": "Alpha School",
        "district_name": "North District",
    }


async def test_only_how_rows_go_out_is_a_switch() -> None:
    """Nothing else is switched on: a filter of a file is a null. A page's rows go out whole or picked, or are counted, and end at a limit."""
    found = load_queries("rightlevel.programme.exports")
    assert {part for each in found.values() for part in each.parts} == {
        "csv",
        "json",
        "page",
        "whole",
        "picked",
        "counted",
        "limited",
    }


async def test_the_screens_filters_narrow_a_roster(
    session: Session, cast: Cast, clock: StandingClock
) -> None:
    async def codes(**asked: Any) -> list[str]:
        return [
            row["code"] for row in await lines(session, cast.coordinator, ExportAsk("roster", **asked), clock)
        ]

    assert await codes(school_id=cast.school_b) == ["B0", "B1", "B2"]
    assert await codes(place_id=cast.district_1) == ["A0", "A1", "A2", "A3", "A4"]
    assert await codes(class_id=cast.class_3a) == ["A0", "A1", "A2"]
    assert await codes(sex=2) == ["A1", "A3", "B1"]
    assert await codes(search="bo") == ["A0"]
    assert await codes(search="A3") == ["A3"]
    assert await codes(status="left") == []
    assert await codes(grade=5) == []


async def test_data_quality_is_of_the_subject_and_days_that_are_asked(
    session: Session, cast: Cast, clock: StandingClock
) -> None:
    await give_result(session, cast, cast.students_a[0], subject="language", rank=3)
    await give_result(session, cast, cast.students_a[0], subject="math", rank=2)

    async def subjects(**asked: Any) -> list[str]:
        ask = ExportAsk("data_quality", **asked)
        return [row["subject"] for row in await lines(session, cast.coordinator, ask, clock)]

    assert await subjects() == ["language", "math"]
    assert await subjects(subject="math") == ["math"]
    assert await subjects(from_on=date(2026, 11, 20), to_on=date(2026, 11, 20)) == ["language", "math"]
    assert await subjects(from_on=date(2026, 11, 21)) == []
    assert await subjects(to_on=date(2026, 11, 19)) == []


async def test_nobody_takes_more_than_they_reach(session: Session, cast: Cast, clock: StandingClock) -> None:
    assert {row["school_code"] for row in await lines(session, cast.teacher, ExportAsk("roster"), clock)} == {
        "A"
    }
    assert await lines(session, cast.stranger, ExportAsk("roster"), clock) == []
    with pytest.raises(OutOfScope):
        await begin_export(session, cast.teacher, ExportAsk("roster", school_id=cast.school_b), clock)
    for what in ("roster", "results", "people", "visits", "statistics", "everything"):
        with pytest.raises(Forbidden):
            await begin_export(session, cast.viewer, ExportAsk(what, "xlsx"), clock)
    for what in ("people", "assignments", "classes", "places", "verification", "visits"):
        with pytest.raises(Forbidden):
            await begin_export(session, cast.teacher, ExportAsk(what), clock)
    with pytest.raises(Forbidden):
        await begin_export(session, cast.teacher, ExportAsk("results", is_deidentified=True), clock)


async def test_what_makes_no_sense_is_refused_by_field(
    session: Session, cast: Cast, clock: StandingClock
) -> None:
    async def faults(ask: ExportAsk) -> list[str]:
        with pytest.raises(Invalid) as invalid:
            await begin_export(session, cast.admin, ask, clock)
        return [fault.field for fault in invalid.value.faults]

    assert await faults(ExportAsk("people", grade=3)) == ["grade"]
    assert await faults(ExportAsk("everything")) == ["format"]
    assert await faults(ExportAsk("visits", is_deidentified=True)) == ["is_deidentified"]
    assert await faults(ExportAsk("results", round_id=999_999)) == ["round_id"]
    assert await faults(ExportAsk("results", is_deidentified=True, school_id=cast.school_a)) == ["school_id"]
    assert await faults(ExportAsk("roster", search="x" * 101)) == ["search"]


async def test_results_hold_every_child_once_with_both_subjects_and_the_untested(
    session: Session, cast: Cast, clock: StandingClock
) -> None:
    await give_result(session, cast, cast.students_a[0], subject="language", rank=4)
    await give_result(session, cast, cast.students_a[0], subject="math", rank=2)
    await give_result(session, cast, cast.students_a[1], subject="math", outcome="absent")
    content, reading = await taken(
        session, cast.coordinator, ExportAsk("results", round_id=cast.round), clock
    )
    rows = {row["code"]: row for row in csv.DictReader(io.StringIO(content.decode("utf-8-sig")))}
    assert list(rows) == ["A0", "A1", "A2", "A3", "A4", "B0", "B1", "B2"]
    first, second, third = rows["A0"], rows["A1"], rows["A2"]
    assert (first["language_level"], first["language_rank"], first["math_level"]) == (
        "paragraph",
        "4",
        "number_1digit",
    )
    assert (first["tested"], first["without_result"]) == ("both", "none")
    assert (second["language_outcome"], second["math_outcome"], second["math_level"]) == (
        "not_tested",
        "absent",
        "",
    )
    assert (second["tested"], second["without_result"]) == ("neither", "language")
    assert (third["tested"], third["without_result"]) == ("neither", "both")
    counts = reading.counts[str(cast.round)]
    assert counts["children"] == 8
    assert counts["assessed"] == {"language": 1, "math": 1}
    assert counts["without_result"] == {"language": 7, "math": 6}
    for subject in ("language", "math"):
        figures = counts["figures"][subject]
        assert figures["assessed"] == counts["assessed"][subject]
        assert figures["enrolled"] == counts["children"]
        assert figures["to_do"] == counts["without_result"][subject]


async def test_the_counts_are_the_figures_wherever_one_looks(
    session: Session, cast: Cast, clock: StandingClock
) -> None:
    await give_result(session, cast, cast.students_a[0], subject="language", rank=4)
    await give_result(session, cast, cast.students_b[0], subject="language", rank=1)
    for narrowed in (
        {},
        {"place_id": cast.district_2},
        {"school_id": cast.school_a},
        {"sex": 1},
        {"grade": 3},
    ):
        ask = ExportAsk("results", round_id=cast.round, **narrowed)  # type: ignore[arg-type]
        _, reading = await taken(session, cast.admin, ask, clock)
        counts = reading.counts[str(cast.round)]
        assert counts["assessed"]["language"] == counts["figures"]["language"]["assessed"], narrowed
        assert counts["children"] == counts["figures"]["language"]["enrolled"], narrowed


async def test_a_mentor_of_one_subject_gets_that_one(
    session: Session, cast: Cast, clock: StandingClock
) -> None:
    await give_result(session, cast, cast.students_b[0], subject="language", rank=4)
    await give_result(session, cast, cast.students_b[0], subject="math", rank=4)
    held = {each.subject for each in cast.mentor_elsewhere.scope.held}
    rows = await lines(session, cast.mentor_elsewhere, ExportAsk("results", round_id=cast.round), clock)
    assert rows
    for subject in ("language", "math"):
        assert bool(rows[0][f"{subject}_outcome"]) == (subject in held)


async def test_a_mentor_is_not_told_what_a_waiting_retest_is_judged_by(
    session: Session, cast: Cast, clock: StandingClock
) -> None:
    result_id = await give_result(
        session, cast, cast.students_a[0], subject="math", rank=4, notes="reads well"
    )
    await session.execute(QUERIES["wait_for_retest"], {"result": result_id, "by": cast.coordinator.person_id})
    ask = ExportAsk("results", round_id=cast.round)
    hidden = (await lines(session, cast.mentor, ask, clock))[0]
    assert (hidden["math_outcome"], hidden["math_level"], hidden["math_rank"], hidden["math_notes"]) == (
        "assessed",
        "",
        "",
        "",
    )
    assert (await lines(session, cast.coordinator, ask, clock))[0]["math_level"] == "subtraction"
    retest = (await lines(session, cast.mentor, ExportAsk("verification"), clock))[0]
    assert (retest["state"], retest["first_level"]) == ("pending", "")


async def test_formulas_are_defused_in_csv_and_true_elsewhere(
    session: Session, cast: Cast, clock: StandingClock
) -> None:
    for number, start in enumerate(("=1+1", "+1", "-1", "@x", "＝1")):
        await session.execute(QUERIES["rename"], {"id": cast.students_a[number], "name": start})
    ask = ExportAsk("roster", school_id=cast.school_a)
    names = [row["name"] for row in await lines(session, cast.admin, ask, clock)]
    assert names == ["'=1+1", "'+1", "'-1", "'@x", "'＝1"]
    content, _ = await taken(
        session, cast.admin, ExportAsk("roster", "jsonl", school_id=cast.school_a), clock
    )
    told = [json.loads(line)["name"] for line in content.splitlines()]
    assert told == [name[1:] for name in names]


async def test_four_kinds_of_file_say_the_same(session: Session, cast: Cast, clock: StandingClock) -> None:
    hard = ['He said "no"', "a\tb\nc", "back\\slash", "ចាន់ដារ៉ា, ២", "<&>\x0b"]
    for child, name in zip(cast.students_a, hard, strict=True):
        await session.execute(QUERIES["rename"], {"id": child, "name": name})
    await give_result(session, cast, cast.students_a[0], subject="language", rank=4)
    for what in ("roster", "results"):
        kept: dict[str, list[dict[str, Any]]] = {}
        for kind in ("csv", "jsonl", "parquet", "xlsx"):
            content, reading = await taken(session, cast.admin, ExportAsk(what, kind), clock)  # type: ignore[arg-type]
            assert reading.rows == 8, (what, kind)
            kept[kind] = read_as(kind, content, what)
        for kind in ("jsonl", "parquet"):
            assert kept[kind] == kept["csv"], (what, kind)
        assert [row["name"].replace("\x0b", "") for row in kept["csv"]] == [
            row["name"] for row in kept["xlsx"]
        ]
        assert [row["code"] for row in kept["csv"]] == [row["code"] for row in kept["xlsx"]]


def read_as(kind: str, content: bytes, sheet: str) -> list[dict[str, Any]]:
    """The rows of a file by an independent reader, blank cells as empty texts and all others as texts."""
    if kind == "csv":
        return list(csv.DictReader(io.StringIO(content.decode("utf-8-sig"), newline="")))
    if kind == "jsonl":
        found = [json.loads(line) for line in content.decode().split("\n") if line]
    elif kind == "parquet":
        found = parquet.read_table(io.BytesIO(content)).to_pylist()
    else:
        rows = [[cell.value for cell in row] for row in openpyxl.load_workbook(io.BytesIO(content))[sheet]]
        found = [dict(zip(rows[0], row, strict=True)) for row in rows[1:]]
    return [{name: "" if value is None else str(value) for name, value in row.items()} for row in found]


async def test_a_workbook_of_everything_has_a_sheet_for_each_and_says_what_it_is(
    session: Session, cast: Cast, clock: StandingClock
) -> None:
    content, _ = await taken(session, cast.admin, ExportAsk("everything", "xlsx"), clock)
    book = openpyxl.load_workbook(io.BytesIO(content))
    assert book.sheetnames == [
        "roster",
        "results",
        "verification",
        "data_quality",
        "attendance",
        "visits",
        "assignments",
        "people",
        "classes",
        "places",
        "statistics",
        "codebook",
        "about",
    ]
    about = {row[0].value: row[1].value for row in book["about"]}
    assert about["of"] == "everything"
    explained = Counter(row[0].value for row in book["codebook"])
    assert explained["roster"] == len(list(book["roster"].columns))
    teachers, _ = await taken(session, cast.teacher, ExportAsk("everything", "xlsx"), clock)
    assert "people" not in openpyxl.load_workbook(io.BytesIO(teachers)).sheetnames


def test_a_sheet_that_is_full_goes_on_in_a_next_one(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sheet_file, "MOST_ROWS", 4)
    book = sheet_file.Workbook()
    content = book.sheet("roster", [Column("n", "integer", "")])
    content += book.rows([[n] for n in range(8)]) + book.end()
    sheets = openpyxl.load_workbook(io.BytesIO(content))
    assert sheets.sheetnames == ["roster", "roster (2)", "roster (3)"]
    assert [cell.value for sheet in sheets for cell in sheet["A"]] == ["n", 0, 1, 2, "n", 3, 4, 5, "n", 6, 7]


def test_many_groups_of_a_parquet_file_are_one_table() -> None:
    file = WRITERS["parquet"]()
    content = file.sheet("x", [Column("n", "integer", ""), Column("t", "text", ""), Column("d", "date", "")])
    content += file.rows(
        [[n, f"t{n}" if n % 3 else None, "2026-02-28" if n % 2 else None] for n in range(6_001)]
    )
    content += file.end()
    table = parquet.read_table(io.BytesIO(content))
    assert parquet.ParquetFile(io.BytesIO(content)).num_row_groups == 3
    assert table["n"].to_pylist() == list(range(6_001))
    assert table["t"].to_pylist()[:3] == [None, "t1", "t2"]
    assert table["d"].null_count == 3_001


async def test_statistics_are_the_counts_that_are_kept(
    session: Session, cast: Cast, clock: StandingClock
) -> None:
    await give_result(session, cast, cast.students_a[0], subject="language", rank=4)
    rows = await lines(session, cast.coordinator, ExportAsk("statistics", subject="language"), clock)
    assert sum(int(row["enrolled"]) for row in rows) == 8
    assert sum(int(row["rank_4"]) for row in rows) == sum(int(row["assessed"]) for row in rows) == 1


async def test_a_deidentified_file_says_nothing_that_fewer_than_ten_share(
    session: Session, cast: Cast, clock: StandingClock
) -> None:
    async def crowd(school: int, sex: int, grade: int, many: int, prefix: str, age: int = 9) -> None:
        values = {"school": school, "year": cast.school_year, "sex": sex, "grade": grade, "many": many}
        await session.execute(QUERIES["crowd"], values | {"prefix": prefix, "age": age})

    await crowd(cast.school_a, 1, 3, 20, "m3-")
    await crowd(cast.school_a, 2, 3, 20, "f3-")
    await crowd(cast.school_a, 1, 4, 15, "m4-")
    await crowd(cast.school_a, 2, 4, 4, "f4-")
    rows = await lines(session, cast.viewer, ExportAsk("roster", is_deidentified=True), clock)
    assert list(rows[0]) == ["child", "district_code", "grade", "sex", "age_band", "school_year", "standing"]
    assert len(rows) == 67
    shared = Counter((row["district_code"], row["grade"], row["sex"], row["age_band"]) for row in rows)
    # Three children of a district of their own, and grade 4 whose four girls would be known by its boys.
    assert shared["", "", "", ""] == 3
    assert shared["D1", "4", "", ""] == 19
    assert all(count >= 10 for key, count in shared.items() if key[0])
    again = await lines(session, cast.admin, ExportAsk("roster", is_deidentified=True), clock)
    assert again == rows
    results = await lines(session, cast.viewer, ExportAsk("results", is_deidentified=True), clock)
    assert {row["child"] for row in results} == {row["child"] for row in rows}
    text = json.dumps(rows + results)
    assert not any(secret in text for secret in ("Bopha", "Alpha", "m3-1", cast.students_a[0], "A0"))
