"""Where a child may stand: every way in or back, into every place where nobody may stand."""

import csv
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import Any
from uuid import uuid4

import msgspec
import pytest
from people import NOW, Cast

from flatwater.clock import StandingClock
from flatwater.paging import PageRequest
from flatwater.queries import read_queries
from flatwater.transaction import Session
from rightlevel.operations.reconcile import reconcile
from rightlevel.programme.duplicates import Merge, merge_duplicates, undo_merge_of_duplicates
from rightlevel.programme.enrolments import (
    ClassAway,
    NewYearMissing,
    RollOverPlan,
    Transfer,
    roll_over_school,
    transfer_student,
    undo_roll_over,
)
from rightlevel.programme.errors import Invalid, NotFound, ProgrammeError
from rightlevel.programme.exchange import NewRun, Progress, import_sheet, list_faults, open_sheet, start_run
from rightlevel.programme.students import (
    MoveNeeded,
    NewStudent,
    Student,
    StudentChange,
    change_student,
    create_student,
    delete_student,
    mark_left,
    mark_returned,
    read_student,
    restore_student,
)

pytestmark = pytest.mark.anyio
TODAY = NOW.date()

QUERIES = read_queries(
    """
-- name: school
-- Another open school.
insert into school (place_id, code, name_local) values (%(place)s, 'C', 'Gamma School') returning id
-- name: year
-- Another year.
insert into school_year (name, starts_on, ends_on) values ('2027', '2027-01-01', '2027-12-31') returning id
-- name: class
-- A class.
insert into class (school_id, school_year_id, grade, section) values (%(school)s, %(year)s, 4, 'X') returning id
-- name: everything
-- Every child and class, as it stands.
select (select coalesce(string_agg(st::text, ' ' order by st.id), '') from student st) || (select coalesce(string_agg(c::text, ' ' order by c.id), '') from class c) as rows
-- name: closed
-- Closes the school.
update school set status = 'closed' where id = %(school)s
-- name: deleted
-- Deletes the school.
update school set deleted_at = now() where id = %(school)s
-- name: practice
-- Makes it a practice school.
update school set is_practice = true where id = %(school)s
-- name: year_deleted
-- Deletes the year.
update school_year set deleted_at = now() where id = %(year)s
-- name: class_deleted
-- Deletes the class.
update class set deleted_at = now() where id = %(class)s
-- name: class_of_another_year
-- The class is of another year.
update class set school_year_id = %(current)s where id = %(class)s
-- name: class_of_another_grade
-- The class is of another grade.
update class set grade = 5 where id = %(class)s
-- name: class_elsewhere
-- The class is of another school.
update class set school_id = %(elsewhere)s where id = %(class)s
""",
    origin="test_standing.py",
)
FIELDS = {
    "closed": "school_id",
    "deleted": "school_id",
    "practice": "school_id",
    "year_deleted": "school_year_id",
    "class_deleted": "class_id",
    "class_of_another_year": "class_id",
    "class_of_another_grade": "class_id",
    "class_elsewhere": "class_id",
}


class There(msgspec.Struct, frozen=True):
    """A place to stand: a school, a year that isn't the current one, and a class of grade 4."""

    session: Session
    cast: Cast
    clock: StandingClock
    folder: Path
    school: int
    year: int
    class_id: int

    def new(self, code: str, **more: Any) -> NewStudent:
        values = {"class_id": self.class_id, "school_year_id": self.year, **more}
        return NewStudent(self.school, code, f"Child {code}", 1, 4, **values)

    async def add(self, code: str, **more: Any) -> Student:
        return await create_student(self.session, self.cast.coordinator, self.new(code, **more), self.clock)

    async def spoil(self, how: str) -> None:
        values = {
            "school": self.school,
            "year": self.year,
            "class": self.class_id,
            "current": self.cast.school_year,
            "elsewhere": self.cast.school_b,
        }
        await self.session.execute(QUERIES[how], values)

    async def seen(self) -> str:
        return await self.session.fetch_value(QUERIES["everything"], {})


@pytest.fixture
async def there(session: Session, cast: Cast, clock: StandingClock, tmp_path: Path) -> There:
    school = await session.fetch_value(QUERIES["school"], {"place": cast.district_1})
    year = await session.fetch_value(QUERIES["year"], {})
    class_id = await session.fetch_value(QUERIES["class"], {"school": school, "year": year})
    return There(session, cast, clock, tmp_path, school, year, class_id)


Attempt = Callable[[], Awaitable[object]]


async def creating(there: There) -> Attempt:
    return lambda: there.add("N1")


async def moving(there: There) -> Attempt:
    to = Transfer(1, there.school, 4, TODAY, "moved", there.class_id)
    return lambda: transfer_student(
        there.session, there.cast.coordinator, there.cast.students_a[0], to, there.clock
    )


async def correcting(there: There) -> Attempt:
    student = await there.add("P1", class_id=None)
    change = StudentChange(1, class_id=there.class_id)
    return lambda: change_student(there.session, there.cast.coordinator, student.id, change, there.clock)


async def returning(there: There) -> Attempt:
    student = await there.add("R1")
    await mark_left(
        there.session,
        there.cast.coordinator,
        student.id,
        version=1,
        left_on=TODAY,
        reason="away",
        clock=there.clock,
    )
    return lambda: mark_returned(
        there.session, there.cast.coordinator, student.id, version=2, clock=there.clock
    )


async def restoring(there: There) -> Attempt:
    student = await there.add("D1")
    await delete_student(
        there.session, there.cast.coordinator, student.id, reason="by mistake", clock=there.clock
    )
    return lambda: restore_student(there.session, there.cast.coordinator, student.id)


