"""Sessions and attendance: entered for a whole group at once, kept once, in bounds; and what they come to."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from datetime import UTC, date, datetime, time, timedelta
from typing import Any
from uuid import uuid4
from zoneinfo import ZoneInfo

import msgspec
import pytest
from people import NOW, Cast, make_cast
from serving import OneDatabase

from flatwater.clock import StandingClock
from flatwater.paging import PageRequest
from flatwater.pool import Database, Limits
from flatwater.queries import read_queries
from flatwater.transaction import Session
from rightlevel.programme.enrolments import Transfer, transfer_student
from rightlevel.programme.errors import Conflict, Forbidden, Invalid, NotFound, Stale
from rightlevel.programme.groups import (
    NewGrouping,
    accept_groups,
    propose_groups,
    read_group,
    read_groups,
)
from rightlevel.programme.permissions import Actor
from rightlevel.programme.results import ResultWrite, enter_results
from rightlevel.programme.students import mark_left
from rightlevel.programme.teaching import (
    Mark,
    SessionWrite,
    attendance_share,
    dose_of_children,
    dose_of_groups,
    dose_of_schools,
    list_sessions,
    read_session,
    record_session,
)
from rightlevel.programme.teaching.actions import GroupNotInUse, SessionThere

pytestmark = pytest.mark.anyio
TODAY = NOW.date()
CLOCK = StandingClock(NOW)

QUERIES = read_queries(
    """
