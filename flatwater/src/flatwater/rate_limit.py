"""How often somebody may ask: the generic cell rate algorithm in bounded memory.

One float per identity (the theoretical arrival time) says all there is to know; there is nothing to sweep but idle
identities, and those leave from the cold end of an ordered mapping.
*Source*: ITU-T I.371 (GCRA); the virtual-scheduling form.
"""

from __future__ import annotations

from collections import OrderedDict

import msgspec

from flatwater.clock import Clock, SystemClock


class RateClass(msgspec.Struct, frozen=True):
    """A named allowance: `per_s` asks a second in the long run, `burst` at once."""

    name: str
    per_s: float
    burst: int

    def __post_init__(self) -> None:
        if self.per_s <= 0 or self.burst < 1:
            raise ValueError(f"a rate class allows something: {self}")


MAX_IDENTITY_CHARS = 128
"""Whoever sends a header of 64 kB as an identity does not get 64 kB of memory for it."""


class Decision(msgspec.Struct, frozen=True):
    """Whether to go on; if not, in how many seconds to ask again."""

    allowed: bool
    retry_after_s: float = 0.0


GO_ON = Decision(allowed=True)


class MemoryRateLimiter:
    """Decides per (class, identity) in this process. *Cost*: under 2 µs; at most `max_identities` floats and short names.

    When full, the identity that asked longest ago is forgotten: an attacker with many addresses can reset a stranger's
    allowance, never exhaust the memory.
    """

    def __init__(self, *, max_identities: int = 50_000, clock: Clock | None = None) -> None:
        self._arrivals: OrderedDict[tuple[str, str], float] = OrderedDict()
        self._max = max_identities
        self._clock = clock or SystemClock()
        self.refused = 0
        self.forgotten = 0

    def __len__(self) -> int:
        return len(self._arrivals)

    def decide(self, rate: RateClass, identity: str, cost: int = 1) -> Decision:
        now = self._clock.monotonic()
        key = (rate.name, identity[:MAX_IDENTITY_CHARS])
        spacing_s = 1.0 / rate.per_s
        arrival = max(self._arrivals.get(key, now), now) + spacing_s * cost
        early_s = arrival - now - spacing_s * rate.burst
        if early_s > 1e-9:
            self.refused += 1
            return Decision(allowed=False, retry_after_s=early_s)
        self._arrivals[key] = arrival
        self._arrivals.move_to_end(key)
        self._forget(now)
        return GO_ON

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
