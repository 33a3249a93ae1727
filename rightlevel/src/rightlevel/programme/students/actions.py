"""What is done to children's records: list, read, enrol, change, leave and return, take away, bring back."""

from __future__ import annotations

from datetime import date
from typing import Any

import msgspec

from flatwater.clock import Clock, today
from flatwater.paging import Page, PageRequest
from flatwater.transaction import ConstraintViolated, Session
from rightlevel.programme.audit import write_audit
from rightlevel.programme.days import HAPPENED
from rightlevel.programme.errors import (
    LONGEST_REASON,
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
from rightlevel.programme.schools import current_year, read_grades
from rightlevel.programme.students import store
from rightlevel.programme.students.model import (
    STATUSES,
    NewStudent,
    PastEnrolment,
    RecordChange,
    Standing,
    Student,
    StudentChange,
    StudentRow,
    StudentSearch,
    YearStanding,
    audited,
    columns_of,
    standing_of,
    student_faults,
)
from rightlevel.programme.students.standing import faults_of_return, standing_faults

TOGETHER = {"guardian_contact": "guardian_consent_on", "guardian_consent_on": "guardian_contact"}
"""Fields that are judged together: a contact needs a consent."""
COUNTED_BY = ("sex", "grade", "class_id")
"""What figures count a child under, beside its school and year."""


class IdentityErased(Conflict):
    """Who this child was has been erased for good. Its record stays as it is, so that the figures do."""

    code = "identity_erased"


class RecordMerged(ProgrammeError):
    """This child was entered twice and is one record now. Go on with the one that was kept."""

    kind = "gone"
    code = "merged"


class MoveNeeded(Invalid):
    """A correction doesn't take a child to another school or school year. Move the child: that keeps where it was, since when and why."""

    code = "move_needed"


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


async def propose_code(session: Session, actor: Actor, school_id: int) -> str:
    """A code for the next child of a school: after the largest of those that are written as most are there, as a phone proposes it too.

    Another child may have been given it by the time it is saved. *Errors*: Forbidden, OutOfScope. *Cost*: one statement over the school's children.
    """
    require(actor, "create", "student")
    if not actor.scope.reaches_school(school_id):
        raise OutOfScope
    usual = await store.usual_codes(session, school_id)
    return "1" if usual is None else usual.prefix + str(usual.most + 1).zfill(usual.digits)


async def _checked(session: Session, new: NewStudent, clock: Clock) -> dict[str, Any]:
    """The record as stored, when everything about it is right."""
    faults = student_faults(new, await read_grades(session), today(clock))
    year_id = new.school_year_id
    if year_id is None:
        year = await current_year(session)
        if year is None:
            faults.append(Fault("school_year_id", "There is no current school year yet"))
        year_id = year.id if year else None
    if year_id is not None:
        to = Standing(new.school_id, year_id, new.class_id, new.grade)
        faults += await standing_faults(session, to)
    if faults:
        raise Invalid(faults=tuple(faults))
    return {**columns_of(new), "school_year_id": year_id}


def _collision(error: ConstraintViolated, new: NewStudent) -> Exception:
    if error.constraint == "student_code_is_unique_in_its_school":
        return AlreadyTaken(faults=(Fault("code", "Another child of this school has this code", new.code),))
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
    session: Session,
    actor: Actor,
    student_id: str,
    change: StudentChange,
    clock: Clock,
    *,
    deed: str = "change",
) -> Student:
    """Corrects a child's record where it stands; only what changes is judged. Another class, grade or sex keeps what it was.

    *Errors*: NotFound, OutOfScope, Stale with both, MoveNeeded for another school or year, AlreadyTaken; Invalid, also without a reason where sex,
    grade or class change and results of the school year hang on them.
    """
    require(actor, "change", "student")
    student = await student_for_write(session, actor, student_id)
    if student.is_erased:
        raise IdentityErased
    if student.version != change.version:
        raise Stale(current=msgspec.to_builtins(student), yours=msgspec.to_builtins(change))
    given = {
        name: value
        for name, value in msgspec.structs.asdict(change).items()
        if value is not msgspec.UNSET and name not in ("version", "reason")
    }
    _refuse_moves(student, given)
    names = [name for name in NewStudent.__struct_fields__ if name != "id"]
    merged = NewStudent(**{**{name: getattr(student, name) for name in names}, **given})
    require_scope(actor, merged.school_id, class_id=merged.class_id)
    columns = columns_of(merged)
    changed = {name for name in given if columns[name] != getattr(student, name)}
    await _check_change(session, student, merged=merged, changed=changed, reason=change.reason, clock=clock)
    await changing(session, actor, deed, change.reason)
    if changed.intersection(COUNTED_BY):
        await store.tell_today(session, today(clock))
    try:
        done = await store.change_student_row(session, student_id, change.version, columns, clock.now())
    except ConstraintViolated as error:
        raise _collision(error, merged) from error
    if not done:
        raise Stale(current=msgspec.to_builtins(student), yours=msgspec.to_builtins(change))
    after = await store.find_student(session, student_id)
    await write_audit(
        session,
        actor,
        deed,
        "student",
        student_id,
        before=audited(student),
        after=audited(after),
        reason=change.reason.strip() or None,
    )
    return after


