"""Caches: how often each finds what is asked, on recorded traces, and how long a find takes, side by side in one run.

The traces are recorded, not made up: a million requests to one of Twitter's caches and 114,000 block reads of a CloudPhysics
machine, as libCacheSim ships them in its source package (fetched once from the package index; named as not measured without it).
A trace's objects count one each; the caches hold 0.1, 1 and 10 % of the objects there are.
"""

from __future__ import annotations

import asyncio
import gc
import subprocess
import tarfile
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import cachebox
import cachetools

from benchmarks.work import ROOT, WORK, Figure
from flatwater.cache import MISSING, Cache

SHARES = (0.001, 0.01, 0.1)
PACKAGE = "libcachesim==0.3.5"
TRACES = {"Twitter": "twitter_cluster52.csv", "CloudPhysics": "cloudPhysicsIO.csv"}
COLUMNS = {"Twitter": 1, "CloudPhysics": 4}
LOOKS = 500_000
HAS_TRACES = True
TINY = {"LOOKS": 5_000, "HAS_TRACES": False}


def measure(say: Callable[[str], None]) -> list[Figure]:
    figures = list(_speeds(say))
    if not HAS_TRACES:
        return figures
    try:
        folder = _fetch(say)
    except (OSError, subprocess.CalledProcessError) as error:
        say(f"the traces could not be fetched, so hit rates were not measured: {error}")
        return figures
    for name, file in TRACES.items():
        trace = list(_read(folder / file, COLUMNS[name]))
        objects = len(set(trace))
        for share in SHARES:
            say(f"{name}, {len(trace):,} requests, room for {share:.1%} of {objects:,} objects")
            figures.append(_hit_rates(name, trace, max(10, int(objects * share)), share))
    return figures


def _fetch(say: Callable[[str], None]) -> Path:
    folder = WORK / "traces"
    if all((folder / file).exists() for file in TRACES.values()):
        return folder
    folder.mkdir(parents=True, exist_ok=True)
    say(f"fetching {PACKAGE}'s source for its traces")
    pip = ROOT / ".tools" / "uv" / "bin" / "python"
    command = [pip, "-m", "pip", "download", "-q", "--no-deps", "--no-binary", ":all:", "-d", folder, PACKAGE]
    subprocess.run(command, check=True, capture_output=True)
    archive = next(folder.glob("*.tar.gz"))
    with tarfile.open(archive) as opened:
        for member in opened:
            if Path(member.name).name in TRACES.values():
                member.name = Path(member.name).name
                opened.extract(member, folder, filter="data")
    archive.unlink()
    return folder


def _read(path: Path, column: int) -> Iterator[int]:
    with path.open() as file:
        next(file)
        for line in file:
            yield int(line.split(",")[column])


def _ours(room: int) -> Any:
    return Cache("trace", entries=room, size_bytes=room * 10_000, ttl_s=1e9, jitter=0.0, size_of=lambda _: 1)


THEIRS: dict[str, Callable[[int], Any]] = {
    "cachetools LRU": lambda room: cachetools.LRUCache(room),
    "cachetools LFU": lambda room: cachetools.LFUCache(room),
    "cachebox LRU": lambda room: cachebox.LRUCache(room),
    "cachebox LFU": lambda room: cachebox.LFUCache(room),
}


def _hit_rates(name: str, trace: list[int], room: int, share: float) -> Figure:
    kept = _ours(room)
    lookup, put = kept.lookup, kept.put
    for key in trace:
        if lookup(key) is MISSING:
            put(key, 1)
    ours = kept.statistics().hit_rate or 0.0
    theirs = {each: _replay(make(room), trace) for each, make in THEIRS.items()}
    best = max(theirs.values())
    beside = ", ".join(f"{each} {rate:.1%}" for each, rate in theirs.items())
    return Figure(
        f"hits on {name}, room for {share:.1%}",
        ours * 100,
        "%",
        f">= best of theirs, {best:.1%}",
        ours >= best - 0.005,
        beside,
    )


def _replay(cache: Any, trace: list[int]) -> float:
    hits = 0
    for key in trace:
        if cache.get(key) is None:
            cache[key] = 1
        else:
            hits += 1
    return hits / len(trace)


def _speeds(say: Callable[[str], None]) -> Iterator[Figure]:
    say("how long a hit takes")
    keys = [f"key {number}" for number in range(1_000)]
    ours: Cache[object] = Cache("speed", entries=10_000, size_bytes=10_000_000, ttl_s=300)
    ttl_tools, ttl_box = cachetools.TTLCache(10_000, 300), cachebox.TTLCache(10_000, 300)
    lru_tools, lru_box = cachetools.LRUCache(10_000), cachebox.LRUCache(10_000)
    for key in keys:
        ours.put(key, key)
        for each in (ttl_tools, ttl_box, lru_tools, lru_box):
            each[key] = key

    async def load() -> object:
        raise AssertionError("it is there")

    async def gets() -> None:
        for _ in range(LOOKS // len(keys)):
            for key in keys:
                await ours.get(key, load)

    beside = ", ".join(
        f"{name} {_time(each.get, keys):.2f}"
        for name, each in {
            "cachetools TTL": ttl_tools,
            "cachebox TTL": ttl_box,
            "cachetools LRU": lru_tools,
            "cachebox LRU": lru_box,
            "dict": dict.fromkeys(keys, 1),
        }.items()
    )
    took, theirs = _time(ours.lookup, keys), _time(ttl_tools.get, keys)
    yield Figure("a cache hit", took, "µs", "<= cachetools TTL", took <= theirs, beside + " µs")
    gc.collect()
    began = time.perf_counter()
    asyncio.run(gets())
    awaited = (time.perf_counter() - began) / LOOKS * 1e6
    yield Figure(
        "a cache hit, awaited", awaited, "µs", "<= cachetools TTL", awaited <= theirs, f"{theirs:.2f} µs"
    )


def _time(look: Callable[[str], object], keys: list[str]) -> float:
    """Microseconds for one look, the best of five rounds."""
    best = float("inf")
    for _ in range(5):
        began = time.perf_counter()
        for _ in range(LOOKS // len(keys) // 5):
            for key in keys:
                look(key)
        best = min(best, time.perf_counter() - began)
    return best / (LOOKS // 5) * 1e6
