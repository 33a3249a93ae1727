"""Files as people have them: shown codes, spellings of codes, errors, encodings, sheets, titles, and which rows are meant."""

from __future__ import annotations

import csv
from collections.abc import Iterable
from pathlib import Path
from typing import Any

import msgspec
import openpyxl
import pytest
from people import Cast

from flatwater.clock import StandingClock
from flatwater.paging import PageRequest
from flatwater.queries import read_queries
from flatwater.transaction import Session
from rightlevel.programme.exchange import (
    ImportFault,
    ImportOutcome,
    LeftRow,
    NewRun,
    Progress,
    SheetFault,
    import_sheet,
    list_faults,
    list_left_rows,
    list_sources,
    mapping_of_source,
    open_table,
    read_mapping,
    read_run,
    refuse_file,
    start_run,
)

pytestmark = pytest.mark.anyio

CASES = Path(__file__).parents[4].parent / "shared" / "data" / "cases"
with_cases = pytest.mark.skipif(not CASES.exists(), reason="the shared cases are not here")
HEADER = ["school_code", "code", "name", "sex", "grade"]
QUERIES = read_queries(
    """
-- name: schools
-- Makes schools with these codes beside the cast's.
insert into school (place_id, code, name_local) select %(place)s, c, 'School ' || c from unnest(%(codes)s::text[]) c
-- name: children
-- All children of a school by code.
select st.code, st.name, c.section from student st join school sc on sc.id = st.school_id left join class c on c.id = st.class_id
where sc.code = %(school)s and st.deleted_at is null order by st.code
-- name: rename_school
-- Gives a school another code.
update school set code = %(code)s where id = %(id)s
-- name: places
-- How many places there are.
select count(*) as n from place
""",
    origin="test_files_as_people_have_them",
)


class Child(msgspec.Struct, frozen=True):
    code: str
    name: str
    section: str | None


class Taken(msgspec.Struct, frozen=True):
    """What became of a file."""

    run_id: str
    outcome: ImportOutcome
    faults: list[ImportFault]

    @property
    def counts(self) -> tuple[int, int, int, int]:
        return self.outcome.added, self.outcome.changed, self.outcome.unchanged, self.outcome.faults

    @property
    def told(self) -> str:
        return self.outcome.message or ""


class Files(msgspec.Struct, frozen=True):
    """Takes files as a running platform does, in the test's transaction."""

    session: Session
    cast: Cast
    clock: StandingClock
    folder: Path

    def csv(self, *rows: list[Any], header: Iterable[str] | None = HEADER, encoding: str = "utf-8") -> Path:
        path = self.folder / "in.csv"
        with path.open("w", newline="", encoding=encoding) as file:
            csv.writer(file).writerows([*([header] if header else []), *rows])
        return path

    def workbook(self, **sheets: list[list[Any]]) -> Path:
        """A workbook of these sheets; a cell may be (value, number format)."""
        book = openpyxl.Workbook()
        book.remove(book["Sheet"])
        for name, rows in sheets.items():
            sheet = book.create_sheet(name)
            for number, row in enumerate(rows, 1):
                for column, value in enumerate(row, 1):
                    if value is None:
                        continue
                    cell = sheet.cell(number, column)
                    cell.value, cell.number_format = value if isinstance(value, tuple) else (value, "General")
        book.save(path := self.folder / "in.xlsx")
        return path

    async def take(
        self,
        path: Path,
        mapping: str = "",
        *,
        kind: Any = "students",
        leaves_bad_rows: bool = False,
        source: str = "",
    ) -> Taken:
        actor = self.cast.coordinator
        new = NewRun(kind, path.name, False, path.stat().st_size, leaves_bad_rows, mapping, source)
        run_id = await start_run(self.session, actor, new, self.clock)
        read = read_mapping(mapping, kind) if mapping else None
        try:
            sheet = open_table(path, kind, read)
        except SheetFault as fault:
            outcome = await refuse_file(self.session, actor, run_id, new, fault, self.clock)
        else:
            with sheet:
                outcome = await import_sheet(
                    self.session,
                    actor,
                    run_id,
                    new,
                    sheet,
                    read,
                    Progress(),
                    self.clock,
                    reopen=lambda: open_table(path, kind, read),
                )
        faults = await list_faults(self.session, actor, run_id, PageRequest(1000))
        run = await read_run(self.session, actor, run_id)
        assert (run.left_out, run.skipped, run.faults) == (outcome.left_out, outcome.skipped, outcome.faults)
        return Taken(run_id, outcome, faults.items)

    async def schools(self, *codes: str) -> None:
        await self.session.execute(QUERIES["schools"], {"place": self.cast.district_1, "codes": list(codes)})

    async def children(self, school: str = "A") -> list[Child]:
        return await self.session.fetch_all(QUERIES["children"], {"school": school}, into=Child)

    async def codes(self, school: str = "A") -> list[str]:
        return [child.code for child in await self.children(school)]


