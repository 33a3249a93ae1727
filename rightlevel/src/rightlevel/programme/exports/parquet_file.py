"""Parquet files made while they are sent: a group of rows in memory, never more.

pyarrow, the one kept library that writes them, takes 150 MB of disk and more memory than the whole service is given
(docs/decisions/0027-exports-and-undo.md). What an export needs of the format is small: optional columns of four types, plain, squeezed
with gzip. *Source*: apache/parquet-format, README and parquet.thrift 2.11; Thrift compact protocol specification.
"""

from __future__ import annotations

import struct
import zlib
from collections.abc import Callable, Iterable, Sequence
from datetime import date
from typing import Any, Final

from rightlevel.programme.exports.model import Column
from rightlevel.programme.exports.text_files import Cell, cells_of

MAGIC: Final = b"PAR1"
ROWS_OF_GROUP: Final = 2_500
EPOCH: Final = date(1970, 1, 1)
LEVEL: Final = 1
MADE_BY: Final = "RightLevel"

_INT32, _INT64, _DOUBLE, _BYTES = 1, 2, 5, 6
_UTF8, _DATE = 0, 6
_OPTIONAL, _PLAIN, _RLE, _GZIP, _DATA_PAGE = 1, 0, 3, 2, 0
_TYPES: Final = {"text": _BYTES, "integer": _INT64, "number": _DOUBLE, "date": _INT32}
_MEANT: Final = {"text": _UTF8, "date": _DATE}


class _Group:
    """Where the columns of one group of rows lie in the file."""

    def __init__(self, rows: int) -> None:
        self.rows = rows
        self.chunks: list[tuple[int, int, int]] = []
        """Of each column: where its page begins, how long it is, and how long it was before it was squeezed, headers included."""


class ParquetFile:
    """One table, in groups of 2,500 rows. *Cost*: the cells of one group, and of each group that was sent some 50 bytes a column."""

    def __init__(self) -> None:
        self._columns: Sequence[Column] = ()
        self._waiting: list[Sequence[Cell]] = []
        self._groups: list[bytes] = []
        self._rows = 0
        self._at = 0

    def sheet(self, name: str, columns: Sequence[Column]) -> bytes:
        """How every such file begins."""
        self._columns = columns
        return self._sent(MAGIC)

    def block(self, content: bytes) -> bytes:
        """Rows as the database gave them in COPY's text format."""
        return self.rows(cells_of(content))

    def rows(self, rows: Iterable[Sequence[Cell]]) -> bytes:
        """The groups that these rows fill."""
        self._waiting += rows
        sent: list[bytes] = []
        while len(self._waiting) >= ROWS_OF_GROUP:
            group, self._waiting = self._waiting[:ROWS_OF_GROUP], self._waiting[ROWS_OF_GROUP:]
            sent.append(self._group(group))
        return b"".join(sent)

    def end(self) -> bytes:
        """The last group, and what says where everything lies."""
        last = self._group(self._waiting) if self._waiting else b""
        self._waiting = []
        footer = self._footer()
        return last + self._sent(footer + struct.pack("<I", len(footer)) + MAGIC)

    def _sent(self, content: bytes) -> bytes:
        self._at += len(content)
        return content

    def _group(self, rows: list[Sequence[Cell]]) -> bytes:
        group = _Group(len(rows))
        parts: list[bytes] = []
        for number, column in enumerate(self._columns):
            page = _page([row[number] for row in rows], column.kind)
            squeezed = _gzip(page)
            header = _struct(
                (1, _i32(_DATA_PAGE)),
                (2, _i32(len(page))),
                (3, _i32(len(squeezed))),
                (5, _struct_of((1, _i32(len(rows))), (2, _i32(_PLAIN)), (3, _i32(_RLE)), (4, _i32(_RLE)))),
            )
            group.chunks.append((self._at, len(header) + len(squeezed), len(header) + len(page)))
            parts.append(self._sent(header + squeezed))
        self._groups.append(self._group_meta(group))
        self._rows += group.rows
        return b"".join(parts)

    def _footer(self) -> bytes:
        schema = [_struct((4, _binary("export")), (5, _i32(len(self._columns))))]
        for column in self._columns:
            fields: list[tuple[int, _Value]] = [
                (1, _i32(_TYPES[column.kind])),
                (3, _i32(_OPTIONAL)),
                (4, _binary(column.name)),
            ]
            fields += [(6, _i32(_MEANT[column.kind]))] if column.kind in _MEANT else []
            schema.append(_struct(*fields))
        return _struct(
            (1, _i32(1)),
            (2, _list(schema)),
            (3, _i64(self._rows)),
            (4, _list(self._groups)),
            (6, _binary(MADE_BY)),
        )

    def _group_meta(self, group: _Group) -> bytes:
        chunks: list[bytes] = []
        for column, (at, size, plain) in zip(self._columns, group.chunks, strict=True):
            meta = _struct_of(
                (1, _i32(_TYPES[column.kind])),
                (2, _list([_zigzag(_PLAIN), _zigzag(_RLE)], _T_I32)),
                (3, _list([_varint(len(column.name)) + column.name.encode()], _T_BINARY)),
                (4, _i32(_GZIP)),
                (5, _i64(group.rows)),
                (6, _i64(plain)),
                (7, _i64(size)),
                (9, _i64(at)),
            )
            chunks.append(_struct((2, _i64(at)), (3, meta)))
        plain_bytes = sum(plain for _, _, plain in group.chunks)
        return _struct((1, _list(chunks)), (2, _i64(plain_bytes)), (3, _i64(group.rows)))


