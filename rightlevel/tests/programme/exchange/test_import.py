"""Whole files on a real database: added, changed, left alone, or refused as a whole with every fault told."""

from __future__ import annotations

import csv
from collections.abc import Callable
from datetime import date
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
from rightlevel.programme.audit import AuditFilter, list_audit
from rightlevel.programme.errors import Forbidden
from rightlevel.programme.exchange import (
    ImportOutcome,
    NewRun,
    Progress,
    import_sheet,
    list_faults,
    open_sheet,
    read_mapping,
    read_run,
    start_run,
    store,
)
from rightlevel.programme.exchange.fault_file import FaultFile
from rightlevel.programme.permissions import Actor

pytestmark = pytest.mark.anyio

ROOT = Path(__file__).parents[4]
ASER = ROOT.parent / "shared" / "data" / "aser-pakistan-2019-schools.csv"
EXAMPLE = ROOT / "docs" / "examples" / "aser-pakistan-2019.toml"
CHILDREN = ["school_code", "code", "name", "sex", "grade"]
SCHOOLS = ["code", "name_local", "district"]
QUERIES = read_queries(
    """
-- name: children
-- The children of one school.
select st.code, st.name, st.name_key, st.sex, st.grade, c.section, st.birth_on, st.age, st.version
from student st join school sc on sc.id = st.school_id left join class c on c.id = st.class_id
where sc.code = %(school)s and st.deleted_at is null order by st.code
-- name: schools
-- All schools but the cast's.
select s.code, s.name_local, s.name_latin, s.ownership, s.area, s.latitude, s.longitude, s.is_practice, s.status, p.name_local as place
from school s join place p on p.id = s.place_id where s.code <> all(array['A', 'B', 'PRACTICE']) order by s.code
-- name: places
-- The names from the country down to each place.
select (select string_agg(a.name_local, ' / ' order by array_position(p.lineage, a.id)) from place a where a.id = any(p.lineage)) as path,
    p.code from place p order by 1
-- name: count_schools
-- How many schools there are.
select count(*) as n from school
-- name: delete_school
-- Deletes a school softly.
update school set deleted_at = now() where code = %(code)s
-- name: delete_place
-- Deletes a place softly.
update place set deleted_at = now() where id = %(id)s
-- name: delete_class
-- Deletes a class softly.
update class set deleted_at = now() where id = %(id)s
-- name: delete_student
-- Deletes a child softly.
update student set deleted_at = now() where id = %(id)s::uuid
-- name: no_year
-- No year is current.
update school_year set is_current = false
-- name: new_year
-- Another year becomes current.
insert into school_year (name, starts_on, ends_on, is_current) values ('2027', '2027-01-01', '2027-12-31', true) returning id
-- name: past
-- Where children were before.
select count(*) as n from past_enrolment
-- name: enrolled
-- The kept count of a school's children, and the count of its rows.
select coalesce((select sum(children) from school_enrolled where school_id = %(school)s), 0)::bigint as kept,
    (select count(*) from student where school_id = %(school)s and deleted_at is null) as counted
-- name: ids
-- The ids of one school's children.
select id::text as id from student where school_id = %(school)s and deleted_at is null order by code
-- name: many_schools
-- Seventy schools more, some of them moved after the roll of a round was fixed.
insert into school (place_id, code, name_local)
select (select place_id from school where code = 'A'), 'MANY' || n, 'Many ' || n from generate_series(1, 70) n
-- name: wait_for_many
-- What 9,000 children at them change, most of it more than once, some of it nothing in the end.
with many as materialized (select id, row_number() over (order by id desc) as n from school where code like 'MANY%%'),
each as (
    select m.id as school_id, (1 + i %% 12)::smallint as grade, (1 + i %% 2)::smallint as sex, r.id as round_id, later.id as later_round_id,
        r.school_year_id, i %% 9 as piece, (1 + i %% 5)::smallint as rank, case when i %% 11 = 0 then -1 else 1 end as children,
        (enum_range(null::subject))[1 + i %% 2] as subject
    from generate_series(1, 9000) i
    join many m on m.n = 1 + i %% 70
    cross join (select id, school_year_id from round order by id limit 1) r
    cross join (select max(id) as id from round) later)
insert into waiting_count (enrolled, standing, rolls, results, movement)
select array_agg(row(school_year_id, school_id, grade, sex, children)::enrolled_delta),
    array_agg(row(school_year_id, school_id, grade, sex, children)::enrolled_delta),
    array_agg(row(round_id, subject, school_id, grade, sex, children)::roll_delta),
    array_agg(row(round_id, subject, school_id, grade, sex, 0, 0, 0, children, 0, 1, 0, 0, 0, 0, 0, 0)::result_delta),
    array_agg(row(round_id, later_round_id, school_id, subject, grade, sex, rank, 0, 0, 0, children, 0, 1, 0, 0, 0, 0, 0, 0)::movement_delta)
from each group by piece
-- name: add_at_once
-- The same in one piece, as one statement that changes it all would.
select add_counts(
        array(select row(d.school_year_id, d.school_id, d.grade, d.sex, sum(d.children))::enrolled_delta
            from waiting_count w, unnest(w.enrolled) d group by d.school_year_id, d.school_id, d.grade, d.sex),
        array(select d from waiting_count w, unnest(w.standing) d),
        array(select d from waiting_count w, unnest(w.rolls) d),
        array(select row(d.round_id, d.subject, d.school_id, d.grade, d.sex, 0, 0, 0, sum(d.rank_1), 0, sum(d.rank_3), 0, 0, 0, 0, 0, 0)::result_delta
            from waiting_count w, unnest(w.results) d group by d.round_id, d.subject, d.school_id, d.grade, d.sex)) is null,
    add_movement(
        array(select row(d.round_id, d.later_round_id, d.school_id, d.subject, d.grade, d.sex, d.from_rank, 0, 0, 0, sum(d.rank_1), 0, sum(d.rank_3),
                0, 0, 0, 0, 0, 0)::movement_delta
            from waiting_count w, unnest(w.movement) d
            group by d.round_id, d.later_round_id, d.school_id, d.subject, d.grade, d.sex, d.from_rank)) is null
-- name: count_rows
-- Everything that is counted, row by row.
select array(select 'school ' || t::text from school_enrolled t where children <> 0 union all select 'place ' || t::text from place_enrolled t where children <> 0
    union all select 'standing ' || t::text from school_standing t where children <> 0
    union all select 'roll ' || t::text from school_roll t where children <> 0 union all select 'roll ' || t::text from place_roll t where children <> 0
    union all select 'result ' || t::text from school_count t union all select 'result ' || t::text from place_count t
    union all select 'movement ' || t::text from school_movement t union all select 'movement ' || t::text from place_movement t
    order by 1) as all
-- name: areas
-- Schools by what they are.
select ownership, area, count(*) as n from school where ownership is not null group by 1, 2 order by 1, 2
""",
    origin="test_import",
)


