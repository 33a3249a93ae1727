"""Small cells: what may be told to somebody who must not learn of fewer than ten children, by no subtraction either.

One chain of details, each telling apart more than the one before: everybody on the roll, then tested or not, then the bands of the indicators, then
levels, then sexes, then grades, then outcomes. Every unit (a place, a school) is told up to one detail of this chain, never more than what it hangs
on, and only where each cell of that detail is empty or holds ten children. What a place is told in and some units on it are not is what a
subtraction leaves: those units together must be empty or ten in each cell too, or the smallest of the others is kept back with them.

Why no sum or difference of released numbers comes out at one to nine children: at each detail the released numbers are sums over blocks of schools;
the blocks grow (never overlap) as the cells become finer. A set of children whose number follows from such numbers is a union of released cells.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping
from enum import IntEnum
from itertools import pairwise
from typing import Any

import msgspec

from rightlevel.programme.figures.model import Counts, Figures, indicators_of
from rightlevel.programme.levels import SCALES, Scale
from rightlevel.programme.permissions import Subject

FEWEST = 10
"""A cell of fewer children is small. *Source*: product.md section 7."""


class Detail(IntEnum):
    """How far a unit's children are told apart; each step holds the ones before."""

    NOTHING = 0
    ROLL = 1
    TESTED = 2
    BANDS = 3
    LEVELS = 4
    SEXES = 5
    GRADES = 6
    OUTCOMES = 7


class Cell(msgspec.Struct, frozen=True):
    """The children of one grade and sex of a unit."""

    grade: int
    sex: int
    counts: Counts


Unit = tuple[Cell, ...]
UnitKey = tuple[bool, int]
"""Whether it is a school, and its id."""
Parts = Counter[tuple[int, int, str]]


def detail_of_all(whole: Iterable[Cell], scale: Scale | Subject) -> Detail:
    """How far everybody together is told apart: as far as no cell is small."""
    cells = tuple(whole)
    reached = Detail.NOTHING
    for detail in list(Detail)[1:]:
        if not is_safe(_parts(cells, detail, scale)):
            break
        reached = detail
    return reached


def details_below(
    whole: Iterable[Cell], detail: Detail, units: Mapping[UnitKey, Unit], scale: Scale | Subject
) -> dict[UnitKey, Detail]:
    """How far each unit is told apart, of a whole that is told to a detail. What the whole counts and no unit does counts as kept back.

    *Cost*: details × cells of all units; where the smallest must be kept back, no more.
    """
    all_cells = tuple(whole)
    found = dict.fromkeys(units, Detail.NOTHING)
    shown = sorted(units, key=lambda key: sum(cell.counts.enrolled for cell in units[key]))
    for step in list(Detail)[1 : detail + 1]:
        parts = {key: _parts(units[key], step, scale) for key in shown}
        shown = [key for key in shown if is_safe(parts[key])]
        rest = _parts(all_cells, step, scale)
        for key in shown:
            rest.subtract(parts[key])
        while shown and not is_safe(rest):
            rest.update(parts[shown.pop(0)])
        found.update(dict.fromkeys(shown, step))
    return found


def withhold(figures: Figures, detail: Detail, *, grade: int | None, sex: int | None) -> Figures:
    """The figures of a choice of a unit's children with only what its detail lets be told; the rest, shares too, is None."""
    floor = Detail.GRADES if grade is not None else Detail.SEXES if sex is not None else Detail.NOTHING
    told = detail if detail >= floor else Detail.NOTHING
    if told is Detail.OUTCOMES:
        return figures
    hidden = msgspec.structs.replace(
        figures, is_withheld=True, absent=None, refused=None, left=None, to_do=None
    )
    if told < Detail.LEVELS:
        levels = [msgspec.structs.replace(each, count=None, share=None) for each in figures.levels]
        hidden = msgspec.structs.replace(hidden, levels=levels)
    if told < Detail.BANDS:
        unknown = [
            msgspec.structs.replace(
                each,
                numerator=None,
                share=None,
                denominator=each.denominator if told >= Detail.TESTED else None,
            )
            for each in figures.indicators
        ]
        hidden = msgspec.structs.replace(hidden, indicators=unknown)
    if told < Detail.TESTED:
        hidden = msgspec.structs.replace(hidden, assessed=None, coverage=None)
    return hidden if told >= Detail.ROLL else msgspec.structs.replace(hidden, enrolled=None)


def is_safe(parts: Mapping[Any, int]) -> bool:
    """Whether no cell holds one to nine children."""
    return all(count == 0 or count >= FEWEST for count in parts.values())


def _parts(cells: Iterable[Cell], detail: Detail, scale: Scale | Subject) -> Parts:
    """How many children stand in each cell of a detail."""
    parts: Parts = Counter()
    for cell in cells:
        grade = cell.grade if detail >= Detail.GRADES else 0
        sex = cell.sex if detail >= Detail.SEXES else 0
        for name, count in _statuses(cell.counts, detail, scale):
            parts[grade, sex, name] += count
    return parts


def _statuses(counts: Counts, detail: Detail, scale: Scale | Subject) -> list[tuple[str, int]]:
    if detail is Detail.ROLL:
        return [("roll", counts.enrolled)]
    without = counts.enrolled - counts.assessed
    if detail is Detail.TESTED:
        return [("tested", counts.assessed), ("not tested", without)]
    if detail is Detail.BANDS:
        edges = _edges(scale)
        bands = [(f"band {low}", sum(counts.ranks[low - 1 : high - 1])) for low, high in pairwise(edges)]
        return [*bands, ("not tested", without)]
    ranks = [(f"rank {rank}", count) for rank, count in enumerate(counts.ranks, start=1)]
    if detail < Detail.OUTCOMES:
        return [*ranks, ("not tested", without)]
    to_do = without - counts.absent - counts.refused - counts.went
    return [
        *ranks,
        ("absent", counts.absent),
        ("refused", counts.refused),
        ("left", counts.went),
        ("to do", to_do),
    ]


def _edges(scale: Scale | Subject) -> list[int]:
    """Where the bands of a scale's indicators begin, and 10 after the last."""
    mine = indicators_of(scale if isinstance(scale, Scale) else SCALES[scale])
    return sorted({1, 10, *(each.from_rank for each in mine), *(each.to_rank + 1 for each in mine)})
