"""How a mentor's next week is ranked: rules as data, and each school with what its rank was made of."""

from __future__ import annotations

from datetime import date
from typing import Final

import msgspec

from rightlevel.programme.errors import Fault
from rightlevel.programme.permissions import Subject

MAX_WEIGHT: Final = 100.0


class WeekRules(msgspec.Struct, frozen=True):
    """The weights of the five reasons, and what each is measured against. A weight of 0 switches a reason off."""

    overdue: float = 4
    agreement: float = 3
    movement: float = 2
    missing: float = 3
    near: float = 1
    every_days: int = 30
    wanted_agreement: float = 0.9
    wanted_shift: float = 0.5
    near_km: float = 50


class DueSchool(msgspec.Struct, frozen=True):
    """A school and how much a visit is called for: points in all and for each reason, and what they were given for (None: not known).

    `shift` is the change of the mean level in the subject that moved least, from the round before the latest to the latest, and of how many
    children tested in each: not the same children. `km` is from the school of the mentor's last visit, and of that school itself not known.
    """

    school_id: int
    school_name: str
    place_name: str
    subjects: list[Subject]
    last_on: date | None
    planned_on: date | None
    shift: float | None
    shift_subject: Subject | None
    from_round: str | None
    to_round: str | None
    tested_before: int | None
    tested_now: int | None
    covered: float | None
    km: float | None
    agreement: float | None
    overdue_points: float
    agreement_points: float
    movement_points: float
    missing_points: float
    near_points: float
    points: float


class NextWeek(msgspec.Struct, frozen=True):
    """A mentor's schools by how much a visit is called for, at most 50, and the rules by which they were ranked."""

    mentor_id: int
    on: date
    rules: WeekRules
    schools: list[DueSchool]


def rules_faults(rules: WeekRules) -> list[Fault]:
    """What can't be right about the rules."""
    faults = [
        Fault(name, f"Between 0 and {MAX_WEIGHT:.0f}", str(getattr(rules, name)))
        for name in ("overdue", "agreement", "movement", "missing", "near")
        if not 0 <= getattr(rules, name) <= MAX_WEIGHT
    ]
    if not 1 <= rules.every_days <= 366:
        faults.append(Fault("every_days", "Between 1 and 366", str(rules.every_days)))
    if not 0 < rules.wanted_agreement <= 1:
        faults.append(Fault("wanted_agreement", "Above 0, at most 1", str(rules.wanted_agreement)))
    if not 0 < rules.wanted_shift <= 9:
        faults.append(Fault("wanted_shift", "Above 0, at most 9", str(rules.wanted_shift)))
    if not 0 < rules.near_km <= 20_000:
        faults.append(Fault("near_km", "Above 0, at most 20000", str(rules.near_km)))
    return faults
