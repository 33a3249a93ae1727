"""What a request does at the database: statements, rows, repeats, time with a connection, connections it keeps.

While the probe is in place the cursors, connections and pools of psycopg, asyncpg and psycopg2 (and with them SQLAlchemy and Django)
tell the tally of the request that they work for; a context variable carries it, so that what else the application does at the same time is
not counted. What other drivers do is told as not counted.
"""

# pyright: reportUnknownVariableType=false, reportUnknownArgumentType=false, reportUnknownLambdaType=false
# The classes here are made of a base that is known only when its library is loaded.

from __future__ import annotations

import sys
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator
from contextlib import ExitStack, contextmanager
from inspect import isawaitable
from typing import Any, Final, cast

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


COUNTED: Final = ("psycopg", "asyncpg", "psycopg2")
_UNCOUNTED: Final = (
    "pg8000",
    "aiopg",
    "psqlpy",
    "pymysql",
    "MySQLdb",
    "aiomysql",
    "asyncmy",
    "aiosqlite",
    "oracledb",
    "pymongo",
    "motor",
    "django.db.backends.sqlite3",
    "sqlalchemy.dialects.sqlite.pysqlite",
)


def uncounted_drivers() -> tuple[str, ...]:
    """The loaded drivers of databases whose statements nobody counts here."""
    return tuple(each for each in _UNCOUNTED if each in sys.modules)


class OtherDatabase(Exception):
    """The application asks another database than the one that may be written to; nothing was sent there."""


