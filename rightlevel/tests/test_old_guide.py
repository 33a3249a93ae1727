"""Where the old guide is wrong, shown on a real server: each claim of docs/operators/old-guide.md is run here."""

from __future__ import annotations

import asyncio
import hmac
import random
import re
import time
import tracemalloc
from collections.abc import Callable
from pathlib import Path

import psycopg
import pytest
from serving import OneDatabase

from flatwater.cache import Cache
from flatwater.monitors import memory_of
from flatwater.pool import Database, Limits
from flatwater.queries import read_queries
from flatwater.transaction import Session
from rightlevel.database.server import PrivateServer
from rightlevel.web.operations.cron import is_same_secret

pytestmark = pytest.mark.anyio
PAGE = Path(__file__).parents[2] / "docs" / "operators" / "old-guide.md"
SLEEP = read_queries("-- name: sleep\n-- Sleeps.\nselect 1 from pg_sleep(%(seconds)s)\n", origin="tests")[
    "sleep"
]


def test_delete_with_a_limit_is_no_statement_and_in_batches_it_is(
    new_database: Callable[[], OneDatabase],
) -> None:
    with psycopg.connect(new_database().conninfo, autocommit=True) as connection:
        connection.execute("create table old (id int primary key)")
        connection.execute("insert into old select generate_series(1, 25)")
        with pytest.raises(psycopg.errors.SyntaxError, match="LIMIT"):
            connection.execute("DELETE FROM old WHERE id > 0 LIMIT 10")
        batch = "delete from old where id in (select id from old order by id limit 10 for update skip locked)"
        assert [connection.execute(batch).rowcount for _ in range(4)] == [10, 10, 5, 0]


def at_work(connection: psycopg.Connection[tuple[object, ...]]) -> int:
    row = connection.execute(
        "select count(*) from pg_stat_activity where datname = current_database() and state = 'active' and query like '%pg_sleep%'"
        " and pid <> pg_backend_pid()"
    ).fetchone()
    assert row is not None
    return int(str(row[0]))


async def test_a_race_with_a_timer_leaves_the_statement_running_and_a_deadline_ends_it(
    new_database: Callable[[], OneDatabase],
) -> None:
    conninfo = new_database().conninfo
    with psycopg.connect(conninfo, autocommit=True) as onlooker:
        # As `Promise.race([work, timer])` does it: whoever waits goes on, and the work goes on too.
        connection = await psycopg.AsyncConnection.connect(conninfo, autocommit=True)
        work = asyncio.ensure_future(connection.execute("select pg_sleep(20)"))
        await asyncio.wait([work], timeout=0.3)
        assert at_work(onlooker) == 1, "the caller was told that it is over, and the server is still at it"
        await connection.cancel_safe()
        await asyncio.gather(work, return_exceptions=True)
        await connection.close()

        async with Database(conninfo, limits=Limits(connections=1)) as database:

            async def sleeps(session: Session) -> None:
                await session.fetch_value(SLEEP, {"seconds": 20})

            with pytest.raises(Exception, match=r"."):
                await database.run(sleeps, deadline_s=0.3)
            assert at_work(onlooker) == 0
            async with database.read(deadline_s=5) as session:  # and its only connection is free again
                assert await session.fetch_value(SLEEP, {"seconds": 0}) == 1


def paged_into_a_map(rows: int) -> int:
    found: dict[int, tuple[int, str]] = {}
    tracemalloc.start()
    for first in range(0, rows, 1_000):
        page = [(number, f"school {number}") for number in range(first, min(first + 1_000, rows))]
        found.update(zip(range(first, first + 1_000), page, strict=False))
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    return peak


def streamed(rows: int) -> int:
    tracemalloc.start()
    taken = 0
    for first in range(0, rows, 1_000):
        page = [(number, f"school {number}") for number in range(first, min(first + 1_000, rows))]
        taken += len(page)
        del page
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert taken == rows
    return peak


def test_paging_into_a_map_holds_as_much_as_loading_it_all_and_a_stream_does_not() -> None:
    assert paged_into_a_map(40_000) > 3 * paged_into_a_map(10_000)
    assert streamed(40_000) < 1.3 * streamed(10_000)


def test_a_time_out_in_the_address_is_no_setting_of_the_server(
    new_database: Callable[[], OneDatabase],
) -> None:
    conninfo = new_database().conninfo
    with pytest.raises(psycopg.Error, match="statement_timeout"):
        # This driver at least refuses a word it does not know; others drop it without one.
        psycopg.connect("postgresql://somebody@127.0.0.1/db?statement_timeout=30000")
    with psycopg.connect(conninfo) as connection:
        assert connection.execute("show statement_timeout").fetchone() == ("0",)
    with psycopg.connect(conninfo, options="-c statement_timeout=30000") as connection:
        assert connection.execute("show statement_timeout").fetchone() == ("30s",)


