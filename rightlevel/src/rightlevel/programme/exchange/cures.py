"""The line of a mapping that would cure a fault, where one would."""

from __future__ import annotations

from typing import Final

import msgspec

from rightlevel.programme.exchange.cells import SAYS_NOTHING
from rightlevel.programme.exchange.fields import CHOICES
from rightlevel.programme.exchange.mapping import Source
from rightlevel.programme.exchange.values import NEEDED

LONGEST_VALUE: Final = 60
CHOICE_RULES: Final = (
    "One of: ",
    "One of the grades ",
    "One of the school years ",
    "One of the values in the mapping",
)
OF_NUMBERS_AND_DAYS: Final = ("A whole number from", "A number from", "A day", "There is no such day")


def quoted(text: str) -> str:
    """A text as TOML writes it."""
    return msgspec.json.encode(text).decode()


def cure_of(field: str, source: Source, value: str, rule: str) -> str:
    """The mapping's line, or nothing where no line of a mapping can help."""
    if not source.columns or len(value) > LONGEST_VALUE:
        return ""
    columns = _columns(source)
    if rule.startswith("A part of this is empty"):
        return f"{field} = {{{columns}, blanks = true}}"
    if rule in (NEEDED, SAYS_NOTHING):
        return filled_only(source) if not value else _left_out(source, value)
    if rule.startswith(CHOICE_RULES) and value:
        ours = CHOICES.get(field, "")
        return f"{field} = {{{columns}, values = {{{_pairs(source)}{quoted(value)} = {quoted(ours)}}}}}"
    if rule.startswith(OF_NUMBERS_AND_DAYS) and value:
        return f"{field} = {{{columns}, nothing = [{quoted(value)}]}}"
    return ""


def filled_only(source: Source) -> str:
    """The line that asks only for rows in which a source's column is filled in."""
    return f"only = [{{column = {quoted(source.columns[0])}, filled = true}}]" if source.columns else ""


def _left_out(source: Source, value: str) -> str:
    return f"only = [{{column = {quoted(source.columns[0])}, not_in = [{quoted(value)}]}}]"


def _columns(source: Source) -> str:
    if len(source.columns) == 1:
        return f"column = {quoted(source.columns[0])}"
    return f"join = [{', '.join(map(quoted, source.columns))}], with = {quoted(source.joint)}"


def _pairs(source: Source) -> str:
    return "".join(f"{quoted(theirs)} = {quoted(ours)}, " for theirs, ours in (source.values or {}).items())
