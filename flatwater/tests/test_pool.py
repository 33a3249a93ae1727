import asyncio
import contextlib
import random
import signal
import time
from collections.abc import AsyncIterator, Awaitable, Callable

import psycopg
import pytest
from network import Network, Onlooker, query
from running_server import RunningServer
from waiting import until

from flatwater.errors import (
    CommitUnknown,
    DatabaseUnavailable,
    DeadlineExceeded,
    PoolFull,
    PoolTimeout,
    RetriesExhausted,
)
from flatwater.outgrown import own_bytes
from flatwater.pool import ATTEMPTS, Database, Limits, LimitsNotHeld
from flatwater.queries import Query
from flatwater.transaction import Session

pytestmark = pytest.mark.anyio

DEADLINE_S = 5.0
ONE = query("select 1")
SLEEP = query("select pg_sleep(%(seconds)s)")
COUNT = query("select count(*) from note")
ADD = query("insert into note (author, words) values ('a', %(words)s)")
READ_COUNTER = query("select value from counter where name = %(name)s")
SET_COUNTER = query("update counter set value = %(value)s where name = %(name)s")
ADD_TO_COUNTER = query("update counter set value = value + 1 where name = %(name)s")
BACKEND = query("select pg_backend_pid()")
MODE = query("select current_setting('transaction_read_only')")
LOOKS_UP_MUCH = query(
    "select count(pg_get_viewdef(oid)) + count(pg_relation_size(oid)) from pg_class where relkind in ('v', 'i', 'r')"
)


@contextlib.asynccontextmanager
async def opened(conninfo: str, **limits: float) -> AsyncIterator[Database]:
    chosen = Limits(**{"acquire_s": 1.0, **limits})  # pyright: ignore[reportArgumentType]
    async with Database(conninfo, limits=chosen) as database:
        yield database


async def ask(database: Database) -> int:
    async with database.read(deadline_s=DEADLINE_S) as session:
        return await session.fetch_value(ONE, {})


async def sleep(database: Database, seconds: float, deadline_s: float = DEADLINE_S) -> None:
    async with database.read(deadline_s=deadline_s) as session:
        await session.fetch_value(SLEEP, {"seconds": seconds})


@contextlib.asynccontextmanager
async def all_held(database: Database) -> AsyncIterator[None]:
    """Every connection of the pool is in somebody's hands meanwhile."""
    async with contextlib.AsyncExitStack() as stack:
        for _ in range(database.limits.connections):
            await stack.enter_async_context(database.read(deadline_s=30))
        yield


async def assert_whole(database: Database) -> None:
    """All connections can be had at once, work, and are in no transaction."""
    async with contextlib.AsyncExitStack() as stack:
        sessions = [
            await stack.enter_async_context(database.read(deadline_s=DEADLINE_S))
            for _ in range(database.limits.connections)
        ]
        answers = await asyncio.gather(*(session.fetch_value(ONE, {}) for session in sessions))
        modes = await asyncio.gather(*(session.fetch_value(MODE, {}) for session in sessions))
        states = {session._connection.info.transaction_status.name for session in sessions}  # pyright: ignore[reportPrivateUsage]
    assert (answers, set(modes), states) == ([1] * len(sessions), {"on"}, {"IDLE"})
    assert database._held == 0  # pyright: ignore[reportPrivateUsage]


# --- opening and limits


async def test_limits_are_set_on_every_session_of_the_server(conninfo: str) -> None:
    limits = {"statement_s": 1.5, "idle_in_transaction_s": 2.5, "lock_s": 0.5}
    asked = query("""select string_agg(setting, ' ' order by name) from pg_settings where name in
        ('statement_timeout', 'idle_in_transaction_session_timeout', 'lock_timeout', 'default_transaction_read_only')""")
    async with opened(conninfo, **limits) as database:
        for open_it in (database.read, database.operations):
            async with open_it(deadline_s=DEADLINE_S) as session:
                assert await session.fetch_value(asked, {}) == "on 2500 500 1500"


async def test_a_server_that_does_not_hold_the_limits_is_not_worked_with(
    conninfo: str, onlooker: Onlooker
) -> None:
    # What a pooler in between does that drops start-up options: the last options of a role win over none.
    class Dropped(Limits, frozen=True):
        def on_the_server(self) -> dict[str, str]:
            return {**super().on_the_server(), "statement_timeout": "007"}

    with pytest.raises(LimitsNotHeld, match="statement_timeout is 7, not 007"):
        await Database(conninfo, limits=Dropped(), application_name="dropped").open()
    await onlooker.wait_until_gone("dropped")


