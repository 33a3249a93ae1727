"""What is done to schools."""

from __future__ import annotations

from typing import Any

import msgspec

from flatwater.clock import Clock
from flatwater.paging import CEILING_ROWS, Page, PageRequest
from flatwater.transaction import ConstraintViolated, Session
from rightlevel.programme.accounts import end_assignments_of, forget_assignments
from rightlevel.programme.audit import write_audit
from rightlevel.programme.codes import code_form
from rightlevel.programme.errors import (
    LONGEST_REASON,
    AlreadyTaken,
    Conflict,
    Fault,
    InUse,
    Invalid,
    NotFound,
    OutOfScope,
    Stale,
)
from rightlevel.programme.permissions import Actor, require
from rightlevel.programme.places import read_place
from rightlevel.programme.schools import store
from rightlevel.programme.schools.model import (
    MovePreview,
    NewSchool,
    School,
    SchoolChange,
    SchoolRow,
    SchoolSearch,
    Stay,
    school_faults,
)

NO_SUCH_PLACE = "There is no such place, or it is closed"


async def list_schools(
    session: Session, actor: Actor, page: PageRequest, asked: SchoolSearch | None = None
) -> Page[SchoolRow]:
    """Schools by name, for field staff those assigned to them. *Cost*: one statement."""
    require(actor, "read", "school")
    asked = asked or SchoolSearch()
    if asked.deleted:
        require(actor, "restore", "school")
    return await store.page_of_schools(session, page, asked, actor.scope)


async def count_schools(session: Session, actor: Actor, asked: SchoolSearch | None = None) -> int:
    """How many schools `list_schools` has in all; 100,001 means more than 100,000. *Cost*: one statement."""
    require(actor, "read", "school")
    asked = asked or SchoolSearch()
    if asked.deleted:
        require(actor, "restore", "school")
    return await store.count_schools(session, asked, actor.scope)


async def read_school(session: Session, actor: Actor, school_id: int) -> School:
    """One school. *Errors*: NotFound, also for field staff to whom it isn't assigned."""
    require(actor, "read", "school")
    if not actor.scope.reaches_school(school_id):
        raise NotFound
    school = await store.find_school(session, school_id)
    if school.is_deleted:
        require(actor, "restore", "school")
    return school


async def school_names(session: Session, actor: Actor, school_ids: list[int]) -> dict[int, str]:
    """The names of these schools, as far as they are within reach. *Cost*: one statement on the key, none without ids."""
    require(actor, "read", "school")
    within = [each for each in school_ids[:CEILING_ROWS] if actor.scope.reaches_school(each)]
    return await store.names_of(session, within) if within else {}


async def school_for_write(session: Session, school_id: int) -> School:
    """A live school, held so that it can't be removed or moved until this transaction ends. *Errors*: NotFound."""
    school = await store.find_school(session, school_id, lock="for_share")
    if school.is_deleted:
        raise NotFound
    return school


async def create_school(session: Session, actor: Actor, new: NewSchool) -> School:
    """A new school. *Errors*: Invalid with every fault, AlreadyTaken for its code."""
    require(actor, "create", "school")
    fields = await _checked(session, new, "")
    try:
        school_id = await store.insert_school(session, fields)
    except ConstraintViolated as error:
        raise _refused(error, fields) from error
    await write_audit(session, actor, "create", "school", school_id, after=fields)
    return await store.find_school(session, school_id)


async def _checked(
    session: Session, new: NewSchool, reason: str, *, before: School | None = None
) -> dict[str, Any]:
    faults = school_faults(new)
    is_placed = before is None or before.place_id != new.place_id
    if is_placed and not await store.is_live_place(session, new.place_id):
        faults.append(Fault("place_id", NO_SUCH_PLACE, str(new.place_id)))
    if before is not None and is_placed and not 1 <= len(reason.strip()) <= LONGEST_REASON:
        faults.append(Fault("reason", "Between 1 and 200 characters", reason[:60]))
    if before is not None and before.merged_into is not None and new.status != "closed":
        faults.append(
            Fault("status", "This school was merged into another: take that back first", new.status)
        )
    if faults:
        raise Invalid(faults=tuple(faults))
    fields = msgspec.structs.asdict(new) | {"code": code_form(new.code)}
    return {name: value.strip() if isinstance(value, str) else value for name, value in fields.items()}


def _refused(error: ConstraintViolated, fields: dict[str, Any]) -> Exception:
    if error.constraint == "school_has_a_past":
        return SchoolHasPast()
    if error.constraint == "place_is_closed":
        return Invalid(faults=(Fault("place_id", NO_SUCH_PLACE, str(fields["place_id"])),))
    return _taken(fields["code"])


def _taken(code: str) -> AlreadyTaken:
    return AlreadyTaken(
        faults=(Fault("code", "Another school has this code (it may have been removed)", code),)
    )


class SchoolHasPast(Conflict):
    """This school has children, results, visits or sessions, or had them, and what was counted stays. It can't be removed, or change between practice and real; close it, or add another school."""

    code = "school_has_a_past"


