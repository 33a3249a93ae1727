"""Figures: definitions as data, and the arithmetic from counts to shares. Nothing is invented: no children, no share."""

from __future__ import annotations

from collections.abc import Iterable
from datetime import date, datetime
from typing import Literal, get_args

import msgspec

from rightlevel.programme.levels import SCALES, Scale
from rightlevel.programme.permissions import Subject
from rightlevel.programme.results import TestingStatus

Boundaries = Literal["then", "today"]
"""By which districts a school is counted: where it stood when the round's roll was fixed, or where it stands today."""
BOUNDARIES: tuple[Boundaries, ...] = get_args(Boundaries)


class FigureQuery(msgspec.Struct, frozen=True):
    """Which children are meant: a round and subject, somewhere (or everywhere in reach), of a grade or sex; by the districts of then or of today."""

    round_id: int
    subject: str
    place_id: int | None = None
    school_id: int | None = None
    grade: int | None = None
    sex: int | None = None
    boundaries: str = "then"


class BehindQuery(msgspec.Struct, frozen=True):
    """Which children of a school stand behind a figure: those at a rank, of an outcome, or without a result (`missing`)."""

    round_id: int
    subject: str
    school_id: int
    grade: int | None = None
    sex: int | None = None
    rank: int | None = None
    outcome: str | None = None


class IndicatorDefinition(msgspec.Struct, frozen=True):
    """What an indicator counts: children at these ranks or above (or below), of those assessed."""

    code: str
    subject: Subject
    name: str
    definition: str
    from_rank: int
    to_rank: int


INDICATORS: tuple[IndicatorDefinition, ...] = (
    IndicatorDefinition(
        code="reads_story",
        subject="language",
        name="Reads a story",
        definition="Children at the level story or above ÷ children assessed",
        from_rank=5,
        to_rank=9,
    ),
    IndicatorDefinition(
        code="paragraph_up",
        subject="language",
        name="Paragraph and up",
        definition="Children at the level paragraph or above ÷ children assessed",
        from_rank=4,
        to_rank=9,
    ),
    IndicatorDefinition(
        code="cannot_read_words",
        subject="language",
        name="Can't read words",
        definition="Children at the levels beginner and letters ÷ children assessed",
        from_rank=1,
        to_rank=2,
    ),
    IndicatorDefinition(
        code="does_division",
        subject="math",
        name="Does division",
        definition="Children at the level division or above ÷ children assessed",
        from_rank=5,
        to_rank=9,
    ),
    IndicatorDefinition(
        code="subtraction_up",
        subject="math",
        name="Subtraction and up",
        definition="Children at the level subtraction or above ÷ children assessed",
        from_rank=4,
        to_rank=9,
    ),
)
"""*Source*: product.md section 7; `reads_story`, `does_division` and `subtraction_up` are ASER's headlines."""


def indicators_of(scale: Scale) -> tuple[IndicatorDefinition, ...]:
    """What figures tell of a scale: of the program's own as it always was, of another the same three by the rungs that it names."""
    if not scale.is_own:
        return tuple(each for each in INDICATORS if each.subject == scale.subject)
    names = {level.code: level.name for level in scale.levels}
    goal, near, low = scale.goal, scale.near, scale.low
    return (
        _above("goal_up", scale, goal, names[goal]),
        *((_above("near_up", scale, near, names[near]),) if near != goal else ()),
        IndicatorDefinition(
            code="low",
            subject=scale.subject,
            name=f"{names[low]} and below",
            definition=f"Children at the level {low} or below ÷ children assessed",
            from_rank=1,
            to_rank=scale.ranks[low],
        ),
    )


def _above(code: str, scale: Scale, level: str, name: str) -> IndicatorDefinition:
    return IndicatorDefinition(
        code=code,
        subject=scale.subject,
        name=f"{name} and up",
        definition=f"Children at the level {level} or above ÷ children assessed",
        from_rank=scale.ranks[level],
        to_rank=9,
    )


class Counts(msgspec.Struct, frozen=True):
    """Children by outcome and rank, and how many are enrolled."""

    absent: int
    refused: int
    went: int
    rank_1: int
    rank_2: int
    rank_3: int
    rank_4: int
    rank_5: int
    rank_6: int
    rank_7: int
    rank_8: int
    rank_9: int
    enrolled: int

    @property
    def ranks(self) -> tuple[int, ...]:
        return (
            self.rank_1,
            self.rank_2,
            self.rank_3,
            self.rank_4,
            self.rank_5,
            self.rank_6,
            self.rank_7,
            self.rank_8,
            self.rank_9,
        )

    @property
    def assessed(self) -> int:
        return sum(self.ranks)