async def test_there_are_never_more_connections_than_the_limit_and_the_one_apart(
    conninfo: str, onlooker: Onlooker
) -> None:
    async with opened(conninfo, connections=3) as database:
        work = [asyncio.create_task(sleep(database, 0.02)) for _ in range(40)]
        apart = asyncio.create_task(_apart(database))
        most = 0
        while not all(task.done() for task in (*work, apart)):
            most = max(most, len(await onlooker.sessions("flatwater")))
        await asyncio.gather(*work, apart)
    assert most == 4
    await onlooker.wait_until_gone("flatwater")


async def _apart(database: Database) -> None:
    async with database.operations(deadline_s=DEADLINE_S) as session:
        await session.fetch_value(SLEEP, {"seconds": 0.2})


async def test_operations_do_not_queue_behind_a_busy_pool(database: Database) -> None:
    async with all_held(database):
        async with database.operations(deadline_s=DEADLINE_S) as session:
            assert await session.fetch_value(ONE, {}) == 1
        async with database.operations(deadline_s=DEADLINE_S, writes=True) as session:
            assert await session.execute(ADD, {"words": "apart"}) == 1


async def test_renewing_replaces_connections_at_rest_and_in_use_and_refuses_nobody(conninfo: str) -> None:
    async def backend(database: Database) -> int:
        async with database.read(deadline_s=DEADLINE_S) as session:
            return await session.fetch_value(BACKEND, {})

    async with opened(conninfo, acquire_s=3.0) as database:
        async with database.read(deadline_s=DEADLINE_S) as session:
            used = await session.fetch_value(BACKEND, {})
            rested = {await backend(database) for _ in range(3)}
            await database.renew()
            assert await session.fetch_value(BACKEND, {}) == used
            asked = await asyncio.gather(*(backend(database) for _ in range(30)))
            assert not rested & set(asked)
        later = {await backend(database) for _ in range(30)}
        assert not (rested | {used}) & later
        assert database.statistics().refused == 0


async def test_a_connection_that_has_lived_its_time_gives_way_to_a_fresh_one(conninfo: str) -> None:
    async def backend(database: Database) -> int:
        async with database.read(deadline_s=DEADLINE_S) as session:
            return await session.fetch_value(BACKEND, {})

    async with opened(conninfo, connections=1, lifetime_s=0.2) as database:
        first = await backend(database)
        assert await backend(database) == first
        await asyncio.sleep(0.3)
        assert await backend(database) == first, "it is replaced when it comes back, so nobody waits for it"
        assert await backend(database) != first
        assert database.statistics().connections_lost == 0


async def test_a_connection_that_outgrew_its_bound_is_replaced_however_young_it_is(conninfo: str) -> None:
    async def backend(database: Database, work: Query = BACKEND) -> tuple[int, object]:
        async with database.read(deadline_s=DEADLINE_S) as session:
            return await session.fetch_value(BACKEND, {}), await session.fetch_value(work, {})

    async with opened(conninfo, connections=1) as unbound:
        process_id, _ = await backend(unbound)
        fresh = own_bytes(process_id)
        if fresh is None:
            pytest.skip("the processes of this server can't be seen from here")
        await backend(unbound, LOOKS_UP_MUCH)
        grown = own_bytes(process_id)
        assert grown is not None
        assert grown - fresh > 1_000_000, "what was looked up stays"
        assert (await backend(unbound))[0] == process_id
        assert unbound.statistics().outgrown == 0, "without a bound nobody looks"
    async with opened(
        conninfo, connections=1, backend_bytes=(fresh + grown) // 2, outgrown_every_s=0.5
    ) as bound:
        first, _ = await backend(bound)
        assert (await backend(bound))[0] == first
        await backend(bound, LOOKS_UP_MUCH)
        assert (await backend(bound))[0] != first
        numbers = bound.statistics()
        assert (numbers.outgrown, numbers.connections_lost) == (1, 0)
        second, _ = await backend(bound, LOOKS_UP_MUCH)
        assert (await backend(bound))[0] == second, "not so soon after the last"
        await asyncio.sleep(0.5)
        assert (await backend(bound))[0] == second
        assert (await backend(bound))[0] != second, "and then it is"
        third, _ = await backend(bound, LOOKS_UP_MUCH)
        bound.keeps_small = True
        assert (await backend(bound))[0] == third
        assert (await backend(bound))[0] != third, "at once, where there is little room"
        await assert_whole(bound)
        await bound.renew()
        await assert_whole(bound)


