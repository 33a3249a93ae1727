import random
from collections.abc import AsyncIterator, Callable
from datetime import date, datetime, timedelta
from uuid import uuid4

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st
from people import NOW
from serving import OneDatabase

from flatwater.clock import StandingClock, today
from flatwater.paging import PageRequest
from flatwater.pool import Database
from flatwater.queries import read_queries
from flatwater.transaction import Session
from rightlevel.operations.reconcile import reconcile
from rightlevel.operations.sample_data import Size, build_demo, expected_counts, generate
from rightlevel.operations.sample_data.building import is_empty
from rightlevel.operations.sample_data.demo import PEOPLE, per_group
from rightlevel.operations.sample_data.drawing import MOVES, apportion, draw, move, moved_counts
from rightlevel.operations.sample_data.ladders import ladders, percent_of, states
from rightlevel.programme.errors import Invalid
from rightlevel.programme.figures import FigureQuery, figures_below, read_figures
from rightlevel.programme.groups import CheckWrite, enter_checks
from rightlevel.programme.permissions import Actor, Scope
from rightlevel.programme.rounds import list_rounds
from rightlevel.programme.time_zone import ProgrammeClock, learn_time_zone

COORDINATOR = Actor(1, "coordinator", "c", "C", "en", Scope(is_everything=True))
SUM = read_queries(
    "-- name: sum\n-- All ids together.\nselect md5(string_agg(id::text || name, ',' order by id)) from student",
    origin="test_sample_data.py",
)["sum"]
shares = st.lists(st.floats(0, 100), min_size=5, max_size=5).filter(lambda each: sum(each) > 1)


@given(shares, st.integers(0, 5_000))
def test_whole_children_are_within_one_of_their_exact_share(percent: list[float], total: int) -> None:
    counts = apportion(percent, total)
    assert sum(counts) == total
    assert all(
        abs(count - share * total / sum(percent)) < 1 for count, share in zip(counts, percent, strict=True)
    )


def test_a_published_ladder_comes_back_within_a_tenth_of_a_point() -> None:
    for ladder in ladders():
        counts = apportion(ladder.percent, 1_000)
        for count, percent in zip(counts, ladder.percent, strict=True):
            assert abs(count / 10 - percent * 100 / sum(ladder.percent)) <= 0.1


def test_the_same_seed_draws_the_same_children_and_moves_exactly() -> None:
    drawn = [draw(percent_of(states()[0], "math", 3), 168, random.Random(7)) for _ in range(2)]
    assert drawn[0] == drawn[1]
    moved = move(drawn[0], random.Random(8))
    assert [moved.count(rank) for rank in range(1, 6)] == moved_counts(
        [drawn[0].count(rank) for rank in range(1, 6)]
    )
    assert all(sum(row) == 100 for row in MOVES)


@pytest.fixture
async def empty(new_database: Callable[[], OneDatabase]) -> AsyncIterator[Database]:
    async with Database(new_database().conninfo) as database:
        yield database


async def demo_in(database: Database, at: datetime = NOW) -> None:
    hashes = {username: ("password", "hash") for username, _, _ in PEOPLE}
    async with database.transaction(deadline_s=60) as session:
        await build_demo(session, hashes, StandingClock(at), lambda _text: None)


WORK = read_queries(
    """
-- name: work
-- What there is in each room.
select json_build_object(
    'sessions', (select count(*) from teaching_session), 'groups', (select count(*) from teaching_group where teacher_id is not null),
    'checks', (select count(*) from level_check), 'enrolled', (select count(*) from intervention_enrolment),
    'library', (select count(*) from resource), 'requests', (select count(*) from join_request),
    'agreed', (select count(*) from verification where state = 'agreed'), 'disagreed', (select count(*) from verification where state = 'disagreed'),
    'pending', (select count(*) from verification where state = 'pending'), 'returned', (select count(*) from verification where state = 'returned'),
    'frozen', (select count(*) from round where state = 'frozen'),
    'visits', (select count(*) from visit where state = 'submitted'), 'drafts', (select count(*) from visit where state = 'draft'),
    'scored', (select count(*) from visit where fidelity is not null), 'open', (select count(*) from follow_up where state = 'open'),
    'done', (select count(*) from follow_up where state = 'done'), 'planned', (select count(*) from planned_visit))
""",
    origin="test_sample_data.py",
)["work"]


MIDNIGHT = read_queries(
    """
-- name: latest
-- How much is of a day to come.
select (select count(*) from result where tested_on > %(day)s) + (select count(*) from level_check where checked_on > %(day)s)
    + (select count(*) from teaching_session where held_on > %(day)s) + (select count(*) from visit where visited_on > %(day)s)
    + (select count(*) from verification where tested_on > %(day)s) as later
-- name: round
-- The days of the open round.
select starts_on, ends_on from round where state = 'open'
-- name: child
-- A child that was looked at by no quick re-test.
select st.id::text as id from student st join school s on s.id = st.school_id and not s.is_practice
where not exists (select 1 from level_check c where c.student_id = st.id) order by st.id limit 1
""",
    origin="test_sample_data.py",
)
LATEST, ROUND, CHILD = MIDNIGHT["latest"], MIDNIGHT["round"], MIDNIGHT["child"]


