"""A file as somebody has it, opened for an import: its sheet, its header and its encoding found, or said what to say of them."""

from __future__ import annotations

import codecs
import re
from collections.abc import Sequence
from pathlib import Path
from typing import Final

import msgspec

from rightlevel.programme.exchange.csv_rows import WIDE, delimiter_of, has_mark, is_utf8
from rightlevel.programme.exchange.fields import FIELDS, Kind, needed_fields
from rightlevel.programme.exchange.guessing import Reading, is_doubtful, names_in, readings, sample_of
from rightlevel.programme.exchange.mapping import ColumnMapping, Source, sources_by_headers
from rightlevel.programme.exchange.sheet_limits import MIB
from rightlevel.programme.exchange.sheets import (
    DEFAULT_LIMITS,
    Sheet,
    SheetFault,
    SheetLimits,
    codec_of,
    header_key,
    is_workbook,
    open_sheet,
)

MOST_SHEETS: Final = 10
"""Of so many visible sheets the one with our columns is looked for; of more, somebody has to say which."""
FITS_A_LITTLE: Final = 2
_NUMBER: Final = re.compile(r"[0-9]+(?:[.,/-][0-9]+)*")
NAME_FIELDS: Final = ("name", "name_local", "name_latin")


class OpeningFault(SheetFault):
    """This file can't be read before somebody says something of it. `offers` are things that may be said, as lines of a mapping."""

    def __init__(self, fault: SheetFault, offers: Sequence[Offer]) -> None:
        super().__init__(fault.code, fault.message, fault.row, fault.column)
        self.offers = tuple(offers)


class Offer(msgspec.Struct, frozen=True):
    """A line of a mapping that would let the file be read, what it would mean, and what to look at before it is chosen."""

    line: str
    rule: str
    value: str = ""


def open_table(
    path: Path, kind: Kind, mapping: ColumnMapping | None = None, *, limits: SheetLimits = DEFAULT_LIMITS
) -> Sheet:
    """The table of a file, with its header found below titles and on the sheet that has our columns.

    *Shape*: `Sheet.told` says what was found rather than given. *Errors*: SheetFault; OpeningFault where somebody has to look.
    """
    mapping = mapping or ColumnMapping(kind, {}, is_partial=True)
    opener = _Opener(path, mapping, limits)
    try:
        sheet = opener.open(mapping.sheet)
    except SheetFault as fault:
        if fault.code != "bad_encoding":
            raise
        raise opener.encoding_fault(fault) from fault
    try:
        if mapping.sheet is None and len(sheet.visible_names) > 1:
            return opener.choose(sheet)
        if sheet.kind == "csv":
            opener.check_encoding(sheet)
    except BaseException:
        sheet.close()
        raise
    opener.tell(sheet)
    return sheet


def fitting(kind: Kind, headers: Sequence[str], mapping: ColumnMapping) -> tuple[int, int]:
    """How many of the fields that are needed these headers have, and how many of all."""
    keys = {header_key(header) for header in headers if header.strip()}
    if mapping.is_partial:
        sources = sources_by_headers(kind, headers, mapping.sources)
    else:
        sources = mapping.sources
    there = {name for name, source in sources.items() if _has(source, keys)}
    needed = set(needed_fields(kind))
    return len(there & needed), len([name for name in there if sources[name].columns])


def _has(source: Source, keys: set[str]) -> bool:
    """Whether the headers have all columns of a source; of repeated ones, "NAME#2" is NAME."""
    return all(
        header_key(column) in keys or header_key(column.rpartition("#")[0]) in keys
        for column in source.columns
    )


