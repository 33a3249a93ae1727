"""Freezing: a round that is frozen stays as it was, comes out of rows and amendments again bit for bit, and is amended only with a reason."""

import hashlib
from collections.abc import AsyncIterator, Callable
from datetime import date
from itertools import product
from typing import Any
from uuid import uuid4

import msgspec
import pytest
from people import NOW, Cast, make_cast
from serving import DEADLINE_S, OneDatabase

from flatwater.clock import StandingClock
from flatwater.paging import PageRequest
from flatwater.pool import Database
from flatwater.queries import read_queries
from flatwater.transaction import ConstraintViolated, Session
from rightlevel.operations.reconcile import reconcile
from rightlevel.operations.sealing import seal_rounds
from rightlevel.programme.errors import Conflict, Forbidden, Invalid, NotFound
from rightlevel.programme.results import ResultWrite, delete_result, enter_results
from rightlevel.programme.rounds import (
    SchoolDates,
    amending,
    check_snapshot,
    list_amendments,
    lock_school,
    read_snapshot,
    read_snapshot_part,
    set_dates_of_place,
    set_dates_of_schools,
    set_round_state,
    set_school_dates,
)
from rightlevel.programme.rounds.actions import STATES, NoSuchStep, RoundFrozen
from rightlevel.programme.rounds.model import STEPS
from rightlevel.programme.students import delete_student, restore_student

pytestmark = pytest.mark.anyio
TODAY = NOW.date()
CLOCK = StandingClock(NOW)

QUERIES = read_queries(
    """
-- name: round_state
-- Puts a round into a state.
update round set state = %(state)s::round_state where id = %(id)s
-- name: change_behind
-- Changes a result behind everybody's back.
update result set rank = 1 where id = %(id)s::uuid
-- name: remove_behind
-- Removes a result behind everybody's back.
delete from result where id = %(id)s::uuid
-- name: lock
-- Locks a result, which is nothing of what a snapshot says.
update result set locked_at = now() where id = %(id)s::uuid
-- name: spoil
-- Changes a part of a snapshot.
update round_snapshot_part set content = content || 'x' where school_id = %(school)s
-- name: dates
-- The own days of a school.
select coalesce(starts_on::text, '-') || ' ' || coalesce(ends_on::text, '-') from round_school where school_id = %(school)s
""",
    origin="test_freezing.py",
)


class Frozen(msgspec.Struct, frozen=True):
    database: Database
    cast: Cast
    results: list[str]


def a_write(cast: Cast, student: str, **more: Any) -> ResultWrite:
    values: dict[str, Any] = {"subject": "math", "level": "subtraction", "tested_on": TODAY, **more}
    return ResultWrite(id=str(uuid4()), student_id=student, round_id=cast.round, **values)


@pytest.fixture
async def closed(new_database: Callable[[], OneDatabase]) -> AsyncIterator[Frozen]:
    """A closed round with results in two schools."""
    async with Database(new_database().conninfo) as database:
        async with database.transaction(deadline_s=DEADLINE_S) as session:
            cast = await make_cast(session)
            children = [*cast.students_a[:3], *cast.students_b]
            writes = [a_write(cast, child, notes="ចាន់ 'quoted' | piped") for child in children]
            answers = await enter_results(session, cast.coordinator, writes, CLOCK)
            assert {each.code for each in answers} == {"saved"}
            await set_round_state(
                session, cast.coordinator, cast.round, version=1, state="closed", clock=CLOCK
            )
        yield Frozen(database, cast, [write.id for write in writes])


@pytest.fixture
async def frozen(closed: Frozen) -> Frozen:
    """The same, frozen and sealed."""
    await freeze(closed)
    assert await seal_rounds(closed.database, CLOCK) == [closed.cast.round]
    return closed


async def freeze(closed: Frozen) -> None:
    async with closed.database.transaction(deadline_s=DEADLINE_S) as session:
        await set_round_state(
            session,
            closed.cast.coordinator,
            closed.cast.round,
            version=2,
            state="frozen",
            reason="year's end",
            clock=CLOCK,
        )


