"""What a request does at the database: statements, rows, repeats, time with a connection, connections it keeps.

While the probe is in place psycopg's cursors, connections and pools tell the tally of the request that they work for; a
context variable carries it, so that what else the application does at the same time is not counted.
"""

from __future__ import annotations

from collections.abc import AsyncIterator, Awaitable, Callable, Iterator
from contextlib import ExitStack, contextmanager
from inspect import isawaitable
from typing import Any, cast

import psycopg
import psycopg_pool

from flatwater.audit.dynamic.tally import Tally, current
from flatwater.clock import Clock


def _put(stack: ExitStack, owner: Any, name: str, instead: Any) -> None:
    """Puts something in an attribute's place until the stack ends."""
    if name in vars(owner):
        stack.callback(setattr, owner, name, vars(owner)[name])
    else:
        stack.callback(delattr, owner, name)
    setattr(owner, name, instead)


class OtherDatabase(Exception):
    """The application asks another database than the one that may be written to; nothing was sent there."""


class Probe:
    """Puts itself between psycopg and its callers, and takes itself out again. *Cost*: 2 µs a statement.

    Where `only` names a database, no statement is sent to another one.
    """

    def __init__(self, clock: Clock, *, only: str = "") -> None:
        self._clock = clock
        self._only = only
        self.has_reached = False
        """Whether a statement went to the database that was named."""
        self.strayed = ""
        """The name of another database that was asked; empty where none was."""
        self._holders: dict[int, Tally] = {}
        """Who holds which connection; no more than the pools have."""

    @contextmanager
    def in_place(self) -> Iterator[None]:
        cursors = (
            (psycopg.AsyncCursor, self._awaited),
            (psycopg.AsyncServerCursor, self._awaited),
            (psycopg.Cursor, self._called),
            (psycopg.ServerCursor, self._called),
        )
        with ExitStack() as stack:
            for cursor, around in cursors:
                for name in ("execute", "executemany"):
                    _put(stack, cursor, name, around(getattr(cursor, name)))
            for cursor in (psycopg.AsyncCursor, psycopg.Cursor):
                _put(stack, cursor, "copy", self._copied(cursor.copy))
            _put(stack, psycopg.AsyncCursor, "stream", self._streamed(psycopg.AsyncCursor.stream))
            fetch: Any = psycopg.AsyncServerCursor
            for name in ("fetchone", "fetchmany", "fetchall", "__anext__"):
                _put(stack, fetch, name, self._fetched(getattr(fetch, name)))
            pool, sync_pool = psycopg_pool.AsyncConnectionPool, psycopg_pool.ConnectionPool
            _put(stack, pool, "getconn", self._taken_async(pool.getconn))
            _put(stack, pool, "putconn", self._given_async(pool.putconn))
            _put(stack, sync_pool, "getconn", self._taken(sync_pool.getconn))
            _put(stack, sync_pool, "putconn", self._given(sync_pool.putconn))
            for connection in (psycopg.AsyncConnection, psycopg.Connection):
                _put(stack, connection, "connect", self._connected(vars(connection)["connect"].__func__))
            yield

    def _may(self, cursor: Any) -> None:
        if not self._only:
            return
        name = str(cursor.connection.info.dbname)
        if name != self._only:
            self.strayed = name
            raise OtherDatabase(f"{name} is asked, and only {self._only} may be")
        self.has_reached = True

    def _awaited(self, original: Callable[..., Awaitable[Any]]) -> Callable[..., Awaitable[Any]]:
        async def execute(cursor: Any, query: Any, *more: Any, **named: Any) -> Any:
            self._may(cursor)
            tally = current.get()
            if tally is None:
                return await original(cursor, query, *more, **named)
            began = self._clock.monotonic()
            try:
                result = await original(cursor, query, *more, **named)
            finally:
                tally.count(query, self._clock.monotonic() - began)
            tally.rows += _rows(cursor)
            return result

        return execute

    def _called(self, original: Callable[..., Any]) -> Callable[..., Any]:
        def execute(cursor: Any, query: Any, *more: Any, **named: Any) -> Any:
            self._may(cursor)
            tally = current.get()
            if tally is None:
                return original(cursor, query, *more, **named)
            began = self._clock.monotonic()
            try:
                result = original(cursor, query, *more, **named)
            finally:
                tally.count(query, self._clock.monotonic() - began)
            tally.rows += _rows(cursor)
            return result

        return execute

    def _copied(self, original: Callable[..., Any]) -> Callable[..., Any]:
        def copy(cursor: Any, statement: Any, *more: Any, **named: Any) -> Any:
            self._may(cursor)
            if (tally := current.get()) is not None:
                tally.count(statement, 0.0)
            return original(cursor, statement, *more, **named)

        return copy

    def _streamed(self, original: Callable[..., Any]) -> Callable[..., Any]:
        async def stream(cursor: Any, query: Any, *more: Any, **named: Any) -> AsyncIterator[Any]:
            self._may(cursor)
            tally = current.get()
            if tally is not None:
                tally.count(query, 0.0)
            async for row in original(cursor, query, *more, **named):
                if tally is not None:
                    tally.rows += 1
                yield row

        return stream

    def _fetched(self, original: Callable[..., Awaitable[Any]]) -> Callable[..., Awaitable[Any]]:
        async def fetch(cursor: Any, *more: Any, **named: Any) -> Any:
            result: Any = await original(cursor, *more, **named)
            if (tally := current.get()) is not None and result is not None:
                tally.rows += _length(result)
            return result

        return fetch

    def _taken_async(self, original: Callable[..., Awaitable[Any]]) -> Callable[..., Awaitable[Any]]:
        async def getconn(pool: Any, *more: Any, **named: Any) -> Any:
            began = self._clock.monotonic()
            connection = await original(pool, *more, **named)
            self._take(pool, connection, began)
            return connection

        return getconn

    def _taken(self, original: Callable[..., Any]) -> Callable[..., Any]:
        def getconn(pool: Any, *more: Any, **named: Any) -> Any:
            began = self._clock.monotonic()
            connection = original(pool, *more, **named)
            self._take(pool, connection, began)
            return connection

        return getconn

    def _given_async(self, original: Callable[..., Awaitable[Any]]) -> Callable[..., Awaitable[Any]]:
        async def putconn(pool: Any, connection: Any) -> None:
            self._give(connection)
            await original(pool, connection)

        return putconn

    def _given(self, original: Callable[..., Any]) -> Callable[..., Any]:
        def putconn(pool: Any, connection: Any) -> None:
            self._give(connection)
            original(pool, connection)

        return putconn

    def _take(self, pool: Any, connection: Any, began: float) -> None:
        if (tally := current.get()) is not None:
            now = self._clock.monotonic()
            tally.waited_s += now - began
            tally.held[id(connection)] = (pool, connection, now)
            self._holders[id(connection)] = tally

    def _give(self, connection: Any) -> None:
        # Whoever gives it back may be another task than the one that took it.
        tally = self._holders.pop(id(connection), None)
        taken = tally.held.pop(id(connection), None) if tally is not None else None
        if tally is not None and taken is not None:
            tally.held_s += self._clock.monotonic() - taken[2]

    def _connected(self, original: Callable[..., Any]) -> Any:
        def connect(kind: type[Any], *more: Any, **named: Any) -> Any:
            made: Any = original(kind, *more, **named)
            tally = current.get()
            if tally is None:
                return made
            tally.connects += 1
            if not isawaitable(made):
                tally.opened.append(made)
                return made

            async def finish() -> Any:
                connection = await made
                tally.opened.append(connection)
                return connection

            return finish()

        return classmethod(connect)


def _length(fetched: Any) -> int:
    return len(cast("list[Any]", fetched)) if isinstance(fetched, list) else 1


def _rows(cursor: Any) -> int:
    """Rows that the driver now holds, whether they are fetched or not; a cursor on the server holds none yet."""
    if isinstance(cursor, (psycopg.AsyncServerCursor, psycopg.ServerCursor)) or cursor.description is None:
        return 0
    return max(cursor.rowcount, 0)
