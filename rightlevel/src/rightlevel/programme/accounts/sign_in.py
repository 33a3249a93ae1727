"""Signing in and out. The password is hashed between two short transactions: no connection waits for Argon2."""

from __future__ import annotations

from flatwater.clock import Clock
from flatwater.pool import Database
from flatwater.transaction import Session
from rightlevel.programme.accounts import keys_store, store
from rightlevel.programme.accounts.entry import (
    MAX_SESSIONS,
    SignInLocked,
    count_failures,
    open_session,
    refuse_locked,
)
from rightlevel.programme.accounts.model import MAX_PASSWORD_CHARS, SignedIn, password_faults
from rightlevel.programme.accounts.passwords import PasswordHasher
from rightlevel.programme.audit import write_audit
from rightlevel.programme.errors import Fault, Forbidden, Invalid
from rightlevel.programme.permissions import Actor, require

DEADLINE_S = 5.0
SECOND_STEP_S = 600.0
"""A right password waits ten minutes for its second step."""
ENROL_S = 3_600.0


class SignInRefused(Forbidden):
    """The name or the password is not right."""

    code = "sign_in_refused"


async def sign_in(
    database: Database,
    passwords: PasswordHasher,
    clock: Clock,
    *,
    username: str,
    password: str,
    address: str,
    device: str = "",
    life_s: float,
) -> SignedIn:
    """A fresh session for a username (or e-mail) and password. *Errors*: SignInRefused, SignInLocked, TooMany.

    An unknown name takes as long and answers the same as a wrong password. With a second factor, or for an admin who needs
    one, the session is `pending`: it lets nobody do anything but the second step.
    """
    login = username.strip().lower()[:100]
    tried = (("account", login), ("address", address))
    async with database.read(deadline_s=DEADLINE_S) as session:
        await refuse_locked(session, clock.now(), *tried)
        key = await store.key_by_login(session, login)
    is_right = await passwords.verify(key.password_hash if key else None, password[: MAX_PASSWORD_CHARS + 1])

    async def settle(session: Session) -> SignedIn | None:
        # A guess that was under way when the lock fell is refused even if it was right: parallel guesses gain nothing.
        await refuse_locked(session, clock.now(), *tried)
        if key is None or not is_right:
            await count_failures(session, clock.now(), *tried)
            await write_audit(session, None, "sign_in", "session", login, outcome="denied", address=address)
            return None
        await keys_store.do(session, "forget_failures", kind="account", subject=login)
        pending = await _pending(session, key)
        life = {"second_factor": SECOND_STEP_S, "enrol": ENROL_S}.get(pending, life_s)
        return await open_session(
            session, key, address=address, device=device, clock=clock, life_s=life, pending=pending
        )

    signed_in = await database.run(settle, deadline_s=DEADLINE_S)
    if signed_in is None:
        raise SignInRefused
    return signed_in


async def _pending(session: Session, key: store.Key) -> str:
    needs = await keys_store.entry_needs(session, key.id)
    if needs.has_factor:
        return "second_factor"
    return "enrol" if key.role == "admin" and needs.admins_need_it else ""


async def sign_out(session: Session, actor: Actor) -> None:
    """Ends the actor's own session."""
    if actor.session_id is not None:
        await store.end_session(session, actor.person_id, actor.session_id)
        await write_audit(session, actor, "sign_out", "session", actor.session_id)


async def change_password(
    database: Database, passwords: PasswordHasher, actor: Actor, *, old: str, new: str
) -> None:
    """Sets a new password and ends the person's other sessions. *Errors*: Invalid by field."""
    require(actor, "manage", "self")
    faults = password_faults(new)
    if faults:
        raise Invalid(faults=tuple(faults))
    async with database.read(deadline_s=DEADLINE_S) as session:
        key = await store.key_by_person(session, actor.person_id)
    if not await passwords.verify(key.password_hash, old[: MAX_PASSWORD_CHARS + 1]):
        raise Invalid(faults=(Fault("old", "This is not your present password"),))
    password_hash = await passwords.hash(new)

    async def settle(session: Session) -> None:
        await store.set_password_hash(session, actor.person_id, password_hash)
        await store.end_sessions_of(session, actor.person_id, kept_id=actor.session_id)
        await write_audit(session, actor, "change_password", "person", actor.person_id)

    await database.run(settle, deadline_s=DEADLINE_S)


__all__ = ["MAX_SESSIONS", "SignInLocked", "SignInRefused", "change_password", "sign_in", "sign_out"]
