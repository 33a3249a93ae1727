"""Schools merged and split: their children go as every transfer goes, so that what was counted stays where it was counted."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import date
from typing import NoReturn

import msgspec

from flatwater.clock import Clock, today
from flatwater.paging import Page, PageRequest
from flatwater.transaction import Session
from rightlevel.programme.audit import write_audit
from rightlevel.programme.boundaries import store
from rightlevel.programme.boundaries.model import (
    MOST_CHILDREN,
    ClassGoing,
    SchoolChanged,
    SchoolMerge,
    SchoolPreview,
    SchoolSplit,
    SchoolUndone,
    deed_faults,
)
from rightlevel.programme.boundaries.store import ClassThere, GoingChild
from rightlevel.programme.enrolments import CodeTaken, Transfer, transfer_student
from rightlevel.programme.errors import Conflict, Fault, Invalid, NotFound
from rightlevel.programme.ids import is_uuid
from rightlevel.programme.permissions import Actor, require, sees_small_cells
from rightlevel.programme.schools import (
    NewSchool,
    School,
    create_school,
    list_classes,
    read_school,
    school_for_write,
)

CLASSES = PageRequest(1_000)


class TooManyToMove(Conflict):
    """A school of more than 2,000 children isn't merged or split at once: go class by class."""

    code = "too_many_to_move"


class SchoolChangeUndone(Conflict):
    """This was undone already."""

    code = "school_change_undone"


class SchoolChangeStands(Conflict):
    """This can't be undone any more: the school was changed by another merge since, or one of the two is removed or closed."""

    code = "school_change_stands"


class _Going:
    """Where the children of each class go in the other school: to its class of that grade and section, or to one made for them."""

    def __init__(self, there: Sequence[ClassThere]) -> None:
        self._sections = {
            (each.school_year_id, each.grade, each.section) for each in there if not each.is_deleted
        }
        self._chosen: dict[int, tuple[str, bool]] = {}

    def section_of(self, child: GoingChild) -> tuple[str, bool]:
        """The section that a child's class has there, and whether that class is new. Classes keep their children together."""
        if child.class_id is None:
            return "", False
        chosen = self._chosen.get(child.class_id)
        if chosen is None:
            section = child.section
            number = 2
            while (child.school_year_id, child.grade, section) in self._sections:
                section = f"{child.section[:16]}-{number}"
                number += 1
            self._sections.add((child.school_year_id, child.grade, section))
            chosen = self._chosen[child.class_id] = (section, True)
        return chosen


def _classes(children: Sequence[GoingChild], going: _Going) -> list[ClassGoing]:
    counted: dict[tuple[int | None, int, str], int] = {}
    where: dict[tuple[int | None, int, str], tuple[str, bool]] = {}
    for child in children:
        key = (child.class_id, child.grade, child.section)
        counted[key] = counted.get(key, 0) + 1
        where[key] = going.section_of(child)
    ordered = sorted(counted, key=lambda key: (key[1], key[2], key[0] or 0))
    return [ClassGoing(*key, counted[key], *where[key]) for key in ordered]


async def preview_school_merge(
    session: Session, actor: Actor, school_id: int, merge: SchoolMerge
) -> SchoolPreview:
    """What merging a school into another would do. *Errors*: NotFound, Invalid, TooManyToMove."""
    require(actor, "change", "school")
    school, into = await _both(session, actor, school_id, merge)
    children = await _children(session, school_id, None)
    return await _preview(session, school, into.name_local, into.id, children)


async def preview_school_split(
    session: Session, actor: Actor, school_id: int, split: SchoolSplit
) -> SchoolPreview:
    """What splitting a school would do. *Errors*: NotFound, Invalid, TooManyToMove."""
    require(actor, "change", "school")
    school = await read_school(session, actor, school_id)
    await _require_classes(session, actor, school, split)
    children = await _children(session, school_id, split.class_ids)
    return await _preview(session, school, split.name_local, None, children)


async def _preview(
    session: Session, school: School, to_name: str, to_id: int | None, children: list[GoingChild]
) -> SchoolPreview:
    moving = [each for each in children if not each.is_erased]
    there = await store.classes_there(session, to_id) if to_id is not None else []
    codes = (
        await store.codes_there(session, to_id, [each.code for each in moving]) if to_id is not None else 0
    )
    return SchoolPreview(
        from_school=school.name_local,
        to_school=to_name,
        children=len(moving),
        erased=len(children) - len(moving),
        codes=codes,
        people=await store.people_at(session, school.id),
        classes=_classes(moving, _Going(there)),
        rounds=await store.counted_at_school(session, school.id),
    )


