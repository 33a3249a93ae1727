"""What can be compared, and how it is told."""

from __future__ import annotations

import msgspec

from rightlevel.programme.figures import INDICATORS, FigureQuery
from rightlevel.programme.permissions import Subject
from rightlevel.programme.verification.agreement import Interval

MOST_UNITS = 1_000
"""Compared at once: more than hangs on any place."""


class Measure(msgspec.Struct, frozen=True):
    """Something that is compared: its definition, whether it needs a later round, and whether more of it is better (None: neither)."""

    code: str
    name: str
    definition: str
    is_of_two_rounds: bool = False
    is_better_high: bool | None = True


_OF_ANY = (
    Measure("coverage", "Coverage", "Children assessed ÷ children enrolled"),
    Measure(
        "improved",
        "Improved",
        "Children at a higher level in the later round ÷ children assessed in both. Interval: 95 %, Wilson.",
        is_of_two_rounds=True,
    ),
    Measure(
        "declined",
        "Fell",
        "Children at a lower level in the later round ÷ children assessed in both. Interval: 95 %, Wilson.",
        is_of_two_rounds=True,
        is_better_high=False,
    ),
    Measure(
        "mean_shift",
        "Mean change, in levels",
        "The mean of (later − first) in levels over children assessed in both. Interval: 95 %, Student’s t.",
        is_of_two_rounds=True,
    ),
    Measure(
        "attrition",
        "Not tested again",
        "Children assessed in the first round without a level in the later one ÷ children assessed in the first round.",
        is_of_two_rounds=True,
        is_better_high=False,
    ),
)
MEASURES: dict[Subject, tuple[Measure, ...]] = {
    subject: (
        *(
            Measure(
                each.code,
                each.name,
                each.definition,
                is_better_high=each.code != "cannot_read_words",
            )
            for each in INDICATORS
            if each.subject == subject
        ),
        *_OF_ANY,
    )
    for subject in ("language", "math")
}


class ComparisonQuery(FigureQuery, frozen=True, kw_only=True):
    """What is compared (`measure`, a code) of what hangs on a place; some measures need a later round too."""

    measure: str
    later_round_id: int | None = None


class Compared(msgspec.Struct, frozen=True):
    """One place or school: how many children its value is of, and the value with its 95 % interval.

    `estimate` is None where `n` is below 10, or what it comes of is withheld (then `n` is None too).
    """

    is_school: bool
    id: int
    code: str
    name_local: str
    n: int | None
    part: int | None
    estimate: Interval | None


class Comparison(msgspec.Struct, frozen=True):
    """The places and schools by their value, the highest first; those of which none is told come last, by name."""

    measure: Measure
    units: list[Compared]
