"""The arithmetic of a forecast: from what came in on each day of work to what will be there at the end, with its interval."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import date, timedelta
from itertools import pairwise
from math import sqrt
from typing import Literal

import msgspec

from rightlevel.programme.movement.model import student_t
from rightlevel.programme.permissions import Subject
from rightlevel.programme.verification.agreement import Interval

LEAST_DAYS = 5
"""Of fewer days of work the spread between days is not known."""
LEAST_RESULTS = 30
MOST_DAYS = 400
MOST_RHO = 0.8
WEEKEND = (5, 6)

WhyNot = Literal["not_open", "no_children", "no_days_left", "few_days", "few_results", "all_there"]
"""Why nothing is forecast."""


class Day(msgspec.Struct, frozen=True):
    """How many children had a result at the end of a day."""

    day: date
    with_result: int


class Forecast(msgspec.Struct, frozen=True):
    """How far a round will have come by its last day in a subject: children with a result (assessed, absent, refused or left), of those enrolled.

    `share` is the share of the enrolled with its 95 % interval, and `children` the same as numbers; both are None where nothing can be told, for
    `reason`. `per_day` is the mean of the days of work so far (`days` of them), `days_left` those to come, today included.
    """

    subject: Subject
    with_result: int
    enrolled: int
    ends_on: date
    days: int
    days_left: int
    per_day: float | None
    children: Interval | None
    share: Interval | None
    reason: WhyNot | None


class Standing(msgspec.Struct, frozen=True):
    """Where a round stands now in a subject."""

    subject: Subject
    with_result: int
    enrolled: int
    starts_on: date
    ends_on: date
    is_open: bool


def forecast(days: Sequence[Day], now: Standing, today: date) -> Forecast:
    """What the days so far say of the round's end. `days` are in order; that of today, which is not over, is not looked at.

    Of a day's results, y, on days of work: the mean over the n days so far, times the m to come. Its variance is s² (m + m²/n) times
    (1 + r)/(1 - r), where s² is the variance between days and r how much a day is like the one before, where that is above zero; the interval is
    Student's with n - 1 degrees of freedom. No fewer than there are now, no more than are enrolled. A weekday on which nothing ever came in is no day
    of work; of one that was not met yet, Saturday and Sunday are none.

    *Source*: the prediction interval of a sum of m further observations (Hahn and Meeker, Statistical Intervals, 1991, section 4.7); the factor is that
    of the variance of a sum under first-order autocorrelation (Box, Jenkins and Reinsel, 2008, section 2.1).
    """
    over = [each for each in days if each.day < today]
    came = _by_day(over, now.starts_on)
    at_work = _weekdays_of_work(came)
    y = [count for day, count in came if day.weekday() in at_work]
    ahead = [today + timedelta(each) for each in range((now.ends_on - today).days + 1)]
    m = sum(day.weekday() in at_work for day in ahead)
    reason = _reason(now, y, m)
    nothing = Forecast(
        subject=now.subject,
        with_result=now.with_result,
        enrolled=now.enrolled,
        ends_on=now.ends_on,
        days=len(y),
        days_left=m,
        per_day=sum(y) / len(y) if y else None,
        children=None,
        share=None,
        reason=reason,
    )
    if reason is not None:
        return nothing
    n, mean = len(y), sum(y) / len(y)
    variance = sum((each - mean) ** 2 for each in y) / (n - 1)
    rho = _alike(y, mean)
    half = student_t(n - 1) * sqrt(variance * (1 + rho) / (1 - rho) * (m + m * m / n))
    last = over[-1].with_result

    def bounded(value: float) -> float:
        return min(max(value, float(now.with_result)), float(now.enrolled))

    children = Interval(*(bounded(last + m * mean + each) for each in (0.0, -half, half)))
    share = Interval(*(each / now.enrolled for each in (children.value, children.low, children.high)))
    return msgspec.structs.replace(nothing, children=children, share=share)


def _reason(now: Standing, y: Sequence[float], days_left: int) -> WhyNot | None:
    if not now.is_open:
        return "not_open"
    if now.enrolled == 0:
        return "no_children"
    if now.with_result >= now.enrolled:
        return "all_there"
    if days_left == 0:
        return "no_days_left"
    if len(y) < LEAST_DAYS:
        return "few_days"
    return "few_results" if sum(y) < LEAST_RESULTS else None


def _by_day(days: Sequence[Day], starts_on: date) -> list[tuple[date, float]]:
    """What came in on each day. A day that nobody noted has its part of what came until the next that was; what was taken out counts against it."""
    found: list[tuple[date, float]] = []
    before = Day(starts_on - timedelta(1), 0) if days and days[0].day <= starts_on else None
    for each in days:
        if before is not None:
            gap = (each.day - before.day).days
            came = (each.with_result - before.with_result) / gap
            found += [(before.day + timedelta(step), came) for step in range(1, gap + 1)]
        before = each
    return [each for each in found if each[0] >= starts_on]


def _weekdays_of_work(came: Sequence[tuple[date, float]]) -> set[int]:
    met = {day.weekday() for day, _ in came}
    worked = {day.weekday() for day, count in came if count > 0}
    return worked | {each for each in range(7) if each not in met and each not in WEEKEND}


def _alike(y: Sequence[float], mean: float) -> float:
    """How much a day is like the one before: the first autocorrelation, between 0 and 0.8."""
    spread = sum((each - mean) ** 2 for each in y)
    if spread == 0:
        return 0.0
    together = sum((one - mean) * (other - mean) for one, other in pairwise(y))
    return min(max(together / spread, 0.0), MOST_RHO)
