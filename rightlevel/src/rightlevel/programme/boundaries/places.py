"""Places moved, split and merged: by places that follow them, so that what was counted in the old ones stays there."""

from __future__ import annotations

from datetime import datetime

import msgspec

from flatwater.clock import Clock
from flatwater.paging import Page, PageRequest
from flatwater.transaction import ConstraintViolated, Session
from rightlevel.programme.audit import write_audit
from rightlevel.programme.boundaries import store
from rightlevel.programme.boundaries.model import (
    MOST_PLACES,
    MOST_SCHOOLS,
    Below,
    BoundaryChange,
    BoundaryPlan,
    BoundaryPreview,
    Part,
    Standing,
    Successor,
    deed_faults,
    move_faults,
    new_place_faults,
    plan_faults,
    split_faults,
)
from rightlevel.programme.errors import AlreadyTaken, Conflict, Fault, Invalid, NotFound
from rightlevel.programme.ids import is_uuid
from rightlevel.programme.permissions import Actor, require
from rightlevel.programme.places import Place, read_place


class TooMuchToMove(Conflict):
    """So many schools or places can't be changed at once: at most 2,000 of each. Go district by district."""

    code = "too_much_to_move"


class BoundaryStands(Conflict):
    """This change can't be undone any more: schools or places were added, moved or closed since. What it did can be changed by another one."""

    code = "boundary_stands"


class BoundaryUndone(Conflict):
    """This change was undone already."""

    code = "boundary_undone"


class _Picture(msgspec.Struct, frozen=True):
    """What a plan means: which places close, what follows them, and everything that hangs on them."""

    places: list[Place]
    closes: bool
    successors: list[Successor]
    schools: list[Standing]
    below: list[Below]

    @property
    def tops(self) -> list[int]:
        return [each.id for each in self.places]


async def preview_boundary_change(session: Session, actor: Actor, plan: BoundaryPlan) -> BoundaryPreview:
    """What a change of places would do; nothing is written. *Errors*: Invalid with every fault, TooMuchToMove."""
    require(actor, "change", "place")
    found = await _picture(session, actor, plan)
    going = [each for each in found.schools if _goes(found, each)]
    closes = [each.name_local for each in found.places] if found.closes else []
    return BoundaryPreview(
        kind=plan.kind,
        closes=closes,
        makes=[each.name_local for each in found.successors],
        places=len(found.below) + len(closes),
        schools=len(going),
        rounds=await store.counted_in_rounds(session, found.tops),
    )


async def change_boundaries(
    session: Session, actor: Actor, plan: BoundaryPlan, clock: Clock
) -> BoundaryChange:
    """Moves, splits or merges places: others follow them, their schools go there, and the old ones close and say what follows.

    Rounds whose roll is fixed stay counted in the old places; the others go along. The same id again gets the same answer.
    *Errors*: Invalid with every fault, AlreadyTaken for a code, TooMuchToMove. *Cost*: four statements a level of the tree, and for each school
    its counts; whoever enters something at one of the schools waits meanwhile, nobody else.
    """
    require(actor, "change", "place")
    if is_uuid(plan.id) and (made := await store.find_change(session, plan.id)) is not None:
        return made
    await store.hold_rolls(session)
    found = await _picture(session, actor, plan, hold=True)
    at = await store.instant(session, clock.now())
    reason = plan.reason.strip()
    try:
        async with session.savepoint():
            followed, moves = await _follow(session, actor, found, plan, at)
    except ConstraintViolated as error:
        if error.constraint != "place_code_is_unique_below_its_parent":
            raise
        fault = Fault("code", "Two places below one would have the same code: give one another code first")
        raise AlreadyTaken(faults=(fault,)) from error
    await store.say_move(session, reason=reason, person_id=actor.person_id, at=at)
    if moves:
        await store.move_schools(session, [(school, to) for school, _, to in moves])
        await store.keep_moved(session, plan.id, moves)
    after = {
        "boundary_change_id": plan.id,
        "kind": plan.kind,
        "schools": len(moves),
        "closed": found.tops if found.closes else [],
        "followed_by": sorted({new for old, new, _ in followed if old in found.tops}),
    }
    for place_id in found.tops:
        await write_audit(session, actor, plan.kind, "place", place_id, after=after, reason=reason)
    return await _read(session, plan.id)


async def _read(session: Session, change_id: str) -> BoundaryChange:
    made = await store.find_change(session, change_id)
    if made is None:
        raise NotFound
    return made


