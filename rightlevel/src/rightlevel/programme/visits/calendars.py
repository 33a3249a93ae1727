"""Secret addresses under which a calendar program reads a mentor's planned visits: they run out, and can be revoked."""

from __future__ import annotations

import secrets
from datetime import datetime, timedelta
from hashlib import sha256
from typing import Any, Final

import msgspec

from flatwater.clock import Clock, today
from flatwater.queries import load_queries
from flatwater.shown_once import ShownOnce
from flatwater.transaction import Session
from rightlevel.programme.audit import write_audit
from rightlevel.programme.errors import Conflict, Forbidden, NotFound
from rightlevel.programme.ids import is_uuid
from rightlevel.programme.permissions import Actor, require
from rightlevel.programme.visits import plan_store
from rightlevel.programme.visits.model import PlannedVisit

_queries = load_queries(__package__ or "", "calendars.sql")

LINK_LIFE: Final = timedelta(days=366)
MAX_LINKS: Final = 5
SHOWN_BACK: Final = timedelta(days=60)
MAX_EVENTS: Final = 500
SECRET_CHARS: Final = 43
KEEP_ENDED: Final = timedelta(days=30)


class TooManyCalendarLinks(Conflict):
    """There are five calendar links already. Revoke one that is no longer needed."""

    code = "too_many_calendar_links"


class CalendarLink(msgspec.Struct, frozen=True):
    """A link that works; its secret is shown only once."""

    id: str
    created_at: datetime
    expires_at: datetime


class CalendarMade(msgspec.Struct, frozen=True):
    """A new link, and the only time that its address is told."""

    id: str
    path: ShownOnce
    expires_at: datetime


class Shown(msgspec.Struct, frozen=True):
    """What a calendar shows, in whose language."""

    language: str
    visits: list[PlannedVisit]


class _Whose(msgspec.Struct, frozen=True):
    person_id: int
    language: str


def _hash(secret: str) -> bytes:
    return sha256(secret.encode()).digest()


async def make_calendar_link(session: Session, actor: Actor, clock: Clock) -> CalendarMade:
    """A new secret address of the actor's own planned visits, good for a year. *Errors*: Forbidden, TooManyCalendarLinks."""
    require(actor, "read", "planned_visit")
    if actor.token is not None or actor.is_by_pin:
        raise Forbidden("Sign in with your password to do this.")
    now, secret = clock.now(), secrets.token_urlsafe(32)
    values: dict[str, Any] = {
        "person_id": actor.person_id,
        "token_hash": _hash(secret),
        "now": now,
        "expires_at": now + LINK_LIFE,
    }
    await session.fetch_value(_queries["hold_person"], values)
    if await session.fetch_value(_queries["count_links"], values) >= MAX_LINKS:
        raise TooManyCalendarLinks
    link_id: str = await session.fetch_value(_queries["insert_link"], values)
    await write_audit(session, actor, "create", "calendar_link", link_id)
    return CalendarMade(link_id, f"/calendar/{secret}.ics", now + LINK_LIFE)


async def list_calendar_links(session: Session, actor: Actor, clock: Clock) -> list[CalendarLink]:
    """The actor's links that work; at most five."""
    require(actor, "read", "planned_visit")
    values = {"person_id": actor.person_id, "now": clock.now()}
    return await session.fetch_all(_queries["list_links"], values, into=CalendarLink)


async def revoke_calendar_link(session: Session, actor: Actor, link_id: str, clock: Clock) -> None:
    """Ends one of the actor's own links at once. *Errors*: NotFound."""
    require(actor, "read", "planned_visit")
    values = {"link_id": link_id, "person_id": actor.person_id, "now": clock.now()}
    if not is_uuid(link_id) or not await session.execute(_queries["revoke_link"], values):
        raise NotFound
    await write_audit(session, actor, "revoke", "calendar_link", link_id)


async def read_calendar(session: Session, secret: str, clock: Clock) -> Shown:
    """What the calendar of a secret shows: sixty days back and all that is planned, at most 500. *Errors*: NotFound. *Cost*: two statements."""
    if len(secret) != SECRET_CHARS or not secret.isascii():
        raise NotFound
    whose = await session.fetch_one(
        _queries["person_of_link"], {"token_hash": _hash(secret), "now": clock.now()}, into=_Whose
    )
    if whose is None:
        raise NotFound
    visits = await plan_store.planned_of_mentor(
        session, whose.person_id, from_on=today(clock) - SHOWN_BACK, rows=MAX_EVENTS
    )
    return Shown(whose.language, visits)


async def sweep_calendar_links(session: Session, clock: Clock, *, rows_per_batch: int = 10_000) -> int:
    """Takes out links that ended a month ago; how many."""
    values = {"before": clock.now() - KEEP_ENDED, "rows_per_batch": rows_per_batch}
    return await session.execute(_queries["sweep_links"], values)