async def checked(frozen: Frozen) -> tuple[bool, bool, list[int]]:
    async with frozen.database.read(deadline_s=DEADLINE_S) as session:
        found = await check_snapshot(session, frozen.cast.round)
    return found.is_intact, found.is_rebuilt, found.differing


async def enter(frozen: Frozen, actor: Any, *writes: ResultWrite) -> list[str]:
    async with frozen.database.transaction(deadline_s=DEADLINE_S) as session:
        return [each.code for each in await enter_results(session, actor, writes, CLOCK)]


async def test_freezing_needs_a_reason_and_a_closed_round(session: Session, cast: Cast) -> None:
    with pytest.raises(NoSuchStep):
        await set_round_state(
            session, cast.coordinator, cast.round, version=1, state="frozen", reason="x", clock=CLOCK
        )
    await set_round_state(session, cast.coordinator, cast.round, version=1, state="closed", clock=CLOCK)
    with pytest.raises(Invalid):
        await set_round_state(session, cast.coordinator, cast.round, version=2, state="frozen", clock=CLOCK)
    with pytest.raises(Forbidden):
        await set_round_state(
            session, cast.mentor, cast.round, version=2, state="frozen", reason="x", clock=CLOCK
        )
    with pytest.raises(NotFound):
        await read_snapshot(session, cast.coordinator, cast.round)


@pytest.mark.parametrize(
    ("before", "after"), [step for step in product(STATES, (*STATES, "nonsense")) if step not in STEPS]
)
async def test_every_forbidden_step_of_a_round_is_refused(
    session: Session, cast: Cast, before: str, after: str
) -> None:
    await session.execute(QUERIES["round_state"], {"id": cast.round, "state": before})
    with pytest.raises(NoSuchStep):
        await set_round_state(
            session, cast.admin, cast.round, version=1, state=after, reason="r", clock=CLOCK
        )


async def test_a_snapshot_is_hashed_and_holds_every_result_of_the_round(frozen: Frozen) -> None:
    async with frozen.database.read(deadline_s=DEADLINE_S) as session:
        cast = frozen.cast
        snapshot = await read_snapshot(session, cast.coordinator, cast.round)
        parts = {
            school: await read_snapshot_part(session, cast.coordinator, cast.round, school)
            for school in (cast.school_a, cast.school_b)
        }
        with pytest.raises(Forbidden):
            await read_snapshot_part(session, cast.viewer, cast.round, cast.school_a)
    assert (snapshot.parts, snapshot.results, snapshot.amendments, snapshot.frozen_by) == (
        2,
        6,
        0,
        "Coordinator",
    )
    assert [len(part.split("\n")) for part in parts.values()] == [3, 3]
    assert all(
        any(line.split("|")[2] == result for line in "\n".join(parts.values()).split("\n"))
        for result in frozen.results
    )
    assert "piped" not in "".join(parts.values()), "notes may hold a name: only their hash is kept"
    hashes = b"".join(hashlib.sha256(part.encode()).digest() for part in parts.values())
    assert snapshot.sha256 == hashlib.sha256(hashes).hexdigest()
    assert await checked(frozen) == (True, True, [])


async def test_a_round_is_sealed_once_and_goes_on_where_it_was_interrupted(
    closed: Frozen, monkeypatch: pytest.MonkeyPatch
) -> None:
    await freeze(closed)
    assert await enter(
        closed, closed.cast.coordinator, a_write(closed.cast, closed.cast.students_a[3], reason="late")
    ) == ["round_sealing"]
    monkeypatch.setattr("rightlevel.programme.rounds.freezing.SCHOOLS_PER_BATCH", 1)
    monkeypatch.setattr("rightlevel.operations.sealing.MAX_BATCHES", 1)
    assert await seal_rounds(closed.database, CLOCK) == []
    monkeypatch.setattr("rightlevel.operations.sealing.MAX_BATCHES", 100)
    assert await seal_rounds(closed.database, CLOCK) == [closed.cast.round]
    assert await seal_rounds(closed.database, CLOCK) == []
    assert await checked(closed) == (True, True, [])


