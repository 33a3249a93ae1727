import asyncio
import gc
from collections.abc import AsyncIterator
from typing import Any

import msgspec
import psycopg
import pytest
from network import Onlooker, query
from psycopg import errors

from flatwater.errors import (
    DatabaseFull,
    DatabaseUnavailable,
    DeadlineExceeded,
    LockTimeout,
    PoolFull,
    StatementTimeout,
    TableAway,
)
from flatwater.pool import Database, Limits
from flatwater.transaction import (
    MOST_ONCE,
    ConstraintViolated,
    Serialization,
    Session,
    ShapeMismatch,
    ValueRefused,
    translate,
)

pytestmark = pytest.mark.anyio

DEADLINE_S = 5.0
ADD = query("insert into note (author, words) values (%(author)s, %(words)s)")
LIST = query("select id, author, words from note order by id")
COUNT = query("select count(*) from note")
FILL = query(
    "insert into note (author, words) select 'many', n::text from generate_series(1, %(rows)s::int) as n"
)
COPY = query("copy note (author, words) from stdin")
COPY_OUT = query("copy (select n from generate_series(1, 2000) as n) to stdout")
LONGER_COPY_OUT = query("copy (select n from generate_series(1, 50000) as n) to stdout")
LONG_COPY_OUT = query("copy (select n from generate_series(1, 500000) as n) to stdout")
NUMBERS = query("select n from generate_series(1, %(last)s::int) as n")
SLEEP = query("select pg_sleep(%(seconds)s)")
ALL_THREE = {"author": "Sok", "words": "one"}


class Note(msgspec.Struct):
    id: int
    author: str
    words: str


class Number(msgspec.Struct):
    n: int


@pytest.fixture
async def writing(database: Database) -> AsyncIterator[Session]:
    """A read-write session whose work is rolled back."""
    with pytest.raises(InterruptedError):
        async with database.transaction(deadline_s=DEADLINE_S) as session:
            yield session
            raise InterruptedError


# --- rows


async def test_rows_come_as_values_of_a_type(writing: Session) -> None:
    assert await writing.fetch_all(LIST, {}, into=Note) == []
    assert await writing.fetch_one(LIST, {}, into=Note) is None
    assert await writing.execute(ADD, ALL_THREE) == 1
    assert await writing.execute(FILL, {"rows": 3}) == 3
    rows = await writing.fetch_all(LIST, {}, into=Note)
    assert [(row.author, row.words) for row in rows] == [
        ("Sok", "one"),
        ("many", "1"),
        ("many", "2"),
        ("many", "3"),
    ]
    assert await writing.fetch_one(LIST, {}, into=Note) == rows[0]
    assert await writing.fetch_value(COUNT, {}) == 4


async def test_a_value_that_is_not_there_is_an_error_that_names_the_query(writing: Session) -> None:
    with pytest.raises(LookupError, match="asked gave no row"):
        await writing.fetch_value(query("select id from note where id = 0"), {})


@pytest.mark.parametrize(
    "text",
    [
        "select author, id, words from note",
        "select id, author from note",
        "select id, author, words as word from note",
    ],
)
async def test_columns_that_are_not_the_types_fields_are_refused(writing: Session, text: str) -> None:
    asked = query(text)
    for _ in range(2):
        with pytest.raises(ShapeMismatch, match="Note takes id, author, words"):
            await writing.fetch_all(asked, {}, into=Note)
    with pytest.raises(ShapeMismatch):
        async for _ in writing.stream(asked, {}, into=Note):
            pass


async def test_what_never_changes_is_read_once_for_a_session_and_kept_within_a_bound(
    writing: Session, database: Database
) -> None:
    read: list[int] = []

    async def number(last: int) -> int:
        read.append(last)
        return await writing.fetch_value(NUMBERS, {"last": last})

    assert [await writing.once(("number", 1), lambda: number(1)) for _ in range(3)] == [1, 1, 1]
    assert read == [1]
    with pytest.raises(LookupError):
        await writing.once(("number", 0), lambda: number(0))
    with pytest.raises(LookupError):
        await writing.once(("number", 0), lambda: number(0))
    assert read == [1, 0, 0]
    read.clear()
    for _ in range(2):
        for each in range(10 * MOST_ONCE):
            await writing.once(("other", each), lambda: number(1))
    assert len(read) == 20 * MOST_ONCE - (MOST_ONCE - 1)
    async with database.read(deadline_s=DEADLINE_S) as other:
        assert await other.once(("number", 1), lambda: number(7)) == 1
    assert read[-1] == 7


