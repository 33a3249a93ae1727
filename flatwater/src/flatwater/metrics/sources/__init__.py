"""Metrics of everything flatwater counts, read when somebody asks: give each function a way to read the plain values.

Names are OpenTelemetry's where it has one (dots become underscores, the unit stands at the end); the others start with
`flatwater_`. *Source*: OpenTelemetry semantic conventions 1.45, database, HTTP, process and CPython metrics.
"""

from flatwater.metrics.sources.background import loops
from flatwater.metrics.sources.database import breakers, caches, pools, rate_limits, second_levels
from flatwater.metrics.sources.ledgers import ledger
from flatwater.metrics.sources.levels import alerts, service_levels
from flatwater.metrics.sources.program import garbage, growth, process, shedding

__all__ = [
    "alerts",
    "breakers",
    "caches",
    "garbage",
    "growth",
    "ledger",
    "loops",
    "pools",
    "process",
    "rate_limits",
    "second_levels",
    "service_levels",
    "shedding",
]
