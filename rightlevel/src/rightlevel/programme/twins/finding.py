"""Likely twins among some children: looked up by the keys of their names, then judged pair by pair."""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Iterable, Sequence
from datetime import date

import msgspec

from rightlevel.programme.twins.names import look_up_keys
from rightlevel.programme.twins.scoring import THRESHOLD, Child, Likeness, likeness_of, sounds_like

MOST_UNDER_A_KEY = 60
"""More children than this under one key say nothing: the pair is found under another, or both are among very many namesakes."""


class Pair(msgspec.Struct, frozen=True):
    """Two children who may be one; the first has the smaller id."""

    first_id: str
    second_id: str
    likeness: Likeness


class Found(msgspec.Struct, frozen=True):
    """Likely twins, the likeliest first. `not_examined`: keys that too many children share to be looked at."""

    pairs: tuple[Pair, ...]
    not_examined: int


def find_pairs(
    children: Sequence[Child], *, today: date, threshold: float = THRESHOLD, own: frozenset[str] | None = None
) -> Found:
    """Every likely pair; with `own`, pairs with at least one of these children.

    *Cost*: grows with the children and with the pairs that share a key, not with all pairs; a third of a second for 1,200 children with few names among them.
    """
    by_key: dict[str, list[int]] = defaultdict(list)
    for number, child in enumerate(children):
        for key in look_up_keys(child.name):
            by_key[key].append(number)
    alike = Counter(sounds_like(child.name) for child in children)
    crowded = sum(len(numbers) > MOST_UNDER_A_KEY for numbers in by_key.values())
    wanted = _candidates(
        (each for each in by_key.values() if 2 <= len(each) <= MOST_UNDER_A_KEY), children, own
    )
    pairs: list[Pair] = []
    for first, second in wanted:
        one, other = children[first], children[second]
        around = max(alike[sounds_like(one.name)], alike[sounds_like(other.name)])
        likeness = likeness_of(one, other, namesakes=max(around - 2, 0), today=today, at_least=threshold)
        if likeness is not None and likeness.weight >= threshold:
            pairs.append(Pair(min(one.id, other.id), max(one.id, other.id), likeness))
    pairs.sort(key=lambda pair: (-pair.likeness.weight, pair.first_id, pair.second_id))
    return Found(tuple(pairs), crowded)


def _candidates(
    groups: Iterable[list[int]], children: Sequence[Child], own: frozenset[str] | None
) -> set[tuple[int, int]]:
    wanted: set[tuple[int, int]] = set()
    for numbers in groups:
        for at, first in enumerate(numbers):
            for second in numbers[at + 1 :]:
                if own is None or children[first].id in own or children[second].id in own:
                    wanted.add((first, second))
    return wanted
