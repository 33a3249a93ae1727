"""Cells that hold one thing and show another, and words that stand for nothing or for an error.

A workbook's cell may hold 12 and show 012 by its number format. Numbers are read as they are held; in codes and names the
shown text counts, and where it can't be told the cell is a fault: another code would be another child.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from typing import Any, Final


class FormattedCell(str):
    """A cell's value whose number format shows it otherwise: as `shown`, or (None) in a way that is not read here."""

    __slots__ = ("rule", "shown")

    shown: str | None
    rule: str
    """What is said where the shown text is wanted and can't be told."""

    def __new__(cls, value: str, shown: str | None, rule: str = "") -> FormattedCell:
        cell = super().__new__(cls, value)
        cell.shown = shown
        cell.rule = rule
        return cell

    # Values are remembered by what they are converted to, and 12 shown as 012 is not 12.
    def __eq__(self, other: object) -> bool:
        return isinstance(other, FormattedCell) and str.__eq__(self, other) and self.shown == other.shown

    def __hash__(self) -> int:
        return hash((str(self), self.shown))


IS_A_DAY: Final = "This cell holds a day, not this text: set the column to Text and write it again"
TOO_LONG_A_NUMBER: Final = "Spreadsheets keep only 15 digits of a number, so this one is not what was typed: set the column to Text and write it again"
SHOWN_OTHERWISE: Final = "The number format of this cell shows something else than it holds: set the column to Text and write it as it should be"
AN_ERROR: Final = "This cell holds an error of the spreadsheet: correct its formula, or empty it"
ROUNDED: Final = "A spreadsheet has shortened this number: set the column to Text and write it again"
SAYS_NOTHING: Final = "This is needed, and what stands here stands for nothing"

ERRORS: Final = frozenset(
    {
        "#n/a",
        "#ref!",
        "#name?",
        "#value!",
        "#div/0!",
        "#null!",
        "#num!",
        "#spill!",
        "#calc!",
        "#getting_data",
        "#field!",
        "#blocked!",
        "#unknown!",
        "#connect!",
        "#error!",
        "#busy!",
    }
)
"""*Source*: ECMA-376 part 1, 18.17.3, and what Excel, LibreOffice and Google Sheets have added since."""
_ERROR_MARKS: Final = re.compile(r"#{3,}|Err:[0-9]{3}")
NOTHING: Final = frozenset(
    {
        "-",
        "--",
        "---",
        "\u2013",
        "\u2014",
        "n/a",
        "n.a.",
        "n.a",
        "null",
        "nan",
        "<na>",
        "none",
        "nil",
        ".",
        "..",
        "?",
        "??",
        "\\n",
    }
)
"""What people and programs write where there is nothing, in small letters."""
NO_NAMES: Final = frozenset(
    {
        "-",
        "--",
        "---",
        "\u2013",
        "\u2014",
        "n/a",
        "N/A",
        "n.a.",
        "N.A.",
        "null",
        "NULL",
        "nan",
        "NaN",
        "<NA>",
        "none",
        "NONE",
        ".",
        "..",
        "?",
        "??",
        "\\N",
    }
)
"""The same where a name stands, just as written: Nan and Null are names of people and places."""
_ODD_CHARS: Final = 13
_SHORTENED: Final = re.compile(r"[+-]?[0-9](?:\.[0-9]+)?E\+[0-9]{2,3}")
"""A long number as spreadsheets write it into CSV: 1.23457E+11."""


def is_error(text: str) -> bool:
    """Whether a cell's text is what a spreadsheet shows for an error."""
    if len(text) > _ODD_CHARS:
        return False
    return text.casefold() in ERRORS or _ERROR_MARKS.fullmatch(text) is not None


def is_shortened(text: str) -> bool:
    """Whether a code is the rest of a long number, whose digits are gone."""
    return "E" in text and _SHORTENED.fullmatch(text) is not None


def says_nothing(text: str, *, is_name: bool) -> bool:
    """Whether a cell's text stands for nothing."""
    if len(text) > _ODD_CHARS:
        return False
    return text in NO_NAMES if is_name else text.casefold() in NOTHING


def shown_in(cell: Any, refuse: Callable[[str], Exception]) -> str:
    """What a cell shows. *Errors*: what `refuse` makes of the rule, where that can't be told."""
    if type(cell) is str:
        return cell
    if isinstance(cell, FormattedCell):
        if cell.shown is None:
            raise refuse(cell.rule or SHOWN_OTHERWISE)
        return cell.shown
    return str(cell)
