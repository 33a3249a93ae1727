"""The last so many rows of numbers, in memory that is taken once."""

from __future__ import annotations

import math
from array import array
from collections.abc import Iterator, Sequence


class Ring:
    """Rows of numbers of which the newest `kept` stay. *Cost*: 8 bytes a number, all of it taken at the start."""

    def __init__(self, width: int, kept: int) -> None:
        if width < 1 or kept < 1:
            raise ValueError("a ring has at least one column and keeps at least one row")
        self.width = width
        self.kept = kept
        self._cells = array("d", bytes(8 * width * kept))
        self._written = 0

    def __len__(self) -> int:
        return min(self._written, self.kept)

    @property
    def size_bytes(self) -> int:
        return self._cells.itemsize * len(self._cells)

    def append(self, row: Sequence[float | None]) -> None:
        """Keeps a row and forgets the oldest where it is full; None stays None."""
        if len(row) != self.width:
            raise ValueError(f"a row here has {self.width} numbers, not {len(row)}")
        start = (self._written % self.kept) * self.width
        for column, number in enumerate(row):
            self._cells[start + column] = math.nan if number is None else number
        self._written += 1

    def __iter__(self) -> Iterator[tuple[float | None, ...]]:
        """The rows, oldest first."""
        for number in range(max(0, self._written - self.kept), self._written):
            start = (number % self.kept) * self.width
            cells = self._cells[start : start + self.width]
            yield tuple(None if math.isnan(cell) else cell for cell in cells)

    def newest(self) -> tuple[float | None, ...] | None:
        """The row that came last."""
        if not self._written:
            return None
        start = ((self._written - 1) % self.kept) * self.width
        return tuple(None if math.isnan(cell) else cell for cell in self._cells[start : start + self.width])
