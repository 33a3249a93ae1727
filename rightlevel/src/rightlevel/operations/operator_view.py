"""Everything an operator looks at, gathered once: levels, memory, connections, endpoints, caches, rates, jobs."""

from __future__ import annotations

from typing import Any, Final

import msgspec

from flatwater.alerts import ChannelStatistics, Delivery
from flatwater.baselines import SERVICE_LEVELS, Baseline, Judgement
from flatwater.cache import Cache, CacheStatistics
from flatwater.load_shedding import SheddingStanding
from flatwater.metrics.exposition import Spread
from flatwater.monitors import GarbageStanding, ProcessSample, memory_of
from flatwater.monitors.endpoints import EndpointStanding
from flatwater.pool import Database, PoolStatistics
from flatwater.queries import load_queries
from flatwater.rate_limit import RateStatistics
from flatwater.statement_times import QueryTimes
from flatwater.supervisor import LoopStanding, Supervisor
from flatwater.transaction import Session
from flatwater.valkey import SharedCache, SharedStatistics
from rightlevel.database.server import Server
from rightlevel.operations.backup import KeptBackup
from rightlevel.operations.hosts import Host
from rightlevel.operations.import_runner import ImportRunner
from rightlevel.operations.readings import Reading, Readings
from rightlevel.operations.vitals import Vitals

_queries = load_queries(__package__ or "")

SLOWEST: Final = 8
REQUESTS: Final = "http_server_request_duration_seconds"


class Connected(msgspec.Struct, frozen=True):
    """One connection to the database."""

    pid: int
    application_name: str
    state: str
    waits_for: str
    for_s: float

    @property
    def route(self) -> str:
        """The route that it works for, or worked for last."""
        return self.application_name.partition("/")[2]


class Gauge(msgspec.Struct, frozen=True):
    """One service level as a bar: how full it is, and where warning and critical stand, in per cent of the bar."""

    judgement: Judgement
    value: str
    target: str
    warning: str
    critical: str
    fill: float
    warning_at: float
    critical_at: float | None


class SlowEndpoint(msgspec.Struct, frozen=True):
    """How an endpoint answered since the start."""

    name: str
    requests: int
    mean_s: float


def gauge_of(level: Baseline, judgement: Judgement) -> Gauge:
    """The bar ends a quarter past the last level."""
    last = level.critical if level.critical is not None else max(level.warning * 2, 1.0)
    end = 1.0 if level.unit == "ratio" else max(last, level.warning, 1e-9) * 1.25
    return Gauge(
        judgement=judgement,
        value="–" if judgement.value is None else level.written(judgement.value),
        target=level.written(level.target),
        warning=level.written(level.warning),
        critical="" if level.critical is None else level.written(level.critical),
        fill=0.0 if judgement.value is None else min(100.0, judgement.value / end * 100),
        warning_at=level.warning / end * 100,
        critical_at=None if level.critical is None else level.critical / end * 100,
    )


class Parts(msgspec.Struct, frozen=True):
    """What of a platform the view is gathered from."""

    database: Database
    server: Server
    readings: Readings
    vitals: Vitals
    delivery: Delivery
    caches: tuple[Cache[object], ...]
    imports: ImportRunner
    supervisor: Supervisor
    budget_bytes: int
    second_levels: tuple[SharedCache[Any], ...] = ()
    this_host: str = ""


class OperatorView(msgspec.Struct, frozen=True):
    """What the page shows. Sizes in bytes, times in seconds."""

    reading: Reading
    gauges: tuple[Gauge, ...]
    sessions: tuple[Connected, ...]
    backends: dict[int, int]
    budget_bytes: int
    pool: PoolStatistics
    caches: tuple[CacheStatistics, ...]
    rates: RateStatistics
    garbage: GarbageStanding
    sample: ProcessSample | None
    shedding: SheddingStanding
    channels: tuple[ChannelStatistics, ...]
    slowest: tuple[SlowEndpoint, ...]
    grown: tuple[EndpointStanding, ...]
    second_levels: tuple[tuple[str, SharedStatistics], ...]
    costliest: tuple[QueryTimes, ...]
    backup: KeptBackup | None
    most_waiting: int
    imports_waiting: int
    imports_most: int
    loops: tuple[LoopStanding, ...]
    hosts: tuple[Host, ...]
    this_host: str
    """The id of the one that was asked."""


async def sessions_of_the_database(session: Session) -> list[Connected]:
    """Who is connected. *Cost*: one statement, at most 100 rows."""
    return await session.fetch_all(_queries["sessions_of_the_database"], {}, into=Connected)


async def gather(
    parts: Parts,
    sessions: list[Connected],
    backup: KeptBackup | None,
    hosts: list[Host],
    imports_waiting: int,
) -> OperatorView:
    """The view of now. *Cost*: that of a reading, and a file read a process."""
    reading = await parts.readings.take()
    backends = {
        pid: memory.pss_bytes
        for pid in (parts.server.process_ids() if parts.server.is_private else [])
        if (memory := memory_of(pid)) is not None
    }
    judgements = {each.name: each for each in reading.judgements}
    return OperatorView(
        reading=reading,
        gauges=tuple(gauge_of(level, judgements[level.name]) for level in SERVICE_LEVELS),
        sessions=tuple(sessions),
        backends=backends,
        budget_bytes=parts.budget_bytes,
        pool=parts.database.statistics(),
        caches=tuple(cache.statistics() for cache in parts.caches),
        rates=parts.vitals.rates.statistics(),
        garbage=parts.vitals.garbage.standing(),
        sample=parts.vitals.process.latest(),
        shedding=parts.vitals.shedder.standing(),
        channels=parts.delivery.statistics(),
        slowest=_slowest(parts),
        grown=tuple(each for each in parts.vitals.budgets.growth.standing() if each.followed)[:SLOWEST],
        second_levels=tuple((each.first.name, each.statistics()) for each in parts.second_levels),
        costliest=tuple(parts.database.statements.costliest(SLOWEST)),
        backup=backup,
        most_waiting=parts.database.limits.waiting,
        imports_waiting=imports_waiting,
        imports_most=parts.imports.most_waiting,
        loops=parts.supervisor.standings(),
        hosts=tuple(hosts),
        this_host=parts.this_host,
    )


def _slowest(parts: Parts) -> tuple[SlowEndpoint, ...]:
    """The endpoints that took longest in the mean, of those asked at least once."""
    sums: dict[str, tuple[int, float]] = {}
    for family in parts.vitals.metrics.families():
        if family.name != REQUESTS:
            continue
        for labels, spread in family.samples:
            if isinstance(spread, Spread):
                count, total = sums.get(labels[0], (0, 0.0))
                sums[labels[0]] = count + sum(spread.counts), total + spread.sum
    found = [SlowEndpoint(name, count, total / count) for name, (count, total) in sums.items() if count]
    return tuple(sorted(found, key=lambda each: -each.mean_s)[:SLOWEST])
