"""How many of the calls may be tries of a second time: without a bound, a database in trouble gets several times the load."""

from __future__ import annotations

from typing import Final

from flatwater.clock import Clock, SystemClock

SHARE: Final = 0.2
PER_S: Final = 10.0
MOST: Final = 100.0


class RetryBudget:
    """Lets a fifth of the calls, and ten a second beside, be retries. For use from one event loop.

    *Source*: "Site Reliability Engineering" (Beyer et al. 2016), ch. 21, per-client retry budget; gRPC's retry throttling (A6).
    """

    def __init__(
        self, *, share: float = SHARE, per_s: float = PER_S, most: float = MOST, clock: Clock | None = None
    ) -> None:
        self._share = share
        self._per_s = per_s
        self._most = most
        self._now = (clock or SystemClock()).monotonic
        self._left = most
        self._at = self._now()
        self.spent = 0
        self.refused = 0

    def called(self) -> None:
        """Takes a first try into account."""
        self._left = min(self._left + self._share, self._most)

    def spend(self) -> bool:
        """Whether one more retry may be made now; it is then counted."""
        now = self._now()
        self._left = min(self._left + (now - self._at) * self._per_s, self._most)
        self._at = now
        if self._left < 1:
            self.refused += 1
            return False
        self._left -= 1
        self.spent += 1
        return True
