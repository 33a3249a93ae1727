"""Programmes that children are enrolled in, with dates and outcome."""

from __future__ import annotations

from datetime import date, datetime
from typing import Any, Literal

import msgspec

from rightlevel.programme.days import STANDING
from rightlevel.programme.errors import Fault
from rightlevel.programme.ids import is_uuid
from rightlevel.programme.levels import SCALES
from rightlevel.programme.names import unseen_faults

Outcome = Literal["completed", "improved", "stopped", "moved"]
OUTCOMES: tuple[Outcome, ...] = ("completed", "improved", "stopped", "moved")
MAX_INTERVENTIONS = 500
MAX_ENROLMENTS = 200
LONGEST_NAME = 200
LONGEST_WORDS = 2_000
LONGEST_REMARK = 500


class InterventionWrite(msgspec.Struct, frozen=True):
    """What a programme is: its name, what is done, for which subject (none: any), from when until when."""

    name: str
    starts_on: date
    ends_on: date | None = None
    words: str = ""
    subject: str | None = None
    version: int = 0


class Intervention(msgspec.Struct, frozen=True):
    """One programme."""

    id: int
    name: str
    words: str
    subject: str | None
    starts_on: date
    ends_on: date | None
    version: int
    is_deleted: bool


class EnrolmentWrite(msgspec.Struct, frozen=True):
    """A child into a programme; `id` is made by the client."""

    id: str
    student_id: str
    from_on: date


class EnrolmentAnswer(msgspec.Struct, frozen=True):
    """What became of one enrolment."""

    id: str
    code: Literal["saved", "enrolled_already", "not_found", "out_of_scope", "invalid", "conflict"]
    faults: list[Fault] = []


class EnrolmentChange(msgspec.Struct, frozen=True):
    """What is put in place of an enrolment's dates, outcome and remark; ending it needs an outcome."""

    version: int
    from_on: date
    to_on: date | None = None
    outcome: str | None = None
    words: str = ""


class Enrolment(msgspec.Struct, frozen=True):
    """One child in one programme."""

    id: str
    intervention_id: int
    intervention_name: str
    subject: str | None
    student_id: str
    student_name: str
    student_code: str
    school_id: int
    child_school_id: int
    class_id: int | None
    from_on: date
    to_on: date | None
    outcome: str | None
    words: str
    version: int


class EnrolmentPast(msgspec.Struct, frozen=True):
    """One later change of an enrolment."""

    id: int
    version: int
    at: datetime
    person_name: str
    before: Any
    after: Any


def intervention_faults(write: InterventionWrite, today: date) -> list[Fault]:
    """What is wrong with a programme by itself."""
    faults: list[Fault] = []
    if not 1 <= len(write.name.strip()) <= LONGEST_NAME:
        faults.append(Fault("name", f"Between 1 and {LONGEST_NAME} characters", write.name[:60]))
    faults += unseen_faults(name=write.name)
    if len(write.words) > LONGEST_WORDS:
        faults.append(Fault("words", f"At most {LONGEST_WORDS} characters"))
    if write.subject is not None and write.subject not in SCALES:
        faults.append(Fault("subject", f"One of: {', '.join(SCALES)}", write.subject[:60]))
    outside = STANDING.faults("starts_on", write.starts_on, today) + STANDING.faults(
        "ends_on", write.ends_on, today
    )
    faults += outside
    if not outside and write.ends_on is not None and write.ends_on < write.starts_on:
        faults.append(Fault("ends_on", "Not before the first day", write.ends_on.isoformat()))
    return faults


def enrolment_faults(write: EnrolmentWrite, programme: Intervention, today: date) -> list[Fault]:
    """What is wrong with an enrolment by itself, in this programme."""
    faults = [
        Fault(field, "A UUID", value[:60])
        for field, value in (("id", write.id), ("student_id", write.student_id))
        if not is_uuid(value)
    ]
    return faults + (
        STANDING.faults("from_on", write.from_on, today) or _day_faults(write.from_on, None, programme)
    )


def change_faults(change: EnrolmentChange, programme: Intervention, today: date) -> list[Fault]:
    """What is wrong with a change of an enrolment."""
    outside = STANDING.faults("from_on", change.from_on, today) + STANDING.faults(
        "to_on", change.to_on, today
    )
    faults = outside or _day_faults(change.from_on, change.to_on, programme)
    if change.outcome is not None and change.outcome not in OUTCOMES:
        faults.append(Fault("outcome", f"One of: {', '.join(OUTCOMES)}", change.outcome[:60]))
    if (change.to_on is None) != (change.outcome is None):
        faults.append(Fault("outcome", "The last day and the outcome go together"))
    if not outside and change.to_on is not None and change.to_on > today:
        faults.append(Fault("to_on", "Not in the future", change.to_on.isoformat()))
    if len(change.words) > LONGEST_REMARK:
        faults.append(Fault("words", f"At most {LONGEST_REMARK} characters"))
    return faults


def _day_faults(from_on: date, to_on: date | None, programme: Intervention) -> list[Fault]:
    is_within = programme.starts_on <= from_on and (programme.ends_on is None or from_on <= programme.ends_on)
    faults = [] if is_within else [Fault("from_on", "Within the days of the programme", from_on.isoformat())]
    if to_on is not None and to_on < from_on:
        faults.append(Fault("to_on", "Not before the first day", to_on.isoformat()))
    return faults
