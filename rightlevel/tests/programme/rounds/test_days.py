"""Days of rounds, schools and years don't slip away from under what was done in them: refused, or confirmed with the numbers in sight."""

from __future__ import annotations

from datetime import date

import pytest
from people import Cast
from places import enter, step

from flatwater.clock import StandingClock
from flatwater.queries import read_queries
from flatwater.transaction import Session
from rightlevel.programme.errors import InUse, Invalid
from rightlevel.programme.rounds import (
    ResultsOutside,
    RoundChange,
    SchoolDates,
    change_round,
    delete_round,
    restore_round,
    set_dates_of_schools,
    set_school_dates,
)
from rightlevel.programme.rounds.actions import RoundFrozen
from rightlevel.programme.schools import (
    NewYear,
    YearChange,
    YearPastOutside,
    change_year,
    create_year,
    delete_year,
)

pytestmark = pytest.mark.anyio

MADE = read_queries(
    """
-- name: visit
-- A visit early in the year.
insert into visit (id, write_id, school_id, subject, mentor_id, visited_on, form_version_id, answers, created_at, changed_at)
values (gen_random_uuid(), gen_random_uuid(), %(school)s, 'math', %(mentor)s, '2026-02-01', 1, '{}', now(), now())
-- name: own_days
-- A school's own days, early in the year.
insert into round_school (round_id, school_id, starts_on) values (%(round)s, %(school)s, '2026-03-01')
-- name: former_child
-- A child that was there in another year and left.
insert into past_enrolment (student_id, school_id, school_year_id, grade, sex, until_on, reason)
values (%(child)s::uuid, %(school)s, %(year)s, 3, 1, '2025-12-01', 'left')
""",
    origin="test_days.py",
)


async def test_a_rounds_days_are_not_moved_away_from_its_results_by_accident(
    session: Session, cast: Cast, clock: StandingClock
) -> None:
    await enter(session, cast, clock)
    change = RoundChange(1, starts_on=date(2026, 11, 24), ends_on=date(2026, 11, 30))
    with pytest.raises(ResultsOutside) as refused:
        await change_round(session, cast.coordinator, cast.round, change)
    assert refused.value.values == {"results": 8}
    # a school whose own days hold its results is not counted
    await set_school_dates(
        session, cast.coordinator, cast.round, cast.school_a, starts_on=date(2026, 11, 20), ends_on=None
    )
    with pytest.raises(ResultsOutside) as refused:
        await change_round(session, cast.coordinator, cast.round, change)
    assert refused.value.values == {"results": 3}
    confirmed = RoundChange(1, starts_on=change.starts_on, ends_on=change.ends_on, confirm=True)
    assert (
        await change_round(session, cast.coordinator, cast.round, confirmed)
    ).starts_on == change.starts_on
    with pytest.raises(Invalid):
        before_own = RoundChange(2, starts_on=date(2026, 11, 1), ends_on=date(2026, 11, 19), confirm=True)
        await change_round(session, cast.coordinator, cast.round, before_own)


async def test_a_schools_own_days_stay_within_the_year_and_around_its_results(
    session: Session, cast: Cast, clock: StandingClock
) -> None:
    await enter(session, cast, clock)
    with pytest.raises(Invalid):
        await set_school_dates(
            session,
            cast.coordinator,
            cast.round,
            cast.school_a,
            starts_on=date(2020, 1, 1),
            ends_on=date(2029, 12, 31),
        )
    late = {"starts_on": date(2026, 11, 25), "ends_on": None}
    with pytest.raises(ResultsOutside) as refused:
        await set_school_dates(session, cast.coordinator, cast.round, cast.school_a, **late)
    assert refused.value.values == {"results": 5}
    await set_school_dates(session, cast.coordinator, cast.round, cast.school_a, **late, confirm=True)
    many = [
        SchoolDates(cast.school_a, date(2020, 1, 1), date(2029, 12, 31)),
        SchoolDates(cast.school_b, date(2026, 11, 25)),
        SchoolDates(cast.practice_school, date(2026, 11, 25)),
    ]
    answers = await set_dates_of_schools(session, cast.coordinator, cast.round, many)
    assert [each.code for each in answers] == ["outside_year", "results_outside", "saved"]
    answers = await set_dates_of_schools(session, cast.coordinator, cast.round, many[1:2], confirm=True)
    assert [each.code for each in answers] == ["saved"]


async def test_a_year_is_not_made_shorter_than_its_rounds(session: Session, cast: Cast) -> None:
    with pytest.raises(Invalid) as invalid:
        shorter = YearChange(1, ends_on=date(2026, 11, 15), confirm=True)
        await change_year(session, cast.coordinator, cast.school_year, shorter)
    assert [(each.field, each.rule) for each in invalid.value.faults] == [
        ("ends_on", "The baseline of this year lasts from 2026-11-01 to 2026-11-30")
    ]
    await session.execute(MADE["own_days"], {"round": cast.round, "school": cast.school_a})
    with pytest.raises(Invalid):
        later = YearChange(1, starts_on=date(2026, 4, 1), confirm=True)
        await change_year(session, cast.coordinator, cast.school_year, later)


async def test_a_year_that_loses_days_tells_what_lies_in_them(session: Session, cast: Cast) -> None:
    await session.execute(MADE["visit"], {"school": cast.school_a, "mentor": cast.mentor.person_id})
    later = YearChange(1, starts_on=date(2026, 4, 1))
    with pytest.raises(YearPastOutside) as refused:
        await change_year(session, cast.coordinator, cast.school_year, later)
    assert refused.value.values == {"sessions": 0, "visits": 1, "moves": 0}
    confirmed = YearChange(1, starts_on=date(2026, 4, 1), confirm=True)
    assert (await change_year(session, cast.coordinator, cast.school_year, confirmed)).starts_on == date(
        2026, 4, 1
    )


@pytest.mark.parametrize(
    "days", [(date(1026, 1, 1), date(1026, 12, 31)), (date(2226, 1, 1), date(2226, 12, 31))]
)
async def test_a_year_that_was_mistyped_is_refused(
    session: Session, cast: Cast, days: tuple[date, date]
) -> None:
    with pytest.raises(Invalid):
        await create_year(session, cast.coordinator, NewYear("mistyped", *days))


async def test_a_year_in_which_somebody_stood_stays(
    session: Session, cast: Cast, clock: StandingClock
) -> None:
    year = await create_year(session, cast.coordinator, NewYear("2025", date(2025, 1, 1), date(2025, 12, 31)))
    values = {"child": cast.students_a[0], "school": cast.school_a, "year": year.id}
    await session.execute(MADE["former_child"], values)
    with pytest.raises(InUse):
        await delete_year(session, cast.coordinator, year.id, reason="x", clock=clock)


async def test_a_frozen_round_stays_even_without_results(
    session: Session, cast: Cast, clock: StandingClock
) -> None:
    await step(session, cast, clock, "closed", 1)
    await step(session, cast, clock, "frozen", 2)
    with pytest.raises(RoundFrozen):
        await delete_round(session, cast.coordinator, cast.round, reason="x", clock=clock)


async def test_a_round_comes_back_only_into_its_year(
    session: Session, cast: Cast, clock: StandingClock
) -> None:
    await delete_round(session, cast.coordinator, cast.round, reason="not now", clock=clock)
    shorter = YearChange(1, ends_on=date(2026, 11, 15))
    await change_year(session, cast.coordinator, cast.school_year, shorter)
    with pytest.raises(Invalid):
        await restore_round(session, cast.coordinator, cast.round)
