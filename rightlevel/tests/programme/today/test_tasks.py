"""What waits for somebody today comes when it has to be done, is counted, and goes when it was done."""

from __future__ import annotations

from datetime import date, timedelta
from typing import Any
from uuid import uuid4

import pytest
from people import NOW, Cast, actor_now
from visiting import a_visit

from flatwater.clock import StandingClock
from flatwater.paging import PageRequest
from flatwater.queries import read_queries
from flatwater.transaction import Session
from rightlevel.programme.assignments import schools_without
from rightlevel.programme.groups import NewGrouping, accept_groups, propose_groups, read_groups
from rightlevel.programme.permissions import Actor
from rightlevel.programme.results import ResultWrite, enter_results
from rightlevel.programme.schools import SchoolSearch, count_schools
from rightlevel.programme.teaching import Mark, SessionWrite, record_session
from rightlevel.programme.today import MOST_COUNTED, Task, tasks_of
from rightlevel.programme.verification import (
    NewDraw,
    Retest,
    draw_sample,
    read_verification,
    return_to_teacher,
    save_retests,
)
from rightlevel.programme.visits import NewPlannedVisit, plan_visit, save_visit

pytestmark = pytest.mark.anyio
TODAY = NOW.date()
LEVELS = ("beginner", "number_1digit", "number_2digit")

QUERIES = read_queries(
    """
-- name: request
-- Somebody asks to join.
insert into join_request (name, username, wanted_role, school_text, note, made_at, address, code_hash)
select 'x', 'joiner' || n, 'teacher', '', '', now(), '', decode(md5(n::text), 'hex') from generate_series(1, %(many)s) n
-- name: faulty
-- A file with faults.
insert into import_run (kind, filename, state, started_at, ended_at) values ('students', %(name)s, 'faulty', %(at)s, %(at)s)
-- name: mended
-- The same file, saved.
insert into import_run (kind, filename, state, started_at, ended_at) values ('students', %(name)s, 'done', %(at)s, %(at)s)
-- name: midline
-- The round was the year's second, and the first one is missing.
update round set kind = 'midline' where id = %(round)s
-- name: nobody
-- Everybody's work at a school ends.
update assignment set ended_at = now() where school_id = %(school)s
-- name: assign
-- Somebody's work at a school begins.
insert into assignment (person_id, school_id, subject, from_on) values (%(person)s, %(school)s, 'language', '2026-01-01')
-- name: many_schools
-- Schools that nobody works at.
insert into school (place_id, code, name_local, name_latin, status) select %(place)s, 'M' || n, 'M' || n, '', 'open' from generate_series(1, %(many)s) n
""",
    origin="test_tasks.py",
)


async def seen(session: Session, actor: Actor, clock: StandingClock) -> dict[str, Task]:
    found = await tasks_of(session, actor, clock)
    return {each.kind: each for each in (*found.now, *found.soon)}


async def counts(session: Session, actor: Actor, clock: StandingClock) -> dict[str, int]:
    return {kind: each.count for kind, each in (await seen(session, actor, clock)).items()}


async def enter(session: Session, cast: Cast, clock: StandingClock, *levels: str) -> list[str]:
    """Results in math of the first children of school A, by its teacher."""
    writes = [
        ResultWrite(
            id=str(uuid4()),
            student_id=child,
            round_id=cast.round,
            subject="math",
            level=level,
            tested_on=TODAY,
            tool=1,
        )
        for child, level in zip(cast.students_a, levels, strict=False)
    ]
    answers = await enter_results(session, cast.teacher, writes, clock)
    assert all(each.is_saved for each in answers)
    return [each.result_id or "" for each in answers]


async def group_in_use(session: Session, cast: Cast, clock: StandingClock) -> int:
    proposed = await propose_groups(session, cast.teacher, NewGrouping(cast.school_a, "math", 3, 3), clock)
    await accept_groups(session, cast.teacher, proposed.id, proposed.version, clock)
    return (await read_groups(session, cast.teacher, cast.school_a, "math", clock)).groups[0].id