async def merge_school(
    session: Session, actor: Actor, school_id: int, merge: SchoolMerge, clock: Clock
) -> SchoolChanged:
    """All active children of a school go to another one, and the school closes and says what it was merged into.

    Each goes as by a transfer: its results stay where they were made. The same id again gets the same answer.
    *Errors*: NotFound, Invalid with every fault, TooManyToMove. *Cost*: about nine statements a child.
    """
    require(actor, "change", "school")
    if is_uuid(merge.id) and (made := await store.find_school_change(session, merge.id)) is not None:
        return made
    school, into = await _both(session, actor, school_id, merge, hold=True)
    children = [each for each in await _children(session, school_id, None, hold=True) if not each.is_erased]
    await _take(
        session,
        actor,
        change_id=merge.id,
        schools=(school, into),
        children=children,
        moved_on=merge.moved_on,
        reason=merge.reason,
        clock=clock,
        kind="merge",
    )
    await store.mark_merged(session, school_id, into.id)
    return await _done(session, actor, merge.id, "merge")


async def split_school(
    session: Session, actor: Actor, school_id: int, split: SchoolSplit, clock: Clock
) -> SchoolChanged:
    """The children of some classes go to a new school, which is made for them, as by a transfer.

    *Errors*: NotFound, Invalid with every fault, AlreadyTaken for the new school's code, TooManyToMove.
    """
    require(actor, "change", "school")
    if is_uuid(split.id) and (made := await store.find_school_change(session, split.id)) is not None:
        return made
    school = await school_for_write(session, school_id)
    await _require_classes(session, actor, school, split)
    found = await _children(session, school_id, split.class_ids, hold=True)
    children = [each for each in found if not each.is_erased]
    place_id = school.place_id if split.place_id is None else split.place_id
    new = NewSchool(
        place_id=place_id,
        code=split.code,
        name_local=split.name_local,
        name_latin=split.name_latin,
        ownership=school.ownership,
        area=school.area,
        is_practice=False,
    )
    made_school = await create_school(session, actor, new)
    await _take(
        session,
        actor,
        change_id=split.id,
        schools=(school, made_school),
        children=children,
        moved_on=split.moved_on,
        reason=split.reason,
        clock=clock,
        kind="split",
    )
    return await _done(session, actor, split.id, "split")


async def _done(session: Session, actor: Actor, change_id: str, action: str) -> SchoolChanged:
    made = await store.find_school_change(session, change_id)
    if made is None:
        raise NotFound
    after = {
        "school_change_id": made.id,
        "to_school_id": made.to_school_id,
        "children": made.children,
        "moved_on": made.moved_on.isoformat(),
    }
    await write_audit(session, actor, action, "school", made.from_school_id, after=after, reason=made.reason)
    return made


async def _both(
    session: Session, actor: Actor, school_id: int, merge: SchoolMerge, *, hold: bool = False
) -> tuple[School, School]:
    """The school that goes and the one it goes into. *Errors*: NotFound, Invalid with every fault."""
    faults = deed_faults(merge.id, merge.reason)
    found: dict[int, School] = {}
    for each in sorted({school_id, merge.into_school_id}):
        try:
            found[each] = await (
                school_for_write(session, each) if hold else read_school(session, actor, each)
            )
        except NotFound:
            if each == school_id:
                raise
    school, into = found[school_id], found.get(merge.into_school_id)
    if into is None or into.is_deleted or into.id == school.id:
        faults.append(Fault("into_school_id", "Another school that is open", str(merge.into_school_id)))
    elif into.status != "open":
        faults.append(Fault("into_school_id", "This school is closed", str(into.id)))
    elif into.is_practice or school.is_practice:
        faults.append(Fault("into_school_id", "Practice schools are not merged or split"))
    if school.is_deleted:
        raise NotFound
    if school.merged_into is not None:
        faults.append(Fault("school_id", "This school was merged into another: take that back first"))
    if faults or into is None:
        raise Invalid(faults=tuple(faults))
    return school, into


async def _require_classes(session: Session, actor: Actor, school: School, split: SchoolSplit) -> None:
    faults = deed_faults(split.id, split.reason)
    there = {each.id for each in (await list_classes(session, actor, CLASSES, school_id=school.id)).items}
    if school.is_deleted:
        raise NotFound
    if school.is_practice:
        faults.append(Fault("school_id", "Practice schools are not merged or split"))
    if not split.class_ids or not set(split.class_ids) <= there:
        faults.append(Fault("class_ids", "At least one class of this school"))
    if faults:
        raise Invalid(faults=tuple(faults))


async def _children(
    session: Session, school_id: int, class_ids: list[int] | None, *, hold: bool = False
) -> list[GoingChild]:
    children = await store.children_going(
        session, school_id, class_ids=class_ids, rows=MOST_CHILDREN + 1, hold=hold
    )
    if len(children) > MOST_CHILDREN:
        raise TooManyToMove
    return children


