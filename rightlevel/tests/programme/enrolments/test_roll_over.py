"""A school goes on into the next year: looked at, done once, undone exactly, and never past a new year's result."""

import asyncio
from datetime import date
from typing import Any
from uuid import uuid4

import msgspec
import pytest
from people import NOW, Cast, make_cast
from serving import NewDatabase

from flatwater.clock import StandingClock
from flatwater.paging import PageRequest
from flatwater.pool import Database
from flatwater.queries import read_queries
from flatwater.transaction import Session
from rightlevel.operations.reconcile import reconcile
from rightlevel.programme.duplicates import Merge, merge_duplicates, undo_merge_of_duplicates
from rightlevel.programme.enrolments import (
    AlreadyUndone,
    NewYearMissing,
    NothingToRollOver,
    PreviewOutdated,
    RollOver,
    RollOverPlan,
    RollOverStands,
    Transfer,
    children_to_move,
    erase_identity,
    list_roll_overs,
    preview_roll_over,
    roll_over,
    roll_over_school,
    transfer_student,
    undo_roll_over,
)
from rightlevel.programme.errors import Forbidden, Invalid, NotFound
from rightlevel.programme.figures import FigureQuery, read_figures
from rightlevel.programme.results import ResultWrite, enter_results
from rightlevel.programme.students import (
    NewStudent,
    StudentChange,
    change_student,
    create_student,
    delete_student,
    mark_returned,
    read_student,
    restore_student,
)

pytestmark = pytest.mark.anyio
TODAY = NOW.date()


class Row(msgspec.Struct, frozen=True):
    text: str


QUERIES = read_queries(
    """
-- name: next_year
-- Makes the year after the cast's.
insert into school_year (name, starts_on, ends_on) values ('2027', '2027-01-01', '2027-12-31') returning id
-- name: year_after
-- Makes the year after that one.
insert into school_year (name, starts_on, ends_on) values ('2028', '2028-01-01', '2028-12-31') returning id
-- name: planned
-- Makes a planned round of a year.
insert into round (school_year_id, kind, starts_on, ends_on, state) values (%(year)s, 'baseline', '2027-03-10', '2027-04-10', 'planned') returning id
-- name: round
-- Makes an open round of a year, for today.
insert into round (school_year_id, kind, starts_on, ends_on, state) values (%(year)s, 'baseline', '2027-01-10', '2027-02-10', 'open') returning id
-- name: children
-- Every child as it stands, but for its version and when it changed.
select (to_jsonb(st) - 'version' - 'changed_at')::text as text from student st order by id
-- name: places
-- Classes and past enrolments.
select c::text as text from class c union all select p::text from past_enrolment p order by 1
-- name: years_of
-- The school years of a child's past enrolments.
select array_agg(school_year_id) as years from past_enrolment where student_id = %(student)s
-- name: counts
-- What is counted as enrolled.
select e::text as text from school_enrolled e where children <> 0 union all
select format('%%s %%s %%s %%s %%s', place_id, school_year_id, grade, sex, sum(children)) from place_enrolled
group by place_id, school_year_id, grade, sex having sum(children) <> 0 order by 1
-- name: crowd
-- A school of 1,200 children in 30 classes.
with made as (
    insert into class (school_id, school_year_id, grade, section)
    select %(school)s, %(year)s, g, 'S' || n from generate_series(3, 5) g, generate_series(1, 10) n returning id, grade)
insert into student (school_id, school_year_id, class_id, code, name, name_key, sex, grade)
select %(school)s, %(year)s, made.id, made.id || '-' || n, 'Child ' || n, 'child ' || n, 1 + n %% 2, made.grade from made, generate_series(1, 40) n
""",
    origin="test_roll_over.py",
)


@pytest.fixture
async def next_year(session: Session, cast: Cast) -> int:
    return await session.fetch_value(QUERIES["next_year"], {})


async def texts(session: Session, name: str) -> list[str]:
    return [row.text for row in await session.fetch_all(QUERIES[name], {}, into=Row)]


def a_plan(**more: Any) -> RollOverPlan:
    return RollOverPlan(**{"id": str(uuid4()), "rolled_on": TODAY, "carry_open_rounds": True, **more})


async def assert_exact(session: Session) -> None:
    found = await reconcile(session)
    assert found.different == 0, found.differences


async def add(session: Session, cast: Cast, code: str, grade: int, clock: StandingClock) -> str:
    new = NewStudent(cast.school_a, code, f"Child {code}", 1, grade)
    return (await create_student(session, cast.coordinator, new, clock)).id