@pytest.fixture
async def files(session: Session, cast: Cast, clock: StandingClock, tmp_path: Path) -> Files:
    return Files(session, cast, clock, tmp_path)


# --- which child, which school -------------------------------------------------------------------------------


async def test_in_codes_the_shown_text_counts_and_in_numbers_what_is_held(files: Files) -> None:
    await files.schools("12", "012")
    there = len(await files.codes("012"))
    path = files.workbook(
        One=[
            [*HEADER, "age"],
            [(12, "000"), (7, "0000"), "Sok Dara", "M", (3, '"Grade "0'), (9, '0" years"')],
            [(12, "000"), (8, '"S"000'), "Chan Lina", "F", 3, (10, "000")],
            [(12, "000"), (123456, "00-00-00"), "Keo Mony", "F", 3, None],
        ]
    )
    taken = await files.take(path)
    assert taken.counts == (3, 0, 0, 0), taken.faults
    assert await files.codes("12") == []
    assert (there, await files.codes("012")) == (0, ["0007", "12-34-56", "S008"])


@pytest.mark.parametrize(
    ("cell", "rule"),
    [
        ((1234, "#,##0"), "number format"),
        ((0.12, "0%"), "number format"),
        ((12.4, "000"), "number format"),
        ((-7, "0000"), "number format"),
        ((45000, "d-mmm"), "holds a day"),
        (1234567890123456, "15 digits"),
    ],
)
async def test_a_code_whose_shown_text_is_not_known_is_a_fault(files: Files, cell: Any, rule: str) -> None:
    taken = await files.take(files.workbook(One=[HEADER, ["A", cell, "Sok Dara", "M", 3]]))
    assert [(fault.row_number, fault.column_name) for fault in taken.faults] == [(2, "code")]
    assert rule in taken.faults[0].rule


async def test_a_long_code_that_a_spreadsheet_shortened_is_a_fault(files: Files) -> None:
    taken = await files.take(files.csv(["A", "1.23457E+11", "Sok Dara", "M", 3]))
    assert "shortened" in taken.faults[0].rule


@pytest.mark.parametrize(
    ("one", "other"),
    [
        ("caf\u00e9", "cafe\u0301"),
        ("x\u200b1", "x1"),
        ("101.0", "101"),
        ('="001"', "001"),
        ("'001", "001"),
        ("\u17e1\u17e2", "12"),
        ("  7  b ", "7 b"),
        ("101.000000", "101"),
    ],
)
async def test_two_spellings_of_one_code_are_one_child_and_told_as_such(
    files: Files, one: str, other: str
) -> None:
    both = await files.take(files.csv(["A", one, "Sok Dara", "M", 3], ["A", other, "Sok Dara", "M", 3]))
    assert [fault.rule for fault in both.faults] == [
        "The same child is also in row 3",
        "The same child is also in row 2",
    ]
    assert (await files.take(files.csv(["A", one, "Sok Dara", "M", 3]))).counts == (1, 0, 0, 0)
    assert (await files.take(files.csv(["A", other, "Sok Dara", "M", 3]))).counts == (0, 0, 1, 0)


