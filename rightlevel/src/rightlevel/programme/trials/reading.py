"""How much more the same children moved under one way than under the other, with an interval that knows that schools were drawn and not children.

Least squares of each child's change in levels on its school's way and its stratum, with the variance of clusters of schools. All of it follows from
sums by school, so that no child is read.

*Source*: Liang and Zeger (1986) for the variance, with the correction G / (G - 1) · (N - 1) / (N - K) that is usual (Cameron and Miller, A
Practitioner's Guide to Cluster-Robust Inference, 2015, section II); strata as in the draw (Bruhn and McKenzie, 2009). Tested against the same
regression made child by child, and statsmodels where it is there.
"""

from __future__ import annotations

from collections.abc import Sequence
from math import sqrt
from typing import Literal

import msgspec

from rightlevel.programme.movement.model import student_t
from rightlevel.programme.verification.agreement import Interval

LEAST_OF_A_WAY = 5
"""Schools with children in both rounds. Fewer say little of how schools differ."""
LEAST_DEGREES = 6

WhyNot = Literal["few_schools", "few_degrees", "no_contrast"]
"""Why no difference is told."""


class SchoolSums(msgspec.Struct, frozen=True):
    """What is known of a school's children in both rounds: how many, and the sum of their changes in levels."""

    school_id: int
    stratum_id: int
    is_b: bool
    matched: int
    shift: int


class Difference(msgspec.Struct, frozen=True):
    """Way b less way a, in levels, with its 95 % interval; its standard error, degrees of freedom, and why there is none."""

    estimate: Interval | None
    standard_error: float | None = None
    degrees: int | None = None
    reason: WhyNot | None = None


def difference(schools: Sequence[SchoolSums]) -> Difference:
    """The difference between the ways, of the schools that have children in both rounds."""
    told = [each for each in schools if each.matched]
    ways = [sum(each.is_b is way for each in told) for way in (False, True)]
    if min(ways) < LEAST_OF_A_WAY:
        return Difference(None, reason="few_schools")
    strata: dict[int, list[SchoolSums]] = {}
    for each in told:
        strata.setdefault(each.stratum_id, []).append(each)
    n, clusters, columns = sum(each.matched for each in told), len(told), len(strata) + 1
    degrees = clusters - columns
    if degrees < LEAST_DEGREES:
        return Difference(None, reason="few_degrees")
    centred = {
        key: sum(each.matched for each in held if each.is_b) / sum(each.matched for each in held)
        for key, held in strata.items()
    }
    contrast = sum(each.matched * (each.is_b - centred[each.stratum_id]) ** 2 for each in told)
    if contrast < 1e-9:
        return Difference(None, reason="no_contrast")
    effect = sum(each.shift * (each.is_b - centred[each.stratum_id]) for each in told) / contrast
    level = {
        key: sum(each.shift - effect * each.is_b * each.matched for each in held)
        / sum(each.matched for each in held)
        for key, held in strata.items()
    }
    meat = 0.0
    for each in told:
        left = each.shift - each.matched * (level[each.stratum_id] + effect * each.is_b)
        meat += ((each.is_b - centred[each.stratum_id]) * left) ** 2
    correction = clusters / (clusters - 1) * (n - 1) / (n - columns)
    error = sqrt(correction * meat) / contrast
    half = student_t(degrees) * error
    return Difference(Interval(effect, effect - half, effect + half), error, degrees)
