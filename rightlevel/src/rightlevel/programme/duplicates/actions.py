"""What is done about children entered twice: find them, make two records one, take that back, remember that they are two."""

from __future__ import annotations

import asyncio

import msgspec

from flatwater.clock import Clock, today
from flatwater.paging import Page, PageRequest
from flatwater.transaction import ConstraintViolated, Session
from rightlevel.programme.audit import write_audit
from rightlevel.programme.duplicates import store
from rightlevel.programme.duplicates.finding import Found, find_pairs
from rightlevel.programme.duplicates.model import (
    MOST_CHILDREN,
    MOST_PAIRS,
    Duplicates,
    DuplicatesOfSchool,
    HeldResult,
    Merge,
    Merged,
    Moved,
    Record,
    Swap,
    standing,
)
from rightlevel.programme.duplicates.scoring import compared
from rightlevel.programme.errors import Conflict, Fault, Invalid, NotFound, RoundSealing, Stale, reason_faults
from rightlevel.programme.ids import is_uuid
from rightlevel.programme.permissions import Actor, allowed, require, require_scope
from rightlevel.programme.rounds import amending
from rightlevel.programme.schools import read_school
from rightlevel.programme.students import (
    changing,
    faults_of_return,
    find_away,
    read_student,
    student_for_write,
)


class MergeHeld(Conflict):
    """A result of one of these children is locked. Unlock it first, with a reason."""

    code = "merge_held"


class MergeOfFrozen(Conflict):
    """One of these children has a result in a frozen round. A coordinator can merge them, which amends the round."""

    code = "merge_of_frozen"


class NotMergeable(Conflict):
    """One of these children was erased, merged or deleted already, or both are the same record."""

    code = "not_mergeable"


class AcrossPractice(Conflict):
    """A child of a practice school and a real one are never one."""

    code = "across_practice"


class CannotUndoMerge(Conflict):
    """This can't be undone as it is now: another child has the code, or something of the same day or group was entered since."""

    code = "cannot_undo_merge"


class MergeOfErased(Conflict):
    """Who this child was has been erased for good, so its records stay one: two would be counted where there was one."""

    code = "merge_of_erased"


class MergeAlreadyUndone(Conflict):
    """This merge was undone already."""

    code = "merge_already_undone"


class SchoolTooLarge(Conflict):
    """This school has more children than can be compared at once."""

    code = "school_too_large"


async def find_duplicates(session: Session, actor: Actor, school_id: int, clock: Clock) -> DuplicatesOfSchool:
    """The likely duplicates among a school's children, but for those said to be two.

    *Errors*: Forbidden, NotFound, SchoolTooLarge. *Cost*: four statements; comparing takes 0.1 s for 1,200 children, beside the loop.
    """
    require(actor, "merge", "student")
    await read_school(session, actor, school_id)
    require_scope(actor, school_id)
    records = await store.children(session, school_id)
    if len(records) > MOST_CHILDREN:
        raise SchoolTooLarge
    apart = await store.said_not(session, school_id)
    found = await asyncio.to_thread(_found, records, apart, clock)
    shown = found.pairs
    by_id = {each.id: each for each in records}
    counts = await store.count_results(
        session, sorted({each for pair in shown for each in (pair.first_id, pair.second_id)})
    )

    def record(student_id: str) -> Record:
        return msgspec.structs.replace(by_id[student_id], results=counts[student_id])

    duplicates = [
        Duplicates(record(pair.first_id), record(pair.second_id), pair.likeness.weight, pair.likeness.reasons)
        for pair in shown
    ]
    return DuplicatesOfSchool(duplicates, len(records), found.not_examined, found.total > MOST_PAIRS)


def _found(records: list[Record], apart: set[tuple[str, str]], clock: Clock) -> Found:
    return find_pairs(
        [compared(each.id, each) for each in records], today=today(clock), apart=apart, most=MOST_PAIRS
    )


