"""What an untrusted sheet may cost us, and the fault that says why one was refused."""

from __future__ import annotations

from dataclasses import dataclass

MIB = 1024 * 1024


@dataclass(frozen=True, slots=True)
class SheetLimits:
    """The ceilings for one file. The defaults hold a million rows of a registry with room to spare.

    *Source*: 32,767 characters a cell is Excel's own limit; registries seen so far have up to 124 columns.
    """

    file_bytes: int = 1024 * MIB
    columns: int = 512
    rows: int = 2_000_000
    cell_chars: int = 32_767
    row_bytes: int = 128 * 1024
    """CSV only, the mean of any sixteen rows that follow each other: stops a quote that is never closed."""
    entries: int = 2_000
    uncompressed_bytes: int = 2048 * MIB
    compression_ratio: int = 300
    """XLSX only, per part and only past 16 MiB: real sheets of repeated cells reach about 100."""
    shared_strings: int = 4_000_000
    shared_string_bytes: int = 256 * MIB
    shared_string_memory_bytes: int = 8 * MIB
    """Past this the shared strings lie in a temporary file; past `shared_string_bytes` the file is refused."""


class SheetFault(Exception):
    """This file can't be read as a sheet.

    *Shape*: `code` is stable; `row` is the file's own row or line number and `column` counts from 1, where known.
    """

    def __init__(self, code: str, message: str, row: int | None = None, column: int | None = None) -> None:
        super().__init__(message)
        self.code = code
        self.message = message
        self.row = row
        self.column = column


def column_letters(column: int) -> str:
    """The spreadsheet's name for a column that counts from 1: 1 is A, 28 is AB."""
    letters = ""
    while column > 0:
        column, rest = divmod(column - 1, 26)
        letters = chr(65 + rest) + letters
    return letters


def cell_too_long(row: int, column: int, limits: SheetLimits) -> SheetFault:
    """The fault for a cell past the limit, in the same words for CSV and XLSX."""
    return SheetFault(
        "cell_too_long",
        f"The cell in row {row}, column {column_letters(column)} holds more than {limits.cell_chars:,} characters. "
        "Shorten it; in a CSV file also look for a quotation mark that is opened there and not closed.",
        row,
        column,
    )


def too_many_columns(row: int, column: int, limits: SheetLimits) -> SheetFault:
    """The fault for a value or a header right of the last column we read."""
    return SheetFault(
        "too_many_columns",
        f"Row {row} has something in column {column_letters(column)}; at most {limits.columns:,} columns are read. "
        "Delete what lies to the right of the table.",
        row,
        column,
    )