async def test_one_query_may_serve_two_types(writing: Session) -> None:
    class Other(msgspec.Struct):
        n: int

    assert await writing.fetch_one(NUMBERS, {"last": 1}, into=Number) == Number(1)
    assert await writing.fetch_one(NUMBERS, {"last": 1}, into=Other) == Other(1)


# --- constraints, values and savepoints


async def test_a_broken_rule_is_told_by_its_name(writing: Session) -> None:
    await writing.execute(ADD, ALL_THREE)
    for parameters, constraint in (
        (ALL_THREE, "note_is_unique"),
        ({"author": "Sok", "words": "x" * 100}, "note_words_are_short"),
        ({"author": None, "words": "x"}, ""),  # the server does not tell the name of this kind
    ):
        with pytest.raises(ConstraintViolated) as violated:
            async with writing.savepoint():
                await writing.execute(ADD, parameters)
        assert violated.value.constraint == constraint
    assert await writing.fetch_value(COUNT, {}) == 1


async def test_after_a_broken_rule_outside_a_savepoint_the_transaction_is_over(database: Database) -> None:
    with pytest.raises(RuntimeError, match="swallowed"):
        async with database.transaction(deadline_s=DEADLINE_S) as session:
            await session.execute(ADD, ALL_THREE)
            with pytest.raises(ConstraintViolated):
                await session.execute(ADD, ALL_THREE)
    async with database.read(deadline_s=DEADLINE_S) as session:
        assert await session.fetch_value(COUNT, {}) == 0


async def test_savepoints_nest_and_take_back_only_their_own(writing: Session) -> None:
    async with writing.savepoint():
        await writing.execute(ADD, {"author": "a", "words": "1"})
        with pytest.raises(ZeroDivisionError):
            async with writing.savepoint():
                await writing.execute(ADD, {"author": "a", "words": "2"})
                raise ZeroDivisionError
        await writing.execute(ADD, {"author": "a", "words": "3"})
    rows = await writing.fetch_all(LIST, {}, into=Note)
    assert [row.words for row in rows] == ["1", "3"]


async def test_savepoints_that_fail_do_not_pile_up(writing: Session) -> None:
    await writing.execute(ADD, ALL_THREE)
    for _ in range(100):
        with pytest.raises(ConstraintViolated):
            async with writing.savepoint():
                await writing.execute(ADD, ALL_THREE)
    with pytest.raises(psycopg.Error, match="does not exist"):
        await writing.command("RELEASE SAVEPOINT savepoint_1")


@pytest.mark.parametrize(
    ("text", "value"),
    [
        ("select %(value)s::text", "zero \0 character"),
        ("select %(value)s::int", 2**40),
        ("select (%(value)s::numeric)::bigint", 10**30),
        ("select (%(value)s::text)::uuid", "not-a-uuid"),
        ("select (%(value)s::text)::date", "2026-02-30"),
        ("select (%(value)s::text)::date", "someday"),
        ("select (%(value)s::text)::jsonb", '"\\u0000"'),
    ],
)
async def test_a_value_that_cannot_be_kept_is_the_senders_mistake(
    database: Database, text: str, value: object
) -> None:
    async with database.read(deadline_s=DEADLINE_S) as session:
        with pytest.raises(ValueRefused):
            await session.fetch_value(query(text), {"value": value})
        assert await session.fetch_value(COUNT, {}) == 0


async def test_a_mistake_in_our_own_sql_stays_as_it_is(writing: Session) -> None:
    with pytest.raises(errors.UndefinedColumn):
        await writing.fetch_value(query("select nothing from note"), {})


