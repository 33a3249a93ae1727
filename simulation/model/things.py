"""The things of a programme as the model keeps them. Ids are the simulation's own words; instants are a counter, days are days."""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import date
from typing import Any, TypeVar

GRADES = (3, 4, 5)
SUBJECTS = ("language", "math")
LEVELS = {
    "language": ("beginner", "letter", "word", "paragraph", "story", "comprehension1", "comprehension2"),
    "math": ("beginner", "number_1digit", "number_2digit", "subtraction", "division", "word_problems"),
}
OUTCOMES = ("assessed", "absent", "refused", "left")
KINDS = ("baseline", "midline", "endline")
LEADERS = ("admin", "coordinator")
FIELD = ("admin", "coordinator", "mentor", "teacher")
ROLLED = ("rolled", "finished")
"""How a stint ends when the whole school goes on to the next year: the seat in the year that is left stays."""
RETURNED = "returned"
"""How the stint of a child that had finished ends when it is back: until then it kept its seat."""

Thing = TypeVar("Thing")


class NothingThere(Exception):
    """There is nothing (any more) that a deed could be about: it is passed over, and counted."""


class Groundless(Exception):
    """A deed names what was never made: in a shortened sequence what made it was left out; anywhere else the driver is at fault."""


class Things(dict[Any, Thing]):
    """Things by their word. *Errors*: Groundless for a word that names none."""

    def __missing__(self, word: object) -> Thing:
        raise Groundless(word)


@dataclass
class Person:
    """Somebody with an account."""

    id: str
    role: str
    is_active: bool = True
    is_deleted: bool = False


@dataclass
class Place:
    """A country, province, district or below."""

    id: str
    kind: str
    parent: str | None
    name: str
    is_deleted: bool = False
    is_closed: bool = False


@dataclass
class School:
    """A school with the places it stood at, by instant."""

    id: str
    name: str
    stood: list[tuple[int, str]]
    is_practice: bool = False
    is_open: bool = True
    is_merged: bool = False
    is_deleted: bool = False


@dataclass
class Year:
    """A school year."""

    id: str
    name: str
    starts_on: date
    ends_on: date
    is_current: bool = False
    is_deleted: bool = False


@dataclass
class Class:
    """A class of a school in a year."""

    id: str
    school: str
    year: str
    grade: int
    section: str
    is_deleted: bool = False


@dataclass
class Stint:
    """Where a child stood for a time."""

    year: str
    school: str
    klass: str | None
    grade: int
    sex: int
    since: int
    until: int | None = None
    ended: str = ""
    is_aside: bool = False
    """Came with a record that was made one with this, beside a stint that this had: it is told, and holds no seat."""

    @property
    def seat_until(self) -> int | None:
        """When its seat ends: never where the whole school went on, nor while it lasts."""
        return None if self.ended in ROLLED else self.until


@dataclass
class Child:
    """A child with all its stints, the present one last."""

    id: str
    code: str
    name: str
    stints: list[Stint]
    version: int | None = 1
    status: str = "active"
    left_on: date | None = None
    is_deleted: bool = False
    is_erased: bool = False
    merged_into: str | None = None
    former_names: list[str] = field(default_factory=list)
    left_as: Stint | None = None
    """What its record says since it left: an amended past changes where it was counted, not what it comes back with."""

    @property
    def record(self) -> Stint:
        """Where the child stands, or stood when it left."""
        return self.left_as or self.present

    @property
    def present(self) -> Stint:
        """The last stint: the present one unless it has ended."""
        return self.stints[-1]

    @property
    def is_live(self) -> bool:
        return not self.is_deleted and self.merged_into is None


LADDER = ("school", "district", "programme")
"""The steps by which a school's results of a round may be approved, in their order."""


@dataclass
class Approval:
    """How far a school's results of a round are approved: the step that they wait for, none once they are; and who approved last."""

    waits_for: str | None
    last_by: str = ""
    holds_lock: bool = False


@dataclass
class Round:
    """A testing round."""

    id: str
    year: str
    kind: str
    starts_on: date
    ends_on: date
    state: str = "planned"
    version: int | None = 1
    roll_at: int | None = None
    is_deleted: bool = False
    locked: set[str] = field(default_factory=set)
    steps: tuple[str, ...] = ()
    approvals: dict[str, Approval] = field(default_factory=dict)
    own_days: dict[str, tuple[date | None, date | None]] = field(default_factory=dict)


@dataclass
class Result:
    """One result with the cell that it counts in."""

    id: str
    child: str
    round: str
    subject: str
    outcome: str
    rank: int | None
    tested_on: date
    assessor: str
    school: str
    klass: str | None
    grade: int
    sex: int
    version: int | None = 1
    is_locked: bool = False
    is_verified: bool = False
    is_deleted: bool = False
    is_aside: bool = False
    retest: Retest | None = None

    @property
    def level(self) -> str | None:
        return None if self.rank is None else LEVELS[self.subject][self.rank - 1]

    @property
    def line(self) -> str:
        """What is frozen of it, in one line."""
        rank = "" if self.rank is None else str(self.rank)
        parts = (
            self.child,
            self.subject,
            self.grade,
            self.sex,
            self.outcome,
            rank,
            self.tested_on.isoformat(),
        )
        return "|".join(str(each) for each in parts)


@dataclass
class Retest:
    """A re-test of a result: pending, agreed, disagreed, resolved, returned or withdrawn."""

    state: str
    verifier: str
    level: str | None = None
    id: str = ""
    version: int | None = None
    first_rank: int | None = None
    rank: int | None = None
    is_compared: bool = True
    """Whether it is in the agreement: said what it found, and was neither given back nor withdrawn. A later change of the result takes nothing away."""


@dataclass
class Assignment:
    """Somebody works at a school in a subject, for a time."""

    id: str
    person: str
    school: str
    subject: str
    klass: str | None
    from_on: date
    to_on: date | None = None
    is_ended: bool = False

    def holds_on(self, day: date) -> bool:
        """Whether it gives access on this day."""
        return not self.is_ended and self.from_on <= day and (self.to_on is None or day <= self.to_on)


@dataclass(frozen=True)
class Seat:
    """Where a child counts in one round and subject."""

    school: str
    klass: str | None
    grade: int
    sex: int
