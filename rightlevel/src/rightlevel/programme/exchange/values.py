"""From a cell's text to the text that COPY takes, or the rule that the cell breaks.

A converter is given one cell and returns COPY text (`\\N` for nothing); it raises Wrong with a rule in words. Repeated
values (sex, grade, a school's code) are converted once and remembered, within a bound.
"""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Callable, Hashable, Iterable, Mapping
from datetime import date
from typing import Final
from uuid import UUID

from flatwater.unseen import TURNING, WIDTHLESS, without
from rightlevel.programme.codes import code_form
from rightlevel.programme.exchange.sheets import normalised_header
from rightlevel.programme.names import nothing_seen

NULL: Final = "\\N"
NEEDED: Final = "This is needed and is empty"
REMEMBERED: Final = 4_096
LONGEST_NUMBER: Final = 24
GRADES: Final = range(1, 13)

Convert = Callable[[str], str]


class Wrong(Exception):
    """A cell's value can't be taken; the rule it breaks, in words."""

    def __init__(self, rule: str) -> None:
        super().__init__(rule)
        self.rule = rule


class Remembered(dict[Hashable, "str | None"]):
    """What values were converted to, for the values met lately; None for one that broke a rule."""

    def __init__(self, convert: Callable[[object], str]) -> None:
        super().__init__()
        self._convert = convert

    def __missing__(self, value: Hashable) -> str | None:
        if len(self) >= REMEMBERED:
            self.clear()
        try:
            converted = self._convert(value)
        except Wrong:
            converted = None
        self[value] = converted
        return converted


class _Digits(dict[int, "str | int"]):
    """For str.translate: decimal digits of any script become 0-9, everything else stays."""

    def __missing__(self, code: int) -> str | int:
        digit = unicodedata.decimal(chr(code), None)
        self[code] = found = code if digit is None else str(digit)
        return found


_DIGITS = _Digits()


def with_plain_digits(text: str) -> str:
    """The text with the decimal digits of any script (Khmer, Devanagari, Arabic) written 0-9."""
    return text if text.isascii() else text.translate(_DIGITS)


def escaped(text: str) -> str:
    """The text as COPY's text format writes it."""
    if "\\" in text:
        text = text.replace("\\", "\\\\")
    if "\t" in text or "\n" in text or "\r" in text:
        text = text.replace("\t", "\\t").replace("\n", "\\n").replace("\r", "\\r")
    return text


_MEANINGLESS: Final = without(TURNING, WIDTHLESS)
"""What a name typed into a form may not hold; files of spreadsheets have them without anybody's doing."""


def tidied(text: str) -> str:
    """The text without spaces around it and with single ones inside; of marks that nobody sees those stay that join letters, where there are any.

    *Errors*: Wrong for a control character.
    """
    text = " ".join(text.split())
    if not text.isprintable():
        if any(unicodedata.category(letter) in ("Cc", "Cs") for letter in text):
            raise Wrong("This holds a character that is no text")
        text = " ".join(text.translate(_MEANINGLESS).split())
        if nothing_seen(text):
            return ""
    return text


def text_of(longest: int, *, blank: str | None = NULL) -> Convert:
    """Any text up to a length; `blank` is what an empty cell stands for (None: it is needed)."""

    def convert(raw: str) -> str:
        text = tidied(raw)
        if not text:
            return _blank(blank)
        if len(text) > longest:
            raise Wrong(f"At most {longest} characters")
        return escaped(text)

    return convert


def code_of(longest: int, *, blank: str | None = None) -> Convert:
    """A code in the one form that codes are kept in (codes.code_form)."""
    convert_text = text_of(longest, blank=blank)

    def convert(raw: str) -> str:
        return convert_text(code_form(raw))

    return convert


def mark_of(longest: int) -> Convert:
    """A short mark, or nothing: any text, its digits written 0-9."""
    convert_text = text_of(longest)

    def convert(raw: str) -> str:
        return convert_text(with_plain_digits(raw))

    return convert


def choice_of(spellings: Mapping[str, Iterable[str]], *, blank: str | None = NULL) -> Convert:
    """One of a few values, each by any of its spellings; case, width and spaces do not matter."""
    known = {
        normalised_header(with_plain_digits(spelling)): value
        for value, all_of in spellings.items()
        for spelling in (value, *all_of)
    }
    # The first spelling is the one shown to people; stored numbers say nothing to them.
    shown = ", ".join(next(iter(all_of), value) for value, all_of in spellings.items())

    def convert(raw: str) -> str:
        key = normalised_header(with_plain_digits(raw))
        if not key:
            return _blank(blank)
        found = known.get(key)
        if found is None:
            raise Wrong(f"One of: {shown}")
        return found

    return convert


