"""Signing in and out. The password is hashed between two short transactions: no connection waits for Argon2."""

from __future__ import annotations

import secrets
from datetime import datetime, timedelta

from flatwater.clock import Clock
from flatwater.pool import Database
from flatwater.transaction import Session
from rightlevel.programme.accounts import store
from rightlevel.programme.accounts.model import (
    MAX_PASSWORD_CHARS,
    SignedIn,
    failures_after,
    lock_s,
    password_faults,
)
from rightlevel.programme.accounts.passwords import PasswordHasher
from rightlevel.programme.audit import write_audit
from rightlevel.programme.errors import Fault, Forbidden, Invalid
from rightlevel.programme.permissions import Actor

DEADLINE_S = 5.0
MAX_SESSIONS = 20
"""A person signed in at more places than this loses the oldest: sessions are rows, and rows have a bound."""


class SignInRefused(Forbidden):
    """The name or the password is not right."""

    code = "sign_in_refused"


class SignInLocked(Forbidden):
    """Too many failed attempts. Please wait {wait_s} seconds and try again."""

    code = "sign_in_locked"


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

    An unknown name takes as long and answers the same as a wrong password.
    """
    login = username.strip().lower()[:100]
    async with database.read(deadline_s=DEADLINE_S) as session:
        _refuse_locked(await store.locked_until(session, login, address), clock.now())
        key = await store.key_by_login(session, login)
    is_right = await passwords.verify(key.password_hash if key else None, password[: MAX_PASSWORD_CHARS + 1])

    async def settle(session: Session) -> SignedIn | None:
        # A guess that was under way when the lock fell is refused even if it was right: parallel guesses gain nothing.
        _refuse_locked(await store.locked_until(session, login, address), clock.now())
        if key is None or not is_right:
            await _count_failure(session, login, address, clock.now())
            return None
        return await _open_session(
            session, key, login, address=address, device=device, clock=clock, life_s=life_s
        )

    signed_in = await database.run(settle, deadline_s=DEADLINE_S)
    if signed_in is None:
        raise SignInRefused
    return signed_in


def _refuse_locked(until: datetime | None, now: datetime) -> None:
    if until is not None and until > now:
        raise SignInLocked(wait_s=int((until - now).total_seconds()) + 1)


async def _count_failure(session: Session, login: str, address: str, now: datetime) -> None:
    for kind, subject in (("account", login), ("address", address)):
        before = await store.failure_for_update(session, kind, subject)
        failures = failures_after(
            before.failures if before else 0, before.last_failed_at if before else None, now
        )
        until = now + timedelta(seconds=lock_s(kind, failures))
        await store.save_failure(session, kind, subject, failures=failures, now=now, until=until)
    await write_audit(session, None, "sign_in", "session", login, outcome="denied", address=address)


async def _open_session(
    session: Session, key: store.Key, login: str, *, address: str, device: str, clock: Clock, life_s: float
) -> SignedIn:
    token = secrets.token_urlsafe(32)
    now = clock.now()
    await store.forget_failures(session, login)
    await store.insert_session(
        session,
        token_hash=store.digest(token),
        person_id=key.id,
        csrf_token=secrets.token_urlsafe(24),
        now=now,
        expires_at=now + timedelta(seconds=life_s),
        address=address,
        device=device[:200],
    )
    await store.end_oldest_sessions(session, key.id, kept=MAX_SESSIONS)
    actor = Actor(key.id, key.role, login, "", key.language, store.NOTHING, address)
    await write_audit(session, actor, "sign_in", "session", key.id)
    return SignedIn(token, key.id, key.language)


async def sign_out(session: Session, actor: Actor) -> None:
    """Ends the actor's own session."""
    if actor.session_id is not None:
        await store.end_session(session, actor.person_id, actor.session_id)
        await write_audit(session, actor, "sign_out", "session", actor.session_id)


async def change_password(
    database: Database, passwords: PasswordHasher, actor: Actor, *, old: str, new: str
) -> None:
    """Sets a new password and ends the person's other sessions. *Errors*: Invalid by field."""
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
