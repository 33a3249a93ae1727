"""Sessions as a person sees them, and API tokens."""

from __future__ import annotations

import secrets
from datetime import timedelta
from uuid import UUID

from flatwater.clock import Clock
from flatwater.paging import Page, PageRequest
from flatwater.transaction import Session
from rightlevel.programme.accounts import store
from rightlevel.programme.accounts.model import Person, SessionRow, TokenMade, TokenRow
from rightlevel.programme.audit import write_audit
from rightlevel.programme.errors import Conflict, Fault, Invalid, NotFound
from rightlevel.programme.permissions import Actor, require

MAX_TOKENS = 20
MAX_TOKEN_DAYS = 366


class TooManyTokens(Conflict):
    """There are twenty usable tokens already. Revoke one that is no longer needed."""

    code = "too_many_tokens"


async def list_sessions(session: Session, actor: Actor, page: PageRequest) -> Page[SessionRow]:
    """Where the actor is signed in."""
    require(actor, "manage", "self")
    return await store.page_of_sessions(session, actor.person_id, page)


async def revoke_session(session: Session, actor: Actor, session_id: str) -> None:
    """Ends one of the actor's own sessions, at once everywhere. *Errors*: NotFound."""
    require(actor, "manage", "self")
    if not _is_uuid(session_id) or not await store.end_session(session, actor.person_id, session_id):
        raise NotFound
    await write_audit(session, actor, "revoke", "session", session_id)


async def list_tokens(session: Session, actor: Actor, page: PageRequest) -> Page[TokenRow]:
    """The actor's own API tokens."""
    require(actor, "manage", "self")
    return await store.page_of_tokens(session, actor.person_id, page)


async def create_token(
    session: Session, actor: Actor | None, person: Person | None, *, label: str, days: int, clock: Clock
) -> TokenMade:
    """A new bearer token with its holder's own rights, for the actor, or for `person` from the command line."""
    if not 1 <= days <= MAX_TOKEN_DAYS:
        raise Invalid(faults=(Fault("days", f"Between 1 and {MAX_TOKEN_DAYS} days", str(days)),))
    if actor is not None:
        require(actor, "manage", "self")
    person_id = actor.person_id if actor is not None else person.id if person is not None else None
    if person_id is None:
        raise NotFound
    now = clock.now()
    if await store.count_tokens(session, person_id, now) >= MAX_TOKENS:
        raise TooManyTokens
    token = "rl_" + secrets.token_urlsafe(32)
    expires_at = now + timedelta(days=days)
    token_id = await store.insert_token(
        session,
        person_id=person_id,
        token_hash=store.digest(token),
        label=label[:100],
        now=now,
        expires_at=expires_at,
    )
    await write_audit(
        session, actor, "create", "api_token", token_id, after={"person_id": person_id, "label": label}
    )
    return TokenMade(token_id, token, expires_at)


async def revoke_token(session: Session, actor: Actor, token_id: str, clock: Clock) -> None:
    """Ends one of the actor's own tokens. *Errors*: NotFound."""
    require(actor, "manage", "self")
    if not _is_uuid(token_id) or not await store.revoke_token_row(
        session, actor.person_id, token_id, clock.now()
    ):
        raise NotFound
    await write_audit(session, actor, "revoke", "api_token", token_id)


def _is_uuid(text: str) -> bool:
    try:
        UUID(text)
    except ValueError:
        return False
    return True