class Child(msgspec.Struct, frozen=True):
    code: str
    name: str
    name_key: str
    sex: int
    grade: int
    section: str | None
    birth_on: date | None
    age: int | None
    version: int


class SchoolSeen(msgspec.Struct, frozen=True):
    code: str
    name_local: str
    name_latin: str
    ownership: str | None
    area: str | None
    latitude: float | None
    longitude: float | None
    is_practice: bool
    status: str
    place: str


class PlaceSeen(msgspec.Struct, frozen=True):
    path: str
    code: str


class Counted(msgspec.Struct, frozen=True):
    kept: int
    counted: int


class Id(msgspec.Struct, frozen=True):
    id: str


class Kinds(msgspec.Struct, frozen=True):
    ownership: str
    area: str
    n: int


Table = list[list[Any]]


class Importing(msgspec.Struct, frozen=True):
    """Imports tables in the test's transaction."""

    session: Session
    actor: Actor
    clock: StandingClock
    folder: Path

    def file(self, table: Table, *, encoding: str = "utf-8") -> Path:
        path = self.folder / "in.csv"
        with path.open("w", newline="", encoding=encoding) as file:
            csv.writer(file).writerows(table)
        return path

    async def __call__(
        self, kind: Any, table: Table | Path, *, mapping: str | None = None, dry: bool = False
    ) -> tuple[ImportOutcome, list[tuple[int, str, str, str]]]:
        path = table if isinstance(table, Path) else self.file(table)
        new = NewRun(kind, path.name, dry, path.stat().st_size)
        run_id = await start_run(self.session, self.actor, new, self.clock)
        read = read_mapping(mapping, kind) if mapping else None
        with open_sheet(path) as sheet:
            outcome = await import_sheet(
                self.session, self.actor, run_id, new, sheet, read, Progress(), self.clock
            )
        run = await read_run(self.session, self.actor, run_id)
        assert (run.state, run.faults, run.rows_read) == (
            "faulty" if outcome.faults else "done",
            outcome.faults,
            outcome.rows,
        )
        page = await list_faults(self.session, self.actor, run_id, PageRequest(1000))
        faults = [(each.row_number, each.column_name, each.value, each.rule) for each in page.items]
        assert [each.number for each in page.items] == list(range(1, len(page.items) + 1))
        return outcome, faults

    async def children(self, school: str = "A") -> list[Child]:
        return await self.session.fetch_all(QUERIES["children"], {"school": school}, into=Child)

    async def schools(self) -> list[SchoolSeen]:
        return await self.session.fetch_all(QUERIES["schools"], {}, into=SchoolSeen)


