"""Values of children's lives, and the pure rules: the grade after a grade, which children stay, a free code."""

from __future__ import annotations

from datetime import date
from typing import Literal

import msgspec

from rightlevel.programme.days import HAPPENED
from rightlevel.programme.errors import Fault
from rightlevel.programme.ids import is_uuid
from rightlevel.programme.results import TestingStatus

MOST_CHILDREN = 5_000
"""A school of more children is no school: the largest of the registries read has under 4,000."""
GRADES = range(1, 13)

Fate = Literal["up", "stay", "finish"]


class Transfer(msgspec.Struct, frozen=True):
    """Where a child goes: another school, class or grade; the school year is that of the class. `code`: its new code, where it needs one."""

    version: int
    school_id: int
    grade: int
    moved_on: date
    reason: str
    class_id: int | None = None
    code: str | None = None


class Consent(msgspec.Struct, frozen=True):
    """A guardian's consent to be contacted, with the day it was given."""

    version: int
    contact: str
    given_on: date


class Withdrawal(msgspec.Struct, frozen=True):
    """The day on which a guardian took the consent back."""

    version: int
    withdrawn_on: date


class RollOverPlan(msgspec.Struct, frozen=True):
    """How a school goes on: into which year (the next one where none is named), and which children stay in their grade.

    `id` is the write's, made by the sender. `children` is how many the preview showed: when others have come or gone since,
    the preview is to be looked at again. `carry_open_rounds`: rounds of the old year that are not done go on with the children
    and classes of that year, and what is still entered is counted there.
    """

    id: str
    rolled_on: date
    to_year_id: int | None = None
    repeaters: tuple[str, ...] = ()
    children: int | None = None
    carry_open_rounds: bool = False


class ClassFate(msgspec.Struct, frozen=True):
    """What becomes of a class: how many go up, stay or finish, and where to."""

    class_id: int | None
    grade: int
    section: str
    children: int
    up: int
    stay: int
    finish: int
    next_grade: int | None
    up_class_is_new: bool
    stay_class_is_new: bool


class YearName(msgspec.Struct, frozen=True):
    """A school year by name."""

    id: int
    name: str
    starts_on: date


class OpenRound(msgspec.Struct, frozen=True):
    """A round of the year that is left which is not done at a school, in one subject: who has a result, and who has none yet."""

    round_id: int
    kind: str
    state: str
    subject: str
    tested: int
    absent: int
    refused: int
    left: int
    to_do: int
    enrolled: int

    @property
    def status(self) -> TestingStatus:
        return TestingStatus(self.tested, self.absent, self.refused, self.left, self.to_do)


class RollOverPreview(msgspec.Struct, frozen=True):
    """What a roll-over would do; nothing is written. `unknown` are repeaters who aren't in this school and year."""

    school_id: int
    from_year: YearName
    to_year: YearName
    classes: tuple[ClassFate, ...]
    children: int
    up: int
    stay: int
    finish: int
    new_classes: int
    unknown: int = 0
    open_rounds: tuple[OpenRound, ...] = ()
    """Rounds of the old year that are not done here; the roll-over is refused unless they are carried on."""


class RollOver(msgspec.Struct, frozen=True):
    """A roll-over that was done. `is_undoable`: no result of the new year is entered yet."""

    id: str
    school_id: int
    from_year: str
    to_year: str
    rolled_on: date
    up: int
    stayed: int
    finished: int
    classes_made: int
    is_undone: bool
    is_undoable: bool


class Undone(msgspec.Struct, frozen=True):
    """What undoing a roll-over did: children who went back, and those who had moved on since and stayed as they are."""

    back: int
    left_as_they_are: int
    classes_removed: int


class MovingChild(msgspec.Struct, frozen=True):
    """A child of the old year, for picking who stays."""

    id: str
    code: str
    name: str
    grade: int
    class_id: int | None


def next_grades(grades: list[int]) -> list[int | None]:
    """For each grade from 1 to 12, the one after it in the programme, or None where the programme ends."""
    offered = sorted(set(grades))
    return [next((each for each in offered if each > grade), None) for grade in GRADES]


def free_code(code: str, taken: set[str], longest: int = 40) -> str:
    """The code with the first free number behind it; `taken` are codes without case."""
    for number in range(2, len(taken) + 3):
        ending = f"-{number}"
        tried = code[: longest - len(ending)] + ending
        if tried.lower() not in taken:
            return tried
    raise AssertionError("one of n + 1 different codes is free of n")


def day_faults(field: str, day: date, today: date) -> list[Fault]:
    """What is wrong with the day of something that has happened."""
    return HAPPENED.faults(field, day, today)


def plan_faults(plan: RollOverPlan, today: date) -> list[Fault]:
    """What is wrong with a roll-over by itself."""
    faults = day_faults("rolled_on", plan.rolled_on, today)
    if not is_uuid(plan.id):
        faults.append(Fault("id", "A UUID", plan.id[:60]))
    if len(plan.repeaters) > MOST_CHILDREN or not all(map(is_uuid, plan.repeaters)):
        faults.append(Fault("repeaters", "At most 5,000 children, each by its id", str(len(plan.repeaters))))
    return faults
