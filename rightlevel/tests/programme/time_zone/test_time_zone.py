"""The programme's time zone: the country's, or the one that was chosen; and no other way to today than through it."""

from __future__ import annotations

import re
from datetime import UTC, date, datetime
from pathlib import Path
from zoneinfo import ZoneInfo

import pytest
from people import NOW, Cast

import rightlevel
from flatwater.clock import StandingClock, today
from flatwater.paging import PageRequest
from flatwater.queries import read_queries
from flatwater.transaction import Session
from rightlevel.programme.errors import Forbidden, Invalid
from rightlevel.programme.rounds import set_round_state
from rightlevel.programme.students import StudentChange, change_student, list_past_enrolments, read_student
from rightlevel.programme.time_zone import ProgrammeClock, change_time_zone, learn_time_zone, read_time_zone
from rightlevel.programme.time_zone.model import name_of, zones_of

pytestmark = pytest.mark.anyio
MIDNIGHT_THERE = datetime(2026, 11, 22, 17, tzinfo=UTC)

QUERIES = read_queries(
    """
-- name: country
-- Gives the country of the cast another code.
update place set code = %(code)s where parent_id is null
-- name: audited
-- What was written down of settings, newest last.
select coalesce(jsonb_agg(a.after order by a.id), '[]') from audit_entry a where a.resource = 'setting'
""",
    origin="test_time_zone.py",
)


@pytest.mark.parametrize(
    ("country", "zone"),
    [
        ("KH", "Asia/Phnom_Penh"),
        ("kh", "Asia/Phnom_Penh"),
        ("KHM", "Asia/Phnom_Penh"),
        ("IN", "Asia/Kolkata"),
        ("ID", "UTC"),  # has four: nobody guesses which
        ("XX", "UTC"),
        (None, "UTC"),
    ],
)
def test_the_zone_is_the_countrys_where_it_has_one(country: str | None, zone: str) -> None:
    assert name_of(None, country) == zone
    assert name_of("Europe/Berlin", country) == "Europe/Berlin"


def test_a_country_with_several_zones_names_them() -> None:
    assert zones_of("ID") == ("Asia/Jakarta", "Asia/Jayapura", "Asia/Makassar", "Asia/Pontianak")
    assert zones_of("nowhere") == ()


async def test_the_clock_learns_the_countrys_zone_and_then_the_chosen_one(
    session: Session, cast: Cast
) -> None:
    clock = ProgrammeClock(StandingClock(MIDNIGHT_THERE))
    await learn_time_zone(session, clock)
    assert (str(clock.zone), today(clock)) == ("UTC", date(2026, 11, 22))
    await session.execute(QUERIES["country"], {"code": "KH"})
    await learn_time_zone(session, clock)
    assert (str(clock.zone), today(clock)) == ("Asia/Phnom_Penh", date(2026, 11, 23))
    told = await change_time_zone(session, cast.coordinator, "Europe/Berlin", clock)
    assert (told.time_zone, told.chosen, told.today) == ("Europe/Berlin", "Europe/Berlin", date(2026, 11, 22))
    assert str(clock.zone) == "Asia/Phnom_Penh", "a change that may yet be rolled back is not the clock's"
    await learn_time_zone(session, clock)
    assert str(clock.zone) == "Europe/Berlin"
    told = await change_time_zone(session, cast.admin, None, clock)
    assert (told.time_zone, told.chosen, told.country) == ("Asia/Phnom_Penh", None, "KH")
    assert await session.fetch_value(QUERIES["audited"], {}) == [
        {"time_zone": "Europe/Berlin", "chosen": "Europe/Berlin"},
        {"time_zone": "Asia/Phnom_Penh", "chosen": None},
    ]


@pytest.mark.parametrize(
    "name",
    [
        "",
        "Phnom Penh",
        "Asia/Nowhere",
        "America/Argentina",
        "../../etc/passwd",
        "/etc/passwd",
        "A" * 400,
        "EST",
    ],
)
async def test_what_is_no_zone_is_refused(session: Session, cast: Cast, name: str) -> None:
    with pytest.raises(Invalid) as refused:
        await change_time_zone(session, cast.coordinator, name, ProgrammeClock(StandingClock(NOW)))
    assert [fault.field for fault in refused.value.faults] == ["time_zone"]


