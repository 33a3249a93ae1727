"""What two tests of the same children say of each other, told from the pairs alone."""

from __future__ import annotations

from collections import Counter

LEAST = 10
"""Below so many pairs nothing is told."""


def of_pairs(pairs: list[tuple[int, int]], ranks: int) -> dict[str, float | None]:
    """Exact and within one level as shares, the mean of second minus first, and kappa; all None of too few.

    Kappa by its definition: one less the ratio of the distance that was seen to the distance that chance makes; None where one
    test put everybody at one level.
    """
    n = len(pairs)
    names = ("exact", "within_one", "bias", "kappa")
    if n < LEAST:
        return dict.fromkeys(names)
    first, second = Counter(one for one, _ in pairs), Counter(other for _, other in pairs)
    seen = sum(abs(one - other) for one, other in pairs) / n
    by_chance = sum(
        abs(one - other) * first[one] * second[other]
        for one in range(1, ranks + 1)
        for other in range(1, ranks + 1)
    ) / (n * n)
    tells = len(first) > 1 and len(second) > 1
    return {
        "exact": sum(one == other for one, other in pairs) / n,
        "within_one": sum(abs(one - other) <= 1 for one, other in pairs) / n,
        "bias": sum(other - one for one, other in pairs) / n,
        "kappa": 1 - seen / by_chance if tells else None,
    }
