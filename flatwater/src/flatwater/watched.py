"""An ASGI application whose requests are written into a ledger: each with its route, its budget and what it asked."""

from __future__ import annotations

import asyncio
from collections.abc import Callable

from flatwater.asgi_types import ASGIApp, Receive, Scope, Send
from flatwater.guard import name_of
from flatwater.ledger import Budget, Ledger


class Watched:
    """Writes an application's requests into the ledger. `budget` may give a route its own, or None for the ledger's.

    Stands inside `Guard`, whose deadline then ends on the server what threads of the request do there. *Cost*: 5 µs a request (measured 2026-11-30, `benchmarks/parts.py`).
    """

    def __init__(
        self, app: ASGIApp, ledger: Ledger, budget: Callable[[Scope], Budget | None] | Budget | None = None
    ) -> None:
        self._app = app
        self._ledger = ledger
        self._budget = budget

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        budget = self._budget(scope) if callable(self._budget) else self._budget
        with self._ledger.request(lambda: route_of(scope), budget) as request:
            try:
                await self._app(scope, receive, send)
            except asyncio.CancelledError:
                request.is_late = True
                # A thread does not hear of it; what it waits for at the server is ended instead. Cancelling may wait for the network.
                asyncio.get_running_loop().run_in_executor(None, self._ledger.cancel, request)
                raise


def route_of(scope: Scope) -> str:
    """The route as the framework found it (`GET /notes/{id}`), and before it did, by the path with its numbers left out."""
    path = getattr(scope.get("route"), "path", None)
    return f"{scope['method']} {path}" if isinstance(path, str) else name_of(scope)
