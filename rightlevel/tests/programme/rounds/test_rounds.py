import asyncio
from collections.abc import Callable
from datetime import date

import pytest
from people import NOW, Cast, make_cast
from serving import OneDatabase

from flatwater.clock import StandingClock
from flatwater.paging import PageRequest
from flatwater.pool import Database
from flatwater.transaction import Session
from rightlevel.programme.errors import AlreadyTaken, Forbidden, InUse, Invalid, NotFound, Stale
from rightlevel.programme.results import ResultWrite, enter_results
from rightlevel.programme.rounds import (
    NewRound,
    RoundChange,
    change_round,
    create_round,
    current_round,
    delete_round,
    list_round_schools,
    list_rounds,
    lock_school,
    read_round,
    restore_round,
    set_round_state,
    set_school_dates,
    unlock_school,
)
from rightlevel.programme.rounds.actions import NoSuchStep

pytestmark = pytest.mark.anyio


@pytest.mark.parametrize(
    ("kind", "starts_on", "ends_on", "field"),
    [
        ("midline", date(2026, 12, 10), date(2026, 12, 1), "ends_on"),
        ("midline", date(2026, 12, 10), date(2027, 1, 10), "starts_on"),
        ("midline", date(2026, 11, 20), date(2026, 12, 10), "starts_on"),
        ("midline", date(2026, 10, 1), date(2026, 10, 10), "starts_on"),
        ("sideline", date(2026, 12, 1), date(2026, 12, 10), "kind"),
    ],
)
async def test_a_round_stands_in_its_year_in_order_and_alone(
    session: Session, cast: Cast, kind: str, starts_on: date, ends_on: date, field: str
) -> None:
    with pytest.raises(Invalid) as invalid:
        await create_round(session, cast.coordinator, NewRound(kind, starts_on, ends_on))
    assert field in {fault.field for fault in invalid.value.faults}


async def test_a_round_is_planned_opened_closed_and_opened_again_with_a_reason(
    session: Session, cast: Cast
) -> None:
    made = await create_round(
        session, cast.coordinator, NewRound("midline", date(2026, 12, 1), date(2026, 12, 15))
    )
    assert made.state == "planned"
    with pytest.raises(NoSuchStep):
        await set_round_state(
            session, cast.coordinator, made.id, version=1, state="closed", clock=StandingClock(NOW)
        )
    assert (
        await set_round_state(
            session, cast.coordinator, made.id, version=1, state="open", clock=StandingClock(NOW)
        )
    ).state == "open"
    with pytest.raises(Stale):
        await set_round_state(
            session, cast.coordinator, made.id, version=1, state="closed", clock=StandingClock(NOW)
        )
    await set_round_state(
        session, cast.coordinator, made.id, version=2, state="closed", clock=StandingClock(NOW)
    )
    with pytest.raises(Invalid):
        await set_round_state(
            session, cast.coordinator, made.id, version=3, state="open", clock=StandingClock(NOW)
        )
    assert (
        await set_round_state(
            session,
            cast.coordinator,
            made.id,
            version=3,
            state="open",
            clock=StandingClock(NOW),
            reason="late sheets",
        )
    ).version == 4
    with pytest.raises(NoSuchStep):
        await set_round_state(
            session,
            cast.coordinator,
            made.id,
            version=4,
            state="frozen",
            reason="done",
            clock=StandingClock(NOW),
        )
    with pytest.raises(Forbidden):
        await set_round_state(
            session, cast.mentor, made.id, version=4, state="closed", clock=StandingClock(NOW)
        )


async def test_a_year_has_each_round_once(session: Session, cast: Cast) -> None:
    with pytest.raises(AlreadyTaken):
        await create_round(
            session, cast.coordinator, NewRound("baseline", date(2026, 5, 1), date(2026, 5, 10))
        )


async def test_days_change_within_the_rules_and_only_with_the_present_version(
    session: Session, cast: Cast
) -> None:
    changed = await change_round(
        session, cast.coordinator, cast.round, RoundChange(1, ends_on=date(2026, 12, 5))
    )
    assert (changed.ends_on, changed.version) == (date(2026, 12, 5), 2)
    with pytest.raises(Stale):
        await change_round(session, cast.coordinator, cast.round, RoundChange(1, ends_on=date(2026, 12, 6)))
    with pytest.raises(Invalid):
        await change_round(session, cast.coordinator, cast.round, RoundChange(2, ends_on=date(2026, 10, 6)))