-- name: sessions
-- How many sessions there are.
select count(*) from teaching_session
-- name: marks
-- How many marks there are.
select count(*) from attendance
-- name: sums
-- What the sessions say they count, beside their rows.
select sum(s.present + s.late + s.absent) = (select count(*) from attendance) and bool_and(s.present + s.late + s.absent <= s.expected) from teaching_session s
-- name: overridden
-- How many sessions were entered late.
select count(*) from audit_entry where action = 'override' and resource = 'teaching' and reason is not null
-- name: by_hand
-- From here on the database keeps none of its rules: a school with sessions stays what it is.
set local session_replication_role = replica
-- name: by_rule
-- From here on it does again.
set local session_replication_role = origin
-- name: no_year
-- No year is the current one.
update school_year set is_current = false where is_current
-- name: another_year
-- The next year is the current one.
insert into school_year (name, starts_on, ends_on, is_current) values ('2027', '2027-01-01', '2027-12-31', true)
-- name: practise
-- Makes a school one for practice.
update school set is_practice = true where id = %(school)s
-- name: group
-- Makes a group in use with children of its own.
with division as (
    insert into grouping (school_id, subject, grade_from, grade_to, bands, target_size, state, made_at, made_by, accepted_at)
    values (%(school)s, 'math', %(grade)s, %(grade)s, '[["beginner"]]', 25, 'accepted', now(), %(person)s, now()) returning id
)
insert into teaching_group (grouping_id, band, number) select id, 1, 1 from division returning id
-- name: child
-- Puts a new child into a group.
with child as (
    insert into student (school_id, school_year_id, code, name, name_key, sex, grade)
    values (%(school)s, %(year)s, %(code)s, %(code)s, lower(%(code)s), 1, 3) returning id
), placed as (
    insert into group_member (group_id, student_id, subject, joined_at) select %(group)s, id, 'math', now() from child
)
select id::text as id from child
""",
    origin="test_teaching.py",
)


async def group_of(
    session: Session, cast: Cast, actor: Actor | None = None, *, school: int | None = None
) -> int:
    """A group in use of the first three children, all beginners in mathematics."""
    actor, school = actor or cast.teacher, school or cast.school_a
    children = cast.students_a[:3] if school == cast.school_a else cast.students_b[:3]
    writes = [
        ResultWrite(
            str(uuid4()),
            child,
            cast.round,
            "math",
            TODAY - timedelta(days=1),
            outcome="assessed",
            level="beginner",
        )
        for child in children
    ]
    await enter_results(session, actor, writes, CLOCK)
    proposal = await propose_groups(session, actor, NewGrouping(school, "math", 3, 3), CLOCK)
    await accept_groups(session, actor, proposal.id, proposal.version, CLOCK)
    return (await read_groups(session, actor, school, "math", CLOCK)).groups[0].id


def write(cast: Cast, group_id: int, presences: str = "pla", **more: Any) -> SessionWrite:
    """A session with a letter of presence for each of the first children."""
    words = {"p": "present", "l": "late", "a": "absent"}
    marks = [Mark(child, words[each]) for child, each in zip(cast.students_a, presences, strict=False)]
    values: dict[str, Any] = {
        "id": str(uuid4()),
        "group_id": group_id,
        "held_on": TODAY,
        "minutes": 60,
        "marks": marks,
        **more,
    }
    return SessionWrite(**values)


async def test_a_session_and_its_attendance_are_saved_in_one_call_and_repeating_gives_one_row(
    session: Session, cast: Cast
) -> None:
    group_id = await group_of(session, cast)
    sent = write(cast, group_id, activity="Number chart")
    first = await record_session(session, cast.teacher, sent, CLOCK)
    again = await record_session(session, cast.teacher, sent, CLOCK)
    assert first == again
    assert [each.code for each in first.marks] == ["saved"] * 3
    assert await session.fetch_value(QUERIES["sessions"], {}) == 1
    row, marks = await read_session(session, cast.mentor, first.session_id)
    assert (row.expected, row.present, row.late, row.absent, row.activity) == (3, 1, 1, 1, "Number chart")
    assert len(marks) == 3


async def test_each_mark_is_answered_by_itself(session: Session, cast: Cast) -> None:
    group_id = await group_of(session, cast)
    marks = [
        Mark(cast.students_a[0], "present"),
        Mark(cast.students_a[1], "asleep"),
        Mark(cast.students_a[4], "present"),
        Mark(cast.students_b[0], "present"),
    ]
    answer = await record_session(session, cast.teacher, write(cast, group_id, marks=marks), CLOCK)
    assert [each.code for each in answer.marks] == ["saved", "invalid", "not_in_group", "not_in_group"]
    row, _ = await read_session(session, cast.teacher, answer.session_id)
    assert (row.present, row.expected) == (1, 3)


async def test_a_second_session_of_a_day_is_refused_with_the_first_and_a_stale_correction_with_both(
    session: Session, cast: Cast
) -> None:
    group_id = await group_of(session, cast)
    first = await record_session(session, cast.teacher, write(cast, group_id), CLOCK)
    with pytest.raises(SessionThere) as there:
        await record_session(session, cast.teacher, write(cast, group_id, minutes=30), CLOCK)
    assert there.value.values["current"]["minutes"] == 60
    fixed = await record_session(
        session, cast.teacher, write(cast, group_id, "ppp", minutes=45, version=1), CLOCK
    )
    assert (fixed.code, fixed.version, fixed.session_id) == ("changed", 2, first.session_id)
    with pytest.raises(Stale) as stale:
        await record_session(session, cast.coordinator, write(cast, group_id, minutes=30, version=1), CLOCK)
    assert (stale.value.values["current"]["minutes"], stale.value.values["yours"]["minutes"]) == (45, 30)
    row, _ = await read_session(session, cast.teacher, first.session_id)
    assert (row.present, row.late, row.absent) == (3, 0, 0)


async def test_a_corrections_repetition_changes_nothing(session: Session, cast: Cast) -> None:
    group_id = await group_of(session, cast)
    await record_session(session, cast.teacher, write(cast, group_id), CLOCK)
    fix = write(cast, group_id, "ppp", version=1)
    assert await record_session(session, cast.teacher, fix, CLOCK) == await record_session(
        session, cast.teacher, fix, CLOCK
    )


@pytest.mark.parametrize(
    ("change", "field"),
    [
        ({"held_on": TODAY + timedelta(days=1)}, "held_on"),
        ({"minutes": 4}, "minutes"),
        ({"minutes": 241}, "minutes"),
        ({"activity": "x" * 201}, "activity"),
        ({"id": "x"}, "id"),
        ({"resource_id": 999_999}, "resource_id"),
    ],
)
async def test_a_session_that_can_not_be_right_is_refused(
    session: Session, cast: Cast, change: dict[str, Any], field: str
) -> None:
    group_id = await group_of(session, cast)
    with pytest.raises(Invalid) as refused:
        await record_session(session, cast.teacher, write(cast, group_id, **change), CLOCK)
    assert [fault.field for fault in refused.value.faults] == [field]


async def test_a_day_too_far_back_needs_a_leaders_reason(session: Session, cast: Cast) -> None:
    group_id = await group_of(session, cast)
    old: dict[str, Any] = {"held_on": TODAY - timedelta(days=15)}
    await record_session(
        session, cast.teacher, write(cast, group_id, held_on=TODAY - timedelta(days=14)), CLOCK
    )
    for actor, more in ((cast.teacher, {"reason": "I forgot"}), (cast.coordinator, {})):
        with pytest.raises(Invalid):
            await record_session(session, actor, write(cast, group_id, **old, **more), CLOCK)
    await record_session(
        session, cast.coordinator, write(cast, group_id, **old, reason="The paper list came late"), CLOCK
    )
    assert await session.fetch_value(QUERIES["overridden"], {}) == 1


async def test_only_teachers_of_the_school_and_subject_and_leaders_record(
    session: Session, cast: Cast
) -> None:
    group_id = await group_of(session, cast)
    with pytest.raises(Forbidden):
        await record_session(session, cast.mentor, write(cast, group_id), CLOCK)
    for actor in (cast.teacher_elsewhere, cast.stranger):
        with pytest.raises(NotFound):
            await record_session(session, actor, write(cast, group_id), CLOCK)
    reading = msgspec.structs.replace(
        cast.teacher,
        scope=msgspec.structs.replace(
            cast.teacher.scope,
            held=tuple(each for each in cast.teacher.scope.held if each.subject == "language"),
        ),
    )
    with pytest.raises(NotFound):
        await record_session(session, reading, write(cast, group_id), CLOCK)
    assert await session.fetch_value(QUERIES["sessions"], {}) == 0


async def test_nothing_is_recorded_for_groups_that_are_only_proposed(session: Session, cast: Cast) -> None:
    await group_of(session, cast)
    proposal = await propose_groups(session, cast.teacher, NewGrouping(cast.school_a, "math", 3, 3), CLOCK)
    groups = (await read_groups(session, cast.teacher, cast.school_a, "math", CLOCK)).groups
    proposed = next(each.id for each in groups if each.grouping_id == proposal.id)
    with pytest.raises(GroupNotInUse):
        await record_session(session, cast.teacher, write(cast, proposed), CLOCK)


async def test_dose_is_minutes_times_presence_and_stands_beside_movement(
    session: Session, cast: Cast
) -> None:
    group_id = await group_of(session, cast)
    await record_session(session, cast.teacher, write(cast, group_id, "pla"), CLOCK)
    await record_session(
        session,
        cast.teacher,
        write(cast, group_id, "paa", held_on=TODAY - timedelta(days=1), minutes=30),
        CLOCK,
    )
    children = await dose_of_children(session, cast.mentor, group_id, PageRequest(50))
    assert [(each.minutes, each.present, each.late, each.absent) for each in children.items] == [
        (90, 2, 0, 0),
        (60, 0, 1, 1),
        (0, 0, 0, 2),
    ]
    assert [(each.first_level, each.moved) for each in children.items] == [("beginner", None)] * 3
    (group,) = await dose_of_groups(session, cast.teacher, cast.school_a, "math")
    assert (group.sessions, group.minutes, group.child_minutes, group.attended, group.expected) == (
        2,
        90,
        150,
        3,
        6,
    )
    assert group.attendance == 0.5
    schools = {
        row.school_id: row
        for row in (await dose_of_schools(session, cast.coordinator, "math", PageRequest(50))).items
    }
    assert schools[cast.school_a].child_minutes == 150
    assert schools[cast.school_b].attendance is None
    own = (await dose_of_schools(session, cast.teacher, "math", PageRequest(50))).items
    assert [row.school_id for row in own] == [cast.school_a]
    with pytest.raises(Forbidden):
        await dose_of_schools(session, cast.viewer, "math", PageRequest(50))


async def test_sessions_do_not_vanish_when_another_year_becomes_the_current_one(
    session: Session, cast: Cast
) -> None:
    group_id = await group_of(session, cast)
    await record_session(session, cast.teacher, write(cast, group_id), CLOCK)
    for name in ("no_year", "another_year"):
        await session.execute(QUERIES[name], {})
    (group,) = await dose_of_groups(session, cast.teacher, cast.school_a, "math")
    assert (group.sessions, group.year_name, group.school_year_id) == (1, "2026", cast.school_year)
    children = (await dose_of_children(session, cast.mentor, group_id, PageRequest(50))).items
    assert (max(each.minutes for each in children) > 0, {each.year_name for each in children}) == (
        True,
        {"2026"},
    )
    own = (await dose_of_schools(session, cast.teacher, "math", PageRequest(50))).items[0]
    assert (own.sessions, own.year_name, own.sessions_in_other_years) == (0, "2027", 1)
    asked = {"school_year_id": cast.school_year}
    then = (await dose_of_schools(session, cast.teacher, "math", PageRequest(50), **asked)).items[0]
    assert (then.sessions, then.year_name, then.sessions_in_other_years) == (1, "2026", 0)


async def test_a_group_is_replaced_on_the_programmes_day(session: Session, cast: Cast) -> None:
    """Half an hour after midnight there it is yesterday in UTC: a child that has gone by that day isn't in what is replaced."""
    group_id = await group_of(session, cast)
    tomorrow = TODAY + timedelta(days=1)
    night = datetime.combine(tomorrow, time(0, 30), tzinfo=ZoneInfo("Asia/Phnom_Penh"))
    there = StandingClock(night.astimezone(UTC), ZoneInfo("Asia/Phnom_Penh"))
    before = (await read_group(session, cast.coordinator, group_id)).group.children
    away = Transfer(1, cast.school_b, grade=3, moved_on=tomorrow, reason="the family moved")
    await transfer_student(session, cast.coordinator, cast.students_a[0], away, there)
    proposal = await propose_groups(session, cast.teacher, NewGrouping(cast.school_a, "math", 3, 3), there)
    await accept_groups(session, cast.teacher, proposal.id, proposal.version, there)
    replaced = (await read_group(session, cast.coordinator, group_id)).group
    assert (replaced.state, replaced.children) == ("replaced", before - 1)


