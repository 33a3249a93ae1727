"""Reads what waits."""

from __future__ import annotations

from datetime import date, datetime

from flatwater.queries import load_queries
from flatwater.transaction import Session
from rightlevel.programme.permissions import Actor
from rightlevel.programme.today.model import MOST_COUNTED, GroupToTeach, Waiting

_queries = load_queries(__package__ or "")


async def groups_to_teach(session: Session, actor: Actor, today: date) -> list[GroupToTeach]:
    held = actor.scope.held
    values = {
        "held_schools": [each.school_id for each in held],
        "held_subjects": [each.subject for each in held],
        "person_id": actor.person_id,
        "today": today,
        "rows": MOST_COUNTED + 1,
    }
    return await session.fetch_all(_queries["groups_to_teach"], values, into=GroupToTeach)


async def waiting_of_leaders(
    session: Session, *, round_id: int | None, today: date, now: datetime
) -> Waiting:
    values = {"round_id": round_id, "today": today, "now": now, "rows": MOST_COUNTED + 1}
    found = await session.fetch_one(_queries["waiting_of_leaders"], values, into=Waiting)
    return found or Waiting(0, 0, 0)
