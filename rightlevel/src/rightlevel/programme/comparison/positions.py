"""Where what is compared is: a school at its position, a place at the middle of its schools."""

from __future__ import annotations

import msgspec

from flatwater.queries import load_queries
from flatwater.transaction import Session
from rightlevel.programme.comparison.model import Compared

_queries = load_queries(__package__ or "")


class Position(msgspec.Struct, frozen=True):
    """Where something is. *Units*: degrees, WGS 84."""

    latitude: float
    longitude: float


class _Positioned(msgspec.Struct, frozen=True):
    id: int
    latitude: float
    longitude: float


async def positions_of(session: Session, units: list[Compared]) -> list[Position | None]:
    """The position of each unit, in their order; None of what says none.

    The units come from `compare`, which gave its reader no others than may be seen; a place's middle is of its open schools as they stand
    today, whoever reads it. *Cost*: at most two statements and a row for each unit; the second reads the schools below the places.
    """
    known: dict[tuple[bool, int], Position] = {}
    for is_school, query in ((True, "positions_of_schools"), (False, "middles_of_places")):
        ids = [each.id for each in units if each.is_school == is_school]
        if ids:
            for row in await session.fetch_all(_queries[query], {"ids": ids}, into=_Positioned):
                known[is_school, row.id] = Position(row.latitude, row.longitude)
    return [known.get((each.is_school, each.id)) for each in units]