async def test_a_groups_past_keeps_its_children_whoever_left_and_whatever_replaced_it(
    session: Session, cast: Cast
) -> None:
    group_id = await group_of(session, cast)
    await record_session(session, cast.teacher, write(cast, group_id), CLOCK)
    again = ResultWrite(
        str(uuid4()), cast.students_a[3], cast.round, "math", TODAY - timedelta(days=1), level="beginner"
    )
    await enter_results(session, cast.teacher, [again], CLOCK)
    away = Transfer(1, cast.school_b, grade=3, moved_on=TODAY, reason="the family moved")
    await transfer_student(session, cast.coordinator, cast.students_a[0], away, CLOCK)
    leader = cast.coordinator
    children = (await dose_of_children(session, leader, group_id, PageRequest(50))).items
    assert [each.minutes for each in children] == [60, 60, 0], "who was taught, wherever it is now"
    assert (await read_group(session, leader, group_id)).group.children == 2, "in use: who is there"
    proposal = await propose_groups(session, cast.teacher, NewGrouping(cast.school_a, "math", 3, 3), CLOCK)
    await accept_groups(session, cast.teacher, proposal.id, proposal.version, CLOCK)
    replaced = await read_group(session, leader, group_id)
    assert (replaced.group.state, replaced.group.children, len(replaced.members)) == ("replaced", 2, 2)
    tomorrow = StandingClock(NOW + timedelta(days=1))
    left_on = TODAY + timedelta(days=1)
    await mark_left(
        session, leader, cast.students_a[1], version=1, left_on=left_on, reason="away", clock=tomorrow
    )
    assert (await read_group(session, leader, group_id)).group.children == 2, "as it was then"
    rows = await dose_of_groups(session, cast.teacher, cast.school_a, "math")
    assert sorted((row.group_id == group_id, row.sessions) for row in rows) == [(False, 0), (True, 1)]