async def test_codes_of_schools_have_one_form_too(files: Files) -> None:
    header = ["code", "name", "country", "district"]
    first = await files.take(
        files.csv(['="0101"', "Hill", "Cambodia", "North"], header=header), kind="schools"
    )
    assert first.counts == (1, 0, 0, 0), first.faults
    again = files.csv(["'0101", "Hill", "Cambodia", "North"], header=header)
    assert (await files.take(again, kind="schools")).counts == (0, 0, 1, 0)
    assert (await files.take(files.csv(["0101", "1", "Sok Dara", "M", 3]))).counts == (1, 0, 0, 0)


@pytest.mark.parametrize("error", ["#N/A", "#REF!", "#DIV/0!", "#NAME?", "#VALUE!", "Err:502", "#####"])
async def test_errors_of_a_spreadsheet_are_faults_wherever_they_stand(files: Files, error: str) -> None:
    rows = [
        ["A", "x1", error, "M", 3, ""],
        ["A", error, "Sok", "M", 3, ""],
        ["A", "x2", "Sok", "M", 3, error],
    ]
    taken = await files.take(files.csv(*rows, header=[*HEADER, "section"]))
    assert [(fault.row_number, fault.column_name) for fault in taken.faults] == [
        (2, "name"),
        (3, "code"),
        (4, "section"),
    ]
    assert all("error of the spreadsheet" in fault.rule for fault in taken.faults)


async def test_words_for_nothing_mean_nothing_where_nothing_may_be(files: Files) -> None:
    header = [*HEADER, "section", "age"]
    words = ["N/A", "nan", "-", "NULL", "\u2014", "<NA>", "None"]
    rows = [["A", f"x{at}", "Sok Dara", "M", 3, word, word] for at, word in enumerate(words)]
    assert (await files.take(files.csv(*rows, header=header))).counts == (len(words), 0, 0, 0)
    assert {child.section for child in await files.children() if child.code.startswith("x")} == {None}
    bad = await files.take(
        files.csv(["A", "-", "-", "n/a", 3, "", ""], ["A", "y", "nan", "M", 3, "", ""], header=header)
    )
    assert [(fault.row_number, fault.column_name) for fault in bad.faults] == [
        (2, "code"),
        (2, "name"),
        (2, "sex"),
        (3, "name"),
    ]


async def test_people_and_places_are_called_nan_and_null(files: Files) -> None:
    assert (await files.take(files.csv(["A", "n1", "Nan", "F", 3], ["A", "n2", "Null", "M", 3]))).counts == (
        2,
        0,
        0,
        0,
    )


async def test_a_mapping_says_what_else_stands_for_nothing(files: Files) -> None:
    path = files.csv(["A", "x1", "Sok Dara", "M", 3, "99"], header=[*HEADER, "age"])
    taken = await files.take(path)
    assert taken.faults[0].cure == 'age = {column = "age", nothing = ["99"]}'
    assert (await files.take(path, taken.faults[0].cure)).counts == (1, 0, 0, 0)


# --- encodings -----------------------------------------------------------------------------------------------

NAMES = {
    "windows-1256": ["سامي علي", "محمد حسن", "فاطمة الزهراء", "نور الدين", "ليلى خالد", "زينب"],
    "windows-1253": ["Γιώργος Παπαδόπουλος", "Μαρία", "Ελένη Νικολάου", "Δημήτρης", "Κώστας", "Άννα"],
    "gb18030": ["王小明", "李丽", "张伟", "刘洋", "陈静", "赵敏", "黄磊"],
    "windows-1251": ["Иван Петров", "Мария Смирнова", "Алексей", "Ольга", "Дмитрий"],
    "cp874": ["สมชาย ใจดี", "สมหญิง", "ประเสริฐ", "วิชัย"],
    "windows-1252": ["Élodie Béraud", "François", "Hélène", "Noël", "Zoé"],
    "shift_jis": ["山田太郎", "鈴木花子", "佐藤さくら", "高橋健一"],
}