class LevelCount(msgspec.Struct, frozen=True):
    """Children at exactly one level; `share` is of those assessed, None where nobody was. Both are None where they are withheld."""

    rank: int
    code: str
    name: str
    colour: str
    count: int | None
    share: float | None


class Indicator(msgspec.Struct, frozen=True):
    """One indicator with its definition, what it counts and of how many; `share` is None where the denominator is none.

    What is withheld is None.
    """

    code: str
    name: str
    definition: str
    numerator: int | None
    denominator: int | None
    share: float | None


class Figures(msgspec.Struct, frozen=True):
    """Everything known of one choice of children. `assessed` is n; `coverage` is assessed ÷ enrolled.

    `enrolled` counts the children's seats in the round; it is assessed + absent + refused + left + `to_do`, always.
    To those who may not see small cells a count is None, and `is_withheld` true, where it or a subtraction would tell of fewer than 10 children.
    """

    assessed: int | None
    absent: int | None
    refused: int | None
    left: int | None
    to_do: int | None
    enrolled: int | None
    coverage: float | None
    levels: list[LevelCount]
    indicators: list[Indicator]
    is_withheld: bool = False

    @property
    def status(self) -> TestingStatus | None:
        """How far testing is, or None where some of it is withheld."""
        parts = (self.assessed, self.absent, self.refused, self.left, self.to_do)
        known = [each for each in parts if each is not None]
        return TestingStatus(*known) if len(known) == len(parts) else None


class Slice(msgspec.Struct, frozen=True):
    """The figures of one grade, one sex or one round."""

    key: str
    label: str
    figures: Figures


class UnitFigures(msgspec.Struct, frozen=True):
    """The figures of one place or school below another place. A closed one is there where it stood in the round."""

    is_school: bool
    id: int
    code: str
    name_local: str
    name_latin: str
    is_closed: bool
    figures: Figures


class MovedSchool(msgspec.Struct, frozen=True):
    """A school that a round counts where it stood then, and that stands elsewhere today."""

    school_id: int
    school_name: str
    then_id: int
    then_name: str
    now_id: int
    now_name: str
    moved_at: datetime


class MovedSchools(msgspec.Struct, frozen=True):
    """How many schools a round counts elsewhere than where they stand today, and the first of them."""

    total: int
    schools: list[MovedSchool]


class ChildBehind(msgspec.Struct, frozen=True):
    """One child behind a figure. Whoever has to test it again without knowing its level (`is_blind`) isn't told it."""

    student_id: str
    code: str
    name: str
    sex: int
    grade: int
    class_id: int | None
    outcome: str | None
    level: str | None
    tested_on: date | None
    is_blind: bool


def hold_different_ladders(slices: Iterable[Slice]) -> bool:
    """Whether rounds side by side are measured by scales with other rungs, so that a rank of one is none of another."""
    return len({tuple(level.code for level in each.figures.levels) for each in slices}) > 1


def hold_different_children(slices: Iterable[Slice]) -> bool:
    """Whether rounds side by side certainly hold different children: more were tested in one than in another.

    Where as many were tested they may still be others; only figures of the same children say how children moved.
    """
    return (
        len({each.figures.assessed for each in slices if each.figures.assessed}) > 1
    )  # what is withheld tells nothing


def share_of(part: int, whole: int) -> float | None:
    """part ÷ whole, or None where there is nothing to divide by."""
    return part / whole if whole > 0 else None


def figures_of(counts: Counts, subject: Subject, scale: Scale | None = None) -> Figures:
    """The figures that follow from counts, by the scale of their round; by the program's own where none is told."""
    scale = scale or SCALES[subject]
    assessed = counts.assessed
    levels = [
        LevelCount(
            rank=level.rank,
            code=level.code,
            name=level.name,
            colour=level.colour,
            count=counts.ranks[level.rank - 1],
            share=share_of(counts.ranks[level.rank - 1], assessed),
        )
        for level in scale.levels
    ]
    indicators: list[Indicator] = []
    for each in indicators_of(scale):
        numerator = sum(counts.ranks[each.from_rank - 1 : each.to_rank])
        indicators.append(
            Indicator(
                code=each.code,
                name=each.name,
                definition=each.definition,
                numerator=numerator,
                denominator=assessed,
                share=share_of(numerator, assessed),
            )
        )
    return Figures(
        assessed=assessed,
        absent=counts.absent,
        refused=counts.refused,
        left=counts.went,
        to_do=counts.enrolled - assessed - counts.absent - counts.refused - counts.went,
        enrolled=counts.enrolled,
        coverage=share_of(assessed, counts.enrolled),
        levels=levels,
        indicators=indicators,
    )
