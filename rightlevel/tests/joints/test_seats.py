"""The past stays the past: who a round is measured by, where late results go, what sheets, figures and lists say of it."""

from __future__ import annotations

import asyncio
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
    PastAmendment,
    RollOverPlan,
    RollOverStands,
    RoundIsOpen,
    Transfer,
    amend_past_enrolment,
    preview_roll_over,
    roll_over_school,
    transfer_student,
    undo_roll_over,
)
from rightlevel.programme.errors import Forbidden, Invalid, NotFound, RoundSealing, Stale
from rightlevel.programme.figures import (
    BehindQuery,
    FigureQuery,
    Figures,
    children_behind,
    figures_below,
    read_breakdown,
    read_figures,
)
from rightlevel.programme.permissions import Actor
from rightlevel.programme.progress import class_progress
from rightlevel.programme.results import ResultWrite, SheetRow, class_sheet, enter_results
from rightlevel.programme.rounds import (
    check_snapshot,
    list_amendments,
    read_round,
    seal_round,
    seal_some_schools,
    set_round_state,
)
from rightlevel.programme.schools import YearChange, change_year, list_schools
from rightlevel.programme.students import (
    NewStudent,
    StudentSearch,
    children_by_year,
    count_students,
    create_student,
    delete_student,
    list_past_enrolments,
    list_students,
    mark_left,
    mark_returned,
    read_student,
    restore_student,
)

pytestmark = pytest.mark.anyio
TODAY = NOW.date()
REASON = "the paper sheet was found"

QUERIES = read_queries(
    """
-- name: next_year
-- Makes the year after the cast's.
insert into school_year (name, starts_on, ends_on) values ('2027', '2027-01-01', '2027-12-31') returning id
-- name: round
-- Makes a planned round.
insert into round (school_year_id, kind, starts_on, ends_on) values (%(year)s, %(kind)s::round_kind, %(starts)s, %(ends)s) returning id
-- name: correct
-- Corrects a child's grade, class or sex, and no more.
update student set grade = coalesce(%(grade)s, grade), sex = coalesce(%(sex)s, sex), class_id = %(class)s where id = %(id)s::uuid
-- name: cell
-- Where a child's results of a round count.
select string_agg(format('%%s %%s %%s %%s %%s', subject, school_id, coalesce(class_id::text, '-'), grade, sex), ', ' order by subject)
from result where student_id = %(id)s::uuid and round_id = %(round)s and deleted_at is null
-- name: audited
-- What the activity says of amending a child.
select after::text || reason from audit_entry where action = 'amend' and resource = 'student' and resource_id = %(id)s
""",
    origin="test_seats.py",
)


@pytest.fixture
async def next_year(session: Session, cast: Cast) -> int:
    return await session.fetch_value(QUERIES["next_year"], {})


async def a_round(session: Session, year: int, kind: str, starts: str, ends: str) -> int:
    return await session.fetch_value(
        QUERIES["round"], {"year": year, "kind": kind, "starts": starts, "ends": ends}
    )


async def turn(session: Session, cast: Cast, round_id: int, state: str, clock: StandingClock) -> None:
    version = (await read_round(session, cast.admin, round_id)).version
    await set_round_state(
        session, cast.admin, round_id, version=version, state=state, clock=clock, reason="told"
    )
    if state == "frozen":
        last = 0
        while last := await seal_some_schools(session, round_id, after_id=last):
            pass
        assert await seal_round(session, round_id, clock)


async def enter(session: Session, actor: Actor, round_id: int, *students: str, **more: Any) -> list[str]:
    values = {"subject": "math", "level": "subtraction", "tested_on": TODAY, "reason": REASON, **more}
    writes = [ResultWrite(str(uuid4()), each, round_id, **values) for each in students]
    return [each.code for each in await enter_results(session, actor, writes, StandingClock(NOW))]


async def at(session: Session, cast: Cast, round_id: int, school: int, **more: Any) -> Figures:
    return await read_figures(
        session, cast.coordinator, FigureQuery(round_id, "math", school_id=school, **more)
    )


async def sheet(session: Session, actor: Actor, round_id: int, school: int, **more: Any) -> list[SheetRow]:
    page = await class_sheet(
        session, actor, PageRequest(100), school_id=school, round_id=round_id, subject="math", **more
    )
    return page.items


