"""A session: what one piece of work may ask of the database, on one connection, until its deadline.

The deadline is ours, because no driver's is reliable when a network goes silent: when it strikes, the query is
cancelled on the server; half a second later the socket is shut; a task that waits for something else is cancelled.
Whoever waited is free within the deadline and one second, and the connection goes back clean or not at all.
"""

from __future__ import annotations

import asyncio
import logging
import os
import socket
from collections.abc import AsyncGenerator, AsyncIterator, Awaitable, Callable, Generator, Mapping
from contextlib import asynccontextmanager, suppress
from time import monotonic, perf_counter
from typing import Any, Literal, LiteralString, TypeVar, cast

import msgspec
from psycopg import AsyncConnection, AsyncCopy, AsyncCursor, AsyncServerCursor, errors, pq
from psycopg.abc import Buffer
from psycopg.generators import copy_from
from psycopg.rows import args_row

from flatwater.announcing import MAX_DROPS, Announcer, Drop
from flatwater.errors import (
    CommitUnknown,
    DatabaseFull,
    DatabaseUnavailable,
    DeadlineExceeded,
    LockTimeout,
    PoolFull,
    StatementTimeout,
    TableAway,
)
from flatwater.prepared import CHANGED_SHAPE, send_command
from flatwater.queries import Query
from flatwater.statement_times import StatementTimes
from flatwater.supervisor import beside

log = logging.getLogger("flatwater.transaction")

RowT = TypeVar("RowT")
ValueT = TypeVar("ValueT")
Connection = AsyncConnection[tuple[Any, ...]]
Parameters = Mapping[str, Any]

CANCEL_S = 0.5
"""How long the server may take to end a cancelled query before the socket is shut."""
SETTLE_S = 0.25
ROWS_PER_BATCH = 1_000
MOST_ONCE = 32
BLOCK_BYTES = 64 * 1024

ACTIVE = pq.TransactionStatus.ACTIVE
IDLE = pq.TransactionStatus.IDLE
INTRANS = pq.TransactionStatus.INTRANS
INERROR = pq.TransactionStatus.INERROR

TELL_AGAIN_S = 60.0
MAX_TOLD_AWAY = 50
_told_away: dict[str, float] = {}

UNFIT_VALUES = frozenset({"22001", "22003", "22007", "22008", "22021", "22P02", "22P05"})
"""Too long, out of range, no date, no such date, no such character, not of its type, a character that text has not.

*Source*: PostgreSQL, Appendix A, class 22. The other codes of that class are mistakes in our own SQL.
"""


ConstraintKind = Literal[
    "foreign_key", "still_referenced", "unique", "check", "exclusion", "not_null", "other"
]
_CONSTRAINT_KINDS: dict[str | None, ConstraintKind] = {
    "23001": "still_referenced",
    "23502": "not_null",
    "23503": "foreign_key",
    "23505": "unique",
    "23514": "check",
    "23P01": "exclusion",
}


class ConstraintViolated(Exception):
    """The database refused a row because a rule of the schema says so.

    `constraint` is the rule's name (none for a column that must not be empty), `kind` its sort, `table` and `column` where it
    stands as far as the server tells. The transaction is over unless this happened inside a savepoint.
    """

    def __init__(
        self, constraint: str, message: str, kind: ConstraintKind = "other", table: str = "", column: str = ""
    ) -> None:
        super().__init__(message)
        self.constraint = constraint
        self.kind: ConstraintKind = kind
        self.table = table
        self.column = column


class ValueRefused(Exception):
    """A value that was sent can't be kept: it is too large, not of its kind, or holds a character that no text has."""


class Serialization(Exception):
    """Others changed the same rows at the same time; the same work may succeed when it is done again."""


class CopiedBlock(msgspec.Struct, frozen=True):
    """Whole rows of a COPY, as the server wrote them."""

    rows: int
    content: bytes


class ShapeMismatch(TypeError):
    """A query's columns are not the fields of the type that its rows should become."""


