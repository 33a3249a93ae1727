"""What is done about visits: save a draft, send it, correct what was sent, take one away."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import msgspec

from flatwater.clock import Clock, today
from flatwater.transaction import Session
from rightlevel.programme.audit import write_audit
from rightlevel.programme.errors import Conflict, Fault, Forbidden, Invalid, NotFound, OutOfScope, Stale
from rightlevel.programme.forms import AskedForm, FormVersion, PrintRow, asked_of, current_form
from rightlevel.programme.ids import is_uuid
from rightlevel.programme.permissions import Actor, Subject, require
from rightlevel.programme.visits import form_use, plan_store, store
from rightlevel.programme.visits.model import (
    SavedVisit,
    Visit,
    VisitWrite,
    reaches,
    reason_faults,
    visit_faults,
)
from rightlevel.programme.visits.reading import may_see
from rightlevel.programme.visits.store import Choice, HeldVisit


class VisitLocked(Conflict):
    """This visit is locked. A coordinator can unlock it, with a reason."""

    code = "visit_locked"


class NotTheirVisit(Forbidden):
    """Only whoever made this visit can change it."""

    code = "not_their_visit"


class NotEverythingAnswered(Invalid):
    """This visit can't be sent yet: some questions are open. What you wrote is kept as a draft."""

    code = "not_everything_answered"


async def save_visit(
    session: Session, actor: Actor, write: VisitWrite, clock: Clock, *, is_submitting: bool = False
) -> SavedVisit:
    """The visit as it stands after this write. A draft may be unfinished; one that is sent, or was, is whole.

    The same write again gets the same answer, and one that names it in `after` goes on from it. *Errors*: Forbidden; OutOfScope; NotFound; VisitLocked; Stale with what stands there now;
    Invalid; NotEverythingAnswered. *Cost*: five to nine statements.
    """
    require(actor, "create" if write.version == 0 else "change", "visit")
    faults = visit_faults(write, today(clock))
    if faults:
        raise Invalid(faults=tuple(faults))
    held = await store.hold_visit(session, write.id)
    if held is None:
        if write.version:
            raise NotFound
        made = await _create(session, actor, write, clock, is_submitting=is_submitting)
        if made is not None:
            return made
        # Somebody was faster with the same id: most often the same write, sent twice.
        held = await store.hold_visit(session, write.id)
        if held is None:
            raise NotFound
    return await _change(session, actor, held, write, clock, is_submitting=is_submitting)


async def _create(
    session: Session, actor: Actor, write: VisitWrite, clock: Clock, *, is_submitting: bool
) -> SavedVisit | None:
    if not reaches(actor, write.school_id, write.subject):
        raise OutOfScope
    await _require_teacher(session, write.school_id, write.teacher_id, clock)
    form = await form_use.form_for_new(session, write.form_version_id)
    read = form_use.judge(form, write.answers, _given(write), today(clock), is_submitting=is_submitting)
    _require_whole(read, is_submitting=is_submitting)
    values: dict[str, Any] = {
        "id": write.id,
        "write_id": write.write_id,
        "school_id": write.school_id,
        "subject": write.subject,
        "mentor_id": actor.person_id,
        "teacher_id": write.teacher_id,
        "visited_on": write.visited_on,
        "form_version_id": form.id,
    }
    if not await store.insert_visit(session, values, read.judged, clock.now()):
        return None
    after = {"school_id": write.school_id, "subject": write.subject, "visited_on": write.visited_on}
    await write_audit(session, actor, "create", "visit", write.id, after=after | {"state": read.judged.state})
    return await _saved(session, actor, write.id, read, clock, was_sent=False)


