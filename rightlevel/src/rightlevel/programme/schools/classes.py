"""What is done to classes."""

from __future__ import annotations

from typing import Any

import msgspec

from flatwater.clock import Clock
from flatwater.paging import Page, PageRequest
from flatwater.transaction import ConstraintViolated, Session
from rightlevel.programme.accounts import end_assignments_of, forget_assignments
from rightlevel.programme.audit import write_audit
from rightlevel.programme.errors import AlreadyTaken, Fault, InUse, Invalid, NotFound, Stale
from rightlevel.programme.permissions import Actor, require
from rightlevel.programme.schools import store
from rightlevel.programme.schools.actions import require_reach, school_for_write
from rightlevel.programme.schools.model import ClassChange, ClassRow, NewClass, class_faults


async def list_classes(
    session: Session,
    actor: Actor,
    page: PageRequest,
    *,
    school_id: int,
    school_year_id: int | None = None,
    deleted: bool = False,
) -> Page[ClassRow]:
    """The classes of a school by year, grade and section, for field staff those within reach. *Cost*: one statement."""
    require(actor, "restore" if deleted else "read", "class")
    return await store.page_of_classes(
        session, page, school_id, year_id=school_year_id, deleted=deleted, scope=actor.scope
    )


async def read_class(session: Session, actor: Actor, class_id: int) -> ClassRow:
    """One class. *Errors*: NotFound, OutOfScope."""
    require(actor, "read", "class")
    found = await store.find_class(session, class_id)
    require_reach(actor, found.school_id)
    return found


async def class_of_school(session: Session, class_id: int, school_id: int) -> ClassRow | None:
    """A live class if it is one of this school."""
    try:
        found = await store.find_class(session, class_id)
    except NotFound:
        return None
    return found if found.school_id == school_id else None


async def create_class(session: Session, actor: Actor, new: NewClass) -> ClassRow:
    """A new class. *Errors*: Invalid with every fault, AlreadyTaken."""
    require(actor, "create", "class")
    faults = class_faults(new.grade, new.section.strip(), await store.read_grades(session))
    try:
        await school_for_write(session, new.school_id)
    except NotFound:
        faults.append(Fault("school_id", "There is no such school", str(new.school_id)))
    year_id = new.school_year_id
    if year_id is None:
        year = await store.current_year(session)
        if year is None:
            faults.append(Fault("school_year_id", "There is no current school year yet"))
        else:
            year_id = year.id
    if faults:
        raise Invalid(faults=tuple(faults))
    fields: dict[str, Any] = {
        "school_id": new.school_id,
        "school_year_id": year_id,
        "grade": new.grade,
        "section": new.section.strip(),
    }
    try:
        class_id = await store.insert_class(session, fields)
    except ConstraintViolated as error:
        if error.constraint != "class_is_unique":
            raise Invalid(
                faults=(Fault("school_year_id", "There is no such school year", str(year_id)),)
            ) from error
        raise _taken(new.section) from error
    await write_audit(session, actor, "create", "class", class_id, after=fields)
    return await store.find_class(session, class_id)


def _taken(section: str) -> AlreadyTaken:
    return AlreadyTaken(
        faults=(Fault("section", "This class is there already (it may have been removed)", section),)
    )


async def change_class(session: Session, actor: Actor, class_id: int, change: ClassChange) -> ClassRow:
    """Changes grade or section. *Errors*: NotFound, Stale with both, Invalid, AlreadyTaken."""
    require(actor, "change", "class")
    found = await store.find_class(session, class_id, for_update=True)
    fields: dict[str, Any] = {
        "grade": found.grade if change.grade is None else change.grade,
        "section": found.section if change.section is None else change.section.strip(),
    }
    faults = class_faults(fields["grade"], fields["section"], await store.read_grades(session))
    if faults:
        raise Invalid(faults=tuple(faults))
    try:
        changed = await store.change_class_row(session, class_id, change.version, fields)
    except ConstraintViolated as error:
        raise _taken(fields["section"]) from error
    if not changed:
        raise Stale(current=msgspec.to_builtins(found), yours=msgspec.to_builtins(change))
    before = {name: getattr(found, name) for name in fields}
    await write_audit(session, actor, "change", "class", class_id, before=before, after=fields)
    return await store.find_class(session, class_id)


async def delete_class(session: Session, actor: Actor, class_id: int, *, reason: str, clock: Clock) -> None:
    """Takes a class out of use, restorably. *Errors*: NotFound, InUse while it has children."""
    require(actor, "delete", "class")
    found = await store.find_class(session, class_id, for_update=True)
    if found.children:
        raise InUse
    await store.delete_row(session, "class", class_id, by=actor.person_id, reason=reason, now=clock.now())
    ended = await end_assignments_of(session, clock.now(), class_id=class_id)
    forget_assignments(session, school_id=found.school_id)
    await write_audit(session, actor, "delete", "class", class_id, after=ended or None, reason=reason)


async def restore_class(session: Session, actor: Actor, class_id: int) -> ClassRow:
    """Brings a class back. *Errors*: NotFound."""
    require(actor, "restore", "class")
    if not await store.restore_row(session, "class", class_id):
        raise NotFound
    await write_audit(session, actor, "restore", "class", class_id)
    restored = await store.find_class(session, class_id)
    forget_assignments(session, school_id=restored.school_id)
    return restored
