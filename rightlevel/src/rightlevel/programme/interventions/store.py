"""The only file that knows the columns of intervention, intervention_enrolment and intervention_change."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from typing import Any, Literal, cast

import msgspec

from flatwater.paging import Page, PageRequest, page_of
from flatwater.queries import load_queries
from flatwater.transaction import Session
from rightlevel.programme.errors import NotFound
from rightlevel.programme.ids import is_uuid
from rightlevel.programme.interventions.model import (
    Enrolment,
    EnrolmentChange,
    EnrolmentPast,
    EnrolmentWrite,
    Intervention,
    InterventionWrite,
)
from rightlevel.programme.permissions import Scope

_queries = load_queries(__package__ or "")


class ChildPlace(msgspec.Struct, frozen=True):
    """Where a child is."""

    student_id: str
    school_id: int
    class_id: int | None


async def page_of_interventions(session: Session, page: PageRequest, *, deleted: bool) -> Page[Intervention]:
    after = page.key(tuple[int])
    values = {
        "deleted": deleted,
        "intervention_id": None,
        "after_id": after[0] if after else None,
        "rows": page.rows_to_ask,
    }
    rows = await session.fetch_all(_queries["interventions"], values, into=Intervention)
    return page_of(rows, page, lambda row: (row.id,))


async def find_intervention(
    session: Session, intervention_id: int, *, lock: Literal["for_share", "for_update"] | None = None
) -> Intervention:
    """One programme, deleted or not. *Errors*: NotFound."""
    query = _queries["interventions"]
    values = {"intervention_id": intervention_id, "rows": 1, "deleted": None, "after_id": None}
    row = await session.fetch_one(query.plus(lock) if lock else query, values, into=Intervention)
    if row is None:
        raise NotFound
    return row


async def count_interventions(session: Session) -> int:
    return cast("int", await session.fetch_value(_queries["count_interventions"], {}))


def _columns(write: InterventionWrite) -> dict[str, Any]:
    fields = msgspec.structs.asdict(write)
    return {**fields, "name": " ".join(write.name.split()), "words": write.words.strip()}


async def insert_intervention(
    session: Session, write: InterventionWrite, person_id: int, now: datetime
) -> int:
    values = {**_columns(write), "person_id": person_id, "now": now}
    return cast("int", await session.fetch_value(_queries["insert_intervention"], values))


async def change_intervention(session: Session, intervention_id: int, write: InterventionWrite) -> int:
    values = {**_columns(write), "intervention_id": intervention_id}
    return await session.execute(_queries["change_intervention"], values)


async def delete_intervention(
    session: Session, intervention_id: int, person_id: int, reason: str, now: datetime
) -> int:
    values = {"intervention_id": intervention_id, "person_id": person_id, "reason": reason, "now": now}
    return await session.execute(_queries["delete_intervention"], values)


async def restore_intervention(session: Session, intervention_id: int) -> int:
    return await session.execute(_queries["restore_intervention"], {"intervention_id": intervention_id})


async def places_of(session: Session, student_ids: Sequence[str]) -> dict[str, ChildPlace]:
    rows = await session.fetch_all(_queries["children"], {"student_ids": list(student_ids)}, into=ChildPlace)
    return {row.student_id: row for row in rows}


async def insert_enrolment(
    session: Session,
    write: EnrolmentWrite,
    intervention_id: int,
    school_id: int,
    person_id: int,
    now: datetime,
) -> bool:
    values = {
        **msgspec.structs.asdict(write),
        "intervention_id": intervention_id,
        "school_id": school_id,
        "person_id": person_id,
        "now": now,
    }
    return await session.execute(_queries["insert_enrolment"], values) == 1


async def find_enrolment(
    session: Session, enrolment_id: str, *, for_update: bool = False
) -> Enrolment | None:
    if not is_uuid(enrolment_id):
        return None
    query = _queries["enrolments"]
    not_asked = ("intervention_id", "school_id", "student_id", "after_id", *HELD)
    values = dict.fromkeys(not_asked) | {"id": enrolment_id, "rows": 1}
    return await session.fetch_one(query.plus("for_update") if for_update else query, values, into=Enrolment)


HELD = ("held_schools", "held_subjects", "held_classes")


async def page_of_enrolments(
    session: Session,
    scope: Scope,
    page: PageRequest,
    *,
    intervention_id: int | None,
    school_id: int | None,
    student_id: str | None,
) -> Page[Enrolment]:
    after = page.key(tuple[str])
    held = None if scope.is_everything else scope.held
    values = {
        "id": None,
        "intervention_id": intervention_id,
        "school_id": school_id,
        "student_id": student_id,
        "held_schools": None if held is None else [each.school_id for each in held],
        "held_subjects": None if held is None else [each.subject for each in held],
        "held_classes": None if held is None else [each.class_id for each in held],
        "after_id": after[0] if after else None,
        "rows": page.rows_to_ask,
    }
    rows = await session.fetch_all(_queries["enrolments"], values, into=Enrolment)
    return page_of(rows, page, lambda row: (row.id,))


async def change_enrolment(
    session: Session, found: Enrolment, change: EnrolmentChange, person_id: int, now: datetime
) -> int:
    after = msgspec.structs.asdict(change)
    before = {name: getattr(found, name) for name in after}
    values = {
        **after,
        "words": change.words.strip(),
        "id": found.id,
        "person_id": person_id,
        "now": now,
        "before": msgspec.json.encode(before).decode(),
        "after": msgspec.json.encode(after).decode(),
    }
    return await session.execute(_queries["change_enrolment"], values)


async def page_of_changes(session: Session, enrolment_id: str, page: PageRequest) -> Page[EnrolmentPast]:
    after = page.key(tuple[int])
    values = {"id": enrolment_id, "after_id": after[0] if after else None, "rows": page.rows_to_ask}
    rows = await session.fetch_all(_queries["changes"], values, into=EnrolmentPast)
    return page_of(rows, page, lambda row: (row.id,))
