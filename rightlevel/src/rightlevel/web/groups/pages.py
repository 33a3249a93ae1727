"""The pages of groups: one's own, a school's, those in none, one group; to print and to send."""

from __future__ import annotations

from typing import Any, cast

import msgspec

from flatwater.clock import Clock
from flatwater.contract import Html, Raw, Redirect
from flatwater.paging import PageLimit, PageRequest
from flatwater.transaction import Session
from rightlevel.programme.groups import (
    USUAL_TARGET,
    GroupRow,
    NewGrouping,
    groups_led_by,
    list_ungrouped,
    move_child,
    propose_groups,
    read_group,
    read_groups,
    suggestions,
)
from rightlevel.programme.permissions import Actor, May, Subject
from rightlevel.programme.resources import Resource, ResourceSearch, list_resources
from rightlevel.programme.schools import list_years, read_grades, read_school
from rightlevel.programme.teaching import dose_of_groups, dose_of_schools
from rightlevel.web.feature import Deeds
from rightlevel.web.language import N_, Language
from rightlevel.web.request import ById, Request, actor_of
from rightlevel.web.templating import done, language_of, render
from rightlevel.web.words import level_name, word

routes = Deeds("pages", "group")
NEXT = PageRequest(5)
"""Activities that are proposed for a group: what fits its first level first."""


class SubjectWanted(msgspec.Struct, frozen=True):
    """In which subject; reading when nobody says. And what was taught in which school year: the current one."""

    subject: str = "language"
    school_year_id: int | None = None


class Ungrouping(msgspec.Struct, frozen=True):
    """Of which school and subject, so that the children can be put into a group."""

    subject: str = "language"
    school: int | None = None


class Proposal(msgspec.Struct, frozen=True):
    """What the form for groups sends."""

    grade_from: int
    grade_to: int
    target_size: int
    teacher_ids: list[int] = []


class Moving(msgspec.Struct, frozen=True):
    """Which child goes to which group; `is_new` for one that is in none yet."""

    student_id: str
    to_group: int
    is_new: bool = False


def group_name(language: Language, group: GroupRow) -> str:
    """A group as people call it: its levels and its number."""
    levels = " + ".join(level_name(language, code) for code in group.levels[:2])
    more = "…" if len(group.levels) > 2 else ""
    return f"{levels}{more} · {group.number}"


def _names(request: Request, groups: list[GroupRow]) -> dict[int, str]:
    language = language_of(request)
    return {group.id: group_name(language, group) for group in groups}


@routes.get("/groups", May("read", "group"), page=PageLimit(50))
async def groups_page(request: Request, *, query: SubjectWanted, page: PageRequest) -> Html:
    """The groups that one leads, and one's schools with what they taught."""
    actor = actor_of(request)
    mine = await groups_led_by(request.session, actor)
    schools = await dose_of_schools(
        request.session, actor, query.subject, page, school_year_id=query.school_year_id
    )
    return render(
        request,
        "groups/list.html",
        mine=mine,
        names=_names(request, mine),
        page=schools,
        subject=query.subject,
        years=(await list_years(request.session, actor, PageRequest(20))).items,
    )


@routes.get("/schools/{id}/groups", May("read", "group"))
async def school_groups_page(request: Request, *, path: ById, query: SubjectWanted) -> Html:
    """A school's groups in a subject: in use, proposed, and what re-tests suggest."""
    actor, session, subject = actor_of(request), request.session, query.subject
    found = await read_groups(session, actor, path.id, subject, request.clock)
    return render(
        request,
        "groups/school.html",
        school=await read_school(session, actor, path.id),
        subject=subject,
        found=found,
        names=_names(request, found.groups),
        suggested=await suggestions(session, actor, path.id, subject),
        dose={each.group_id: each for each in await dose_of_groups(session, actor, path.id, subject)},
        grades=[(each, str(each)) for each in await read_grades(session)],
        target=USUAL_TARGET,
        is_whole=actor.scope.covers(path.id, subject=cast("Subject", subject)),
    )


