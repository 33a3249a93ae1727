"""What is asked of movement: of one choice of children, apart by grade or sex, of what lies below, child by child, who stands still, with which dose."""

from __future__ import annotations

from typing import Literal, TypeVar

import msgspec

from flatwater.paging import Page, PageRequest
from flatwater.transaction import Session
from rightlevel.programme.errors import Fault, Invalid, NotFound
from rightlevel.programme.figures import FigureQuery, Telling, figures_below, read_breakdown, read_figures
from rightlevel.programme.figures.actions import subject_asked
from rightlevel.programme.figures.model import Figures, figures_of
from rightlevel.programme.figures.store import NOTHING
from rightlevel.programme.figures.suppression import Detail, withhold
from rightlevel.programme.groups import read_group
from rightlevel.programme.levels import scale_of_round
from rightlevel.programme.movement import store
from rightlevel.programme.movement.model import (
    FATES,
    MOST_WEEKS,
    Dose,
    MovedChild,
    MovedChildrenQuery,
    Movement,
    MovementQuery,
    MovementSlice,
    StillChild,
    StillQuery,
    UnitMovement,
    movement_of,
)
from rightlevel.programme.movement.suppression import MovementTelling, told_movement
from rightlevel.programme.permissions import Actor, Subject, require, require_scope, sees_small_cells
from rightlevel.programme.schools import read_class

By = Literal["grades", "sexes"]
QueryT = TypeVar("QueryT", bound=MovementQuery)
BYS = ("grades", "sexes")


async def read_movement(session: Session, actor: Actor, asked: MovementQuery) -> Movement:
    """How the same children came from one round to a later one, beside all children of both.

    A class or a group is of those who may see its children. Those who may not see small cells are told how many improved, stayed, declined and
    were not tested again, of places and schools with all their children, and nothing where it, or a subtraction, would tell of fewer than 10.

    *Errors*: Forbidden, OutOfScope, NotFound, Invalid. *Cost*: four statements over counts, the same for 1,000 and 10,000,000 results; over
    the children of one school for a class or group.
    """
    subject = await _judged(session, actor, asked)
    if asked.class_id is not None or asked.group_id is not None:
        asked = await _chosen(session, actor, asked)
        earlier, later = [
            figures_of(
                await store.counts_of_children(session, asked, round_id),
                subject,
                scale_of_round(round_id, subject),
            )
            for round_id in (asked.round_id, asked.later_round_id)
        ]
        return movement_of(await store.lines_of_children(session, asked), earlier, later)
    both = await _both(session, actor, asked)
    lines = (await store.lines_apart(session, asked, subject, actor.scope)).get(0, [])
    if sees_small_cells(actor):
        return movement_of(lines, *both)
    is_told = await MovementTelling(session).is_told(asked, subject)
    return told_movement(lines, both, is_told=is_told)


async def _both(session: Session, actor: Actor, asked: MovementQuery) -> tuple[Figures, Figures]:
    telling = Telling(session)
    return (
        await read_figures(session, actor, figures_asked(asked), telling=telling),
        await read_figures(session, actor, figures_asked(asked, later=True), telling=telling),
    )


def figures_asked(asked: MovementQuery, *, later: bool = False) -> FigureQuery:
    """The figures of all children of the first of the two rounds, or of the later one."""
    return FigureQuery(
        asked.later_round_id if later else asked.round_id,
        asked.subject,
        asked.place_id,
        asked.school_id,
        grade=asked.grade,
        sex=asked.sex,
        boundaries=asked.boundaries,
    )


async def movement_apart(
    session: Session, actor: Actor, asked: MovementQuery, *, by: By
) -> list[MovementSlice]:
    """The same apart by grade or by sex, for those who see small cells. *Errors*: as above. *Cost*: four statements."""
    require(actor, "read", "small_cell")
    subject = await _judged(session, actor, asked)
    if by not in BYS:
        raise Invalid(faults=(Fault("by", f"One of: {', '.join(BYS)}", str(by)[:40]),))
    if asked.class_id is not None or asked.group_id is not None:
        raise Invalid(faults=(Fault("by", "A class or a group is not told apart"),))
    lines = await store.lines_apart(session, asked, subject, actor.scope, by=by)
    earlier = await read_breakdown(session, actor, figures_asked(asked), by=by)
    later = {
        each.key: each.figures
        for each in await read_breakdown(session, actor, figures_asked(asked, later=True), by=by)
    }
    nobody = figures_of(NOTHING, subject, scale_of_round(asked.later_round_id, subject))
    return [
        MovementSlice(
            each.key,
            movement_of(lines.get(int(each.key), []), each.figures, later.get(each.key, nobody)),
        )
        for each in earlier
    ]


