"""Children who moved or were removed, and writes that are beyond somebody: what the guard holds, and what is written down."""

from datetime import timedelta
from typing import Any
from uuid import uuid4

import msgspec
import pytest
from people import NOW, Cast, actor_now

from flatwater.clock import StandingClock
from flatwater.paging import PageRequest
from flatwater.queries import read_queries
from flatwater.transaction import Session
from rightlevel.operations.reconcile import reconcile
from rightlevel.programme.assignments import end_assignments, list_assignments
from rightlevel.programme.enrolments import Transfer, transfer_student
from rightlevel.programme.errors import NotFound, OutOfScope
from rightlevel.programme.figures import BehindQuery, FigureQuery, children_behind, read_figures
from rightlevel.programme.permissions import Actor
from rightlevel.programme.results import (
    ResultWrite,
    class_sheet,
    delete_result,
    enter_results,
    lock_results_of_school,
    read_moved_child,
    read_result,
    results_of_student,
)
from rightlevel.programme.results.actions import ResultHeld
from rightlevel.programme.rounds import lock_school, set_school_dates
from rightlevel.programme.students import delete_student, read_student, restore_student
from rightlevel.programme.verification import Retest, save_retests

pytestmark = pytest.mark.anyio


class Denied(msgspec.Struct, frozen=True):
    person_id: int
    action: str
    resource: str
    count: int
    writes: list[str]
    reason: str


QUERIES = read_queries(
    """
-- name: denied
-- Every denied write of results.
select person_id, action, resource, (after->>'count')::integer as count,
    array(select jsonb_array_elements_text(after->'writes')) as writes, reason
from audit_entry
where outcome = 'denied'
order by id
""",
    origin="test_moved_and_denied.py",
)


def a_write(cast: Cast, student: str, **more: Any) -> ResultWrite:
    values = {"subject": "math", "level": "subtraction", "tested_on": NOW.date(), **more}
    return ResultWrite(id=str(uuid4()), student_id=student, round_id=cast.round, **values)


async def codes(session: Session, actor: Actor, clock: StandingClock, *writes: ResultWrite) -> list[str]:
    return [answer.code for answer in await enter_results(session, actor, writes, clock)]


@pytest.fixture
async def moved(session: Session, cast: Cast, clock: StandingClock) -> ResultWrite:
    """What a child of school A was entered with before it moved to school B."""
    write = a_write(cast, cast.students_a[0])
    assert await codes(session, cast.teacher, clock, write) == ["saved"]
    there = Transfer(1, cast.school_b, grade=3, moved_on=NOW.date(), reason="the family moved")
    await transfer_student(session, cast.coordinator, cast.students_a[0], there, clock)
    return write


async def test_the_lock_of_the_school_it_counts_at_holds_a_moved_childs_result(
    session: Session, cast: Cast, clock: StandingClock, moved: ResultWrite
) -> None:
    await lock_school(session, cast.coordinator, cast.round, cast.school_a, reason="review", clock=clock)
    change = a_write(cast, moved.student_id, level="division", version=1)
    assert await codes(session, cast.coordinator, clock, change) == ["school_locked"]
    first_in_language = a_write(cast, moved.student_id, subject="language", level="word")
    assert await codes(session, cast.coordinator, clock, first_in_language) == ["saved"]
    with_reason = msgspec.structs.replace(change, reason="sheet found")
    assert await codes(session, cast.coordinator, clock, with_reason) == ["changed"]


async def test_a_lock_holds_what_counts_at_its_school_and_nothing_else(
    session: Session, cast: Cast, clock: StandingClock, moved: ResultWrite
) -> None:
    """Seen: a result that counted elsewhere was held by the lock of the school where its child sits by now."""
    await lock_school(session, cast.coordinator, cast.round, cast.school_b, reason="review", clock=clock)
    change = a_write(cast, moved.student_id, level="division", version=1)
    assert await codes(session, cast.teacher, clock, change) == ["changed"]
    first_in_language = a_write(cast, moved.student_id, subject="language", level="word")
    assert await codes(session, cast.teacher_elsewhere, clock, first_in_language) == ["school_locked"]
    again = Retest(str(uuid4()), moved.id, NOW.date(), level="division", tool=2)
    assert (await save_retests(session, cast.coordinator, [again], clock))[0].code == "agreed"
    with pytest.raises(ResultHeld):  # now it is verified
        await delete_result(session, cast.teacher, moved.id, version=3, reason="", clock=clock)