async def test_the_current_round_is_the_open_one_else_the_last_that_began(
    session: Session, cast: Cast, clock: StandingClock
) -> None:
    found = await current_round(session, cast.teacher, clock)
    assert found is not None
    assert found.id == cast.round
    await set_round_state(
        session, cast.coordinator, cast.round, version=1, state="closed", clock=StandingClock(NOW)
    )
    found = await current_round(session, cast.teacher, clock)
    assert found is not None
    assert found.state == "closed"


async def test_a_round_with_results_stays_and_an_empty_one_comes_back(
    session: Session, cast: Cast, clock: StandingClock
) -> None:
    await delete_round(session, cast.coordinator, cast.round, reason="wrong year", clock=clock)
    assert (await list_rounds(session, cast.viewer, PageRequest())).items == []
    with pytest.raises(Forbidden):
        await read_round(session, cast.viewer, cast.round)
    await restore_round(session, cast.coordinator, cast.round)
    write = ResultWrite(
        cast.students_a[0], cast.students_a[0], cast.round, "math", date(2026, 11, 20), level="division"
    )
    assert (await enter_results(session, cast.teacher, [write], clock))[0].code == "saved"
    with pytest.raises(InUse):
        await delete_round(session, cast.coordinator, cast.round, reason="x", clock=clock)


async def test_a_school_has_its_own_days_and_its_own_lock(
    session: Session, cast: Cast, clock: StandingClock
) -> None:
    with pytest.raises(Invalid):
        await set_school_dates(
            session, cast.coordinator, cast.round, cast.school_a, starts_on=date(2026, 12, 5), ends_on=None
        )
    await set_school_dates(
        session, cast.coordinator, cast.round, cast.school_a, starts_on=date(2026, 11, 22), ends_on=None
    )
    early = ResultWrite(
        cast.students_a[0], cast.students_a[0], cast.round, "math", date(2026, 11, 20), level="division"
    )
    assert (await enter_results(session, cast.teacher, [early], clock))[0].code == "date_outside_round"
    with pytest.raises(Invalid):
        await lock_school(session, cast.coordinator, cast.round, cast.school_a, reason=" ", clock=clock)
    locked = await lock_school(
        session, cast.coordinator, cast.round, cast.school_a, reason="checked", clock=clock
    )
    assert (locked.lock_reason, locked.starts_on) == ("checked", date(2026, 11, 22))
    assert len((await list_round_schools(session, cast.coordinator, cast.round, PageRequest())).items) == 1
    await unlock_school(session, cast.coordinator, cast.round, cast.school_a, reason="more to come")
    with pytest.raises(NotFound):
        await unlock_school(session, cast.coordinator, cast.round, cast.school_a, reason="again")
    with pytest.raises(Forbidden):
        await lock_school(session, cast.teacher, cast.round, cast.school_a, reason="x", clock=clock)


async def test_a_round_closes_after_what_is_being_entered_and_before_what_comes_next(
    new_database: Callable[[], OneDatabase], clock: StandingClock
) -> None:
    async with Database(new_database().conninfo) as database:
        async with database.transaction(deadline_s=10) as session:
            cast = await make_cast(session)
        first, second = (
            ResultWrite(student, student, cast.round, "math", date(2026, 11, 20), level="division")
            for student in cast.students_a[:2]
        )

        async def close() -> None:
            async with database.transaction(deadline_s=10) as session:
                await set_round_state(
                    session, cast.coordinator, cast.round, version=1, state="closed", clock=StandingClock(NOW)
                )
                await asyncio.sleep(0.2)

        async def enter_second() -> str:
            async with database.transaction(deadline_s=10) as session:
                return (await enter_results(session, cast.teacher, [second], clock))[0].code

        async with database.transaction(deadline_s=10) as session:
            assert (await enter_results(session, cast.teacher, [first], clock))[0].code == "saved"
            closing = asyncio.create_task(close())
            await asyncio.sleep(0.2)
            assert not closing.done()
            entering = asyncio.create_task(enter_second())
            await asyncio.sleep(0.1)
        await closing
        assert await entering == "round_not_open"