async def cell(session: Session, student: str, round_id: int) -> str | None:
    return await session.fetch_value(QUERIES["cell"], {"id": student, "round": round_id})


async def assert_exact(session: Session) -> None:
    found = await reconcile(session)
    assert (found.different, found.differences) == (0, [])


async def move(session: Session, cast: Cast, student: str, school: int, clock: StandingClock) -> None:
    child = await read_student(session, cast.coordinator, student)
    to = Transfer(child.version, school, child.grade, TODAY, "moved scene")
    await transfer_student(session, cast.coordinator, student, to, clock)


async def leave(session: Session, cast: Cast, student: str, clock: StandingClock) -> None:
    child = await read_student(session, cast.coordinator, student)
    await mark_left(
        session, cast.coordinator, student, version=child.version, left_on=TODAY, reason="gone", clock=clock
    )


# Denominators -------------------------------------------------------------------------------------------


async def test_a_frozen_rounds_denominator_stays_whoever_leaves_moves_or_is_corrected(
    session: Session, cast: Cast, clock: StandingClock
) -> None:
    a, b, c, d, e = cast.students_a
    await enter(session, cast.coordinator, cast.round, a, b, c)
    await enter(session, cast.coordinator, cast.round, d, outcome="absent", level=None)
    await turn(session, cast, cast.round, "closed", clock)
    await turn(session, cast, cast.round, "frozen", clock)
    before = [
        await at(session, cast, cast.round, cast.school_a),
        await at(session, cast, cast.round, cast.school_a, grade=3, sex=1),
        await read_figures(session, cast.coordinator, FigureQuery(cast.round, "math")),
        await read_breakdown(session, cast.coordinator, FigureQuery(cast.round, "math"), by="sexes"),
        (
            await figures_below(
                session, cast.coordinator, FigureQuery(cast.round, "math", cast.district_1), PageRequest()
            )
        ).items,
        await sheet(session, cast.coordinator, cast.round, cast.school_a),
        await class_progress(session, cast.coordinator, [cast.school_a], cast.round),
    ]
    assert (before[0].enrolled, before[0].assessed, before[0].absent, before[0].to_do) == (5, 3, 1, 1)  # type: ignore[union-attr]
    for each in (a, d):
        await leave(session, cast, each, clock)
    await move(session, cast, b, cast.school_b, clock)
    for child, grade, sex in ((c, 4, None), (e, None, 2)):
        values = {"id": child, "grade": grade, "sex": sex, "class": None}
        await session.execute(QUERIES["correct"], values)
    after = [
        await at(session, cast, cast.round, cast.school_a),
        await at(session, cast, cast.round, cast.school_a, grade=3, sex=1),
        await read_figures(session, cast.coordinator, FigureQuery(cast.round, "math")),
        await read_breakdown(session, cast.coordinator, FigureQuery(cast.round, "math"), by="sexes"),
        (
            await figures_below(
                session, cast.coordinator, FigureQuery(cast.round, "math", cast.district_1), PageRequest()
            )
        ).items,
        await sheet(session, cast.coordinator, cast.round, cast.school_a),
        await class_progress(session, cast.coordinator, [cast.school_a], cast.round),
    ]
    assert after == before
    assert (await check_snapshot(session, cast.round)).is_rebuilt
    await assert_exact(session)


async def test_a_round_that_is_not_fixed_goes_by_who_is_there_now_and_never_beyond_all_of_them(
    session: Session, cast: Cast, clock: StandingClock
) -> None:
    await enter(session, cast.coordinator, cast.round, *cast.students_a)
    await move(session, cast, cast.students_a[0], cast.school_b, clock)
    await leave(session, cast, cast.students_a[1], clock)
    for school, enrolled, assessed in ((cast.school_a, 5, 5), (cast.school_b, 3, 0)):
        found = await at(session, cast, cast.round, school)
        assert (found.enrolled, found.assessed) == (enrolled, assessed)
        assert found.coverage is not None
        assert found.coverage <= 1
    await leave(session, cast, cast.students_b[0], clock)
    assert (await at(session, cast, cast.round, cast.school_b)).enrolled == 2
    await assert_exact(session)


