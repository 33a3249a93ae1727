"""The way to the database: a few connections with limits set on the server, a bounded queue for them, one kept apart.

Reads run read-only and each statement by itself; writes run in one transaction and are done again when others
came in between. Nothing waits without a bound: not for connecting, not for a connection, not for an answer.
"""

from __future__ import annotations

import asyncio
import logging
import math
import random
import re
import time
from collections.abc import AsyncIterator, Awaitable, Callable, Coroutine
from contextlib import asynccontextmanager
from typing import Any, Final, Literal, LiteralString, Self, TypeVar, cast
from weakref import WeakKeyDictionary

import msgspec
import psycopg
import psycopg_pool
from psycopg import errors
from psycopg.conninfo import make_conninfo
from psycopg.sql import SQL, Identifier

from flatwater.announcing import Announcer, Way
from flatwater.begun import Rest, begun
from flatwater.circuit_breaker import BreakerOpen, CircuitBreaker, State
from flatwater.clock import Clock, SystemClock
from flatwater.dsn import connecting, read_dsn, setting_each
from flatwater.errors import (
    CircuitOpen,
    CommitUnknown,
    DatabaseUnavailable,
    DeadlineExceeded,
    PoolFull,
    PoolTimeout,
    RetriesExhausted,
    ServerFull,
)
from flatwater.group_commit import GroupCommit
from flatwater.outgrown import expire, own_bytes
from flatwater.refusals import Refusal, refusal_of
from flatwater.retry_budget import RetryBudget
from flatwater.statement_times import StatementTimes
from flatwater.supervisor import beside
from flatwater.transaction import Connection, Deadline, Serialization, Session, settle

log = logging.getLogger("flatwater.pool")

ResultT = TypeVar("ResultT")

ATTEMPTS: Final = 6
RECONNECT_S: Final = 0.5
TRY_AGAIN_S: Final = 0.1
FIRST_PAUSE_S: Final = 0.01
LONGEST_PAUSE_S: Final = 0.5
OLDEST_SERVER: Final = 150_000
SERVER_GRACE_MS: Final = 500
"""So long after the deadline the server ends a transaction itself; by then our own cancel request came or never will."""
TRANSACTION_TIMEOUT_SINCE: Final = 170_000
"""*Source*: PostgreSQL 17, release notes: transaction_timeout. Before it each statement and each pause gets this end."""
_TIMEOUTS: Final[tuple[LiteralString, ...]] = (
    "statement_timeout",
    "idle_in_transaction_session_timeout",
    "lock_timeout",
)
MAX_NAME_BYTES: Final = 63
"""*Source*: PostgreSQL, NAMEDATALEN."""
_UNSHOWABLE = re.compile(r"[^a-zA-Z0-9_.-]")

Plans = Literal["auto", "generic"]
BEGINNINGS: Final[dict[Plans, LiteralString]] = {
    "auto": "BEGIN READ WRITE",
    "generic": "BEGIN READ WRITE; SET LOCAL plan_cache_mode = force_generic_plan",
}
"""How a write begins: one round trip either way."""


class Limits(msgspec.Struct, frozen=True):
    """What the pool and its sessions may take. Times in seconds."""

    connections: int = 3
    waiting: int = 64
    connect_s: float = 5.0
    acquire_s: float = 5.0
    statement_s: float = 30.0
    idle_in_transaction_s: float = 30.0
    lock_s: float = 5.0
    idle_close_s: float = 60.0
    network_silence_s: float = 10.0
    prepared_statements: int = 64
    """Kept by each connection. *Cost*: some 80 kB each in the server's process, for as long as the connection lives."""
    lifetime_s: float = 120.0
    """Then a connection is replaced by a fresh one, once it is free. The server's process keeps what it has ever looked up, tables and indexes of
    pages that somebody opened an hour ago too; making another takes some milliseconds. *Source*: benchmarks/README.md, "each connection"."""
    backend_bytes: int | None = None
    """A connection whose process on the server has more than this of its own is replaced by a fresh one when it is given back, whatever its age. Only
    for a server of this machine, whose processes can be seen; None leaves them as they are. *Cost*: 15 µs each time one is given back."""
    outgrown_every_s: float = 3.0
    """So long lies between two such replacements, for a fresh connection plans all over again: each costs some 35 ms of the two processes together.
    *Source*: benchmarks/README.md, "each connection": without a pause between them a mixed load was served at two fifths of its rate."""

    def on_the_server(self) -> dict[str, str]:
        """The session settings that hold these limits on the server. *Units*: milliseconds, as PostgreSQL shows them."""
        return {
            "statement_timeout": str(int(self.statement_s * 1000)),
            "idle_in_transaction_session_timeout": str(int(self.idle_in_transaction_s * 1000)),
            "lock_timeout": str(int(self.lock_s * 1000)),
            "default_transaction_read_only": "on",
        }


