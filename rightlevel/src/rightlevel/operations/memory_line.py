"""One line about memory in the log each minute: who has how much, of what budget, and where it grows. Never longer than 2,000 characters."""

from __future__ import annotations

import logging
from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import asynccontextmanager
from typing import Final

import msgspec

from flatwater.cache import CacheStatistics
from flatwater.load_shedding import SheddingStanding
from flatwater.monitors import GarbageStanding, ProcessSample
from flatwater.monitors.endpoints import EndpointStanding
from flatwater.supervisor import Supervisor
from rightlevel.operations.own_numbers import Telling

log = logging.getLogger("rightlevel.memory")

EVERY_S: Final = 60.0
MOST_CHARACTERS: Final = 2_000
MOST_CACHES: Final = 8
MOST_GROWN: Final = 3
NAME_CHARACTERS: Final = 60


class MemoryLine(msgspec.Struct, frozen=True, omit_defaults=False):
    """What one line says. *Units*: bytes and seconds; null is what this machine does not tell, or what is not ours to see."""

    event: str
    budget: int
    program_pss: int | None
    program_rss: int | None
    program_private: int | None
    program_heap: int | None
    database_pss: int | None
    connections: int | None
    in_flight: int
    threads: int | None
    files: int | None
    collections: list[int]
    longest_pause_s: float
    caches: dict[str, int]
    grew: dict[str, int]


def memory_line(
    budget_bytes: int,
    sample: ProcessSample | None,
    database_bytes: int | None,
    connections: int | None,
    *,
    garbage: GarbageStanding,
    shedding: SheddingStanding,
    caches: Sequence[CacheStatistics],
    endpoints: Sequence[EndpointStanding],
) -> str:
    """The line, as JSON. *Shape*: the largest eight caches, and the three endpoints whose requests left most behind."""
    largest = sorted(caches, key=lambda each: -each.size_bytes)[:MOST_CACHES]
    grown = [each for each in endpoints if each.growth_bytes > 0][:MOST_GROWN]
    line = MemoryLine(
        event="memory",
        budget=budget_bytes,
        program_pss=sample.pss_bytes if sample else None,
        program_rss=sample.rss_bytes if sample else None,
        program_private=sample.private_bytes if sample else None,
        program_heap=sample.heap_bytes if sample else None,
        database_pss=database_bytes,
        connections=connections,
        in_flight=shedding.in_flight,
        threads=sample.threads if sample else None,
        files=sample.file_descriptors if sample else None,
        collections=list(garbage.collections),
        longest_pause_s=round(garbage.pause_s_max, 4),
        caches={each.name[:NAME_CHARACTERS]: each.size_bytes for each in largest},
        grew={each.name[:NAME_CHARACTERS]: each.growth_bytes for each in grown},
    )
    return msgspec.json.encode(line).decode()


@asynccontextmanager
async def telling(
    line: Callable[[], str], own: Telling, supervisor: Supervisor, *, every_s: float = EVERY_S
) -> AsyncIterator[None]:
    """Logs a line each minute while the block runs, and writes this process's own numbers, at once and then each minute."""

    async def tell() -> None:
        log.info("%s", line())
        own.tell()

    try:
        own.tell()
    except OSError as error:
        log.warning("this process's own numbers could not be written: %s", error)
    loop = supervisor.every("memory line", tell, period_s=every_s, first_after_s=every_s)
    try:
        yield
    finally:
        await loop.stop()
        own.end()
