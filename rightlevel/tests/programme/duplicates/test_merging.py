"""Two records made one, and two again: nothing lost, nothing doubled, every figure exact."""

from collections.abc import AsyncIterator
from datetime import date
from typing import Any
from uuid import uuid4

import pytest
from people import NOW, Cast

from flatwater.clock import StandingClock
from flatwater.paging import PageRequest
from flatwater.queries import read_queries
from flatwater.transaction import Session
from rightlevel.operations.reconcile import reconcile
from rightlevel.programme.duplicates import (
    Merge,
    Merged,
    dismiss_duplicates,
    find_duplicates,
    list_merges,
    merge_duplicates,
    undo_merge_of_duplicates,
)
from rightlevel.programme.duplicates.actions import (
    CannotUndoMerge,
    MergeAlreadyUndone,
    MergeHeld,
    MergeOfFrozen,
    NotMergeable,
)
from rightlevel.programme.enrolments import Transfer, transfer_student
from rightlevel.programme.errors import Forbidden, Invalid, NotFound, Stale
from rightlevel.programme.permissions import Actor
from rightlevel.programme.results import ResultWrite, enter_results
from rightlevel.programme.students import delete_student, read_student, restore_student

pytestmark = pytest.mark.anyio
CLOCK = StandingClock(NOW)
TODAY = NOW.date()

QUERIES = read_queries(
    """
-- name: everything
-- Every row that hangs on two children, as text, but for the version and time of the record itself.
select array(
    select x.line from (
        select 'student ' || (to_jsonb(s) - 'version' - 'changed_at')::text as line from student s where s.id = any(%(ids)s::uuid[])
        union all select 'result ' || (to_jsonb(r) - 'changed_at')::text from result r where r.student_id = any(%(ids)s::uuid[])
        union all select 'past ' || to_jsonb(p)::text from past_enrolment p where p.student_id = any(%(ids)s::uuid[])
        union all select 'member ' || to_jsonb(m)::text from group_member m where m.student_id = any(%(ids)s::uuid[])
        union all select 'attendance ' || to_jsonb(a)::text from attendance a where a.student_id = any(%(ids)s::uuid[])
        union all select 'check ' || to_jsonb(c)::text from level_check c where c.student_id = any(%(ids)s::uuid[])
        union all select 'verification ' || (to_jsonb(v) - 'version')::text from verification v
            where v.result_id in (select r.id from result r where r.student_id = any(%(ids)s::uuid[]))
        union all select 'enrolment ' || to_jsonb(e)::text from intervention_enrolment e where e.student_id = any(%(ids)s::uuid[])
    ) x order by x.line) as rows
-- name: lives
-- What both did between rounds: two groups, a session, quick re-tests, a programme, a year before.
with g as (
    insert into grouping (school_id, subject, grade_from, grade_to, bands, target_size, state, made_at, made_by, accepted_at, accepted_by)
    values (%(school)s, 'math', 3, 5, '[[1]]', 20, 'accepted', %(now)s, %(by)s, %(now)s, %(by)s) returning id
), t as (
    insert into teaching_group (grouping_id, band, number) select id, 1, n from g cross join generate_series(1, 2) n returning id, number
), m as (
    insert into group_member (group_id, student_id, subject, joined_at)
    select t.id, case t.number when 1 then %(kept)s else %(gone)s end::uuid, 'math', %(now)s from t
), s as (
    insert into teaching_session (id, write_id, group_id, school_id, subject, held_on, minutes, created_at, created_by, changed_at)
    select gen_random_uuid(), gen_random_uuid(), t.id, %(school)s, 'math', '2026-11-16'::date + t.number, 60, %(now)s, %(by)s, %(now)s from t returning id, held_on
), a as (
    insert into attendance (session_id, student_id, presence)
    select s.id, each.id::uuid, 'present' from s cross join (values (%(kept)s), (%(gone)s)) each (id) where s.held_on = '2026-11-17' or each.id = %(gone)s
), c as (
    insert into level_check (id, student_id, school_id, subject, rank, checked_on, person_id)
    values (gen_random_uuid(), %(kept)s::uuid, %(school)s, 'math', 2, '2026-11-18', %(by)s), (gen_random_uuid(), %(gone)s::uuid, %(school)s, 'math', 3, '2026-11-18', %(by)s),
        (gen_random_uuid(), %(gone)s::uuid, %(school)s, 'math', 4, '2026-11-19', %(by)s)
), i as (
    insert into intervention (name, starts_on, created_at, created_by) values ('Camp', '2026-06-01', %(now)s, %(by)s) returning id
), e as (
    insert into intervention_enrolment (id, intervention_id, student_id, school_id, from_on, created_at, created_by)
    select gen_random_uuid(), i.id, each.id::uuid, %(school)s, '2026-11-01', %(now)s, %(by)s from i cross join (values (%(kept)s), (%(gone)s)) each (id)
)
insert into past_enrolment (student_id, school_id, school_year_id, grade, sex, until_on, reason)
values (%(gone)s::uuid, %(school)s, %(year)s, 3, 1, '2026-03-01', 'transfer')
-- name: lock
-- Locks a child's results.
update result set locked_at = now(), lock_reason = 'x' where student_id = %(id)s::uuid
-- name: verified
-- Says that a child's result is verified.
update result set is_verified = true where student_id = %(id)s::uuid and subject = 'math'
-- name: freeze
-- Freezes the round.
with made as (insert into round_snapshot (round_id, frozen_at, frozen_by, sealed_at) values (%(round)s, now(), %(by)s, now()))
update round set state = 'frozen' where id = %(round)s
-- name: taken
-- Gives another child the code of the one that went.
update student set code = %(code)s where id = %(id)s::uuid
""",
    origin="test_merging.py",
)