class LimitsNotHeld(Exception):
    """The database server did not take over the limits of our sessions, so the service does not start."""


class PoolStatistics(msgspec.Struct, frozen=True):
    """How the pool stands and what it has been through. Times in seconds."""

    connections: int
    idle: int
    waiting: int
    acquired: int
    queued: int
    refused: int
    wait_s: float
    connects_failed: int
    connections_lost: int
    deadlines_struck: int
    retries: int
    retries_refused: int = 0
    breaker: State = "closed"
    breaker_opened: int = 0
    waiting_routes: dict[str, int] = {}
    """Who waits now: how many of each route; at most as many as may wait."""
    groups: int = 0
    """Transactions for those who came together; with how many there were in them, how many of those were done alone after all, and how many groups came
    to nothing."""
    group_members: int = 0
    group_members_alone: int = 0
    groups_dissolved: int = 0
    outgrown: int = 0
    """Connections that were replaced since their process on the server had outgrown its bound."""


class Database:
    """One database, reached through a bounded pool. Open it, use it from one event loop, close it."""

    def __init__(
        self,
        conninfo: str,
        *,
        limits: Limits | None = None,
        application_name: str = "flatwater",
        clock: Clock | None = None,
        announce_by: Way | None = None,
        pooler: bool = False,
        pooler_keeps_statements: bool = False,
    ) -> None:
        """`pooler` is PgBouncer in transaction mode, or its like, between us and the server; one that is told to keep prepared
        statements (PgBouncer 1.21's max_prepared_statements) may be told of so that they are used.

        *Errors*: NotADsn for a connection string that can't be read; its sentence repeats nothing of it.
        """
        # A pooler that gives each transaction another connection can't carry what is heard on one.
        if pooler and announce_by == "notify":
            raise ValueError("behind a pooler nothing can be heard by NOTIFY; announce_by is 'outbox' there")
        self.announcer = Announcer(announce_by or ("outbox" if pooler else "notify"))
        self._has_pooler = pooler
        self._prepares = pooler_keeps_statements or not pooler
        self.limits = limits or Limits()
        self.clock = clock or SystemClock()
        self._conninfo = read_dsn(conninfo)
        self._settings = connecting(self._conninfo, self.limits.on_the_server(), pooler=pooler)
        self._setting_each: LiteralString = setting_each(self._conninfo) if pooler else ""
        self._application_name = application_name
        self._pool = self._new_pool(min_size=0, max_size=self.limits.connections, waiting=self.limits.waiting)
        self._apart = self._new_pool(min_size=0, max_size=1, waiting=8, purpose="apart")
        # The looks are frequent, for a look costs one request its wait: who comes back is back within a second.
        self.breaker = CircuitBreaker(
            f"{application_name} database", failures=3, open_s=0.25, longest_open_s=1.0, clock=self.clock
        )
        self.retry_budget = RetryBudget(clock=self.clock)
        self._deadlines_struck = 0
        self._retries = 0
        self._random = random.Random()  # noqa: S311  spreads retries, guards no secret
        self._waiting: dict[str, int] = {}
        self.groups: list[GroupCommit[Any, Any]] = []
        """Whoever does together what comes together tells so here, to be counted."""
        self.statements = StatementTimes(clock=self.clock)
        """How long statements took, all of them and each query."""
        self._routes: WeakKeyDictionary[Connection, str] = WeakKeyDictionary()
        self._takers: dict[object, set[asyncio.Task[object]]] = {}
        """Who waits for a connection of which pool."""
        self._told_away: set[asyncio.Task[object]] = set()
        """Those of them who were told that the server is away; their cancellation is ours."""
        self._releasing: set[asyncio.Task[None]] = set()
        self._held = 0
        self._outgrown = 0
        self._outgrown_at_s = float("-inf")
        self.keeps_small = False
        """Whether connections are replaced when they outgrow two thirds of their bound, without a pause: for moments with little room for something else."""
        self.keeps_small = False
        """Whether outgrown connections are replaced at once, without a pause: while there is little room for something else."""
        self._is_opening = False
        self._failures_seen = 0

    def _new_pool(
        self, *, min_size: int, max_size: int, waiting: int, purpose: str = ""
    ) -> psycopg_pool.AsyncConnectionPool[Connection]:
        limits = self.limits
        return psycopg_pool.AsyncConnectionPool(
            self._conninfo,
            kwargs=self._connection_settings(purpose),
            min_size=min_size,
            max_size=max_size,
            open=False,
            configure=self._configure,
            timeout=limits.acquire_s,
            max_waiting=waiting,
            # The pool closes one idle connection a period, and all are to be closed within the time.
            max_idle=limits.idle_close_s / (max_size + 1),
            max_lifetime=limits.lifetime_s,
            # A try that failed is given up soon, so that the next request tries anew instead of waiting out a pause.
            reconnect_timeout=RECONNECT_S,
            reconnect_failed=self._tell_waiting,
            num_workers=2,
        )

    def _connection_settings(self, purpose: str) -> dict[str, Any]:
        limits = self.limits
        # Behind a pooler settings of a session are other people's too: each transaction sets its own instead, and
        # prepares nothing that the pooler would not bring along to another connection.
        own: dict[str, Any] = dict(self._settings)
        if not self._prepares:
            own["prepare_threshold"] = None
        return {
            **own,
            "autocommit": True,
            "application_name": self._application_name + (f"/{purpose}" if purpose else ""),
            "connect_timeout": max(2, int(limits.connect_s)),
            "tcp_user_timeout": int(limits.network_silence_s * 1000),
            "keepalives_idle": int(limits.network_silence_s),
            "keepalives_interval": 3,
            "keepalives_count": 3,
        }

    async def _tell_waiting(self, pool: psycopg_pool.AsyncConnectionPool[Connection]) -> None:
        """The server can't be reached and no connection is left: whoever waits for one need not wait to the end."""
        if self._is_opening or self._held:
            return
        for task in self._takers.get(pool, set()) - self._told_away:
            self._told_away.add(task)
            task.cancel()

    async def _configure(self, connection: Connection) -> None:
        connection.prepared_max = self.limits.prepared_statements

    async def __aenter__(self) -> Self:
        await self.open()
        return self

    async def __aexit__(self, *_: object) -> None:
        await self.close()

    async def open(self) -> None:
        """Connects and makes sure that the server holds our limits.

        *Errors*: DatabaseUnavailable with the cause, at once where waiting does not help (a wrong password, host or database), after
        `connect_s` where it may (a server that is starting); LimitsNotHeld.
        """
        await self._require_connection()
        self._is_opening = True
        await self._pool.open()
        try:
            await self._apart.open()
            await self._verify()
        except (psycopg_pool.PoolTimeout, errors.Error) as error:
            await self.close()
            raise DatabaseUnavailable from error
        except BaseException:
            await self.close()
            raise
        self._is_opening = False

    async def _require_connection(self) -> None:
        loop = asyncio.get_running_loop()
        until = loop.time() + self.limits.connect_s
        while True:
            try:
                async with asyncio.timeout_at(until):
                    connection = await psycopg.AsyncConnection.connect(
                        self._conninfo, **self._connection_settings("look")
                    )
                    await connection.close()
                return
            except TimeoutError:
                refusal = Refusal("The address does not answer in time.", passes=False)
            except errors.Error as error:
                refusal = refusal_of(error, self._conninfo)
            # Never `from` the driver's error: its words may repeat what stands in the connection string, and a log prints the chain.
            if refusal.is_pooler:
                raise LimitsNotHeld(refusal.sentence) from None
            if not refusal.passes or loop.time() + TRY_AGAIN_S > until:
                raise DatabaseUnavailable(f"The database can't be reached. {refusal.sentence}") from None
            await asyncio.sleep(TRY_AGAIN_S)

    async def _verify(self) -> None:
        async with self._pool.connection(timeout=self.limits.connect_s) as connection:
            wanted = self.limits.on_the_server()
            if self._has_pooler:
                del wanted["default_transaction_read_only"]  # each BEGIN says it
                await connection.execute("BEGIN READ ONLY" + self._own_settings(connection, None, None))
            cursor = await connection.execute(
                "select name, setting from pg_settings where name = any(%s)", [list(wanted)]
            )
            held = dict(await cursor.fetchall())
            version = connection.info.server_version
            passes_names_on = self._has_pooler and self._prepares and await _passes_names_on(connection)
            if self._has_pooler:
                await connection.execute("COMMIT")
        if passes_names_on:
            raise LimitsNotHeld(
                "The pooler keeps no prepared statements (PgBouncer before 1.21, or with max_prepared_statements = 0): another connection would not know "
                "ours. Open it without pooler_keeps_statements, or let the pooler keep them."
            )
        wrong = [
            f"{name} is {held.get(name)}, not {value}"
            for name, value in wanted.items()
            if held.get(name) != value
        ]
        if version < OLDEST_SERVER:
            wrong.append(f"the server is version {version // 10_000}, and 15 is the oldest that works")
        if wrong:
            raise LimitsNotHeld(
                "The database server does not keep our sessions' limits: "
                + "; ".join(wrong)
                + ". A pooler in between may drop start-up options: say so (pooler=True), or connect to PostgreSQL itself."
            )

    async def close(self, drain_s: float = 5.0) -> None:
        """Closes every connection, waiting up to `drain_s` for those in use."""
        loop = asyncio.get_running_loop()
        until = loop.time() + drain_s
        while self._held and loop.time() < until:  # noqa: ASYNC110  a rare wait, not worth an event
            await asyncio.sleep(0.01)
        if self._releasing:
            await asyncio.wait(self._releasing, timeout=1.0)
        await self._pool.close(timeout=2.0)
        await self._apart.close(timeout=2.0)

    async def renew(self) -> None:
        """Replaces the connections, those in use when they come back: a backend keeps what it ever read of the catalogue and each plan.

        For before and after work that takes much memory. Nobody is refused for it. *Cost*: what connecting costs, at most once a connection.
        """
        await self._pool.drain()

    def statistics(self) -> PoolStatistics:
        """Counters since the start and the state now. *Cost*: no statement."""
        stats = self._pool.get_stats()
        groups = [group.statistics() for group in self.groups]
        return PoolStatistics(
            connections=stats.get("pool_size", 0),
            idle=stats.get("pool_available", 0),
            waiting=stats.get("requests_waiting", 0),
            acquired=stats.get("requests_num", 0),
            queued=stats.get("requests_queued", 0),
            refused=stats.get("requests_errors", 0),
            wait_s=stats.get("requests_wait_ms", 0) / 1000,
            connects_failed=stats.get("connections_errors", 0),
            connections_lost=stats.get("connections_lost", 0) + stats.get("returns_bad", 0),
            deadlines_struck=self._deadlines_struck,
            retries=self._retries,
            retries_refused=self.retry_budget.refused,
            breaker=self.breaker.state,
            breaker_opened=self.breaker.statistics().opened,
            waiting_routes=dict(self._waiting),
            groups=sum(each.groups for each in groups),
            group_members=sum(each.members for each in groups),
            group_members_alone=sum(each.alone for each in groups),
            groups_dissolved=sum(each.dissolved for each in groups),
            outgrown=self._outgrown,
        )

    @asynccontextmanager
    async def read(self, *, deadline_s: float, route: str | None = None) -> AsyncIterator[Session]:
        """A read-only session; each statement sees what is committed when it starts. The server shows whose `route` it is.

        *Errors*: PoolFull, PoolTimeout, DatabaseUnavailable, DeadlineExceeded, StatementTimeout.
        """
        async with self._reading(self._pool, deadline_s, route) as session:
            yield session

    @asynccontextmanager
    async def _reading(
        self,
        pool: psycopg_pool.AsyncConnectionPool[Connection],
        deadline_s: float,
        route: str | None,
    ) -> AsyncIterator[Session]:
        async with self._session(pool, deadline_s, route=route) as session:
            if self._has_pooler:
                settings = self._own_settings(session.connection, deadline_s, route, is_read=True)
                await session.command("BEGIN READ ONLY" + settings)
                yield session
                if not session.has_streams:
                    await session.command("COMMIT")
                return
            if route is not None:
                await self._show_route(session, route)
            yield session

    async def _begin(
        self,
        session: Session,
        beginning: LiteralString,
        deadline_s: float,
        route: str | None,
        *,
        lock_s: float | None = None,
    ) -> None:
        settings = self._own_settings(session.connection, deadline_s, route, lock_s=lock_s)
        await session.command(beginning + settings)

    def _own_settings(
        self,
        connection: Connection,
        deadline_s: float | None,
        route: str | None,
        *,
        is_read: bool = False,
        lock_s: float | None = None,
    ) -> LiteralString:
        """What follows BEGIN in the same round trip: the end of this transaction, its route, and behind a pooler its limits.

        A transaction that was given more time than a session's limits gets it on the server too (a read's statements keep to
        them). Soon after the deadline the server ends it by itself, for when the link is cut no cancel request arrives.
        """
        settings: dict[LiteralString, int] = {}
        if self._has_pooler:
            limits = self.limits.on_the_server()
            settings = {name: int(limits[name]) for name in _TIMEOUTS}
        if deadline_s is not None:
            settings.update(self._ends(connection, deadline_s, is_read=is_read))
        if lock_s is not None:
            settings["lock_timeout"] = int(lock_s * 1000)
        own: LiteralString = self._setting_each
        for name, milliseconds in settings.items():
            own += "; SET LOCAL " + name + " = " + cast("LiteralString", str(milliseconds))
        if route is None and not self._has_pooler:
            return own
        return own + "; SET LOCAL application_name = " + self._shown(route or "other")

    def _ends(self, connection: Connection, deadline_s: float, *, is_read: bool) -> dict[LiteralString, int]:
        """The server's own end of a transaction. *Units*: milliseconds, in steps that keep the texts few."""
        statement_s, idle_s = self.limits.statement_s, self.limits.idle_in_transaction_s
        end_ms = math.ceil(deadline_s * 10) * 100 + SERVER_GRACE_MS
        if deadline_s > min(statement_s, idle_s) and not is_read:
            statement_s = idle_s = deadline_s
        elif connection.info.server_version < TRANSACTION_TIMEOUT_SINCE:
            statement_s, idle_s = min(statement_s, end_ms / 1000), min(idle_s, end_ms / 1000)
        else:
            return {"transaction_timeout": end_ms}
        ends: dict[LiteralString, int] = {
            "statement_timeout": int(statement_s * 1000),
            "idle_in_transaction_session_timeout": int(idle_s * 1000),
        }
        if connection.info.server_version >= TRANSACTION_TIMEOUT_SINCE:
            ends["transaction_timeout"] = end_ms
        return ends

    async def _show_route(self, session: Session, route: str) -> None:
        """Names the route in application_name, so that whoever looks at the server sees what a connection works for.

        *Cost*: nothing while a connection goes on with the same route, else a round trip.
        """
        if self._routes.get(session.connection) != route:
            await session.command("SET application_name = " + self._shown(route))
            self._routes[session.connection] = route

    def _shown(self, route: str) -> LiteralString:
        if _UNSHOWABLE.search(route):
            raise ValueError(f"a route's name is letters, digits and _: {route!r}")
        name = f"{self._application_name}/{route}"[:MAX_NAME_BYTES]
        return cast("LiteralString", "'" + name.replace("'", "''") + "'")

    @asynccontextmanager
    async def snapshot(self, *, deadline_s: float, route: str | None = None) -> AsyncIterator[Session]:
        """A read-only session in which every statement sees the same moment, for reports, streams and what lists things and then reads each.

        The server shows whose `route` it is. *Cost*: two round trips more than `read`.
        """
        async with self._session(self._pool, deadline_s, route=route) as session:
            await self._begin(session, "BEGIN ISOLATION LEVEL REPEATABLE READ, READ ONLY", deadline_s, route)
            yield session
            if (
                not session.has_streams
            ):  # one that was left early is closed, and all rolled back, on the way out
                await session.command("COMMIT")

    @asynccontextmanager
    async def transaction(self, *, deadline_s: float) -> AsyncIterator[Session]:
        """One read-write transaction, committed when the block ends and rolled back when it raises.

        *Errors*: those of `read`, and LockTimeout, ConstraintViolated, CommitUnknown, RetriesExhausted.
        """
        try:
            async with self._writing(self._pool, deadline_s) as session:
                yield session
        except Serialization as error:
            raise RetriesExhausted from error

    @asynccontextmanager
    async def operations(self, *, deadline_s: float, writes: bool = False) -> AsyncIterator[Session]:
        """A session on the connection kept apart, so that looking after a busy database never queues behind it."""
        if writes:
            try:
                async with self._writing(self._apart, deadline_s) as session:
                    yield session
            except Serialization as error:
                raise RetriesExhausted from error
        else:
            async with self._reading(self._apart, deadline_s, None) as session:
                yield session

    @asynccontextmanager
    async def look(self, *, deadline_s: float) -> AsyncIterator[Session]:
        """A read-only session on a connection that is opened for it and closed after: it queues behind nobody, and asks whether
        the server takes new connections too.

        *Errors*: ServerFull when it is there and takes no more; DatabaseUnavailable when it is away or does not answer within the deadline;
        those of `read`. *Cost*: a connection and a statement; up to a second past the deadline when nobody answers.
        """
        loop = asyncio.get_running_loop()
        until = loop.time() + deadline_s
        connection = await self._connect(deadline_s)
        deadline = Deadline(connection, until - loop.time())
        session = Session(connection, deadline, self.announcer, is_writing=False, statements=None)
        try:
            if self._has_pooler:
                await session.command("BEGIN READ ONLY" + self._own_settings(connection, deadline_s, None))
            yield session
        except DeadlineExceeded as error:
            raise DatabaseUnavailable from error
        except asyncio.CancelledError:
            if deadline.forgive():
                raise DatabaseUnavailable from None
            raise
        finally:
            deadline.disarm()
            deadline.forgive()
            await deadline.stop()
            await connection.close()

    async def _connect(self, within_s: float) -> Connection:
        """A connection outside the pools. *Errors*: ServerFull, DatabaseUnavailable."""
        try:
            async with asyncio.timeout(within_s):
                return await psycopg.AsyncConnection.connect(
                    self._conninfo, **self._connection_settings("look")
                )
        except TimeoutError as error:
            raise DatabaseUnavailable from error
        except errors.Error as error:
            # Nothing but the text of the refusal is told apart from silence; asked for its state, a full server says that it is there.
            state = await asyncio.to_thread(psycopg.pq.PGconn.ping, self._pinged())
            raise (ServerFull if state == psycopg.pq.Ping.OK else DatabaseUnavailable) from error

    def _pinged(self) -> bytes:
        return make_conninfo(self._conninfo, connect_timeout=2).encode()

    def has_answered_since(self, at_s: float) -> bool:
        """Whether the server answered a statement of ours since then (`time.perf_counter`): then it is not away, whatever else it does."""
        return self.statements.answered_s >= at_s

    @asynccontextmanager
    async def _writing(
        self,
        pool: psycopg_pool.AsyncConnectionPool[Connection],
        deadline_s: float,
        *,
        plans: Plans = "auto",
        route: str | None = None,
        lock_s: float | None = None,
    ) -> AsyncIterator[Session]:
        async with self._session(pool, deadline_s, is_writing=True, route=route) as session:
            await self._begin(session, BEGINNINGS[plans], deadline_s, route, lock_s=lock_s)
            yield session
            await session.commit()

    async def run(
        self,
        work: Callable[[Session], Awaitable[ResultT]],
        *,
        deadline_s: float,
        idempotent: bool = False,
        plans: Plans = "auto",
        route: str | None = None,
        lock_s: float | None = None,
    ) -> ResultT:
        """What the work returns, done in one transaction; done again when others came in between.

        `plans="generic"` is for short writes: each statement is planned once a connection instead of whenever the planner
        finds that these very values are a little cheaper, which for one row takes longer than the statement itself.
        A commit whose answer was lost is done again only if the work says that twice is as good as once. `lock_s` is for work that would
        rather end (LockTimeout) than wait for a lock as long as the sessions' limits let it.
        *Errors*: those of `transaction`; RetriesExhausted after six attempts. Pauses grow, with full jitter.
        """
        loop = asyncio.get_running_loop()
        until = loop.time() + deadline_s
        last: Exception = DeadlineExceeded()
        self.retry_budget.called()
        for attempt in range(ATTEMPTS):
            left_s = until - loop.time()
            if left_s <= 0:
                raise DeadlineExceeded
            try:
                async with self._writing(
                    self._pool, left_s, plans=plans, route=route, lock_s=lock_s
                ) as session:
                    result = await work(session)
                return result
            except Serialization as error:
                last = error
            except CircuitOpen:
                raise  # not even tried: whoever asked is told at once
            except DatabaseUnavailable as error:
                # Nothing was committed. A server that restarts is back within the deadline more often than not.
                last = error
            except CommitUnknown as error:
                if not idempotent:
                    raise
                last = error
            pause_s = self._random.uniform(0, min(FIRST_PAUSE_S * 2**attempt, LONGEST_PAUSE_S))
            if attempt == ATTEMPTS - 1 or loop.time() + pause_s > until or not self.retry_budget.spend():
                break
            self._retries += 1
            await asyncio.sleep(pause_s)
        if isinstance(last, Serialization):
            raise RetriesExhausted from last
        raise last

    @asynccontextmanager
    async def _session(
        self,
        pool: psycopg_pool.AsyncConnectionPool[Connection],
        deadline_s: float,
        *,
        is_writing: bool = False,
        route: str | None = None,
    ) -> AsyncIterator[Session]:
        loop = asyncio.get_running_loop()
        until = loop.time() + deadline_s
        name = route or "other"
        self._waiting[name] = self._waiting.get(name, 0) + 1
        try:
            connection = await self._acquire(pool, deadline_s)
        finally:
            self._waiting[name] -= 1
            if not self._waiting[name]:
                del self._waiting[name]
        self._held += 1
        deadline = Deadline(connection, until - loop.time())
        session = Session(
            connection, deadline, self.announcer, is_writing=is_writing, statements=self.statements
        )
        try:
            yield session
        except asyncio.CancelledError:
            if deadline.forgive():
                raise DeadlineExceeded from None
            raise
        finally:
            deadline.disarm()
            deadline.forgive()
            # The common end waits for nothing, so that no cancellation could come in; every other end gets a task of its own.
            if _is_clean(connection) and not deadline.has_struck and not _is_being_cancelled():
                self._held -= 1
                self._replace_outgrown(connection)
                rest = begun(pool.putconn(connection))
                if rest is not None:
                    await asyncio.shield(self._apart_from_here(_finish(rest)))
            else:
                await self._release_apart(pool, connection, session, deadline)

    async def _acquire(
        self, pool: psycopg_pool.AsyncConnectionPool[Connection], deadline_s: float
    ) -> Connection:
        """A connection whose other side is there as far as its socket tells; dead ones are replaced on the way."""
        loop = asyncio.get_running_loop()
        until = loop.time() + min(self.limits.acquire_s, deadline_s)
        is_guarded = pool is self._pool
        if is_guarded:
            self._require_reachable()
        try:
            while True:
                connection = await self._take(pool, until - loop.time())
                if _is_alive(connection):
                    break
                await pool.putconn(connection)
        except DatabaseUnavailable:
            if is_guarded:
                self.breaker.failed()
            raise
        except (PoolFull, PoolTimeout, asyncio.CancelledError):
            if is_guarded:
                self.breaker.gave_up()  # too much asked of it, or nobody waits any more: no sign that it is away
            raise
        if is_guarded:
            self.breaker.succeeded()
        return connection

    def _require_reachable(self) -> None:
        """Passes unless the database could not be reached just now. *Errors*: CircuitOpen, at once."""
        try:
            self.breaker.admit()
        except BreakerOpen as error:
            raise CircuitOpen(retry_after_s=error.retry_after_s) from error

    async def _take(self, pool: psycopg_pool.AsyncConnectionPool[Connection], wait_s: float) -> Connection:
        task = cast("asyncio.Task[object]", asyncio.current_task())
        cancellations = task.cancelling()
        takers = self._takers.setdefault(pool, set())
        takers.add(task)
        try:
            connection = await pool.getconn(wait_s)
        except asyncio.CancelledError:
            if not self._was_told_away(task, cancellations):
                raise
            raise DatabaseUnavailable from None
        except psycopg_pool.TooManyRequests as error:
            raise PoolFull from error
        except psycopg_pool.PoolTimeout as error:
            if pool.get_stats().get("pool_size", 0) == 0 or self._is_unreachable(pool):
                raise DatabaseUnavailable from error
            raise PoolTimeout from error
        except psycopg_pool.PoolClosed as error:
            raise DatabaseUnavailable from error
        finally:
            takers.discard(task)
        self._was_told_away(task, cancellations)  # a connection came all the same
        if task.cancelling() > cancellations:
            # Python 3.11's wait_for forgets a cancellation that comes together with what it waited for.
            self._apart_from_here(pool.putconn(connection))
            raise asyncio.CancelledError
        return connection

    def _was_told_away(self, task: asyncio.Task[object], cancellations: int) -> bool:
        """Whether nobody but ourselves cancelled this task; our own cancellation is taken back."""
        if task not in self._told_away:
            return False
        self._told_away.discard(task)
        return task.uncancel() <= cancellations

    def _is_unreachable(self, pool: psycopg_pool.AsyncConnectionPool[Connection]) -> bool:
        """Whether connections are being looked for and none was got: the server is away, not busy."""
        stats = pool.get_stats()
        failures, self._failures_seen = stats.get("connections_errors", 0), self._failures_seen
        newly_failed = failures > self._failures_seen
        self._failures_seen = failures
        return newly_failed and stats.get("pool_available", 0) == 0

    def _replace_outgrown(self, connection: Connection) -> None:
        """A connection whose process has more of its own than it may is old, whenever it was made: the pool closes it and makes another."""
        limits = self.limits
        now_s = time.monotonic()
        is_soon = now_s - self._outgrown_at_s < limits.outgrown_every_s
        if limits.backend_bytes is None or connection.closed or (is_soon and not self.keeps_small):
            return
        own = own_bytes(connection.info.backend_pid)
        if own is not None and own > (
            limits.backend_bytes * 2 // 3 if self.keeps_small else limits.backend_bytes
        ):
            self._outgrown += 1
            self._outgrown_at_s = now_s
            expire(connection)

    async def _release_apart(
        self,
        pool: psycopg_pool.AsyncConnectionPool[Connection],
        connection: Connection,
        session: Session,
        deadline: Deadline,
    ) -> None:
        """Gives a connection back clean, whatever happens to the task that held it."""
        self._deadlines_struck += deadline.has_struck

        async def release() -> None:
            try:
                await deadline.stop()
                await settle(connection, session)
            finally:
                self._held -= 1
                self._replace_outgrown(connection)
                await pool.putconn(connection)

        await asyncio.shield(self._apart_from_here(release()))

    def _apart_from_here(self, work: Coroutine[Any, Any, None]) -> asyncio.Task[None]:
        """Runs in a task of its own, which nobody cancels."""
        task = beside(work, name="flatwater release")
        self._releasing.add(task)
        task.add_done_callback(self._released)
        return task

    def _released(self, task: asyncio.Task[None]) -> None:
        self._releasing.discard(task)
        # Mostly nobody waits for it any more, and a connection that did not come back is one less for everybody.
        if not task.cancelled() and (error := task.exception()) is not None:
            log.error("a connection could not be given back: %s", error, exc_info=error)


