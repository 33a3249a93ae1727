"""What the program tells Prometheus: a bounded registry, the requests, and sources for everything flatwater counts."""

from flatwater.metrics import sources
from flatwater.metrics.exposition import CONTENT_TYPE, Labels, text_of
from flatwater.metrics.kinds import OTHER, Counter, Gauge, Histogram
from flatwater.metrics.registry import MetricRefused, Metrics
from flatwater.metrics.requests import RequestMetrics

__all__ = [
    "CONTENT_TYPE",
    "OTHER",
    "Counter",
    "Gauge",
    "Histogram",
    "Labels",
    "MetricRefused",
    "Metrics",
    "RequestMetrics",
    "sources",
    "text_of",
]
