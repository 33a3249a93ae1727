"""Files of text: CSV and JSON lines, which the database writes itself, and the rows of a COPY as cells."""

from __future__ import annotations

import csv
import io
import json
from collections.abc import Iterable, Sequence
from typing import Any, Final, Protocol

from rightlevel.programme.audit.export import defused
from rightlevel.programme.exports.model import Column

MARK: Final = b"\xef\xbb\xbf"
"""Spreadsheets know UTF-8 by it."""
Cell = str | int | float | None

_ESCAPES: Final = {"b": "\b", "f": "\f", "n": "\n", "r": "\r", "t": "\t", "v": "\v"}


class FileWriter(Protocol):
    """Makes a file while it is sent: each call gives the next bytes. A workbook may have several sheets, other files have one."""

    def sheet(self, name: str, columns: Sequence[Column]) -> bytes:
        """Begins a sheet."""
        ...

    def block(self, content: bytes) -> bytes:
        """Rows as the database gave them."""
        ...

    def rows(self, rows: Iterable[Sequence[Cell]]) -> bytes:
        """Rows of cells."""
        ...

    def end(self) -> bytes:
        """What a file ends with."""
        ...


class CsvFile:
    """Lines of CSV with a header; formulas are defused. The database's own lines go through as they are."""

    def sheet(self, name: str, columns: Sequence[Column]) -> bytes:
        """The header."""
        return MARK + _line([each.name for each in columns])

    def block(self, content: bytes) -> bytes:
        """The same bytes."""
        return content

    def rows(self, rows: Iterable[Sequence[Cell]]) -> bytes:
        """Their lines."""
        return b"".join(_line([_defused(cell) for cell in row]) for row in rows)

    def end(self) -> bytes:
        """Nothing."""
        return b""


class JsonLines:
    """One object a line, with null for what is not known. The database's own lines go through as they are."""

    def __init__(self) -> None:
        self._names: list[str] = []

    def sheet(self, name: str, columns: Sequence[Column]) -> bytes:
        """Nothing; the names go into every line."""
        self._names = [each.name for each in columns]
        return b""

    def block(self, content: bytes) -> bytes:
        """The same bytes."""
        return content

    def rows(self, rows: Iterable[Sequence[Cell]]) -> bytes:
        """Their lines."""
        texts = (json.dumps(dict(zip(self._names, row, strict=True)), ensure_ascii=False) for row in rows)
        return "".join(f"{text}\n" for text in texts).encode()

    def end(self) -> bytes:
        """Nothing."""
        return b""


def cells_of(content: bytes) -> list[list[str | None]]:
    """The rows of COPY's text format as cells. *Source*: PostgreSQL, COPY, text format."""
    lines = content.decode().split("\n")
    return [[_cell(text) for text in line.split("\t")] for line in lines[:-1]]


def _cell(text: str) -> str | None:
    if text == "\\N":
        return None
    if "\\" not in text:
        return text
    first, *others = text.split("\\\\")
    return "\\".join(_unescaped(part) for part in (first, *others))


def _unescaped(text: str) -> str:
    first, *others = text.split("\\")
    return first + "".join(_ESCAPES.get(part[:1], part[:1]) + part[1:] for part in others)


def _defused(cell: Cell) -> Cell:
    return defused(cell) if isinstance(cell, str) else cell


def _line(cells: Iterable[Any]) -> bytes:
    file = io.StringIO()
    csv.writer(file, lineterminator="\n").writerow(cells)
    return file.getvalue().encode()