def named(files: Files, encoding: str) -> Path:
    return files.csv(
        *(["A", f"n{at}", name, "M", 3] for at, name in enumerate(NAMES[encoding])), encoding=encoding
    )


@pytest.mark.parametrize("encoding", NAMES)
async def test_an_encoding_is_offered_with_names_and_never_applied_unseen(
    files: Files, encoding: str
) -> None:
    path = named(files, encoding)
    taken = await files.take(path)
    assert taken.counts[:3] == (0, 0, 0)
    assert "not UTF-8" in taken.faults[0].rule
    offers = [(fault.value.split(", "), fault.cure) for fault in taken.faults[1:]]
    right = [cure for names, cure in offers if names == NAMES[encoding][:10]]
    assert right, offers
    assert (await files.take(path, right[0])).counts == (len(NAMES[encoding]), 0, 0, 0)
    assert {child.name for child in await files.children()} >= set(NAMES[encoding])


@pytest.mark.parametrize("encoding", ["windows-1256", "windows-1253", "gb18030", "windows-1251", "cp874"])
async def test_names_that_can_not_be_are_told_before_anything_is_saved(files: Files, encoding: str) -> None:
    taken = await files.take(named(files, encoding), 'encoding = "windows-1252"')
    assert taken.counts[:3] == (0, 0, 0)
    cures = [fault.cure for fault in taken.faults]
    assert "encoding_checked = true" in cures
    assert any(cure.startswith("encoding = ") for cure in cures)


async def test_who_has_looked_may_insist(files: Files) -> None:
    said = 'encoding = "windows-1252"\nencoding_checked = true'
    assert (await files.take(named(files, "windows-1253"), said)).counts[0] == 6


@pytest.mark.parametrize(
    "encoding", ["utf-16-le", "utf-32", "iso2022_jp", "mac-roman", "koi8-r", "big5", "cp437"]
)
async def test_any_encoding_that_python_knows_can_be_asked_for(files: Files, encoding: str) -> None:
    name = {"koi8-r": "Иван Петров", "big5": "王小明", "iso2022_jp": "山田太郎"}.get(encoding, "Sok Dara")
    path = files.csv(["A", "e1", name, "M", 3], encoding=encoding)
    taken = await files.take(path, f'encoding = "{encoding}"\nencoding_checked = true')
    assert taken.counts == (1, 0, 0, 0), taken.faults
    assert name in {child.name for child in await files.children()}


@pytest.mark.parametrize("encoding", ["nonsense", "rot13", "idna", "unicode_escape", "zlib"])
async def test_what_is_no_encoding_of_files_is_named(files: Files, encoding: str) -> None:
    taken = await files.take(named(files, "windows-1251"), f'encoding = "{encoding}"')
    assert "no encoding named" in taken.faults[0].rule


# --- sheets and headers ----------------------------------------------------------------------------------------

ROW = ["A", "h1", "Sok Dara", "M", 3]


async def test_of_several_sheets_somebody_says_which(files: Files) -> None:
    path = files.workbook(North=[HEADER, ROW], South=[HEADER, ["B", "h2", "Chan Lina", "F", 3]])
    taken = await files.take(path)
    assert "2 sheets" in taken.faults[0].rule
    assert [fault.cure for fault in taken.faults[1:]] == ['sheet = "North"', 'sheet = "South"']
    assert (await files.take(path, 'sheet = "South"')).counts == (1, 0, 0, 0)
    assert "h2" in await files.codes("B")


async def test_a_cover_sheet_is_passed_over_aloud_and_empty_sheets_silently(files: Files) -> None:
    path = files.workbook(
        Cover=[["Class lists of 2026"], ["Please do not change"]], Children=[HEADER, ROW], Sheet3=[]
    )
    taken = await files.take(path)
    assert taken.counts == (1, 0, 0, 0), taken.faults
    assert "Only the sheet Children was read; not read: Cover." in taken.told
    assert "Only the sheet" not in (await files.take(files.workbook(Children=[HEADER, ROW], Sheet2=[]))).told


