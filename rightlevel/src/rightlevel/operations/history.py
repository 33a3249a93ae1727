"""The service levels of the last thirty days: one reading each five minutes, at most 8,641 rows."""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import Final

import msgspec

from flatwater.baselines import worst
from flatwater.clock import Clock
from flatwater.pool import Database
from flatwater.queries import load_queries
from flatwater.transaction import Session
from rightlevel.operations.readings import Readings

_queries = load_queries(__package__ or "")

EVERY: Final = timedelta(minutes=5)
KEPT: Final = timedelta(days=30)
POINTS: Final = 120
DEADLINE_S: Final = 5.0
ROWS_PER_BATCH: Final = 10_000


class Point(msgspec.Struct, frozen=True):
    """The worst of one stretch of time."""

    at: datetime
    connections: int | None
    memory_bytes: int | None
    query_p95_s: float | None


async def keep_reading(database: Database, readings: Readings, clock: Clock) -> None:
    """Keeps the reading of these five minutes, and takes out what is older than thirty days. *Cost*: two short statements."""
    reading = await readings.take()
    now = clock.now()
    at = now - timedelta(seconds=now.timestamp() % EVERY.total_seconds())
    levels = {
        name: reading.levels[name]
        for name in ("memory_bytes", "query_p95_s", "rate_limit_rows", "cache_hit_rate")
    }
    connections = reading.activity.connections if reading.activity else None
    values = {
        **levels,
        "connections": connections,
        "at": at.replace(microsecond=0),
        "worst": worst(reading.judgements),
    }

    async def keep(session: Session) -> None:
        await session.execute(_queries["keep_reading"], values)
        await session.execute(
            _queries["sweep_readings"], {"before": now - KEPT, "rows_per_batch": ROWS_PER_BATCH}
        )

    await database.run(keep, deadline_s=DEADLINE_S, idempotent=True)


async def readings_since(session: Session, since: datetime, now: datetime) -> list[Point]:
    """The worst readings since a moment, in at most 120 stretches, oldest first. *Cost*: one statement, at most 8,641 rows read."""
    step_s = max(EVERY.total_seconds(), (now - since).total_seconds() / POINTS)
    return await session.fetch_all(_queries["list_readings"], {"since": since, "step_s": step_s}, into=Point)