class _Opener:
    def __init__(self, path: Path, mapping: ColumnMapping, limits: SheetLimits) -> None:
        self._path = path
        self._mapping = mapping
        self._kind: Kind = mapping.kind
        self._limits = limits
        self._needed = len(needed_fields(self._kind))

    def open(self, name: str | None) -> Sheet:
        """One sheet, its header looked for where it is not said."""
        mapping = self._mapping
        name = name if is_workbook(self._path) else None  # a file to mend is CSV, whatever it came out of
        header = self._pick if mapping.header_row is None else mapping.header_row
        return open_sheet(
            self._path, sheet=name, encoding=mapping.encoding, header=header, limits=self._limits
        )

    def _pick(self, rows: Sequence[list[str]]) -> int:
        """The first row that has every field that is needed, else the one that has most, else the first."""
        fits = [fitting(self._kind, row, self._mapping) for row in rows]
        whole = [place for place, (needed, named) in enumerate(fits) if needed == self._needed and named]
        if whole:
            return whole[0]
        best = max(range(len(rows)), key=lambda place: fits[place][1])
        return best if fits[best][1] >= FITS_A_LITTLE else 0

    def _is_whole(self, sheet: Sheet) -> bool:
        return fitting(self._kind, sheet.headers, self._mapping)[0] == self._needed

    def choose(self, first: Sheet) -> Sheet:
        """Of several visible sheets the only one with text, or the only one with our columns. *Errors*: OpeningFault: which?"""
        names = first.visible_names
        filled: list[str] = []
        whole: list[str] = []
        for name in names[:MOST_SHEETS]:
            try:
                with self.open(name) as sheet:
                    filled.append(name)
                    whole += [name] if self._is_whole(sheet) else []
            except SheetFault as fault:
                if fault.code != "no_header":
                    filled.append(name)
        first.close()
        chosen = filled if len(filled) == 1 else whole
        if len(chosen) != 1 or len(names) > MOST_SHEETS:
            raise self._which(names, whole)
        sheet = self.open(chosen[0])
        others = [name for name in filled if name != chosen[0]]
        if others:
            sheet.told.append(f"Only the sheet {chosen[0]} was read; not read: {', '.join(others)}.")
        self.tell(sheet)
        return sheet

    def _which(self, names: tuple[str, ...], whole: list[str]) -> OpeningFault:
        fault = SheetFault(
            "which_sheet",
            f"The workbook has {len(names)} sheets that are seen. Say which one is meant, or keep only that one.",
        )
        shown = whole or list(names[:MOST_SHEETS])
        return OpeningFault(
            fault,
            [Offer(f"sheet = {_quoted(name)}", "Reads this sheet and no other", name) for name in shown],
        )

    def tell(self, sheet: Sheet) -> None:
        """Notes where the header was found, and what stands above it."""
        if sheet.above and self._mapping.header_row is None:
            above = "; ".join(" ".join(" ".join(filter(None, row)).split())[:60] for row in sheet.above[:3])
            sheet.told.append(f"The header was found in row {sheet.header_row}; not read above it: {above}.")

    def _name_columns(self, headers: Sequence[str]) -> list[int]:
        sources = sources_by_headers(self._kind, headers, self._mapping.sources)
        wanted = {
            header_key(column) for name in NAME_FIELDS if name in sources for column in sources[name].columns
        }
        return [place for place, header in enumerate(headers) if header_key(header) in wanted]

    def _readings(self, sheet: Sheet | None) -> tuple[list[Reading], list[int], str]:
        sample = sample_of(self._path)
        if sheet is not None:
            delimiter, headers = sheet.delimiter, sheet.headers
        else:
            delimiter = delimiter_of(b"".join(sample.lines[:1]).decode("ascii", "replace"))
            headers = tuple(sample.header.decode("ascii", "replace").split(delimiter))
        columns = self._name_columns(headers)
        return readings(sample, columns, delimiter), columns, delimiter

    def encoding_fault(self, fault: SheetFault, sheet: Sheet | None = None) -> SheetFault:
        """The same fault with the encodings that the file may be written in, each with names to look at."""
        if has_mark(self._path):
            return fault
        found, _, _ = self._readings(sheet)
        return OpeningFault(fault, _offers(found))

    def check_encoding(self, sheet: Sheet) -> None:
        """Passes when the text is UTF-8, or names read well in the encoding asked for. *Errors*: OpeningFault."""
        asked = self._mapping.encoding
        if has_mark(self._path) or self._mapping.encoding_checked:
            return
        with self._path.open("rb") as file:
            if is_utf8(file):
                return
        sample = sample_of(self._path)
        if asked is None:
            raise self.encoding_fault(_not_utf8(self._path), sheet)
        if not sample.lines or codec_of(asked).startswith(WIDE):
            return
        found, columns, delimiter = self._readings(sheet)
        codec = codec_of(asked)
        if not is_doubtful(codec, sample, found, columns, delimiter):
            return
        names = names_in(sample.content.decode(codec, "replace"), columns, delimiter)
        fault = SheetFault(
            "doubtful_encoding",
            f"In the encoding {asked[:40]} these are hardly names: {', '.join(names[:SHOWN])}. Nothing was read.",
        )
        others = [reading for reading in found if reading.names != names]
        insist = Offer("encoding_checked = true", f"Reads it in {asked[:40]} all the same", ", ".join(names))
        raise OpeningFault(fault, [*_offers(others), insist])


SHOWN: Final = 3


def _not_utf8(path: Path) -> SheetFault:
    """The fault of the first line that is not UTF-8."""
    decoder = codecs.getincrementaldecoder("utf-8")()
    lines = 1
    with path.open("rb") as file:
        while chunk := file.read(MIB):
            try:
                decoder.decode(chunk)
            except UnicodeDecodeError as error:
                lines += bytes(error.object[: error.start]).count(b"\n")
                break
            lines += chunk.count(b"\n")
    message = f"Line {lines} holds bytes that are not UTF-8 text. Say in which encoding the file is written."
    return SheetFault("bad_encoding", message, lines)


def _offers(found: list[Reading]) -> list[Offer]:
    return [
        Offer(
            f"encoding = {_quoted(reading.encoding)}",
            "Look whether these are the names: then the file is in this encoding",
            ", ".join(reading.names),
        )
        for reading in found
    ]


def _quoted(text: str) -> str:
    return msgspec.json.encode(text).decode()


def looks_like_data(headers: Sequence[str], kind: Kind) -> bool:
    """Whether what was taken for a header is rather a first row: no word of ours, and numbers among its cells."""
    known = {header_key(alias) for field in FIELDS[kind] for alias in (field.name, *field.aliases)}
    if any(header_key(header) in known for header in headers):
        return False
    return any(_NUMBER.fullmatch(header.strip()) for header in headers)
