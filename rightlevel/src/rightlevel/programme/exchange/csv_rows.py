"""CSV of unknown origin as rows: encoding and delimiter found by content, memory bounded whatever the quotes do.

*Cost*: about half a microsecond a row of eight cells. All per-cell work is done by the csv module; what a row may
hold is bounded by counting the bytes that a slice of sixteen rows swallows, not by looking at every cell.
"""

from __future__ import annotations

import codecs
import csv
import io
import re
from collections.abc import Sequence
from itertools import islice
from pathlib import Path
from typing import BinaryIO, Final

from rightlevel.programme.exchange.sheet_limits import (
    MIB,
    SheetFault,
    SheetLimits,
    cell_too_long,
    too_many_columns,
)

CHUNK_BYTES: Final = 8192
HEAD_BYTES: Final = 65_536
SLICE_ROWS: Final = 16
BATCH_BYTES: Final = 1 * MIB
DELIMITERS: Final = ",;\t|"
LINE_END: Final = re.compile(r"\r\n|\r|\n")
SEP_LINE: Final = re.compile(r'"?sep=([^\w"\r\n\0])"?[ \t]*(?:\r\n|\r|\n|$)', re.IGNORECASE)
MARKUP: Final = re.compile(rb"\s*<(!doctype|html|\?xml|table|meta|head|body)", re.IGNORECASE)
CONTROL: Final = re.compile(rb"[\x00-\x08\x0e-\x19\x1c-\x1f]")
SIGNATURES: Final = (b"%PDF", b"\x1f\x8b", b"\x89PNG", b"\xff\xd8\xff", b"Rar!", b"7z\xbc\xaf", b"{\\rtf")
WIDE: Final = ("utf-16", "utf_16", "utf-32", "utf_32")
SEVEN_BIT: Final = ("iso2022", "hz", "utf-7", "utf_7")
SAVE_AS_UTF8: Final = "Save the file again as 'CSV UTF-8' and send that one."


class _NoRowEnd(Exception):
    """More bytes went by than a slice of rows may have."""


class _Feed(io.BufferedIOBase):
    """The file as UTF-8 in small chunks, counted. The text layer above it does the decoding at C speed."""

    name = "sheet"

    def __init__(self, file: BinaryIO, skipped_bytes: int, encoding: str) -> None:
        self._file = file
        file.seek(skipped_bytes)
        self._decoder = None if encoding == "utf-8" else codecs.getincrementaldecoder(encoding)()
        self.encoding = encoding
        self.given_bytes = 0
        self.stop_at_bytes = 0
        self.nul_seen = False

    def readable(self) -> bool:
        return True

    def read1(self, size: int = -1, /) -> bytes:
        # The wrapper asks for 8 KiB a time, which is what the test for long cells in CsvRows.take rests on.
        chunk = self._file.read(CHUNK_BYTES)
        if self._decoder is not None:
            text = self._decoder.decode(chunk, not chunk)
            while chunk and not text:
                chunk = self._file.read(CHUNK_BYTES)
                text = self._decoder.decode(chunk, not chunk)
            chunk = text.encode()
        self.given_bytes += len(chunk)
        if self.given_bytes > self.stop_at_bytes:
            raise _NoRowEnd
        if b"\0" in chunk:
            self.nul_seen = True
        return chunk

    def position_bytes(self) -> int:
        return 0 if self._file.closed else self._file.tell()

    def close(self) -> None:
        self._file.close()
        super().close()