async def test_the_parts_are_always_the_whole(session: Session, cast: Cast, clock: StandingClock) -> None:
    a, b, c, d, _ = cast.students_a
    await enter(session, cast.coordinator, cast.round, a)
    for child, outcome in ((b, "absent"), (c, "refused"), (d, "left")):
        await enter(session, cast.coordinator, cast.round, child, outcome=outcome, level=None)
    found = await at(session, cast, cast.round, cast.school_a)
    parts = (found.assessed, found.absent, found.refused, found.left, found.to_do)
    assert (parts, found.enrolled) == ((1, 1, 1, 1, 1), 5)
    rows = await class_progress(session, cast.coordinator, [cast.school_a], cast.round)
    status = [row.status for row in rows if row.subject == "math"]
    assert (sum(each.enrolled for each in status), sum(each.tested for each in status)) == (5, 1)
    missing = BehindQuery(cast.round, "math", cast.school_a, outcome="missing")
    listed = (await children_behind(session, cast.coordinator, missing, PageRequest())).items
    assert [each.student_id for each in listed] == [cast.students_a[4]]


# When a roll is fixed -------------------------------------------------------------------------------------


async def test_a_roll_is_fixed_at_the_first_closing_and_let_go_only_within_the_rounds_days(
    session: Session, cast: Cast, clock: StandingClock
) -> None:
    assert (await read_round(session, cast.viewer, cast.round)).roll_at is None
    await turn(session, cast, cast.round, "closed", clock)
    assert (await read_round(session, cast.viewer, cast.round)).roll_at == NOW
    await leave(session, cast, cast.students_a[0], clock)
    assert (await at(session, cast, cast.round, cast.school_a)).enrolled == 5
    later = StandingClock(NOW.replace(month=12, day=24))
    await turn(session, cast, cast.round, "open", later)
    assert (await at(session, cast, cast.round, cast.school_a)).enrolled == 5, "its days are over"
    await turn(session, cast, cast.round, "closed", later)
    await turn(session, cast, cast.round, "open", clock)
    assert (await read_round(session, cast.viewer, cast.round)).roll_at is None
    assert (await at(session, cast, cast.round, cast.school_a)).enrolled == 4
    await assert_exact(session)


async def test_opening_a_later_round_fixes_the_earlier_ones_for_ever(
    session: Session, cast: Cast, clock: StandingClock
) -> None:
    midline = await a_round(session, cast.school_year, "midline", "2026-12-01", "2026-12-10")
    await turn(session, cast, midline, "open", clock)
    assert (await read_round(session, cast.viewer, cast.round)).roll_at == NOW
    await leave(session, cast, cast.students_a[0], clock)
    await turn(session, cast, cast.round, "closed", clock)
    await turn(session, cast, cast.round, "open", clock)
    assert (await at(session, cast, cast.round, cast.school_a)).enrolled == 5, "a later round was opened"
    assert (await at(session, cast, midline, cast.school_a)).enrolled == 4
    await assert_exact(session)


# Results --------------------------------------------------------------------------------------------------


async def test_a_late_result_in_a_fixed_round_is_made_where_the_child_stood_then(
    session: Session, cast: Cast, clock: StandingClock
) -> None:
    moved, corrected = cast.students_a[0], cast.students_a[1]
    await turn(session, cast, cast.round, "closed", clock)
    await move(session, cast, moved, cast.school_b, clock)
    await session.execute(QUERIES["correct"], {"id": corrected, "grade": 5, "sex": None, "class": None})
    came = (
        await create_student(session, cast.coordinator, NewStudent(cast.school_b, "L1", "Late", 1, 4), clock)
    ).id
    assert await enter(session, cast.coordinator, cast.round, moved, corrected, came) == ["saved"] * 3
    assert await cell(session, moved, cast.round) == f"math {cast.school_a} {cast.class_3a} 3 1"
    assert await cell(session, corrected, cast.round) == f"math {cast.school_a} {cast.class_3a} 3 2"
    assert await cell(session, came, cast.round) == f"math {cast.school_b} - 4 1"
    assert (await at(session, cast, cast.round, cast.school_b)).enrolled == 4
    await assert_exact(session)


async def test_whoever_was_never_enrolled_in_a_rounds_year_has_no_result_in_it(
    session: Session, cast: Cast, clock: StandingClock, next_year: int
) -> None:
    new = NewStudent(cast.school_a, "N1", "New in 2027", 1, 3, school_year_id=next_year)
    child = (await create_student(session, cast.coordinator, new, clock)).id
    for actor in (cast.teacher, cast.coordinator, cast.admin):
        assert await enter(session, actor, cast.round, child) == ["not_enrolled_in_year"]
    assert (await at(session, cast, cast.round, cast.school_a)).enrolled == 5
    await assert_exact(session)