def counts(outcome: ImportOutcome) -> tuple[int, int, int, int]:
    return outcome.added, outcome.changed, outcome.unchanged, outcome.faults


@pytest.fixture
async def importing(session: Session, cast: Cast, clock: StandingClock, tmp_path: Path) -> Importing:
    return Importing(session, cast.coordinator, clock, tmp_path)


async def test_children_are_added_changed_and_left_alone_by_school_and_code(
    importing: Importing, cast: Cast
) -> None:
    table = [
        [*CHILDREN, "section", "age"],
        ["A", "A0", "Bopha", "female", 3, "A", ""],
        ["A", "A1", "Chan Dara", "F", 4, "B", "9"],
        ["A", "N1", "New \\ child\twith, all", "ប្រុស", "៥", "", "១០"],
        ["B", "N1", "Same code elsewhere", "m", 3, "", ""],
    ]
    outcome, faults = await importing("students", table)
    assert (faults, outcome.rows, outcome.added + outcome.changed + outcome.unchanged) == ([], 4, 4)
    assert outcome.added == 2
    children = {child.code: child for child in await importing.children()}
    assert children["A1"].section == "B", "the class is made when it is missing"
    assert (children["A1"].name, children["A1"].grade, children["A1"].age) == ("Chan Dara", 4, 9)
    assert children["A1"].version == 2
    assert (children["N1"].name, children["N1"].sex, children["N1"].grade) == ("New \\ child with, all", 1, 5)
    again, _ = await importing("students", table)
    assert counts(again) == (0, 0, 4, 0)
    assert len(await importing.children()) == 6
    for school in (cast.school_a, cast.school_b):
        counted = await importing.session.fetch_one(QUERIES["enrolled"], {"school": school}, into=Counted)
        assert counted is not None
        assert counted.kept == counted.counted