def _page(cells: list[Cell], kind: str) -> bytes:
    """Which cells there are, in the hybrid of runs and bits, then those, plain."""
    present = [cell is not None and cell != "" for cell in cells]
    values = [cell for cell, is_there in zip(cells, present, strict=True) if is_there]
    levels = _bits(present)
    return struct.pack("<I", len(levels)) + levels + _VALUES[kind](values)


def _bits(present: list[bool]) -> bytes:
    groups = (len(present) + 7) // 8
    number = (
        sum(1 << at for at, is_there in enumerate(present) if is_there)
        if not all(present)
        else (1 << len(present)) - 1
    )
    return _varint((groups << 1) | 1) + number.to_bytes(groups, "little")


def _texts(values: list[Any]) -> bytes:
    parts: list[bytes] = []
    for value in values:
        content = str(value).encode("utf-8", "replace")
        parts += (struct.pack("<I", len(content)), content)
    return b"".join(parts)


def _packed(form: str, read: Callable[[Any], Any]) -> Callable[[list[Any]], bytes]:
    def pack(values: list[Any]) -> bytes:
        return struct.pack(f"<{len(values)}{form}", *map(read, values))

    return pack


_VALUES: Final[dict[str, Callable[[list[Any]], bytes]]] = {
    "text": _texts,
    "integer": _packed("q", int),
    "number": _packed("d", float),
    "date": _packed("i", lambda value: (date.fromisoformat(value) - EPOCH).days),
}


def _gzip(content: bytes) -> bytes:
    squeeze = zlib.compressobj(LEVEL, zlib.DEFLATED, 31)
    return squeeze.compress(content) + squeeze.flush()


# Thrift's compact protocol: a field is its number's distance and its type in a byte, then its value.

_T_I32, _T_I64, _T_BINARY, _T_LIST, _T_STRUCT = 5, 6, 8, 9, 12
_Value = tuple[int, bytes]


def _varint(number: int) -> bytes:
    parts = bytearray()
    while number > 0x7F:
        parts.append((number & 0x7F) | 0x80)
        number >>= 7
    parts.append(number)
    return bytes(parts)


def _zigzag(number: int) -> bytes:
    return _varint((number << 1) ^ (number >> 63))


def _i32(number: int) -> _Value:
    return _T_I32, _zigzag(number)


def _i64(number: int) -> _Value:
    return _T_I64, _zigzag(number)


def _binary(text: str) -> _Value:
    content = text.encode()
    return _T_BINARY, _varint(len(content)) + content


def _list(items: list[bytes], kind: int = _T_STRUCT) -> _Value:
    head = (
        bytes([(len(items) << 4) | kind]) if len(items) < 15 else bytes([0xF0 | kind]) + _varint(len(items))
    )
    return _T_LIST, head + b"".join(items)


def _struct_of(*fields: tuple[int, _Value]) -> _Value:
    return _T_STRUCT, _struct(*fields)


def _struct(*fields: tuple[int, _Value]) -> bytes:
    parts: list[bytes] = []
    before = 0
    for number, (kind, content) in fields:
        parts += (bytes([((number - before) << 4) | kind]), content)
        before = number
    return b"".join([*parts, b"\0"])
