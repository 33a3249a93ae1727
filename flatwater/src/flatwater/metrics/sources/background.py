"""What runs in the background, and how it fares."""

from __future__ import annotations

from typing import Final

from flatwater.metrics.exposition import Labels
from flatwater.metrics.registry import Metrics
from flatwater.metrics.sources.rows import Row, Rows, each_of
from flatwater.supervisor import ErrandStanding, LoopStanding

STATES: Final = ("running", "failing", "ended", "dead")
LOOP: Final[tuple[Row[LoopStanding], ...]] = (
    ("flatwater_loop_turns_total", "Turns that ended well.", "counter", lambda row: row.turns),
    ("flatwater_loop_failures_total", "Turns that failed.", "counter", lambda row: row.failures),
    (
        "flatwater_loop_failures_in_a_row",
        "Turns that failed one after another, up to now.",
        "gauge",
        lambda row: row.failures_in_a_row,
    ),
    (
        "flatwater_loop_missed_turns",
        "Turns that should have ended well since the last that did.",
        "gauge",
        lambda row: row.missed_turns,
    ),
    (
        "flatwater_loop_period_seconds",
        "How often it turns; missing for what waits until there is work.",
        "gauge",
        lambda row: row.period_s,
    ),
    (
        "flatwater_loop_last_success_timestamp_seconds",
        "When a turn last ended well.",
        "gauge",
        lambda row: None if row.last_success_at is None else row.last_success_at.timestamp(),
    ),
)
ERRAND: Final[tuple[Row[ErrandStanding], ...]] = (
    (
        "flatwater_errands_begun_total",
        "Short pieces of work in the background that were begun.",
        "counter",
        lambda row: row.begun,
    ),
    ("flatwater_errands_failed_total", "Those that failed.", "counter", lambda row: row.failed),
)


def loops(metrics: Metrics, read: Rows[LoopStanding], errands: Rows[ErrandStanding]) -> None:
    """The loops by name: turns, failures, what they missed, and 1 for the state they are in."""

    def states() -> dict[Labels, float]:
        return {(found.name, state): float(found.state == state) for found in read() for state in STATES}

    metrics.source(
        "flatwater_loop_state",
        "1 for the state the loop is in, 0 for the others; dead stands still and nobody stopped it.",
        "gauge",
        states,
        labels=("loop", "state"),
    )
    each_of(metrics, "loop", lambda row: row.name, read, LOOP)
    each_of(metrics, "errand", lambda row: row.name, errands, ERRAND)
