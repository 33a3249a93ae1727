"""What groups consist of, and what is asked and answered about them."""

from __future__ import annotations

from datetime import date, datetime
from typing import Any, Literal, cast

import msgspec

from rightlevel.programme.days import HAPPENED
from rightlevel.programme.errors import Fault
from rightlevel.programme.ids import is_uuid
from rightlevel.programme.levels import SCALES, Scale, known_scales, scale_now
from rightlevel.programme.permissions import Subject

Bands = list[list[str]]
"""The levels that learn together, lowest band first, each level once."""

MAX_CHILDREN = 1_500
"""Of one division. *Source*: the largest primary schools of the programme have some 900 children in grades 3 to 5."""
MAX_GROUPS = 120
MAX_TEACHERS = 60
SMALLEST_TARGET, LARGEST_TARGET = 5, 60
"""*Source*: the constraint grouping_target_size_is_possible; classes of up to 60 are seen, groups below 5 waste a teacher."""
USUAL_TARGET = 25
MAX_CHECKS = 200
LOWEST_GRADE, HIGHEST_GRADE = 1, 12


class LatestLevel(msgspec.Struct, frozen=True):
    """A child with its latest valid level: of its latest round's assessed result, or of a newer quick re-test."""

    student_id: str
    name: str
    grade: int
    rank: int | None
    tested_on: date | None
    is_check: bool


class NewGrouping(msgspec.Struct, frozen=True):
    """What a division is made from; without teachers the groups follow from the target size alone."""

    school_id: int
    subject: str
    grade_from: int
    grade_to: int
    target_size: int = USUAL_TARGET
    teacher_ids: list[int] = []


class Grouping(msgspec.Struct, frozen=True):
    """One division of a school's children in a subject and grade span."""

    id: int
    school_id: int
    subject: str
    grade_from: int
    grade_to: int
    bands: Any
    target_size: int
    state: str
    version: int
    made_at: datetime
    made_by_name: str
    accepted_at: datetime | None

    def band_ranks(self) -> list[list[int]]:
        """The ranks of each band, lowest first."""
        return ranks_of(cast("Subject", self.subject), cast("Bands", self.bands))


class GroupRow(msgspec.Struct, frozen=True):
    """One group with how many children are in it, and for how many it was meant."""

    id: int
    grouping_id: int
    school_id: int
    subject: str
    band: int
    number: int
    levels: Any
    teacher_id: int | None
    teacher_name: str | None
    children: int
    target_size: int
    state: str
    version: int

    @property
    def is_far_above_target(self) -> bool:
        """Whether it holds a quarter more children than were aimed at: too few teachers were there to split it."""
        return self.children * 4 > self.target_size * 5


class Member(msgspec.Struct, frozen=True):
    """A child of a group as whoever may see it sees it."""

    student_id: str
    code: str
    name: str
    sex: int
    grade: int
    level: str | None
    tested_on: date | None
    is_check: bool


class GroupPage(msgspec.Struct, frozen=True):
    """A group with those of its children whom the asker may see; `unseen` are the others."""

    group: GroupRow
    members: list[Member]
    unseen: int


class Ungrouped(msgspec.Struct, frozen=True):
    """A child of the span in no group: not tested yet, or come since."""

    student_id: str
    code: str
    name: str
    grade: int
    level: str | None


class Teacher(msgspec.Struct, frozen=True):
    """Somebody who may lead a group of a school and subject."""

    id: int
    name: str


class SchoolGroups(msgspec.Struct, frozen=True):
    """Everything about the groups of a school and subject: what stands, what is proposed, and who is in no group."""

    accepted: list[Grouping]
    proposed: Grouping | None
    groups: list[GroupRow]
    teachers: list[Teacher]


class CheckWrite(msgspec.Struct, frozen=True):
    """One quick re-test as it was sent; `id` is made by the client. With a version it corrects the one of that day."""

    id: str
    student_id: str
    subject: str
    level: str
    checked_on: date
    version: int | None = None