async def test_two_sheets_without_our_columns_are_asked_about(files: Files) -> None:
    taken = await files.take(files.workbook(Notes=[["a", "b"], ["1", "2"]], More=[["c"], ["3"]]))
    assert [fault.cure for fault in taken.faults[1:]] == ['sheet = "Notes"', 'sheet = "More"']


@pytest.mark.parametrize(
    "header",
    [
        ["School_ID", "Student_ID", "Full_Name", "Sex (M/F)", "Grade:"],
        ["School Code *", "Roll No.", "Student\nName", "GENDER", "Class [3-5]"],
        ["SCHOOL-CODE", "Student  Code", ["Name", " ឈ្មោះ (first, last)"][0], "sex", "Std."],
    ],
)
async def test_headers_are_found_by_their_letters(files: Files, header: list[str]) -> None:
    assert (await files.take(files.csv(ROW, header=header))).counts == (1, 0, 0, 0)


async def test_a_mapping_finds_its_columns_by_their_letters_where_only_one_fits(files: Files) -> None:
    path = files.csv(
        [*ROW, "x"], header=["school_code", "code", "Child\nName *", "sex", "grade", "Name (Khmer)"]
    )
    assert (await files.take(path, "name = child name")).counts == (1, 0, 0, 0)
    path = files.csv(
        [*ROW, "x"], header=["school_code", "code", "Name (Latin)", "sex", "grade", "Name (Khmer)"]
    )
    assert "does not have: nAme" in (await files.take(path, "name = nAme")).faults[0].rule


@pytest.mark.parametrize("kind", ["csv", "xlsx"])
async def test_a_header_below_titles_is_found_and_told(files: Files, kind: str) -> None:
    rows: list[list[Any]] = [["Hill school, class list"], [], ["Printed 2026"], HEADER, ROW]
    path = files.csv(*rows, header=None) if kind == "csv" else files.workbook(One=rows)
    taken = await files.take(path)
    assert taken.counts == (1, 0, 0, 0), taken.faults
    assert (
        "The header was found in row 4; not read above it: Hill school, class list; Printed 2026."
        in taken.told
    )
    assert (await files.take(path, "header_row = 4")).counts == (0, 0, 1, 0)
    assert (await files.take(path, "header_row = 3")).outcome.faults
    assert "Row 2 holds no text" in (await files.take(path, "header_row = 2")).faults[0].rule


async def test_a_header_that_is_nearly_ours_is_named_by_its_row(files: Files) -> None:
    path = files.csv(["Class list"], ["school_code", "code", "Called", "sex", "grade"], ROW, header=None)
    taken = await files.take(path)
    assert (taken.faults[0].row_number, taken.faults[0].cure) == (2, 'name = "Called"')
    assert "The file has: school_code, code, Called" in taken.faults[0].rule


async def test_a_file_without_a_header_says_so_and_can_be_mapped_by_letters(files: Files) -> None:
    path = files.csv(ROW, ["A", "h2", "Chan Lina", "F", 3], header=None)
    taken = await files.take(path)
    assert "no header row" in taken.faults[0].rule
    assert taken.faults[0].cure == "header_row = 0"
    mapped = await files.take(path, "header_row = 0\nschool_code = A\ncode = B\nname = C\nsex = D\ngrade = E")
    assert mapped.counts == (2, 0, 0, 0), mapped.faults


# --- which rows, which names -------------------------------------------------------------------------------------


async def test_only_the_programmes_grades_counted_and_listed(files: Files) -> None:
    rows = [["A", f"g{grade}", "Sok Dara", "M", f"Class {grade}"] for grade in (1, 3, 5, 10)]
    path = files.csv(*rows)
    taken = await files.take(path)
    assert {fault.cure for fault in taken.faults} == {"only_programme_grades = true"}
    only = await files.take(path, "only_programme_grades = true")
    assert (only.counts, only.outcome.left_out, only.outcome.rows) == ((2, 0, 0, 0), 2, 4)
    assert [(fault.row_number, fault.value, fault.is_left_out) for fault in only.faults] == [
        (2, "Class 1", True),
        (5, "Class 10", True),
    ]


