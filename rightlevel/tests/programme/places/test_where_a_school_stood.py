"""A school moves, and what was counted stays where it stood: by the districts of then, by those of today, and told."""

from __future__ import annotations

from uuid import uuid4

import pytest
from people import NOW, Cast
from places import by_place, enter, every_part, move, step

from flatwater.clock import StandingClock
from flatwater.queries import read_queries
from flatwater.transaction import Session
from rightlevel.operations.reconcile import reconcile
from rightlevel.programme.figures import (
    FigureQuery,
    moved_schools,
)
from rightlevel.programme.results import ResultWrite, enter_results

pytestmark = pytest.mark.anyio

PLANTED = read_queries(
    """
-- name: membership_elsewhere
-- A membership of the past says another place.
update school_place set place_id = %(other)s where school_id = %(school)s and until_at is not null
-- name: membership_missing
-- A membership of the past is lost.
delete from school_place where school_id = %(school)s and until_at is not null
-- name: membership_shorter
-- A membership of the past ends too early.
update school_place set until_at = until_at - interval '1 day' where school_id = %(school)s and until_at is not null
-- name: membership_of_today
-- The membership of today is lost.
delete from school_place where school_id = %(school)s and until_at is null
-- name: count_of_then
-- A count of a place is altered.
update place_count set rank_4 = rank_4 + 1 where place_id = %(then)s and rank_4 > 0
-- name: count_of_today
-- What a place has more today is altered.
update place_count_moved set rank_4 = rank_4 - 1 where place_id = %(now)s
-- name: stays
-- Where a school stood.
select array_agg(place_id order by from_at) from school_place where school_id = %(school)s
""",
    origin="test_where_a_school_stood.py",
)


async def test_a_closed_rounds_counts_stay_where_the_school_stood(
    session: Session, cast: Cast, clock: StandingClock
) -> None:
    await enter(session, cast, clock)
    assert await by_place(session, cast) == (8, 5, 3)
    await step(session, cast, clock, "closed", 1)
    await step(session, cast, clock, "frozen", 2)
    await move(session, cast, clock, cast.school_a, cast.district_2)
    assert await by_place(session, cast) == (8, 5, 3)
    assert await by_place(session, cast, "today") == (8, 0, 8)
    assert (await reconcile(session)).different == 0
    for boundaries in ("then", "today"):
        await every_part(session, cast, boundaries)


async def test_an_open_rounds_counts_go_along(session: Session, cast: Cast, clock: StandingClock) -> None:
    await enter(session, cast, clock)
    await move(session, cast, clock, cast.school_a, cast.district_2)
    assert await by_place(session, cast) == await by_place(session, cast, "today") == (8, 0, 8)
    await step(session, cast, clock, "closed", 1)
    assert await by_place(session, cast) == (8, 0, 8)
    assert (await reconcile(session)).different == 0


async def test_what_comes_late_is_counted_where_the_school_stood(
    session: Session, cast: Cast, clock: StandingClock
) -> None:
    await step(session, cast, clock, "closed", 1)
    await move(session, cast, clock, cast.school_a, cast.district_2)
    writes = [
        ResultWrite(
            str(uuid4()), child, cast.round, "math", NOW.date(), level="division", reason="it was on paper"
        )
        for child in cast.students_a
    ]
    answers = await enter_results(session, cast.coordinator, writes, clock)
    assert {answer.code for answer in answers} == {"saved"}
    assert await by_place(session, cast) == (5, 5, 0)
    assert await by_place(session, cast, "today") == (5, 0, 5)
    assert (await reconcile(session)).different == 0


async def test_a_round_that_is_opened_again_follows_the_present_until_it_closes(
    session: Session, cast: Cast, clock: StandingClock
) -> None:
    await enter(session, cast, clock)
    await step(session, cast, clock, "closed", 1)
    await move(session, cast, clock, cast.school_a, cast.district_2)
    assert await by_place(session, cast) == (8, 5, 3)
    await step(session, cast, clock, "open", 2)
    assert await by_place(session, cast) == await by_place(session, cast, "today") == (8, 0, 8)
    assert (await reconcile(session)).different == 0
    await step(session, cast, clock, "closed", 3)
    await move(session, cast, clock, cast.school_a, cast.district_1)
    assert await by_place(session, cast) == (8, 0, 8)
    assert await by_place(session, cast, "today") == (8, 5, 3)
    assert (await reconcile(session)).different == 0


async def test_what_moved_is_told(session: Session, cast: Cast, clock: StandingClock) -> None:
    asked = FigureQuery(cast.round, "math")
    await enter(session, cast, clock)
    await step(session, cast, clock, "closed", 1)
    assert (await moved_schools(session, cast.viewer, asked)).total == 0
    await move(session, cast, clock, cast.school_a, cast.district_2)
    for place_id in (None, cast.country, cast.district_1, cast.district_2):
        told = await moved_schools(session, cast.coordinator, FigureQuery(cast.round, "math", place_id))
        assert told.total == 1
        only = told.schools[0]
        assert (only.school_id, only.then_id, only.now_id) == (
            cast.school_a,
            cast.district_1,
            cast.district_2,
        )
        assert (only.school_name, only.then_name, only.now_name) == (
            "Alpha School",
            "North District",
            "South District",
        )
    other = FigureQuery(cast.round, "math", school_id=cast.school_b)
    assert (await moved_schools(session, cast.viewer, other)).total == 0
    assert (
        await moved_schools(session, cast.teacher_elsewhere, FigureQuery(cast.round, "language"))
    ).total == 0
    await move(session, cast, clock, cast.school_a, cast.district_1)
    assert (await moved_schools(session, cast.viewer, asked)).total == 0


@pytest.mark.parametrize("what", sorted(set(PLANTED) - {"stays"}))
async def test_reconcile_sees_a_planted_difference(
    session: Session, cast: Cast, clock: StandingClock, what: str
) -> None:
    await enter(session, cast, clock)
    await step(session, cast, clock, "closed", 1)
    await move(session, cast, clock, cast.school_a, cast.district_2)
    assert (await reconcile(session)).different == 0
    values = {
        "school": cast.school_a,
        "then": cast.district_1,
        "now": cast.district_2,
        "other": cast.province,
    }
    assert await session.execute(PLANTED[what], values) >= 1
    found = await reconcile(session)
    assert found.different >= 1
    assert found.differences
    if what.startswith("count"):
        await reconcile(session, repair=True)
        assert (await reconcile(session)).different == 0
        assert await by_place(session, cast) == (8, 5, 3)
        assert await by_place(session, cast, "today") == (8, 0, 8)
