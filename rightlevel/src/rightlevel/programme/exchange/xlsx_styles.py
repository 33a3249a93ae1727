"""Numbers and days as a person reads them in the sheet: no float noise, no serial numbers for days, zeros by number format.

*Source*: ECMA-376 part 1, 18.8.30 (number formats) and 18.17.4 (the 1900 and 1904 date systems).
"""

from __future__ import annotations

import re
from collections.abc import Callable
from datetime import datetime, timedelta
from decimal import Decimal
from typing import Final, Literal

import msgspec

from rightlevel.programme.exchange.xlsx_book import Book

Kind = Literal["day", "moment", "time", "span"]
"""What a format shows: a day, a day with a time, a time of day, or hours that may pass 24."""

BUILT_IN: Final[dict[int, Kind]] = {
    **dict.fromkeys((14, 15, 16, 17, *range(27, 32), 36, *range(50, 55), 57, 58), "day"),
    **dict.fromkeys((18, 19, 20, 21, 32, 33, 34, 35, 45, 47, 55, 56), "time"),
    22: "moment",
    46: "span",
}
NUMBER: Final = re.compile(r"[+-]?(?:[0-9]+(?:\.[0-9]*)?|\.[0-9]+)(?:[eE][+-]?[0-9]{1,3})?")
LITERAL: Final = re.compile(
    r'"[^"]*"|\\.|_.|\*.|\[(?!h+\]|m+\]|s+\])[^\]]*\]|am/pm|a/p|general', re.IGNORECASE
)
DAY_S: Final = 86_400
LAST_SERIAL: Final = 2_958_466  # the day after 9999-12-31
STYLES_KEPT: Final = 65_536


def kind_of(code: str) -> Kind | None:
    """What a number format shows, or None when it shows a plain number."""
    shown = LITERAL.sub("", code).partition(";")[0].casefold()
    if "[" in shown:
        return "span"
    has_time = "h" in shown or "s" in shown
    has_day = "d" in shown or "y" in shown or ("m" in shown and not has_time)
    if has_day:
        return "moment" if has_time else "day"
    return "time" if has_time else None


class Styles(msgspec.Struct, frozen=True):
    """The cell styles of a workbook (as cells write them: "3") that show something else than the number held."""

    dates: dict[str, Kind]
    shown: dict[str, Shows]


Shows = Callable[[str], "str | None"]
"""From the digits of a whole number to the text that a format shows, or None where that isn't known here."""
PLAIN_FORMATS: Final = frozenset({"", "general", "@"})
BUILT_IN_CODES: Final = {
    1: "0",
    2: "0.00",
    3: "#,##0",
    4: "#,##0.00",
    9: "0%",
    10: "0.00%",
    11: "0.00E+00",
    12: "# ?/?",
    13: "# ??/??",
    37: "#,##0_);(#,##0)",
    38: "#,##0_);(#,##0)",
    39: "#,##0.00_);(#,##0.00)",
    40: "#,##0.00_);(#,##0.00)",
    41: "#,##0",
    42: "#,##0",
    43: "#,##0.00",
    44: "#,##0.00",
    48: "##0.0E+0",
    49: "@",
}
"""*Source*: ECMA-376 part 1, 18.8.30."""
_PART: Final = re.compile(r'"([^"]*)"|\\(.)|_.|\*.|\[[^\]]*\]|([0#?])|(.)', re.DOTALL)
_ONLY_POINT_ZEROS: Final = re.compile(r"#*0\.0+")
LITERALS: Final = frozenset("-() /:$+!^&~{}<>=\u00a0'")
"""Letters that a format shows as they stand, without quotation marks."""


def shows(code: str) -> Shows | None:
    """What a number format makes of whole numbers, or None when it shows them as they are held.

    Zeros and texts around digits are followed (000, "S"000, 00-00); a thousands separator, per cent, fractions and powers are not:
    numbers that they would change have no known text.
    """
    section = code.partition(";")[0] if '"' not in code else _first_section(code)
    if section.strip().casefold() in PLAIN_FORMATS:
        return None
    if _ONLY_POINT_ZEROS.fullmatch(section):
        return _as_held
    tokens: list[tuple[bool, str]] = []
    for found in _PART.finditer(section):
        literal = found[1] if found[1] is not None else found[2]
        if found[3]:
            tokens.append((True, found[3]))
        elif literal is not None:
            tokens.append((False, literal))
        elif found[4] is not None:
            if found[4] == "," and "#,##0" in section:
                return lambda digits: digits if len(digits.lstrip("-")) < 4 else None
            if found[4] not in LITERALS:
                return _unknown
            tokens.append((False, found[4]))
    places = sum(is_digit for is_digit, _ in tokens)
    zeros = sum(is_digit and mark == "0" for is_digit, mark in tokens)
    if not places:
        return _unknown
    if places == len(tokens) and zeros <= 1:
        return _as_held
    return lambda digits: _masked(digits, tokens, places)


