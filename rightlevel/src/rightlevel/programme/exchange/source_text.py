"""What a mapping's source makes of cells before the field's own converter sees them: joined, looked up, transformed."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, Final

from rightlevel.programme.exchange.cells import (
    AN_ERROR,
    ROUNDED,
    SAYS_NOTHING,
    is_error,
    is_shortened,
    says_nothing,
    shown_in,
)
from rightlevel.programme.exchange.fields import Field
from rightlevel.programme.exchange.mapping import TRANSFORMS, Source, value_key
from rightlevel.programme.exchange.values import Convert, Wrong

OWN_WORDS: Final = frozenset({"sex", "ownership", "area", "is_practice", "status"})
"""Fields of a few values, each of which has words of its own."""
GUARDED: Final = frozenset("=+-@")
"""What an apostrophe is put before in the files that we write, so that no spreadsheet takes it for a formula."""


def rule_broken(convert: Callable[[Any], object], key: Any) -> list[str]:
    """The rule that a cell (or several) breaks, if it breaks one."""
    try:
        convert(key)
    except Wrong as wrong:
        return [wrong.rule]
    return []


def shown(key: Any, joint: str) -> str:
    """A cell, or several joined, as people are shown them."""
    return str(key) if isinstance(key, str) else joint.join(filter(None, map(str, key)))


def with_source(source: Source, convert: Convert, field: Field) -> Callable[[Any], str]:
    """The converter of a field after what stands in cells beside text (errors, words for nothing, number formats) and the
    source's joining, values and transforms."""
    values, nothing = source.values, source.nothing
    transforms = [TRANSFORMS[name] for name in source.transforms]
    is_name, is_code = field.reads == "name", field.reads == "code"
    takes_what_is_shown = field.reads != "held"
    takes_blanks = source.blanks if source.blanks is not None else is_name
    is_constant = not source.columns

    def text_of_cell(cell: Any) -> str:
        text = (shown_in(cell, Wrong) if takes_what_is_shown else str(cell)).strip()
        if not text or is_constant:
            return text
        if text[0] == "'" and text[1:2] in GUARDED:
            text = text[1:]
        if is_error(text):
            raise Wrong(AN_ERROR)
        if nothing and value_key(text) in nothing:
            return ""
        if values is not None and value_key(text) in values:
            return text
        if says_nothing(text, is_name=is_name):
            if field.is_needed and len(source.columns) < 2:
                raise Wrong(SAYS_NOTHING)
            return ""
        if is_code and is_shortened(text):
            raise Wrong(ROUNDED)
        return text

    def is_own_word(text: str) -> bool:
        """Whether a value that the mapping does not name is one of our own words; a number is one only where nobody numbers them otherwise."""
        return not value_key(text).isdecimal() and not rule_broken(convert, text)

    def plain(key: Any) -> str:
        return convert(text_of_cell(key))

    def whole(key: Any) -> str:
        if isinstance(key, str):
            text = text_of_cell(key)
        else:
            text = _joined([text_of_cell(part) for part in key], source, takes_blanks=takes_blanks)
        if values is not None and text:
            found = values.get(value_key(text))
            if found is None and field.name in OWN_WORDS and is_own_word(text):
                return convert(text)
            if found is None:
                raise Wrong(f"One of the values in the mapping: {', '.join(values)}")
            text = found
        for transform in transforms:
            text = transform(text)
        return convert(text)

    is_plain = len(source.columns) < 2 and values is None and not transforms
    return plain if is_plain else whole


def _joined(parts: list[str], source: Source, *, takes_blanks: bool) -> str:
    if all(parts) or (takes_blanks and any(parts)):
        return source.joint.join(filter(None, parts))
    if any(parts):
        empty = ", ".join(name for name, part in zip(source.columns, parts, strict=True) if not part)
        raise Wrong(f"A part of this is empty: {empty}")
    return ""
