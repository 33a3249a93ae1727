"""What a constraint of the schema says no to, in the words of the programme: the last net under the rules of each action.

An action looks first and names the field in its own words. What it did not foresee (somebody was faster, an id that leads nowhere)
is refused by the database, and told from here: never as a fault of ours, and never without the field where one is known.
"""

from __future__ import annotations

import re

from flatwater.transaction import ConstraintViolated
from rightlevel.programme.errors import (
    AlreadyTaken,
    Conflict,
    Fault,
    InUse,
    Invalid,
    ProgrammeError,
    RoundSealing,
)

_FOREIGN_KEY = re.compile(r"(?P<column>.+)_fkey\d*")
_CHECKED = re.compile(r"(?P<field>.+?)_(?:is|are|has|have|needs|need|agrees|ends|counts|says|leaves)_.+")
_PERSONS = re.compile(
    r"(?:person|mentor|teacher|owner|verifier|assessor|first_assessor|.*_by|by|raised_by|used_by)(?:_id)?"
)
_NOUNS: tuple[tuple[str, str], ...] = (
    ("school_year_id", "There is no such school year"),
    ("year_id", "There is no such school year"),
    ("school_id", "There is no such school"),
    ("place_id", "There is no such place"),
    ("parent_id", "There is no such place"),
    ("successor_id", "There is no such place"),
    ("class_id", "There is no such class"),
    ("round_id", "There is no such round"),
    ("student_id", "There is no such child"),
    ("resource_id", "There is no such resource"),
)
"""How a reference's column ends, and what is said when it leads nowhere."""

_OF_STATES = frozenset(
    {
        "form_version_is_kept",
        "place_does_not_move",
        "place_is_closed",
        "round_is_frozen",
        "school_has_a_past",
        "school_is_for_practice",
        "rounds_keep_their_order",
        "school_was_real",
        "test_tool_is_kept",
        "exercise_is_kept",
        "scale_is_kept",
    }
)
"""Rules that triggers keep: what was sent is sound, but not for what is there now."""


def translated(error: ConstraintViolated) -> ProgrammeError:
    """The programme's own refusal for what the database refused: Invalid with the field, AlreadyTaken, InUse or Conflict."""
    if error.kind == "still_referenced":
        return InUse()
    if error.kind == "unique":
        return AlreadyTaken()
    if error.constraint == "round_is_sealing":
        return RoundSealing()
    if error.kind == "foreign_key":
        column = _column_of_reference(error)
        return Invalid(faults=(Fault(column, _missing(column)),))
    if error.kind == "not_null":
        return Invalid(faults=(Fault(error.column, "Is needed"),))
    if error.kind == "check" and error.constraint not in _OF_STATES:
        return Invalid(faults=(Fault(_field_of_check(error), "Can't be kept like this"),))
    return Conflict()


def _column_of_reference(error: ConstraintViolated) -> str:
    name = error.constraint.removeprefix(f"{error.table}_")
    found = _FOREIGN_KEY.fullmatch(name)
    if found is not None:
        return found["column"]
    return "class_id" if "class" in name else name


def _missing(column: str) -> str:
    for ending, text in _NOUNS:
        if column == ending or column.endswith(f"_{ending}"):
            return text
    return "There is no such person" if _PERSONS.fullmatch(column) else "There is nothing like this"


def _field_of_check(error: ConstraintViolated) -> str:
    name = error.constraint.removeprefix(f"{error.table}_")
    found = _CHECKED.fullmatch(name)
    return found["field"] if found is not None else name


__all__ = ["translated"]