async def merge_duplicates(session: Session, actor: Actor, merge: Merge, clock: Clock) -> Merged:
    """Makes two records one: everything of the one that goes is carried to the one that stays, and both histories are kept.

    Of two results of one round and subject the verified one stands, else the assessed one, else the later; the other stays with the record
    that went. *Errors*: Forbidden, NotFound, OutOfScope, Invalid without a reason, Stale, NotMergeable, AcrossPractice, MergeHeld, MergeOfFrozen,
    RoundSealing. *Cost*: about fifteen statements.
    """
    require(actor, "merge", "student")
    if faults := reason_faults(merge.reason):
        raise Invalid(faults=tuple(faults))
    for student_id in sorted(
        (merge.kept_id.lower(), merge.gone_id.lower())
    ):  # held in one order, whoever merges
        if not is_uuid(student_id):
            raise NotFound
        await student_for_write(session, actor, student_id)
    kept, gone = (
        await read_student(session, actor, merge.kept_id),
        await read_student(session, actor, merge.gone_id),
    )
    if kept.id == gone.id or kept.is_erased or gone.is_erased:
        raise NotMergeable
    for there, version in ((kept, merge.kept_version), (gone, merge.gone_version)):
        if there.version != version:
            raise Stale(current=msgspec.to_builtins(there), yours={"version": version})
    schools = [await read_school(session, actor, each.school_id) for each in (kept, gone)]
    if schools[0].is_practice != schools[1].is_practice:
        raise AcrossPractice
    results = await store.hold_results(session, [kept.id, gone.id])
    _check_results(actor, results)
    if any(each.is_frozen for each in results):
        await amending(session, actor, merge.reason.strip())
    await changing(session, actor, "merge", merge.reason)
    moved = await _carry(session, kept.id, gone.id, results, clock)
    if not await store.put_away(
        session, gone.id, kept.id, version=merge.gone_version, person_id=actor.person_id, now=clock.now()
    ):
        raise Stale(current=msgspec.to_builtins(gone), yours={"version": merge.gone_version})
    merge_id = await store.insert_merge(
        session,
        kept.id,
        gone.id,
        moved,
        reason=merge.reason.strip(),
        person_id=actor.person_id,
        now=clock.now(),
    )
    after = {"merge": merge_id, "gone": gone.id, "results": len(moved.results), "set_aside": moved.set_aside}
    before = {"kept": kept.id, "gone": gone.id}
    await write_audit(
        session, actor, "merge", "student", kept.id, before=before, after=after, reason=merge.reason.strip()
    )
    return await store.find_merge(session, merge_id)


def _check_results(actor: Actor, results: list[HeldResult]) -> None:
    if any(each.is_sealing for each in results):
        raise RoundSealing
    if any(each.is_locked for each in results):
        raise MergeHeld
    if any(each.is_frozen for each in results) and not allowed(actor.role, "override", "result"):
        raise MergeOfFrozen


async def _carry(
    session: Session, kept_id: str, gone_id: str, results: list[HeldResult], clock: Clock
) -> Moved:
    own = {(each.round_id, each.subject): each for each in results if each.student_id == kept_id}
    plain: list[str] = []
    swapped: list[Swap] = []
    set_aside = 0
    for each in (each for each in results if each.student_id == gone_id):
        there = own.get((each.round_id, each.subject))
        if there is None:
            plain.append(each.id)
            continue
        set_aside += 1
        stands, aside = standing(each, there)
        if stands is each:
            swapped.append(Swap(stands.id, aside.id))
    if plain:
        await store.move_results(session, plain, kept_id)
    if swapped:
        await store.swap_results(
            session,
            [each.stands for each in swapped],
            [each.aside for each in swapped],
            kept_id=kept_id,
            gone_id=gone_id,
            now=clock.now(),
        )
    was_aside = await store.aside_past(session, gone_id)
    carried = {what: await store.carry(session, what, gone_id, kept_id) for what in store.CARRIED}
    aside = [each for each in was_aside if each in carried["past"]]
    newly = [each for each in carried["past"] if each not in aside]
    told = await store.tell_seats(session, gone_id, kept_id, newly, clock.now())
    return Moved(plain, swapped, set_aside, **carried, told=told, aside=aside)