async def test_a_frozen_round_is_amended_only_by_a_coordinator_with_a_reason(frozen: Frozen) -> None:
    cast = frozen.cast
    new = a_write(cast, cast.students_a[3])
    change = a_write(cast, cast.students_a[0], level="division", version=1)
    for actor in (cast.teacher, cast.coordinator):
        assert await enter(frozen, actor, new, change) == ["round_frozen", "round_frozen"]
    with_reason = [msgspec.structs.replace(each, reason="found on paper") for each in (new, change)]
    assert await enter(frozen, cast.teacher, *with_reason) == ["round_frozen", "round_frozen"]
    assert await enter(frozen, cast.coordinator, *with_reason) == ["saved", "changed"]
    async with frozen.database.read(deadline_s=DEADLINE_S) as session:
        amendments = (await list_amendments(session, cast.coordinator, cast.round, PageRequest())).items
        assert (await read_snapshot(session, cast.viewer, cast.round)).amendments == 2
        assert (await reconcile(session)).different == 0
    assert {(each.reason, each.person_name, each.before_line is None) for each in amendments} == {
        ("found on paper", "Coordinator", True),
        ("found on paper", "Coordinator", False),
    }
    assert await checked(frozen) == (True, True, [])


async def test_the_snapshot_is_rebuilt_bit_for_bit_after_any_amendments(frozen: Frozen) -> None:
    cast = frozen.cast
    for version, level in ((1, "division"), (2, "beginner"), (3, "subtraction")):
        write = a_write(cast, cast.students_a[0], level=level, version=version, reason="again")
        assert await enter(frozen, cast.coordinator, write) == ["changed"]
    async with frozen.database.transaction(deadline_s=DEADLINE_S) as session:
        await delete_result(
            session, cast.coordinator, frozen.results[1], version=1, reason="wrong child", clock=CLOCK
        )
    async with frozen.database.transaction(deadline_s=DEADLINE_S) as session:
        await delete_student(session, cast.coordinator, cast.students_b[0], reason="moved away", clock=CLOCK)
    assert await checked(frozen) == (True, True, [])
    async with frozen.database.transaction(deadline_s=DEADLINE_S) as session:
        await restore_student(session, cast.coordinator, cast.students_b[0])
        amendments = (await list_amendments(session, cast.coordinator, cast.round, PageRequest())).items
        assert (await reconcile(session)).different == 0
    assert [each.reason for each in amendments][1:] == [
        "moved away",
        "wrong child",
        "again",
        "again",
        "again",
    ]
    assert await checked(frozen) == (True, True, [])


async def test_nothing_in_a_frozen_round_changes_behind_its_back(frozen: Frozen) -> None:
    for deed in ("change_behind", "remove_behind"):
        with pytest.raises(ConstraintViolated) as refused:
            async with frozen.database.transaction(deadline_s=DEADLINE_S) as session:
                await session.execute(QUERIES[deed], {"id": frozen.results[0]})
        assert refused.value.constraint == "round_is_frozen"
    async with frozen.database.transaction(deadline_s=DEADLINE_S) as session:
        await session.execute(QUERIES["lock"], {"id": frozen.results[0]})
    async with frozen.database.transaction(deadline_s=DEADLINE_S) as session:
        await amending(session, frozen.cast.coordinator, "by hand")
        await session.execute(QUERIES["change_behind"], {"id": frozen.results[0]})
    assert await checked(frozen) == (True, True, [])


async def test_a_spoiled_part_is_found(frozen: Frozen) -> None:
    async with frozen.database.transaction(deadline_s=DEADLINE_S) as session:
        await session.execute(QUERIES["spoil"], {"school": frozen.cast.school_b})
    assert await checked(frozen) == (False, False, [frozen.cast.school_b])


