"""What an import of children is refused, and what it keeps: the rules of single deeds, row by row."""

import csv
from pathlib import Path
from typing import Any

import msgspec
import pytest
from people import NOW, Cast

from flatwater.clock import StandingClock
from flatwater.paging import PageRequest
from flatwater.queries import read_queries
from flatwater.transaction import Session
from rightlevel.operations.reconcile import reconcile
from rightlevel.programme.duplicates import Merge, merge_duplicates
from rightlevel.programme.enrolments import erase_identity
from rightlevel.programme.exchange import (
    ImportOutcome,
    NewRun,
    Progress,
    import_sheet,
    list_faults,
    open_sheet,
    start_run,
)
from rightlevel.programme.schools import change_grades
from rightlevel.programme.students import (
    NewStudent,
    StudentChange,
    change_student,
    create_student,
    delete_student,
    list_past_enrolments,
    list_record_changes,
    mark_left,
    read_student,
    restore_student,
)

pytestmark = pytest.mark.anyio
HEADER = ["school_code", "code", "name", "sex", "grade"]
TODAY = NOW.date()

QUERIES = read_queries(
    """
-- name: close
-- Closes a school.
update school set status = 'closed' where code = %(code)s
-- name: share
-- Two children share a code, as before codes were compared without case.
update student set code = 'a0', code_is_shared = true where id = %(id)s::uuid
-- name: new_year
-- A year after the cast's.
insert into school_year (name, starts_on, ends_on) values ('2027', '2027-01-01', '2027-12-31') returning id
-- name: seats
-- Who sits at a school in a round, and where.
select student_id::text as student_id, class_id, grade, sex from seats_of_school(%(round)s, 'math', %(school)s)
-- name: round_of
-- A round of a year.
insert into round (school_year_id, kind, starts_on, ends_on) values (%(year)s, 'baseline', '2027-02-01', '2027-02-09') returning id
-- name: tested
-- A child was found absent in a round.
insert into result (id, student_id, round_id, school_id, grade, sex, subject, outcome, method, tested_on, assessor_id, created_at, changed_at)
select gen_random_uuid(), st.id, %(round)s, %(school)s, st.grade, st.sex, 'math', 'absent', 'direct', '2027-02-02', %(person)s, now(), now()
from student st where st.id = %(child)s::uuid
-- name: made
-- Children that a file brought.
select id::text as id from student where code like 'N%%'
-- name: audited
-- What was written down of imported children.
select resource_id, before, after, reason from audit_entry where resource = 'student' and action = 'import' order by id
""",
    origin="test_import_rules.py",
)


class Made(msgspec.Struct, frozen=True):
    id: str


class Seat(msgspec.Struct, frozen=True):
    student_id: str
    class_id: int | None
    grade: int
    sex: int


class Audited(msgspec.Struct, frozen=True):
    resource_id: str | None
    before: Any
    after: Any
    reason: str | None


Faults = list[tuple[int, str, str]]


class Importing(msgspec.Struct, frozen=True):
    """Imports rows in the test's transaction."""

    session: Session
    cast: Cast
    clock: StandingClock
    folder: Path

    async def __call__(self, *rows: list[Any], more: tuple[str, ...] = ()) -> tuple[ImportOutcome, Faults]:
        path = self.folder / "in.csv"
        with path.open("w", newline="", encoding="utf-8") as file:
            csv.writer(file).writerows([[*HEADER, *more], *rows])
        new = NewRun("students", path.name, False, path.stat().st_size)
        run_id = await start_run(self.session, self.cast.coordinator, new, self.clock)
        with open_sheet(path) as sheet:
            outcome = await import_sheet(
                self.session, self.cast.coordinator, run_id, new, sheet, None, Progress(), self.clock
            )
        page = await list_faults(self.session, self.cast.coordinator, run_id, PageRequest(1000))
        assert (await reconcile(self.session)).different == 0
        return outcome, [(each.row_number, each.column_name, each.rule) for each in page.items]


@pytest.fixture
def importing(session: Session, cast: Cast, clock: StandingClock, tmp_path: Path) -> Importing:
    return Importing(session, cast, clock, tmp_path)


