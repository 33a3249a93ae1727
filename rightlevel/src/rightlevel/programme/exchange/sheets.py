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
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from types import TracebackType
from typing import BinaryIO, Final, Literal, NamedTuple, Protocol, Self

from rightlevel.programme.exchange.csv_rows import CsvRows
from rightlevel.programme.exchange.sheet_limits import (
    MIB,
    SheetFault,
    SheetLimits,
    column_letters,
    too_many_columns,
)
from rightlevel.programme.exchange.xlsx_rows import XlsxRows

__all__ = [
    "HeaderChoice",
    "Sheet",
    "SheetFault",
    "SheetLimits",
    "codec_of",
    "column_letters",
    "header_key",
    "is_workbook",
    "normalised_header",
    "open_sheet",
]

OLE: Final = b"\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1"
ZIP: Final = (b"PK\x03\x04", b"PK\x05\x06")
ENCRYPTED_PACKAGE: Final = "EncryptedPackage".encode("utf-16-le")
BRACKETS: Final = re.compile(r"\([^()]*\)|\[[^\[\]]*\]")
HEADLESS_COLUMNS: Final = 26
"""Of a file without a header at least so many columns have a name."""
INVISIBLE: Final = re.compile("[\u200b\u2060\ufeff]")
NUMBERED: Final = re.compile(r"(.+)#([1-9][0-9]{0,3})", re.DOTALL)
DEFAULT_LIMITS: Final = SheetLimits()
LOOKED_AT_ROWS: Final = 20
"""Among so many rows a header is looked for."""
NO_TEXT: Final = frozenset({"idna", "punycode", "undefined", "unicode_escape", "raw_unicode_escape"})
"""What Python calls text encodings and no file is written in."""

HeaderChoice = int | Callable[[Sequence[list[str]]], int] | None
"""The row that the header stands in by the file's own number (0: there is none), or what picks one of the first rows by its place."""


_NONE_WAITING: Final[tuple[Sequence[int], list[list[str]]]] = ((), [])


class _Rows(Protocol):
    def take(self, rows_wanted: int) -> tuple[Sequence[int], list[list[str]]]: ...
    def progress(self) -> tuple[int, int]: ...
    def close(self) -> None: ...


def normalised_header(text: str) -> str:
    """A header as it is compared: NFKC, one case, single spaces, no invisible characters."""
    visible = INVISIBLE.sub("", unicodedata.normalize("NFKC", text))
    return " ".join(visible.casefold().split())


def header_key(text: str) -> str:
    """A header by its letters and digits only: what stands in brackets, marks, spaces, underscores and line breaks don't matter."""
    visible = normalised_header(BRACKETS.sub(" ", text)) or normalised_header(text)
    return "".join(letter for letter in visible if unicodedata.category(letter)[0] in "LMN")


