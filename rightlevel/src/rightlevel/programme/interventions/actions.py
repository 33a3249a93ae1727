"""What is done about interventions: leaders keep the programmes; leaders and teachers enrol children and say how it ended."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, cast

import msgspec

from flatwater.clock import Clock, today
from flatwater.paging import Page, PageRequest
from flatwater.transaction import ConstraintViolated, Session
from rightlevel.programme.audit import write_audit
from rightlevel.programme.errors import Conflict, Fault, Invalid, NotFound, OutOfScope, Stale
from rightlevel.programme.interventions import store
from rightlevel.programme.interventions.model import (
    MAX_ENROLMENTS,
    MAX_INTERVENTIONS,
    Enrolment,
    EnrolmentAnswer,
    EnrolmentChange,
    EnrolmentPast,
    EnrolmentWrite,
    Intervention,
    InterventionWrite,
    change_faults,
    enrolment_faults,
    intervention_faults,
)
from rightlevel.programme.permissions import Actor, Subject, require
from rightlevel.programme.students import read_student


class TooManyInterventions(Conflict):
    """There are too many programmes in use. Delete what is over."""

    code = "too_many_interventions"


class EnrolledAlready(Conflict):
    """This child is in this programme already."""

    code = "enrolled_already"


async def list_interventions(
    session: Session, actor: Actor, page: PageRequest, *, deleted: bool = False
) -> Page[Intervention]:
    """Programmes, the latest first. *Cost*: one statement."""
    require(actor, "change" if deleted else "read", "intervention")
    return await store.page_of_interventions(session, page, deleted=deleted)


async def read_intervention(session: Session, actor: Actor, intervention_id: int) -> Intervention:
    """One programme. *Errors*: NotFound."""
    require(actor, "read", "intervention")
    found = await store.find_intervention(session, intervention_id)
    if found.is_deleted:
        require(actor, "change", "intervention")
    return found


async def create_intervention(
    session: Session, actor: Actor, write: InterventionWrite, clock: Clock
) -> Intervention:
    """A new programme. *Errors*: Invalid with every fault, TooManyInterventions."""
    require(actor, "change", "intervention")
    _require_sound(write, clock)
    if await store.count_interventions(session) >= MAX_INTERVENTIONS:
        raise TooManyInterventions
    made = await store.find_intervention(
        session, await store.insert_intervention(session, write, actor.person_id, clock.now())
    )
    await write_audit(session, actor, "create", "intervention", made.id, after=_plain(made))
    return made


def _require_sound(write: InterventionWrite, clock: Clock) -> None:
    faults = intervention_faults(write, today(clock))
    if faults:
        raise Invalid(faults=tuple(faults))


def _plain(value: msgspec.Struct) -> dict[str, Any]:
    """A value as the audit keeps it: no child's name."""
    kept = cast("dict[str, Any]", msgspec.to_builtins(value))
    return {name: each for name, each in kept.items() if name not in ("student_name", "student_code")}


async def change_intervention(
    session: Session, actor: Actor, intervention_id: int, write: InterventionWrite, clock: Clock
) -> Intervention:
    """Changes a programme. *Errors*: NotFound, Invalid, Stale with both."""
    require(actor, "change", "intervention")
    _require_sound(write, clock)
    found = await store.find_intervention(session, intervention_id, lock="for_update")
    if found.is_deleted:
        raise NotFound
    if not await store.change_intervention(session, intervention_id, write):
        raise Stale(current=msgspec.to_builtins(found), yours=msgspec.to_builtins(write))
    after = await store.find_intervention(session, intervention_id)
    await write_audit(
        session, actor, "change", "intervention", intervention_id, before=_plain(found), after=_plain(after)
    )
    return after


async def delete_intervention(
    session: Session, actor: Actor, intervention_id: int, *, reason: str, clock: Clock
) -> None:
    """Takes a programme out of use; its enrolments stay readable. *Errors*: NotFound."""
    require(actor, "change", "intervention")
    if not await store.delete_intervention(
        session, intervention_id, actor.person_id, reason[:500], clock.now()
    ):
        raise NotFound
    await write_audit(session, actor, "delete", "intervention", intervention_id, reason=reason[:500])


async def restore_intervention(session: Session, actor: Actor, intervention_id: int) -> Intervention:
    """Brings a programme back. *Errors*: NotFound."""
    require(actor, "change", "intervention")
    if not await store.restore_intervention(session, intervention_id):
        raise NotFound
    await write_audit(session, actor, "restore", "intervention", intervention_id)
    return await store.find_intervention(session, intervention_id)


