"""The service levels: for each thing watched its target, warning and critical level, and one way to judge a value by them.

/healthz, the metrics, the doctor, the alerts and the operator's page all judge by this module, so they can't disagree.
"""

from __future__ import annotations

import math
import sys
from collections.abc import Callable, Iterable, Mapping
from typing import Final, Literal

import msgspec

Verdict = Literal["ok", "off_target", "warning", "critical", "not_examined"]
Unit = Literal["count", "bytes", "seconds", "ratio"]

VERDICTS: Final[tuple[Verdict, ...]] = ("ok", "off_target", "not_examined", "warning", "critical")
"""From the best to the worst. What nobody looked at is worse than what was seen and is bearable: it may be anything."""

MB: Final = 1_000_000
GB: Final = 1_000_000_000
"""Decimal: of the two readings of "500 MB" the one that warns earlier."""


HIGHEST: Final[Mapping[Unit, float]] = {
    "count": sys.float_info.max,
    "bytes": sys.float_info.max,
    "seconds": math.inf,
    "ratio": 1.0,
}
"""The highest value there can be. Only a time may be endless: longer than the clock of it goes."""


class BaselineBroken(ValueError):
    """A service level can't be judged by as it stands, so the service does not start."""


class Baseline(msgspec.Struct, frozen=True, kw_only=True):
    """One thing watched, and from where on its value is off target, a warning, critical.

    *Units*: that of `unit`; a ratio lies between 0 and 1.
    """

    name: str
    title: str
    unit: Unit
    target: float
    warning: float
    critical: float | None = None
    higher_is_better: bool = False
    includes_target: bool = False
    """Whether the target itself is on target: "3–5" includes its five, "< 500 MB" does not include its 500."""

    def __post_init__(self) -> None:
        levels = [self.target, self.warning] + ([] if self.critical is None else [self.critical])
        if any(math.isnan(level) or level < 0 for level in levels):
            raise BaselineBroken(f"{self.name}: a level is a number and not negative.")
        if levels != sorted(levels, reverse=self.higher_is_better):
            order = "fall" if self.higher_is_better else "rise"
            raise BaselineBroken(f"{self.name}: target, warning and critical must {order} in this order.")
        if max(levels) > HIGHEST[self.unit]:
            raise BaselineBroken(f"{self.name}: a level of a {self.unit} is at most {HIGHEST[self.unit]:g}.")

    def verdict(self, value: float) -> Verdict:
        """What the value is by these levels. A value that can't be (NaN, below 0, a ratio above 1) is not_examined."""
        if not 0 <= value <= HIGHEST[self.unit]:
            return "not_examined"
        if self.critical is not None and self._is_past(value, self.critical):
            return "critical"
        if self._is_past(value, self.warning):
            return "warning"
        if self._is_past(value, self.target) or (value == self.target and not self.includes_target):
            return "off_target"
        return "ok"

    def is_clear_of_warning(self, value: float, *, margin: float) -> bool:
        """Whether the value is better than the warning level by this part of it, so an alarm may end."""
        if self.verdict(value) not in ("ok", "off_target"):
            return False
        return not self._is_past(value, self.warning * (1 + margin if self.higher_is_better else 1 - margin))

    def written(self, value: float) -> str:
        """The value as a person reads it: `1.2 GB`, `640 ms`, `62 %`, `100,000`."""
        return WRITTEN[self.unit](value)

    def _is_past(self, value: float, level: float) -> bool:
        return value < level if self.higher_is_better else value > level


class Judgement(msgspec.Struct, frozen=True):
    """What a value is by its service level, with a sentence for people."""

    name: str
    value: float | None
    verdict: Verdict
    sentence: str


def _bytes(value: float) -> str:
    for size, unit in ((GB, "GB"), (MB, "MB"), (1_000, "kB")):
        if value >= size:
            return f"{value / size:.3g} {unit}"
    return f"{value:.0f} bytes"


def _seconds(value: float) -> str:
    if math.isinf(value):
        return "beyond measure"
    return f"{value:.3g} s" if value >= 1 or value == 0 else f"{value * 1000:.3g} ms"


WRITTEN: Final[Mapping[Unit, Callable[[float], str]]] = {
    "count": lambda value: f"{value:,.0f}" if value == int(value) else f"{value:,.1f}",
    "bytes": _bytes,
    "seconds": _seconds,
    "ratio": lambda value: f"{value * 100:.3g} %",
}