async def test_attendance_is_present_and_late_over_marked() -> None:
    assert attendance_share(3, 4) == 0.75
    assert attendance_share(0, 0) is None


async def test_who_was_not_marked_is_not_absent(session: Session, cast: Cast) -> None:
    group_id = await group_of(session, cast)
    answer = await record_session(session, cast.teacher, write(cast, group_id, "p"), CLOCK)
    row, _ = await read_session(session, cast.teacher, answer.session_id)
    assert (row.present, row.absent, row.expected, row.not_marked) == (1, 0, 3, 2)
    (group,) = await dose_of_groups(session, cast.teacher, cast.school_a, "math")
    assert (group.attendance, group.marked, group.not_marked) == (1.0, 1, 2)


async def test_a_practice_school_is_in_no_figure_of_dose_and_attendance(session: Session, cast: Cast) -> None:
    group_id = await group_of(session, cast)
    await record_session(session, cast.teacher, write(cast, group_id), CLOCK)
    for each in ("by_hand", "practise", "by_rule"):
        await session.execute(QUERIES[each], {"school": cast.school_a})
    schools = (await dose_of_schools(session, cast.coordinator, "math", PageRequest(50))).items
    assert cast.school_a not in {row.school_id for row in schools}
    assert await dose_of_groups(session, cast.teacher, cast.school_a, "math") == []


