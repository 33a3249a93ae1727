"""The second step at sign-in: what a password alone opens, what a code opens, and how often."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable

import pytest
from accounts_doors import LIFE_S, PASSWORD, House, code, enrol, open_house

from flatwater.clock import StandingClock
from flatwater.paging import PageRequest
from flatwater.pool import Database
from rightlevel.programme.accounts import (
    PasswordHasher,
    SignedIn,
    SignInLocked,
    WrongCode,
    begin_second_factor,
    confirm_second_factor,
    finish_sign_in,
    list_people,
    remove_second_factor,
    renew_recovery_codes,
    reset_second_factor,
    set_admins_need_second_factor,
    totp,
)
from rightlevel.programme.accounts.model import FREE_FAILURES
from rightlevel.programme.accounts.second_factor import EnrolFirst, FactorNeeded, FactorThere
from rightlevel.programme.errors import Forbidden, Invalid
from rightlevel.programme.permissions import May

pytestmark = pytest.mark.anyio


@pytest.fixture
async def house(new_database: Callable[[], object], clock: StandingClock) -> AsyncIterator[House]:
    passwords = PasswordHasher()
    async with Database(new_database().conninfo) as database:  # type: ignore[attr-defined]
        yield await open_house(database, passwords, clock, admins_need_it=True)
    passwords.close()


async def finish(house: House, entered: SignedIn, text: str) -> SignedIn:
    return await finish_sign_in(
        house.database, house.clock, await house.known(entered), code=text, device="test", life_s=LIFE_S
    )


async def test_an_admin_without_a_second_factor_may_only_enrol(house: House) -> None:
    entered = await house.enter("admin")
    actor = await house.known(entered)
    assert entered.pending == actor.pending == "enrol"
    assert not May("read", "school").allows(actor)
    assert not May("manage", "self").allows(actor)
    assert May("finish", "sign_in").allows(actor)
    async with house.database.read(deadline_s=5) as session:
        with pytest.raises(Forbidden):
            await list_people(session, actor, PageRequest())
    _, confirmed = await enrol(house, entered)
    assert (await house.known(confirmed.signed_in)).pending == ""
    assert await house.actor(entered) is None, "the half-open session is over"


async def test_others_are_asked_only_if_they_set_one_up(house: House) -> None:
    entered = await house.enter("teacher")
    assert entered.pending == ""
    secret, _ = await enrol(house, entered)
    again = await house.enter("teacher")
    assert again.pending == "second_factor"
    assert not May("read", "student").allows(await house.known(again))
    whole = await finish(house, again, code(house, secret))
    assert May("read", "student").allows(await house.known(whole))


async def test_enrolling_ends_the_other_sessions(house: House) -> None:
    other, entered = await house.enter("teacher"), await house.enter("teacher")
    await enrol(house, entered)
    assert await house.actor(other) is None


async def test_a_used_step_is_refused_again_and_so_is_an_earlier_one(house: House) -> None:
    secret, _ = await enrol(house, await house.enter("teacher"))
    now, before = code(house, secret), code(house, secret, steps=-1)
    await finish(house, await house.enter("teacher"), now)
    for text in (now, before):
        with pytest.raises(WrongCode):
            await finish(house, await house.enter("teacher"), text)
    house.clock.advance(30)
    await finish(house, await house.enter("teacher"), code(house, secret))


async def test_of_the_same_code_at_the_same_moment_one_goes_in(house: House) -> None:
    secret, confirmed = await enrol(house, await house.enter("teacher"))
    for text in (code(house, secret), confirmed.recovery_codes[3]):
        halves = [await house.enter("teacher") for _ in range(4)]
        ends = await asyncio.gather(*(finish(house, half, text) for half in halves), return_exceptions=True)
        assert sum(isinstance(each, SignedIn) for each in ends) == 1
        assert all(isinstance(each, SignedIn | WrongCode) for each in ends)


async def test_a_recovery_code_works_once_however_it_is_typed(house: House) -> None:
    _, confirmed = await enrol(house, await house.enter("teacher"))
    assert len(set(confirmed.recovery_codes)) == 10
    typed = confirmed.recovery_codes[0].replace("-", " ").upper()
    await finish(house, await house.enter("teacher"), typed)
    with pytest.raises(WrongCode):
        await finish(house, await house.enter("teacher"), typed)


async def test_new_recovery_codes_take_the_place_of_the_old(house: House) -> None:
    secret, confirmed = await enrol(house, await house.enter("teacher"))
    actor = await house.known(confirmed.signed_in)
    fresh = await renew_recovery_codes(house.database, actor, code=code(house, secret), clock=house.clock)
    with pytest.raises(WrongCode):
        await finish(house, await house.enter("teacher"), confirmed.recovery_codes[0])
    await finish(house, await house.enter("teacher"), fresh[0])


async def test_wrong_codes_lock_the_second_factor_by_itself(house: House) -> None:
    secret, _ = await enrol(house, await house.enter("teacher"))
    half = await house.enter("teacher")
    for _ in range(FREE_FAILURES["factor"]):
        with pytest.raises(WrongCode):
            await finish(house, half, "000000")
    with pytest.raises(SignInLocked):
        await finish(house, half, code(house, secret))
    with pytest.raises(SignInLocked):
        await finish(house, await house.enter("teacher"), code(house, secret))
    assert (await house.enter("teacher")).pending == "second_factor", "the password's own lock is another"
    house.clock.advance(31)
    await finish(house, await house.enter("teacher"), code(house, secret))


async def test_a_half_open_session_is_over_after_ten_minutes(house: House) -> None:
    await enrol(house, await house.enter("teacher"))
    half = await house.enter("teacher")
    house.clock.advance(601)
    assert await house.actor(half) is None


async def test_with_the_password_alone_nobody_puts_another_factor_in_its_place(house: House) -> None:
    await enrol(house, await house.enter("teacher"))
    half = await house.known(await house.enter("teacher"))
    with pytest.raises(Forbidden):
        await begin_second_factor(house.database, house.passwords, house.clock, half, password=PASSWORD)
    with pytest.raises(Forbidden):
        await remove_second_factor(house.database, half, code="000000", clock=house.clock)


async def test_a_wrong_first_code_puts_nothing_in_force(house: House) -> None:
    actor = await house.known(await house.enter("teacher"))
    await begin_second_factor(house.database, house.passwords, house.clock, actor, password=PASSWORD)
    with pytest.raises(Invalid):
        await house.database.run(
            lambda session: confirm_second_factor(
                session, actor, code="123456", clock=house.clock, device="", life_s=LIFE_S
            ),
            deadline_s=5,
        )
    assert (await house.enter("teacher")).pending == ""


async def test_a_second_factor_in_force_is_not_replaced_by_another(house: House) -> None:
    _, confirmed = await enrol(house, await house.enter("teacher"))
    actor = await house.known(confirmed.signed_in)
    with pytest.raises(FactorThere):
        await begin_second_factor(house.database, house.passwords, house.clock, actor, password=PASSWORD)


async def test_an_admin_does_not_take_it_away_while_admins_need_it(house: House) -> None:
    secret, confirmed = await enrol(house, await house.enter("admin"))
    actor = await house.known(confirmed.signed_in)
    with pytest.raises(FactorNeeded):
        await remove_second_factor(house.database, actor, code=code(house, secret), clock=house.clock)
    await house.database.run(
        lambda session: set_admins_need_second_factor(session, actor, is_needed=False), deadline_s=5
    )
    await remove_second_factor(house.database, actor, code=code(house, secret), clock=house.clock)
    assert (await house.enter("admin")).pending == ""


async def test_the_setting_is_an_admins_and_locks_nobody_out_and_is_written_down(house: House) -> None:
    coordinator, admin = await house.now("coordinator"), await house.now("admin")
    for actor, error in ((coordinator, Forbidden), (admin, EnrolFirst)):
        with pytest.raises(error):
            await house.database.run(
                lambda session, actor=actor: set_admins_need_second_factor(session, actor, is_needed=True),
                deadline_s=5,
            )
    await house.database.run(
        lambda session: set_admins_need_second_factor(session, admin, is_needed=False), deadline_s=5
    )
    assert (await house.enter("admin")).pending == ""
    assert await house.value("audit_count", action="change", resource="setting", outcome="done") == 1


async def test_switched_on_every_open_session_of_an_admin_may_only_enrol(house: House) -> None:
    await house.database.run(
        lambda session: set_admins_need_second_factor(session, None, is_needed=False), deadline_s=5
    )
    entered = await house.enter("admin")
    await house.database.run(
        lambda session: set_admins_need_second_factor(session, None, is_needed=True), deadline_s=5
    )
    assert (await house.known(entered)).pending == "enrol"


async def test_somebody_above_resets_it_and_nobody_else(house: House) -> None:
    _, confirmed = await enrol(house, await house.enter("teacher"))
    teacher = house.cast.teacher.person_id
    for actor in (house.cast.mentor, house.cast.teacher, house.cast.teacher_elsewhere):
        with pytest.raises(Forbidden):
            await house.database.run(
                lambda session, actor=actor: reset_second_factor(session, actor, teacher, house.clock),
                deadline_s=5,
            )
    coordinator = await house.now("coordinator")
    for above in (house.cast.admin.person_id, house.cast.coordinator.person_id):
        with pytest.raises(Forbidden):
            await house.database.run(
                lambda session, above=above: reset_second_factor(session, coordinator, above, house.clock),
                deadline_s=5,
            )
    await house.database.run(
        lambda session: reset_second_factor(session, coordinator, teacher, house.clock), deadline_s=5
    )
    assert await house.actor(confirmed.signed_in) is None
    assert (await house.enter("teacher")).pending == ""
    assert await house.value("audit_count", action="reset", resource="second_factor", outcome="done") == 1


async def test_neither_secret_nor_codes_are_readable_in_the_database_or_the_audit(house: House) -> None:
    secret, confirmed = await enrol(house, await house.enter("teacher"))
    kept = await house.value("stored_keys") + await house.value("audit_text")
    for text in (
        secret.hex(),
        totp.shown(secret),
        totp.shown(secret).replace(" ", ""),
        *confirmed.recovery_codes,
    ):
        assert text not in kept
    assert secret.decode("latin-1") not in kept
