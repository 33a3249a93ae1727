"""The only file that knows the columns of teaching_session and attendance."""

from __future__ import annotations

from datetime import datetime
from typing import Any, cast

import msgspec

from flatwater.paging import Page, PageRequest, page_of
from flatwater.queries import load_queries
from flatwater.transaction import Session
from rightlevel.programme.errors import NotFound
from rightlevel.programme.groups import GroupRow
from rightlevel.programme.groups.store import within
from rightlevel.programme.ids import is_uuid
from rightlevel.programme.permissions import Actor, Subject
from rightlevel.programme.teaching.model import (
    MAX_MARKS,
    ChildDose,
    GroupDose,
    Mark,
    SchoolDose,
    SessionRow,
    SessionWrite,
    SheetMark,
)

_queries = load_queries(__package__ or "")
MANY_GROUPS = 500


async def days_back(session: Session) -> int:
    return cast("int", await session.fetch_value(_queries["days_back"], {}))


def _values(write: SessionWrite, group: GroupRow, person_id: int, now: datetime) -> dict[str, Any]:
    return {
        "id": write.id,
        "group_id": group.id,
        "school_id": group.school_id,
        "subject": group.subject,
        "held_on": write.held_on,
        "minutes": write.minutes,
        "activity": write.activity.strip(),
        "resource_id": write.resource_id,
        "version": write.version,
        "person_id": person_id,
        "now": now,
    }


async def insert_session(
    session: Session, write: SessionWrite, group: GroupRow, person_id: int, now: datetime
) -> bool:
    values = _values(write, group, person_id, now)
    return await session.execute(_queries["insert_session"], values) == 1


async def change_session(
    session: Session, session_id: str, write: SessionWrite, group: GroupRow, person_id: int, now: datetime
) -> bool:
    values = {**_values(write, group, person_id, now), "session_id": session_id}
    return await session.execute(_queries["change_session"], values) == 1


async def sessions_like(session: Session, write: SessionWrite, *, for_update: bool) -> list[SessionRow]:
    """Those that a write could mean: of its id, or of its group and day; held until this transaction ends if told."""
    query = _queries["sessions_like"].plus(*(["for_update"] if for_update else []))
    values = {"id": write.id, "group_id": write.group_id, "held_on": write.held_on}
    return await session.fetch_all(query, values, into=SessionRow)


async def find_session(session: Session, session_id: str) -> SessionRow:
    """One session. *Errors*: NotFound."""
    if not is_uuid(session_id):
        raise NotFound
    row = await session.fetch_one(_queries["read_session"], {"session_id": session_id}, into=SessionRow)
    if row is None:
        raise NotFound
    return row


async def page_of_sessions(
    session: Session, page: PageRequest, *, school_id: int, subject: str, group_id: int | None
) -> Page[SessionRow]:
    after = page.key(tuple[str])
    values = {
        "school_id": school_id,
        "subject": subject,
        "group_id": group_id,
        "after_id": after[0] if after else None,
        "rows": page.rows_to_ask,
    }
    rows = await session.fetch_all(_queries["sessions"], values, into=SessionRow)
    return page_of(rows, page, lambda row: (row.id,))


async def write_marks(
    session: Session, session_id: str, marks: list[Mark], children: int, *, is_new: bool
) -> None:
    """Keeps the attendance and counts it. *Cost*: two statements."""
    values = {
        "session_id": session_id,
        "student_ids": [mark.student_id for mark in marks],
        "presences": [mark.presence for mark in marks],
        "children": children,
        "keeps": 0 if is_new else 1,
    }
    await session.execute(_queries["write_marks"], values)
    await session.execute(_queries["count_marks"], values)


async def marks_of(session: Session, actor: Actor, row: SessionRow) -> list[SheetMark]:
    values = within(actor, row.subject) | {"session_id": row.id, "rows": 5 * MAX_MARKS}
    return await session.fetch_all(_queries["marks"], values, into=SheetMark)


async def dose_of_children(
    session: Session, actor: Actor, group: GroupRow, page: PageRequest, *, school_year_id: int | None
) -> Page[ChildDose]:
    after = page.key(tuple[str])
    values = within(actor, group.subject) | {
        "school_year_id": school_year_id,
        "group_id": group.id,
        "person_id": actor.person_id,
        "is_verifier": actor.role == "mentor",
        "after_id": after[0] if after else None,
        "rows": page.rows_to_ask,
    }
    rows = await session.fetch_all(_queries["dose_of_children"], values, into=ChildDose)
    return page_of(rows, page, lambda row: (row.student_id,))


async def dose_of_groups(
    session: Session, school_id: int, subject: str, *, school_year_id: int | None
) -> list[GroupDose]:
    values = {
        "school_id": school_id,
        "subject": subject,
        "rows": MANY_GROUPS,
        "school_year_id": school_year_id,
    }
    return await session.fetch_all(_queries["dose_of_groups"], values, into=GroupDose)


async def dose_of_schools(
    session: Session, actor: Actor, subject: str, page: PageRequest, *, school_year_id: int | None
) -> Page[SchoolDose]:
    after = page.key(tuple[int])
    scope = actor.scope
    values = {
        "subject": subject,
        "school_year_id": school_year_id,
        "scope_schools": None if scope.is_everything else scope.schools(cast("Subject", subject)),
        "after_id": after[0] if after else None,
        "rows": page.rows_to_ask,
    }
    rows = await session.fetch_all(_queries["dose_of_schools"], values, into=SchoolDose)
    return page_of(rows, page, lambda row: (row.school_id,))


def as_shown(row: SessionRow) -> dict[str, Any]:
    """A session as audit rows and stale answers show it."""
    return cast("dict[str, Any]", msgspec.to_builtins(row))
