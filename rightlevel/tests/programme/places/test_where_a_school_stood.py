"""A school moves, and what was counted stays where it stood: by the districts of then, by those of today, and told."""

from __future__ import annotations

from typing import Any
from uuid import uuid4

import pytest
from people import NOW, Cast

from flatwater.clock import StandingClock
from flatwater.paging import PageRequest
from flatwater.queries import read_queries
from flatwater.transaction import Session
from rightlevel.operations.reconcile import reconcile
from rightlevel.programme.figures import (
    FigureQuery,
    figures_below,
    moved_schools,
    read_breakdown,
    read_figures,
)
from rightlevel.programme.permissions import Actor
from rightlevel.programme.results import ResultWrite, enter_results
from rightlevel.programme.rounds import set_round_state
from rightlevel.programme.schools import SchoolChange, change_school, read_school

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


async def enter(session: Session, cast: Cast, clock: StandingClock, *, round_id: int | None = None) -> None:
    """Every child of both schools tested in mathematics, in school A at the level of subtraction, in B of division."""
    writes = [
        ResultWrite(str(uuid4()), child, round_id or cast.round, "math", NOW.date(), level=level)
        for children, level in ((cast.students_a, "subtraction"), (cast.students_b, "division"))
        for child in children
    ]
    answers = await enter_results(session, cast.coordinator, writes, clock)
    assert {answer.code for answer in answers} == {"saved"}


async def step(session: Session, cast: Cast, clock: StandingClock, state: str, version: int) -> None:
    await set_round_state(
        session, cast.coordinator, cast.round, version=version, state=state, clock=clock, reason="it is time"
    )


async def assessed_at(
    session: Session, actor: Actor, cast: Cast, place_id: int | None, boundaries: str = "then"
) -> int:
    asked = FigureQuery(cast.round, "math", place_id, boundaries=boundaries)
    return (await read_figures(session, actor, asked)).assessed


async def by_place(session: Session, cast: Cast, boundaries: str = "then") -> tuple[int, ...]:
    """Tested in the country, the north and the south."""
    return tuple(
        [
            await assessed_at(session, cast.viewer, cast, place, boundaries)
            for place in (cast.country, cast.district_1, cast.district_2)
        ]
    )


async def move(session: Session, cast: Cast, clock: StandingClock, school_id: int, place_id: int) -> None:
    school = await read_school(session, cast.coordinator, school_id)
    change = SchoolChange(school.version, place_id=place_id, reason="the district border was drawn anew")
    await change_school(session, cast.coordinator, school_id, change, clock)


async def every_part(session: Session, cast: Cast, boundaries: str) -> None:
    """Walks down from the countries: each unit is the sum of what hangs on it, in every breakdown."""
    waiting: list[int | None] = [None]
    looked_at = 0
    while waiting:
        place_id = waiting.pop()
        asked = FigureQuery(cast.round, "math", place_id, boundaries=boundaries)
        whole = await read_figures(session, cast.viewer, asked)
        units: list[Any] = []
        after: str | None = None
        while True:
            page = await figures_below(session, cast.viewer, asked, PageRequest(2, after))
            units += page.items
            after = page.next
            if after is None:
                break
        assert sum(each.figures.assessed for each in units) == whole.assessed, place_id
        assert [
            sum(each.figures.levels[at].count for each in units) for at in range(len(whole.levels))
        ] == [level.count for level in whole.levels]
        for by in ("grades", "sexes"):
            slices = await read_breakdown(session, cast.viewer, asked, by=by)  # type: ignore[arg-type]
            assert sum(each.figures.assessed for each in slices) == whole.assessed, (place_id, by)
        waiting += [each.id for each in units if not each.is_school]
        looked_at += len(units)
    assert looked_at >= 5


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
        told = await moved_schools(session, cast.viewer, FigureQuery(cast.round, "math", place_id))
        assert told.total == 1
        only = told.schools[0]
        assert (only.school_id, only.then_id, only.now_id) == (cast.school_a, cast.district_1, cast.district_2)
        assert (only.school_name, only.then_name, only.now_name) == (
            "Alpha School",
            "North District",
            "South District",
        )
    other = FigureQuery(cast.round, "math", school_id=cast.school_b)
    assert (await moved_schools(session, cast.viewer, other)).total == 0
    assert (await moved_schools(session, cast.teacher_elsewhere, FigureQuery(cast.round, "language"))).total == 0
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
        "school": cast.school_a, "then": cast.district_1, "now": cast.district_2, "other": cast.province,
    }  # fmt: skip
    assert await session.execute(PLANTED[what], values) >= 1
    found = await reconcile(session)
    assert found.different >= 1
    assert found.differences
    if what.startswith("count"):
        await reconcile(session, repair=True)
        assert (await reconcile(session)).different == 0
        assert await by_place(session, cast) == (8, 5, 3)
        assert await by_place(session, cast, "today") == (8, 0, 8)
