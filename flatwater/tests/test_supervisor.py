"""A loop ends when it is stopped and at no other time; what fails is told, counted and tried again."""

from __future__ import annotations

import asyncio
import logging
import threading
import time
from datetime import UTC, datetime

import pytest

from flatwater.clock import StandingClock
from flatwater.errors import PoolTimeout
from flatwater.metrics import Metrics, sources
from flatwater.supervisor import (
    MAX_LOOPS,
    LoopStanding,
    Supervisor,
    TaskLoop,
    ThreadLoop,
    after,
    thread_beside,
)

pytestmark = pytest.mark.anyio
AT = datetime(2026, 11, 29, tzinfo=UTC)


class NobodyCatchesThis(BaseException):
    """Not even `except Exception` does."""


class SaysNothing(Exception):
    """Fails even to say what it is."""

    def __str__(self) -> str:
        raise RuntimeError("no words")


async def cancelled_elsewhere() -> None:
    """What is waited for is cancelled by somebody else, who did not mean the loop."""
    task = asyncio.get_running_loop().create_future()
    task.cancel()
    await task


def standing_of(supervisor: Supervisor, name: str = "work") -> LoopStanding:
    return next(each for each in supervisor.standings() if each.name == name)


async def until_turns(supervisor: Supervisor, turns: int, name: str = "work") -> LoopStanding:
    async with asyncio.timeout(60):
        while (standing := standing_of(supervisor, name)).turns < turns:
            await asyncio.sleep(0.005)
    return standing


@pytest.mark.parametrize(
    "error",
    [
        ValueError("odd"),
        NobodyCatchesThis("odd"),
        SaysNothing(),
        MemoryError(),
        OSError(28, "No space left on device"),
        StopAsyncIteration(),
    ],
    ids=lambda error: type(error).__name__,
)
async def test_whatever_a_turn_raises_it_turns_again_and_the_failure_is_told(
    error: BaseException, caplog: pytest.LogCaptureFixture
) -> None:
    outcomes = iter([error, error])

    async def turn() -> None:
        if (raised := next(outcomes, None)) is not None:
            raise raised

    async with Supervisor() as supervisor:
        supervisor.every("work", turn, period_s=0.01, first_after_s=0.0)
        standing = await until_turns(supervisor, 2)
    assert (standing.failures, standing.failures_in_a_row, standing.state) == (2, 0, "running")
    assert type(error).__name__ in standing.last_error
    assert standing.last_failure_at is not None
    told = [record.message for record in caplog.records]
    assert sum("work failed" in each for each in told) == 1, "once, however often the same comes"
    assert any("works again after 2 failures" in each for each in told)
    assert standing_of(supervisor).state == "ended"


async def test_a_cancellation_that_was_not_meant_for_it_is_a_failure_like_any_other() -> None:
    turns = iter([cancelled_elsewhere, cancelled_elsewhere])

    async def turn() -> None:
        if (work := next(turns, None)) is not None:
            await work()

    async with Supervisor() as supervisor:
        supervisor.every("work", turn, period_s=0.01, first_after_s=0.0)
        standing = await until_turns(supervisor, 1)
    assert standing.failures == 2


async def test_work_that_turns_by_itself_is_begun_again_also_when_it_just_ends() -> None:
    begun = 0

    async def work(loop: TaskLoop) -> None:
        nonlocal begun
        begun += 1
        if begun == 2:
            raise KeyError("gone")
        if begun == 3:
            while True:
                loop.turned()
                await asyncio.sleep(0.01)

    async with Supervisor() as supervisor:
        supervisor.keep("work", work, period_s=0.01)
        standing = await until_turns(supervisor, 3)
    assert begun == 3
    assert standing.failures == 2


async def test_a_turn_that_hangs_is_ended_and_tried_again() -> None:
    turns = 0

    async def turn() -> None:
        nonlocal turns
        turns += 1
        if turns == 1:
            await asyncio.sleep(3600)

    async with Supervisor() as supervisor:
        supervisor.every("work", turn, period_s=0.01, first_after_s=0.0, turn_s=0.05)
        standing = await until_turns(supervisor, 1)
    assert "TimeoutError" in standing.last_error


