"""The one connection that checks look through: read-only, with short limits, opened before anything is asked."""

from __future__ import annotations

import os
import socket
import threading
from collections.abc import Callable, Mapping
from datetime import datetime
from types import TracebackType
from typing import Final, Self, TypeVar

import msgspec
import psycopg
from psycopg import conninfo as conninfos
from psycopg import sql
from psycopg.rows import RowMaker, dict_row

from flatwater.doctor.application_numbers import ApplicationNumbers
from flatwater.doctor.catalog import queries
from flatwater.doctor.machine import is_on_this_machine, machine_memory_bytes
from flatwater.doctor.model import NotExamined, Snapshot
from flatwater.doctor.pool_numbers import PoolNumbers
from flatwater.dsn import NotADsn, read_dsn, said_of
from flatwater.queries import Query
from flatwater.refusals import refusal_of
from flatwater.supervisor import after

MAX_ROWS: Final = 200
"""Rows that a probe may hold; a catalog query has its own limit below this."""
MAX_REMEMBERED: Final = 500
"""Numbers that one look may leave for the next."""
STATEMENT_MS: Final = 400
COUNT_MS: Final = 2_000
"""Counting a million rows takes 100 ms on a quiet machine; on one that is looked at because it is ill, it takes longer."""
LOCK_MS: Final = 50
IDLE_IN_TRANSACTION_MS: Final = 5_000
CONNECT_S: Final = 5
"""*Source*: the limits that issue 4 sets for a look; connecting as long as flatwater's pool waits for it."""

RowT = TypeVar("RowT")

_LIMITS: Final = {
    "default_transaction_read_only": "on",
    "lock_timeout": str(LOCK_MS),
    "statement_timeout": str(STATEMENT_MS),
    "idle_in_transaction_session_timeout": str(IDLE_IN_TRANSACTION_MS),
    # A sick server is short of processes and memory: a probe takes no workers and no compiler. work_mem is left as it is,
    # for a check tells it.
    "max_parallel_workers_per_gather": "0",
    "jit": "off",
}


_LIMIT: Final = sql.SQL("set statement_timeout = {}")


class CouldNotLook(Exception):
    """No connection for looking was had; the message says why and what would help."""


class _SessionNow(msgspec.Struct, frozen=True):
    version: int
    backend_pid: int
    database: str
    role: str
    at: datetime
    is_superuser: bool
    sees_others: bool
    has_pg_stat_statements: bool
    offers_pg_stat_statements: bool
    is_replica: bool
    server_address: str
    lock_timeout: str
    statement_timeout: str
    read_only: str


