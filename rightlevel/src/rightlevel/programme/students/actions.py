"""What is done to children's records: list, read, enrol, change, leave and return, take away, bring back."""

from __future__ import annotations

from datetime import date
from typing import Any

import msgspec

from flatwater.clock import Clock, today
from flatwater.paging import Page, PageRequest
from flatwater.transaction import ConstraintViolated, Session
from rightlevel.programme.audit import write_audit
from rightlevel.programme.errors import (
    AlreadyTaken,
    Conflict,
    Fault,
    Invalid,
    NotFound,
    OutOfScope,
    ProgrammeError,
    RoundSealing,
    Stale,
)
from rightlevel.programme.permissions import Actor, allowed, require, require_scope
from rightlevel.programme.schools import class_of_school, current_year, read_grades, school_for_write
from rightlevel.programme.students import store
from rightlevel.programme.students.model import (
    NewStudent,
    PastEnrolment,
    Student,
    StudentChange,
    StudentRow,
    StudentSearch,
    YearStanding,
    audited,
    columns_of,
    student_faults,
)

STATUSES = ("active", "left")


class IdentityErased(Conflict):
    """Who this child was has been erased for good. Its record stays as it is, so that the figures do."""

    code = "identity_erased"


class RecordMerged(ProgrammeError):
    """This child was entered twice and is one record now. Go on with the one that was kept."""

    kind = "gone"
    code = "merged"


class ResultsSettled(Conflict):
    """This child has verified or locked results, or results of a round that is over. Only a coordinator removes it, with a reason."""

    code = "results_settled"


async def list_students(
    session: Session, actor: Actor, page: PageRequest, asked: StudentSearch | None = None
) -> Page[StudentRow]:
    """Children by name, within the actor's schools and classes. *Errors*: Forbidden, OutOfScope. *Cost*: one statement."""
    return await store.page_of_students(session, page, _allowed(actor, asked or StudentSearch()), actor.scope)


async def count_students(session: Session, actor: Actor, asked: StudentSearch | None = None) -> int:
    """How many children `list_students` has in all: exact for all who are at school, in whichever year they stand, and up to 10,000
    for a choice of them.

    *Cost*: one statement. 10,001 means more than 10,000.
    """
    asked = _allowed(actor, asked or StudentSearch())
    if actor.scope.is_everything and asked in (StudentSearch(), StudentSearch(status="active")):
        return await store.count_active(session)
    return await store.count_students(session, asked, actor.scope)


async def children_by_year(
    session: Session, actor: Actor, *, school_id: int | None = None
) -> list[YearStanding]:
    """How many children of the actor's schools (or of one) stand in each school year, the latest first. *Cost*: one statement over counts."""
    require(actor, "read", "student")
    return await store.children_by_year(session, actor.scope, school_id=school_id)


def _allowed(actor: Actor, asked: StudentSearch) -> StudentSearch:
    require(actor, "restore" if asked.deleted else "read", "student")
    if asked.school_id is not None and not actor.scope.reaches_school(asked.school_id):
        raise OutOfScope
    if asked.status is not None and asked.status not in STATUSES:
        raise Invalid(faults=(Fault("status", f"One of: {', '.join(STATUSES)}", asked.status),))
    return asked


async def read_student(session: Session, actor: Actor, student_id: str) -> Student:
    """One child. *Errors*: NotFound, also for a child out of scope: that one exists is not told. *Cost*: one statement."""
    require(actor, "read", "student")
    student = await store.find_student(session, student_id)
    if student.is_deleted:
        if not allowed(actor.role, "restore", "student"):
            await _refuse_merged(session, actor, student)
        require(actor, "restore", "student")
    if not actor.scope.covers(student.school_id, class_id=student.class_id):
        raise NotFound
    return student


async def create_student(session: Session, actor: Actor, new: NewStudent, clock: Clock) -> Student:
    """A newly enrolled child. The same id again with the same content is the same child.

    *Errors*: Invalid with every fault, OutOfScope, AlreadyTaken for its code in this school, Conflict for its id.
    """
    require(actor, "create", "student")
    require_scope(actor, new.school_id, class_id=new.class_id)
    columns = await _checked(session, new, clock)
    try:
        student_id = await store.insert_student(session, columns)
    except ConstraintViolated as error:
        raise _collision(error, new) from error
    if student_id is None:
        return await _same_again(session, actor, columns)
    student = await store.find_student(session, student_id)
    await write_audit(session, actor, "create", "student", student_id, after=audited(student))
    return student


