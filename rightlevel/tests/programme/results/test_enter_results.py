import asyncio
import random
from collections.abc import AsyncIterator, Callable
from datetime import date, timedelta
from typing import Any
from uuid import uuid4

import msgspec
import pytest
from people import NOW, Cast, make_cast
from serving import OneDatabase

from flatwater.clock import StandingClock
from flatwater.paging import PageRequest
from flatwater.pool import Database, Limits
from flatwater.queries import read_queries
from flatwater.transaction import Session
from rightlevel.operations.reconcile import reconcile
from rightlevel.programme.errors import Forbidden, Invalid, NotFound, OutOfScope, Stale
from rightlevel.programme.permissions import Actor
from rightlevel.programme.results import (
    ResultAnswer,
    ResultWrite,
    class_sheet,
    delete_result,
    enter_results,
    history_of_student,
    read_result,
    results_of_student,
)
from rightlevel.programme.results.actions import ResultHeld
from rightlevel.programme.rounds import lock_school, set_round_state, unlock_school
from rightlevel.programme.students import delete_student, mark_left, read_student, restore_student

pytestmark = pytest.mark.anyio
TODAY = NOW.date()

QUERIES = read_queries(
    """
-- name: live
-- How many live results a child has.
select count(*) from result where student_id = %(student)s::uuid and deleted_at is null
-- name: all
-- How many live results there are.
select count(*) from result where deleted_at is null
-- name: verify
-- Marks a result as verified.
update result set is_verified = true where id = %(id)s::uuid
-- name: lock
-- Locks a result.
update result set locked_at = now() where id = %(id)s::uuid
-- name: move_round
-- Puts a round elsewhere.
update round set kind = 'midline' where id = %(id)s
-- name: audit
-- The newest audit row of results.
select after::text from audit_entry where resource = 'result' order by id desc limit 1
-- name: spoil
-- Makes one kept count wrong.
update school_count set rank_1 = rank_1 + 1
""",
    origin="test_enter_results.py",
)


def a_write(cast: Cast, student: str, **more: Any) -> ResultWrite:
    values = {"subject": "math", "level": "subtraction", "tested_on": TODAY, **more}
    return ResultWrite(id=str(uuid4()), student_id=student, round_id=cast.round, **values)


async def enter(
    session: Session, actor: Actor, clock: StandingClock, *writes: ResultWrite
) -> list[ResultAnswer]:
    return await enter_results(session, actor, writes, clock)


async def test_a_result_is_saved_and_found_again(session: Session, cast: Cast, clock: StandingClock) -> None:
    write = a_write(cast, cast.students_a[0], notes="shy but sure", tool=2, assent=True)
    (answer,) = await enter(session, cast.teacher, clock, write)
    assert (answer.code, answer.version, answer.result_id) == ("saved", 1, write.id)
    found = await read_result(session, cast.mentor, write.id)
    assert (found.level, found.rank, found.tool, found.notes, found.assessor_name) == (
        "subtraction",
        4,
        2,
        "shy but sure",
        "Teacher",
    )
    page = await results_of_student(session, cast.teacher, cast.students_a[0], PageRequest())
    assert [each.id for each in page.items] == [write.id]
    assert cast.students_a[0] not in await session.fetch_value(QUERIES["audit"], {})


async def test_the_same_write_again_gets_the_same_answer_and_one_row(
    session: Session, cast: Cast, clock: StandingClock
) -> None:
    write = a_write(cast, cast.students_a[0])
    first = await enter(session, cast.teacher, clock, write)
    change = a_write(cast, cast.students_a[0], level="division", version=1)
    changed = await enter(session, cast.teacher, clock, change)
    assert (changed[0].code, changed[0].version) == ("changed", 2)
    assert await enter(session, cast.teacher, clock, write) == first
    assert await enter(session, cast.teacher, clock, change) == changed
    assert await session.fetch_value(QUERIES["live"], {"student": cast.students_a[0]}) == 1


