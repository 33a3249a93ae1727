"""Schools whose results of a round are complete: of every child that sits there, something is known in both subjects.

No single deed makes a school complete (a result does, a child that leaves, a transfer, an import), and asking at each would cost every tap a
statement. So one host looks again and again, by the counts that are kept anyway, and tells each school once.
"""

from __future__ import annotations

from datetime import datetime
from typing import Final

import msgspec

from flatwater.transaction import Session
from rightlevel.programme.webhooks import store
from rightlevel.programme.webhooks.actions import tell_of_many
from rightlevel.programme.webhooks.model import WebhookEvent

SCHOOLS: Final = 500
"""Looked at in one transaction."""
_EVENT: Final[WebhookEvent] = "school.complete"


class Looked(msgspec.Struct, frozen=True):
    """How far the schools were looked at, and how many were told."""

    last_id: int
    schools: int
    told: int


async def rounds_to_look_at(session: Session) -> list[store.OpenRound]:
    """The open rounds, where anybody asked to be told of complete schools; what was told of others is forgotten. *Cost*: one to three statements."""
    if not await store.listens_for(session, _EVENT):
        return []
    await store.forget_told(session)
    return await store.open_rounds(session)


async def tell_complete_schools(
    session: Session, round_: store.OpenRound, *, after_id: int, now: datetime
) -> Looked:
    """Tells of the next schools which became complete since the last look. *Cost*: one statement where nothing changed, three at most."""
    rows = await store.standing_of_schools(session, round_.id, after_id=after_id, schools=SCHOOLS)
    undone = [each.id for each in rows if each.is_told and not each.is_complete]
    if undone:
        await store.forget_incomplete(session, round_.id, undone)
    done = {each.id: each for each in rows if each.is_complete and not each.is_told}
    # Of two hosts that look at once, each school is one's.
    told = await store.keep_told(session, round_.id, sorted(done), now) if done else set[int]()
    if told:
        about: list[dict[str, object]] = [
            {
                "round": {"id": round_.id, "year": round_.year_name, "kind": round_.kind},
                "school": {"id": each.id, "code": each.code},
                "enrolled": each.enrolled,
            }
            for each in done.values()
            if each.id in told
        ]
        await tell_of_many(session, _EVENT, about, now)
    return Looked(rows[-1].id if rows else after_id, len(rows), len(told))
