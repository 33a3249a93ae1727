"""Rounds: frozen values, their order and the states they go through."""

from __future__ import annotations

from datetime import date, datetime
from typing import Literal, get_args

import msgspec

from rightlevel.programme.errors import Fault
from rightlevel.programme.levels import FIRST_KEYS
from rightlevel.programme.permissions import Actor, allowed

RoundKind = Literal["baseline", "midline", "endline"]
KINDS: tuple[RoundKind, ...] = get_args(RoundKind)

STEPS: dict[tuple[str, str], bool] = {
    ("planned", "open"): False,
    ("open", "closed"): False,
    ("closed", "open"): True,
    ("closed", "frozen"): True,
}
"""(from, to) → whether it needs a reason. Nothing leads out of frozen: what is wrong in it is amended."""
Step = Literal["school", "district", "programme"]
LADDER: tuple[Step, ...] = get_args(Step)
"""The steps by which a school's results of a round may be approved, in their order."""
MAX_SCHOOLS = 1_000
"""How many schools are given dates in one request; a page of them."""


class Round(msgspec.Struct, frozen=True):
    """One round."""

    id: int
    school_year_id: int
    year_name: str
    kind: str
    starts_on: date
    ends_on: date
    state: str
    version: int
    is_deleted: bool
    roll_at: datetime | None = None
    """Since when it is fixed who the round is measured by: its first closing, or the opening of a later round."""
    approval_steps: list[Step] = []
    """The steps by which schools' results of this round are approved, in their order; none where nobody need approve."""
    language_scale: str = FIRST_KEYS["language"]
    """With `math_scale` the key of the scale that it is measured by; from its opening on it stays."""
    math_scale: str = FIRST_KEYS["math"]


class NewRound(msgspec.Struct, frozen=True):
    """What a round needs; without a year it is the current one's, without scales it is measured by the program's own."""

    kind: str
    starts_on: date
    ends_on: date
    school_year_id: int | None = None
    language_scale: str | None = None
    math_scale: str | None = None


class RoundChange(msgspec.Struct, frozen=True):
    """What may change about a round; what is None stays. `confirm`: though results lie outside the new days, whose number was told. Scales change while it is planned."""

    version: int
    starts_on: date | None = None
    ends_on: date | None = None
    confirm: bool = False
    language_scale: str | None = None
    math_scale: str | None = None


class RoundSchool(msgspec.Struct, frozen=True):
    """What is different for one school in one round."""

    round_id: int
    school_id: int
    school_name: str
    starts_on: date | None
    ends_on: date | None
    locked_at: datetime | None
    lock_reason: str | None


class SchoolApproval(msgspec.Struct, frozen=True):
    """How far a school's results of a round are approved: the step that they wait for, or `approved`. Version 0: nobody did anything yet.

    `last_by` is who approved last, none where nothing is approved; `holds_lock`: whether approving locked the school.
    """

    round_id: int
    school_id: int
    school_code: str
    school_name: str
    state: str
    version: int
    changed_at: datetime | None
    last_by: int | None
    holds_lock: bool


class ApprovalStep(msgspec.Struct, frozen=True):
    """What somebody did at a step: `approved` or `returned`, and why."""

    id: int
    step: Step
    deed: str
    at: datetime
    person_name: str
    words: str


class ApprovalCount(msgspec.Struct, frozen=True):
    """How many schools' results wait for a step, or are `approved`."""

    state: str
    schools: int


class ApprovalRead(msgspec.Struct, frozen=True):
    """A school's approval with the steps of its round, what was done, the latest first, who may do the next, and what the reader may."""

    approval: SchoolApproval
    steps: list[Step]
    history: list[ApprovalStep]
    waits_for: list[str]
    may_approve: bool
    may_return: bool


class SchoolDates(msgspec.Struct, frozen=True):
    """Days for one school: what is left out stays as it is, null means the round's again."""

    school_id: int
    starts_on: date | msgspec.UnsetType | None = msgspec.UNSET
    ends_on: date | msgspec.UnsetType | None = msgspec.UNSET


class DatesAnswer(msgspec.Struct, frozen=True):
    """What became of one school's days: `saved`, `unchanged`; or, with the days it would have had, `ends_before_start`, `outside_year`,
    or `results_outside` (results of the school lie outside these days, and that wasn't confirmed).
    """

    school_id: int
    code: str
    starts_on: date | None = None
    ends_on: date | None = None


class Snapshot(msgspec.Struct, frozen=True):
    """A frozen round: when it was frozen, and once it is sealed how many results it holds and their hash (SHA-256, hexadecimal).

    `results` is None for those who may not see small cells: less those assessed it would tell how many were absent, refused or had left.
    """

    round_id: int
    frozen_at: datetime
    frozen_by: str
    sealed_at: datetime | None
    parts: int
    results: int | None
    sha256: str | None
    amendments: int


class Amendment(msgspec.Struct, frozen=True):
    """One change of a frozen round. `before_line` is what the snapshot says, null for a result that is not in it."""

    id: int
    result_id: str
    school_id: int
    at: datetime
    person_name: str | None
    reason: str
    before_line: str | None


class SnapshotCheck(msgspec.Struct, frozen=True):
    """Whether a snapshot is whole (`is_intact`) and comes out of the live rows and amendments again, bit for bit (`is_rebuilt`).

    `differing` names up to a hundred schools whose part does not.
    """

    round_id: int
    parts: int
    is_intact: bool
    is_rebuilt: bool
    differing: list[int]


def step_after(step: Step, steps: list[Step]) -> Step | None:
    """The step of a round that follows one; none after the last."""
    return next((each for each in steps if LADDER.index(each) > LADDER.index(step)), None)


def may_do_step(actor: Actor, step: Step, school_id: int) -> bool:
    """Whether somebody may do a step for a school: the school's is of whoever is assigned to the whole of it, the district's of its mentors, the
    programme's of those who lead, who also stand in where nobody is.
    """
    if allowed(actor.role, "override", "approval"):
        return True
    is_theirs = school_id in actor.scope.whole_schools()
    return is_theirs and (step == "school" or (step == "district" and actor.role == "mentor"))


def own_days_fault(
    starts_on: date, ends_on: date, year: tuple[date, date]
) -> Literal["ends_before_start", "outside_year"] | None:
    """What is wrong with a school's own days in a round of a year."""
    if starts_on > ends_on:
        return "ends_before_start"
    return "outside_year" if starts_on < year[0] or ends_on > year[1] else None


def date_faults(
    kind: str, starts_on: date, ends_on: date, year: tuple[date, date], others: list[tuple[str, date, date]]
) -> list[Fault]:
    """Everything wrong with a round's days: outside its year, out of order or overlapping with the year's other rounds."""
    faults: list[Fault] = []
    if kind not in KINDS:
        return [Fault("kind", f"One of: {', '.join(KINDS)}", kind)]
    if starts_on > ends_on:
        faults.append(Fault("ends_on", "Not before the first day", ends_on.isoformat()))
    if starts_on < year[0] or ends_on > year[1]:
        faults.append(
            Fault("starts_on", f"Within the school year, {year[0]} to {year[1]}", starts_on.isoformat())
        )
    for other, begins, ends in others:
        is_before = KINDS.index(other) < KINDS.index(kind)
        if is_before and starts_on <= ends:
            faults.append(
                Fault("starts_on", f"After the {other}, which ends on {ends}", starts_on.isoformat())
            )
        if not is_before and ends_on >= begins:
            faults.append(
                Fault("ends_on", f"Before the {other}, which begins on {begins}", ends_on.isoformat())
            )
    return faults