async def test_a_write_id_can_not_be_used_for_another_child(
    session: Session, cast: Cast, clock: StandingClock
) -> None:
    write = a_write(cast, cast.students_a[0])
    await enter(session, cast.teacher, clock, write)
    other = msgspec.structs.replace(write, student_id=cast.students_a[1])
    (answer,) = await enter(session, cast.teacher, clock, other)
    assert answer.code == "write_id_reused"


async def test_a_second_result_is_a_conflict_and_an_old_version_is_stale_and_both_show_what_is_there(
    session: Session, cast: Cast, clock: StandingClock
) -> None:
    student = cast.students_a[0]
    await enter(session, cast.teacher, clock, a_write(cast, student, level="division"))
    (again,) = await enter(session, cast.mentor, clock, a_write(cast, student, level="beginner"))
    assert (again.code, again.current and again.current.level) == ("conflict", "division")
    await enter(session, cast.teacher, clock, a_write(cast, student, level="subtraction", version=1))
    (stale,) = await enter(session, cast.teacher, clock, a_write(cast, student, level="beginner", version=1))
    assert (stale.code, stale.current and (stale.current.level, stale.current.version)) == (
        "stale",
        ("subtraction", 2),
    )
    (gone,) = await enter(session, cast.teacher, clock, a_write(cast, cast.students_a[1], version=3))
    assert (gone.code, gone.current) == ("stale", None)


@pytest.mark.parametrize(
    ("name", "own_math", "other_language"),
    [
        ("admin", "saved", "saved"),
        ("coordinator", "saved", "saved"),
        ("mentor", "saved", "not_found"),
        ("teacher", "saved", "not_found"),
        ("mentor_elsewhere", "not_found", "saved"),
        ("teacher_elsewhere", "not_found", "saved"),
        ("stranger", "not_found", "not_found"),
    ],
)
async def test_everybody_writes_where_they_are_assigned_and_nowhere_else(
    session: Session, cast: Cast, clock: StandingClock, name: str, own_math: str, other_language: str
) -> None:
    actor: Actor = getattr(cast, name)
    language = a_write(cast, cast.students_b[0], subject="language", level="story")
    answers = await enter(session, actor, clock, a_write(cast, cast.students_a[0]), language)
    assert [answer.code for answer in answers] == [own_math, other_language]


async def test_another_subject_of_the_same_school_is_out_of_scope(
    session: Session, cast: Cast, clock: StandingClock
) -> None:
    (answer,) = await enter(
        session, cast.teacher_elsewhere, clock, a_write(cast, cast.students_b[0], subject="math")
    )
    assert answer.code == "out_of_scope"
    with pytest.raises(OutOfScope):
        await class_sheet(
            session,
            cast.teacher_elsewhere,
            PageRequest(),
            school_id=cast.school_b,
            round_id=cast.round,
            subject="math",
        )
    with pytest.raises(Forbidden):
        await enter(session, cast.viewer, clock, a_write(cast, cast.students_b[0]))


async def test_what_is_wrong_with_a_write_is_named_and_holds_up_no_other(
    session: Session, cast: Cast, clock: StandingClock
) -> None:
    wrong = a_write(
        cast, "x", subject="physics", outcome="slept", level="genius", tool=9, notes="n" * 501, method="magic"
    )
    no_level = a_write(cast, cast.students_a[1], level=None)
    absent_with_level = a_write(cast, cast.students_a[2], outcome="absent")
    answers = await enter(
        session, cast.teacher, clock, wrong, no_level, absent_with_level, a_write(cast, cast.students_a[0])
    )
    assert [answer.code for answer in answers] == ["invalid", "invalid", "invalid", "saved"]
    assert {fault.field for fault in answers[0].faults} == {
        "student_id",
        "subject",
        "outcome",
        "level",
        "tool",
        "notes",
        "method",
    }
    assert "subtraction" in answers[1].faults[0].rule