async def test_stopping_ends_it_in_the_middle_of_a_turn_even_if_its_work_swallows_the_first_cancellation() -> (
    None
):
    swallowed = 0

    async def turn() -> None:
        nonlocal swallowed
        try:
            await asyncio.sleep(3600)
        except asyncio.CancelledError:
            swallowed += 1
            if swallowed > 1:
                raise
            await asyncio.sleep(3600)

    supervisor = Supervisor()
    loop = supervisor.every("work", turn, period_s=0.01, first_after_s=0.0)
    await asyncio.sleep(0.05)
    began = time.monotonic()
    await loop.stop()
    assert time.monotonic() - began < 3
    assert not loop.is_alive
    assert standing_of(supervisor).failures == 0, "to be stopped is no failure"


async def test_pauses_grow_are_never_the_same_and_never_longer_than_a_turn_would_wait() -> None:
    async def turn() -> None:
        """Never comes to it."""

    async with Supervisor() as supervisor:
        loop = supervisor.every("work", turn, period_s=3_600.0)
        pauses = [loop.failed(ValueError("x")) for _ in range(20)]
        quick = supervisor.every("quick", turn, period_s=10.0)
        quick_pauses = [quick.failed(ValueError("x")) for _ in range(20)]
    assert 0.5 <= pauses[0] <= 1.0
    assert all(30.0 <= pause <= 60.0 for pause in pauses[8:])
    assert len(set(pauses)) == 20
    assert max(quick_pauses) <= 10.0


async def test_the_log_is_bounded_however_often_and_however_variously_a_loop_fails(
    caplog: pytest.LogCaptureFixture,
) -> None:
    clock = StandingClock(AT)
    loop = TaskLoop("work", lambda _: asyncio.sleep(0), clock, period_s=1.0, is_periodic=True)
    for number in range(10_000):
        loop.failed(ValueError(f"cause {number}"))
    assert len(caplog.records) <= 8
    clock.advance(61)
    loop.failed(ValueError("cause 5"))
    assert "9992 failures that were not told" in caplog.records[-1].message
    assert len(caplog.records) <= 9
    assert loop.standing().failures == 10_001


async def test_what_is_expected_now_and_then_is_told_without_a_traceback(
    caplog: pytest.LogCaptureFixture,
) -> None:
    loop = TaskLoop("work", lambda _: asyncio.sleep(0), StandingClock(AT), period_s=1.0, is_periodic=True)
    loop.failed(PoolTimeout())
    loop.failed(ZeroDivisionError())
    assert [record.exc_info is None for record in caplog.records] == [True, False]
    assert all(record.levelno == logging.ERROR for record in caplog.records)


async def test_three_turns_missed_by_its_own_period_need_attention() -> None:
    clock = StandingClock(AT)

    async def turn() -> None:
        """Never comes to it."""

    async with Supervisor(clock) as supervisor:
        supervisor.every("each minute", turn, period_s=60.0)
        supervisor.every("each hour", turn, period_s=3_600.0)
        supervisor.every("very often", turn, period_s=0.25)
        supervisor.keep("waits for work", lambda loop: asyncio.sleep(3_600))
        clock.advance(2.0)
        assert not any(each.needs_attention for each in supervisor.standings())
        clock.advance(179.0)
        late = {each.name: each.missed_turns for each in supervisor.standings() if each.needs_attention}
        assert late == {"each minute": 3, "very often": 724}
        clock.advance(3 * 3_600.0)
        late = {each.name for each in supervisor.standings() if each.needs_attention}
        assert late == {"each minute", "very often", "each hour"}
    assert not any(each.needs_attention for each in supervisor.standings()), "what was stopped is not late"


