"""The only file that knows the columns of student and past_enrolment."""

from __future__ import annotations

from datetime import date, datetime
from typing import Any, cast

import msgspec

from flatwater.paging import Page, PageRequest, page_of
from flatwater.queries import like_text, load_queries
from flatwater.transaction import Session
from rightlevel.programme.codes import code_form
from rightlevel.programme.errors import NotFound
from rightlevel.programme.ids import is_uuid
from rightlevel.programme.permissions import Scope
from rightlevel.programme.students.model import (
    GRADES_THERE,
    SEXES,
    STATUSES,
    PastEnrolment,
    RecordChange,
    Standing,
    Student,
    StudentRow,
    StudentSearch,
    YearStanding,
    name_key,
)

_queries = load_queries(__package__ or "")
_list = _queries["list_students"]
LAST_LETTER = "\U0010ffff"
"""Comes after whatever a name may go on with."""
COUNTED_UP_TO = 10_000
"""A filtered list is counted exactly up to here; an unfiltered one is counted exactly from the kept counts."""


def _asked(asked: StudentSearch, scope: Scope) -> tuple[list[str], dict[str, Any]]:
    parts = ["deleted" if asked.deleted else "live"]
    parts += [f"by_{name}" for name in ("grade", "sex", "search") if getattr(asked, name) not in (None, "")]
    parts += [asked.status] if asked.status else []
    parts += ["by_school"] if asked.school_id is not None else []
    parts += ["by_class"] if asked.class_id is not None else []
    parts += [] if scope.is_everything else ["in_scope"]
    text = asked.search or ""
    key = name_key(text)
    values = {
        "school_id": asked.school_id,
        "class_id": asked.class_id,
        "grade": asked.grade,
        "sex": asked.sex,
        "status": asked.status,
        "search": f"{like_text(key)}%",
        "first": key,
        "last": key + LAST_LETTER,
        "code": code_form(text),
        "scope_schools": scope.whole_schools(),
        "scope_classes": scope.classes(),
    }
    return parts, values


def _is_choice_of_all(asked: StudentSearch, scope: Scope) -> bool:
    """Whether some of all children are asked for, and not those of some schools."""
    is_of_all = asked.school_id is None and asked.class_id is None and scope.is_everything
    return is_of_all and asked != StudentSearch()


def _found(asked: StudentSearch, *, after: bool = False) -> tuple[list[str], dict[str, Any]]:
    """The parts and values with which a choice of all children is found: every kind of child that may be meant."""
    parts = ["deleted" if asked.deleted else "live"]
    parts += ["by_search"] if asked.search else []
    parts += ["after"] if after else []
    kinds = {
        "grades": list(GRADES_THERE) if asked.grade is None else [asked.grade],
        "sexes": list(SEXES) if asked.sex is None else [asked.sex],
        "statuses": list(STATUSES) if asked.status is None else [asked.status],
    }
    return parts, kinds


async def page_of_students(
    session: Session, page: PageRequest, asked: StudentSearch, scope: Scope
) -> Page[StudentRow]:
    parts, values = _asked(asked, scope)
    after = page.key(tuple[str])
    values |= {"after_id": after[0] if after else None, "rows": page.rows_to_ask}
    if _is_choice_of_all(asked, scope):
        parts, kinds = _found(asked, after=after is not None)
        query = _queries["find_students"].plus(*parts)
        values |= kinds
    else:
        parts += ["of_all"] if scope.is_everything else []
        query = _list.plus(*parts, *(["after"] if after else []))
    rows = await session.fetch_all(query, values, into=StudentRow)
    return page_of(rows, page, lambda row: (row.id,))


async def count_students(session: Session, asked: StudentSearch, scope: Scope) -> int:
    parts, values = _asked(asked, scope)
    if _is_choice_of_all(asked, scope):
        parts, kinds = _found(asked)
        query = _queries["count_found_students"].plus(*parts)
        values |= kinds
    else:
        query = _queries["count_students"].plus(*parts)
    return cast("int", await session.fetch_value(query, {**values, "bound": COUNTED_UP_TO + 1}))


async def count_active(session: Session) -> int:
    return cast("int", await session.fetch_value(_queries["count_active"], {}))


async def children_by_year(session: Session, scope: Scope, *, school_id: int | None) -> list[YearStanding]:
    held = None if scope.is_everything else [each.school_id for each in scope.held]
    values = {"school_id": school_id, "scope_schools": held}
    return await session.fetch_all(_queries["children_by_year"], values, into=YearStanding)


