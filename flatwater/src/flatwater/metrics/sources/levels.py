"""The service levels, and the alerts told of them."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import Final

from flatwater.alerts.delivery import ChannelStatistics
from flatwater.baselines import SERVICE_LEVELS, VERDICTS, Baseline, Judgement
from flatwater.metrics.exposition import Labels
from flatwater.metrics.registry import Metrics
from flatwater.metrics.sources.rows import Row, Rows, each_of


def service_levels(
    metrics: Metrics,
    read: Callable[[], Iterable[Judgement]],
    baselines: Iterable[Baseline] = SERVICE_LEVELS,
) -> None:
    """Each service level's value, verdict and limits. Alert rules ask the verdict, so levels stand in one place."""
    known = tuple(baselines)

    def verdicts() -> dict[Labels, float]:
        return {
            (found.name, verdict): float(found.verdict == verdict) for found in read() for verdict in VERDICTS
        }

    limits: dict[Labels, float] = {}
    for level in known:
        limits[level.name, "target"] = level.target
        limits[level.name, "warning"] = level.warning
        if level.critical is not None:
            limits[level.name, "critical"] = level.critical
    rows: tuple[Row[Judgement], ...] = (
        (
            "flatwater_service_level_value",
            "What is judged, in its own unit; missing when it was not examined.",
            "gauge",
            lambda row: row.value,
        ),
    )
    each_of(metrics, "level", lambda row: row.name, read, rows)
    metrics.source(
        "flatwater_service_level_verdict",
        "1 for the verdict on the service level, 0 for the others.",
        "gauge",
        verdicts,
        labels=("level", "verdict"),
    )
    metrics.source(
        "flatwater_service_level_limit",
        "Where target, warning and critical of the service level stand.",
        "gauge",
        lambda: limits,
        labels=("level", "bound"),
    )


ALERTS: Final[tuple[Row[ChannelStatistics], ...]] = (
    ("flatwater_alerts_waiting", "Alerts that wait to be delivered.", "gauge", lambda row: row.waiting),
    ("flatwater_alerts_sent_total", "Alerts that were delivered.", "counter", lambda row: row.sent),
    (
        "flatwater_alerts_failed_total",
        "Alerts that could not be delivered.",
        "counter",
        lambda row: row.failed,
    ),
    (
        "flatwater_alerts_dropped_total",
        "Alerts that were given up unsent.",
        "counter",
        lambda row: row.dropped,
    ),
)


def alerts(metrics: Metrics, read: Rows[ChannelStatistics]) -> None:
    """How alerts fare, by channel."""
    each_of(metrics, "channel", lambda row: row.name, read, ALERTS)