def _refuse_moves(student: Student, given: dict[str, Any]) -> None:
    """*Errors*: MoveNeeded."""
    moved = [
        name
        for name in ("school_id", "school_year_id")
        if given.get(name, getattr(student, name)) != getattr(student, name)
    ]
    if moved:
        rule = "By moving the child, not by a correction"
        raise MoveNeeded(faults=tuple(Fault(name, rule, str(given[name])) for name in moved))


async def _check_change(
    session: Session, student: Student, merged: NewStudent, changed: set[str], reason: str, clock: Clock
) -> None:
    """*Errors*: Invalid with what is wrong among that which changes."""
    judged = changed | {TOGETHER[name] for name in changed if name in TOGETHER}
    grades = await read_grades(session) if "grade" in changed else [student.grade]
    faults = [each for each in student_faults(merged, grades, today(clock)) if each.field in judged]
    to = Standing(student.school_id, student.school_year_id, merged.class_id, merged.grade)
    faults += await standing_faults(session, to, standing_of(student))
    if len(reason.strip()) > LONGEST_REASON:
        faults.append(Fault("reason", "At most 200 characters", reason[:60]))
    elif (
        not reason.strip()
        and changed.intersection(COUNTED_BY)
        and await store.has_results_of_year(session, student.id, student.school_year_id)
    ):
        faults.append(Fault("reason", "Results of this school year hang on it: say why it is corrected"))
    if faults:
        raise Invalid(faults=tuple(faults))


async def changing(session: Session, actor: Actor | None, deed: str, reason: str = "") -> None:
    """Says who changes children's records in what follows, by which deed and why: their history keeps it. *Cost*: one statement."""
    await store.say_why(
        session, person_id=actor.person_id if actor else None, deed=deed, reason=reason.strip()
    )


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


async def find_away(session: Session, student_id: str) -> Student:
    """A child that may be deleted or merged, held, for whoever brings it back and has judged who may. *Errors*: NotFound."""
    return await store.find_student(session, student_id, for_update=True)


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
    faults = HAPPENED.faults("left_on", left_on, today(clock))
    if not 1 <= len(reason.strip()) <= 200:
        faults.append(Fault("reason", "Between 1 and 200 characters", reason[:60]))
    if faults:
        raise Invalid(faults=tuple(faults))
    return await _set_status(
        session,
        actor,
        student_id=student_id,
        version=version,
        status="left",
        left_on=left_on,
        reason=reason.strip(),
        clock=clock,
    )