def _is_clean(connection: Connection) -> bool:
    return not connection.closed and connection.info.transaction_status.name == "IDLE"


def _is_being_cancelled() -> bool:
    task = asyncio.current_task()
    return task is not None and task.cancelling() > 0


async def _finish(rest: Rest) -> None:
    await rest


def _is_alive(connection: Connection) -> bool:
    """Whether the other side is there, as far as the socket tells. *Cost*: two looks at the socket, no round trip.

    The first look may find the server's last words; only the second then finds that it closed.
    """
    try:
        connection.pgconn.consume_input()
        connection.pgconn.consume_input()
    except errors.Error:
        return False
    return not connection.closed


async def _passes_names_on(connection: Connection) -> bool:
    """Whether a pooler hands the server our own names of prepared statements: one that keeps them gives each a name of its own.

    Asked in a transaction, which leaves nothing behind. Without a pooler in between nothing is passed on: the server's process is whom we reached.
    """
    await connection.execute("select 1", prepare=True)
    cursor = await connection.execute(
        "select pg_backend_pid(), (select min(name) from pg_prepared_statements where not from_sql and statement = 'select 1')",
        prepare=False,
    )
    row = await cursor.fetchone()
    process_id, name = row if row is not None else (0, None)
    if process_id == connection.info.backend_pid or name is None or not name.startswith("_pg3_"):
        await connection.execute(
            "deallocate all", prepare=False
        )  # of this session's own: the pooler's, or the server's
        return False
    await connection.execute(SQL("deallocate {}").format(Identifier(name)), prepare=False)
    return True
