"""A record that went into another: what phones still send for it, what was to be tested again, what erasure leaves, and what hangs on a child."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any
from uuid import uuid4

import msgspec
import psycopg
import pytest
from people import NOW, Cast
from serving import OneDatabase

from flatwater.clock import StandingClock
from flatwater.paging import PageRequest
from flatwater.queries import read_queries
from flatwater.transaction import Session
from rightlevel.operations.reconcile import reconcile
from rightlevel.programme.duplicates import Merge, Merged, merge_duplicates, undo_merge_of_duplicates
from rightlevel.programme.duplicates.actions import MergeOfErased
from rightlevel.programme.enrolments import PastAmendment, amend_past_enrolment, erase_identity
from rightlevel.programme.errors import Forbidden
from rightlevel.programme.figures import FigureQuery, read_figures
from rightlevel.programme.groups import CheckAnswer, CheckWrite, enter_checks
from rightlevel.programme.permissions import Actor
from rightlevel.programme.results import ResultAnswer, ResultWrite, enter_results
from rightlevel.programme.rounds import read_round, set_round_state
from rightlevel.programme.students import (
    NewStudent,
    RecordMerged,
    StudentChange,
    change_student,
    create_student,
    list_past_enrolments,
    mark_left,
    mark_returned,
    read_student,
)
from rightlevel.programme.verification import NewDraw, draw_sample, verification_queue

pytestmark = pytest.mark.anyio
CLOCK = StandingClock(NOW)
TODAY = NOW.date()

QUERIES = read_queries(
    """