async def test_a_loop_that_somebody_else_cancelled_is_dead_and_needs_attention() -> None:
    supervisor = Supervisor()

    async def turn() -> None:
        """Does nothing."""

    supervisor.every("work", turn, period_s=60.0)
    (task,) = (each for each in asyncio.all_tasks() if each.get_name() == "work")
    task.cancel()
    await asyncio.wait([task])
    assert standing_of(supervisor).state == "dead"
    assert standing_of(supervisor).needs_attention


async def test_a_thread_goes_on_after_whatever_it_raises_and_ends_when_its_work_is_done() -> None:
    outcomes = iter([OSError(28, "No space left on device"), NobodyCatchesThis()])
    done = threading.Event()

    def work(loop: ThreadLoop) -> None:
        if (error := next(outcomes, None)) is not None:
            raise error
        loop.turned()
        done.set()
        loop.stopping.wait(60)

    supervisor = Supervisor()
    loop = supervisor.thread("work", work, longest_pause_s=0.05)
    assert await asyncio.to_thread(done.wait, 60)
    assert standing_of(supervisor).failures == 2
    assert standing_of(supervisor).failures_in_a_row == 0
    loop.stop(5.0)
    assert standing_of(supervisor).state == "ended"


async def test_a_name_is_one_loop_and_its_counts_go_on_when_it_is_begun_again() -> None:
    async def turn() -> None:
        """Does nothing."""

    async with Supervisor() as supervisor:
        first = supervisor.every("work", turn, period_s=0.01, first_after_s=0.0)
        with pytest.raises(ValueError, match="two loops"):
            supervisor.every("work", turn, period_s=1.0)
        await until_turns(supervisor, 2)
        await first.stop()
        turns = standing_of(supervisor).turns
        supervisor.every("work", turn, period_s=60.0)
        assert standing_of(supervisor).turns == turns
        for number in range(MAX_LOOPS - 1):
            supervisor.every(f"loop {number}", turn, period_s=60.0)
        with pytest.raises(ValueError, match="loops already"):
            supervisor.every("one too many", turn, period_s=60.0)


async def test_an_errand_that_fails_is_told_and_counted_and_harms_nobody(
    caplog: pytest.LogCaptureFixture,
) -> None:
    async def fail() -> None:
        raise ZeroDivisionError("nothing to divide by")

    supervisor = Supervisor()
    await asyncio.wait([supervisor.errand("telling", fail()), supervisor.errand("telling", asyncio.sleep(0))])
    (errand,) = supervisor.errands()
    assert (errand.name, errand.begun, errand.failed) == ("telling", 2, 1)
    assert "telling failed: ZeroDivisionError: nothing to divide by" in caplog.text


async def test_threads_beside_somebody_tell_what_they_raise(caplog: pytest.LogCaptureFixture) -> None:
    def fail() -> None:
        raise ZeroDivisionError

    thread_beside(fail, name="a look").join()
    timer = after(0.01, fail, name="a timer")
    timer.join()
    assert "a look failed: ZeroDivisionError" in caplog.text
    assert "a timer failed: ZeroDivisionError" in caplog.text


async def test_the_metrics_say_how_each_loop_stands() -> None:
    async def turn() -> None:
        raise ZeroDivisionError

    metrics = Metrics()
    async with Supervisor() as supervisor:
        sources.loops(metrics, supervisor.standings, supervisor.errands)
        supervisor.every("work", turn, period_s=60.0, first_after_s=0.0)
        async with asyncio.timeout(60):
            while not standing_of(supervisor).failures:
                await asyncio.sleep(0.005)
        found = {family.name: dict(family.samples) for family in metrics.families()}
    assert found["flatwater_loop_failures_total"] == {("work",): 1}
    assert found["flatwater_loop_failures_in_a_row"] == {("work",): 1}
    assert found["flatwater_loop_state"]["work", "failing"] == 1.0
    assert found["flatwater_loop_period_seconds"] == {("work",): 60.0}
    assert (
        "flatwater_loop_last_success_timestamp_seconds" not in found
        or not found["flatwater_loop_last_success_timestamp_seconds"]
    )
