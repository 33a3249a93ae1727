"""The only file that knows the columns of person, person_session, api_token and sign_in_failure."""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from datetime import date, datetime, timedelta
from typing import Any, NamedTuple, Protocol, cast

import msgspec

from flatwater.clock import today
from flatwater.paging import Page, PageRequest, page_of
from flatwater.queries import Query, load_queries
from flatwater.transaction import Session
from rightlevel.programme.accounts.model import OpenSession, Person, TokenRow
from rightlevel.programme.errors import NotFound
from rightlevel.programme.permissions import Actor, Held, Role, Scope, Subject, TokenReach
from rightlevel.programme.time_zone import ProgrammeClock

_queries = load_queries(__package__ or "")
_actor_by_session = _queries["actor_by_session"]
_actor_by_token = _queries["actor_by_token"]
_actors_together = _queries["actors_together"]

_EVERYTHING = Scope(is_everything=True)
NOTHING = Scope()


class Key(msgspec.Struct, frozen=True):
    """What a sign-in is checked against."""

    id: int
    password_hash: str | None
    language: str
    role: Role


class Failure(msgspec.Struct, frozen=True):
    """How often a sign-in failed before."""

    failures: int
    last_failed_at: datetime


class Who(msgspec.Struct, frozen=True):
    """Who holds a session or token, and what is assigned to them if that was asked for."""

    id: int
    role: str
    username: str
    display_name: str
    language: str
    has_own_digits: bool
    session_id: str | None
    csrf_token: str
    pending: str
    is_by_pin: bool
    may_write: bool
    resources: tuple[str, ...] | None
    time_zone: str | None
    country: str | None
    language_mark: str | None
    schools: list[int] | None
    subjects: list[str] | None
    classes: list[int | None] | None


class _WhoOfMany(Who, frozen=True):
    """The same of one of many: which one."""

    number: int


class Holding(NamedTuple):
    """What was shown to say who somebody is: a session's token, or an API token, and from where."""

    token: str
    is_session: bool
    address: str


def digest(token: str) -> bytes:
    """What is stored of a token. A token has 256 random bits, so a plain hash can't be guessed back."""
    return hashlib.sha256(token.encode()).digest()


class HeldBy(Protocol):
    """Gives what a person holds today, possibly from a cache."""

    async def held_by(self, session: Session, person_id: int) -> tuple[Held, ...]: ...


async def actor_by_session(
    session: Session,
    token: str,
    clock: ProgrammeClock,
    *,
    address: str,
    idle_s: float,
    scopes: HeldBy | None = None,
) -> Actor | None:
    """Who holds this session now, read from the database. *Cost*: one statement, one row; two when the time zone was changed.

    What is assigned to them comes from `scopes` where that is given and nothing is being written, else from the same statement. The same
    row tells the programme's time zone, which the clock takes: every request is judged by the day that it is now, in every process.
    """
    values = {"token_hash": digest(token), "idle_since": clock.now() - timedelta(seconds=idle_s)}
    return await _actor(session, _actor_by_session, values, clock, address, scopes=scopes)


async def actor_by_token(
    session: Session, token: str, clock: ProgrammeClock, *, address: str, scopes: HeldBy | None = None
) -> Actor | None:
    """Who holds this API token now; otherwise as `actor_by_session`."""
    return await _actor(
        session, _actor_by_token, {"token_hash": digest(token)}, clock, address, scopes=scopes
    )


async def actors_together(
    session: Session, shown: Sequence[Holding], clock: ProgrammeClock, *, idle_s: float
) -> list[Actor | None]:
    """Who holds each of some sessions and tokens now, with what is assigned to them today; for what is written together.

    None for a mark that is nobody's, and for all of them where the programme's time zone was just changed: whoever asks alone is judged by the
    new day. *Cost*: one statement, a row each.
    """
    now = clock.now()
    values = {
        "numbers": list(range(len(shown))),
        "hashes": [digest(each.token) for each in shown],
        "by_session": [each.is_session for each in shown],
        "now": now,
        "idle_since": now - timedelta(seconds=idle_s),
        "today": today(clock),
    }
    rows = await session.fetch_all(_actors_together, values, into=_WhoOfMany)
    actors: list[Actor | None] = [None] * len(shown)
    if rows and clock.is_news(rows[0].time_zone, rows[0].country):
        return actors
    for who in rows:
        actors[who.number] = _actor_of(who, shown[who.number].address, _scope(who))
    return actors


