"""Re-tests that are not done when a round is frozen: told beforehand, and settled with it."""

from __future__ import annotations

from datetime import datetime

import msgspec

from flatwater.queries import load_queries
from flatwater.transaction import Session
from rightlevel.programme.errors import Conflict, NotFound
from rightlevel.programme.permissions import Actor, require
from rightlevel.programme.rounds import store

_queries = load_queries(__package__ or "", "open_retests.sql")


class OpenRetests(msgspec.Struct, frozen=True):
    """How many re-tests of a round wait to be done, differ and are to be decided, or lie with their teacher."""

    waiting: int
    differ: int
    returned: int

    @property
    def are_any(self) -> bool:
        return bool(self.waiting or self.differ or self.returned)


class RetestsOpen(Conflict):
    """Re-tests of this round are not settled: {waiting} wait to be done, {differ} differ and are to be decided, {returned} are with their teacher. Settle them first, or say that the round is frozen with them."""

    code = "retests_open"


async def read_open_retests(session: Session, actor: Actor, round_id: int) -> OpenRetests:
    """How many re-tests are open in a round. *Errors*: Forbidden, NotFound. *Cost*: two statements."""
    require(actor, "freeze", "round")
    if (await store.find_round(session, round_id)).is_deleted:
        raise NotFound
    return await _count(session, round_id)


async def settle_open_retests(
    session: Session, round_id: int, now: datetime, *, is_confirmed: bool
) -> OpenRetests:
    """What a round that is being frozen leaves open, confirmed: nobody waits for a re-test any more; what differs is left to be decided.

    *Errors*: RetestsOpen when there are some and nobody said so.
    """
    found = await _count(session, round_id)
    if found.are_any:
        if not is_confirmed:
            raise RetestsOpen(**msgspec.to_builtins(found))
        await session.execute(_queries["end_waiting"], {"round_id": round_id, "now": now})
        await session.execute(_queries["take_back_returned"], {"round_id": round_id})
    return found


async def _count(session: Session, round_id: int) -> OpenRetests:
    found = await session.fetch_one(_queries["count_open"], {"round_id": round_id}, into=OpenRetests)
    return found or OpenRetests(0, 0, 0)
