"""The process monitor sees what is there, keeps no more than it may, and says None for what it can't see."""

from __future__ import annotations

import asyncio
import gc
import os
import subprocess
import sys
import time
from datetime import UTC, datetime
from pathlib import Path

import psutil
import pytest

from flatwater.clock import StandingClock, SystemClock
from flatwater.monitors import process, smaps
from flatwater.monitors.process import ProcessMonitor, ProcessSample
from flatwater.monitors.resident import resident_bytes
from flatwater.monitors.ring import Ring
from flatwater.monitors.smaps import memory_of, pids_below, pss_of

pytestmark = pytest.mark.anyio
on_linux = pytest.mark.skipif(
    not Path("/proc/self/smaps_rollup").exists(), reason="only Linux tells a process's PSS"
)
AT = datetime(2026, 11, 23, tzinfo=UTC)


@on_linux
def test_memory_is_what_another_tool_measures() -> None:
    ours, theirs = memory_of(os.getpid()), psutil.Process().memory_full_info()
    assert ours is not None
    assert abs(ours.rss_bytes - theirs.rss) < 4_000_000
    assert abs(ours.pss_bytes - theirs.pss) < 4_000_000
    assert abs(ours.private_bytes - theirs.uss) < 4_000_000
    assert abs((resident_bytes() or 0) - theirs.rss) < 4_000_000


@on_linux
def test_a_sample_grows_with_what_is_taken() -> None:
    monitor = ProcessMonitor(SystemClock())
    before = monitor.sample()
    taken = b"x" * 30_000_000
    opened = [os.open("/dev/null", os.O_RDONLY) for _ in range(5)]
    after = monitor.sample()
    for each in opened:
        os.close(each)
    assert len(taken) == 30_000_000
    assert 28_000_000 < (after.rss_bytes or 0) - (before.rss_bytes or 0) < 40_000_000
    assert 28_000_000 < (after.pss_bytes or 0) - (before.pss_bytes or 0) < 40_000_000
    assert before.file_descriptors is not None
    assert after.file_descriptors == before.file_descriptors + 5
    assert (
        after.heap_bytes is None
        or before.heap_bytes is None
        or after.heap_bytes - before.heap_bytes > 28_000_000
    )


@on_linux
def test_the_program_and_what_it_started_are_summed_once() -> None:
    sleeper = [sys.executable, "-c", "import time; print(flush=True); time.sleep(60)"]
    with subprocess.Popen(sleeper, stdout=subprocess.PIPE) as child:
        assert child.stdout is not None
        child.stdout.readline()
        pids = pids_below(os.getpid())
        assert {os.getpid(), child.pid} <= set(pids)
        alone, both = pss_of([child.pid]), pss_of([os.getpid(), child.pid])
        assert alone is not None
        assert both is not None
        assert 0 < alone < both
        child.kill()
    assert pss_of([child.pid]) == 0
    assert memory_of(child.pid) is None


def test_what_cannot_be_read_is_none_and_never_nothing(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setattr(smaps, "_PROC", tmp_path / "no such place")
    monkeypatch.setattr(process, "_read_heap", None)
    assert memory_of(os.getpid()) is None
    assert pss_of([os.getpid()]) is None
    sample = ProcessMonitor(StandingClock(AT)).sample()
    assert (sample.pss_bytes, sample.private_bytes, sample.heap_bytes) == (None, None, None)
    with pytest.raises(NotImplementedError):
        pids_below(os.getpid())


def test_ten_times_the_samples_leave_the_newest_and_take_no_more_memory() -> None:
    clock = StandingClock(AT)
    monitor = ProcessMonitor(clock, kept=20)
    size = monitor._ring.size_bytes
    assert size == 20 * 8 * len(ProcessSample.__struct_fields__)
    for _ in range(200):
        clock.advance(5)
        last = monitor.sample()
    kept = monitor.samples()
    assert len(kept) == 20
    assert kept[-1] == last == monitor.latest()
    assert (kept[-1].sampled_at - kept[0].sampled_at).total_seconds() == 19 * 5
    assert monitor._ring.size_bytes == size


async def test_it_samples_while_it_is_entered_and_no_longer(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(process, "COST_SHARE", 1.0)  # on a busy machine a look is dear, and the next far off
    seen: list[ProcessSample] = []
    callbacks = len(gc.callbacks)
    async with ProcessMonitor(SystemClock(), every_s=0.01, on_sample=[seen.append]) as monitor:
        async with asyncio.timeout(60):
            while len(seen) < 3:
                await asyncio.sleep(0.01)
        assert "process monitor" in tasks_here()
    assert "process monitor" not in tasks_here()
    taken = len(seen)
    await asyncio.sleep(0.2)
    assert len(seen) == taken == len(monitor.samples())
    assert len(gc.callbacks) == callbacks


def tasks_here() -> set[str]:
    """The names of what runs in this loop."""
    return {task.get_name() for task in asyncio.all_tasks()}


async def test_a_look_that_fails_is_written_down_and_the_watch_goes_on(
    caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(process, "COST_SHARE", 1.0)
    seen: list[ProcessSample] = []

    def stumble(sample: ProcessSample) -> None:
        seen.append(sample)
        raise RuntimeError("stumbled")

    async with (
        ProcessMonitor(SystemClock(), every_s=0.01, on_sample=[stumble]),
        asyncio.timeout(60),
    ):
        while len(seen) < 2:
            await asyncio.sleep(0.01)
    assert "process monitor failed" in caplog.text
    assert "stumbled" in caplog.text


@on_linux
def test_a_sample_is_cheap_beside_its_interval() -> None:
    monitor = ProcessMonitor(SystemClock())
    costs = []
    for _ in range(20):
        began = time.thread_time()
        monitor.sample()
        costs.append(time.thread_time() - began)
    assert sorted(costs)[10] < 0.05


def test_a_ring_refuses_what_does_not_fit() -> None:
    with pytest.raises(ValueError, match="at least one"):
        Ring(0, 1)
    ring = Ring(2, 3)
    assert ring.newest() is None
    assert list(ring) == []
    with pytest.raises(ValueError, match="2 numbers"):
        ring.append((1.0,))
    ring.append((1, None))
    assert list(ring) == [(1.0, None)]
