"""The cache: bounds, one load for all who wait, and what is forgotten."""

from __future__ import annotations

import asyncio
import gc
import tracemalloc
from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, datetime

import msgspec
import pydantic
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from flatwater.cache import ENTRY_BYTES, MISSING, Cache, deep_size
from flatwater.clock import StandingClock

pytestmark = pytest.mark.anyio


def cache(
    entries: int = 100, size_bytes: int = 1_000_000, ttl_s: float = 300, **more: object
) -> Cache[object]:
    return Cache("things", entries=entries, size_bytes=size_bytes, ttl_s=ttl_s, **more)  # type: ignore[arg-type]


class Loader:
    def __init__(self, value: object = "loaded") -> None:
        self.value = value
        self.calls = 0
        self.gate = asyncio.Event()
        self.gate.set()

    async def __call__(self) -> object:
        self.calls += 1
        await self.gate.wait()
        if isinstance(self.value, BaseException):
            raise self.value
        return self.value


async def test_a_value_is_loaded_once_and_kept() -> None:
    kept, load = cache(), Loader()
    assert [await kept.get("a", load) for _ in range(3)] == ["loaded"] * 3
    assert load.calls == 1
    assert kept.statistics().hit_rate == pytest.approx(2 / 3)


async def test_none_is_a_value_too() -> None:
    kept, load = cache(), Loader(None)
    await kept.get("a", load)
    assert kept.lookup("a") is None
    assert kept.lookup("b") is MISSING


async def test_a_thousand_waiters_make_one_load() -> None:
    kept, load = cache(), Loader()
    load.gate.clear()
    waiting = [asyncio.create_task(kept.get("a", load)) for _ in range(1_000)]
    await asyncio.sleep(0)
    load.gate.set()
    assert set(await asyncio.gather(*waiting)) == {"loaded"}
    assert load.calls == 1
    assert kept.statistics().joined == 999


async def test_a_failed_load_goes_to_all_who_waited_and_is_not_remembered() -> None:
    kept, load = cache(), Loader(OSError("away"))
    load.gate.clear()
    waiting = [asyncio.create_task(kept.get("a", load)) for _ in range(10)]
    await asyncio.sleep(0)
    load.gate.set()
    assert all(isinstance(each, OSError) for each in await asyncio.gather(*waiting, return_exceptions=True))
    assert load.calls == 1
    assert await kept.get("a", Loader("back")) == "back"


async def test_when_the_loader_is_cancelled_somebody_who_waits_takes_over() -> None:
    kept, first, second = cache(), Loader(), Loader("second")
    first.gate.clear()
    leader = asyncio.create_task(kept.get("a", first))
    await asyncio.sleep(0)
    waiting = [asyncio.create_task(kept.get("a", second)) for _ in range(20)]
    await asyncio.sleep(0)
    leader.cancel()
    assert await asyncio.gather(*waiting) == ["second"] * 20
    assert (first.calls, second.calls) == (1, 1)


async def test_a_waiter_that_leaves_does_not_end_the_load() -> None:
    kept, load = cache(), Loader()
    load.gate.clear()
    leader = asyncio.create_task(kept.get("a", load))
    await asyncio.sleep(0)
    impatient = asyncio.create_task(kept.get("a", load))
    await asyncio.sleep(0)
    impatient.cancel()
    load.gate.set()
    assert await leader == "loaded"
    with pytest.raises(asyncio.CancelledError):
        await impatient


@pytest.mark.parametrize("how", ["key", "tag", "all"])
async def test_what_was_invalidated_during_its_load_is_not_kept(how: str) -> None:
    kept, load = cache(), Loader("old")
    load.gate.clear()
    loading = asyncio.create_task(kept.get("a", load, tags=("school:1",)))
    await asyncio.sleep(0)
    {"key": lambda: kept.drop("a"), "tag": lambda: kept.drop_tag("school:1"), "all": kept.drop_all}[how]()
    assert await kept.get("a", Loader("new"), tags=("school:1",)) == "new"  # doesn't join the old load
    load.gate.set()
    assert await loading == "old"
    assert kept.lookup("a") == "new"
    assert kept.statistics().stale_refused == 1


async def test_a_tag_drops_its_entries_and_no_others() -> None:
    kept = cache()
    for number in range(10):
        kept.put(number, number, tags=(f"even:{number % 2 == 0}", f"n:{number}"))
    kept.drop_tag("even:True")
    assert [n for n in range(10) if kept.lookup(n) is not MISSING] == [1, 3, 5, 7, 9]
    kept.drop_tag("never seen")