async def mark_returned(
    session: Session, actor: Actor, student_id: str, *, version: int, clock: Clock
) -> Student:
    """Marks a child as back. *Errors*: NotFound, OutOfScope, Stale."""
    return await _set_status(
        session,
        actor,
        student_id=student_id,
        version=version,
        status="active",
        left_on=None,
        reason=None,
        clock=clock,
    )


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
    if student.version != version or student.status == status:
        raise Stale(current=msgspec.to_builtins(student), yours={"version": version, "status": status})
    deed = "leave" if status == "left" else "return"
    await changing(session, actor, deed, reason or "")
    if status == "left":
        await store.say_stint(session, until_on=left_on or today(clock), reason="left", words=reason or "")
    elif faults := await faults_of_return(session, student):
        raise Invalid(faults=tuple(faults))
    changed = await store.set_status(
        session, student_id, version, status=status, left_on=left_on, reason=reason, now=clock.now()
    )
    if not changed:
        raise Stale(current=msgspec.to_builtins(student), yours={"version": version, "status": status})
    after = await store.find_student(session, student_id)
    await write_audit(
        session,
        actor,
        deed,
        "student",
        student_id,
        before=_presence(student),
        after=_presence(after),
        reason=reason,
    )
    return after


def _presence(student: Student) -> dict[str, Any]:
    """Whether a child is at school, as the audit keeps it; the reason stands beside it."""
    return {"status": student.status, "left_on": student.left_on}


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
    await changing(session, actor, "delete", reason)
    try:
        await store.delete_student_row(
            session, student_id, by=actor.person_id, reason=reason, now=clock.now()
        )
    except ConstraintViolated as error:
        raise RoundSealing from error
    await write_audit(
        session,
        actor,
        "delete",
        "student",
        student_id,
        before=audited(student),
        after={"is_deleted": True},
        reason=reason,
    )


async def is_settled(session: Session, student_id: str) -> bool:
    """Whether a child has results that are verified, locked or of a round that isn't open. *Cost*: one statement."""
    return bool(await store.count_settled_results(session, student_id))


async def restore_student(session: Session, actor: Actor, student_id: str) -> Student:
    """Brings a child's record back, and its results into the figures.

    *Errors*: NotFound, also for what was merged (that is taken back instead), OutOfScope, AlreadyTaken; Invalid where it can't stand any more.
    """
    require(actor, "restore", "student")
    student = await store.find_student(session, student_id, for_update=True)
    require_scope(actor, student.school_id, class_id=student.class_id)
    if not student.is_deleted or student.merged_into is not None:
        raise NotFound
    if faults := await faults_of_return(session, student):
        raise Invalid(faults=tuple(faults))
    await changing(session, actor, "restore")
    try:
        if not await store.restore_student_row(session, student_id):
            raise NotFound
    except ConstraintViolated as error:
        if error.constraint == "round_is_sealing":
            raise RoundSealing from error
        raise AlreadyTaken(
            faults=(Fault("code", "Another child of this school has this code", student.code),)
        ) from error
    after = await store.find_student(session, student_id)
    await write_audit(
        session, actor, "restore", "student", student_id, before={"is_deleted": True}, after=audited(after)
    )
    return after


async def list_past_enrolments(
    session: Session, actor: Actor, student_id: str, page: PageRequest
) -> Page[PastEnrolment]:
    """Where a child was before, in order. *Errors*: NotFound, OutOfScope. *Cost*: two statements."""
    await read_student(session, actor, student_id)
    return await store.page_of_past_enrolments(session, student_id, page)


async def list_record_changes(
    session: Session, actor: Actor, student_id: str, page: PageRequest
) -> Page[RecordChange]:
    """What was changed of a child's record, the latest first. *Errors*: NotFound, also out of scope. *Cost*: two statements."""
    await read_student(session, actor, student_id)
    return await store.page_of_record_changes(session, student_id, page)