SERVICE_LEVELS: Final[tuple[Baseline, ...]] = (
    Baseline(
        name="connections",
        title="Database connections",
        unit="count",
        target=5,
        warning=8,
        critical=15,
        includes_target=True,
    ),
    Baseline(
        name="memory_bytes",
        title="Memory of app and database (PSS)",
        unit="bytes",
        target=500 * MB,
        warning=1 * GB,
        critical=2 * GB,
    ),
    Baseline(name="query_p95_s", title="Query P95", unit="seconds", target=0.5, warning=2.0, critical=5.0),
    Baseline(
        name="rate_limit_rows",
        title="Rate-limit rows",
        unit="count",
        target=100_000,
        warning=500_000,
        critical=1_000_000,
    ),
    Baseline(
        name="cache_hit_rate",
        title="Cache hit rate",
        unit="ratio",
        target=0.70,
        warning=0.50,
        critical=0.30,
        higher_is_better=True,
    ),
    Baseline(
        name="idle_connections",
        title="Idle database connections",
        unit="count",
        target=5,
        warning=5,
        includes_target=True,
    ),
    Baseline(
        name="longest_statement_s",
        title="Longest active statement",
        unit="seconds",
        target=10.0,
        warning=10.0,
        includes_target=True,
    ),
    Baseline(
        name="idle_in_transaction",
        title="Connections idle in transaction",
        unit="count",
        target=0,
        warning=0,
        includes_target=True,
    ),
    Baseline(
        name="turning_away_s",
        title="Requests turned away without a pause",
        unit="seconds",
        target=0,
        warning=10.0,
        critical=60.0,
        includes_target=True,
    ),
)
"""The operators' service levels.

*Source*: the service levels of the operators of a platform with about 140 endpoints whose database grew to 2.29 GiB
with 11 idle connections; three are warnings by themselves and have no critical level. Turning away is ours: a moment of it is what it
is for, a minute is a fault (guard-spec: shedding that lasts is a level, an alert and a replaced process).
"""


class Levels(msgspec.Struct, frozen=True, kw_only=True):
    """Other levels for one baseline; what is None stays. *Units*: the baseline's."""

    target: float | None = None
    warning: float | None = None
    critical: float | None = None


def configured(
    changes: Mapping[str, Levels], baselines: Iterable[Baseline] = SERVICE_LEVELS
) -> tuple[Baseline, ...]:
    """The baselines with other levels where given. *Errors*: BaselineBroken for unknown names and levels out of order."""
    known = {baseline.name: baseline for baseline in baselines}
    for name, levels in changes.items():
        if name not in known:
            raise BaselineBroken(f"There is no service level {name!r}; there are {', '.join(known)}.")
        given = {field: value for field, value in msgspec.structs.asdict(levels).items() if value is not None}
        known[name] = Baseline(**{**msgspec.structs.asdict(known[name]), **given})
    return tuple(known.values())


def judge(baseline: Baseline, value: float | None) -> Judgement:
    """The verdict on one value. Without a value it is not_examined, never ok."""
    if value is None:
        return Judgement(baseline.name, None, "not_examined", f"{baseline.title}: not examined.")
    verdict = baseline.verdict(value)
    if verdict == "not_examined":
        return Judgement(
            baseline.name, None, verdict, f"{baseline.title}: not examined; it can't be {value:g}."
        )
    return Judgement(baseline.name, value, verdict, _sentence(baseline, value, verdict))


def _sentence(baseline: Baseline, value: float, verdict: Verdict) -> str:
    side = "under" if baseline.higher_is_better else "over"
    seen = f"{baseline.title}: {baseline.written(value)}"
    if verdict == "critical" and baseline.critical is not None:
        return f"{seen}, {side} the critical level of {baseline.written(baseline.critical)}."
    if verdict == "warning":
        return f"{seen}, {side} the warning level of {baseline.written(baseline.warning)}."
    if verdict == "off_target":
        return f"{seen}, off the target of {baseline.written(baseline.target)}; no warning yet."
    return f"{seen}, on target."


def evaluate(
    readings: Mapping[str, float | None], baselines: Iterable[Baseline] = SERVICE_LEVELS
) -> tuple[Judgement, ...]:
    """The verdict on every baseline, in their order; those without a reading are not_examined.

    *Errors*: ValueError for a reading that no baseline judges, which is a misspelt name.
    """
    judgements = tuple(judge(baseline, readings.get(baseline.name)) for baseline in baselines)
    unknown = set(readings) - {judgement.name for judgement in judgements}
    if unknown:
        raise ValueError(f"no service level is called {', '.join(sorted(unknown))}")
    return judgements


def worst(judgements: Iterable[Judgement]) -> Verdict:
    """The worst verdict among them; not_examined when there is none."""
    ranks = [VERDICTS.index(judgement.verdict) for judgement in judgements]
    return VERDICTS[max(ranks)] if ranks else "not_examined"