async def test_a_teacher_is_told_how_many_children_are_to_test_in_each_subject(
    session: Session, cast: Cast, clock: StandingClock
) -> None:
    found = await tasks_of(session, cast.teacher, clock)
    told = [(each.kind, each.subject, each.count, each.first, each.school_id) for each in found.now]
    assert told == [
        ("test_children", "language", 5, "Alpha School", cast.school_a),
        ("test_children", "math", 5, "Alpha School", cast.school_a),
    ]
    await enter(session, cast, clock, *LEVELS)
    left = {each.subject: each.count for each in (await tasks_of(session, cast.teacher, clock)).now}
    assert left == {"language": 5, "math": 2}
    assert (await tasks_of(session, cast.viewer, clock)).now == ()


async def test_a_count_of_several_schools_is_not_told_as_one_schools(
    session: Session, cast: Cast, clock: StandingClock
) -> None:
    found = await seen(session, cast.mentor, clock)
    assert found["test_children"].is_of_many is False
    work = {"person": cast.mentor.person_id, "school": cast.school_b}
    await session.execute(QUERIES["assign"], work)
    mentor = await actor_now(session, "mentor")
    soon = {each.subject: each for each in (await tasks_of(session, mentor, clock)).soon}
    assert {subject: each.is_of_many for subject, each in soon.items()} == {"language": True, "math": False}


async def test_attendance_waits_from_monday_to_friday_until_it_is_taken(
    session: Session, cast: Cast, clock: StandingClock
) -> None:
    await enter(session, cast, clock, "beginner", "beginner", "beginner")
    group_id = await group_in_use(session, cast, clock)
    task = (await seen(session, cast.teacher, clock))["take_attendance"]
    assert (task.count, task.first, task.subject) == (1, "Alpha School", "math")
    assert task.group_id == group_id, "one group is opened at once"
    assert "take_attendance" not in await counts(session, cast.teacher_elsewhere, clock)
    write = SessionWrite(str(uuid4()), group_id, TODAY, 60, marks=[Mark(cast.students_a[0], "present")])
    await record_session(session, cast.teacher, write, clock)
    assert "take_attendance" not in await counts(session, cast.teacher, clock)
    clock.advance(timedelta(days=1).total_seconds())
    assert (await counts(session, cast.teacher, clock))["take_attendance"] == 1
    clock.advance((date(2026, 11, 28) - clock.now().date()).days * 86_400)
    assert clock.now().strftime("%A") == "Saturday"
    assert "take_attendance" not in await counts(session, cast.teacher, clock), (
        "nobody teaches on Saturdays here"
    )


async def test_re_tests_visits_and_what_was_returned_wait_for_whose_they_are(
    session: Session, cast: Cast, clock: StandingClock
) -> None:
    results = await enter(session, cast, clock, *LEVELS)
    await draw_sample(
        session, cast.coordinator, NewDraw(cast.round, "math", school_id=cast.school_a, seed=1), clock
    )
    await plan_visit(session, cast.mentor, NewPlannedVisit(str(uuid4()), cast.school_a, "math", TODAY), clock)
    await save_visit(session, cast.mentor, a_visit(cast), clock)
    assert (await counts(session, cast.mentor, clock)).items() >= {"finish_visit": 1, "retest": 3}.items()
    assert "retest" not in await counts(session, cast.mentor_elsewhere, clock)
    clock.advance(86_400)
    assert (await counts(session, cast.mentor, clock))["visit"] == 1
    assert (await counts(session, cast.coordinator, clock))["plan_visits"] == 1
    answers = await save_retests(
        session,
        cast.mentor,
        [
            Retest(str(uuid4()), results[0], TODAY, level="division", tool=2),
            Retest(str(uuid4()), results[1], TODAY, level="division", tool=2),
            Retest(str(uuid4()), results[2], TODAY, level=LEVELS[2], tool=2),
        ],
        clock,
    )
    assert "retest" not in await counts(session, cast.mentor, clock)
    assert (await counts(session, cast.coordinator, clock))["decide_retest"] == 2
    verification_id = answers[0].verification_id or ""
    version = (await read_verification(session, cast.mentor, verification_id, clock)).version
    await return_to_teacher(
        session, cast.mentor, verification_id, version=version, reason="look", clock=clock
    )
    told = (await seen(session, cast.teacher, clock))["look_again"]
    assert (told.count, told.first) == (1, "Bopha"), "the child is named to its teacher, who may see it"
    assert (await counts(session, cast.coordinator, clock))["decide_retest"] == 1