async def test_a_table_that_is_away_is_a_refusal_that_is_told_once_a_minute(
    database: Database, caplog: pytest.LogCaptureFixture
) -> None:
    for _ in range(3):
        with pytest.raises(TableAway):
            async with database.read(deadline_s=DEADLINE_S) as session:
                await session.fetch_value(query("select id from renamed_for_a_minute"), {})
    told = [record.message for record in caplog.records if "renamed_for_a_minute" in record.message]
    assert told == ['a part of the database is missing: relation "renamed_for_a_minute" does not exist']


async def test_a_division_by_zero_is_ours(database: Database) -> None:
    async with database.read(deadline_s=DEADLINE_S) as session:
        with pytest.raises(errors.DivisionByZero):
            await session.fetch_value(query("select 1 / 0"), {})


# --- copies and streams


async def test_a_copy_takes_rows_in(writing: Session) -> None:
    async with writing.copy_in(COPY) as copy:
        for number in range(5_000):
            await copy.write(f"copy\t{number}\n" if number % 2 else f"copy\t{number}\n".encode())
    assert await writing.fetch_value(COUNT, {}) == 5_000


async def test_a_copy_that_breaks_a_rule_tells_it_by_its_name(writing: Session) -> None:
    with pytest.raises(ConstraintViolated) as violated:
        async with writing.savepoint(), writing.copy_in(COPY) as copy:
            await copy.write("copy\tone\ncopy\tone\n")
    assert violated.value.constraint == "note_is_unique"
    assert await writing.fetch_value(COUNT, {}) == 0


async def test_a_copy_whose_source_fails_takes_nothing_in(writing: Session) -> None:
    with pytest.raises(ZeroDivisionError):
        async with writing.savepoint(), writing.copy_in(COPY) as copy:
            await copy.write("copy\tone\n")
            raise ZeroDivisionError
    assert await writing.fetch_value(COUNT, {}) == 0


async def test_a_copy_goes_out_piece_by_piece(writing: Session) -> None:
    pieces = [piece async for piece in writing.copy_out(COPY_OUT)]
    assert len(pieces) == 2_000
    assert b"".join(pieces).endswith(b"\n2000\n")


async def test_a_copy_goes_out_in_blocks_of_whole_rows(writing: Session) -> None:
    pieces = [piece async for piece in writing.copy_out(COPY_OUT)]
    blocks = [block async for block in writing.copy_blocks(COPY_OUT)]
    assert b"".join(block.content for block in blocks) == b"".join(pieces)
    assert sum(block.rows for block in blocks) == 2_000
    assert [block.rows for block in blocks] == [block.content.count(b"\n") for block in blocks]
    many = [block async for block in writing.copy_blocks(LONGER_COPY_OUT)]
    assert len(many) > 3
    assert max(len(block.content) for block in many) < 2 * 64 * 1024


async def test_blocks_that_are_left_early_free_the_connection(conninfo: str) -> None:
    async with Database(conninfo, limits=Limits(connections=1)) as database:
        for opened in (database.read, database.snapshot):
            async with opened(deadline_s=DEADLINE_S) as session:
                async for _ in session.copy_blocks(LONG_COPY_OUT):
                    break
        async with database.read(deadline_s=DEADLINE_S) as session:
            assert await session.fetch_value(COUNT, {}) == 0
        assert database.statistics().connections_lost == 0


async def test_a_stream_gives_all_rows_and_holds_few(writing: Session) -> None:
    rows = [
        row.n async for row in writing.stream(NUMBERS, {"last": 2_500}, into=Number, rows_per_batch=1_000)
    ]
    assert rows == list(range(1, 2_501))


async def test_two_streams_of_one_query_run_beside_each_other(writing: Session) -> None:
    first = writing.stream(NUMBERS, {"last": 3}, into=Number, rows_per_batch=1)
    second = writing.stream(NUMBERS, {"last": 3}, into=Number, rows_per_batch=1)
    assert [(await anext(first)).n, (await anext(second)).n, (await anext(first)).n] == [1, 1, 2]


async def test_a_stream_needs_a_transaction(database: Database) -> None:
    async with database.read(deadline_s=DEADLINE_S) as session:
        with pytest.raises(errors.NoActiveSqlTransaction):
            await anext(session.stream(NUMBERS, {"last": 3}, into=Number))


