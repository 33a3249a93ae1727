"""One sheet of an XLSX workbook as rows, pulled piece by piece through expat; memory doesn't grow with the sheet."""

from __future__ import annotations

import re
from collections.abc import Sequence
from pathlib import Path
from typing import Final

from rightlevel.programme.exchange.cells import IS_A_DAY, SHOWN_OTHERWISE, TOO_LONG_A_NUMBER, FormattedCell
from rightlevel.programme.exchange.sheet_limits import (
    SheetFault,
    SheetLimits,
    cell_too_long,
    column_letters,
    too_many_columns,
)
from rightlevel.programme.exchange.xlsx_book import (
    Book,
    Feeder,
    Skip,
    attribute,
    damaged,
    new_parser,
    release,
)
from rightlevel.programme.exchange.xlsx_strings import SharedStrings, StringsTarget, unescaped
from rightlevel.programme.exchange.xlsx_styles import Styles, cell_styles, iso_text, moment_text, number_text

LAST_ROW: Final = 1_048_576
BATCH_CHARS: Final = 4_000_000
LONG_CHARS: Final = 256
REFERENCE: Final = re.compile(r"\$?([A-Z]{1,3})\$?([1-9][0-9]{0,6})")
START, SHEET, DATA, ROW, CELL, INLINE, RUN, VALUE, INLINE_TEXT, RUN_TEXT = range(10)
TEXT: Final = VALUE  # states from here on collect characters
EXACT_DIGITS: Final = 15
EXACT_BELOW: Final = 1e15
"""Numbers below are kept whole: spreadsheets keep 15 digits."""
BOOLEANS: Final = {"1": "TRUE", "true": "TRUE", "0": "FALSE", "false": "FALSE"}