async def undo_merge_of_duplicates(
    session: Session, actor: Actor, merge_id: str, *, reason: str, clock: Clock
) -> Merged:
    """Makes two of one again, each with what it had. What was entered since stays with the record that was kept.

    Of several merges into one child the last is taken back first: what stands by then is not what an earlier one left.
    *Errors*: Forbidden, NotFound, OutOfScope, Invalid without a reason, MergeAlreadyUndone, MergeOfErased, MergeHeld, MergeOfFrozen,
    RoundSealing, CannotUndoMerge.
    """
    require(actor, "merge", "student")
    if faults := reason_faults(reason):
        raise Invalid(faults=tuple(faults))
    if not is_uuid(merge_id):
        raise NotFound
    known = await store.find_merge(session, merge_id)
    await student_for_write(session, actor, known.kept_id)
    held = await store.hold_merge(session, merge_id)
    if held is None:
        raise MergeAlreadyUndone
    if await store.is_erased(session, [held.kept_id, held.gone_id]):
        raise MergeOfErased
    if await store.has_later_merge(session, merge_id):
        raise CannotUndoMerge(
            faults=(
                Fault(
                    "merge", "Another record was merged into this one since: take that back first", merge_id
                ),
            )
        )
    moved = msgspec.convert(held.moved, Moved)
    results = await store.hold_results(session, [held.kept_id, held.gone_id])
    _check_results(actor, results)
    if any(each.is_frozen for each in results):
        await amending(session, actor, reason.strip())
    gone = await find_away(session, held.gone_id)
    if faults := await faults_of_return(session, gone):
        raise Invalid(faults=tuple(faults))
    await changing(session, actor, "unmerge", reason)
    try:
        async with session.savepoint():
            if not await store.bring_back(session, held.gone_id, held.kept_id):
                raise MergeAlreadyUndone
            await _carry_back(session, held.kept_id, held.gone_id, moved, clock)
    except ConstraintViolated as error:
        raise CannotUndoMerge(
            faults=(Fault("merge", "Something of the same kind was entered since", error.constraint),)
        ) from error
    await store.end_merge(
        session, merge_id, reason=reason.strip(), person_id=actor.person_id, now=clock.now()
    )
    await write_audit(
        session,
        actor,
        "unmerge",
        "student",
        held.kept_id,
        before={"merge": merge_id, "gone": held.gone_id},
        after={"merge": merge_id, "back": held.gone_id},
        reason=reason.strip(),
    )
    return await store.find_merge(session, merge_id)


async def _carry_back(session: Session, kept_id: str, gone_id: str, moved: Moved, clock: Clock) -> None:
    if moved.results:
        await store.move_results(session, moved.results, gone_id)
    if moved.swapped:
        # The one that stood was the other's, and goes back to it; the one set aside to the child that stayed.
        await store.swap_results(
            session,
            [each.aside for each in moved.swapped],
            [each.stands for each in moved.swapped],
            kept_id=kept_id,
            gone_id=gone_id,
            now=clock.now(),
        )
    if moved.told and await store.withdraw_told(session, kept_id, moved.told) < len(moved.told):
        raise CannotUndoMerge
    for what in store.CARRIED:
        ids = getattr(moved, what)
        if not ids:
            continue
        back = await store.carry(session, what, kept_id, gone_id, ids, keeps_aside=moved.aside is not None)
        if len(back) < len(ids):
            raise CannotUndoMerge
    if moved.past and moved.aside is not None:
        await store.set_aside_as_before(session, gone_id, moved.past, moved.aside)


async def dismiss_duplicates(
    session: Session, actor: Actor, student_id: str, other_id: str, clock: Clock
) -> None:
    """Remembers that two records are two children, so that they are not shown again. *Errors*: NotFound, OutOfScope, NotMergeable."""
    require(actor, "merge", "student")
    for each in (student_id, other_id):
        if not is_uuid(each):
            raise NotFound
        student = await read_student(session, actor, each)
        require_scope(actor, student.school_id, class_id=student.class_id)
    if student_id.lower() == other_id.lower():
        raise NotMergeable
    if await store.say_not(session, student_id, other_id, person_id=actor.person_id, now=clock.now()):
        after = {"other": other_id.lower()}
        await write_audit(session, actor, "keep_apart", "student", student_id.lower(), after=after)


async def list_merges(session: Session, actor: Actor, school_id: int, page: PageRequest) -> Page[Merged]:
    """The merges of a school's children, the latest first. *Errors*: Forbidden, NotFound."""
    require(actor, "merge", "student")
    await read_school(session, actor, school_id)
    require_scope(actor, school_id)
    return await store.page_of_merges(session, school_id, page)
