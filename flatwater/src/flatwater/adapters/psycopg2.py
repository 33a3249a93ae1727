"""psycopg2: connections and pools that tell."""

# pyright: reportUnknownVariableType=false, reportUnknownArgumentType=false, reportUnknownLambdaType=false
# The classes here are made of a base that is known only when its library is loaded.

from __future__ import annotations

from importlib import import_module
from typing import Any

from flatwater.adapters.session_limits import SessionLimits
from flatwater.ledger import Ledger


def connect(*given: Any, ledger: Ledger, limits: SessionLimits | None = None, **options: Any) -> Any:
    """`psycopg2.connect` with a connection that writes into the ledger, as held from here until it is closed. *Errors*: LimitsNotHeld."""
    psycopg2: Any = import_module("psycopg2")
    connection = psycopg2.connect(
        *given, connection_factory=_telling(options.pop("connection_factory", None), ledger), **options
    )
    _limit(connection, limits)
    ledger.taken(connection, "psycopg2", connection.cancel)
    return connection


def watched_pool(pool_class: Any, ledger: Ledger, limits: SessionLimits | None = None) -> Any:
    """A kind of pool (`ThreadedConnectionPool`, `SimpleConnectionPool`) whose connections are held from `getconn` to `putconn`."""

    class Watched(pool_class):
        def __init__(self, least: int, most: int, *given: Any, **options: Any) -> None:
            kind = _telling(options.pop("connection_factory", None), ledger)
            super().__init__(least, most, *given, connection_factory=kind, **options)

        def getconn(self, *given: Any, **options: Any) -> Any:
            connection = super().getconn(*given, **options)
            if not connection.has_limits:
                _limit(connection, limits)
                connection.has_limits = True
            ledger.taken(connection, "psycopg2", connection.cancel)
            return connection

        def putconn(self, connection: Any, *given: Any, **options: Any) -> None:
            ledger.given(connection)
            super().putconn(connection, *given, **options)

    return Watched


def _limit(connection: Any, limits: SessionLimits | None) -> None:
    if limits is None or not limits.settings():
        return
    extensions: Any = import_module("psycopg2.extensions")
    # By the driver's own cursor: this is no statement of whoever asked for the connection.
    with connection.cursor(cursor_factory=extensions.cursor) as cursor:
        extensions.cursor.execute(cursor, limits.statement())
        row = cursor.fetchone()
        limits.verify(dict(zip(limits.settings(), map(str, row or ()), strict=False)))
    connection.commit()  # a setting of a transaction that is rolled back is taken back with it


def _telling(base: Any, ledger: Ledger) -> Any:
    extensions: Any = import_module("psycopg2.extensions")
    in_transaction = {extensions.TRANSACTION_STATUS_INTRANS, extensions.TRANSACTION_STATUS_INERROR}
    kinds: dict[Any, Any] = {}

    def answered(cursor: Any, began: float) -> None:
        connection = cursor.connection
        rows = max(cursor.rowcount, 0) if cursor.description is not None else 0
        sits = not connection.closed and connection.info.transaction_status in in_transaction
        ledger.end(connection, began, rows=rows, in_transaction=sits)

    def telling(kind: Any) -> Any:
        if kind in kinds:
            return kinds[kind]

        class Cursor(kind):
            def execute(self, query: Any, *values: Any, **named: Any) -> Any:
                began = ledger.begin(self.connection, query)
                try:
                    tagged = ledger.tagged(query) if isinstance(query, str) else query
                    return super().execute(tagged, *values, **named)
                finally:
                    answered(self, began)

            def executemany(self, query: Any, *values: Any, **named: Any) -> Any:
                began = ledger.begin(self.connection, query)
                try:
                    return super().executemany(query, *values, **named)
                finally:
                    answered(self, began)

        kinds[kind] = Cursor
        return Cursor

    class Connection(base or extensions.connection):
        has_limits = False

        def cursor(self, *given: Any, cursor_factory: Any = None, **named: Any) -> Any:
            kind = cursor_factory or self.cursor_factory or extensions.cursor
            return super().cursor(*given, cursor_factory=telling(kind), **named)

        def commit(self) -> None:
            super().commit()
            ledger.rests(self, in_transaction=False)

        def rollback(self) -> None:
            super().rollback()
            ledger.rests(self, in_transaction=False)

        def close(self) -> None:
            ledger.given(self)
            super().close()

    return Connection
