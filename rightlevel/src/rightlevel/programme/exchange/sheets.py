"""Untrusted CSV and XLSX as a stream of rows in flat memory.

    with open_sheet(path) as sheet:
        name = sheet.column_index("Name")
        for batch in sheet.batches():
            for number, cells in batch: ...

What the file is, is decided by its content, never by its name.
"""

from __future__ import annotations

import codecs
import re
import stat
import unicodedata
from collections import Counter
from collections.abc import Iterator, Sequence
from pathlib import Path
from types import TracebackType
from typing import BinaryIO, Final, Literal, Protocol, Self

from rightlevel.programme.exchange.csv_rows import CsvRows
from rightlevel.programme.exchange.sheet_limits import (
    MIB,
    SheetFault,
    SheetLimits,
    column_letters,
    too_many_columns,
)
from rightlevel.programme.exchange.xlsx_rows import XlsxRows

__all__ = ["Sheet", "SheetFault", "SheetLimits", "column_letters", "normalised_header", "open_sheet"]

OLE: Final = b"\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1"
ENCRYPTED_PACKAGE: Final = "EncryptedPackage".encode("utf-16-le")
INVISIBLE: Final = re.compile("[\u200b\u2060\ufeff]")
NUMBERED: Final = re.compile(r"(.+)#([1-9][0-9]{0,3})", re.DOTALL)
DEFAULT_LIMITS: Final = SheetLimits()
ENCODINGS: Final = {"utf-8": "utf-8", "cp1252": "cp1252"}


class _Rows(Protocol):
    def take(self, rows_wanted: int) -> tuple[Sequence[int], list[list[str]]]: ...
    def progress(self) -> tuple[int, int]: ...
    def close(self) -> None: ...


def normalised_header(text: str) -> str:
    """A header as it is compared: NFKC, one case, single spaces, no invisible characters."""
    visible = INVISIBLE.sub("", unicodedata.normalize("NFKC", text))
    return " ".join(visible.casefold().split())


def open_sheet(
    path: Path, *, sheet: str | None = None, encoding: str | None = None, limits: SheetLimits = DEFAULT_LIMITS
) -> Sheet:
    """The table in a CSV or XLSX file, its header already read.

    *Shape*: `sheet` names one of an XLSX workbook's sheets (default: the first visible one); `encoding`
    ("windows-1252") is used where a CSV file is neither UTF-8 nor marked as UTF-16.
    *Errors*: SheetFault, here and from `Sheet.batches`; OSError when the file can't be opened.
    """
    status = path.stat()
    if not stat.S_ISREG(status.st_mode):
        raise SheetFault(
            "not_a_sheet", "This is not a file but a folder or a device. Choose a CSV or XLSX file."
        )
    if status.st_size == 0:
        raise SheetFault("empty_file", "The file is empty (0 bytes). Was the upload or the saving cut off?")
    if status.st_size > limits.file_bytes:
        message = f"The file is larger than {limits.file_bytes // MIB:,} MiB. Split it into several files."
        raise SheetFault("file_too_large", message)
    with path.open("rb") as file:
        magic = file.read(8)
    if magic == OLE:
        raise _ole_fault(path)
    if magic.startswith((b"PK\x03\x04", b"PK\x05\x06")):
        xlsx = XlsxRows(path, sheet, limits)
        return _with_header("xlsx", xlsx, xlsx.sheet_names, limits)
    if sheet is not None:
        raise SheetFault("no_such_sheet", "A CSV file has no named sheets. Leave the sheet's name out.")
    return _with_header("csv", _csv_rows(path, status.st_size, encoding, limits), (), limits)