class Session:
    """One connection while one piece of work holds it. Made by `Database`; not for use by two tasks at once."""

    def __init__(
        self,
        connection: Connection,
        deadline: Deadline,
        announcer: Announcer,
        *,
        is_writing: bool = False,
        statements: StatementTimes | None = None,
    ) -> None:
        self.is_writing = is_writing
        """Whether what is read here may decide a write, so that no cache may answer instead of the database."""
        self.charge_rows: Callable[[int], None] | None = None
        """Told of the rows of each answer before they become values; refuses more than a request may have."""
        self._connection = connection
        self._deadline = deadline
        self._announcer = announcer
        self._statements = statements
        self._drops: set[Drop] = set()
        self._savepoints = 0
        self._streams: list[AsyncGenerator[Any, None]] = []
        self._streams_begun = 0
        self._once: dict[object, object] = {}

    @property
    def connection(self) -> Connection:
        """The driver's connection, for this package."""
        return self._connection

    async def once(self, key: object, read: Callable[[], Awaitable[ValueT]]) -> ValueT:
        """What `read` gives, read once for this session however often it is asked. For what never changes, as a published version.

        `key` names the reader and what it reads. *Cost*: a look-up; at most `MOST_ONCE` are kept, what comes after is read each time.
        """
        if key in self._once:
            return cast("ValueT", self._once[key])
        value = await read()
        if len(self._once) < MOST_ONCE:
            self._once[key] = value
        return value

    async def fetch_all(self, query: Query, parameters: Parameters, *, into: type[RowT]) -> list[RowT]:
        """Every row, as values of a type whose fields are the query's columns in order. *Cost*: all rows in memory."""
        cursor = await self._run(query, parameters, into)
        if self.charge_rows is not None:
            self.charge_rows(cursor.rowcount)
        rows = await cursor.fetchall()
        await cursor.close()
        return rows

    async def fetch_one(self, query: Query, parameters: Parameters, *, into: type[RowT]) -> RowT | None:
        """The first row, or None."""
        cursor = await self._run(query, parameters, into)
        row = await cursor.fetchone()
        await cursor.close()
        return row

    async def fetch_value(self, query: Query, parameters: Parameters) -> Any:
        """The first column of the first row. *Errors*: LookupError without a row."""
        with timed(self._deadline, self._statements, query):
            cursor = await self._connection.execute(query.text, parameters, prepare=query.prepare)
            row = await cursor.fetchone()
        if row is None:
            raise LookupError(f"{query.name} gave no row")
        return row[0]

    async def execute(self, query: Query, parameters: Parameters) -> int:
        """Runs a statement; how many rows it touched."""
        with timed(self._deadline, self._statements, query):
            cursor = await self._connection.execute(query.text, parameters, prepare=query.prepare)
        return cursor.rowcount

    async def _run(self, query: Query, parameters: Parameters, into: type[RowT]) -> AsyncCursor[RowT]:
        with timed(self._deadline, self._statements, query):
            cursor = AsyncCursor(self._connection, row_factory=args_row(into))
            await cursor.execute(query.text, parameters, prepare=query.prepare)
        if into not in query.shapes:
            _check_shape(query, [column.name for column in cursor.description or ()], into)
        return cursor

    @asynccontextmanager
    async def copy_in(self, query: Query, parameters: Parameters | None = None) -> AsyncIterator[AsyncCopy]:
        """Rows streamed into a table: `write` text or bytes of PostgreSQL's COPY text format."""
        with translated(self._deadline):
            async with self._connection.cursor() as cursor, cursor.copy(query.text, parameters) as copy:
                yield copy

    def copy_out(self, query: Query, parameters: Parameters | None = None) -> AsyncIterator[bytes]:
        """The text of a COPY ... TO STDOUT, piece by piece."""
        return self._kept(self._copy_out(query, parameters))

    async def _copy_out(self, query: Query, parameters: Parameters | None) -> AsyncGenerator[bytes, None]:
        with translated(self._deadline):
            async with self._connection.cursor() as cursor, cursor.copy(query.text, parameters) as copy:
                async for piece in copy:
                    yield bytes(piece)

    def copy_blocks(self, query: Query, parameters: Parameters | None = None) -> AsyncIterator[CopiedBlock]:
        """The text of a COPY ... TO STDOUT in blocks of whole rows, some 64 kB each, with how many rows each holds.

        *Cost*: a tenth of what `copy_out` takes for each row: the event loop is asked once a block. One block in memory.
        """
        return self._kept(self._copy_blocks(query, parameters))

    async def _copy_blocks(
        self, query: Query, parameters: Parameters | None
    ) -> AsyncGenerator[CopiedBlock, None]:
        with translated(self._deadline):
            async with self._connection.cursor() as cursor, cursor.copy(query.text, parameters):
                while True:
                    rows, is_over = await self._connection.wait(_next_block(self._connection))
                    if rows:
                        yield CopiedBlock(len(rows), b"".join(rows))
                    if is_over:
                        return

    def stream(
        self, query: Query, parameters: Parameters, *, into: type[RowT], rows_per_batch: int = ROWS_PER_BATCH
    ) -> AsyncIterator[RowT]:
        """Row by row from a cursor on the server, in constant memory; needs a transaction."""
        self._streams_begun += 1
        name = f"stream_{self._streams_begun}"
        return self._kept(self._stream(query, parameters, into, rows_per_batch, name))

    async def _stream(
        self, query: Query, parameters: Parameters, into: type[RowT], rows_per_batch: int, name: str
    ) -> AsyncGenerator[RowT, None]:
        with translated(self._deadline):
            async with AsyncServerCursor(self._connection, name, row_factory=args_row(into)) as cursor:
                cursor.itersize = rows_per_batch
                await cursor.execute(query.text, parameters)
                if into not in query.shapes:
                    _check_shape(query, [column.name for column in cursor.description or ()], into)
                async for row in cursor:
                    yield row

    def _kept(self, rows: AsyncGenerator[RowT, None]) -> AsyncGenerator[RowT, None]:
        """Keeps hold of a stream: one that its reader left early is closed by this session, on this session's connection.

        The garbage collector would close it later, in the middle of whoever has the connection by then.
        """
        self._streams = [each for each in self._streams if _is_unfinished(each)]
        self._streams.append(rows)
        return rows

    @property
    def has_outdated_plans(self) -> bool:
        """Whether this connection is to be made anew, for a table changed under what it has prepared."""
        return self._deadline.has_outdated_plans

    @property
    def has_streams(self) -> bool:
        """Whether a stream was begun and not read to its end."""
        return bool(self._streams) and any(_is_unfinished(each) for each in self._streams)

    async def close_streams(self) -> None:
        """Ends the streams that were left early. Nothing that goes wrong here matters more than what comes next."""
        streams, self._streams = self._streams, []
        for rows in streams:
            if _is_unfinished(rows):
                with suppress(Exception):
                    await rows.aclose()

    @asynccontextmanager
    async def savepoint(self) -> AsyncIterator[None]:
        """A part that may fail, by ConstraintViolated for one, without ending the whole transaction."""
        self._savepoints += 1
        name = cast("LiteralString", f"savepoint_{self._savepoints}")
        await self.command("SAVEPOINT " + name)
        try:
            yield
        except Exception:
            if not self._deadline.has_struck and not self._connection.closed:
                # Rolled back alone it would stay, and a thousand failures in a loop would nest a thousand deep.
                await self.command("ROLLBACK TO SAVEPOINT " + name + "; RELEASE SAVEPOINT " + name)
            raise
        else:
            await self.command("RELEASE SAVEPOINT " + name)
        finally:
            self._savepoints -= 1

    def invalidate(self, cache: str, *, key: str | None = None, tag: str | None = None) -> None:
        """Makes every process forget a key, a tag or all of a cache when this transaction commits; nothing if it doesn't."""
        if not self.is_writing:
            raise RuntimeError("only a transaction that writes makes something stale")
        if len(self._drops) >= MAX_DROPS:
            self._drops = {Drop(drop.cache, "all") for drop in self._drops}
        if key is not None:
            self._drops.add(Drop(cache, "key", key))
        else:
            self._drops.add(Drop(cache, "all") if tag is None else Drop(cache, "tag", tag))

    async def command(self, text: LiteralString) -> str:
        """A transaction command (BEGIN, SET LOCAL, SAVEPOINT ...), for this package. *Shape*: the server's status line."""
        with translated(self._deadline):
            return await send_command(self._connection, text)

    async def commit(self) -> None:
        """Commits. *Errors*: CommitUnknown when the answer to it was lost; RuntimeError when there was nothing left to commit."""
        if self._streams:
            await self.close_streams()
        if self._deadline.has_struck:
            raise DeadlineExceeded  # COMMIT was never sent, so nothing about it is unknown
        if self._connection.closed:
            raise DatabaseUnavailable
        if self._drops:
            await self._announcer.announce(self, self._drops)
        try:
            status = await self.command("COMMIT")
        except (DatabaseUnavailable, DeadlineExceeded) as error:
            if self._connection.info.transaction_status in (IDLE, INTRANS, INERROR):
                raise  # the server answered: it did not commit
            raise CommitUnknown from error
        finally:
            if self._drops:  # also when nobody knows whether it was committed: forgetting is never wrong
                self._announcer.committed(self._drops)
        if status != "COMMIT":
            raise RuntimeError("an error inside this transaction was swallowed: the database rolled it back")