async def test_the_preview_says_of_each_class_who_goes_up_stays_and_finishes(
    session: Session, cast: Cast, clock: StandingClock, next_year: int
) -> None:
    finishing = await add(session, cast, "F1", 5, clock)
    before = await texts(session, "children")
    repeaters = (cast.students_a[0],)
    seen = await preview_roll_over(
        session, cast.coordinator, cast.school_a, a_plan(repeaters=repeaters), clock
    )
    assert (seen.from_year.name, seen.to_year.name, seen.to_year.id) == ("2026", "2027", next_year)
    assert (seen.children, seen.up, seen.stay, seen.finish, seen.new_classes) == (6, 4, 1, 1, 2)
    first = seen.classes[1]  # those without a class stand before the class
    assert (first.class_id, first.grade, first.section, first.up, first.stay, first.next_grade) == (
        cast.class_3a,
        3,
        "A",
        2,
        1,
        4,
    )
    assert (first.up_class_is_new, first.stay_class_is_new) == (True, True)
    assert await texts(session, "children") == before
    in_class = await children_to_move(session, cast.coordinator, cast.school_a, class_id=cast.class_3a)
    assert [each.id for each in in_class] == cast.students_a[:3]
    loose = await children_to_move(session, cast.coordinator, cast.school_a, grade=5)
    assert [each.id for each in loose] == [finishing]


async def test_a_school_goes_on_in_one_step_and_a_second_time_changes_nothing_more(
    session: Session, cast: Cast, clock: StandingClock, next_year: int
) -> None:
    finishing = await add(session, cast, "F1", 5, clock)
    plan = a_plan(repeaters=(cast.students_a[0],), children=6)
    done = await roll_over_school(session, cast.coordinator, cast.school_a, plan, clock)
    assert (done.up, done.stayed, done.finished, done.classes_made, done.is_undoable) == (4, 1, 1, 2, True)
    promoted = await read_student(session, cast.coordinator, cast.students_a[1])
    repeater = await read_student(session, cast.coordinator, cast.students_a[0])
    gone = await read_student(session, cast.coordinator, finishing)
    assert (promoted.grade, promoted.school_year_id) == (4, next_year)
    assert (repeater.grade, repeater.school_year_id) == (3, next_year)
    assert None not in (promoted.class_id, repeater.class_id)
    assert promoted.class_id != repeater.class_id
    assert (gone.status, gone.left_reason, gone.grade, gone.school_year_id) == (
        "left",
        "finished",
        5,
        cast.school_year,
    )
    everything = [await texts(session, name) for name in ("children", "places", "counts")]
    for again in (plan, a_plan(), a_plan(to_year_id=next_year)):
        assert await roll_over_school(session, cast.coordinator, cast.school_a, again, clock) == done
    assert [await texts(session, name) for name in ("children", "places", "counts")] == everything
    listed = (await list_roll_overs(session, cast.coordinator, cast.school_a, PageRequest())).items
    assert listed == [done]
    await assert_exact(session)


async def test_a_year_that_is_over_keeps_its_denominator(
    session: Session, cast: Cast, clock: StandingClock, next_year: int
) -> None:
    finishing = await add(session, cast, "F1", 5, clock)
    asked = FigureQuery(cast.round, "math", school_id=cast.school_a)
    before = (await read_figures(session, cast.coordinator, asked)).enrolled
    await roll_over_school(session, cast.coordinator, cast.school_a, a_plan(), clock)
    assert (await read_figures(session, cast.coordinator, asked)).enrolled == before == 6
    left = await read_student(session, cast.coordinator, finishing)
    await mark_returned(session, cast.coordinator, finishing, version=left.version, clock=clock)
    assert (await read_figures(session, cast.coordinator, asked)).enrolled == before
    await assert_exact(session)
    await delete_student(session, cast.coordinator, cast.students_a[0], reason="by mistake", clock=clock)
    assert (await read_figures(session, cast.coordinator, asked)).enrolled == before - 1
    await assert_exact(session)
    await restore_student(session, cast.coordinator, cast.students_a[0])
    assert (await read_figures(session, cast.coordinator, asked)).enrolled == before
    await assert_exact(session)