async def test_a_deleted_child_is_not_made_a_second_time_and_can_be_restored(importing: Importing) -> None:
    session, cast, child = importing.session, importing.cast, importing.cast.students_a[0]
    await delete_student(session, cast.coordinator, child, reason="mistake", clock=importing.clock)
    outcome, faults = await importing(["A", "a0", "Bopha", "m", 3])
    rule = "A child with this code was deleted: restore it, or give this one another code"
    assert (outcome.added, faults) == (0, [(2, "code", rule)])
    assert (await restore_student(session, cast.coordinator, child)).code == "A0"
    assert (await importing(["A", "a0", "Bopha", "m", 3]))[0].unchanged == 1


async def test_a_merged_child_is_told_with_the_code_that_is_kept(importing: Importing) -> None:
    cast = importing.cast
    merge = Merge(cast.students_a[0], 1, cast.students_a[1], 1, "entered twice")
    await merge_duplicates(importing.session, cast.coordinator, merge, importing.clock)
    _, faults = await importing(["A", "A1", "Chan", "f", 3])
    rule = "The child with this code was made one with A0: use that code, or take the merge back"
    assert faults == [(2, "code", rule)]


async def test_an_erased_child_does_not_come_back_by_name_and_its_row_changes_nothing(
    importing: Importing,
) -> None:
    session, cast, child = importing.session, importing.cast, importing.cast.students_a[0]
    await erase_identity(session, cast.admin, child, confirmation="A0", reason="asked", clock=importing.clock)
    code = (await read_student(session, cast.coordinator, child)).code
    outcome, _ = await importing(["A", code, "erased", "m", 3])
    assert (outcome.unchanged, outcome.faults) == (1, 0)
    for row in (["A", code.upper(), "Bopha", "m", 3], ["A", code, "erased", "f", 3]):
        _, faults = await importing(row)
        assert faults == [(2, "code", "Who this child was is erased: its record does not change")]
    _, faults = await importing(["A", code, "erased", "m", 3, "9"], more=("age",))
    assert [fault[1] for fault in faults] == ["code"]


async def test_a_code_in_another_case_or_form_is_the_same_child(importing: Importing) -> None:
    cast = importing.cast
    outcome, _ = await importing(["A", "a\u200b0 ", "Bopha", "m", 3], ["A", "A១", "Chan", "f", 3])
    assert (outcome.unchanged, outcome.added, outcome.faults) == (2, 0, 0)
    _, faults = await importing(["A", "n1", "One", "m", 3], ["A", "N1", "Two", "m", 3])
    assert faults == [
        (2, "code", "The same child is also in row 3"),
        (3, "code", "The same child is also in row 2"),
    ]
    assert (await read_student(importing.session, cast.coordinator, cast.students_a[0])).code == "A0"


async def test_a_code_that_two_children_share_from_before_is_told(importing: Importing) -> None:
    await importing.session.execute(QUERIES["share"], {"id": importing.cast.students_a[1]})
    _, faults = await importing(["A", "A0", "Bopha", "m", 3])
    assert faults == [
        (2, "code", "Two children of this school have this code: give one of them another code first")
    ]


async def test_closed_schools_take_no_new_child_and_theirs_may_be_corrected(importing: Importing) -> None:
    await importing.session.execute(QUERIES["close"], {"code": "A"})
    _, faults = await importing(["A", "NEW", "New child", "m", 3], ["A", "A0", "Bopha", "m", 3])
    assert faults == [(2, "school_code", "This school is closed: open it first, or leave this row out")]
    outcome, _ = await importing(["A", "A0", "Bopha Sok", "m", 3])
    assert (outcome.changed, outcome.faults) == (1, 0)


async def test_a_grade_that_the_programme_no_longer_has_is_refused_only_where_it_is_new(
    importing: Importing,
) -> None:
    await change_grades(importing.session, importing.cast.admin, [4, 5])
    outcome, _ = await importing(["A", "A0", "Bopha Sok", "m", 3])
    assert (outcome.changed, outcome.faults) == (1, 0)
    _, faults = await importing(["A", "A0", "Bopha Sok", "m", 2], ["A", "NEW", "New child", "m", 3])
    assert faults == [(2, "grade", "One of the grades 4, 5"), (3, "grade", "One of the grades 4, 5")]


