"""Quick re-tests between rounds, and what they suggest for the groups."""

from __future__ import annotations

from collections.abc import Sequence
from typing import cast

import msgspec

from flatwater.clock import Clock, today
from flatwater.paging import Page, PageRequest
from flatwater.transaction import Session
from rightlevel.programme.audit import write_audit
from rightlevel.programme.errors import Conflict, Fault, Invalid, NotFound, Stale
from rightlevel.programme.groups import store
from rightlevel.programme.groups.actions import group_for_write, move_child
from rightlevel.programme.groups.model import (
    MAX_CHECKS,
    Bands,
    CheckAnswer,
    CheckCode,
    CheckWrite,
    GroupRow,
    LevelCheck,
    Suggested,
    check_faults,
    is_split_of,
    ranks_of,
)
from rightlevel.programme.groups.regrouping import suggest
from rightlevel.programme.levels import SCALES, rank_of, scale_now
from rightlevel.programme.permissions import Actor, Subject, require
from rightlevel.programme.students import read_student


class RecheckFirst(Conflict):
    """This child should be tested again before it changes its group: the last re-test alone does not decide that."""

    code = "recheck_first"


async def enter_checks(
    session: Session, actor: Actor, writes: Sequence[CheckWrite], clock: Clock
) -> list[CheckAnswer]:
    """What became of each quick re-test, in order; one that is refused holds up no other, and one repeated is saved once.

    *Errors*: Forbidden; Invalid for none or more than MAX_CHECKS, or a child twice. *Cost*: one statement and one to three a write.
    """
    require(actor, "check", "level")
    if not 1 <= len(writes) <= MAX_CHECKS:
        raise Invalid(faults=(Fault("writes", f"Between 1 and {MAX_CHECKS} at once", str(len(writes))),))
    if len({(each.student_id, each.subject, each.checked_on) for each in writes}) != len(writes):
        raise Invalid(faults=(Fault("student_id", "One re-test of a child, subject and day at a time"),))
    day = today(clock)
    faulty = {number: faults for number, each in enumerate(writes) if (faults := check_faults(each, day))}
    sound = sorted(
        (number for number in range(len(writes)) if number not in faulty),
        key=lambda each: writes[each].student_id,
    )
    places = await store.places_of(session, [writes[number].student_id.lower() for number in sound])
    answers = {
        number: CheckAnswer(writes[number].id, "invalid", faults=faults) for number, faults in faulty.items()
    }
    for number in sound:
        write = writes[number]
        answers[number] = await _enter(session, actor, write, places.get(write.student_id.lower()), clock)
    settled = [answers[number] for number in range(len(writes))]
    await _audit(session, actor, settled)
    return settled


async def _enter(
    session: Session, actor: Actor, write: CheckWrite, place: store.ChildPlace | None, clock: Clock
) -> CheckAnswer:
    subject = cast("Subject", write.subject)
    if place is None:
        return await _of_merged(session, actor, write)
    if not actor.scope.reaches_school(place.school_id):
        return CheckAnswer(write.id, "not_found")
    if not actor.scope.covers(place.school_id, subject=subject, class_id=place.class_id):
        return CheckAnswer(write.id, "out_of_scope")
    scale = scale_now(subject)
    rank_of(subject, write.level, scale)
    if await store.write_check(
        session, write, scale=scale, school_id=place.school_id, person_id=actor.person_id, now=clock.now()
    ):
        code: CheckCode = "saved" if write.version is None else "changed"
        return CheckAnswer(write.id, code, (write.version or 0) + 1)
    own = await store.find_check(session, write, by="by_id")
    if own is not None and not _is_same(own, write):
        return CheckAnswer(write.id, "conflict")
    there = own or await store.find_check(session, write, by="by_day")
    if there is None:
        return CheckAnswer(write.id, "not_found")
    if write.version is None:
        return CheckAnswer(
            write.id, "saved" if own else "conflict", there.version, current=None if own else there
        )
    if there.version == write.version + 1 and there.level == write.level:
        return CheckAnswer(write.id, "changed", there.version)  # this very change, sent again
    return CheckAnswer(write.id, "stale", there.version, current=there)


async def _of_merged(session: Session, actor: Actor, write: CheckWrite) -> CheckAnswer:
    """A child whose record went into another: this very write gets its old answer, a new one is told where to go."""
    kept = await store.kept_place(session, write.student_id)
    subject = cast("Subject", write.subject)
    if kept is None or not actor.scope.covers(kept.school_id, subject=subject, class_id=kept.class_id):
        return CheckAnswer(write.id, "not_found")
    own = await store.find_check(session, write, by="by_id")
    there = (
        None if own is None else msgspec.structs.replace(write, student_id=own.student_id)
    )  # whichever of the two it went to
    if own is not None and there is not None and _is_same(own, there) and write.version is None:
        return CheckAnswer(write.id, "saved", own.version)
    return CheckAnswer(write.id, "merged", merged_into=kept.student_id)


