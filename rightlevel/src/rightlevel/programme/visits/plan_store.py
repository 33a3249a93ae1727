"""The only file that knows the columns of planned_visit, and the ranking of next week."""

from __future__ import annotations

from datetime import date, datetime, timedelta
from typing import Any

import msgspec

from flatwater.paging import Page, PageRequest, page_of
from flatwater.queries import load_queries
from flatwater.transaction import Session
from rightlevel.programme.errors import NotFound
from rightlevel.programme.permissions import Actor
from rightlevel.programme.visits.model import FULFIL_DAYS, PlannedVisit
from rightlevel.programme.visits.next_week import DueSchool, WeekRules
from rightlevel.programme.visits.store import HeldVisit, scope_values

_queries = load_queries(__package__ or "", "planning.sql")

MOST_SCHOOLS = 1_000
"""A mentor has some ten schools; past a thousand nobody's week is ranked."""
MOST_RANKED = 50
LEAST_COUNTED = 10
"""*Source*: product page, section 4: figures of fewer than ten say nothing."""


class ToDo(msgspec.Struct, frozen=True):
    """What waits for a mentor."""

    overdue: int
    drafts: int
    follow_ups: int


async def insert_planned(session: Session, values: dict[str, Any]) -> bool:
    return await session.execute(_queries["insert_planned"], values) == 1


async def may_go(session: Session, *, mentor_id: int, school_id: int, subject: str, planned_on: date) -> bool:
    """Whether somebody may be planned to visit a school for a subject."""
    values = {"mentor_id": mentor_id, "school_id": school_id, "subject": subject, "planned_on": planned_on}
    return bool(await session.fetch_value(_queries["read_mentor"], values))


async def find_planned(session: Session, planned_id: str, *, is_held: bool = False) -> PlannedVisit:
    """One planned visit. *Errors*: NotFound."""
    query = _queries["read_planned"]
    found = await session.fetch_one(
        query.plus("for_update") if is_held else query, {"planned_id": planned_id}, into=PlannedVisit
    )
    if found is None:
        raise NotFound
    return found


async def move_planned(
    session: Session, planned_id: str, version: int, planned_on: date, now: datetime
) -> bool:
    values = {"id": planned_id, "version": version, "planned_on": planned_on, "now": now}
    return await session.execute(_queries["move_planned"], values) == 1


async def cancel_planned(session: Session, planned_id: str, version: int, reason: str, now: datetime) -> bool:
    values = {"id": planned_id, "version": version, "reason": reason, "now": now}
    return await session.execute(_queries["cancel_planned"], values) == 1


async def fulfil_planned(session: Session, visit: HeldVisit, now: datetime) -> int:
    """How many planned visits a submitted one fulfils."""
    values = {
        "visit_id": visit.id,
        "mentor_id": visit.mentor_id,
        "school_id": visit.school_id,
        "subject": visit.subject,
        "until_on": visit.visited_on + timedelta(days=FULFIL_DAYS),
        "now": now,
    }
    return await session.execute(_queries["fulfil_planned"], values)


async def plan_again(session: Session, visit_id: str, now: datetime) -> int:
    return await session.execute(_queries["plan_again"], {"visit_id": visit_id, "now": now})


async def page_of_planned(
    session: Session,
    actor: Actor,
    page: PageRequest,
    *,
    today: date,
    which: str,
    mentor_id: int | None,
    school_id: int | None,
    from_on: date | None = None,
) -> Page[PlannedVisit]:
    after = page.key(tuple[date, str])
    values = {
        **scope_values(actor),
        "scope_schools": None if actor.scope.is_everything else actor.scope.schools(),
        "which": which,
        "today": today,
        "mentor_id": mentor_id,
        "school_id": school_id,
        "from_on": from_on,
        "after_on": after[0] if after else None,
        "after_id": after[1] if after else None,
        "rows": page.rows_to_ask,
    }
    rows = await session.fetch_all(_queries["list_planned"], values, into=PlannedVisit)
    return page_of(rows, page, lambda row: (row.planned_on, row.id))


async def planned_of_mentor(
    session: Session, mentor_id: int, *, from_on: date, rows: int
) -> list[PlannedVisit]:
    """Everything planned for a mentor from a day on, cancelled and done too. *Cost*: one statement."""
    not_asked = ("scope_schools", "held_schools", "held_subjects", "person_id", "school_id", "which", "today")
    values: dict[str, Any] = dict.fromkeys((*not_asked, "after_on", "after_id"))
    values |= {"mentor_id": mentor_id, "from_on": from_on, "rows": rows}
    return await session.fetch_all(_queries["list_planned"], values, into=PlannedVisit)


async def count_to_do(session: Session, actor: Actor, today: date) -> ToDo:
    found = await session.fetch_one(
        _queries["count_to_do"],
        {**scope_values(actor), "is_everything": actor.scope.is_everything, "today": today},
        into=ToDo,
    )
    return found or ToDo(0, 0, 0)


async def read_rules(session: Session) -> WeekRules:
    """How next week is ranked, as it was set; else as it comes."""
    kept = await session.fetch_value(_queries["read_rules"], {})
    return WeekRules() if kept is None else msgspec.json.decode(kept, type=WeekRules)


async def keep_rules(session: Session, rules: WeekRules) -> None:
    await session.execute(_queries["keep_rules"], {"rules": msgspec.json.encode(rules).decode()})


async def rank_schools(session: Session, mentor_id: int, rules: WeekRules, today: date) -> list[DueSchool]:
    """A mentor's schools, the most called-for first; at most 50. *Cost*: one statement."""
    values = {
        **msgspec.structs.asdict(rules),
        "mentor_id": mentor_id,
        "today": today,
        "least": LEAST_COUNTED,
        "most_schools": MOST_SCHOOLS,
        "rows": MOST_RANKED,
    }
    return await session.fetch_all(_queries["next_week"], values, into=DueSchool)