class Probe:
    """Puts itself between psycopg and its callers, and takes itself out again. *Cost*: a call around each statement.

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
        self._kinds: dict[Any, Any] = {}
        self._is_asking = False

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
            if (asyncpg := sys.modules.get("asyncpg")) is not None:
                self._on_asyncpg(stack, asyncpg)
            yield

    def _on_asyncpg(self, stack: ExitStack, asyncpg: Any) -> None:
        ways = ("execute", "executemany", "fetch", "fetchrow", "fetchval")
        for owner in (asyncpg.Connection, asyncpg.prepared_stmt.PreparedStatement):
            for name in ways:
                if hasattr(owner, name):
                    _put(stack, owner, name, self._asked(getattr(owner, name)))
            _put(stack, owner, "cursor", self._walked(owner.cursor))
        # What a pool gives out is asked through its connections; only taking and giving is the pool's own.
        taking = asyncpg.pool.PoolAcquireContext
        _put(stack, taking, "__aenter__", self._entered(taking.__aenter__))
        _put(stack, taking, "__await__", self._acquired(taking.__await__))
        _put(stack, asyncpg.pool.Pool, "release", self._released(asyncpg.pool.Pool.release))

    def _entered(self, original: Callable[..., Awaitable[Any]]) -> Callable[..., Awaitable[Any]]:
        async def enter(taking: Any) -> Any:
            began = self._clock.monotonic()
            connection = await original(taking)
            self._take(_AsyncpgPool(taking.pool), _AsyncpgConnection(connection), began)
            return connection

        return enter

    def _acquired(self, original: Callable[..., Iterator[Any]]) -> Callable[..., Iterator[Any]]:
        def wait(taking: Any) -> Any:
            began = self._clock.monotonic()
            connection: Any = yield from original(taking)
            self._take(_AsyncpgPool(taking.pool), _AsyncpgConnection(connection), began)
            return connection

        return wait

    def _asked(self, original: Callable[..., Awaitable[Any]]) -> Callable[..., Awaitable[Any]]:
        async def ask(owner: Any, *more: Any, **named: Any) -> Any:
            query = owner.get_query() if hasattr(owner, "get_query") else (more or list(named.values()))[0]
            await self._may_asyncpg(owner)
            tally = current.get()
            if tally is None:
                return await original(owner, *more, **named)
            began = self._clock.monotonic()
            try:
                result = await original(owner, *more, **named)
            finally:
                tally.count(query, self._clock.monotonic() - began)
            if not isinstance(result, str):  # the command's own word
                tally.rows += 0 if result is None else _length(result)
            return result

        return ask

    def _walked(self, original: Callable[..., Any]) -> Callable[..., Any]:
        def cursor(owner: Any, *more: Any, **named: Any) -> Any:
            if (tally := current.get()) is not None:
                tally.count(owner.get_query() if hasattr(owner, "get_query") else more[0], 0.0)
            return original(owner, *more, **named)

        return cursor

    async def _may_asyncpg(self, owner: Any) -> None:
        if not self._only or self._is_asking or hasattr(owner, "get_query"):
            return
        self._is_asking = True
        try:
            name = str(await owner.fetchval("select current_database()"))
        finally:
            self._is_asking = False
        if name != self._only:
            self.strayed = name
            raise OtherDatabase(f"{name} is asked, and only {self._only} may be")
        self.has_reached = True

    def _released(self, original: Callable[..., Awaitable[Any]]) -> Callable[..., Awaitable[Any]]:
        async def release(pool: Any, connection: Any, *more: Any, **named: Any) -> Any:
            self._give(connection)
            asked_by = current.set(None)  # what the pool asks to make a connection clean is no request's
            try:
                return await original(pool, connection, *more, **named)
            finally:
                current.reset(asked_by)

        return release

    @contextmanager
    def on_connecting(self) -> Iterator[None]:
        """Stands where psycopg2 makes its connections, whose classes are not Python's to change."""
        psycopg2: Any = sys.modules.get("psycopg2")
        with ExitStack() as stack:
            if psycopg2 is not None:
                original, probe = psycopg2.connect, self

                def connect(*more: Any, connection_factory: Any = None, **named: Any) -> Any:
                    base = connection_factory or psycopg2.extensions.connection
                    return original(*more, connection_factory=probe._watched(base), **named)

                _put(stack, psycopg2, "connect", connect)
            yield

    def _watched(self, base: Any) -> Any:
        """A kind of psycopg2's connections whose cursors tell; one for each kind that the application makes."""
        if base in self._kinds:
            return self._kinds[base]
        probe = self

        class Watched(base):
            def cursor(self, *more: Any, **named: Any) -> Any:
                made: Any = super().cursor(*more, **named)
                return made if made.name is not None else probe._telling(made, more, named, super().cursor)

        self._kinds[base] = Watched
        return Watched

    def _telling(
        self, made: Any, more: tuple[Any, ...], named: dict[str, Any], again: Callable[..., Any]
    ) -> Any:
        kind = cast("Any", type(made))
        if kind not in self._kinds:
            around = self._called_psycopg2

            class Telling(kind):
                execute = around(kind.execute)
                executemany = around(kind.executemany)

            self._kinds[kind] = Telling
        made.close()
        return again(*more, **{**named, "cursor_factory": self._kinds[kind]})

    def _called_psycopg2(self, original: Callable[..., Any]) -> Callable[..., Any]:
        def execute(cursor: Any, query: Any, *more: Any, **named: Any) -> Any:
            name = str(cursor.connection.info.dbname)
            if self._only and name != self._only:
                self.strayed = name
                raise OtherDatabase(f"{name} is asked, and only {self._only} may be")
            self.has_reached = self.has_reached or bool(self._only)
            tally = current.get()
            if tally is None:
                return original(cursor, query, *more, **named)
            began = self._clock.monotonic()
            try:
                result = original(cursor, query, *more, **named)
            finally:
                tally.count(query, self._clock.monotonic() - began)
            tally.rows += max(cursor.rowcount, 0) if cursor.description is not None else 0
            return result

        return execute

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
            held = connection.proxy if isinstance(connection, _AsyncpgConnection) else connection
            tally.held[id(held)] = (pool, connection, now)
            self._holders[id(held)] = tally

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


class _AsyncpgConnection:
    """A connection of asyncpg's pool with the words of psycopg's, for whoever takes back what was kept."""

    def __init__(self, proxy: Any) -> None:
        self.proxy = proxy

    @property
    def closed(self) -> bool:
        return bool(self.proxy.is_closed())

    def rollback(self) -> None:
        """Nothing: asyncpg's pool resets what it is given back."""


class _AsyncpgPool:
    def __init__(self, pool: Any) -> None:
        self._pool = pool

    def putconn(self, connection: _AsyncpgConnection) -> Awaitable[None]:
        return self._pool.release(connection.proxy)


def _length(fetched: Any) -> int:
    return len(cast("list[Any]", fetched)) if isinstance(fetched, list) else 1


def _rows(cursor: Any) -> int:
    """Rows that the driver now holds, whether they are fetched or not; a cursor on the server holds none yet."""
    if isinstance(cursor, (psycopg.AsyncServerCursor, psycopg.ServerCursor)) or cursor.description is None:
        return 0
    return max(cursor.rowcount, 0)
