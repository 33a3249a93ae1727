"""The middleware that writes Django's requests and connections into a ledger, and gives each connection its limits."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from contextlib import ExitStack
from functools import partial
from importlib import import_module
from typing import Any

import msgspec

from flatwater.adapters.session_limits import SessionLimits
from flatwater.ledger import Budget, Ledger

ledger = Ledger()
"""What this process's requests and connections are written into."""


class Settings(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """What `FLATWATER` in the settings may say."""

    statements: int | None = None
    rows: int | None = None
    repeats: int | None = None
    enforces: bool = False
    tags_statements: bool = False
    statement_s: float | None = 30.0
    lock_s: float | None = 5.0
    idle_in_transaction_s: float | None = 30.0


class Middleware:
    """Stands first in MIDDLEWARE. Sync and async. *Cost*: a wrapper around each statement, and what the ledger takes."""

    sync_capable = True
    async_capable = True

    def __init__(self, get_response: Callable[[Any], Any]) -> None:
        django: Any = import_module("django.conf")
        given = msgspec.convert(getattr(django.settings, "FLATWATER", {}), Settings)
        ledger.budget = Budget(given.statements, given.rows, given.repeats)
        ledger.enforces, ledger.tags_statements = given.enforces, given.tags_statements
        self._limits = SessionLimits(given.statement_s, given.lock_s, given.idle_in_transaction_s)
        self._get_response = get_response
        self._sync: Any = import_module(
            "asgiref.sync"
        )  # Django's own; inspect can't mark an object before Python 3.12
        if self._sync.iscoroutinefunction(get_response):
            self._sync.markcoroutinefunction(self)
        signals: Any = import_module("django.db.backends.signals")
        signals.connection_created.connect(self._limit, dispatch_uid="flatwater.limits", weak=False)

    def __call__(self, request: Any) -> Any:
        if self._sync.iscoroutinefunction(self):
            return self._answer_async(request)
        with ledger.request(partial(_name, request)), ExitStack() as stack:
            held = _watch(stack)
            try:
                return self._get_response(request)
            finally:
                _give(held)

    async def _answer_async(self, request: Any) -> Any:
        response: Awaitable[Any] = self._get_response(request)
        # The views of one request run in one thread; the wrappers stand in that thread's connections.
        stack = ExitStack()
        with ledger.request(partial(_name, request)):
            held = await self._sync.sync_to_async(_watch, thread_sensitive=True)(stack)
            try:
                return await response
            finally:
                await self._sync.sync_to_async(stack.close, thread_sensitive=True)()
                _give(held)

    def _limit(self, sender: Any, connection: Any, **_: Any) -> None:
        if connection.vendor != "postgresql" or not self._limits.settings():
            return
        # By the driver's own cursor: it is no statement of whoever made the connection.
        with connection.connection.cursor() as cursor:
            cursor.execute(self._limits.statement())
            self._limits.verify(dict(zip(self._limits.settings(), map(str, cursor.fetchone()), strict=True)))


def _name(request: Any) -> str:
    """The view's address as urls.py says it, once it was found."""
    match = getattr(request, "resolver_match", None)
    route = getattr(match, "route", None)
    return f"{request.method} /{route}" if route is not None else f"{request.method} (no view yet)"


def _watch(stack: ExitStack) -> dict[int, Any]:
    """Puts a wrapper into each of this thread's connections; the dictionary fills with those that are used."""
    django: Any = import_module("django.db")
    held: dict[int, Any] = {}
    for connection in django.connections.all():
        if connection.vendor == "postgresql":
            stack.enter_context(connection.execute_wrapper(partial(_asked, held, connection)))
    return held


def _asked(
    held: dict[int, Any],
    connection: Any,
    execute: Callable[..., Any],
    sql: str,
    params: Any,
    many: bool,
    context: Any,
) -> Any:
    driver: Any = connection.connection
    if id(driver) not in held:
        held[id(driver)] = driver
        cancel = getattr(driver, "cancel_safe", None) or getattr(driver, "cancel", None)
        ledger.taken(driver, f"django+{type(driver).__module__.split('.')[0]}", cancel)
    began, rows = ledger.begin(driver, sql), 0
    try:
        result = execute(ledger.tagged(sql), params, many, context)
        cursor: Any = context["cursor"]
        rows = max(cursor.rowcount, 0) if cursor.description is not None else 0
    finally:
        ledger.end(driver, began, rows=rows, in_transaction=connection.in_atomic_block)
    return result


def _give(held: dict[int, Any]) -> None:
    for driver in held.values():
        ledger.given(driver)
    held.clear()
