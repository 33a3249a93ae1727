"""A registry of metrics whose memory has a ceiling: each metric knows so many label sets, and what comes on top is `other`."""

from __future__ import annotations

import itertools
import logging
import re
from collections.abc import Iterable
from typing import Final, TypeVar

from flatwater.metrics.exposition import Family, text_of
from flatwater.metrics.kinds import (
    SECONDS,
    Counter,
    Declaration,
    Declared,
    Gauge,
    Histogram,
    Kind,
    Read,
    Source,
)

log = logging.getLogger("flatwater.metrics")

DeclaredT = TypeVar("DeclaredT", bound=Declared)

LABEL_SETS: Final = 200
"""Label sets a metric may have. *Source*: about 140 endpoints, and room; Prometheus' own advice is to stay in the tens."""

NAME: Final = re.compile(r"[a-z][a-z0-9_]*[a-z0-9]")
LABEL: Final = re.compile(r"(?!__|le$|quantile$)[a-z][a-z0-9_]*")


SERIES: Final[dict[str, tuple[str, ...]]] = {
    "counter": ("",),
    "gauge": ("",),
    "histogram": ("_bucket", "_sum", "_count"),
}
"""What stands after a metric's name in its series."""


class MetricRefused(ValueError):
    """A metric can't be declared like this, so the service does not start."""


class Metrics:
    """The metrics of one process. Use it from one thread.

    *Cost*: 0.3 µs an observation (measured 2026-11-30, `benchmarks/parts.py`); memory bounded by the declared label sets. What writes the text
    (prometheus_client, 3.7 MB) is loaded with the first exposition, so a process nobody asks does not hold it.
    """

    def __init__(self, *, label_sets: int = LABEL_SETS) -> None:
        self._label_sets = label_sets
        self._declared: list[Declared] = []
        self._names: set[str] = set()
        self._failing: set[str] = set()
        # A set for each metric: as many as are declared, which is fixed when the service has started.
        self._refusals = self.counter(
            "flatwater_label_sets_refused_total",
            "Observations that went to the label set other because their metric had all it may have.",
            ("metric",),
            label_sets=10_000,
        )
        self._failures = self.counter(
            "flatwater_metric_source_failures_total",
            "Times the source of a metric could not be read; the metric is missing then.",
            ("metric",),
            label_sets=10_000,
        )

    def counter(
        self, name: str, about: str, labels: Iterable[str] = (), *, label_sets: int | None = None
    ) -> Counter:
        """A number that only grows. *Errors*: MetricRefused for a name that is taken or badly formed."""
        return self._taken_in(Counter(self._declaration(name, about, labels, label_sets)), "counter")

    def gauge(
        self, name: str, about: str, labels: Iterable[str] = (), *, label_sets: int | None = None
    ) -> Gauge:
        """A number that is what it was last set to. *Errors*: as for counter."""
        return self._taken_in(Gauge(self._declaration(name, about, labels, label_sets)), "gauge")

    def histogram(
        self,
        name: str,
        about: str,
        labels: Iterable[str] = (),
        *,
        bounds: tuple[float, ...] = SECONDS,
        label_sets: int | None = None,
    ) -> Histogram:
        """How observations are spread over the bounds. *Errors*: as for counter."""
        if not bounds or any(low >= high for low, high in itertools.pairwise(bounds)):
            raise MetricRefused(f"{name}: the bounds of a histogram rise")
        return self._taken_in(
            Histogram(self._declaration(name, about, labels, label_sets), bounds), "histogram"
        )

    def source(
        self,
        name: str,
        about: str,
        kind: Kind,
        read: Read,
        *,
        labels: Iterable[str] = (),
        label_sets: int | None = None,
    ) -> None:
        """A metric that is read when somebody asks: from label values to a number; without labels from `()`.

        A source that raises is logged once and counted, and its metric is missing until it can be read again.
        *Errors*: as for counter.
        """
        self._taken_in(Source(self._declaration(name, about, labels, label_sets), kind, read), kind)

    def names(self) -> frozenset[str]:
        """Every name that can stand in the exposition."""
        return frozenset(self._names)

    def families(self) -> list[Family]:
        """What every metric says now. Read it where the sources live; `text_of` may then write it in a thread."""
        families: list[Family] = []
        # What counts refusals and failures comes last, so that it tells of this very reading.
        for declared in (*self._declared[2:], *self._declared[:2]):
            name = declared.declaration.name
            try:
                families.append(declared.family())
            except Exception:
                if name not in self._failing:
                    log.exception("the source of %s could not be read", name)
                self._failing.add(name)
                self._failures.add((name,))
            else:
                self._failing.discard(name)
        return families

    def exposition(self) -> bytes:
        """All metrics as Prometheus reads them, with CONTENT_TYPE. *Cost*: a step a line, on the caller's thread.

        With hundreds of routes use `text_of(metrics.families())` with the text written in a thread.
        """
        return text_of(self.families())

    def _refuse(self, name: str) -> None:
        self._refusals.add((name,))

    def _declaration(
        self, name: str, about: str, labels: Iterable[str], label_sets: int | None
    ) -> Declaration:
        ceiling = self._label_sets if label_sets is None else label_sets
        if ceiling < 1:
            raise MetricRefused(f"{name}: a metric has at least one label set")
        return Declaration(name, about, tuple(labels), ceiling, self._refuse)

    def _taken_in(self, declared: DeclaredT, kind: str) -> DeclaredT:
        name, labels = declared.declaration.name, declared.declaration.labels
        if not NAME.fullmatch(name) or (kind == "counter") != name.endswith("_total"):
            raise MetricRefused(
                f"{name}: small letters, digits and _; counters, and only they, end in _total"
            )
        if len(set(labels)) != len(labels) or not all(map(LABEL.fullmatch, labels)):
            raise MetricRefused(f"{name}: labels have different names of small letters, digits and _")
        names = [name + ending for ending in SERIES[kind]]
        taken = self._names.intersection([name, *names])
        if taken:
            raise MetricRefused(f"{name}: {', '.join(sorted(taken))} is there already")
        self._names.update(names)
        self._declared.append(declared)
        return declared
