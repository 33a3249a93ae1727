"""The endpoint that leaves something behind is named, its neighbours are not; and the watch itself stays bounded."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Coroutine
from typing import Any

import pytest

from flatwater.monitors.endpoints import FOLLOW_EVERY, OTHERS, EndpointGrowth

pytestmark = pytest.mark.anyio


class Service:
    """Endpoints of which one keeps things of 60 bytes; another takes much in passing, another leaves cycles."""

    def __init__(self, growth: EndpointGrowth, *, leaks: int = 1) -> None:
        self.growth = growth
        self.leaks = leaks
        self.kept: list[bytes] = []

    async def ask(self, name: str) -> None:
        self.growth.record(name, 0)
        await self.growth.follow(name, self._answer(name))

    async def _answer(self, name: str) -> None:
        passing = [{"child": number} for number in range(2_000 if name == "large" else 5)]
        await asyncio.sleep(0)
        if name == "leaks":
            self.kept.extend(bytes(27) for _ in range(self.leaks))  # 60 bytes each with its head
        if name == "cycles":
            for _ in range(50):
                ring: list[object] = []
                ring.append(ring)
        if name == "fails":
            raise LookupError(len(passing))
        await asyncio.sleep(0)


NAMES = ("large", "leaks", "cycles", "small")


@pytest.mark.parametrize(("clients", "leaks", "tolerance"), [(1, 1, 0), (4, 8, 2)])
async def test_a_leak_is_named_by_endpoint_exactly_when_alone_and_nearly_among_others(
    clients: int, leaks: int, tolerance: int
) -> None:
    growth = EndpointGrowth(follow_every=7)
    service = Service(growth, leaks=leaks)

    async def keeps_asking(names: tuple[str, ...]) -> None:
        for number in range(600):
            await service.ask(names[number % len(names)])
            if number % 40 == 39:
                growth.mark()

    await asyncio.gather(*(keeps_asking(NAMES[start:] + NAMES[:start]) for start in range(clients)))
    worst, *others = growth.standing()
    assert (worst.name, worst.requests) == ("leaks", 150 * clients)
    assert {each.name for each in others} == {"large", "cycles", "small"}
    for each, left in ((worst, leaks), *((other, 0) for other in others)):
        assert each.growth_per_request is not None
        assert abs(each.growth_per_request - left) <= tolerance
        assert each.growth_bytes == each.growth_per_request * each.requests * 64


async def test_the_slope_of_a_leak_lies_above_nothing_and_that_of_its_neighbour_does_not() -> None:
    growth = EndpointGrowth(follow_every=1)
    service = Service(growth)
    for _ in range(30):
        await service.ask("leaks")
        await service.ask("large")
        growth.mark()
    leak, innocent = growth.slope_of("leaks"), growth.slope_of("large")
    assert leak is not None
    assert innocent is not None
    assert leak.verdict(0.5) == "grows"
    assert innocent.verdict(0.5) == "flat"


async def test_every_endpoint_of_a_rhythm_is_followed() -> None:
    growth = EndpointGrowth()
    for number in range(8 * FOLLOW_EVERY):
        await growth.follow(f"endpoint_{number % 8}", asyncio.sleep(0))
    assert [each.followed for each in growth.standing()] == [1] * 8


async def test_what_is_followed_passes_results_errors_and_cancelling_through() -> None:
    growth = EndpointGrowth(follow_every=1)
    assert await growth.follow("gives", asyncio.sleep(0, "result")) == "result"
    with pytest.raises(LookupError):
        await Service(growth).ask("fails")
    with pytest.raises(TimeoutError):
        async with asyncio.timeout(0.01):
            await growth.follow("waits", asyncio.sleep(60))
    assert {each.name: each.followed for each in growth.standing()} == {"gives": 1, "fails": 0, "waits": 0}
    assert not growth.is_following


async def test_what_others_keep_meanwhile_is_not_laid_to_the_request() -> None:
    growth = EndpointGrowth(follow_every=1)
    kept: list[bytes] = []

    async def others() -> None:
        for _ in range(50):
            kept.extend(bytes(30) for _ in range(100))
            await asyncio.sleep(0)

    async def waits() -> None:
        for _ in range(60):
            await asyncio.sleep(0)

    other = asyncio.create_task(others())
    await growth.follow("innocent", waits())
    await other
    (standing,) = growth.standing()
    assert len(kept) == 5_000
    assert standing.growth_per_request is not None
    assert abs(standing.growth_per_request) < 50


def test_ten_times_the_names_are_counted_together() -> None:
    growth = EndpointGrowth(names=20)
    for number in range(200):
        growth.record(f"endpoint_{number}", 1)
    standing = growth.standing()
    assert len(standing) == 21
    assert next(each.requests for each in standing if each.name == OTHERS) == 180


async def test_ten_times_the_points_leave_the_newest() -> None:
    growth = EndpointGrowth(points=12, follow_every=1)
    for _ in range(120):
        await growth.follow("steady", asyncio.sleep(0))
        growth.mark()
    growth.mark()
    assert [followed for followed, _ in growth.points_of("steady")] == [
        float(each) for each in range(109, 121)
    ]
    assert growth.points_of("nobody") == []
    assert growth.slope_of("nobody") is None


def test_an_endpoint_never_followed_has_no_growth_per_request() -> None:
    growth = EndpointGrowth()
    growth.record("rare", 7)
    growth.mark()
    (standing,) = growth.standing()
    assert (standing.growth_per_request, standing.growth_bytes, standing.largest_bytes) == (None, 0, 7)
    assert growth.points_of("rare") == []


def test_a_request_that_is_not_followed_is_not_wrapped_and_costs_little() -> None:
    """The promise is 0.1 µs; a shared machine gets ten times that before this fails."""
    growth = EndpointGrowth()

    async def request() -> None: ...

    coroutine: Coroutine[Any, Any, None] = request()
    assert growth.follow("small", coroutine) is coroutine
    coroutine.close()

    def seconds() -> float:
        held = request()
        began = time.perf_counter()
        for _ in range(FOLLOW_EVERY // 2):
            growth.follow("small", held)
        took = time.perf_counter() - began
        held.close()
        return took / (FOLLOW_EVERY // 2)

    assert min(seconds() for _ in range(5)) < 1e-6