def _is_unfinished(stream: AsyncGenerator[Any, None]) -> bool:
    return getattr(stream, "ag_frame", None) is not None


def _check_shape(query: Query, columns: list[str], into: type[Any]) -> None:
    fields = [field.encode_name for field in msgspec.structs.fields(into)]
    if columns != fields:
        raise ShapeMismatch(
            f"{query.name} gives {', '.join(columns)}; {into.__name__} takes {', '.join(fields)}"
        )
    query.shapes.append(into)


def _next_block(connection: Connection) -> Generator[Any, Any, tuple[list[Buffer], bool]]:
    """The next rows of a COPY, enough for a block or all that are left, and whether it is over.

    The driver's own reader goes through the event loop for each row, which takes many times as long as the row itself; one wait may ask for more.
    """
    rows: list[Buffer] = []
    size_bytes = 0
    while size_bytes < BLOCK_BYTES:
        row = yield from copy_from(connection.pgconn)
        if not isinstance(row, memoryview):  # how the COPY ended
            return rows, True
        rows.append(row)
        size_bytes += len(row)
    return rows, False


class translated:  # noqa: N801  reads as a word where it is used
    """Turns the driver's errors into ours; a plain class because it stands around every statement."""

    __slots__ = ("_deadline",)

    def __init__(self, deadline: Deadline) -> None:
        if deadline.has_struck:
            raise DeadlineExceeded
        self._deadline = deadline

    def __enter__(self) -> None:
        return

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: object) -> None:
        if kind is None or not isinstance(error, errors.Error):
            return
        if error.sqlstate == CHANGED_SHAPE:
            self._deadline.has_outdated_plans = True
        ours = translate(error, has_struck=self._deadline.has_struck)
        if ours is not None:
            raise ours from error


