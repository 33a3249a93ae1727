"""What follows from numbers by adding and subtracting: for attacks on what is told of few children."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Generic, TypeVar

CellT = TypeVar("CellT")
PRIME = 2_147_483_647


class Span(Generic[CellT]):
    """What follows from numbers by adding and subtracting: Gaussian elimination modulo a prime. Cells known to be empty drop out."""

    def __init__(self, released: Sequence[tuple[frozenset[CellT], int]]) -> None:
        self._rows: dict[CellT, dict[CellT, int]] = {}
        self.empty = frozenset(cell for cells, count in released if count == 0 for cell in cells)
        for cells, _ in released:
            rest = self._rest(cells)
            if rest:
                pivot = next(iter(rest))
                scale = pow(rest[pivot], PRIME - 2, PRIME)
                self._rows[pivot] = {cell: value * scale % PRIME for cell, value in rest.items()}

    def tells(self, cells: frozenset[CellT]) -> bool:
        """Whether the number of these children follows."""
        return not self._rest(cells)

    def _rest(self, cells: frozenset[CellT]) -> dict[CellT, int]:
        rest = dict.fromkeys(sorted(cells - self.empty), 1)
        while True:
            pivot = next((cell for cell in rest if cell in self._rows), None)
            if pivot is None:
                return rest
            times = rest[pivot]
            for cell, value in self._rows[pivot].items():
                left = (rest.get(cell, 0) - times * value) % PRIME
                if left:
                    rest[cell] = left
                else:
                    rest.pop(cell, None)
