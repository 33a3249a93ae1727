"""psycopg 3, sync and async: cursors that tell, for pools of psycopg_pool and for connections of one's own."""

# pyright: reportUnknownVariableType=false, reportUnknownArgumentType=false, reportUnknownLambdaType=false
# The classes here are made of a base that is known only when its library is loaded.

from __future__ import annotations

from collections.abc import Awaitable, Callable
from functools import partial
from inspect import iscoroutinefunction
from typing import Any

import psycopg

from flatwater.adapters.session_limits import SessionLimits
from flatwater.ledger import Ledger


def watched_pool(pool_class: Any, ledger: Ledger, limits: SessionLimits | None = None) -> Any:
    """A kind of pool, of `ConnectionPool`'s or `AsyncConnectionPool`'s, whose connections are held from `getconn` to `putconn`.

    All its options may be given, `configure` too. *Errors*: LimitsNotHeld from a connection that does not take its limits, as the pool tells it.
    """
    return (_async_pool if iscoroutinefunction(pool_class.getconn) else _pool)(pool_class, ledger, limits)


def _pool(pool_class: Any, ledger: Ledger, limits: SessionLimits | None) -> Any:
    class Watched(pool_class):
        def __init__(
            self, *given: Any, configure: Callable[[Any], None] | None = None, **options: Any
        ) -> None:
            def configured(connection: psycopg.Connection[Any]) -> None:
                watch_connection(connection, ledger, limits)
                if configure is not None:
                    configure(connection)

            super().__init__(*given, configure=configured, **options)

        def getconn(self, *given: Any, **named: Any) -> Any:
            connection = super().getconn(*given, **named)
            ledger.taken(connection, "psycopg", connection.cancel_safe, partial(_sits, connection))
            return connection

        def putconn(self, connection: Any) -> None:
            ledger.given(connection)
            super().putconn(connection)

    return Watched


def _async_pool(pool_class: Any, ledger: Ledger, limits: SessionLimits | None) -> Any:
    class Watched(pool_class):
        def __init__(
            self, *given: Any, configure: Callable[[Any], Awaitable[None]] | None = None, **options: Any
        ) -> None:
            async def configured(connection: psycopg.AsyncConnection[Any]) -> None:
                await watch_async_connection(connection, ledger, limits)
                if configure is not None:
                    await configure(connection)

            super().__init__(*given, configure=configured, **options)

        async def getconn(self, *given: Any, **named: Any) -> Any:
            connection = await super().getconn(*given, **named)
            ledger.taken(
                connection, "psycopg", None, partial(_sits, connection)
            )  # a cancelled task ends its statement on the server by itself
            return connection

        async def putconn(self, connection: Any) -> None:
            ledger.given(connection)
            await super().putconn(connection)

    return Watched


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


def _sits(connection: Any) -> bool:
    return connection.info.transaction_status in {
        psycopg.pq.TransactionStatus.INTRANS,
        psycopg.pq.TransactionStatus.INERROR,
    }


def _answered(cursor: Any, ledger: Ledger, began: float) -> None:
    rows = max(cursor.rowcount, 0) if cursor.description is not None else 0
    ledger.end(cursor.connection, began, rows=rows, in_transaction=_sits(cursor.connection))


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
