"""Who is held up by whose errors: an attacker's guesses slow the attacker, and nobody's typing errors lock another out."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable

import pytest
from accounts_doors import AccountsScene, enter_by_pin, give_pin, linked, open_house

from flatwater.clock import StandingClock
from flatwater.pool import Database
from rightlevel.programme.accounts import PasswordHasher, PinRefused, SignInLocked, SignInRefused
from rightlevel.programme.accounts.entry import MAX_KNOWN_DEVICES
from rightlevel.programme.accounts.model import FREE_FAILURES, SLOWED_LOCK_S

pytestmark = pytest.mark.anyio
PROXY = "10.0.0.1"
PHONE = "a1b2c3d4e5f6a1b2c3d4e5f6"
FIELD = ("teacher", "mentor", "coordinator", "viewer", "teacher_elsewhere")


@pytest.fixture
async def scene(new_database: Callable[[], object], clock: StandingClock) -> AsyncIterator[AccountsScene]:
    passwords = PasswordHasher()
    async with Database(new_database().conninfo) as database:  # type: ignore[attr-defined]
        yield await open_house(database, passwords, clock)
    passwords.close()


async def guess(scene: AccountsScene, name: str, times: int, **more: str) -> int:
    """Wrong passwords, one after the other; how many were looked at before the rest was refused unseen."""
    looked_at = 0
    for number in range(times):
        try:
            await scene.enter(name, f"wrong password {number}", **more)
        except SignInRefused:
            looked_at += 1
        except SignInLocked:
            break
    return looked_at


async def spray(scene: AccountsScene, times: int, address: str) -> int:
    looked_at = 0
    for number in range(times):
        looked_at += await guess(scene, f"guess{number}", 1, address=address)
    return looked_at


async def test_sixty_typing_errors_behind_one_address_lock_nobody_on_a_known_device(
    scene: AccountsScene,
) -> None:
    for number, name in enumerate(FIELD):
        await scene.enter(name, address=PROXY, device_name=f"phone{number}")
    assert await spray(scene, 60, PROXY) == FREE_FAILURES["address"]
    for number, name in enumerate(FIELD):
        await scene.enter(name, address=PROXY, device_name=f"phone{number}")
    with pytest.raises(SignInLocked) as slowed:
        await scene.enter("teacher", address=PROXY)
    assert slowed.value.values["wait_s"] <= SLOWED_LOCK_S + 1, "an address is slowed, never closed for long"
    await scene.enter("teacher", address="10.0.0.2")


async def test_a_school_that_types_badly_on_its_first_day_is_not_slowed(scene: AccountsScene) -> None:
    for _ in range(6):
        for name in FIELD:
            await guess(scene, name, 3, address=PROXY)
            await scene.enter(name, address=PROXY)
    assert await scene.value("failures_of", kind="address") == 0


async def test_one_right_password_buys_no_guesses_at_others(scene: AccountsScene) -> None:
    looked_at = 0
    for number in range(30):
        looked_at += await guess(scene, f"victim{number}", 3, address="198.51.100.9")
        try:
            await scene.enter("teacher", address="198.51.100.9")
        except SignInLocked:
            break
    assert looked_at <= FREE_FAILURES["address"] + 3


async def test_guesses_from_elsewhere_never_hold_up_a_known_device_and_are_bounded_together(
    scene: AccountsScene,
) -> None:
    await scene.enter("teacher", address=PROXY, device_name=PHONE)
    looked_at = 0
    for number in range(60):
        looked_at += await guess(scene, "teacher", 5, address=f"198.51.100.{number}")
    assert looked_at == FREE_FAILURES["account"], "many addresses together guess no more than NIST allows"
    with pytest.raises(SignInLocked):
        await scene.enter("teacher", address="203.0.113.1")
    await scene.enter("teacher", address=PROXY, device_name=PHONE)
    await scene.enter("teacher", address="203.0.113.1", device_name=PHONE)


async def test_a_device_known_to_one_person_helps_nobody_guess_at_another(scene: AccountsScene) -> None:
    await scene.enter("teacher", address=PROXY, device_name=PHONE)
    assert await guess(scene, "coordinator", 20, address=PROXY, device_name=PHONE) == FREE_FAILURES["pair"]
    assert await guess(scene, "teacher", 20, address=PROXY, device_name=PHONE) == FREE_FAILURES["pair"]
    with pytest.raises(SignInLocked):
        await scene.enter("teacher", address=PROXY, device_name=PHONE)


async def test_addresses_of_one_ipv6_network_are_one(scene: AccountsScene) -> None:
    looked_at = sum([await guess(scene, "teacher", 1, address=f"2001:db8:1:2::{n:x}") for n in range(1, 12)])
    assert looked_at == FREE_FAILURES["pair"]


async def test_failures_at_the_same_moment_are_each_counted(scene: AccountsScene) -> None:
    await asyncio.gather(
        *(scene.enter(f"guess{n}", "wrong", address=PROXY) for n in range(20)), return_exceptions=True
    )
    assert await scene.value("failures_of", kind="address") == 20


async def test_seven_teachers_with_one_typo_each_do_not_lock_the_schools_device(scene: AccountsScene) -> None:
    secret, teacher = await linked(scene), scene.cast.teacher.person_id
    await give_pin(scene, "teacher")
    await enter_by_pin(scene, secret, teacher)
    for number in range(FREE_FAILURES["device"] + 5):
        with pytest.raises((PinRefused, SignInLocked)):
            await enter_by_pin(scene, secret, 900_000 + number, "000111")
    await enter_by_pin(scene, secret, teacher)


async def test_wrong_pins_at_another_device_do_not_hold_a_person_up(scene: AccountsScene) -> None:
    mine, another, teacher = await linked(scene), await linked(scene), scene.cast.teacher.person_id
    await give_pin(scene, "teacher")
    for _ in range(FREE_FAILURES["pin_pair"] + 3):
        with pytest.raises((PinRefused, SignInLocked)):
            await enter_by_pin(scene, another, teacher, "000111")
    await enter_by_pin(scene, mine, teacher)


async def test_a_person_is_known_on_so_many_devices_and_no_more(scene: AccountsScene) -> None:
    for number in range(MAX_KNOWN_DEVICES + 5):
        scene.clock.advance(1)
        await scene.enter("teacher", device_name=f"phone{number}")
    async with scene.database.read(deadline_s=5) as session:
        status = await session.command("select device from known_device")
    assert status == f"SELECT {MAX_KNOWN_DEVICES}"