def _is_same(there: LevelCheck, write: CheckWrite) -> bool:
    wanted = (write.student_id.lower(), write.subject, write.checked_on)
    return (there.student_id, there.subject, there.checked_on) == wanted and (
        there.level == write.level or there.version > 1
    )


async def _audit(session: Session, actor: Actor, answers: list[CheckAnswer]) -> None:
    done = [each.id for each in answers if each.code in ("saved", "changed")]
    denied = [each.id for each in answers if each.code == "out_of_scope"]
    if done:
        await write_audit(session, actor, "check", "level", after={"count": len(done), "writes": done})
    if denied:
        await write_audit(
            session,
            actor,
            "check",
            "level",
            after={"writes": denied},
            reason="out_of_scope",
            outcome="denied",
        )


async def list_checks(session: Session, actor: Actor, student_id: str, page: PageRequest) -> Page[LevelCheck]:
    """A child's quick re-tests in the actor's subjects, newest first. *Errors*: NotFound. *Cost*: two statements."""
    require(actor, "read", "group")
    child = await read_student(session, actor, student_id)
    subjects = [
        each for each in SCALES if actor.scope.covers(child.school_id, subject=each, class_id=child.class_id)
    ]
    return await store.page_of_checks(session, child.id, subjects, page)


async def list_all_checks(
    session: Session,
    actor: Actor,
    page: PageRequest,
    *,
    school_id: int | None = None,
    subject: Subject | None = None,
) -> Page[LevelCheck]:
    """The quick re-tests of all children within reach, child by child; of one school or subject if told. *Cost*: one statement."""
    require(actor, "read", "group")
    return await store.page_of_all_checks(
        session, page, scope=actor.scope, school_id=school_id, subject=subject
    )


async def suggestions(session: Session, actor: Actor, school_id: int, subject: str) -> list[Suggested]:
    """The children of a school's groups for whom a change or a re-check is suggested. *Errors*: NotFound. *Cost*: one statement."""
    require(actor, "read", "group")
    if subject not in SCALES:
        raise Invalid(faults=(Fault("subject", f"One of: {', '.join(SCALES)}", subject[:60]),))
    if not actor.scope.is_everything and subject not in actor.scope.subjects(school_id):
        raise NotFound
    rows = await store.rechecked(session, actor, school_id, subject)
    return [each for row in rows if (each := _suggested(subject, row)) is not None]


def _suggested(subject: Subject, row: store.Rechecked) -> Suggested | None:
    scale, bands = scale_now(subject), cast("Bands", row.bands)
    if not is_split_of(scale, bands):
        return None  # groups of another ladder: they are divided anew, not child by child
    found = suggest(row.band, row.ranks, ranks_of(subject, bands), came=row.came)
    if found is None:
        return None
    return Suggested(
        student_id=row.student_id,
        code=row.code,
        name=row.name,
        grade=row.grade,
        group_id=row.group_id,
        band=row.band,
        number=row.number,
        kind=found.kind,
        to_band=found.to_band,
        level=scale.levels[row.ranks[-1] - 1].code,
        checked_on=row.last_on,
        check_id=row.check_id,
        check_version=row.check_version,
    )


async def accept_suggestion(
    session: Session,
    actor: Actor,
    group_id: int,
    student_id: str,
    *,
    check_id: str,
    check_version: int,
    clock: Clock,
) -> GroupRow:
    """Moves one child as suggested after this re-test, into the band's smallest group.

    *Errors*: NotFound; RecheckFirst; Stale when there is another re-test by now, or the child is elsewhere.
    """
    require(actor, "change", "group")
    group = await group_for_write(session, actor, group_id)
    is_there = await store.hold_member(session, group_id, student_id)
    rows = (
        await store.rechecked(session, actor, group.school_id, group.subject, student_id=student_id)
        if is_there
        else []
    )
    row = next((each for each in rows if each.group_id == group_id), None)
    found = _suggested(cast("Subject", group.subject), row) if row is not None else None
    if (
        row is None
        or found is None
        or (found.check_id, found.check_version) != (check_id.lower(), check_version)
    ):
        raise Stale
    if found.kind == "recheck":
        raise RecheckFirst
    groups = [
        each for each in await store.groups_of(session, [row.grouping_id]) if each.band == found.to_band
    ]
    if not groups:
        raise NoGroupThere
    target = min(groups, key=lambda each: (each.children, each.number))
    return await move_child(
        session,
        actor,
        student_id,
        from_group=group_id,
        to_group=target.id,
        clock=clock,
        reason=f"re-test {check_id}",
    )


class NoGroupThere(Conflict):
    """There is no group for this level here. Propose new groups, or move the child by hand."""

    code = "no_group_there"