@pytest.mark.parametrize(
    ("rule", "codes"),
    [
        ('{column = "grade", in = [3, "៤"]}', ["r3", "r4"]),
        ('{column = "grade", not_in = ["3"]}', ["r4", "r5"]),
        ('{column = "Village", filled = true}', ["r4"]),
        ('{column = "village", filled = false}', ["r3", "r5"]),
    ],
)
async def test_only_rows_with_some_values(files: Files, rule: str, codes: list[str]) -> None:
    rows = [["A", f"r{grade}", "Sok Dara", "M", grade, "Toul" if grade == 4 else ""] for grade in (3, 4, 5)]
    taken = await files.take(files.csv(*rows, header=[*HEADER, "Village"]), f"only = [{rule}]")
    assert taken.counts == (len(codes), 0, 0, 0), taken.faults
    assert [code for code in await files.codes() if code.startswith("r")] == codes
    assert taken.outcome.left_out == 3 - len(codes)


async def test_a_row_rule_that_names_no_column_stops_the_import(files: Files) -> None:
    taken = await files.take(files.csv(ROW), 'only = [{column = "Village", filled = true}]')
    assert "does not have: Village" in taken.faults[0].rule


async def test_rows_that_are_wrong_are_left_out_when_somebody_says_so_and_come_back(files: Files) -> None:
    rows = [
        ["A", "b1", "Sok Dara", "M", 3, "x"],
        ["A", "b2", "-", "M", 3, 'say "hi" \\ no'],
        ["NOWHERE", "b3", "Chan, Lina", "F", 3, ""],
        ["A", "b4", "Keo Mony", "Q", 9, ""],
        ["A", "b1", "Twice", "M", 3, ""],
        ["A", "b5", "Ouk Rith", "M", 3, ""],
    ]
    path = files.csv(*rows, header=[*HEADER, "Note"])
    assert (await files.take(path)).counts[:3] == (0, 0, 0)
    taken = await files.take(path, leaves_bad_rows=True)
    assert (taken.counts, taken.outcome.skipped) == ((1, 0, 0, 6), 5)
    assert [code for code in await files.codes() if code.startswith("b")] == ["b5"]
    left = await list_left_rows(files.session, files.cast.coordinator, taken.run_id, PageRequest(100))
    assert [row.row_number for row in left.items] == [1, 2, 3, 4, 5, 6]
    assert left.items[0].cells == [*HEADER, "Note"]
    assert left.items[2] == LeftRow(2, 3, ["A", "b2", "-", "M", "3", 'say "hi" \\ no'], left.items[2].rules)
    assert "name: This is needed" in left.items[2].rules
    assert "; " in left.items[4].rules
    mended = [row.cells for row in left.items]
    mended[2][2], mended[3][0], mended[4][3], mended[4][4], mended[5][1] = "Sok Na", "A", "F", "3", "b6"
    again = await files.take(files.csv(*mended, header=None))
    assert again.counts == (5, 0, 0, 0), again.faults


async def test_schools_with_bad_rows_make_no_places_for_them(files: Files) -> None:
    header = ["code", "name", "country", "district", "status"]
    path = files.csv(
        ["s1", "Hill", "Cambodia", "North", "open"],
        ["s2", "River", "Cambodia", "Ghost", "odd"],
        header=header,
    )
    before = await files.session.fetch_value(QUERIES["places"], {})
    taken = await files.take(path, kind="schools", leaves_bad_rows=True)
    assert (taken.counts, taken.outcome.skipped) == ((1, 0, 0, 1), 1)
    assert await files.session.fetch_value(QUERIES["places"], {}) - before == 2