async def _follow(
    session: Session, actor: Actor, found: _Picture, plan: BoundaryPlan, at: datetime
) -> tuple[list[tuple[int, int, bool]], list[tuple[int, int, int]]]:
    """Makes the places that follow, closes the old ones, and says which school goes where."""
    below, going = _going_below(found)
    closing = [*(found.tops if found.closes else []), *below]
    await store.close_places(session, closing, reason=plan.reason.strip(), person_id=actor.person_id, at=at)
    followed: list[tuple[int, int, bool]] = []
    to_place: dict[int, int] = {}
    of: list[tuple[Successor, int]] = []
    for each in found.successors:
        place_id = each.place_id
        if place_id is None:
            place_id = await store.make_place(
                session,
                parent_id=each.parent_id,
                kind=each.kind,
                code=each.code,
                name_local=each.name_local,
                name_latin=each.name_latin,
            )
        of.append((each, place_id))
        followed += [(old, place_id, each.place_id is None) for old in each.of]
    level = [(place.id, _taker(of, place)) for place in going]
    while level:
        made = await store.make_places_below(session, level)
        to_place |= made
        followed += [(old, new, True) for old, new in made.items()]
        next_level = [each for each in found.below if each.parent_id in made]
        level = [(each.id, made[each.parent_id]) for each in next_level]
    await store.keep_change(
        session,
        id=plan.id,
        kind=plan.kind,
        reason=plan.reason.strip(),
        at=at,
        person_id=actor.person_id,
        schools=sum(_goes(found, each) for each in found.schools),
    )
    await store.keep_followed(session, plan.id, followed)
    moves: list[tuple[int, int, int]] = []
    for school in found.schools:
        to = to_place.get(school.place_id)
        if to is None:
            to = next((place_id for each, place_id in of if each.takes_school(school)), None)
        if to is not None:
            moves.append((school.id, school.place_id, to))
    return followed, moves


def _taker(of: list[tuple[Successor, int]], place: Below) -> int:
    return next(place_id for each, place_id in of if each.takes_place(place))


def _going_below(found: _Picture) -> tuple[list[int], list[Below]]:
    """The places below that close, however deep, and of those the ones that hang directly on the old places."""
    tops = set(found.tops)
    going = [
        each
        for each in found.below
        if each.parent_id in tops and any(one.takes_place(each) for one in found.successors)
    ]
    closing = {each.id for each in going}
    for each in found.below:  # in the order of the tree: parents come before what hangs on them
        if each.parent_id in closing:
            closing.add(each.id)
    return sorted(closing), going


def _goes(found: _Picture, school: Standing) -> bool:
    closing, _ = _going_below(found)
    return school.place_id in closing or any(each.takes_school(school) for each in found.successors)


async def _picture(session: Session, actor: Actor, plan: BoundaryPlan, *, hold: bool = False) -> _Picture:
    """Everything that a plan is about. *Errors*: Invalid with every fault, TooMuchToMove."""
    faults = plan_faults(plan)
    if faults:
        raise Invalid(faults=tuple(faults))
    if hold:
        others = [each for each in (plan.to_parent_id, plan.into_place_id) if each is not None]
        await store.hold_places(session, sorted({*plan.place_ids, *others}))
    places = [await _open_place(session, actor, each, "place_ids") for each in plan.place_ids]
    below = await _all_below(session, plan.place_ids)
    if (
        hold
    ):  # once they are held nothing is hung on them any more: what came meanwhile is seen by the second look
        await store.hold_places(session, [each.id for each in below])
        below = await _all_below(session, plan.place_ids)
    where = [*plan.place_ids, *(each.id for each in below)]
    schools = await store.schools_in_places(session, where, rows=MOST_SCHOOLS + 1, hold=hold)
    if len(below) > MOST_PLACES or len(schools) > MOST_SCHOOLS:
        raise TooMuchToMove
    if any(each.kind == "country" for each in places):
        raise Invalid(faults=(Fault("place_ids", "A country is not moved, split or merged"),))
    if plan.kind == "split":
        return _split(plan, places, schools, below)
    successor = await (_moved if plan.kind == "move" else _merged)(session, actor, plan, places)
    return _Picture(places, closes=True, successors=[successor], schools=schools, below=below)


async def _open_place(session: Session, actor: Actor, place_id: int, field: str) -> Place:
    try:
        place = await read_place(session, actor, place_id)
    except NotFound:
        place = None
    if place is None or place.is_deleted or place.closed_at is not None:
        raise Invalid(faults=(Fault(field, "There is no such place, or it is closed", str(place_id)),))
    return place


async def _all_below(session: Session, place_ids: list[int]) -> list[Below]:
    """Every open place below some, level by level."""
    found: list[Below] = []
    level = place_ids
    while level and len(found) <= MOST_PLACES:
        there = await store.places_below(session, level, rows=MOST_PLACES + 1)
        found += there
        level = [each.id for each in there]
    return found


async def _moved(session: Session, actor: Actor, plan: BoundaryPlan, places: list[Place]) -> Successor:
    (place,) = places
    if plan.to_parent_id is None:
        raise Invalid(faults=(Fault("to_parent_id", "Please fill this in"),))
    parent = await _open_place(session, actor, plan.to_parent_id, "to_parent_id")
    code = plan.code.strip() or place.code
    faults = move_faults(place, parent) + new_place_faults(code, place.name_local, place.name_latin)
    if faults:
        raise Invalid(faults=tuple(faults))
    return Successor(
        place_id=None,
        parent_id=parent.id,
        kind=place.kind,
        code=code,
        name_local=place.name_local,
        name_latin=place.name_latin,
        of=(place.id,),
    )