async def test_a_database_that_is_not_there_is_told_within_its_time(tmp_path: object) -> None:
    began = time.monotonic()
    with pytest.raises(DatabaseUnavailable):
        await Database(f"host={tmp_path} dbname=x", limits=Limits(connect_s=0.1)).open()
    assert time.monotonic() - began < 1


async def test_a_database_that_was_not_opened_or_is_closed_is_gone(conninfo: str) -> None:
    database = Database(conninfo)
    with pytest.raises(DatabaseUnavailable):
        await ask(database)
    await database.open()
    assert await ask(database) == 1
    await database.close()
    with pytest.raises(DatabaseUnavailable):
        await ask(database)
    await database.close()


# --- the queue


async def test_the_queue_is_bounded_and_so_is_waiting_in_it(conninfo: str) -> None:
    async with opened(conninfo, connections=2, waiting=3, acquire_s=0.2) as database:
        async with all_held(database):
            waiting = [asyncio.create_task(ask(database)) for _ in range(3)]
            await until(lambda: database.statistics().waiting == 3)
            began = time.monotonic()
            with pytest.raises(PoolFull):
                await ask(database)
            assert time.monotonic() - began < 0.1
            for task in waiting:
                with pytest.raises(PoolTimeout):
                    await task
            assert time.monotonic() - began < 1
        await assert_whole(database)
        assert database.statistics().refused == 4


async def test_who_waits_gets_the_next_free_connection_in_order(conninfo: str) -> None:
    order: list[int] = []

    async def wait(number: int) -> None:
        async with database.read(deadline_s=DEADLINE_S):
            order.append(number)

    async with opened(conninfo, connections=1) as database:
        async with all_held(database):
            tasks: list[asyncio.Task[None]] = []
            for number in range(5):
                tasks.append(asyncio.create_task(wait(number)))
                await until(lambda: database.statistics().waiting == len(tasks))
        await asyncio.gather(*tasks)
    assert order == [0, 1, 2, 3, 4]


async def test_those_who_gave_up_waiting_do_not_keep_others_out(conninfo: str) -> None:
    async with opened(conninfo, connections=1, waiting=2, acquire_s=2.0) as database:
        async with all_held(database):
            for _ in range(10):
                task = asyncio.create_task(ask(database))
                await until(lambda: database.statistics().waiting == 1)
                task.cancel()
                with pytest.raises(asyncio.CancelledError):
                    await task
            last = asyncio.create_task(ask(database))
            await asyncio.sleep(0.01)
        assert await last == 1


async def test_time_in_the_queue_counts_towards_the_deadline(conninfo: str) -> None:
    async with opened(conninfo, connections=1, acquire_s=2.0) as database:
        holder = asyncio.create_task(sleep(database, 0.25))
        await asyncio.sleep(0.02)
        began = time.monotonic()
        with pytest.raises(DeadlineExceeded):
            await sleep(database, 5, deadline_s=0.3)
        assert time.monotonic() - began < 0.3 + 0.2
        await holder


# --- the deadline


async def test_at_the_deadline_the_query_ends_on_the_server_and_the_connection_is_clean(
    conninfo: str, onlooker: Onlooker
) -> None:
    async with opened(conninfo, connections=1) as database:
        before = await _backend(database)
        began = time.monotonic()
        with pytest.raises(DeadlineExceeded):
            await sleep(database, 30, deadline_s=0.1)
        assert time.monotonic() - began < 0.6
        assert await onlooker.running("flatwater", "pg_sleep") == 0
        with pytest.raises(DeadlineExceeded):
            async with database.transaction(deadline_s=0.1) as session:
                await session.execute(ADD, {"words": "never"})
                await session.fetch_value(SLEEP, {"seconds": 30})
        assert await _backend(database) == before
        await assert_whole(database)
        assert database.statistics().deadlines_struck == 2
    assert await onlooker.value("select count(*) from note") == 0


async def _backend(database: Database) -> int:
    async with database.read(deadline_s=DEADLINE_S) as session:
        return await session.fetch_value(BACKEND, {})


