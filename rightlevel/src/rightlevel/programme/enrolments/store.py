"""The only file that knows the columns of roll_over and roll_over_class, and what moves, consent and erasure write of a child."""

from __future__ import annotations

from datetime import date, datetime
from typing import Any, cast

import msgspec

from flatwater.paging import Page, PageRequest, page_of
from flatwater.queries import like_text, load_queries
from flatwater.transaction import Session
from rightlevel.programme.enrolments.model import (
    GRADES,
    ClassFate,
    MovingChild,
    OpenRound,
    RollOver,
    RollOverPlan,
    Transfer,
    YearName,
    next_grades,
)

_moves = load_queries(__package__ or "")
_roll_over = load_queries(__package__ or "", "roll_over.sql")
_erasure = load_queries(__package__ or "", "erasure.sql")


class Moved(msgspec.Struct, frozen=True):
    """How many children did what."""

    up: int
    stayed: int
    finished: int


class Standing(msgspec.Struct, frozen=True):
    """A roll-over that stands."""

    id: str
    school_id: int
    from_year_id: int
    to_year_id: int


class Identity(msgspec.Struct, frozen=True):
    """Who a record says a child is."""

    id: str
    code: str
    name: str
    merged_into: str | None
    is_erased: bool
    former: list[str]
    """Names and codes that it had before, from its history."""


async def transfer_row(
    session: Session, student_id: str, to: Transfer, *, year_id: int, code: str, now: datetime
) -> int:
    values = {
        "student_id": student_id,
        "version": to.version,
        "school_id": to.school_id,
        "school_year_id": year_id,
        "class_id": to.class_id,
        "grade": to.grade,
        "code": code,
        "now": now,
    }
    return await session.execute(_moves["transfer"], values)


async def codes_like(session: Session, school_id: int, code: str) -> set[str]:
    """The codes of a school that begin with this one, in small letters."""

    class Code(msgspec.Struct, frozen=True):
        code: str

    pattern = code.replace("\\", "\\\\").replace("%", "\\%").replace("_", "\\_") + "-%"
    values = {"school_id": school_id, "code": code, "pattern": pattern}
    return {row.code for row in await session.fetch_all(_moves["codes_like"], values, into=Code)}


async def give_consent_row(
    session: Session, student_id: str, *, version: int, contact: str, given_on: date, now: datetime
) -> int:
    values = {
        "student_id": student_id,
        "version": version,
        "contact": contact,
        "given_on": given_on,
        "now": now,
    }
    return await session.execute(_moves["give_consent"], values)


async def withdraw_consent_row(
    session: Session, student_id: str, *, version: int, withdrawn_on: date, now: datetime
) -> int:
    values = {"student_id": student_id, "version": version, "withdrawn_on": withdrawn_on, "now": now}
    return await session.execute(_moves["withdraw_consent"], values)


async def forget_answers(session: Session, student_ids: list[str], instead: str, *, narrow: bool) -> int:
    query = _moves["forget_answers"]
    values = {
        "instead": instead,
        "patterns": [f"%{each}%" for each in student_ids],
        "operation": f"%{student_ids[0]}%",
    }
    return await session.execute(query.plus("narrow") if narrow else query, values)


async def years(session: Session) -> list[YearName]:
    return await session.fetch_all(_roll_over["years"], {}, into=YearName)


async def current_year_id(session: Session) -> int:
    return cast("int", await session.fetch_value(_roll_over["current_year"], {}))


async def count_of_year(session: Session, school_id: int, year_id: int, *, hold: bool = False) -> int:
    query = _roll_over["hold_children" if hold else "children_of_year"]
    return cast("int", await session.fetch_value(query, {"school_id": school_id, "year_id": year_id}))


async def children_to_move(
    session: Session, school_id: int, year_id: int, *, rows: int, class_id: int | None, grade: int | None
) -> list[MovingChild]:
    query = _roll_over["children_to_move"]
    if class_id is not None:
        query = query.plus("by_class")
    elif grade is not None:
        query = query.plus("without_class", "by_grade")
    values = {"school_id": school_id, "year_id": year_id, "rows": rows, "class_id": class_id, "grade": grade}
    return await session.fetch_all(query, values, into=MovingChild)


def moving(
    school_id: int, from_year_id: int, to_year_id: int, repeaters: tuple[str, ...], grades: list[int]
) -> dict[str, Any]:
    """What the statements of a roll-over are given."""
    return {
        "school_id": school_id,
        "from_year_id": from_year_id,
        "to_year_id": to_year_id,
        "repeaters": list(repeaters),
        "grades": list(GRADES),
        "nexts": next_grades(grades),
    }


async def preview(session: Session, values: dict[str, Any]) -> list[ClassFate]:
    return await session.fetch_all(_roll_over["preview"], values, into=ClassFate)


async def open_rounds(session: Session, values: dict[str, Any]) -> list[OpenRound]:
    return await session.fetch_all(_roll_over["open_rounds"], values, into=OpenRound)


