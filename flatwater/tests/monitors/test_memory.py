"""One reading of what this process owns, taken at a bounded cost, for all that judge by it."""

from __future__ import annotations

import mmap
import time
from datetime import UTC, datetime

import pytest

from flatwater.clock import StandingClock
from flatwater.monitors import MemoryOfProcess, MemorySampler, ProcessMonitor, resident_bytes
from flatwater.monitors.memory import COST_SHARE

MEGABYTE = 1024 * 1024


@pytest.fixture
def clock() -> StandingClock:
    return StandingClock(datetime(2026, 11, 29, tzinfo=UTC))


class Counted:
    """A reader that counts how often it is asked, and takes its time."""

    def __init__(self, takes_s: float = 0.0) -> None:
        self.asked = 0
        self.takes_s = takes_s
        self.answer: MemoryOfProcess | None = MemoryOfProcess(3, 2, 1)

    def __call__(self) -> MemoryOfProcess | None:
        self.asked += 1
        until = time.thread_time() + self.takes_s
        while time.thread_time() < until:
            pass
        return self.answer


def test_many_askers_take_one_reading(clock: StandingClock) -> None:
    reader = Counted()
    sampler = MemorySampler(clock, read=reader)
    for _ in range(100):
        assert sampler.owned_bytes() == 2
    assert reader.asked == 1
    clock.advance(0.25)
    sampler.owned_bytes()
    assert reader.asked == 2


def test_a_process_that_is_dear_to_read_is_read_less_often(clock: StandingClock) -> None:
    reader = Counted(takes_s=0.02)
    sampler = MemorySampler(clock, read=reader)
    for _ in range(60):
        sampler.take()
        clock.advance(0.25)
    assert reader.asked * 0.02 / 15 <= COST_SHARE * 1.1
    assert reader.asked >= 4, "and yet it is read"


def test_what_can_not_be_read_is_not_taken_for_little_and_is_seen_again(clock: StandingClock) -> None:
    reader = Counted()
    reader.answer = None
    sampler = MemorySampler(clock, read=reader)
    assert sampler.owned_bytes() is None
    reader.answer = MemoryOfProcess(3, 2, 1)
    clock.advance(1)
    assert sampler.owned_bytes() == 2


def test_what_is_only_shared_counts_by_its_share(clock: StandingClock) -> None:
    """Pages of a file that others map too are in RSS in full; memory of our own is in both."""
    sampler = MemorySampler(clock, every_s=0.0)
    before, resident = sampler.owned_bytes(), resident_bytes()
    assert before is not None
    assert resident is not None
    assert before <= resident
    with mmap.mmap(-1, 40 * MEGABYTE) as own:
        own.write(b"x" * 40 * MEGABYTE)
        after = sampler.owned_bytes()
        assert after is not None
        assert after - before > 35 * MEGABYTE
    assert (sampler.owned_bytes() or 0) - before < 10 * MEGABYTE


def test_the_monitor_keeps_the_reading_that_the_guards_judge_by(clock: StandingClock) -> None:
    sampler = MemorySampler(clock, read=Counted())
    sample = ProcessMonitor(clock, memory=sampler).sample()
    assert (sample.rss_bytes, sample.pss_bytes, sample.private_bytes) == (3, 2, 1)
    assert sampler.owned_bytes() == sample.pss_bytes
