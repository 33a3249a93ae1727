"""A whole school goes from one school year to the next: looked at first, done in one step, undone until the new year's first result."""

from __future__ import annotations

from itertools import pairwise
from typing import Any, NamedTuple

import msgspec

from flatwater.clock import Clock, today
from flatwater.paging import Page, PageRequest
from flatwater.transaction import Session
from rightlevel.programme.audit import write_audit
from rightlevel.programme.enrolments import store
from rightlevel.programme.enrolments.model import (
    MOST_CHILDREN,
    MovingChild,
    RollOver,
    RollOverPlan,
    RollOverPreview,
    Undone,
    YearName,
    plan_faults,
)
from rightlevel.programme.errors import Conflict, Fault, Invalid, NotFound, reason_faults
from rightlevel.programme.ids import is_uuid
from rightlevel.programme.permissions import Actor, require, require_scope
from rightlevel.programme.schools import read_grades, read_school, school_for_write
from rightlevel.programme.students import Standing, changing, standing_faults


class NewYearMissing(Conflict):
    """There is no school year after {year} yet. Make it under School years, then this school can go on into it."""

    code = "new_year_missing"


class NothingToRollOver(Conflict):
    """No child of this school stands in {year} any more, so there is nothing to do."""

    code = "nothing_to_roll_over"


class PreviewOutdated(Conflict):
    """Children have come or gone since you looked. Look at the preview again, then decide."""

    code = "preview_outdated"


class RollOverStands(Conflict):
    """Results of {year} have been entered at this school, or a round of it is over, so its roll-over can't be undone any more. Move single children instead."""

    code = "roll_over_stands"


class RoundIsOpen(Conflict):
    """A round of {year} is not done at this school. Close it first, or say that it goes on with the children and classes of {year}."""

    code = "round_is_open"


class ClassAway(Conflict):
    """A class that children would go back to was deleted. Restore it first, then undo this."""

    code = "class_away"


class AlreadyUndone(Conflict):
    """This roll-over was undone already."""

    code = "already_undone"


async def preview_roll_over(
    session: Session, actor: Actor, school_id: int, plan: RollOverPlan, clock: Clock
) -> RollOverPreview:
    """What a roll-over would do to each class; nothing is written. *Errors*: Forbidden, Invalid, NewYearMissing, NothingToRollOver."""
    require(actor, "roll_over", "school")
    require_scope(actor, school_id)
    await read_school(session, actor, school_id)
    way = await _way(session, school_id, plan, clock)
    await _check_standing(session, way, hold=False)
    return await _look(session, way)


class _Way(NamedTuple):
    """A roll-over whose plan holds: of which school, from which year into which, and the values its statements take."""

    school_id: int
    plan: RollOverPlan
    old: YearName
    new: YearName
    values: dict[str, Any]


async def _way(session: Session, school_id: int, plan: RollOverPlan, clock: Clock) -> _Way:
    """*Errors*: Invalid, NewYearMissing."""
    faults = plan_faults(plan, today(clock))
    if faults:
        raise Invalid(faults=tuple(faults))
    old, new = await _years(session, school_id, plan.to_year_id)
    values = store.moving(school_id, old.id, new.id, plan.repeaters, await read_grades(session))
    return _Way(school_id, plan, old, new, values)


async def _check_standing(session: Session, way: _Way, *, hold: bool = True) -> None:
    """*Errors*: Invalid where nobody may stand in the new year: at a closed school, in a deleted year."""
    faults = await standing_faults(session, Standing(way.school_id, way.new.id, None, 0), hold=hold)
    if faults:
        raise Invalid(faults=tuple(faults))


