"""`rightlevel` with the guards taken off, for measuring what they cost: no rates, shedding, metering, metrics, timing or route names."""

from __future__ import annotations

from typing import Any

from flatwater import pool, transaction
from flatwater.asgi import ContractApp
from flatwater.rate_limit import Decision, MemoryRateLimiter
from rightlevel.commands import main

ALLOWED = Decision(allowed=True, remaining=1_000_000)
_begin = ContractApp.__init__


def _unguarded(self: Any, *words: Any, **more: Any) -> None:
    _begin(self, *words, **{**more, "guards": None})


async def _no_route(self: Any, session: Any, route: str) -> None:
    return


ContractApp.__init__ = _unguarded  # type: ignore[method-assign]
ContractApp._headers = lambda self, call: self._application.headers(call)  # type: ignore[method-assign]
MemoryRateLimiter.decide = lambda self, rate, identity, cost=None: ALLOWED  # type: ignore[method-assign, assignment]
pool.Database._show_route = _no_route  # type: ignore[method-assign]
transaction.timed = lambda deadline, *_: transaction.translated(deadline)  # type: ignore[misc, assignment]

if __name__ == "__main__":
    main()
