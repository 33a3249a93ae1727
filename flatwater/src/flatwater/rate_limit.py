"""How often somebody may ask: the generic cell rate algorithm in bounded memory.

One float per identity (the theoretical arrival time) says all there is to know; there is nothing to sweep but idle
identities, and those leave from the cold end of an ordered mapping.
*Source*: ITU-T I.371 (GCRA); the virtual-scheduling form.
"""

from __future__ import annotations

import logging
from collections import OrderedDict
from collections.abc import Mapping
from math import ceil
from typing import Final, Literal, Protocol

import msgspec

from flatwater.clock import Clock, SystemClock
from flatwater.errors import Refused

log = logging.getLogger("flatwater.rate_limit")

TELL_AGAIN_S: Final = 60.0

Store = Literal["memory", "durable", "shared"]
"""Where the count is kept: in this process, in PostgreSQL, or in Valkey/Redis."""


class RateClass(msgspec.Struct, frozen=True):
    """A named allowance: `per_s` asks a second in the long run, `burst` at once; one request takes `cost` of them.

    When a store outside this process can't be asked, requests go on (`open`) or are refused (`closed`: for sign-in).
    """

    name: str
    per_s: float
    burst: int
    cost: int = 1
    store: Store = "memory"
    when_store_fails: Literal["open", "closed"] = "open"

    def __post_init__(self) -> None:
        if self.per_s <= 0 or self.burst < 1 or not 1 <= self.cost <= self.burst:
            raise ValueError(f"a rate class allows something: {self}")
        if not self.name.replace("_", "").isalnum():
            raise ValueError(f"a rate class's name goes into a header: {self.name!r}")

    @property
    def policy(self) -> str:
        """The allowance as a header field. *Source*: draft-ietf-httpapi-ratelimit-headers-10, RateLimit-Policy."""
        return f'"{self.name}";q={self.burst};w={max(1, ceil(self.burst / self.per_s))}'


MAX_IDENTITY_CHARS = 128
"""Whoever sends a header of 64 kB as an identity does not get 64 kB of memory for it."""


class Decision(msgspec.Struct, frozen=True):
    """Whether to go on; if not, in how many seconds to ask again. What is left at once, and when all of it is back."""

    allowed: bool
    retry_after_s: float = 0.0
    remaining: int = 0
    full_after_s: float = 0.0

    def header(self, rate: RateClass) -> str:
        """What is left, as a header field. *Source*: draft-ietf-httpapi-ratelimit-headers-10, RateLimit."""
        return f'"{rate.name}";r={self.remaining};t={ceil(self.full_after_s)}'


def decide(rate: RateClass, arrival_in_s: float, cost: int) -> tuple[Decision, float]:
    """The decision for an identity whose theoretical arrival is so far ahead, and how far ahead it is afterwards."""
    spacing_s = 1.0 / rate.per_s
    room_s = spacing_s * rate.burst
    ahead_s = max(arrival_in_s, 0.0)
    after_s = ahead_s + spacing_s * cost
    if after_s - room_s > 1e-9:
        left = int((room_s - ahead_s) / spacing_s + 1e-9)
        return Decision(
            allowed=False, retry_after_s=after_s - room_s, remaining=max(left, 0), full_after_s=ahead_s
        ), ahead_s
    return Decision(
        allowed=True, remaining=int((room_s - after_s) / spacing_s + 1e-9), full_after_s=after_s
    ), after_s


class RateStore(Protocol):
    """A store outside this process. *Errors*: Refused when it can't be asked; anything else it raises counts as that too, and is told."""

    async def decide(self, rate: RateClass, identity: str) -> Decision: ...


class StoreFailed(Refused):
    """It can't be told just now whether this may go on. Please try again in a moment."""

    code = "rate_store_failed"
    retry_after_s = 5.0


class RateStatistics(msgspec.Struct, frozen=True):
    """What was decided since the start."""

    identities: int
    allowed: int
    refused: int
    forgotten: int
    failed_open: int
    failed_closed: int