async def _look(session: Session, way: _Way) -> RollOverPreview:
    """*Errors*: NothingToRollOver."""
    school_id, plan, old, new, values = way
    classes = await store.preview(session, values)
    known = await store.count_known(session, school_id, old.id, plan.repeaters) if plan.repeaters else 0
    targets = {(each.next_grade, each.section) for each in classes if each.up_class_is_new}
    targets |= {(each.grade, each.section) for each in classes if each.stay_class_is_new}
    found = RollOverPreview(
        school_id,
        old,
        new,
        tuple(classes),
        children=sum(each.children for each in classes),
        up=sum(each.up for each in classes),
        stay=sum(each.stay for each in classes),
        finish=sum(each.finish for each in classes),
        new_classes=len(targets),
        unknown=len(set(plan.repeaters)) - known,
        open_rounds=tuple(await store.open_rounds(session, values)),
    )
    if not found.children:
        raise NothingToRollOver(year=old.name)
    return found


async def _years(session: Session, school_id: int, to_year_id: int | None) -> tuple[YearName, YearName]:
    """The year that is left and the one that follows it. *Errors*: NewYearMissing, Invalid for a year that follows none."""
    newest_first = await store.years(session)
    current_id = await store.current_year_id(session)
    pairs = [(old, new) for new, old in pairwise(newest_first)]
    if to_year_id is not None:
        for old, new in pairs:
            if new.id == to_year_id:
                return old, new
        raise Invalid(faults=(Fault("to_year_id", "A school year that follows another", str(to_year_id)),))
    for old, new in pairs:
        if old.id == current_id:
            return old, new
    for old, new in pairs:
        # The new year is the current one already; whoever was left behind goes on into it.
        if new.id == current_id and await store.count_of_year(session, school_id, old.id):
            return old, new
    raise NewYearMissing(year=next((each.name for each in newest_first if each.id == current_id), "–"))


async def children_to_move(
    session: Session,
    actor: Actor,
    school_id: int,
    *,
    to_year_id: int | None = None,
    class_id: int | None = None,
    grade: int | None = None,
) -> list[MovingChild]:
    """The children who would go on, for picking who stays: of the school, of a class, or those of a grade without a class.

    *Errors*: as `preview_roll_over`. *Cost*: four statements; at most 5,000 rows.
    """
    require(actor, "roll_over", "school")
    require_scope(actor, school_id)
    await read_school(session, actor, school_id)
    old, _ = await _years(session, school_id, to_year_id)
    return await store.children_to_move(
        session, school_id, old.id, rows=MOST_CHILDREN, class_id=class_id, grade=grade
    )


async def roll_over_school(
    session: Session, actor: Actor, school_id: int, plan: RollOverPlan, clock: Clock
) -> RollOver:
    """The roll-over as it was done: one transaction, twelve statements whatever the number of children. A second time changes nothing more.

    *Errors*: Forbidden, NotFound, Invalid, NewYearMissing, NothingToRollOver, PreviewOutdated; RoundIsOpen while a round of the
    old year is not done here, unless the plan carries it on.
    """
    require(actor, "roll_over", "school")
    require_scope(actor, school_id)
    await school_for_write(session, school_id)
    done = await _done_before(session, school_id, plan)
    if done is not None:
        return done
    way = await _way(session, school_id, plan, clock)
    await _check_standing(session, way)
    # The claim comes before the look: whoever is second waits here for the first, and is told what was done
    # instead of that there is no child left.
    if not await store.insert_roll_over(
        session, plan, way.values, person_id=actor.person_id, now=clock.now()
    ):
        return await _same(session, school_id, plan, way.old.id)
    seen = await _look(session, way)
    held = await store.count_of_year(session, school_id, seen.from_year.id, hold=True)
    if held > MOST_CHILDREN:
        raise Invalid(faults=(Fault("children", "At most 5,000 children at once", str(held)),))
    if held != (seen.children if plan.children is None else plan.children) or seen.unknown:
        raise PreviewOutdated
    if seen.open_rounds and not plan.carry_open_rounds:
        faults = tuple(
            Fault(
                "carry_open_rounds",
                "This round still has children to do",
                f"{each.kind} {each.subject}: {each.to_do}/{each.enrolled}",
            )
            for each in seen.open_rounds
        )
        raise RoundIsOpen(year=seen.from_year.name, faults=faults)
    await changing(session, actor, "roll_over")
    moved = await store.move_all(session, plan, way.values, clock.now())
    after: dict[str, Any] = {
        "roll_over_id": plan.id,
        "from_year_id": seen.from_year.id,
        "to_year_id": seen.to_year.id,
        "carried_rounds": sorted({each.round_id for each in seen.open_rounds}),
        **msgspec.structs.asdict(moved),
    }
    await write_audit(session, actor, "roll_over", "school", school_id, after=after)
    return await _read(session, school_id, plan.id)


