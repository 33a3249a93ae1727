"""How well two tests of the same children agree: exact, within one level, weighted kappa with its interval, and which way they differ.

*Source*: Cohen (1968) for kappa with linear weights 1 - |i - j| / (k - 1); Fleiss, Cohen and Everitt (1969) for its large-sample
standard error; Wilson (1927) for the intervals of shares. Tested against published worked examples.
"""

from __future__ import annotations

from math import sqrt

import msgspec

Z_95 = 1.959_963_985
ROUNDING = 1e-12
LEAST_SHOWN = 10
"""Below so many re-tests no statistic is shown: it would say something about a child, not about a school. *Source*: product.md 4."""


class Pair(msgspec.Struct, frozen=True):
    """How many children were at `first` in the first test and at `second` in the re-test. Ranks from 1."""

    first: int
    second: int
    children: int


class Interval(msgspec.Struct, frozen=True):
    """An estimate with its 95 % interval."""

    value: float
    low: float
    high: float


class Agreement(msgspec.Struct, frozen=True):
    """How two tests agree over `n` children; the rest is None where n is too small to be shown, and kappa also where a test put all at one level.

    `bias` is the mean of (re-test - first) in levels: below zero the first test was too high. `higher`, `lower` are shares of children
    whose re-test was higher, lower.
    """

    n: int
    exact: Interval | None = None
    within_one: Interval | None = None
    kappa: Interval | None = None
    bias: Interval | None = None
    higher: float | None = None
    lower: float | None = None


def agreement(pairs: list[Pair], ranks: int) -> Agreement:
    """The statistics of a table of pairs on a scale of so many ranks. *Errors*: ValueError for a rank off the scale."""
    if any(not (1 <= pair.first <= ranks and 1 <= pair.second <= ranks) for pair in pairs):
        raise ValueError(f"a rank is not on a scale of {ranks}")
    n = sum(pair.children for pair in pairs)
    if n < LEAST_SHOWN:
        return Agreement(n)

    def count(close: int) -> int:
        return sum(pair.children for pair in pairs if abs(pair.first - pair.second) <= close)

    return Agreement(
        n,
        exact=share(count(0), n),
        within_one=share(count(1), n),
        kappa=weighted_kappa(pairs, ranks),
        bias=_bias(pairs, n),
        higher=sum(pair.children for pair in pairs if pair.second > pair.first) / n,
        lower=sum(pair.children for pair in pairs if pair.second < pair.first) / n,
    )


def share(part: int, whole: int, z: float = Z_95) -> Interval:
    """A share with Wilson's interval, which holds also near 0 and 1."""
    p = part / whole
    middle = (p + z * z / (2 * whole)) / (1 + z * z / whole)
    half = z / (1 + z * z / whole) * sqrt(p * (1 - p) / whole + z * z / (4 * whole * whole))
    return Interval(p, max(0.0, middle - half), min(1.0, middle + half))


def weighted_kappa(pairs: list[Pair], ranks: int) -> Interval | None:
    """Cohen's kappa with linear weights; None where one of the tests put everybody at one level.

    Chance then explains all there is to explain: the formula gives 0 with an interval of no width, which would look like knowledge.
    """
    n = sum(pair.children for pair in pairs)
    rows, columns = [0.0] * ranks, [0.0] * ranks
    for pair in pairs:
        rows[pair.first - 1] += pair.children / n
        columns[pair.second - 1] += pair.children / n
    if max(rows) > 1 - ROUNDING or max(columns) > 1 - ROUNDING:
        return None

    def weight(i: int, j: int) -> float:
        return 1 - abs(i - j) / (ranks - 1)

    # the mean weight of a row over the columns' shares, and of a column over the rows'
    by_row = [sum(columns[j] * weight(i, j) for j in range(ranks)) for i in range(ranks)]
    by_column = [sum(rows[i] * weight(i, j) for i in range(ranks)) for j in range(ranks)]
    observed = sum(weight(pair.first - 1, pair.second - 1) * pair.children / n for pair in pairs)
    expected = sum(rows[i] * by_row[i] for i in range(ranks))
    kappa = (observed - expected) / (1 - expected)
    spread = sum(
        pair.children
        / n
        * (
            weight(pair.first - 1, pair.second - 1)
            - (by_row[pair.first - 1] + by_column[pair.second - 1]) * (1 - kappa)
        )
        ** 2
        for pair in pairs
    )
    variance = max(0.0, spread - (kappa - expected * (1 - kappa)) ** 2) / (n * (1 - expected) ** 2)
    half = Z_95 * sqrt(variance)
    return Interval(kappa, max(-1.0, kappa - half), min(1.0, kappa + half))


def _bias(pairs: list[Pair], n: int) -> Interval:
    mean = sum((pair.second - pair.first) * pair.children for pair in pairs) / n
    variance = sum((pair.second - pair.first - mean) ** 2 * pair.children for pair in pairs) / (n - 1)
    half = Z_95 * sqrt(variance / n)
    return Interval(mean, mean - half, mean + half)
