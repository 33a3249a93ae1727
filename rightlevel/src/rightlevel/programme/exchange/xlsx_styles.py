"""Numbers and days as a person reads them in the sheet: no float noise, no serial numbers for days.

*Source*: ECMA-376 part 1, 18.8.30 (number formats) and 18.17.4 (the 1900 and 1904 date systems).
"""

from __future__ import annotations

import re
from datetime import datetime, timedelta
from decimal import Decimal
from typing import Final, Literal

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


def date_styles(book: Book, name: str) -> dict[str, Kind]:
    """The cell styles (as cells write them: "3") that show days or times."""
    formats: dict[int, Kind | None] = dict(BUILT_IN)
    styles: dict[str, Kind] = {}
    count = 0
    inside = False

    def start(tag: str, attributes: dict[str, str]) -> None:
        nonlocal count, inside
        if tag == "numFmt" and len(formats) < STYLES_KEPT:
            formats[_whole(attributes.get("numFmtId"))] = kind_of(attributes.get("formatCode", "")[:1000])
        elif tag == "cellXfs":
            inside = True
        elif tag == "xf" and inside and count < STYLES_KEPT:
            kind = formats.get(_whole(attributes.get("numFmtId")))
            if kind is not None:
                styles[str(count)] = kind
            count += 1

    def end(tag: str) -> None:
        nonlocal inside
        if tag == "cellXfs":
            inside = False

    if book.has(name):
        book.walk(name, start, end)
    return styles


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
