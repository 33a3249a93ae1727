"""How many connections an application has when all is well: told, read from its own pool, or seen over time; never guessed from ours."""

from __future__ import annotations

from typing import Final

from msgspec import Struct

from flatwater.doctor.look import Look
from flatwater.doctor.model import NotExamined

FEWEST_LOOKS: Final = 5
LEAST_SEEN_S: Final = 600.0
"""Five looks over ten minutes show what a service holds on an ordinary day; fewer show a moment."""
BEYOND: Final = 1.5
FEWEST_BEYOND: Final = 5
"""What was seen bounds loosely: a busier hour opens the rest of a pool. Half as many again, and five at least, is something new."""


class PoolSize(Struct, frozen=True):
    """The most connections of an application when all is well, and how that is known."""

    connections: int
    known_by: str
    is_told: bool
    """Whether its pool's own size is known. What was merely seen makes a warning, and ends nothing."""


def pool_size(look: Look) -> PoolSize | None:
    """How many connections the application may hold, or None where nobody told and too few looks were taken."""
    if look.pool is not None:
        return PoolSize(look.pool, f"{look.pool} by --pool", is_told=True)
    told = _of_its_page(look)
    if told is not None:
        return told
    key = seen_key(look)
    seen = [(each.at, each.numbers[key]) for each in look.history if key in each.numbers]
    if len(seen) < FEWEST_LOOKS or (seen[-1][0] - seen[0][0]).total_seconds() < LEAST_SEEN_S:
        return None
    most = int(max(number for _, number in seen))
    allowed = max(int(most * BEYOND), most + FEWEST_BEYOND)
    return PoolSize(allowed, f"{most} at most in {len(seen)} earlier looks", is_told=False)


def seen_key(look: Look) -> str:
    """Under what an application's connections are remembered from look to look."""
    return f"trend/connections of {look.application}"


def _of_its_page(look: Look) -> PoolSize | None:
    if look.pool_numbers is None:
        return None
    try:
        numbers = look.pool_numbers().numbers
    except NotExamined:  # pool_waits tells it
        return None
    if "limit" not in numbers:
        return None
    processes = max(int(numbers.get("processes", 1)), 1)
    limit = int(numbers["limit"]) * processes
    return PoolSize(limit, f"{limit} by its health page", is_told=True)
