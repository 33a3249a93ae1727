"""What is asked about packs."""

from __future__ import annotations

from collections.abc import Sequence

from flatwater.clock import Clock, today
from flatwater.paging import CEILING_ROWS, PageRequest
from flatwater.transaction import Session
from rightlevel.programme.errors import Fault, Invalid
from rightlevel.programme.exercises import exercises_due
from rightlevel.programme.forms import current_form, form_version, rules_of, to_json
from rightlevel.programme.groups import GroupRow, groups_in_use, read_group
from rightlevel.programme.levels import scale_of_round
from rightlevel.programme.packs.model import (
    MOST_CHILDREN,
    MOST_DRAFTS,
    MOST_FOLLOW_UPS,
    MOST_GROUPS,
    MOST_RETESTS,
    MOST_SCHOOLS,
    Pack,
    PackChild,
    PackClass,
    PackDeeds,
    PackFollowUp,
    PackForm,
    PackGroup,
    PackMember,
    PackRetest,
    PackRung,
    PackScale,
    PackSchool,
    PackSession,
    PackTeacher,
    PackVisit,
    children_of,
)
from rightlevel.programme.permissions import SUBJECTS, Actor, may, require
from rightlevel.programme.photos import list_photos
from rightlevel.programme.progress import ClassProgress, class_progress
from rightlevel.programme.results import class_sheet, read_guided_rules
from rightlevel.programme.rounds import Round, current_round
from rightlevel.programme.scales.colours import text_on
from rightlevel.programme.schools import SchoolRow, list_schools, read_grades
from rightlevel.programme.teaching import list_sessions
from rightlevel.programme.tools import ToolSearch, list_tools
from rightlevel.programme.verification import verification_queue
from rightlevel.programme.visits import (
    Visit,
    VisitSearch,
    list_follow_ups,
    list_visits,
    read_visit,
    teachers_of_school,
)

LAST_SESSIONS = PageRequest(14)