class CsvRows:
    """The records of one CSV file, each with the line it starts on. Owns the open file it is given."""

    def __init__(self, file: BinaryIO, total_bytes: int, limits: SheetLimits, encoding: str | None) -> None:
        self._limits = limits
        self._total_bytes = total_bytes
        head = file.read(HEAD_BYTES)
        codec, bom_bytes = _encoding_of(file, head, encoding)
        text = codecs.getincrementaldecoder(codec)("replace").decode(head[bom_bytes:])
        sep_line = SEP_LINE.match(text)
        self.delimiter = sep_line.group(1) if sep_line else delimiter_of(text)
        self._feed = _Feed(file, bom_bytes, codec)
        self._feed.stop_at_bytes = SLICE_ROWS * limits.row_bytes + CHUNK_BYTES
        self._text = io.TextIOWrapper(self._feed, encoding="utf-8", newline="")
        self._lines_before = 1 if sep_line else 0
        if sep_line:
            next(self._text)
        self._reader = csv.reader(self._text, delimiter=self.delimiter, strict=True)

    def take(self, rows_wanted: int) -> tuple[Sequence[int], list[list[str]]]:
        """The next records with their line numbers; fewer than wanted when they are long, none at the end."""
        feed, reader = self._feed, self._reader
        slice_bytes = SLICE_ROWS * self._limits.row_bytes + CHUNK_BYTES
        # A cell past the limit needs that many bytes, of which at most one chunk (twice 8 KiB once re-encoded)
        # was waiting in the text layer before the slice began.
        suspicious_bytes = self._limits.cell_chars - 2 * CHUNK_BYTES
        first_line = self._lines_before + reader.line_num + 1
        start_bytes = feed.given_bytes
        rows: list[list[str]] = []
        while (missing := rows_wanted - len(rows)) > 0 and feed.given_bytes - start_bytes <= BATCH_BYTES:
            count, before_bytes = len(rows), feed.given_bytes
            feed.stop_at_bytes = before_bytes + slice_bytes
            try:
                rows.extend(islice(reader, min(SLICE_ROWS, missing)))
            except (csv.Error, UnicodeDecodeError, _NoRowEnd) as error:
                raise self._fault(error, first_line, rows) from error
            if len(rows) == count:
                break
            if feed.nul_seen or feed.given_bytes - before_bytes > suspicious_bytes:
                self._refuse_bad_cells(self._numbers(first_line, rows)[count:], rows[count:])
        return self._numbers(first_line, rows), rows

    def progress(self) -> tuple[int, int]:
        """Bytes read and bytes in all."""
        return min(self._feed.position_bytes(), self._total_bytes), self._total_bytes

    def close(self) -> None:
        """Let go of the file."""
        self._text.close()

    def _numbers(self, first_line: int, rows: list[list[str]]) -> Sequence[int]:
        if self._lines_before + self._reader.line_num + 1 - first_line == len(rows):
            return range(first_line, first_line + len(rows))
        return _counted(first_line, rows)[:-1]

    def _refuse_bad_cells(self, numbers: Sequence[int], rows: list[list[str]]) -> None:
        limit = self._limits.cell_chars
        for number, row in zip(numbers, rows, strict=True):
            if len(row) > self._limits.columns and any(row[self._limits.columns :]):
                raise too_many_columns(number, len(row), self._limits)
            for column, cell in enumerate(row, 1):
                if len(cell) > limit:
                    raise cell_too_long(number, column, self._limits)
                if "\0" in cell:
                    message = (
                        f"Line {number} holds a NUL character, which no text has. "
                        f"The file is damaged or is not CSV. {SAVE_AS_UTF8}"
                    )
                    raise SheetFault("nul_character", message, number, column)

    def _fault(self, error: Exception, first_line: int, rows: list[list[str]]) -> SheetFault:
        line_read = self._lines_before + self._reader.line_num
        start = _counted(first_line, rows)[-1]
        if isinstance(error, UnicodeDecodeError):
            return _bad_bytes(error, line_read)
        text = str(error)
        if "unexpected end of data" in text or (not _is_bad_quote(text) and line_read > start):
            return SheetFault(
                "unclosed_quote",
                f"A quotation mark opened in the row that starts on line {start} is never closed. "
                'Close it, or write a quotation mark inside a cell twice ("").',
                start,
            )
        if isinstance(error, _NoRowEnd):
            message = f"The rows from line {start} on are longer than {self._limits.row_bytes:,} bytes. Is this a table?"
            return SheetFault("row_too_long", message, start)
        if "field limit" in text:
            message = (
                f"A cell in line {start} holds more than {self._limits.cell_chars:,} characters. Shorten it."
            )
            return SheetFault("cell_too_long", message, start)
        message = (
            f"The row that starts on line {start} has something after a closing quotation mark. "
            'Write a quotation mark inside a cell twice ("") and put the whole cell in quotation marks.'
        )
        return SheetFault("bad_quote", message, start)


