"""What was taught and who was there, and what is asked and answered about it."""

from __future__ import annotations

from datetime import date, timedelta
from typing import Literal

import msgspec

from rightlevel.programme.days import HAPPENED
from rightlevel.programme.errors import Fault
from rightlevel.programme.ids import is_uuid

Presence = Literal["present", "late", "absent"]
PRESENCES: tuple[Presence, ...] = ("present", "late", "absent")
FEWEST_MINUTES, MOST_MINUTES = 5, 240
"""*Source*: the constraint teaching_session_minutes_are_possible; a camp day has four hours."""
LONGEST_ACTIVITY = 200
MAX_MARKS = 300


class Mark(msgspec.Struct, frozen=True):
    """One child's attendance as it was sent; a late child counts as there, and in full."""

    student_id: str
    presence: str


class SessionWrite(msgspec.Struct, frozen=True):
    """A session of a group with its attendance as it was sent; `id` is made by the client. With a version it corrects that day's."""

    id: str
    group_id: int
    held_on: date
    minutes: int
    activity: str = ""
    resource_id: int | None = None
    marks: list[Mark] = []
    version: int | None = None
    reason: str = ""


class MarkAnswer(msgspec.Struct, frozen=True):
    """What became of one child's attendance."""

    student_id: str
    code: Literal["saved", "not_in_group", "invalid"]


class SessionAnswer(msgspec.Struct, frozen=True):
    """What became of a session, and of each mark in the order sent."""

    session_id: str
    code: Literal["saved", "changed"]
    version: int
    marks: list[MarkAnswer]


class SessionRow(msgspec.Struct, frozen=True):
    """One session that was held."""

    id: str
    write_id: str
    group_id: int
    band: int
    number: int
    school_id: int
    subject: str
    held_on: date
    minutes: int
    activity: str
    resource_id: int | None
    resource_title: str | None
    expected: int
    present: int
    late: int
    absent: int
    version: int
    person_name: str

    @property
    def not_marked(self) -> int:
        """Children of the group of whom nobody said whether they came. They are not absent."""
        return self.expected - self.present - self.late - self.absent


class SheetMark(msgspec.Struct, frozen=True):
    """A child's attendance at a session."""

    student_id: str
    presence: str


class ChildDose(msgspec.Struct, frozen=True):
    """What a child was taught in a school year, beside its first and last tested level in it."""

    student_id: str
    code: str
    name: str
    grade: int
    minutes: int
    present: int
    late: int
    absent: int
    first_level: str | None
    last_level: str | None
    moved: int | None
    school_year_id: int | None = None
    year_name: str | None = None


class GroupDose(msgspec.Struct, frozen=True):
    """What a group was taught in a school year, beside how its children moved. *Units*: child_minutes are minutes × children there."""

    group_id: int
    band: int
    number: int
    teacher_name: str | None
    sessions: int
    minutes: int
    child_minutes: int
    attended: int
    marked: int
    expected: int
    tested_twice: int
    moved_up: int
    moved_down: int
    school_year_id: int | None = None
    year_name: str | None = None

    @property
    def attendance(self) -> float | None:
        """(present + late) ÷ marked; None of nothing."""
        return attendance_share(self.attended, self.marked)

    @property
    def not_marked(self) -> int:
        """Children expected of whom nobody said whether they came. They are not absent."""
        return self.expected - self.marked


class SchoolDose(msgspec.Struct, frozen=True):
    """What a school taught in a subject in a school year; practice schools have no such row."""

    school_id: int
    school_name: str
    sessions: int
    minutes: int
    child_minutes: int
    attended: int
    marked: int
    expected: int
    school_year_id: int | None = None
    year_name: str | None = None
    sessions_in_other_years: int = 0

    @property
    def attendance(self) -> float | None:
        """(present + late) ÷ marked; None of nothing."""
        return attendance_share(self.attended, self.marked)

    @property
    def not_marked(self) -> int:
        """Children expected of whom nobody said whether they came. They are not absent."""
        return self.expected - self.marked


def attendance_share(attended: int, marked: int) -> float | None:
    """(present + late) ÷ the children marked; None when none were. Who was not marked is not absent: it is told beside."""
    return attended / marked if marked else None


def session_faults(write: SessionWrite, today: date) -> list[Fault]:
    """What is wrong with a session by itself."""
    faults: list[Fault] = []
    if not is_uuid(write.id):
        faults.append(Fault("id", "A UUID", write.id[:60]))
    faults += HAPPENED.faults("held_on", write.held_on, today)
    if not FEWEST_MINUTES <= write.minutes <= MOST_MINUTES:
        faults.append(
            Fault("minutes", f"Between {FEWEST_MINUTES} and {MOST_MINUTES}", str(write.minutes)[:20])
        )
    if len(write.activity.strip()) > LONGEST_ACTIVITY:
        faults.append(Fault("activity", f"At most {LONGEST_ACTIVITY} characters"))
    if len(write.marks) > MAX_MARKS:
        faults.append(Fault("marks", f"At most {MAX_MARKS} at once", str(len(write.marks))))
    if len({mark.student_id.lower() for mark in write.marks}) != len(write.marks):
        faults.append(Fault("marks", "Each child once"))
    return faults


def is_too_far_back(held_on: date, today: date, days_back: int) -> bool:
    """Whether a session lies further back than may be entered without a leader's reason."""
    return held_on < today - timedelta(days=days_back)
