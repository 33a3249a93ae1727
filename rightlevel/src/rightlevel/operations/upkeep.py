"""What a running platform does by itself: notes which sessions were used and sweeps what has ended, in batches."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from datetime import timedelta

from flatwater.clock import Clock
from flatwater.errors import Refused
from flatwater.pool import Database
from flatwater.queries import Query, load_queries
from flatwater.transaction import Session
from rightlevel.operations.clean_up import CleanUp
from rightlevel.operations.history import keep_reading
from rightlevel.operations.readings import Readings
from rightlevel.operations.sealing import seal_rounds
from rightlevel.programme.accounts import touch_sessions

log = logging.getLogger("rightlevel.operations")
_queries = load_queries(__package__ or "")

ROUND_S = 60.0
DEADLINE_S = 10.0
ROWS_PER_BATCH = 10_000
MAX_BATCHES_PER_ROUND = 20
KEEP_RECEIPTS = timedelta(days=30)
KEEP_FAILURES = timedelta(days=2)
MAX_SEEN = 5_000


class SeenSessions:
    """Which sessions were used since the last round: noting one costs nothing, writing all costs one statement.

    Past MAX_SEEN between two rounds the rest are noted in the next; a session's last use may lag by a minute.
    """

    def __init__(self) -> None:
        self._ids: set[str] = set()

    def __len__(self) -> int:
        return len(self._ids)

    def note(self, session_id: str) -> None:
        if len(self._ids) < MAX_SEEN:
            self._ids.add(session_id)

    def take(self) -> list[str]:
        """The noted ids, which are forgotten here."""
        taken, self._ids = sorted(self._ids), set()
        return taken


async def sweep(database: Database, clock: Clock) -> dict[str, int]:
    """Removes ended sessions, old receipts and cold failures. *Cost*: batches of 10,000 rows, each its own transaction.

    *Shape*: rows removed by what they were.
    """
    now = clock.now()
    removed = {
        "sessions": await _sweep_one(database, _queries["sweep_sessions"], {"now": now}),
        "receipts": await _sweep_one(database, _queries["sweep_receipts"], {"before": now - KEEP_RECEIPTS}),
        "failures": await _sweep_one(database, _queries["sweep_failures"], {"before": now - KEEP_FAILURES}),
    }
    return removed


async def _sweep_one(database: Database, query: Query, values: dict[str, object]) -> int:
    total = 0
    for _ in range(MAX_BATCHES_PER_ROUND):

        async def batch(session: Session) -> int:
            return await session.execute(query, {**values, "rows_per_batch": ROWS_PER_BATCH})

        removed = await database.run(batch, deadline_s=DEADLINE_S, idempotent=True)
        total += removed
        if removed < ROWS_PER_BATCH:
            break
    return total


async def upkeep_round(
    database: Database, seen: SeenSessions, clean_up: CleanUp, readings: Readings, clock: Clock
) -> None:
    """One round: notes used sessions, seals rounds that were frozen, then sweeps, the rate limits too when that is due."""
    ids = seen.take()
    if ids:

        async def touch(session: Session) -> int:
            return await touch_sessions(session, ids, clock.now())

        await database.run(touch, deadline_s=DEADLINE_S, idempotent=True)
    await seal_rounds(database, clock)
    await sweep(database, clock)
    await clean_up.run_if_due()
    await keep_reading(database, readings, clock)


@asynccontextmanager
async def upkeep(
    database: Database, seen: SeenSessions, clean_up: CleanUp, readings: Readings, clock: Clock
) -> AsyncIterator[None]:
    """Runs a round every minute while the block runs."""

    async def rounds() -> None:
        while True:
            await asyncio.sleep(ROUND_S)
            try:
                await upkeep_round(database, seen, clean_up, readings, clock)
            except Refused as refused:
                # A busy or absent database is no reason to stop; the next round is a minute away.
                log.warning("an upkeep round was refused: %s", refused)

    task = asyncio.get_running_loop().create_task(rounds(), name="upkeep")
    try:
        yield
    finally:
        task.cancel()
        await asyncio.wait([task])
