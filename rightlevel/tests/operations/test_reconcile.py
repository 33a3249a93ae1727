"""Reconcile: it finds every kind of wrong count, takes nothing for what is nothing, and puts right what is wrong."""

from typing import Any
from uuid import uuid4

import pytest
from people import NOW, Cast

from flatwater.clock import StandingClock
from flatwater.queries import read_queries
from flatwater.transaction import Session
from rightlevel.operations.reconcile import MAX_SHOWN, reconcile
from rightlevel.programme.figures import FigureQuery, read_figures
from rightlevel.programme.results import ResultWrite, delete_result, enter_results

pytestmark = pytest.mark.anyio

QUERIES = read_queries(
    """
-- name: spoil_school
-- One school count too high.
update school_count set rank_4 = rank_4 + 1 where school_id = %(school)s
-- name: spoil_place
-- One count of a place too low.
update place_count set rank_4 = rank_4 - 1 where place_id = %(place)s
-- name: spoil_school_children
-- One count of children of a school too high.
update school_enrolled set children = children + 1 where school_id = %(school)s and sex = 1
-- name: lose_place_children
-- A place without its children.
delete from place_enrolled where place_id = %(place)s
-- name: invent
-- Counts for a place without any rows.
insert into place_count (round_id, subject, place_id, shard, grade, sex, absent, refused, went,
    rank_1, rank_2, rank_3, rank_4, rank_5, rank_6, rank_7, rank_8, rank_9)
values (%(round)s, 'language', %(place)s, 0, 5, 9, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 3)
-- name: cancel
-- Two shards that add up to nothing.
insert into place_count (round_id, subject, place_id, shard, grade, sex, absent, refused, went,
    rank_1, rank_2, rank_3, rank_4, rank_5, rank_6, rank_7, rank_8, rank_9)
select %(round)s, 'language', %(place)s, shard, 5, 9, 0, 0, 0, count, 0, 0, 0, 0, 0, 0, 0, 0
from (values (1, 2), (2, -2)) s (shard, count)
-- name: invent_many
-- More wrong counts than are shown.
insert into school_enrolled (school_year_id, school_id, grade, sex, children)
select %(year)s, n, 3, 1, 1 from generate_series(1000001, 1000150) n
-- name: audited
-- How often counts were repaired.
select count(*) from audit_entry where action = 'repair' and resource = 'figure'
""",
    origin="test_reconcile.py",
)


@pytest.fixture
async def entered(session: Session, cast: Cast, clock: StandingClock) -> Cast:
    writes = [
        ResultWrite(str(uuid4()), student, cast.round, "math", NOW.date(), level="subtraction")
        for student in [*cast.students_a, *cast.students_b]
    ]
    answers = await enter_results(session, cast.coordinator, writes, clock)
    assert {answer.code for answer in answers} == {"saved"}
    return cast


async def spoil(session: Session, name: str, cast: Cast) -> None:
    values: dict[str, Any] = {
        "school": cast.school_a, "place": cast.province, "round": cast.round, "year": cast.school_year,
    }  # fmt: skip
    await session.execute(QUERIES[name], values)


async def test_every_school_and_place_is_compared(session: Session, entered: Cast) -> None:
    found = await reconcile(session)
    # two sexes, as results and as children: of 2 schools, 2 districts, the province and the country; and where 3 schools stood
    assert (found.compared, found.different, found.differences) == (2 * 2 * 6 + 3, 0, [])


@pytest.mark.parametrize(
    ("how", "unit"),
    [
        ("spoil_school", "school"), ("spoil_place", "place"), ("spoil_school_children", "school"), ("lose_place_children", "place"),
        ("invent", "place"),
    ],
)  # fmt: skip
async def test_any_wrong_count_is_found_and_put_right(
    session: Session, entered: Cast, how: str, unit: str
) -> None:
    truth = await read_figures(session, entered.viewer, FigureQuery(entered.round, "math"))
    await spoil(session, how, entered)
    found = await reconcile(session)
    assert found.different >= 1
    assert not found.is_repaired
    assert {each.split()[0] for each in found.differences} == {unit}
    assert (await reconcile(session)).different == found.different
    repaired = await reconcile(session, repair=True)
    assert (repaired.is_repaired, repaired.different) == (True, found.different)
    assert (await reconcile(session)).different == 0
    assert await read_figures(session, entered.viewer, FigureQuery(entered.round, "math")) == truth
    assert await session.fetch_value(QUERIES["audited"], {}) == 1


async def test_counts_of_nothing_are_as_good_as_none(
    session: Session, entered: Cast, clock: StandingClock
) -> None:
    before = (await reconcile(session)).compared
    await spoil(session, "cancel", entered)
    write = ResultWrite(
        str(uuid4()), entered.students_a[0], entered.round, "language", NOW.date(), level="word"
    )
    await enter_results(session, entered.teacher, [write], clock)
    await delete_result(session, entered.teacher, write.id, version=1, reason="", clock=clock)
    found = await reconcile(session)
    assert (found.different, found.compared) == (0, before)


async def test_a_repair_of_what_is_right_changes_nothing(session: Session, entered: Cast) -> None:
    found = await reconcile(session, repair=True)
    assert (found.different, found.is_repaired) == (0, False)
    assert await session.fetch_value(QUERIES["audited"], {}) == 0


async def test_however_many_differ_a_bounded_number_is_shown(session: Session, entered: Cast) -> None:
    await spoil(session, "invent_many", entered)
    found = await reconcile(session)
    assert (found.different, len(found.differences)) == (150, MAX_SHOWN)