class timed(translated):  # noqa: N801
    """`translated`, and how long the statement took, those that failed or were ended included."""

    __slots__ = ("_began", "_query", "_statements")

    def __init__(self, deadline: Deadline, statements: StatementTimes | None, query: Query) -> None:
        super().__init__(deadline)
        self._statements = statements
        self._query = query

    def __enter__(self) -> None:
        self._began = perf_counter()

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: object) -> None:
        if self._statements is not None:
            now_s = perf_counter()
            self._statements.observe(self._query, now_s - self._began)
            if kind is None:
                self._statements.answered_s = now_s
        super().__exit__(kind, error, trace)


def translate(error: errors.Error, *, has_struck: bool = False) -> Exception | None:
    """What a driver's error means to us; None for a mistake in our own SQL, which stays as it is."""
    state = error.sqlstate
    if _is_routed_by_old_bounds(error):
        return Serialization(str(error))
    if isinstance(error, errors.IntegrityError):
        return _violated(error)
    if state in UNFIT_VALUES or (state is None and isinstance(error, errors.DataError)):
        return ValueRefused(" ".join((ValueRefused.__doc__ or "").split()))
    if state in ("40001", "40P01"):
        return Serialization(str(error))
    if state == "57014":
        return DeadlineExceeded() if has_struck else StatementTimeout()
    if state == "55P03":
        return LockTimeout()
    if state in ("53100", "53200"):
        return DatabaseFull()
    if state == "53300":
        return PoolFull()
    if state == "42P01":
        _tell_of_table_away(error)
        return TableAway()
    if state in ("25P03", "25P04"):
        return DeadlineExceeded()
    if state is None or state[:2] == "08" or state in ("57P01", "57P02", "57P03", "57P05"):
        if not isinstance(error, errors.OperationalError | errors.InterfaceError):
            return None
        return DeadlineExceeded() if has_struck else DatabaseUnavailable()
    return None


def _is_routed_by_old_bounds(error: errors.Error) -> bool:
    """Whether a row was on its way to one part of a table while another was attached for it: done again it finds its place.

    Bounds of parts are the only checks that have no name.
    """
    told = error.diag
    return isinstance(error, errors.CheckViolation) and bool(told.table_name) and not told.constraint_name