async def _merged(session: Session, actor: Actor, plan: BoundaryPlan, places: list[Place]) -> Successor:
    first = places[0]
    of = tuple(each.id for each in places)
    if len({each.kind for each in places}) != 1:
        raise Invalid(faults=(Fault("place_ids", "Only places of one kind are merged"),))
    if plan.into_place_id is not None:
        into = await _open_place(session, actor, plan.into_place_id, "into_place_id")
        if into.kind != first.kind or into.id in of:
            raise Invalid(faults=(Fault("into_place_id", "Another place of the same kind", str(into.id)),))
        return Successor(
            place_id=into.id,
            parent_id=into.parent_id or 0,
            kind=into.kind,
            code=into.code,
            name_local=into.name_local,
            name_latin=into.name_latin,
            of=of,
        )
    if len(places) < 2 or len(plan.parts) != 1:
        raise Invalid(
            faults=(Fault("parts", "Two places or more become one new place, or go into one that is there"),)
        )
    part = plan.parts[0]
    faults = new_place_faults(part.code, part.name_local, part.name_latin, "parts.0.")
    if faults:
        raise Invalid(faults=tuple(faults))
    return _new(part, first, of)


def _new(part: Part, old: Place, of: tuple[int, ...], **only: frozenset[int]) -> Successor:
    return Successor(
        place_id=None,
        parent_id=old.parent_id or 0,
        kind=old.kind,
        code=part.code.strip(),
        name_local=part.name_local.strip(),
        name_latin=part.name_latin.strip(),
        of=of,
        **only,
    )


def _split(plan: BoundaryPlan, places: list[Place], schools: list[Standing], below: list[Below]) -> _Picture:
    (place,) = places
    direct = [each for each in schools if each.place_id == place.id]
    hanging = [each for each in below if each.parent_id == place.id]
    faults = split_faults(plan, direct, hanging)
    if faults:
        raise Invalid(faults=tuple(faults))
    successors = [
        _new(
            part,
            place,
            (place.id,),
            school_ids=frozenset(part.school_ids),
            place_ids=frozenset(part.place_ids),
        )
        for part in plan.parts
        if not part.goes_on
    ]
    return _Picture(places, len(successors) == len(plan.parts), successors, schools, below)


async def list_boundary_changes(session: Session, actor: Actor, page: PageRequest) -> Page[BoundaryChange]:
    """Changes of places, the latest first. *Cost*: two statements."""
    require(actor, "read", "place")
    return await store.page_of_changes(session, page)


async def undo_boundary_change(
    session: Session, actor: Actor, change_id: str, *, reason: str, clock: Clock
) -> BoundaryChange:
    """Takes schools back to the places that were closed, which open again; those that followed them close.

    Rounds whose roll was fixed meanwhile stay counted where the schools stood then. *Errors*: NotFound, BoundaryUndone, Invalid without a reason,
    BoundaryStands once schools or places were added, moved or closed since.
    """
    require(actor, "change", "place")
    faults = deed_faults(change_id, reason)
    if any(each.field == "id" for each in faults) or await store.find_change(session, change_id) is None:
        raise NotFound
    if faults:
        raise Invalid(faults=tuple(faults))
    await store.hold_rolls(session)
    if not await store.hold_change(session, change_id):
        raise BoundaryUndone
    places = await store.places_of_change(session, change_id)
    schools = await store.schools_of_change(session, change_id)
    new = sorted({each.successor_id for each in places if each.is_new})
    closed = {each.place_id for each in places if each.is_closed}
    if (
        any(each.is_successor_closed for each in places)
        or any(each.is_parent_closed and each.parent_id not in closed for each in places if each.is_closed)
        or any(each.place_id != each.to_place_id for each in schools)
        or await store.added_since(session, new, [each.school_id for each in schools])
    ):
        raise BoundaryStands
    at = await store.instant(session, clock.now())
    said = reason.strip()
    await store.close_places(session, new, reason=said, person_id=actor.person_id, at=at)
    try:
        async with session.savepoint():
            await store.reopen_places(session, sorted(closed))
    except ConstraintViolated as error:
        raise BoundaryStands from error
    await store.say_move(session, reason=said, person_id=actor.person_id, at=at)
    if schools:
        await store.move_schools(session, [(each.school_id, each.from_place_id) for each in schools])
    await store.mark_undone(session, change_id, reason=said, person_id=actor.person_id, at=at)
    after = {
        "boundary_change_id": change_id,
        "schools": len(schools),
        "closed": new,
        "opened": sorted(closed),
    }
    await write_audit(session, actor, "undo", "place", places[0].place_id, after=after, reason=said)
    return await _read(session, change_id)
