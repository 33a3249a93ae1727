"""What opens an account ends all at once; and nobody keeps a way in to somebody who rose above them."""

from __future__ import annotations

from collections.abc import AsyncIterator, Awaitable, Callable
from typing import Any

import msgspec
import pytest
from accounts_doors import PASSWORD, PIN, AccountsScene, enrol, enter_by_pin, give_pin, linked, open_house

from flatwater.clock import StandingClock
from flatwater.pool import Database
from flatwater.queries import read_queries
from flatwater.transaction import Session
from rightlevel.programme.accounts import (
    CodeRefused,
    NewPerson,
    PasswordHasher,
    PersonChange,
    PinRefused,
    SignInLocked,
    SignInRefused,
    actor_by_token,
    begin_second_factor,
    change_password,
    change_person,
    choose_password_with_code,
    create_person,
    create_token,
    delete_person,
    generate_code,
    reset_password,
    reset_pin,
    reset_second_factor,
    reset_with_code,
    set_active,
)
from rightlevel.programme.accounts.model import FREE_FAILURES
from rightlevel.programme.errors import Forbidden, Invalid, NotFound
from rightlevel.programme.permissions import Actor, Role
from rightlevel.programme.time_zone import ProgrammeClock
from rightlevel.programme.visits import make_calendar_link, read_calendar

pytestmark = pytest.mark.anyio
NEW = "sunday market by the river"

QUERIES = read_queries(
    """
-- name: ways_in
-- Everything that opens somebody's account beside the password.
select (select count(*) from person_session s where s.person_id = %(id)s) as sessions,
    (select count(*) from api_token t where t.person_id = %(id)s and t.revoked_at is null) as tokens,
    (select count(*) from one_time_code c where c.person_id = %(id)s) as codes,
    (select count(*) from person_pin n where n.person_id = %(id)s) as pins,
    (select count(*) from calendar_link l where l.person_id = %(id)s and l.revoked_at is null) as calendars,
    (select count(*) from known_device k where k.person_id = %(id)s) as devices
""",
    origin="test_keys_end.py",
)


class WaysIn(msgspec.Struct):
    sessions: int
    tokens: int
    codes: int
    pins: int
    calendars: int
    devices: int


@pytest.fixture
async def scene(new_database: Callable[[], object], clock: StandingClock) -> AsyncIterator[AccountsScene]:
    passwords = PasswordHasher()
    async with Database(new_database().conninfo) as database:  # type: ignore[attr-defined]
        yield await open_house(database, passwords, clock)
    passwords.close()


async def run(scene: AccountsScene, work: Callable[[Session], Awaitable[Any]]) -> Any:
    return await scene.database.run(work, deadline_s=5)


async def made_by(
    scene: AccountsScene, by: Actor | None, username: str, role: Role, password: str = PASSWORD
) -> int:
    password_hash = await scene.passwords.hash(password)
    new = NewPerson(username, "Some Body", role)
    made = await run(scene, lambda session: create_person(session, by, new, password_hash=password_hash))
    return made.id


async def promote(scene: AccountsScene, by: Actor, person_id: int, *roles: Role) -> None:
    for role in roles:
        async with scene.database.read(deadline_s=5) as session:
            from rightlevel.programme.accounts import read_person

            version = (await read_person(session, by, person_id)).version
        change = PersonChange(version=version, role=role)
        await run(
            scene, lambda session, change=change: change_person(session, by, person_id, change, scene.clock)
        )


async def code_for(scene: AccountsScene, by: Actor, person_id: int) -> str:
    code = generate_code()
    code_hash = await scene.passwords.hash(code)
    await run(
        scene,
        lambda session: reset_with_code(
            session, by, person_id, code=code, code_hash=code_hash, clock=scene.clock
        ),
    )
    return code


async def choose(scene: AccountsScene, username: str, code: str) -> None:
    await choose_password_with_code(
        scene.database,
        scene.passwords,
        scene.clock,
        username=username,
        code=code,
        new=NEW,
        address="10.9.9.9",
    )


async def holder(scene: AccountsScene, token: str) -> Actor | None:
    async with scene.database.read(deadline_s=5) as session:
        return await actor_by_token(session, token, ProgrammeClock(scene.clock), address="")


async def ways_in(scene: AccountsScene, person_id: int) -> dict[str, int]:
    async with scene.database.read(deadline_s=5) as session:
        found = await session.fetch_one(QUERIES["ways_in"], {"id": person_id}, into=WaysIn)
    assert found is not None
    return msgspec.structs.asdict(found)


