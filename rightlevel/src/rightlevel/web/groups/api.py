"""Groups over HTTP: propose, accept, move children; quick re-tests and what they suggest."""

from __future__ import annotations

import msgspec

from flatwater.contract import Created
from flatwater.paging import Page, PageLimit, PageRequest
from rightlevel.programme.groups import (
    CheckAnswer,
    CheckWrite,
    Grouping,
    GroupPage,
    GroupRow,
    LevelCheck,
    NewGrouping,
    SchoolGroups,
    Suggested,
    Ungrouped,
    accept_groups,
    accept_suggestion,
    change_split,
    drop_proposal,
    enter_checks,
    groups_led_by,
    list_all_checks,
    list_checks,
    list_groupings,
    list_ungrouped,
    move_child,
    propose_groups,
    read_group,
    read_groups,
    read_split,
    set_group_teacher,
    suggestions,
)
from rightlevel.programme.permissions import May, Subject
from rightlevel.web.call import (
    CLASS_BODY,
    Ask,
    ById,
    ByUuid,
    actor_of,
)
from rightlevel.web.routes import Routes

routes = Routes("groups")


class SchoolSubject(msgspec.Struct, frozen=True):
    """A school and a subject."""

    school_id: int
    subject: str


class SchoolOrSubject(msgspec.Struct, frozen=True):
    """Of which school or subject, if told."""

    school_id: int | None = None
    subject: Subject | None = None


class Version(msgspec.Struct, frozen=True):
    """Which version the sender saw."""

    version: int


class TeacherChange(msgspec.Struct, frozen=True):
    """Who leads a group from now on (null: nobody), and which version the sender saw."""

    version: int
    teacher_id: int | None = None


class Move(msgspec.Struct, frozen=True):
    """Which child goes from which group (null: from none) to which, and why."""

    student_id: str
    to_group: int
    from_group: int | None = None
    reason: str = ""


class Acceptance(msgspec.Struct, frozen=True):
    """Which suggestion is accepted: of which child and group, after which re-test."""

    group_id: int
    student_id: str
    check_id: str
    check_version: int


class Split(msgspec.Struct, frozen=True):
    """The levels that learn together, lowest first, by subject."""

    language: list[list[str]]
    math: list[list[str]]


class Checks(msgspec.Struct, frozen=True):
    """Up to 200 quick re-tests; each is answered by itself."""

    writes: list[CheckWrite]


class CheckAnswers(msgspec.Struct, frozen=True):
    """What became of each, in the order sent."""

    answers: list[CheckAnswer]


class Suggestions(msgspec.Struct, frozen=True):
    """The children for whom a change or a re-check is suggested."""

    suggestions: list[Suggested]


class MyGroups(msgspec.Struct, frozen=True):
    """The groups that the caller leads."""

    groups: list[GroupRow]


@routes.get("/api/v1/groups", May("read", "group"))
async def read_school_groups(call: Ask, *, query: SchoolSubject) -> SchoolGroups:
    """The groups of a school and subject: those in use, the proposal, and who may lead."""
    return await read_groups(call.session, actor_of(call), query.school_id, query.subject, call.clock)


@routes.get("/api/v1/me/groups", May("read", "group"))
async def read_my_groups(call: Ask) -> MyGroups:
    """The groups that the caller leads."""
    return MyGroups(await groups_led_by(call.session, actor_of(call)))


@routes.post("/api/v1/groupings", May("change", "group"), statuses={201: "proposed"})
async def propose_school_groups(call: Ask, *, body: NewGrouping) -> Created[Grouping]:
    """Proposes groups from every child's latest valid level, in place of an earlier proposal."""
    made = await propose_groups(call.session, actor_of(call), body, call.clock)
    return Created(made, f"/api/v1/groups?school_id={made.school_id}&subject={made.subject}")


@routes.get("/api/v1/groupings", May("read", "group"))
async def list_all_groupings(call: Ask, *, query: SchoolOrSubject, page: PageRequest) -> Page[Grouping]:
    """Every division of a school's children within reach, also those that were replaced, the newest first."""
    return await list_groupings(
        call.session, actor_of(call), page, school_id=query.school_id, subject=query.subject
    )


