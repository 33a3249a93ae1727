"""A round's end foretold: on made-up rounds the interval holds what it says, and where nothing can be told it says why."""

from __future__ import annotations

import random
from datetime import date, timedelta

import pytest
from people import NOW, Cast

from flatwater.clock import StandingClock
from flatwater.queries import read_queries
from flatwater.transaction import Session
from rightlevel.programme.errors import Forbidden
from rightlevel.programme.forecasts import note_days, read_forecast
from rightlevel.programme.forecasts.model import Day, Forecast, Standing, forecast

MONDAY = date(2026, 11, 2)
QUERIES = read_queries(
    """
-- name: note
-- A day of the past.
insert into round_day (round_id, subject, day, with_result, enrolled) values (%(round)s, 'language', %(day)s, %(count)s, 500)
-- name: enrol
-- Children of one school.
insert into student (school_id, school_year_id, code, name, name_key, sex, grade)
select %(school)s, %(year)s, 'many-' || n, 'Child', 'child', 1, 3 from generate_series(1, 400) n
-- name: days
-- How many days were noted.
select count(*) from round_day
""",
    origin="test_forecasts.py",
)


def a_round(dice: random.Random, *, alike: float) -> tuple[list[Day], int, int, date]:
    """A made-up round: days of work of very different yield, each a little like the one before; the days, its length, and how many are enrolled."""
    length, mean, spread = dice.randint(21, 45), dice.uniform(50, 2_000), dice.uniform(0.15, 0.6)
    held, level, days = 0.0, 0.0, []
    for number in range(length):
        day = MONDAY + timedelta(number)
        if day.weekday() < 5:
            level = alike * level + (1 - alike**2) ** 0.5 * dice.gauss(0, 1)
            held += max(0.0, mean * (1 + spread * level))
        days.append(Day(day, round(held)))
    return days, length, 10**9, MONDAY + timedelta(length - 1)


@pytest.mark.parametrize("alike", [0.0, 0.3])
def test_of_a_thousand_made_up_rounds_the_interval_holds_about_95_in_a_hundred(alike: float) -> None:
    dice = random.Random(11)
    held = asked = wide = 0
    for _ in range(1_000):
        days, length, enrolled, ends_on = a_round(dice, alike=alike)
        seen = dice.randint(9, length - 4)
        now = Standing("math", days[seen - 1].with_result, enrolled, MONDAY, ends_on, is_open=True)
        found = forecast(days[:seen], now, MONDAY + timedelta(seen))
        if found.children is None:
            assert found.reason == "no_days_left"
            continue
        asked += 1
        held += found.children.low <= days[-1].with_result <= found.children.high
        wide += found.children.high - found.children.low > days[-1].with_result
    assert asked > 950
    assert 0.91 <= held / asked <= 0.985
    assert wide / asked < 0.1, "an interval of everything would hold too"


def told(
    counts: list[int], *, enrolled: int = 1_000, ends_on: date = date(2026, 11, 27), **more: object
) -> Forecast:
    """A forecast after days of work from a Monday on, on the day after the last of them."""
    held, days, day = 0, [], MONDAY
    for count in counts:
        held += count
        days.append(Day(day, held))
        day += timedelta(3 if day.weekday() == 4 else 1)
    now = Standing("math", held, enrolled, MONDAY, ends_on, is_open=bool(more.get("is_open", True)))
    return forecast(days, now, days[-1].day + timedelta(1) if days else MONDAY)


def test_what_cannot_be_told_says_why() -> None:
    assert told([10, 12, 9, 11]).reason == "few_days"
    assert told([1, 2, 1, 2, 1]).reason == "few_results"
    assert told([50] * 5, is_open=False).reason == "not_open"
    assert told([50] * 5, enrolled=0).reason == "no_children"
    assert told([50] * 5, enrolled=250).reason == "all_there"
    assert told([50] * 5, ends_on=date(2026, 11, 7)).reason == "no_days_left"
    assert told([]).reason == "few_days"


def test_a_steady_round_ends_where_its_pace_leads_and_no_more_than_all_are_tested() -> None:
    found = told([40] * 5, enrolled=1_000)
    assert (found.days, found.days_left, found.per_day) == (5, 15, 40.0)
    assert found.children is not None
    assert (found.children.low, found.children.value, found.children.high) == (800.0, 800.0, 800.0)
    full = told([40, 60, 50, 30, 70], enrolled=1_050)
    assert full.children is not None
    assert (full.children.value, full.children.high) == (1_000.0, 1_050.0)
    assert 600 < full.children.low < 700


def test_a_day_that_nobody_noted_is_a_day_and_a_weekday_without_work_is_none() -> None:
    days = [Day(MONDAY + timedelta(n), c) for n, c in ((0, 10), (1, 20), (4, 50), (5, 50), (6, 50), (7, 60))]
    now = Standing("math", 60, 500, MONDAY, MONDAY + timedelta(13), is_open=True)
    found = forecast(days, now, MONDAY + timedelta(8))
    assert (found.days, found.days_left, found.per_day) == (6, 4, 10.0)


@pytest.mark.anyio
async def test_each_day_is_noted_once_and_read_by_those_who_lead(session: Session, cast: Cast) -> None:
    clock = StandingClock(NOW)
    await session.execute(QUERIES["enrol"], {"school": cast.school_a, "year": cast.school_year})
    for number in range(15):
        values = {"round": cast.round, "day": date(2026, 11, 6) + timedelta(number), "count": 20 * number}
        await session.execute(QUERIES["note"], values)
    assert await note_days(session, clock) == 1
    assert await note_days(session, clock) == 1
    assert await session.fetch_value(QUERIES["days"], {}) == 17, "fifteen, and today's of both subjects"
    language, math = await read_forecast(session, cast.coordinator, cast.round, clock)
    assert (language.reason, language.days_left) == (None, 8)
    assert math.reason == "few_days"
    for actor in (cast.mentor, cast.teacher, cast.viewer):
        with pytest.raises(Forbidden):
            await read_forecast(session, actor, cast.round, clock)
