"""What mentors left behind: drafts and plans at schools that are not theirs any more."""

from __future__ import annotations

from typing import Any

import msgspec

from flatwater.contract import Html, Redirect
from flatwater.paging import PageLimit, PageRequest
from rightlevel.programme.errors import NotFound
from rightlevel.programme.permissions import May
from rightlevel.programme.visits import (
    HandOver,
    hand_over_planned_visit,
    hand_over_visit,
    list_left_behind,
    mentors_of_school,
)
from rightlevel.programme.visits.planning import LEADERS
from rightlevel.web.call import Ask, actor_of
from rightlevel.web.routes import Routes
from rightlevel.web.templating import done, language_of, render

routes = Routes("pages")
SHOWN = PageLimit(20)


class WhatAndWhich(msgspec.Struct, frozen=True):
    """A draft (`visit`) or a plan (`planned_visit`)."""

    kind: str
    id: str


class HandOverForm(msgspec.Struct, frozen=True):
    """To whom it goes; oneself when nobody is chosen."""

    version: int = 0
    mentor_id: int | None = None


@routes.get("/left-behind", May("plan", "visit"), page=SHOWN)
async def left_behind_page(call: Ask, *, page: PageRequest) -> Html:
    """Drafts and plans whose mentor lost the school or left."""
    return render(call, "visits/left_behind.html", **await _left(call, page))


async def _left(call: Ask, page: PageRequest) -> dict[str, Any]:
    actor = actor_of(call)
    found = await list_left_behind(call.session, actor, page, call.clock)
    is_leader = actor.role in LEADERS
    places = {(each.school_id, each.subject) for each in found.items} if is_leader else set[tuple[int, str]]()
    mentors = {
        place: [
            (each.id, each.display_name)
            for each in await mentors_of_school(call.session, actor, *place, call.clock)
        ]
        for place in sorted(places)
    }
    return {"page": found, "mentors": mentors, "is_leader": is_leader}


@routes.post("/left-behind/{kind}/{id}", May("plan", "visit"))
async def hand_over_here(call: Ask, *, path: WhatAndWhich, form: HandOverForm) -> Redirect:
    """Hands a draft or a plan over, or takes it over."""
    deed = {"visit": hand_over_visit, "planned_visit": hand_over_planned_visit}.get(path.kind)
    if deed is None:
        raise NotFound
    await deed(call.session, actor_of(call), path.id, HandOver(form.version, form.mentor_id), call.clock)
    return done(call, "/left-behind", language_of(call).gettext("Saved."))
