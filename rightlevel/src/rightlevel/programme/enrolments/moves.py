"""A child goes to another school, class or grade, and a guardian agrees to be contacted or not any more."""

from __future__ import annotations

from typing import Any

import msgspec

from flatwater.clock import Clock, today
from flatwater.transaction import ConstraintViolated, Session
from rightlevel.programme.audit import write_audit
from rightlevel.programme.enrolments import store
from rightlevel.programme.enrolments.forgetting import answer_instead
from rightlevel.programme.enrolments.model import (
    Consent,
    Transfer,
    Withdrawal,
    day_faults,
    free_code,
)
from rightlevel.programme.errors import AlreadyTaken, Fault, Invalid, Stale, reason_faults
from rightlevel.programme.permissions import Actor, require, require_scope
from rightlevel.programme.schools import class_of_school, read_grades
from rightlevel.programme.students import (
    IdentityErased,
    Standing,
    Student,
    audited,
    changing,
    code_form,
    keep_enrolment,
    read_student,
    standing_faults,
    standing_of,
    student_for_write,
)

LONGEST_CONTACT = 200


class CodeTaken(AlreadyTaken):
    """Another child of that school has this code. Give a new one; {free_code} is free."""

    code = "code_taken"
    proposes = frozenset({"code"})


async def transfer_student(
    session: Session, actor: Actor, student_id: str, to: Transfer, clock: Clock
) -> Student:
    """The child where it is now; where it was is kept, and its results stay counted where they were made.

    *Errors*: NotFound, OutOfScope (of either school), Stale with both, Invalid, CodeTaken with a code that is free.
    *Cost*: nine statements.
    """
    require(actor, "transfer", "student")
    student = await student_for_write(session, actor, student_id)
    require_scope(actor, to.school_id, class_id=to.class_id)
    if student.is_erased:
        raise IdentityErased
    if student.version != to.version:
        raise Stale(current=msgspec.to_builtins(student), yours=msgspec.to_builtins(to))
    year_id = await _checked(session, student, to, clock)
    code = student.code if to.code is None else code_form(to.code)
    await changing(session, actor, "transfer", to.reason)
    kind = (
        "transfer"
        if to.school_id != student.school_id
        else "promotion"
        if to.grade != student.grade
        else "change"
    )
    await keep_enrolment(session, until_on=to.moved_on, reason=kind, words=to.reason.strip())
    await _move(session, student_id, to, year_id=year_id, code=code, clock=clock)
    after = await read_student(session, actor, student_id)
    await write_audit(
        session,
        actor,
        "transfer",
        "student",
        student_id,
        before=audited(student),
        after=audited(after),
        reason=to.reason.strip(),
    )
    return after


async def _move(
    session: Session, student_id: str, to: Transfer, *, year_id: int, code: str, clock: Clock
) -> None:
    try:
        async with session.savepoint():
            await store.transfer_row(session, student_id, to, year_id=year_id, code=code, now=clock.now())
    except ConstraintViolated as error:
        if error.constraint != "student_code_is_unique_in_its_school":
            raise
        free = free_code(code, await store.codes_like(session, to.school_id, code))
        fault = Fault("code", "Another child of this school has this code", code)
        raise CodeTaken(faults=(fault,), free_code=free) from error


async def _checked(session: Session, student: Student, to: Transfer, clock: Clock) -> int:
    """The school year the child stands in afterwards, when everything about the move is right."""
    faults = reason_faults(to.reason) + day_faults("moved_on", to.moved_on, today(clock))
    if to.code is not None and not 1 <= len(code_form(to.code)) <= 40:
        faults.append(Fault("code", "Between 1 and 40 characters", to.code[:60]))
    if to.grade != student.grade and to.grade not in (grades := await read_grades(session)):
        faults.append(Fault("grade", f"One of: {', '.join(map(str, grades))}", str(to.grade)))
    there = None if to.class_id is None else await class_of_school(session, to.class_id, to.school_id)
    year_id = student.school_year_id if there is None else there.school_year_id
    now, then = standing_of(student), Standing(to.school_id, year_id, to.class_id, to.grade)
    faults += await standing_faults(session, then, now)
    if then == now:
        faults.append(Fault("school_id", "The child is there already", str(to.school_id)))
    if faults:
        raise Invalid(faults=tuple(faults))
    return year_id


async def give_consent(
    session: Session, actor: Actor, student_id: str, consent: Consent, clock: Clock
) -> Student:
    """The child with its guardian's contact and the day of the consent. *Errors*: NotFound, OutOfScope, Stale, Invalid."""
    require(actor, "change", "student")
    student = await student_for_write(session, actor, student_id)
    if student.is_erased:
        raise IdentityErased
    faults = day_faults("given_on", consent.given_on, today(clock))
    if not 1 <= len(consent.contact.strip()) <= LONGEST_CONTACT:
        faults.append(Fault("contact", "Between 1 and 200 characters"))
    if faults:
        raise Invalid(faults=tuple(faults))
    await changing(session, actor, "consent")
    done = await store.give_consent_row(
        session,
        student_id,
        version=consent.version,
        contact=consent.contact.strip(),
        given_on=consent.given_on,
        now=clock.now(),
    )
    more = {"guardian_consent_on": consent.given_on, "guardian_withdrawn_on": None}
    return await _agreed(
        session, actor, student=student, done=done, deed="consent", version=consent.version, after=more
    )


async def withdraw_consent(
    session: Session, actor: Actor, student_id: str, taken: Withdrawal, clock: Clock
) -> Student:
    """The child without its guardian's contact: it is wiped, also out of what writes were answered.

    *Errors*: NotFound, OutOfScope, Stale; Invalid without a consent, or on a day before it.
    """
    require(actor, "change", "student")
    student = await student_for_write(session, actor, student_id)
    faults = day_faults("withdrawn_on", taken.withdrawn_on, today(clock))
    given = student.guardian_consent_on
    if given is None:
        faults.append(Fault("withdrawn_on", "No consent was given"))
    elif taken.withdrawn_on < given:
        faults.append(Fault("withdrawn_on", "Not before the consent was given", given.isoformat()))
    if faults:
        raise Invalid(faults=tuple(faults))
    await changing(session, actor, "withdraw_consent")
    done = await store.withdraw_consent_row(
        session, student_id, version=taken.version, withdrawn_on=taken.withdrawn_on, now=clock.now()
    )
    if done:
        await store.forget_answers(session, [student_id], answer_instead(), narrow=True)
    more = {"guardian_consent_on": None, "guardian_withdrawn_on": taken.withdrawn_on}
    return await _agreed(
        session, actor, student=student, done=done, deed="withdraw_consent", version=taken.version, after=more
    )


async def _agreed(
    session: Session,
    actor: Actor,
    student: Student,
    done: int,
    deed: str,
    version: int,
    after: dict[str, Any],
) -> Student:
    if not done:
        raise Stale(current=msgspec.to_builtins(student), yours={"version": version})
    agreed, withdrawn = student.guardian_consent_on, student.guardian_withdrawn_on
    before = {"guardian_consent_on": agreed, "guardian_withdrawn_on": withdrawn}
    await write_audit(session, actor, deed, "student", student.id, before=before, after=after)
    return await read_student(session, actor, student.id)