async def count_known(session: Session, school_id: int, year_id: int, ids: tuple[str, ...]) -> int:
    values = {"ids": list(ids), "school_id": school_id, "year_id": year_id}
    return cast("int", await session.fetch_value(_roll_over["known_children"], values))


async def insert_roll_over(
    session: Session, plan: RollOverPlan, values: dict[str, Any], *, person_id: int, now: datetime
) -> int:
    more = {"id": plan.id, "rolled_on": plan.rolled_on, "now": now, "person_id": person_id}
    return await session.execute(_roll_over["insert_roll_over"], values | more)


async def move_all(session: Session, plan: RollOverPlan, values: dict[str, Any], now: datetime) -> Moved:
    """Makes classes and moves children. *Cost*: four statements, whatever the number."""
    values = values | {"id": plan.id, "rolled_on": plan.rolled_on, "now": now}
    await session.execute(_roll_over["make_classes"], values)
    await session.fetch_value(_roll_over["say_roll_over"], values)
    moved = await session.fetch_one(_roll_over["move_children"], values, into=Moved)
    if moved is None:
        raise LookupError("move_children gave no row")
    await session.execute(_roll_over["finish_roll_over"], {"id": plan.id, **msgspec.structs.asdict(moved)})
    return moved


async def find_roll_over(
    session: Session, school_id: int, *, roll_over_id: str = "", from_year_id: int = 0
) -> RollOver | None:
    query = _roll_over["list_roll_overs"].plus("by_id" if roll_over_id else "left_year")
    values = {"school_id": school_id, "id": roll_over_id, "from_year_id": from_year_id, "rows": 1}
    return await session.fetch_one(query, values, into=RollOver)


async def page_of_roll_overs(session: Session, school_id: int, page: PageRequest) -> Page[RollOver]:
    after = page.key(tuple[str])
    query = _roll_over["list_roll_overs"]
    values = {"school_id": school_id, "after_id": after[0] if after else None, "rows": page.rows_to_ask}
    rows = await session.fetch_all(query.plus("after") if after else query, values, into=RollOver)
    return page_of(rows, page, lambda row: (row.id,))


async def school_of_roll_over(session: Session, roll_over_id: str) -> int | None:
    try:
        return cast("int", await session.fetch_value(_roll_over["school_of_roll_over"], {"id": roll_over_id}))
    except LookupError:
        return None


async def roll_over_to_undo(session: Session, roll_over_id: str) -> Standing | None:
    return await session.fetch_one(_roll_over["roll_over_to_undo"], {"id": roll_over_id}, into=Standing)


async def hold_rolled(session: Session, roll_over_id: str) -> int:
    return cast("int", await session.fetch_value(_roll_over["hold_rolled"], {"id": roll_over_id}))


async def count_deleted_classes(session: Session, roll_over_id: str) -> int:
    return cast("int", await session.fetch_value(_roll_over["deleted_classes"], {"id": roll_over_id}))


async def count_results_of_new_year(session: Session, standing: Standing) -> int:
    return cast(
        "int", await session.fetch_value(_roll_over["results_of_new_year"], msgspec.structs.asdict(standing))
    )


async def move_back(
    session: Session, standing: Standing, *, person_id: int, reason: str, now: datetime
) -> tuple[int, int]:
    """Takes children back and unused classes away; how many of each. *Cost*: four statements."""
    values = {**msgspec.structs.asdict(standing), "person_id": person_id, "reason": reason, "now": now}
    back = cast("int", await session.fetch_value(_roll_over["move_back"], values))
    await session.execute(_roll_over["forget_new_year"], values)
    removed = cast("int", await session.fetch_value(_roll_over["remove_classes"], values))
    await session.execute(_roll_over["mark_undone"], values)
    return back, removed


async def hold_identity(session: Session, student_id: str) -> list[Identity]:
    """The record and those that were merged into it, held."""
    return await session.fetch_all(_erasure["hold_identity"], {"student_id": student_id}, into=Identity)


ERASURES = (
    "erase_record_changes",
    "erase_past",
    "erase_results",
    "erase_result_changes",
    "erase_verifications",
    "erase_amendments",
    "erase_interventions",
    "erase_intervention_changes",
    "erase_merges",
    "erase_audit",
    "erase_audit_of_results",
    "erase_faults",
    "erase_left_rows",
    "erase_previews",
    "erase_before_imports",
    "erase_notes_before_imports",
)
"""Each place that may hold something of a child's identity, beside its own record and the receipts."""


async def erase(session: Session, identities: list[Identity], now: datetime) -> None:
    """Takes a child's identity out of every place that holds it. *Cost*: 16 statements; import faults and previews are read whole."""
    said = {text for each in identities for text in (each.code, each.name, *each.former)}
    values = {
        "ids": [each.id for each in identities],
        "codes": [each.lower().strip() for each in said],
        "names": [like_text(each).strip() for each in said],
        "now": now,
    }
    await session.execute(_erasure["keep_digests"], values)
    await session.execute(_erasure["erase_students"], values)
    for name in ERASURES:
        await session.execute(_erasure[name], values)