async def test_a_correction_goes_on_into_results_of_rounds_that_are_not_fixed_and_a_move_does_not(
    session: Session, cast: Cast, clock: StandingClock
) -> None:
    child, mover = cast.students_a[0], cast.students_a[1]
    midline = await a_round(session, cast.school_year, "midline", "2026-12-01", "2026-12-10")
    await enter(session, cast.coordinator, cast.round, child)
    await turn(session, cast, cast.round, "closed", clock)
    await turn(session, cast, midline, "open", clock)
    assert await enter(session, cast.coordinator, midline, child, mover) == ["saved"] * 2
    await session.execute(QUERIES["correct"], {"id": child, "grade": 4, "sex": 2, "class": None})
    assert await cell(session, child, cast.round) == f"math {cast.school_a} {cast.class_3a} 3 1"
    assert await cell(session, child, midline) == f"math {cast.school_a} - 4 2"
    await move(session, cast, mover, cast.school_b, clock)
    assert await cell(session, mover, midline) == f"math {cast.school_a} {cast.class_3a} 3 2"
    past = (await list_past_enrolments(session, cast.coordinator, child, PageRequest())).items
    assert [(each.grade, each.sex, each.reason) for each in past] == [(3, 1, "correction")]
    await assert_exact(session)


async def test_a_correction_that_no_fixed_round_knows_of_leaves_nothing_behind(
    session: Session, cast: Cast
) -> None:
    await session.execute(QUERIES["correct"], {"id": cast.students_a[0], "grade": 4, "sex": 2, "class": None})
    past = (await list_past_enrolments(session, cast.coordinator, cast.students_a[0], PageRequest())).items
    assert past == []
    await assert_exact(session)


# Sheets ----------------------------------------------------------------------------------------------------


async def test_a_class_sheet_lists_who_sat_there_and_says_what_the_figures_say(
    session: Session, cast: Cast, clock: StandingClock, next_year: int
) -> None:
    await enter(session, cast.coordinator, cast.round, *cast.students_a[:2])
    await turn(session, cast, cast.round, "closed", clock)
    await move(session, cast, cast.students_a[0], cast.school_b, clock)
    plan = RollOverPlan(str(uuid4()), TODAY, carry_open_rounds=True)
    await roll_over_school(session, cast.coordinator, cast.school_a, plan, clock)
    rows = await sheet(session, cast.teacher, cast.round, cast.school_a, class_id=cast.class_3a)
    assert {(each.student_id, each.grade, each.class_id) for each in rows} == {
        (each, 3, cast.class_3a) for each in cast.students_a[:3]
    }
    whole = await sheet(session, cast.teacher, cast.round, cast.school_a)
    figures = await at(session, cast, cast.round, cast.school_a)
    assert len(whole) == figures.enrolled == 5
    assert sum(each.outcome == "assessed" for each in whole) == figures.assessed == 2
    assert await sheet(session, cast.coordinator, cast.round, cast.school_b) != []
    assert cast.students_a[0] not in {
        each.student_id for each in await sheet(session, cast.coordinator, cast.round, cast.school_b)
    }


# Roll-over -------------------------------------------------------------------------------------------------


async def test_a_roll_over_beside_an_open_round_says_so_and_is_refused_until_it_is_carried(
    session: Session, cast: Cast, clock: StandingClock, next_year: int
) -> None:
    await create_student(session, cast.coordinator, NewStudent(cast.school_a, "F1", "Last", 2, 5), clock)
    await enter(session, cast.coordinator, cast.round, cast.students_a[0])
    plan = RollOverPlan(str(uuid4()), TODAY)
    seen = await preview_roll_over(session, cast.coordinator, cast.school_a, plan, clock)
    assert [
        (e.round_id, e.kind, e.state, e.subject, e.tested, e.to_do, e.enrolled) for e in seen.open_rounds
    ] == [
        (cast.round, "baseline", "open", "language", 0, 6, 6),
        (cast.round, "baseline", "open", "math", 1, 5, 6),
    ]
    with pytest.raises(RoundIsOpen) as refused:
        await roll_over_school(session, cast.coordinator, cast.school_a, plan, clock)
    assert [(each.field, each.value) for each in refused.value.faults] == [
        ("carry_open_rounds", "baseline language: 6/6"),
        ("carry_open_rounds", "baseline math: 5/6"),
    ]


