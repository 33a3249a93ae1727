"""Phones on which somebody keeps work: known to us, so that a lost one can be ended from afar."""

from __future__ import annotations

from datetime import datetime
from typing import Final, Literal

import msgspec

from flatwater.clock import Clock
from flatwater.queries import load_queries
from flatwater.transaction import Session
from rightlevel.programme.accounts import store
from rightlevel.programme.accounts.model import require_manage
from rightlevel.programme.accounts.people import manageable
from rightlevel.programme.audit import write_audit
from rightlevel.programme.errors import Fault, Invalid, NotFound, ProgrammeError
from rightlevel.programme.ids import is_uuid
from rightlevel.programme.permissions import Actor, require

MAX_PHONES: Final = 20
"""A person keeps work on so many phones; the one unseen longest is forgotten for the 21st, and has to be set up anew."""
MAX_LABEL: Final = 200

_queries = load_queries(__package__ or "", "phones.sql")


class PhoneEnded(ProgrammeError):
    """This phone was ended. Set it up again to keep work on it."""

    kind = "gone"
    code = "phone_ended"


class Phone(msgspec.Struct, frozen=True):
    """A phone on which somebody keeps work."""

    id: str
    label: str
    kept_at: datetime
    last_seen_at: datetime
    ended_at: datetime | None


class PhoneState(msgspec.Struct, frozen=True):
    """Whether a phone may keep what is on it (`kept`), or takes it away (`ended`)."""

    state: Literal["kept", "ended"]


async def keep_phone(session: Session, actor: Actor, phone_id: str, *, label: str, clock: Clock) -> None:
    """Notes that the actor keeps work on a phone; again and again, so that one sees when it was seen last.

    *Errors*: Invalid for an id that is none; PhoneEnded, also for one of somebody else's. *Cost*: two statements.
    """
    require(actor, "manage", "self")
    if not is_uuid(phone_id):
        raise Invalid(faults=(Fault("id", "A UUID", phone_id[:60]),))
    values = {
        "id": phone_id,
        "person_id": actor.person_id,
        "label": label[:MAX_LABEL],
        "session_id": actor.session_id,
        "now": clock.now(),
    }
    if not await session.execute(_queries["keep_phone"], values):
        raise PhoneEnded
    await session.execute(
        _queries["forget_oldest_phones"], {"person_id": actor.person_id, "kept": MAX_PHONES}
    )


async def list_phones(session: Session, actor: Actor) -> list[Phone]:
    """The actor's own phones, at most MAX_PHONES. *Cost*: one statement."""
    require(actor, "manage", "self")
    return await _phones(session, actor.person_id)


async def list_phones_of(session: Session, actor: Actor, person_id: int) -> list[Phone]:
    """The phones of somebody below. *Errors*: Forbidden, NotFound. *Cost*: two statements."""
    require(actor, "reset", "person")
    person = await store.find_person(session, person_id)
    if person.id != actor.person_id:
        require_manage(actor, person.role)
    return await _phones(session, person_id)


async def _phones(session: Session, person_id: int) -> list[Phone]:
    values = {"person_id": person_id, "rows": MAX_PHONES}
    return await session.fetch_all(_queries["phones"], values, into=Phone)


async def end_phone(session: Session, actor: Actor, phone_id: str, clock: Clock) -> None:
    """Ends one of the actor's own phones: its session is over at once, what lies on it goes at its next connection. *Errors*: NotFound."""
    require(actor, "manage", "self")
    await _end(session, actor, actor.person_id, phone_id, clock)


async def end_phone_of(session: Session, actor: Actor, person_id: int, phone_id: str, clock: Clock) -> None:
    """Ends a phone of somebody below. *Errors*: Forbidden, NotFound."""
    await manageable(session, actor, "reset", person_id)
    await _end(session, actor, person_id, phone_id, clock)


async def _end(session: Session, actor: Actor, person_id: int, phone_id: str, clock: Clock) -> None:
    if not is_uuid(phone_id):
        raise NotFound
    values = {"id": phone_id, "person_id": person_id, "now": clock.now()}
    try:
        session_id = await session.fetch_value(_queries["end_phone"], values)
    except LookupError:
        raise NotFound from None
    if session_id:
        await store.end_session(session, person_id, session_id)
    await write_audit(session, actor, "end", "phone", phone_id, before={"person_id": person_id})


async def phone_state(session: Session, phone_id: str) -> PhoneState:
    """Whether a phone may keep what is on it; who knows its id is the phone. An unknown one was forgotten, or ended. *Cost*: one statement."""
    if not is_uuid(phone_id):
        raise NotFound
    is_kept = await session.fetch_value(_queries["is_kept"], {"id": phone_id})
    return PhoneState("kept" if is_kept else "ended")
