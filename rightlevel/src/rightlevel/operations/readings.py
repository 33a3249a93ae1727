"""The readings that the service levels are judged by, taken at most every two seconds however many ask."""

from __future__ import annotations

import os
from typing import Final

import msgspec

from flatwater.baselines import Judgement, evaluate
from flatwater.cache import Cache
from flatwater.clock import SystemClock
from flatwater.errors import Refused
from flatwater.monitors import pss_of
from flatwater.pool import Database
from flatwater.queries import load_queries
from rightlevel.database.server import Server

_queries = load_queries(__package__ or "")

FRESH_S: Final = 2.0
DEADLINE_S: Final = 2.0


class Activity(msgspec.Struct, frozen=True):
    """What the connections to this database do. Times in seconds."""

    connections: int
    idle: int
    idle_in_transaction: int
    longest_statement_s: float
    rate_limit_rows: int


class Reading(msgspec.Struct, frozen=True):
    """One look at the whole; None where it could not be looked at. Sizes in bytes of PSS, times in seconds."""

    activity: Activity | None
    refusal: str
    answers_s: float | None
    program_bytes: int | None
    database_bytes: int | None
    levels: dict[str, float | None]

    @property
    def judgements(self) -> tuple[Judgement, ...]:
        """Each service level judged; the one judgement that health, metrics, alerts and the operator's page show."""
        return evaluate(self.levels)


class Readings:
    """Takes readings of the running platform. *Cost*: one statement and a file read a process, at most every two seconds."""

    def __init__(self, database: Database, server: Server, caches: tuple[Cache[object], ...]) -> None:
        self._database = database
        self._server = server
        self._caches = caches
        self._kept: Cache[Reading] = Cache(
            "readings", entries=1, size_bytes=100_000, ttl_s=FRESH_S, jitter=0.0, size_of=lambda _: 1_000, clock=SystemClock()
        )  # fmt: skip
        self.latest: Reading | None = None

    async def take(self) -> Reading:
        """The reading of now, or of the last two seconds."""
        return await self._kept.get("", self._look)

    async def levels(self) -> dict[str, float | None]:
        """The readings by the names of the service levels."""
        return (await self.take()).levels

    async def _look(self) -> Reading:
        began = self._database.clock.monotonic()
        activity, refusal, answers_s = None, "", None
        try:
            async with self._database.operations(deadline_s=DEADLINE_S) as session:
                activity = await session.fetch_one(_queries["activity"], {}, into=Activity)
            answers_s = round(self._database.clock.monotonic() - began, 4)
        except Refused as refused:
            refusal = str(refused)
        program_bytes = pss_of([os.getpid()])
        database_bytes = pss_of(self._server.process_ids()) if self._server.is_private else None
        self.latest = Reading(
            activity, refusal, answers_s, program_bytes, database_bytes, self._levels(activity, program_bytes, database_bytes)
        )  # fmt: skip
        return self.latest

    def _levels(
        self, activity: Activity | None, program_bytes: int | None, database_bytes: int | None
    ) -> dict[str, float | None]:
        # Of a database elsewhere only its owner can tell the memory; what is ours to see is the program, and it is judged alone:
        # a level that can't be seen for ever is an alarm that fires for ever.
        is_seen = program_bytes is not None and (database_bytes is not None or not self._server.is_private)
        seen = activity is not None
        return {
            "connections": activity.connections if seen else None,
            "memory_bytes": (program_bytes or 0) + (database_bytes or 0) if is_seen else None,
            "query_p95_s": self._database.statements.quantile(0.95),
            "rate_limit_rows": activity.rate_limit_rows if seen else None,
            "cache_hit_rate": self._hit_rate(),
            "idle_connections": activity.idle if seen else None,
            "longest_statement_s": activity.longest_statement_s if seen else None,
            "idle_in_transaction": activity.idle_in_transaction if seen else None,
        }

    def _hit_rate(self) -> float | None:
        """Over all caches; None until a hundred were asked for, for the first look into a cache always misses."""
        counted = [cache.statistics() for cache in self._caches]
        hits = sum(each.hits + each.joined for each in counted)
        asked = hits + sum(each.misses for each in counted)
        return hits / asked if asked >= FEWEST_ASKED else None


FEWEST_ASKED: Final = 100
