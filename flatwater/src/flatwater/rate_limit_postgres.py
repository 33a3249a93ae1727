"""Allowances that every process and host shares and that outlive a restart: one row for each identity and rule.

The row is updated in place in an unlogged table (see `flatwater.tables.RATE_LIMIT`). The database's clock counts, so that
hosts need not agree on the time.
"""

from __future__ import annotations

import asyncio
import zlib
from typing import Final

import msgspec

from flatwater.pool import Database
from flatwater.queries import load_queries
from flatwater.rate_limit import Decision, RateClass
from flatwater.transaction import Session

_queries = load_queries("flatwater", "rate_limit.sql")

DEADLINE_S: Final = 1.0
LOOK_S: Final = 10.0
SHARED_BUCKETS: Final = 4_096

ROWS_PER_BATCH: Final = 10_000
PAGES_PER_BATCH: Final = 60
"""A page of 8 kB holds at most 163 of the smallest of these rows (46 bytes and a pointer), so a batch takes nearly every page whole."""
BATCH_S: Final = 10.0
ROWS_OF_A_PAGE: Final = 163
"""*Source*: as above. What is too small to hold so many rows needs no counting."""
COUNTED: Final = 1_000_000
"""*Source*: where the service level of rate-limit rows is critical (flatwater.baselines)."""


class _Row(msgspec.Struct, frozen=True):
    ahead_s: float


class PostgresRateLimiter:
    """Decides per (rule, identity) in the database. *Cost*: one short transaction.

    The table has a bound whatever happens to its clean-up: while it holds more than `max_rows`, identities share 4,096 buckets.
    """

    def __init__(self, database: Database, *, max_rows: int = 1_000_000) -> None:
        self._database = database
        self._max_rows = max_rows
        self._looked_at = float("-inf")
        self.is_over = False
        self.shared = 0

    async def decide(self, rate: RateClass, identity: str) -> Decision:
        """*Errors*: Refused when the database can't be asked in time."""

        async def take(session: Session) -> Decision:
            await self._look(session)
            return await self._take(session, rate, identity)

        return await self._database.run(take, deadline_s=DEADLINE_S, idempotent=True, plans="generic")

    async def _look(self, session: Session) -> None:
        now = self._database.clock.monotonic()
        if now - self._looked_at >= LOOK_S:
            self._looked_at = now
            values = {"most": self._max_rows + 1, "rows_of_a_page": ROWS_OF_A_PAGE}
            found: int = await session.fetch_value(_queries["count_rates_where_there_may_be_many"], values)
            self.is_over = found > self._max_rows

    async def _take(self, session: Session, rate: RateClass, identity: str) -> Decision:
        if self.is_over:
            self.shared += 1
            identity = f"shared {zlib.crc32(identity.encode()) % SHARED_BUCKETS}"
        step_s, room_s = rate.cost / rate.per_s, rate.burst / rate.per_s
        values = {"rule": rate.name, "identity": identity, "step_s": step_s, "room_s": room_s}
        taken = await session.fetch_one(_queries["take_rate"], values, into=_Row)
        if taken is not None:
            return Decision(
                allowed=True,
                remaining=int((room_s - taken.ahead_s) * rate.per_s + 1e-6),
                full_after_s=taken.ahead_s,
            )
        there = await session.fetch_one(_queries["read_rate"], values, into=_Row)
        ahead_s = 0.0 if there is None else max(there.ahead_s, 0.0)
        left = max(int((room_s - ahead_s) * rate.per_s + 1e-6), 0)
        return Decision(
            allowed=False,
            retry_after_s=max(ahead_s + step_s - room_s, 0.001),
            remaining=left,
            full_after_s=ahead_s,
        )


class Swept(msgspec.Struct, frozen=True):
    """What a clean-up did. Times in seconds. `left` was counted; there are more where `left_is_at_least`."""

    removed: int
    batches: int
    longest_batch_s: float
    left: int
    left_is_at_least: bool = False


async def sweep_rate_limits(database: Database, *, pause_s: float = 0.0) -> Swept:
    """Takes out the rows whose allowance is full again, in batches of at most 10,000, each a transaction of its own.

    It walks the table's pages once, so the last batch costs as much as the first; rows that somebody is just using are left.
    *Cost*: one connection (the one kept apart), no lock longer than a batch.
    """
    removed = batches = first_page = 0
    longest_s = 0.0
    async with database.operations(deadline_s=BATCH_S) as session:
        pages: int = await session.fetch_value(_queries["count_pages"], {})
    while first_page < pages:
        began = database.clock.monotonic()
        values = {
            "first": f"({first_page},0)",
            "past": f"({first_page + PAGES_PER_BATCH},0)",
            "rows_per_batch": ROWS_PER_BATCH,
        }
        async with database.operations(deadline_s=BATCH_S, writes=True) as session:
            removed += await session.execute(_queries["sweep_rates"], values)
        longest_s = max(longest_s, database.clock.monotonic() - began)
        batches += 1
        first_page += PAGES_PER_BATCH
        if pause_s:
            await asyncio.sleep(pause_s)
    left = await count_rate_limits(database)
    return Swept(removed, batches, longest_s, min(left, COUNTED), left_is_at_least=left > COUNTED)


async def count_rate_limits(database: Database, *, most: int | None = None) -> int:
    """How many rows there are, counted; `most` (a million and one) where there are as many or more. *Cost*: one statement; 60 ms for a million rows."""
    async with database.operations(deadline_s=BATCH_S) as session:
        return await session.fetch_value(_queries["count_rates"], {"most": most or COUNTED + 1})
