"""What it would bring if taps that arrive together shared one transaction: forty taps, each by itself and all in one, without HTTP and with it.

The same action writes them either way (`enter_results`); only how many there are in a transaction differs. So this is the most that sharing could bring,
for nothing is counted here that sharing would cost (whose answer is whose, who is asking, receipts, one that is refused)."""

from __future__ import annotations

import asyncio
import tempfile
import time
from collections.abc import Awaitable, Callable
from datetime import date
from itertools import cycle
from pathlib import Path
from statistics import median
from typing import Any
from uuid import uuid4

import httpx
import msgspec

from benchmarks.roads import open_site
from benchmarks.work import Figure
from flatwater.pool import Database
from flatwater.queries import read_queries
from flatwater.transaction import Session
from rightlevel.programme.results import ResultWrite, enter_results

TAPS = 40
TURNS = 15
TINY = {"TAPS": 3, "TURNS": 1}
AT_ONCE = 16
DEADLINE_S = 30.0
TESTED_ON = date(2026, 11, 20)
CHILDREN = read_queries(
    """
-- name: enrol
-- So many children of a class.
insert into student (school_id, school_year_id, class_id, code, name, name_key, sex, grade)
select %(school)s, %(year)s, %(class)s, 'T' || n, 'Tapped ' || n, 'tapped ' || n, 1, 3 from generate_series(1, %(count)s) n
returning id::text
""",
    origin="benchmarks/together.py",
)


class Child(msgspec.Struct, frozen=True):
    """One of those who are tested."""

    id: str


def measure(say: Callable[[str], None]) -> list[Figure]:
    """*Cost*: half a minute."""
    with tempfile.TemporaryDirectory() as folder:
        return asyncio.run(_measure(Path(folder), say))


async def _measure(folder: Path, say: Callable[[str], None]) -> list[Figure]:
    async with open_site(folder) as site:
        taps = await _Taps.of(site)
        ways: dict[str, Callable[[], Awaitable[None]]] = {
            "each in its own transaction": taps.alone,
            "all in one transaction": taps.together,
            "each as a request": taps.as_requests,
        }
        times: dict[str, list[float]] = {name: [] for name in ways}
        for turn in range(TURNS + 1):
            for name, way in ways.items():
                began = time.perf_counter()
                await way()
                if turn:
                    times[name].append((time.perf_counter() - began) / TAPS * 1000)
    figures = [Figure(f"a tap, {name}", median(each), "ms") for name, each in times.items()]
    for figure in figures:
        say(f"{figure.name}: {figure.value:.2f} ms")
    return figures


class _Taps:
    """Forty children of one class, tested anew at each turn."""

    def __init__(self, site: Any, children: list[str]) -> None:
        self._site = site
        self._children = children
        self._levels = cycle(("letter", "word", "paragraph", "story"))
        self._versions: dict[str, int] = {}
        self._clients = [site.client("teacher") for _ in range(AT_ONCE)]

    @classmethod
    async def of(cls, site: Any) -> _Taps:
        database, cast = site.platform.database, site.cast
        values = {"school": cast.school_a, "year": cast.school_year, "class": cast.class_3a, "count": TAPS}
        async with database.transaction(deadline_s=DEADLINE_S) as session:
            children = await session.fetch_all(CHILDREN["enrol"], values, into=Child)
        return cls(site, [each.id for each in children])

    def _writes(self) -> list[ResultWrite]:
        level, cast = next(self._levels), self._site.cast
        return [
            ResultWrite(
                str(uuid4()),
                child,
                cast.round,
                "language",
                TESTED_ON,
                level=level,
                version=self._versions.get(child),
            )
            for child in self._children
        ]

    async def _enter(self, writes: list[ResultWrite]) -> None:
        platform = self._site.platform

        async def work(session: Session) -> None:
            answers = await enter_results(session, self._site.cast.teacher, writes, platform.clock)
            for write, answer in zip(writes, answers, strict=True):
                if answer.version is None:
                    raise RuntimeError(f"a tap was answered {answer.code}")
                self._versions[write.student_id] = answer.version

        database: Database = platform.database
        await database.run(work, deadline_s=DEADLINE_S, plans="generic")

    async def alone(self) -> None:
        await asyncio.gather(*(self._enter([write]) for write in self._writes()))

    async def together(self) -> None:
        await self._enter(self._writes())

    async def as_requests(self) -> None:
        waiting = self._writes()

        async def device(client: httpx.AsyncClient) -> None:
            while waiting:
                write = waiting.pop()
                answer = await client.post("/api/v1/results", json=msgspec.to_builtins(write))
                if answer.status_code not in (200, 201):
                    raise RuntimeError(f"a tap was answered {answer.status_code}: {answer.text[:200]}")
                self._versions[write.student_id] = answer.json()["version"]

        await asyncio.gather(*(device(client) for client in self._clients))
