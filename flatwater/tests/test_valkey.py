"""A second level and shared allowances on a real Valkey (or Redis): the same promises, and life without it."""

from __future__ import annotations

import asyncio
import shutil
import signal
import subprocess
import time
from collections.abc import AsyncIterator, Iterator
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest

from flatwater.announcing import Drop
from flatwater.cache import Cache
from flatwater.clock import StandingClock
from flatwater.rate_limit import MemoryRateLimiter, RateClass, RateLimits, StoreFailed
from flatwater.valkey import MAX_VALUE_BYTES, SharedCache, ValkeyRateLimiter

pytestmark = pytest.mark.anyio

PROGRAM = next((found for each in ("valkey-server", "redis-server") if (found := shutil.which(each))), None)
needs_server = pytest.mark.skipif(
    PROGRAM is None, reason="neither valkey-server nor redis-server is installed here"
)


class Store:
    """A server of the test's own on a unix socket, which may hang or go."""

    def __init__(self, folder: Path) -> None:
        self.socket = folder / "valkey.sock"
        self._folder = folder
        self._process: subprocess.Popen[bytes] | None = None

    def start(self) -> None:
        assert PROGRAM is not None
        self._process = subprocess.Popen(
            [PROGRAM, "--port", "0", "--unixsocket", self.socket, "--save", "", "--dir", self._folder],
            stdout=subprocess.DEVNULL,
        )
        until = time.monotonic() + 10
        while not self.socket.exists():
            assert time.monotonic() < until, "the store did not start"
            time.sleep(0.02)

    def send(self, number: signal.Signals) -> None:
        assert self._process is not None
        self._process.send_signal(number)

    def stop(self) -> None:
        if self._process is not None:
            self.send(signal.SIGCONT)
            self._process.kill()
            self._process.wait()
            self._process = None
            self.socket.unlink(missing_ok=True)


@pytest.fixture
def store(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Store]:
    store = Store(tmp_path_factory.mktemp("v"))
    store.start()
    yield store
    store.stop()


@pytest.fixture
async def client(store: Store) -> AsyncIterator[Any]:
    async with connect(store) as opened:
        yield opened


def connect(store: Store) -> Any:
    from redis.asyncio import Redis

    return Redis(unix_socket_path=str(store.socket))


def cache(client: Any, **more: Any) -> SharedCache[list[str]]:
    first: Cache[list[str]] = Cache("schools", entries=100, size_bytes=10_000_000, ttl_s=300)
    return SharedCache(first, client, list[str], **more)


class Loader:
    def __init__(self, *value: str) -> None:
        self.value = list(value)
        self.calls = 0
        self.gate = asyncio.Event()
        self.gate.set()

    async def __call__(self) -> list[str]:
        self.calls += 1
        await self.gate.wait()
        return self.value


@needs_server
async def test_what_one_host_loaded_the_other_finds(client: Any) -> None:
    here, there, load = cache(client), cache(client), Loader("a")
    assert await here.get("k", load, tags=("person:1",)) == ["a"]
    assert await there.get("k", load, tags=("person:1",)) == ["a"]
    assert load.calls == 1
    assert there.statistics().hits == 1


@needs_server
@pytest.mark.parametrize(
    "drop", [Drop("schools", "key", "k"), Drop("schools", "tag", "person:1"), Drop("schools", "all")]
)
async def test_what_was_invalidated_is_not_found_again_by_anybody(client: Any, drop: Drop) -> None:
    here, there = cache(client), cache(client)
    await here.get("k", Loader("old"), tags=("person:1",))
    await here.get("other", Loader("kept"), tags=("person:2",))
    await here.forget([drop])
    assert await there.get("k", Loader("new"), tags=("person:1",)) == ["new"]
    kept = await there.get("other", Loader("loaded again"), tags=("person:2",))
    assert kept == (["loaded again"] if drop.kind == "all" else ["kept"])


@needs_server
async def test_a_load_that_began_before_the_invalidation_is_never_found_after_it(client: Any) -> None:
    here, there, slow = cache(client), cache(client), Loader("old")
    slow.gate.clear()
    loading = asyncio.create_task(here.get("k", slow, tags=("person:1",)))
    while not slow.calls:
        await asyncio.sleep(0.01)
    await there.forget([Drop("schools", "tag", "person:1")])
    slow.gate.set()
    await loading
    assert await there.get("k", Loader("new"), tags=("person:1",)) == ["new"]


def tags_of(value: list[str]) -> tuple[str, ...]:
    return tuple(f"school:{each}" for each in value)


@needs_server
async def test_a_value_is_not_found_again_once_a_part_of_it_was_invalidated_by_another_host(
    client: Any,
) -> None:
    here, there = cache(client), cache(client)
    await here.get("k", Loader("a", "b"), tags=("person:1",), tags_of=tags_of)
    assert await there.get("k", Loader("not asked"), tags=("person:1",), tags_of=tags_of) == ["a", "b"]
    await here.forget([Drop("schools", "tag", "school:b")])
    third = cache(client)
    assert await third.get("k", Loader("a"), tags=("person:1",), tags_of=tags_of) == ["a"]
    await here.forget([Drop("schools", "tag", "school:b")])  # which it is made of no more
    fourth = cache(client)
    assert await fourth.get("k", Loader("not asked"), tags=("person:1",), tags_of=tags_of) == ["a"]


