"""Sessions and attendance of a group in one form, and what its children were taught."""

from __future__ import annotations

from datetime import date
from typing import Any, cast

import msgspec

from flatwater.clock import today
from flatwater.contract import Html, Redirect
from flatwater.paging import PageLimit, PageRequest
from rightlevel.programme.errors import ProgrammeError, Stale
from rightlevel.programme.groups import GroupPage, read_group
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
from rightlevel.web.call import CLASS_BODY, Ask, ById, ByUuid, actor_of
from rightlevel.web.groups.pages import group_name
from rightlevel.web.routes import Routes
from rightlevel.web.sent import Typed
from rightlevel.web.templating import done, language_of, render, show_again

routes = Routes("pages")

LATEST = PageRequest(10)
ACTIVITIES = PageRequest(100)
USUAL_MINUTES = 60


class Form(msgspec.Struct, frozen=True):
    """A session as the form shows it."""

    id: str
    held_on: str
    minutes: str
    activity: str = ""
    resource_id: str = ""
    version: str = ""
    reason: str = ""
    presences: dict[str, str] = {}


async def _page(call: Ask, group: GroupPage, form: Form) -> dict[str, Any]:
    actor, session = actor_of(call), call.session
    row = group.group
    asked = ResourceSearch(subject=row.subject)
    library = await list_resources(session, actor, ACTIVITIES, asked, call.clock)
    latest = await list_sessions(
        session, actor, LATEST, school_id=row.school_id, subject=row.subject, group_id=row.id
    )
    return {
        "found": group,
        "group": row,
        "name": group_name(language_of(call), row),
        "form": form,
        "presences": PRESENCES,
        "school": await read_school(session, actor, row.school_id),
        "latest": latest.items,
        "library": [(each.id, each.title) for each in library.items],
        "there": None,
        "yours": False,
    }


@routes.get("/groups/{id}/session", May("record", "teaching"))
async def session_page(call: Ask, *, path: ById) -> Html:
    """Today's session of a group: everybody is marked present, tap who is not, and save."""
    group = await read_group(call.session, actor_of(call), path.id)
    form = Form(time_ordered_id(), today(call.clock).isoformat(), str(USUAL_MINUTES))
    return render(call, "teaching/session.html", **await _page(call, group, form))


@routes.get("/teaching-sessions/{id}", May("read", "teaching"))
async def held_session_page(call: Ask, *, path: ByUuid) -> Html:
    """A session that was held, to look at and correct."""
    row, marks = await read_session(call.session, actor_of(call), path.id)
    group = await read_group(call.session, actor_of(call), row.group_id)
    form = Form(
        time_ordered_id(),
        row.held_on.isoformat(),
        str(row.minutes),
        row.activity,
        str(row.resource_id or ""),
        str(row.version),
        "",
        {mark.student_id: mark.presence for mark in marks},
    )
    return render(call, "teaching/session.html", **await _page(call, group, form))


@routes.post("/groups/{id}/session", May("record", "teaching"), body_bytes=CLASS_BODY)
async def record_session_here(call: Ask, *, path: ById, form: dict[str, list[str]]) -> Redirect:
    """Saves a session with the attendance of the whole group."""
    sent = {name: values[-1] for name, values in form.items()}
    shown = Form(
        sent.get("id", "") or time_ordered_id(),
        sent.get("held_on", ""),
        sent.get("minutes", ""),
        sent.get("activity", ""),
        sent.get("resource_id", ""),
        sent.get("version", ""),
        sent.get("reason", ""),
        {name.removeprefix("mark."): value for name, value in sent.items() if name.startswith("mark.")},
    )
    group = await read_group(call.session, actor_of(call), path.id)
    try:
        write = _write(shown, path.id)
        async with call.session.savepoint():
            answer = await record_session(call.session, actor_of(call), write, call.clock)
    except ProgrammeError as error:
        values = await _page(call, group, shown)
        if "current" in error.values:
            there = cast("dict[str, Any]", error.values["current"])
            # What is there is shown above; saving once more puts the form in its place, on purpose.
            version = str(there["version"]) if isinstance(error, Stale) else ""
            values |= {
                "there": there,
                "form": msgspec.structs.replace(shown, id=time_ordered_id(), version=version),
            }
        show_again(call, "teaching/session.html", error, **values)
    language = language_of(call)
    told = language.gettext("The session is saved.")
    lost = [each.student_id for each in answer.marks if each.code != "saved"]
    if not lost:
        return done(call, "/groups", told)
    names = [await _name_of(call, each) for each in lost]
    why = language.gettext(
        "Not kept, since the child is no longer in this group: {names}.", names=", ".join(names)
    )
    return done(call, f"/teaching-sessions/{answer.session_id}", f"{told} {why}", is_partly=True)


async def _name_of(call: Ask, student_id: str) -> str:
    """A child's name where whoever marked it may still see it."""
    try:
        return (await read_student(call.session, actor_of(call), student_id)).name
    except ProgrammeError:
        return language_of(call).gettext("a child who moved to another school")


def _write(form: Form, group_id: int) -> SessionWrite:
    """What the form says. *Errors*: Invalid for what can't be read."""
    typed = Typed()
    held_on: date = typed.day("held_on", form.held_on)
    minutes = typed.whole_or_none("minutes", form.minutes)
    resource_id = typed.whole_or_none("resource_id", form.resource_id)
    version = typed.whole_or_none("version", form.version)
    if minutes is None and not typed.faults:
        typed.needed("minutes")
    typed.check()
    marks = [Mark(student_id, presence) for student_id, presence in form.presences.items() if presence]
    return SessionWrite(
        form.id, group_id, held_on, minutes or 0, form.activity, resource_id, marks, version, form.reason
    )


@routes.get("/groups/{id}/dose", May("read", "teaching"), page=PageLimit(50))
async def dose_page(call: Ask, *, path: ById, page: PageRequest) -> Html:
    """What each child of a group was taught this year, beside how it moved."""
    actor = actor_of(call)
    group = (await read_group(call.session, actor, path.id)).group
    sessions = await list_sessions(
        call.session, actor, LATEST, school_id=group.school_id, subject=group.subject, group_id=group.id
    )
    return render(
        call,
        "teaching/dose.html",
        group=group,
        name=group_name(language_of(call), group),
        latest=sessions.items,
        page=await dose_of_children(call.session, actor, path.id, page),
        school=await read_school(call.session, actor, group.school_id),
    )
