"""Bounds: every part that holds something, pushed to ten times its bound for a minute, must hold it and be itself a second later."""

from __future__ import annotations

import asyncio
import sys
import time
from collections.abc import Awaitable, Callable
from itertools import count

import msgspec

from benchmarks.work import ROOT, Figure
from flatwater.cache import Cache
from flatwater.clock import SystemClock
from flatwater.errors import PoolFull, Refused
from flatwater.load_shedding import LoadShedder
from flatwater.metrics import Metrics
from flatwater.monitors.endpoints import EndpointGrowth
from flatwater.pool import Database, Limits
from flatwater.queries import read_queries
from flatwater.rate_limit import MemoryRateLimiter, RateClass

MINUTE_S = 60.0
TIMES = 10
WITHIN_S = 1.0
TINY = {"MINUTE_S": 0.2, "TIMES": 1}
SLEEP = read_queries("-- name: sleep\n-- A moment.\nselect pg_sleep(0.02)::text", origin="bounds")["sleep"]


class Part(msgspec.Struct):
    """One part: what pushes it, how much it holds, its bound, and whether it works as ever."""

    name: str
    bound: int
    push: Callable[[int], Awaitable[None]]
    held: Callable[[], int]
    is_well: Callable[[], Awaitable[bool]]
    most: int = 0
    back_s: float = 0.0


def measure(say: Callable[[str], None]) -> list[Figure]:
    sys.path.insert(0, str(ROOT / "flatwater" / "tests"))
    from running_server import RunningServer

    server = RunningServer()
    server.start()
    try:
        parts = asyncio.run(_push(say, server.conninfo))
    finally:
        server.remove()
    return [
        Figure(
            f"{part.name}: held at most",
            part.most,
            f"of {part.bound:,}",
            "<= its bound, back <= 1 s",
            part.most <= part.bound and part.back_s <= WITHIN_S,
            f"pushed to {TIMES} x for {MINUTE_S:.0f} s; itself again after {part.back_s * 1000:.0f} ms",
        )
        for part in parts
    ]


async def _push(say: Callable[[str], None], conninfo: str) -> list[Part]:
    limits = Limits(connections=3, waiting=64, acquire_s=2.0)
    async with Database(conninfo, limits=limits) as database:
        parts = [
            _cache(),
            _cache_bytes(),
            _rates(),
            _labels(),
            _endpoints(),
            _in_flight(),
            _pool(database),
            _queue(database),
        ]
        say(f"{len(parts)} parts at {TIMES} times their bounds for {MINUTE_S:.0f} s")
        until = time.monotonic() + MINUTE_S
        await asyncio.gather(*(_push_one(part, until) for part in parts))
        for part in parts:
            began = time.monotonic()
            while not await part.is_well():
                await asyncio.sleep(0.01)
            part.back_s = time.monotonic() - began
            say(f"{part.name}: at most {part.most:,} of {part.bound:,}, back after {part.back_s:.3f} s")
    return parts


async def _push_one(part: Part, until: float) -> None:
    for number in count():
        await part.push(number)
        part.most = max(part.most, part.held())
        if number % 100 == 0:
            if time.monotonic() > until and number >= TIMES * part.bound:
                return
            await asyncio.sleep(0)


def _cache() -> Part:
    cache: Cache[int] = Cache("entries", entries=1_000, size_bytes=100_000_000, ttl_s=300)

    async def push(number: int) -> None:
        cache.put(number % (TIMES * 1_000), number, tags=(f"t{number % 100}",))

    async def is_well() -> bool:
        cache.put("x", 1)
        return cache.lookup("x") == 1

    return Part("cache entries", 1_000, push, lambda: len(cache), is_well)


def _cache_bytes() -> Part:
    cache: Cache[str] = Cache("bytes", entries=1_000_000, size_bytes=1_000_000, ttl_s=300)

    async def push(number: int) -> None:
        cache.put(number, "x" * (number % 20_000))

    async def is_well() -> bool:
        cache.put("x", "y")
        return cache.lookup("x") == "y"

    return Part("cache bytes", 1_000_000, push, lambda: cache.size_bytes, is_well)


def _rates() -> Part:
    limiter = MemoryRateLimiter(max_identities=10_000)
    rate = RateClass("reads", per_s=0.01, burst=5)

    async def push(number: int) -> None:
        limiter.decide(rate, f"address {number % (TIMES * 10_000)}")

    async def is_well() -> bool:
        return limiter.decide(rate, f"somebody new {time.monotonic()}").allowed

    return Part("rate identities", 10_000, push, lambda: len(limiter), is_well)


def _labels() -> Part:
    metrics = Metrics()
    counter = metrics.counter("pushed_total", "What was pushed.", ("label",))

    async def push(number: int) -> None:
        counter.add((f"label {number % (TIMES * 200)}",))

    async def is_well() -> bool:
        return bool(metrics.families())

    def held() -> int:
        return sum(len(family.samples) for family in metrics.families() if family.name == "pushed_total")

    return Part("metric label sets (and 'other')", 201, push, held, is_well)


def _endpoints() -> Part:
    growth = EndpointGrowth()

    async def push(number: int) -> None:
        growth.record(f"endpoint {number % (TIMES * 256)}", 1)

    async def is_well() -> bool:
        return bool(growth.standing())

    return Part("endpoints named (and the others)", 257, push, lambda: len(growth.standing()), is_well)


def _in_flight() -> Part:
    shedder = LoadShedder(10**9, lambda: 10**6, SystemClock(), in_flight_ceiling=100)
    most = 0

    async def push(number: int) -> None:
        nonlocal most
        admitted = 0
        for _ in range(TIMES * 100):
            try:
                shedder.admit("last")
                admitted += 1
            except Refused:
                break
        most = max(most, shedder.in_flight)
        for _ in range(admitted):
            shedder.leave()

    async def is_well() -> bool:
        with shedder.room("first"):
            return True

    return Part("requests in flight", 100, push, lambda: most, is_well)


def _pool(database: Database) -> Part:
    async def ask() -> None:
        try:
            async with database.read(deadline_s=2) as session:
                await session.fetch_value(SLEEP, {})
        except Refused:
            return

    async def push(number: int) -> None:
        if number % 100 == 0:
            await asyncio.gather(*(ask() for _ in range(TIMES * 67)))

    async def is_well() -> bool:
        began = time.monotonic()
        await ask()
        return time.monotonic() - began < WITHIN_S and database.statistics().waiting == 0

    return Part("database connections", 3, push, lambda: database.statistics().connections, is_well)


def _queue(database: Database) -> Part:
    async def push(number: int) -> None:
        await asyncio.sleep(0.001)

    async def is_well() -> bool:
        try:
            async with database.read(deadline_s=1) as session:
                await session.fetch_value(SLEEP, {})
        except PoolFull:
            return False
        return True

    return Part("waiting for a connection", 64, push, lambda: database.statistics().waiting, is_well)