async def _actor(
    session: Session,
    query: Query,
    known: dict[str, Any],
    clock: ProgrammeClock,
    address: str,
    *,
    scopes: HeldBy | None,
) -> Actor | None:
    reads_held = scopes is None or session.is_writing
    values = {**known, "now": clock.now(), "today": today(clock), "reads_held": reads_held}
    who = await session.fetch_one(query, values, into=Who)
    if who is None:
        return None
    is_another_day = clock.is_news(who.time_zone, who.country)
    if scopes is None or session.is_writing:
        if is_another_day:
            return await _actor(session, query, known, clock, address, scopes=scopes)
        return _actor_of(who, address, _scope(who))
    if who.role in EVERYWHERE:
        return _actor_of(who, address, _EVERYTHING)
    held = await scopes.held_by(session, who.id)
    return _actor_of(who, address, Scope(held=held) if held else NOTHING)


def _actor_of(who: Who, address: str, scope: Scope) -> Actor:
    return Actor(
        person_id=who.id,
        role=cast("Role", who.role),
        username=who.username,
        display_name=who.display_name,
        language=who.language,
        scope=scope,
        address=address,
        session_id=who.session_id,
        csrf_token=who.csrf_token,
        pending=who.pending,
        is_by_pin=who.is_by_pin,
        token=TokenReach(who.may_write, who.resources) if who.session_id is None else None,
        has_own_digits=who.has_own_digits,
        language_mark=who.language_mark or "",
    )


EVERYWHERE = frozenset({"admin", "coordinator", "viewer"})
"""Leaders and viewers reach every school (what of it, the permission table says); field staff what is assigned."""


def _scope(row: Who) -> Scope:
    if row.role in EVERYWHERE:
        return _EVERYTHING
    if not row.schools:
        return NOTHING
    subjects = cast("list[Subject]", row.subjects)
    return Scope(held=tuple(map(Held, row.schools, subjects, row.classes or [])))


async def held_by(session: Session, person_id: int, today: date) -> tuple[Held, ...]:
    """What is assigned to a person on a day. *Cost*: one statement, at most 10,000 rows."""
    rows = await session.fetch_all(
        _queries["held_by"], {"person_id": person_id, "today": today}, into=_HeldRow
    )
    return tuple(Held(row.school_id, cast("Subject", row.subject), row.class_id) for row in rows)


class StandingNow(msgspec.Struct, frozen=True):
    """Which role somebody has now, and whether the account is in use."""

    role: Role
    is_in_use: bool


async def standing_of(session: Session, person_id: int, *, hold: bool) -> StandingNow | None:
    query = _queries["standing_of"]
    return await session.fetch_one(
        query.plus("hold") if hold else query, {"person_id": person_id}, into=StandingNow
    )


class _Ended(msgspec.Struct, frozen=True):
    id: int
    person_id: int


async def end_assignments_of(
    session: Session, now: datetime, *, person_id: int | None, school_id: int | None, class_id: int | None
) -> list[tuple[int, int]]:
    """Ends every assignment of a person, a school or a class; their ids and whose they were."""
    wanted = {"of_person": person_id, "of_school": school_id, "of_class": class_id}
    query = _queries["end_assignments_of"].plus(
        *(part for part, value in wanted.items() if value is not None)
    )
    values = {"now": now, "person_id": person_id, "school_id": school_id, "class_id": class_id}
    return [(row.id, row.person_id) for row in await session.fetch_all(query, values, into=_Ended)]


class _HeldRow(msgspec.Struct, frozen=True):
    school_id: int
    subject: str
    class_id: int | None


def _query(name: str) -> Query:
    return _queries[name]


async def key_by_login(session: Session, login: str) -> Key | None:
    return await session.fetch_one(_query("key_by_login"), {"login": login}, into=Key)


async def key_by_person(session: Session, person_id: int) -> Key:
    key = await session.fetch_one(_query("key_by_person"), {"person_id": person_id}, into=Key)
    if key is None:
        raise NotFound
    return key


async def failure_for_update(session: Session, kind: str, subject: str) -> Failure | None:
    return await session.fetch_one(
        _query("failure_for_update"), {"kind": kind, "subject": subject}, into=Failure
    )


async def save_failure(
    session: Session, kind: str, subject: str, *, failures: int, now: datetime, until: datetime
) -> None:
    values = {"kind": kind, "subject": subject, "failures": failures, "now": now, "locked_until": until}
    await session.execute(_query("save_failure"), values)


async def insert_session(session: Session, **values: Any) -> None:
    await session.execute(_query("insert_session"), values)


async def end_oldest_sessions(session: Session, person_id: int, *, kept: int) -> None:
    await session.execute(_query("end_oldest_sessions"), {"person_id": person_id, "kept": kept})


async def end_session(session: Session, person_id: int, session_id: str) -> int:
    return await session.execute(_query("end_session"), {"id": session_id, "person_id": person_id})


async def end_sessions_of(session: Session, person_id: int, *, kept_id: str | None = None) -> int:
    return await session.execute(_query("end_sessions_of"), {"person_id": person_id, "kept_id": kept_id})


