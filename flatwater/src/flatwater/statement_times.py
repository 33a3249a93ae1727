"""How long statements take: all of them over the last five minutes, and each named query since the start."""

from __future__ import annotations

from operator import attrgetter
from typing import Final

import msgspec

from flatwater.clock import Clock
from flatwater.latency import LatencyHistogram
from flatwater.queries import Query

MOST_NAMES: Final = 1_000
"""Queries are written in files, so there are a few hundred; what comes past this is counted together."""
OTHERS: Final = "(others)"


class QueryTimes(msgspec.Struct):
    """What one query took since the start. *Units*: seconds."""

    name: str
    calls: int = 0
    total_s: float = 0.0
    longest_s: float = 0.0

    @property
    def mean_s(self) -> float:
        return self.total_s / self.calls if self.calls else 0.0


class StatementTimes:
    """Times of statements, those that failed or were ended included. Use it from one thread.

    *Cost*: two counts an observation; 18 kB, and 200 B for each query that was run.
    """

    __slots__ = ("_by_query", "_histogram", "answered_s")

    def __init__(self, *, clock: Clock | None = None) -> None:
        self._histogram = LatencyHistogram(clock=clock)
        self._by_query: dict[str, QueryTimes] = {}
        self.answered_s = float("-inf")
        """When the server last answered a statement, by `time.perf_counter`."""

    def observe(self, query: Query, seconds: float) -> None:
        """Takes one run of a query in. Variants of a query are one."""
        self._histogram.observe(seconds)
        where = query.source.where  # what `query.where` gives, without a call for each statement
        found = self._by_query.get(where)
        if found is None:
            name = where if len(self._by_query) < MOST_NAMES else OTHERS
            found = self._by_query.setdefault(name, QueryTimes(name))
        found.calls += 1
        found.total_s += seconds
        if seconds > found.longest_s:
            found.longest_s = seconds

    def quantile(self, q: float) -> float | None:
        """See LatencyHistogram."""
        return self._histogram.quantile(q)

    def count(self) -> int:
        """How many ran in the last five minutes."""
        return self._histogram.count()

    def costliest(self, most: int) -> list[QueryTimes]:
        """The queries that took the most time in all, those first. *Cost*: one pass over the queries that were run."""
        found = sorted(self._by_query.values(), key=attrgetter("total_s"), reverse=True)[:most]
        return [msgspec.structs.replace(each) for each in found]
