"""Devices of schools and PINs: who is listed where, what a PIN opens, and what locks."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable

import pytest
from accounts_doors import AccountsScene, enrol, open_house

from flatwater.clock import StandingClock
from flatwater.paging import PageRequest
from flatwater.pool import Database
from rightlevel.programme.accounts import (
    LinkRefused,
    PasswordHasher,
    PersonChange,
    PinRefused,
    SignedIn,
    SignInLocked,
    change_person,
    choose_pin,
    create_token,
    generate_pin,
    known_device,
    link_device,
    list_devices,
    make_link_code,
    names_here,
    remove_pin,
    reset_pin,
    revoke_device,
    sign_in_by_pin,
)
from rightlevel.programme.accounts.devices import (
    LINK_CODE_LIFE,
    MAX_DEVICES,
    MAX_LINK_CODES,
    PIN_SESSION_S,
    DeviceLimit,
    LinkCodeLimit,
)
from rightlevel.programme.accounts.model import FREE_FAILURES
from rightlevel.programme.accounts.pins import NoPinHere, pin_faults, pin_of
from rightlevel.programme.assignments import end_assignment, list_assignments
from rightlevel.programme.errors import Forbidden, Invalid, NotFound

pytestmark = pytest.mark.anyio
PIN = "274951"


@pytest.fixture
async def scene(new_database: Callable[[], object], clock: StandingClock) -> AsyncIterator[AccountsScene]:
    passwords = PasswordHasher()
    async with Database(new_database().conninfo) as database:  # type: ignore[attr-defined]
        yield await open_house(database, passwords, clock)
    passwords.close()


async def code_for(scene: AccountsScene, by: str, school_id: int) -> str:
    actor = await scene.now(by)
    made = await scene.database.run(
        lambda session: make_link_code(session, actor, school_id, scene.clock), deadline_s=5
    )
    return made.code


async def link(scene: AccountsScene, code: str, *, address: str = "10.0.0.7") -> str:
    return (await link_device(scene.database, scene.clock, code=code, address=address, label="Phone")).secret


async def linked(scene: AccountsScene, by: str = "coordinator", school_id: int | None = None) -> str:
    return await link(scene, await code_for(scene, by, school_id or scene.cast.school_a))


async def give_pin(scene: AccountsScene, name: str, pin: str = PIN) -> None:
    actor = await scene.now(name)
    await choose_pin(scene.database, scene.passwords, scene.clock, actor, pin=pin)


async def enter(scene: AccountsScene, secret: str | None, person_id: int, pin: str = PIN) -> SignedIn:
    return await sign_in_by_pin(
        scene.database,
        scene.passwords,
        scene.clock,
        secret=secret,
        person_id=person_id,
        pin=pin,
        address="10.0.0.7",
        label="Phone",
    )


async def names(scene: AccountsScene, secret: str) -> list[str]:
    async with scene.database.read(deadline_s=5) as session:
        device = await known_device(session, secret)
        return (
            []
            if device is None
            else [each.display_name for each in await names_here(session, device, scene.clock)]
        )


async def test_a_linked_device_lists_only_those_of_its_school_who_have_a_pin(scene: AccountsScene) -> None:
    secret = await linked(scene)
    assert await names(scene, secret) == []
    await give_pin(scene, "teacher")
    await give_pin(scene, "teacher_elsewhere")
    assert await names(scene, secret) == ["Teacher"]


async def test_without_the_link_no_name_is_listed_and_nobody_enters(scene: AccountsScene) -> None:
    await give_pin(scene, "teacher")
    for secret in (None, "", "made-up", "x" * 500):
        assert await names(scene, secret or "") == []
        with pytest.raises(LinkRefused):
            await enter(scene, secret, scene.cast.teacher.person_id)


async def test_a_name_and_a_pin_open_a_short_session(scene: AccountsScene) -> None:
    secret = await linked(scene)
    await give_pin(scene, "teacher")
    entered = await enter(scene, secret, scene.cast.teacher.person_id, "២៧៤៩៥១")
    actor = await scene.known(entered)
    assert (actor.username, actor.is_by_pin, entered.life_s) == ("teacher", True, PIN_SESSION_S)
    scene.clock.advance(PIN_SESSION_S + 1)
    assert await scene.actor(entered) is None


async def test_a_pin_session_makes_no_keys(scene: AccountsScene, clock: StandingClock) -> None:
    secret = await linked(scene)
    await give_pin(scene, "teacher")
    actor = await scene.known(await enter(scene, secret, scene.cast.teacher.person_id))
    with pytest.raises(Forbidden):
        await choose_pin(scene.database, scene.passwords, clock, actor, pin="385062")
    with pytest.raises(Forbidden):
        await scene.database.run(
            lambda session: create_token(session, actor, None, label="x", days=1, clock=clock), deadline_s=5
        )
    with pytest.raises(Forbidden):
        await scene.database.run(
            lambda session: make_link_code(session, actor, scene.cast.school_a, clock), deadline_s=5
        )


async def test_somebody_of_another_school_is_refused_like_a_wrong_pin(scene: AccountsScene) -> None:
    secret = await linked(scene)
    await give_pin(scene, "teacher")
    await give_pin(scene, "teacher_elsewhere")
    told: set[str] = set()
    for person_id, pin in (
        (scene.cast.teacher.person_id, "999123"),
        (scene.cast.teacher_elsewhere.person_id, PIN),
        (scene.cast.admin.person_id, PIN),
        (999_999, PIN),
    ):
        with pytest.raises(PinRefused) as refused:
            await enter(scene, secret, person_id, pin)
        told.add(str(refused.value))
    assert len(told) == 1


async def test_wrong_pins_lock_the_person_longer_and_longer(scene: AccountsScene) -> None:
    secret, teacher = await linked(scene), scene.cast.teacher.person_id
    await give_pin(scene, "teacher")
    for _ in range(FREE_FAILURES["pin_pair"]):
        with pytest.raises(PinRefused):
            await enter(scene, secret, teacher, "000111")
    with pytest.raises(SignInLocked) as locked:
        await enter(scene, secret, teacher)
    scene.clock.advance(31)
    with pytest.raises(PinRefused):
        await enter(scene, secret, teacher, "000111")
    with pytest.raises(SignInLocked) as longer:
        await enter(scene, secret, teacher)
    assert longer.value.values["wait_s"] > locked.value.values["wait_s"]
    assert (await scene.enter("teacher")).pending == "", "the password's lock is another"


async def test_guesses_at_many_names_lock_the_device_but_no_other(scene: AccountsScene) -> None:
    first, second = await linked(scene), await linked(scene)
    await give_pin(scene, "teacher")
    for number in range(FREE_FAILURES["device"]):
        with pytest.raises(PinRefused):
            await enter(scene, first, 900_000 + number, "000111")
    with pytest.raises(SignInLocked):
        await enter(scene, first, scene.cast.teacher.person_id)
    await enter(scene, second, scene.cast.teacher.person_id)


async def test_a_link_code_works_once_also_at_the_same_moment(scene: AccountsScene) -> None:
    code = await code_for(scene, "coordinator", scene.cast.school_a)
    ends = await asyncio.gather(
        *(link(scene, code, address=f"10.1.0.{n}") for n in range(5)), return_exceptions=True
    )
    assert sum(isinstance(each, str) for each in ends) == 1
    assert all(isinstance(each, str | LinkRefused) for each in ends)


async def test_a_link_code_runs_out_and_wrong_ones_lock_the_address(scene: AccountsScene) -> None:
    code = await code_for(scene, "coordinator", scene.cast.school_a)
    scene.clock.advance(LINK_CODE_LIFE.total_seconds() + 1)
    for _ in range(FREE_FAILURES["link"]):
        with pytest.raises(LinkRefused):
            await link(scene, code)
    with pytest.raises(SignInLocked):
        await link(scene, await code_for(scene, "coordinator", scene.cast.school_a))
    await link(scene, await code_for(scene, "coordinator", scene.cast.school_a), address="10.0.0.8")


async def test_devices_and_open_codes_of_a_school_are_bounded(scene: AccountsScene) -> None:
    for _ in range(MAX_DEVICES):
        await linked(scene)
    with pytest.raises(DeviceLimit):
        await linked(scene)
    for _ in range(MAX_LINK_CODES - 1):  # the refused one above was rolled back and is still open
        await code_for(scene, "coordinator", scene.cast.school_a)
    with pytest.raises(LinkCodeLimit):
        await code_for(scene, "coordinator", scene.cast.school_a)


@pytest.mark.parametrize("name", ["mentor", "teacher"])
async def test_field_staff_link_devices_of_their_own_schools_only(scene: AccountsScene, name: str) -> None:
    await linked(scene, name)
    with pytest.raises(NotFound):
        await linked(scene, name, scene.cast.school_b)
    actor = await scene.now(name)
    async with scene.database.read(deadline_s=5) as session:
        assert len((await list_devices(session, actor, scene.cast.school_a, PageRequest())).items) == 1
        with pytest.raises(NotFound):
            await list_devices(session, actor, scene.cast.school_b, PageRequest())


async def test_a_viewer_links_nothing(scene: AccountsScene) -> None:
    with pytest.raises(Forbidden):
        await linked(scene, "viewer")


async def test_a_revoked_device_and_what_pins_opened_on_it_end_at_once(scene: AccountsScene) -> None:
    secret = await linked(scene)
    await give_pin(scene, "teacher")
    entered = await enter(scene, secret, scene.cast.teacher.person_id)
    coordinator, elsewhere = await scene.now("coordinator"), await scene.now("teacher_elsewhere")
    async with scene.database.read(deadline_s=5) as session:
        device = (await list_devices(session, coordinator, scene.cast.school_a, PageRequest())).items[0]
    with pytest.raises(NotFound):
        await scene.database.run(lambda session: revoke_device(session, elsewhere, device.id), deadline_s=5)
    await scene.database.run(lambda session: revoke_device(session, coordinator, device.id), deadline_s=5)
    assert await scene.actor(entered) is None
    assert await names(scene, secret) == []
    with pytest.raises(NotFound):
        await scene.database.run(lambda session: revoke_device(session, coordinator, device.id), deadline_s=5)


async def test_who_is_assigned_there_no_longer_is_not_listed_and_does_not_enter(scene: AccountsScene) -> None:
    secret = await linked(scene)
    await give_pin(scene, "teacher")
    coordinator = await scene.now("coordinator")

    async def end_all(session: object) -> None:
        held = await list_assignments(
            session,
            coordinator,
            PageRequest(),
            scene.clock,
            person_id=scene.cast.teacher.person_id,  # type: ignore[arg-type]
        )
        for each in held.items:
            await end_assignment(session, coordinator, each.id, scene.clock)  # type: ignore[arg-type]

    await scene.database.run(end_all, deadline_s=5)
    assert await names(scene, secret) == []
    with pytest.raises(PinRefused):
        await enter(scene, secret, scene.cast.teacher.person_id)


async def test_a_second_factor_and_a_pin_exclude_each_other(scene: AccountsScene) -> None:
    secret = await linked(scene)
    await give_pin(scene, "teacher")
    _, confirmed = await enrol(scene, await scene.enter("teacher"))
    assert await names(scene, secret) == []
    actor = await scene.known(confirmed.signed_in)
    with pytest.raises(NoPinHere):
        await choose_pin(scene.database, scene.passwords, scene.clock, actor, pin=PIN)


@pytest.mark.parametrize("name", ["admin", "coordinator", "viewer"])
async def test_only_teachers_and_mentors_have_a_pin(scene: AccountsScene, name: str) -> None:
    with pytest.raises(NoPinHere):
        await give_pin(scene, name)


async def test_somebody_above_resets_a_pin_and_nobody_else(scene: AccountsScene) -> None:
    secret, teacher = await linked(scene), scene.cast.teacher.person_id
    await give_pin(scene, "teacher")
    entered = await enter(scene, secret, teacher)
    pin_hash = await scene.passwords.hash("385062")
    for by in ("mentor", "teacher", "viewer"):
        actor = await scene.now(by)
        with pytest.raises(Forbidden):
            await scene.database.run(
                lambda session, actor=actor: reset_pin(
                    session, actor, teacher, pin_hash=pin_hash, clock=scene.clock
                ),
                deadline_s=5,
            )
    coordinator = await scene.now("coordinator")
    await scene.database.run(
        lambda session: reset_pin(session, coordinator, teacher, pin_hash=pin_hash, clock=scene.clock),
        deadline_s=5,
    )
    assert await scene.actor(entered) is None
    with pytest.raises(PinRefused):
        await enter(scene, secret, teacher)
    await enter(scene, secret, teacher, "385062")
    await scene.database.run(lambda session: remove_pin(session, coordinator, teacher), deadline_s=5)
    assert await names(scene, secret) == []


async def test_neither_pin_nor_secret_nor_code_is_readable_in_the_database_or_the_audit(
    scene: AccountsScene,
) -> None:
    code = await code_for(scene, "coordinator", scene.cast.school_a)
    secret = await link(scene, code)
    open_code = await code_for(scene, "coordinator", scene.cast.school_a)
    await give_pin(scene, "teacher")
    with pytest.raises(PinRefused):
        await enter(scene, secret, scene.cast.teacher.person_id, "918273")
    kept = await scene.value("stored_keys") + await scene.value("audit_text")
    for text in (code, open_code, secret, PIN, "918273"):
        assert text not in kept


@pytest.mark.parametrize(
    "pin",
    [
        "",
        "12345",
        "1234567",
        "abcdef",
        "000000",
        "123456",
        "654321",
        "789012",
        "121212",
        "123123",
        "112233",
        "111112",
        "135791",
        "123321",
        "147258",
        "852741",
        "១១១១១១",
    ],
)
def test_trivial_pins_are_refused(pin: str) -> None:
    assert pin_faults(pin)


def test_other_pins_are_taken_in_any_script_and_generated_ones_are_good() -> None:
    assert pin_of("២៧៤ ៩៥១") == PIN
    assert not pin_faults("២៧៤៩៥១")
    assert not any(pin_faults(generate_pin()) for _ in range(200))


async def test_a_trivial_pin_is_not_set(scene: AccountsScene) -> None:
    with pytest.raises(Invalid):
        await give_pin(scene, "teacher", "111222333")


@pytest.mark.parametrize(("role", "is_kept"), [("mentor", True), ("coordinator", False), ("admin", False)])
async def test_a_pin_does_not_go_up_with_its_owner(scene: AccountsScene, role: str, is_kept: bool) -> None:
    secret, teacher = await linked(scene), scene.cast.teacher.person_id
    await give_pin(scene, "teacher")
    by_pin = await enter(scene, secret, teacher)
    admin = await scene.now("admin")
    change = PersonChange(version=1, role=role)
    await scene.database.run(
        lambda session: change_person(session, admin, teacher, change, scene.clock), deadline_s=5
    )
    assert (await scene.actor(by_pin) is not None) is is_kept
    assert (await names(scene, secret) == ["Teacher"]) is is_kept
