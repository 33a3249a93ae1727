"""What an assignment says."""

from __future__ import annotations

from datetime import date, datetime

import msgspec

from rightlevel.programme.days import STANDING
from rightlevel.programme.errors import Fault
from rightlevel.programme.permissions import SUBJECTS

ASSIGNABLE = ("mentor", "teacher")
STATES = ("in_force", "to_come", "current", "over")
"""Which assignments a list is asked for; those in force and those to come are current."""
MAX_AT_ONCE = 500
"""A mentor's schools in both subjects many times over; more comes by import."""


class Assignment(msgspec.Struct, frozen=True):
    """One assignment with the names that a list shows."""

    id: int
    person_id: int
    person_name: str
    school_id: int
    school_name: str
    subject: str
    class_id: int | None
    class_grade: int | None
    class_section: str | None
    from_on: date
    to_on: date | None
    ended_at: datetime | None
    state: str
    """`in_force` today, `to_come` from a later day on, or `over`: ended, or run out by its date."""


class NewAssignment(msgspec.Struct, frozen=True):
    """What an assignment needs; it begins today unless told otherwise."""

    person_id: int
    school_id: int
    subject: str
    class_id: int | None = None
    from_on: date | None = None
    to_on: date | None = None


class SchoolWithout(msgspec.Struct, frozen=True):
    """A school that nobody of a role is assigned to in a subject; `had_one` where somebody was."""

    school_id: int
    code: str
    school_name: str
    place_name: str
    children: int
    had_one: bool


def assignment_faults(new: NewAssignment, today: date) -> list[Fault]:
    """What is wrong with an assignment by itself."""
    faults: list[Fault] = []
    if new.subject not in SUBJECTS:
        faults.append(Fault("subject", f"One of: {', '.join(SUBJECTS)}", new.subject))
    outside = STANDING.faults("from_on", new.from_on, today) + STANDING.faults("to_on", new.to_on, today)
    faults += outside
    if not outside and new.to_on is not None and new.to_on < (new.from_on or today):
        faults.append(Fault("to_on", "Not before the first day", new.to_on.isoformat()))
    return faults
