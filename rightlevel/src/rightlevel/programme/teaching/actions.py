"""What is done about teaching: record a session with its attendance, look at sessions, and what children were taught."""

from __future__ import annotations

import msgspec

from flatwater.clock import Clock, today
from flatwater.paging import Page, PageRequest
from flatwater.transaction import ConstraintViolated, Session
from rightlevel.programme.audit import write_audit
from rightlevel.programme.errors import Conflict, Fault, Invalid, NotFound, Stale
from rightlevel.programme.groups import GroupPage, read_group
from rightlevel.programme.levels import SCALES
from rightlevel.programme.permissions import Actor, may, require
from rightlevel.programme.teaching import store
from rightlevel.programme.teaching.model import (
    PRESENCES,
    ChildDose,
    GroupDose,
    Mark,
    MarkAnswer,
    SchoolDose,
    SessionAnswer,
    SessionRow,
    SessionWrite,
    SheetMark,
    is_too_far_back,
    session_faults,
)


class GroupNotInUse(Conflict):
    """This group is not in use: it is only proposed, or was replaced."""

    code = "group_not_in_use"


class SessionThere(Conflict):
    """This group has a session on this day already. Look at it and correct it there."""

    code = "session_there"


async def record_session(session: Session, actor: Actor, write: SessionWrite, clock: Clock) -> SessionAnswer:
    """Keeps a session with the attendance of its group, or corrects that day's; the same write again gets the same answer.

    A mark that can't be kept holds up no other. *Errors*: NotFound, Invalid, GroupNotInUse; SessionThere and Stale with both.
    *Cost*: eight statements, whatever the number of children.
    """
    require(actor, "record", "teaching")
    faults = session_faults(write, today(clock))
    if faults:
        raise Invalid(faults=tuple(faults))
    group = await read_group(session, actor, write.group_id)
    before = await _before(session, write)
    if before is not None and _is_repeated(before, write):
        return _answer(before, write, await _known(session, actor, group, before))
    if group.group.state != "accepted":
        raise GroupNotInUse
    is_late = await _check_day(session, actor, write, clock)
    row, is_new = await _keep(session, actor, write=write, group=group, before=before, clock=clock)
    known = await _known(session, actor, group, None if is_new else row)
    marks = [
        mark
        for mark, answer in zip(write.marks, _mark_answers(write, known), strict=True)
        if answer.code == "saved"
    ]
    await store.write_marks(session, row.id, marks, group.group.children, is_new=is_new)
    after = await store.find_session(session, row.id)
    await write_audit(
        session,
        actor,
        "override" if is_late else "record",
        "teaching",
        row.id,
        before=store.as_shown(before) if before else None,
        after=store.as_shown(after),
        reason=write.reason.strip()[:500] or None,
    )
    return _answer(after, write, known)


def _is_repeated(there: SessionRow, write: SessionWrite) -> bool:
    """Whether the session was made, or last changed, by this very write."""
    return write.id.lower() in ((there.id, there.write_id) if write.version is None else (there.write_id,))


async def _before(session: Session, write: SessionWrite) -> SessionRow | None:
    """The session that this write made before, or the one of its group and day, held. *Errors*: Conflict for an id used elsewhere."""
    found = await store.sessions_like(session, write, for_update=True)
    if any((each.group_id, each.held_on) != (write.group_id, write.held_on) for each in found):
        raise Conflict(faults=(Fault("id", "This id belongs to another session", write.id),))
    return found[0] if found else None


async def _check_day(session: Session, actor: Actor, write: SessionWrite, clock: Clock) -> bool:
    """Whether the day lies so far back that a leader's reason was needed, and was given. *Errors*: Invalid."""
    days_back = await store.days_back(session)
    if not is_too_far_back(write.held_on, today(clock), days_back):
        return False
    if not may(actor, "override", "teaching"):
        rule = f"At most {days_back} days back; a coordinator can enter it"
        raise Invalid(faults=(Fault("held_on", rule, write.held_on.isoformat()),))
    if not write.reason.strip():
        raise Invalid(faults=(Fault("reason", "Please fill this in"),))
    return True


