"""What stands around every request of a service: shedding, memory, and whoever wants to know how each went."""

from __future__ import annotations

from collections.abc import Callable

import msgspec

from flatwater.load_shedding import LoadShedder
from flatwater.memory_budget import MemoryBudgets
from flatwater.rate_limit import RateLimits

Observe = Callable[[str, str, int, float], None]
"""Told of every answer: the endpoint's name, the method, the status and how many seconds it took. *Cost*: its own; keep it small."""


class Guards(msgspec.Struct, frozen=True):
    """The guards of one service; each part may be left out."""

    shedder: LoadShedder | None = None
    budgets: MemoryBudgets | None = None
    observe: Observe | None = None
    rates: RateLimits | None = None


NO_GUARDS = Guards()