@routes.post("/schools/{id}/groups", May("change", "group"))
async def post_propose_groups(
    request: Request, *, path: ById, query: SubjectWanted, form: Proposal
) -> Redirect:
    """Proposes groups for a school."""
    new = NewGrouping(path.id, query.subject, **msgspec.structs.asdict(form))
    await propose_groups(request.session, actor_of(request), new, request.clock)
    to = f"/schools/{path.id}/groups?subject={query.subject}"
    return done(request, to, N_("Look at the proposal, then put it into use."))


@routes.get("/groupings/{id}/ungrouped", May("read", "group"), page=PageLimit(50))
async def ungrouped_page(request: Request, *, path: ById, query: Ungrouping, page: PageRequest) -> Html:
    """The children of the grades that are in no group: not tested, or come since."""
    actor, subject = actor_of(request), query.subject
    children = await list_ungrouped(request.session, actor, path.id, page)
    groups: list[GroupRow] = []
    if query.school is not None and actor.scope.covers(query.school, subject=cast("Subject", subject)):
        found = await read_groups(request.session, actor, query.school, subject, request.clock)
        groups = [each for each in found.groups if each.grouping_id == path.id and each.state == "accepted"]
    named = list(_names(request, groups).items())
    return render(request, "groups/ungrouped.html", page=children, groups=named, subject=subject)


async def group_values(request: Request, group_id: int) -> dict[str, Any]:
    """What the pages of one group show: it, its school, its children, and whom it may be led by or exchange children with."""
    actor, session, language = actor_of(request), request.session, language_of(request)
    found = await read_group(session, actor, group_id)
    group = found.group
    school = await read_groups(session, actor, group.school_id, group.subject, request.clock)
    others = [each for each in school.groups if each.state == "accepted" and each.id != group_id]
    return {
        "found": found,
        "group": group,
        "name": group_name(language, group),
        "school": await read_school(session, actor, group.school_id),
        "others": [(each.id, group_name(language, each)) for each in others],
        "teachers": [(each.id, each.name) for each in school.teachers],
        "is_whole": actor.scope.covers(group.school_id, subject=cast("Subject", group.subject)),
    }


@routes.get("/groups/{id}", May("read", "group"))
async def group_page(request: Request, *, path: ById) -> Html:
    """A group: its children with their levels, what to do with them next, who leads it."""
    values = await group_values(request, path.id)
    return render(request, "groups/one.html", **values, activities=await _next(request, values["group"]))


async def _next(request: Request, group: GroupRow) -> list[Resource]:
    """What the library has for a group's levels, those of its first two; at most `NEXT` in all."""
    found: dict[int, Resource] = {}
    for level in group.levels[:2]:
        asked = ResourceSearch(subject=group.subject, level=level)
        page = await list_resources(request.session, actor_of(request), NEXT, asked, request.clock)
        found |= {each.id: each for each in page.items if each.id not in found}
    return list(found.values())[: NEXT.limit]


@routes.get("/groups/{id}/print", May("read", "group"))
async def printed_group_page(request: Request, *, path: ById) -> Html:
    """A group on one sheet of paper, with room for a week's attendance."""
    return render(request, "groups/print.html", **await group_values(request, path.id))


@routes.get("/groups/{id}/text", May("read", "group"), media=("text/plain; charset=utf-8",))
async def group_text(request: Request, *, path: ById) -> Html | Raw:
    """A group as plain text, to send."""
    values, language = await group_values(request, path.id), language_of(request)
    group: GroupRow = values["group"]
    lines = [
        values["school"].name_local,
        f"{language.gettext(word('subject', group.subject))}: {values['name']}",
        *([group.teacher_name] if group.teacher_name else []),
        *(f"{number}. {each.name} ({each.grade})" for number, each in enumerate(values["found"].members, 1)),
    ]
    if values["found"].unseen:
        lines.append(language.ngettext("and {n} more child", "and {n} more children", values["found"].unseen))
    return Raw("\n".join([*lines, ""]).encode(), "text/plain; charset=utf-8")


async def _move(session: Session, actor: Actor, group_id: int, move: Moving, clock: Clock) -> GroupRow:
    """Moves one child of a group into another."""
    return await move_child(
        session,
        actor,
        move.student_id,
        from_group=None if move.is_new else group_id,
        to_group=move.to_group,
        clock=clock,
    )


routes.sends(
    "post_move_child",
    "/groups/{id}/move",
    _move,
    Moving,
    then="/groups/{path.id}",
    word=N_("The child is moved."),
)