async def test_a_coordinator_who_kept_the_first_password_of_who_becomes_admin_gets_nowhere(
    scene: AccountsScene,
) -> None:
    coordinator, admin = await scene.now("coordinator"), await scene.now("admin")
    person_id = await made_by(scene, coordinator, "pal", "mentor")
    kept = await scene.enter("pal")
    token = (
        await run(
            scene,
            lambda session: create_token(
                session, kept_actor, None, label="kept", days=300, clock=scene.clock
            ),
        )
        if (kept_actor := await scene.known(kept))
        else None
    )
    await promote(scene, admin, person_id, "admin")
    with pytest.raises(SignInRefused):
        await scene.enter("pal")
    assert await scene.actor(kept) is None
    assert token is not None
    assert await holder(scene, token.token) is None
    code = await code_for(scene, admin, person_id)
    await choose(scene, "pal", code)
    assert (await scene.known(await scene.enter("pal", NEW))).role == "admin"


async def test_a_one_time_code_of_somebody_below_opens_no_admin(scene: AccountsScene) -> None:
    coordinator, admin = await scene.now("coordinator"), await scene.now("admin")
    person_id = await made_by(scene, coordinator, "pal", "mentor")
    code = await code_for(scene, coordinator, person_id)
    await promote(scene, admin, person_id, "admin")
    with pytest.raises(CodeRefused):
        await choose(scene, "pal", code)


async def test_a_password_that_was_chosen_with_such_a_code_or_changed_since_ends_too(
    scene: AccountsScene,
) -> None:
    coordinator, admin = await scene.now("coordinator"), await scene.now("admin")
    person_id = await made_by(scene, coordinator, "pal", "mentor")
    await choose(scene, "pal", await code_for(scene, coordinator, person_id))
    actor = await scene.known(await scene.enter("pal", NEW))
    other = "seven umbrellas in august"
    await change_password(scene.database, scene.passwords, scene.clock, actor, old=NEW, new=other)
    await enrol_with(scene, other)
    # In two steps it is the same: the coordinator stands above a mentor, and no longer above who is a coordinator.
    await promote(scene, admin, person_id, "coordinator")
    with pytest.raises(SignInRefused):
        await scene.enter("pal", other)
    async with scene.database.read(deadline_s=5) as session:
        assert await session.command("select from second_factor") == "SELECT 0", (
            "a phone put in front by them goes too"
        )


async def enrol_with(scene: AccountsScene, password: str) -> None:
    entered = await scene.enter("pal", password)
    actor = await scene.known(entered)
    await begin_second_factor(scene.database, scene.passwords, scene.clock, actor, password=password)


async def test_what_an_admin_gave_stays_when_somebody_rises(scene: AccountsScene) -> None:
    admin = await scene.now("admin")
    person_id = await made_by(scene, admin, "pal", "mentor")
    entered = await scene.enter("pal")
    await promote(scene, admin, person_id, "coordinator")
    assert (await scene.known(entered)).role == "coordinator"
    await promote(scene, admin, person_id, "admin")
    assert await scene.actor(entered) is None, "an admin begins afresh"
    await scene.enter("pal")


async def test_a_pin_that_a_coordinator_gave_stays_below_and_a_lower_role_ends_what_was_open(
    scene: AccountsScene,
) -> None:
    coordinator, admin = await scene.now("coordinator"), await scene.now("admin")
    teacher = scene.cast.teacher.person_id
    secret = await linked(scene)
    pin_hash = await scene.passwords.hash(PIN)
    await run(
        scene, lambda session: reset_pin(session, coordinator, teacher, pin_hash=pin_hash, clock=scene.clock)
    )
    await promote(scene, admin, teacher, "mentor")
    await enter_by_pin(scene, secret, teacher)
    await promote(scene, admin, teacher, "viewer")
    assert set((await ways_in(scene, teacher)).values()) == {0}
    with pytest.raises(PinRefused):
        await enter_by_pin(scene, secret, teacher)


async def open_everything(scene: AccountsScene) -> tuple[Actor, str]:
    """A mentor with a session, a token, a PIN, a calendar link, a known device and a code; the session's actor, and the calendar's secret."""
    mentor = scene.cast.mentor.person_id
    entered = await scene.enter("mentor", device_name="phone")
    actor = await scene.known(entered)
    await run(scene, lambda session: create_token(session, actor, None, label="x", days=9, clock=scene.clock))
    await give_pin(scene, "mentor")
    calendar = await run(scene, lambda session: make_calendar_link(session, actor, scene.clock))
    code_hash = await scene.passwords.hash("abcd-efgh")
    await run(
        scene,
        lambda session: session.command(
            "insert into one_time_code (person_id, code_hash, made_at, expires_at, attempts_left) "
            "select id, 'x', now(), now() + interval '1 day', 3 from person where username = 'mentor'"
        ),
    )
    assert code_hash
    assert all((await ways_in(scene, mentor)).values())
    return actor, calendar.path.removeprefix("/calendar/").removesuffix(".ics")


