from datetime import date, timedelta

import pytest
from people import NOW, Cast, actor_now

from flatwater.clock import StandingClock
from flatwater.paging import PageRequest
from flatwater.queries import read_queries
from flatwater.transaction import Session
from rightlevel.programme.accounts import Scopes, delete_person, restore_person, set_active
from rightlevel.programme.assignments import (
    NewAssignment,
    assigned_schools,
    create_assignment,
    end_assignment,
    list_assignments,
    schools_without,
)
from rightlevel.programme.errors import AlreadyTaken, Forbidden, Invalid, NotFound
from rightlevel.programme.schools import delete_class, delete_school

pytestmark = pytest.mark.anyio
TODAY = NOW.date()

QUERIES = read_queries(
    """
-- name: running
-- What nobody ended.
select count(*) from assignment where ended_at is null and (person_id = %(id)s or school_id = %(id)s or class_id = %(id)s)
-- name: told
-- What the audit says of the last deed of a kind.
select a.after from audit_entry a where a.action = 'delete' and a.resource = %(what)s order by a.id desc limit 1
-- name: told_of_switching
-- What the audit says of an account that was switched off.
select a.after from audit_entry a where a.action = 'deactivate' and a.resource = 'person' and a.resource_id = %(id)s::text
-- name: empty_school
-- Takes the children of a school away.
update student set deleted_at = now() where school_id = %(id)s
-- name: empty_class
-- Takes the children out of a class.
update student set class_id = null where class_id = %(id)s
""",
    origin="test_assignments.py",
)


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


async def test_assignments_are_listed_by_person_and_by_school(
    session: Session, cast: Cast, clock: StandingClock
) -> None:
    by_person = await list_assignments(
        session, cast.coordinator, PageRequest(), clock, person_id=cast.teacher.person_id
    )
    assert [each.subject for each in by_person.items] == ["language", "math"]
    by_school = await list_assignments(
        session, cast.coordinator, PageRequest(), clock, school_id=cast.school_b
    )
    assert {each.person_name for each in by_school.items} == {"Mentor Elsewhere", "Teacher Elsewhere"}
    with pytest.raises(Forbidden):
        await list_assignments(session, cast.teacher, PageRequest(), clock)


async def test_what_ran_out_by_its_date_is_over_everywhere_and_another_may_follow(
    session: Session, cast: Cast, clock: StandingClock
) -> None:
    """Seen: it gave no access, was listed as active, and blocked a new one."""
    person = cast.stranger.person_id
    day = timedelta(days=1)

    async def states(state: str | None) -> list[str]:
        page = await list_assignments(
            session, cast.coordinator, PageRequest(), clock, person_id=person, state=state
        )
        return [each.state for each in page.items]

    async def assign(**more: object) -> None:
        new = NewAssignment(person, cast.school_a, "math", **more)  # type: ignore[arg-type]
        await create_assignment(session, cast.coordinator, new, clock)

    await assign(from_on=TODAY - 30 * day, to_on=TODAY - day)
    assert (await states("in_force"), await states("over"), await states(None)) == ([], ["over"], ["over"])
    await assign(from_on=TODAY + 5 * day)
    assert (await states("in_force"), await states("current")) == ([], ["to_come"])
    await assign(to_on=TODAY + 4 * day)
    assert (await states("in_force"), await states("current")) == (["in_force"], ["to_come", "in_force"])
    assert (await actor_now(session, "stranger")).scope.schools() == [cast.school_a]
    for more in ({}, {"from_on": TODAY + 10 * day}, {"from_on": TODAY - 5 * day, "to_on": TODAY}):
        with pytest.raises(AlreadyTaken):
            async with session.savepoint():
                await assign(**more)
    with pytest.raises(Invalid):
        await states("sometimes")


async def test_who_is_switched_off_holds_nothing_any_more(
    session: Session, cast: Cast, clock: StandingClock
) -> None:
    lacking = await schools_without(
        session, cast.coordinator, PageRequest(), clock, role="teacher", subject="math"
    )
    assert cast.school_a not in [each.school_id for each in lacking.items]
    teacher = cast.teacher.person_id
    await set_active(session, cast.coordinator, teacher, is_active=False, clock=clock)
    told = await session.fetch_value(QUERIES["told_of_switching"], {"id": teacher})
    assert len(told["ended_assignments"]) >= 1  # type: ignore[index]
    lacking = await schools_without(
        session, cast.coordinator, PageRequest(), clock, role="teacher", subject="math"
    )
    assert cast.school_a in [each.school_id for each in lacking.items]
    await set_active(session, cast.coordinator, teacher, is_active=True, clock=clock)
    page = await list_assignments(session, cast.coordinator, PageRequest(), clock, person_id=teacher)
    assert page.items == []


@pytest.mark.parametrize("what", ["person", "school", "class"])
async def test_what_is_deleted_ends_its_assignments_in_the_same_deed(
    session: Session, cast: Cast, clock: StandingClock, what: str
) -> None:
    new = NewAssignment(cast.stranger.person_id, cast.school_a, "math", cast.class_3a)
    await create_assignment(session, cast.coordinator, new, clock)
    ids = {"person": cast.stranger.person_id, "school": cast.school_a, "class": cast.class_3a}
    before = await session.fetch_value(QUERIES["running"], {"id": ids[what]})
    assert before
    if what == "person":
        await delete_person(session, cast.coordinator, ids[what], reason="left", clock=clock)
        await restore_person(session, cast.coordinator, ids[what])
    elif what == "school":
        await session.execute(QUERIES["empty_school"], {"id": ids[what]})
        await delete_school(session, cast.coordinator, ids[what], reason="closed", clock=clock)
    else:
        await session.execute(QUERIES["empty_class"], {"id": ids[what]})
        await delete_class(session, cast.coordinator, ids[what], reason="joined", clock=clock)
    told = await session.fetch_value(QUERIES["told"], {"what": what})
    page = await list_assignments(session, cast.coordinator, PageRequest(), clock)
    by = {"person": "person_id", "school": "school_id", "class": "class_id"}[what]
    assert [each for each in page.items if getattr(each, by) == ids[what]] == []
    assert len(told["ended_assignments"]) >= 1  # type: ignore[index]
    if what != "person":  # whose session ended with the account
        assert (await actor_now(session, "stranger")).scope.schools() == []