async def movement_below(
    session: Session, actor: Actor, asked: MovementQuery, page: PageRequest
) -> Page[UnitMovement]:
    """The movement of each place and school that hangs on a place (or of the countries; for field staff, of their schools).

    *Cost*: four statements; a page of counts. Small cells as in `read_movement`.
    """
    subject = await _judged(session, actor, asked)
    found = await figures_below(session, actor, figures_asked(asked), page)
    keys = [(each.is_school, each.id) for each in found.items]
    lines = await store.lines_of_units(session, asked, keys)
    later = await store.later_of_units(session, asked, subject, keys)
    sees_all, told = sees_small_cells(actor), set(keys)
    if not sees_all:
        told = await MovementTelling(session).units_told(asked, subject)
        details = await Telling(session).details_below(figures_asked(asked, later=True), subject)
        later = {
            key: withhold(each, details.get(key, Detail.NOTHING), grade=asked.grade, sex=asked.sex)
            for key, each in later.items()
        }
    items: list[UnitMovement] = []
    for each, key in zip(found.items, keys, strict=True):
        both = (each.figures, later[key])
        of_unit = lines.get(key, [])
        movement = (
            movement_of(of_unit, *both) if sees_all else told_movement(of_unit, both, is_told=key in told)
        )
        items.append(
            UnitMovement(
                is_school=each.is_school,
                id=each.id,
                code=each.code,
                name_local=each.name_local,
                name_latin=each.name_latin,
                is_closed=each.is_closed,
                movement=movement,
            )
        )
    return Page(items, found.next)


async def moved_children(
    session: Session, actor: Actor, asked: MovedChildrenQuery, page: PageRequest
) -> Page[MovedChild]:
    """The children of a school, class or group with their levels in both rounds, and of those without one why.

    *Errors*: Forbidden, OutOfScope, NotFound, Invalid. *Cost*: two statements.
    """
    require(actor, "read", "student")
    subject = await _judged(session, actor, asked)
    if asked.fate is not None and asked.fate not in FATES:
        raise Invalid(faults=(Fault("fate", f"One of: {', '.join(FATES)}", asked.fate[:40]),))
    return await store.page_of_moved(session, actor, await _chosen(session, actor, asked), subject, page)


async def dose_of_moved(session: Session, actor: Actor, asked: MovementQuery) -> list[Dose]:
    """How many lessons the children of a school, class or group came to between their two tests, by whether they improved.

    *Errors*: as `moved_children`. *Cost*: two statements over the attendance of one school's children.
    """
    require(actor, "read", "student")
    subject = await _judged(session, actor, asked)
    return await store.dose_of_moved(session, actor, await _chosen(session, actor, asked), subject)


async def still_children(
    session: Session, actor: Actor, asked: StillQuery, page: PageRequest
) -> Page[StillChild]:
    """The children of a school who have not risen for so many weeks, by name. *Errors*: Forbidden, OutOfScope, Invalid. *Cost*: one statement."""
    require(actor, "read", "student")
    subject = subject_asked(asked.subject)
    if not 1 <= asked.weeks <= MOST_WEEKS:
        raise Invalid(faults=(Fault("weeks", f"From 1 to {MOST_WEEKS}", str(asked.weeks)),))
    require_scope_of(actor, asked.school_id, subject)
    return await store.page_of_still(session, actor, asked, subject, page)


def require_scope_of(actor: Actor, school_id: int, subject: Subject) -> None:
    """Passes when something of the school is held in the subject, be it one class. *Errors*: OutOfScope."""
    if subject not in actor.scope.subjects(school_id):
        require_scope(actor, school_id, subject=subject)


async def _judged(session: Session, actor: Actor, asked: MovementQuery) -> Subject:
    """The subject, when the actor may ask and the rounds are two, in order. *Errors*: Forbidden, NotFound, Invalid, OutOfScope."""
    require(actor, "read", "figure")
    subject = subject_asked(asked.subject)
    is_before = await store.order_of(session, asked)
    if is_before is None:
        raise NotFound
    if not is_before:
        raise Invalid(
            faults=(
                Fault("later_round_id", "A round that began after the first one", str(asked.later_round_id)),
            )
        )
    if asked.school_id is not None:
        require_scope_of(actor, asked.school_id, subject)
    return subject


async def _chosen(session: Session, actor: Actor, asked: QueryT) -> QueryT:
    """The query with the school of its class or group, which the actor must reach. *Errors*: Forbidden, NotFound, OutOfScope, Invalid."""
    require(actor, "read", "student")
    school_id = asked.school_id
    if asked.class_id is not None:
        school_id = (await read_class(session, actor, asked.class_id)).school_id
    if asked.group_id is not None:
        school_id = (await read_group(session, actor, asked.group_id)).group.school_id
    if school_id is None or (asked.school_id is not None and asked.school_id != school_id):
        raise Invalid(faults=(Fault("school_id", "A school, or a class or group of it"),))
    require_scope_of(actor, school_id, subject_asked(asked.subject))
    return msgspec.structs.replace(asked, school_id=school_id)
