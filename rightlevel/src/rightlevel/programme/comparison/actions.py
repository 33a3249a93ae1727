"""One indicator of everything that hangs on a place, in order."""

from __future__ import annotations

from typing import Final

import msgspec

from flatwater.paging import PageRequest
from flatwater.transaction import Session
from rightlevel.programme.comparison.model import (
    MEASURES,
    MOST_UNITS,
    Compared,
    Comparison,
    ComparisonQuery,
    Measure,
)
from rightlevel.programme.errors import Fault, Invalid
from rightlevel.programme.figures import FigureQuery, UnitFigures, figures_below
from rightlevel.programme.figures.actions import subject_asked
from rightlevel.programme.figures.model import indicators_of
from rightlevel.programme.levels import Scale, scale_of_round
from rightlevel.programme.movement import MovementQuery, UnitMovement, movement_below
from rightlevel.programme.permissions import Actor
from rightlevel.programme.verification.agreement import LEAST_SHOWN, Interval, share

ALL = PageRequest(MOST_UNITS)


async def compare(session: Session, actor: Actor, asked: ComparisonQuery) -> Comparison:
    """A measure of each place and school that hangs on a place (for field staff, of their schools), the highest first.

    *Errors*: Forbidden, Invalid, NotFound. *Cost*: as `figures_below` or `movement_below` of at most 1,000 units. Small cells as there.
    """
    subject = subject_asked(asked.subject)
    measure = next((each for each in MEASURES[subject] if each.code == asked.measure), None)
    if measure is None:
        codes = ", ".join(each.code for each in MEASURES[subject])
        raise Invalid(faults=(Fault("measure", f"One of: {codes}", asked.measure[:60]),))
    if measure.is_of_two_rounds:
        if asked.later_round_id is None:
            raise Invalid(faults=(Fault("later_round_id", "Is needed"),))
        fields = {name: getattr(asked, name) for name in FigureQuery.__struct_fields__}
        two = msgspec.convert(fields | {"later_round_id": asked.later_round_id}, MovementQuery)
        moved = await movement_below(session, actor, two, ALL)
        units = [_moved(each, measure) for each in moved.items]
    else:
        found = await figures_below(session, actor, asked, ALL)
        units = [_figured(each, measure) for each in found.items]
        measure = _named(measure, scale_of_round(asked.round_id, subject))
    units.sort(key=lambda each: (each.estimate is None, -(each.estimate.value if each.estimate else 0.0)))
    return Comparison(measure, units)


OF_OTHER_SCALES: Final = {
    "reads_story": ("goal_up",),
    "does_division": ("goal_up",),
    "paragraph_up": ("near_up", "goal_up"),
    "subtraction_up": ("near_up", "goal_up"),
    "cannot_read_words": ("low",),
}
"""What stands for each indicator in a round that is measured by another scale than the program's own: that of the same role."""


def _named(measure: Measure, scale: Scale) -> Measure:
    """A measure as the scale of its round calls it."""
    codes = OF_OTHER_SCALES.get(measure.code, ())
    for code in codes if scale.is_own else ():
        for each in indicators_of(scale):
            if each.code == code:
                return msgspec.structs.replace(measure, name=each.name, definition=each.definition)
    return measure


def _figured(unit: UnitFigures, measure: Measure) -> Compared:
    figures = unit.figures
    if measure.code == "coverage":
        return _of(unit, figures.assessed, figures.enrolled)
    # The goal stands first, and where the level near it is the same there is no second.
    codes = (measure.code, *OF_OTHER_SCALES.get(measure.code, ()))
    indicator = next(
        (each for code in codes for each in figures.indicators if each.code == code), figures.indicators[0]
    )
    return _of(unit, indicator.numerator, indicator.denominator)


def _moved(unit: UnitMovement, measure: Measure) -> Compared:
    movement = unit.movement
    if measure.code == "mean_shift":
        return _of(unit, None, movement.matched, movement.mean_shift)
    if measure.code == "attrition":
        known = movement.assessed is not None and movement.matched is not None
        return _of(unit, movement.assessed - movement.matched if known else None, movement.assessed)  # type: ignore[operator]
    return _of(unit, movement.improved if measure.code == "improved" else movement.declined, movement.matched)


def _of(
    unit: UnitFigures | UnitMovement, part: int | None, whole: int | None, estimate: Interval | None = None
) -> Compared:
    if estimate is None and part is not None and whole is not None and whole >= LEAST_SHOWN:
        estimate = share(part, whole)
    return Compared(
        is_school=unit.is_school,
        id=unit.id,
        code=unit.code,
        name_local=unit.name_local,
        n=whole,
        part=part,
        estimate=estimate,
    )