def _violated(error: errors.IntegrityError) -> ConstraintViolated:
    told = error.diag
    kind = _CONSTRAINT_KINDS.get(error.sqlstate, "other")
    # One code for both ways to break a reference; only the words tell them apart (in English, as our servers speak).
    if kind == "foreign_key" and (told.message_primary or "").startswith("update or delete on table"):
        kind = "still_referenced"
    return ConstraintViolated(
        told.constraint_name or "", str(error), kind, told.table_name or "", told.column_name or ""
    )


def _tell_of_table_away(error: errors.Error) -> None:
    """Once a minute for each table, however many ask for it."""
    said = (error.diag.message_primary or str(error))[:200]
    now_s = monotonic()
    if now_s - _told_away.get(said, float("-inf")) >= TELL_AGAIN_S:
        if len(_told_away) >= MAX_TOLD_AWAY:
            _told_away.clear()
        _told_away[said] = now_s
        log.error("a part of the database is missing: %s", said)


class Deadline:
    """Watches one piece of work on one connection and ends it when its time is up."""

    def __init__(self, connection: Connection, deadline_s: float) -> None:
        self._connection = connection
        self._loop = asyncio.get_running_loop()
        self._task = cast("asyncio.Task[Any]", asyncio.current_task())
        self._timer: asyncio.TimerHandle | None = self._loop.call_later(deadline_s, self._strike)
        self._cancelling: asyncio.Task[None] | None = None
        self.has_struck = False
        self.has_cancelled_task = False
        self.has_outdated_plans = False
        """Whether a table changed under what this connection has prepared: it can't be told to plan again, so it is given up."""

    def _strike(self) -> None:
        self.has_struck = True
        if self._is_active():
            self._cancelling = beside(self._cancel_on_server(), name="flatwater cancel")
            self._timer = self._loop.call_later(CANCEL_S, self._shut)
        else:
            self._cancel_task()

    async def _cancel_on_server(self) -> None:
        try:
            await self._connection.cancel_safe(timeout=CANCEL_S)
        except Exception as error:  # noqa: BLE001  the socket is shut next; why the gentle way failed is worth a line
            log.warning("a query could not be cancelled on the server: %s", error)

    def _shut(self) -> None:
        if self._is_active():
            shut_socket(self._connection)
        # The query wakes and ends by itself; a task that waits for something else in the middle of a COPY does not.
        self._timer = self._loop.call_later(SETTLE_S, self._cancel_task)

    def _cancel_task(self) -> None:
        self._timer = None
        self.has_cancelled_task = True
        self._task.cancel()

    def _is_active(self) -> bool:
        return not self._connection.closed and self._connection.info.transaction_status == ACTIVE

    def disarm(self) -> None:
        """From now on this strikes nobody."""
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None

    async def stop(self) -> None:
        """Ends the watch; waits (half a second at most) until no cancel request of ours can strike a later query."""
        self.disarm()
        if self._cancelling is not None:
            await asyncio.wait([self._cancelling], timeout=2 * CANCEL_S)

    def forgive(self) -> bool:
        """Whether the cancellation now being seen is this deadline's own, which is then taken back."""
        if not self.has_cancelled_task:
            return False
        self.has_cancelled_task = False
        return self._task.uncancel() == 0


def shut_socket(connection: Connection) -> None:
    """Ends all traffic of a connection at once, without a word to the other side, which may be gone."""
    try:
        duplicate = socket.socket(fileno=os.dup(connection.fileno()))
    except (OSError, errors.Error):
        return
    try:
        duplicate.shutdown(socket.SHUT_RDWR)
    except OSError:
        pass  # the other side was faster
    finally:
        duplicate.close()


async def settle(connection: Connection, session: Session) -> None:
    """Leaves a connection without transaction, or closed when that can't be had within half a second."""
    if session.has_streams:
        timer = asyncio.get_running_loop().call_later(CANCEL_S, shut_socket, connection)
        await session.close_streams()
        timer.cancel()
    if session.has_outdated_plans:
        await connection.close()
    if connection.closed or connection.info.transaction_status == IDLE:
        return
    for _ in range(2):
        timer = asyncio.get_running_loop().call_later(CANCEL_S, shut_socket, connection)
        try:
            await send_command(connection, "ROLLBACK")
        except errors.QueryCanceled:
            continue  # a late cancel request was for the query before
        except errors.Error:
            break
        finally:
            timer.cancel()
        if connection.info.transaction_status == IDLE:
            return
    await connection.close()