def _counted(first_line: int, rows: list[list[str]]) -> list[int]:
    """The line each record starts on, by the line ends inside its cells, and the line after the last."""
    numbers = [first_line]
    for row in rows:
        inner = sum(len(LINE_END.findall(cell)) for cell in row if "\n" in cell or "\r" in cell)
        numbers.append(numbers[-1] + 1 + inner)
    return numbers


def _is_bad_quote(text: str) -> bool:
    return "expected after" in text


def _encoding_of(file: BinaryIO, head: bytes, asked: str | None) -> tuple[str, int]:
    """The codec and the length of the byte-order mark, after refusing what plainly is no text."""
    if asked is not None and asked.startswith(WIDE) and not head.startswith(codecs.BOM_UTF8):
        return asked, 0
    if head.startswith((codecs.BOM_UTF32_LE, codecs.BOM_UTF32_BE)):
        raise SheetFault(
            "bad_encoding", f"The file is written in UTF-32, which is not read. {SAVE_AS_UTF8}", 1
        )
    if head.startswith(codecs.BOM_UTF8):
        return "utf-8", 3
    if head.startswith(codecs.BOM_UTF16_LE):
        return "utf-16-le", 2
    if head.startswith(codecs.BOM_UTF16_BE):
        return "utf-16-be", 2
    if b"\0" in head[:4] and head[:4].count(b"\0") == 2:
        message = f"The file looks like UTF-16 without a byte-order mark. {SAVE_AS_UTF8}"
        raise SheetFault("bad_encoding", message, 1)
    is_binary = len(CONTROL.findall(head)) > 8 + len(head) // 100
    if is_binary or head.startswith(SIGNATURES) or MARKUP.match(head):
        message = (
            "This is neither a CSV nor an XLSX file (it looks like a web page, a picture, a document or a "
            "compressed file). Open it in your spreadsheet program and save it as XLSX or CSV."
        )
        raise SheetFault("not_a_sheet", message)
    if asked is None or asked == "utf-8":
        return "utf-8", 0
    # Seven-bit encodings look like UTF-8 and are not.
    return ("utf-8" if not asked.startswith(SEVEN_BIT) and is_utf8(file) else asked), 0


def has_mark(path: Path) -> bool:
    """Whether a file says by its first bytes which Unicode encoding it is in."""
    with path.open("rb") as file:
        return file.read(4).startswith((codecs.BOM_UTF8, codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE))


def is_utf8(file: BinaryIO) -> bool:
    """Whether the whole file is UTF-8. *Cost*: one more reading, about a gigabyte a second."""
    decoder = codecs.getincrementaldecoder("utf-8")()
    file.seek(0)
    try:
        while chunk := file.read(MIB):
            decoder.decode(chunk)
        decoder.decode(b"", final=True)
    except UnicodeDecodeError:
        return False
    return True


def delimiter_of(text: str) -> str:
    """What separates the cells of the first line of several cells with text, counted outside quotation marks.

    A title above the table is a line without any separator and says nothing.
    """
    counts = dict.fromkeys(DELIMITERS, 0)
    quoted = has_text = False
    for letter in text:
        if letter == '"':
            quoted = not quoted
        elif quoted:
            has_text = True
        elif letter in counts:
            counts[letter] += 1
        elif letter in "\r\n":
            if has_text and any(counts.values()):
                break
            counts, has_text = dict.fromkeys(DELIMITERS, 0), False
        elif not letter.isspace():
            has_text = True
    return max(counts, key=counts.__getitem__)


def _bad_bytes(error: UnicodeDecodeError, lines_read: int) -> SheetFault:
    # The text layer decodes a chunk only when it holds no whole line any more, so the bad byte lies as many
    # lines further on as there are line ends before it in its own chunk.
    before = error.object[: error.start].decode(error.encoding, "replace")
    line = lines_read + 1 + len(LINE_END.findall(before))
    message = (
        f"Line {line} holds bytes that are not {error.encoding.upper()} text. {SAVE_AS_UTF8} "
        "Or say in which encoding it is written."
    )
    return SheetFault("bad_encoding", message, line)