async def _change(
    session: Session, actor: Actor, held: HeldVisit, write: VisitWrite, clock: Clock, *, is_submitting: bool
) -> SavedVisit:
    _require_changeable(actor, held)
    form = await form_use.form_of(session, held.form_version_id)
    if held.write_id == write.write_id.lower():
        return _told(
            await store.find_visit(session, held.id),
            form_use.judge(
                form, held.answers, _given(held), today(clock), is_submitting=held.state == "submitted"
            ),
        )
    if (held.school_id, held.subject) != (write.school_id, write.subject):
        raise Invalid(faults=(Fault("school_id", "A visit stays at its school and subject"),))
    _require_unlocked(held)
    # Whoever got no answer doesn't know the version their own write made.
    goes_on = held.write_id in {each.lower() for each in write.after}
    if held.version != write.version and not goes_on:
        raise await _stale(session, held)
    if write.teacher_id != held.teacher_id:
        await _require_teacher(session, held.school_id, write.teacher_id, clock)
    was_sent = held.state == "submitted"
    read = form_use.judge(
        form, write.answers, _given(write), today(clock), is_submitting=is_submitting or was_sent
    )
    _require_whole(read, is_submitting=is_submitting or was_sent)
    values: dict[str, Any] = {
        "id": held.id,
        "write_id": write.write_id,
        "teacher_id": write.teacher_id,
        "visited_on": write.visited_on,
        "version": held.version,
    }
    if not await store.update_visit(session, values, read.judged, clock.now()):
        raise await _stale(session, held)
    if was_sent:
        await store.keep_change(session, held, read.judged, actor.person_id, clock.now())
    action = "submit" if read.judged.state == "submitted" and not was_sent else "change"
    await write_audit(session, actor, action, "visit", held.id, after={"version": held.version + 1})
    return await _saved(session, actor, held.id, read, clock, was_sent=was_sent)


async def _saved(
    session: Session, actor: Actor, visit_id: str, read: form_use.Read, clock: Clock, *, was_sent: bool
) -> SavedVisit:
    if read.judged.state == "submitted" and not was_sent:
        held = await store.hold_visit(session, visit_id)
        if held is not None and await plan_store.fulfil_planned(session, held, clock.now()):
            await write_audit(session, actor, "fulfil", "planned_visit", visit_id)
    return _told(await store.find_visit(session, visit_id), read)


def _told(visit: Visit, read: form_use.Read) -> SavedVisit:
    return SavedVisit(visit, list(read.faults), list(read.missing))


def _require_changeable(actor: Actor, held: HeldVisit | Visit) -> None:
    """Passes for whoever made the visit. *Errors*: NotFound out of reach, NotTheirVisit for others'."""
    if not may_see(actor, held):
        raise NotFound
    if held.mentor_id != actor.person_id:
        raise NotTheirVisit


def _require_unlocked(held: HeldVisit | Visit) -> None:
    if held.is_locked:
        raise VisitLocked


def _given(of: VisitWrite | HeldVisit | Visit) -> form_use.Given:
    return form_use.Given(of.visited_on, of.school_id, of.teacher_id, of.subject)


async def questions_of_visit(
    session: Session, visit: Visit, answers: dict[str, Any], language: str, clock: Clock
) -> AskedForm:
    """What a visit's form asks with these answers, for a page. *Cost*: one statement."""
    return form_use.asked(
        await form_use.form_of(session, visit.form_version_id), answers, _given(visit), language, today(clock)
    )


async def blank_visit(
    session: Session, actor: Actor, language: str, clock: Clock
) -> tuple[FormVersion, AskedForm]:
    """The form that a new visit would have, with every question of it, to be filled in by pen. *Errors*: Forbidden. *Cost*: one statement."""
    require(actor, "read", "visit")
    form = await current_form(session)
    return form, asked_of(form.definition, {}, language, today(clock))


async def visit_in_print(session: Session, visit: Visit, language: str) -> list[PrintRow]:
    """What was asked at a visit, with the answers in words. *Cost*: one statement."""
    return form_use.in_print(
        await form_use.form_of(session, visit.form_version_id), visit.answers, _given(visit), language
    )


async def standing_otherwise(
    session: Session, visit: Visit, sent: dict[str, Any], language: str
) -> list[tuple[str, str]]:
    """What a visit says otherwise than what somebody sent, question by question. *Cost*: one statement."""
    form = await form_use.form_of(session, visit.form_version_id)
    return form_use.standing_otherwise(form, visit.answers, sent, _given(visit), language)


async def answers_of_page(session: Session, visit: Visit, fields: Mapping[str, list[str]]) -> dict[str, Any]:
    """A page's fields as answers to a visit's form. *Cost*: one statement."""
    return form_use.sent_by_page(await form_use.form_of(session, visit.form_version_id), fields)


