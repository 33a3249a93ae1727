"""Which endpoint the memory grows in: growth seen in each endpoint's own steps, within bounds."""

from __future__ import annotations

from dataclasses import dataclass, field

import msgspec

from flatwater.monitors.ring import Ring

OTHERS = "(others)"
"""What endpoints beyond the bound of names are counted under."""


class Growth(msgspec.Struct, frozen=True):
    """How one request grew the process in its own steps; `is_exact` when every step was read."""

    bytes: int
    largest_step_bytes: int
    is_exact: bool


class EndpointStanding(msgspec.Struct, frozen=True):
    """One endpoint since the watch began. *Shape*: growth is the sum over the `exact` requests only."""

    name: str
    requests: int
    exact: int
    growth_bytes: int
    largest_bytes: int
    over_budget: int

    @property
    def growth_per_request_bytes(self) -> float | None:
        """Mean growth of a request; None before one was read in full."""
        return self.growth_bytes / self.exact if self.exact else None


@dataclass(slots=True)
class _Tally:
    ring: Ring
    requests: int = 0
    exact: int = 0
    growth_bytes: int = 0
    largest_bytes: int = 0
    over_budget: int = 0


@dataclass(slots=True)
class EndpointGrowth:
    """Growth by endpoint for at most `names` endpoints, with `points` points each over time.

    Resident memory is charged to the step that first touches a page: a small leak beside large passing use may be charged
    to the neighbour. The audit calls each endpoint alone, which leaves no neighbour.
    """

    names: int = 256
    points: int = 120
    _tallies: dict[str, _Tally] = field(default_factory=dict[str, _Tally])

    def record(self, name: str, growth: Growth, *, was_over_budget: bool = False) -> None:
        """Counts one request. *Cost*: a third of a microsecond."""
        tally = self._tallies.get(name) or self._tally(name)
        tally.requests += 1
        if growth.is_exact:
            tally.exact += 1
            tally.growth_bytes += growth.bytes
        if growth.largest_step_bytes > tally.largest_bytes:
            tally.largest_bytes = growth.largest_step_bytes
        if was_over_budget:
            tally.over_budget += 1

    def _tally(self, name: str) -> _Tally:
        if len(self._tallies) >= self.names:
            name = OTHERS
        return self._tallies.setdefault(name, _Tally(Ring(2, self.points)))

    def mark(self) -> None:
        """Keeps a point of every endpoint's growth over its requests; called by the sampler."""
        for tally in self._tallies.values():
            newest = tally.ring.newest()
            if tally.exact and (newest is None or newest[0] != tally.exact):
                tally.ring.append((tally.exact, tally.growth_bytes))

    def points_of(self, name: str) -> list[tuple[float, float]]:
        """An endpoint's growth over time. *Shape*: (requests read in full so far, bytes grown in them so far)."""
        tally = self._tallies.get(name)
        if tally is None:
            return []
        return [(requests or 0.0, grown or 0.0) for requests, grown in tally.ring]

    def standing(self) -> list[EndpointStanding]:
        """Every endpoint, the one that grew most first; never more than `names` and the others together."""
        standings = [
            EndpointStanding(
                name, each.requests, each.exact, each.growth_bytes, each.largest_bytes, each.over_budget
            )
            for name, each in self._tallies.items()
        ]
        return sorted(standings, key=lambda each: each.growth_bytes, reverse=True)