async def test_the_pool_sets_its_limits_on_the_session_and_looks_whether_they_hold(
    new_database: Callable[[], OneDatabase],
) -> None:
    show = read_queries(
        "-- name: show\n-- Shows.\nselect current_setting('statement_timeout')\n", origin="tests"
    )["show"]
    async with (
        Database(new_database().conninfo, limits=Limits(statement_s=17)) as database,
        database.read(deadline_s=5) as session,
    ):
        assert await session.fetch_value(show, {}) == "17s"


def test_summed_rss_counts_the_shared_buffers_once_for_each_backend(server: PrivateServer) -> None:
    backends = [psycopg.connect(server.conninfo) for _ in range(4)]
    try:
        for each in backends:
            each.execute("create temporary table if not exists t (a int)")
            each.execute(
                "select count(*) from pg_attribute a, generate_series(1, 3) n where a.attname like '%x%'"
            )
        memories = [memory for pid in server.process_ids() if (memory := memory_of(pid)) is not None]
        rss, pss = sum(each.rss_bytes for each in memories), sum(each.pss_bytes for each in memories)
        assert rss > 1.5 * pss, f"RSS says {rss / 1e6:.0f} MB where there are {pss / 1e6:.0f} MB"
    finally:
        for each in backends:
            each.close()


async def hit_rate(*, forgets_everything: bool) -> float:
    cache: Cache[int] = Cache("held", entries=1_000, size_bytes=10_000_000, ttl_s=300)
    draw = random.Random(7)

    async def load() -> int:
        return 1

    for turn in range(20_000):
        person = draw.randrange(200)
        await cache.get(person, load, tags=(f"person:{person}",))
        if turn % 50 == 0:  # somebody is assigned
            if forgets_everything:
                cache.drop_all()
            else:
                cache.drop_tag(f"person:{draw.randrange(200)}")
    found = cache.statistics().hit_rate
    assert found is not None
    return found


async def test_clearing_everything_on_each_change_throws_the_hit_rate_away() -> None:
    assert await hit_rate(forgets_everything=True) < 0.3
    assert await hit_rate(forgets_everything=False) > 0.95


async def test_clearing_one_process_leaves_the_others_stale() -> None:
    here: Cache[str] = Cache("held", entries=10, size_bytes=100_000, ttl_s=300)
    there: Cache[str] = Cache("held", entries=10, size_bytes=100_000, ttl_s=300)
    for each in (here, there):
        each.put("mentor", "school A")
    here.drop_all()  # `cache.clear()` in the process that made the change
    assert not here.lookup("mentor")
    assert there.lookup("mentor") == "school A"


def seconds(compare: Callable[[str, str], bool], given: str, secret: str) -> float:
    best = float("inf")
    for _ in range(15):
        began = time.perf_counter()
        compare(given, secret)
        best = min(best, time.perf_counter() - began)
    return best


def test_a_plain_comparison_tells_by_its_time_how_long_a_secret_is_and_ours_does_not() -> None:
    secret = "s" * 4_000_000  # so long that the difference is plain to see by one look
    near, short = secret[:-1] + "x", "x"

    def plain(one: str, other: str) -> bool:
        return one == other

    def constant(one: str, other: str) -> bool:
        return hmac.compare_digest(one.encode(), other.encode())

    assert seconds(plain, near, secret) > 20 * seconds(plain, short, secret), (
        "it ends where they first differ, or by their lengths"
    )
    assert constant(secret, secret)
    # Ours compares what has one length whatever was given.
    assert not is_same_secret(short, secret)
    assert is_same_secret(secret, secret)


def test_the_page_names_a_test_for_each_claim_and_the_tests_are_there() -> None:
    text = PAGE.read_text("utf-8")
    named = set(re.findall(r"`(test_\w+)`", text))
    assert len(named) >= 9
    mine = Path(__file__).read_text("utf-8")
    root = Path(__file__).parents[2]
    elsewhere = "\n".join(
        each.read_text("utf-8")
        for each in [*root.glob("flatwater/tests/*.py"), *root.glob("rightlevel/tests/**/*.py")]
    )
    assert not [each for each in named if f"def {each}(" not in mine and f"def {each}(" not in elsewhere]
