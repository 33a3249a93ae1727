"""What every way in shares: attempts that are counted, locks that grow, and a session that opens."""

from __future__ import annotations

import secrets
from datetime import datetime, timedelta
from typing import Final

from flatwater.clock import Clock
from flatwater.transaction import Session
from rightlevel.programme.accounts import keys_store, store
from rightlevel.programme.accounts.model import SignedIn, failures_after, lock_s
from rightlevel.programme.audit import write_audit
from rightlevel.programme.errors import Forbidden
from rightlevel.programme.permissions import Actor

MAX_SESSIONS: Final = 20
"""A person signed in at more places than this loses the oldest: sessions are rows, and rows have a bound."""

Tried = tuple[str, str]
"""Whose attempts are counted: the kind (account, address, factor, pin, device, link) and which one."""


class SignInLocked(Forbidden):
    """Too many failed attempts. Please wait {wait_s} seconds and try again."""

    code = "sign_in_locked"


async def refuse_locked(session: Session, now: datetime, *tried: Tried) -> None:
    """Passes when none of these is locked. *Errors*: SignInLocked."""
    until = await keys_store.locked_until(session, tried)
    if until is not None and until > now:
        raise SignInLocked(wait_s=int((until - now).total_seconds()) + 1)


async def count_failures(session: Session, now: datetime, *tried: Tried) -> None:
    """One more failure for each of these, and the lock that follows from it."""
    for kind, subject in tried:
        before = await store.failure_for_update(session, kind, subject)
        failures = failures_after(
            before.failures if before else 0, before.last_failed_at if before else None, now
        )
        until = now + timedelta(seconds=lock_s(kind, failures))
        await store.save_failure(session, kind, subject, failures=failures, now=now, until=until)


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
) -> SignedIn:
    """A fresh session, written down as a sign-in once nothing is pending."""
    token, now = secrets.token_urlsafe(32), clock.now()
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
    actor = Actor(key.id, key.role, "", "", key.language, store.NOTHING, address)
    after = {"way": "school_device"} if school_device_id else None
    await write_audit(
        session, actor, "begin_sign_in" if pending else "sign_in", "session", key.id, after=after
    )
    return SignedIn(token, key.id, key.language, pending, life_s)
