"""Likely duplicates among some children: looked up by the keys of their names, then judged pair by pair."""

from __future__ import annotations

from array import array
from bisect import bisect_left
from collections import Counter
from collections.abc import Sequence, Set
from datetime import date
from itertools import groupby

import msgspec

from rightlevel.programme.duplicates.names import look_up_keys
from rightlevel.programme.duplicates.scoring import THRESHOLD, Child, Likeness, likeness_of, sounds_like

MOST_UNDER_A_KEY = 60
"""More children than this under one key say nothing: the pair is found under another, or both are among very many namesakes."""


class Pair(msgspec.Struct, frozen=True):
    """Two children who may be one; the first has the smaller id."""

    first_id: str
    second_id: str
    likeness: Likeness


class Found(msgspec.Struct, frozen=True):
    """Likely duplicates, the likeliest first. `not_examined`: keys that too many children share to be looked at. `total`: how many pairs there are."""

    pairs: tuple[Pair, ...]
    not_examined: int
    total: int


def find_pairs(
    children: Sequence[Child],
    *,
    today: date,
    threshold: float = THRESHOLD,
    own: frozenset[str] | None = None,
    apart: Set[tuple[str, str]] = frozenset(),
    most: int | None = None,
) -> Found:
    """The likely pairs, all or the likeliest `most`; with `own`, pairs with at least one of these children. `apart` are left out.

    *Cost*: grows with the children and with the pairs that share a key, not with all pairs; a third of a second for 1,200 children with few names among them.
    Beside the children it holds some 300 bytes for each, and `most` pairs: 5 MB for a school of 5,000.
    """
    keys = _Keys(children)
    alike = Counter(sounds_like(child.name) for child in children)
    best = _Best(most)
    for first, one in enumerate(children):
        for second in keys.after(first):
            other = children[second]
            if own is not None and one.id not in own and other.id not in own:
                continue
            around = max(alike[sounds_like(one.name)], alike[sounds_like(other.name)])
            likeness = likeness_of(one, other, namesakes=max(around - 2, 0), today=today, at_least=threshold)
            if likeness is None or likeness.weight < threshold:
                continue
            pair = Pair(min(one.id, other.id), max(one.id, other.id), likeness)
            if (pair.first_id, pair.second_id) not in apart:
                best.add(pair)
    return Found(tuple(best.sorted()), keys.crowded, best.total)


class _Best:
    """The likeliest of the pairs that come by: never more than four times as many as are wanted."""

    def __init__(self, most: int | None) -> None:
        self._most = most
        self._pairs: list[Pair] = []
        self.total = 0

    def add(self, pair: Pair) -> None:
        self.total += 1
        self._pairs.append(pair)
        if self._most is not None and len(self._pairs) > 4 * self._most:
            self._pairs = self.sorted()

    def sorted(self) -> list[Pair]:
        found = sorted(self._pairs, key=lambda pair: (-pair.likeness.weight, pair.first_id, pair.second_id))
        return found if self._most is None else found[: self._most]


KEY_BITS = 44
NUMBER_BITS = 19
"""Half a million children may be numbered; two of the 150,000 keys of 5,000 children share 44 bits once in a thousand schools, and then a pair more is compared."""


class _Keys:
    """Which children share a look-up key, as two arrays of numbers: as text, in lists under a dict, the same took 30 MB for 2,500 children."""

    def __init__(self, children: Sequence[Child]) -> None:
        if len(children) >= 1 << NUMBER_BITS:
            raise ValueError("more children than can be compared")
        mask = (1 << KEY_BITS) - 1
        number_mask = (1 << NUMBER_BITS) - 1
        keyed = array("Q")
        for number, child in enumerate(children):
            keyed.extend(((hash(key) & mask) << NUMBER_BITS) | number for key in look_up_keys(child.name))
        members, starts, groups_of = array("I"), array("I", [0]), array("Q")
        self.crowded = 0
        for _, group in groupby(sorted(keyed), key=lambda each: each >> NUMBER_BITS):
            numbers = [each & number_mask for each in group]
            if len(numbers) > MOST_UNDER_A_KEY:
                self.crowded += 1
            elif len(numbers) >= 2:
                groups_of.extend((number << 32) | (len(starts) - 1) for number in numbers[:-1])
                members.extend(numbers)
                starts.append(len(members))
        self._members, self._starts = members, starts
        self._groups_of = array("Q", sorted(groups_of))

    def after(self, number: int) -> list[int]:
        """The children with a higher number who share a key with this one, each once, in order."""
        found: set[int] = set()
        at = bisect_left(self._groups_of, number << 32)
        while at < len(self._groups_of) and self._groups_of[at] >> 32 == number:
            group = self._groups_of[at] & 0xFFFF_FFFF
            found.update(self._members[self._starts[group] : self._starts[group + 1]])
            at += 1
        return sorted(each for each in found if each > number)
