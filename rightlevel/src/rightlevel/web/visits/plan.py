"""A mentor's week: schools by how much a visit is called for, the plan, the calendar, follow-up actions, and what mentors left behind."""

from __future__ import annotations

from typing import Any

import msgspec

from flatwater.clock import today
from flatwater.contract import Everyone, Html, Raw, Redirect
from flatwater.paging import PageLimit, PageRequest
from flatwater.rate_limit import RateClass
from rightlevel.programme.accounts import list_people
from rightlevel.programme.errors import NotFound
from rightlevel.programme.permissions import May, may
from rightlevel.programme.time_zone import learn_time_zone
from rightlevel.programme.visits import (
    HandOver,
    calendar_of,
    hand_over_planned_visit,
    hand_over_visit,
    list_calendar_links,
    list_follow_ups,
    list_left_behind,
    list_planned_visits,
    make_calendar_link,
    mentors_of_school,
    rank_next_week,
    read_calendar,
)
from rightlevel.programme.visits.planning import LEADERS
from rightlevel.web.feature import SAVED
from rightlevel.web.language import choose_language, languages_in
from rightlevel.web.request import Request, actor_of
from rightlevel.web.routes import Routes
from rightlevel.web.sent import NoFields
from rightlevel.web.templating import done, render, render_once
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


class AgreedWanted(msgspec.Struct, frozen=True):
    """Which are shown."""

    which: str = "open"


class BySecret(msgspec.Struct, frozen=True):
    """A calendar's address."""

    secret: str


@routes.get("/next-week", May("read", "planned_visit"), page=PLANNED)
async def next_week_page(request: Request, *, query: WeekWanted, page: PageRequest) -> Html:
    """Where to go next and why, what is planned, and the calendar."""
    return render(request, "visits/week.html", **await _week(request, query, page))


async def _week(request: Request, query: WeekWanted, page: PageRequest) -> dict[str, Any]:
    actor = actor_of(request)
    week = await rank_next_week(request.session, actor, request.clock, mentor_id=query.mentor_id)
    planned = await list_planned_visits(
        request.session,
        actor,
        page,
        request.clock,
        mentor_id=week.mentor_id if not actor.scope.is_everything else query.mentor_id,
    )
    links = await list_calendar_links(request.session, actor, request.clock)
    left = (
        await list_left_behind(request.session, actor, LEFT, request.clock)
        if may(actor, "plan", "visit")
        else None
    )
    more = "+" if left and left.next else ""
    count = f"{len(left.items)}{more}" if left and left.items else ""
    # Whoever leads has no schools of their own: they look at the week of one mentor.
    mentors = None
    if actor.scope.is_everything:
        people = await list_people(request.session, actor, MENTORS, role="mentor")
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


@routes.get("/follow-ups", May("read", "follow_up"))
async def follow_ups_page(request: Request, *, query: AgreedWanted, page: PageRequest) -> Html:
    """Follow-up actions at visits, the most urgent first."""
    which = query.which if query.which in ("open", "overdue", "closed") else "open"
    found = await list_follow_ups(request.session, actor_of(request), page, request.clock, which=which)
    return render(request, "visits/follow_ups.html", page=found, which=which, today=today(request.clock))


@routes.post("/next-week/calendar", May("read", "planned_visit"))
async def post_make_calendar(request: Request, *, form: NoFields) -> Html:
    """Makes a calendar link, and shows it this once."""
    values = await _week(request, WeekWanted(), PageRequest(50))
    values["made"] = await make_calendar_link(request.session, actor_of(request), request.clock)
    return render_once(request, "visits/week.html", **values)


@routes.get(
    "/calendar/{secret}",
    Everyone(),
    rate=CALENDARS,
    tags=("service",),
    media=("text/calendar; charset=utf-8",),
)
async def calendar_feed(request: Request, *, path: BySecret) -> Raw:
    """The planned visits of whoever made this secret address, for their calendar program."""
    await learn_time_zone(request.session, request.app.clock)
    shown = await read_calendar(request.session, path.secret.removesuffix(".ics"), request.clock)
    language = choose_language(shown.language, None, "", languages_in(request.app.languages))
    subjects = {each: language.gettext(word("subject", each)) for each in ("language", "math")}
    content = calendar_of(shown.visits, title=language.gettext("Visits"), subjects=subjects)
    return Raw(content, "text/calendar; charset=utf-8")


class WhatAndWhich(msgspec.Struct, frozen=True):
    """A draft (`visit`) or a plan (`planned_visit`)."""

    kind: str
    id: str


class HandOverForm(msgspec.Struct, frozen=True):
    """To whom it goes; oneself when nobody is chosen."""

    version: int = 0
    mentor_id: int | None = None


@routes.get("/left-behind", May("plan", "visit"), page=PageLimit(20))
async def left_behind_page(request: Request, *, page: PageRequest) -> Html:
    """Drafts and plans whose mentor lost the school or left."""
    actor = actor_of(request)
    found = await list_left_behind(request.session, actor, page, request.clock)
    is_leader = actor.role in LEADERS
    places = {(each.school_id, each.subject) for each in found.items} if is_leader else set[tuple[int, str]]()
    mentors = {
        place: [
            (each.id, each.display_name)
            for each in await mentors_of_school(request.session, actor, *place, request.clock)
        ]
        for place in sorted(places)
    }
    return render(request, "visits/left_behind.html", page=found, mentors=mentors, is_leader=is_leader)


@routes.post("/left-behind/{kind}/{id}", May("plan", "visit"))
async def post_hand_over(request: Request, *, path: WhatAndWhich, form: HandOverForm) -> Redirect:
    """Hands a draft or a plan over, or takes it over."""
    deed = {"visit": hand_over_visit, "planned_visit": hand_over_planned_visit}.get(path.kind)
    if deed is None:
        raise NotFound
    await deed(
        request.session, actor_of(request), path.id, HandOver(form.version, form.mentor_id), request.clock
    )
    return done(request, "/left-behind", SAVED)
