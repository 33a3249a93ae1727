"""A forgotten password: somebody above gives a one-time code, and its owner chooses a new password with it."""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import Final

import msgspec

from flatwater.clock import Clock
from flatwater.forwarded import network_of
from flatwater.pool import Database
from flatwater.shown_once import ShownOnce
from flatwater.transaction import Session
from rightlevel.programme.accounts import keys_store, store
from rightlevel.programme.accounts.entry import Tried, count_failures, forgive, refuse_locked
from rightlevel.programme.accounts.model import LastAdmin, Person, password_faults
from rightlevel.programme.accounts.passwords import PasswordHasher, typed_code
from rightlevel.programme.accounts.people import end_everything, manageable
from rightlevel.programme.audit import write_audit
from rightlevel.programme.errors import Forbidden, Invalid
from rightlevel.programme.permissions import Actor

DEADLINE_S: Final = 5.0
CODE_LIFE: Final = timedelta(days=3)
"""A code given on a Friday is good on Monday."""
CODE_ATTEMPTS: Final = 1_000
"""Of all addresses together: five from one hold that one up. *Source*: NIST SP 800-63B allows a hundred guesses at 20 bits; this is a
thousand at 39, so that nobody else's guesses take somebody's code away."""


class CodeRefused(Forbidden):
    """The name or the code is not right, or the code was used or has run out."""

    code = "code_refused"


class CodeMade(msgspec.Struct, frozen=True):
    """A one-time code for somebody; `code` is shown this once."""

    person: Person
    code: ShownOnce
    expires_at: datetime


async def give_code(
    session: Session, actor: Actor, person: Person, *, code: str, code_hash: str, clock: Clock
) -> CodeMade:
    """Keeps the hash of a one-time code for an account that the caller was allowed to act on."""
    now = clock.now()
    expires_at = now + CODE_LIFE
    await keys_store.do(
        session,
        "keep_code",
        person_id=person.id,
        code_hash=code_hash,
        now=now,
        made_by=actor.person_id,
        expires_at=expires_at,
        attempts=CODE_ATTEMPTS,
    )
    return CodeMade(person, code, expires_at)


async def reset_with_code(
    session: Session, actor: Actor, person_id: int, *, code: str, code_hash: str, clock: Clock
) -> CodeMade:
    """Takes password, PIN, sessions and tokens of somebody below at once and gives a code for a new password instead.

    *Errors*: Forbidden (at or above oneself, or oneself), LastAdmin where no other admin could sign in any more.
    """
    person = await manageable(session, actor, "reset", person_id)
    if person.id == actor.person_id:
        raise Forbidden("Nobody resets their own account.")
    if person.role == "admin" and not set(await keys_store.admins_with_a_password(session)) - {person_id}:
        raise LastAdmin
    await keys_store.do(session, "forget_password", person_id=person_id)
    await end_everything(session, person_id, clock)
    made = await give_code(session, actor, person, code=code, code_hash=code_hash, clock=clock)
    await write_audit(session, actor, "reset_password", "person", person_id)
    return made


async def choose_password_with_code(
    database: Database,
    passwords: PasswordHasher,
    clock: Clock,
    *,
    username: str,
    code: str,
    new: str,
    address: str,
) -> None:
    """Sets the password that its owner chose, for a code that works once. *Errors*: Invalid, CodeRefused, SignInLocked, TooMany.

    An unknown name, a used code and a wrong one take as long and answer the same.
    """
    if faults := password_faults(new, about=(username,)):
        raise Invalid(faults=tuple(faults))
    login = username.strip().lower()[:100]
    tried: Tried = ("code", f"{network_of(address)} {login}")
    async with database.read(deadline_s=DEADLINE_S) as session:
        await refuse_locked(session, clock.now(), tried)
        key = await keys_store.code_by_login(session, login, clock.now())
    is_right = await passwords.verify(key.code_hash if key else None, typed_code(code))
    password_hash = await passwords.hash(new)

    async def settle(session: Session) -> bool:
        now = clock.now()
        await refuse_locked(session, now, tried)
        if key is None or not is_right:
            await count_failures(session, now, tried)
            if key is not None:
                await keys_store.do(session, "miss_code", person_id=key.person_id)
            await write_audit(
                session, None, "choose_password", "person", login, outcome="denied", address=address
            )
            return False
        used = await keys_store.do(
            session, "use_code", person_id=key.person_id, code_hash=key.code_hash, now=now
        )
        if not used:
            return False
        await store.set_password_hash(session, key.person_id, password_hash)
        await keys_store.do(session, "keep_password_from", person_id=key.person_id, role=key.made_by_role)
        await end_everything(session, key.person_id, clock)
        await forgive(session, tried)
        await keys_store.do(session, "forget_failures", kind="account", subject=login)
        await write_audit(session, None, "choose_password", "person", key.person_id, address=address)
        return True

    if not await database.run(settle, deadline_s=DEADLINE_S):
        raise CodeRefused
