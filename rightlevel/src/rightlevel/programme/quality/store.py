"""The only file that knows the columns of data quality."""

from __future__ import annotations

from datetime import date
from typing import Any

import msgspec

from flatwater.paging import Page, PageRequest, page_of
from flatwater.queries import load_queries
from flatwater.transaction import Session
from rightlevel.programme.permissions import Actor
from rightlevel.programme.quality.model import (
    DROP,
    FASTEST_S,
    LOOKED_BACK_DAYS,
    AssessorTestsQuery,
    CountedDay,
    Look,
    LookedAtTest,
    QualityQuery,
)

_queries = load_queries(__package__ or "")


class _Day(msgspec.Struct, frozen=True):
    day: date | None


class _Test(msgspec.Struct, frozen=True):
    result_id: str
    student_id: str
    code: str
    name: str
    grade: int
    outcome: str
    level: str | None
    earlier_level: str | None
    method: str
    took_s: int | None
    fell: int | None
    is_without_baseline: bool
    has_possible_duplicate: bool
    round_id: int

    def looked_at(self) -> LookedAtTest:
        is_asked: dict[Look, bool] = {
            "drops": self.fell is not None and self.fell >= DROP,
            "too_fast": self.took_s is not None and self.took_s < FASTEST_S,
            "refusals": self.outcome == "refused",
            "without_baseline": self.is_without_baseline,
            "possible_duplicates": self.has_possible_duplicate,
        }
        kept = {name: getattr(self, name) for name in LookedAtTest.__struct_fields__ if name != "looks"}
        return LookedAtTest(**kept, looks=[look for look, is_so in is_asked.items() if is_so])


def _blind_to(actor: Actor) -> int | None:
    return actor.person_id if actor.role == "mentor" else None


def _looked_at(actor: Actor, asked: QualityQuery) -> dict[str, Any]:
    held = [each for each in actor.scope.held if each.class_id is None]
    return {
        "school_id": asked.school_id,
        "subject": asked.subject,
        "reached": sorted({each.school_id for each in held}),
        "held_schools": [each.school_id for each in held],
        "held_subjects": [each.subject for each in held],
    }


async def last_day_of_tests(session: Session, actor: Actor, asked: QualityQuery, until: date) -> date | None:
    query = _queries["last_day_of_tests"]
    if not actor.scope.is_everything:
        query = query.plus("in_scope")
    values = _looked_at(actor, asked) | {"until": until, "days": LOOKED_BACK_DAYS}
    found = await session.fetch_one(query, values, into=_Day)
    return found.day if found else None


async def page_of_assessors(
    session: Session, actor: Actor, asked: QualityQuery, on: date, page: PageRequest
) -> Page[CountedDay]:
    after = page.key(tuple[int, int, str])
    values = _looked_at(actor, asked) | {
        "on": on,
        "place_id": asked.place_id,
        "after_school": after and after[0],
        "after_assessor": after and after[1],
        "after_subject": after and after[2],
        "blind_to": _blind_to(actor),
        "rows": page.rows_to_ask,
    }
    query = _queries["assessors_of_day"]
    if not actor.scope.is_everything:
        query = query.plus("in_scope")
    rows = await session.fetch_all(query, values, into=CountedDay)
    return page_of(rows, page, lambda row: (row.school_id, row.assessor_id, row.subject))


async def page_of_tests(
    session: Session, actor: Actor, asked: AssessorTestsQuery, page: PageRequest
) -> Page[LookedAtTest]:
    after = page.key(tuple[str])
    values = msgspec.structs.asdict(asked) | {
        "blind_to": _blind_to(actor),
        "after_id": after and after[0],
        "rows": page.rows_to_ask,
    }
    rows = await session.fetch_all(_queries["tests_of_assessor"], values, into=_Test)
    found = page_of(rows, page, lambda row: (row.student_id,))
    return Page([each.looked_at() for each in found.items], found.next)
