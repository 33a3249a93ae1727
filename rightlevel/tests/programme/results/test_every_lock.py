"""Every write against every lock: enforced everywhere, or it is enforced nowhere.

A row is a deed that changes a result or takes it out of the figures, a column is something that holds results. What passes is said here and
nowhere else; a coordinator with a reason goes past what is marked so.
"""

from collections.abc import Awaitable, Callable
from itertools import product
from typing import Any
from uuid import uuid4

import pytest
from people import NOW, Cast

from flatwater.clock import StandingClock
from flatwater.paging import PageRequest
from flatwater.queries import read_queries
from flatwater.transaction import Session
from rightlevel.programme.errors import ProgrammeError
from rightlevel.programme.permissions import Actor
from rightlevel.programme.results import ResultWrite, delete_result, enter_results, read_result
from rightlevel.programme.students import delete_student
from rightlevel.programme.verification import (
    Retest,
    resolve,
    return_to_teacher,
    save_retests,
    verification_queue,
    withdraw,
)

pytestmark = pytest.mark.anyio
TODAY = NOW.date()
CLOCK = StandingClock(NOW)

QUERIES = read_queries(
    """
-- name: result_lock
-- Locks the result.
update result set locked_at = now(), lock_reason = 'x' where id = %(result)s::uuid
-- name: verified
-- Says that the result is verified.
update result set is_verified = true where id = %(result)s::uuid
-- name: school_lock
-- Locks the school in the round.
insert into round_school (round_id, school_id, locked_at, lock_reason) values (%(round)s, %(school)s, now(), 'x')
-- name: other_days
-- Gives the school days that are over.
insert into round_school (round_id, school_id, starts_on, ends_on) values (%(round)s, %(school)s, '2026-11-01', '2026-11-10')
-- name: round_planned
-- The round is planned.
update round set state = 'planned' where id = %(round)s
-- name: round_closed
-- The round is closed.
update round set state = 'closed' where id = %(round)s
-- name: round_frozen
-- The round is frozen.
with made as (insert into round_snapshot (round_id, frozen_at, frozen_by, sealed_at) values (%(round)s, now(), %(by)s, now()))
update round set state = 'frozen' where id = %(round)s
-- name: round_sealing
-- The round is being frozen.
with made as (insert into round_snapshot (round_id, frozen_at, frozen_by) values (%(round)s, now(), %(by)s))
update round set state = 'frozen' where id = %(round)s
-- name: print
-- Everything of a result that may not change.
select rank::text || ' ' || is_verified::text || ' ' || (deleted_at is null)::text || ' ' || is_hidden::text as print from result where id = %(result)s::uuid
""",
    origin="test_every_lock.py",
)
LOCKS = (
    "result_lock",
    "verified",
    "school_lock",
    "other_days",
    "round_planned",
    "round_closed",
    "round_frozen",
    "round_sealing",
)


def a_write(cast: Cast, **more: Any) -> ResultWrite:
    values: dict[str, Any] = {"subject": "math", "level": "division", "tested_on": TODAY, **more}
    return ResultWrite(id=str(uuid4()), student_id=cast.students_a[0], round_id=cast.round, **values)


async def change(session: Session, cast: Cast, actor: Actor, result: str, reason: str) -> bool:
    write = a_write(
        cast, version=(await read_result(session, cast.admin, result)).version, reason=reason or None
    )
    return (await enter_results(session, actor, [write], CLOCK))[0].is_saved


async def remove(session: Session, cast: Cast, actor: Actor, result: str, reason: str) -> bool:
    version = (await read_result(session, cast.admin, result)).version
    await delete_result(session, actor, result, version=version, reason=reason, clock=CLOCK)
    return True


async def remove_child(session: Session, cast: Cast, actor: Actor, result: str, reason: str) -> bool:
    await delete_student(session, actor, cast.students_a[0], reason=reason, clock=CLOCK)
    return True


async def retest(session: Session, cast: Cast, actor: Actor, result: str, reason: str) -> bool:
    tester = cast.mentor if actor.role == "teacher" else actor
    write = Retest(str(uuid4()), result, TODAY, level="subtraction", tool=2, reason=reason or None)
    return (await save_retests(session, tester, [write], CLOCK))[0].is_saved


async def _disputed(session: Session, cast: Cast) -> Any:
    page = await verification_queue(
        session, cast.admin, PageRequest(), CLOCK, round_id=cast.round, state="disputed"
    )
    return page.items[0]