async def test_the_deadline_also_ends_work_that_waits_for_something_else(
    database: Database, onlooker: Onlooker
) -> None:
    with pytest.raises(DeadlineExceeded):
        async with database.transaction(deadline_s=0.05) as session:
            await session.execute(ADD, {"words": "never"})
            await asyncio.sleep(10)
    task = asyncio.current_task()
    assert task is not None
    assert task.cancelling() == 0
    await asyncio.sleep(0)
    await assert_whole(database)
    assert await onlooker.value("select count(*) from note") == 0


async def test_after_the_deadline_a_session_asks_nothing_more(database: Database) -> None:
    # The block ends without an error, but what it did is not saved and its caller is told.
    with pytest.raises(DeadlineExceeded):
        async with database.transaction(deadline_s=0.1) as session:
            await session.execute(ADD, {"words": "never"})
            with pytest.raises(DeadlineExceeded):
                async with session.savepoint():
                    await session.fetch_value(SLEEP, {"seconds": 10})
            with pytest.raises(DeadlineExceeded):
                await session.fetch_value(ONE, {})
    assert await database.run(_count, deadline_s=DEADLINE_S) == 0


async def test_a_deadline_that_strikes_while_giving_back_strikes_nobody_else(database: Database) -> None:
    async def close_to_the_deadline(number: int) -> None:
        began = asyncio.get_running_loop().time()
        with contextlib.suppress(DeadlineExceeded, PoolTimeout, ZeroDivisionError):
            async with database.transaction(deadline_s=0.02) as session:
                await session.fetch_value(ONE, {})
                left_s = 0.02 - (asyncio.get_running_loop().time() - began)
                await asyncio.sleep(left_s + (number % 20 - 12) / 10_000)
                if number % 2:
                    raise ZeroDivisionError
        await asyncio.sleep(0.001)

    await assert_whole(database)
    for batch in range(15):
        await asyncio.gather(*(close_to_the_deadline(batch * 3 + number) for number in range(3)))
    await assert_whole(database)


async def test_a_deadline_and_a_foreign_cancellation_are_told_apart(database: Database) -> None:
    async def work() -> None:
        async with database.read(deadline_s=10) as session:
            await session.fetch_value(SLEEP, {"seconds": 10})

    task = asyncio.create_task(work())
    await asyncio.sleep(0.05)
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task
    await assert_whole(database)


# --- a network that falls silent


async def _until_silent(network: Network, session: Session, kind: str) -> None:
    """Some work in whose middle the network falls silent."""
    await session.execute(ADD, {"words": f"{kind} never"})
    network.fall_silent()
    if kind == "query":
        await session.fetch_value(ONE, {})
    elif kind == "copy in":
        async with session.copy_in(query("copy note (author, words) from stdin")) as copy:
            while True:
                await copy.write("a\t" + "b" * 90 + "\n")
    elif kind == "copy out":
        async for _ in session.copy_out(query("copy (select n from generate_series(1, 100) as n) to stdout")):
            pass
    elif kind == "swallowed":
        with pytest.raises(DeadlineExceeded):
            await session.fetch_value(ONE, {})
    elif kind == "no statement":
        await asyncio.sleep(30)


async def test_when_the_network_falls_silent_the_caller_is_free_soon_after_the_deadline(
    server: RunningServer, onlooker: Onlooker
) -> None:
    async def work(kind: str) -> float:
        network = Network(server.socket_path)
        await network.open()
        async with opened(network.conninfo, connections=2) as database:
            began = time.monotonic()
            with pytest.raises(CommitUnknown if kind == "commit" else DeadlineExceeded):
                async with database.transaction(deadline_s=0.2) as session:
                    await _until_silent(network, session, kind)
            waited_s = time.monotonic() - began
            await asyncio.sleep(0.3)  # the server's own end comes by then, whatever the network still brings
            network.speak()
            await assert_whole(database)
            assert database.statistics().connections_lost == 1
        await network.close()
        return waited_s

    kinds = ("query", "copy in", "copy out", "swallowed", "no statement", "commit")
    waited = await asyncio.gather(*(work(kind) for kind in kinds))
    assert max(waited) < 0.2 + 1.0
    # The commit that the network brings along in the end finds that the server had ended its transaction.
    await onlooker.wait_until_gone("flatwater")
    assert await onlooker.value("select count(*) from note") == 0


async def test_a_silent_network_is_told_from_a_busy_pool(network: Network) -> None:
    async with opened(network.conninfo, connections=1, connect_s=2.0, acquire_s=0.2) as database:
        network.fall_silent()
        with pytest.raises(DeadlineExceeded):
            await sleep(database, 0, deadline_s=0.1)
        with pytest.raises((DatabaseUnavailable, PoolTimeout)):
            await ask(database)
        network.speak()