async def test_every_fault_is_told_by_row_and_column_and_nothing_is_saved(importing: Importing) -> None:
    before = await importing.children()
    outcome, faults = await importing(
        "students",
        [
            [*CHILDREN, "birth_on", "age"],
            ["A", "X1", "Good", "f", 3, "", ""],
            ["A", "X2", "", "x", 9, "2016-02-30", "99"],
            ["NOWHERE", "X3", "Lost", "m", 3, "", ""],
            ["A", "X4", "Duplicate", "m", 3, "", ""],
            ["A", "X4", "Duplicate", "m", 3, "", ""],
            ["", "", "", "", "", "", "5"],
        ],
    )
    assert [(row, column) for row, column, _, _ in faults] == [
        (3, "name"),
        (3, "sex"),
        (3, "birth_on"),
        (3, "age"),
        (3, "grade"),
        (4, "school_code"),
        (5, "code"),
        (6, "code"),
        (7, "school_code"),
        (7, "code"),
        (7, "name"),
        (7, "sex"),
        (7, "grade"),
    ]
    assert outcome.faults == len(faults) == 13
    by_place = {(row, column): (value, rule) for row, column, value, rule in faults}
    assert by_place[5, "code"] == ("X4", "The same child is also in row 6")
    assert by_place[6, "code"] == ("X4", "The same child is also in row 5")
    assert by_place[4, "school_code"] == ("NOWHERE", "No school has this code")
    assert by_place[3, "sex"][0] == "x"
    assert await importing.children() == before


async def test_a_dry_run_tells_what_would_be_and_saves_nothing(importing: Importing) -> None:
    before = await importing.children()
    table = [[*CHILDREN, "section"], ["A", "A0", "Renamed", "f", 3, "C"], ["A", "Z", "New", "m", 3, "C"]]
    outcome, _ = await importing("students", table, dry=True)
    assert (counts(outcome), outcome.is_dry_run) == ((1, 1, 0, 0), True)
    assert await importing.children() == before
    real, _ = await importing("students", table)
    assert counts(real) == (1, 1, 0, 0)


async def test_khmer_headers_and_digits_a_byte_order_mark_and_semicolons_are_read(
    importing: Importing,
) -> None:
    path = importing.folder / "in.csv"
    text = "លេខកូដសាលា;អត្តលេខសិស្ស;ឈ្មោះ;ភេទ;ថ្នាក់ទី;ថ្ងៃខែឆ្នាំកំណើត;អាយុ\nA;ក-១២;សុខ សុភា;ស្រី;ថ្នាក់ទី៤;០១/០៣/២០១៦;១០\n"
    path.write_bytes(b"\xef\xbb\xbf" + text.encode())
    outcome, faults = await importing("students", path)
    assert (counts(outcome), faults) == ((1, 0, 0, 0), [])
    child = (await importing.children())[-1]
    assert (child.code, child.name, child.sex, child.grade) == ("ក-12", "សុខ សុភា", 2, 4)
    assert (child.birth_on, child.age) == (date(2016, 3, 1), 10)


async def test_a_workbook_gives_what_the_same_csv_gives(importing: Importing) -> None:
    table = [
        [*CHILDREN, "birth_on"],
        *(["A", f"W{n}", f"Child {n}", "fm"[n % 2], 3 + n % 3, date(2016, 1, 1 + n)] for n in range(20)),
    ]
    book = openpyxl.Workbook()
    assert book.active is not None
    for row in table:
        book.active.append(row)
    path = importing.folder / "in.xlsx"
    book.save(path)
    outcome, faults = await importing("students", path)
    assert (counts(outcome), faults) == ((20, 0, 0, 0), [])
    again, _ = await importing("students", table)
    assert counts(again) == (0, 0, 20, 0)


async def test_headers_that_are_missing_are_named_in_one_fault_with_those_there_are(
    importing: Importing,
) -> None:
    outcome, faults = await importing("students", [["school code", "what", "name"], ["A", "x", "y"]])
    assert outcome.faults == 1
    row, _, _, rule = faults[0]
    assert row == 1
    assert "code, sex, grade" in rule
    assert "school code, what, name" in rule


