"""What is done to classes."""

from __future__ import annotations

from typing import Any

import msgspec

from flatwater.clock import Clock
from flatwater.paging import Page, PageRequest
from flatwater.transaction import ConstraintViolated, Session
from rightlevel.programme.accounts import end_assignments_of, forget_assignments
from rightlevel.programme.audit import write_audit
from rightlevel.programme.errors import AlreadyTaken, Conflict, Fault, InUse, Invalid, NotFound, Stale
from rightlevel.programme.permissions import Actor, require, sees_small_cells
from rightlevel.programme.schools import store
from rightlevel.programme.schools.actions import school_for_write
from rightlevel.programme.schools.model import ClassChange, ClassRow, NewClass, class_faults


class ClassInUse(Conflict):
    """Children or results hang on this class, so its grade stays. Make a class of the other grade, and move the children there."""

    code = "class_in_use"


class ClassHasPast(Conflict):
    """Results or children of earlier times name this class, and its class sheets stay. It can't be removed; children who are still in it can go to another class."""

    code = "class_has_a_past"


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
    found = await store.page_of_classes(
        session, page, school_id, year_id=school_year_id, deleted=deleted, scope=actor.scope
    )
    return Page([_told(actor, each) for each in found.items], found.next)


async def read_class(session: Session, actor: Actor, class_id: int) -> ClassRow:
    """One class. *Errors*: NotFound, also for one out of reach: whoever asks by numbers learns nothing."""
    require(actor, "read", "class")
    found = await store.find_class(session, class_id)
    if not actor.scope.covers(found.school_id, class_id=found.id):
        raise NotFound
    return _told(actor, found)


def _told(actor: Actor, row: ClassRow) -> ClassRow:
    """The class without its number of children for those who may not see small cells."""
    return row if sees_small_cells(actor) else msgspec.structs.replace(row, children=None)


async def class_of_school(session: Session, class_id: int, school_id: int) -> ClassRow | None:
    """A live class if it is one of this school."""
    try:
        found = await store.find_class(session, class_id)
    except NotFound:
        return None
    return found if found.school_id == school_id else None


async def create_class(session: Session, actor: Actor, new: NewClass) -> ClassRow:
    """A new class, in an open school and a year that is in use. *Errors*: Invalid with every fault, AlreadyTaken."""
    require(actor, "create", "class")
    faults = class_faults(new.grade, new.section.strip(), await store.read_grades(session))
    faults += await _school_faults(session, new.school_id)
    year_id = new.school_year_id
    if year_id is None:
        year = await store.current_year(session)
        if year is None:
            faults.append(Fault("school_year_id", "There is no current school year yet"))
        else:
            year_id = year.id
    elif not await store.is_live_year(session, year_id, hold=True):
        faults.append(Fault("school_year_id", "There is no such school year", str(year_id)))
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
        raise _taken(new.section) from error
    await write_audit(session, actor, "create", "class", class_id, after=fields)
    return await store.find_class(session, class_id)


async def _school_faults(session: Session, school_id: int) -> list[Fault]:
    """What speaks against a class at this school, which is held."""
    try:
        school = await school_for_write(session, school_id)
    except NotFound:
        return [Fault("school_id", "There is no such school", str(school_id))]
    return [] if school.status == "open" else [Fault("school_id", "This school is closed", str(school_id))]


def _taken(section: str) -> AlreadyTaken:
    return AlreadyTaken(
        faults=(Fault("section", "This class is there already (it may have been removed)", section),)
    )


async def change_class(session: Session, actor: Actor, class_id: int, change: ClassChange) -> ClassRow:
    """Changes the section, or the grade of a class on which nothing hangs.

    Only what changes is judged by the programme's grades of today. *Errors*: NotFound, Stale with both, Invalid, AlreadyTaken, ClassInUse.
    """
    require(actor, "change", "class")
    found = await store.find_class(session, class_id, for_update=True)
    if found.version != change.version:
        raise Stale(current=msgspec.to_builtins(found), yours=msgspec.to_builtins(change))
    fields: dict[str, Any] = {
        "grade": found.grade if change.grade is None else change.grade,
        "section": found.section if change.section is None else change.section.strip(),
    }
    is_other_grade = fields["grade"] != found.grade
    grades = await store.read_grades(session) if is_other_grade else [found.grade]
    faults = class_faults(fields["grade"], fields["section"], grades)
    if faults:
        raise Invalid(faults=tuple(faults))
    if is_other_grade and await store.is_class_in_use(session, class_id):
        raise ClassInUse
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
    """Takes a class out of use, restorably. *Errors*: NotFound, InUse while it has children, ClassHasPast once any result or past enrolment names it."""
    require(actor, "delete", "class")
    found = await store.find_class(session, class_id, for_update=True)
    if found.children:
        raise InUse("There are children in this class, so it can’t be removed.")
    if await store.class_has_past(session, class_id):
        raise ClassHasPast
    await store.delete_row(session, "class", class_id, by=actor.person_id, reason=reason, now=clock.now())
    ended = await end_assignments_of(session, clock.now(), class_id=class_id)
    forget_assignments(session, school_id=found.school_id)
    await write_audit(session, actor, "delete", "class", class_id, after=ended or None, reason=reason)


async def restore_class(session: Session, actor: Actor, class_id: int) -> ClassRow:
    """Brings a class back. *Errors*: NotFound; Invalid while its school or year is away."""
    require(actor, "restore", "class")
    away = await store.find_class(session, class_id, live=False, for_update=True)
    faults = await _school_faults(session, away.school_id)
    if not await store.is_live_year(session, away.school_year_id, hold=True):
        faults.append(
            Fault(
                "school_year_id", "This school year was deleted: restore it first", str(away.school_year_id)
            )
        )
    if faults:
        raise Invalid(faults=tuple(faults))
    if not await store.restore_row(session, "class", class_id):
        raise NotFound
    await write_audit(session, actor, "restore", "class", class_id)
    restored = await store.find_class(session, class_id)
    forget_assignments(session, school_id=restored.school_id)
    return restored