-- name: under_way
-- How many re-tests are under way.
select count(*) from verification where state in ('pending', 'disagreed', 'returned')
-- name: grade
-- The grade that a child's result of a round counts in.
select grade from result where student_id = %(id)s::uuid and round_id = %(round)s and deleted_at is null
-- name: aside
-- Which past enrolments are set aside, whoever has them now.
select p.is_aside from past_enrolment p where p.until_number > 0 order by p.id
-- name: enrolled
-- How many children of a school are counted as enrolled.
select coalesce(sum(children), 0)::int from school_enrolled where school_id = %(school)s
""",
    origin="test_after_merging.py",
)


class Aside(msgspec.Struct, frozen=True):
    is_aside: bool


def a_write(cast: Cast, student: str, **more: Any) -> ResultWrite:
    values: dict[str, Any] = {"subject": "math", "level": "subtraction", "tested_on": TODAY, **more}
    return ResultWrite(id=str(uuid4()), student_id=student, round_id=cast.round, **values)


async def enter(session: Session, actor: Actor, write: ResultWrite) -> ResultAnswer:
    return (await enter_results(session, actor, [write], CLOCK))[0]


async def merge(session: Session, cast: Cast, kept: str, gone: str) -> Merged:
    versions = [(await read_student(session, cast.admin, each)).version for each in (kept, gone)]
    return await merge_duplicates(
        session, cast.coordinator, Merge(kept, versions[0], gone, versions[1], "The same child"), CLOCK
    )


async def undo(session: Session, cast: Cast, merged: Merged) -> None:
    await undo_merge_of_duplicates(session, cast.coordinator, merged.id, reason="They are two", clock=CLOCK)


async def test_a_write_of_the_record_that_went_gets_its_old_answer_when_it_comes_again(
    session: Session, cast: Cast
) -> None:
    """Seen: a phone that had got no answer was told `write_id_reused`."""
    kept, gone, third = cast.students_a[:3]
    moved, aside, own = (
        a_write(cast, gone, subject="language", level="word"),
        a_write(cast, gone),
        a_write(cast, kept, tested_on=TODAY.replace(day=10)),
    )
    first = [await enter(session, cast.teacher, each) for each in (moved, aside, own)]
    changed = msgspec.structs.replace(moved, id=str(uuid4()), level="story", version=1)
    first.append(await enter(session, cast.teacher, changed))
    assert [each.code for each in first] == ["saved", "saved", "saved", "changed"]
    merged = await merge(session, cast, kept, gone)
    again = [await enter(session, cast.teacher, each) for each in (moved, aside, own, changed)]
    assert again == first
    await merge(session, cast, third, kept)  # and through a second merge
    assert [await enter(session, cast.teacher, each) for each in (moved, aside, own, changed)] == first
    reused = msgspec.structs.replace(moved, student_id=cast.students_a[3])
    assert (await enter(session, cast.teacher, reused)).code == "write_id_reused"
    assert merged.gone_id == gone
    assert (await reconcile(session)).different == 0


async def test_a_new_write_for_the_record_that_went_is_told_which_one_was_kept(
    session: Session, cast: Cast
) -> None:
    kept, gone = cast.students_a[:2]
    await merge(session, cast, kept, gone)
    told = await enter(session, cast.teacher, a_write(cast, gone))
    assert (told.code, told.merged_into) == ("merged", kept)
    stranger = await enter(
        session, cast.teacher_elsewhere, a_write(cast, gone, subject="language", level="word")
    )
    assert (stranger.code, stranger.merged_into) == ("not_found", None)
    change = StudentChange(version=1, name="Another")
    with pytest.raises(RecordMerged) as away:
        await change_student(session, cast.teacher, gone, change, CLOCK)
    assert away.value.values == {"merged_into": kept}
    with pytest.raises(RecordMerged):
        await read_student(session, cast.mentor, gone)
    for actor in (cast.mentor_elsewhere, cast.teacher_elsewhere):
        with pytest.raises(Forbidden):
            await change_student(session, actor, gone, change, CLOCK)
    sent_again = NewStudent(cast.school_a, "A1", "Chan", 2, 3, id=gone)
    with pytest.raises(RecordMerged):
        await create_student(session, cast.teacher, sent_again, CLOCK)


async def test_a_quick_re_test_of_the_record_that_went_is_answered_as_before(
    session: Session, cast: Cast
) -> None:
    kept, gone = cast.students_a[:2]
    write = CheckWrite(str(uuid4()), gone, "math", "subtraction", TODAY)

    async def check(each: CheckWrite, actor: Actor = cast.teacher) -> CheckAnswer:
        return (await enter_checks(session, actor, [each], CLOCK))[0]

    first = await check(write)
    assert first.code == "saved"
    await merge(session, cast, kept, gone)
    assert await check(write) == first
    new = msgspec.structs.replace(write, id=str(uuid4()), subject="language", level="word")
    told = await check(new)
    assert (told.code, told.merged_into) == ("merged", kept)
    assert (await check(new, cast.teacher_elsewhere)).code == "not_found"


async def test_what_was_set_aside_is_tested_again_by_nobody_and_comes_back_with_undoing(
    session: Session, cast: Cast
) -> None:
    """Seen: a re-test on a result that was set aside stayed for ever."""
    kept, gone = cast.students_a[:2]
    await enter(session, cast.teacher, a_write(cast, kept, tested_on=TODAY.replace(day=10)))
    await enter(session, cast.teacher, a_write(cast, gone, level="division"))
    await draw_sample(
        session, cast.coordinator, NewDraw(cast.round, "math", school_id=cast.school_a, seed=1), CLOCK
    )

    async def waiting() -> list[tuple[str, str]]:
        page = await verification_queue(
            session, cast.mentor, PageRequest(), CLOCK, round_id=cast.round, state="waiting"
        )
        return sorted((row.student_id, row.result_id) for row in page.items)

    before = await waiting()
    assert [student for student, _ in before] == sorted((kept, gone))
    merged = await merge(session, cast, kept, gone)
    assert [student for student, _ in await waiting()] == [kept], "the later one stands, and it waits on"
    assert await session.fetch_value(QUERIES["under_way"], {}) == 1
    await undo(session, cast, merged)
    assert await waiting() == before


async def test_a_merge_is_not_taken_back_once_the_child_was_erased(session: Session, cast: Cast) -> None:
    """Seen: it made two children where one was enrolled."""
    kept, gone = cast.students_a[:2]
    merged = await merge(session, cast, kept, gone)
    there = await session.fetch_value(QUERIES["enrolled"], {"school": cast.school_a})
    code = (await read_student(session, cast.admin, kept)).code
    await erase_identity(
        session, cast.admin, kept, confirmation=code, reason="asked by the guardian", clock=CLOCK
    )
    with pytest.raises(MergeOfErased):
        await undo(session, cast, merged)
    assert await session.fetch_value(QUERIES["enrolled"], {"school": cast.school_a}) == there


async def test_a_fixed_roll_keeps_the_seat_of_a_record_that_went_into_a_later_one(
    session: Session, cast: Cast
) -> None:
    """Seen: a child entered again after the round was closed, and kept under the later record, was missing from the closed round."""
    gone = cast.students_a[0]

    async def turn(state: str) -> None:
        version = (await read_round(session, cast.admin, cast.round)).version
        await set_round_state(
            session, cast.admin, cast.round, version=version, state=state, reason="told", clock=CLOCK
        )

    async def enrolled() -> int:
        query = FigureQuery(cast.round, "math", school_id=cast.school_a)
        return (await read_figures(session, cast.coordinator, query)).enrolled

    async def is_exact() -> bool:
        found = await reconcile(session)
        assert (found.different, found.differences) == (0, [])
        return True

    await turn("closed")
    there = await enrolled()
    again = NewStudent(cast.school_a, "AGAIN", "Entered Again", 2, 4)
    kept = (await create_student(session, cast.coordinator, again, CLOCK)).id
    other = NewStudent(cast.school_a, "ONCE-MORE", "Entered Once More", 2, 4)
    last = (await create_student(session, cast.coordinator, other, CLOCK)).id
    assert await enrolled() == there

    first = await merge(session, cast, kept, gone)
    assert await enrolled() == there
    assert await is_exact()
    second = await merge(session, cast, last, kept)
    assert await enrolled() == there
    assert await is_exact()
    await undo(session, cast, second)
    await undo(session, cast, first)
    assert await enrolled() == there
    assert await is_exact()
    # Two who both sat there are one child, and sit once.
    await merge(session, cast, cast.students_a[1], gone)
    assert await enrolled() == there - 1
    assert await is_exact()


async def test_a_fixed_roll_keeps_the_seat_of_a_record_that_was_there_beside_a_later_one(
    session: Session, cast: Cast
) -> None:
    """Seen: a child entered a second time before the first record left was missing from the round that was closed before, once they were merged."""
    gone = cast.students_a[0]

    async def enrolled() -> int:
        query = FigureQuery(cast.round, "math", school_id=cast.school_a)
        return (await read_figures(session, cast.coordinator, query)).enrolled

    async def is_exact() -> bool:
        found = await reconcile(session)
        assert (found.different, found.differences) == (0, [])
        return True

    version = (await read_round(session, cast.admin, cast.round)).version
    await set_round_state(
        session, cast.admin, cast.round, version=version, state="closed", reason="told", clock=CLOCK
    )
    there = await enrolled()
    again = NewStudent(cast.school_a, "AGAIN", "Entered Again", 2, 4)
    kept = (await create_student(session, cast.coordinator, again, CLOCK)).id
    record = await read_student(session, cast.coordinator, gone)
    await mark_left(
        session,
        cast.coordinator,
        gone,
        version=record.version,
        left_on=TODAY,
        reason="moved",
        clock=CLOCK,
    )
    merged = await merge(session, cast, kept, gone)
    assert await enrolled() == there
    assert await is_exact()
    await undo(session, cast, merged)
    assert await enrolled() == there
    assert await is_exact()


async def test_an_amended_past_is_followed_by_what_was_set_aside_with_the_record_that_had_it(
    session: Session, cast: Cast
) -> None:
    """Seen: a past enrolment was amended while two records were one; taken apart again, a result counted where its child never stood."""
    gone, kept = cast.students_a[0], cast.students_a[1]
    absent = a_write(cast, gone, level=None, outcome="absent")
    for write in (absent, a_write(cast, kept)):
        answers = await enter_results(session, cast.coordinator, [write], CLOCK)
        assert [each.code for each in answers] == ["saved"]
    for student in (gone, kept):
        version = (await read_student(session, cast.coordinator, student)).version
        left = await mark_left(
            session, cast.coordinator, student, version=version, left_on=TODAY, reason="moved", clock=CLOCK
        )
        await mark_returned(session, cast.coordinator, student, version=left.version, clock=CLOCK)
    own = (await list_past_enrolments(session, cast.coordinator, kept, PageRequest())).items[0].id
    merged = await merge(session, cast, kept, gone)
    came = [
        each.id
        for each in (await list_past_enrolments(session, cast.coordinator, kept, PageRequest())).items
        if each.id != own
    ]
    assert len(came) == 1
    for enrolment, grade in ((own, 5), (came[0], 4)):
        version = (await read_student(session, cast.coordinator, kept)).version
        amendment = PastAmendment(version, "was written down wrongly", grade=grade, class_id=None)
        await amend_past_enrolment(session, cast.coordinator, kept, enrolment, amendment, CLOCK)
    await undo(session, cast, merged)
    grades = {
        student: await session.fetch_value(QUERIES["grade"], {"id": student, "round": cast.round})
        for student in (gone, kept)
    }
    assert grades == {gone: 4, kept: 5}, "each followed what was said of where its own child stood"
    found = await reconcile(session)
    assert (found.different, found.differences) == (0, [])


async def test_what_one_merge_set_aside_stays_so_through_another_and_back(
    session: Session, cast: Cast
) -> None:
    """Seen: a record of two went into a third and came out again; then its child stood at two places at once."""
    one, other = cast.students_a[:2]
    away = [
        await mark_left(
            session, cast.coordinator, each, version=1, left_on=TODAY, reason="moved", clock=CLOCK
        )
        for each in (one, other)
    ]
    for left in away:
        await mark_returned(session, cast.coordinator, left.id, version=left.version, clock=CLOCK)
    # A record that never stood anywhere while those two did.
    new = NewStudent(cast.school_a, "LATER", "Entered Later", 2, 3)
    third = (await create_student(session, cast.coordinator, new, CLOCK)).id

    async def aside() -> list[bool]:
        rows = await session.fetch_all(QUERIES["aside"], {}, into=Aside)
        return [each.is_aside for each in rows]

    assert await aside() == [False, False]
    first = await merge(session, cast, one, other)
    was = await aside()
    assert sorted(was) == [False, True], "two who sat there at once sit there once"
    second = await merge(session, cast, third, one)
    assert await aside() == was
    found = await reconcile(session)
    assert (found.different, found.differences) == (0, [])
    await undo(session, cast, second)
    assert await aside() == was
    found = await reconcile(session)
    assert (found.different, found.differences) == (0, [])
    await undo(session, cast, first)
    assert await aside() == [False, False]
    found = await reconcile(session)
    assert (found.different, found.differences) == (0, [])


HANGS_ON_A_CHILD = {
    "attendance.student_id": "carried",
    "group_member.student_id": "carried",
    "intervention_enrolment.student_id": "carried",
    "level_check.student_id": "carried",
    "past_enrolment.student_id": "carried",
    "result.student_id": "carried; of two in one place the other stays with the record that went",
    "not_duplicates.first_id": "stays: said of that record",
    "not_duplicates.second_id": "stays: said of that record",
    "school_change_child.student_id": "stays: which record went; taking the merge or split back takes back no record that is gone",
    "student_change.student_id": "stays: what was done to that record",
    "student.merged_into": "the merge itself",
    "student_merge.gone_id": "the merge itself",
    "student_merge.kept_id": "the merge itself",
}
"""What refers to a child, and what merging does with it. Re-tests, amendments, changes and guided tests hang on results and go along with them;
photos and follow-ups hang on visits, which are of schools; receipts and audit rows say what was done to which record and stay as they are."""


def test_merging_knows_everything_that_hangs_on_a_child(new_database: Callable[[], OneDatabase]) -> None:
    with psycopg.connect(new_database().conninfo) as connection:
        rows = connection.execute(
            "select format('%s.%s', c.conrelid::regclass, a.attname) from pg_constraint c "
            "join pg_attribute a on a.attrelid = c.conrelid and a.attnum = any(c.conkey) "
            "where c.contype = 'f' and c.confrelid = 'student'::regclass"
        ).fetchall()
    assert {row[0] for row in rows} == set(HANGS_ON_A_CHILD), (
        "something new hangs on a child: say what merging does with it"
    )
