"""How fast something grows, with the interval in which that lies, and whether it may be called flat.

Flat is shown by equivalence: the whole interval of the slope must lie inside a bound. That a growth was not noticed shows
nothing; a measurement that is too coarse to tell says so.
*Source*: Theil (1950) and Sen (1968) for the slope, which a few outliers can't move; Künsch (1989), moving-block bootstrap, for an
interval that does not believe that neighbouring samples are independent; Schuirmann (1987), equivalence by interval inclusion.
"""

from __future__ import annotations

import random
from collections.abc import Iterable, Sequence
from itertools import pairwise
from typing import Final, Literal

import msgspec

Verdict = Literal["flat", "grows", "shrinks", "cannot_tell"]
Point = tuple[float, float]

FEWEST_POINTS: Final = 8
MOST_POINTS: Final = 120
RESAMPLES: Final = 400
CONFIDENCE: Final = 0.95


class TooFewPoints(ValueError):
    """A slope needs at least eight points, at two places at least."""


class Slope(msgspec.Struct, frozen=True):
    """A slope and the ends of its interval. *Units*: those of y for one of x."""

    slope: float
    low: float
    high: float
    points: int
    confidence: float = CONFIDENCE

    def verdict(self, bound: float) -> Verdict:
        """What may be said: flat when the whole interval lies within ± bound, growing when all of it lies above, else not known."""
        if -bound <= self.low and self.high <= bound:
            return "flat"
        if self.low > bound:
            return "grows"
        return "shrinks" if self.high < -bound else "cannot_tell"


def fit_slope(
    points: Sequence[Point], *, seed: int = 1, resamples: int = RESAMPLES, confidence: float = CONFIDENCE
) -> Slope:
    """The slope through points ordered by x, with its interval; the same seed gives the same interval.

    *Errors*: TooFewPoints. *Cost*: more than 120 points become 120 medians of neighbours; then about a second.
    """
    thinned = _thinned(points)
    if len(thinned) < FEWEST_POINTS or thinned[0][0] == thinned[-1][0]:
        raise TooFewPoints(f"a slope needs {FEWEST_POINTS} points, there are {len(thinned)}")
    xs = [x for x, _ in thinned]
    slope = _theil_sen(xs, [y for _, y in thinned])
    middle = median(y - slope * x for x, y in thinned)
    rest = [y - middle - slope * x for x, y in thinned]
    draw = random.Random(seed)  # noqa: S311  a resampling, no secret
    slopes = sorted(
        _theil_sen(xs, [middle + slope * x + each for x, each in zip(xs, blocks, strict=True)])
        for blocks in (_resampled(rest, draw) for _ in range(resamples))
    )
    beyond = (1 - confidence) / 2
    low, high = slopes[int(beyond * resamples)], slopes[min(int((1 - beyond) * resamples), resamples - 1)]
    return Slope(slope, min(low, slope), max(high, slope), len(points), confidence)


def median(values: Iterable[float]) -> float:
    """The middle of some values, as the standard library says it, whose `statistics` takes 300 kB with what it loads. *Errors*: IndexError without any."""
    ordered = sorted(values)
    middle = len(ordered) // 2
    return (ordered[middle] + ordered[-1 - middle]) / 2


def _thinned(points: Sequence[Point]) -> list[Point]:
    if len(points) <= MOST_POINTS:
        return list(points)
    edges = [round(step * len(points) / MOST_POINTS) for step in range(MOST_POINTS + 1)]
    groups = [points[start:end] for start, end in pairwise(edges)]
    return [(median(x for x, _ in group), median(y for _, y in group)) for group in groups if group]


def _theil_sen(xs: Sequence[float], ys: Sequence[float]) -> float:
    """The median of the slopes between all pairs."""
    slopes: list[float] = []
    for number, (x, y) in enumerate(zip(xs, ys, strict=True)):
        slopes += [
            (ys[later] - y) / (xs[later] - x) for later in range(number + 1, len(xs)) if xs[later] != x
        ]
    slopes.sort()
    half = len(slopes) // 2
    return slopes[half] if len(slopes) % 2 else (slopes[half - 1] + slopes[half]) / 2


def _resampled(rest: Sequence[float], draw: random.Random) -> list[float]:
    """As many residuals, drawn in blocks of neighbours, so that what hangs together stays together."""
    length = max(2, round(len(rest) ** (1 / 3) * 1.5))
    drawn: list[float] = []
    while len(drawn) < len(rest):
        start = draw.randrange(len(rest) - length + 1)
        drawn += rest[start : start + length]
    return drawn[: len(rest)]