async def test_leaders_choose_the_zone_and_everybody_may_know_it(session: Session, cast: Cast) -> None:
    clock = ProgrammeClock(StandingClock(NOW))
    for actor in (cast.mentor, cast.teacher, cast.viewer):
        with pytest.raises(Forbidden):
            await change_time_zone(session, actor, "Asia/Phnom_Penh", clock)
        assert (await read_time_zone(session, actor, clock)).time_zone == "UTC"


ROOT = Path(rightlevel.__file__).parent
IN_SQL = re.compile(
    r"\bcurrent_date\b|\bcurrent_timestamp\b|\blocaltimestamp\b|\blocaltime\b|'today'::date|date 'today'|'now'|at time zone"
    r"|(now|clock_timestamp|statement_timestamp|transaction_timestamp)\(\)::date|_at::date|\bage\(",
    re.IGNORECASE,
)
IN_PYTHON = re.compile(
    r"\bdate\.today\(|\bdatetime\.(now|today|utcnow)\(|\bnow(\(\))?\.date\(\)|_at\.date\(\)|\.astimezone\(\)|\btime\.(localtime|strftime|ctime)\("
)
NO_DAY_OF_THE_PROGRAMME = {
    "starts_at timestamptz := date_trunc('month', month)::timestamp at time zone 'UTC';",
    "ends_at timestamptz := (date_trunc('month', month) + interval '1 month')::timestamp at time zone 'UTC';",
    "select date_trunc('month', min(at) at time zone 'UTC')::date as month",
    "select coalesce(nullif(current_setting('rightlevel.today', true), '')::date, (at at time zone 'UTC')::date)",
    "from (select coalesce(extract(year from pg_catalog.age(on_day, birth_on))::smallint, age) as years) child",
}
"""Months of partitions, which lie in UTC whatever the zone is; what is told of a change that nobody told the day of; an age on a day that is given."""
ENDS_OF_DAYS = (
    "(v.visited_on + 1)::timestamp at time zone 'UTC'",
    "(new.from_at at time zone 'UTC')::date - 1",
    "(m.month + interval '1 month')::timestamp at time zone 'UTC'",
)
"""The end of a day or month that is given, as the moment at which it is asked where a school stood: the same in each statement that asks."""
COMMENT = re.compile(r"--.*$", re.MULTILINE)


def _without_ends(text: str) -> str:
    for each in ENDS_OF_DAYS:
        text = text.replace(each, "")
    return text


def test_there_is_one_way_to_today() -> None:
    """No statement and no module makes a day of the present by itself: the day comes with the statement, from `flatwater.clock.today`."""
    sql = [path for path in ROOT.rglob("*.sql") if "migrations" not in path.parts]
    python = list(ROOT.rglob("*.py"))
    assert len(sql) > 20
    assert len(python) > 150
    found = [
        f"{path.relative_to(ROOT)}: {line.strip()}"
        for path in sql
        for line in _without_ends(COMMENT.sub("", path.read_text("utf-8"))).splitlines()
        if IN_SQL.search(line) and line.strip() not in NO_DAY_OF_THE_PROGRAMME
    ]
    found += [
        f"{path.relative_to(ROOT)}: {hit[0]}"
        for path in python
        for hit in IN_PYTHON.finditer(path.read_text("utf-8"))
    ]
    assert found == []


async def test_until_when_a_child_stood_somewhere_is_the_programmes_day(session: Session, cast: Cast) -> None:
    """A correction beside a roll that is fixed begins a new stint; a trigger writes down until when the former one lasted."""
    there = StandingClock(MIDNIGHT_THERE, ZoneInfo("Asia/Phnom_Penh"))
    await set_round_state(session, cast.coordinator, cast.round, version=1, state="closed", clock=there)
    student = await read_student(session, cast.coordinator, cast.students_a[4])
    await change_student(
        session, cast.coordinator, student.id, StudentChange(student.version, grade=4, reason="a slip"), there
    )
    (before,) = (await list_past_enrolments(session, cast.coordinator, student.id, PageRequest())).items
    assert (before.grade, before.until_on) == (3, date(2026, 11, 23))


@pytest.mark.parametrize(
    ("pattern", "text"),
    [
        (IN_SQL, "where from_on <= current_date"),
        (IN_SQL, "select now()::date"),
        (IN_SQL, "where created_at::date = %(day)s"),
        (IN_PYTHON, "day = clock.now().date()"),
        (IN_PYTHON, "day = date.today()"),
        (IN_PYTHON, "text = value.astimezone()"),
    ],
)
def test_the_look_for_other_ways_sees_them(pattern: re.Pattern[str], text: str) -> None:
    assert pattern.search(text)