async def test_a_mapping_that_names_absent_columns_is_told_so_with_those_there_are(
    importing: Importing,
) -> None:
    mapping = (
        'school_code = "S"\ncode = "NOPE"\nname = "N"\nsex = {constant = "f"}\ngrade = {column = "ALSO"}'
    )
    _, faults = await importing("students", [["S", "N", "C"], ["A", "x", "y"]], mapping=mapping)
    assert len(faults) == 1
    assert "NOPE, ALSO" in faults[0][3]
    assert "S, N, C" in faults[0][3]


async def test_a_repeated_header_is_named_by_its_number_only(importing: Importing) -> None:
    table = [["S", "C", "N", "N"], ["A", "R1", "First", "Second"]]
    mapping = 'school_code = "S"\ncode = "C"\nname = "{}"\nsex = {{constant = "f"}}\ngrade = {{constant = 3}}'
    outcome, faults = await importing("students", table, mapping=mapping.format("N"))
    assert outcome.faults == 1
    assert "N#1" in faults[0][3]
    assert counts((await importing("students", table, mapping=mapping.format("N#2")))[0]) == (1, 0, 0, 0)
    assert (await importing.children())[-1].name == "Second"


async def test_constants_and_values_that_can_not_be_are_told(importing: Importing) -> None:
    mapping = (
        'school_code="S"\ncode="C"\nname="N"\nsex={column="X", values={"1"="f", "2"="m"}}\ngrade={constant=7}'
    )
    _, faults = await importing("students", [["S", "C", "N", "X"], ["A", "1", "n", "3"]], mapping=mapping)
    assert [(row, column, value) for row, column, value, _ in faults] == [(2, "X", "3"), (2, "grade", "7")]
    mapping = mapping.replace("constant=7", "constant=3")
    _, faults = await importing("students", [["S", "C", "N", "X"], ["A", "1", "n", "3"]], mapping=mapping)
    assert faults == [(2, "X", "3", "One of the values in the mapping: 1, 2")]


async def test_a_sheet_that_breaks_off_is_a_fault_and_saves_nothing(importing: Importing) -> None:
    before = await importing.children()
    path = importing.folder / "in.csv"
    rows = "".join(f"A,H{n},Half {n},f,3\n" for n in range(3000))
    path.write_text(",".join(CHILDREN) + "\n" + rows + 'A,"never closed,x,f,3\n')
    outcome, faults = await importing("students", path)
    assert outcome.faults == 1
    assert faults[0][0] == 3002
    assert await importing.children() == before


async def test_only_leaders_import(importing: Importing, cast: Cast) -> None:
    for actor in (cast.mentor, cast.teacher, cast.viewer):
        with pytest.raises(Forbidden):
            await msgspec.structs.replace(importing, actor=actor)("students", [CHILDREN])


async def test_a_run_leaves_its_row_in_the_audit(importing: Importing, session: Session) -> None:
    await importing("students", [CHILDREN, ["A", "Q", "Audited", "f", 3]])
    entry = (await list_audit(session, PageRequest(1), AuditFilter(resource="import"))).items[0]
    assert (entry.action, entry.outcome, entry.username) == ("run", "done", "coordinator")
    assert (entry.after["added"], entry.after["rows"], entry.after["kind"]) == (1, 1, "students")


async def test_children_keep_their_class_until_the_file_says_otherwise(
    importing: Importing, cast: Cast
) -> None:
    same = [CHILDREN, ["A", "A0", "Bopha", "m", 3]]
    await importing("students", same)
    assert (await importing.children())[0].section == "A", (
        "a file without sections takes nobody out of a class"
    )
    await importing("students", [CHILDREN, ["A", "A0", "Bopha", "m", 4]])
    assert (await importing.children())[0].section is None, "the class of another grade is left"
    await importing("students", [[*CHILDREN, "section"], ["A", "A0", "Bopha", "m", 4, "Z"]])
    assert (await importing.children())[0].section == "Z"
    await importing("students", [[*CHILDREN, "section"], ["A", "A0", "Bopha", "m", 4, ""]])
    assert (await importing.children())[0].section is None