def _first_section(code: str) -> str:
    is_quoted = False
    for at, letter in enumerate(code):
        if letter == '"':
            is_quoted = not is_quoted
        elif letter == ";" and not is_quoted:
            return code[:at]
    return code


def _as_held(digits: str) -> str:
    return digits


def _unknown(_digits: str) -> None:
    return None


def _masked(digits: str, tokens: list[tuple[bool, str]], places: int) -> str | None:
    """The digits put into the places of a format from the right; what is over stands before the first."""
    if digits.startswith("-"):
        return None
    rest, left = (digits if digits != "0" else ""), places
    out: list[str] = []
    for is_digit, mark in reversed(tokens):
        if not is_digit:
            out.append(mark)
            continue
        left -= 1
        if left == 0:
            out.append(rest or ("0" if mark == "0" else ""))
            rest = ""
        elif rest:
            out.append(rest[-1])
            rest = rest[:-1]
        else:
            out.append("0" if mark == "0" else " " if mark == "?" else "")
    return "".join(reversed(out)).strip()


def cell_styles(book: Book, name: str) -> Styles:
    """The cell styles that show days, times, or a number otherwise than it is held."""
    formats: dict[int, Kind | None] = dict(BUILT_IN)
    codes: dict[int, str] = dict(BUILT_IN_CODES)
    found = Styles({}, {})
    count = 0
    inside = False

    def start(tag: str, attributes: dict[str, str]) -> None:
        nonlocal count, inside
        if tag == "numFmt" and len(formats) < STYLES_KEPT:
            number, code = _whole(attributes.get("numFmtId")), attributes.get("formatCode", "")[:1000]
            formats[number], codes[number] = kind_of(code), code
        elif tag == "cellXfs":
            inside = True
        elif tag == "xf" and inside and count < STYLES_KEPT:
            number = _whole(attributes.get("numFmtId"))
            kind = formats.get(number)
            if kind is not None:
                found.dates[str(count)] = kind
            elif (shown := shows(codes.get(number, ""))) is not None:
                found.shown[str(count)] = shown
            count += 1

    def end(tag: str) -> None:
        nonlocal inside
        if tag == "cellXfs":
            inside = False

    if book.has(name):
        book.walk(name, start, end)
    return found


def _whole(text: str | None) -> int:
    return int(text) if text is not None and text.isascii() and text.isdigit() and len(text) < 10 else 0


def number_text(text: str) -> str | None:
    """The number as digits without exponent or noise past the 15th place, or None when it is no number."""
    if text.isdigit() and text.isascii() and (text[0] != "0" or text == "0"):
        return text
    text = text.strip()
    if not NUMBER.fullmatch(text):
        return None
    number = float(text)
    if number in (float("inf"), float("-inf")):
        return None
    if number == int(number) and abs(number) < 1e15:
        return str(int(number))
    short = format(number, ".15g")
    return format(Decimal(short), "f") if "e" in short else short


def moment_text(text: str, kind: Kind, is_1904: bool) -> str | None:
    """The day and time a serial number stands for, or None when it stands for none (negative, past 9999)."""
    if not NUMBER.fullmatch(text):
        return None
    serial = float(text)
    if not 0 <= serial < LAST_SERIAL:
        return None
    total_s = round(serial * DAY_S)
    days, rest_s = divmod(total_s, DAY_S)
    if days == 0 and kind == "day" and not is_1904:
        return None
    if kind == "span" or (days == 0 and not is_1904) or (days == 0 and kind == "time"):
        hours, rest = divmod(total_s, 3600)
        return f"{hours:02d}:{rest // 60:02d}:{rest % 60:02d}"
    clock = (
        f"T{rest_s // 3600:02d}:{rest_s // 60 % 60:02d}:{rest_s % 60:02d}" if rest_s and kind != "day" else ""
    )
    if days == 60 and not is_1904:
        # The day that 1900 did not have and the 1900 system counts: shown as the spreadsheet shows it.
        return f"1900-02-29{clock}"
    epoch = datetime(1904, 1, 1) if is_1904 else datetime(1899, 12, 30 if days > 60 else 31)  # noqa: DTZ001
    try:
        return f"{epoch + timedelta(days=days):%Y-%m-%d}{clock}"
    except OverflowError:
        return None


def iso_text(text: str) -> str:
    """A cell that holds an ISO 8601 day (type "d"), its midnight left out."""
    return re.sub(r"T00:00(?::00(?:\.0+)?)?Z?$", "", text.strip())