async def test_a_file_that_breaks_off_or_has_no_header_saves_nothing_of_it(files: Files) -> None:
    path = files.csv(*(["A", f"z{at}", "Sok Dara", "M", 3] for at in range(40)))
    path.write_bytes(path.read_bytes() + b'A,z99,"Sok Dara,M,3\n')
    assert (await files.take(path, leaves_bad_rows=True)).counts[:3] == (0, 0, 0)
    assert not [code for code in await files.codes() if code.startswith("z")]


async def test_a_join_of_names_may_have_blanks_as_long_as_one_is_there(files: Files) -> None:
    header = ["school_code", "code", "Surname", "Given", "sex", "grade"]
    rows = [
        ["A", "j1", "Sok", "Dara", "M", 3],
        ["A", "j2", "", "Lina", "F", 3],
        ["A", "j3", "-", "Mony", "F", 3],
    ]
    said = 'name = {join = ["Surname", "Given"]}'
    assert (await files.take(files.csv(*rows, header=header), said)).counts == (3, 0, 0, 0)
    assert {"Sok Dara", "Lina", "Mony"} <= {child.name for child in await files.children()}
    none = await files.take(files.csv(["A", "j4", "", "", "F", 3], header=header), said)
    assert none.faults[0].rule == "This is needed and is empty"


async def test_a_join_of_codes_has_no_blanks_unless_the_mapping_says_so(files: Files) -> None:
    header = ["school_code", "Class", "No", "name", "sex", "grade"]
    path = files.csv(["A", "", "7", "Sok Dara", "M", 3], header=header)
    taken = await files.take(path, 'code = {join = ["Class", "No"], with = "-"}')
    assert taken.faults[0].cure == 'code = {join = ["Class", "No"], with = "-", blanks = true}'
    assert (await files.take(path, taken.faults[0].cure)).counts == (1, 0, 0, 0)
    assert "7" in await files.codes()


async def test_values_that_are_not_known_come_with_the_line_that_would_say_them(files: Files) -> None:
    path = files.csv(["A", "v1", "Sok Dara", "W", 3])
    taken = await files.take(path)
    assert taken.faults[0].cure == 'sex = {column = "sex", values = {"W" = "female"}}'
    assert (await files.take(path, taken.faults[0].cure)).counts == (1, 0, 0, 0)


async def test_a_line_for_one_value_leaves_our_own_words_as_they_are(files: Files) -> None:
    path = files.csv(["A", "v1", "Sok Dara", "W", 3], ["A", "v2", "Chan Lina", "M", 3])
    taken = await files.take(path)
    assert (await files.take(path, taken.faults[0].cure)).counts == (2, 0, 0, 0)


async def test_a_number_that_the_mapping_does_not_name_is_no_word_of_ours(files: Files) -> None:
    """Whoever numbers the sexes in their own way has not said what the other number is."""
    path = files.csv(["A", "v1", "Sok Dara", "2", 3])
    taken = await files.take(path, 'sex = {column = "sex", values = {"1" = "female"}}')
    assert taken.counts[:3] == (0, 0, 0)
    assert taken.faults[0].rule.startswith("One of the values in the mapping")


CURABLE = [
    (["code", "name", "sex", "grade"], ["w1", "Sok Dara", "M", 3]),
    (["ID,N,19,11", "school_code", "name", "sex", "grade"], [1, "A", "Sok Dara", "M", 3]),
    (["school_code", "Nr", "Pupil", "sex", "grade"], ["A", "w2", "Sok Dara", "M", 3]),
    (["school_code", "code", "sex", "grade", "Wht", "Nme"], ["A", "w3", "M", 3, "x", "Sok Dara"]),
    (["school_code", "code", "Called", "sex", "grade"], ["A", "w4", "Sok Dara", "M", 3]),
    (["school_code", "code", "name", "name", "sex", "grade"], ["A", "w5", "Sok", "Dara", "M", 3]),
    (["school_code", "code", "name", "sex", "grade"], ["A", "w6", "Sok Dara", "M", "Kindergarten"]),
    (["school_code", "code", "name", "sex", "grade"], ["A", "w7", "Sok Dara", "M", "\\"]),
    (["school_code", "code", "name", "sex", "grade", "age"], ["A", "w8", "Sok Dara", "M", 3, "many"]),
    (["school_code", "code", "name", "sex", "grade"], ["A", "w9", "", "M", 3]),
    (["school_code", "code", "name", "sex", "grade", "school_year"], ["A", "w10", "Sok", "M", 3, "1066"]),
]


