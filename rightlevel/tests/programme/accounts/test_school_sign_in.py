"""Devices of schools and PINs: who is listed where, what a PIN opens, and what locks."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable

import pytest
from accounts_doors import House, enrol, open_house

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
async def house(new_database: Callable[[], object], clock: StandingClock) -> AsyncIterator[House]:
    passwords = PasswordHasher()
    async with Database(new_database().conninfo) as database:  # type: ignore[attr-defined]
        yield await open_house(database, passwords, clock)
    passwords.close()


async def code_for(house: House, by: str, school_id: int) -> str:
    actor = await house.now(by)
    made = await house.database.run(
        lambda session: make_link_code(session, actor, school_id, house.clock), deadline_s=5
    )
    return made.code


async def link(house: House, code: str, *, address: str = "10.0.0.7") -> str:
    return (await link_device(house.database, house.clock, code=code, address=address, label="Phone")).secret


async def linked(house: House, by: str = "coordinator", school_id: int | None = None) -> str:
    return await link(house, await code_for(house, by, school_id or house.cast.school_a))


async def give_pin(house: House, name: str, pin: str = PIN) -> None:
    actor = await house.now(name)
    await choose_pin(house.database, house.passwords, house.clock, actor, pin=pin)


async def enter(house: House, secret: str | None, person_id: int, pin: str = PIN) -> SignedIn:
    return await sign_in_by_pin(
        house.database,
        house.passwords,
        house.clock,
        secret=secret,
        person_id=person_id,
        pin=pin,
        address="10.0.0.7",
        label="Phone",
    )


async def names(house: House, secret: str) -> list[str]:
    async with house.database.read(deadline_s=5) as session:
        device = await known_device(session, secret)
        return (
            []
            if device is None
            else [each.display_name for each in await names_here(session, device, house.clock)]
        )


async def test_a_linked_device_lists_only_those_of_its_school_who_have_a_pin(house: House) -> None:
    secret = await linked(house)
    assert await names(house, secret) == []
    await give_pin(house, "teacher")
    await give_pin(house, "teacher_elsewhere")
    assert await names(house, secret) == ["Teacher"]


async def test_without_the_link_no_name_is_listed_and_nobody_enters(house: House) -> None:
    await give_pin(house, "teacher")
    for secret in (None, "", "made-up", "x" * 500):
        assert await names(house, secret or "") == []
        with pytest.raises(LinkRefused):
            await enter(house, secret, house.cast.teacher.person_id)


async def test_a_name_and_a_pin_open_a_short_session(house: House) -> None:
    secret = await linked(house)
    await give_pin(house, "teacher")
    entered = await enter(house, secret, house.cast.teacher.person_id, "២៧៤៩៥១")
    actor = await house.known(entered)
    assert (actor.username, actor.is_by_pin, entered.life_s) == ("teacher", True, PIN_SESSION_S)
    house.clock.advance(PIN_SESSION_S + 1)
    assert await house.actor(entered) is None


async def test_a_pin_session_makes_no_keys(house: House, clock: StandingClock) -> None:
    secret = await linked(house)
    await give_pin(house, "teacher")
    actor = await house.known(await enter(house, secret, house.cast.teacher.person_id))
    with pytest.raises(Forbidden):
        await choose_pin(house.database, house.passwords, clock, actor, pin="385062")
    with pytest.raises(Forbidden):
        await house.database.run(
            lambda session: create_token(session, actor, None, label="x", days=1, clock=clock), deadline_s=5
        )
    with pytest.raises(Forbidden):
        await house.database.run(
            lambda session: make_link_code(session, actor, house.cast.school_a, clock), deadline_s=5
        )


async def test_somebody_of_another_school_is_refused_like_a_wrong_pin(house: House) -> None:
    secret = await linked(house)
    await give_pin(house, "teacher")
    await give_pin(house, "teacher_elsewhere")
    told: set[str] = set()
    for person_id, pin in (
        (house.cast.teacher.person_id, "999123"),
        (house.cast.teacher_elsewhere.person_id, PIN),
        (house.cast.admin.person_id, PIN),
        (999_999, PIN),
    ):
        with pytest.raises(PinRefused) as refused:
            await enter(house, secret, person_id, pin)
        told.add(str(refused.value))
    assert len(told) == 1


async def test_wrong_pins_lock_the_person_longer_and_longer(house: House) -> None:
    secret, teacher = await linked(house), house.cast.teacher.person_id
    await give_pin(house, "teacher")
    for _ in range(FREE_FAILURES["pin_pair"]):
        with pytest.raises(PinRefused):
            await enter(house, secret, teacher, "000111")
    with pytest.raises(SignInLocked) as locked:
        await enter(house, secret, teacher)
    house.clock.advance(31)
    with pytest.raises(PinRefused):
        await enter(house, secret, teacher, "000111")
    with pytest.raises(SignInLocked) as longer:
        await enter(house, secret, teacher)
    assert longer.value.values["wait_s"] > locked.value.values["wait_s"]
    assert (await house.enter("teacher")).pending == "", "the password's lock is another"


async def test_guesses_at_many_names_lock_the_device_but_no_other(house: House) -> None:
    first, second = await linked(house), await linked(house)
    await give_pin(house, "teacher")
    for number in range(FREE_FAILURES["device"]):
        with pytest.raises(PinRefused):
            await enter(house, first, 900_000 + number, "000111")
    with pytest.raises(SignInLocked):
        await enter(house, first, house.cast.teacher.person_id)
    await enter(house, second, house.cast.teacher.person_id)


async def test_a_link_code_works_once_also_at_the_same_moment(house: House) -> None:
    code = await code_for(house, "coordinator", house.cast.school_a)
    ends = await asyncio.gather(
        *(link(house, code, address=f"10.1.0.{n}") for n in range(5)), return_exceptions=True
    )
    assert sum(isinstance(each, str) for each in ends) == 1
    assert all(isinstance(each, str | LinkRefused) for each in ends)


async def test_a_link_code_runs_out_and_wrong_ones_lock_the_address(house: House) -> None:
    code = await code_for(house, "coordinator", house.cast.school_a)
    house.clock.advance(LINK_CODE_LIFE.total_seconds() + 1)
    for _ in range(FREE_FAILURES["link"]):
        with pytest.raises(LinkRefused):
            await link(house, code)
    with pytest.raises(SignInLocked):
        await link(house, await code_for(house, "coordinator", house.cast.school_a))
    await link(house, await code_for(house, "coordinator", house.cast.school_a), address="10.0.0.8")


async def test_devices_and_open_codes_of_a_school_are_bounded(house: House) -> None:
    for _ in range(MAX_DEVICES):
        await linked(house)
    with pytest.raises(DeviceLimit):
        await linked(house)
    for _ in range(MAX_LINK_CODES - 1):  # the refused one above was rolled back and is still open
        await code_for(house, "coordinator", house.cast.school_a)
    with pytest.raises(LinkCodeLimit):
        await code_for(house, "coordinator", house.cast.school_a)


@pytest.mark.parametrize("name", ["mentor", "teacher"])
async def test_field_staff_link_devices_of_their_own_schools_only(house: House, name: str) -> None:
    await linked(house, name)
    with pytest.raises(NotFound):
        await linked(house, name, house.cast.school_b)
    actor = await house.now(name)
    async with house.database.read(deadline_s=5) as session:
        assert len((await list_devices(session, actor, house.cast.school_a, PageRequest())).items) == 1
        with pytest.raises(NotFound):
            await list_devices(session, actor, house.cast.school_b, PageRequest())


async def test_a_viewer_links_nothing(house: House) -> None:
    with pytest.raises(Forbidden):
        await linked(house, "viewer")


async def test_a_revoked_device_and_what_pins_opened_on_it_end_at_once(house: House) -> None:
    secret = await linked(house)
    await give_pin(house, "teacher")
    entered = await enter(house, secret, house.cast.teacher.person_id)
    coordinator, elsewhere = await house.now("coordinator"), await house.now("teacher_elsewhere")
    async with house.database.read(deadline_s=5) as session:
        device = (await list_devices(session, coordinator, house.cast.school_a, PageRequest())).items[0]
    with pytest.raises(NotFound):
        await house.database.run(lambda session: revoke_device(session, elsewhere, device.id), deadline_s=5)
    await house.database.run(lambda session: revoke_device(session, coordinator, device.id), deadline_s=5)
    assert await house.actor(entered) is None
    assert await names(house, secret) == []
    with pytest.raises(NotFound):
        await house.database.run(lambda session: revoke_device(session, coordinator, device.id), deadline_s=5)


async def test_who_is_assigned_there_no_longer_is_not_listed_and_does_not_enter(house: House) -> None:
    secret = await linked(house)
    await give_pin(house, "teacher")
    coordinator = await house.now("coordinator")

    async def end_all(session: object) -> None:
        held = await list_assignments(
            session,
            coordinator,
            PageRequest(),
            house.clock,
            person_id=house.cast.teacher.person_id,  # type: ignore[arg-type]
        )
        for each in held.items:
            await end_assignment(session, coordinator, each.id, house.clock)  # type: ignore[arg-type]

    await house.database.run(end_all, deadline_s=5)
    assert await names(house, secret) == []
    with pytest.raises(PinRefused):
        await enter(house, secret, house.cast.teacher.person_id)


async def test_a_second_factor_and_a_pin_exclude_each_other(house: House) -> None:
    secret = await linked(house)
    await give_pin(house, "teacher")
    _, confirmed = await enrol(house, await house.enter("teacher"))
    assert await names(house, secret) == []
    actor = await house.known(confirmed.signed_in)
    with pytest.raises(NoPinHere):
        await choose_pin(house.database, house.passwords, house.clock, actor, pin=PIN)


@pytest.mark.parametrize("name", ["admin", "coordinator", "viewer"])
async def test_only_teachers_and_mentors_have_a_pin(house: House, name: str) -> None:
    with pytest.raises(NoPinHere):
        await give_pin(house, name)


async def test_somebody_above_resets_a_pin_and_nobody_else(house: House) -> None:
    secret, teacher = await linked(house), house.cast.teacher.person_id
    await give_pin(house, "teacher")
    entered = await enter(house, secret, teacher)
    pin_hash = await house.passwords.hash("385062")
    for by in ("mentor", "teacher", "viewer"):
        actor = await house.now(by)
        with pytest.raises(Forbidden):
            await house.database.run(
                lambda session, actor=actor: reset_pin(
                    session, actor, teacher, pin_hash=pin_hash, clock=house.clock
                ),
                deadline_s=5,
            )
    coordinator = await house.now("coordinator")
    await house.database.run(
        lambda session: reset_pin(session, coordinator, teacher, pin_hash=pin_hash, clock=house.clock),
        deadline_s=5,
    )
    assert await house.actor(entered) is None
    with pytest.raises(PinRefused):
        await enter(house, secret, teacher)
    await enter(house, secret, teacher, "385062")
    await house.database.run(lambda session: remove_pin(session, coordinator, teacher), deadline_s=5)
    assert await names(house, secret) == []


async def test_neither_pin_nor_secret_nor_code_is_readable_in_the_database_or_the_audit(house: House) -> None:
    code = await code_for(house, "coordinator", house.cast.school_a)
    secret = await link(house, code)
    open_code = await code_for(house, "coordinator", house.cast.school_a)
    await give_pin(house, "teacher")
    with pytest.raises(PinRefused):
        await enter(house, secret, house.cast.teacher.person_id, "918273")
    kept = await house.value("stored_keys") + await house.value("audit_text")
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


async def test_a_trivial_pin_is_not_set(house: House) -> None:
    with pytest.raises(Invalid):
        await give_pin(house, "teacher", "111222333")


@pytest.mark.parametrize(("role", "is_kept"), [("mentor", True), ("coordinator", False), ("admin", False)])
async def test_a_pin_does_not_go_up_with_its_owner(house: House, role: str, is_kept: bool) -> None:
    secret, teacher = await linked(house), house.cast.teacher.person_id
    await give_pin(house, "teacher")
    by_pin = await enter(house, secret, teacher)
    admin = await house.now("admin")
    change = PersonChange(version=1, role=role)
    await house.database.run(
        lambda session: change_person(session, admin, teacher, change, house.clock), deadline_s=5
    )
    assert (await house.actor(by_pin) is not None) is is_kept
    assert (await names(house, secret) == ["Teacher"]) is is_kept