async def test_it_is_undone_exactly_until_the_first_result_of_the_new_year(
    session: Session, cast: Cast, clock: StandingClock, next_year: int
) -> None:
    await add(session, cast, "F1", 5, clock)
    before = [await texts(session, name) for name in ("children", "places", "counts")]
    done = await roll_over_school(session, cast.coordinator, cast.school_a, a_plan(), clock)
    with pytest.raises(Invalid):
        await undo_roll_over(session, cast.coordinator, done.id, reason=" ", clock=clock)
    undone = await undo_roll_over(session, cast.coordinator, done.id, reason="too early", clock=clock)
    assert (undone.back, undone.left_as_they_are, undone.classes_removed) == (6, 0, 1)
    assert [await texts(session, name) for name in ("children", "places", "counts")] == before
    await assert_exact(session)
    with pytest.raises(AlreadyUndone):
        await undo_roll_over(session, cast.coordinator, done.id, reason="again", clock=clock)
    second = await roll_over_school(session, cast.coordinator, cast.school_a, a_plan(), clock)
    assert second.id != done.id
    round_id = await session.fetch_value(QUERIES["round"], {"year": next_year})
    later = StandingClock(NOW.replace(year=2027, month=1, day=15))
    write = ResultWrite(
        str(uuid4()), cast.students_a[0], round_id, "math", date(2027, 1, 14), level="subtraction"
    )
    assert (await enter_results(session, cast.coordinator, [write], later))[0].code == "saved"
    with pytest.raises(RollOverStands) as stands:
        await undo_roll_over(session, cast.coordinator, second.id, reason="too late", clock=clock)
    assert "2027" in str(stands.value)


async def test_a_child_that_finished_and_was_erased_since_goes_back_with_its_school(
    session: Session, cast: Cast, clock: StandingClock, next_year: int
) -> None:
    """Seen: it stayed among those who left, one fewer enrolled than before the roll-over."""
    finishing = await add(session, cast, "F1", 5, clock)
    before = await texts(session, "counts")
    done = await roll_over_school(session, cast.coordinator, cast.school_a, a_plan(), clock)
    await erase_identity(session, cast.admin, finishing, confirmation="F1", reason="asked for", clock=clock)
    undone = await undo_roll_over(session, cast.coordinator, done.id, reason="too early", clock=clock)
    assert (undone.back, undone.left_as_they_are) == (6, 0)
    now = await read_student(session, cast.coordinator, finishing)
    assert (now.status, now.school_year_id, now.is_erased) == ("active", cast.school_year, True)
    assert await texts(session, "counts") == before
    await assert_exact(session)


async def test_who_finished_and_came_back_goes_back_with_an_earlier_roll_over_and_sits_once(
    session: Session, cast: Cast, clock: StandingClock, next_year: int
) -> None:
    """Seen: the recount told a seat of the year that the child had finished, had come back to and was taken out of."""
    child = await add(session, cast, "F4", 4, clock)
    await session.fetch_value(QUERIES["planned"], {"year": next_year})
    first = await roll_over_school(session, cast.coordinator, cast.school_a, a_plan(), clock)
    after = await session.fetch_value(QUERIES["year_after"], {})
    await roll_over_school(session, cast.coordinator, cast.school_a, a_plan(to_year_id=after), clock)
    gone = await read_student(session, cast.coordinator, child)
    assert gone.left_reason == "finished"
    await mark_returned(session, cast.coordinator, child, version=gone.version, clock=clock)
    await assert_exact(session)
    await undo_roll_over(session, cast.coordinator, first.id, reason="too early", clock=clock)
    assert (await read_student(session, cast.coordinator, child)).school_year_id == cast.school_year
    await assert_exact(session)


async def test_a_sex_corrected_in_the_new_year_leaves_nothing_of_that_year_behind_when_it_is_undone(
    session: Session, cast: Cast, clock: StandingClock, next_year: int
) -> None:
    """Seen: the new year's class was named by an enrolment that was undone, and could never be deleted again."""
    done = await roll_over_school(session, cast.coordinator, cast.school_a, a_plan(), clock)
    child = await read_student(session, cast.coordinator, cast.students_a[0])
    change = StudentChange(child.version, sex=3 - child.sex, reason="written down wrongly")
    await change_student(session, cast.coordinator, child.id, change, clock)
    undone = await undo_roll_over(session, cast.coordinator, done.id, reason="too early", clock=clock)
    assert (undone.left_as_they_are, undone.classes_removed) == (0, 1)
    now = await read_student(session, cast.coordinator, child.id)
    assert (now.school_year_id, now.sex) == (cast.school_year, 3 - child.sex)
    years = await session.fetch_value(QUERIES["years_of"], {"student": child.id})
    assert years == [cast.school_year]
    await assert_exact(session)