async def test_a_batch_has_a_bound_and_no_write_twice(
    session: Session, cast: Cast, clock: StandingClock
) -> None:
    for writes in (
        [],
        [a_write(cast, cast.students_a[0])] * 2,
        [a_write(cast, str(uuid4())) for _ in range(201)],
    ):
        with pytest.raises(Invalid):
            await enter_results(session, cast.teacher, writes, clock)
    one, two = a_write(cast, cast.students_a[0]), a_write(cast, cast.students_a[0])
    with pytest.raises(Invalid):
        await enter_results(session, cast.teacher, [one, two], clock)


async def test_days_to_come_and_days_outside_the_round_are_refused(
    session: Session, cast: Cast, clock: StandingClock
) -> None:
    answers = await enter(
        session,
        cast.teacher,
        clock,
        a_write(cast, cast.students_a[0], tested_on=TODAY + timedelta(days=1)),
        a_write(cast, cast.students_a[1], tested_on=date(2026, 10, 31)),
        a_write(cast, cast.students_a[2], tested_on=date(2026, 11, 1)),
    )
    assert [answer.code for answer in answers] == ["date_in_future", "date_outside_round", "saved"]
    missing = msgspec.structs.replace(a_write(cast, cast.students_a[3]), round_id=999)
    assert (await enter(session, cast.teacher, clock, missing))[0].code == "no_round"


async def test_a_closed_round_takes_nothing_but_from_a_coordinator_with_a_reason(
    session: Session, cast: Cast, clock: StandingClock
) -> None:
    await set_round_state(
        session, cast.coordinator, cast.round, version=1, state="closed", clock=StandingClock(NOW)
    )
    student = cast.students_a[0]
    assert (await enter(session, cast.teacher, clock, a_write(cast, student)))[0].code == "round_not_open"
    assert (await enter(session, cast.teacher, clock, a_write(cast, student, reason="please")))[
        0
    ].code == "round_not_open"
    assert (await enter(session, cast.coordinator, clock, a_write(cast, student)))[0].code == "round_not_open"
    assert (
        await enter(session, cast.coordinator, clock, a_write(cast, student, reason="paper sheet found"))
    )[0].code == "saved"
    assert "round_not_open" in await session.fetch_value(QUERIES["audit"], {})


async def test_a_locked_school_takes_nothing_until_it_is_unlocked(
    session: Session, cast: Cast, clock: StandingClock
) -> None:
    await lock_school(
        session, cast.coordinator, cast.round, cast.school_a, reason="under review", clock=clock
    )
    assert (await enter(session, cast.teacher, clock, a_write(cast, cast.students_a[0])))[
        0
    ].code == "school_locked"
    language = a_write(cast, cast.students_b[0], subject="language", level="word")
    assert (await enter(session, cast.teacher_elsewhere, clock, language))[0].code == "saved"
    await unlock_school(session, cast.coordinator, cast.round, cast.school_a, reason="reviewed")
    assert (await enter(session, cast.teacher, clock, a_write(cast, cast.students_a[0])))[0].code == "saved"


@pytest.mark.parametrize(("how", "code"), [("verify", "verified"), ("lock", "result_locked")])
async def test_a_verified_or_locked_result_stays(
    session: Session, cast: Cast, clock: StandingClock, how: str, code: str
) -> None:
    write = a_write(cast, cast.students_a[0])
    await enter(session, cast.teacher, clock, write)
    await session.execute(QUERIES[how], {"id": write.id})
    (answer,) = await enter(
        session, cast.teacher, clock, a_write(cast, cast.students_a[0], version=1, level="beginner")
    )
    assert answer.code == code
    with pytest.raises(ResultHeld):
        await delete_result(session, cast.teacher, write.id, version=1, reason="", clock=clock)
    (override,) = await enter(
        session,
        cast.coordinator,
        clock,
        a_write(cast, cast.students_a[0], version=1, level="beginner", reason="wrong child"),
    )
    assert override.code == "changed"