async def test_deleted_schools_and_classes_are_not_filled_and_deleted_children_do_not_come_back(
    importing: Importing, session: Session, cast: Cast
) -> None:
    await session.execute(QUERIES["delete_school"], {"code": "B"})
    await session.execute(QUERIES["delete_class"], {"id": cast.class_3a})
    table = [[*CHILDREN, "section"], ["B", "1", "x", "f", 3, ""], ["A", "2", "y", "f", 3, "A"]]
    _, faults = await importing("students", table)
    assert [(row, column, rule) for row, column, _, rule in faults] == [
        (2, "school_code", "This school was deleted: restore it first"),
        (3, "section", "This class was deleted: restore it first"),
    ]
    await session.execute(QUERIES["delete_student"], {"id": cast.students_a[4]})
    outcome, faults = await importing("students", [CHILDREN, ["A", "A4", "Another child", "f", 3]])
    assert counts(outcome) == (0, 0, 0, 1)
    assert faults == [
        (2, "code", "A4", "A child with this code was deleted: restore it, or give this one another code")
    ]


async def test_ids_made_elsewhere_are_kept_and_clashes_are_told(
    importing: Importing, session: Session, cast: Cast
) -> None:
    mine = "01890000-0000-7000-8000-0000000000ab"
    table = [[*CHILDREN, "id"], ["A", "I1", "With id", "f", 3, mine]]
    assert counts((await importing("students", table))[0]) == (1, 0, 0, 0)
    assert counts((await importing("students", table))[0]) == (0, 0, 1, 0)
    ids = [row.id for row in await session.fetch_all(QUERIES["ids"], {"school": cast.school_a}, into=Id)]
    assert mine in ids
    _, faults = await importing(
        "students",
        [
            [*CHILDREN, "id"],
            ["A", "I2", "Takes an id", "f", 3, mine],
            ["A", "A0", "Bopha", "f", 3, "01890000-0000-7000-8000-0000000000ac"],
            ["A", "I3", "Twice", "f", 3, "01890000-0000-7000-8000-0000000000ad"],
            ["A", "I4", "Twice", "f", 3, "01890000-0000-7000-8000-0000000000ad"],
            ["A", "I5", "No id", "f", 3, "17"],
        ],
    )
    assert [(row, column) for row, column, _, _ in faults] == [
        (2, "id"),
        (3, "id"),
        (4, "id"),
        (5, "id"),
        (6, "id"),
    ]


async def test_children_of_a_year_before_are_promoted_and_their_past_is_kept(
    importing: Importing, session: Session
) -> None:
    await session.execute(QUERIES["no_year"], {})
    _, faults = await importing("students", [CHILDREN, ["A", "A0", "Bopha", "f", 3]])
    assert "No school year is current" in faults[0][3]
    await session.fetch_value(QUERIES["new_year"], {})
    outcome, _ = await importing("students", [CHILDREN, ["A", "A0", "Bopha", "m", 4]])
    assert counts(outcome) == (0, 1, 0, 0)
    assert await session.fetch_value(QUERIES["past"], {}) == 1
    outcome, faults = await importing(
        "students",
        [[*CHILDREN, "school_year"], ["A", "A1", "Chan", "f", 3, "2026"], ["A", "A2", "x", "f", 3, "1926"]],
    )
    assert [(row, column) for row, column, _, _ in faults] == [(3, "school_year")]


