"""Groups: proposed, accepted, children moved; quick re-tests and what they suggest."""

from __future__ import annotations

import msgspec

from flatwater.paging import PageLimit
from rightlevel.programme import groups
from rightlevel.programme.permissions import May
from rightlevel.web.feature import Deeds, Filters
from rightlevel.web.groups import checks, pages
from rightlevel.web.language import N_
from rightlevel.web.request import CLASS_BODY, AtVersion, Request, actor_of


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


class AcceptanceHere(msgspec.Struct, frozen=True):
    """Which suggestion is accepted: of which child, after which re-test."""

    student_id: str
    check_id: str
    check_version: int


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

    writes: list[groups.CheckWrite]


class CheckAnswers(msgspec.Struct, frozen=True):
    """What became of each, in the order sent."""

    answers: list[groups.CheckAnswer]


class Suggestions(msgspec.Struct, frozen=True):
    """The children for whom a change or a re-check is suggested."""

    suggestions: list[groups.Suggested]


class MyGroups(msgspec.Struct, frozen=True):
    """The groups that the caller leads."""

    groups: list[groups.GroupRow]


routes = Deeds("groups", "group")
routes.answers("read_school_groups", "GET /api/v1/groups", groups.read_groups, Filters)
routes.answers(
    "read_my_groups",
    "GET /api/v1/me/groups",
    groups.groups_led_by,
    gives=MyGroups,
    says="The groups that the caller leads.",
)
routes.answers(
    "propose_school_groups",
    "POST /api/v1/groupings",
    groups.propose_groups,
    groups.NewGrouping,
    made="/api/v1/groups?school_id={made.school_id}&subject={made.subject}",
    made_is="proposed",
    says="Proposes groups from every child's latest valid level, in place of an earlier proposal.",
)
routes.answers("list_all_groupings", "GET /api/v1/groupings", groups.list_groupings, Filters)
routes.does(
    groups.accept_groups,
    AtVersion,
    json=("accept_school_groups", "POST /api/v1/groupings/{id}/accept"),
    html=("post_accept_groups", "/groupings/{id}/accept"),
    then="/schools/{made.school_id}/groups?subject={made.subject}",
    word=N_("These groups are in use now."),
    says="Puts a proposal into use, in place of the groups of the same grades.",
)
routes.does(
    groups.drop_proposal,
    json=("drop_school_proposal", "DELETE /api/v1/groupings/{id}"),
    html=("post_drop_proposal", "/groupings/{id}/drop"),
    may="change",
    then="/groups",
    word=N_("The proposal is gone."),
)
routes.answers(
    "list_ungrouped_children",
    "GET /api/v1/groupings/{id}/ungrouped",
    groups.list_ungrouped,
    page=PageLimit(50),
)
routes.answers("read_one_group", "GET /api/v1/groups/{id}", groups.read_group)
routes.does(
    groups.set_group_teacher,
    TeacherChange,
    json=("set_one_group_teacher", "PATCH /api/v1/groups/{id}"),
    html=("post_lead_group", "/groups/{id}/teacher"),
    then="/groups/{path.id}",
    says="Gives a group to a teacher; a stale version gets 409 with both.",
)
routes.answers("move_one_child", "POST /api/v1/group-moves", groups.move_child, Move)
routes.answers(
    "read_suggestions", "GET /api/v1/group-suggestions", groups.suggestions, Filters, gives=Suggestions
)
routes.does(
    groups.accept_suggestion,
    Acceptance,
    json=("accept_one_suggestion", "POST /api/v1/group-suggestions/accept"),
    html=("post_accept_suggestion", "/groups/{id}/suggestion"),
    form=AcceptanceHere,
    then="/schools/{made.school_id}/groups?subject={made.subject}",
    word=N_("The child is moved."),
    says="Moves one child as suggested; what is out of date by now gets 409.",
)
routes.answers(
    "enter_level_checks",
    "POST /api/v1/level-checks",
    groups.enter_checks,
    Checks,
    may=May("check", "level"),
    gives=CheckAnswers,
    body_bytes=CLASS_BODY,
    says="Saves up to 200 quick re-tests between rounds; they are no round's results and in no figure.",
)
routes.answers(
    "list_all_level_checks",
    "GET /api/v1/level-checks",
    groups.list_all_checks,
    Filters,
    says="Every quick re-test of the children within reach, child by child.",
)
routes.answers(
    "list_level_checks",
    "GET /api/v1/students/{id}/level-checks",
    groups.list_checks,
    says="A child's quick re-tests, newest first.",
)


@routes.get("/api/v1/settings/group-split", May("read", "group"))
async def read_group_split(request: Request) -> Split:
    """The levels that learn together."""
    return Split(**await groups.read_split(request.session, actor_of(request)))


@routes.put("/api/v1/settings/group-split", May("change", "setting"))
async def change_group_split(request: Request, *, body: Split) -> Split:
    """Another split, for groups proposed from now on."""
    split = msgspec.structs.asdict(body)
    return Split(**await groups.change_split(request.session, actor_of(request), split, request.clock))


for each in (pages.routes, checks.routes):
    routes.include(each)
