"""Which schools work which way: decided by a hash of seed and school, half of each stratum, so that the same seed draws the same anywhere."""

from __future__ import annotations

from hashlib import sha256

import msgspec

LEAST_SCHOOLS = 12
"""Of fewer no difference could be told from chance."""
MOST_SCHOOLS = 10_000
MAX_SEED = 2**53 - 1
"""The largest whole number that a JSON reader everywhere keeps."""


class Eligible(msgspec.Struct, frozen=True):
    """A school that may be drawn, and the stratum (a place's id) that it is drawn in."""

    id: int
    stratum_id: int


class Drawn(msgspec.Struct, frozen=True):
    """A school and the way that it works."""

    id: int
    stratum_id: int
    is_b: bool


def draw(schools: list[Eligible], seed: int) -> list[Drawn]:
    """Each school with its way, by stratum and id. In each stratum half work each way; the odd ones are dealt out in turn, so that the two ways
    differ by one school at most.
    """
    strata: dict[int, list[int]] = {}
    for each in schools:
        strata.setdefault(each.stratum_id, []).append(each.id)
    odd_is_b = _order(seed, "first", 0)[0] % 2 == 0
    drawn: list[Drawn] = []
    for stratum_id in sorted(strata, key=lambda each: _order(seed, "stratum", each)):
        ids = sorted(strata[stratum_id], key=lambda each: _order(seed, "school", each))
        half = len(ids) // 2
        of_b = set(ids[:half])
        if len(ids) % 2:
            if odd_is_b:
                of_b.add(ids[half])
            odd_is_b = not odd_is_b
        drawn += [Drawn(each, stratum_id, each in of_b) for each in sorted(ids)]
    return sorted(drawn, key=lambda each: (each.stratum_id, each.id))


def _order(seed: int, sort: str, number: int) -> bytes:
    return sha256(f"{seed}:{sort}:{number}".encode()).digest()