async def test_a_planned_round_holds_a_roll_over_where_it_has_results_and_nowhere_else(
    session: Session, cast: Cast, clock: StandingClock, next_year: int
) -> None:
    await turn(session, cast, cast.round, "closed", clock)
    await turn(session, cast, cast.round, "frozen", clock)
    year = (await read_round(session, cast.admin, cast.round)).school_year_id
    planned = await a_round(session, year, "midline", "2026-03-01", "2026-03-31")
    assert await enter(
        session, cast.coordinator, planned, cast.students_b[0], tested_on=TODAY.replace(month=3, day=1)
    ) == ["saved"]
    plan = RollOverPlan(str(uuid4()), TODAY)
    seen = await preview_roll_over(session, cast.coordinator, cast.school_a, plan, clock)
    assert seen.open_rounds == ()
    with pytest.raises(RoundIsOpen):
        await roll_over_school(
            session, cast.coordinator, cast.school_b, RollOverPlan(str(uuid4()), TODAY), clock
        )
    await roll_over_school(session, cast.coordinator, cast.school_a, plan, clock)


async def test_a_carried_round_goes_on_with_the_old_years_children_and_undoing_leaves_no_trace(
    session: Session, cast: Cast, clock: StandingClock, next_year: int
) -> None:
    tested, late = cast.students_a[0], cast.students_a[1]
    finishing = (
        await create_student(session, cast.coordinator, NewStudent(cast.school_a, "F1", "Last", 2, 5), clock)
    ).id
    await enter(session, cast.coordinator, cast.round, tested)
    before = await at(session, cast, cast.round, cast.school_a)
    plan = RollOverPlan(str(uuid4()), TODAY, carry_open_rounds=True)
    await roll_over_school(session, cast.coordinator, cast.school_a, plan, clock)
    assert await at(session, cast, cast.round, cast.school_a) == before
    assert len(await sheet(session, cast.teacher, cast.round, cast.school_a)) == 6
    assert await enter(session, cast.teacher, cast.round, late, finishing, reason=None) == ["saved"] * 2
    assert await cell(session, late, cast.round) == f"math {cast.school_a} {cast.class_3a} 3 2"
    assert await cell(session, finishing, cast.round) == f"math {cast.school_a} - 5 2"
    by_grade = await read_breakdown(session, cast.coordinator, FigureQuery(cast.round, "math"), by="grades")
    assert [(each.key, each.figures.assessed) for each in by_grade] == [("3", 2), ("5", 1)]
    await assert_exact(session)
    await undo_roll_over(session, cast.coordinator, plan.id, reason="too early", clock=clock)
    after = await at(session, cast, cast.round, cast.school_a)
    assert (after.enrolled, after.assessed, after.to_do) == (6, 3, 3)
    await assert_exact(session)


async def test_a_roll_over_is_not_undone_once_a_round_of_the_new_year_holds_its_children(
    session: Session, cast: Cast, clock: StandingClock, next_year: int
) -> None:
    plan = RollOverPlan(str(uuid4()), TODAY, carry_open_rounds=True)
    await roll_over_school(session, cast.coordinator, cast.school_a, plan, clock)
    new = await a_round(session, next_year, "baseline", "2027-01-10", "2027-01-20")
    await turn(session, cast, new, "open", clock)
    await turn(session, cast, new, "closed", clock)
    with pytest.raises(RollOverStands):
        await undo_roll_over(session, cast.coordinator, plan.id, reason="too early", clock=clock)
    assert (await at(session, cast, new, cast.school_a)).enrolled == 5


async def test_a_child_that_leaves_after_the_new_year_began_is_still_of_the_old_one(
    session: Session, cast: Cast, clock: StandingClock, next_year: int
) -> None:
    plan = RollOverPlan(str(uuid4()), TODAY, carry_open_rounds=True)
    await roll_over_school(session, cast.coordinator, cast.school_a, plan, clock)
    await leave(session, cast, cast.students_a[0], clock)
    await move(session, cast, cast.students_a[1], cast.school_b, clock)
    assert (await at(session, cast, cast.round, cast.school_a)).enrolled == 5
    await assert_exact(session)


