"""A reset by somebody above: a code that works once, and what ends with it."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable

import pytest
from accounts_doors import PASSWORD, House, open_house
from people import token_of

from flatwater.clock import StandingClock
from flatwater.pool import Database
from rightlevel.programme.accounts import (
    CodeMade,
    CodeRefused,
    PasswordHasher,
    SignInLocked,
    SignInRefused,
    actor_by_token,
    choose_password_with_code,
    generate_code,
    reset_with_code,
    set_active,
)
from rightlevel.programme.accounts.model import FREE_FAILURES, LastAdmin
from rightlevel.programme.accounts.passwords import typed_code
from rightlevel.programme.accounts.resets import CODE_LIFE
from rightlevel.programme.errors import Forbidden, Invalid
from rightlevel.programme.time_zone import ProgrammeClock

pytestmark = pytest.mark.anyio
NEW = "under the tamarind tree"


@pytest.fixture
async def house(new_database: Callable[[], object], clock: StandingClock) -> AsyncIterator[House]:
    passwords = PasswordHasher()
    async with Database(new_database().conninfo) as database:  # type: ignore[attr-defined]
        yield await open_house(database, passwords, clock)
    passwords.close()


async def reset(house: House, by: str, person_id: int) -> CodeMade:
    actor, code = await house.now(by), generate_code()
    code_hash = await house.passwords.hash(code)
    return await house.database.run(
        lambda session: reset_with_code(
            session, actor, person_id, code=code, code_hash=code_hash, clock=house.clock
        ),
        deadline_s=5,
    )


async def choose(
    house: House, code: str, *, username: str = "teacher", new: str = NEW, address: str = "10.0.0.9"
) -> None:
    await choose_password_with_code(
        house.database, house.passwords, house.clock, username=username, code=code, new=new, address=address
    )


async def holder_of_token(house: House, name: str) -> object:
    async with house.database.read(deadline_s=5) as session:
        return await actor_by_token(session, token_of(name), ProgrammeClock(house.clock), address="")


async def test_a_reset_ends_password_sessions_and_tokens_at_once(house: House) -> None:
    entered = await house.enter("teacher")
    assert await holder_of_token(house, "teacher") is not None
    await reset(house, "coordinator", house.cast.teacher.person_id)
    assert await house.actor(entered) is None
    assert await holder_of_token(house, "teacher") is None
    with pytest.raises(SignInRefused):
        await house.enter("teacher")


async def test_with_the_code_its_owner_chooses_a_password_once(house: House) -> None:
    made = await reset(house, "coordinator", house.cast.teacher.person_id)
    await choose(house, made.code.replace("-", " ").upper())
    await house.enter("teacher", NEW)
    with pytest.raises(CodeRefused):
        await choose(house, made.code, new="another long password")
    await house.enter("teacher", NEW)


async def test_of_the_same_code_at_the_same_moment_one_works(house: House) -> None:
    made = await reset(house, "coordinator", house.cast.teacher.person_id)
    ends = await asyncio.gather(
        *(choose(house, made.code, new=f"mango rain bicycle {n}") for n in range(6)), return_exceptions=True
    )
    assert ends.count(None) == 1
    assert all(each is None or isinstance(each, CodeRefused) for each in ends)
    await house.enter("teacher", f"mango rain bicycle {ends.index(None)}")


async def test_a_code_runs_out(house: House) -> None:
    made = await reset(house, "coordinator", house.cast.teacher.person_id)
    house.clock.advance(CODE_LIFE.total_seconds() + 1)
    with pytest.raises(CodeRefused):
        await choose(house, made.code)


async def test_a_new_code_takes_the_place_of_the_last(house: House) -> None:
    first = await reset(house, "coordinator", house.cast.teacher.person_id)
    second = await reset(house, "admin", house.cast.teacher.person_id)
    with pytest.raises(CodeRefused):
        await choose(house, first.code)
    await choose(house, second.code)


async def test_wrong_codes_hold_their_address_up_and_take_nothing_from_the_owner(house: House) -> None:
    made = await reset(house, "coordinator", house.cast.teacher.person_id)
    for _ in range(FREE_FAILURES["code"]):
        with pytest.raises(CodeRefused):
            await choose(house, "aaaa-aaaa", address="198.51.100.9")
    with pytest.raises(SignInLocked):
        await choose(house, made.code, address="198.51.100.9")
    await choose(house, made.code, address="10.0.0.5")
    await house.enter("teacher", NEW)


async def test_a_code_takes_so_many_wrong_attempts_of_all_addresses_and_no_more(house: House) -> None:
    made = await reset(house, "coordinator", house.cast.teacher.person_id)
    await house.database.run(
        lambda session: session.command("update one_time_code set attempts_left = 1"), deadline_s=5
    )
    with pytest.raises(CodeRefused):
        await choose(house, "aaaa-aaaa", address="198.51.100.9")
    with pytest.raises(CodeRefused):
        await choose(house, made.code)


async def test_unknown_name_wrong_code_and_no_code_get_the_same_answer(house: House) -> None:
    await reset(house, "coordinator", house.cast.teacher.person_id)
    told: set[str] = set()
    for username in ("teacher", "mentor", "nobody.at.all"):
        with pytest.raises(CodeRefused) as refused:
            await choose(house, "aaaa-aaaa", username=username)
        told.add(str(refused.value))
    assert len(told) == 1


async def test_a_bad_new_password_uses_nothing_up(house: House) -> None:
    made = await reset(house, "coordinator", house.cast.teacher.person_id)
    with pytest.raises(Invalid):
        await choose(house, made.code, new="short")
    await choose(house, made.code)


async def test_nobody_resets_at_or_above_themselves_or_themselves(house: House) -> None:
    cast = house.cast
    forbidden = [
        ("teacher", cast.viewer),
        ("mentor", cast.teacher),
        ("viewer", cast.teacher),
        ("coordinator", cast.coordinator),
        ("coordinator", cast.admin),
        ("admin", cast.admin),
    ]
    for by, whom in forbidden:
        with pytest.raises(Forbidden):
            await reset(house, by, whom.person_id)


async def test_the_last_admin_who_can_sign_in_is_not_reset(house: House, clock: StandingClock) -> None:
    from rightlevel.programme.accounts import NewPerson, create_person

    async def another(session: object) -> int:
        new = NewPerson("admin.two", "Second Admin", "admin")
        return (await create_person(session, None, new, password_hash=None)).id  # type: ignore[arg-type]

    second = await house.database.run(another, deadline_s=5)
    made = await reset(house, "admin", second)
    await choose(house, made.code, username="admin.two")
    entered = await house.enter("admin.two", NEW)
    actor = await house.known(entered)
    code_hash = await house.passwords.hash("aaaa-aaaa")

    async def reset_first(session: object) -> CodeMade:
        return await reset_with_code(
            session,
            actor,
            house.cast.admin.person_id,
            code="aaaa-aaaa",
            code_hash=code_hash,
            clock=clock,  # type: ignore[arg-type]
        )

    await house.database.run(reset_first, deadline_s=5)
    first = house.cast.admin
    with pytest.raises(LastAdmin):
        # Their session is over, but suppose this request was already under way when it ended.
        await house.database.run(
            lambda session: reset_with_code(
                session, first, second, code="bbbb-bbbb", code_hash=code_hash, clock=clock
            ),
            deadline_s=5,
        )


async def test_switching_off_ends_sessions_tokens_and_codes(house: House) -> None:
    entered = await house.enter("teacher")
    coordinator, teacher = await house.now("coordinator"), house.cast.teacher.person_id
    made = await reset(house, "coordinator", teacher)
    for is_active in (False, True):
        await house.database.run(
            lambda session, is_active=is_active: set_active(
                session, coordinator, teacher, is_active=is_active, clock=house.clock
            ),
            deadline_s=5,
        )
    assert await house.actor(entered) is None
    assert await holder_of_token(house, "teacher") is None, "switched on again, old tokens stay ended"
    with pytest.raises(CodeRefused):
        await choose(house, made.code)


async def test_the_code_is_hashed_and_in_no_audit_row(house: House) -> None:
    made = await reset(house, "coordinator", house.cast.teacher.person_id)
    kept = await house.value("stored_keys") + await house.value("audit_text")
    assert made.code not in kept
    assert made.code.replace("-", "") not in kept
    assert PASSWORD not in kept
    assert await house.value("audit_count", action="reset_password", resource="person", outcome="done") == 1


def test_a_code_is_read_however_it_is_typed() -> None:
    code = generate_code()
    assert typed_code(f" {code.upper().replace('-', '')} ") == code
    assert typed_code("too short") == typed_code("") == ""
