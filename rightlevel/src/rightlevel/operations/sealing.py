"""Writes the snapshots of rounds that were frozen: a hundred schools a transaction, going on where it was when interrupted."""

from __future__ import annotations

import logging

from flatwater.clock import Clock
from flatwater.pool import Database
from flatwater.transaction import Session
from rightlevel.programme.rounds import rounds_to_seal, seal_round, seal_some_schools

log = logging.getLogger("rightlevel.operations")

BATCH_DEADLINE_S = 20.0
"""A batch takes a fifth of a second; this is for a machine that does much else."""
MAX_BATCHES = 10_000
"""A million schools, ten times what any country has."""


async def seal_rounds(database: Database, clock: Clock) -> list[int]:
    """The rounds sealed. Any number of processes may do it at once: each part is written once.

    *Cost*: nothing but one statement where no round waits.
    """
    sealed: list[int] = []
    for round_id in await database.run(rounds_to_seal, deadline_s=BATCH_DEADLINE_S, idempotent=True):
        if await _seal(database, clock, round_id):
            sealed.append(round_id)
            log.info("round %d is sealed", round_id)
    return sealed


async def _seal(database: Database, clock: Clock, round_id: int) -> bool:
    after_id = 0

    async def batch(session: Session) -> int:
        return await seal_some_schools(session, round_id, after_id=after_id)

    async def seal(session: Session) -> bool:
        return await seal_round(session, round_id, clock)

    for _ in range(MAX_BATCHES):
        last_id = await database.run(batch, deadline_s=BATCH_DEADLINE_S, idempotent=True)
        if last_id == 0:
            return await database.run(seal, deadline_s=BATCH_DEADLINE_S, idempotent=True)
        after_id = last_id
    log.error("round %d has more than %d00 schools, and is not sealed", round_id, MAX_BATCHES)
    return False
