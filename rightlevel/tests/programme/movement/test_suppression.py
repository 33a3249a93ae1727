"""Attacks what a viewer is told of the same children: with the figures of both rounds, added and subtracted in every way."""

from __future__ import annotations

import random
from collections.abc import Iterable

import pytest
from linear_span import Span

from rightlevel.programme.figures.model import Counts
from rightlevel.programme.figures.suppression import (
    FEWEST,
    Cell,
    Detail,
    detail_of_all,
    details_below,
    is_safe,
)
from rightlevel.programme.movement.model import Line
from rightlevel.programme.movement.suppression import Parts, parts_of, units_told

Way = tuple[int, int, int]
"""A school, the level in the first round (0: not assessed in it) and in the later one."""
DISTRICTS = {1: (1, 2, 3), 2: (4, 5, 6)}
SCHOOLS = (1, 2, 3, 4, 5, 6)
RANKS = range(8)
FATES = {
    "improved": lambda k, r: k and r > k,
    "same": lambda k, r: k and r == k,
    "declined": lambda k, r: k and 0 < r < k,
    "not again": lambda k, r: k and not r,
    "new": lambda k, r: not k and r,
}
Truth = dict[Way, int]
Released = list[tuple[frozenset[Way], int]]


def programme(chance: random.Random) -> Truth:
    """Six schools whose children move between few levels, so that many cells are small or empty."""
    truth: Truth = {}
    levels = sorted(chance.sample(range(1, 8), 3))
    for school in SCHOOLS:
        for k in (0, *levels):
            for r in (0, *levels):
                if (k or r) and chance.random() < 0.6:
                    truth[school, k, r] = chance.choice((0, 0, 2, 8, 12, 15, 20, 40))
    return truth


def counts(truth: Truth, schools: Iterable[int], *, later: bool) -> Counts:
    ranks = [0] * 10
    for (school, k, r), n in truth.items():
        if school in schools:
            ranks[r if later else k] += n
    return Counts(0, 0, 0, *ranks[1:], sum(ranks[1:]))


def parts(truth: Truth, schools: tuple[int, ...]) -> Parts:
    lines = []
    for k in range(1, 8):
        to = [
            sum(n for (s, a, b), n in truth.items() if s in schools and (a, b) == (k, r))
            for r in range(1, 10)
        ]
        lines.append(Line(k, 0, 0, 0, *to))
    return parts_of(lines, counts(truth, schools, later=False), counts(truth, schools, later=True), 7)


def ways(schools: Iterable[int], keeps: object) -> frozenset[Way]:
    return frozenset((s, k, r) for s in schools for k in RANKS for r in RANKS if keeps(k, r))  # type: ignore[operator]


def figures_told(truth: Truth, *, later: bool) -> Released:
    """What the figures of one round tell of the country, its districts and schools."""
    told: Released = []

    def unit(schools: tuple[int, ...]) -> tuple[Cell, ...]:
        return (Cell(3, 1, counts(truth, schools, later=later)),)

    def tell(schools: tuple[int, ...], detail: Detail) -> None:
        found = counts(truth, schools, later=later)
        if detail >= Detail.TESTED:
            told.append((ways(schools, lambda k, r: (r if later else k) > 0), found.assessed))
        if detail >= Detail.LEVELS:
            for rank, n in enumerate(found.ranks[:7], start=1):
                told.append((ways(schools, lambda k, r, rank=rank: (r if later else k) == rank), n))

    whole = detail_of_all(unit(SCHOOLS), "language")
    tell(SCHOOLS, whole)
    districts = {(False, number): unit(schools) for number, schools in DISTRICTS.items()}
    of_districts = details_below(unit(SCHOOLS), whole, districts, "language")
    for number, schools in DISTRICTS.items():
        detail = of_districts[False, number]
        tell(schools, detail)
        below = {(True, school): unit((school,)) for school in schools}
        for (_, school), of_school in details_below(unit(schools), detail, below, "language").items():
            tell((school,), of_school)
    return told


def movement_told(truth: Truth) -> list[tuple[int, ...]]:
    """The country, districts and schools whose movement is told."""
    if not is_safe(parts(truth, SCHOOLS)):
        return []
    found: list[tuple[int, ...]] = [SCHOOLS]
    districts = {(False, number): parts(truth, schools) for number, schools in DISTRICTS.items()}
    for _, number in units_told(parts(truth, SCHOOLS), districts):
        schools = DISTRICTS[number]
        found.append(schools)
        below = {(True, school): parts(truth, (school,)) for school in schools}
        found += [(school,) for _, school in units_told(parts(truth, schools), below)]
    return found


def numbers_of(truth: Truth, told: Iterable[tuple[int, ...]]) -> Released:
    released: Released = []
    for schools in told:
        for keeps in FATES.values():
            if keeps is FATES["new"]:
                continue
            cells = ways(schools, keeps)
            released.append((cells, sum(truth.get(cell, 0) for cell in cells)))
    return released


def small_ones(truth: Truth, released: Released) -> set[frozenset[Way]]:
    """The choices of one to nine children (a unit × a way from level to level, or × what became of them) whose number follows."""
    span = Span(released)
    found: set[frozenset[Way]] = set()
    for schools in (SCHOOLS, *DISTRICTS.values(), *((school,) for school in SCHOOLS)):
        choices = [ways(schools, keeps) for keeps in FATES.values()]
        choices += [
            ways(schools, lambda a, b, k=k, r=r: (a, b) == (k, r)) for k in RANKS for r in RANKS if k or r
        ]
        for cells in choices:
            n = sum(truth.get(cell, 0) for cell in cells)
            if 0 < n < FEWEST and span.tells(cells):
                found.add(cells)
    return found


def test_movement_tells_of_no_few_that_the_figures_of_both_rounds_do_not_tell() -> None:
    told_at_all = 0
    for seed in range(150):
        truth = programme(random.Random(seed))
        figures = figures_told(truth, later=False) + figures_told(truth, later=True)
        told = movement_told(truth)
        told_at_all += len(told)
        more = small_ones(truth, figures + numbers_of(truth, told)) - small_ones(truth, figures)
        assert not more, (seed, told, more)
    assert told_at_all >= 50


def test_without_complements_the_same_attack_finds_few() -> None:
    """Every unit with ten in each of its own cells told, whatever that leaves of the others."""
    for seed in range(150):
        truth = programme(random.Random(seed))
        figures = figures_told(truth, later=False) + figures_told(truth, later=True)
        units = [SCHOOLS, *DISTRICTS.values(), *((school,) for school in SCHOOLS)]
        told = [schools for schools in units if is_safe(parts(truth, schools))]
        if small_ones(truth, figures + numbers_of(truth, told)) - small_ones(truth, figures):
            return
    pytest.fail("the attack finds nothing")
