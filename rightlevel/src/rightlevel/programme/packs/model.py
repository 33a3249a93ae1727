"""What a pack holds, and how much at most."""

from __future__ import annotations

from collections.abc import Iterable
from datetime import date, datetime
from typing import Any

import msgspec

from rightlevel.programme.results import GuidedRules, SheetRow
from rightlevel.programme.rounds import Round
from rightlevel.programme.tools import Tool

MOST_SCHOOLS = 12
MOST_CHILDREN = 999
"""Some 300 kB of JSON: a phone with 1 GB of memory opens it in a moment. One below what a page of a sheet gives, so that more is seen."""
MOST_GROUPS = 24
"""Those that its owner leads come first."""
MOST_RETESTS = 200
MOST_FOLLOW_UPS = 50
MOST_DRAFTS = 10
"""A draft is 60 kB at most, and most are a tenth of that."""


class PackResult(msgspec.Struct, frozen=True, omit_defaults=True):
    """A child's result of the round in a subject, as far as its reader may know it."""

    version: int
    outcome: str
    level: str | None = None
    tested_on: date | None = None
    is_held: bool = False
    """It is locked or verified: nothing can be entered."""
    is_blind: bool = False


class PackChild(msgspec.Struct, frozen=True, omit_defaults=True):
    """One child, with the subjects in which its reader tests it and what there is in the round."""

    id: str
    school_id: int
    code: str
    name: str
    sex: int
    grade: int
    class_id: int | None
    subjects: list[str]
    results: dict[str, PackResult] = {}


class PackClass(msgspec.Struct, frozen=True):
    """A class of a school, or a grade's children without one, in a subject that its reader has there."""

    class_id: int | None
    grade: int
    section: str
    subject: str


class PackSchool(msgspec.Struct, frozen=True):
    """One school with its classes."""

    id: int
    name: str
    code: str
    is_practice: bool
    classes: list[PackClass]
    subjects: list[str]
    teachers: list[PackTeacher]
    """Whose lesson can be visited; none for who makes no visits."""


class PackTeacher(msgspec.Struct, frozen=True):
    """Somebody who teaches at a school."""

    id: int
    name: str


class PackGroup(msgspec.Struct, frozen=True):
    """A group of a school that its reader works at, with its children; where they lead it, also the days on which it was taught last.

    Who may have to test a child again does not find it here, nor how many are left out: a group says a level as well as a result does.
    `unseen` are those of classes that are not the reader's.
    """

    id: int
    school_id: int
    subject: str
    band: int
    number: int
    levels: list[str]
    members: list[PackMember]
    taught: list[PackSession]
    teacher_name: str | None
    is_led: bool
    unseen: int


class PackMember(msgspec.Struct, frozen=True):
    """A child of a group with its latest level."""

    student_id: str
    name: str
    level: str | None


class PackSession(msgspec.Struct, frozen=True):
    """A day on which a group was taught, with the version of what was saved of it."""

    held_on: date
    version: int


class PackRetest(msgspec.Struct, frozen=True):
    """A child that its reader is asked to test again. What the first test said is not here, nor by whom it was made."""

    id: str
    result_id: str
    student_id: str
    code: str
    name: str
    grade: int
    school_id: int
    subject: str
    first_tested_on: date
    first_tool: int | None
    version: int


class PackForm(msgspec.Struct, frozen=True):
    """A version of the visit form. *Shape*: definition and rules as `forms.to_json` and `forms.rules_of` give them."""

    id: int
    definition: Any
    rules: Any


class PackVisit(msgspec.Struct, frozen=True):
    """A visit of its reader's that is not sent yet."""

    id: str
    school_id: int
    subject: str
    visited_on: date
    teacher_id: int | None
    form_version_id: int
    answers: Any
    state: str
    version: int
    photos: int


class PackFollowUp(msgspec.Struct, frozen=True):
    """Something that was agreed with its reader after a visit, and is not closed."""

    id: str
    school_name: str
    words: str
    due_on: date
    version: int


class PackDeeds(msgspec.Struct, frozen=True):
    """What its owner may do beside entering results."""

    visit: bool
    retest: bool
    group: bool
    child: bool


class PackRung(msgspec.Struct, frozen=True):
    """One level of a scale that was made in the product: what it is called by language, its colour, and the colour of a text on it."""

    rank: int
    code: str
    labels: dict[str, str]
    colour: str
    text_colour: str


class PackScale(msgspec.Struct, frozen=True):
    """What the round is measured by in a subject, where it is not the program's own scale."""

    subject: str
    rungs: list[PackRung]


class Pack(msgspec.Struct, frozen=True):
    """What one person's phone holds: their own schools, classes, children and groups, the round of today, rules and tools; for who visits
    schools also the form, their drafts, and whom they are asked to test again.

    `exercises_due` are the subjects in which its owner's levels are refused, save at practice schools, until they have passed an exercise.

    `left_out` are the schools for which there was no room; `is_cut` says that children of a school are missing.
    """

    made_at: datetime
    today: date
    person_id: int
    display_name: str
    role: str
    round: Round | None
    schools: list[PackSchool]
    children: list[PackChild]
    groups: list[PackGroup]
    retests: list[PackRetest]
    forms: list[PackForm]
    """The form of a new visit first, then those of drafts that were begun with another version."""
    visits: list[PackVisit]
    grades: list[int]
    may: PackDeeds
    rules: GuidedRules
    tools: list[Tool]
    most_children: int
    left_out: list[str]
    is_cut: bool = False
    has_own_digits: bool = False
    exercises_due: list[str] = []
    follow_ups: list[PackFollowUp] = []
    scales: list[PackScale] = []


def child_of(school_id: int, found: list[tuple[str, SheetRow]]) -> PackChild:
    """A child out of its rows on the sheets of each subject."""
    _, row = found[0]
    results = {subject: result for subject, each in found if (result := _result_of(each)) is not None}
    return PackChild(
        id=row.student_id,
        school_id=school_id,
        code=row.code,
        name=row.name,
        sex=row.sex,
        grade=row.grade,
        class_id=row.class_id,
        subjects=[subject for subject, _ in found],
        results=results,
    )


def _result_of(row: SheetRow) -> PackResult | None:
    if row.version is None or row.outcome is None:
        return None
    return PackResult(
        row.version,
        row.outcome,
        level=row.level,
        tested_on=row.tested_on,
        is_held=row.is_locked or row.is_verified,
        is_blind=row.is_blind,
    )


def children_of(school_id: int, sheets: Iterable[tuple[str, list[SheetRow]]]) -> list[PackChild]:
    """The children of a school by name, each once, out of the sheets of its subjects."""
    found: dict[str, list[tuple[str, SheetRow]]] = {}
    for subject, rows in sheets:
        for row in rows:
            found.setdefault(row.student_id, []).append((subject, row))
    return [child_of(school_id, each) for each in found.values()]