async def decide(session: Session, cast: Cast, actor: Actor, result: str, reason: str) -> bool:
    row = await _disputed(session, cast)
    await resolve(session, actor, row.id, version=row.version, stands="second", reason=reason, clock=CLOCK)
    return True


async def give_back(session: Session, cast: Cast, actor: Actor, result: str, reason: str) -> bool:
    row = await _disputed(session, cast)
    await return_to_teacher(session, actor, row.id, version=row.version, reason=reason, clock=CLOCK)
    return True


async def take_back(session: Session, cast: Cast, actor: Actor, result: str, reason: str) -> bool:
    row = await _disputed(session, cast)
    await withdraw(session, actor, row.id, version=row.version, reason=reason, clock=CLOCK)
    return True


Deed = Callable[[Session, Cast, Actor, str, str], Awaitable[bool]]
DEEDS: dict[str, Deed] = {
    "change": change,
    "remove": remove,
    "remove the child": remove_child,
    "test again": retest,
    "decide": decide,
    "return": give_back,
    "withdraw": take_back,
}
DISPUTED = ("decide", "return", "withdraw")

PASSES_WITHOUT: set[tuple[str, str]] = {
    # a re-test changes nothing of the result but to say that it is verified, and often comes after the round
    ("test again", "result_lock"),
    ("test again", "other_days"),
    ("test again", "round_closed"),
    # taking a result or a child away is no test on a day
    ("remove", "other_days"),
    ("remove the child", "other_days"),
}
NEVER: set[tuple[str, str]] = {
    ("change", "round_sealing"),
    ("remove", "round_sealing"),
    ("remove the child", "round_sealing"),
    ("test again", "verified"),
    ("test again", "round_planned"),
    ("test again", "round_frozen"),
    ("test again", "round_sealing"),
    ("decide", "round_sealing"),
    ("return", "round_frozen"),
    ("return", "round_sealing"),
    ("withdraw", "round_sealing"),
}
"""What not even a coordinator with a reason may."""


async def tried(session: Session, cast: Cast, deed: str, actor: Actor, result: str, reason: str) -> bool:
    before = await session.fetch_value(QUERIES["print"], {"result": result})
    try:
        async with session.savepoint():
            if await DEEDS[deed](session, cast, actor, result, reason):
                return True
    except ProgrammeError:
        pass
    assert await session.fetch_value(QUERIES["print"], {"result": result}) == before, (
        "refused, and yet something changed"
    )
    return False


@pytest.mark.parametrize(("deed", "lock"), [*product(DEEDS, LOCKS)])
async def test_every_write_against_every_lock(session: Session, cast: Cast, deed: str, lock: str) -> None:
    first = a_write(cast, level="subtraction", tool=1)
    assert (await enter_results(session, cast.teacher, [first], CLOCK))[0].is_saved
    if deed in DISPUTED:
        write = Retest(str(uuid4()), first.id, TODAY, level="division", tool=2)
        assert (await save_retests(session, cast.mentor, [write], CLOCK))[0].code == "disagreed"
    values = {"result": first.id, "round": cast.round, "school": cast.school_a, "by": cast.admin.person_id}
    await session.execute(QUERIES[lock], values)
    assert await tried(session, cast, deed, cast.teacher, first.id, "please") == (
        (deed, lock) in PASSES_WITHOUT
    )
    if (deed, lock) in PASSES_WITHOUT:
        return
    assert not await tried(session, cast, deed, cast.coordinator, first.id, ""), "a coordinator says why"
    assert await tried(session, cast, deed, cast.coordinator, first.id, "asked by the ministry") == (
        (deed, lock) not in NEVER
    )


async def test_without_any_lock_every_write_passes(session: Session, cast: Cast) -> None:
    for deed in ("change", "test again", "remove", "remove the child"):
        async with session.savepoint():
            write = a_write(cast, level="subtraction", tool=1)
            if deed != "remove the child":
                (answer,) = await enter_results(session, cast.teacher, [write], CLOCK)
                result = answer.result_id or (answer.current.id if answer.current else "")
            if deed == "remove":
                row = (
                    await verification_queue(
                        session, cast.admin, PageRequest(), CLOCK, round_id=cast.round, state="under_way"
                    )
                ).items[0]
                await withdraw(
                    session, cast.coordinator, row.id, version=row.version, reason="r", clock=CLOCK
                )
            assert await tried(session, cast, deed, cast.teacher, result, ""), deed