class Two:
    """Two records of one child, and a third."""

    def __init__(self, session: Session, cast: Cast) -> None:
        self.session, self.cast = session, cast
        self.kept, self.gone, self.third = cast.students_a[0], cast.students_a[1], cast.students_a[2]

    async def everything(self) -> list[str]:
        values = {"ids": [self.kept, self.gone]}
        return sorted(await self.session.fetch_value(QUERIES["everything"], values))

    async def enter(self, student: str, subject: str, level: str, on: date = TODAY) -> None:
        write = ResultWrite(str(uuid4()), student, self.cast.round, subject, on, level=level)
        answers = await enter_results(self.session, self.cast.coordinator, [write], CLOCK)
        assert answers[0].code == "saved", answers

    async def merge(self, actor: Actor | None = None, **more: Any) -> Merged:
        kept = await read_student(self.session, self.cast.coordinator, self.kept)
        gone = await read_student(self.session, self.cast.coordinator, self.gone)
        values = {
            "kept_version": kept.version,
            "gone_version": gone.version,
            "reason": "Entered twice",
            **more,
        }
        return await merge_duplicates(
            self.session,
            actor or self.cast.coordinator,
            Merge(kept_id=self.kept, gone_id=self.gone, **values),
            CLOCK,
        )

    async def levels(self, student: str) -> dict[str, str]:
        from rightlevel.programme.results import results_of_student

        found = await results_of_student(self.session, self.cast.coordinator, student, PageRequest())
        return {each.subject: each.level or each.outcome for each in found.items}


@pytest.fixture
async def two(session: Session, cast: Cast) -> AsyncIterator[Two]:
    yield Two(session, cast)
    assert (await reconcile(session)).different == 0


async def full(two: Two) -> None:
    cast = two.cast
    await two.enter(two.kept, "math", "subtraction", date(2026, 11, 10))
    await two.enter(two.gone, "math", "division", date(2026, 11, 12))
    await two.enter(two.gone, "language", "story")
    values = {
        "school": cast.school_a,
        "kept": two.kept,
        "gone": two.gone,
        "now": NOW,
        "by": cast.coordinator.person_id,
        "year": cast.school_year,
    }
    await two.session.execute(QUERIES["lives"], values)