class LevelCheck(msgspec.Struct, frozen=True):
    """One quick re-test."""

    id: str
    student_id: str
    subject: str
    level: str
    checked_on: date
    version: int
    person_name: str


CheckCode = Literal["saved", "changed", "stale", "conflict", "not_found", "merged", "out_of_scope", "invalid"]


class CheckAnswer(msgspec.Struct, frozen=True):
    """What became of one quick re-test, with what is there when it was refused as stale or taken."""

    id: str
    code: CheckCode
    version: int = 0
    faults: list[Fault] = []
    current: LevelCheck | None = None
    merged_into: str | None = None
    """With `merged`: the id of the child's record that was kept."""


class Suggested(msgspec.Struct, frozen=True):
    """What is suggested for a child: up, down or a re-check, and after which re-test."""

    student_id: str
    code: str
    name: str
    grade: int
    group_id: int
    band: int
    number: int
    kind: Literal["up", "down", "recheck"]
    to_band: int
    level: str
    checked_on: date
    check_id: str
    check_version: int


def ranks_of(subject: Subject, bands: Bands) -> list[list[int]]:
    """The ranks of each band, by the scale that they split. *Errors*: KeyError for a level that no scale has."""
    scale = next((each for each in known_scales(subject) if is_split_of(each, bands)), SCALES[subject])
    ranks = scale.ranks
    return [[ranks[code] for code in band] for band in bands]


def is_split_of(scale: Scale, bands: Bands) -> bool:
    """Whether bands hold each rung of a scale once, in order."""
    return [code for band in bands for code in band] == list(scale.codes)


def band_of(rank: int, band_ranks: list[list[int]]) -> int:
    """The band (1 is the lowest) that a rank belongs to; a rank beyond every band is the highest's."""
    return next((number for number, ranks in enumerate(band_ranks, 1) if rank in ranks), len(band_ranks))


def split_faults(subject: Subject, bands: Bands) -> list[Fault]:
    """What is wrong with a split: every level of the scale stands once, in order, and no band is empty."""
    codes = [code for band in bands for code in band]
    if codes != list(SCALES[subject].codes) or not all(bands):
        return [Fault("bands", "Every level once, from the lowest to the highest", ", ".join(codes)[:80])]
    return []


def grouping_faults(new: NewGrouping) -> list[Fault]:
    """What is wrong with a wish for groups by itself."""
    faults: list[Fault] = []
    if new.subject not in SCALES:
        faults.append(Fault("subject", f"One of: {', '.join(SCALES)}", new.subject[:60]))
    if not LOWEST_GRADE <= new.grade_from <= new.grade_to <= HIGHEST_GRADE:
        faults.append(Fault("grade_to", "Not before the first grade", f"{new.grade_from}-{new.grade_to}"))
    if not SMALLEST_TARGET <= new.target_size <= LARGEST_TARGET:
        rule = f"Between {SMALLEST_TARGET} and {LARGEST_TARGET}"
        faults.append(Fault("target_size", rule, str(new.target_size)))
    if len(new.teacher_ids) > MAX_TEACHERS or len(set(new.teacher_ids)) != len(new.teacher_ids):
        faults.append(
            Fault("teacher_ids", f"Each once and at most {MAX_TEACHERS}", str(len(new.teacher_ids)))
        )
    return faults


def check_faults(write: CheckWrite, today: date) -> list[Fault]:
    """What is wrong with a quick re-test by itself."""
    faults: list[Fault] = []
    faults += [
        Fault(field, "A UUID", value[:60])
        for field, value in (("id", write.id), ("student_id", write.student_id))
        if not is_uuid(value)
    ]
    if write.subject not in SCALES:
        faults.append(Fault("subject", f"One of: {', '.join(SCALES)}", write.subject[:60]))
    else:
        # Whoever comes back after a round by another scale was opened is judged by what is taught by now.
        codes = scale_now(write.subject).codes
        if write.level not in codes:
            faults.append(Fault("level", f"One of: {', '.join(codes)}", write.level[:60]))
    return faults + HAPPENED.faults("checked_on", write.checked_on, today)
