"""What a ledger knows: connections that are held, by state; what each route asked."""

from __future__ import annotations

from typing import Final

from flatwater.ledger import Ledger, RouteTotals
from flatwater.metrics.exposition import Labels
from flatwater.metrics.registry import Metrics
from flatwater.metrics.sources.rows import Row, each_of

STATES: Final = ("active", "idle", "idle in transaction")
ROUTE: Final[tuple[Row[tuple[str, RouteTotals]], ...]] = (
    ("flatwater_route_requests_total", "Requests of the route.", "counter", lambda row: row[1].requests),
    (
        "flatwater_route_statements_total",
        "Statements that they asked.",
        "counter",
        lambda row: row[1].statements,
    ),
    ("flatwater_route_rows_total", "Rows that they were answered with.", "counter", lambda row: row[1].rows),
    ("flatwater_route_seconds_total", "How long they took.", "counter", lambda row: row[1].seconds),
    (
        "flatwater_route_over_budget_total",
        "Requests that asked for more than their budget.",
        "counter",
        lambda row: row[1].over_budget,
    ),
    (
        "flatwater_route_late_total",
        "Requests that went over their deadline.",
        "counter",
        lambda row: row[1].late,
    ),
)


def ledger(metrics: Metrics, book: Ledger) -> None:
    """Held connections by state with the longest that one sits in a transaction, and the routes' totals.

    *Cost*: a label set for each route, at most `flatwater.ledger.MOST_ROUTES` and the metric's own ceiling.
    """

    def held() -> dict[Labels, float]:
        states = [each.state for each in book.holders()]
        return {(state,): float(states.count(state)) for state in STATES}

    def longest() -> dict[Labels, float]:
        return {(): max((each.in_state_s for each in book.idle_in_transaction(0.0)), default=0.0)}

    metrics.source(
        "flatwater_held_connections", "Connections that are held, by state.", "gauge", held, labels=("state",)
    )
    metrics.source(
        "flatwater_idle_in_transaction_seconds",
        "How long the one that sits longest in a transaction has asked nothing.",
        "gauge",
        longest,
    )
    each_of(metrics, "route", lambda row: row[0], lambda: book.routes().items(), ROUTE)
