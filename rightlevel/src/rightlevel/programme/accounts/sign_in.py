"""Signing in and out. The password is hashed between two short transactions: no connection waits for Argon2."""

from __future__ import annotations

from collections.abc import Awaitable, Callable

from flatwater.clock import Clock
from flatwater.pool import Database
from flatwater.transaction import Session
from rightlevel.programme.accounts import keys_store, store
from rightlevel.programme.accounts.entry import (
    MAX_SESSIONS,
    SignInLocked,
    Tried,
    count_failures,
    device_known_to,
    forgive,
    open_session,
    refuse_locked,
    tried_by_password,
)
from rightlevel.programme.accounts.model import MAX_PASSWORD_CHARS, SignedIn, password_faults
from rightlevel.programme.accounts.passwords import PasswordHasher
from rightlevel.programme.accounts.people import end_everything
from rightlevel.programme.audit import write_audit
from rightlevel.programme.errors import Fault, Forbidden, Invalid
from rightlevel.programme.permissions import Actor, require

DEADLINE_S = 5.0
SECOND_STEP_S = 600.0
"""A right password waits ten minutes for its two-step verification."""
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
    device_name: str = "",
    replaces: str | None = None,
    life_s: float,
) -> SignedIn:
    """A fresh session for a username (or e-mail) and password. *Errors*: SignInRefused, SignInLocked, TooMany.

    Failures count for the account at this address and, until the device (`device_name`) is known as that of somebody who signed in there
    under this name, for the account and for the address. So whoever has a known device is held up by nobody's errors but those made on it.
    `replaces` is the token of the session that this browser held: it ends.

    An unknown name takes as long and answers the same as a wrong password. With a second factor, or for an admin who needs
    one, the session is `pending`: it lets nobody do anything but two-step verification.
    """
    login = username.strip().lower()[:100]
    async with database.read(deadline_s=DEADLINE_S) as session:
        known = await device_known_to(session, login, device_name)
        tried = tried_by_password(login, address, known)
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
        await forgive(session, *tried)
        pending = await _pending(session, key)
        life = {"second_factor": SECOND_STEP_S, "enrol": ENROL_S}.get(pending, life_s)
        return await open_session(
            session,
            key,
            address=address,
            device=device,
            clock=clock,
            life_s=life,
            pending=pending,
            device_name=device_name,
            replaces=replaces,
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
    database: Database,
    passwords: PasswordHasher,
    clock: Clock,
    actor: Actor,
    *,
    old: str,
    new: str,
    device_name: str = "",
    keep: Callable[[Session, None], Awaitable[None]] | None = None,
) -> None:
    """Sets a new password and ends everything else that opened the account. *Errors*: Invalid by field, SignInLocked, Forbidden.

    `keep` is done last in the same transaction.

    A token changes no password; wrong old ones count, so that whoever finds an open session can't try them all.
    """
    require(actor, "manage", "self")
    if actor.session_id is None or actor.is_by_pin:
        raise Forbidden("Sign in with your password to do this.")
    faults = password_faults(new, about=(actor.username, actor.display_name))
    if faults:
        raise Invalid(faults=tuple(faults))
    await require_password(database, passwords, clock, actor, password=old, field="old")
    password_hash = await passwords.hash(new)

    async def settle(session: Session) -> None:
        await store.set_password_hash(session, actor.person_id, password_hash)
        await end_everything(
            session, actor.person_id, clock, kept_session=actor.session_id, kept_device=device_name
        )
        await write_audit(session, actor, "change_password", "person", actor.person_id)
        if keep is not None:
            await keep(session, None)

    await database.run(settle, deadline_s=DEADLINE_S)


async def require_password(
    database: Database, passwords: PasswordHasher, clock: Clock, actor: Actor, *, password: str, field: str
) -> None:
    """Passes for the actor's current password; a wrong one counts. *Errors*: Invalid with that field, SignInLocked, TooMany."""
    tried: Tried = ("password", str(actor.person_id))
    async with database.read(deadline_s=DEADLINE_S) as session:
        await refuse_locked(session, clock.now(), tried)
        key = await store.key_by_person(session, actor.person_id)
    is_right = await passwords.verify(key.password_hash, password[: MAX_PASSWORD_CHARS + 1])

    async def settle(session: Session) -> None:
        await refuse_locked(session, clock.now(), tried)
        if is_right:
            await forgive(session, tried)
            return
        await count_failures(session, clock.now(), tried)
        await write_audit(session, actor, "show_password", "person", actor.person_id, outcome="denied")

    await database.run(settle, deadline_s=DEADLINE_S)
    if not is_right:
        raise Invalid(faults=(Fault(field, "This is not your current password"),))


__all__ = [
    "MAX_SESSIONS",
    "SignInLocked",
    "SignInRefused",
    "change_password",
    "require_password",
    "sign_in",
    "sign_out",
]
