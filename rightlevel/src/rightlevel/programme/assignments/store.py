"""The only file that knows the columns of assignment."""

from __future__ import annotations

from datetime import date, datetime
from typing import Any, cast

import msgspec

from flatwater.paging import Page, PageRequest, page_of
from flatwater.queries import load_queries
from flatwater.transaction import Session
from rightlevel.programme.assignments.model import Assignment, SchoolWithout
from rightlevel.programme.errors import NotFound

_queries = load_queries(__package__ or "")


class _SchoolId(msgspec.Struct, frozen=True):
    school_id: int


async def page_of_assignments(
    session: Session,
    page: PageRequest,
    *,
    person_id: int | None,
    school_id: int | None,
    state: str | None,
    today: date,
) -> Page[Assignment]:
    after = page.key(tuple[int])
    values = {
        "state": state,
        "today": today,
        "person_id": person_id,
        "school_id": school_id,
        "after_id": after[0] if after else None,
        "rows": page.rows_to_ask,
    }
    rows = await session.fetch_all(_queries["list_assignments"], values, into=Assignment)
    return page_of(rows, page, lambda row: (row.id,))


async def find_assignment(session: Session, assignment_id: int, today: date) -> Assignment:
    """One assignment as it stands on a day. *Errors*: NotFound."""
    row = await session.fetch_one(
        _queries["read_assignment"], {"assignment_id": assignment_id, "today": today}, into=Assignment
    )
    if row is None:
        raise NotFound
    return row


async def insert_assignment(session: Session, values: dict[str, Any]) -> int:
    return cast("int", await session.fetch_value(_queries["insert_assignment"], values))


async def end_assignment_row(session: Session, assignment_id: int, now: datetime) -> int:
    return await session.execute(_queries["end_assignment"], {"assignment_id": assignment_id, "now": now})


async def change_last_day_row(session: Session, assignment_id: int, to_on: date | None) -> int:
    return await session.execute(
        _queries["change_last_day"], {"assignment_id": assignment_id, "to_on": to_on}
    )


async def schools_ever_held(session: Session, person_id: int, *, subject: str | None) -> list[int]:
    query = _queries["schools_ever_held"]
    values = {"person_id": person_id, "subject": subject}
    return [
        row.school_id
        for row in await session.fetch_all(
            query.plus(*(["by_subject"] if subject else [])), values, into=_SchoolId
        )
    ]


class Ended(msgspec.Struct, frozen=True):
    """An assignment that was ended, and whose it was."""

    id: int
    person_id: int


async def end_assignment_rows(session: Session, assignment_ids: list[int], now: datetime) -> list[Ended]:
    values = {"assignment_ids": assignment_ids, "now": now}
    return await session.fetch_all(_queries["end_assignments"], values, into=Ended)


async def page_of_schools_without(
    session: Session, page: PageRequest, *, role: str, subject: str, place_id: int | None, today: date
) -> Page[SchoolWithout]:
    after = page.key(tuple[int])
    values = {
        "role": role,
        "subject": subject,
        "place_id": place_id,
        "today": today,
        "after_id": after[0] if after else None,
        "rows": page.rows_to_ask,
    }
    rows = await session.fetch_all(_queries["schools_without"], values, into=SchoolWithout)
    return page_of(rows, page, lambda row: (row.school_id,))
