"""What a review pack holds."""

from __future__ import annotations

from datetime import date

import msgspec

from rightlevel.programme.comparison import Compared, Comparison
from rightlevel.programme.figures import Figures, Slice
from rightlevel.programme.movement import Movement
from rightlevel.programme.permissions import Subject
from rightlevel.programme.verification import Agreement
from rightlevel.programme.visits import FollowUp, MonthOfVisits


class ReviewQuery(msgspec.Struct, frozen=True):
    """Of which place and round; `earlier_round_id` is what the same children are compared with, where there is one."""

    place_id: int
    round_id: int
    earlier_round_id: int | None = None


class ReviewSubject(msgspec.Struct, frozen=True):
    """One subject: the round's figures, the year's rounds side by side, the same children, and the units below the place by three measures.

    `headline` is the share that can do what a child of the grades should: reads a story, does division.
    """

    subject: Subject
    figures: Figures
    rounds: list[Slice]
    movement: Movement | None
    coverage: Comparison
    headline: Comparison
    improved: Comparison | None
    agreement: Agreement | None

    def lowest(self, comparison: Comparison, most: int) -> list[Compared]:
        """Those with the lowest value of which one is told, the lowest first."""
        told = [each for each in comparison.units if each.estimate is not None]
        return told[: -most - 1 : -1]


class ReviewPack(msgspec.Struct, frozen=True):
    """What a meeting needs, as of a day: open actions (the most urgent first; `has_more_actions` says that there are others), how many of them are
    overdue, visits by month, and both subjects.
    """

    place_name: str
    as_of: date
    actions: list[FollowUp]
    has_more_actions: bool
    overdue: int
    months: list[MonthOfVisits]
    subjects: list[ReviewSubject]
