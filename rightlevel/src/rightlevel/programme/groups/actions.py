"""What is done to groups: propose, look, accept, lead, move a child; and the split that they follow."""

from __future__ import annotations

from collections.abc import Sequence
from typing import cast

import msgspec

from flatwater.clock import Clock, today
from flatwater.paging import Page, PageRequest
from flatwater.transaction import ConstraintViolated, Session
from rightlevel.programme.audit import write_audit
from rightlevel.programme.errors import Conflict, Fault, Invalid, NotFound, Stale
from rightlevel.programme.groups import store
from rightlevel.programme.groups.dividing import divide
from rightlevel.programme.groups.model import (
    MAX_CHILDREN,
    Bands,
    Grouping,
    GroupPage,
    GroupRow,
    NewGrouping,
    SchoolGroups,
    Ungrouped,
    grouping_faults,
    ranks_of,
    split_faults,
)
from rightlevel.programme.levels import SCALES, scale_now
from rightlevel.programme.permissions import Actor, Subject, require, require_scope
from rightlevel.programme.students import read_student


class NotProposed(Conflict):
    """This is no proposal any more: it was accepted or replaced meanwhile."""

    code = "not_proposed"


class NotInGroup(Conflict):
    """This child is not in this group any more. Somebody moved it meanwhile."""

    code = "not_in_group"


class InAnotherGroup(Conflict):
    """This child is in another group of this subject already."""

    code = "in_another_group"


class OtherGroups(Invalid):
    """A child moves between groups of one school and subject that are in use."""

    code = "other_groups"


async def list_groupings(
    session: Session,
    actor: Actor,
    page: PageRequest,
    *,
    school_id: int | None = None,
    subject: Subject | None = None,
) -> Page[Grouping]:
    """The divisions of all schools within reach, also those that were replaced, the newest first. *Cost*: one statement."""
    require(actor, "read", "group")
    return await store.page_of_groupings(
        session, page, scope=actor.scope, school_id=school_id, subject=subject
    )


async def read_split(session: Session, actor: Actor) -> dict[str, Bands]:
    """The levels that learn together, by subject."""
    require(actor, "read", "group")
    return cast("dict[str, Bands]", await store.read_split(session))


async def change_split(
    session: Session, actor: Actor, split: dict[str, Bands], clock: Clock
) -> dict[str, Bands]:
    """Another split, for groups proposed from now on. *Errors*: Invalid unless each level stands once, in order."""
    require(actor, "change", "setting")
    if set(split) != set(SCALES):
        raise Invalid(faults=(Fault("subject", f"One of: {', '.join(SCALES)}"),))
    faults = [
        fault for subject, bands in split.items() for fault in split_faults(cast("Subject", subject), bands)
    ]
    if faults:
        raise Invalid(faults=tuple(faults))
    before = await store.read_split(session)
    await store.save_split(session, split, clock.now())
    await write_audit(session, actor, "change", "setting", "group_split", before=before, after=split)
    return split


async def read_groups(
    session: Session, actor: Actor, school_id: int, subject: str, clock: Clock
) -> SchoolGroups:
    """The groups of a school and subject: those in use, the proposal, who may lead. *Cost*: three statements."""
    require(actor, "read", "group")
    _require_subject(subject)
    _require_reach(actor, school_id, subject)
    groupings = await store.groupings_of(session, school_id, subject)
    return SchoolGroups(
        accepted=[each for each in groupings if each.state == "accepted"],
        proposed=next((each for each in groupings if each.state == "proposed"), None),
        groups=await store.groups_of(session, [each.id for each in groupings]) if groupings else [],
        teachers=await store.teachers_of(session, school_id, subject, today(clock)),
    )


def _require_subject(subject: str) -> None:
    if subject not in SCALES:
        raise Invalid(faults=(Fault("subject", f"One of: {', '.join(SCALES)}", subject[:60]),))


def _require_reach(actor: Actor, school_id: int, subject: str) -> None:
    """Passes for whoever holds the subject at the school, be it one class only. *Errors*: NotFound."""
    if not actor.scope.is_everything and subject not in actor.scope.subjects(school_id):
        raise NotFound


