"""The adapters against the real libraries and a real PostgreSQL: each tells alike what is held, asked and left open, and holds its limits."""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import ExitStack, asynccontextmanager, contextmanager
from typing import Any

import anyio.to_thread
import asyncpg
import psycopg
import psycopg2
import psycopg2.pool
import psycopg_pool
import pytest
import sqlalchemy
from psycopg.conninfo import conninfo_to_dict
from sqlalchemy import orm
from sqlalchemy.ext.asyncio import create_async_engine

from flatwater.adapters import asyncpg as watched_asyncpg
from flatwater.adapters import psycopg as watched_psycopg
from flatwater.adapters import psycopg2 as watched_psycopg2
from flatwater.adapters.session_limits import LimitsNotHeld, SessionLimits
from flatwater.adapters.sqlalchemy import drop_by_commit, watch_engine
from flatwater.cache import MISSING, Cache
from flatwater.deadlines import Deadlines
from flatwater.ledger import Budget, Ledger, OverBudget

pytestmark = pytest.mark.anyio

LIMITS = SessionLimits(statement_s=0.4, lock_s=0.3, idle_in_transaction_s=7)
SHOWN = "select current_setting('statement_timeout') || ' ' || current_setting('lock_timeout') || ' ' || current_setting('idle_in_transaction_session_timeout')"
HELD = "400ms 300ms 7s"
ROWS = "select n from generate_series(1, 5) n"
Ask = Callable[[str], list[tuple[Any, ...]]]


def address(conninfo: str, driver: str) -> str:
    return f"postgresql+{driver}://postgres@/postgres?host={conninfo_to_dict(conninfo)['host']}"


class Held:
    """One connection of a driver's, held: to ask through, to begin a transaction, and to end it."""

    def __init__(self, ask: Ask, commit: Callable[[], object]) -> None:
        self.ask = ask
        self.commit = commit


@contextmanager
def by_psycopg(conninfo: str, ledger: Ledger) -> Iterator[Held]:
    kind = watched_psycopg.watched_pool(psycopg_pool.ConnectionPool, ledger, LIMITS)
    with kind(conninfo, min_size=1, max_size=2) as pool, pool.connection() as connection:
        yield Held(lambda text: connection.execute(text).fetchall(), connection.commit)


@contextmanager
def by_psycopg2(conninfo: str, ledger: Ledger) -> Iterator[Held]:
    kind = watched_psycopg2.watched_pool(psycopg2.pool.ThreadedConnectionPool, ledger, LIMITS)
    pool = kind(1, 2, conninfo)
    connection = pool.getconn()

    def ask(text: str) -> list[tuple[Any, ...]]:
        with connection.cursor() as cursor:
            cursor.execute(text)
            return cursor.fetchall()

    try:
        yield Held(ask, connection.commit)
    finally:
        pool.putconn(connection)
        pool.closeall()


def by_engine(driver: str) -> Callable[[str, Ledger], Any]:
    @contextmanager
    def hold(conninfo: str, ledger: Ledger) -> Iterator[Held]:
        engine = sqlalchemy.create_engine(address(conninfo, driver), pool_size=2)
        watch_engine(engine, ledger, LIMITS)
        with engine.connect() as connection:
            yield Held(
                lambda text: [tuple(row) for row in connection.execute(sqlalchemy.text(text))],
                connection.commit,
            )
        engine.dispose()

    return hold


SYNC = {
    "psycopg": by_psycopg,
    "psycopg2": by_psycopg2,
    "sqlalchemy+psycopg": by_engine("psycopg"),
    "sqlalchemy+psycopg2": by_engine("psycopg2"),
}


@pytest.mark.parametrize("driver", SYNC)
def test_who_holds_a_connection_and_what_it_does_is_told(conninfo: str, driver: str) -> None:
    ledger = Ledger()
    with ledger.request("GET /notes") as request:
        with SYNC[driver](conninfo, ledger) as held:
            (holder,) = ledger.holders()
            assert (holder.route, holder.driver) == ("GET /notes", driver)
            assert "test_drivers_tell.py" in holder.line
            assert len(held.ask(ROWS)) == 5
            (holder,) = ledger.holders()
            assert holder.state == "idle in transaction"
            assert holder.statement.startswith("select n from")
            held.commit()
            assert [each.state for each in ledger.holders()] == ["idle"]
        assert ledger.holders() == []
        assert (request.statements, request.rows) == (1, 5), "limits and control are not the request's"


@pytest.mark.parametrize("driver", SYNC)
def test_limits_are_set_and_held_on_the_server(conninfo: str, driver: str) -> None:
    with SYNC[driver](conninfo, Ledger()) as held:
        assert held.ask(SHOWN) == [(HELD,)]
        began = time.monotonic()
        with pytest.raises(Exception, match="statement timeout"):
            held.ask("select pg_sleep(20)")
        assert time.monotonic() - began < 3


