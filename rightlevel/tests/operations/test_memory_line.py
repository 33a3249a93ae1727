"""The line about memory: what it says, how long it may be, and that it goes on whatever happens."""

from __future__ import annotations

import asyncio
import json
import logging
import os
from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path

import pytest
from serving import OneDatabase, serving

from flatwater.cache import Cache
from flatwater.load_shedding import SheddingStanding
from flatwater.monitors import GarbageStanding, ProcessSample
from flatwater.monitors.endpoints import EndpointStanding
from flatwater.supervisor import Supervisor
from rightlevel.operations.memory_line import MOST_CHARACTERS, memory_line, telling
from rightlevel.operations.own_numbers import FOLDER, numbers_of, running_processes

pytestmark = pytest.mark.anyio
HUGE = 10**15
SAMPLE = ProcessSample(
    datetime(2026, 11, 29, tzinfo=UTC), HUGE, HUGE, HUGE, HUGE, HUGE, HUGE, 9.0, HUGE, HUGE
)


def longest() -> str:
    caches = [
        Cache(f"{number}" * 500, entries=1, size_bytes=HUGE, ttl_s=1).statistics() for number in range(50)
    ]
    endpoints = [EndpointStanding(f"{number}" + "e" * 500, HUGE, 100, 9_999.0, 1, 0) for number in range(256)]
    return memory_line(
        HUGE,
        SAMPLE,
        HUGE,
        HUGE,
        garbage=a_garbage(),
        shedding=SheddingStanding({}, {}, HUGE, None, None, 0.0, 0),
        caches=caches,
        endpoints=endpoints,
    )


def a_garbage() -> GarbageStanding:
    from flatwater.monitors import GarbageMonitor

    return GarbageMonitor().standing()


def test_the_line_has_a_bound_however_much_there_is_to_tell() -> None:
    line = longest()
    assert len(line) <= MOST_CHARACTERS
    assert "\n" not in line
    said = json.loads(line)
    assert (said["event"], said["program_pss"], len(said["caches"]), len(said["grew"])) == (
        "memory",
        HUGE,
        8,
        3,
    )


def test_what_is_not_ours_to_see_is_null() -> None:
    line = memory_line(
        1,
        None,
        None,
        None,
        garbage=a_garbage(),
        shedding=SheddingStanding({}, {}, 0, None, None, 0.0, 0),
        caches=[],
        endpoints=[],
    )
    said = json.loads(line)
    assert (said["program_pss"], said["database_pss"], said["connections"]) == (None, None, None)


class Own:
    """Tells nothing, and counts."""

    def __init__(self, error: Exception | None = None) -> None:
        self.told = self.ended = 0
        self.error = error

    def tell(self) -> None:
        self.told += 1
        if self.error is not None:
            raise self.error

    def end(self) -> None:
        self.ended += 1


async def test_a_line_comes_each_turn_and_a_fault_ends_nothing(caplog: pytest.LogCaptureFixture) -> None:
    turns = 0

    def line() -> str:
        nonlocal turns
        turns += 1
        return f"turn {turns}"

    own = Own(OSError("the disk is full"))
    with caplog.at_level(logging.INFO):
        async with Supervisor() as supervisor, telling(line, own, supervisor, every_s=0.01):  # type: ignore[arg-type]
            async with asyncio.timeout(30):
                while turns < 2:
                    await asyncio.sleep(0.01)
            assert supervisor.standings()[0].failures >= 1
    said = [each.getMessage() for each in caplog.records]
    assert "turn 1" in said
    assert any("the disk is full" in each for each in said)
    assert (own.told >= 2, own.ended) == (True, 1)


async def test_a_running_service_tells_of_itself_and_takes_it_back(
    new_database: Callable[[], OneDatabase], tmp_path: Path
) -> None:
    async with serving(new_database(), tmp_path):
        found = running_processes(tmp_path)
        assert [each.process_id for each in found] == [os.getpid()]
        told = numbers_of(tmp_path)
        assert told is not None
        assert told.process_ids == (os.getpid(),)
        assert told.statements
        left = tmp_path / FOLDER / "4194304.json"  # of a process that was killed
        left.write_bytes(
            (tmp_path / FOLDER / f"{os.getpid()}.json")
            .read_bytes()
            .replace(str(os.getpid()).encode(), b"4194304")
        )
        assert [each.process_id for each in running_processes(tmp_path)] == [os.getpid()]
        assert not left.exists()
    assert numbers_of(tmp_path) is None