async def test_merging_keeps_both_histories_and_can_be_undone_to_the_last_row(two: Two) -> None:
    await full(two)
    before = await two.everything()
    merged = await two.merge()
    assert (merged.results, merged.set_aside) == (1, 1)
    assert await two.levels(two.kept) == {"math": "division", "language": "story"}
    gone = await read_student(two.session, two.cast.coordinator, two.gone)
    assert (gone.is_deleted, gone.merged_into) == (True, two.kept)
    assert (await reconcile(two.session)).different == 0
    after = await two.everything()
    assert len(after) == len(before)
    assert sum(f'"student_id": "{two.gone}"' in line for line in after) < sum(
        f'"student_id": "{two.gone}"' in line for line in before
    )
    undone = await undo_merge_of_duplicates(
        two.session, two.cast.coordinator, merged.id, reason="They are two", clock=CLOCK
    )
    assert undone.undone_at is not None
    assert await two.everything() == before
    with pytest.raises(MergeAlreadyUndone):
        await undo_merge_of_duplicates(
            two.session, two.cast.coordinator, merged.id, reason="Again", clock=CLOCK
        )


@pytest.mark.parametrize(
    ("first", "second", "verified", "stands"),
    [
        (("subtraction", 10), ("division", 12), "", "division"),
        (("subtraction", 12), ("division", 10), "", "subtraction"),
        (("subtraction", 10), ("division", 12), "kept", "subtraction"),
        (("subtraction", 12), ("division", 10), "gone", "division"),
    ],
)
async def test_of_two_results_the_verified_one_stands_else_the_later(
    two: Two, first: tuple[str, int], second: tuple[str, int], verified: str, stands: str
) -> None:
    await two.enter(two.kept, "math", first[0], date(2026, 11, first[1]))
    await two.enter(two.gone, "math", second[0], date(2026, 11, second[1]))
    if verified:
        await two.session.execute(QUERIES["verified"], {"id": two.kept if verified == "kept" else two.gone})
    before = await two.everything()
    merged = await two.merge()
    assert await two.levels(two.kept) == {"math": stands}
    await undo_merge_of_duplicates(
        two.session, two.cast.coordinator, merged.id, reason="They are two", clock=CLOCK
    )
    assert await two.everything() == before


async def test_locked_results_hold_a_merge_and_its_undoing(two: Two) -> None:
    await two.enter(two.gone, "math", "division")
    await two.session.execute(QUERIES["lock"], {"id": two.gone})
    with pytest.raises(MergeHeld):
        await two.merge()


async def test_a_lock_by_hand_holds_also_what_is_verified_and_verification_alone_holds_nothing(
    two: Two,
) -> None:
    await two.enter(two.gone, "math", "division")
    await two.session.execute(QUERIES["verified"], {"id": two.gone})
    with pytest.raises(MergeHeld):
        async with two.session.savepoint():
            await two.session.execute(QUERIES["lock"], {"id": two.gone})
            await two.merge()
    merged = await two.merge()
    await two.session.execute(QUERIES["lock"], {"id": two.kept})
    with pytest.raises(MergeHeld):
        await undo_merge_of_duplicates(
            two.session, two.cast.coordinator, merged.id, reason="They are two", clock=CLOCK
        )


async def test_a_merge_that_was_done_is_not_undone_through_a_lock(two: Two) -> None:
    await two.enter(two.gone, "math", "division")
    merged = await two.merge()
    await two.session.execute(QUERIES["lock"], {"id": two.kept})
    with pytest.raises(MergeHeld):
        await undo_merge_of_duplicates(
            two.session, two.cast.coordinator, merged.id, reason="They are two", clock=CLOCK
        )


async def test_a_frozen_round_is_amended_by_a_coordinator_alone(two: Two) -> None:
    await full(two)
    before = await two.everything()
    await two.session.execute(
        QUERIES["freeze"], {"round": two.cast.round, "by": two.cast.coordinator.person_id}
    )
    with pytest.raises(MergeOfFrozen):
        await two.merge(two.cast.mentor)
    merged = await two.merge()
    assert await two.levels(two.kept) == {"math": "division", "language": "story"}
    await undo_merge_of_duplicates(
        two.session, two.cast.coordinator, merged.id, reason="They are two", clock=CLOCK
    )
    assert await two.everything() == before


async def test_who_may_merge_and_what_can_not_be_merged_is_said(two: Two) -> None:
    for actor in (two.cast.teacher, two.cast.viewer):
        with pytest.raises(Forbidden):
            await two.merge(actor)
    with pytest.raises((Forbidden, NotFound)):
        await two.merge(two.cast.mentor_elsewhere)
    with pytest.raises(Invalid):
        await two.merge(reason=" ")
    with pytest.raises(Stale):
        await two.merge(gone_version=99)
    two.gone, gone = two.kept, two.gone
    with pytest.raises(NotMergeable):
        await two.merge()
    two.gone = gone
    await delete_student(two.session, two.cast.coordinator, two.gone, reason="By mistake", clock=CLOCK)
    with pytest.raises(NotFound):
        await two.merge(gone_version=2)