async def _done_before(session: Session, school_id: int, plan: RollOverPlan) -> RollOver | None:
    """The same roll-over, sent again: by its id, or of the same school into the same year."""
    if is_uuid(plan.id) and (found := await store.find_roll_over(session, school_id, roll_over_id=plan.id)):
        return found
    try:
        old, _ = await _years(session, school_id, plan.to_year_id)
    except NewYearMissing:
        return None  # told again, with everything else that is wrong, by the look that follows
    return await store.find_roll_over(session, school_id, from_year_id=old.id)


async def _same(session: Session, school_id: int, plan: RollOverPlan, from_year_id: int) -> RollOver:
    """What another was faster to do. *Errors*: Conflict for an id that is another school's."""
    found = await store.find_roll_over(session, school_id, roll_over_id=plan.id)
    found = found or await store.find_roll_over(session, school_id, from_year_id=from_year_id)
    if found is None:
        raise Conflict(faults=(Fault("id", "This id belongs to another write", plan.id),))
    return found


async def _read(session: Session, school_id: int, roll_over_id: str) -> RollOver:
    found = await store.find_roll_over(session, school_id, roll_over_id=roll_over_id)
    if found is None:
        raise NotFound
    return found


async def list_roll_overs(
    session: Session, actor: Actor, school_id: int, page: PageRequest
) -> Page[RollOver]:
    """The roll-overs of a school, newest first. *Errors*: Forbidden, NotFound."""
    require(actor, "roll_over", "school")
    require_scope(actor, school_id)
    await read_school(session, actor, school_id)
    return await store.page_of_roll_overs(session, school_id, page)


async def undo_roll_over(
    session: Session, actor: Actor, roll_over_id: str, *, reason: str, clock: Clock
) -> Undone:
    """Takes a school back into the year it left. Children who have moved on since stay where they are.

    Whoever enters a result holds its child meanwhile, so that a result of the new year is either seen here or entered after.
    *Errors*: NotFound, AlreadyUndone, Invalid without a reason, RollOverStands once a result of the new year is there, ClassAway.
    """
    require(actor, "roll_over", "school")
    faults = reason_faults(reason)
    if faults:
        raise Invalid(faults=tuple(faults))
    school_id = await store.school_of_roll_over(session, roll_over_id) if is_uuid(roll_over_id) else None
    if school_id is None:
        raise NotFound
    require_scope(actor, school_id)
    await school_for_write(session, school_id)
    standing = await store.roll_over_to_undo(session, roll_over_id)
    if standing is None:
        raise AlreadyUndone
    held = await store.hold_rolled(session, roll_over_id)
    if await store.count_results_of_new_year(session, standing):
        raise RollOverStands(year=(await _read(session, school_id, roll_over_id)).to_year)
    if await store.count_deleted_classes(session, roll_over_id):
        raise ClassAway
    await changing(session, actor, "undo_roll_over", reason)
    back, removed = await store.move_back(
        session, standing, person_id=actor.person_id, reason=reason.strip(), now=clock.now()
    )
    undone = Undone(back, held - back, removed)
    after = {"roll_over_id": roll_over_id, **msgspec.structs.asdict(undone)}
    await write_audit(session, actor, "undo", "school", school_id, after=after, reason=reason.strip())
    return undone