async def test_schools_come_with_their_places_made_on_the_way(importing: Importing, session: Session) -> None:
    header = [
        "code",
        "name",
        "name_latin",
        "country",
        "country_code",
        "province",
        "district",
        "ownership",
        "area",
        "latitude",
        "longitude",
        "is_practice",
        "status",
    ]
    table = [
        header,
        [
            "S-1",
            "សាលាមួយ",
            "One",
            "Kampuchea",
            "KH",
            "Kandal",
            'Ta "K\\mau"',
            "govt",
            "Rural",
            "11.5",
            "104.9",
            "no",
            "open",
        ],
        ["S-2", "Two", "", "Kampuchea", "KH", "KANDAL", "", "ឯកជន", "", "", "", "yes", ""],
    ]
    outcome, faults = await importing("schools", table)
    assert (counts(outcome), faults) == ((2, 0, 0, 0), [])
    one, two = await importing.schools()
    assert one == SchoolSeen(
        "S-1", "សាលាមួយ", "One", "government", "rural", 11.5, 104.9, False, "open", 'Ta "K\\mau"'
    )
    assert two == SchoolSeen("S-2", "Two", "", "private", None, None, None, True, "open", two.place)
    places = await session.fetch_all(QUERIES["places"], {}, into=PlaceSeen)
    assert len([place for place in places if place.path.startswith("Kampuchea")]) == 3, (
        "one province, however it is written"
    )
    assert counts((await importing("schools", table))[0]) == (0, 0, 2, 0)
    table[1][1] = "Renamed"
    table[2][7] = "other"
    assert counts((await importing("schools", table))[0]) == (0, 2, 0, 0)
    up = [
        ["code", "name", "country_code", "province", "reason"],
        ["S-1", "Renamed", "KH", "Kandal", "no district yet"],
    ]
    partial = await importing("schools", up)
    assert counts(partial[0]) == (0, 1, 0, 0), "it moved up to the province"
    assert (await importing.schools())[0].latitude == 11.5, (
        "a column that the file does not have changes nothing"
    )


async def test_a_file_of_the_one_country_need_not_name_it_and_finds_places_by_name_or_code(
    importing: Importing, session: Session
) -> None:
    before = len(await session.fetch_all(QUERIES["places"], {}, into=PlaceSeen))
    table = [["code", "name", "province", "district"], ["S-1", "One", "first province", "NORTH DISTRICT"]]
    assert counts((await importing("schools", table))[0]) == (1, 0, 0, 0)
    table = [["code", "name", "province_code", "district_code"], ["S-2", "Two", "P1", "D2"]]
    assert counts((await importing("schools", table))[0]) == (1, 0, 0, 0)
    assert len(await session.fetch_all(QUERIES["places"], {}, into=PlaceSeen)) == before
    assert [school.place for school in await importing.schools()] == ["North District", "South District"]


async def test_faults_of_schools_are_all_told(importing: Importing, session: Session, cast: Cast) -> None:
    await session.execute(QUERIES["delete_place"], {"id": cast.district_2})
    await session.execute(QUERIES["delete_school"], {"code": "B"})
    _, faults = await importing(
        "schools",
        [
            ["code", "name", "province", "district", "latitude", "longitude", "area"],
            ["D", "x", "First Province", "North District", "1", "", ""],
            ["D", "x", "First Province", "North District", "1", "181", "town"],
            ["B", "x", "First Province", "South District", "", "", ""],
            ["E", "x", "", "", "", "", ""],
            ["F", "x", "***", "", "", "", ""],
        ],
    )
    assert [(row, column) for row, column, _, _ in faults] == [
        (2, "code"),
        (2, "latitude"),
        (3, "area"),
        (3, "longitude"),
        (3, "code"),
        (4, "code"),
        (4, "province, district"),
        (5, "district"),
        (6, "province"),
    ]


async def test_a_registry_of_the_shape_of_asers_is_imported_with_its_mapping_and_again_changes_nothing(
    importing: Importing,
) -> None:
    header = ["SYEAR", "AREA", "RNAME", "DNAME", "VCODE", "STYPE", "SID", "S011n", "S011q", "S011n"]
    made = [
        [
            "2019",
            str(1 + n % 2),
            "NORTH " if n % 3 else "NORTH",
            f"AREA {n % 7}",
            "",
            str(1 + n % 2),
            str(n),
            "",
            "x",
            "1",
        ]
        for n in range(300)
    ]
    outcome, faults = await importing("schools", [header, *made], mapping=EXAMPLE.read_text())
    assert (counts(outcome), faults) == ((300, 0, 0, 0), [])
    assert counts((await importing("schools", [header, *made], mapping=EXAMPLE.read_text()))[0]) == (
        0,
        0,
        300,
        0,
    )
    assert {school.place for school in await importing.schools()} == {f"Area {n}" for n in range(7)}


