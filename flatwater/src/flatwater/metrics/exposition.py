"""Writing metrics as Prometheus reads them."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from typing import TYPE_CHECKING, Final, Literal

import msgspec

if TYPE_CHECKING:
    from prometheus_client.metrics_core import Metric

CONTENT_TYPE: Final = "text/plain; version=0.0.4; charset=utf-8"
"""*Source*: the text format Prometheus has read since 2014; the names here are plain in it."""

Labels = tuple[str, ...]


class Spread(msgspec.Struct, frozen=True):
    """How observations are spread. *Shape*: one more count than bounds, the last without a bound; not cumulative."""

    bounds: tuple[float, ...]
    counts: tuple[int, ...]
    sum: float


class Family(msgspec.Struct, frozen=True):
    """One metric with its samples by label values."""

    name: str
    about: str
    kind: Literal["counter", "gauge", "histogram"]
    labels: Labels
    samples: Sequence[tuple[Labels, float | Spread]]


def text_of(families: Iterable[Family]) -> bytes:
    """The exposition of these metrics. *Errors*: ValueError when prometheus_client refuses one."""
    # Loaded here: 3.7 MB (PSS, prometheus_client 0.26 on Python 3.11) that a process which is never asked should not hold.
    from prometheus_client.exposition import generate_latest
    from prometheus_client.registry import Collector, CollectorRegistry

    metrics = [_metric(family) for family in families]

    class Once(Collector):
        def collect(self) -> Iterator[Metric]:
            return iter(metrics)

    registry = CollectorRegistry(auto_describe=True)
    registry.register(Once())
    return generate_latest(registry)


def _metric(family: Family) -> Metric:
    from prometheus_client.metrics_core import CounterMetricFamily, GaugeMetricFamily, HistogramMetricFamily

    if family.kind == "histogram":
        histogram = HistogramMetricFamily(family.name, family.about, labels=family.labels)
        for labels, value in family.samples:
            if isinstance(value, Spread):
                histogram.add_metric(labels, _cumulative(value), value.sum)
        return histogram
    made = CounterMetricFamily if family.kind == "counter" else GaugeMetricFamily
    metric = made(family.name, family.about, labels=family.labels)
    for labels, value in family.samples:
        if not isinstance(value, Spread):
            metric.add_metric(labels, value)
    return metric


def _cumulative(spread: Spread) -> list[tuple[str, float]]:
    buckets: list[tuple[str, float]] = []
    seen = 0
    for bound, count in zip((*map(repr, spread.bounds), "+Inf"), spread.counts, strict=True):
        seen += count
        buckets.append((bound, seen))
    return buckets
