"""What is looked at about the tests that one person made on one day: counts, and which of them ask to be looked into."""

from __future__ import annotations

from datetime import date
from typing import Final, Literal

import msgspec

from rightlevel.programme.levels import scale_of_round
from rightlevel.programme.permissions import Subject
from rightlevel.programme.verification.agreement import LEAST_SHOWN, Interval, share

Look = Literal[
    "without_baseline",
    "drops",
    "heaping",
    "refusals",
    "possible_duplicates",
    "too_fast",
    "in_one_minute",
    "low_agreement",
]
LOOKS: Final[tuple[Look, ...]] = (
    "drops",
    "too_fast",
    "in_one_minute",
    "heaping",
    "low_agreement",
    "refusals",
    "without_baseline",
    "possible_duplicates",
)
"""In the order in which they are told."""
LEAST_TOLD: Final = LEAST_SHOWN
"""Tests of a day below which nobody can say that they heap."""
HEAPED_SHARE: Final = 0.8
"""Of a day's assessed children on one level. *Source*: ours; a class of one grade spreads over three levels and more (aser-2024)."""
REFUSED_SHARE: Final = 0.1
LEAST_REFUSED: Final = 2
MANY_IN_ONE_MINUTE: Final = 5
"""Levels entered without the guided test. Testing one child takes minutes; a phone that was without a network sends what it kept at once."""
FASTEST_S: Final = 20
"""Seconds of a guided test below which it is too fast: every way through it has two tasks at least. The database counts by the same."""
LOOKED_BACK_DAYS: Final = 120
"""How far the last day with tests is looked for: a term. Each day costs a look at each school of a reader who holds few."""
DROP: Final = 2
"""Levels between rounds. One level is within what a re-test differs by. The database counts by the same."""
WANTED_AGREEMENT: Final = 0.9
"""As in the mentor's next week; low is when the whole interval lies below it."""


class QualityQuery(msgspec.Struct, frozen=True):
    """Which tests: of a day (`on`; today's, where none is said), somewhere, in a subject; `only_flagged` leaves out those with nothing to look at."""

    on: date | None = None
    place_id: int | None = None
    school_id: int | None = None
    subject: Subject | None = None
    only_flagged: bool = False


class AssessorTestsQuery(msgspec.Struct, frozen=True):
    """The tests of one person, on one day, at one school, in one subject."""

    on: date
    school_id: int
    assessor_id: int
    subject: Subject


class CountedDay(msgspec.Struct, frozen=True):
    """The tests that one person made on a day at a school in a subject, as they are counted."""

    school_id: int
    school_code: str
    school_name: str
    assessor_id: int
    assessor_name: str
    subject: Subject
    tests: int
    assessed: int
    absent: int
    refused: int
    went: int
    ranks: list[int]
    timed: int
    too_fast: int
    in_one_minute: int
    without_baseline: int
    drops: int
    possible_duplicates: int
    retested: int
    agreed: int
    round_id: int = 0


class AssessorDay(msgspec.Struct, frozen=True):
    """The tests that one person made on a day at a school in a subject, and what of them asks to be looked into (`looks`).

    `most_at` is the level at which most were, with how many (`most_at_n`). `too_fast` are guided tests under 20 seconds, of those whose time is
    known (`timed`); `in_one_minute` is the most levels entered without the guided test that came in one minute; `drops` are children two levels or
    more below the round before. `retested` and `agreement` (exact, with its 95 % interval; None below 10) are of the same rounds so far.
    """

    on: date
    school_id: int
    school_code: str
    school_name: str
    assessor_id: int
    assessor_name: str
    subject: Subject
    tests: int
    assessed: int
    absent: int
    refused: int
    left: int
    most_at: str | None
    most_at_n: int
    timed: int
    too_fast: int
    in_one_minute: int
    without_baseline: int
    drops: int
    possible_duplicates: int
    retested: int
    agreement: Interval | None
    looks: list[Look]
    round_id: int = 0
    """The round that they are of."""


class LookedAtTest(msgspec.Struct, frozen=True):
    """One of those tests with its child, and what of it asks to be looked into. `took_s` in seconds, where it is known."""

    result_id: str
    student_id: str
    code: str
    name: str
    grade: int
    outcome: str
    level: str | None
    earlier_level: str | None
    method: str
    took_s: int | None
    looks: list[Look]
    round_id: int = 0


def looked_at(counted: CountedDay, on: date) -> AssessorDay:
    """What was counted, judged."""
    most = max(counted.ranks)
    scale = scale_of_round(counted.round_id, counted.subject)
    agreement = share(counted.agreed, counted.retested) if counted.retested >= LEAST_SHOWN else None
    is_asked: dict[Look, bool] = {
        "drops": counted.drops > 0,
        "too_fast": counted.too_fast > 0,
        "in_one_minute": counted.in_one_minute >= MANY_IN_ONE_MINUTE,
        "heaping": counted.assessed >= LEAST_TOLD and most >= HEAPED_SHARE * counted.assessed,
        "low_agreement": agreement is not None and agreement.high < WANTED_AGREEMENT,
        "refusals": counted.refused >= LEAST_REFUSED and counted.refused > REFUSED_SHARE * counted.tests,
        "without_baseline": counted.without_baseline > 0,
        "possible_duplicates": counted.possible_duplicates > 0,
    }
    return AssessorDay(
        on=on,
        school_id=counted.school_id,
        school_code=counted.school_code,
        school_name=counted.school_name,
        assessor_id=counted.assessor_id,
        assessor_name=counted.assessor_name,
        subject=counted.subject,
        tests=counted.tests,
        assessed=counted.assessed,
        absent=counted.absent,
        refused=counted.refused,
        left=counted.went,
        most_at=scale.code_at(counted.ranks.index(most) + 1) if most else None,
        most_at_n=most,
        timed=counted.timed,
        too_fast=counted.too_fast,
        in_one_minute=counted.in_one_minute,
        without_baseline=counted.without_baseline,
        drops=counted.drops,
        possible_duplicates=counted.possible_duplicates,
        retested=counted.retested,
        agreement=agreement,
        looks=[look for look in LOOKS if is_asked[look]],
        round_id=counted.round_id,
    )