class MemoryRateLimiter:
    """Decides per (class, identity) in this process. *Cost*: 1 µs (measured 2026-11-30, `benchmarks/parts.py`); at most `max_identities` floats and short names.

    When full, the identity that asked longest ago is forgotten: an attacker with many addresses can reset a stranger's
    allowance, never exhaust the memory.
    """

    def __init__(self, *, max_identities: int = 50_000, clock: Clock | None = None) -> None:
        self._arrivals: OrderedDict[tuple[str, str], float] = OrderedDict()
        self._max = max_identities
        self._clock = clock or SystemClock()
        self.allowed = 0
        self.refused = 0
        self.forgotten = 0

    def __len__(self) -> int:
        return len(self._arrivals)

    def decide(self, rate: RateClass, identity: str, cost: int | None = None) -> Decision:
        now = self._clock.monotonic()
        key = (rate.name, identity[:MAX_IDENTITY_CHARS])
        decision, ahead_s = decide(
            rate, self._arrivals.get(key, now) - now, rate.cost if cost is None else cost
        )
        if not decision.allowed:
            self.refused += 1
            return decision
        self.allowed += 1
        self._arrivals[key] = now + ahead_s
        self._arrivals.move_to_end(key)
        self._forget(now)
        return decision

    def _forget(self, now: float) -> None:
        """Drops what is over the bound, and up to two idle identities, so that an idle table empties by itself."""
        while len(self._arrivals) > self._max:
            self._arrivals.popitem(last=False)
            self.forgotten += 1
        for _ in range(2):
            oldest = next(iter(self._arrivals), None)
            if oldest is None or self._arrivals[oldest] > now:
                return
            del self._arrivals[oldest]


class RateLimits:
    """Decides by each class in the store that it names, and by its rule when that store can't be asked.

    `instead` counts in another store what a class names: where hosts share one, what each would count in its memory.
    """

    def __init__(
        self,
        memory: MemoryRateLimiter,
        stores: dict[Store, RateStore] | None = None,
        *,
        instead: Mapping[Store, Store] | None = None,
        clock: Clock | None = None,
    ) -> None:
        self._clock = clock or SystemClock()
        self._told_s = float("-inf")
        self.memory = memory
        self.stores = stores or {}
        self._instead: Mapping[Store, Store] = instead or {}
        self._allowed = self._refused = self._failed_open = self._failed_closed = 0

    def counts_in_memory(self, rate: RateClass) -> bool:
        """Whether this class is counted in this process, so that nobody need be asked."""
        return self._instead.get(rate.store, rate.store) == "memory"

    async def decide(self, rate: RateClass, identity: str) -> Decision:
        """*Errors*: StoreFailed where the class says that it is closed then; KeyError for a store that isn't there."""
        if self.counts_in_memory(rate):
            return self.memory.decide(rate, identity)
        try:
            store = self._instead.get(rate.store, rate.store)
            decision = await self.stores[store].decide(rate, identity[:MAX_IDENTITY_CHARS])
        except Exception as error:
            # Whatever it was, nothing was decided. What a store does not turn into a refusal by itself is a mistake to be told.
            if not isinstance(error, Refused):
                self._tell(error)
            if rate.when_store_fails == "closed":
                self._failed_closed += 1
                raise StoreFailed from error
            self._failed_open += 1
            return self.memory.decide(rate, identity)
        if decision.allowed:
            self._allowed += 1
        else:
            self._refused += 1
        return decision

    def _tell(self, error: Exception) -> None:
        now_s = self._clock.monotonic()
        if now_s - self._told_s >= TELL_AGAIN_S:
            self._told_s = now_s
            log.error("a store of allowances could not be asked: %r", error, exc_info=error)

    def statistics(self) -> RateStatistics:
        return RateStatistics(
            identities=len(self.memory),
            allowed=self.memory.allowed + self._allowed,
            refused=self.memory.refused + self._refused,
            forgotten=self.memory.forgotten,
            failed_open=self._failed_open,
            failed_closed=self._failed_closed,
        )
