"""A plan bound to one sheet: batches of rows in, COPY text out, faults on the side.

Work goes by column, not by row: each column of a batch is mapped in one call, values met before come from a
dictionary, and the finished columns are joined to lines. No object is made for a row.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from itertools import repeat
from typing import Any, Final

import msgspec

from rightlevel.programme.exchange.fault_file import FaultFile
from rightlevel.programme.exchange.sheets import Sheet, SheetFault
from rightlevel.programme.exchange.values import Remembered, Wrong

ROWS_PER_BATCH: Final = 1_000
Explained = list[tuple[str, str, str, str]]
"""Column, value, rule and the mapping's line of everything that is wrong with one cell or group of cells."""
NOT_ASKED_FOR: Final = "Not among the rows that were asked for"


class Asked(msgspec.Struct, frozen=True):
    """One thing that a row must be to be asked for: its column's place and header, and what judges its cell."""

    index: int
    label: str
    takes: Callable[[str], bool]


class Block(msgspec.Struct, frozen=True):
    """Some rows ready for COPY."""

    rows: int
    text: bytes


class Column(msgspec.Struct, frozen=True):
    """One or more staging columns that come from the same cells."""

    indexes: tuple[int, ...]
    constant: str
    """The finished text of a column without cells."""
    convert: Callable[[Any], str]
    """From a cell's text, or the tuple of several, to COPY text."""
    explain: Callable[[Any], Explained]
    remembered: Remembered | None = None


class RowPlan:
    """How rows of this sheet become lines of a staging table."""

    def __init__(
        self,
        columns: Sequence[Column],
        mapped: frozenset[str],
        ignored: tuple[str, ...],
        asked: Sequence[Asked] = (),
    ) -> None:
        self._columns = columns
        self._asked = asked
        self.mapped = mapped
        """Names of the fields that the file fills."""
        self.ignored = ignored
        """Headers that no field takes."""

    def blocks(self, sheet: Sheet, faults: FaultFile) -> Iterator[Block]:
        """Every row as COPY text. A fault of the sheet itself is noted and ends the rows."""
        batches = sheet.batches(ROWS_PER_BATCH)
        while True:
            try:
                batch = next(batches, None)
            except SheetFault as fault:
                header = (
                    sheet.headers[fault.column - 1]
                    if fault.column and fault.column <= len(sheet.headers)
                    else ""
                )
                faults.add_of_file(fault.row or sheet.header_row, header, "", fault.message)
                return
            if batch is None:
                return
            if self._asked:
                batch = self._asked_for(batch, faults)
            if batch:
                yield self._block(batch, faults)

    def _asked_for(
        self, batch: list[tuple[int, list[str]]], faults: FaultFile
    ) -> list[tuple[int, list[str]]]:
        """The rows that were asked for; the others are noted."""
        kept: list[tuple[int, list[str]]] = []
        for number, row in batch:
            other = next((each for each in self._asked if not each.takes(row[each.index])), None)
            if other is None:
                kept.append((number, row))
            else:
                faults.leave_out(number, other.label, row[other.index], NOT_ASKED_FOR)
        return kept

    def _block(self, batch: list[tuple[int, list[str]]], faults: FaultFile) -> Block:
        numbers = [number for number, _ in batch]
        rows = [row for _, row in batch]
        faulty: set[int] = set()
        found: list[tuple[int, str, str, str, str]] = []
        texts: list[Any] = []
        for column in self._columns:
            if not column.indexes:
                texts.append(repeat(column.constant))
                continue
            keys = _keys(rows, column.indexes)
            converted = _converted(column, keys)
            if None in converted:
                for place, text in enumerate(converted):
                    if text is None:
                        converted[place] = column.constant
                        faulty.add(place)
                        found += [(numbers[place], *each) for each in column.explain(keys[place])]
            texts.append(converted)
        if found:
            for fault in sorted(found, key=lambda each: each[0]):
                faults.add(*fault)
        whole = ["f" if place in faulty else "t" for place in range(len(rows))] if faulty else repeat("t")
        lines = "\n".join(map("\t".join, zip(map(str, numbers), whole, *texts)))  # noqa: B905  repeats have no length
        return Block(len(rows), (lines + "\n").encode())


def _keys(rows: list[list[str]], indexes: tuple[int, ...]) -> list[Any]:
    if len(indexes) == 1:
        index = indexes[0]
        return [row[index] for row in rows]
    return list(zip(*([row[index] for row in rows] for index in indexes), strict=True))


def _converted(column: Column, keys: list[Any]) -> list[str | None]:
    if column.remembered is not None:
        return list(map(column.remembered.__getitem__, keys))
    try:
        return list(map(column.convert, keys))
    except Wrong:
        return [_or_none(column.convert, key) for key in keys]


def _or_none(convert: Callable[[Any], str], key: Any) -> str | None:
    try:
        return convert(key)
    except Wrong:
        return None