async def test_a_stream_that_is_left_early_disturbs_nobody(conninfo: str) -> None:
    async with Database(conninfo, limits=Limits(connections=1)) as database:
        for _ in range(2):
            async with database.snapshot(deadline_s=DEADLINE_S) as session:
                async for row in session.stream(NUMBERS, {"last": 10}, into=Number, rows_per_batch=2):
                    if row.n == 3:
                        break
            gc.collect()
            async with database.transaction(deadline_s=DEADLINE_S) as session:
                await asyncio.sleep(0)
                await session.execute(query("delete from note"), {})
                await session.execute(ADD, ALL_THREE)
        assert database.statistics().connections_lost == 0


async def test_a_copy_that_is_left_early_frees_the_connection_and_never_saves_half(conninfo: str) -> None:
    async with Database(conninfo, limits=Limits(connections=1)) as database:
        for opened in (database.read, database.snapshot):
            async with opened(deadline_s=DEADLINE_S) as session:
                async for _ in session.copy_out(LONG_COPY_OUT):
                    break
        # To end a COPY the server has to be cancelled, and that ends its transaction.
        with pytest.raises(RuntimeError, match="rolled it back"):
            async with database.transaction(deadline_s=DEADLINE_S) as session:
                await session.execute(ADD, ALL_THREE)
                async for _ in session.copy_out(LONG_COPY_OUT):
                    break
        async with database.read(deadline_s=DEADLINE_S) as session:
            assert await session.fetch_value(COUNT, {}) == 0
        assert database.statistics().connections_lost == 0


# --- modes and limits


async def test_a_read_session_refuses_to_write(database: Database, onlooker: Onlooker) -> None:
    for opened in (database.read, database.snapshot, database.operations):
        with pytest.raises(errors.ReadOnlySqlTransaction):
            async with opened(deadline_s=DEADLINE_S) as session:
                await session.execute(ADD, ALL_THREE)
    assert await onlooker.value("select count(*) from note") == 0


async def test_a_read_sees_what_is_committed_and_a_snapshot_one_moment(
    database: Database, onlooker: Onlooker
) -> None:
    async with (
        database.read(deadline_s=DEADLINE_S) as read,
        database.snapshot(deadline_s=DEADLINE_S) as snapshot,
    ):
        seen = [await read.fetch_value(COUNT, {}), await snapshot.fetch_value(COUNT, {})]
        await onlooker.connection.execute("insert into note (author, words) values ('b', 'c')")
        seen += [await read.fetch_value(COUNT, {}), await snapshot.fetch_value(COUNT, {})]
    assert seen == [0, 0, 1, 0]


async def test_a_statement_is_stopped_by_the_server_at_its_limit(conninfo: str) -> None:
    limits = Limits(statement_s=0.1)
    async with Database(conninfo, limits=limits) as database, database.read(deadline_s=DEADLINE_S) as session:
        with pytest.raises(StatementTimeout):
            await session.fetch_value(SLEEP, {"seconds": 5})
        assert await session.fetch_value(COUNT, {}) == 0


async def test_work_that_was_given_more_time_gets_it_on_the_server_too(conninfo: str) -> None:
    limits = Limits(statement_s=0.1, idle_in_transaction_s=0.1)
    async with Database(conninfo, limits=limits) as database:
        async with database.transaction(deadline_s=2.0) as session:
            await session.fetch_value(SLEEP, {"seconds": 0.13})
            await asyncio.sleep(0.13)
            assert await session.fetch_value(COUNT, {}) == 0
        async with database.read(deadline_s=2.0) as session:
            assert (
                await session.fetch_value(query("select current_setting('statement_timeout')"), {}) == "100ms"
            )


async def test_waiting_for_a_lock_is_bounded(conninfo: str, onlooker: Onlooker) -> None:
    await onlooker.connection.execute("insert into counter values ('a', 0)")
    add = query("update counter set value = value + 1 where name = 'a'")
    async with Database(conninfo, limits=Limits(lock_s=0.1)) as database:
        async with onlooker.connection.transaction():
            await onlooker.connection.execute("select value from counter where name = 'a' for update")
            with pytest.raises(LockTimeout):
                async with database.transaction(deadline_s=DEADLINE_S) as session:
                    await session.execute(add, {})
        async with database.transaction(deadline_s=DEADLINE_S) as session:
            assert await session.execute(add, {}) == 1