async def page_of_sessions(session: Session, person_id: int, page: PageRequest) -> Page[OpenSession]:
    after = page.key(tuple[datetime, str])
    query = _query("list_sessions")
    rows = await session.fetch_all(
        query.plus("after") if after else query, _after_values(person_id, after, page), into=OpenSession
    )
    return page_of(rows, page, lambda row: (row.created_at, row.id))


async def touch_sessions(session: Session, ids: list[str], now: datetime) -> int:
    return await session.execute(_query("touch_sessions"), {"ids": ids, "now": now})


async def insert_token(session: Session, **values: Any) -> str:
    return cast("str", await session.fetch_value(_query("insert_token"), values))


async def page_of_tokens(session: Session, person_id: int, page: PageRequest) -> Page[TokenRow]:
    after = page.key(tuple[datetime, str])
    query = _query("list_tokens")
    rows = await session.fetch_all(
        query.plus("after") if after else query, _after_values(person_id, after, page), into=TokenRow
    )
    return page_of(rows, page, lambda row: (row.created_at, row.id))


def _after_values(person_id: int, after: tuple[datetime, str] | None, page: PageRequest) -> dict[str, Any]:
    at, of = after or (None, None)
    return {"person_id": person_id, "after_at": at, "after_id": of, "rows": page.rows_to_ask}


async def count_tokens(session: Session, person_id: int, now: datetime) -> int:
    return cast(
        "int", await session.fetch_value(_query("count_tokens"), {"person_id": person_id, "now": now})
    )


async def revoke_token_row(session: Session, person_id: int, token_id: str, now: datetime) -> int:
    return await session.execute(_query("revoke_token"), {"id": token_id, "person_id": person_id, "now": now})


async def insert_person(session: Session, **values: Any) -> int:
    return cast("int", await session.fetch_value(_query("insert_person"), values))


async def find_person(session: Session, person_id: int, *, for_update: bool = False) -> Person:
    """One account. *Errors*: NotFound."""
    query = _query("read_person")
    row = await session.fetch_one(
        query.plus("for_update") if for_update else query, {"person_id": person_id}, into=Person
    )
    if row is None:
        raise NotFound
    return row


async def find_person_by_username(session: Session, username: str) -> Person:
    """One live account. *Errors*: NotFound."""
    row = await session.fetch_one(_query("person_by_username"), {"username": username}, into=Person)
    if row is None:
        raise NotFound
    return row


async def page_of_people(
    session: Session, page: PageRequest, *, role: str | None, search: str | None, deleted: bool
) -> Page[Person]:
    after = page.key(tuple[str, int])
    name, number = after or (None, None)
    values = {
        "deleted": deleted,
        "role": role or None,
        "search": f"{_like(search)}%" if search else None,
        "after_name": name,
        "after_id": number,
        "rows": page.rows_to_ask,
    }
    rows = await session.fetch_all(_query("list_people"), values, into=Person)
    return page_of(rows, page, lambda row: (row.display_name.lower(), row.id))


def _like(text: str) -> str:
    """Text for LIKE, meaning itself."""
    return text.lower().replace("\\", "\\\\").replace("%", "\\%").replace("_", "\\_")


async def change_person_row(session: Session, person_id: int, version: int, fields: dict[str, Any]) -> int:
    return await session.execute(
        _query("change_person"), {**fields, "person_id": person_id, "version": version}
    )


async def set_password_hash(session: Session, person_id: int, password_hash: str) -> int:
    return await session.execute(
        _query("set_password"), {"person_id": person_id, "password_hash": password_hash}
    )


async def set_digits(session: Session, person_id: int, *, is_own: bool) -> int:
    return await session.execute(_query("set_digits"), {"person_id": person_id, "is_own": is_own})


async def set_language(session: Session, person_id: int, language: str) -> int:
    return await session.execute(_query("set_language"), {"person_id": person_id, "language": language})


async def set_active_flag(session: Session, person_id: int, *, is_active: bool) -> int:
    return await session.execute(_query("set_active"), {"person_id": person_id, "is_active": is_active})


async def delete_person_row(session: Session, person_id: int, *, by: int, reason: str, now: datetime) -> int:
    values = {"person_id": person_id, "by": by, "reason": reason, "now": now}
    return await session.execute(_query("delete_person"), values)


async def restore_person_row(session: Session, person_id: int) -> int:
    return await session.execute(_query("restore_person"), {"person_id": person_id})


async def admins_in_use(session: Session) -> list[int]:
    rows = await session.fetch_all(_query("lock_admins"), {}, into=_Id)
    return [row.id for row in rows]


class _Id(msgspec.Struct, frozen=True):
    id: int