async def find_student(session: Session, student_id: str, *, for_update: bool = False) -> Student:
    """One child, deleted or not. *Errors*: NotFound."""
    if not is_uuid(student_id):
        raise NotFound
    query = _queries["read_student"]
    row = await session.fetch_one(
        query.plus("for_update") if for_update else query, {"student_id": student_id}, into=Student
    )
    if row is None:
        raise NotFound
    return row


async def find_kept(session: Session, student_id: str) -> Student:
    """The child whose record this one went into, through as many merges as there were. *Errors*: NotFound."""
    kept = await session.fetch_value(_queries["kept_student"], {"student_id": student_id})
    return await find_student(session, str(kept))


async def insert_student(session: Session, columns: dict[str, Any]) -> str | None:
    """The id of the new child; None when that id was there already."""
    try:
        return cast("str", await session.fetch_value(_queries["insert_student"], columns))
    except LookupError:
        return None


async def change_student_row(
    session: Session, student_id: str, version: int, columns: dict[str, Any], now: datetime
) -> int:
    return await session.execute(
        _queries["change_student"], {**columns, "student_id": student_id, "version": version, "now": now}
    )


async def set_status(
    session: Session,
    student_id: str,
    version: int,
    *,
    status: str,
    left_on: date | None,
    reason: str | None,
    now: datetime,
) -> int:
    values = {
        "student_id": student_id,
        "version": version,
        "status": status,
        "left_on": left_on,
        "reason": reason,
        "now": now,
    }
    return await session.execute(_queries["set_status"], values)


async def tell_today(session: Session, day: date) -> None:
    """Tells the triggers that write down where children stood which day it is in the programme."""
    await session.fetch_value(_queries["tell_today"], {"day": day})


async def say_stint(session: Session, *, until_on: date, reason: str, words: str = "") -> None:
    """Says of the next change of where a child stands, in this transaction, that it is a move and no correction."""
    values = {"until_on": until_on, "reason": reason, "words": words}
    await session.fetch_value(_queries["say_stint"], values)


async def page_of_past_enrolments(
    session: Session, student_id: str, page: PageRequest
) -> Page[PastEnrolment]:
    after = page.key(tuple[int])
    values = {"student_id": student_id, "after_id": after[0] if after else None, "rows": page.rows_to_ask}
    rows = await session.fetch_all(_queries["list_past_enrolments"], values, into=PastEnrolment)
    return page_of(rows, page, lambda row: (row.id,))


async def count_settled_results(session: Session, student_id: str) -> int:
    return cast("int", await session.fetch_value(_queries["settled_results"], {"student_id": student_id}))


async def delete_student_row(
    session: Session, student_id: str, *, by: int, reason: str, now: datetime
) -> int:
    values = {"student_id": student_id, "by": by, "reason": reason, "now": now}
    return await session.execute(_queries["delete_student"], values)


async def restore_student_row(session: Session, student_id: str) -> int:
    return await session.execute(_queries["restore_student"], {"student_id": student_id})


async def standing_faults(
    session: Session, to: Standing, from_school_id: int | None, *, hold: bool
) -> list[str]:
    """Codes of what speaks against it; with `hold` what it rests on is held until the transaction ends. *Cost*: one or two statements."""
    values = {
        "school_ids": [to.school_id, from_school_id or to.school_id],
        "school_id": to.school_id,
        "grade": to.grade,
        "school_year_id": to.school_year_id,
        "class_id": to.class_id,
        "from_school_id": from_school_id,
    }
    if hold:
        await session.fetch_value(_queries["hold_standing"], values)
    return cast("list[str]", await session.fetch_value(_queries["standing_faults"], values))


async def has_results_of_year(session: Session, student_id: str, year_id: int) -> bool:
    values = {"student_id": student_id, "school_year_id": year_id}
    return bool(await session.fetch_value(_queries["results_of_year"], values))


async def say_why(session: Session, *, person_id: int | None, deed: str, reason: str) -> None:
    values = {"person_id": "" if person_id is None else str(person_id), "deed": deed, "reason": reason}
    await session.execute(_queries["say_why"], values)


async def page_of_record_changes(session: Session, student_id: str, page: PageRequest) -> Page[RecordChange]:
    after = page.key(tuple[int])
    values = {"student_id": student_id, "after_id": after[0] if after else None, "rows": page.rows_to_ask}
    rows = await session.fetch_all(_queries["list_record_changes"], values, into=RecordChange)
    return page_of(rows, page, lambda row: (row.id,))


class UsualCodes(msgspec.Struct, frozen=True):
    """What most codes of a school begin with, the largest number behind it, and how many digits that has."""

    prefix: str
    most: int
    digits: int


async def usual_codes(session: Session, school_id: int) -> UsualCodes | None:
    return await session.fetch_one(_queries["usual_codes"], {"school_id": school_id}, into=UsualCodes)
