"""What follows from numbers by adding and subtracting: for attacks on what is told of few children."""

from __future__ import annotations

from collections.abc import Hashable, Iterable, Sequence
from typing import Generic, TypeVar

CellT = TypeVar("CellT", bound=Hashable)
PRIME = 2_147_483_647


class Span(Generic[CellT]):
    """What follows from numbers by adding and subtracting: Gaussian elimination modulo a prime. Cells known to be empty drop out.

    Cells go by numbers inside, for looking up a tuple costs more than the arithmetic; what is released twice is taken once.
    """

    def __init__(self, released: Sequence[tuple[frozenset[CellT], int]]) -> None:
        self._numbers: dict[CellT, int] = {}
        self._rows: dict[int, dict[int, int]] = {}
        self.empty = frozenset(cell for cells, count in released if count == 0 for cell in cells)
        for cells in dict.fromkeys(cells for cells, _ in released):
            rest = self._rest(cells)
            if rest:
                pivot = next(iter(rest))
                scale = pow(rest[pivot], PRIME - 2, PRIME)
                self._rows[pivot] = {cell: value * scale % PRIME for cell, value in rest.items()}

    def tells(self, cells: frozenset[CellT]) -> bool:
        """Whether the number of these children follows."""
        return not self._rest(cells)

    def _rest(self, cells: Iterable[CellT]) -> dict[int, int]:
        numbers = self._numbers
        found = (numbers.setdefault(cell, len(numbers)) for cell in cells if cell not in self.empty)
        rest = dict.fromkeys(sorted(found), 1)
        waiting = list(rest)
        for pivot in waiting:  # it grows: a row brings cells along that may have rows of their own
            row, times = self._rows.get(pivot), rest.get(pivot)
            if row is None or times is None:
                continue
            for cell, value in row.items():
                if cell not in rest:
                    waiting.append(cell)
                left = (rest.get(cell, 0) - times * value) % PRIME
                if left:
                    rest[cell] = left
                else:
                    rest.pop(cell, None)
        return rest
