"""The only file that knows the columns of photo_left, and what a reset takes out of the other rooms' tables."""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import Any, Final

import msgspec

from flatwater.queries import load_queries
from flatwater.transaction import Session
from rightlevel.programme.practice.model import PRACTICE_CHILDREN, SECTION, age_of, code_of
from rightlevel.programme.students import name_key

_queries = load_queries(__package__ or "")

STORING_FOR: Final = timedelta(hours=1)
"""Bytes of a photo that was being stored arrive within seconds; after an hour they are there or never come (as photos.actions has it)."""
BEFORE_VISITS: Final = (
    "empty_sessions",
    "empty_attendance",
    "empty_groups",
    "empty_members",
    "empty_checks",
    "empty_enrolments",
    "empty_enrolments_here",
)
VISITS: Final = (
    "empty_photos",
    "empty_photo_space",
    "empty_follow_ups",
    "empty_plan",
    "empty_visit_changes",
    "empty_visits",
)
AFTER_RESULTS: Final = (
    "empty_draws",
    "empty_erased_codes",
    "empty_approvals",
    "empty_told",
    "empty_round_settings",
    "empty_past",
    "empty_rolled",
    "empty_roll_overs",
    "part_merged",
)


class HeldSchool(msgspec.Struct, frozen=True):
    """A school that nothing is entered at until the transaction ends."""

    id: int
    code: str
    is_practice: bool


class _Id(msgspec.Struct, frozen=True):
    id: str


async def hold_school(session: Session, school_id: int) -> HeldSchool | None:
    return await session.fetch_one(_queries["hold_school"], {"school_id": school_id}, into=HeldSchool)


async def hold(session: Session, what: str, school_id: int, *, rows: int, **more: Any) -> list[str]:
    """The ids of the school's `children`, `visits` or `results`, held; one more than `rows` when there are too many."""
    values = {"school_id": school_id, "rows": rows + 1, **more}
    return [each.id for each in await session.fetch_all(_queries[f"hold_{what}"], values, into=_Id)]


async def empty_teaching(session: Session, school_id: int, children: list[str]) -> None:
    for name in BEFORE_VISITS:
        await session.execute(_queries[name], {"school_id": school_id, "children": children})


async def empty_visits(session: Session, school_id: int, visits: list[str], now: datetime) -> int:
    """How many photos' bytes are left to be taken out of the store."""
    values = {"school_id": school_id, "visits": visits}
    times = {"now": now, "later": now + STORING_FOR}
    photos = await session.execute(_queries["leave_photos"], values | times)
    for name in VISITS:
        await session.execute(_queries[name], values)
    return photos


async def empty_results(
    session: Session, school_id: int, children: list[str], results: list[str]
) -> tuple[int, int]:
    """How many results and children are gone."""
    await session.execute(_queries["empty_result_changes"], {"results": results})
    gone = await session.execute(_queries["empty_results"], {"results": results})
    values = {"school_id": school_id, "children": children}
    for name in AFTER_RESULTS:
        await session.execute(_queries[name], values)
    return gone, await session.execute(_queries["empty_children"], values)


async def put_class_back(
    session: Session, school_id: int, *, school_year_id: int, grade: int, person_id: int, now: datetime
) -> int:
    """How many children stand in the practice class."""
    values = {
        "school_id": school_id,
        "school_year_id": school_year_id,
        "grade": grade,
        "section": SECTION,
        "person_id": person_id,
        "now": now,
    }
    await session.execute(_queries["put_classes_away"], values)
    class_id = await session.fetch_value(_queries["practice_class"], values)
    numbers = range(1, len(PRACTICE_CHILDREN) + 1)
    children = {
        "class_id": class_id,
        "codes": [code_of(number) for number in numbers],
        "names": [each.name for each in PRACTICE_CHILDREN],
        "name_keys": [name_key(each.name) for each in PRACTICE_CHILDREN],
        "sexes": [each.sex for each in PRACTICE_CHILDREN],
        "ages": [age_of(number, grade) for number in numbers],
    }
    return await session.execute(_queries["enrol_practice_children"], values | children)
