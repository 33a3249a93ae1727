import random
from collections.abc import AsyncIterator, Callable

import pytest
from hypothesis import given
from hypothesis import strategies as st
from people import NOW
from serving import OneDatabase

from flatwater.clock import StandingClock
from flatwater.paging import PageRequest
from flatwater.pool import Database
from flatwater.queries import read_queries
from flatwater.transaction import Session
from rightlevel.operations.made_up import Size, build_demo, expected_counts, generate
from rightlevel.operations.made_up.building import is_empty
from rightlevel.operations.made_up.demo import PEOPLE, per_group
from rightlevel.operations.made_up.drawing import MOVES, apportion, draw, move, moved_counts
from rightlevel.operations.made_up.ladders import ladders, percent_of, states
from rightlevel.operations.reconcile import reconcile
from rightlevel.programme.errors import Invalid
from rightlevel.programme.figures import FigureQuery, figures_below, read_figures
from rightlevel.programme.permissions import Actor, Scope
from rightlevel.programme.rounds import list_rounds

VIEWER = Actor(1, "viewer", "v", "V", "en", Scope(is_everything=True))
SUM = read_queries(
    "-- name: sum\n-- All ids together.\nselect md5(string_agg(id::text || name, ',' order by id)) from student",
    origin="test_made_up.py",
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


async def demo_in(database: Database) -> None:
    hashes = {username: ("password", "hash") for username, _, _ in PEOPLE}
    async with database.transaction(deadline_s=60) as session:
        await build_demo(session, hashes, StandingClock(NOW), lambda _text: None)


@pytest.mark.anyio
async def test_every_figure_of_the_demonstration_is_known_beforehand(empty: Database) -> None:
    await demo_in(empty)
    async with empty.read(deadline_s=30) as session:
        assert not await is_empty(session)
        assert (await reconcile(session)).different == 0
        rounds = {each.kind: each.id for each in (await list_rounds(session, VIEWER, PageRequest())).items}
        assert list(rounds) == ["endline", "midline", "baseline"]
        for kind in ("baseline", "midline"):
            for subject in ("language", "math"):
                found = await read_figures(session, VIEWER, FigureQuery(rounds[kind], subject))
                assert [level.count for level in found.levels][:5] == expected_counts(kind, subject)  # type: ignore[arg-type]
                assert (found.assessed, found.absent) == (per_group() * 12, 72)
                await _by_province(session, rounds[kind], kind, subject)
        endline = await read_figures(session, VIEWER, FigureQuery(rounds["endline"], "math"))
        assert endline.coverage is not None
        assert 0.3 < endline.coverage < 0.6
    with pytest.raises(LookupError):
        expected_counts("endline", "math")


async def _by_province(session: Session, round_id: int, kind: str, subject: str) -> None:
    countries = await figures_below(session, VIEWER, FigureQuery(round_id, subject), PageRequest())
    country = countries.items[0].id
    provinces = (
        await figures_below(session, VIEWER, FigureQuery(round_id, subject, place_id=country), PageRequest())
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