async def test_a_bypass_reads_past_the_cache_and_leaves_it_as_it_was() -> None:
    kept = cache()
    kept.put("a", "kept")
    assert (
        await kept.read_through("a", Loader("inside my transaction"), bypass=True) == "inside my transaction"
    )
    assert await kept.read_through("a", Loader("not asked"), bypass=False) == "kept"
    assert kept.statistics().bypassed == 1


async def test_an_entry_lives_its_time_less_the_jitter_and_no_longer() -> None:
    clock = StandingClock(datetime(2026, 11, 23, tzinfo=UTC))
    kept = cache(ttl_s=100, jitter=0.2, clock=clock)
    for number in range(50):
        kept.put(number, number)
    clock.advance(79.9)
    assert all(kept.lookup(n) is not MISSING for n in range(50))
    clock.advance(10.1)
    some = sum(kept.lookup(n) is not MISSING for n in range(50))
    assert 5 < some < 45, "expiry is spread"
    clock.advance(10)
    assert all(kept.lookup(n) is MISSING for n in range(50))
    assert kept.statistics().expired == 50
    assert len(kept) == 0


async def test_nothing_is_given_out_without_trust_nor_kept() -> None:
    clock = StandingClock(datetime(2026, 11, 23, tzinfo=UTC))
    kept = cache(clock=clock)
    kept.put("a", "kept")
    kept.trust_until(clock.monotonic() + 5)
    assert kept.lookup("a") == "kept"
    clock.advance(5)
    load = Loader("fresh")
    assert await kept.get("a", load) == "fresh"
    assert await kept.get("a", load) == "fresh"
    assert load.calls == 2
    kept.trust_until(clock.monotonic() + 5)
    assert kept.lookup("a") == "kept"


async def test_ten_times_the_bound_holds_the_bound() -> None:
    kept = cache(entries=1_000, size_bytes=800_000)
    for number in range(10_000):
        kept.put(number, "x" * (number % 700), tags=(f"t{number}",))
        assert len(kept) <= 1_000
        assert kept.size_bytes <= 800_000
    assert len(kept._by_tag) <= 1_000
    assert len(kept._ghosts) <= 1_000
    statistics = kept.statistics()
    assert statistics.evicted_by_bytes > 0
    assert statistics.evicted_by_entries + statistics.evicted_by_bytes == 10_000 - len(kept)


async def test_what_is_larger_than_its_share_is_not_kept_and_pushes_nothing_out() -> None:
    kept = cache(size_bytes=100_000)
    kept.put("small", "x")
    kept.put("large", "x" * 50_000)
    assert kept.lookup("large") is MISSING
    assert kept.lookup("small") == "x"
    assert kept.statistics().too_big == 1


async def test_one_long_walk_does_not_wash_out_what_is_asked_for_all_day() -> None:
    kept = cache(entries=100)
    for _ in range(3):
        for number in range(50):
            await kept.get(("daily", number), Loader(number))
    for number in range(5_000):
        await kept.get(("walk", number), Loader(number))
    assert sum(kept.lookup(("daily", n)) is not MISSING for n in range(50)) >= 45


class Child(msgspec.Struct):
    name: str
    marks: list[int]


def test_the_size_counts_what_a_value_holds() -> None:
    assert deep_size(Child("x" * 1_000, [1] * 100)) > 1_000 + 100 * 8
    assert deep_size({"a": ["x" * 5_000]}) > 5_000
    assert deep_size(list(range(1_000, 21_000))) > 10**12, "too many parts to walk: larger than any cache"

    assert deep_size(each for each in "ab") > 10**12, "what it holds can't be seen"
    assert deep_size(memoryview(bytearray(10))) > 10**12, "a view keeps all that it is a view of"


def test_what_is_shared_within_a_value_counts_once() -> None:
    shared = "x" * 10_000
    assert deep_size([shared, shared, {"again": shared}]) < 12_000


@dataclass
class Plain:
    name: str
    marks: list[int]


@dataclass(slots=True)
class Slotted:
    name: str
    marks: list[int]


class Model(pydantic.BaseModel):
    name: str
    marks: list[int]


class Open:
    """An ordinary object, with an attribute that came later."""

    def __init__(self, name: str, marks: list[int]) -> None:
        self.name = name
        self.marks = marks
        self.later = {name: tuple(marks)}


class Loop:
    """An object that is reached from itself."""

    def __init__(self, name: str, marks: list[int]) -> None:
        self.inner = Open(name, marks)
        self.inner.later["outer"] = self  # type: ignore[assignment]


