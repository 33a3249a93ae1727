"""The only file that knows the columns of visit and visit_change."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import date, datetime
from typing import Any

import msgspec

from flatwater.paging import Page, PageRequest, page_of
from flatwater.queries import load_queries
from flatwater.transaction import Session
from rightlevel.programme.errors import NotFound
from rightlevel.programme.permissions import Actor, Subject
from rightlevel.programme.visits.model import MonthOfVisits, Visit, VisitRow, VisitSearch, VisitState

_queries = load_queries(__package__ or "")
_encoder = msgspec.json.Encoder()


class HeldVisit(msgspec.Struct, frozen=True):
    """A visit that this transaction holds."""

    id: str
    write_id: str
    school_id: int
    subject: Subject
    mentor_id: int
    teacher_id: int | None
    visited_on: date
    form_version_id: int
    answers: dict[str, Any]
    state: VisitState
    version: int
    is_locked: bool


class Judged(msgspec.Struct, frozen=True):
    """What is kept of a visit's form: what was read of the answers, and what they give."""

    answers: dict[str, Any]
    state: VisitState
    completeness: float
    fidelity: float | None
    fidelity_of: Any


class AnsweredVisit(msgspec.Struct, frozen=True):
    """A visit in an export."""

    id: str
    school_id: int
    school_code: str
    school_name: str
    subject: Subject
    mentor: str
    teacher: str | None
    visited_on: date
    form_version_id: int
    answers: dict[str, Any]
    fidelity: float | None
    submitted_at: datetime
    is_locked: bool


class Choice(msgspec.Struct, frozen=True):
    """Somebody to choose."""

    id: int
    display_name: str


class Owner(Choice, frozen=True):
    """Somebody to choose as an owner."""

    is_teacher: bool = False


class ToLock(msgspec.Struct, frozen=True):
    """A visit, and whether it is locked."""

    id: str
    is_locked: bool


class _Id(msgspec.Struct, frozen=True):
    id: int


def as_json(value: object) -> str | None:
    return None if value is None else _encoder.encode(value).decode()


async def hold_visit(session: Session, visit_id: str) -> HeldVisit | None:
    return await session.fetch_one(_queries["hold_visit"], {"visit_id": visit_id}, into=HeldVisit)


async def find_visit(session: Session, visit_id: str) -> Visit:
    """One visit. *Errors*: NotFound."""
    found = await session.fetch_one(_queries["read_visit"], {"visit_id": visit_id}, into=Visit)
    if found is None:
        raise NotFound
    return found


async def insert_visit(session: Session, values: dict[str, Any], judged: Judged, now: datetime) -> bool:
    """Whether the visit is new."""
    return await session.execute(_queries["insert_visit"], {**values, **_kept(judged), "now": now}) == 1


async def update_visit(session: Session, values: dict[str, Any], judged: Judged, now: datetime) -> bool:
    """Whether it was still the version that was read, and not locked."""
    return await session.execute(_queries["update_visit"], {**values, **_kept(judged), "now": now}) == 1


def _kept(judged: Judged) -> dict[str, Any]:
    return {
        "answers": as_json(judged.answers),
        "state": judged.state,
        "completeness": judged.completeness,
        "fidelity": judged.fidelity,
        "fidelity_of": as_json(judged.fidelity_of),
    }


async def keep_change(
    session: Session, held: HeldVisit, judged: Judged, person_id: int, now: datetime
) -> None:
    before = {name: value for name, value in held.answers.items() if judged.answers.get(name) != value}
    after = {name: value for name, value in judged.answers.items() if held.answers.get(name) != value}
    values = {
        "id": held.id,
        "version": held.version + 1,
        "now": now,
        "person_id": person_id,
        "before": as_json(before),
        "after": as_json(after),
    }
    await session.execute(_queries["insert_visit_change"], values)


async def delete_visit(
    session: Session, visit_id: str, version: int, *, person_id: int, reason: str, now: datetime
) -> bool:
    values = {"id": visit_id, "version": version, "person_id": person_id, "reason": reason, "now": now}
    return await session.execute(_queries["delete_visit"], values) == 1


