"""The rows of a file that are left out because they are wrong: read a second time, kept as the file has them."""

from __future__ import annotations

import csv
import io
import tempfile
from collections.abc import Iterator
from typing import IO, Final

from rightlevel.programme.exchange.cells import FormattedCell
from rightlevel.programme.exchange.model import LeftRow
from rightlevel.programme.exchange.sheet_limits import MIB
from rightlevel.programme.exchange.sheets import Sheet
from rightlevel.programme.exchange.values import escaped

MOST_LEFT_BYTES: Final = 64 * MIB
FORMULA_STARTS: Final = ("=", "+", "-", "@", "\t", "\r")
WRONG_COLUMN: Final = "What is wrong"
MARK: Final = b"\xef\xbb\xbf"
"""By which spreadsheets know UTF-8."""
CHUNK_BYTES: Final = 64 * 1024


class TooMuchLeft(Exception):
    """The rows to be left out hold more than is kept."""


def left_rows(sheet: Sheet, run_id: str, wanted: set[int]) -> IO[bytes]:
    """The wanted rows, the headers first, as COPY text in a temporary file. *Errors*: TooMuchLeft. Runs in a thread."""
    file = tempfile.TemporaryFile()  # noqa: SIM115  (whoever takes it closes it)
    try:
        number = _write(file, run_id, 0, sheet.header_row, list(sheet.headers))
        for batch in sheet.batches():
            for row_number, cells in batch:
                if row_number in wanted:
                    number = _write(file, run_id, number, row_number, cells)
            if file.tell() > MOST_LEFT_BYTES:
                raise TooMuchLeft
    except BaseException:
        file.close()
        raise
    file.seek(0)
    return file


def chunks_of(file: IO[bytes]) -> Iterator[bytes]:
    """What a temporary file holds."""
    while chunk := file.read(CHUNK_BYTES):
        yield chunk


def _write(file: IO[bytes], run_id: str, number: int, row_number: int, cells: list[str]) -> int:
    quoted = (_quoted(cell) for cell in cells)
    line = "\t".join([run_id, str(number), str(row_number), "{" + ",".join(quoted) + "}"])
    file.write((line + "\n").encode())
    return number + 1


def _quoted(cell: str) -> str:
    """A cell within an array within COPY text: backslashes are doubled for each."""
    shown = cell.shown if isinstance(cell, FormattedCell) else None
    text = (
        (str(cell) if shown is None else shown)
        .encode("utf-8", "replace")
        .decode()
        .replace("\0", "\N{REPLACEMENT CHARACTER}")
    )
    inner = text.replace("\\", "\\\\").replace('"', '\\"')
    return escaped(f'"{inner}"')


def row_to_mend(row: LeftRow, *, keeps_place: bool) -> bytes:
    """A row that was left out as a line of CSV, what is wrong with it in a last column. `keeps_place`: the header stands in its own row."""
    out = io.StringIO()
    writer = csv.writer(out)
    if row.number == 0:
        if row.row_number == 0:
            return b""  # a file without a header
        if keeps_place:
            out.write("\r\n" * (row.row_number - 1))
        writer.writerow([*map(_guarded, row.cells), WRONG_COLUMN])
    else:
        writer.writerow([*map(_guarded, row.cells), row.rules])
    return out.getvalue().encode()


def _guarded(cell: str) -> str:
    """A cell that no spreadsheet takes for a formula; the import takes the mark away again. *Source*: OWASP, CSV injection."""
    return f"'{cell}" if cell.startswith(FORMULA_STARTS) else cell