async def propose_groups(session: Session, actor: Actor, new: NewGrouping, clock: Clock) -> Grouping:
    """A proposal from every child's latest valid level, in place of an earlier one; children without a level stay listed apart.

    *Errors*: Invalid with every fault, OutOfScope, NotFound. *Cost*: seven statements, the largest over the children of the span.
    """
    require(actor, "change", "group")
    faults = grouping_faults(new)
    if faults:
        raise Invalid(faults=tuple(faults))
    subject = cast("Subject", new.subject)
    require_scope(actor, new.school_id, subject=subject)
    await store.hold_school(session, new.school_id)
    await _require_teachers(session, new, clock)
    children = await store.latest_levels(session, new.school_id, subject, new.grade_from, new.grade_to)
    if len(children) > MAX_CHILDREN:
        raise Invalid(
            faults=(Fault("grade_to", f"At most {MAX_CHILDREN} children at once: choose fewer grades"),)
        )
    scale = scale_now(subject)
    split: Bands = [list(band) for band in scale.bands]
    bands = split or (await store.read_split(session))[subject]
    division = divide(
        children, ranks_of(subject, bands), target_size=new.target_size, teacher_ids=new.teacher_ids
    )
    await store.drop_proposal(session, new.school_id, subject)
    values = {**msgspec.structs.asdict(new), "person_id": actor.person_id, "now": clock.now()}
    grouping_id = await store.insert_grouping(session, values, bands, division)
    after = {
        "groups": len(division.groups),
        "untested": len(division.untested),
        **msgspec.structs.asdict(new),
    }
    await write_audit(session, actor, "propose", "group", f"grouping {grouping_id}", after=after)
    return await store.find_grouping(session, grouping_id)


async def _require_teachers(session: Session, new: NewGrouping, clock: Clock) -> None:
    known = {each.id for each in await store.teachers_of(session, new.school_id, new.subject, today(clock))}
    strangers = [each for each in new.teacher_ids if each not in known]
    if strangers:
        raise Invalid(
            faults=(Fault("teacher_ids", "Teachers of this school and subject", str(strangers)[:60]),)
        )


async def accept_groups(
    session: Session, actor: Actor, grouping_id: int, version: int, clock: Clock
) -> Grouping:
    """A proposal becomes the groups in use, in place of those of the same grades. *Errors*: NotFound, NotProposed, Stale."""
    require(actor, "change", "group")
    grouping = await _grouping_for_write(session, actor, grouping_id)
    if grouping.state != "proposed":
        raise NotProposed
    if not await store.accept(session, grouping, version, actor.person_id, clock):
        raise Stale(current=msgspec.to_builtins(grouping), yours={"version": version})
    await write_audit(session, actor, "accept", "group", f"grouping {grouping_id}")
    return await store.find_grouping(session, grouping_id)


async def drop_proposal(session: Session, actor: Actor, grouping_id: int) -> None:
    """Takes a proposal away. *Errors*: NotFound, NotProposed."""
    require(actor, "change", "group")
    grouping = await _grouping_for_write(session, actor, grouping_id)
    if grouping.state != "proposed" or not await store.drop_proposal(
        session, grouping.school_id, grouping.subject
    ):
        raise NotProposed
    await write_audit(session, actor, "delete", "group", f"grouping {grouping_id}")


async def _grouping_for_write(session: Session, actor: Actor, grouping_id: int) -> Grouping:
    """A division whose school is held. *Errors*: NotFound, also for one out of scope."""
    found = await store.find_grouping(session, grouping_id)
    if not actor.scope.covers(found.school_id, subject=cast("Subject", found.subject)):
        raise NotFound
    await store.hold_school(session, found.school_id)
    return await store.find_grouping(session, grouping_id, for_update=True)


async def list_ungrouped(
    session: Session, actor: Actor, grouping_id: int, page: PageRequest
) -> Page[Ungrouped]:
    """Children of a division's grades in none of its groups: not tested, or come since. *Errors*: NotFound. *Cost*: two statements."""
    require(actor, "read", "group")
    found = await store.find_grouping(session, grouping_id)
    _require_reach(actor, found.school_id, found.subject)
    return await store.page_of_ungrouped(session, actor, found, page)