async def enrol_children(
    session: Session, actor: Actor, intervention_id: int, writes: Sequence[EnrolmentWrite], clock: Clock
) -> list[EnrolmentAnswer]:
    """What became of each enrolment, in order; one refused holds up no other, one repeated is saved once.

    *Errors*: NotFound for the programme; Invalid for none or more than MAX_ENROLMENTS, or a child twice.
    """
    require(actor, "enrol", "intervention")
    if not 1 <= len(writes) <= MAX_ENROLMENTS or len({each.student_id for each in writes}) != len(writes):
        rule = f"Between 1 and {MAX_ENROLMENTS} children at once, each once"
        raise Invalid(faults=(Fault("writes", rule, str(len(writes))),))
    programme = await store.find_intervention(session, intervention_id, lock="for_share")
    if programme.is_deleted:
        raise NotFound
    faulty = {
        each.id: faults for each in writes if (faults := enrolment_faults(each, programme, today(clock)))
    }
    places = await store.places_of(
        session, [each.student_id.lower() for each in writes if each.id not in faulty]
    )
    answers: dict[str, EnrolmentAnswer] = {}
    for write in sorted(writes, key=lambda each: each.student_id):
        if write.id in faulty:
            answers[write.id] = EnrolmentAnswer(write.id, "invalid", faulty[write.id])
        else:
            answers[write.id] = await _enrol(
                session,
                actor,
                programme=programme,
                write=write,
                place=places.get(write.student_id.lower()),
                clock=clock,
            )
    settled = [answers[each.id] for each in writes]
    done = [each.id for each in settled if each.code == "saved"]
    denied = [each.id for each in settled if each.code == "out_of_scope"]
    if done:
        await write_audit(session, actor, "enrol", "intervention", intervention_id, after={"writes": done})
    if denied:
        await write_audit(
            session,
            actor,
            "enrol",
            "intervention",
            intervention_id,
            after={"writes": denied},
            reason="out_of_scope",
            outcome="denied",
        )
    return settled


async def _enrol(
    session: Session,
    actor: Actor,
    programme: Intervention,
    write: EnrolmentWrite,
    place: store.ChildPlace | None,
    clock: Clock,
) -> EnrolmentAnswer:
    if place is None or not actor.scope.reaches_school(place.school_id):
        return EnrolmentAnswer(write.id, "not_found")
    if not _covers(actor, programme.subject, place.school_id, place.class_id):
        return EnrolmentAnswer(write.id, "out_of_scope")
    now = clock.now()
    if await store.insert_enrolment(
        session,
        write,
        intervention_id=programme.id,
        school_id=place.school_id,
        person_id=actor.person_id,
        now=now,
    ):
        return EnrolmentAnswer(write.id, "saved")
    own = await store.find_enrolment(session, write.id)
    if own is None:
        return EnrolmentAnswer(write.id, "enrolled_already")
    is_same = (own.intervention_id, own.student_id) == (programme.id, write.student_id.lower())
    return EnrolmentAnswer(write.id, "saved" if is_same else "conflict")


def _covers(actor: Actor, subject: str | None, school_id: int, class_id: int | None) -> bool:
    return actor.scope.covers(school_id, subject=cast("Subject | None", subject), class_id=class_id)


async def list_enrolments(
    session: Session,
    actor: Actor,
    page: PageRequest,
    *,
    intervention_id: int | None = None,
    school_id: int | None = None,
    student_id: str | None = None,
) -> Page[Enrolment]:
    """Enrolments of a programme, school or child, the latest first, of the children within reach.

    *Errors*: Invalid when nothing is asked for, OutOfScope, NotFound. *Cost*: one or two statements.
    """
    require(actor, "read", "intervention")
    if intervention_id is None and school_id is None and student_id is None:
        raise Invalid(faults=(Fault("intervention_id", "Please fill this in"),))
    if school_id is not None and not actor.scope.reaches_school(school_id):
        raise OutOfScope
    if student_id is not None:
        await read_student(session, actor, student_id)
    return await store.page_of_enrolments(
        session,
        actor.scope,
        page,
        intervention_id=intervention_id,
        school_id=school_id,
        student_id=student_id,
    )


async def read_enrolment(session: Session, actor: Actor, enrolment_id: str) -> Enrolment:
    """One enrolment. *Errors*: NotFound, also for one out of scope."""
    require(actor, "read", "intervention")
    return await _within(session, actor, enrolment_id)


async def _within(
    session: Session, actor: Actor, enrolment_id: str, *, for_update: bool = False
) -> Enrolment:
    found = await store.find_enrolment(session, enrolment_id, for_update=for_update)
    if found is None or not _covers(actor, found.subject, found.child_school_id, found.class_id):
        raise NotFound
    return found


async def change_enrolment(
    session: Session, actor: Actor, enrolment_id: str, change: EnrolmentChange, clock: Clock
) -> Enrolment:
    """Changes or ends an enrolment; what it was is kept. *Errors*: NotFound, Invalid, Stale with both, EnrolledAlready."""
    require(actor, "enrol", "intervention")
    found = await _within(session, actor, enrolment_id, for_update=True)
    programme = await store.find_intervention(session, found.intervention_id)
    faults = change_faults(change, programme, today(clock))
    if faults:
        raise Invalid(faults=tuple(faults))
    try:
        async with session.savepoint():
            changed = await store.change_enrolment(session, found, change, actor.person_id, clock.now())
    except ConstraintViolated as error:
        raise EnrolledAlready from error
    if not changed:
        raise Stale(current=msgspec.to_builtins(found), yours=msgspec.to_builtins(change))
    after = await _within(session, actor, enrolment_id)
    await write_audit(
        session,
        actor,
        "change",
        "intervention",
        found.intervention_id,
        before=_plain(found),
        after=_plain(after),
    )
    return after


async def list_enrolment_changes(
    session: Session, actor: Actor, enrolment_id: str, page: PageRequest
) -> Page[EnrolmentPast]:
    """Every later change of an enrolment, in order. *Errors*: NotFound. *Cost*: two statements."""
    require(actor, "read", "intervention")
    found = await _within(session, actor, enrolment_id)
    return await store.page_of_changes(session, found.id, page)
