"""A mentor's week: schools by how much a visit is called for, the plan, the calendar, and follow-up actions."""

from __future__ import annotations

from datetime import date
from typing import Any

import msgspec

from flatwater.clock import today
from flatwater.contract import Everyone, Html, Raw, Redirect
from flatwater.paging import PageLimit, PageRequest
from flatwater.rate_limit import RateClass
from rightlevel.programme.accounts import list_people
from rightlevel.programme.ids import time_ordered_id
from rightlevel.programme.permissions import May, may
from rightlevel.programme.time_zone import learn_time_zone
from rightlevel.programme.visits import (
    NewFollowUp,
    NewPlannedVisit,
    calendar_of,
    cancel_planned_visit,
    close_follow_up,
    list_calendar_links,
    list_follow_ups,
    list_left_behind,
    list_planned_visits,
    make_calendar_link,
    plan_visit,
    raise_follow_up,
    rank_next_week,
    read_calendar,
    revoke_calendar_link,
)
from rightlevel.web.call import Ask, ByUuid, actor_of
from rightlevel.web.language import LANGUAGES
from rightlevel.web.pages.forms import NoFields, Reason
from rightlevel.web.routes import Routes
from rightlevel.web.templating import done, language_of, render, render_once
from rightlevel.web.words import word

routes = Routes("pages")

CALENDARS = RateClass("calendars", per_s=1, burst=60)
"""Calendar programs ask a few times a day; a school's shared address holds many phones."""
PLANNED = PageLimit(50)
LEFT = PageRequest(20)
MENTORS = PageRequest(200)


class WeekWanted(msgspec.Struct, frozen=True):
    """Whose week; one's own if not told."""

    mentor_id: int | None = None


class PlanForm(msgspec.Struct, frozen=True):
    """A visit to plan."""

    school_id: int
    planned_on: date
    subject: str = ""
    mentor_id: int | None = None


class AgreedForm(msgspec.Struct, frozen=True):
    """Follow-up actions."""

    due_on: date
    owner_id: int = 0
    words: str = ""


class EndForm(msgspec.Struct, frozen=True):
    """How it ended."""

    version: int
    state: str = "done"
    words: str = ""


class AgreedWanted(msgspec.Struct, frozen=True):
    """Which are shown."""

    which: str = "open"


class BySecret(msgspec.Struct, frozen=True):
    """A calendar's address."""

    secret: str


@routes.get("/next-week", May("read", "planned_visit"), page=PLANNED)
async def next_week_page(call: Ask, *, query: WeekWanted, page: PageRequest) -> Html:
    """Where to go next and why, what is planned, and the calendar."""
    return render(call, "visits/week.html", **await _week(call, query, page))


async def _week(call: Ask, query: WeekWanted, page: PageRequest) -> dict[str, Any]:
    actor = actor_of(call)
    week = await rank_next_week(call.session, actor, call.clock, mentor_id=query.mentor_id)
    planned = await list_planned_visits(
        call.session,
        actor,
        page,
        call.clock,
        mentor_id=week.mentor_id if not actor.scope.is_everything else query.mentor_id,
    )
    links = await list_calendar_links(call.session, actor, call.clock)
    left = (
        await list_left_behind(call.session, actor, LEFT, call.clock) if may(actor, "plan", "visit") else None
    )
    more = "+" if left and left.next else ""
    count = f"{len(left.items)}{more}" if left and left.items else ""
    # Whoever leads has no schools of their own: they look at the week of one mentor.
    mentors = None
    if actor.scope.is_everything:
        people = await list_people(call.session, actor, MENTORS, role="mentor")
        mentors = [(each.id, each.display_name) for each in people.items if each.is_active]
    return {
        "mentors": mentors,
        "week": week,
        "page": planned,
        "links": links,
        "query": query,
        "made": None,
        "left": count,
    }


@routes.post("/next-week/plan", May("plan", "visit"))
async def plan_visit_here(call: Ask, *, form: PlanForm) -> Redirect:
    """Plans a visit."""
    new = NewPlannedVisit(time_ordered_id(), form.school_id, form.subject, form.planned_on, form.mentor_id)
    await plan_visit(call.session, actor_of(call), new, call.clock)
    return done(call, "/next-week", language_of(call).gettext("Saved."))


@routes.post("/planned-visits/{id}/cancel", May("plan", "visit"))
async def cancel_planned_here(call: Ask, *, path: ByUuid, form: Reason) -> Redirect:
    """Cancels a planned visit."""
    await cancel_planned_visit(
        call.session, actor_of(call), path.id, reason=form.reason, version=form.version, clock=call.clock
    )
    return done(call, "/next-week", language_of(call).gettext("Saved."))


@routes.get("/follow-ups", May("read", "follow_up"))
async def follow_ups_page(call: Ask, *, query: AgreedWanted, page: PageRequest) -> Html:
    """Follow-up actions at visits, the most urgent first."""
    which = query.which if query.which in ("open", "overdue", "closed") else "open"
    found = await list_follow_ups(call.session, actor_of(call), page, call.clock, which=which)
    return render(call, "visits/follow_ups.html", page=found, which=which, today=today(call.clock))


@routes.post("/visits/{id}/follow-ups", May("raise", "follow_up"))
async def raise_follow_up_here(call: Ask, *, path: ByUuid, form: AgreedForm) -> Redirect:
    """Keeps a follow-up action of a visit."""
    new = NewFollowUp(time_ordered_id(), form.owner_id, form.due_on, form.words)
    await raise_follow_up(call.session, actor_of(call), path.id, new, call.clock)
    return done(call, f"/visits/{path.id}", language_of(call).gettext("Saved."))


@routes.post("/follow-ups/{id}/close", May("settle", "follow_up"))
async def close_follow_up_here(call: Ask, *, path: ByUuid, form: EndForm) -> Redirect:
    """Ends a follow-up action."""
    await close_follow_up(
        call.session,
        actor_of(call),
        path.id,
        state=form.state,
        words=form.words,
        version=form.version,
        clock=call.clock,
    )
    return done(call, "/follow-ups", language_of(call).gettext("Saved."))


@routes.post("/next-week/calendar", May("read", "planned_visit"))
async def make_calendar_here(call: Ask, *, form: NoFields) -> Html:
    """Makes a calendar link, and shows it this once."""
    values = await _week(call, WeekWanted(), PageRequest(50))
    values["made"] = await make_calendar_link(call.session, actor_of(call), call.clock)
    return render_once(call, "visits/week.html", **values)


@routes.post("/calendar-links/{id}/revoke", May("read", "planned_visit"))
async def revoke_calendar_here(call: Ask, *, path: ByUuid, form: NoFields) -> Redirect:
    """Ends a calendar link."""
    await revoke_calendar_link(call.session, actor_of(call), path.id, call.clock)
    return done(call, "/next-week", language_of(call).gettext("Saved."))


@routes.get(
    "/calendar/{secret}",
    Everyone(),
    rate=CALENDARS,
    tags=("service",),
    media=("text/calendar; charset=utf-8",),
)
async def calendar_feed(call: Ask, *, path: BySecret) -> Raw:
    """The planned visits of whoever made this secret address, for their calendar program."""
    await learn_time_zone(call.session, call.app.clock)
    shown = await read_calendar(call.session, path.secret.removesuffix(".ics"), call.clock)
    language = LANGUAGES.get(shown.language, LANGUAGES["en"])
    subjects = {each: language.gettext(word("subject", each)) for each in ("language", "math")}
    content = calendar_of(shown.visits, title=language.gettext("Visits"), subjects=subjects)
    return Raw(content, "text/calendar; charset=utf-8")