@pytest.mark.parametrize(("header", "row"), CURABLE, ids=lambda each: str(each[0]))
async def test_a_line_that_is_offered_cures_its_fault(
    files: Files, header: list[str], row: list[object]
) -> None:
    path = files.csv(row, header=header)
    for fault in (await files.take(path)).faults:
        if fault.cure:
            cured = await files.take(path, fault.cure)
            left = [(each.column_name, each.value) for each in cured.faults if not each.is_left_out]
            assert (fault.column_name, fault.value) not in left, fault


async def test_no_line_is_offered_where_none_would_help(files: Files) -> None:
    for header, row in CURABLE[:3]:
        cures = [fault.cure for fault in (await files.take(files.csv(row, header=header))).faults]
        assert cures == [""], cures


async def test_what_was_said_is_kept_for_the_next_file_of_the_source(files: Files) -> None:
    said = "name = Called\nonly_programme_grades = true"
    path = files.csv(
        ["A", "k1", "Sok Dara", "M", 3], header=["school_code", "code", "Called", "sex", "grade"]
    )
    assert (await files.take(path, said, source="Ministry")).counts == (1, 0, 0, 0)
    actor = files.cast.coordinator
    assert await mapping_of_source(files.session, actor, "students", "ministry") == said
    assert await mapping_of_source(files.session, actor, "schools", "ministry") == ""
    await files.take(path, said + "\n# newer", source="MINISTRY")
    assert [(each.name, each.mapping) for each in await list_sources(files.session, actor)] == [
        ("MINISTRY", said + "\n# newer")
    ]


# --- the shared cases ------------------------------------------------------------------------------------------


@with_cases
@pytest.mark.parametrize(
    ("name", "mapping", "added", "told"),
    [
        ("01-zeros-by-number-format.xlsx", "", 1, ""),
        ("03-arabic-1256.csv", "encoding = windows-1252", 0, "hardly names"),
        ("03-arabic-1256.csv", "encoding = windows-1256", 1, ""),
        ("04-error-cells.xlsx", "", 0, "error of the spreadsheet"),
        ("06-point-zero.csv", "", 0, "The same child is also in row"),
        ("08-whole-school.csv", "only_programme_grades = true", 1, ""),
        ("09-headers.csv", "", 1, ""),
        ("11-title-above-header.xlsx", "", 1, ""),
        ("13-words-for-nothing.csv", "", 0, "stands for nothing"),
        ("16-one-name.csv", 'name = {join = ["Surname", "Given"]}', 2, ""),
    ],
)
async def test_the_shared_cases_of_children(
    files: Files, name: str, mapping: str, added: int, told: str
) -> None:
    await files.schools("T1", "12", "012")
    taken = await files.take(CASES / name, mapping)
    assert taken.counts[0] == added, taken.faults
    assert not told or any(told in fault.rule for fault in taken.faults), taken.faults
    if name.startswith("01"):
        assert (await files.codes("012"), await files.codes("12")) == (["0007"], [])


@with_cases
async def test_the_shared_cases_of_schools(files: Files) -> None:
    headless = await files.take(CASES / "14-headless.csv", kind="schools")
    assert "no header row" in headless.faults[0].rule
    said = 'code = {column = "ID,N,19,11"}\nname_local = "School,C,254"\nplace.country = {constant = "Cambodia"}\nplace.district = "Region,C,254"'
    dbf = await files.take(CASES / "06-schools-dbf.csv", said, kind="schools")
    assert dbf.counts == (1, 0, 0, 0), dbf.faults
    assert (await files.take(files.csv(["205504", "1", "Sok", "M", 3]))).counts == (1, 0, 0, 0)