# Removing and coming back ------------------------------------------------------------------------------------


async def test_a_removed_child_has_no_seat_anywhere_and_has_it_again_when_it_is_back(
    session: Session, cast: Cast, clock: StandingClock
) -> None:
    child = cast.students_a[0]
    await turn(session, cast, cast.round, "closed", clock)
    await move(session, cast, child, cast.school_b, clock)
    await delete_student(session, cast.coordinator, child, reason="by mistake", clock=clock)
    assert (await at(session, cast, cast.round, cast.school_a)).enrolled == 4
    await assert_exact(session)
    await restore_student(session, cast.coordinator, child)
    assert (await at(session, cast, cast.round, cast.school_a)).enrolled == 5
    await leave(session, cast, child, clock)
    back = await read_student(session, cast.coordinator, child)
    await mark_returned(session, cast.coordinator, child, version=back.version, clock=clock)
    assert (await at(session, cast, cast.round, cast.school_a)).enrolled == 5
    assert (await at(session, cast, cast.round, cast.school_b)).enrolled == 3
    await assert_exact(session)


# Amending ----------------------------------------------------------------------------------------------------


@pytest.fixture
async def past(session: Session, cast: Cast, clock: StandingClock) -> int:
    """A child of a frozen round with a result, moved since; the number of where it was."""
    child = cast.students_a[0]
    await enter(session, cast.coordinator, cast.round, child)
    await turn(session, cast, cast.round, "closed", clock)
    await turn(session, cast, cast.round, "frozen", clock)
    await move(session, cast, child, cast.school_b, clock)
    return (await list_past_enrolments(session, cast.coordinator, child, PageRequest())).items[0].id


async def test_amending_a_past_enrolment_takes_results_of_frozen_rounds_along_with_a_reason(
    session: Session, cast: Cast, clock: StandingClock, past: int
) -> None:
    child = cast.students_a[0]
    before = await read_student(session, cast.coordinator, child)
    amendment = PastAmendment(before.version, "wrong class on paper", grade=4, sex=2, class_id=None)
    done = await amend_past_enrolment(session, cast.coordinator, child, past, amendment, clock)
    assert (done.enrolment.grade, done.enrolment.sex, done.enrolment.class_id, done.results) == (
        4,
        2,
        None,
        1,
    )
    assert await cell(session, child, cast.round) == f"math {cast.school_a} - 4 2"
    assert (await at(session, cast, cast.round, cast.school_a, grade=4)).enrolled == 1
    assert (await at(session, cast, cast.round, cast.school_a)).enrolled == 5
    traces = (await list_amendments(session, cast.coordinator, cast.round, PageRequest())).items
    assert [each.reason for each in traces] == ["wrong class on paper"]
    assert (await check_snapshot(session, cast.round)).is_rebuilt
    after = await read_student(session, cast.coordinator, child)
    assert msgspec.structs.replace(after, version=before.version) == before, "the present is not touched"
    assert '"grade": 4' in await session.fetch_value(QUERIES["audited"], {"id": child})
    await assert_exact(session)


async def test_amending_the_sex_of_the_past_leaves_what_was_made_where_the_child_stands_now(
    session: Session, cast: Cast, clock: StandingClock
) -> None:
    """Seen: a past enrolment that came with another record was amended, and a result of the child's own said another sex than the child."""
    child, gone = cast.students_a[0], cast.students_a[1]
    assert await enter(session, cast.coordinator, cast.round, gone) == ["saved"]
    await move(session, cast, gone, cast.school_b, clock)
    await move(session, cast, child, cast.school_b, clock)
    kept = await read_student(session, cast.coordinator, child)
    other = await read_student(session, cast.coordinator, gone)
    merge = Merge(kept.id, kept.version, other.id, other.version, "the same child twice")
    made = await merge_duplicates(session, cast.coordinator, merge, clock)
    assert await enter(session, cast.coordinator, cast.round, child, subject="language", level="word") == [
        "saved"
    ]
    here = (await cell(session, child, cast.round) or "").split(", ")[0]
    past = next(
        each
        for each in (await list_past_enrolments(session, cast.coordinator, child, PageRequest())).items
        if each.school_id == cast.school_a
    )
    version = (await read_student(session, cast.coordinator, child)).version
    amendment = PastAmendment(version, "written down wrongly", sex=3 - past.sex)
    await amend_past_enrolment(session, cast.coordinator, child, past.id, amendment, clock)
    assert (await cell(session, child, cast.round) or "").split(", ")[0] == here
    await undo_merge_of_duplicates(session, cast.coordinator, made.id, reason="two", clock=clock)
    assert await cell(session, child, cast.round) == here
    await assert_exact(session)