async def test_who_was_entered_in_the_new_year_stays_there_whatever_record_was_made_one_with_it(
    session: Session, cast: Cast, clock: StandingClock, next_year: int
) -> None:
    """Seen: undoing took a child into the old year that had never been there, and the merge could not be taken back any more."""
    done = await roll_over_school(session, cast.coordinator, cast.school_a, a_plan(), clock)
    new = NewStudent(cast.school_a, "AGAIN", "Entered Again", 2, 4, school_year_id=next_year)
    kept = await create_student(session, cast.coordinator, new, clock)
    gone = await read_student(session, cast.coordinator, cast.students_a[0])
    both = Merge(kept.id, kept.version, gone.id, gone.version, "the same child")
    merged = await merge_duplicates(session, cast.coordinator, both, clock)
    undone = await undo_roll_over(session, cast.coordinator, done.id, reason="too early", clock=clock)
    assert undone.back == 4
    now = await read_student(session, cast.coordinator, kept.id)
    assert (now.school_year_id, now.grade) == (next_year, 4)
    await assert_exact(session)
    await undo_merge_of_duplicates(session, cast.coordinator, merged.id, reason="two after all", clock=clock)
    assert (await read_student(session, cast.coordinator, gone.id)).school_year_id == next_year
    await assert_exact(session)


async def test_who_has_moved_on_since_stays_there_when_it_is_undone(
    session: Session, cast: Cast, clock: StandingClock, next_year: int
) -> None:
    done = await roll_over_school(session, cast.coordinator, cast.school_a, a_plan(), clock)
    child = await read_student(session, cast.coordinator, cast.students_a[0])
    move = Transfer(child.version, cast.school_b, 4, TODAY, "moved away")
    await transfer_student(session, cast.coordinator, child.id, move, clock)
    undone = await undo_roll_over(session, cast.coordinator, done.id, reason="too early", clock=clock)
    assert (undone.back, undone.left_as_they_are) == (4, 1)
    assert (await read_student(session, cast.coordinator, child.id)).school_id == cast.school_b
    await assert_exact(session)


async def test_what_can_not_be_rolled_over_says_what_where_and_why(
    session: Session, cast: Cast, clock: StandingClock
) -> None:
    with pytest.raises(NewYearMissing) as missing:
        await roll_over_school(session, cast.coordinator, cast.school_a, a_plan(), clock)
    assert "2026" in str(missing.value)
    assert "School years" in str(missing.value)
    next_year = await session.fetch_value(QUERIES["next_year"], {})
    for plan, field in (
        (a_plan(id="x"), "id"),
        (a_plan(to_year_id=cast.school_year), "to_year_id"),
        (a_plan(rolled_on=date(2030, 1, 1)), "rolled_on"),
        (a_plan(repeaters=("x",)), "repeaters"),
    ):
        with pytest.raises(Invalid) as invalid:
            await roll_over_school(session, cast.coordinator, cast.school_a, plan, clock)
        assert [fault.field for fault in invalid.value.faults] == [field]
    for outdated in (a_plan(children=4), a_plan(repeaters=(cast.students_b[0],))):
        with pytest.raises(PreviewOutdated):
            async with session.savepoint():
                await roll_over_school(session, cast.coordinator, cast.school_a, outdated, clock)
    for nobody in (cast.teacher, cast.mentor, cast.viewer):
        with pytest.raises(Forbidden):
            await roll_over_school(session, nobody, cast.school_a, a_plan(), clock)
    with pytest.raises(NotFound):
        await roll_over_school(session, cast.coordinator, 999_999, a_plan(), clock)
    with pytest.raises(NothingToRollOver):
        await roll_over_school(
            session, cast.coordinator, cast.practice_school, a_plan(to_year_id=next_year), clock
        )


async def test_a_practice_school_goes_on_too_and_counts_nowhere(
    session: Session, cast: Cast, clock: StandingClock, next_year: int
) -> None:
    new = NewStudent(cast.practice_school, "P1", "Practice child", 1, 3)
    await create_student(session, cast.coordinator, new, clock)
    counts = await texts(session, "counts")
    done = await roll_over_school(session, cast.coordinator, cast.practice_school, a_plan(), clock)
    assert done.up == 1
    assert await texts(session, "counts") == counts
    await assert_exact(session)


