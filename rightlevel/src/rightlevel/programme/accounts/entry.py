"""What every way in shares: attempts that are counted, locks that grow, and a session that opens."""

from __future__ import annotations

import secrets
from datetime import datetime, timedelta
from typing import Final

from flatwater.clock import Clock
from flatwater.forwarded import network_of
from flatwater.transaction import Session
from rightlevel.programme.accounts import keys_store, store
from rightlevel.programme.accounts.model import (
    FREE_FAILURES,
    SLOWED,
    SignedIn,
    failures_after,
    lock_s,
)
from rightlevel.programme.audit import write_audit
from rightlevel.programme.errors import Forbidden
from rightlevel.programme.permissions import Actor

MAX_SESSIONS: Final = 20
"""A person signed in at more places than this loses the oldest: sessions are rows, and rows have a bound."""

MAX_KNOWN_DEVICES: Final = 20
"""A person is known again on so many devices; the one used longest ago is forgotten for the 21st."""

Tried = tuple[str, str]
"""Whose attempts are counted: the kind (a key of FREE_FAILURES) and which one."""


class SignInLocked(Forbidden):
    """Too many failed attempts. Please wait {wait_s} seconds and try again."""

    code = "sign_in_locked"


async def refuse_locked(session: Session, now: datetime, *tried: Tried) -> None:
    """Passes when none of these is locked. *Errors*: SignInLocked."""
    until = await keys_store.locked_until(session, tried)
    if until is not None and until > now:
        raise SignInLocked(wait_s=int((until - now).total_seconds()) + 1)


async def count_failures(session: Session, now: datetime, *tried: Tried) -> None:
    """One more failure for each of these, and the lock that follows from it. At the same moment none is lost."""
    for kind, subject in sorted(tried):
        # The row is there before it is read, so that whoever comes at the same moment waits for it.
        await keys_store.do(session, "begin_failures", kind=kind, subject=subject, now=now)
        before = await store.failure_for_update(session, kind, subject)
        failures = failures_after(
            kind, before.failures if before else 0, before.last_failed_at if before else None, now
        )
        until = now + timedelta(seconds=lock_s(kind, failures))
        await store.save_failure(session, kind, subject, failures=failures, now=now, until=until)


async def forgive(session: Session, own: Tried, *shared: Tried) -> None:
    """After a success: one's own failures are forgotten, and what many share no longer counts them.

    What others failed at the same address stays counted: whoever knows one password does not buy guesses at another.
    """
    before = await store.failure_for_update(session, *own)
    await keys_store.do(session, "forget_failures", kind=own[0], subject=own[1])
    if before is None:
        return
    for kind, subject in sorted(shared):
        if kind not in SLOWED:
            await keys_store.do(session, "forget_failures", kind=kind, subject=subject)
        else:
            await keys_store.do(
                session,
                "take_off_failures",
                kind=kind,
                subject=subject,
                fewer=before.failures,
                free=FREE_FAILURES[kind],
            )


def tried_by_password(login: str, address: str, device: str | None) -> tuple[Tried, ...]:
    """What an attempt at an account counts for, its own pair first; on a device known as this account's, nothing that others share."""
    if device is not None:
        return (("pair", f"{device} {login}"),)
    network = network_of(address)
    return ("pair", f"{network} {login}"), ("account", login), ("address", network)


async def device_known_to(session: Session, login: str, device: str | None) -> str | None:
    """The device's name, if somebody signed in there under this name before."""
    if not device:
        return None
    found = await keys_store.count(session, "count_known_devices", login=login, device=device)
    return device if found else None


async def open_session(
    session: Session,
    key: store.Key,
    *,
    address: str,
    device: str,
    clock: Clock,
    life_s: float,
    pending: str = "",
    school_device_id: str | None = None,
    device_name: str = "",
    replaces: str | None = None,
) -> SignedIn:
    """A fresh session, written down as a sign-in once nothing is pending, and the device known from then on.

    `replaces` is the token of a session that this browser held before: whoever's it was, it ends.
    """
    token, now = secrets.token_urlsafe(32), clock.now()
    if replaces:
        await keys_store.do(session, "end_session_by_token", token_hash=store.digest(replaces))
    await store.insert_session(
        session,
        token_hash=store.digest(token),
        person_id=key.id,
        csrf_token=secrets.token_urlsafe(24),
        now=now,
        expires_at=now + timedelta(seconds=life_s),
        address=address,
        device=device[:200],
        pending=pending,
        school_device_id=school_device_id,
    )
    await store.end_oldest_sessions(session, key.id, kept=MAX_SESSIONS)
    if device_name and not pending:
        await keys_store.do(session, "know_device", person_id=key.id, device=device_name, now=now)
        await keys_store.do(session, "forget_oldest_devices", person_id=key.id, kept=MAX_KNOWN_DEVICES)
    actor = Actor(
        person_id=key.id,
        role=key.role,
        username="",
        display_name="",
        language=key.language,
        scope=store.NOTHING,
        address=address,
    )
    after = {"way": "school_device"} if school_device_id else None
    await write_audit(
        session, actor, "begin_sign_in" if pending else "sign_in", "session", key.id, after=after
    )
    return SignedIn(
        token=token,
        person_id=key.id,
        language=key.language,
        pending=pending,
        life_s=life_s,
        device_name=device_name,
    )
