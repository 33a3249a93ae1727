"""The line of a mapping that would cure a fault, where one would."""

from __future__ import annotations

import re
from collections.abc import Sequence
from difflib import get_close_matches
from typing import Final

import msgspec

from rightlevel.programme.exchange.cells import SAYS_NOTHING
from rightlevel.programme.exchange.fields import CHOICES, Field, Kind
from rightlevel.programme.exchange.mapping import MappingInvalid, Source, read_mapping
from rightlevel.programme.exchange.sheets import header_key
from rightlevel.programme.exchange.source_text import rule_broken, with_source
from rightlevel.programme.exchange.values import NEEDED, Convert

LONGEST_VALUE: Final = 60
CHOICE_RULES: Final = (
    "One of: ",
    "One of the grades ",
    "One of the school years ",
    "One of the values in the mapping",
)
ALIKE: Final = 0.75
"""The share of letters in common from which a header is taken for a misspelt word of ours."""
_CODE_OF_A_TABLE: Final = re.compile(r"\W*|[^,]*,[CNDLF],.*")
"""What is no header of people: marks alone, or a column as dBase describes one."""
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


def is_cured(
    line: str, kind: Kind, field: Field, convert: Convert, source: Source, key: str | tuple[str, ...]
) -> bool:
    """Whether the fault goes when the line is added to the mapping: the cell is read, or its row is not asked for. *Cost*: some 100 µs."""
    try:
        mapping = read_mapping(line, kind)
    except MappingInvalid:
        return False
    if mapping.only_programme_grades:
        return True
    cells = (key,) if isinstance(key, str) else key
    said = mapping.sources.get(field.name)
    if said is None:
        asked = {rule.column: rule for rule in mapping.only}
        return any(
            not asked[name].takes(cell)
            for name, cell in zip(source.columns, cells, strict=True)
            if name in asked
        )
    return not rule_broken(with_source(said, convert, field), key)


def likely_header(field: Field, unused: Sequence[str]) -> str:
    """The one header that a field's column could have: the only one left over, or the only one like the field's own words."""
    if len(unused) == 1 and not _CODE_OF_A_TABLE.fullmatch(unused[0]):
        return unused[0]
    words = {key for word in (field.name, *field.aliases) if (key := header_key(word))}
    like = [each for each in unused if get_close_matches(header_key(each), words, n=1, cutoff=ALIKE)]
    return like[0] if len(like) == 1 else ""


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
