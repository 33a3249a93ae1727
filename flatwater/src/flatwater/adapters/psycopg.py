"""psycopg 3, sync and async: cursors that tell, for pools of psycopg_pool and for connections of one's own."""

# pyright: reportUnknownVariableType=false, reportUnknownArgumentType=false, reportUnknownLambdaType=false
# The classes here are made of a base that is known only when its library is loaded.

from __future__ import annotations

from collections.abc import Awaitable, Callable
from typing import Any

import psycopg

from flatwater.adapters.session_limits import SessionLimits
from flatwater.ledger import Ledger


def pool_options(ledger: Ledger, limits: SessionLimits | None = None) -> dict[str, Any]:
    """What `psycopg_pool.ConnectionPool(..., **pool_options(ledger))` takes so that it writes into the ledger: configure, check and reset."""

    def configure(connection: psycopg.Connection[Any]) -> None:
        watch_connection(connection, ledger, limits)

    def check(connection: psycopg.Connection[Any]) -> None:
        ledger.taken(connection, "psycopg", connection.cancel_safe)

    return {"configure": configure, "check": check, "reset": ledger.given}


def async_pool_options(ledger: Ledger, limits: SessionLimits | None = None) -> dict[str, Any]:
    """As `pool_options`, for `AsyncConnectionPool`."""

    async def configure(connection: psycopg.AsyncConnection[Any]) -> None:
        await watch_async_connection(connection, ledger, limits)

    async def check(connection: psycopg.AsyncConnection[Any]) -> None:
        ledger.taken(connection, "psycopg")  # a cancelled task ends its statement on the server by itself

    async def reset(connection: psycopg.AsyncConnection[Any]) -> None:
        ledger.given(connection)

    return {"configure": configure, "check": check, "reset": reset}


def watch_connection(
    connection: psycopg.Connection[Any], ledger: Ledger, limits: SessionLimits | None = None
) -> None:
    """Lets a connection's cursors tell, and gives it its limits. *Errors*: LimitsNotHeld."""
    if limits is not None and limits.settings():
        row = connection.execute(limits.statement().encode()).fetchone()
        limits.verify(_held(limits, row))
        connection.commit()  # a setting of a transaction that is rolled back is taken back with it
    connection.cursor_factory = _telling(connection.cursor_factory, ledger)


async def watch_async_connection(
    connection: psycopg.AsyncConnection[Any], ledger: Ledger, limits: SessionLimits | None = None
) -> None:
    """As `watch_connection`, for an asynchronous one."""
    if limits is not None and limits.settings():
        cursor = await connection.execute(limits.statement().encode())
        limits.verify(_held(limits, await cursor.fetchone()))
        await connection.commit()
    connection.cursor_factory = _telling_async(connection.cursor_factory, ledger)


def _held(limits: SessionLimits, row: Any) -> dict[str, str]:
    return dict(zip(limits.settings(), map(str, row or ()), strict=False))


def _text(query: object) -> str:
    if isinstance(query, str):
        return query
    if isinstance(query, bytes):
        return query.decode("utf-8", "replace")
    as_string: Callable[[], str] | None = getattr(query, "as_string", None)
    return as_string() if as_string is not None else str(query)


def _tagged(query: object, ledger: Ledger) -> Any:
    return ledger.tagged(query) if isinstance(query, str) else query


def _answered(cursor: Any, ledger: Ledger, began: float) -> None:
    rows = max(cursor.rowcount, 0) if cursor.description is not None else 0
    connection = cursor.connection
    in_transaction = connection.info.transaction_status in {
        psycopg.pq.TransactionStatus.INTRANS,
        psycopg.pq.TransactionStatus.INERROR,
    }
    ledger.end(connection, began, rows=rows, in_transaction=in_transaction)


def _telling(base: Any, ledger: Ledger) -> Any:
    class Telling(base):
        def execute(self, query: Any, *values: Any, **named: Any) -> Any:
            began = ledger.begin(self.connection, _text(query))
            try:
                return super().execute(_tagged(query, ledger), *values, **named)
            finally:
                _answered(self, ledger, began)

        def executemany(self, query: Any, *values: Any, **named: Any) -> Any:
            began = ledger.begin(self.connection, _text(query))
            try:
                return super().executemany(_tagged(query, ledger), *values, **named)
            finally:
                _answered(self, ledger, began)

    return Telling


def _telling_async(base: Any, ledger: Ledger) -> Any:
    class Telling(base):
        async def execute(self, query: Any, *values: Any, **named: Any) -> Any:
            began = ledger.begin(self.connection, _text(query))
            asked: Awaitable[Any] = super().execute(_tagged(query, ledger), *values, **named)
            try:
                return await asked
            finally:
                _answered(self, ledger, began)

        async def executemany(self, query: Any, *values: Any, **named: Any) -> Any:
            began = ledger.begin(self.connection, _text(query))
            asked: Awaitable[Any] = super().executemany(_tagged(query, ledger), *values, **named)
            try:
                return await asked
            finally:
                _answered(self, ledger, began)

    return Telling
