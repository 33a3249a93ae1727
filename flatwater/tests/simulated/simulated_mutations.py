"""Safeguards taken out, one at a time, to see that the worlds see it."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from typing import Any

import flatwater.pool
import flatwater.rate_limit
from flatwater.cache import Cache
from flatwater.circuit_breaker import CircuitBreaker
from flatwater.invalidation import Invalidation
from flatwater.pool import Database
from flatwater.rate_limit import MemoryRateLimiter
from flatwater.retry_budget import RetryBudget
from flatwater.supervisor import TaskLoop
from flatwater.valkey import SharedCache


@contextmanager
def _put(owner: Any, name: str, instead: Any) -> Iterator[None]:
    real = owner.__dict__[name] if isinstance(owner, type) else getattr(owner, name)
    setattr(owner, name, instead)
    try:
        yield
    finally:
        setattr(owner, name, real)


async def _load_alone(self: Any, key: Any, load: Any, tags: Any, tags_of: Any) -> Any:
    value = await load()
    self.put(key, value, tags=tags if tags_of is None else (*tags, *tags_of(value)))
    return value


def _drop_only_what_is_kept(self: Any, tag: str) -> None:
    for key in list(self._by_tag.get(tag, ())):
        self._take_out(self._entries[key])


def _wake_nobody(self: Any, key: Any, flight: Any, *, value: Any = None, error: Any = None) -> None:
    if self._flights.get(key) is flight:
        del self._flights[key]


def _nothing(*_: Any, **__: Any) -> None:
    return None


_real_release = Database._release_apart


async def _forget_it_when_cancelled(
    self: Any, pool: Any, connection: Any, session: Any, deadline: Any
) -> None:
    task = asyncio.current_task()
    if task is not None and task.cancelling():
        self._held -= 1
        return
    await _real_release(self, pool, connection, session, deadline)


async def _settle_nothing(connection: Any, session: Any) -> None:
    return None


def _decide_and_count(self: Any, rate: Any, identity: str, cost: int | None = None) -> Any:
    now = self._clock.monotonic()
    key = (rate.name, identity)
    ahead = max(self._arrivals.get(key, now) - now, 0.0)
    decision, _ = flatwater.rate_limit.decide(rate, ahead, rate.cost)
    self._arrivals[key] = now + ahead + rate.cost / rate.per_s  # also of who was refused
    return decision


def _decide_past_the_burst(self: Any, rate: Any, identity: str, cost: int | None = None) -> Any:
    now = self._clock.monotonic()
    key = (rate.name, identity)
    decision, ahead = flatwater.rate_limit.decide(rate, self._arrivals.get(key, now) - now, rate.cost)
    if decision.allowed:
        self._arrivals[key] = now + ahead / 2
    return decision


def _admit_anybody(self: Any) -> None:
    if self._is_open and self._open_until > self._now():
        from flatwater.circuit_breaker import BreakerOpen

        raise BreakerOpen(retry_after_s=0.1)
    self._admitted += 1


async def _keep_whatever_was_told(
    self: Any, place: str, key: str, value: Any, tags: Any, any_before: Any
) -> None:
    with suppress(OSError):
        await _real_keep(self, place, key, value, tags, (await self._line.client.mget([self._any_tag]))[0])


_real_keep = SharedCache._keep
_real_run = Database.run


async def _run_as_if_twice_were_once(self: Any, work: Any, **more: Any) -> Any:
    return await _real_run(self, work, **{**more, "idempotent": True})


async def _read_whatever_is_there(self: Any, key: str, found: bytes | None) -> Any:
    from flatwater.cache import MISSING

    return MISSING if found is None else self._decode_value(self._decode(found).value)


async def _turn_without_a_net(self: Any) -> float:
    try:
        async with asyncio.timeout(self._turn_s):
            await self._work(self)
    except Exception as error:
        return self.failed(error)
    self.turned()
    return self.period_s or 0.0


MUTATIONS: dict[str, tuple[str, Callable[[], Any]]] = {
    "a loop catches only what is expected": (
        "supervisor",
        lambda: _put(TaskLoop, "_turn", _turn_without_a_net),
    ),
    "no single flight": ("cache_and_invalidation", lambda: _put(Cache, "_load", _load_alone)),
    "an invalidation between load and store is lost": (
        "cache_and_invalidation",
        lambda: _put(Cache, "drop_tag", _drop_only_what_is_kept),
    ),
    "a waiter is not woken": ("cache_and_invalidation", lambda: _put(Cache, "_land", _wake_nobody)),
    "a process that can't hear trusts what it keeps": (
        "cache_and_invalidation",
        lambda: _put(Cache, "trust_until", _nothing),
    ),
    "what is heard is not applied": ("cache_and_invalidation", lambda: _put(Invalidation, "apply", _nothing)),
    "a new ear keeps what it had": (
        "cache_and_invalidation",
        lambda: _put(Invalidation, "_forget_all", _nothing),
    ),
    "a value of before the invalidation is kept in the shared store": (
        "shared_second_level",
        lambda: _put(SharedCache, "_keep", _keep_whatever_was_told),
    ),
    "the tags that a value told are not compared": (
        "shared_second_level",
        lambda: _put(SharedCache, "_read", _read_whatever_is_there),
    ),
    "a refusal takes from the allowance": (
        "limiter",
        lambda: _put(MemoryRateLimiter, "decide", _decide_and_count),
    ),
    "the allowance gives more than its burst": (
        "limiter",
        lambda: _put(MemoryRateLimiter, "decide", _decide_past_the_burst),
    ),
    "the breaker lets two probes through": ("breaker", lambda: _put(CircuitBreaker, "admit", _admit_anybody)),
    "retries have no budget": ("breaker", lambda: _put(RetryBudget, "spend", lambda self: True)),
    "the breaker never closes": ("breaker", lambda: _put(CircuitBreaker, "succeeded", _nothing)),
    "a connection is not given back when its task is cancelled": (
        "pool",
        lambda: _put(Database, "_release_apart", _forget_it_when_cancelled),
    ),
    "a connection comes back in the middle of a transaction": (
        "pool",
        lambda: _put(flatwater.pool, "settle", _settle_nothing),
    ),
    "a commit whose answer was lost is done again": (
        "pool",
        lambda: _put(Database, "run", _run_as_if_twice_were_once),
    ),
}
"""What is taken out, and the world that must see it."""
