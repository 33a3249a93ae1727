"""Movement: what came of the same children between two rounds, and the arithmetic from counts to shares with their intervals."""

from __future__ import annotations

from datetime import date
from math import sqrt
from typing import Literal, get_args

import msgspec

from rightlevel.programme.figures import FigureQuery, Figures
from rightlevel.programme.verification.agreement import LEAST_SHOWN, Z_95, Interval, share

Fate = Literal[
    "improved", "same", "declined", "tested", "absent", "refused", "left", "gone", "moved", "to_do"
]
"""What came of a child in the later round: tested again and higher, as high or lower, or `tested`
where the two rounds are measured by scales with other rungs; a result that is no level; or none, because it left
the programme (`gone`), is at another school now (`moved`), or is still to be tested (`to_do`)."""
FATES: tuple[Fate, ...] = get_args(Fate)
MOST_WEEKS = 104


class MovementQuery(FigureQuery, frozen=True, kw_only=True):
    """Whose movement: the children who were assessed in a round (`round_id`), and what came of them in a later one (`later_round_id`).

    Place, school, grade and sex are those of the first round. A class or a group (who is in it now) may be chosen in place of them.
    """

    later_round_id: int
    class_id: int | None = None
    group_id: int | None = None


class MovedChildrenQuery(MovementQuery, frozen=True, kw_only=True):
    """Which children of a school, class or group: all, those of one fate, those who were at a rank, or came to one."""

    fate: str | None = None
    from_rank: int | None = None
    to_rank: int | None = None


class StillQuery(msgspec.Struct, frozen=True):
    """Which children stand still: of a school and subject, who have not risen above their level for so many weeks."""

    school_id: int
    subject: str
    weeks: int = 6


class Line(msgspec.Struct, frozen=True):
    """The children who were at a rank in the first round, by what came of them in the later one; those without a result are in none."""

    from_rank: int
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

    @property
    def ranks(self) -> tuple[int, ...]:
        return msgspec.structs.astuple(self)[4:]


class MovementRow(msgspec.Struct, frozen=True):
    """The children at one level in the first round (`n` of them): how many came to each level (`to`, from rank 1), and what became of the rest."""

    rank: int
    code: str
    name: str
    colour: str
    n: int | None
    to: list[int] | None
    matched: int | None
    absent: int | None
    refused: int | None
    left: int | None
    without_result: int | None


class Movement(msgspec.Struct, frozen=True):
    """The same children in two rounds, beside all children of each (`earlier`, `later`).

    `matched` were assessed in both, and the shares and `mean_shift` (in levels) are of them, with their 95 % intervals (Wilson; Student's t).
    `attrition` is the share of those assessed in the first round who have no level in the later one: absent, refused, left, or without a
    result. Below 10 matched children (`is_few`) no share is told. `holds_different_children` says that the rounds side by side are not the
    same children. Those who may not see small cells are told `matched`, what became of them and `attrition` at most (`is_withheld`); the rest is
    None, and all of it where it or a subtraction would tell of fewer than 10 children.
    """

    earlier: Figures
    later: Figures
    rows: list[MovementRow]
    assessed: int | None
    matched: int | None
    improved: int | None
    same: int | None
    declined: int | None
    absent: int | None
    refused: int | None
    left: int | None
    without_result: int | None
    attrition: float | None
    improved_share: Interval | None = None
    same_share: Interval | None = None
    declined_share: Interval | None = None
    mean_shift: Interval | None = None
    is_few: bool = False
    holds_different_children: bool | None = None
    is_withheld: bool = False
    has_other_ladder: bool = False
    """Whether the two rounds are measured by scales with other rungs. Then nobody is said to have improved, stayed or declined; the rows still say
    who of each level of the first came to which of the later one."""


class MovementSlice(msgspec.Struct, frozen=True):
    """The movement of one grade or sex."""

    key: str
    movement: Movement


class UnitMovement(msgspec.Struct, frozen=True):
    """The movement of one place or school below another place."""

    is_school: bool
    id: int
    code: str
    name_local: str
    name_latin: str
    is_closed: bool
    movement: Movement


class MovedChild(msgspec.Struct, frozen=True):
    """One child with its level in both rounds. Where one waits for a blind re-test, levels and fate are None to those who might do it."""

    student_id: str
    code: str
    name: str
    sex: int
    grade: int
    class_id: int | None
    from_level: str | None
    to_level: str | None
    fate: str | None
    tested_on: date | None
    is_blind: bool


class StillChild(msgspec.Struct, frozen=True):
    """A child that is no higher than it was so many weeks ago: its level then and now, and how often it came to a lesson between."""

    student_id: str
    code: str
    name: str
    grade: int
    class_id: int | None
    level: str
    level_before: str
    before_on: date
    tested_on: date
    sessions: int
    minutes: int


