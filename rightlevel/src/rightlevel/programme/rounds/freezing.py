"""Freezing: a closed round is kept as it was, for ever; afterwards it is amended, with a reason, and the snapshot still comes out of it.

Freezing takes two steps. The round becomes `frozen` in one short transaction, and from then on nothing in it changes. Its snapshot is then
written a hundred schools at a time, each batch its own transaction, so that a country's does not hold anybody up; what is interrupted goes on
where it was. Sealed, the round has one hash; only then it may be amended.
"""

from __future__ import annotations

import msgspec

from flatwater.clock import Clock
from flatwater.paging import Page, PageRequest
from flatwater.transaction import Session
from rightlevel.programme.permissions import Actor, require, sees_small_cells
from rightlevel.programme.rounds import store
from rightlevel.programme.rounds.model import Amendment, Snapshot, SnapshotCheck

SCHOOLS_PER_BATCH = 100
"""About 25,000 results: a fifth of a second."""
MAX_BATCHES = 10_000
MAX_DIFFERING = 100


async def amending(session: Session, actor: Actor, reason: str) -> None:
    """Says why results of a frozen round change in the rest of this transaction; without it the database refuses. *Cost*: one statement."""
    await store.amend(session, reason, actor.person_id)


async def read_snapshot(session: Session, actor: Actor, round_id: int) -> Snapshot:
    """A frozen round's snapshot. *Errors*: NotFound for a round that isn't frozen."""
    require(actor, "read", "round")
    found = await store.find_snapshot(session, round_id)
    return found if sees_small_cells(actor) else msgspec.structs.replace(found, results=None)


async def read_snapshot_part(session: Session, actor: Actor, round_id: int, school_id: int) -> str:
    """One school's results as they were frozen, a line each. *Errors*: NotFound."""
    require(actor, "freeze", "round")
    return await store.snapshot_part(session, round_id, school_id)


async def list_amendments(
    session: Session, actor: Actor, round_id: int, page: PageRequest, *, school_id: int | None = None
) -> Page[Amendment]:
    """What was changed in a frozen round, the newest first. *Cost*: one statement."""
    require(actor, "freeze", "round")
    return await store.page_of_amendments(session, round_id, page, school_id=school_id)


async def rounds_to_seal(session: Session) -> list[int]:
    """Frozen rounds whose snapshot is not whole yet."""
    return await store.rounds_to_seal(session)


async def seal_some_schools(session: Session, round_id: int, *, after_id: int) -> int:
    """Writes the parts of the next hundred schools; the last one's id, 0 after the last. Whoever else writes them writes the same."""
    return (
        await store.seal_some_schools(session, round_id, after_id=after_id, schools=SCHOOLS_PER_BATCH)
    ).last_id


async def seal_round(session: Session, round_id: int, clock: Clock) -> bool:
    """Gives a round whose parts are all there its hash; whether it had none."""
    return bool(await store.seal_round(session, round_id, clock.now()))


async def check_snapshot(session: Session, round_id: int) -> SnapshotCheck:
    """Whether a snapshot is whole, and comes out of the live rows and their amendments bit for bit. *Errors*: NotFound.

    *Cost*: reads the whole round, a hundred schools at a time.
    """
    snapshot = await store.find_snapshot(session, round_id)
    is_intact = await store.is_hash_intact(session, round_id)
    differing: list[int] = []
    is_rebuilt, after_id = True, 0
    for _ in range(MAX_BATCHES):
        parts = await store.check_some_parts(session, round_id, after_id=after_id, schools=SCHOOLS_PER_BATCH)
        if not parts:
            break
        after_id = parts[-1].school_id
        is_intact = is_intact and all(part.is_intact for part in parts)
        bad = [part.school_id for part in parts if not (part.is_intact and part.is_rebuilt)]
        is_rebuilt = is_rebuilt and not bad
        differing += bad[: MAX_DIFFERING - len(differing)]
    return SnapshotCheck(round_id, snapshot.parts, is_intact, is_rebuilt, differing)


async def check_snapshot_of(session: Session, actor: Actor, round_id: int) -> SnapshotCheck:
    """`check_snapshot` for somebody who may. *Errors*: Forbidden, NotFound."""
    require(actor, "freeze", "round")
    return await check_snapshot(session, round_id)