@routes.post("/api/v1/groupings/{id}/accept", May("change", "group"))
async def accept_school_groups(call: Ask, *, path: ById, body: Version) -> Grouping:
    """Puts a proposal into use, in place of the groups of the same grades."""
    return await accept_groups(call.session, actor_of(call), path.id, body.version, call.clock)


@routes.delete("/api/v1/groupings/{id}", May("change", "group"))
async def drop_school_proposal(call: Ask, *, path: ById) -> None:
    """Takes a proposal away."""
    await drop_proposal(call.session, actor_of(call), path.id)


@routes.get("/api/v1/groupings/{id}/ungrouped", May("read", "group"), page=PageLimit(50))
async def list_ungrouped_children(call: Ask, *, path: ById, page: PageRequest) -> Page[Ungrouped]:
    """Children of the grades in none of the groups: not tested yet, or come since."""
    return await list_ungrouped(call.session, actor_of(call), path.id, page)


@routes.get("/api/v1/groups/{id}", May("read", "group"))
async def read_one_group(call: Ask, *, path: ById) -> GroupPage:
    """A group with those of its children whom the caller may see."""
    return await read_group(call.session, actor_of(call), path.id)


@routes.patch("/api/v1/groups/{id}", May("change", "group"))
async def set_one_group_teacher(call: Ask, *, path: ById, body: TeacherChange) -> GroupRow:
    """Gives a group to a teacher; a stale version gets 409 with both."""
    return await set_group_teacher(
        call.session,
        actor_of(call),
        path.id,
        version=body.version,
        teacher_id=body.teacher_id,
        clock=call.clock,
    )


@routes.post("/api/v1/group-moves", May("change", "group"))
async def move_one_child(call: Ask, *, body: Move) -> GroupRow:
    """Moves one child into another group of its school, or into its first one."""
    return await move_child(
        call.session,
        actor_of(call),
        body.student_id,
        from_group=body.from_group,
        to_group=body.to_group,
        clock=call.clock,
        reason=body.reason,
    )


@routes.get("/api/v1/group-suggestions", May("read", "group"))
async def read_suggestions(call: Ask, *, query: SchoolSubject) -> Suggestions:
    """The children of a school's groups for whom a change or a re-check is suggested."""
    return Suggestions(await suggestions(call.session, actor_of(call), query.school_id, query.subject))


@routes.post("/api/v1/group-suggestions/accept", May("change", "group"))
async def accept_one_suggestion(call: Ask, *, body: Acceptance) -> GroupRow:
    """Moves one child as suggested; what is out of date by now gets 409."""
    return await accept_suggestion(
        call.session,
        actor_of(call),
        body.group_id,
        body.student_id,
        check_id=body.check_id,
        check_version=body.check_version,
        clock=call.clock,
    )


@routes.post("/api/v1/level-checks", May("check", "level"), body_bytes=CLASS_BODY)
async def enter_level_checks(call: Ask, *, body: Checks) -> CheckAnswers:
    """Saves up to 200 quick re-tests between rounds; they are no round's results and in no figure."""
    return CheckAnswers(await enter_checks(call.session, actor_of(call), body.writes, call.clock))


@routes.get("/api/v1/level-checks", May("read", "group"))
async def list_all_level_checks(call: Ask, *, query: SchoolOrSubject, page: PageRequest) -> Page[LevelCheck]:
    """Every quick re-test of the children within reach, child by child."""
    return await list_all_checks(
        call.session, actor_of(call), page, school_id=query.school_id, subject=query.subject
    )


@routes.get("/api/v1/students/{id}/level-checks", May("read", "group"))
async def list_level_checks(call: Ask, *, path: ByUuid, page: PageRequest) -> Page[LevelCheck]:
    """A child's quick re-tests, newest first."""
    return await list_checks(call.session, actor_of(call), path.id, page)


@routes.get("/api/v1/settings/group-split", May("read", "group"))
async def read_group_split(call: Ask) -> Split:
    """The levels that learn together."""
    return Split(**await read_split(call.session, actor_of(call)))


@routes.put("/api/v1/settings/group-split", May("change", "setting"))
async def change_group_split(call: Ask, *, body: Split) -> Split:
    """Another split, for groups proposed from now on."""
    return Split(**await change_split(call.session, actor_of(call), msgspec.structs.asdict(body), call.clock))