async def _checked(session: Session, new: NewStudent, clock: Clock) -> dict[str, Any]:
    """The record as stored, when everything about it is right."""
    faults = student_faults(new, await read_grades(session), today(clock))
    try:
        await school_for_write(session, new.school_id)
    except NotFound:
        faults.append(Fault("school_id", "There is no such school", str(new.school_id)))
    year_id = new.school_year_id
    if year_id is None:
        year = await current_year(session)
        if year is None:
            faults.append(Fault("school_year_id", "There is no current school year yet"))
        year_id = year.id if year else None
    if new.class_id is not None:
        found = await class_of_school(session, new.class_id, new.school_id)
        if found is None:
            faults.append(Fault("class_id", "This class is not one of this school", str(new.class_id)))
        elif found.grade != new.grade:
            faults.append(Fault("class_id", "This class is of another grade", str(found.grade)))
    if faults:
        raise Invalid(faults=tuple(faults))
    return {**columns_of(new), "school_year_id": year_id}


def _collision(error: ConstraintViolated, new: NewStudent) -> Exception:
    if error.constraint == "student_code_is_unique_in_its_school":
        return AlreadyTaken(faults=(Fault("code", "Another child of this school has this code", new.code),))
    if error.constraint == "student_school_year_id_fkey":
        return Invalid(
            faults=(Fault("school_year_id", "There is no such school year", str(new.school_year_id)),)
        )
    return error


async def _same_again(session: Session, actor: Actor, columns: dict[str, Any]) -> Student:
    student = await store.find_student(session, columns["id"])
    await _refuse_merged(session, actor, student)
    require_scope(actor, student.school_id, class_id=student.class_id)
    same = ("school_id", "code", "name", "sex", "grade")
    if student.is_deleted or any(getattr(student, name) != columns[name] for name in same):
        raise Conflict(faults=(Fault("id", "This id belongs to another child", student.id),))
    return student


async def change_student(
    session: Session, actor: Actor, student_id: str, change: StudentChange, clock: Clock
) -> Student:
    """Changes a child's record; another school, class, year or grade keeps where the child was.

    *Errors*: NotFound, OutOfScope (of the old or the new school), Stale with both, Invalid, AlreadyTaken.
    """
    require(actor, "change", "student")
    student = await student_for_write(session, actor, student_id)
    if student.is_erased:
        raise IdentityErased
    given = {
        name: value for name, value in msgspec.structs.asdict(change).items() if value is not msgspec.UNSET and name != "version"
    }  # fmt: skip
    if given.get("school_id", student.school_id) != student.school_id and "class_id" not in given:
        given["class_id"] = None
    names = [name for name in NewStudent.__struct_fields__ if name != "id"]
    merged = NewStudent(**{**{name: getattr(student, name) for name in names}, **given})
    require_scope(actor, merged.school_id, class_id=merged.class_id)
    columns = await _checked(session, merged, clock)
    moved = [name for name in ("school_id", "school_year_id") if columns[name] != getattr(student, name)]
    if student.version == change.version and moved:
        reason = "transfer" if "school_id" in moved else "change"
        await store.say_stint(session, until_on=today(clock), reason=reason)
    try:
        changed = await store.change_student_row(session, student_id, change.version, columns, clock.now())
    except ConstraintViolated as error:
        raise _collision(error, merged) from error
    if not changed:
        raise Stale(current=msgspec.to_builtins(student), yours=msgspec.to_builtins(change))
    after = await store.find_student(session, student_id)
    await write_audit(
        session, actor, "change", "student", student_id, before=audited(student), after=audited(after)
    )
    return after


async def student_for_write(session: Session, actor: Actor, student_id: str) -> Student:
    """The live child within reach, held until this transaction ends. *Errors*: NotFound, OutOfScope, RecordMerged with the kept one's id."""
    student = await store.find_student(session, student_id, for_update=True)
    await _refuse_merged(session, actor, student)
    require_scope(actor, student.school_id, class_id=student.class_id)
    if student.is_deleted:
        raise NotFound
    return student


async def _refuse_merged(session: Session, actor: Actor, student: Student) -> None:
    """Passes a record that stands by itself; of one that went into another, who may see that one is told which it is.

    *Errors*: RecordMerged with `merged_into`. *Cost*: one statement for a record that was merged, else none.
    """
    if student.merged_into is None:
        return
    kept = await store.find_kept(session, student.merged_into)
    if not kept.is_deleted and actor.scope.covers(kept.school_id, class_id=kept.class_id):
        raise RecordMerged(merged_into=kept.id)


