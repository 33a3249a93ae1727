"""Drawing children from shares: as exact as whole children allow, in an order that only the seed decides."""

from __future__ import annotations

import random
from collections.abc import Sequence
from typing import Final

MOVES: Final[tuple[tuple[float, ...], ...]] = (
    (52.0, 36.0, 9.0, 3.0, 0.0),
    (4.0, 51.0, 34.0, 9.0, 2.0),
    (1.0, 4.0, 52.0, 34.0, 9.0),
    (0.0, 1.0, 5.0, 58.0, 36.0),
    (0.0, 0.0, 1.0, 4.0, 95.0),
)
"""From each level (row) to each level (column), in per cent, between two rounds. Made up: about a third of the children move up
one level and a few fall back, which is what programmes of this kind hope for; it claims nothing about any real one."""


def apportion(shares: Sequence[float], total: int) -> list[int]:
    """Whole children for shares that sum to about 100, by largest remainder: each within one child of its exact share.

    *Source*: Hare-Niemeyer; ties go to the lower level.
    """
    whole = sum(shares)
    exact = [share * total / whole for share in shares]
    counts = [int(each) for each in exact]
    by_rest = sorted(range(len(shares)), key=lambda index: (counts[index] - exact[index], index))
    for index in by_rest[: total - sum(counts)]:
        counts[index] += 1
    return counts


def draw(shares: Sequence[float], total: int, chance: random.Random) -> list[int]:
    """A rank (1 is the lowest) for each of so many children, in an order of the seed's."""
    ranks = [rank for rank, count in enumerate(apportion(shares, total), 1) for _ in range(count)]
    chance.shuffle(ranks)
    return ranks


def move(ranks: Sequence[int], chance: random.Random) -> list[int]:
    """The ranks of the same children one round later, exactly as MOVES says for each level."""
    moved = list(ranks)
    for rank, shares in enumerate(MOVES, 1):
        here = [index for index, each in enumerate(ranks) if each == rank]
        for index, after in zip(here, draw(shares, len(here), chance), strict=True):
            moved[index] = after
    return moved


def moved_counts(counts: Sequence[int]) -> list[int]:
    """The counts by level one round later, without drawing anybody: what `move` will give."""
    after = [0] * len(MOVES)
    for count, shares in zip(counts, MOVES, strict=True):
        for index, moving in enumerate(apportion(shares, count)):
            after[index] += moving
    return after
