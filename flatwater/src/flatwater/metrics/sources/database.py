"""What stands between the program and its database: pools, caches, rate limits, circuit breakers."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Final

from flatwater.cache import CacheStatistics
from flatwater.circuit_breaker import BreakerStatistics
from flatwater.metrics.exposition import Labels
from flatwater.metrics.registry import Metrics
from flatwater.metrics.sources.rows import Row, Rows, each_of, one_of
from flatwater.pool import Limits, PoolStatistics
from flatwater.rate_limit import RateStatistics
from flatwater.valkey import SharedStatistics

POOL: Final[tuple[Row[tuple[str, PoolStatistics]], ...]] = (
    (
        "db_client_connection_pending_requests",
        "Who waits for a connection.",
        "gauge",
        lambda row: row[1].waiting,
    ),
    (
        "flatwater_pool_acquired_total",
        "Connections that were asked for.",
        "counter",
        lambda row: row[1].acquired,
    ),
    ("flatwater_pool_queued_total", "Askers that had to wait.", "counter", lambda row: row[1].queued),
    (
        "flatwater_pool_refused_total",
        "Askers that got none: the queue was full or the wait too long.",
        "counter",
        lambda row: row[1].refused,
    ),
    (
        "flatwater_pool_wait_seconds_total",
        "How long askers waited, together.",
        "counter",
        lambda row: row[1].wait_s,
    ),
    (
        "flatwater_pool_connects_failed_total",
        "Connections that could not be made.",
        "counter",
        lambda row: row[1].connects_failed,
    ),
    (
        "flatwater_pool_connections_lost_total",
        "Connections that broke.",
        "counter",
        lambda row: row[1].connections_lost,
    ),
    (
        "flatwater_pool_connections_outgrown_total",
        "Connections that were replaced, their process on the server having outgrown its bound.",
        "counter",
        lambda row: row[1].outgrown,
    ),
    (
        "flatwater_pool_deadlines_struck_total",
        "Work that was stopped at its deadline.",
        "counter",
        lambda row: row[1].deadlines_struck,
    ),
    (
        "flatwater_pool_retries_total",
        "Transactions that were done again.",
        "counter",
        lambda row: row[1].retries,
    ),
    (
        "flatwater_pool_groups_total",
        "Transactions for requests that arrived together.",
        "counter",
        lambda row: row[1].groups,
    ),
    (
        "flatwater_pool_group_members_total",
        "Requests in them.",
        "counter",
        lambda row: row[1].group_members,
    ),
    (
        "flatwater_pool_group_members_alone_total",
        "Requests of them that were done alone after all.",
        "counter",
        lambda row: row[1].group_members_alone,
    ),
    (
        "flatwater_pool_groups_dissolved_total",
        "Such transactions that came to nothing, so that each request was done alone.",
        "counter",
        lambda row: row[1].groups_dissolved,
    ),
)


def pools(
    metrics: Metrics,
    read: Callable[[], Mapping[str, PoolStatistics]],
    limits: Mapping[str, Limits] | None = None,
) -> None:
    """The pools by name: connections by state, who waits, what went wrong; with limits the most there may be."""
    pool = "db_client_connection_pool_name"

    def by_state() -> dict[Labels, float]:
        numbers: dict[Labels, float] = {}
        for name, found in read().items():
            numbers[name, "idle"] = found.idle
            numbers[name, "used"] = max(0, found.connections - found.idle)
        return numbers

    labels = (pool, "db_client_connection_state")
    metrics.source("db_client_connection_count", "Connections by state.", "gauge", by_state, labels=labels)
    if limits is not None:
        most: dict[Labels, float] = {(name,): found.connections for name, found in limits.items()}
        metrics.source(
            "db_client_connection_max", "Connections there may be.", "gauge", lambda: most, labels=(pool,)
        )
    each_of(metrics, pool, lambda row: row[0], lambda: read().items(), POOL)


CACHE: Final[tuple[Row[CacheStatistics], ...]] = (
    ("flatwater_cache_entries", "Entries held.", "gauge", lambda row: row.entries),
    ("flatwater_cache_entries_max", "Entries that may be held.", "gauge", lambda row: row.max_entries),
    ("flatwater_cache_size_bytes", "Bytes held, as estimated.", "gauge", lambda row: row.size_bytes),
    ("flatwater_cache_size_max_bytes", "Bytes that may be held.", "gauge", lambda row: row.max_bytes),
    ("flatwater_cache_loads_total", "Loads that ended, well or not.", "counter", lambda row: row.loads),
    ("flatwater_cache_loads_failed_total", "Loads that failed.", "counter", lambda row: row.loads_failed),
    (
        "flatwater_cache_load_seconds_total",
        "How long loads took, together.",
        "counter",
        lambda row: row.load_s,
    ),
    (
        "flatwater_cache_stale_refused_total",
        "Loaded values that were stale before they were kept.",
        "counter",
        lambda row: row.stale_refused,
    ),
    ("flatwater_cache_too_big_total", "Values too big to be kept.", "counter", lambda row: row.too_big),
)


def caches(metrics: Metrics, read: Rows[CacheStatistics]) -> None:
    """The caches by name: what they hold, what was asked of them, why entries went."""

    def asked() -> dict[Labels, float]:
        numbers: dict[Labels, float] = {}
        for found in read():
            numbers[found.name, "hit"] = found.hits
            numbers[found.name, "joined"] = found.joined
            numbers[found.name, "miss"] = found.misses
            numbers[found.name, "bypassed"] = found.bypassed
        return numbers

    def removed() -> dict[Labels, float]:
        numbers: dict[Labels, float] = {}
        for found in read():
            numbers[found.name, "entries"] = found.evicted_by_entries
            numbers[found.name, "bytes"] = found.evicted_by_bytes
            numbers[found.name, "expired"] = found.expired
            numbers[found.name, "invalidated"] = found.invalidated
        return numbers

    metrics.source(
        "flatwater_cache_lookups_total",
        "What was asked of the cache, by how it was answered.",
        "counter",
        asked,
        labels=("cache", "result"),
    )
    metrics.source(
        "flatwater_cache_removed_total",
        "Entries that went, by cause.",
        "counter",
        removed,
        labels=("cache", "cause"),
    )
    each_of(metrics, "cache", lambda row: row.name, read, CACHE)


def second_levels(metrics: Metrics, read: Rows[tuple[str, SharedStatistics]]) -> None:
    """What the caches' second level, which hosts share, was good for, by cache."""

    def asked() -> dict[Labels, float]:
        numbers: dict[Labels, float] = {}
        for name, found in read():
            numbers[name, "hit"] = found.hits
            numbers[name, "miss"] = found.misses
            numbers[name, "gone"] = found.gone
            numbers[name, "damaged"] = found.damaged
            numbers[name, "too_big"] = found.too_big
        return numbers

    metrics.source(
        "flatwater_second_level_requests_total",
        "What the caches' second level was asked, by what came of it; gone is when it could not be asked.",
        "counter",
        asked,
        labels=("cache", "outcome"),
    )
    metrics.source(
        "flatwater_second_level_usable",
        "1 while the second level may be used, 0 while something may have been missed.",
        "gauge",
        lambda: {(name,): float(found.is_usable) for name, found in read()},
        labels=("cache",),
    )