async def test_the_days_of_the_school_it_counts_at_hold_a_moved_childs_result(
    session: Session, cast: Cast, clock: StandingClock, moved: ResultWrite
) -> None:
    """Seen: a change was judged by the own days of the school to which the child had gone since."""
    over = NOW.date() - timedelta(days=1)
    await set_school_dates(
        session, cast.coordinator, cast.round, cast.school_a, starts_on=None, ends_on=over, confirm=True
    )
    change = a_write(cast, moved.student_id, level="division", version=1)
    assert await codes(session, cast.coordinator, clock, change) == ["date_outside_round"]
    first_in_language = a_write(cast, moved.student_id, subject="language", level="word")
    assert await codes(session, cast.coordinator, clock, first_in_language) == ["saved"]


async def test_a_moved_childs_result_is_changed_by_who_reaches_where_it_was_made_and_nothing_new_is(
    session: Session, cast: Cast, clock: StandingClock, moved: ResultWrite
) -> None:
    change = a_write(cast, moved.student_id, level="division", version=1)
    assert await codes(session, cast.teacher, clock, change) == ["changed"]
    first_in_language = a_write(cast, moved.student_id, subject="language", level="word")
    assert await codes(session, cast.teacher, clock, first_in_language) == ["not_found"]


async def test_a_moved_childs_result_is_removed_by_who_reaches_where_it_was_made_or_where_the_child_is(
    session: Session, cast: Cast, clock: StandingClock, moved: ResultWrite
) -> None:
    language = a_write(cast, moved.student_id, subject="language", level="word")
    assert await codes(session, cast.teacher_elsewhere, clock, language) == ["saved"]
    with pytest.raises(OutOfScope):
        await delete_result(session, cast.teacher, language.id, version=1, reason="", clock=clock)
    await delete_result(session, cast.teacher_elsewhere, language.id, version=1, reason="", clock=clock)
    with pytest.raises(OutOfScope):
        await delete_result(session, cast.teacher_elsewhere, moved.id, version=1, reason="", clock=clock)
    await delete_result(session, cast.teacher, moved.id, version=1, reason="", clock=clock)
    assert (await reconcile(session)).different == 0


async def test_the_children_behind_a_figure_are_as_many_as_it_says_after_one_moved(
    session: Session, cast: Cast, clock: StandingClock, moved: ResultWrite
) -> None:
    stayed = a_write(cast, cast.students_a[1])
    assert await codes(session, cast.teacher, clock, stayed) == ["saved"]
    for school, expected in ((cast.school_a, 2), (cast.school_b, 0)):
        figures = await read_figures(
            session, cast.coordinator, FigureQuery(cast.round, "math", school_id=school)
        )
        asked = BehindQuery(cast.round, "math", school, rank=4)
        listed = (await children_behind(session, cast.coordinator, asked, PageRequest())).items
        assert (figures.levels[3].count, len(listed)) == (expected, expected)
        missing = BehindQuery(cast.round, "math", school, outcome="missing")
        absent = (await children_behind(session, cast.coordinator, missing, PageRequest())).items
        assert moved.student_id not in [child.student_id for child in absent]
    mine = await children_behind(
        session, cast.teacher, BehindQuery(cast.round, "math", cast.school_a, rank=4), PageRequest()
    )
    assert {child.student_id for child in mine.items} == {moved.student_id, cast.students_a[1]}


async def test_a_removed_childs_result_can_not_be_removed_and_comes_back_with_the_child(
    session: Session, cast: Cast, clock: StandingClock
) -> None:
    write = a_write(cast, cast.students_a[0])
    assert await codes(session, cast.teacher, clock, write) == ["saved"]
    await delete_student(session, cast.teacher, cast.students_a[0], reason="twice", clock=clock)
    assert await codes(session, cast.teacher, clock, a_write(cast, cast.students_a[0], version=1)) == [
        "not_found"
    ]
    with pytest.raises(NotFound):
        await delete_result(session, cast.teacher, write.id, version=1, reason="", clock=clock)
    await restore_student(session, cast.teacher, cast.students_a[0])
    figures = await read_figures(session, cast.coordinator, FigureQuery(cast.round, "math"))
    assert (figures.assessed, (await reconcile(session)).different) == (1, 0)


async def test_denied_writes_are_written_down_once_a_request(
    session: Session, cast: Cast, clock: StandingClock
) -> None:
    beyond = [a_write(cast, student) for student in cast.students_b[:2]]
    allowed = a_write(cast, cast.students_b[2], subject="language", level="word")
    found = await codes(session, cast.teacher_elsewhere, clock, *beyond, allowed)
    assert found == ["out_of_scope", "out_of_scope", "saved"]
    rows = await session.fetch_all(QUERIES["denied"], {}, into=Denied)
    person = cast.teacher_elsewhere.person_id
    assert rows == [Denied(person, "enter", "result", 2, [each.id for each in beyond], "out_of_scope")]