@pytest.mark.parametrize("driver", SYNC)
def test_a_statement_that_fails_leaves_no_connection_active(conninfo: str, driver: str) -> None:
    ledger = Ledger()
    with ledger.request("GET /"), SYNC[driver](conninfo, ledger) as held:
        with pytest.raises(Exception, match="nowhere"):
            held.ask("select * from nowhere")
        assert [each.state for each in ledger.holders()] == ["idle in transaction"]


@pytest.mark.parametrize("driver", SYNC)
def test_a_request_that_is_late_has_its_statement_ended_on_the_server(conninfo: str, driver: str) -> None:
    ledger = Ledger()
    deadlines = Deadlines()
    with ExitStack() as stack:
        request = stack.enter_context(ledger.request("GET /"))
        held = stack.enter_context(SYNC[driver](conninfo, ledger))
        began = time.monotonic()
        with (
            deadlines.within(0.1, lambda: ledger.cancel(request)),
            pytest.raises(Exception, match="user request"),
        ):
            held.ask("select pg_sleep(0.35)")
        assert time.monotonic() - began < 0.34
    deadlines.close()


@pytest.mark.parametrize("driver", SYNC)
def test_one_statement_for_each_row_is_named_by_its_line(conninfo: str, driver: str) -> None:
    ledger = Ledger(Budget(repeats=4), enforces=True)
    with (
        ledger.request("GET /") as request,
        SYNC[driver](conninfo, ledger) as held,
        pytest.raises(OverBudget),
    ):
        for _ in range(6):
            held.ask("select 1")
    assert "one statement 5 times from" in request.over
    assert "test_drivers_tell.py" in request.over


@pytest.mark.parametrize("driver", SYNC)
def test_the_server_shows_the_route_of_a_session_that_sits_in_its_transaction(
    conninfo: str, driver: str
) -> None:
    ledger = Ledger(tags_statements=True)
    with ledger.request("GET /notes"), SYNC[driver](conninfo, ledger) as held:
        held.ask(ROWS)
        with psycopg.connect(conninfo) as onlooker:
            row = onlooker.execute(
                "select query from pg_stat_activity where state = 'idle in transaction' and pid <> pg_backend_pid()"
            ).fetchone()
    assert row is not None
    assert "/*route='GET /notes'*/" in row[0]


@asynccontextmanager
async def on_asyncpg(conninfo: str, ledger: Ledger) -> AsyncIterator[Any]:
    async with (
        watched_asyncpg.create_pool(
            ledger=ledger,
            limits=LIMITS,
            host=conninfo_to_dict(conninfo)["host"],
            user="postgres",
            database="postgres",
            min_size=1,
            max_size=2,
        ) as pool,
        pool.acquire() as connection,
    ):
        yield connection


async def test_asyncpg_tells_who_holds_what_and_holds_its_limits(conninfo: str) -> None:
    ledger = Ledger()
    with ledger.request("GET /notes") as request:
        async with on_asyncpg(conninfo, ledger) as connection:
            (holder,) = ledger.holders()
            assert (holder.route, holder.driver, holder.state) == ("GET /notes", "asyncpg", "idle")
            assert await connection.fetchval(SHOWN) == HELD
            async with connection.transaction():
                assert len(await connection.fetch(ROWS)) == 5
                (holder,) = ledger.holders()
                assert holder.state == "idle in transaction"
                assert "test_drivers_tell.py" in holder.line
            assert ledger.holders()[0].state == "idle"
            await connection.execute("select 1")
            await connection.fetchrow("select 1")
            with pytest.raises(asyncpg.QueryCanceledError):
                await connection.execute("select pg_sleep(20)")
        assert ledger.holders() == []
        assert (request.statements, request.rows) == (5, 7)


async def test_asyncpg_keeps_its_limits_from_one_holder_to_the_next(conninfo: str) -> None:
    pool = await watched_asyncpg.create_pool(
        ledger=Ledger(),
        limits=LIMITS,
        host=conninfo_to_dict(conninfo)["host"],
        user="postgres",
        min_size=1,
        max_size=1,
    )
    for _ in range(3):
        async with pool.acquire() as connection:
            assert await connection.fetchval(SHOWN) == HELD
            await connection.execute("set statement_timeout = '1h'")
    await pool.close()


async def test_a_task_that_is_cancelled_ends_its_statement_on_the_server(conninfo: str) -> None:
    unlimited = SessionLimits(statement_s=60)
    pool = await watched_asyncpg.create_pool(
        ledger=Ledger(), limits=unlimited, host=conninfo_to_dict(conninfo)["host"], user="postgres"
    )
    async with pool.acquire() as connection:
        with pytest.raises(TimeoutError):
            async with asyncio.timeout(0.2):
                await connection.execute("select pg_sleep(61)")
    async with await psycopg.AsyncConnection.connect(conninfo) as onlooker:
        async with asyncio.timeout(5):
            while True:
                cursor = await onlooker.execute(
                    "select count(*) from pg_stat_activity where query like '%pg_sleep(61)%' and state = 'active' and pid <> pg_backend_pid()"
                )
                if await cursor.fetchone() == (0,):
                    break
                await onlooker.rollback()
    await pool.close()


