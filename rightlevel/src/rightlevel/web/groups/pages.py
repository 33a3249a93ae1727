"""Groups: one's own, a school's, proposing and accepting them, moving children, quick re-tests; to print and to send."""

from __future__ import annotations

from typing import Any, cast

import msgspec

from flatwater.contract import Html, Raw, Redirect
from flatwater.paging import PageLimit, PageRequest
from rightlevel.programme.groups import (
    USUAL_TARGET,
    GroupRow,
    NewGrouping,
    accept_groups,
    accept_suggestion,
    drop_proposal,
    groups_led_by,
    list_ungrouped,
    move_child,
    propose_groups,
    read_group,
    read_groups,
    set_group_teacher,
    suggestions,
)
from rightlevel.programme.permissions import May, Subject
from rightlevel.programme.schools import list_years, read_grades, read_school
from rightlevel.programme.teaching import dose_of_groups, dose_of_schools
from rightlevel.web.call import Ask, ById, actor_of
from rightlevel.web.language import Language
from rightlevel.web.routes import Routes
from rightlevel.web.sent import NoFields
from rightlevel.web.templating import done, language_of, render
from rightlevel.web.words import word

routes = Routes("pages")

UNGROUPED = PageLimit(50)


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


class Version(msgspec.Struct, frozen=True):
    """Which version the person had before their eyes."""

    version: int = 0


class Leading(msgspec.Struct, frozen=True):
    """Who leads a group; empty is nobody."""

    version: int = 0
    teacher_id: int | None = None


class Moving(msgspec.Struct, frozen=True):
    """Which child goes to which group; `is_new` for one that is in none yet."""

    student_id: str = ""
    to_group: int = 0
    is_new: bool = False


class Accepting(msgspec.Struct, frozen=True):
    """Which suggestion is accepted."""

    student_id: str = ""
    check_id: str = ""
    check_version: int = 0


def group_name(language: Language, group: GroupRow) -> str:
    """A group as people call it: its levels and its number."""
    levels = " + ".join(language.gettext(word("level", code)) for code in group.levels[:2])
    more = "…" if len(group.levels) > 2 else ""
    return f"{levels}{more} · {group.number}"


def _names(call: Ask, groups: list[GroupRow]) -> dict[int, str]:
    language = language_of(call)
    return {group.id: group_name(language, group) for group in groups}


@routes.get("/groups", May("read", "group"), page=PageLimit(50))
async def groups_page(call: Ask, *, query: SubjectWanted, page: PageRequest) -> Html:
    """The groups that one leads, and one's schools with what they taught."""
    actor = actor_of(call)
    mine = await groups_led_by(call.session, actor)
    schools = await dose_of_schools(
        call.session, actor, query.subject, page, school_year_id=query.school_year_id
    )
    years = await list_years(call.session, actor, PageRequest(20))
    return render(
        call,
        "groups/list.html",
        mine=mine,
        names=_names(call, mine),
        page=schools,
        subject=query.subject,
        years=years.items,
    )


async def _school(call: Ask, school_id: int, subject: str) -> dict[str, Any]:
    actor, session = actor_of(call), call.session
    found = await read_groups(session, actor, school_id, subject, call.clock)
    return {
        "school": await read_school(session, actor, school_id),
        "subject": subject,
        "found": found,
        "names": _names(call, found.groups),
        "suggested": await suggestions(session, actor, school_id, subject),
        "dose": {each.group_id: each for each in await dose_of_groups(session, actor, school_id, subject)},
        "grades": [(each, str(each)) for each in await read_grades(session)],
        "target": USUAL_TARGET,
        "is_whole": actor.scope.covers(school_id, subject=cast("Subject", subject)),
    }


@routes.get("/schools/{id}/groups", May("read", "group"))
async def school_groups_page(call: Ask, *, path: ById, query: SubjectWanted) -> Html:
    """A school's groups in a subject: in use, proposed, and what re-tests suggest."""
    return render(call, "groups/school.html", **await _school(call, path.id, query.subject))


@routes.post("/schools/{id}/groups", May("change", "group"))
async def propose_groups_here(call: Ask, *, path: ById, query: SubjectWanted, form: Proposal) -> Redirect:
    """Proposes groups for a school."""
    new = NewGrouping(
        path.id,
        query.subject,
        form.grade_from,
        form.grade_to,
        target_size=form.target_size,
        teacher_ids=form.teacher_ids,
    )
    await propose_groups(call.session, actor_of(call), new, call.clock)
    _ = language_of(call).gettext
    return done(
        call,
        f"/schools/{path.id}/groups?subject={query.subject}",
        _("Look at the proposal, then put it into use."),
    )


@routes.post("/groupings/{id}/accept", May("change", "group"))
async def accept_groups_here(call: Ask, *, path: ById, form: Version) -> Redirect:
    """Puts a proposal into use."""
    found = await accept_groups(call.session, actor_of(call), path.id, form.version, call.clock)
    _ = language_of(call).gettext
    return done(
        call, f"/schools/{found.school_id}/groups?subject={found.subject}", _("These groups are in use now.")
    )