class Sheet:
    """One table: its headers, and its rows once from top to bottom. Close it, or use it in a `with`."""

    def __init__(
        self,
        kind: Literal["csv", "xlsx"],
        rows: _Rows,
        sheet_names: tuple[str, ...],
        header: tuple[int, list[str]],
        limits: SheetLimits,
    ) -> None:
        self.kind: Literal["csv", "xlsx"] = kind
        self.sheet_names = sheet_names
        self.header_row = header[0]
        self.headers: tuple[str, ...] = tuple(header[1])
        self._rows = rows
        self._limits = limits
        self._started = False
        self._keys = [normalised_header(text) for text in self.headers]
        counts = Counter(self._keys)
        self.columns: dict[str, int] = {
            key: index for index, key in enumerate(self._keys) if key and counts[key] == 1
        }
        self.repeated: frozenset[str] = frozenset(
            text for text, key in zip(self.headers, self._keys, strict=True) if key and counts[key] > 1
        )

    def column_index(self, name: str) -> int:
        """Where the column stands in a row, from 0. "Name#2" is the second of the columns headed Name.

        *Errors*: SheetFault no_such_column; repeated_header when the name alone doesn't say which.
        """
        key = normalised_header(name)
        if key in self.columns:
            return self.columns[key]
        places = [index for index, other in enumerate(self._keys) if key and other == key]
        numbered = NUMBERED.fullmatch(key)
        if not places and numbered:
            stem, nth = numbered.group(1).rstrip(), int(numbered.group(2))
            same = [index for index, other in enumerate(self._keys) if other == stem]
            if nth <= len(same):
                return same[nth - 1]
        if places:
            letters = ", ".join(column_letters(index + 1) for index in places[:10])
            message = (
                f"The header {name[:100]!r} stands over {len(places)} columns ({letters}). "
                f"Rename one, or say which with {name[:100] + '#1'!r} or {name[:100] + '#2'!r}."
            )
            raise SheetFault("repeated_header", message, self.header_row, places[1] + 1)
        message = f"No column is headed {name[:100]!r} in row {self.header_row}. Check the header's spelling."
        raise SheetFault("no_such_column", message, self.header_row)

    def batches(self, rows_per_batch: int = 1000) -> Iterator[list[tuple[int, list[str]]]]:
        """The rows that hold anything, each with the file's own number for it and as many cells as headers.

        *Shape*: batches are shorter than asked where rows are long. Cells past the last header are dropped when
        blank. For CSV the number is the line the row starts on.
        *Errors*: SheetFault; batches already given stay good. A sheet is read once: a second call is a mistake.
        """
        if self._started:
            raise RuntimeError("a sheet's rows are read once; open the file again")
        self._started = True
        return self._batches(rows_per_batch)

    def _batches(self, rows_per_batch: int) -> Iterator[list[tuple[int, list[str]]]]:
        count, limit = 0, self._limits.rows
        while True:
            numbers, rows = self._rows.take(rows_per_batch)
            if not rows:
                return
            batch = self._even(numbers, rows)
            count += len(batch)
            if count > limit:
                row = batch[len(batch) - (count - limit)][0]
                message = f"Row {row} is past the {limit:,} rows that one file may hold. Split the file."
                raise SheetFault("too_many_rows", message, row)
            if batch:
                yield batch

    def _even(self, numbers: Sequence[int], rows: list[list[str]]) -> list[tuple[int, list[str]]]:
        """The rows made as wide as the header. Most batches need nothing; looking costs a tenth of reading."""
        width = len(self.headers)
        if set(map(len, rows)) == {width} and all(map(_has_text, rows)):
            return list(zip(numbers, rows, strict=True))
        batch: list[tuple[int, list[str]]] = []
        for number, row in zip(numbers, rows, strict=True):
            if len(row) > width:
                self._refuse_extra(number, row)
                del row[width:]
            if _has_text(row):
                row.extend([""] * (width - len(row)))
                batch.append((number, row))
        return batch

    def _refuse_extra(self, number: int, row: list[str]) -> None:
        width = len(self.headers)
        for column, cell in enumerate(row[width:], width + 1):
            if cell.strip():
                message = (
                    f"Row {number} has a value in column {column_letters(column)}, but the header in row "
                    f"{self.header_row} has {width} columns. Give that column a header or delete the value; "
                    "in a CSV file also look for a separator inside a cell that is not in quotation marks."
                )
                raise SheetFault("too_long_row", message, number, column)

    def progress(self) -> tuple[int, int]:
        """Bytes done and bytes in all: of the file for CSV, of the unpacked sheet and its texts for XLSX."""
        return self._rows.progress()

    def close(self) -> None:
        """Let go of the file. Safe to repeat."""
        self._rows.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()


def _has_text(row: list[str]) -> bool:
    return any(map(str.strip, row))


def _with_header(
    kind: Literal["csv", "xlsx"], rows: _Rows, sheet_names: tuple[str, ...], limits: SheetLimits
) -> Sheet:
    try:
        return Sheet(kind, rows, sheet_names, _header(rows, limits), limits)
    except BaseException:
        rows.close()
        raise


def _header(rows: _Rows, limits: SheetLimits) -> tuple[int, list[str]]:
    """The first row that holds anything, each cell stripped, blanks at its end left out."""
    while True:
        numbers, found = rows.take(1)
        if not found:
            message = "The sheet holds no row with text. The first row must name the columns."
            raise SheetFault("no_header", message)
        headers = [INVISIBLE.sub("", cell).strip() for cell in found[0]]
        while headers and not headers[-1]:
            headers.pop()
        if len(headers) > limits.columns:
            raise too_many_columns(numbers[0], len(headers), limits)
        if headers:
            return numbers[0], headers


def _csv_rows(path: Path, size_bytes: int, encoding: str | None, limits: SheetLimits) -> CsvRows:
    try:
        codec = None if encoding is None else ENCODINGS[codecs.lookup(encoding).name]
    except (LookupError, ValueError) as error:
        message = f"The encoding {encoding!r} is not read. Leave it out, or say windows-1252."
        raise SheetFault("unknown_encoding", message) from error
    file: BinaryIO = path.open("rb", buffering=256 * 1024)
    try:
        return CsvRows(file, size_bytes, limits, codec)
    except BaseException:
        file.close()
        raise


def _ole_fault(path: Path) -> SheetFault:
    """A locked workbook and an old .xls look alike from outside; a locked one names its package inside."""
    tail = b""
    with path.open("rb") as file:
        while chunk := file.read(MIB):
            if ENCRYPTED_PACKAGE in tail + chunk:
                message = "The workbook is locked with a password. Save it without one and send that file."
                return SheetFault("encrypted", message)
            tail = chunk[-64:]
    message = (
        "This is an old Excel file (.xls) or one locked with a password. "
        "Open it in your spreadsheet program and save it as XLSX without a password."
    )
    return SheetFault("legacy_xls", message)
