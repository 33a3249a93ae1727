from datetime import date, timedelta

import pytest
from people import NOW, Cast, actor_now

from flatwater.clock import StandingClock
from flatwater.paging import PageRequest
from flatwater.transaction import Session
from rightlevel.programme.accounts import Scopes
from rightlevel.programme.assignments import (
    NewAssignment,
    assigned_schools,
    create_assignment,
    end_assignment,
    list_assignments,
)
from rightlevel.programme.errors import AlreadyTaken, Forbidden, Invalid, NotFound

pytestmark = pytest.mark.anyio
TODAY = NOW.date()


async def test_an_assignment_counts_on_the_next_look_and_ends_on_the_next_look(
    session: Session, cast: Cast, clock: StandingClock
) -> None:
    made = await create_assignment(
        session, cast.coordinator, NewAssignment(cast.stranger.person_id, cast.school_b, "math"), clock
    )
    scope = (await actor_now(session, "stranger")).scope
    assert scope.covers(cast.school_b, subject="math")
    assert not scope.covers(cast.school_b, subject="language")
    assert not scope.covers(cast.school_a)
    await end_assignment(session, cast.coordinator, made.id, clock)
    assert not (await actor_now(session, "stranger")).scope.reaches_school(cast.school_b)
    with pytest.raises(NotFound):
        await end_assignment(session, cast.coordinator, made.id, clock)


async def test_an_assignment_to_a_class_reaches_that_class_only(
    session: Session, cast: Cast, clock: StandingClock
) -> None:
    new = NewAssignment(cast.stranger.person_id, cast.school_a, "math", cast.class_3a)
    await create_assignment(session, cast.coordinator, new, clock)
    scope = (await actor_now(session, "stranger")).scope
    assert scope.covers(cast.school_a, subject="math", class_id=cast.class_3a)
    assert not scope.covers(cast.school_a, subject="math", class_id=None)
    assert (scope.whole_schools(), scope.classes(), scope.schools()) == ([], [cast.class_3a], [cast.school_a])


async def test_an_assignment_to_come_or_gone_by_counts_nothing(
    session: Session, cast: Cast, clock: StandingClock
) -> None:
    person = cast.stranger.person_id
    await create_assignment(
        session,
        cast.coordinator,
        NewAssignment(person, cast.school_a, "math", from_on=TODAY + timedelta(days=1)),
        clock,
    )
    past = NewAssignment(
        person, cast.school_b, "math", from_on=date(2026, 1, 1), to_on=TODAY - timedelta(days=1)
    )
    await create_assignment(session, cast.coordinator, past, clock)
    assert (await actor_now(session, "stranger")).scope.schools() == []
    assert await assigned_schools(session, person, scopes=Scopes(clock)) == []
    assert await assigned_schools(session, person, active_only=False, scopes=Scopes(clock)) == [
        cast.school_a,
        cast.school_b,
    ]


async def test_the_look_up_gives_schools_by_subject(
    session: Session, cast: Cast, clock: StandingClock
) -> None:
    assert await assigned_schools(session, cast.teacher.person_id, "math", scopes=Scopes(clock)) == [
        cast.school_a
    ]
    assert (
        await assigned_schools(
            session, cast.teacher_elsewhere.person_id, "math", bypass_cache=True, scopes=Scopes(clock)
        )
        == []
    )
    assert await assigned_schools(session, cast.teacher_elsewhere.person_id, scopes=Scopes(clock)) == [
        cast.school_b
    ]


async def test_what_is_wrong_is_named_at_once_and_nothing_is_assigned_twice(
    session: Session, cast: Cast, clock: StandingClock
) -> None:
    with pytest.raises(Invalid) as invalid:
        await create_assignment(
            session,
            cast.coordinator,
            NewAssignment(cast.viewer.person_id, 999_999, "physics", 999_999, to_on=date(2020, 1, 1)),
            clock,
        )
    assert {fault.field for fault in invalid.value.faults} == {
        "subject",
        "to_on",
        "person_id",
        "school_id",
        "class_id",
    }
    with pytest.raises(AlreadyTaken):
        async with session.savepoint():
            await create_assignment(
                session, cast.coordinator, NewAssignment(cast.teacher.person_id, cast.school_a, "math"), clock
            )
    with pytest.raises(Forbidden):
        await create_assignment(
            session, cast.mentor, NewAssignment(cast.stranger.person_id, cast.school_a, "math"), clock
        )


async def test_assignments_are_listed_by_person_and_by_school(session: Session, cast: Cast) -> None:
    by_person = await list_assignments(
        session, cast.coordinator, PageRequest(), person_id=cast.teacher.person_id
    )
    assert [each.subject for each in by_person.items] == ["language", "math"]
    by_school = await list_assignments(session, cast.coordinator, PageRequest(), school_id=cast.school_b)
    assert {each.person_name for each in by_school.items} == {"Mentor Elsewhere", "Teacher Elsewhere"}
    with pytest.raises(Forbidden):
        await list_assignments(session, cast.teacher, PageRequest())
