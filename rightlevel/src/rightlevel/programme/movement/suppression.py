"""Small cells of movement: what may be told of the same children to somebody who must not learn of fewer than ten.

They are told how many improved, stayed, declined and were not tested again, of a place or school with all its children, and neither the matrix nor
anything by grade, sex, class or group. Two rounds lie beside each other there, so what one leaves of the other counts as a cell too: who is new in
the later round; and, since nobody falls from the lowest level or rises from the highest, who could have fallen and did not, or could have risen. A
place or school is told only where each of these is empty or holds ten children, never more than what it hangs on. What a place is told and some
of its parts are not must hold so together, else the smallest of the others goes with them, as in `figures.suppression`.
"""

from __future__ import annotations

from collections import Counter

import msgspec

from flatwater.transaction import Session
from rightlevel.programme.figures import Telling
from rightlevel.programme.figures.model import Counts, Figures
from rightlevel.programme.figures.store import NOTHING, Family
from rightlevel.programme.figures.suppression import Cell, is_safe
from rightlevel.programme.levels import scale_of_round
from rightlevel.programme.movement import store
from rightlevel.programme.movement.model import Line, Movement, MovementQuery, movement_of, withheld
from rightlevel.programme.permissions import Subject

UnitKey = tuple[bool, int]
Parts = Counter[str]


def parts_of(lines: list[Line], earlier: Counts, later: Counts, top: int) -> Parts:
    """How many children stand in each cell of a unit in two rounds of a ladder with so many rungs. New ones may be fewer than none: then matched children came from elsewhere."""
    shifts = [
        (rank - line.from_rank, count) for line in lines for rank, count in enumerate(line.ranks, start=1)
    ]
    matched = sum(count for _, count in shifts)
    improved = sum(count for shift, count in shifts if shift > 0)
    declined = sum(count for shift, count in shifts if shift < 0)
    return Counter(
        {
            "improved": improved,
            "same": matched - improved - declined,
            "declined": declined,
            "not again": earlier.assessed - matched,
            "new": later.assessed - matched,
            "could have fallen": sum(earlier.ranks[1:]) - declined,
            "could have risen": sum(earlier.ranks[: top - 1]) - improved,
            "above the lowest without rising": sum(later.ranks[1:]) - improved,
            "below the highest without falling": sum(later.ranks[: top - 1]) - declined,
        }
    )


def units_told(whole: Parts, units: dict[UnitKey, Parts]) -> set[UnitKey]:
    """The units of a whole that is told, that may be told too."""
    shown = sorted((key for key in units if is_safe(units[key])), key=lambda key: sum(units[key].values()))
    rest = Counter(whole)
    for key in shown:
        rest.subtract(units[key])
    while shown and not is_safe(rest):
        rest.update(units[shown.pop(0)])
    return set(shown)


def told_movement(lines: list[Line], both: tuple[Figures, Figures], *, is_told: bool) -> Movement:
    """What somebody is told who may not see small cells: how many improved, stayed, declined and were not tested again, or nothing."""
    earlier, later = both
    if not is_told or earlier.assessed is None or later.assessed is None:
        return withheld(movement_of([], earlier, later))
    found = movement_of(lines, earlier, later)
    if found.has_other_ladder:
        # What may be told is reckoned from who rose and fell; where nobody can be said to, nothing is.
        return withheld(found)
    return msgspec.structs.replace(
        withheld(found),
        assessed=found.assessed,
        matched=found.matched,
        improved=found.improved,
        same=found.same,
        declined=found.declined,
        attrition=found.attrition,
        improved_share=found.improved_share,
        same_share=found.same_share,
        declined_share=found.declined_share,
        holds_different_children=found.holds_different_children,
    )


class MovementTelling:
    """How much one look tells of two rounds. Holds the counts below the places on the way, as `figures.Telling` does."""

    def __init__(self, session: Session) -> None:
        self._session = session

    async def is_told(self, asked: MovementQuery, subject: Subject) -> bool:
        """Whether the movement of the asked place or school may be told. *Cost*: four statements for each place on the way, and two."""
        if asked.grade is not None or asked.sex is not None or asked.boundaries != "then":
            return False
        way = await Telling(self._session).way(asked)
        if way is None:
            return False
        place_id: int | None = None
        found = await self._below(asked, subject, None)
        for key in way:
            if found is None or not is_safe(found[0]) or key not in units_told(*found):
                return False
            if key[0]:
                return True
            place_id = key[1]
            found = await self._below(asked, subject, place_id)
        return found is not None and is_safe(found[0])

    async def units_told(self, asked: MovementQuery, subject: Subject) -> set[UnitKey]:
        """The units below the asked place that may be told, or the countries."""
        of_place = msgspec.structs.replace(asked, school_id=None)
        if not await self.is_told(of_place, subject):
            return set()
        found = await self._below(asked, subject, asked.place_id)
        return set() if found is None else units_told(*found)

    async def _below(
        self, asked: MovementQuery, subject: Subject, place_id: int | None
    ) -> tuple[Parts, dict[UnitKey, Parts]] | None:
        """The cells of a place and of what hangs on it; None where there are too many to look through."""
        telling = Telling(self._session)
        earlier = await telling.family(asked.round_id, subject, place_id)
        later = await telling.family(asked.later_round_id, subject, place_id)
        if earlier is None or later is None:
            return None
        top = scale_of_round(asked.round_id, subject).top
        keys = set(earlier.units) | set(later.units)
        own: list[UnitKey] = [] if place_id is None else [(False, place_id)]
        lines = await store.lines_of_units(self._session, asked, [*keys, *own])
        units = {
            key: parts_of(lines.get(key, []), _summed(earlier, key), _summed(later, key), top) for key in keys
        }
        if place_id is None:
            whole: Parts = Counter()
            for parts in units.values():
                whole.update(parts)
            return whole, units
        return (
            parts_of(lines.get(own[0], []), _summed(earlier, None), _summed(later, None), top),
            units,
        )


def _summed(family: Family, key: UnitKey | None) -> Counts:
    cells: tuple[Cell, ...] = family.whole if key is None else family.units.get(key, ())
    if not cells:
        return NOTHING
    return Counts(
        *(sum(each) for each in zip(*(msgspec.structs.astuple(cell.counts) for cell in cells), strict=True))
    )