async def test_a_record_that_went_comes_back_by_undoing_alone(two: Two) -> None:
    merged = await two.merge()
    with pytest.raises(Exception, match=r".*") as told:
        async with two.session.savepoint():
            await restore_student(two.session, two.cast.coordinator, two.gone)
    assert told.type.__name__ in ("NotFound", "Stale", "Conflict", "MergedAway")
    assert (await list_merges(two.session, two.cast.coordinator, two.cast.school_a, PageRequest())).items[
        0
    ].id == merged.id


async def test_what_stands_in_the_way_of_undoing_is_said(two: Two) -> None:
    code = (await read_student(two.session, two.cast.coordinator, two.gone)).code
    merged = await two.merge()
    await two.session.execute(QUERIES["taken"], {"code": code, "id": two.third})
    with pytest.raises(CannotUndoMerge):
        await undo_merge_of_duplicates(
            two.session, two.cast.coordinator, merged.id, reason="They are two", clock=CLOCK
        )


async def test_of_several_merges_into_one_child_the_last_is_taken_back_first(two: Two) -> None:
    await two.enter(two.kept, "math", "subtraction", date(2026, 11, 10))
    await two.enter(two.gone, "math", "division", date(2026, 11, 12))
    await two.enter(two.third, "math", "beginner", date(2026, 11, 14))
    before = await two.everything()
    first = await two.merge()
    two.gone, gone = two.third, two.gone
    last = await two.merge()
    two.gone = gone
    with pytest.raises(CannotUndoMerge) as told:
        await undo_merge_of_duplicates(
            two.session, two.cast.coordinator, first.id, reason="They are two", clock=CLOCK
        )
    assert "take that back first" in told.value.faults[0].rule
    for each in (last, first):
        await undo_merge_of_duplicates(
            two.session, two.cast.coordinator, each.id, reason="They are two", clock=CLOCK
        )
    assert await two.everything() == before
    assert await two.levels(two.third) == {"math": "beginner"}


async def test_a_child_that_went_elsewhere_after_a_merge_was_taken_back_is_named_to_nobody_of_the_school(
    two: Two,
) -> None:
    merged = await two.merge()
    await undo_merge_of_duplicates(
        two.session, two.cast.coordinator, merged.id, reason="They are two", clock=CLOCK
    )
    listed = await list_merges(two.session, two.cast.mentor, two.cast.school_a, PageRequest())
    assert [each.gone_id for each in listed.items] == [two.gone]
    gone = await read_student(two.session, two.cast.coordinator, two.gone)
    move = Transfer(gone.version, two.cast.school_b, gone.grade, TODAY, "moved scene")
    await transfer_student(two.session, two.cast.coordinator, two.gone, move, CLOCK)
    listed = await list_merges(two.session, two.cast.mentor, two.cast.school_a, PageRequest())
    assert listed.items == []


async def test_a_pair_that_was_said_to_be_two_is_not_shown_again(two: Two, session: Session) -> None:
    rename = read_queries(
        "-- name: n\n-- Names a child.\nupdate student set name = %(name)s, name_key = lower(%(name)s), sex = 1 where id = %(id)s::uuid",
        origin="x",
    )["n"]
    for student, name in ((two.kept, "Sok Bopha"), (two.gone, "Bopha Sok")):
        await session.execute(rename, {"name": name, "id": student})
    found = await find_duplicates(session, two.cast.mentor, two.cast.school_a, CLOCK)
    assert {two.kept, two.gone} in [{each.first.id, each.second.id} for each in found.pairs]
    with pytest.raises(NotFound):
        await find_duplicates(session, two.cast.mentor_elsewhere, two.cast.school_a, CLOCK)
    await dismiss_duplicates(session, two.cast.mentor, two.kept, two.gone, CLOCK)
    found = await find_duplicates(session, two.cast.mentor, two.cast.school_a, CLOCK)
    assert {two.kept, two.gone} not in [{each.first.id, each.second.id} for each in found.pairs]
