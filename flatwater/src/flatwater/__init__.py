"""Keeps a Python service on PostgreSQL flat: bounded memory, connections and time.

What stands in `__all__` is public and is imported from here; it is loaded when it is first asked for, so that nobody pays for what isn't used.
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from flatwater.cache import Cache as Cache
    from flatwater.circuit_breaker import BreakerOpen as BreakerOpen
    from flatwater.circuit_breaker import CircuitBreaker as CircuitBreaker
    from flatwater.errors import Refused as Refused
    from flatwater.guard import Guard as Guard
    from flatwater.guard import GuardLimits as GuardLimits
    from flatwater.guard import answer_to as answer_to
    from flatwater.invalidation import Invalidation as Invalidation
    from flatwater.ledger import Budget as Budget
    from flatwater.ledger import Ledger as Ledger
    from flatwater.limited import Limited as Limited
    from flatwater.paging import Page as Page
    from flatwater.paging import PageLimit as PageLimit
    from flatwater.paging import PageRequest as PageRequest
    from flatwater.pool import Database as Database
    from flatwater.pool import Limits as Limits
    from flatwater.queries import load_queries as load_queries
    from flatwater.rate_limit import RateClass as RateClass
    from flatwater.watched import Watched as Watched
    from flatwater.wsgi import WsgiGuard as WsgiGuard

__version__ = "0.1.0"

_HOMES = {
    "BreakerOpen": "circuit_breaker",
    "Budget": "ledger",
    "Cache": "cache",
    "CircuitBreaker": "circuit_breaker",
    "Database": "pool",
    "Guard": "guard",
    "GuardLimits": "guard",
    "Invalidation": "invalidation",
    "Ledger": "ledger",
    "Limited": "limited",
    "Limits": "pool",
    "Page": "paging",
    "PageLimit": "paging",
    "PageRequest": "paging",
    "RateClass": "rate_limit",
    "Refused": "errors",
    "Watched": "watched",
    "WsgiGuard": "wsgi",
    "answer_to": "guard",
    "load_queries": "queries",
}
__all__ = [
    "BreakerOpen",
    "Budget",
    "Cache",
    "CircuitBreaker",
    "Database",
    "Guard",
    "GuardLimits",
    "Invalidation",
    "Ledger",
    "Limited",
    "Limits",
    "Page",
    "PageLimit",
    "PageRequest",
    "RateClass",
    "Refused",
    "Watched",
    "WsgiGuard",
    "__version__",
    "answer_to",
    "load_queries",
]


def __getattr__(name: str) -> Any:
    home = _HOMES.get(name)
    if home is None:
        raise AttributeError(f"flatwater has no public name {name}")
    found = getattr(import_module(f"flatwater.{home}"), name)
    globals()[name] = found
    return found


def __dir__() -> list[str]:
    return sorted(__all__)