async def test_days_and_locks_of_a_frozen_round_stay(frozen: Frozen) -> None:
    cast = frozen.cast
    async with frozen.database.transaction(deadline_s=DEADLINE_S) as session:
        with pytest.raises(RoundFrozen):
            await set_school_dates(
                session, cast.coordinator, cast.round, cast.school_a, starts_on=TODAY, ends_on=None
            )
        with pytest.raises(RoundFrozen):
            await lock_school(session, cast.coordinator, cast.round, cast.school_a, reason="x", clock=CLOCK)
        with pytest.raises(RoundFrozen):
            await set_dates_of_schools(
                session, cast.coordinator, cast.round, [SchoolDates(cast.school_a, TODAY)]
            )
        with pytest.raises(Conflict):
            await set_round_state(
                session, cast.admin, cast.round, version=3, state="open", reason="x", clock=CLOCK
            )


async def test_dates_for_many_schools_leave_what_is_blank_as_it_is(session: Session, cast: Cast) -> None:
    first, last = date(2026, 11, 5), date(2026, 11, 25)
    days = [
        SchoolDates(cast.school_a, first, last),
        SchoolDates(cast.school_b, ends_on=last),
    ]
    with pytest.raises(Invalid) as refused:
        unknown = [*days, SchoolDates(999_999, first)]
        await set_dates_of_schools(session, cast.coordinator, cast.round, unknown)
    assert [(each.field, each.value) for each in refused.value.faults] == [("school_id", "999999")]
    answers = await set_dates_of_schools(session, cast.coordinator, cast.round, days)
    assert [(each.code, each.starts_on, each.ends_on) for each in answers] == [
        ("saved", first, last),
        ("saved", None, last),
    ]
    days = [
        SchoolDates(cast.school_a, ends_on=date(2026, 11, 20)),
        SchoolDates(cast.school_b, starts_on=date(2026, 11, 28)),
    ]
    answers = await set_dates_of_schools(session, cast.coordinator, cast.round, days)
    assert [each.code for each in answers] == ["saved", "ends_before_start"]
    assert await session.fetch_value(QUERIES["dates"], {"school": cast.school_a}) == "2026-11-05 2026-11-20"
    assert await session.fetch_value(QUERIES["dates"], {"school": cast.school_b}) == "- 2026-11-25"
    answers = await set_dates_of_schools(
        session, cast.coordinator, cast.round, [SchoolDates(cast.school_a, None)]
    )
    assert await session.fetch_value(QUERIES["dates"], {"school": cast.school_a}) == "- 2026-11-20"
    again = await set_dates_of_schools(
        session, cast.coordinator, cast.round, [SchoolDates(cast.school_a, None)]
    )
    assert [each.code for each in again] == ["unchanged"]


async def test_a_places_schools_get_their_days_at_once(session: Session, cast: Cast) -> None:
    await set_dates_of_schools(
        session, cast.coordinator, cast.round, [SchoolDates(cast.school_a, date(2026, 11, 5))]
    )
    answers = await set_dates_of_place(
        session, cast.coordinator, cast.round, cast.province, starts_on=None, ends_on=date(2026, 11, 27)
    )
    assert len(answers) == 3
    assert await session.fetch_value(QUERIES["dates"], {"school": cast.school_a}) == "2026-11-05 2026-11-27"
    with pytest.raises(Invalid):
        await set_dates_of_place(
            session, cast.coordinator, cast.round, 999_999, starts_on=None, ends_on=TODAY
        )
    with pytest.raises(Forbidden):
        await set_dates_of_place(
            session, cast.mentor, cast.round, cast.province, starts_on=None, ends_on=TODAY
        )
    with pytest.raises(Invalid):
        await set_dates_of_schools(session, cast.coordinator, cast.round, [])
