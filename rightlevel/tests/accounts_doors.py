"""One committed database with people who have passwords, and the ways in that the tests of sign-in use."""

from __future__ import annotations

import base64
from typing import Any

from people import Cast, actor_now, make_cast

from flatwater.clock import StandingClock
from flatwater.pool import Database
from flatwater.queries import read_queries
from rightlevel.programme.accounts import (
    Confirmed,
    PasswordHasher,
    SignedIn,
    actor_by_session,
    begin_second_factor,
    choose_pin,
    confirm_second_factor,
    link_device,
    make_link_code,
    set_admins_need_second_factor,
    sign_in,
    sign_in_by_pin,
    totp,
)
from rightlevel.programme.permissions import Actor
from rightlevel.programme.time_zone import ProgrammeClock

PASSWORD = "reading-under-the-mango-tree"
LIFE_S = 90 * 86_400.0

QUERIES = read_queries(
    """
-- name: give_password
-- Gives somebody a password.
update person set password_hash = %(hash)s where username = any(%(names)s)
-- name: audit_text
-- All that the audit holds, as text.
select coalesce(string_agg(a::text, ' '), '') from audit_entry a
-- name: audit_count
-- How often something was written down.
select coalesce(sum(times), 0)::int from audit_entry where action = %(action)s and resource = %(resource)s and outcome = %(outcome)s
-- name: stored_keys
-- Everything stored of keys, as text.
select concat((select string_agg(s::text, ' ') from person_session s), (select string_agg(c::text, ' ') from one_time_code c),
    (select string_agg(f::text, ' ') from second_factor f), (select string_agg(r::text, ' ') from recovery_code r),
    (select string_agg(n::text, ' ') from person_pin n), (select string_agg(d::text, ' ') from school_device d),
    (select string_agg(l::text, ' ') from device_link_code l))
-- name: failures_of
-- How many failures are counted.
select coalesce(sum(failures), 0)::int from sign_in_failure where kind = %(kind)s
""",
    origin="doors.py",
)


class AccountsScene:
    """The cast, committed, everybody with the same password."""

    def __init__(
        self, database: Database, passwords: PasswordHasher, clock: StandingClock, cast: Cast
    ) -> None:
        self.database = database
        self.passwords = passwords
        self.clock = clock
        self.cast = cast

    async def enter(
        self, name: str, password: str = PASSWORD, *, address: str = "10.0.0.1", device_name: str = ""
    ) -> SignedIn:
        return await sign_in(
            self.database,
            self.passwords,
            self.clock,
            username=name,
            password=password,
            address=address,
            device="test",
            device_name=device_name,
            life_s=LIFE_S,
        )

    async def actor(self, signed_in: SignedIn) -> Actor | None:
        async with self.database.read(deadline_s=5) as session:
            return await actor_by_session(
                session, signed_in.token, ProgrammeClock(self.clock), address="10.0.0.1", idle_s=LIFE_S
            )

    async def known(self, signed_in: SignedIn) -> Actor:
        found = await self.actor(signed_in)
        assert found is not None
        return found

    async def value(self, query: str, **values: Any) -> Any:
        async with self.database.read(deadline_s=5) as session:
            return await session.fetch_value(QUERIES[query], values)

    async def now(self, name: str) -> Actor:
        async with self.database.read(deadline_s=5) as session:
            return await actor_now(session, name)


async def open_house(
    database: Database, passwords: PasswordHasher, clock: StandingClock, *, admins_need_it: bool = False
) -> AccountsScene:
    """A scene in which everybody of the cast has the password."""
    password_hash = await passwords.hash(PASSWORD)
    async with database.transaction(deadline_s=60) as session:
        cast = await make_cast(session)
        names = ["admin", "coordinator", "mentor", "teacher", "teacher_elsewhere", "viewer"]
        await session.execute(QUERIES["give_password"], {"hash": password_hash, "names": names})
        if not admins_need_it:
            await set_admins_need_second_factor(session, None, is_needed=False)
    return AccountsScene(database, passwords, clock, cast)


def secret_of(text: str) -> bytes:
    return base64.b32decode(text.replace(" ", ""))


def code(scene: AccountsScene, secret: bytes, *, steps: int = 0) -> str:
    return totp.code_at(secret, totp.step_at(scene.clock.now().timestamp()) + steps)


async def enrol(scene: AccountsScene, entered: SignedIn) -> tuple[bytes, Confirmed]:
    actor = await scene.known(entered)
    begun = await begin_second_factor(scene.database, scene.passwords, scene.clock, actor, password=PASSWORD)
    secret = secret_of(begun.secret)
    confirmed = await scene.database.run(
        lambda session: confirm_second_factor(
            session, actor, code=code(scene, secret), clock=scene.clock, device="test", life_s=LIFE_S
        ),
        deadline_s=5,
    )
    scene.clock.advance(60)
    return secret, confirmed


PIN = "274951"


async def linked(scene: AccountsScene, by: str = "coordinator", school_id: int | None = None) -> str:
    """The secret of a device that is linked to a school."""
    actor = await scene.now(by)
    made = await scene.database.run(
        lambda session: make_link_code(session, actor, school_id or scene.cast.school_a, scene.clock),
        deadline_s=5,
    )
    link = await link_device(scene.database, scene.clock, code=made.code, address="10.0.0.7", label="Phone")
    return link.secret


async def give_pin(scene: AccountsScene, name: str, pin: str = PIN) -> None:
    actor = await scene.now(name)
    await choose_pin(scene.database, scene.passwords, scene.clock, actor, pin=pin)


async def enter_by_pin(scene: AccountsScene, secret: str | None, person_id: int, pin: str = PIN) -> SignedIn:
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
