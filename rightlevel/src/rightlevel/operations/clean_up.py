"""Takes out allowances that are full again, old requests to join and codes that ran out: daily at 02:00, whenever the table passes its target, and when told to."""

from __future__ import annotations

import asyncio
import logging
from datetime import UTC, datetime, time, timedelta
from typing import Final

from flatwater.clock import Clock, today
from flatwater.errors import Refused
from flatwater.pool import Database
from flatwater.queries import load_queries
from flatwater.rate_limit_postgres import Swept, count_rate_limits, sweep_rate_limits
from flatwater.transaction import Session
from rightlevel.programme.errors import Conflict
from rightlevel.programme.photos import Album
from rightlevel.programme.visits import sweep_calendar_links

log = logging.getLogger("rightlevel.operations")
_queries = load_queries(__package__ or "")

NAME: Final = "rate_limits"
DAILY_AT: Final = time(2, 0)
TARGET_ROWS: Final = 100_000
"""*Source*: the service level of rate-limit rows (flatwater.baselines)."""
AT_MOST_EVERY: Final = timedelta(minutes=5)
DEADLINE_S: Final = 5.0
KEEP_OPEN_REQUESTS: Final = timedelta(days=60)
"""Whom nobody answered in two months asks again."""
KEEP_DECIDED_REQUESTS: Final = timedelta(days=365)
ROWS_PER_BATCH: Final = 10_000
GIVEN_UP: Final = timedelta(minutes=15)
"""A clean-up that was begun so long ago and has not ended failed, or its process is gone: it is begun again."""


class CleanUpRuns(Conflict):
    """A clean-up is running already. Nothing more is needed."""

    code = "clean_up_runs"


def last_due(clock: Clock) -> datetime:
    """The latest 02:00 of the programme that has passed, in UTC."""
    now, day = clock.now(), today(clock)
    due = [
        datetime.combine(each, DAILY_AT, tzinfo=clock.zone).astimezone(UTC)
        for each in (day, day - timedelta(days=1))
    ]
    return due[0] if now >= due[0] else due[1]


class CleanUp:
    """The clean-up of one process; across processes the row of its last run says who does it."""

    def __init__(self, database: Database, clock: Clock, album: Album | None = None) -> None:
        self._database = database
        self._clock = clock
        self._album = album
        self._running = asyncio.Lock()
        self._is_owed = False

    async def run_if_due(self) -> Swept | None:
        """Sweeps if 02:00 has passed since the last time, or the table is over its target. *Cost*: two short statements if not."""
        now = self._clock.now()
        if self._is_owed:
            return await self._run(now + timedelta(seconds=1))
        is_over = await count_rate_limits(self._database, most=TARGET_ROWS + 1) > TARGET_ROWS
        due = last_due(self._clock)
        return await self._run(max(due, now - AT_MOST_EVERY) if is_over else due)

    async def run_now(self) -> Swept:
        """Sweeps at once. *Errors*: CleanUpRuns when this process is at it."""
        if self._running.locked():
            raise CleanUpRuns
        swept = await self._run(self._clock.now() + timedelta(seconds=1))
        if swept is None:
            raise CleanUpRuns
        return swept

    async def _run(self, due: datetime) -> Swept | None:
        if self._running.locked() or not await self._claim(due):
            return None
        async with self._running:
            self._is_owed = True
            faults: list[Exception] = []
            # What fails holds up nothing else; the clean-up has ended only when all of it has, and is begun again otherwise.
            for part in (self._sweep_people, self._sweep_visits):
                try:
                    await part()
                except Exception as error:  # noqa: BLE001  raised below
                    faults.append(error)
            swept = await sweep_rate_limits(self._database)
            if faults:
                raise faults[0]
            await self._keep(swept)
            self._is_owed = False
        log.info(
            "rate limits: %d rows removed in %d batches, %d%s left",
            swept.removed,
            swept.batches,
            swept.left,
            " or more" if swept.left_is_at_least else "",
        )
        return swept

    async def _sweep_people(self) -> None:
        """Takes out requests to join past their time and codes that ran out: both are bounded, so each is one statement."""
        now = self._clock.now()
        values = {
            "open_before": now - KEEP_OPEN_REQUESTS,
            "decided_before": now - KEEP_DECIDED_REQUESTS,
            "now": now,
            "rows_per_batch": ROWS_PER_BATCH,
        }

        async def sweep(session: Session) -> None:
            for name in ("sweep_requests", "sweep_codes", "sweep_link_codes"):
                await session.execute(_queries[name], values)

        await self._database.run(sweep, deadline_s=DEADLINE_S, idempotent=True)

    async def _sweep_visits(self) -> None:
        """Takes out calendar links that ended long ago, and what is left of photos that were removed or interrupted.

        A store that does not answer leaves its photos for the next day; everything else is swept all the same.
        """

        async def sweep(session: Session) -> int:
            return await sweep_calendar_links(session, self._clock, rows_per_batch=ROWS_PER_BATCH)

        await self._database.run(sweep, deadline_s=DEADLINE_S, idempotent=True)
        if self._album is None:
            return
        try:
            swept = await self._album.sweep()
        except (Refused, OSError) as error:
            log.warning("photos were not swept: %s", error)
        else:
            log.info("photos: %d removed for good", swept)

    async def _claim(self, due: datetime) -> bool:
        async def claim(session: Session) -> bool:
            now = self._clock.now()
            values = {"name": NAME, "now": now, "due": due, "given_up": now - GIVEN_UP}
            return await session.execute(_queries["claim_clean_up"], values) == 1

        return await self._database.run(claim, deadline_s=DEADLINE_S)

    async def _keep(self, swept: Swept) -> None:
        async def keep(session: Session) -> int:
            values = {
                "name": NAME,
                "now": self._clock.now(),
                "removed": swept.removed,
                "batches": swept.batches,
                "longest_batch_s": swept.longest_batch_s,
            }
            return await session.execute(_queries["end_clean_up"], values)

        await self._database.run(keep, deadline_s=DEADLINE_S, idempotent=True)