def whole_number_of(lowest: int, highest: int, *, blank: str | None = NULL) -> Convert:
    """A whole number within bounds; "12.0", as spreadsheets write it, is one."""
    rule = f"A whole number from {lowest} to {highest}"

    def convert(raw: str) -> str:
        text = with_plain_digits(raw.strip())
        if not text:
            return _blank(blank)
        match = _WHOLE.fullmatch(text)
        if match is None or len(text) > LONGEST_NUMBER or not lowest <= int(match[1]) <= highest:
            raise Wrong(rule)
        return str(int(match[1]))

    return convert


def decimal_of(lowest: float, highest: float) -> Convert:
    """A decimal number within bounds, with a point or a comma."""
    rule = f"A number from {lowest:g} to {highest:g}"

    def convert(raw: str) -> str:
        text = with_plain_digits(raw.strip()).replace(",", ".")
        if not text:
            return NULL
        if _DECIMAL.fullmatch(text) is None or len(text) > LONGEST_NUMBER:
            raise Wrong(rule)
        number = float(text)
        if not lowest <= number <= highest:
            raise Wrong(rule)
        return repr(number)

    return convert


def day_of(earliest: date, latest: date, rule: str) -> Convert:
    """A day: 2016-03-31, 2016/3/31, or day first as registers write it: 31/3/2016, 31.3.2016, 31-3-2016."""

    def convert(raw: str) -> str:
        text = with_plain_digits(raw.strip())
        if not text:
            return NULL
        match = _YEAR_FIRST.fullmatch(text)
        parts = match.groups() if match else None
        if match is None and (match := _DAY_FIRST.fullmatch(text)):
            parts = match.groups()[::-1]
        if parts is None:
            raise Wrong("A day, written as 2016-03-31 or 31/03/2016")
        try:
            day = date(int(parts[0]), int(parts[1]), int(parts[2]))
        except ValueError:
            raise Wrong("There is no such day; written as 2016-03-31 or 31/03/2016") from None
        if not earliest <= day <= latest:
            raise Wrong(rule)
        return day.isoformat()

    return convert


def grade_of(grades: Iterable[int]) -> Convert:
    """A grade that a school may have, alone or after a word for it: 3, Grade 3, ថ្នាក់ទី៣.

    Whether the programme has it is judged with all rows: a child may be in a grade of before. `grades` are told to whoever wrote none at all.
    """
    known = {str(grade) for grade in GRADES}
    shown = ", ".join(map(str, sorted(grades)))

    def convert(raw: str) -> str:
        text = with_plain_digits(raw.strip())
        if not text:
            raise Wrong(NEEDED)
        match = _GRADE.fullmatch(text)
        grade = match[1].lstrip("0") if match else ""
        if grade not in known:
            raise Wrong(f"One of the grades {shown}")
        return grade

    return convert


def uuid_of(raw: str) -> str:
    """A UUID, or nothing."""
    text = raw.strip()
    if not text:
        return NULL
    try:
        return str(UUID(text))
    except ValueError:
        raise Wrong("A UUID, or empty") from None


def slug_of(name: str, longest: int = 60) -> str:
    """A code made from a name: lower case, runs of anything but letters and digits become one hyphen.

    Letters and vowel signs of every script stay. *Errors*: Wrong when nothing is left.
    """
    folded = with_plain_digits(unicodedata.normalize("NFKC", name)).casefold()
    kept = "".join(letter if unicodedata.category(letter)[0] in "LMN" else "-" for letter in folded)
    slug = re.sub("-+", "-", kept).strip("-")[:longest].strip("-")
    if not slug:
        raise Wrong("A name with letters or digits in it")
    return slug


def _blank(blank: str | None) -> str:
    if blank is None:
        raise Wrong(NEEDED)
    return blank


_WHOLE: Final = re.compile(r"(-?[0-9]+)(?:\.0*)?")
_DECIMAL: Final = re.compile(r"[+-]?(?:[0-9]+(?:\.[0-9]*)?|\.[0-9]+)(?:[eE][+-]?[0-9]{1,2})?")
_YEAR_FIRST: Final = re.compile(r"([0-9]{4})[-/.]([0-9]{1,2})[-/.]([0-9]{1,2})(?:[T ]00:00(?::00)?)?")
_DAY_FIRST: Final = re.compile(r"([0-9]{1,2})[-/.]([0-9]{1,2})[-/.]([0-9]{4})")
_GRADE: Final = re.compile(
    r"(?:(?:grade|class|std\.?|standard|year|ថ្នាក់ទី|ថ្នាក់)\s*)?([0-9]{1,2})(?:\.0)?", re.IGNORECASE
)
