"""A request that takes more than it may is stopped with a clear answer; everything else passes through untouched."""

from __future__ import annotations

import asyncio
import contextlib
import gc
import types
from collections.abc import AsyncIterator, Generator
from typing import Any

import pytest
from network import Onlooker

from flatwater import memory_budget
from flatwater.answers import problem_for
from flatwater.memory_budget import (
    BudgetExceeded,
    MemoryBudgets,
    Meter,
    RequestBudget,
    metered,
)
from flatwater.monitors.resident import PAGE_BYTES, can_read_resident
from flatwater.pool import Database

pytestmark = pytest.mark.anyio
reads_memory = pytest.mark.skipif(not can_read_resident, reason="this machine does not tell resident memory")
MB = 1024 * 1024
SMALL = RequestBudget(allocation_bytes=8 * MB)


async def taking(total_bytes: int, step_bytes: int, kept: list[bytearray], pause_s: float = 0.0) -> str:
    """Takes memory step by step, as a handler that gathers rows does."""
    for _ in range(total_bytes // step_bytes):
        kept.append(bytearray(b"x") * step_bytes)
        await asyncio.sleep(pause_s)
    return "done"


@reads_memory
async def test_a_request_within_its_budget_has_its_result() -> None:
    assert await metered(taking(2 * MB, 64 * 1024, []), Meter(SMALL)) == "done"


@reads_memory
async def test_a_request_that_takes_ten_times_its_budget_is_stopped_soon_after_it() -> None:
    kept: list[bytearray] = []
    meter = Meter(SMALL)
    with pytest.raises(BudgetExceeded, match="more than 8 MB of memory") as raised:
        await metered(taking(80 * MB, MB // 2, kept), meter)
    taken = sum(map(len, kept))
    # Above it by the steps that may go unread and by what the heap had free before.
    assert 8 * MB <= taken < 40 * MB
    answer = problem_for(raised.value)
    assert answer is not None
    assert answer.status == 503
    assert "retry-after" not in answer.headers
    task = asyncio.current_task()
    assert task is not None
    assert task.cancelling() == 0
    kept.clear()
    assert await metered(taking(2 * MB, 64 * 1024, []), Meter(SMALL)) == "done"


@reads_memory
async def test_small_steps_do_not_add_up_unseen() -> None:
    kept: list[bytearray] = []
    with pytest.raises(BudgetExceeded):
        await metered(taking(80 * MB, 16 * 1024, kept), Meter(SMALL))
    assert sum(map(len, kept)) < 40 * MB


@reads_memory
async def test_what_one_step_takes_in_one_go_is_noticed_at_its_end() -> None:
    after: list[str] = []

    async def greedy() -> None:
        hoard = bytearray(b"x") * (60 * MB)
        await asyncio.sleep(0)
        after.append(f"{len(hoard)}")

    with pytest.raises(BudgetExceeded):
        await metered(greedy(), Meter(SMALL))
    assert after == []


@reads_memory
async def test_what_others_take_meanwhile_is_not_charged() -> None:
    kept: list[bytearray] = []
    meter = Meter(SMALL)

    async def waits() -> str:
        for _ in range(60):
            await asyncio.sleep(0.001)
        return "done"

    other = asyncio.create_task(taking(60 * MB, MB, kept))
    assert await metered(waits(), meter) == "done"
    await other
    assert meter.net_pages * PAGE_BYTES < 2 * MB


@reads_memory
async def test_work_that_ends_in_spite_of_it_has_its_result_and_the_task_goes_on() -> None:
    async def stubborn() -> str:
        hoard = bytearray(b"x") * (60 * MB)
        try:
            await asyncio.sleep(5)
        except asyncio.CancelledError:
            return f"{len(hoard) // MB} MB"
        return "not cancelled"

    assert await metered(stubborn(), Meter(SMALL)) == "60 MB"
    await asyncio.sleep(0)
    task = asyncio.current_task()
    assert task is not None
    assert task.cancelling() == 0


@reads_memory
async def test_a_request_over_its_budget_gives_its_connection_back(
    database: Database, onlooker: Onlooker
) -> None:
    hoards: list[bytearray] = []

    async def gather() -> None:
        async with database.read(deadline_s=10.0):
            await taking(80 * MB, MB, hoards)

    for _ in range(6):
        with pytest.raises(BudgetExceeded):
            await metered(gather(), Meter(SMALL))
        hoards.clear()
    statistics = database.statistics()
    assert statistics.waiting == 0
    async with asyncio.timeout(1), database.read(deadline_s=1.0):
        pass


async def test_cancelling_from_outside_stays_a_cancellation() -> None:
    closed: list[str] = []

    async def waits() -> None:
        try:
            await asyncio.sleep(60)
        finally:
            closed.append("closed")

    async def run() -> None:
        await metered(waits(), Meter(SMALL))

    task = asyncio.create_task(run())
    await asyncio.sleep(0.01)
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task
    assert closed == ["closed"]


async def test_a_timeout_around_and_inside_is_a_timeout() -> None:
    with pytest.raises(TimeoutError):
        async with asyncio.timeout(0.01):
            await metered(asyncio.sleep(60), Meter(SMALL))

    async def inside() -> str:
        try:
            async with asyncio.timeout(0.01):
                await asyncio.sleep(60)
        except TimeoutError:
            return "late"
        return "in time"

    assert await metered(inside(), Meter(SMALL)) == "late"


async def test_errors_results_and_exceptions_of_what_is_awaited_pass_through() -> None:
    future: asyncio.Future[str] = asyncio.get_running_loop().create_future()

    async def inner() -> str:
        try:
            await future
        except LookupError as error:
            return f"saw {error}"
        return "saw nothing"

    async def fails() -> None:
        await asyncio.sleep(0)
        raise ValueError("mine")

    asyncio.get_running_loop().call_soon(future.set_exception, LookupError("theirs"))
    assert await metered(inner(), Meter(SMALL)) == "saw theirs"
    with pytest.raises(ValueError, match="mine"):
        await metered(fails(), Meter(SMALL))


def test_whatever_is_sent_or_thrown_reaches_the_coroutine_and_closing_closes_it() -> None:
    seen: list[Any] = []

    @types.coroutine
    def asks(question: str) -> Generator[str, Any, Any]:
        return (yield question)

    async def talks() -> str:
        try:
            seen.append(await asks("one"))
            try:
                await asks("two")
            except KeyError as error:
                seen.append(error.args)
            await asks("three")
        except GeneratorExit:
            seen.append("closed")
            raise
        return "never"

    steps = metered(talks(), Meter(SMALL)).__await__()
    assert next(steps) == "one"
    assert steps.send("answer") == "two"
    assert steps.throw(KeyError("thrown")) == "three"
    steps.close()
    assert seen == ["answer", ("thrown",), "closed"]


async def test_a_finished_request_leaves_no_garbage_cycle() -> None:
    async def fails() -> None:
        await asyncio.sleep(0)
        raise ValueError("mine")

    async def once() -> None:
        with pytest.raises(ValueError, match="mine"):
            await metered(fails(), Meter(SMALL))

    await once()
    gc.collect()
    gc.disable()
    try:
        for _ in range(50):
            with contextlib.suppress(ValueError):
                await metered(fails(), Meter(SMALL))
        assert gc.collect() < 50
    finally:
        gc.enable()


async def test_rows_and_bytes_of_the_answer_are_refused_above_their_budget() -> None:
    meter = Meter(RequestBudget(rows=100, response_bytes=2 * MB))
    meter.charge_rows(60)
    meter.charge_rows(40)
    with pytest.raises(BudgetExceeded, match="more than 100 rows"):
        meter.charge_rows(1)
    meter.charge_response(2 * MB)
    with pytest.raises(BudgetExceeded, match="larger than 2 MB"):
        meter.charge_response(1)


@reads_memory
async def test_a_request_that_was_stopped_is_counted_against_its_endpoint() -> None:
    budgets = MemoryBudgets()
    with pytest.raises(BudgetExceeded):
        await budgets.run("export", taking(80 * MB, MB, []), budgets.meter(SMALL))
    assert budgets.struck == 1
    (standing,) = budgets.growth.standing()
    assert (standing.requests, standing.over_budget) == (1, 1)
    assert standing.largest_bytes >= MB


class WorkClock:
    """Tells a time that passes by being asked: a microsecond each time."""

    def __init__(self) -> None:
        self.asked = 0

    def __call__(self) -> float:
        self.asked += 1
        return self.asked * 1e-6


@reads_memory
async def test_metering_short_steps_reads_the_clock_twice_a_step_and_memory_hardly_ever(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """What that takes in time is measured by `python -m benchmarks cost`."""
    clock, readings = WorkClock(), 0

    def reads() -> int:
        nonlocal readings
        readings += 1
        return 1_000

    monkeypatch.setattr(memory_budget, "perf_counter", clock)
    monkeypatch.setattr(memory_budget, "process_time", clock)
    monkeypatch.setattr(memory_budget, "resident_pages", reads)
    memory_budget._forget_reading()

    async def request() -> None:
        for _ in range(5):
            await asyncio.sleep(0)

    budgets, runs, steps = MemoryBudgets(), 500, 6
    try:
        for _ in range(runs):
            await budgets.run("request", request(), budgets.meter(SMALL))
    finally:
        memory_budget._forget_reading()  # it was no reading, and its clock no clock
    assert 0 < readings <= clock.asked * 1e-6 / memory_budget.SHORT_S + 1
    assert clock.asked <= 2 * runs * steps + 3 * readings


async def test_streams_can_be_metered_chunk_by_chunk() -> None:
    async def chunks() -> AsyncIterator[bytes]:
        for _ in range(3):
            yield b"x"

    stream = chunks()
    meter = Meter(SMALL)

    async def one() -> bytes:
        return await anext(stream)

    assert [await metered(one(), meter) for _ in range(3)] == [b"x"] * 3