async def test_an_asynchronous_pool_of_psycopg_tells_alike(conninfo: str) -> None:
    ledger = Ledger()
    kind = watched_psycopg.watched_pool(psycopg_pool.AsyncConnectionPool, ledger, LIMITS)
    async with kind(conninfo, min_size=1, open=False) as pool:
        with ledger.request("GET /notes") as request:
            async with pool.connection() as connection:
                assert await (await connection.execute(SHOWN)).fetchone() == (HELD,)
                assert ledger.holders()[0].state == "idle in transaction"
                assert "test_drivers_tell.py" in ledger.holders()[0].line
            assert ledger.holders() == []
    assert (request.statements, request.rows) == (1, 1)


@pytest.mark.parametrize("driver", ["asyncpg", "psycopg"])
async def test_an_async_engine_tells_alike_with_the_line_behind_its_greenlet(
    conninfo: str, driver: str
) -> None:
    ledger = Ledger()
    engine = create_async_engine(address(conninfo, driver))
    watch_engine(engine, ledger, LIMITS)
    with ledger.request("GET /notes") as request:
        async with engine.connect() as connection:
            rows = (await connection.execute(sqlalchemy.text(ROWS))).all()
            (holder,) = ledger.holders()
            assert (holder.driver, holder.state) == (f"sqlalchemy+{driver}", "idle in transaction")
            assert "test_drivers_tell.py" in holder.line
            assert (await connection.execute(sqlalchemy.text(SHOWN))).scalar() == HELD
            await connection.rollback()
            assert ledger.holders()[0].state == "idle"
        assert ledger.holders() == []
    await engine.dispose()
    assert len(rows) == 5
    assert (request.statements, request.rows) == (2, 6)


async def test_what_a_thread_asks_is_its_requests(conninfo: str) -> None:
    ledger = Ledger()

    def ask() -> None:
        with by_psycopg2(conninfo, ledger) as held:
            held.ask(ROWS)

    with ledger.request("GET /") as request:
        await anyio.to_thread.run_sync(ask)
    assert (request.statements, request.rows) == (1, 5)


def test_a_connection_by_itself_is_held_until_it_is_closed(conninfo: str) -> None:
    ledger = Ledger()
    connection = watched_psycopg2.connect(conninfo, ledger=ledger, limits=LIMITS)
    assert len(ledger.holders()) == 1
    connection.close()
    assert ledger.holders() == []


def test_limits_that_the_server_does_not_hold_are_told() -> None:
    with pytest.raises(LimitsNotHeld, match="lock_timeout is 0 ms, not 300ms"):
        LIMITS.verify(
            {"statement_timeout": "400", "lock_timeout": "0", "idle_in_transaction_session_timeout": "7000"}
        )


def test_an_enforced_budget_reaches_through_sqlalchemy_as_itself(conninfo: str) -> None:
    ledger = Ledger(Budget(statements=1), enforces=True)
    engine = sqlalchemy.create_engine(address(conninfo, "psycopg"))
    watch_engine(engine, ledger)
    with ledger.request("GET /"), engine.connect() as connection:
        connection.execute(sqlalchemy.text("select 1"))
        with pytest.raises(OverBudget):
            connection.execute(sqlalchemy.text("select 1"))
    engine.dispose()


class Base(orm.DeclarativeBase):
    pass


class Counter(Base):
    __tablename__ = "counter"
    name: orm.Mapped[str] = orm.mapped_column(primary_key=True)
    value: orm.Mapped[int]


def test_a_cache_forgets_by_a_sessions_commit_and_not_by_its_rollback(conninfo: str) -> None:
    engine = sqlalchemy.create_engine(address(conninfo, "psycopg"))
    sessions = orm.sessionmaker(engine)
    cache: Cache[int] = Cache("counters", entries=10, size_bytes=100_000, ttl_s=60)
    drop_by_commit(sessions, cache, lambda row: [f"counter:{row.name}"])
    for name in ("a", "b"):
        cache.put(name, 1, tags=(f"counter:{name}",))
    with sessions() as session:
        session.add(Counter(name="a", value=1))
        session.flush()
        assert cache.lookup("a") == 1, "nothing is forgotten before it is true"
        session.rollback()
    assert cache.lookup("a") == 1
    with sessions.begin() as session:
        session.add(Counter(name="a", value=1))
    assert cache.lookup("a") is MISSING
    assert cache.lookup("b") == 1
    with sessions.begin() as session:
        session.get_one(Counter, "a").value = 2
    with sessions.begin() as session:
        session.delete(session.get_one(Counter, "a"))
    engine.dispose()
