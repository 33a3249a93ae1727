"""How many children to test again for a wanted precision, and how many of them in each school and level.

*Source*: Cochran, Sampling Techniques (1977), sections 4.4 (size for a proportion, with the correction for a finite population) and 5.5
(proportional allocation). Who is drawn is decided by a hash of seed and result, so the same seed draws the same children anywhere.
"""

from __future__ import annotations

from math import ceil

import msgspec

from rightlevel.programme.errors import Fault

Z = {0.8: 1.281_551_566, 0.9: 1.644_853_627, 0.95: 1.959_963_985, 0.99: 2.575_829_304}
MAX_DRAWN = 10_000
"""More than any programme re-tests in a round; a wanted precision of 1 % needs 9,604 of a country."""


class Precision(msgspec.Struct, frozen=True):
    """What a sample is to tell: agreement within ± `margin` at this confidence, if about `expected` of the results agree."""

    margin: float = 0.05
    confidence: float = 0.95
    expected: float = 0.5


class Stratum(msgspec.Struct, frozen=True):
    """The results of one school at one level that could be drawn."""

    school_id: int
    rank: int
    children: int


def precision_faults(precision: Precision) -> list[Fault]:
    """What is wrong with a wanted precision."""
    faults: list[Fault] = []
    if not 0.01 <= precision.margin <= 0.5:
        faults.append(Fault("margin", "Between 0.01 and 0.5", str(precision.margin)[:20]))
    if precision.confidence not in Z:
        faults.append(
            Fault("confidence", f"One of: {', '.join(map(str, Z))}", str(precision.confidence)[:20])
        )
    if not 0.5 <= precision.expected <= 0.99:
        faults.append(Fault("expected", "Between 0.5 and 0.99", str(precision.expected)[:20]))
    return faults


def sample_size(precision: Precision, population: int) -> int:
    """How many of `population` to draw; all of them where they are few."""
    if population <= 0:
        return 0
    z = Z[precision.confidence]
    endless = z * z * precision.expected * (1 - precision.expected) / precision.margin**2
    return min(population, MAX_DRAWN, ceil(round(endless / (1 + (endless - 1) / population), 9)))


def allocate(strata: list[Stratum], size: int) -> dict[tuple[int, int], int]:
    """How many to draw by (school, rank), in proportion, by largest remainder; ties go by school and rank, so it is always the same.

    The sum is `size` exactly, and no stratum gives more than it has.
    """
    whole = sum(stratum.children for stratum in strata)
    if whole == 0 or size <= 0:
        return {}
    size = min(size, whole)
    drawn = {(each.school_id, each.rank): each.children * size // whole for each in strata}
    left = size - sum(drawn.values())
    by_remainder = sorted(
        strata, key=lambda each: (-(each.children * size % whole), each.school_id, each.rank)
    )
    for each in by_remainder[:left]:
        drawn[each.school_id, each.rank] += 1
    return {key: number for key, number in drawn.items() if number}
