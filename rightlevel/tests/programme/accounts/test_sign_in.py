import asyncio
from collections.abc import Callable
from datetime import timedelta

import pytest
from people import NOW

from flatwater.clock import StandingClock
from flatwater.errors import TooMany
from flatwater.pool import Database
from flatwater.queries import read_queries
from rightlevel.programme.accounts import (
    NewPerson,
    PasswordHasher,
    SignedIn,
    SignInLocked,
    SignInRefused,
    actor_by_session,
    change_password,
    create_person,
    reset_password,
    sign_in,
    sign_out,
)
from rightlevel.programme.accounts.model import FREE_FAILURES, failures_after, lock_s
from rightlevel.programme.accounts.sign_in import MAX_SESSIONS
from rightlevel.programme.errors import Invalid
from rightlevel.programme.time_zone import ProgrammeClock

pytestmark = pytest.mark.anyio
PASSWORD = "reading-under-the-mango-tree"
IDLE_S = 14 * 86_400.0

QUERIES = read_queries(
    """
-- name: audit
-- What was written down of sign-ins.
select coalesce(sum(times), 0)::int from audit_entry where action = 'sign_in' and outcome = %(outcome)s
-- name: failures
-- How many rows of failures there are.
select count(*) from sign_in_failure
-- name: stored
-- Everything stored of a session, as text.
select string_agg(s::text, ' ') from person_session s
""",
    origin="test_sign_in.py",
)


class Door:
    """A database with one teacher, committed, and her way in."""

    def __init__(self, database: Database, passwords: PasswordHasher, clock: StandingClock) -> None:
        self.database = database
        self.passwords = passwords
        self.clock = clock

    async def enter(
        self, password: str = PASSWORD, *, username: str = "sok", address: str = "10.0.0.1"
    ) -> SignedIn:
        return await sign_in(
            self.database,
            self.passwords,
            self.clock,
            username=username,
            password=password,
            address=address,
            device="test",
            life_s=90 * 86_400,
        )

    async def holder(self, token: str) -> str | None:
        async with self.database.read(deadline_s=5) as session:
            actor = await actor_by_session(
                session, token, ProgrammeClock(self.clock), address="test", idle_s=IDLE_S
            )
        return actor.username if actor else None


@pytest.fixture
async def door(new_database: Callable[[], object], clock: StandingClock):
    passwords = PasswordHasher()
    async with Database(new_database().conninfo) as database:  # type: ignore[attr-defined]
        password_hash = await passwords.hash(PASSWORD)
        new = NewPerson("sok", "Sok Dara", "teacher", email="Sok@example.org")
        await database.run(
            lambda session: create_person(session, None, new, password_hash=password_hash), deadline_s=5
        )
        yield Door(database, passwords, clock)
    passwords.close()


async def test_a_right_password_opens_a_session_by_name_or_by_mail(door: Door) -> None:
    assert await door.holder((await door.enter()).token) == "sok"
    assert await door.holder((await door.enter(username=" SOK@example.org ")).token) == "sok"


async def test_a_wrong_password_and_an_unknown_name_get_the_same_answer(door: Door) -> None:
    with pytest.raises(SignInRefused) as wrong:
        await door.enter("not this one")
    with pytest.raises(SignInRefused) as unknown:
        await door.enter(username="nobody")
    assert str(wrong.value) == str(unknown.value)
    async with door.database.read(deadline_s=5) as session:
        assert await session.fetch_value(QUERIES["audit"], {"outcome": "denied"}) == 2


async def test_failures_lock_the_account_for_longer_and_longer_and_success_forgets_them(door: Door) -> None:
    for _ in range(FREE_FAILURES["pair"]):
        with pytest.raises(SignInRefused):
            await door.enter("wrong")
    with pytest.raises(SignInLocked) as locked:
        await door.enter()
    assert locked.value.values["wait_s"] == 31
    door.clock.advance(31)
    with pytest.raises(SignInRefused):
        await door.enter("wrong")
    with pytest.raises(SignInLocked) as longer:
        await door.enter()
    assert longer.value.values["wait_s"] == 61
    door.clock.advance(61)
    await door.enter()
    for _ in range(FREE_FAILURES["pair"] - 1):
        with pytest.raises(SignInRefused):
            await door.enter("wrong")
    await door.enter()