def rate_limits(metrics: Metrics, read: Callable[[], RateStatistics | None]) -> None:
    """What the rate limiter decided, and whom it remembers."""

    def decided() -> dict[Labels, float]:
        found = read()
        if found is None:
            return {}
        return {
            ("allowed",): found.allowed,
            ("refused",): found.refused,
            ("failed_open",): found.failed_open,
            ("failed_closed",): found.failed_closed,
        }

    metrics.source(
        "flatwater_rate_limit_decisions_total",
        "Decisions of the rate limiter; failed_* are those made without its store.",
        "counter",
        decided,
        labels=("decision",),
    )
    rows: tuple[Row[RateStatistics], ...] = (
        (
            "flatwater_rate_limit_identities",
            "Identities remembered in this process.",
            "gauge",
            lambda row: row.identities,
        ),
        (
            "flatwater_rate_limit_forgotten_total",
            "Identities forgotten because memory was full.",
            "counter",
            lambda row: row.forgotten,
        ),
    )
    one_of(metrics, read, rows)


BREAKER_STATES: Final = ("closed", "half_open", "open")
BREAKER: Final[tuple[Row[BreakerStatistics], ...]] = (
    ("flatwater_breaker_admitted_total", "Calls that were tried.", "counter", lambda row: row.admitted),
    (
        "flatwater_breaker_refused_total",
        "Calls that were not tried because the breaker was open.",
        "counter",
        lambda row: row.refused,
    ),
    ("flatwater_breaker_failed_total", "Calls that failed.", "counter", lambda row: row.failed),
    ("flatwater_breaker_opened_total", "Times the breaker opened.", "counter", lambda row: row.opened),
    (
        "flatwater_breaker_probes_total",
        "Probes whether the other side is back.",
        "counter",
        lambda row: row.probes,
    ),
)


def breakers(metrics: Metrics, read: Rows[BreakerStatistics]) -> None:
    """The circuit breakers by upstream: their state (1 for the one they are in) and their counters."""

    def states() -> dict[Labels, float]:
        return {
            (found.name, state): float(found.state == state) for found in read() for state in BREAKER_STATES
        }

    metrics.source(
        "flatwater_breaker_state",
        "1 for the state the breaker is in, 0 for the others.",
        "gauge",
        states,
        labels=("upstream", "state"),
    )
    each_of(metrics, "upstream", lambda row: row.name, read, BREAKER)