async def test_what_waits_for_a_coordinator_comes_and_goes(
    session: Session, cast: Cast, clock: StandingClock
) -> None:
    before = await counts(session, cast.coordinator, clock)
    assert before == {"assign_teacher": 1, "assign_mentor": 1, "enter_results": 2}, "B has nobody for math"
    await enter(session, cast, clock, LEVELS[0])
    told = await seen(session, cast.coordinator, clock)
    assert told["enter_results"].count == 1
    asked = SchoolSearch(untested_in=cast.round)
    assert await count_schools(session, cast.coordinator, asked) == 1, "the list behind it says the same"
    await session.execute(QUERIES["faulty"], {"name": "a.csv", "at": clock.now()})
    await session.execute(QUERIES["faulty"], {"name": "b.csv", "at": clock.now() - timedelta(days=8)})
    await session.execute(QUERIES["nobody"], {"school": cast.school_a})
    now = await counts(session, cast.coordinator, clock)
    assert (now["mend_file"], now["assign_teacher"], now["assign_mentor"]) == (1, 2, 2)
    await session.execute(QUERIES["mended"], {"name": "a.csv", "at": clock.now() + timedelta(minutes=1)})
    assert "mend_file" not in await counts(session, cast.coordinator, clock)


async def test_results_of_a_later_round_without_a_baseline_wait_for_a_coordinator(
    session: Session, cast: Cast, clock: StandingClock
) -> None:
    await enter(session, cast, clock, *LEVELS)
    assert "find_baseline" not in await counts(session, cast.coordinator, clock)
    await session.execute(QUERIES["midline"], {"round": cast.round})
    task = (await seen(session, cast.coordinator, clock))["find_baseline"]
    assert (task.count, task.is_more, task.round_id) == (3, False, cast.round)


async def test_schools_without_somebody_are_counted_as_their_lists_have_them(
    session: Session, cast: Cast, clock: StandingClock
) -> None:
    """Seen: a number for both subjects led to the list of one."""
    await session.execute(QUERIES["nobody"], {"school": cast.school_a})
    found = await tasks_of(session, cast.coordinator, clock)
    told = {(each.kind, each.subject): each.count for each in found.now if each.kind.startswith("assign_")}
    listed = {
        (f"assign_{role}", subject): len(
            (
                await schools_without(
                    session, cast.coordinator, PageRequest(50), clock, role=role, subject=subject
                )
            ).items
        )
        for role in ("teacher", "mentor")
        for subject in ("language", "math")
    }
    assert told == {which: count for which, count in listed.items() if count}
    assert sorted(told.values()) == [1, 1, 2, 2]


async def test_more_than_a_hundred_is_told_as_more_and_never_as_a_number(
    session: Session, cast: Cast, clock: StandingClock
) -> None:
    values: dict[str, Any] = {"place": cast.district_1, "many": MOST_COUNTED + 5}
    await session.execute(QUERIES["many_schools"], values)
    task = (await seen(session, cast.coordinator, clock))["assign_teacher"]
    assert (task.count, task.is_more) == (MOST_COUNTED, True)