async def is_teacher_there(session: Session, school_id: int, teacher_id: int, today: date) -> bool:
    values = {"school_id": school_id, "teacher_id": teacher_id, "today": today}
    return bool(await session.fetch_value(_queries["is_teacher_there"], values))


async def teachers_of_school(session: Session, school_id: int, today: date) -> list[Choice]:
    return await session.fetch_all(
        _queries["teachers_of_school"], {"school_id": school_id, "today": today}, into=Choice
    )


def scope_values(actor: Actor) -> dict[str, Any]:
    """What the `in_scope` parts of queries ask."""
    held = actor.scope.held
    return {
        "scope_schools": actor.scope.schools(),
        "held_schools": [each.school_id for each in held],
        "held_subjects": [each.subject for each in held],
        "person_id": actor.person_id,
    }


def _values(actor: Actor, page: PageRequest, asked: VisitSearch, stale_on: date | None) -> dict[str, Any]:
    """What lists of visits are asked with; null is what isn't asked for."""
    after = page.key(tuple[date, str])
    return {
        **scope_values(actor),
        **msgspec.structs.asdict(asked),
        "scope_schools": None if actor.scope.is_everything else actor.scope.schools(),
        "as_role": actor.role,
        "stale_on": stale_on,
        "after_on": after[0] if after else None,
        "after_id": after[1] if after else None,
        "rows": page.rows_to_ask,
    }


async def page_of_visits(
    session: Session, actor: Actor, page: PageRequest, asked: VisitSearch, *, stale_on: date
) -> Page[VisitRow]:
    values = _values(actor, page, asked, stale_on if asked.incomplete else None)
    rows = await session.fetch_all(_queries["list_visits"], values, into=VisitRow)
    return page_of(rows, page, lambda row: (row.visited_on, row.id))


async def page_of_answers(
    session: Session, actor: Actor, page: PageRequest, asked: VisitSearch
) -> Page[AnsweredVisit]:
    values = _values(actor, page, asked, None)
    rows = await session.fetch_all(_queries["answers_of_visits"], values, into=AnsweredVisit)
    return page_of(rows, page, lambda row: (row.visited_on, row.id))


async def forms_of_visits(session: Session) -> list[int]:
    """Ids of form versions, the latest first."""
    return [row.id for row in await session.fetch_all(_queries["forms_of_visits"], {}, into=_Id)]


async def visits_to_lock(
    session: Session,
    *,
    rows: int,
    visit_ids: Sequence[str] = (),
    school_id: int | None = None,
    from_on: date | None = None,
    to_on: date | None = None,
) -> list[ToLock]:
    """Visits in the order of their ids, held."""
    values = {
        "visit_ids": list(visit_ids),
        "school_id": school_id,
        "from_on": from_on,
        "to_on": to_on,
        "rows": rows,
    }
    query = _queries["visits_to_lock"].plus("by_id" if school_id is None else "by_school")
    return await session.fetch_all(query, values, into=ToLock)


async def set_locks(
    session: Session, visit_ids: list[str], *, person_id: int, reason: str, now: datetime, is_lock: bool
) -> int:
    values: dict[str, Any] = {"visit_ids": visit_ids, "person_id": person_id, "reason": reason, "now": now}
    return await session.execute(_queries["lock_visits" if is_lock else "unlock_visits"], values)


async def months_of_visits(
    session: Session, actor: Actor, *, from_on: date, to_on: date, place_id: int | None
) -> list[MonthOfVisits]:
    is_bound = not actor.scope.is_everything and actor.role != "viewer"
    values = {
        "from_on": from_on,
        "to_on": to_on,
        "place_id": place_id,
        "school_ids": actor.scope.schools() if is_bound else [],
    }
    query = _queries["months_of_schools" if is_bound else "months_of_places"]
    return await session.fetch_all(query, values, into=MonthOfVisits)