async def _count(session: Session) -> int:
    return await session.fetch_value(COUNT, {})


async def test_a_network_that_was_cut_is_come_through_again(network: Network) -> None:
    async with opened(network.conninfo) as database:
        await assert_whole(database)
        network.cut()
        await asyncio.sleep(0.02)
        assert await ask(database) == 1
        await assert_whole(database)


# --- commits and retries


async def test_a_commit_whose_answer_is_lost_is_told_as_unknown(network: Network, onlooker: Onlooker) -> None:
    attempts = 0

    async def add(session: Session) -> None:
        nonlocal attempts
        attempts += 1
        await session.execute(ADD, {"words": str(attempts)})

    async with opened(network.conninfo) as database:
        network.cut_at(b"COMMIT")
        with pytest.raises(CommitUnknown):
            await database.run(add, deadline_s=DEADLINE_S)
        assert attempts == 1
        await _until_count(onlooker, 1)  # this time it was saved, which nobody here could know
        network.cut_at(b"COMMIT")
        await database.run(add, deadline_s=DEADLINE_S, idempotent=True)
        assert attempts == 3
        await _until_count(onlooker, 3)
        await assert_whole(database)


async def _until_count(onlooker: Onlooker, count: int) -> None:
    async with asyncio.timeout(2):
        while await onlooker.value("select count(*) from note") != count:
            await asyncio.sleep(0.01)


async def test_a_commit_that_the_server_stops_is_known_not_to_have_happened(
    database: Database, onlooker: Onlooker
) -> None:
    await onlooker.connection.execute("""
        create function dawdle() returns trigger language plpgsql as 'begin perform pg_sleep(10); return null; end';
        create constraint trigger dawdles after insert on note deferrable initially deferred
            for each row execute function dawdle()""")
    try:
        with pytest.raises(DeadlineExceeded):
            async with database.transaction(deadline_s=0.2) as session:
                await session.execute(ADD, {"words": "dawdling"})
        await assert_whole(database)
        assert await onlooker.value("select count(*) from note where words = 'dawdling'") == 0
    finally:
        await onlooker.connection.execute("drop function dawdle cascade")


async def test_a_connection_lost_before_the_commit_is_no_unknown_commit(
    network: Network, onlooker: Onlooker
) -> None:
    attempts = 0

    async def add(session: Session) -> None:
        nonlocal attempts
        attempts += 1
        await session.execute(ADD, {"words": "x"})
        if attempts == 1:
            network.cut()
        await session.fetch_value(ONE, {})

    async with opened(network.conninfo) as database:
        await database.run(add, deadline_s=DEADLINE_S)
        assert attempts == 2
        assert database.statistics().retries == 1
    assert await onlooker.value("select count(*) from note") == 1


async def test_no_addition_is_lost_when_many_add_serializably(database: Database, onlooker: Onlooker) -> None:
    await onlooker.connection.execute("insert into counter values ('a', 0)")

    async def add(
        session: Session, all_have_read: asyncio.Barrier, have_waited: set[int], number: int
    ) -> None:
        await session.command("SET TRANSACTION ISOLATION LEVEL SERIALIZABLE")
        value = await session.fetch_value(READ_COUNTER, {"name": "a"})
        if number not in have_waited:
            have_waited.add(number)
            await all_have_read.wait()
        await session.execute(SET_COUNTER, {"name": "a", "value": value + 1})

    async def three_at_once() -> None:
        together, waited = asyncio.Barrier(3), set[int]()
        await asyncio.gather(
            *(
                database.run(
                    lambda session, number=n: add(session, together, waited, number), deadline_s=DEADLINE_S
                )
                for n in range(3)
            )
        )

    for _ in range(10):
        await three_at_once()
    assert await onlooker.value("select value from counter") == 30
    assert database.statistics().retries >= 20