async def test_guesses_at_many_names_lock_the_address(door: Door) -> None:
    for number in range(FREE_FAILURES["address"]):
        with pytest.raises(SignInRefused):
            await door.enter("wrong", username=f"guess{number}")
    with pytest.raises(SignInLocked):
        await door.enter()
    await door.enter(address="10.0.0.2")


async def test_guesses_at_the_same_moment_are_all_counted(door: Door) -> None:
    outcomes = await asyncio.gather(*(door.enter("wrong") for _ in range(12)), return_exceptions=True)
    assert all(isinstance(each, SignInRefused | SignInLocked) for each in outcomes)
    with pytest.raises(SignInLocked):
        await door.enter()


def test_the_lock_doubles_up_to_an_hour_and_a_quiet_day_forgets() -> None:
    assert [lock_s("pair", n) for n in (4, 5, 6, 7, 30)] == [0, 30, 60, 120, 3_600]
    assert failures_after("pair", 9, NOW - timedelta(days=2), NOW) == 1
    assert failures_after("pair", 9, NOW - timedelta(minutes=2), NOW) == 10


def test_what_many_share_is_slowed_and_forgets_each_minute() -> None:
    assert [lock_s("address", n) for n in (49, 50, 51, 5_000)] == [0, 30, 60, 60]
    assert failures_after("address", 60, NOW - timedelta(minutes=20), NOW) == 41
    assert failures_after("address", 60, NOW - timedelta(hours=20), NOW) == 1


async def test_forty_sign_ins_at_once_succeed_two_at_a_time(door: Door) -> None:
    entered = await asyncio.gather(*(door.enter(address=f"10.0.1.{n}") for n in range(40)))
    assert len({each.token for each in entered}) == 40
    assert sum([await door.holder(each.token) == "sok" for each in entered]) == MAX_SESSIONS


async def test_the_hundred_and_first_waiter_for_a_hash_is_refused() -> None:
    passwords = PasswordHasher()
    try:
        outcomes = await asyncio.gather(
            *(passwords.verify(None, "x") for _ in range(105)), return_exceptions=True
        )
    finally:
        passwords.close()
    assert sum(isinstance(each, TooMany) for each in outcomes) == 5


async def test_a_new_password_ends_the_other_sessions(door: Door) -> None:
    here, elsewhere = await door.enter(), await door.enter()
    async with door.database.read(deadline_s=5) as session:
        actor = await actor_by_session(
            session, here.token, ProgrammeClock(door.clock), address="", idle_s=IDLE_S
        )
    assert actor is not None
    with pytest.raises(Invalid) as wrong:
        await change_password(
            door.database, door.passwords, door.clock, actor, old="not it", new="a new long password"
        )
    assert wrong.value.faults[0].field == "old"
    with pytest.raises(Invalid):
        await change_password(door.database, door.passwords, door.clock, actor, old=PASSWORD, new="short")
    await change_password(
        door.database, door.passwords, door.clock, actor, old=PASSWORD, new="a new long password"
    )
    assert await door.holder(here.token) == "sok"
    assert await door.holder(elsewhere.token) is None
    with pytest.raises(SignInRefused):
        await door.enter()
    await door.enter("a new long password")


async def test_a_reset_ends_every_session(door: Door) -> None:
    entered = await door.enter()
    await door.database.run(
        lambda session: reset_password(session, None, entered.person_id, password_hash="x", clock=door.clock),
        deadline_s=5,
    )
    assert await door.holder(entered.token) is None


async def test_sessions_end_by_age_by_idleness_and_by_signing_out(door: Door) -> None:
    entered, other = await door.enter(), await door.enter()
    async with door.database.read(deadline_s=5) as session:
        actor = await actor_by_session(
            session, entered.token, ProgrammeClock(door.clock), address="", idle_s=IDLE_S
        )
    assert actor is not None
    await door.database.run(lambda session: sign_out(session, actor), deadline_s=5)
    assert await door.holder(entered.token) is None
    assert await door.holder(other.token) == "sok"
    door.clock.advance(IDLE_S + 1)
    assert await door.holder(other.token) is None


async def test_no_token_is_stored_anywhere(door: Door) -> None:
    entered = await door.enter()
    async with door.database.read(deadline_s=5) as session:
        assert entered.token not in await session.fetch_value(QUERIES["stored"], {})