async def test_a_school_of_1200_goes_on_in_as_many_statements_as_a_school_of_five(
    session: Session, cast: Cast, clock: StandingClock, next_year: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    ran: list[str] = []
    for method in ("_run", "execute", "fetch_value"):
        original = getattr(Session, method)

        async def counted(
            self: Session, query: Any, *args: Any, original: Any = original, **more: Any
        ) -> Any:
            if self is session:  # not what a task in the background asks meanwhile
                ran.append(query.name)
            return await original(self, query, *args, **more)

        monkeypatch.setattr(Session, method, counted)
    await roll_over_school(session, cast.coordinator, cast.school_a, a_plan(), clock)
    few = list(ran)
    await session.execute(QUERIES["crowd"], {"school": cast.school_b, "year": cast.school_year})
    ran.clear()
    done = await roll_over_school(session, cast.coordinator, cast.school_b, a_plan(), clock)
    assert (done.up, done.finished, done.classes_made) == (803, 400, 20)
    assert ran == few
    await assert_exact(session)


async def test_whoever_is_overtaken_between_asking_and_looking_is_told_what_was_done(
    new_database: NewDatabase, clock: StandingClock, monkeypatch: pytest.MonkeyPatch
) -> None:
    async with Database(new_database().conninfo) as database:
        cast = await database.run(make_cast, deadline_s=20)
        await database.run(lambda s: s.fetch_value(QUERIES["next_year"], {}), deadline_s=20)

        async def roll(session: Session) -> str:
            return (await roll_over_school(session, cast.coordinator, cast.school_a, a_plan(), clock)).id

        asks = roll_over._done_before
        overtaken: list[str] = []

        async def ask_and_be_overtaken(
            session: Session, school_id: int, plan: RollOverPlan
        ) -> RollOver | None:
            answer = await asks(session, school_id, plan)
            if not overtaken:
                overtaken.append("yes")
                overtaken.append(await database.run(roll, deadline_s=20))
            return answer

        monkeypatch.setattr(roll_over, "_done_before", ask_and_be_overtaken)
        late = await database.run(roll, deadline_s=20)
        assert overtaken == ["yes", late]


async def test_two_at_once_roll_over_once_and_results_being_entered_meanwhile_are_neither_lost_nor_written_through(
    new_database: NewDatabase, clock: StandingClock
) -> None:
    async with Database(new_database().conninfo) as database:
        cast = await database.run(make_cast, deadline_s=20)
        year = await database.run(lambda s: s.fetch_value(QUERIES["next_year"], {}), deadline_s=20)

        async def roll(session: Session) -> str:
            return (await roll_over_school(session, cast.coordinator, cast.school_a, a_plan(), clock)).id

        def enter(student: str, subject: str) -> Any:
            async def work(session: Session) -> str:
                write = ResultWrite(str(uuid4()), student, cast.round, subject, TODAY, level="beginner")
                return (await enter_results(session, cast.coordinator, [write], clock))[0].code

            return database.run(work, deadline_s=20)

        entering = [
            enter(student, subject) for student in cast.students_a for subject in ("math", "language")
        ]
        results = await asyncio.gather(*(database.run(roll, deadline_s=20) for _ in range(3)), *entering)
        assert len(set(results[:3])) == 1
        assert set(results[3:]) == {"saved"}
        found = await database.run(reconcile, deadline_s=20)
        assert found.different == 0, found.differences
        round_id = await database.run(
            lambda s: s.fetch_value(QUERIES["round"], {"year": year}), deadline_s=20
        )
        later = StandingClock(NOW.replace(year=2027, month=1, day=15))

        async def first_result(session: Session) -> str:
            write = ResultWrite(
                str(uuid4()), cast.students_a[0], round_id, "math", date(2027, 1, 14), level="beginner"
            )
            return (await enter_results(session, cast.coordinator, [write], later))[0].code

        async def undo(session: Session) -> str:
            try:
                await undo_roll_over(session, cast.coordinator, results[0], reason="too early", clock=clock)
            except RollOverStands:
                return "stands"
            return "undone"

        entered, undone = await asyncio.gather(
            database.run(first_result, deadline_s=20), database.run(undo, deadline_s=20)
        )
        child = await database.run(
            lambda s: read_student(s, cast.coordinator, cast.students_a[0]), deadline_s=20
        )
        assert (entered, undone, child.school_year_id == year) in (
            ("saved", "stands", True),
            ("not_enrolled_in_year", "undone", False),
        )
        found = await database.run(reconcile, deadline_s=20)
        assert found.different == 0, found.differences