async def test_a_deadlock_is_done_again(database: Database, onlooker: Onlooker) -> None:
    await onlooker.connection.execute("insert into counter values ('a', 0), ('b', 0)")
    await onlooker.connection.execute("alter system set deadlock_timeout = '50ms'")
    await onlooker.connection.execute("select pg_reload_conf()")
    both_hold = asyncio.Barrier(2)
    first_time: set[str] = set()

    async def add(session: Session, first: str, second: str) -> None:
        await session.execute(ADD_TO_COUNTER, {"name": first})
        if first not in first_time:
            first_time.add(first)
            await both_hold.wait()
        await session.execute(ADD_TO_COUNTER, {"name": second})

    await asyncio.gather(
        database.run(lambda session: add(session, "a", "b"), deadline_s=DEADLINE_S),
        database.run(lambda session: add(session, "b", "a"), deadline_s=DEADLINE_S),
    )
    assert await onlooker.value("select string_agg(value::text, ',') from counter") == "2,2"
    assert 1 <= database.statistics().retries < ATTEMPTS  # the second try may meet the other one again
    await onlooker.connection.execute("alter system reset deadlock_timeout")
    await onlooker.connection.execute("select pg_reload_conf()")


async def _always_in_the_way(session: Session) -> None:
    await session.fetch_value(query("select pg_notify('x', '') from (select raise_serialization()) as r"), {})


@pytest.fixture
async def in_the_way(onlooker: Onlooker) -> AsyncIterator[None]:
    await onlooker.connection.execute("""
        create function raise_serialization() returns int language plpgsql
        as 'begin raise serialization_failure; end'""")
    yield
    await onlooker.connection.execute("drop function raise_serialization")


@pytest.mark.usefixtures("in_the_way")
async def test_retries_are_bounded_in_number_and_their_pauses_jittered(
    database: Database, monkeypatch: pytest.MonkeyPatch
) -> None:
    pauses: list[float] = []
    real_sleep = asyncio.sleep

    async def noted_sleep(seconds: float) -> None:
        pauses.append(seconds)
        await real_sleep(0)

    monkeypatch.setattr("flatwater.pool.asyncio.sleep", noted_sleep)
    for _ in range(20):
        with pytest.raises(RetriesExhausted):
            await database.run(_always_in_the_way, deadline_s=DEADLINE_S)
    monkeypatch.undo()
    assert len(pauses) == 20 * (ATTEMPTS - 1)
    assert database.statistics().retries == len(pauses)
    for number, pause_s in enumerate(pauses):
        assert 0 <= pause_s <= min(0.01 * 2 ** (number % (ATTEMPTS - 1)), 0.5)
    assert len(set(pauses)) == len(pauses)
    with pytest.raises(RetriesExhausted):
        async with database.transaction(deadline_s=DEADLINE_S) as session:
            await _always_in_the_way(session)
    with pytest.raises(RetriesExhausted):
        async with database.operations(deadline_s=DEADLINE_S, writes=True) as session:
            await _always_in_the_way(session)
    await assert_whole(database)


@pytest.mark.usefixtures("in_the_way")
async def test_retries_end_at_the_deadline(database: Database) -> None:
    began = time.monotonic()

    async def slow(session: Session) -> None:
        await session.fetch_value(SLEEP, {"seconds": 0.1})
        await _always_in_the_way(session)

    with pytest.raises((RetriesExhausted, DeadlineExceeded)):
        await database.run(slow, deadline_s=0.25)
    assert time.monotonic() - began < 0.6


async def test_a_mistake_in_the_work_is_not_done_again(database: Database) -> None:
    attempts = 0

    async def wrong(session: Session) -> None:
        nonlocal attempts
        attempts += 1
        await session.execute(ADD, {"words": "x"})
        raise ZeroDivisionError

    with pytest.raises(ZeroDivisionError):
        await database.run(wrong, deadline_s=DEADLINE_S)
    assert attempts == 1
    assert await database.run(_count, deadline_s=DEADLINE_S) == 0


# --- cancellations