class Look:
    """One look at a server. *Errors*: CouldNotLook on entering; then only NotExamined, from `rows`."""

    version: int
    is_superuser: bool
    sees_others: bool
    """Whether other roles' sessions show their state and statement (pg_read_all_stats)."""
    has_pg_stat_statements: bool
    offers_pg_stat_statements: bool
    """Whether it could be switched on: the server's own files have it."""
    is_replica: bool
    is_local: bool
    memory_bytes: int | None
    at: datetime
    database: str
    role: str
    backend_pid: int

    def __init__(
        self,
        dsn: str,
        *,
        application: str | None = None,
        pool: int | None = None,
        history: tuple[Snapshot, ...] = (),
        pool_numbers: Callable[[], PoolNumbers] | None = None,
        application_numbers: Callable[[], ApplicationNumbers | None] | None = None,
    ) -> None:
        self.application = application
        self.pool = pool
        """The most connections that the application's pools may hold together, where somebody said so."""
        self.pool_numbers = pool_numbers
        self._application_numbers = application_numbers
        self.history = history
        self.remembered: dict[str, float] = {}
        self._dsn = dsn
        self._connection: psycopg.Connection[dict[str, object]] | None = None
        self._hung_up: str | None = None
        self.has_probe_trouble = False

    @property
    def previous(self) -> Snapshot | None:
        """The look before this one, where there was one."""
        return self.history[-1] if self.history else None

    def own_numbers(self) -> ApplicationNumbers | None:
        """What the application tells of itself, or None where it tells nothing."""
        return None if self._application_numbers is None else self._application_numbers()

    def remember(self, key: str, value: float) -> None:
        """Leaves a number for the next look. Past 500 of them the rest is not kept. Keys that begin with "trend/" are kept longest."""
        if key in self.remembered or len(self.remembered) < MAX_REMEMBERED:
            self.remembered[key] = float(value)

    def belongs_to_application(self, application_name: str) -> bool:
        """Whether a session is the named application's. Its name may carry a route: "shop/list_orders"."""
        return self.application is not None and application_name.split("/", 1)[0] == self.application

    def __enter__(self) -> Self:
        try:
            self._connection = psycopg.Connection[dict[str, object]].connect(
                _careful(self._dsn), autocommit=True, row_factory=_by_name, prepare_threshold=None
            )
        except psycopg.Error as error:
            raise CouldNotLook(_why_not_connected(error, self._dsn)) from None
        try:
            self._begin()
        except BaseException:
            self.close()
            raise
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        self.close()

    def close(self) -> None:
        """Gives the connection back to the server."""
        if self._connection is not None:
            self._connection.close()
            self._connection = None

    @property
    def connection(self) -> psycopg.Connection[dict[str, object]]:
        """The connection itself, for the one who cures."""
        if self._connection is None:
            raise CouldNotLook("the look is over")
        return self._connection

    def _begin(self) -> None:
        try:
            now = self.rows(queries["session_now"], into=_SessionNow)[0]
        except NotExamined as error:
            raise CouldNotLook(str(error)) from error
        held = (now.lock_timeout, now.statement_timeout, now.read_only)
        if held != (f"{LOCK_MS}ms", f"{STATEMENT_MS}ms", "on"):
            raise CouldNotLook(
                "The server does not hold the limits of the look (a pooler in between may drop start-up options); "
                "give the address of PostgreSQL itself."
            )
        self.version, self.backend_pid, self.at = now.version, now.backend_pid, now.at
        self.database, self.role = now.database, now.role
        self.is_superuser, self.sees_others = now.is_superuser, now.sees_others
        self.has_pg_stat_statements, self.is_replica = now.has_pg_stat_statements, now.is_replica
        self.offers_pg_stat_statements = now.offers_pg_stat_statements
        self.is_local = is_on_this_machine(self.connection.info.host, now.server_address, now.backend_pid)
        self.memory_bytes = machine_memory_bytes() if self.is_local else None

    def begin_again(self, history: tuple[Snapshot, ...]) -> None:
        """Starts the next look through the same connection. *Errors*: CouldNotLook."""
        self.history = history
        self.remembered = {}
        self._begin()

    def rows(
        self, query: Query, params: Mapping[str, object] | None = None, *, into: type[RowT]
    ) -> list[RowT]:
        """At most 200 rows of a catalog query. *Errors*: NotExamined where it is refused, too slow or waits for a lock."""
        self.has_probe_trouble = False
        if self._hung_up is not None:
            raise NotExamined(self._hung_up)
        try:
            with self.connection.cursor() as cursor:
                cursor.execute(query.text, params if params is not None else {})
                found = cursor.fetchmany(MAX_ROWS)
        except psycopg.Error as error:
            self.has_probe_trouble = not isinstance(error, psycopg.errors.LockNotAvailable)
            raise NotExamined(self._why_refused(query.name, error)) from error
        return [msgspec.convert(row, into, strict=False) for row in found]

    def count(self, name: str, counting: sql.Composed) -> int:
        """What a count of rows says, of a table whose name only the look knows. *Errors*: NotExamined as above."""
        self.has_probe_trouble = False
        if self._hung_up is not None:
            raise NotExamined(self._hung_up)
        try:
            with self.connection.cursor() as cursor:
                cursor.execute(_LIMIT.format(sql.Literal(COUNT_MS)))
                found = cursor.execute(counting).fetchone()
                cursor.execute(_LIMIT.format(sql.Literal(STATEMENT_MS)))
        except psycopg.Error as error:
            self.has_probe_trouble = not isinstance(error, psycopg.errors.LockNotAvailable)
            if not self.connection.closed:
                self.connection.execute(_LIMIT.format(sql.Literal(STATEMENT_MS)))
            if isinstance(error, psycopg.errors.QueryCanceled):
                raise NotExamined(
                    f"{name}: counting took longer than {COUNT_MS} ms and was stopped."
                ) from error
            raise NotExamined(self._why_refused(name, error)) from error
        return 0 if found is None else int(str(found["count"]))

    def _why_refused(self, name: str, error: psycopg.Error) -> str:
        if self.connection.closed or self.connection.broken:
            self._hung_up = self._hung_up or "The connection of the look was lost."
            return self._hung_up
        if isinstance(error, psycopg.errors.LockNotAvailable):
            return f"{name}: the lock it needs was not had within {LOCK_MS} ms."
        if isinstance(error, psycopg.errors.QueryCanceled):
            return f"{name}: took longer than {STATEMENT_MS} ms and was stopped."
        if isinstance(error, psycopg.errors.InsufficientPrivilege):
            return f"{name}: this role may not see it ({_first_line(error)})."
        return f"{name}: {_first_line(error)}."

    def within(self, seconds: float) -> threading.Timer:
        """A started timer that hangs up when the server falls silent; cancel it when the look is over.

        The server's own time-outs end a slow probe. This one is for a server, or a network, that answers nothing any more.
        """
        return after(seconds, lambda: self._hang_up(seconds), name="flatwater doctor hangs up")

    def _hang_up(self, seconds: float) -> None:
        connection = self._connection
        if connection is None or connection.closed:
            return
        self._hung_up = f"The server did not answer within the {seconds:.0f} s a look may take."
        with socket.socket(fileno=os.dup(connection.fileno())) as line:
            line.shutdown(socket.SHUT_RDWR)


def _by_name(cursor: psycopg.Cursor[dict[str, object]]) -> RowMaker[dict[str, object]]:
    return dict_row(cursor)


def _careful(dsn: str) -> str:
    try:
        dsn = read_dsn(dsn)
    except NotADsn as error:
        raise CouldNotLook(str(error)) from None
    given = conninfos.conninfo_to_dict(dsn)
    options = " ".join(f"-c {name}={value}" for name, value in _LIMITS.items())
    return conninfos.make_conninfo(
        dsn,
        application_name="flatwater doctor",
        connect_timeout=CONNECT_S,
        options=f"{given.get('options') or ''} {options}".strip(),
        tcp_user_timeout=5_000,
        keepalives_idle=5,
    )


def _why_not_connected(error: psycopg.Error, dsn: str) -> str:
    refusal = refusal_of(error, dsn)
    if refusal.is_pooler:
        return (
            "The server does not hold the limits of the look: a pooler in between refuses start-up options; "
            f"give the address of PostgreSQL itself ({said_of(error, dsn)})."
        )
    if refusal.sentence.startswith("Every connection"):
        return (
            f"{refusal.sentence} Look through a reserved one: as a superuser "
            "(superuser_reserved_connections), or from PostgreSQL 16 as a role with pg_use_reserved_connections "
            "(reserved_connections). Keep `flatwater doctor --watch` running and it has its connection before the trouble."
        )
    return refusal.sentence


def _first_line(error: psycopg.Error) -> str:
    said = error.diag.message_primary or str(error)
    return said.strip().split("\n", 1)[0].rstrip(".")
