"""Trials: what is drawn, what is asked of it, and what is told."""

from __future__ import annotations

from datetime import datetime

import msgspec

from rightlevel.programme.errors import Fault
from rightlevel.programme.trials.drawing import MAX_SEED
from rightlevel.programme.trials.reading import Difference


class NewTrial(msgspec.Struct, frozen=True):
    """What a draw needs: a name, what the two ways are called, where the schools are, and by which places they are stratified.

    `strata_depth` is the level of places of which each gets half of its schools each way: 0 none, 1 countries, 2 provinces, 3 districts, 4 communes.
    Without a seed one is drawn.
    """

    name: str
    way_a: str
    way_b: str
    place_id: int | None = None
    strata_depth: int = 3
    seed: int | None = None


class Trial(msgspec.Struct, frozen=True):
    """A draw as it was made."""

    id: int
    name: str
    way_a: str
    way_b: str
    place_id: int | None
    place_name: str | None
    strata_depth: int
    seed: int
    drawn_at: datetime
    drawn_by: str
    schools_a: int
    schools_b: int
    strata: int


class TrialSchool(msgspec.Struct, frozen=True):
    """A school of a trial; `stratum_name` is none where there is one stratum."""

    school_id: int
    code: str
    name_local: str
    stratum_name: str | None
    is_b: bool
    is_closed: bool


class ReadOutQuery(msgspec.Struct, frozen=True):
    """Between which rounds, in which subject."""

    round_id: int
    later_round_id: int
    subject: str


class WayTold(msgspec.Struct, frozen=True):
    """One way: its schools as drawn, those with children in both rounds, its children in the first round and in both, and how they moved.

    `mean_shift` (in levels), `improved` and `attrition` are shares of what is there; None where there is nothing.
    """

    name: str
    schools: int
    schools_with_children: int
    assessed: int
    matched: int
    mean_shift: float | None
    improved: float | None
    attrition: float | None


class ReadOut(msgspec.Struct, frozen=True):
    """How the same children moved under each way, and the difference: b less a."""

    trial: Trial
    a: WayTold
    b: WayTold
    difference: Difference


class SchoolRow(msgspec.Struct, frozen=True):
    """What is counted of a school of a trial between two rounds."""

    school_id: int
    code: str
    name_local: str
    stratum_id: int
    is_b: bool
    assessed: int
    matched: int
    improved: int
    shift: int


def trial_faults(new: NewTrial) -> list[Fault]:
    """What is wrong with what shall be drawn."""
    faults: list[Fault] = []
    if not 1 <= len(new.name.strip()) <= 200:
        faults.append(Fault("name", "Between 1 and 200 characters", new.name[:60]))
    for field in ("way_a", "way_b"):
        text = getattr(new, field)
        if not 1 <= len(text.strip()) <= 100:
            faults.append(Fault(field, "Between 1 and 100 characters", text[:60]))
    if not faults and new.way_a.strip().lower() == new.way_b.strip().lower():
        faults.append(Fault("way_b", "Another name than the first way has", new.way_b[:60]))
    if not 0 <= new.strata_depth <= 4:
        faults.append(Fault("strata_depth", "Between 0 and 4", str(new.strata_depth)[:20]))
    if new.seed is not None and not 0 <= new.seed <= MAX_SEED:
        faults.append(Fault("seed", f"Between 0 and {MAX_SEED}", str(new.seed)[:20]))
    return faults


def way_told(name: str, rows: list[SchoolRow]) -> WayTold:
    """What is told of one way."""
    assessed, matched = sum(each.assessed for each in rows), sum(each.matched for each in rows)
    return WayTold(
        name=name,
        schools=len(rows),
        schools_with_children=sum(each.matched > 0 for each in rows),
        assessed=assessed,
        matched=matched,
        mean_shift=sum(each.shift for each in rows) / matched if matched else None,
        improved=sum(each.improved for each in rows) / matched if matched else None,
        attrition=(assessed - matched) / assessed if assessed else None,
    )