async def _take(
    session: Session,
    actor: Actor,
    change_id: str,
    schools: tuple[School, School],
    children: list[GoingChild],
    moved_on: date,
    reason: str,
    clock: Clock,
    kind: str,
) -> None:
    school, into = schools
    await store.keep_school_change(
        session,
        change_id,
        kind=kind,
        schools=(school.id, into.id),
        reason=reason.strip(),
        children=len(children),
        moved_on=moved_on,
        person_id=actor.person_id,
        now=clock.now(),
    )
    going = _Going(await store.classes_there(session, into.id))
    made: dict[tuple[int, int, str], int] = {}
    for child in children:
        section, is_in_class = going.section_of(child)
        class_id = None
        if is_in_class:
            key = (child.school_year_id, child.grade, section)
            if key not in made:
                made[key] = await store.bring_class(
                    session, into.id, school_year_id=key[0], grade=key[1], section=key[2]
                )
            class_id = made[key]
        to = Transfer(
            version=child.version,
            school_id=into.id,
            grade=child.grade,
            moved_on=moved_on,
            reason=reason.strip(),
            class_id=class_id,
        )
        await _transfer(session, actor, child.id, to, clock)
        await store.keep_child(session, change_id, child, class_id)


async def _transfer(session: Session, actor: Actor, student_id: str, to: Transfer, clock: Clock) -> None:
    """Moves a child, with a code that is free where another child there has its own."""
    try:
        async with session.savepoint():
            await transfer_student(session, actor, student_id, to, clock)
    except CodeTaken as error:
        code = str(error.values["free_code"])
        again = Transfer(
            version=to.version,
            school_id=to.school_id,
            grade=to.grade,
            moved_on=to.moved_on,
            reason=to.reason,
            class_id=to.class_id,
            code=code,
        )
        await transfer_student(session, actor, student_id, again, clock)


async def list_school_changes(
    session: Session, actor: Actor, school_id: int, page: PageRequest
) -> Page[SchoolChanged]:
    """Merges and splits that a school had part in, the latest first. *Errors*: NotFound. *Cost*: two statements."""
    await read_school(session, actor, school_id)
    found = await store.page_of_school_changes(session, page, school_id=school_id)
    if sees_small_cells(actor):
        return found
    return Page([msgspec.structs.replace(each, children=None) for each in found.items], found.next)


async def undo_school_change(
    session: Session, actor: Actor, change_id: str, *, reason: str, clock: Clock
) -> SchoolUndone:
    """Takes children back to the school they came from, those who are still where they were taken; a merged school opens again.

    Rounds whose roll was fixed meanwhile keep them where they were. *Errors*: NotFound, Invalid without a reason, SchoolChangeUndone,
    SchoolChangeStands.
    """
    require(actor, "change", "school")
    made = await store.find_school_change(session, change_id) if is_uuid(change_id) else None
    if made is None:
        raise NotFound
    faults = deed_faults(change_id, reason)
    if faults:
        raise Invalid(faults=tuple(faults))
    if not await store.hold_school_change(session, change_id):
        raise SchoolChangeUndone
    await _require_undoable(session, made)
    if made.kind == "merge":
        await store.mark_merged(session, made.from_school_id, None)
    back = 0
    children = await store.children_of_change(session, change_id)
    for child in children:
        if child.is_there:
            day = max(made.moved_on, today(clock))
            to = Transfer(
                version=child.version,
                school_id=made.from_school_id,
                grade=child.grade,
                moved_on=day,
                reason=reason.strip(),
                class_id=child.from_class_id,
                code=child.from_code,
            )
            await _transfer(session, actor, child.id, to, clock)
            back += 1
    undone = SchoolUndone(back, len(children) - back)
    await store.mark_school_undone(
        session, change_id, reason=reason.strip(), person_id=actor.person_id, now=clock.now()
    )
    after = {"school_change_id": change_id, "back": back, "left_as_they_are": undone.left_as_they_are}
    await write_audit(
        session, actor, "undo", "school", made.from_school_id, after=after, reason=reason.strip()
    )
    return undone


async def _require_undoable(session: Session, made: SchoolChanged) -> None:
    try:
        found = {
            each: await school_for_write(session, each)
            for each in sorted({made.from_school_id, made.to_school_id})
        }
    except NotFound:
        _stands()
    school, into = found[made.from_school_id], found[made.to_school_id]
    is_as_left = school.merged_into == into.id if made.kind == "merge" else school.status == "open"
    if not is_as_left or into.status != "open":
        _stands()


def _stands() -> NoReturn:
    raise SchoolChangeStands