async def answers_as_typed(session: Session, visit: Visit, fields: Mapping[str, list[str]]) -> dict[str, Any]:
    """A page's fields as the answers that they would be kept as; what can't be read is no answer. *Cost*: one statement."""
    form = await form_use.form_of(session, visit.form_version_id)
    return form_use.readable(form, form_use.sent_by_page(form, fields))


def _require_whole(read: form_use.Read, *, is_submitting: bool) -> None:
    """Passes a draft however unfinished, and a visit that is sent when nothing is wrong or missing."""
    if is_submitting and (read.faults or read.missing):
        open_ = [Fault(name, "Please fill this in") for name in read.missing]
        raise NotEverythingAnswered(faults=(*read.faults, *open_))


async def _require_teacher(session: Session, school_id: int, teacher_id: int | None, clock: Clock) -> None:
    if teacher_id is not None and not await store.is_teacher_there(
        session, school_id, teacher_id, today(clock)
    ):
        raise Invalid(faults=(Fault("teacher_id", "A teacher of this school", str(teacher_id)),))


async def _stale(session: Session, held: HeldVisit) -> Stale:
    """With what stands there now: the person decides."""
    there = await store.find_visit(session, held.id)
    current = {
        "version": there.version,
        "visited_on": there.visited_on.isoformat(),
        "teacher_id": there.teacher_id,
        "answers": there.answers,
        "state": there.state,
    }
    return Stale(current=current)


async def changeable_visit(session: Session, actor: Actor, visit_id: str, *, is_held: bool = False) -> Visit:
    """A visit that the actor may change now: their own, within reach, not locked. *Errors*: NotFound, NotTheirVisit, VisitLocked.

    Held for the transaction if told, which a read-only one can't.
    """
    if not is_uuid(visit_id):
        raise NotFound
    if is_held and await store.hold_visit(session, visit_id) is None:
        raise NotFound
    found = await store.find_visit(session, visit_id)
    _require_changeable(actor, found)
    _require_unlocked(found)
    return found


async def delete_visit(
    session: Session, actor: Actor, visit_id: str, *, version: int, reason: str, clock: Clock
) -> None:
    """Takes a visit away: a mentor their own draft, a leader any, with a reason. *Errors*: Forbidden, NotFound, Invalid, VisitLocked, Stale."""
    require(actor, "delete", "visit")
    held = await store.hold_visit(session, visit_id) if is_uuid(visit_id) else None
    if held is None:
        raise NotFound
    is_leader = actor.scope.is_everything
    if not is_leader:
        _require_changeable(actor, held)
        if held.state != "draft":
            raise Forbidden("A visit that was sent is for a coordinator to delete.")
    is_own_draft = held.mentor_id == actor.person_id and held.state == "draft"
    faults = [] if is_own_draft and not reason.strip() else reason_faults(reason)
    if faults:
        raise Invalid(faults=tuple(faults))
    _require_unlocked(held)
    if not await store.delete_visit(
        session, held.id, version, person_id=actor.person_id, reason=reason.strip(), now=clock.now()
    ):
        raise await _stale(session, held)
    await plan_store.plan_again(session, held.id, clock.now())
    before = {"state": held.state, "school_id": held.school_id, "visited_on": held.visited_on}
    await write_audit(
        session, actor, "delete", "visit", held.id, before=before, reason=reason.strip() or None
    )


async def teachers_of_school(session: Session, actor: Actor, school_id: int, clock: Clock) -> list[Choice]:
    """The teachers to choose from at a school, at most 200. *Errors*: Forbidden, OutOfScope."""
    require(actor, "create", "visit")
    if not actor.scope.reaches_school(school_id):
        raise OutOfScope
    return await store.teachers_of_school(session, school_id, today(clock))


def subjects_of(actor: Actor, school_id: int) -> list[Subject]:
    """For which subjects somebody may visit a school."""
    return actor.scope.subjects(school_id)


def as_written(visit: Visit, **changes: Any) -> VisitWrite:
    """What would be written to leave a visit as it is, with these changes."""
    kept = VisitWrite(
        id=visit.id,
        write_id="",
        school_id=visit.school_id,
        subject=visit.subject,
        visited_on=visit.visited_on,
        answers=visit.answers,
        teacher_id=visit.teacher_id,
        version=visit.version,
        form_version_id=visit.form_version_id,
    )
    return msgspec.structs.replace(kept, **changes)
