"""The sorts of days that people enter, each with the range in which such a day can lie: what is outside was mistyped.

A sort says its range once; whoever takes such a day asks it for the faults, on a page, over the API and in a file alike.
"""

from __future__ import annotations

from datetime import date, timedelta
from typing import Final

import msgspec

from rightlevel.programme.errors import Fault

SCHOOL_YEAR_DAYS: Final = 400
TEN_YEARS_DAYS: Final = 3_660
FIRST_DAY: Final = date(2000, 1, 1)
LAST_DAY: Final = date(2100, 12, 31)
"""Nothing of this programme lies before or after."""


class DaySort(msgspec.Struct, frozen=True):
    """How far a day may lie back and ahead of today, and what is said of one that lies further. *Units*: days."""

    back: int
    ahead: int
    too_early: str
    too_late: str

    def faults(self, field: str, day: date | None, today: date) -> list[Fault]:
        """What is wrong with a day; nothing of none."""
        if day is None:
            return []
        # Days are compared, never added to: the year 1 has no day before it.
        away = (day - today).days
        if away > self.ahead:
            return [Fault(field, self.too_late, day.isoformat())]
        return [Fault(field, self.too_early, day.isoformat())] if away < -self.back else []

    def earliest(self, today: date) -> date:
        return today - timedelta(days=self.back)

    def latest(self, today: date) -> date:
        return today + timedelta(days=self.ahead)


HAPPENED: Final = DaySort(SCHOOL_YEAR_DAYS, 0, "Not longer ago than a school year", "Not in the future")
"""Something that took place: a child left or moved, a guardian agreed, a quick re-test, a lesson, a school went into its new year."""
COMING: Final = DaySort(
    0, SCHOOL_YEAR_DAYS, "From today on, within 400 days", "From today on, within 400 days"
)
"""Something that is to be done: a planned visit, a follow-up."""
SEEN_FROM: Final = DaySort(
    SCHOOL_YEAR_DAYS, SCHOOL_YEAR_DAYS, "Within 400 days of today", "Within 400 days of today"
)
"""From when on something is shown: a sample of results."""
STANDING: Final = DaySort(
    TEN_YEARS_DAYS, TEN_YEARS_DAYS, "Within ten years of today", "Within ten years of today"
)
"""From when or until when something holds: an assignment, a special programme and who is in it."""
VISITED: Final = DaySort(TEN_YEARS_DAYS, 0, "Within ten years of today", "Not in the future")
"""A visit that was made; papers of earlier years are entered too."""
