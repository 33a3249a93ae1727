"""Sessions as a person sees them, and API tokens."""

from __future__ import annotations

import secrets
from datetime import timedelta

from flatwater.clock import Clock
from flatwater.paging import Page, PageRequest
from flatwater.transaction import Session
from rightlevel.programme.accounts import store
from rightlevel.programme.accounts.model import OpenSession, Person, TokenMade, TokenRow
from rightlevel.programme.audit import write_audit
from rightlevel.programme.errors import Conflict, Fault, Forbidden, Invalid, NotFound
from rightlevel.programme.ids import is_uuid
from rightlevel.programme.permissions import TABLE, Actor, TokenReach, require

MAX_TOKENS = 20
MAX_TOKEN_DAYS = 366
RESOURCES = tuple(sorted({resource for _, resource in TABLE} - {"sign_in", "small_cell", "token_of_others"}))
"""What a token can be limited to: the resources of the permission table."""
MAX_RESOURCES = 40
EVERYTHING = TokenReach()


class TooManyTokens(Conflict):
    """There are twenty usable tokens already. Revoke one that is no longer needed."""

    code = "too_many_tokens"


async def list_sessions(session: Session, actor: Actor, page: PageRequest) -> Page[OpenSession]:
    """Where the actor is signed in."""
    require(actor, "manage", "self")
    return await store.page_of_sessions(session, actor.person_id, page)


async def revoke_session(session: Session, actor: Actor, session_id: str) -> None:
    """Ends one of the actor's own sessions, at once everywhere. *Errors*: NotFound."""
    require(actor, "manage", "self")
    if not is_uuid(session_id) or not await store.end_session(session, actor.person_id, session_id):
        raise NotFound
    await write_audit(session, actor, "revoke", "session", session_id)


async def list_tokens(session: Session, actor: Actor, page: PageRequest) -> Page[TokenRow]:
    """The actor's own API tokens."""
    require(actor, "manage", "self")
    return await store.page_of_tokens(session, actor.person_id, page)


async def end_other_sessions(session: Session, actor: Actor) -> int:
    """Signs the actor out everywhere but here, at once. *Shape*: sessions ended."""
    require(actor, "manage", "self")
    ended = await store.end_sessions_of(session, actor.person_id, kept_id=actor.session_id)
    await write_audit(session, actor, "revoke_others", "session", actor.person_id, after={"ended": ended})
    return ended


async def create_token(
    session: Session,
    actor: Actor | None,
    person: Person | None,
    *,
    label: str,
    days: int,
    clock: Clock,
    reach: TokenReach = EVERYTHING,
) -> TokenMade:
    """A new bearer token with its holder's own rights or less, for the actor, or for `person` from the command line.

    *Errors*: Invalid, TooManyTokens, Forbidden for a session that a PIN opened and for a token: none makes others.
    """
    _check_token(days, reach)
    if actor is not None:
        require(actor, "manage", "self")
        if actor.session_id is None or actor.is_by_pin:
            raise Forbidden("Sign in with your password to do this.")
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
        may_write=reach.may_write,
        resources=None if reach.resources is None else list(reach.resources),
    )
    after = {
        "person_id": person_id,
        "label": label,
        "may_write": reach.may_write,
        "resources": reach.resources,
        "days": days,
    }
    await write_audit(session, actor, "create", "api_token", token_id, after=after)
    return TokenMade(token_id, token, expires_at)


async def revoke_token(session: Session, actor: Actor, token_id: str, clock: Clock) -> None:
    """Ends one of the actor's own tokens. *Errors*: NotFound."""
    require(actor, "manage", "self")
    if not is_uuid(token_id) or not await store.revoke_token_row(
        session, actor.person_id, token_id, clock.now()
    ):
        raise NotFound
    await write_audit(session, actor, "revoke", "api_token", token_id)


def _check_token(days: int, reach: TokenReach) -> None:
    faults: list[Fault] = []
    if not 1 <= days <= MAX_TOKEN_DAYS:
        faults.append(Fault("days", f"Between 1 and {MAX_TOKEN_DAYS} days", str(days)))
    if reach.resources is not None:
        if not 1 <= len(reach.resources) <= MAX_RESOURCES:
            faults.append(Fault("resources", f"Between 1 and {MAX_RESOURCES} of them"))
        faults += [
            Fault("resources", "There is no such resource", each[:40])
            for each in reach.resources[:MAX_RESOURCES]
            if each not in RESOURCES
        ]
    if faults:
        raise Invalid(faults=tuple(faults))


async def list_tokens_of(session: Session, actor: Actor, person_id: int, page: PageRequest) -> Page[TokenRow]:
    """Somebody's API tokens, for admins. *Errors*: Forbidden, NotFound."""
    require(actor, "manage", "token_of_others")
    await store.find_person(session, person_id)
    return await store.page_of_tokens(session, person_id, page)


async def revoke_token_of(
    session: Session, actor: Actor, person_id: int, token_id: str, clock: Clock
) -> None:
    """Ends somebody's API token at once, for admins. *Errors*: Forbidden, NotFound."""
    require(actor, "manage", "token_of_others")
    if not is_uuid(token_id) or not await store.revoke_token_row(session, person_id, token_id, clock.now()):
        raise NotFound
    await write_audit(session, actor, "revoke", "api_token", token_id, before={"person_id": person_id})