async def test_amending_the_past_of_one_record_leaves_what_was_made_where_the_other_stands(
    session: Session, cast: Cast, clock: StandingClock
) -> None:
    """Seen: both had been in one class; the results of the record that went followed in grade, and were wrong once the merge was undone."""
    child, gone = cast.students_a[0], cast.students_a[1]
    assert await enter(session, cast.coordinator, cast.round, gone) == ["saved"]
    made_there = await cell(session, gone, cast.round)
    await move(session, cast, child, cast.school_b, clock)
    kept = await read_student(session, cast.coordinator, child)
    other = await read_student(session, cast.coordinator, gone)
    merge = Merge(kept.id, kept.version, other.id, other.version, "the same child twice")
    made = await merge_duplicates(session, cast.coordinator, merge, clock)
    past = next(
        each
        for each in (await list_past_enrolments(session, cast.coordinator, child, PageRequest())).items
        if each.school_id == cast.school_a
    )
    version = (await read_student(session, cast.coordinator, child)).version
    amendment = PastAmendment(version, "wrong class on paper", grade=past.grade + 1, class_id=None)
    await amend_past_enrolment(session, cast.coordinator, child, past.id, amendment, clock)
    await undo_merge_of_duplicates(session, cast.coordinator, made.id, reason="two", clock=clock)
    assert await cell(session, gone, cast.round) == made_there
    await assert_exact(session)


async def test_a_child_that_left_is_tested_where_its_last_stint_says_also_when_that_was_amended(
    session: Session, cast: Cast, clock: StandingClock
) -> None:
    child = cast.students_a[0]
    await leave(session, cast, child, clock)
    left = (await list_past_enrolments(session, cast.coordinator, child, PageRequest())).items[0].id
    before = await read_student(session, cast.coordinator, child)
    amendment = PastAmendment(before.version, "wrong class on paper", grade=4, sex=2, class_id=None)
    await amend_past_enrolment(session, cast.coordinator, child, left, amendment, clock)
    assert await enter(session, cast.coordinator, cast.round, child) == ["saved"]
    assert await cell(session, child, cast.round) == f"math {cast.school_a} - 4 2"
    await assert_exact(session)


async def test_who_may_not_amend_and_what_can_not_be_amended(
    session: Session, cast: Cast, clock: StandingClock, past: int
) -> None:
    child, version = cast.students_a[0], (await read_student(session, cast.admin, cast.students_a[0])).version
    good = PastAmendment(version, "a slip", grade=4, class_id=None)
    for actor in (cast.teacher, cast.mentor, cast.viewer):
        with pytest.raises(Forbidden):
            await amend_past_enrolment(session, actor, child, past, good, clock)
    with pytest.raises(NotFound):
        await amend_past_enrolment(session, cast.coordinator, cast.students_a[1], past, good, clock)
    with pytest.raises(Stale):
        await amend_past_enrolment(
            session, cast.coordinator, child, past, msgspec.structs.replace(good, version=1), clock
        )
    wrong = PastAmendment(version, " ", grade=9, sex=5, class_id=cast.class_3a)
    with pytest.raises(Invalid) as found:
        await amend_past_enrolment(session, cast.coordinator, child, past, wrong, clock)
    assert {each.field for each in found.value.faults} == {"reason", "grade", "sex", "class_id"}
    same = PastAmendment(version, "a slip", grade=3)
    with pytest.raises(Invalid):
        await amend_past_enrolment(session, cast.coordinator, child, past, same, clock)