@routes.post("/groupings/{id}/drop", May("change", "group"))
async def drop_proposal_here(call: Ask, *, path: ById, form: NoFields) -> Redirect:
    """Takes a proposal away."""
    await drop_proposal(call.session, actor_of(call), path.id)
    return done(call, "/groups", language_of(call).gettext("The proposal is gone."))


@routes.get("/groupings/{id}/ungrouped", May("read", "group"), page=UNGROUPED)
async def ungrouped_page(call: Ask, *, path: ById, query: Ungrouping, page: PageRequest) -> Html:
    """The children of the grades that are in no group: not tested, or come since."""
    actor, subject = actor_of(call), query.subject
    children = await list_ungrouped(call.session, actor, path.id, page)
    groups: list[GroupRow] = []
    if query.school is not None and actor.scope.covers(query.school, subject=cast("Subject", subject)):
        found = await read_groups(call.session, actor, query.school, subject, call.clock)
        groups = [each for each in found.groups if each.grouping_id == path.id and each.state == "accepted"]
    names = _names(call, groups)
    return render(call, "groups/ungrouped.html", page=children, groups=list(names.items()), subject=subject)


async def group_values(call: Ask, group_id: int) -> dict[str, Any]:
    actor, session = actor_of(call), call.session
    found = await read_group(session, actor, group_id)
    group = found.group
    school = await read_groups(session, actor, group.school_id, group.subject, call.clock)
    others = [each for each in school.groups if each.state == "accepted" and each.id != group_id]
    name = group_name(language_of(call), group)
    return {
        "found": found,
        "group": group,
        "name": name,
        "school": await read_school(session, actor, group.school_id),
        "others": [(each.id, group_name(language_of(call), each)) for each in others],
        "teachers": [(each.id, each.name) for each in school.teachers],
        "is_whole": actor.scope.covers(group.school_id, subject=cast("Subject", group.subject)),
    }


@routes.get("/groups/{id}", May("read", "group"))
async def group_page(call: Ask, *, path: ById) -> Html:
    """A group: its children with their levels, who leads it."""
    return render(call, "groups/one.html", **await group_values(call, path.id))


@routes.get("/groups/{id}/print", May("read", "group"))
async def printed_group_page(call: Ask, *, path: ById) -> Html:
    """A group on one sheet of paper, with room for a week's attendance."""
    return render(call, "groups/print.html", **await group_values(call, path.id))


@routes.get("/groups/{id}/text", May("read", "group"), media=("text/plain; charset=utf-8",))
async def group_text(call: Ask, *, path: ById) -> Html | Raw:
    """A group as plain text, to send."""
    values, language = await group_values(call, path.id), language_of(call)
    lines = [
        values["school"].name_local,
        f"{language.gettext(word('subject', values['group'].subject))}: {values['name']}",
        *([values["group"].teacher_name] if values["group"].teacher_name else []),
        *(f"{number}. {each.name} ({each.grade})" for number, each in enumerate(values["found"].members, 1)),
    ]
    if values["found"].unseen:
        lines.append(language.ngettext("and {n} more child", "and {n} more children", values["found"].unseen))
    return Raw("\n".join([*lines, ""]).encode(), "text/plain; charset=utf-8")


@routes.post("/groups/{id}/teacher", May("change", "group"))
async def lead_group_here(call: Ask, *, path: ById, form: Leading) -> Redirect:
    """Gives a group to a teacher."""
    await set_group_teacher(
        call.session,
        actor_of(call),
        path.id,
        version=form.version,
        teacher_id=form.teacher_id,
        clock=call.clock,
    )
    return done(call, f"/groups/{path.id}", language_of(call).gettext("Saved."))


@routes.post("/groups/{id}/move", May("change", "group"))
async def move_child_here(call: Ask, *, path: ById, form: Moving) -> Redirect:
    """Moves one child of a group into another."""
    await move_child(
        call.session,
        actor_of(call),
        form.student_id,
        from_group=None if form.is_new else path.id,
        to_group=form.to_group,
        clock=call.clock,
    )
    return done(call, f"/groups/{path.id}", language_of(call).gettext("The child is moved."))


@routes.post("/groups/{id}/suggestion", May("change", "group"))
async def accept_suggestion_here(call: Ask, *, path: ById, form: Accepting) -> Redirect:
    """Moves one child as its re-tests suggest."""
    group = await accept_suggestion(
        call.session,
        actor_of(call),
        path.id,
        form.student_id,
        check_id=form.check_id,
        check_version=form.check_version,
        clock=call.clock,
    )
    to = f"/schools/{group.school_id}/groups?subject={group.subject}"
    return done(call, to, language_of(call).gettext("The child is moved."))