async def read_group(session: Session, actor: Actor, group_id: int) -> GroupPage:
    """A group with the children whom the actor may see. *Errors*: NotFound. *Cost*: two statements."""
    require(actor, "read", "group")
    group = await store.find_group(session, group_id)
    _require_reach(actor, group.school_id, group.subject)
    members = await store.members_of(session, actor, group)
    return GroupPage(group, members, max(0, group.children - len(members)))


async def groups_led_by(session: Session, actor: Actor) -> list[GroupRow]:
    """The groups in use that the actor leads, of schools and subjects they still hold."""
    require(actor, "read", "group")
    found = await store.groups_led_by(session, actor.person_id)
    return [each for each in found if each.subject in actor.scope.subjects(each.school_id)]


async def groups_in_use(session: Session, actor: Actor, school_ids: Sequence[int]) -> list[GroupRow]:
    """The groups in use at some schools, of the subjects that the actor has there. *Cost*: one statement."""
    require(actor, "read", "group")
    found = await store.groups_in_use(session, school_ids)
    return [each for each in found if each.subject in actor.scope.subjects(each.school_id)]


async def set_group_teacher(
    session: Session, actor: Actor, group_id: int, *, version: int, teacher_id: int | None, clock: Clock
) -> GroupRow:
    """Gives a group to a teacher of the school, or to nobody. *Errors*: NotFound, OutOfScope, Invalid, Stale."""
    require(actor, "change", "group")
    group = await group_for_write(session, actor, group_id)
    teachers = await store.teachers_of(session, group.school_id, group.subject, today(clock))
    if teacher_id is not None and teacher_id not in {each.id for each in teachers}:
        raise Invalid(faults=(Fault("teacher_id", "Teachers of this school and subject", str(teacher_id)),))
    if not await store.set_teacher(session, group_id, version, teacher_id):
        raise Stale(current=msgspec.to_builtins(group), yours={"version": version, "teacher_id": teacher_id})
    await write_audit(
        session,
        actor,
        "change",
        "group",
        group_id,
        before={"teacher_id": group.teacher_id},
        after={"teacher_id": teacher_id},
    )
    return await store.find_group(session, group_id)


async def group_for_write(session: Session, actor: Actor, group_id: int) -> GroupRow:
    """A group within the actor's reach whose school is held. *Errors*: NotFound."""
    group = await store.find_group(session, group_id)
    if not actor.scope.covers(group.school_id, subject=cast("Subject", group.subject)):
        raise NotFound
    await store.hold_school(session, group.school_id)
    return await store.find_group(session, group_id)


async def move_child(
    session: Session,
    actor: Actor,
    student_id: str,
    *,
    from_group: int | None,
    to_group: int,
    clock: Clock,
    reason: str = "",
) -> GroupRow:
    """A child into another group of its school, or into its first one. *Errors*: NotFound, NotInGroup, InAnotherGroup, OtherGroups."""
    require(actor, "change", "group")
    target = await group_for_write(session, actor, to_group)
    child = await read_student(session, actor, student_id)
    source = await store.find_group(session, from_group) if from_group is not None else None
    if (
        target.state != "accepted"
        or child.school_id != target.school_id
        or from_group == to_group
        or (source and (source.school_id, source.subject) != (target.school_id, target.subject))
    ):
        raise OtherGroups
    if child.is_deleted or child.status != "active":
        raise NotFound
    now = clock.now()
    came = 0
    if source is not None:
        if not await store.leave(session, source.id, student_id, now):
            if await store.hold_member(session, target.id, student_id):
                return target  # it was moved there: the same move again, or another's like it
            raise NotInGroup
        came = (target.band > source.band) - (target.band < source.band)
    else:
        await store.leave_former_school(session, student_id, target, now)
    try:
        await store.join(session, target, student_id, came, now)
    except ConstraintViolated as error:
        raise InAnotherGroup from error
    await write_audit(
        session,
        actor,
        "move",
        "group",
        to_group,
        before={"group_id": from_group},
        after={"group_id": to_group, "student_id": student_id},
        reason=reason or None,
    )
    return target