async def test_nothing_is_amended_while_a_round_is_being_frozen(
    session: Session, cast: Cast, clock: StandingClock
) -> None:
    child = cast.students_a[0]
    await enter(session, cast.coordinator, cast.round, child)
    await turn(session, cast, cast.round, "closed", clock)
    await move(session, cast, child, cast.school_b, clock)
    found = await read_round(session, cast.admin, cast.round)
    await set_round_state(
        session, cast.admin, cast.round, version=found.version, state="frozen", clock=clock, reason="told"
    )
    enrolment = (await list_past_enrolments(session, cast.coordinator, child, PageRequest())).items[0].id
    version = (await read_student(session, cast.coordinator, child)).version
    with pytest.raises(RoundSealing):
        await amend_past_enrolment(
            session, cast.coordinator, child, enrolment, PastAmendment(version, "a slip", sex=2), clock
        )


# At the same moment ------------------------------------------------------------------------------------------


async def test_a_late_result_waits_for_whoever_moves_its_child_and_is_made_where_it_stood(
    new_database: NewDatabase, clock: StandingClock
) -> None:
    async with Database(new_database().conninfo) as database:
        cast = await database.run(make_cast, deadline_s=20)
        await database.run(lambda s: turn(s, cast, cast.round, "closed", clock), deadline_s=20)
        moving, moved = asyncio.Event(), asyncio.Event()

        async def moves() -> None:
            async with database.transaction(deadline_s=20) as session:
                await move(session, cast, cast.students_a[0], cast.school_b, clock)
                moving.set()
                await moved.wait()

        async def enters() -> list[str]:
            await moving.wait()
            asyncio.get_running_loop().call_later(0.5, moved.set)
            return await database.run(
                lambda s: enter(s, cast.coordinator, cast.round, cast.students_a[0]), deadline_s=20
            )

        _, codes = await asyncio.gather(moves(), enters())
        assert codes == ["saved"]
        where = await database.run(lambda s: cell(s, cast.students_a[0], cast.round), deadline_s=20)
        assert where == f"math {cast.school_a} {cast.class_3a} 3 1"
        await database.run(assert_exact, deadline_s=20)


async def test_a_roll_is_fixed_before_or_after_a_child_moves_and_never_between(
    new_database: NewDatabase, clock: StandingClock
) -> None:
    async with Database(new_database().conninfo) as database:
        cast = await database.run(make_cast, deadline_s=20)
        moves = [
            database.run(lambda s, each=each: move(s, cast, each, cast.school_b, clock), deadline_s=20)
            for each in cast.students_a
        ]
        leaves = [
            database.run(lambda s, each=each: leave(s, cast, each, clock), deadline_s=20)
            for each in cast.students_b
        ]
        closes = database.run(lambda s: turn(s, cast, cast.round, "closed", clock), deadline_s=20)
        await asyncio.gather(*moves[:3], closes, *moves[3:], *leaves)
        await database.run(assert_exact, deadline_s=20)


# Which year ------------------------------------------------------------------------------------------------


async def test_children_of_a_school_that_stayed_behind_are_counted_and_said(
    session: Session, cast: Cast, clock: StandingClock, next_year: int
) -> None:
    plan = RollOverPlan(str(uuid4()), TODAY, carry_open_rounds=True)
    await roll_over_school(session, cast.coordinator, cast.school_a, plan, clock)
    await change_year(session, cast.coordinator, next_year, YearChange(1, is_current=True))
    assert await count_students(session, cast.coordinator) == 8
    for actor, expected in (
        (cast.coordinator, [("2027", True, 5), ("2026", False, 3)]),
        (cast.teacher, [("2027", True, 5)]),
        (cast.teacher_elsewhere, [("2026", False, 3)]),
    ):
        found = await children_by_year(session, actor)
        assert [(each.name, each.is_current, each.children) for each in found] == expected
    rows = (await list_schools(session, cast.coordinator, PageRequest())).items
    assert {row.id: row.children for row in rows if not row.is_practice} == {
        cast.school_a: 5,
        cast.school_b: 3,
    }


async def test_a_class_of_a_year_that_is_over_still_has_its_children(
    session: Session, cast: Cast, clock: StandingClock, next_year: int
) -> None:
    asked = StudentSearch(cast.school_a, class_id=cast.class_3a)
    before = (await list_students(session, cast.teacher, PageRequest(), asked)).items
    plan = RollOverPlan(str(uuid4()), TODAY, carry_open_rounds=True)
    await roll_over_school(session, cast.coordinator, cast.school_a, plan, clock)
    after = (await list_students(session, cast.teacher, PageRequest(), asked)).items
    assert [each.id for each in after] == [each.id for each in before] == cast.students_a[:3]