class SchoolHasChildren(Conflict):
    """Children are taught at this school. Merge it into another school, or transfer its children or say that they left; then it can close."""

    code = "school_has_children"


async def change_school(
    session: Session, actor: Actor, school_id: int, change: SchoolChange, clock: Clock
) -> School:
    """Changes a school. *Errors*: NotFound, Stale with both, Invalid, AlreadyTaken, SchoolHasPast, SchoolHasChildren.

    A school closes when no children are taught there any more. A move to another place needs a reason: rounds whose roll is fixed stay counted where it stood, the others go along. Whoever enters something
    at this school waits meanwhile, nobody else. A school that has children or a past stays what it is, practice or real.
    """
    require(actor, "change", "school")
    if change.place_id is not None:
        await store.hold_rolls(session)
    school = await store.find_school(session, school_id, lock="for_change")
    if school.is_deleted:
        raise NotFound
    given = {
        name: value
        for name, value in msgspec.structs.asdict(change).items()
        if value is not None and name not in ("version", "reason")
    }
    before = {name: getattr(school, name) for name in NewSchool.__struct_fields__}
    fields = await _checked(session, NewSchool(**{**before, **given}), change.reason, before=school)
    touched = {name for name in fields if fields[name] != before[name]}
    if "status" in touched and fields["status"] == "closed" and await store.has_children(session, school_id):
        raise SchoolHasChildren
    if "place_id" in touched:
        await store.say_move(
            session, reason=change.reason.strip(), person_id=actor.person_id, now=clock.now()
        )
    await _save_change(session, school, change, fields)
    forget_assignments(session, school_id=school_id)
    await write_audit(
        session,
        actor,
        "change",
        "school",
        school_id,
        before={name: before[name] for name in touched},
        after={name: fields[name] for name in touched},
        reason=change.reason.strip() or None,
    )
    return await store.find_school(session, school_id)


async def _save_change(
    session: Session, school: School, change: SchoolChange, fields: dict[str, Any]
) -> None:
    try:
        async with session.savepoint():
            changed = await store.change_school_row(session, school.id, change.version, fields)
    except ConstraintViolated as error:
        raise _refused(error, fields) from error
    if not changed:
        raise Stale(current=msgspec.to_builtins(school), yours=msgspec.to_builtins(change))


async def preview_school_move(session: Session, actor: Actor, school_id: int, place_id: int) -> MovePreview:
    """What moving a school would do to each round's counts. *Errors*: NotFound, Invalid for a place that isn't in use."""
    require(actor, "change", "school")
    school = await store.find_school(session, school_id)
    if school.is_deleted:
        raise NotFound
    if not await store.is_live_place(session, place_id):
        raise Invalid(faults=(Fault("place_id", NO_SUCH_PLACE, str(place_id)),))
    here = await read_place(session, actor, school.place_id)
    there = await read_place(session, actor, place_id)
    rounds = [each for each in await store.preview_move(session, school_id) if each.results]
    return MovePreview(
        school_id=school_id,
        from_place_id=here.id,
        to_place_id=there.id,
        from_place=here.name_local,
        to_place=there.name_local,
        rounds=rounds,
    )


async def list_stays(session: Session, actor: Actor, school_id: int) -> list[Stay]:
    """Where a school stood and stands, the latest first, at most a hundred. *Errors*: NotFound."""
    await read_school(session, actor, school_id)
    return await store.list_stays(session, school_id)


async def delete_school(session: Session, actor: Actor, school_id: int, *, reason: str, clock: Clock) -> None:
    """Takes a school out of use, restorably. *Errors*: NotFound, InUse while it has children, SchoolHasPast once anything was counted there."""
    require(actor, "delete", "school")
    school = await store.find_school(session, school_id, lock="for_update")
    if await store.count_live_students(session, school_id):
        raise InUse("There are children in this school, so it can’t be removed.")
    if not school.is_practice and await store.has_past(session, school_id):
        raise SchoolHasPast
    if not await store.delete_row(
        session, "school", school_id, by=actor.person_id, reason=reason, now=clock.now()
    ):
        raise NotFound
    ended = await end_assignments_of(session, clock.now(), school_id=school_id)
    forget_assignments(session, school_id=school_id)
    await write_audit(session, actor, "delete", "school", school_id, after=ended or None, reason=reason)


async def restore_school(session: Session, actor: Actor, school_id: int) -> School:
    """Brings a school back. *Errors*: NotFound; Invalid while its place is away."""
    require(actor, "restore", "school")
    school = await store.find_school(session, school_id, lock="for_update")
    if not await store.is_live_place(session, school.place_id):
        raise Invalid(
            faults=(Fault("place_id", "This place was removed; restore it first", str(school.place_id)),)
        )
    if not await store.restore_row(session, "school", school_id):
        raise NotFound
    forget_assignments(session, school_id=school_id)
    await write_audit(session, actor, "restore", "school", school_id)
    return await store.find_school(session, school_id)


def require_reach(actor: Actor, school_id: int) -> None:
    """Passes when anything at this school is within the actor's reach. *Errors*: OutOfScope."""
    if not actor.scope.reaches_school(school_id):
        raise OutOfScope