async def keep_enrolment(session: Session, *, until_on: date, reason: str, words: str = "") -> None:
    """Says that the next change of where a child stands is a move, until which day it was where it was, and why.

    A trigger writes down where it was. A change of class, grade or sex without this is a correction: it goes on into the
    results of rounds whose roll is not fixed.
    """
    await store.say_stint(session, until_on=until_on, reason=reason, words=words)


async def mark_left(
    session: Session, actor: Actor, student_id: str, *, version: int, left_on: date, reason: str, clock: Clock
) -> Student:
    """Marks a child as having left. *Errors*: NotFound, OutOfScope, Stale, Invalid for a day to come."""
    faults = [Fault("left_on", "Not in the future", left_on.isoformat())] if left_on > today(clock) else []
    if not 1 <= len(reason.strip()) <= 200:
        faults.append(Fault("reason", "Between 1 and 200 characters", reason[:60]))
    if faults:
        raise Invalid(faults=tuple(faults))
    return await _set_status(session, actor, student_id, version, "left", left_on, reason.strip(), clock)


async def mark_returned(
    session: Session, actor: Actor, student_id: str, *, version: int, clock: Clock
) -> Student:
    """Marks a child as back. *Errors*: NotFound, OutOfScope, Stale."""
    return await _set_status(session, actor, student_id, version, "active", None, None, clock)


async def _set_status(
    session: Session,
    actor: Actor,
    student_id: str,
    version: int,
    status: str,
    left_on: date | None,
    reason: str | None,
    clock: Clock,
) -> Student:
    require(actor, "change", "student")
    student = await student_for_write(session, actor, student_id)
    if student.version == version and status == "left":
        await store.say_stint(session, until_on=left_on or today(clock), reason="left", words=reason or "")
    changed = await store.set_status(
        session, student_id, version, status=status, left_on=left_on, reason=reason, now=clock.now()
    )
    if not changed:
        raise Stale(current=msgspec.to_builtins(student), yours={"version": version, "status": status})
    deed = "leave" if status == "left" else "return"
    await write_audit(
        session, actor, deed, "student", student_id, before={"status": student.status}, reason=reason
    )
    return await store.find_student(session, student_id)


async def delete_student(
    session: Session, actor: Actor, student_id: str, *, reason: str, clock: Clock
) -> None:
    """Takes a child's record out of use, restorably; its results leave the figures.

    *Errors*: NotFound, OutOfScope; ResultsSettled once results are verified or locked, or of a round that isn't open: past that goes
    only a coordinator, with a reason.
    """
    require(actor, "delete", "student")
    student = await student_for_write(session, actor, student_id)
    may_override = allowed(actor.role, "override", "result") and bool(reason.strip())
    if not may_override and await store.count_settled_results(session, student_id):
        raise ResultsSettled
    try:
        await store.delete_student_row(
            session, student_id, by=actor.person_id, reason=reason, now=clock.now()
        )
    except ConstraintViolated as error:
        raise RoundSealing from error
    await write_audit(session, actor, "delete", "student", student_id, before=audited(student), reason=reason)


async def restore_student(session: Session, actor: Actor, student_id: str) -> Student:
    """Brings a child's record back, and its results into the figures. *Errors*: NotFound, OutOfScope, AlreadyTaken."""
    require(actor, "restore", "student")
    student = await store.find_student(session, student_id, for_update=True)
    require_scope(actor, student.school_id, class_id=student.class_id)
    try:
        if not await store.restore_student_row(session, student_id):
            raise NotFound
    except ConstraintViolated as error:
        if error.constraint == "round_is_sealing":
            raise RoundSealing from error
        raise AlreadyTaken(
            faults=(Fault("code", "Another child of this school has this code", student.code),)
        ) from error
    await write_audit(session, actor, "restore", "student", student_id)
    return await store.find_student(session, student_id)


async def list_past_enrolments(
    session: Session, actor: Actor, student_id: str, page: PageRequest
) -> Page[PastEnrolment]:
    """Where a child was before, in order. *Errors*: NotFound, OutOfScope. *Cost*: two statements."""
    await read_student(session, actor, student_id)
    return await store.page_of_past_enrolments(session, student_id, page)