class Dose(msgspec.Struct, frozen=True):
    """Lessons between the two tests of those who improved, stayed or declined: to how many the children came in the mean, of those marked at all.

    `mean_sessions` and `mean_minutes` are None where nobody was marked.
    """

    fate: str
    children: int
    marked: int
    mean_sessions: float | None
    mean_minutes: float | None


def movement_of(lines: list[Line], earlier: Figures, later: Figures) -> Movement:
    """The movement that counts say: `lines` of the same children, beside all children of both rounds."""
    known = {line.from_rank: line for line in lines}
    rows: list[MovementRow] = []
    for level in earlier.levels:
        line = known.get(level.rank) or Line(level.rank, *([0] * 12))
        n, matched = level.count or 0, sum(line.ranks)
        rows.append(
            MovementRow(
                rank=level.rank,
                code=level.code,
                name=level.name,
                colour=level.colour,
                n=n,
                to=list(line.ranks[: len(later.levels)]),
                matched=matched,
                absent=line.absent,
                refused=line.refused,
                left=line.went,
                without_result=n - matched - line.absent - line.refused - line.went,
            )
        )
    shifts = [
        (to_rank - row.rank, count) for row in rows for to_rank, count in enumerate(row.to or (), start=1)
    ]
    n = sum(count for _, count in shifts)
    improved = sum(count for shift, count in shifts if shift > 0)
    declined = sum(count for shift, count in shifts if shift < 0)
    assessed = earlier.assessed or 0
    is_few = n < LEAST_SHOWN
    found = Movement(
        earlier=earlier,
        later=later,
        rows=rows,
        assessed=assessed,
        matched=n,
        improved=improved,
        same=n - improved - declined,
        declined=declined,
        absent=sum(line.absent for line in lines),
        refused=sum(line.refused for line in lines),
        left=sum(line.went for line in lines),
        without_result=sum(row.without_result or 0 for row in rows),
        attrition=None if assessed == 0 else (assessed - n) / assessed,
        improved_share=None if is_few else share(improved, n),
        same_share=None if is_few else share(n - improved - declined, n),
        declined_share=None if is_few else share(declined, n),
        mean_shift=None if is_few else mean_of(shifts),
        is_few=is_few,
        holds_different_children=n < max(assessed, later.assessed or 0),
    )
    return across_ladders(found) if have_other_ladders(earlier, later) else found


def have_other_ladders(earlier: Figures, later: Figures) -> bool:
    """Whether two rounds are measured by scales with other rungs: then no level of one is higher or lower than one of the other."""
    return [each.code for each in earlier.levels] != [each.code for each in later.levels]


def across_ladders(movement: Movement) -> Movement:
    """A movement between two ladders: who was tested again and who was not, and nothing of who rose."""
    return msgspec.structs.replace(
        movement,
        improved=None,
        same=None,
        declined=None,
        improved_share=None,
        same_share=None,
        declined_share=None,
        mean_shift=None,
        has_other_ladder=True,
    )


def mean_of(values: list[tuple[int, int]]) -> Interval:
    """The mean of values that each occur so often, with Student's 95 % interval. At least two values in all."""
    n = sum(count for _, count in values)
    mean = sum(value * count for value, count in values) / n
    variance = sum(count * (value - mean) ** 2 for value, count in values) / (n - 1)
    half = student_t(n - 1) * sqrt(variance / n)
    return Interval(mean, mean - half, mean + half)


def student_t(degrees: int) -> float:
    """The 97.5 % quantile of Student's t; within 0.00001 of it from 9 degrees of freedom on.

    *Source*: Abramowitz and Stegun, Handbook of Mathematical Functions, 26.7.5 (Cornish-Fisher expansion).
    """
    z, v = Z_95, float(degrees)
    terms = (
        (z**3 + z) / 4 / v,
        (5 * z**5 + 16 * z**3 + 3 * z) / 96 / v**2,
        (3 * z**7 + 19 * z**5 + 17 * z**3 - 15 * z) / 384 / v**3,
        (79 * z**9 + 776 * z**7 + 1482 * z**5 - 1920 * z**3 - 945 * z) / 92160 / v**4,
    )
    return z + sum(terms)


def withheld(movement: Movement) -> Movement:
    """The movement without any number."""
    nothing = dict.fromkeys(("n", "to", "matched", "absent", "refused", "left", "without_result"))
    return msgspec.structs.replace(
        movement,
        rows=[msgspec.structs.replace(row, **nothing) for row in movement.rows],
        **dict.fromkeys(
            (
                "assessed",
                "matched",
                "improved",
                "same",
                "declined",
                "absent",
                "refused",
                "left",
                "without_result",
                "attrition",
                "improved_share",
                "same_share",
                "declined_share",
                "mean_shift",
                "holds_different_children",
            )
        ),
        is_withheld=True,
    )