async def test_what_a_file_changes_is_kept_as_single_deeds_keep_it(importing: Importing) -> None:
    session, cast = importing.session, importing.cast
    await session.fetch_value(QUERIES["new_year"], {})
    outcome, _ = await importing(
        ["A", "A0", "Bopha", "m", 4, "2026"],
        ["A", "A1", "Chan", "m", 3, "2026"],
        ["A", "A2", "Dara Sok", "m", 3, "2026"],
        ["A", "A3", "Kosal", "f", 3, "2027"],
        ["A", "A4", "ចាន់ដារ៉ា", "m", 3, "2026"],
        ["A", "NEW", "New child", "m", 3, "2026"],
        more=("school_year",),
    )
    assert (outcome.added, outcome.changed, outcome.unchanged) == (1, 4, 1)
    assert outcome.message == (
        "Of the changed children 3 have another school year, grade, class or sex; what they had is kept."
        " 1 go on into a later school year, and keep their place in the rounds of the year they leave."
        " 1 rounds of that year are open, and go on with them."
    )
    kept: list[tuple[int | None, int, str]] = []
    for student in cast.students_a:
        past = await list_past_enrolments(session, cast.coordinator, student, PageRequest())
        kept += [(each.class_id, each.grade, each.reason) for each in past.items]
    assert kept == [(None, 3, "repeat")], (
        "another year is a move; the others are corrections, and no roll is fixed"
    )
    audited = await session.fetch_all(QUERIES["audited"], {}, into=Audited)
    assert {each.resource_id for each in audited} == {*cast.students_a[:4], None}
    first = next(each for each in audited if each.resource_id == cast.students_a[0])
    assert (first.before["grade"], first.after["grade"], first.reason) == (3, 4, "in.csv")
    assert (first.before["version"], first.after["version"]) == (1, 2)
    assert "Dara" not in str(audited)
    for student, field in zip(cast.students_a[:4], ("grade", "sex", "name", "school_year_id"), strict=True):
        change = (await list_record_changes(session, cast.coordinator, student, PageRequest())).items[0]
        assert (change.deed, change.reason, change.by) == ("import", "in.csv", cast.coordinator.display_name)
        assert change.before[field] != change.after[field]


YEAR = ("school_year",)


async def test_a_roster_of_a_later_year_takes_children_on_as_their_school_goes_on(
    importing: Importing,
) -> None:
    """Seen: the roster of the new year took its children out of the open round of the old one, without a word."""
    session, cast, child = importing.session, importing.cast, importing.cast.students_a[0]
    await session.fetch_value(QUERIES["new_year"], {})
    before = await session.fetch_all(
        QUERIES["seats"], {"round": cast.round, "school": cast.school_a}, into=Seat
    )
    assert child in {each.student_id for each in before}
    outcome, _ = await importing(["A", "A0", "Bopha", "m", 4, "2027"], more=YEAR)
    assert (outcome.changed, outcome.faults) == (1, 0)
    after = await session.fetch_all(
        QUERIES["seats"], {"round": cast.round, "school": cast.school_a}, into=Seat
    )
    assert sorted(after, key=str) == sorted(before, key=str), "the open round of the old year goes on with it"
    past = (await list_past_enrolments(session, cast.coordinator, child, PageRequest())).items
    assert [(each.grade, each.reason) for each in past] == [(3, "promotion")]
    assert (await read_student(session, cast.coordinator, child)).grade == 4
    assert (await importing(["A", "A0", "Bopha", "m", 4, "2027"], more=YEAR))[0].unchanged == 1


async def test_a_file_takes_a_child_back_to_an_earlier_year_only_until_the_later_has_a_result(
    importing: Importing,
) -> None:
    session, cast, child = importing.session, importing.cast, importing.cast.students_a[0]
    year = await session.fetch_value(QUERIES["new_year"], {})
    there, back = ["A", "A0", "Bopha", "m", 4, "2027"], ["A", "A0", "Bopha", "m", 3, "2026"]
    await importing(there, more=YEAR)
    outcome, _ = await importing(back, more=YEAR)
    assert outcome.changed == 1
    assert str(outcome.message).endswith("1 go back into an earlier school year.")
    seats = await session.fetch_all(
        QUERIES["seats"], {"round": cast.round, "school": cast.school_a}, into=Seat
    )
    assert [each.grade for each in seats if each.student_id == child] == [3], "it sits there once"
    await importing(there, more=YEAR)
    held = await session.fetch_value(QUERIES["round_of"], {"year": year})
    values = {"child": child, "round": held, "school": cast.school_a, "person": cast.coordinator.person_id}
    await session.execute(QUERIES["tested"], values)
    _, faults = await importing(back, more=YEAR)
    rule = (
        "This child stands in a later school year and has results or a closed round there: leave this row out"
    )
    assert faults == [(2, "school_year", rule)]
    assert (await read_student(session, cast.coordinator, child)).school_year_id == year


