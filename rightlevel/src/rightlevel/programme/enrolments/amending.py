"""What a child was in a year that is over, or in a round that is, said otherwise by a coordinator with a reason."""

from __future__ import annotations

from typing import Any, cast

import msgspec

from flatwater.clock import Clock
from flatwater.queries import load_queries
from flatwater.transaction import ConstraintViolated, Session
from rightlevel.programme.audit import write_audit
from rightlevel.programme.errors import Fault, Invalid, NotFound, RoundSealing, Stale, reason_faults
from rightlevel.programme.permissions import Actor, require
from rightlevel.programme.rounds import amending
from rightlevel.programme.schools import read_grades
from rightlevel.programme.students import SEXES, PastEnrolment, Student, read_student, student_for_write

_queries = load_queries(__package__ or "")
KEPT = ("school_year_id", "school_id", "class_id", "grade", "sex")


class PastAmendment(msgspec.Struct, frozen=True):
    """What a past enrolment should have said, and why. `version` is the child's; what is left out stays, and a class of null is none."""

    version: int
    reason: str
    grade: int | msgspec.UnsetType = msgspec.UNSET
    sex: int | msgspec.UnsetType = msgspec.UNSET
    class_id: int | msgspec.UnsetType | None = msgspec.UNSET


class PastAmended(msgspec.Struct, frozen=True):
    """The past enrolment as it is told now, and how many results of its year followed."""

    enrolment: PastEnrolment
    results: int


async def read_past_enrolment(
    session: Session, actor: Actor, student_id: str, enrolment_id: int
) -> tuple[Student, PastEnrolment]:
    """A child and one of its past enrolments, for whoever may amend it. *Errors*: Forbidden, NotFound."""
    require(actor, "amend", "student")
    student = await read_student(session, actor, student_id)
    return student, await _read(session, student_id, enrolment_id)


async def amend_past_enrolment(
    session: Session, actor: Actor, student_id: str, enrolment_id: int, amendment: PastAmendment, clock: Clock
) -> PastAmended:
    """The past enrolment in another class, grade or sex, with the results of its year: those of frozen rounds follow as amendments.

    Seats and figures of the year's rounds follow at once, fixed ones too; the child's present is not touched. The sex is that of all
    its past enrolments of the year. What a merge set aside follows too, and is right when the merge is undone. *Errors*: Forbidden, NotFound, Stale, Invalid with every fault, RoundSealing. *Cost*: nine statements.
    """
    require(actor, "amend", "student")
    student = await student_for_write(session, actor, student_id)
    was = await _read(session, student_id, enrolment_id, hold=True)
    grade = was.grade if amendment.grade is msgspec.UNSET else amendment.grade
    sex = was.sex if amendment.sex is msgspec.UNSET else amendment.sex
    class_id = was.class_id if amendment.class_id is msgspec.UNSET else amendment.class_id
    await _check(session, was, amendment.reason, grade=grade, sex=sex, class_id=class_id)
    values: dict[str, Any] = {
        "student_id": student_id,
        "enrolment_id": enrolment_id,
        "school_id": was.school_id,
        "school_year_id": was.school_year_id,
        "class_id": class_id,
        "grade": grade,
        "sex": sex,
        "old_class_id": was.class_id,
        "old_grade": was.grade,
        "old_sex": was.sex,
        "version": amendment.version,
        "now": clock.now(),
    }
    if not await session.execute(_queries["next_version"], values):
        raise Stale(current=msgspec.to_builtins(student), yours=msgspec.to_builtins(amendment))
    await amending(session, actor, amendment.reason.strip())
    try:
        await session.execute(_queries["amend_results_set_aside"], values)
        await session.execute(_queries["amend_past"], values)
        results = await session.execute(_queries["amend_results"], values)
    except ConstraintViolated as error:
        if error.constraint != "round_is_sealing":
            raise
        raise RoundSealing from error
    found = await _read(session, student_id, enrolment_id)
    before, after = ({name: getattr(each, name) for name in KEPT} for each in (was, found))
    await write_audit(
        session,
        actor,
        "amend",
        "student",
        student_id,
        before={"past_enrolment": enrolment_id, **before},
        after={"past_enrolment": enrolment_id, **after, "results": results},
        reason=amendment.reason.strip(),
    )
    return PastAmended(found, results)


async def _read(session: Session, student_id: str, enrolment_id: int, *, hold: bool = False) -> PastEnrolment:
    values = {"student_id": student_id, "enrolment_id": enrolment_id}
    query = _queries["read_past"]
    found = await session.fetch_one(query.plus("for_update") if hold else query, values, into=PastEnrolment)
    if found is None:
        raise NotFound
    return found


async def _check(
    session: Session, was: PastEnrolment, reason: str, *, grade: int, sex: int, class_id: int | None
) -> None:
    """*Errors*: Invalid with every fault."""
    faults = reason_faults(reason)
    if grade != was.grade and grade not in (grades := await read_grades(session)):
        faults.append(Fault("grade", f"One of: {', '.join(map(str, grades))}", str(grade)))
    if sex not in SEXES:
        faults.append(
            Fault("sex", "One of: 1 (male), 2 (female), 0 (not known), 9 (not applicable)", str(sex))
        )
    values = {
        "class_id": class_id,
        "school_id": was.school_id,
        "school_year_id": was.school_year_id,
        "grade": grade,
    }
    if class_id is not None and not cast("int", await session.fetch_value(_queries["class_then"], values)):
        faults.append(
            Fault("class_id", "This class is not one of that school, year and grade", str(class_id))
        )
    if (grade, sex, class_id) == (was.grade, was.sex, was.class_id):
        faults.append(Fault("grade", "This is what it says already", str(grade)))
    if faults:
        raise Invalid(faults=tuple(faults))