async def test_a_mentor_changes_only_their_own_entries_and_deletes_none(
    session: Session, cast: Cast, clock: StandingClock
) -> None:
    first, second = a_write(cast, cast.students_a[0]), a_write(cast, cast.students_a[1])
    await enter(session, cast.teacher, clock, first)
    await enter(session, cast.mentor, clock, second)
    answers = await enter(
        session,
        cast.mentor,
        clock,
        a_write(cast, cast.students_a[0], version=1, level="beginner"),
        a_write(cast, cast.students_a[1], version=1, level="beginner"),
    )
    assert [answer.code for answer in answers] == ["not_yours", "changed"]
    with pytest.raises(Forbidden):
        await delete_result(session, cast.mentor, second.id, version=2, reason="", clock=clock)


async def test_a_child_that_left_is_not_tested_after_that_day(
    session: Session, cast: Cast, clock: StandingClock
) -> None:
    student = cast.students_a[0]
    await mark_left(
        session,
        cast.teacher,
        student,
        version=1,
        left_on=date(2026, 11, 10),
        reason="moved away",
        clock=clock,
    )
    late, early = a_write(cast, student), a_write(cast, student, tested_on=date(2026, 11, 9))
    assert [answer.code for answer in await enter(session, cast.teacher, clock, late)] == ["student_left"]
    assert [answer.code for answer in await enter(session, cast.teacher, clock, early)] == ["saved"]


async def test_a_midline_without_a_baseline_is_saved_with_a_warning(
    session: Session, cast: Cast, clock: StandingClock
) -> None:
    await session.execute(QUERIES["move_round"], {"id": cast.round})
    (answer,) = await enter(session, cast.teacher, clock, a_write(cast, cast.students_a[0]))
    assert (answer.code, answer.warnings) == ("saved", ["no_baseline"])


async def test_a_class_sheet_has_every_child_once_in_order(
    session: Session, cast: Cast, clock: StandingClock
) -> None:
    await enter(
        session,
        cast.teacher,
        clock,
        a_write(cast, cast.students_a[3], level="division"),
        a_write(cast, cast.students_a[0], outcome="absent", level=None),
    )
    seen: list[tuple[str, str | None, str | None]] = []
    after: str | None = None
    while True:
        page = await class_sheet(
            session,
            cast.teacher,
            PageRequest(2, after),
            school_id=cast.school_a,
            round_id=cast.round,
            subject="math",
        )
        seen += [(row.student_id, row.outcome, row.level) for row in page.items]
        after = page.next
        if after is None:
            break
    assert [each[0] for each in seen] == cast.students_a
    assert (seen[0][1:], seen[3][1:], seen[1][1:]) == (
        ("absent", None),
        ("assessed", "division"),
        (None, None),
    )
    one_class = await class_sheet(
        session,
        cast.teacher,
        PageRequest(),
        school_id=cast.school_a,
        round_id=cast.round,
        subject="math",
        class_id=cast.class_3a,
    )
    assert [row.student_id for row in one_class.items] == cast.students_a[:3]


async def test_history_keeps_what_was_and_what_became(
    session: Session, cast: Cast, clock: StandingClock
) -> None:
    write = a_write(cast, cast.students_a[0], level="beginner")
    await enter(session, cast.teacher, clock, write)
    await enter(session, cast.teacher, clock, a_write(cast, cast.students_a[0], level="division", version=1))
    with pytest.raises(Stale):
        await delete_result(session, cast.teacher, write.id, version=1, reason="", clock=clock)
    await delete_result(session, cast.teacher, write.id, version=2, reason="other child", clock=clock)
    changes = (await history_of_student(session, cast.teacher, cast.students_a[0], PageRequest())).items
    assert [
        (each.version, each.before.get("level"), each.after.get("level"))
        for each in sorted(changes, key=lambda each: each.version)
    ] == [
        (2, "beginner", "division"),
        (3, "division", None),
    ]
    with pytest.raises(NotFound):
        await read_result(session, cast.teacher, write.id)
    (answer,) = await enter(session, cast.teacher, clock, a_write(cast, cast.students_a[0]))
    assert answer.code == "saved"