class _SheetTarget:
    """What expat calls while it reads a sheet: a state per element that counts, everything else skipped."""

    def __init__(self, strings: SharedStrings, styles: Styles, is_1904: bool, limits: SheetLimits) -> None:
        self.parser = new_parser()
        self.parser.CharacterDataHandler = self._text
        self._skip = Skip(self.parser, self._start, self._end)
        self._strings = strings
        self._dates, self._shown = styles.dates, styles.shown
        self._is_1904 = is_1904
        self._limits = limits
        self._state = START
        self._columns: dict[str, int] = {}
        self.numbers: list[int] = []
        self.rows: list[list[str]] = []
        self.long_chars = 0
        self._number = 0
        self._digits = "0"
        self._row: list[str] = []
        self._last_column = -1
        self._cell: dict[str, str] = {}
        self._parts: list[str] = []
        self._length = 0
        self._name_tags("")

    def _name_tags(self, prefix: str) -> None:
        self._data, self._row_tag, self._c, self._v = (prefix + tag for tag in ("sheetData", "row", "c", "v"))
        self._is, self._t, self._r = prefix + "is", prefix + "t", prefix + "r"

    def _start(self, name: str, attributes: dict[str, str]) -> None:
        state = self._state
        if state == ROW and name == self._c:
            self._state = CELL
            self._cell = attributes
            self._parts.clear()
            self._length = 0
        elif state == CELL and name == self._v:
            self._state = VALUE
        elif state == DATA and name == self._row_tag:
            self._open_row(attributes)
            self._state = ROW
        elif state == CELL and name == self._is:
            self._state = INLINE
        elif state == INLINE and name == self._t:
            self._state = INLINE_TEXT
        elif state == INLINE and name == self._r:
            self._state = RUN
        elif state == RUN and name == self._t:
            self._state = RUN_TEXT
        elif state == SHEET and name == self._data:
            self._state = DATA
        elif state == START:
            self._name_tags(name[: name.find(":") + 1])
            if name.rpartition(":")[2] != "worksheet":
                raise damaged("what it calls a sheet is something else")
            self._state = SHEET
        else:
            self._skip.begin()

    def _end(self, name: str) -> None:
        state = self._state
        if state == CELL:
            if self._parts:
                self._close_cell()
            elif "r" not in self._cell:
                self._last_column += 1
            self._state = ROW
        elif state in (VALUE, INLINE):
            self._state = CELL
        elif state == ROW:
            if self._row:
                self.numbers.append(self._number)
                self.rows.append(self._row)
            self._state = DATA
        else:
            self._state = {INLINE_TEXT: INLINE, RUN: INLINE, RUN_TEXT: RUN, DATA: SHEET}.get(state, START)

    def _text(self, text: str) -> None:
        if self._state < TEXT:
            return
        self._parts.append(text)
        self._length += len(text)
        if self._length > self._limits.cell_chars:
            raise cell_too_long(self._number, self._column() + 1, self._limits)

    def _open_row(self, attributes: dict[str, str]) -> None:
        digits = attributes.get("r")
        if digits is None:
            digits = str(self._number + 1)
        if not digits.isdigit() or not digits.isascii() or len(digits) > 7 or not 0 < int(digits) <= LAST_ROW:
            raise damaged(f"after row {self._number} comes a row named {digits[:20]!r}")
        number = int(digits)
        if number <= self._number:
            raise SheetFault(
                "rows_out_of_order",
                f"Row {number} comes after row {self._number} in the file. "
                "Open it in your spreadsheet program, save it again and send that one.",
                number,
            )
        self._number, self._digits, self._row, self._last_column = number, str(number), [], -1

    def _column(self) -> int:
        """The cell's place in its row, from 0. Most references are met before; the rest are looked at closely."""
        reference = self._cell.get("r")
        if reference is None:
            return self._last_column + 1
        digits = self._digits
        letters = reference[: -len(digits)]
        column = self._columns.get(letters)
        if column is not None and reference.endswith(digits):
            return column
        match = REFERENCE.fullmatch(reference)
        if match is None or match.group(2) != digits:
            raise damaged(f"row {digits} holds a cell named {reference[:20]!r}")
        column = 0
        for letter in match.group(1):
            column = column * 26 + ord(letter) - 64
        if column <= self._limits.columns:
            self._columns[match.group(1)] = column - 1
        return column - 1

    def _close_cell(self) -> None:
        parts = self._parts
        value = self._value(parts[0] if len(parts) == 1 else "".join(parts))
        column, row = self._column(), self._row
        if column <= self._last_column:
            raise damaged(f"row {self._number} has two cells in one place or cells out of order")
        self._last_column = column
        if not value:
            return
        if column >= self._limits.columns:
            raise too_many_columns(self._number, column + 1, self._limits)
        gap = column - len(row)
        if gap:
            row.extend([""] * gap)
        row.append(value)
        if len(value) > LONG_CHARS:
            self.long_chars += len(value)

    def _value(self, text: str) -> str:
        kind = self._cell.get("t", "n")
        if kind == "s":
            if not (text.isdigit() and text.isascii() and len(text) < 10 and int(text) < len(self._strings)):
                raise self._bad_cell(f"points to text number {text[:20]!r}, which the workbook does not have")
            return self._strings[int(text)]
        if kind == "n":
            return self._number_value(text, self._cell.get("s", ""))
        if kind == "b":
            return BOOLEANS.get(text, text)
        if kind == "d":
            return FormattedCell(iso_text(text), None, IS_A_DAY)
        return unescaped(text)

    def _number_value(self, text: str, style: str) -> str:
        """The number or day that a cell holds, and what its format shows where that is something else."""
        day_kind = self._dates.get(style) if self._dates else None
        moment = moment_text(text, day_kind, self._is_1904) if day_kind is not None else None
        if moment is not None:
            return FormattedCell(moment, None, IS_A_DAY)
        value = number_text(text)
        if value is None:
            raise self._bad_cell(f"says it is a number and holds {text[:20]!r}")
        if len(value) > EXACT_DIGITS and abs(float(text)) >= EXACT_BELOW:
            return FormattedCell(value, None, TOO_LONG_A_NUMBER)
        shows = self._shown.get(style) if self._shown else None
        if shows is None:
            return value
        shown = shows(value) if "." not in value else None
        return value if shown == value else FormattedCell(value, shown, SHOWN_OTHERWISE)

    def _bad_cell(self, what: str) -> SheetFault:
        column = self._column() + 1
        message = (
            f"Cell {column_letters(column)}{self._number} {what}. Save the file again and send that one."
        )
        return SheetFault("bad_cell", message, self._number, column)