async def test_a_transaction_that_idles_too_long_is_ended_by_the_server(conninfo: str) -> None:
    async with Database(conninfo, limits=Limits(idle_in_transaction_s=0.1)) as database:
        with pytest.raises(DeadlineExceeded):
            async with database.transaction(deadline_s=0.09) as session:
                await asyncio.sleep(0.5)
        with pytest.raises((DeadlineExceeded, DatabaseUnavailable)):
            async with database.snapshot(deadline_s=0.1) as session:
                await session.command("SET LOCAL idle_in_transaction_session_timeout = 20")
                await asyncio.sleep(0.08)
                await session.fetch_value(COUNT, {})
        async with database.read(deadline_s=DEADLINE_S) as session:
            assert await session.fetch_value(COUNT, {}) == 0


# --- what errors mean


@pytest.mark.parametrize(
    ("error", "ours"),
    [
        (errors.SerializationFailure(), Serialization),
        (errors.DeadlockDetected(), Serialization),
        (errors.QueryCanceled(), StatementTimeout),
        (errors.LockNotAvailable(), LockTimeout),
        (errors.DiskFull(), DatabaseFull),
        (errors.OutOfMemory(), DatabaseFull),
        (errors.TooManyConnections(), PoolFull),
        (errors.IdleInTransactionSessionTimeout(), DeadlineExceeded),
        (errors.AdminShutdown(), DatabaseUnavailable),
        (errors.CrashShutdown(), DatabaseUnavailable),
        (errors.CannotConnectNow(), DatabaseUnavailable),
        (errors.ConnectionFailure(), DatabaseUnavailable),
        (errors.OperationalError("the connection is lost"), DatabaseUnavailable),
        (errors.InterfaceError("the connection is closed"), DatabaseUnavailable),
        (errors.NotNullViolation(), ConstraintViolated),
        (errors.NumericValueOutOfRange(), ValueRefused),
        (errors.DataError("a zero character"), ValueRefused),
        (errors.SyntaxError(), None),
        (errors.InternalError_(), None),
        (errors.ProgrammingError("ours"), None),
        (errors.DivisionByZero(), None),
    ],
    ids=lambda each: type(each).__name__ if isinstance(each, Exception) else "",
)
def test_the_drivers_errors_have_one_meaning_each(error: errors.Error, ours: type[Any] | None) -> None:
    meant = translate(error)
    assert type(meant) is (ours or type(None))


def test_after_the_deadline_a_cancelled_query_and_a_shut_socket_mean_the_deadline() -> None:
    for error in (errors.QueryCanceled(), errors.OperationalError("gone"), errors.AdminShutdown()):
        assert type(translate(error, has_struck=True)) is DeadlineExceeded


async def test_a_row_whose_part_is_attached_meanwhile_is_written_again(
    database: Database, server: Any
) -> None:
    """It was on its way to the part for all the rest, which takes it no longer once the other stands."""
    with psycopg.connect(server.conninfo, autocommit=True) as other:
        other.execute("drop table if exists parted, parted_one")
        other.execute("create table parted (n int not null) partition by list (n)")
        other.execute("create table parted_rest partition of parted default")
        other.execute("create table parted_one (n int not null)")
    add = query("insert into parted (n) values (1)")
    with psycopg.connect(server.conninfo) as other:
        other.execute("alter table parted attach partition parted_one for values in (1)")

        tried = 0

        async def write(session: Session) -> None:
            nonlocal tried
            tried += 1
            await session.execute(add, {})

        waiting = asyncio.create_task(database.run(write, deadline_s=DEADLINE_S))
        await asyncio.sleep(0.5)
        assert not waiting.done(), "it waits for the part that is being changed"
        other.commit()
        await waiting
        assert tried == 2
        assert other.execute("select n from parted_one").fetchall() == [(1,)]
    with psycopg.connect(server.conninfo, autocommit=True) as other:
        other.execute("drop table parted")