async def test_two_hundred_cancellations_at_any_moment_leave_the_pool_whole(
    conninfo: str, onlooker: Onlooker
) -> None:
    chance = random.Random(5)

    async def read(database: Database) -> None:
        await sleep(database, chance.uniform(0, 0.008))

    async def write(database: Database) -> None:
        async def add(session: Session) -> None:
            async with session.savepoint():
                await session.execute(ADD, {"words": str(chance.random())})
            await session.fetch_value(SLEEP, {"seconds": chance.uniform(0, 0.006)})

        await database.run(add, deadline_s=DEADLINE_S)

    async def copy(database: Database) -> None:
        async with database.transaction(deadline_s=DEADLINE_S) as session:
            async with session.copy_in(query("copy note (author, words) from stdin")) as into:
                for _ in range(5):
                    await into.write(f"copy\t{chance.random()}\n")
                    await asyncio.sleep(0)
            async for _ in session.copy_out(
                query("copy (select n from generate_series(1, 9) as n) to stdout")
            ):
                await asyncio.sleep(0)

    kinds: list[Callable[[Database], Awaitable[None]]] = [read, write, copy]

    async def cancelled(database: Database) -> bool:
        task = asyncio.ensure_future(chance.choice(kinds)(database))
        await asyncio.sleep(chance.uniform(0, 0.010))
        for _ in range(chance.choice([1, 1, 2, 3])):  # somebody may be impatient
            task.cancel()
            await asyncio.sleep(chance.choice([0, 0.0005]))
        await asyncio.wait([task])
        assert task.cancelled() or task.exception() is None
        return task.cancelled()

    async with opened(conninfo, connections=3, acquire_s=3.0) as database:
        outcomes = [
            outcome
            for _ in range(20)
            for outcome in await asyncio.gather(*(cancelled(database) for _ in range(10)))
        ]
        assert sum(outcomes) > 100
        await until(lambda: database._held == 0)  # pyright: ignore[reportPrivateUsage]
        await assert_whole(database)
        assert len(await onlooker.sessions("flatwater")) <= 4
        assert database.statistics().connections == 3
        assert await onlooker.value("select count(*) from pg_locks where locktype = 'transactionid'") == 0


async def test_a_cancellation_that_comes_together_with_the_connection_is_not_lost(conninfo: str) -> None:
    async def hold() -> None:
        async with database.read(deadline_s=DEADLINE_S):
            await asyncio.Event().wait()

    async with opened(conninfo, connections=1) as database:
        for ticks in range(12):
            async with database.read(deadline_s=DEADLINE_S):
                waiter = asyncio.create_task(hold())
                await until(lambda: database.statistics().waiting == 1)
            for _ in range(ticks):
                await asyncio.sleep(0)
            waiter.cancel()
            await asyncio.wait([waiter], timeout=1)
            assert waiter.cancelled(), ticks
        await assert_whole(database)


# --- closing, and a server that dies


async def test_closing_waits_for_those_at_work(conninfo: str, onlooker: Onlooker) -> None:
    database = Database(conninfo)
    await database.open()
    work = [asyncio.create_task(sleep(database, 0.15)) for _ in range(2)]
    await onlooker.wait_until_running("flatwater", "pg_sleep", count=2)
    await database.close()
    assert all(task.done() for task in work)
    await asyncio.gather(*work)
    await onlooker.wait_until_gone("flatwater")


async def test_closing_does_not_wait_for_ever(conninfo: str, onlooker: Onlooker) -> None:
    database = Database(conninfo)
    await database.open()
    work = asyncio.create_task(sleep(database, 0.25))
    await onlooker.wait_until_running("flatwater", "pg_sleep")
    began = time.monotonic()
    await database.close(drain_s=0.05)
    assert time.monotonic() - began < 0.2
    await work
    await onlooker.wait_until_gone("flatwater")


async def test_idle_connections_are_given_back_to_the_server(conninfo: str, onlooker: Onlooker) -> None:
    async with opened(conninfo, connections=3, idle_close_s=0.1) as database:
        await assert_whole(database)
        assert len(await onlooker.sessions("flatwater")) == 3
        await onlooker.wait_until_gone("flatwater", but=1)
        assert await ask(database) == 1


@pytest.mark.parametrize("number", [signal.SIGKILL, signal.SIGINT])
async def test_a_server_that_dies_and_comes_back_is_worked_with_again(
    server: RunningServer, conninfo: str, number: signal.Signals
) -> None:
    async with opened(conninfo, acquire_s=0.3) as database:
        await assert_whole(database)
        in_the_middle = asyncio.create_task(sleep(database, 20))
        writing = asyncio.create_task(_write_slowly(database))
        await asyncio.sleep(0.05)
        await asyncio.to_thread(server.end, number)
        try:
            for task in (in_the_middle, writing):
                with pytest.raises(DatabaseUnavailable):
                    await task
            began = time.monotonic()
            with pytest.raises(DatabaseUnavailable):
                await ask(database)
            assert time.monotonic() - began < 1
        finally:
            await asyncio.to_thread(server.start)
        # The work is done again until the server is back, which is what a restart costs whoever writes: time.
        assert await database.run(_count, deadline_s=DEADLINE_S) == 0
        await assert_whole(database)