async def test_sessions_are_listed_newest_first_within_reach(session: Session, cast: Cast) -> None:
    group_id = await group_of(session, cast)
    for back in (2, 0, 1):
        await record_session(
            session, cast.teacher, write(cast, group_id, held_on=TODAY - timedelta(days=back)), CLOCK
        )
    one = await list_sessions(
        session, cast.mentor, PageRequest(2), school_id=cast.school_a, subject="math", group_id=group_id
    )
    two = await list_sessions(
        session, cast.mentor, PageRequest(2, one.next), school_id=cast.school_a, subject="math"
    )
    assert [each.held_on for each in [*one.items, *two.items]] == [
        TODAY - timedelta(days=back) for back in range(3)
    ]
    with pytest.raises(NotFound):
        await list_sessions(
            session, cast.mentor_elsewhere, PageRequest(2), school_id=cast.school_a, subject="math"
        )
    with pytest.raises(NotFound):
        await read_session(session, cast.mentor_elsewhere, one.items[0].id)


async def test_forty_teachers_record_at_once_and_nothing_is_lost_or_doubled(
    new_database: Callable[[], OneDatabase],
) -> None:
    """Forty groups, each sent by two people of one school at once and twice over, through three connections."""
    groups: list[tuple[int, list[str]]] = []
    async with Database(
        new_database().conninfo, limits=Limits(connections=3, waiting=200, acquire_s=60.0)
    ) as database:
        async with database.transaction(deadline_s=60.0) as session:
            cast = await make_cast(session)
            for number in range(40):
                values: dict[str, Any] = {
                    "school": cast.school_a,
                    "grade": 1 + number % 12,
                    "person": cast.admin.person_id,
                }
                group_id = await session.fetch_value(QUERIES["group"], values)
                children = [
                    await session.fetch_value(
                        QUERIES["child"],
                        {
                            "school": cast.school_a,
                            "year": cast.school_year,
                            "code": f"T{number}-{at}",
                            "group": group_id,
                        },
                    )
                    for at in range(5)
                ]
                groups.append((group_id, children))
        answers: dict[int, list[str]] = {}

        async def teach(group_id: int, children: list[str], actor: Actor) -> None:
            sent = SessionWrite(
                str(uuid4()),
                group_id,
                date(2026, 11, 20),
                60,
                marks=[Mark(child, "present") for child in children],
            )
            for _ in range(2):
                try:
                    answer = await database.run(
                        lambda session: record_session(session, actor, sent, CLOCK), deadline_s=60.0
                    )
                    answers.setdefault(group_id, []).append(answer.session_id)
                except Conflict:
                    continue

        await asyncio.gather(
            *(teach(*group, actor) for group in groups for actor in (cast.teacher, cast.coordinator))
        )
        async with database.read(deadline_s=60.0) as session:
            counted = [await session.fetch_value(QUERIES[name], {}) for name in ("sessions", "marks", "sums")]
    assert counted == [40, 200, True]
    assert all(len(set(each)) == 1 and len(each) == 2 for each in answers.values()), (
        "one write of each two won, twice the same"
    )