async def read_pack(session: Session, actor: Actor, clock: Clock, school_ids: Sequence[int] = ()) -> Pack:
    """What the actor's phone may hold: of the schools that are named, else of all of theirs, as many as there is room for.

    In a session of one moment: visits and groups are listed and then read, and one that is deleted in between would be not found.
    *Errors*: Forbidden; Invalid for more than MOST_SCHOOLS. *Cost*: eight statements, two for each school and three for each group; at most
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
    deeds = PackDeeds(
        visit=may(actor, "create", "visit"),
        retest=may(actor, "verify", "result"),
        group=may(actor, "change", "group"),
        child=may(actor, "create", "student"),
    )
    drafts = await _drafts(session, actor, clock, held) if deeds.visit else []
    return Pack(
        made_at=clock.now(),
        today=today(clock),
        person_id=actor.person_id,
        display_name=actor.display_name,
        role=actor.role,
        round=round_,
        schools=[
            _school(
                each, actor, progress, await _teachers(session, actor, each, clock) if deeds.visit else []
            )
            for each in held
        ],
        children=children,
        groups=await _groups(session, actor, held, children),
        retests=await _retests(session, actor, clock, held, round_) if deeds.retest else [],
        forms=await _forms(session, drafts, clock) if deeds.visit else [],
        visits=[await _draft(session, actor, each) for each in drafts],
        grades=await read_grades(session),
        may=deeds,
        rules=await read_guided_rules(session, actor, round_id=round_.id if round_ else None),
        tools=await list_tools(session, actor, ToolSearch()),
        most_children=MOST_CHILDREN,
        left_out=left_out,
        is_cut=is_cut,
        has_own_digits=actor.has_own_digits,
        exercises_due=[str(each) for each in await exercises_due(session, actor)],
        follow_ups=await _agreed(session, actor, clock),
        scales=_scales(round_),
    )


async def _agreed(session: Session, actor: Actor, clock: Clock) -> list[PackFollowUp]:
    """What was agreed with the actor and is open, the most urgent first. *Cost*: one statement."""
    found = await list_follow_ups(session, actor, PageRequest(MOST_FOLLOW_UPS), clock, own=True)
    return [
        PackFollowUp(each.id, each.school_name, each.words, each.due_on, each.version) for each in found.items
    ]


async def _schools(
    session: Session, actor: Actor, school_ids: Sequence[int]
) -> tuple[list[SchoolRow], list[str]]:
    """The schools to hold, and the names of some for which there is no room."""
    found = (await list_schools(session, actor, PageRequest(4 * MOST_SCHOOLS))).items
    wanted = [each for each in found if not school_ids or each.id in school_ids]
    return wanted[:MOST_SCHOOLS], [each.name_local for each in wanted[MOST_SCHOOLS:]]


def _school(
    school: SchoolRow, actor: Actor, progress: list[ClassProgress], teachers: list[PackTeacher]
) -> PackSchool:
    classes = [
        PackClass(each.class_id, each.grade, each.section, each.subject)
        for each in progress
        if each.school_id == school.id
    ]
    return PackSchool(
        id=school.id,
        name=school.name_local,
        code=school.code,
        is_practice=school.is_practice,
        classes=classes,
        subjects=[str(each) for each in actor.scope.subjects(school.id)],
        teachers=teachers,
    )


async def _teachers(session: Session, actor: Actor, school: SchoolRow, clock: Clock) -> list[PackTeacher]:
    found = await teachers_of_school(session, actor, school.id, clock)
    return [PackTeacher(each.id, each.display_name) for each in found]


def _scales(round_: Round | None) -> list[PackScale]:
    if round_ is None:
        return []
    measuring = [scale_of_round(round_.id, subject) for subject in SUBJECTS]
    return [
        PackScale(
            scale.subject,
            [
                PackRung(level.rank, level.code, level.labels, level.colour, text_on(level.colour))
                for level in scale
            ],
        )
        for scale in measuring
        if scale.is_own
    ]


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


async def _groups(
    session: Session, actor: Actor, schools: Sequence[SchoolRow], children: Sequence[PackChild]
) -> list[PackGroup]:
    """The groups of these schools, those that the actor leads first. *Cost*: a statement, and two or three for each group."""
    rows = await groups_in_use(session, actor, [each.id for each in schools])
    rows.sort(key=lambda row: row.teacher_id != actor.person_id)
    blind = {
        (child.id, subject)
        for child in children
        for subject, result in child.results.items()
        if result.is_blind
    }
    return [await _group(session, actor, each, blind) for each in rows[:MOST_GROUPS]]


async def _group(session: Session, actor: Actor, group: GroupRow, blind: set[tuple[str, str]]) -> PackGroup:
    page = await read_group(session, actor, group.id)
    is_led = group.teacher_id == actor.person_id
    taught: list[PackSession] = []
    if is_led:
        sessions = await list_sessions(
            session, actor, LAST_SESSIONS, school_id=group.school_id, subject=group.subject, group_id=group.id
        )
        taught = [PackSession(each.held_on, each.version) for each in sessions.items]
    # Whose level is not told, or must not be, is not told by the group either.
    shown = [
        each
        for each in page.members
        if actor.role != "mentor" or (each.level and (each.student_id, group.subject) not in blind)
    ]
    return PackGroup(
        id=group.id,
        school_id=group.school_id,
        subject=group.subject,
        band=group.band,
        number=group.number,
        levels=list(group.levels),
        members=[PackMember(each.student_id, each.name, each.level) for each in shown],
        taught=taught,
        teacher_name=group.teacher_name,
        is_led=is_led,
        unseen=page.unseen,
    )


async def _retests(
    session: Session, actor: Actor, clock: Clock, schools: Sequence[SchoolRow], round_: Round | None
) -> list[PackRetest]:
    """Whom the actor is asked to test again at these schools. *Cost*: one statement."""
    if round_ is None:
        return []
    queue = await verification_queue(session, actor, PageRequest(MOST_RETESTS), clock, round_id=round_.id)
    reached = {each.id for each in schools}
    return [
        PackRetest(
            id=each.id,
            result_id=each.result_id,
            student_id=each.student_id,
            code=each.code,
            name=each.name,
            grade=each.grade,
            school_id=each.school_id,
            subject=each.subject,
            first_tested_on=each.first_tested_on,
            first_tool=each.first_tool,
            version=each.version,
        )
        for each in queue.items
        if each.school_id in reached
    ]


async def _drafts(session: Session, actor: Actor, clock: Clock, schools: Sequence[SchoolRow]) -> list[Visit]:
    """The actor's own visits that are not sent, the latest first. *Cost*: one statement, and one for each."""
    asked = VisitSearch(state="draft", mentor_id=actor.person_id)
    found = await list_visits(session, actor, PageRequest(MOST_DRAFTS), clock, asked)
    reached = {each.id for each in schools}
    return [
        await read_visit(session, actor, each.id)
        for each in found.items
        if each.school_id in reached and not each.is_locked
    ]


async def _draft(session: Session, actor: Actor, visit: Visit) -> PackVisit:
    return PackVisit(
        id=visit.id,
        school_id=visit.school_id,
        subject=visit.subject,
        visited_on=visit.visited_on,
        teacher_id=visit.teacher_id,
        form_version_id=visit.form_version_id,
        answers=visit.answers,
        state=visit.state,
        version=visit.version,
        photos=len(await list_photos(session, actor, visit.id)),
    )


async def _forms(session: Session, drafts: Sequence[Visit], clock: Clock) -> list[PackForm]:
    """The form in use, and what drafts were begun with. *Cost*: a statement for each version."""
    newest = await current_form(session)
    others = sorted({each.form_version_id for each in drafts} - {newest.id})
    return [
        PackForm(each.id, to_json(each.definition), rules_of(each.definition, {}, today(clock)))
        for each in [newest, *[await form_version(session, each) for each in others]]
    ]