@needs_server
async def test_a_part_that_is_invalidated_during_the_load_keeps_the_value_out(client: Any) -> None:
    here, there, slow = cache(client), cache(client), Loader("a", "b")
    slow.gate.clear()
    loading = asyncio.create_task(here.get("k", slow, tags_of=tags_of))
    while not slow.calls:
        await asyncio.sleep(0.01)
    await there.forget([Drop("schools", "tag", "school:b")])
    slow.gate.set()
    await loading
    assert await there.get("k", Loader("a"), tags_of=tags_of) == ["a"]


@needs_server
async def test_a_generation_that_the_server_pushed_out_makes_no_old_value_good_again(client: Any) -> None:
    here, there = cache(client), cache(client)
    await here.get("k", Loader("a"), tags_of=tags_of)
    await here.forget([Drop("schools", "tag", "school:a")])
    await client.delete(*await client.keys("*:g:tag:*"))
    assert await there.get("k", Loader("new"), tags_of=tags_of) == ["new"]


@needs_server
async def test_a_bypass_asks_neither_level(client: Any) -> None:
    shared = cache(client)
    await shared.get("k", Loader("kept"))
    assert await shared.read_through("k", Loader("in my transaction"), bypass=True) == ["in my transaction"]
    assert await shared.read_through("k", Loader("not asked"), bypass=False) == ["kept"]


@needs_server
async def test_a_damaged_value_is_counted_and_loaded_again(client: Any) -> None:
    here, there = cache(client), cache(client)
    await here.get("k", Loader("true"))
    for name in await client.keys("*:v:*"):
        await client.set(name, b"\x93\xa1k\x00\xc4\x01x")
    assert await there.get("k", Loader("true")) == ["true"]
    assert there.statistics().damaged == 1


@needs_server
async def test_a_value_over_the_bound_is_not_sent(client: Any) -> None:
    shared = cache(client)
    await shared.get("k", Loader("x" * (MAX_VALUE_BYTES + 1)))
    assert await client.keys("*:v:*") == []
    assert shared.statistics().too_big == 1


@needs_server
async def test_without_the_store_the_first_level_goes_on_and_nobody_waits_long(
    store: Store, client: Any
) -> None:
    shared = cache(client)
    await shared.get("before", Loader("a"))
    store.send(signal.SIGSTOP)
    began = time.monotonic()
    for number in range(50):
        assert await shared.get(f"k{number}", Loader("b")) == ["b"]
    assert await shared.get("before", Loader("not asked")) == ["a"]
    assert time.monotonic() - began < 3.0, "the breaker spares the wait"
    assert shared.breaker.statistics().opened >= 1
    assert shared.statistics().gone >= 50


@needs_server
async def test_an_invalidation_that_could_not_be_told_empties_the_second_level_when_it_is_back(
    store: Store,
) -> None:
    async with connect(store) as first, connect(store) as second:
        clock = StandingClock(datetime(2026, 11, 23, tzinfo=UTC))
        here, there = cache(first, clock=clock), cache(second)
        await here.get("k", Loader("old"))
        store.send(signal.SIGSTOP)
        await here.forget([Drop("schools", "key", "k")])
        here.first.drop_all()
        assert not here.statistics().is_usable
        store.send(signal.SIGCONT)
        clock.advance(60)
        await asyncio.sleep(0.2)
        assert await here.get("k", Loader("new")) == ["new"]
        assert here.statistics().is_usable
        assert await there.get("k", Loader("newest")) == ["new"]


RATE = RateClass("reads", per_s=0.001, burst=3, store="shared")
SIGN_IN = RateClass("sign_in", per_s=0.001, burst=3, store="shared", when_store_fails="closed")


@needs_server
async def test_hosts_share_one_allowance_that_agrees_with_the_one_in_memory(store: Store) -> None:
    async with connect(store) as first, connect(store) as second:
        # What is proved is the counting; a machine that is busy may take its time.
        here, there = ValkeyRateLimiter(first, deadline_s=10.0), ValkeyRateLimiter(second, deadline_s=10.0)
        memory = MemoryRateLimiter()
        for each in (here, there, here, there, here):
            shared, alone = await each.decide(RATE, "a"), memory.decide(RATE, "a")
            assert (shared.allowed, shared.remaining) == (alone.allowed, alone.remaining)
            assert shared.retry_after_s == pytest.approx(alone.retry_after_s, abs=1.0)
        taken = await asyncio.gather(*(here.decide(RATE, "b") for _ in range(30)))
        assert sum(each.allowed for each in taken) == 3
        assert 0 < await first.pttl("flatwater:rate:reads:a") <= 3_001_000


@needs_server
async def test_without_its_store_sign_in_is_closed_and_reading_open(store: Store, client: Any) -> None:
    limits = RateLimits(MemoryRateLimiter(), {"shared": ValkeyRateLimiter(client)})
    store.stop()
    with pytest.raises(StoreFailed):
        await limits.decide(SIGN_IN, "a")
    assert (await limits.decide(RATE, "a")).allowed
    statistics = limits.statistics()
    assert (statistics.failed_closed, statistics.failed_open) == (1, 1)