async def test_a_removed_child_takes_its_results_out_of_the_figures_and_back(
    session: Session, cast: Cast, clock: StandingClock
) -> None:
    await enter(session, cast.teacher, clock, *(a_write(cast, student) for student in cast.students_a))
    assert (await reconcile(session)).different == 0
    await delete_student(session, cast.teacher, cast.students_a[0], reason="twice", clock=clock)
    assert (await reconcile(session)).different == 0
    await restore_student(session, cast.teacher, cast.students_a[0])
    found = await reconcile(session)
    assert (found.different, found.compared > 0) == (0, True)
    assert not (await read_student(session, cast.teacher, cast.students_a[0])).is_deleted


async def test_reconcile_finds_a_wrong_count_and_repairs_it(
    session: Session, cast: Cast, clock: StandingClock
) -> None:
    await enter(session, cast.teacher, clock, *(a_write(cast, student) for student in cast.students_a))
    await session.execute(QUERIES["spoil"], {})
    found = await reconcile(session)
    assert found.different >= 1
    assert "rows say" in found.differences[0]
    assert (await reconcile(session, repair=True)).is_repaired
    assert (await reconcile(session)).different == 0


class Town:
    """A committed cast on a database of its own, with as many connections as devices."""

    def __init__(self, database: Database, cast: Cast) -> None:
        self.database = database
        self.cast = cast
        self.clock = StandingClock(NOW)

    async def send(self, actor: Actor, *writes: ResultWrite) -> list[ResultAnswer]:
        return await self.database.run(
            lambda session: enter_results(session, actor, writes, self.clock), deadline_s=20
        )

    async def count(self) -> int:
        async with self.database.read(deadline_s=5) as session:
            return await session.fetch_value(QUERIES["all"], {})

    async def differences(self) -> int:
        async with self.database.read(deadline_s=5) as session:
            return (await reconcile(session)).different


@pytest.fixture
async def town(new_database: Callable[[], OneDatabase]) -> AsyncIterator[Town]:
    async with Database(new_database().conninfo, limits=Limits(connections=8)) as database:
        async with database.transaction(deadline_s=10) as session:
            cast = await make_cast(session)
        yield Town(database, cast)


async def test_parallel_repeats_of_one_write_give_one_row_and_the_same_answer(town: Town) -> None:
    write = a_write(town.cast, town.cast.students_a[0])
    answers = await asyncio.gather(*(town.send(town.cast.teacher, write) for _ in range(16)))
    assert len({msgspec.json.encode(answer) for answer in answers}) == 1
    assert answers[0][0].code == "saved"
    change = a_write(town.cast, town.cast.students_a[0], level="division", version=1)
    answers = await asyncio.gather(*(town.send(town.cast.teacher, change) for _ in range(16)))
    assert len({msgspec.json.encode(answer) for answer in answers}) == 1
    assert answers[0][0].code == "changed"
    assert (await town.count(), await town.differences()) == (1, 0)


async def test_two_people_at_the_same_child_are_told_of_each_other(town: Town) -> None:
    one, two = (
        a_write(town.cast, town.cast.students_a[0], level="beginner"),
        a_write(town.cast, town.cast.students_a[0], level="division"),
    )
    answers = await asyncio.gather(town.send(town.cast.teacher, one), town.send(town.cast.mentor, two))
    assert sorted(answer[0].code for answer in answers) == ["conflict", "saved"]
    assert await town.count() == 1


@pytest.mark.parametrize("seed", range(3))
async def test_sixteen_devices_in_any_order_leave_exact_counts(town: Town, seed: int) -> None:
    chance = random.Random(seed)
    cast, levels = town.cast, ("beginner", "number_1digit", "number_2digit", "subtraction", "division")

    async def device(actor: Actor) -> None:
        for _ in range(12):
            picked = chance.sample([*cast.students_a, *cast.students_b], chance.randint(1, 6))
            writes = [
                a_write(
                    cast, student, level=chance.choice(levels), version=chance.choice([None, None, 1, 2, 3])
                )
                for student in picked
            ]
            answers = await town.send(actor, *writes)
            assert {answer.code for answer in answers} <= {"saved", "changed", "conflict", "stale"}

    await asyncio.gather(*(device(cast.coordinator) for _ in range(16)))
    assert 0 < await town.count() <= 8
    assert await town.differences() == 0