def pair(name: str, marks: list[int]) -> object:
    return name, {"marks": marks, "set": frozenset(marks)}


KINDS = [Child, Plain, Slotted, Open, Loop, pair, lambda name, marks: Model(name=name, marks=marks)]


@pytest.mark.parametrize("make", KINDS)
@pytest.mark.parametrize("length", [1, 200])
def test_a_full_cache_takes_what_it_says_whatever_it_holds(
    make: Callable[[str, list[int]], object], length: int
) -> None:
    """The interpreter's own count of what was taken, with keys and tags that nobody else holds."""
    kept = cache(entries=100_000, size_bytes=300_000)
    gc.collect()
    tracemalloc.start()
    try:
        before, _ = tracemalloc.get_traced_memory()
        for each in range(600):
            marks = list(range(1_000_000 + each, 1_000_000 + each + length))
            kept.put(f"key-{each}", make("x" * length + str(each), marks), tags=(f"a-tag-of-its-own:{each}",))
        del marks
        gc.collect()
        taken = tracemalloc.get_traced_memory()[0] - before
    finally:
        tracemalloc.stop()
    assert len(kept) > 10
    assert taken <= 330_000, f"{len(kept)} entries said to take {kept.size_bytes:,} take {taken:,}"
    assert taken >= kept.size_bytes * 0.4, "nor is it counted far too high"


def test_what_is_too_large_is_said_without_its_key(caplog: pytest.LogCaptureFixture) -> None:
    kept = cache(size_bytes=10_000)
    for each in range(12):
        kept.put(f"secret-{each}", "x" * 5_000)
    kept.put("session", (each for each in "ab"))
    assert kept.statistics().too_big == 13
    assert [each.levelname for each in caplog.records] == ["WARNING"] * 2, "the first and the tenth"
    assert "takes 5," in caplog.text
    assert "secret" not in caplog.text


@settings(max_examples=60, deadline=None)
@given(
    st.lists(
        st.tuples(
            st.sampled_from(["put", "look", "drop", "tag", "all"]), st.integers(0, 30), st.integers(0, 800)
        ),
        max_size=200,
    )
)
def test_whatever_is_done_the_books_agree(steps: list[tuple[str, int, int]]) -> None:
    kept = cache(entries=10, size_bytes=20 * ENTRY_BYTES)
    truth: dict[int, str] = {}
    for what, key, size in steps:
        if what == "put":
            kept.put(key, "x" * size, tags=(f"t{key % 3}",))
            truth[key] = "x" * size
        elif what == "drop":
            kept.drop(key)
            truth.pop(key, None)
        elif what == "tag":
            kept.drop_tag(f"t{key % 3}")
            truth = {each: value for each, value in truth.items() if each % 3 != key % 3}
        elif what == "all":
            kept.drop_all()
            truth.clear()
        found = kept.lookup(key)
        assert found is MISSING or found == truth.get(key), "a dropped or older value came back"
        assert len(kept) == len(kept._small) + len(kept._main) <= 10
        assert kept.size_bytes == sum(each.size_bytes for each in kept._entries.values()) <= 20 * ENTRY_BYTES
        assert kept._small_bytes == sum(each.size_bytes for each in kept._small.values())
        assert sum(len(keys) for keys in kept._by_tag.values()) == len(kept)


def parts_of(value: object) -> tuple[str, ...]:
    return tuple(f"school:{each}" for each in value)  # type: ignore[attr-defined]


async def test_a_value_is_forgotten_by_what_it_turned_out_to_be_made_of() -> None:
    kept = cache()
    await kept.get("mentor", Loader((1, 2)), tags=("person:1",), tags_of=parts_of)
    await kept.get("other", Loader((2, 3)), tags=("person:2",), tags_of=parts_of)
    kept.drop_tag("school:1")
    assert kept.lookup("mentor") is MISSING
    assert kept.lookup("other") == (2, 3)
    kept.drop_tag("person:2")
    assert kept.lookup("other") is MISSING


@pytest.mark.parametrize(("dropped", "stays"), [("school:2", False), ("anything", False)])
async def test_what_is_dropped_during_a_load_may_be_a_part_of_it(dropped: str, stays: bool) -> None:
    kept, load = cache(), Loader((1, 2))
    load.gate.clear()
    loading = asyncio.create_task(kept.get("mentor", load, tags_of=parts_of))
    await asyncio.sleep(0)
    kept.drop_tag(dropped)
    load.gate.set()
    assert await loading == (1, 2)
    assert (kept.lookup("mentor") is not MISSING) == stays
