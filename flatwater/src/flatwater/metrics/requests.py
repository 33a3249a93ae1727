"""The requests by method, route and class of answer, with how long they took."""

from __future__ import annotations

from typing import Final

from flatwater.latency import LatencyHistogram
from flatwater.metrics.registry import Metrics

METHODS: Final = {
    method: method for method in ("GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS", "QUERY")
}
UNKNOWN_METHOD: Final = "_OTHER"
"""A method is what the other side sends: those nobody knows are one. *Source*: OpenTelemetry, http.request.method."""

CLASSES: Final = ("other", "1xx", "2xx", "3xx", "4xx", "5xx")

LABEL_SETS: Final = 600
"""*Source*: about 140 endpoints with up to four classes of answers each; 0.3 kB a set."""


class RequestMetrics:
    """Counts every answer; `observe` is what `flatwater.guards.Guards` takes. *Cost*: 0.3 µs a request
    (measured 2026-11-30, `benchmarks/parts.py`).

    The route must be one of the declared ones or a fixed word for what met none, never the path as it was asked for.
    """

    def __init__(
        self, metrics: Metrics, *, latency: LatencyHistogram | None = None, label_sets: int = LABEL_SETS
    ) -> None:
        self._observe = metrics.histogram(
            "http_server_request_duration_seconds",
            "How long requests took, by route, method and class of answer.",
            ("http_route", "http_request_method", "http_response_status_class"),
            label_sets=label_sets,
        ).observe
        self._latency = latency

    def observe(self, route: str, method: str, status: int, seconds: float) -> None:
        kind = CLASSES[status // 100] if 100 <= status < 600 else "other"
        self._observe(seconds, (route, METHODS.get(method, UNKNOWN_METHOD), kind))
        if self._latency is not None:
            self._latency.observe(seconds)
