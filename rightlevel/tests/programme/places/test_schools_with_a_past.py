"""A school in which something was done stays in the past's figures: it is closed and not removed, and stays practice or real."""

from __future__ import annotations

from uuid import uuid4

import pytest
from people import NOW, Cast
from places import by_place, enter, every_part, step

from flatwater.clock import StandingClock
from flatwater.queries import read_queries
from flatwater.transaction import ConstraintViolated, Session
from rightlevel.operations.reconcile import reconcile
from rightlevel.programme.boundaries import SchoolMerge, merge_school
from rightlevel.programme.practice import reset_practice
from rightlevel.programme.results import ResultWrite, enter_results
from rightlevel.programme.schools import (
    NewSchool,
    SchoolChange,
    SchoolHasPast,
    change_school,
    create_school,
    delete_school,
)
from rightlevel.programme.students import NewStudent, create_student, delete_student

pytestmark = pytest.mark.anyio

BY_HAND = read_queries(
    """
-- name: say_practice
-- Past every action.
update school set is_practice = not is_practice where id = %(school)s
-- name: remove
-- As schools could be removed once.
update school set deleted_at = now() where id = %(school)s
""",
    origin="test_schools_with_a_past.py",
)


async def test_a_school_with_results_is_closed_and_not_removed(
    session: Session, cast: Cast, clock: StandingClock
) -> None:
    await enter(session, cast, clock)
    await step(session, cast, clock, "closed", 1)
    merge = SchoolMerge(str(uuid4()), cast.school_b, NOW.date(), "too few children")
    await merge_school(session, cast.coordinator, cast.school_a, merge, clock)
    with pytest.raises(SchoolHasPast):
        await delete_school(session, cast.coordinator, cast.school_a, reason="empty", clock=clock)
    assert await by_place(session, cast) == (8, 5, 3)
    await every_part(session, cast, "then")


async def test_the_parts_sum_to_the_whole_even_with_a_school_that_was_removed_once(
    session: Session, cast: Cast, clock: StandingClock
) -> None:
    await enter(session, cast, clock)
    await step(session, cast, clock, "closed", 1)
    await session.execute(BY_HAND["remove"], {"school": cast.school_a})
    for boundaries in ("then", "today"):
        await every_part(session, cast, boundaries)


async def test_practice_stays_practice_and_real_stays_real_once_something_was_done(
    session: Session, cast: Cast, clock: StandingClock
) -> None:
    child = await create_student(
        session, cast.coordinator, NewStudent(cast.practice_school, "P1", "Practice Child", 1, 3), clock
    )
    write = ResultWrite(str(uuid4()), child.id, cast.round, "math", NOW.date(), level="division")
    assert (await enter_results(session, cast.coordinator, [write], clock))[0].code == "saved"
    await enter(session, cast, clock)
    for school_id, is_practice in ((cast.practice_school, False), (cast.school_a, True)):
        with pytest.raises(SchoolHasPast):
            change = SchoolChange(1, is_practice=is_practice)
            await change_school(session, cast.coordinator, school_id, change, clock)
        with pytest.raises(ConstraintViolated) as refused:
            async with session.savepoint():
                await session.execute(BY_HAND["say_practice"], {"school": school_id})
        assert refused.value.constraint == "school_has_a_past"
    assert await by_place(session, cast) == (8, 5, 3)


async def test_a_school_whose_children_are_counted_in_a_fixed_round_stays_what_it_is(
    session: Session, cast: Cast, clock: StandingClock
) -> None:
    await step(session, cast, clock, "closed", 1)
    with pytest.raises(SchoolHasPast):
        await change_school(
            session, cast.coordinator, cast.school_a, SchoolChange(1, is_practice=True), clock
        )


async def test_only_a_school_without_children_becomes_practice_and_back(
    session: Session, cast: Cast, clock: StandingClock
) -> None:
    """The invented children of a practice class would be enrolled with the school, and be counted."""
    new = await create_school(session, cast.coordinator, NewSchool(cast.district_1, "N", "New School"))
    for version, is_practice in ((1, True), (2, False), (3, True)):
        change = SchoolChange(version, is_practice=is_practice)
        await change_school(session, cast.coordinator, new.id, change, clock)
        assert (await reconcile(session)).different == 0
    await reset_practice(session, cast.coordinator, new.id, clock)
    with pytest.raises(SchoolHasPast):
        await change_school(session, cast.coordinator, new.id, SchoolChange(4, is_practice=False), clock)
    made = await create_school(session, cast.coordinator, NewSchool(cast.district_1, "M", "Another School"))
    child = await create_student(session, cast.coordinator, NewStudent(made.id, "N1", "A Child", 1, 3), clock)
    await delete_student(session, cast.coordinator, child.id, reason="entered twice", clock=clock)
    with pytest.raises(SchoolHasPast):
        await change_school(session, cast.coordinator, made.id, SchoolChange(1, is_practice=True), clock)