@pytest.mark.shared_data
async def test_asers_registry_of_pakistan_is_imported_whole_and_again_changes_nothing(
    importing: Importing, session: Session
) -> None:
    if not ASER.exists():
        pytest.skip("the registry of ASER Pakistan 2019 is not in ../shared/data on this machine")
    before = await session.fetch_value(QUERIES["count_schools"], {})
    outcome, faults = await importing("schools", ASER, mapping=EXAMPLE.read_text())
    assert (counts(outcome), faults) == ((7252, 0, 0, 0), [])
    again, _ = await importing("schools", ASER, mapping=EXAMPLE.read_text())
    assert counts(again) == (0, 0, 7252, 0)
    assert await session.fetch_value(QUERIES["count_schools"], {}) == before + 7252
    kinds = await session.fetch_all(QUERIES["areas"], {}, into=Kinds)
    assert sum(each.n for each in kinds if each.ownership == "government") == 4867
    assert sum(each.n for each in kinds if each.ownership == "private") == 2385
    assert sum(each.n for each in kinds if each.area == "rural") == 6309


async def test_more_faults_than_are_kept_are_still_counted(
    importing: Importing, monkeypatch: pytest.MonkeyPatch
) -> None:
    from rightlevel.programme.exchange import actions, store

    monkeypatch.setattr(store, "MOST_KEPT", 5)
    monkeypatch.setattr(actions, "FaultFile", lambda: FaultFile(5))
    rows = [["A", f"M{n}", "", "f", 3] for n in range(20)] + [
        ["GONE", f"M{n}", "x", "f", 3] for n in range(20)
    ]
    outcome, faults = await importing("students", [CHILDREN, *rows])
    assert (outcome.faults, len(faults)) == (40, 5)


async def test_many_rows_are_saved_in_several_statements_with_the_same_end(
    importing: Importing, monkeypatch: pytest.MonkeyPatch
) -> None:
    from rightlevel.programme.exchange import store

    monkeypatch.setattr(store, "ROWS_PER_STATEMENT", 7)
    table = [CHILDREN, *(["AB"[n % 2], f"T{n:03}", f"Child {n}", "f", 3] for n in range(50))]
    assert counts((await importing("students", table))[0]) == (50, 0, 0, 0)
    for row in table[10:31]:
        row[2] = "Renamed"
    assert counts((await importing("students", table))[0]) == (0, 21, 29, 0)
    seen: Callable[[Child], bool] = lambda child: child.name == "Renamed"  # noqa: E731
    renamed = [child for school in "AB" for child in await importing.children(school) if seen(child)]
    assert len(renamed) == 21


async def test_counts_that_waited_are_the_same_added_some_at_a_time_or_at_once(
    session: Session, cast: Cast
) -> None:
    del cast
    await session.execute(QUERIES["many_schools"], {})
    await store.let_counts_wait(session)
    await session.execute(QUERIES["wait_for_many"], {})
    before: list[str] = await session.fetch_value(QUERIES["count_rows"], {})
    await session.command("savepoint counted")
    await store.add_waiting_counts(session)
    in_pieces: list[str] = await session.fetch_value(QUERIES["count_rows"], {})
    await session.command("rollback to counted")
    await session.command("set local rightlevel.counts_wait = ''")
    await session.fetch_value(QUERIES["add_at_once"], {})
    at_once: list[str] = await session.fetch_value(QUERIES["count_rows"], {})
    assert len(at_once) > len(before) + 4_500, "more of a kind than are added at a time"
    assert in_pieces == at_once
