"""What is done to assignments: list, make, end, look up."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import date

import msgspec

from flatwater.clock import Clock, today
from flatwater.paging import Page, PageRequest
from flatwater.transaction import ConstraintViolated, Session
from rightlevel.programme.accounts import Scopes, forget_assignments
from rightlevel.programme.accounts.store import find_person
from rightlevel.programme.assignments import store
from rightlevel.programme.assignments.model import (
    ASSIGNABLE,
    MAX_AT_ONCE,
    STATES,
    Assignment,
    NewAssignment,
    SchoolWithout,
    assignment_faults,
)
from rightlevel.programme.audit import write_audit
from rightlevel.programme.errors import AlreadyTaken, Fault, Invalid, NotFound, ProgrammeError
from rightlevel.programme.permissions import SUBJECTS, Actor, Scope, Subject, require
from rightlevel.programme.schools import class_of_school, school_for_write


async def list_assignments(
    session: Session,
    actor: Actor,
    page: PageRequest,
    clock: Clock,
    *,
    person_id: int | None = None,
    school_id: int | None = None,
    state: str | None = "in_force",
) -> Page[Assignment]:
    """Assignments of a person, of a school or all, in the order made; those of None as well as those of STATES. *Cost*: one statement.

    *Errors*: Forbidden, Invalid for a state that there is none of.
    """
    require(actor, "read", "assignment")
    if state is not None and state not in STATES:
        raise Invalid(faults=(Fault("state", f"One of: {', '.join(STATES)}", state[:60]),))
    return await store.page_of_assignments(
        session, page, person_id=person_id, school_id=school_id, state=state, today=today(clock)
    )


async def create_assignment(session: Session, actor: Actor, new: NewAssignment, clock: Clock) -> Assignment:
    """A new assignment, in force from its first day on the very next request. *Errors*: Invalid with every fault, AlreadyTaken."""
    require(actor, "create", "assignment")
    faults = assignment_faults(new, today(clock)) + await _reference_faults(session, new)
    if faults:
        raise Invalid(faults=tuple(faults))
    fields = {**msgspec.structs.asdict(new), "from_on": new.from_on or today(clock)}
    try:
        assignment_id = await store.insert_assignment(session, {**fields, "created_by": actor.person_id})
    except ConstraintViolated as error:
        raise AlreadyTaken(faults=(Fault("school_id", "This is assigned to this person already"),)) from error
    forget_assignments(session, new.person_id)
    await write_audit(
        session, actor, "create", "assignment", assignment_id, after=msgspec.to_builtins(fields)
    )
    return await store.find_assignment(session, assignment_id, today(clock))


async def _reference_faults(session: Session, new: NewAssignment) -> list[Fault]:
    faults: list[Fault] = []
    try:
        person = await find_person(session, new.person_id)
        if person.role not in ASSIGNABLE:
            faults.append(
                Fault("person_id", "Only mentors and teachers are assigned to schools", person.role)
            )
        if person.is_deleted or not person.is_active:
            faults.append(Fault("person_id", "This account is not in use", person.username))
    except NotFound:
        faults.append(Fault("person_id", "There is no such person", str(new.person_id)))
    try:
        await school_for_write(session, new.school_id)
    except NotFound:
        faults.append(Fault("school_id", "There is no such school", str(new.school_id)))
    if new.class_id is not None and await class_of_school(session, new.class_id, new.school_id) is None:
        faults.append(Fault("class_id", "This class is not one of this school", str(new.class_id)))
    return faults


async def end_assignment(session: Session, actor: Actor, assignment_id: int, clock: Clock) -> Assignment:
    """Ends an assignment at once: from the next request on nobody acts on it. *Errors*: NotFound."""
    require(actor, "end", "assignment")
    if not await store.end_assignment_row(session, assignment_id, clock.now()):
        raise NotFound
    ended = await store.find_assignment(session, assignment_id, today(clock))
    forget_assignments(session, ended.person_id)
    await write_audit(session, actor, "end", "assignment", assignment_id, before=msgspec.to_builtins(ended))
    return ended


async def change_last_day(
    session: Session, actor: Actor, assignment_id: int, to_on: date | None, clock: Clock
) -> Assignment:
    """Gives an assignment that was not ended another last day, or none. *Errors*: NotFound, Invalid, AlreadyTaken where the same begins before it.

    Who may make it last longer may assign, too.
    """
    require(actor, "end", "assignment")
    found = await store.find_assignment(session, assignment_id, today(clock))
    if to_on is None or (found.to_on is not None and to_on > found.to_on):
        require(actor, "create", "assignment")
    new = NewAssignment(
        found.person_id, found.school_id, found.subject, found.class_id, from_on=found.from_on, to_on=to_on
    )
    faults = [fault for fault in assignment_faults(new, today(clock)) if fault.field == "to_on"]
    if faults:
        raise Invalid(faults=tuple(faults))
    try:
        async with session.savepoint():
            changed = await store.change_last_day_row(session, assignment_id, to_on)
    except ConstraintViolated as error:
        rule = "The same is assigned to this person from a later day on already"
        raise AlreadyTaken(faults=(Fault("to_on", rule),)) from error
    if not changed:
        raise NotFound
    forget_assignments(session, found.person_id)
    before = {"to_on": found.to_on and found.to_on.isoformat()}
    after = {"to_on": to_on and to_on.isoformat()}
    await write_audit(session, actor, "change", "assignment", assignment_id, before=before, after=after)
    return await store.find_assignment(session, assignment_id, today(clock))


async def create_assignments(
    session: Session, actor: Actor, wanted: Sequence[NewAssignment], clock: Clock
) -> list[Assignment]:
    """Many new assignments, all or none. *Errors*: Invalid with the faults of every row, named `assignments.<row>.<field>`; Forbidden.

    *Cost*: about six statements a row, in one transaction.
    """
    require(actor, "create", "assignment")
    if not 1 <= len(wanted) <= MAX_AT_ONCE:
        raise Invalid(
            faults=(
                Fault("assignments", f"Between 1 and {MAX_AT_ONCE} assignments at once", str(len(wanted))),
            )
        )
    faults: list[Fault] = []
    made: list[Assignment] = []
    for number, new in enumerate(wanted):
        try:
            async with session.savepoint():
                made.append(await create_assignment(session, actor, new, clock))
        except ProgrammeError as error:
            faults += [
                Fault(f"assignments.{number}.{fault.field}", fault.rule, fault.value)
                for fault in error.faults
            ]
            if not error.faults:
                raise
    if faults:
        raise Invalid(faults=tuple(faults))
    return made


async def end_assignments(
    session: Session, actor: Actor, assignment_ids: Sequence[int], clock: Clock
) -> list[int]:
    """Ends many assignments at once; the ids of those that ran. *Errors*: Forbidden, Invalid. *Cost*: two statements."""
    require(actor, "end", "assignment")
    if not 1 <= len(assignment_ids) <= MAX_AT_ONCE:
        raise Invalid(
            faults=(
                Fault(
                    "assignment_ids",
                    f"Between 1 and {MAX_AT_ONCE} assignments at once",
                    str(len(assignment_ids)),
                ),
            )
        )
    ended = await store.end_assignment_rows(session, sorted(set(assignment_ids)), clock.now())
    for person_id in {each.person_id for each in ended}:
        forget_assignments(session, person_id)
    if ended:
        after = {"assignments": [each.id for each in ended]}
        await write_audit(session, actor, "end", "assignment", ended[0].id, after=after)
    return [each.id for each in ended]


async def schools_without(
    session: Session,
    actor: Actor,
    page: PageRequest,
    clock: Clock,
    *,
    role: str,
    subject: str,
    place_id: int | None = None,
) -> Page[SchoolWithout]:
    """The open schools that lack a mentor or a teacher of a subject today. *Errors*: Forbidden, Invalid. *Cost*: one statement."""
    require(actor, "read", "assignment")
    faults = [
        Fault(field, f"One of: {', '.join(known)}", given[:60])
        for field, given, known in (("role", role, ASSIGNABLE), ("subject", subject, SUBJECTS))
        if given not in known
    ]
    if faults:
        raise Invalid(faults=tuple(faults))
    return await store.page_of_schools_without(
        session, page, role=role, subject=subject, place_id=place_id, today=today(clock)
    )


async def assigned_schools(
    session: Session,
    person_id: int,
    subject: Subject | None = None,
    active_only: bool = True,
    bypass_cache: bool = False,
    *,
    scopes: Scopes,
) -> list[int]:
    """The ids of the schools assigned to somebody, sorted; past the cache when asked to, and always in a session that writes.

    Those of the past (`active_only=False`) are always read. *Cost*: nothing on a hit, else one statement, at most 10,000 ids.
    """
    if not active_only:
        return await store.schools_ever_held(session, person_id, subject=subject)
    held = await scopes.held_by(session, person_id, bypass_cache=bypass_cache)
    return Scope(held=held).schools(subject)