class Days(msgspec.Struct, frozen=True):
    starts_on: date
    ends_on: date


@pytest.mark.anyio
@pytest.mark.parametrize("days", [0, 6, 39, 98])
async def test_every_room_of_the_demonstration_has_something_in_it_on_whatever_day_it_is_made(
    empty: Database, days: int
) -> None:
    await demo_in(empty, NOW + timedelta(days))
    async with empty.read(deadline_s=30) as session:
        there = await session.fetch_value(WORK, {})
    assert there["sessions"] == there["groups"] * 12 > 0
    assert (there["library"], there["requests"], there["enrolled"], there["returned"], there["frozen"]) == (
        7,
        2,
        12,
        1,
        1,
    )
    told = tuple(there[each] for each in ("visits", "drafts", "open", "done", "planned"))
    assert told == (32, 1, 3, 5, 3)
    assert 20 < there["scored"] < 32
    assert there["agreed"] > 10
    assert min(there["checks"], there["disagreed"], there["pending"]) > 0


@pytest.mark.anyio
@pytest.mark.parametrize(
    ("hour", "minute", "day"),
    [(16, 59, NOW.day), (17, 1, NOW.day + 1), (23, 59, NOW.day + 1)],
    ids=["before midnight there", "after midnight there", "before midnight of UTC"],
)
async def test_around_midnight_the_demonstration_is_of_its_own_countrys_day(
    empty: Database, hour: int, minute: int, day: int
) -> None:
    at = NOW.replace(hour=hour, minute=minute)
    await demo_in(empty, at)
    clock, local = ProgrammeClock(StandingClock(at)), NOW.date().replace(day=day)
    async with empty.transaction(deadline_s=30) as session:
        await learn_time_zone(session, clock)
        assert (str(clock.zone), today(clock)) == ("Asia/Phnom_Penh", local)
        assert await session.fetch_value(LATEST, {"day": local}) == 0, "nothing was done in days to come"
        opened = await session.fetch_one(ROUND, {}, into=Days)
        assert opened == Days(local - timedelta(10), local + timedelta(20))
        child = await session.fetch_value(CHILD, {})
        everything = Actor(1, "coordinator", "c", "C", "en", Scope(is_everything=True))
        for on, code in ((local + timedelta(1), "invalid"), (local, "saved")):
            checks = [CheckWrite(str(uuid4()), child, "math", "subtraction", on)]
            (answer,) = await enter_checks(session, everything, checks, clock)
            assert answer.code == code


@pytest.mark.anyio
async def test_every_figure_of_the_demonstration_is_known_beforehand(empty: Database) -> None:
    await demo_in(empty)
    async with empty.read(deadline_s=30) as session:
        assert not await is_empty(session)
        assert (await reconcile(session)).different == 0
        rounds = {
            each.kind: each.id for each in (await list_rounds(session, COORDINATOR, PageRequest())).items
        }
        assert list(rounds) == ["endline", "midline", "baseline"]
        for kind in ("baseline", "midline"):
            for subject in ("language", "math"):
                found = await read_figures(session, COORDINATOR, FigureQuery(rounds[kind], subject))
                assert [level.count for level in found.levels][:5] == expected_counts(kind, subject)  # type: ignore[arg-type]
                assert (found.assessed, found.absent) == (per_group() * 12, 72)
                await _by_province(session, rounds[kind], kind, subject)
        endline = await read_figures(session, COORDINATOR, FigureQuery(rounds["endline"], "math"))
        assert endline.coverage is not None
        assert 0.3 < endline.coverage < 0.6
    with pytest.raises(LookupError):
        expected_counts("endline", "math")


async def _by_province(session: Session, round_id: int, kind: str, subject: str) -> None:
    countries = await figures_below(session, COORDINATOR, FigureQuery(round_id, subject), PageRequest())
    country = countries.items[0].id
    provinces = (
        await figures_below(
            session, COORDINATOR, FigureQuery(round_id, subject, place_id=country), PageRequest()
        )
    ).items
    for state, province in zip(states(), provinces, strict=True):
        assert [level.count for level in province.figures.levels][:5] == expected_counts(kind, subject, state)  # type: ignore[arg-type]


@pytest.mark.anyio
async def test_any_size_is_made_the_same_for_the_same_seed_and_counts_agree(
    new_database: Callable[[], OneDatabase],
) -> None:
    sums: list[str] = []
    for seed in (5, 5, 6):
        async with Database(new_database().conninfo) as database:
            async with database.transaction(deadline_s=60) as session:
                made = await generate(
                    session, Size(13, 500, seed, with_results=True), StandingClock(NOW), lambda _text: None
                )
            assert (made.schools, made.children, made.results) == (13, 500, 1_000)
            async with database.read(deadline_s=30) as session:
                assert (await reconcile(session)).different == 0
                sums.append(await session.fetch_value(SUM, {}))
    assert sums[0] == sums[1] != sums[2]


@pytest.mark.anyio
async def test_a_size_that_can_not_be_made_is_refused(session: Session) -> None:
    with pytest.raises(Invalid):
        await generate(session, Size(0, -1), StandingClock(NOW), lambda _text: None)