class XlsxRows:
    """The rows of one sheet that hold anything, with their numbers. Owns the open workbook."""

    def __init__(self, path: Path, sheet: str | None, limits: SheetLimits) -> None:
        self._book = Book(path, limits)
        self._strings = SharedStrings(limits)
        try:
            self._open(sheet, limits)
        except BaseException:
            self.close()
            raise

    def _open(self, sheet: str | None, limits: SheetLimits) -> None:
        book = self._book
        workbook = _workbook_part(book)
        related = book.relationships(workbook)
        self.sheet_names, self.visible_names, part, is_1904 = _pick_sheet(book, workbook, related, sheet)
        by_kind = dict(related.values())
        strings_part = by_kind.get("sharedStrings", "")
        self._total_bytes = book.size_bytes(part) + book.size_bytes(strings_part)
        styles = cell_styles(book, by_kind.get("styles", ""))
        small_bytes = book.bytes_done
        if book.has(strings_part):
            parser = new_parser()
            StringsTarget(parser, self._strings, limits)
            feeder = Feeder(parser, book.chunks(strings_part))
            while feeder.step():
                pass
            release(parser)
        self._strings.finish()
        self._small_bytes = small_bytes
        self._target = _SheetTarget(self._strings, styles, is_1904, limits)
        self._feeder = Feeder(self._target.parser, book.chunks(part))
        self._more = True

    def take(self, rows_wanted: int) -> tuple[Sequence[int], list[list[str]]]:
        """The next rows with their numbers; fewer than wanted when their texts are long, none at the end."""
        target = self._target
        while self._more and len(target.rows) < rows_wanted and target.long_chars < BATCH_CHARS:
            self._more = self._feeder.step()
        numbers, rows = target.numbers[:rows_wanted], target.rows[:rows_wanted]
        del target.numbers[:rows_wanted], target.rows[:rows_wanted]
        if rows or not self._more:
            target.long_chars = 0
        return numbers, rows

    def progress(self) -> tuple[int, int]:
        """Unpacked bytes read of the sheet and its texts, and how many there are."""
        return min(self._book.bytes_done - self._small_bytes, self._total_bytes), self._total_bytes

    def close(self) -> None:
        """Let go of the file and the temporary one."""
        if hasattr(self, "_target"):
            release(self._target.parser)
        self._strings.close()
        self._book.close()


def _workbook_part(book: Book) -> str:
    parts = [name for kind, name in book.relationships("").values() if kind == "officeDocument"]
    part = parts[0] if parts else "xl/workbook.xml"
    if book.has(part) and part.casefold().endswith(".xml"):
        return part
    what = "a zip file, but not an XLSX workbook"
    if book.has("mimetype") or book.has("content.xml"):
        what = "an OpenDocument file (.ods)"
    elif part.casefold().endswith(".bin"):
        what = "a binary workbook (.xlsb)"
    raise SheetFault(
        "not_a_sheet", f"This is {what}. Open it in your spreadsheet program and save it as XLSX or CSV."
    )


def _pick_sheet(
    book: Book, workbook: str, related: dict[str, tuple[str, str]], wanted: str | None
) -> tuple[tuple[str, ...], tuple[str, ...], str, bool]:
    """The names of all sheets in order and of the visible ones, the part of the one wanted, and whether days count from 1904."""
    sheets: list[tuple[str, str, bool]] = []
    is_1904 = False

    def start(tag: str, attributes: dict[str, str]) -> None:
        nonlocal is_1904
        if tag == "workbookPr":
            is_1904 = attributes.get("date1904") in ("1", "true")
        elif tag == "sheet":
            kind, part = related.get(attribute(attributes, "id") or "", ("", ""))
            if kind == "worksheet":
                visible = attributes.get("state", "visible") == "visible"
                sheets.append((attributes.get("name", ""), part, visible))

    book.walk(workbook, start)
    names = tuple(name for name, _, _ in sheets)
    if wanted is None:
        chosen = [part for _, part, visible in sheets if visible]
    else:
        key = wanted.strip().casefold()
        chosen = [part for name, part, _ in sheets if name.strip().casefold() == key]
    if not chosen:
        asked = "a visible sheet" if wanted is None else f"a sheet named {wanted[:100]!r}"
        known = ", ".join(repr(name[:100]) for name in names[:10]) or "none"
        raise SheetFault("no_such_sheet", f"The workbook does not have {asked}. Its sheets are: {known}.")
    return names, tuple(name for name, _, visible in sheets if visible), chosen[0], is_1904