def open_sheet(
    path: Path,
    *,
    sheet: str | None = None,
    encoding: str | None = None,
    header: HeaderChoice = None,
    limits: SheetLimits = DEFAULT_LIMITS,
) -> Sheet:
    """The table in a CSV or XLSX file, its header already read.

    *Shape*: `sheet` names one of an XLSX workbook's sheets (default: the first visible one); `encoding` (any that Python knows)
    is used where a CSV file is neither UTF-8 nor marked as UTF-16; `header` says which row names the columns (default: the first
    with text).
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
    if magic.startswith(ZIP):
        xlsx = XlsxRows(path, sheet, limits)
        return _with_header("xlsx", xlsx, header, limits)
    if sheet is not None:
        raise SheetFault("no_such_sheet", "A CSV file has no named sheets. Leave the sheet's name out.")
    return _with_header("csv", _csv_rows(path, status.st_size, encoding, limits), header, limits)


def is_workbook(path: Path) -> bool:
    """Whether a file is a zip, as XLSX workbooks are."""
    with path.open("rb") as file:
        return file.read(4).startswith(ZIP)


class Sheet:
    """One table: its headers, and its rows once from top to bottom. Close it, or use it in a `with`."""

    def __init__(
        self,
        kind: Literal["csv", "xlsx"],
        rows: _Rows,
        head: _Head,
        limits: SheetLimits,
    ) -> None:
        self.kind: Literal["csv", "xlsx"] = kind
        self.sheet_names: tuple[str, ...] = rows.sheet_names if isinstance(rows, XlsxRows) else ()
        self.visible_names: tuple[str, ...] = rows.visible_names if isinstance(rows, XlsxRows) else ()
        self.delimiter = rows.delimiter if isinstance(rows, CsvRows) else ","
        self.header_row = head.number
        self.headers: tuple[str, ...] = tuple(head.headers)
        self.above: tuple[list[str], ...] = tuple(head.above)
        """The rows with text above the header, which are not read."""
        self.first_rows: tuple[list[str], ...] = tuple(head.rows)
        """Some rows below the header, looked at and still to come."""
        self.told: list[str] = []
        """What whoever reads this sheet should know of how it was opened."""
        self._waiting: tuple[Sequence[int], list[list[str]]] = (head.numbers, head.rows)
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
        if not places:
            alike = [
                index
                for index, header in enumerate(self.headers)
                if header_key(header) == header_key(name) != ""
            ]
            if len(alike) == 1:
                return alike[0]
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
        waiting, self._waiting = self._waiting, _NONE_WAITING
        while True:
            numbers, rows = waiting if waiting[1] else self._rows.take(rows_per_batch)
            waiting = _NONE_WAITING
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


class _Head(NamedTuple):
    """The header of a sheet, and the rows around it that were read to find it."""

    number: int
    headers: list[str]
    above: list[list[str]]
    numbers: Sequence[int]
    rows: list[list[str]]


def _with_header(
    kind: Literal["csv", "xlsx"], rows: _Rows, choice: HeaderChoice, limits: SheetLimits
) -> Sheet:
    try:
        return Sheet(kind, rows, _head(rows, choice, limits), limits)
    except BaseException:
        rows.close()
        raise


def _head(rows: _Rows, choice: HeaderChoice, limits: SheetLimits) -> _Head:
    """The header: the row asked for, the one picked among the first, or the first that holds anything."""
    numbers: list[int] = []
    found: list[list[str]] = []
    wanted = 1 if choice is None or isinstance(choice, int) else LOOKED_AT_ROWS
    while len(found) < wanted:
        more_numbers, more = rows.take(wanted - len(found))
        if not more:
            break
        for number, row in zip(more_numbers, more, strict=True):
            is_above = isinstance(choice, int) and choice > 0 and number < choice
            if _has_text(row) and not is_above:
                numbers.append(number)
                found.append(row)
    if not found or (isinstance(choice, int) and choice > 0 and numbers[0] != choice):
        message = "The sheet holds no row with text. The first row must name the columns."
        if isinstance(choice, int) and choice > 0:
            message = f"Row {choice} holds no text, so it can't be the header."
        raise SheetFault("no_header", message)
    if choice == 0 and isinstance(choice, int):
        width = max(map(len, found))
        letters = [column_letters(column) for column in range(1, max(width, HEADLESS_COLUMNS) + 1)]
        return _Head(0, letters, [], numbers, found)
    place = choice(found) if callable(choice) else 0
    headers = [INVISIBLE.sub("", cell).strip() for cell in found[place]]
    while headers and not headers[-1]:
        headers.pop()
    if len(headers) > limits.columns:
        raise too_many_columns(numbers[place], len(headers), limits)
    return _Head(numbers[place], headers, found[:place], numbers[place + 1 :], found[place + 1 :])


def codec_of(encoding: str) -> str:
    """Python's own name for a text encoding. *Errors*: LookupError where there is none."""
    found = codecs.lookup(encoding.strip())
    if found.name.replace("-", "_") in NO_TEXT or not found._is_text_encoding:
        raise LookupError(encoding)
    return found.name


def _csv_rows(path: Path, size_bytes: int, encoding: str | None, limits: SheetLimits) -> CsvRows:
    try:
        codec = None if encoding is None else codec_of(encoding)
    except (LookupError, ValueError) as error:
        message = f"There is no encoding named {encoding[:60] if encoding else ''!r}. Some are windows-1252, windows-1256, gb18030."
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
