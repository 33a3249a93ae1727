"""The program itself: its process, its garbage, the requests under way."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Final

from flatwater.load_shedding import SheddingStanding
from flatwater.metrics.exposition import Labels
from flatwater.metrics.registry import Metrics
from flatwater.metrics.sources.rows import Row, each_of, one_of
from flatwater.monitors import GarbageStanding, ProcessSample
from flatwater.monitors.endpoints import EndpointStanding

PROCESS: Final[tuple[Row[ProcessSample], ...]] = (
    (
        "process_memory_usage_bytes",
        "Memory resident in this process (RSS), shared parts in full.",
        "gauge",
        lambda row: row.rss_bytes,
    ),
    (
        "flatwater_process_memory_pss_bytes",
        "This process's fair share of memory (PSS).",
        "gauge",
        lambda row: row.pss_bytes,
    ),
    (
        "flatwater_process_memory_private_bytes",
        "Memory that is this process's alone.",
        "gauge",
        lambda row: row.private_bytes,
    ),
    (
        "flatwater_process_heap_bytes",
        "Memory the allocator has given out.",
        "gauge",
        lambda row: row.heap_bytes,
    ),
    (
        "flatwater_process_allocated_blocks",
        "Blocks of memory Python holds.",
        "gauge",
        lambda row: row.allocated_blocks,
    ),
    ("process_thread_count", "Threads.", "gauge", lambda row: row.threads),
    (
        "process_unix_file_descriptor_count",
        "Open file descriptors.",
        "gauge",
        lambda row: row.file_descriptors,
    ),
)


def process(metrics: Metrics, read: Callable[[], ProcessSample | None]) -> None:
    """This process, as its monitor last saw it: memory, threads, file descriptors."""
    one_of(metrics, read, PROCESS)


GARBAGE: Final[tuple[Row[GarbageStanding], ...]] = (
    (
        "flatwater_gc_pause_seconds_total",
        "How long collecting garbage took, together.",
        "counter",
        lambda row: row.pause_s_total,
    ),
    (
        "flatwater_gc_pause_max_seconds",
        "The longest collection since the start.",
        "gauge",
        lambda row: row.pause_s_max,
    ),
    (
        "flatwater_gc_long_pauses_total",
        "Collections longer than 50 ms.",
        "counter",
        lambda row: row.long_pauses,
    ),
    (
        "flatwater_gc_collected_objects_total",
        "Objects that were collected.",
        "counter",
        lambda row: row.collected,
    ),
    (
        "flatwater_gc_uncollectable_objects_total",
        "Objects that could not be collected.",
        "counter",
        lambda row: row.uncollectable,
    ),
)


def garbage(metrics: Metrics, read: Callable[[], GarbageStanding | None]) -> None:
    """What collecting garbage cost. OpenTelemetry counts collections by generation, and so do we."""

    def collections() -> dict[Labels, float]:
        found = read()
        return {} if found is None else {(str(n),): count for n, count in enumerate(found.collections)}

    metrics.source(
        "cpython_gc_collections_total",
        "Collections of garbage by generation.",
        "counter",
        collections,
        labels=("cpython_gc_generation",),
    )
    one_of(metrics, read, GARBAGE)


MOST_GROWN: Final = 100
"""Endpoints whose growth is told: those that grew most. The rest have nothing to tell."""

GROWTH: Final[tuple[Row[EndpointStanding], ...]] = (
    (
        "flatwater_endpoint_growth_bytes",
        "About what all requests of this endpoint left behind in memory.",
        "gauge",
        lambda row: row.growth_bytes,
    ),
    (
        "flatwater_endpoint_growth_blocks",
        "Blocks of memory that a request of this endpoint leaves behind, in the middle.",
        "gauge",
        lambda row: row.growth_per_request,
    ),
    (
        "flatwater_endpoint_followed_requests",
        "Requests of this endpoint that were followed to tell that.",
        "gauge",
        lambda row: row.followed,
    ),
    (
        "flatwater_endpoint_largest_step_bytes",
        "The most that one step of a request of this endpoint took.",
        "gauge",
        lambda row: row.largest_bytes,
    ),
)


def growth(metrics: Metrics, read: Callable[[], Sequence[EndpointStanding]]) -> None:
    """Where memory grows: by endpoint, for the hundred that grew most of those of which a request was followed."""
    each_of(
        metrics,
        "endpoint",
        lambda row: row.name,
        lambda: [each for each in read() if each.followed][:MOST_GROWN],
        GROWTH,
    )


def shedding(metrics: Metrics, read: Callable[[], SheddingStanding | None]) -> None:
    """What is under way, and what was turned away to keep the rest going, by priority and cause."""

    def shed() -> dict[Labels, float]:
        found = read()
        if found is None:
            return {}
        return {
            (str(priority), str(cause)): count
            for priority, causes in found.shed.items()
            for cause, count in causes.items()
        }

    metrics.source(
        "flatwater_shed_requests_total",
        "Requests turned away, by their priority and the cause.",
        "counter",
        shed,
        labels=("priority", "cause"),
    )
    rows: tuple[Row[SheddingStanding], ...] = (
        ("http_server_active_requests", "Requests under way.", "gauge", lambda row: row.in_flight),
        (
            "flatwater_memory_share_ratio",
            "The part of the memory budget that is used.",
            "gauge",
            lambda row: row.memory_share,
        ),
        (
            "flatwater_pool_queue_share_ratio",
            "The part of the pool's queue that is used.",
            "gauge",
            lambda row: row.queue_share,
        ),
        (
            "flatwater_turning_away_seconds",
            "How long somebody has been turned away without a pause; 0 when nobody is.",
            "gauge",
            lambda row: row.turning_away_s,
        ),
        (
            "flatwater_let_in_anyway_total",
            "Requests of a shed priority that were let in because nothing was at work.",
            "counter",
            lambda row: row.let_in_anyway,
        ),
        ("flatwater_event_loop_lag_seconds", "How late the event loop is.", "gauge", lambda row: row.lag_s),
    )
    one_of(metrics, read, rows)