async def unmerging(there: There) -> Attempt:
    gone = await there.add("M1")
    merge = Merge(there.cast.students_a[0], 1, gone.id, 1, "entered twice")
    merged = await merge_duplicates(there.session, there.cast.coordinator, merge, there.clock)
    return lambda: undo_merge_of_duplicates(
        there.session, there.cast.coordinator, merged.id, reason="they are two", clock=there.clock
    )


async def importing(there: There) -> Attempt:
    path = there.folder / "in.csv"
    with path.open("w", newline="", encoding="utf-8") as file:
        rows = [["school_code", "code", "name", "sex", "grade", "section", "school_year"]]
        csv.writer(file).writerows([*rows, ["C", "I1", "Imported", "f", 4, "X", "2027"]])

    async def attempt() -> None:
        new = NewRun("students", path.name, False, path.stat().st_size)
        run_id = await start_run(there.session, there.cast.coordinator, new, there.clock)
        with open_sheet(path) as sheet:
            outcome = await import_sheet(
                there.session, there.cast.coordinator, run_id, new, sheet, None, Progress(), there.clock
            )
        if outcome.faults:
            page = await list_faults(there.session, there.cast.coordinator, run_id, PageRequest())
            raise Invalid(str([(each.row_number, each.column_name, each.rule) for each in page.items]))

    return attempt


WAYS: dict[str, tuple[Callable[[There], Awaitable[Attempt]], frozenset[str]]] = {
    "create": (creating, frozenset({"practice"})),
    "move": (moving, frozenset({"class_of_another_year"})),
    "correct": (correcting, frozenset({"closed", "deleted", "practice", "year_deleted"})),
    "return": (returning, frozenset({"practice", "class_elsewhere"})),
    "restore": (restoring, frozenset({"practice", "class_elsewhere"})),
    "unmerge": (unmerging, frozenset({"practice", "class_elsewhere"})),
    "import": (
        importing,
        frozenset({"practice", "class_of_another_year", "class_of_another_grade", "class_elsewhere"}),
    ),
}
"""Each way in or back, and what it can't meet: a child of no school yet is of no kind; a move takes the class's year; a correction stays where the
child is; whoever comes back comes to its own school, and its class can't leave the school (a foreign key); a file names no class by id."""


PAIRS = [(way, spoilt) for way, (_, never) in WAYS.items() for spoilt in FIELDS if spoilt not in never]


@pytest.mark.parametrize(("way", "spoilt"), PAIRS)
async def test_nobody_comes_to_stand_where_nobody_may(there: There, way: str, spoilt: str) -> None:
    attempt = await WAYS[way][0](there)
    await there.spoil(spoilt)
    before = await there.seen()
    with pytest.raises(ProgrammeError) as refused:
        async with there.session.savepoint():
            await attempt()
    assert await there.seen() == before
    if way != "import":
        assert isinstance(refused.value, Invalid)
        assert FIELDS[spoilt] in {fault.field for fault in refused.value.faults}
    assert (await reconcile(there.session)).different == 0


@pytest.mark.parametrize("way", WAYS)
async def test_where_somebody_may_stand_each_way_leads(there: There, way: str) -> None:
    attempt = await WAYS[way][0](there)
    before = await there.seen()
    await attempt()
    assert await there.seen() != before


async def test_a_correction_is_no_move_and_says_what_is(there: There) -> None:
    child, coordinator = there.cast.students_a[0], there.cast.coordinator
    before = await there.seen()
    for change in (
        StudentChange(1, school_id=there.school),
        StudentChange(1, school_year_id=there.year),
        StudentChange(1, school_id=there.cast.practice_school, name="Other"),
    ):
        with pytest.raises(MoveNeeded, match="Move the child") as refused:
            await change_student(there.session, coordinator, child, change, there.clock)
        assert refused.value.faults[0].field in ("school_id", "school_year_id")
    assert await there.seen() == before
    same = StudentChange(
        1, school_id=there.cast.school_a, school_year_id=there.cast.school_year, name="Bopha Sok"
    )
    assert (await change_student(there.session, coordinator, child, same, there.clock)).name == "Bopha Sok"


async def test_a_name_is_corrected_wherever_the_child_stands(there: There) -> None:
    student = await there.add("S1")
    for number, spoilt in enumerate(("closed", "class_of_another_grade", "year_deleted"), 1):
        await there.spoil(spoilt)
        change = StudentChange(number, name=f"Renamed {number}")
        await change_student(there.session, there.cast.coordinator, student.id, change, there.clock)
    assert (await read_student(there.session, there.cast.coordinator, student.id)).name == "Renamed 3"


async def test_a_closed_or_deleted_school_goes_into_no_new_year(there: There) -> None:
    await there.add("Y1", class_id=None, school_year_id=None)
    for spoilt, kind in (("closed", Invalid), ("year_deleted", NewYearMissing), ("deleted", NotFound)):
        with pytest.raises(kind):
            async with there.session.savepoint():
                await there.spoil(spoilt)
                plan = RollOverPlan(str(uuid4()), TODAY, carry_open_rounds=True)
                await roll_over_school(there.session, there.cast.coordinator, there.school, plan, there.clock)


async def test_a_roll_over_is_not_undone_into_a_class_that_was_deleted(there: There) -> None:
    coordinator = there.cast.coordinator
    plan = RollOverPlan(str(uuid4()), TODAY, carry_open_rounds=True)
    done = await roll_over_school(there.session, coordinator, there.cast.school_a, plan, there.clock)
    deleted = {"class": there.cast.class_3a}
    await there.session.execute(QUERIES["class_deleted"], deleted)
    before = await there.seen()
    with pytest.raises(ClassAway):
        await undo_roll_over(there.session, coordinator, done.id, reason="too early", clock=there.clock)
    assert await there.seen() == before