async def _write_slowly(database: Database) -> None:
    async with database.transaction(deadline_s=20) as session:
        await session.execute(ADD, {"words": "never"})
        await session.fetch_value(SLEEP, {"seconds": 20})


async def test_connections_that_died_while_idle_are_never_handed_out(
    conninfo: str, onlooker: Onlooker
) -> None:
    async with opened(conninfo, connections=3) as database:
        await assert_whole(database)
        await onlooker.value(
            "select count(pg_terminate_backend(pid, 1000)) from pg_stat_activity where application_name = 'flatwater'"
        )
        began = time.monotonic()
        assert await asyncio.gather(*(ask(database) for _ in range(6))) == [1] * 6
        assert time.monotonic() - began < 0.5
        assert database.statistics().connections_lost == 3


async def test_statistics_tell_what_the_pool_has_been_through(conninfo: str) -> None:
    async with opened(conninfo, connections=2) as database:
        await asyncio.gather(*(sleep(database, 0.02) for _ in range(6)))
        told = database.statistics()
        assert (told.connections, told.idle, told.waiting) == (2, 2, 0)
        assert told.acquired >= 6
        assert told.queued >= 4
        assert told.wait_s > 0
        assert (told.refused, told.connections_lost, told.deadlines_struck, told.retries) == (0, 0, 0, 0)


async def test_two_databases_do_not_share_connections(conninfo: str) -> None:
    async with opened(conninfo) as one, opened(conninfo) as two:
        assert await _backend(one) != await _backend(two)


def test_psycopg_is_the_driver_that_was_tested() -> None:
    assert psycopg.__version__.startswith("3.3.")


SHOWN_NAME = query("select current_setting('application_name')")


async def test_the_server_shows_which_route_a_connection_works_for(conninfo: str, onlooker: Onlooker) -> None:
    async with Database(conninfo, limits=Limits(connections=1), application_name="notes") as database:
        async with database.read(deadline_s=5, route="list_notes") as session:
            assert await session.fetch_value(SHOWN_NAME, {}) == "notes/list_notes"

        async def write(session: Session) -> str:
            return await session.fetch_value(SHOWN_NAME, {})

        assert await database.run(write, deadline_s=5, route="add_note") == "notes/add_note"
        async with database.read(deadline_s=5, route="list_notes") as session:
            assert await session.fetch_value(SHOWN_NAME, {}) == "notes/list_notes", (
                "a write gives the name back"
            )
        with pytest.raises(ValueError, match="route's name"):
            async with database.read(deadline_s=5, route="x'; drop table note"):
                pass


async def test_statements_are_timed_those_that_were_ended_included(conninfo: str) -> None:
    async with Database(conninfo) as database:
        for _ in range(9):
            async with database.read(deadline_s=5) as session:
                await session.fetch_value(SHOWN_NAME, {})
        assert (database.statements.quantile(0.95) or 9) < 0.2
        with pytest.raises(DeadlineExceeded):
            async with database.read(deadline_s=0.3) as session:
                await session.fetch_value(query("select pg_sleep(5)"), {})
        assert database.statements.count() == 10
        assert 0.25 < (database.statements.quantile(1.0) or 0) < 1.5


NAMES = query("select concat_ws(' ', current_schema(), current_setting('lock_timeout'))")


async def test_a_strings_own_settings_mean_the_same_to_every_connection_and_a_primary_is_found(
    conninfo: str,
) -> None:
    with psycopg.connect(conninfo, autocommit=True) as owner:
        owner.execute("create schema if not exists district")
    asked = f"{conninfo} target_session_attrs=read-write options='-csearch_path=district,public'"
    for pooler in (False, True):
        async with Database(asked, limits=Limits(lock_s=3), pooler=pooler) as database:
            async with database.read(deadline_s=DEADLINE_S) as session:
                assert await session.fetch_value(NAMES, {}) == "district 3s"
            async with database.transaction(deadline_s=DEADLINE_S) as session:
                assert await session.fetch_value(NAMES, {}) == "district 3s"
            async with database.operations(deadline_s=DEADLINE_S) as session:
                assert await session.fetch_value(NAMES, {}) == "district 3s"
            async with database.snapshot(deadline_s=DEADLINE_S, route="looks") as session:
                assert await session.fetch_value(NAMES, {}) == "district 3s"
            async with database.look(deadline_s=DEADLINE_S) as session:
                assert await session.fetch_value(NAMES, {}) == "district 3s"