async def _keep(
    session: Session,
    actor: Actor,
    write: SessionWrite,
    group: GroupPage,
    before: SessionRow | None,
    clock: Clock,
) -> tuple[SessionRow, bool]:
    """The session as kept, and whether it is new. *Errors*: SessionThere, Stale, Invalid for a resource that is not there."""
    try:
        async with session.savepoint():
            if (
                before is None
                and write.version is None
                and await store.insert_session(session, write, group.group, actor.person_id, clock.now())
            ):
                return await store.find_session(session, write.id), True
            before = before or await _before(session, write)
            if before is None:
                raise NotFound  # a correction of what is not there
            if write.version is None:
                if _is_repeated(before, write):
                    return before, False
                raise SessionThere(current=store.as_shown(before), yours=msgspec.to_builtins(write))
            if before.version != write.version or not await store.change_session(
                session, before.id, write=write, group=group.group, person_id=actor.person_id, now=clock.now()
            ):
                raise Stale(current=store.as_shown(before), yours=msgspec.to_builtins(write))
    except ConstraintViolated as error:
        raise Invalid(
            faults=(Fault("resource_id", "There is no such resource", str(write.resource_id)),)
        ) from error
    return await store.find_session(session, before.id), False


async def _known(session: Session, actor: Actor, group: GroupPage, row: SessionRow | None) -> set[str]:
    """The children whose attendance may be marked: those of the group, and those marked before."""
    marked = await store.marks_of(session, actor, row) if row is not None else []
    return {each.student_id for each in group.members} | {each.student_id for each in marked}


def _mark_answers(write: SessionWrite, known: set[str]) -> list[MarkAnswer]:
    return [_mark_answer(mark, known) for mark in write.marks]


def _mark_answer(mark: Mark, known: set[str]) -> MarkAnswer:
    if mark.presence not in PRESENCES:
        return MarkAnswer(mark.student_id, "invalid")
    return MarkAnswer(mark.student_id, "saved" if mark.student_id.lower() in known else "not_in_group")


def _answer(row: SessionRow, write: SessionWrite, known: set[str]) -> SessionAnswer:
    code = "saved" if write.version is None else "changed"
    return SessionAnswer(row.id, code, row.version, _mark_answers(write, known))


async def read_session(session: Session, actor: Actor, session_id: str) -> tuple[SessionRow, list[SheetMark]]:
    """A session with the attendance of the children whom the actor may see. *Errors*: NotFound. *Cost*: two statements."""
    require(actor, "read", "teaching")
    row = await store.find_session(session, session_id)
    _require_reach(actor, row.school_id, row.subject)
    return row, await store.marks_of(session, actor, row)


async def list_sessions(
    session: Session,
    actor: Actor,
    page: PageRequest,
    *,
    school_id: int,
    subject: str,
    group_id: int | None = None,
) -> Page[SessionRow]:
    """The sessions of a school (and group) in a subject, newest first. *Errors*: NotFound, Invalid. *Cost*: one statement."""
    require(actor, "read", "teaching")
    _require_subject(subject)
    _require_reach(actor, school_id, subject)
    return await store.page_of_sessions(
        session, page, school_id=school_id, subject=subject, group_id=group_id
    )


def _require_subject(subject: str) -> None:
    if subject not in SCALES:
        raise Invalid(faults=(Fault("subject", f"One of: {', '.join(SCALES)}", subject[:60]),))


def _require_reach(actor: Actor, school_id: int, subject: str) -> None:
    if not actor.scope.is_everything and subject not in actor.scope.subjects(school_id):
        raise NotFound


async def dose_of_children(
    session: Session, actor: Actor, group_id: int, page: PageRequest, *, school_year_id: int | None = None
) -> Page[ChildDose]:
    """What each child of a group was taught in a year beside how it moved; the last year it was taught in where none is asked for.

    *Errors*: NotFound. *Cost*: three statements.
    """
    require(actor, "read", "teaching")
    group = await read_group(session, actor, group_id)
    return await store.dose_of_children(session, actor, group.group, page, school_year_id=school_year_id)


async def dose_of_groups(
    session: Session, actor: Actor, school_id: int, subject: str, *, school_year_id: int | None = None
) -> list[GroupDose]:
    """What each group of a school was taught in a year beside how its children moved; nothing of a practice school.

    Where no year is asked for it is the last one in which the group was taught.

    *Errors*: NotFound, Invalid. *Cost*: one statement over the school's groups.
    """
    require(actor, "read", "teaching")
    _require_subject(subject)
    _require_reach(actor, school_id, subject)
    return await store.dose_of_groups(session, school_id, subject, school_year_id=school_year_id)


async def dose_of_schools(
    session: Session, actor: Actor, subject: str, page: PageRequest, *, school_year_id: int | None = None
) -> Page[SchoolDose]:
    """What the actor's schools taught in a subject in a year (the current one), by name, practice schools left out.

    How many sessions were held in other years is told beside it. *Cost*: one statement.
    """
    require(actor, "read", "teaching")
    _require_subject(subject)
    return await store.dose_of_schools(session, actor, subject, page, school_year_id=school_year_id)
