"""The two-step verification: what a password alone opens, what a code opens, and how often."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable

import pytest
from accounts_doors import LIFE_S, PASSWORD, AccountsScene, code, enrol, open_house

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
from rightlevel.programme.accounts.second_factor import EnrolFirst, FactorNeeded, TwoStepAlreadyOn
from rightlevel.programme.errors import Forbidden, Invalid
from rightlevel.programme.permissions import May

pytestmark = pytest.mark.anyio


@pytest.fixture
async def scene(new_database: Callable[[], object], clock: StandingClock) -> AsyncIterator[AccountsScene]:
    passwords = PasswordHasher()
    async with Database(new_database().conninfo) as database:  # type: ignore[attr-defined]
        yield await open_house(database, passwords, clock, admins_need_it=True)
    passwords.close()


async def finish(scene: AccountsScene, entered: SignedIn, text: str) -> SignedIn:
    return await finish_sign_in(
        scene.database, scene.clock, await scene.known(entered), code=text, device="test", life_s=LIFE_S
    )


async def test_an_admin_without_a_second_factor_may_only_enrol(scene: AccountsScene) -> None:
    entered = await scene.enter("admin")
    actor = await scene.known(entered)
    assert entered.pending == actor.pending == "enrol"
    assert not May("read", "school").allows(actor)
    assert not May("manage", "self").allows(actor)
    assert May("finish", "sign_in").allows(actor)
    async with scene.database.read(deadline_s=5) as session:
        with pytest.raises(Forbidden):
            await list_people(session, actor, PageRequest())
    _, confirmed = await enrol(scene, entered)
    assert (await scene.known(confirmed.signed_in)).pending == ""
    assert await scene.actor(entered) is None, "the half-open session is over"


async def test_others_are_asked_only_if_they_set_one_up(scene: AccountsScene) -> None:
    entered = await scene.enter("teacher")
    assert entered.pending == ""
    secret, _ = await enrol(scene, entered)
    again = await scene.enter("teacher")
    assert again.pending == "second_factor"
    assert not May("read", "student").allows(await scene.known(again))
    whole = await finish(scene, again, code(scene, secret))
    assert May("read", "student").allows(await scene.known(whole))


async def test_enrolling_ends_the_other_sessions(scene: AccountsScene) -> None:
    other, entered = await scene.enter("teacher"), await scene.enter("teacher")
    await enrol(scene, entered)
    assert await scene.actor(other) is None


async def test_a_used_step_is_refused_again_and_so_is_an_earlier_one(scene: AccountsScene) -> None:
    secret, _ = await enrol(scene, await scene.enter("teacher"))
    now, before = code(scene, secret), code(scene, secret, steps=-1)
    await finish(scene, await scene.enter("teacher"), now)
    for text in (now, before):
        with pytest.raises(WrongCode):
            await finish(scene, await scene.enter("teacher"), text)
    scene.clock.advance(30)
    await finish(scene, await scene.enter("teacher"), code(scene, secret))


async def test_of_the_same_code_at_the_same_moment_one_goes_in(scene: AccountsScene) -> None:
    secret, confirmed = await enrol(scene, await scene.enter("teacher"))
    for text in (code(scene, secret), confirmed.recovery_codes[3]):
        halves = [await scene.enter("teacher") for _ in range(4)]
        ends = await asyncio.gather(*(finish(scene, half, text) for half in halves), return_exceptions=True)
        assert sum(isinstance(each, SignedIn) for each in ends) == 1
        assert all(isinstance(each, SignedIn | WrongCode) for each in ends)


async def test_a_recovery_code_works_once_however_it_is_typed(scene: AccountsScene) -> None:
    _, confirmed = await enrol(scene, await scene.enter("teacher"))
    assert len(set(confirmed.recovery_codes)) == 10
    typed = confirmed.recovery_codes[0].replace("-", " ").upper()
    await finish(scene, await scene.enter("teacher"), typed)
    with pytest.raises(WrongCode):
        await finish(scene, await scene.enter("teacher"), typed)


async def test_new_recovery_codes_take_the_place_of_the_old(scene: AccountsScene) -> None:
    secret, confirmed = await enrol(scene, await scene.enter("teacher"))
    actor = await scene.known(confirmed.signed_in)
    fresh = await renew_recovery_codes(scene.database, actor, code=code(scene, secret), clock=scene.clock)
    with pytest.raises(WrongCode):
        await finish(scene, await scene.enter("teacher"), confirmed.recovery_codes[0])
    await finish(scene, await scene.enter("teacher"), fresh[0])


async def test_wrong_codes_lock_the_second_factor_by_itself(scene: AccountsScene) -> None:
    secret, _ = await enrol(scene, await scene.enter("teacher"))
    half = await scene.enter("teacher")
    for _ in range(FREE_FAILURES["factor"]):
        with pytest.raises(WrongCode):
            await finish(scene, half, "000000")
    with pytest.raises(SignInLocked):
        await finish(scene, half, code(scene, secret))
    with pytest.raises(SignInLocked):
        await finish(scene, await scene.enter("teacher"), code(scene, secret))
    assert (await scene.enter("teacher")).pending == "second_factor", "the password's own lock is another"
    scene.clock.advance(31)
    await finish(scene, await scene.enter("teacher"), code(scene, secret))


async def test_a_half_open_session_is_over_after_ten_minutes(scene: AccountsScene) -> None:
    await enrol(scene, await scene.enter("teacher"))
    half = await scene.enter("teacher")
    scene.clock.advance(601)
    assert await scene.actor(half) is None


async def test_with_the_password_alone_nobody_puts_another_factor_in_its_place(scene: AccountsScene) -> None:
    await enrol(scene, await scene.enter("teacher"))
    half = await scene.known(await scene.enter("teacher"))
    with pytest.raises(Forbidden):
        await begin_second_factor(scene.database, scene.passwords, scene.clock, half, password=PASSWORD)
    with pytest.raises(Forbidden):
        await remove_second_factor(scene.database, half, code="000000", clock=scene.clock)


async def test_a_wrong_first_code_puts_nothing_in_force(scene: AccountsScene) -> None:
    actor = await scene.known(await scene.enter("teacher"))
    await begin_second_factor(scene.database, scene.passwords, scene.clock, actor, password=PASSWORD)
    with pytest.raises(Invalid):
        await scene.database.run(
            lambda session: confirm_second_factor(
                session, actor, code="123456", clock=scene.clock, device="", life_s=LIFE_S
            ),
            deadline_s=5,
        )
    assert (await scene.enter("teacher")).pending == ""


async def test_a_second_factor_in_force_is_not_replaced_by_another(scene: AccountsScene) -> None:
    _, confirmed = await enrol(scene, await scene.enter("teacher"))
    actor = await scene.known(confirmed.signed_in)
    with pytest.raises(TwoStepAlreadyOn):
        await begin_second_factor(scene.database, scene.passwords, scene.clock, actor, password=PASSWORD)


async def test_an_admin_does_not_take_it_away_while_admins_need_it(scene: AccountsScene) -> None:
    secret, confirmed = await enrol(scene, await scene.enter("admin"))
    actor = await scene.known(confirmed.signed_in)
    with pytest.raises(FactorNeeded):
        await remove_second_factor(scene.database, actor, code=code(scene, secret), clock=scene.clock)
    await scene.database.run(
        lambda session: set_admins_need_second_factor(session, actor, is_needed=False), deadline_s=5
    )
    await remove_second_factor(scene.database, actor, code=code(scene, secret), clock=scene.clock)
    assert (await scene.enter("admin")).pending == ""


async def test_the_setting_is_an_admins_and_locks_nobody_out_and_is_written_down(
    scene: AccountsScene,
) -> None:
    coordinator, admin = await scene.now("coordinator"), await scene.now("admin")
    for actor, error in ((coordinator, Forbidden), (admin, EnrolFirst)):
        with pytest.raises(error):
            await scene.database.run(
                lambda session, actor=actor: set_admins_need_second_factor(session, actor, is_needed=True),
                deadline_s=5,
            )
    await scene.database.run(
        lambda session: set_admins_need_second_factor(session, admin, is_needed=False), deadline_s=5
    )
    assert (await scene.enter("admin")).pending == ""
    assert await scene.value("audit_count", action="change", resource="setting", outcome="done") == 1


async def test_switched_on_every_open_session_of_an_admin_may_only_enrol(scene: AccountsScene) -> None:
    await scene.database.run(
        lambda session: set_admins_need_second_factor(session, None, is_needed=False), deadline_s=5
    )
    entered = await scene.enter("admin")
    await scene.database.run(
        lambda session: set_admins_need_second_factor(session, None, is_needed=True), deadline_s=5
    )
    assert (await scene.known(entered)).pending == "enrol"


async def test_somebody_above_resets_it_and_nobody_else(scene: AccountsScene) -> None:
    _, confirmed = await enrol(scene, await scene.enter("teacher"))
    teacher = scene.cast.teacher.person_id
    for actor in (scene.cast.mentor, scene.cast.teacher, scene.cast.teacher_elsewhere):
        with pytest.raises(Forbidden):
            await scene.database.run(
                lambda session, actor=actor: reset_second_factor(session, actor, teacher, scene.clock),
                deadline_s=5,
            )
    coordinator = await scene.now("coordinator")
    for above in (scene.cast.admin.person_id, scene.cast.coordinator.person_id):
        with pytest.raises(Forbidden):
            await scene.database.run(
                lambda session, above=above: reset_second_factor(session, coordinator, above, scene.clock),
                deadline_s=5,
            )
    await scene.database.run(
        lambda session: reset_second_factor(session, coordinator, teacher, scene.clock), deadline_s=5
    )
    assert await scene.actor(confirmed.signed_in) is None
    assert (await scene.enter("teacher")).pending == ""
    assert await scene.value("audit_count", action="reset", resource="second_factor", outcome="done") == 1


async def test_neither_secret_nor_codes_are_readable_in_the_database_or_the_audit(
    scene: AccountsScene,
) -> None:
    secret, confirmed = await enrol(scene, await scene.enter("teacher"))
    kept = await scene.value("stored_keys") + await scene.value("audit_text")
    for text in (
        secret.hex(),
        totp.shown(secret),
        totp.shown(secret).replace(" ", ""),
        *confirmed.recovery_codes,
    ):
        assert text not in kept
    assert secret.decode("latin-1") not in kept