async def test_a_file_takes_nobody_who_left_and_nobody_of_a_closed_school_into_another_year(
    importing: Importing,
) -> None:
    session, cast, child = importing.session, importing.cast, importing.cast.students_a[0]
    await session.fetch_value(QUERIES["new_year"], {})
    await mark_left(
        session, cast.coordinator, child, version=1, left_on=TODAY, reason="moved away", clock=importing.clock
    )
    row = ["A", "A0", "Bopha", "m", 4, "2027"]
    _, faults = await importing(row, more=YEAR)
    assert faults == [
        (2, "school_year", "This child left: say that it came back first, or leave this row out")
    ]
    await session.execute(QUERIES["close"], {"code": "A"})
    _, faults = await importing(["A", "A1", "Chan", "f", 4, "2027"], more=YEAR)
    assert faults == [(2, "school_code", "This school is closed: open it first, or leave this row out")]


async def test_added_children_are_audited_by_their_ids_in_rows_of_a_bounded_size(
    importing: Importing,
) -> None:
    session = importing.session
    outcome, _ = await importing(*[["A", f"N{number}", f"Child {number}", "m", 3] for number in range(1_100)])
    assert outcome.added == 1_100
    rows = [row.after for row in await session.fetch_all(QUERIES["audited"], {}, into=Audited)]
    assert [len(row["added"]) for row in rows] == [500, 500, 100]
    made = await session.fetch_all(QUERIES["made"], {}, into=Made)
    assert sorted(each for row in rows for each in row["added"]) == sorted(each.id for each in made)
    assert len({row["import_run"] for row in rows}) == 1
    assert "Child" not in str(rows)


async def test_an_old_roster_adds_nobody_under_the_code_of_an_erased_child(importing: Importing) -> None:
    session, cast, child = importing.session, importing.cast, importing.cast.students_a[0]
    change = StudentChange(1, code="OLD", reason="another numbering")
    await change_student(session, cast.coordinator, child, change, importing.clock)
    await erase_identity(
        session, cast.admin, child, confirmation="OLD", reason="asked", clock=importing.clock
    )
    rule = "Who had this code was erased: leave this row out, or, if this is another child, add it by hand or give it another code"
    _, faults = await importing(["A", "a0", "Bopha", "m", 3], ["A", "Old", "Bopha", "m", 3])
    assert faults == [(2, "code", rule), (3, "code", rule)]
    outcome, _ = await importing(["B", "A0", "Another at another school", "m", 3])
    assert outcome.added == 1
    await create_student(
        session, cast.coordinator, NewStudent(cast.school_a, "A0", "A new child", 1, 3), importing.clock
    )
    outcome, _ = await importing(["A", "a0", "A new child", "m", 3])
    assert (outcome.unchanged, outcome.faults) == (1, 0)


async def test_a_dry_run_keeps_nothing(importing: Importing) -> None:
    session, cast = importing.session, importing.cast
    path = importing.folder / "dry.csv"
    path.write_text("school_code,code,name,sex,grade\nA,A0,Somebody Else,f,4\n", encoding="utf-8")
    new = NewRun("students", path.name, True, path.stat().st_size)
    run_id = await start_run(session, cast.coordinator, new, importing.clock)
    with open_sheet(path) as sheet:
        outcome = await import_sheet(
            session, cast.coordinator, run_id, new, sheet, None, Progress(), importing.clock
        )
    assert outcome.changed == 1
    assert not (await list_record_changes(session, cast.coordinator, cast.students_a[0], PageRequest())).items
    assert not await session.fetch_all(QUERIES["audited"], {}, into=Audited)
