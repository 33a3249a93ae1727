"""Visits, follow-ups and planned visits: frozen values and their pure rules."""

from __future__ import annotations

from datetime import date, datetime
from typing import Any, Final, Literal

import msgspec

from rightlevel.programme.days import COMING, VISITED
from rightlevel.programme.errors import Fault
from rightlevel.programme.ids import is_uuid
from rightlevel.programme.permissions import SUBJECTS, Actor, Subject

VisitState = Literal["draft", "submitted"]
FollowUpState = Literal["open", "done", "cancelled"]
PlannedState = Literal["planned", "done", "cancelled"]

MAX_ANSWERS_BYTES: Final = 60_000
"""The largest form filled in with long texts in Khmer takes about 30,000; the table refuses 65,536."""
MAX_FOLLOW_UPS: Final = 20
MAX_LOCKS: Final = 1_000
MAX_REASON: Final = 200
MAX_UNANSWERED: Final = 20
MAX_WORDS: Final = 500
FULFIL_DAYS: Final = 7
"""A visit fulfils what was planned there until so many days after it: mentors come a little early."""
STALE_DRAFT_DAYS: Final = 2
"""A draft of an earlier week day is incomplete: it was meant to be sent the same or the next day."""


class VisitWrite(msgspec.Struct, frozen=True):
    """What is written of a visit. `id` and `write_id` are UUIDs made by the client; version 0 is a new visit.

    `after` are the write ids of tries that nobody answered: this one goes on from whichever of them arrived all the same.
    """

    id: str
    write_id: str
    school_id: int
    subject: str
    visited_on: date
    answers: dict[str, Any] = {}
    teacher_id: int | None = None
    version: int = 0
    form_version_id: int | None = None
    after: tuple[str, ...] = ()


class Visit(msgspec.Struct, frozen=True):
    """One visit, whole."""

    id: str
    school_id: int
    school_name: str
    subject: Subject
    mentor_id: int
    mentor_name: str
    teacher_id: int | None
    teacher_name: str | None
    visited_on: date
    form_version_id: int
    answers: dict[str, Any]
    state: VisitState
    completeness: float
    fidelity: float | None
    fidelity_of: Any
    version: int
    changed_at: datetime
    submitted_at: datetime | None
    locked_at: datetime | None
    lock_reason: str | None

    @property
    def is_locked(self) -> bool:
        return self.locked_at is not None


class SavedVisit(msgspec.Struct, frozen=True):
    """A visit as it stands after a write, with what its form still lacks or refuses."""

    visit: Visit
    faults: list[Fault] = []
    missing: list[str] = []


class VisitRow(msgspec.Struct, frozen=True):
    """One visit in a list."""

    id: str
    school_id: int
    school_name: str
    subject: Subject
    mentor_id: int
    mentor_name: str
    teacher_name: str | None
    visited_on: date
    state: VisitState
    completeness: float
    fidelity: float | None
    is_locked: bool
    is_practice: bool


class VisitSearch(msgspec.Struct, frozen=True):
    """Which visits are asked for; what is None is not asked."""

    state: str | None = None
    school_id: int | None = None
    mentor_id: int | None = None
    subject: str | None = None
    from_on: date | None = None
    to_on: date | None = None
    incomplete: bool = False


class NewFollowUp(msgspec.Struct, frozen=True):
    """What is to be done, by whom, until when. `id` is a UUID made by the client."""

    id: str
    owner_id: int
    due_on: date
    words: str


class FollowUp(msgspec.Struct, frozen=True):
    """One thing that was agreed to be done after a visit."""

    id: str
    visit_id: str
    school_id: int
    school_name: str
    subject: Subject
    owner_id: int
    owner_name: str
    owner_role: str
    words: str
    due_on: date
    state: FollowUpState
    version: int
    raised_by: int
    closed_on: datetime | None
    closed_words: str | None


class NewPlannedVisit(msgspec.Struct, frozen=True):
    """A visit that is planned. `id` is a UUID made by the client; a mentor plans their own."""

    id: str
    school_id: int
    subject: str
    planned_on: date
    mentor_id: int | None = None
    note: str = ""


class PlannedVisit(msgspec.Struct, frozen=True):
    """One planned visit."""

    id: str
    school_id: int
    school_name: str
    subject: Subject
    mentor_id: int
    mentor_name: str
    planned_on: date
    note: str
    state: PlannedState
    visit_id: str | None
    version: int
    place_name: str
    latitude: float | None
    longitude: float | None
    changed_at: datetime


class MonthOfVisits(msgspec.Struct, frozen=True):
    """One month: submitted visits, schools visited, schools there were, and how faithful the lessons were. No practice school counts."""

    month: date
    visits: int
    visited: int
    schools: int
    fidelity: float | None
    fidelity_n: int

    @property
    def per_school(self) -> float | None:
        """Visits per school-month: visits over schools; None without schools."""
        return self.visits / self.schools if self.schools else None


def reaches(actor: Actor, school_id: int, subject: str) -> bool:
    """Whether somebody's work reaches a visit: any assignment at the school for the subject, be it of one class."""
    scope = actor.scope
    return scope.is_everything or any(h.school_id == school_id and h.subject == subject for h in scope.held)


def visit_faults(write: VisitWrite, today: date) -> list[Fault]:
    """What can't be right about a visit whatever its form says."""
    faults = [
        Fault(name, "A UUID", given[:60])
        for name, given in (("id", write.id), ("write_id", write.write_id))
        if not is_uuid(given)
    ]
    if len(write.after) > MAX_UNANSWERED:
        faults.append(Fault("after", f"At most {MAX_UNANSWERED} of these", str(len(write.after))))
    elif not all(is_uuid(each) for each in write.after):
        faults.append(Fault("after", "A UUID"))
    if write.subject not in SUBJECTS:
        faults.append(Fault("subject", f"One of: {', '.join(SUBJECTS)}", write.subject[:60]))
    faults += VISITED.faults("visited_on", write.visited_on, today)
    if len(msgspec.json.encode(write.answers)) > MAX_ANSWERS_BYTES:
        faults.append(Fault("answers", "At most 60000 characters in all"))
    return faults


def follow_up_faults(new: NewFollowUp, today: date) -> list[Fault]:
    """What can't be right about a follow-up."""
    faults: list[Fault] = [] if is_uuid(new.id) else [Fault("id", "A UUID", new.id[:60])]
    faults += words_faults("words", new.words)
    return faults + COMING.faults("due_on", new.due_on, today)


def words_faults(field: str, words: str) -> list[Fault]:
    """What can't be right about a few words that must be said."""
    if not words.strip():
        return [Fault(field, "Please fill this in")]
    return [Fault(field, f"At most {MAX_WORDS} characters")] if len(words.strip()) > MAX_WORDS else []


def reason_faults(reason: str) -> list[Fault]:
    """What can't be right about a reason."""
    if not reason.strip():
        return [Fault("reason", "Please fill this in")]
    return [Fault("reason", f"At most {MAX_REASON} characters")] if len(reason) > MAX_REASON else []