ENDINGS: dict[str, Callable[[AccountsScene, Actor, Actor], Awaitable[Any]]] = {
    "a reset with a code": lambda scene, by, _: code_for(scene, by, scene.cast.mentor.person_id),
    "a reset on the command line": lambda scene, _, __: run(
        scene,
        lambda session: reset_password(
            session, None, scene.cast.mentor.person_id, password_hash="x", clock=scene.clock
        ),
    ),
    "a reset of the second factor": lambda scene, by, _: run(
        scene,
        lambda session: reset_second_factor(session, by, scene.cast.mentor.person_id, scene.clock),
    ),
    "switching off": lambda scene, by, _: run(
        scene,
        lambda session: set_active(
            session, by, scene.cast.mentor.person_id, is_active=False, clock=scene.clock
        ),
    ),
    "removing": lambda scene, by, _: run(
        scene,
        lambda session: delete_person(
            session, by, scene.cast.mentor.person_id, reason="left", clock=scene.clock
        ),
    ),
    "a lower role": lambda scene, by, _: promote(scene, by, scene.cast.mentor.person_id, "teacher"),
    "one's own new password": lambda scene, _, actor: change_password(
        scene.database, scene.passwords, scene.clock, actor, old=PASSWORD, new=NEW
    ),
}


@pytest.mark.parametrize("ending", ENDINGS)
async def test_one_function_ends_all_that_opens_an_account(scene: AccountsScene, ending: str) -> None:
    actor, calendar = await open_everything(scene)
    mentor, admin = scene.cast.mentor.person_id, await scene.now("admin")
    await ENDINGS[ending](scene, admin, actor)
    left = await ways_in(scene, mentor)
    kept = {"sessions": 1} if ending == "one's own new password" else {}
    if ending == "a reset with a code":
        kept = {"codes": 1}
    assert {name: count for name, count in left.items() if count} == kept
    if ending == "switching off":
        await run(
            scene, lambda session: set_active(session, admin, mentor, is_active=True, clock=scene.clock)
        )
    with pytest.raises(NotFound):
        async with scene.database.read(deadline_s=5) as session:
            await read_calendar(session, calendar, scene.clock)


async def test_signing_in_again_ends_the_session_that_the_browser_held(scene: AccountsScene) -> None:
    from rightlevel.programme.accounts import sign_in

    before = await scene.enter("teacher")
    for name in ("teacher", "mentor"):
        after = await sign_in(
            scene.database,
            scene.passwords,
            scene.clock,
            username=name,
            password=PASSWORD,
            address="10.0.0.1",
            replaces=before.token,
            life_s=3_600,
        )
        assert await scene.actor(before) is None
        before = after


async def test_wrong_old_passwords_count_and_a_token_changes_none(scene: AccountsScene) -> None:
    actor = await scene.known(await scene.enter("teacher"))

    async def change(by: Actor, old: str) -> None:
        await change_password(scene.database, scene.passwords, scene.clock, by, old=old, new=NEW)

    for number in range(FREE_FAILURES["password"]):
        with pytest.raises(Invalid):
            await change(actor, f"guess number {number}")
    with pytest.raises(SignInLocked):
        await change(actor, PASSWORD)
    scene.clock.advance(31)
    await change(actor, PASSWORD)
    made = await run(
        scene, lambda session: create_token(session, actor, None, label="x", days=9, clock=scene.clock)
    )
    by_token = await holder(scene, made.token)
    assert by_token is not None
    with pytest.raises(Forbidden):
        await change(by_token, NEW)
    with pytest.raises(Forbidden):
        await run(
            scene, lambda session: create_token(session, by_token, None, label="x", days=9, clock=scene.clock)
        )


async def test_whoever_finds_an_open_session_puts_no_phone_in_front_of_it(scene: AccountsScene) -> None:
    actor = await scene.known(await scene.enter("teacher"))
    with pytest.raises(Invalid):
        await begin_second_factor(
            scene.database, scene.passwords, scene.clock, actor, password="not this one"
        )
    await enrol(scene, await scene.enter("teacher"))