async def test_what_is_refused_for_another_reason_is_no_denial(
    session: Session, cast: Cast, clock: StandingClock
) -> None:
    write = a_write(cast, cast.students_a[0])
    assert await codes(session, cast.teacher, clock, write) == ["saved"]
    assert await codes(session, cast.teacher, clock, a_write(cast, cast.students_a[0])) == ["conflict"]
    assert await session.fetch_all(QUERIES["denied"], {}, into=Denied) == []


@pytest.mark.parametrize("bad", [{"notes": "a\0b"}, {"round_id": 2**63}, {"version": 2**31}])
async def test_a_write_that_the_database_could_not_take_holds_up_no_other(
    session: Session, cast: Cast, clock: StandingClock, bad: dict[str, Any]
) -> None:
    poisoned = msgspec.structs.replace(a_write(cast, cast.students_a[0]), **bad)
    found = await codes(session, cast.teacher, clock, poisoned, a_write(cast, cast.students_a[1]))
    assert found == ["invalid", "saved"]


async def test_who_works_where_a_moved_child_sat_sees_what_belongs_there_and_nothing_else(
    session: Session, cast: Cast, clock: StandingClock, moved: ResultWrite
) -> None:
    child = moved.student_id
    there = a_write(cast, child, subject="language", level="story")
    assert await codes(session, cast.teacher_elsewhere, clock, there) == ["saved"]
    asked = {"school_id": cast.school_a, "round_id": cast.round, "subject": "math"}
    sheet = await class_sheet(session, cast.teacher, PageRequest(), **asked)  # type: ignore[arg-type]
    named = next(row.name for row in sheet.items if row.student_id == child)
    with pytest.raises(NotFound):
        await read_student(session, cast.teacher, child)
    found = await read_moved_child(session, cast.teacher, child)
    assert (found.name, [each.school_name for each in found.sat]) == (named, ["Alpha School"])
    assert "Beta" not in str(found)
    results = (await results_of_student(session, cast.teacher, child, PageRequest())).items
    assert [(each.subject, each.school_id) for each in results] == [("math", cast.school_a)]
    assert (await read_result(session, cast.teacher, moved.id)).level == "subtraction"
    with pytest.raises(NotFound):
        await read_result(session, cast.teacher, there.id)
    elsewhere = (await results_of_student(session, cast.teacher_elsewhere, child, PageRequest())).items
    assert [each.subject for each in elsewhere] == ["language"], "only that is theirs there"
    for nobody in (cast.stranger, cast.mentor_elsewhere):
        with pytest.raises(NotFound):
            await read_moved_child(session, nobody, cast.students_a[1])
        with pytest.raises(NotFound):
            await results_of_student(session, nobody, cast.students_a[1], PageRequest())


async def test_whose_right_at_the_school_ended_sees_no_name_of_its_past(
    session: Session, cast: Cast, clock: StandingClock, moved: ResultWrite
) -> None:
    own = await list_assignments(
        session, cast.coordinator, PageRequest(), clock, person_id=cast.teacher.person_id
    )
    await end_assignments(session, cast.coordinator, [each.id for each in own.items], clock)
    former = await actor_now(session, "teacher")
    with pytest.raises(OutOfScope):
        await class_sheet(
            session, former, PageRequest(), school_id=cast.school_a, round_id=cast.round, subject="math"
        )
    for ask in (read_moved_child, results_of_student):
        more = () if ask is read_moved_child else (PageRequest(),)
        with pytest.raises(NotFound):
            await ask(session, former, moved.student_id, *more)  # type: ignore[operator]


async def test_a_schools_lock_holds_the_results_of_removed_children_too(
    session: Session, cast: Cast, clock: StandingClock
) -> None:
    """Whoever comes back comes back into a round that is locked: nothing of it may be written since."""
    child = cast.students_a[0]
    write = a_write(cast, child)
    assert await codes(session, cast.teacher, clock, write) == ["saved"]
    await delete_student(session, cast.coordinator, child, reason="twice", clock=clock)
    locked = await lock_results_of_school(
        session,
        cast.coordinator,
        school_id=cast.school_a,
        round_id=cast.round,
        reason="the week is over",
        clock=clock,
    )
    assert locked == 1
    await restore_student(session, cast.coordinator, child)
    assert (await read_result(session, cast.coordinator, write.id)).is_locked
    again = a_write(cast, child, level="division", version=2)
    assert await codes(session, cast.teacher, clock, again) == ["result_locked"]
