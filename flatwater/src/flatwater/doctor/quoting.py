"""Names and texts as they stand in a cure, and statements shown without the values people typed into them."""

from __future__ import annotations

import re
from typing import Final

from psycopg import sql

LONGEST_SHOWN: Final = 160
"""Characters of a statement in a finding: two lines of a terminal."""

_VALUES = re.compile(
    r"(?P<dollar>\$(?:[A-Za-z_]\w*)?\$).*?(?:(?P=dollar)|\Z)"
    r"|[eEnN]?'(?:[^'\\]|''|\\.)*(?:'|\Z)"
    r"|/\*.*?(?:\*/|\Z)|--[^\n]*"
    r"|(?<![\w$.])\d+(?:\.\d+)?(?:[eE][+-]?\d+)?",
    re.DOTALL,
)


def identifier(*parts: str) -> str:
    """A name as SQL writes it, quoted: `identifier("public", "note")` is "public"."note"."""
    return sql.Identifier(*parts).as_string()


def literal(value: str | int | float) -> str:
    """A value as SQL writes it."""
    return sql.Literal(value).as_string().strip()


def statement_shape(statement: str) -> str:
    """A statement on one line with its values out and its length bounded: what was sent, not about whom."""
    one_line = " ".join(_VALUES.sub("?", statement).split())
    return one_line if len(one_line) <= LONGEST_SHOWN else one_line[: LONGEST_SHOWN - 1] + "…"


def printable(text: str) -> str:
    """Text that can't move the reader's cursor: names and statements come from others."""
    return "".join(each if each.isprintable() or each == "\n" else "\ufffd" for each in text)
