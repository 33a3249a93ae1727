"""What is asked about packs."""

from __future__ import annotations

from collections.abc import Sequence

from flatwater.clock import Clock, today
from flatwater.paging import CEILING_ROWS, PageRequest
from flatwater.transaction import Session
from rightlevel.programme.errors import Fault, Invalid
from rightlevel.programme.groups import GroupRow, groups_led_by, read_group
from rightlevel.programme.packs.model import (
    MOST_CHILDREN,
    MOST_GROUPS,
    MOST_SCHOOLS,
    Pack,
    PackChild,
    PackClass,
    PackGroup,
    PackMember,
    PackSchool,
    PackSession,
    children_of,
)
from rightlevel.programme.permissions import Actor, require
from rightlevel.programme.progress import ClassProgress, class_progress
from rightlevel.programme.results import class_sheet, read_guided_rules
from rightlevel.programme.rounds import Round, current_round
from rightlevel.programme.schools import SchoolRow, list_schools
from rightlevel.programme.teaching import list_sessions
from rightlevel.programme.tools import ToolSearch, list_tools

LAST_SESSIONS = PageRequest(14)


async def read_pack(session: Session, actor: Actor, clock: Clock, school_ids: Sequence[int] = ()) -> Pack:
    """What the actor's phone may hold: of the schools that are named, else of all of theirs, as many as there is room for.

    *Errors*: Forbidden; Invalid for more than MOST_SCHOOLS. *Cost*: six statements, two for each school and three for each group; at most
    MOST_CHILDREN children are held.
    """
    require(actor, "enter", "result")
    if len(school_ids) > MOST_SCHOOLS:
        raise Invalid(faults=(Fault("school_id", f"At most {MOST_SCHOOLS} schools", str(len(school_ids))),))
    round_ = await current_round(session, actor, clock)
    schools, left_out = await _schools(session, actor, school_ids)
    progress: list[ClassProgress] = []
    if round_ is not None and schools:
        progress = await class_progress(session, actor, [each.id for each in schools], round_.id)
    children: list[PackChild] = []
    held: list[SchoolRow] = []
    is_cut = False
    for school in schools:
        found = await _children(session, actor, school.id, round_) if round_ is not None else []
        if held and len(children) + len(found) > MOST_CHILDREN:
            left_out.append(school.name_local)
            continue
        is_cut = is_cut or len(found) > MOST_CHILDREN
        children += found[:MOST_CHILDREN]
        held.append(school)
    reached = {each.id for each in held}
    led = [each for each in await groups_led_by(session, actor) if each.school_id in reached]
    return Pack(
        made_at=clock.now(),
        today=today(clock),
        person_id=actor.person_id,
        display_name=actor.display_name,
        role=actor.role,
        round=round_,
        schools=[_school(each, progress) for each in held],
        children=children,
        groups=[await _group(session, actor, each) for each in led[:MOST_GROUPS]],
        rules=await read_guided_rules(session, actor),
        tools=await list_tools(session, actor, ToolSearch()),
        most_children=MOST_CHILDREN,
        left_out=left_out,
        is_cut=is_cut,
    )


async def _schools(
    session: Session, actor: Actor, school_ids: Sequence[int]
) -> tuple[list[SchoolRow], list[str]]:
    """The schools to hold, and the names of some for which there is no room."""
    found = (await list_schools(session, actor, PageRequest(4 * MOST_SCHOOLS))).items
    wanted = [each for each in found if not school_ids or each.id in school_ids]
    return wanted[:MOST_SCHOOLS], [each.name_local for each in wanted[MOST_SCHOOLS:]]


def _school(school: SchoolRow, progress: list[ClassProgress]) -> PackSchool:
    classes = [
        PackClass(each.class_id, each.grade, each.section, each.subject)
        for each in progress
        if each.school_id == school.id
    ]
    return PackSchool(school.id, school.name_local, school.code, school.is_practice, classes)


async def _children(session: Session, actor: Actor, school_id: int, round_: Round) -> list[PackChild]:
    """The children of a school in the subjects that the actor has there. *Cost*: one statement for each subject."""
    sheets = [
        (
            str(subject),
            (
                await class_sheet(
                    session,
                    actor,
                    PageRequest(min(MOST_CHILDREN + 1, CEILING_ROWS)),
                    school_id=school_id,
                    round_id=round_.id,
                    subject=subject,
                )
            ).items,
        )
        for subject in actor.scope.subjects(school_id)
    ]
    return children_of(school_id, sheets)


async def _group(session: Session, actor: Actor, group: GroupRow) -> PackGroup:
    """*Cost*: three statements."""
    page = await read_group(session, actor, group.id)
    sessions = await list_sessions(
        session, actor, LAST_SESSIONS, school_id=group.school_id, subject=group.subject, group_id=group.id
    )
    return PackGroup(
        id=group.id,
        school_id=group.school_id,
        subject=group.subject,
        band=group.band,
        number=group.number,
        levels=list(group.levels),
        members=[PackMember(each.student_id, each.name) for each in page.members],
        taught=[PackSession(each.held_on, each.version) for each in sessions.items],
    )
