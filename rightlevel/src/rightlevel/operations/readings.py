"""The readings that the service levels are judged by, taken at most every two seconds however many ask."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable
from time import perf_counter
from typing import Final

import msgspec

from flatwater.baselines import Judgement, evaluate
from flatwater.cache import Cache
from flatwater.clock import SystemClock
from flatwater.errors import DatabaseUnavailable, Refused
from flatwater.monitors import MemorySampler, pss_of
from flatwater.pool import Database
from flatwater.queries import load_queries
from flatwater.rate_limit_postgres import count_rate_limits
from rightlevel.database.server import Server

log = logging.getLogger("rightlevel.operations")
_queries = load_queries(__package__ or "")

FRESH_S: Final = 2.0
COUNT_EVERY_S: Final = 60.0
MANY_ROWS: Final = 100_000
DEADLINE_S: Final = 2.0
UNEXPECTED: Final = "The look at the database failed; the log says why."


class Activity(msgspec.Struct, frozen=True):
    """What the connections to this database do, those of all its hosts. Times in seconds."""

    connections: int
    idle: int
    idle_in_transaction: int
    longest_statement_s: float
    hosts: int = 1


class Reading(msgspec.Struct, frozen=True):
    """One look at the whole; None where it could not be looked at. Sizes in bytes of PSS, times in seconds."""

    activity: Activity | None
    is_away: bool
    """Whether the database is away: no new connection, and no answer to anybody of this program either, within two seconds."""
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
    """Takes readings of the running platform. *Cost*: a connection, one statement and a file read a process, at most every two seconds."""

    def __init__(
        self,
        database: Database,
        server: Server,
        caches: tuple[Cache[object], ...],
        memory: MemorySampler,
        turning_away_s: Callable[[], float],
    ) -> None:
        self._database = database
        self._server = server
        self._caches = caches
        self._memory = memory
        self._turning_away_s = turning_away_s
        self._kept: Cache[Reading] = Cache(
            "readings",
            entries=1,
            size_bytes=100_000,
            ttl_s=FRESH_S,
            jitter=0.0,
            size_of=lambda _: 1_000,
            clock=SystemClock(),
        )
        self.latest: Reading | None = None
        self._rate_limit_rows: int | None = None
        self._counted_at_s = float("-inf")

    async def take(self) -> Reading:
        """The reading of now, or of the last two seconds."""
        return await self._kept.get("", self._look)

    async def levels(self) -> dict[str, float | None]:
        """The readings by the names of the service levels. Connections are told for each host that shares the database: four that rest are no leak."""
        return (await self.take()).levels

    async def _look(self) -> Reading:
        began = perf_counter()
        activity, answers_s, refusal, is_away = None, None, "", False
        try:
            # Over a connection of its own: behind eight writers the look would only learn that it waited.
            async with self._database.look(deadline_s=DEADLINE_S) as session:
                activity = await session.fetch_one(_queries["activity"], {}, into=Activity)
            answers_s = round(perf_counter() - began, 4)
        except DatabaseUnavailable as gone:
            refusal = str(gone)
            is_away = not self._database.has_answered_since(began)
        except Refused as refused:
            refusal = str(refused)
        except Exception:  # whoever asks for health is told that it could not be looked at, and not failed
            log.exception("the database could not be looked at")
            refusal = UNEXPECTED
        else:
            await self._count_rates()
        program_bytes = self._memory.owned_bytes()
        database_bytes = pss_of(self._server.process_ids()) if self._server.is_private else None
        levels = self._levels(activity, program_bytes, database_bytes)
        self.latest = Reading(
            activity=activity,
            is_away=is_away,
            refusal=refusal,
            answers_s=answers_s,
            program_bytes=program_bytes,
            database_bytes=database_bytes,
            levels=levels,
        )
        return self.latest

    async def _count_rates(self) -> None:
        """Counts the rows of rate limits; where there are many, which takes up to 60 ms, each minute at most."""
        now_s = self._database.clock.monotonic()
        if (self._rate_limit_rows or 0) > MANY_ROWS and now_s - self._counted_at_s < COUNT_EVERY_S:
            return
        self._counted_at_s = now_s
        self._rate_limit_rows = None
        try:
            async with asyncio.timeout(DEADLINE_S):
                self._rate_limit_rows = await count_rate_limits(self._database)
        except (Refused, TimeoutError) as refused:
            log.warning("the rows of rate limits could not be counted: %s", refused or "it took too long")
        except Exception:  # the look itself went well, and says so; this number is not examined
            log.exception("the rows of rate limits could not be counted")

    def _levels(
        self, activity: Activity | None, program_bytes: int | None, database_bytes: int | None
    ) -> dict[str, float | None]:
        # Of a database elsewhere only its owner can tell the memory; what is ours to see is the program, and it is judged alone:
        # a level that can't be seen for ever is an alarm that fires for ever.
        is_seen = program_bytes is not None and (database_bytes is not None or not self._server.is_private)
        seen = activity is not None
        return {
            "connections": activity.connections / activity.hosts if seen else None,
            "memory_bytes": (program_bytes or 0) + (database_bytes or 0) if is_seen else None,
            "query_p95_s": self._database.statements.quantile(0.95),
            "rate_limit_rows": self._rate_limit_rows if seen else None,
            "cache_hit_rate": self._hit_rate(),
            "idle_connections": activity.idle / activity.hosts if seen else None,
            "longest_statement_s": activity.longest_statement_s if seen else None,
            "idle_in_transaction": activity.idle_in_transaction if seen else None,
            "turning_away_s": self._turning_away_s(),
        }

    def _hit_rate(self) -> float | None:
        """Over all caches; None until a hundred were asked for, for the first look into a cache always misses."""
        counted = [cache.statistics() for cache in self._caches]
        hits = sum(each.hits + each.joined for each in counted)
        asked = hits + sum(each.misses for each in counted)
        return hits / asked if asked >= FEWEST_ASKED else None


FEWEST_ASKED: Final = 100
