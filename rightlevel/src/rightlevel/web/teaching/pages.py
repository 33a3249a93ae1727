"""Sessions and attendance of a group in one form, and what its children were taught."""

from __future__ import annotations

from datetime import date
from typing import Any

import msgspec

from flatwater.clock import today
from flatwater.contract import Html, Redirect
from flatwater.paging import PageLimit, PageRequest
from rightlevel.programme.errors import ProgrammeError, Stale
from rightlevel.programme.groups import read_group
from rightlevel.programme.ids import time_ordered_id
from rightlevel.programme.permissions import May
from rightlevel.programme.resources import ResourceSearch, list_resources
from rightlevel.programme.schools import read_school
from rightlevel.programme.students import read_student
from rightlevel.programme.teaching import (
    PRESENCES,
    Mark,
    SessionWrite,
    dose_of_children,
    list_sessions,
    read_session,
    record_session,
)
from rightlevel.web.groups.pages import group_name
from rightlevel.web.request import CLASS_BODY, ById, ByUuid, Request, actor_of
from rightlevel.web.routes import Routes
from rightlevel.web.templating import done, language_of, refused, render

routes = Routes("pages")

LATEST = PageRequest(10)
ACTIVITIES = PageRequest(100)
USUAL_MINUTES = 60


class SessionForm(msgspec.Struct, frozen=True):
    """A session as its form sends it; each child's presence comes beside, as `mark.<id>`."""

    held_on: date
    minutes: int
    id: str = ""
    activity: str = ""
    resource_id: int | None = None
    version: int | None = None
    reason: str = ""


async def _page(request: Request, group_id: int, form: SessionForm, presences: dict[str, str]) -> Html:
    """A session's form. Where it was refused for one that stands there, that one is told, and saving once more puts the form in its place."""
    actor, session, refusal = actor_of(request), request.session, refused.get()
    group = await read_group(session, actor, group_id)
    row = group.group
    there: dict[str, Any] | None = refusal.values.get("current") if refusal is not None else None
    if there is not None and isinstance(refusal, Stale):
        form = msgspec.structs.replace(form, version=there["version"])
    library = await list_resources(
        session, actor, ACTIVITIES, ResourceSearch(subject=row.subject), request.clock
    )
    latest = await list_sessions(
        session, actor, LATEST, school_id=row.school_id, subject=row.subject, group_id=row.id
    )
    return render(
        request,
        "teaching/session.html",
        found=group,
        group=row,
        name=group_name(language_of(request), row),
        form=form,
        marked=presences,
        presences=PRESENCES,
        school=await read_school(session, actor, row.school_id),
        latest=latest.items,
        library=[(each.id, each.title) for each in library.items],
        there=there,
    )


@routes.get("/groups/{id}/session", May("record", "teaching"))
async def session_page(request: Request, *, path: ById) -> Html:
    """Today's session of a group: everybody is marked present, tap who is not, and save."""
    form = SessionForm(today(request.clock), USUAL_MINUTES, time_ordered_id())
    return await _page(request, path.id, form, {})


@routes.get("/teaching-sessions/{id}", May("read", "teaching"))
async def held_session_page(request: Request, *, path: ByUuid) -> Html:
    """A session that was held, to look at and correct."""
    row, marks = await read_session(request.session, actor_of(request), path.id)
    form = SessionForm(
        row.held_on, row.minutes, time_ordered_id(), row.activity, row.resource_id, version=row.version
    )
    return await _page(request, row.group_id, form, {mark.student_id: mark.presence for mark in marks})


@routes.post("/groups/{id}/session", May("record", "teaching"), body_bytes=CLASS_BODY)
async def post_record_session(request: Request, *, path: ById, form: SessionForm) -> Redirect:
    """Saves a session with the attendance of the whole group."""
    marks = [
        Mark(name.removeprefix("mark."), values[-1])
        for name, values in request.sent.fields.items()
        if name.startswith("mark.") and values[-1]
    ]
    write = SessionWrite(
        form.id or time_ordered_id(),
        path.id,
        form.held_on,
        form.minutes,
        form.activity,
        resource_id=form.resource_id,
        marks=marks,
        version=form.version,
        reason=form.reason,
    )
    answer = await record_session(request.session, actor_of(request), write, request.clock)
    language = language_of(request)
    told = language.gettext("The session is saved.")
    lost = [each.student_id for each in answer.marks if each.code != "saved"]
    if not lost:
        return done(request, "/groups", told)
    names = [await _name_of(request, each) for each in lost]
    why = language.gettext(
        "Not kept, since the child is no longer in this group: {names}.", names=", ".join(names)
    )
    return done(request, f"/teaching-sessions/{answer.session_id}", f"{told} {why}", is_partly=True)


async def _name_of(request: Request, student_id: str) -> str:
    """A child's name where whoever marked it may still see it."""
    try:
        return (await read_student(request.session, actor_of(request), student_id)).name
    except ProgrammeError:
        return language_of(request).gettext("a child who moved to another school")


@routes.get("/groups/{id}/dose", May("read", "teaching"), page=PageLimit(50))
async def dose_page(request: Request, *, path: ById, page: PageRequest) -> Html:
    """What each child of a group was taught this year, beside how it moved."""
    actor = actor_of(request)
    group = (await read_group(request.session, actor, path.id)).group
    sessions = await list_sessions(
        request.session, actor, LATEST, school_id=group.school_id, subject=group.subject, group_id=group.id
    )
    return render(
        request,
        "teaching/dose.html",
        group=group,
        name=group_name(language_of(request), group),
        latest=sessions.items,
        page=await dose_of_children(request.session, actor, path.id, page),
        school=await read_school(request.session, actor, group.school_id),
    )
