"""Moving a school holds that school only: whoever writes there is waited for, nobody elsewhere waits, and the counts are exact whoever was first."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable
from uuid import uuid4

import pytest
from people import NOW, Cast, make_cast
from places import assessed_at, move, step
from serving import OneDatabase

from flatwater.clock import StandingClock
from flatwater.pool import Database
from rightlevel.operations.reconcile import reconcile
from rightlevel.programme.results import ResultWrite, enter_results
from rightlevel.programme.students import NewStudent, create_student

pytestmark = pytest.mark.anyio
WAIT_S = 0.25


@pytest.fixture
async def opened(new_database: Callable[[], OneDatabase]) -> AsyncIterator[Database]:
    async with Database(new_database().conninfo) as database:
        yield database


@pytest.fixture
async def committed(opened: Database) -> Cast:
    async with opened.transaction(deadline_s=10) as session:
        return await make_cast(session)


async def enter_one(database: Database, cast: Cast, child: str, clock: StandingClock) -> str:
    write = ResultWrite(
        str(uuid4()), child, cast.round, "math", NOW.date(), level="division", reason="on paper"
    )
    async with database.transaction(deadline_s=10) as session:
        return (await enter_results(session, cast.coordinator, [write], clock))[0].code


async def move_away(database: Database, cast: Cast, clock: StandingClock) -> None:
    async with database.transaction(deadline_s=10) as session:
        await move(session, cast, clock, cast.school_a, cast.district_2)


async def south(database: Database, cast: Cast) -> int:
    async with database.transaction(deadline_s=10) as session:
        found = await reconcile(session)
        assert (found.different, found.differences) == (0, [])
        return await assessed_at(session, cast.coordinator, cast, cast.district_2)


async def test_a_move_waits_for_whoever_is_entering_at_that_school(
    opened: Database, committed: Cast, clock: StandingClock
) -> None:
    cast = committed
    write = ResultWrite(str(uuid4()), cast.students_a[0], cast.round, "math", NOW.date(), level="division")
    async with opened.transaction(deadline_s=10) as session:
        assert (await enter_results(session, cast.teacher, [write], clock))[0].code == "saved"
        moving = asyncio.create_task(move_away(opened, cast, clock))
        await asyncio.sleep(WAIT_S)
        assert not moving.done()
    await moving
    assert await south(opened, cast) == 1


async def test_a_move_waits_for_whoever_is_changing_a_result_there(
    opened: Database, committed: Cast, clock: StandingClock
) -> None:
    """A change names no school, so that no foreign key holds it: the counts themselves do."""
    cast, child = committed, committed.students_a[0]
    assert await enter_one(opened, cast, child, clock) == "saved"
    write = ResultWrite(str(uuid4()), child, cast.round, "math", NOW.date(), "absent", version=1)
    async with opened.transaction(deadline_s=10) as session:
        assert (await enter_results(session, cast.teacher, [write], clock))[0].code == "changed"
        moving = asyncio.create_task(move_away(opened, cast, clock))
        await asyncio.sleep(WAIT_S)
        assert not moving.done()
    await moving
    assert await south(opened, cast) == 0


async def test_whoever_enters_at_a_moving_school_waits_and_nobody_else_does(
    opened: Database, committed: Cast, clock: StandingClock
) -> None:
    cast = committed
    async with opened.transaction(deadline_s=10) as session:
        await move(session, cast, clock, cast.school_a, cast.district_2)
        there = asyncio.create_task(enter_one(opened, cast, cast.students_a[0], clock))
        elsewhere = asyncio.create_task(enter_one(opened, cast, cast.students_b[0], clock))
        assert await asyncio.wait_for(elsewhere, 5) == "saved"
        new = NewStudent(cast.school_b, "NEW", "New Child", 1, 3)
        async with opened.transaction(deadline_s=5) as other:
            await create_student(other, cast.coordinator, new, clock)
        await asyncio.sleep(WAIT_S)
        assert not there.done()
    assert await there == "saved"
    assert await south(opened, cast) == 2


async def test_closing_a_round_and_moving_a_school_come_one_after_the_other(
    opened: Database, committed: Cast, clock: StandingClock
) -> None:
    cast = committed
    assert await enter_one(opened, cast, cast.students_a[0], clock) == "saved"

    async def close() -> None:
        async with opened.transaction(deadline_s=10) as session:
            await step(session, cast, clock, "closed", 1)

    async with opened.transaction(deadline_s=10) as session:
        await move(session, cast, clock, cast.school_a, cast.district_2)
        closing = asyncio.create_task(close())
        await asyncio.sleep(WAIT_S)
        assert not closing.done()
    await closing
    assert await south(opened, cast) == 1, "the school had moved before the round was closed"


async def test_a_move_comes_after_a_closing_that_was_first(
    opened: Database, committed: Cast, clock: StandingClock
) -> None:
    cast = committed
    assert await enter_one(opened, cast, cast.students_a[0], clock) == "saved"
    async with opened.transaction(deadline_s=10) as session:
        await step(session, cast, clock, "closed", 1)
        moving = asyncio.create_task(move_away(opened, cast, clock))
        await asyncio.sleep(WAIT_S)
        assert not moving.done()
    await moving
    assert await south(opened, cast) == 0, "the round was closed before the school moved"


async def test_schools_move_to_and_fro_under_writers_and_every_count_is_exact(
    opened: Database, committed: Cast, clock: StandingClock
) -> None:
    cast = committed
    children = [*cast.students_a, *cast.students_b]

    async def write_all() -> None:
        for child in children:
            assert await enter_one(opened, cast, child, clock) == "saved"

    async def move_often() -> None:
        for number in range(8):
            place = (cast.district_1, cast.district_2, cast.province)[number % 3]
            async with opened.transaction(deadline_s=10) as session:
                await move(session, cast, clock, cast.school_a if number % 2 else cast.school_b, place)

    await asyncio.gather(write_all(), move_often())
    async with opened.transaction(deadline_s=10) as session:
        assert (await reconcile(session)).different == 0
        assert await assessed_at(session, cast.coordinator, cast, cast.country) == len(children)
