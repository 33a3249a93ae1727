"""Rounds: plan, open, close, open again."""

from __future__ import annotations

from typing import Any

import msgspec

from flatwater.contract import Html
from flatwater.paging import CEILING_ROWS, PageLimit, PageRequest
from rightlevel.programme.forecasts import Forecast, WhyNot, read_forecast
from rightlevel.programme.levels import FIRST_KEYS
from rightlevel.programme.permissions import SUBJECTS, May, allowed
from rightlevel.programme.rounds import (
    NewRound,
    Round,
    RoundChange,
    change_round,
    create_round,
    delete_round,
    list_amendments,
    list_round_schools,
    list_rounds,
    read_open_retests,
    read_round,
    read_snapshot,
    restore_round,
    round_has_results,
    set_round_state,
)
from rightlevel.programme.scales import ScaleSearch, list_scales
from rightlevel.programme.schools import (
    SchoolSearch,
    current_year,
    list_schools,
    list_years,
)
from rightlevel.web.feature import IN_PAGES, Feature, Filters
from rightlevel.web.language import N_
from rightlevel.web.request import ById, Request, SchoolSought, actor_of
from rightlevel.web.rounds import approvals, schools, snapshots
from rightlevel.web.sent import Reason
from rightlevel.web.templating import language_of, render
from rightlevel.web.work import place_choices

ALL = PageRequest(CEILING_ROWS)
FOUND = PageRequest(20)


STEPS: dict[str, list[tuple[str, str, str, bool]]] = {
    "planned": [("open", N_("Open this round"), N_("From then on results can be entered."), False)],
    "open": [
        (
            "closed",
            N_("Close this round"),
            N_("From then on nobody but a coordinator can change results."),
            False,
        )
    ],
    "closed": [
        ("open", N_("Open this round again"), N_("Results can then be entered and changed again."), True),
        (
            "frozen",
            N_("Freeze this round"),
            N_("It is kept as it is, for ever, with a hash. Later corrections are amendments with a reason."),
            True,
        ),
    ],
}
"""State → what can be done next: the state it leads to, its name, what that means, and whether a reason is asked."""


NO_FORECAST: dict[WhyNot, str] = {
    "not_open": N_("The round is not open."),
    "no_children": N_("No child is enrolled."),
    "no_days_left": N_("No day of work is left."),
    "few_days": N_("It can't be told yet: fewer than five days of work are over."),
    "few_results": N_("It can't be told yet: fewer than 30 results came in."),
    "all_there": N_("Every child has a result."),
}
"""Why no forecast is made."""


class RoundForecast(msgspec.Struct, frozen=True):
    """How far a round will have come by its last day, in each subject."""

    subjects: list[Forecast]


class StateChange(msgspec.Struct, frozen=True):
    """The state that a round goes to; reopening needs a reason. Frozen with re-tests that are not settled only `with_open_retests`."""

    version: int
    state: str
    reason: str = ""
    with_open_retests: bool = False


class StateStep(msgspec.Struct, frozen=True):
    """The way to a state of a round."""

    id: int
    state: str


class StepForm(Reason, frozen=True):
    """Why a round goes to another state, and whether it is frozen with re-tests that are not settled."""

    with_open_retests: bool = False


async def _years(request: Request, thing: Round | None, _: Any) -> dict[str, Any]:
    """The years from which to choose one for a new round, the current one first chosen; and the scales while it is planned."""
    beside: dict[str, Any] = {"scales": await _scales(request, thing)}
    if thing is not None:
        return beside | {"years": [], "year_id": thing.school_year_id}
    year = await current_year(request.session)
    years = await list_years(request.session, actor_of(request), ALL)
    told = [(each.id, each.name) for each in years.items]
    return beside | {"years": told, "year_id": year.id if year else None}


async def _scales(request: Request, thing: Round | None) -> list[tuple[str, list[tuple[str, str]], str]]:
    """For each subject what a round may be measured by, and what it is; nothing while there is one scale, or once the round was opened."""
    if thing is not None and thing.state != "planned":
        return []
    rows = await list_scales(request.session, actor_of(request), ScaleSearch())
    found: list[tuple[str, list[tuple[str, str]], str]] = []
    for subject in SUBJECTS:
        field = f"{subject}_scale"
        chosen = getattr(thing, field) if thing is not None else FIRST_KEYS[subject]
        choices = [
            (each.key, f"{each.name} {each.version}")
            for each in rows
            if each.subject == subject and (each.state == "published" or each.key == chosen)
        ]
        if len(choices) > 1:
            found.append((field, choices, chosen))
    return found


routes = Feature("round", "rounds")
routes.lists(list_rounds, Filters, "list.html")
routes.reads(read_round)
routes.creates(create_round, NewRound, "form.html", then="/rounds/{made.id}", beside=_years)
routes.changes(
    change_round,
    RoundChange,
    "form.html",
    read=read_round,
    then="/rounds/{path.id}",
    at="/{id}/edit",
    needed=("starts_on", "ends_on"),
    beside=_years,
)
routes.deletes(delete_round, then="/rounds")
routes.restores(restore_round)
routes.include(approvals.routes)
routes.include(schools.routes)
routes.include(snapshots.routes)


routes.answers("set_one_round_state", "POST /api/v1/rounds/{id}/state", set_round_state, StateChange)
routes.sends(
    "post_set_round_state",
    "/rounds/{id}/state/{state}",
    set_round_state,
    StepForm,
    path=StateStep,
    then="/rounds/{path.id}",
)
routes.answers(
    "read_open_retests_of_round",
    "GET /api/v1/rounds/{id}/open-retests",
    read_open_retests,
    may="freeze",
    says="How many re-tests of a round are not settled: what is told before it is frozen.",
)


routes.answers(
    "read_forecast_of_round",
    "GET /api/v1/rounds/{id}/forecast",
    read_forecast,
    may=May("read", "forecast"),
    gives=RoundForecast,
    says="How many children will have a result when the round ends, if days to come are like those that were; with a 95 % interval.",
)


@routes.get("/rounds/{id}", May("read", "round"), page=PageLimit(50), **IN_PAGES)
async def round_page(request: Request, *, path: ById, query: SchoolSought, page: PageRequest) -> Html:
    """One round: its days, what can be done next, and which schools are locked in it."""
    return render(request, "rounds/one.html", **await _one(request, path.id, query.search.strip(), page))


async def _one(request: Request, round_id: int, search: str, page: PageRequest) -> dict[str, Any]:
    actor, language = actor_of(request), language_of(request)
    round_ = await read_round(request.session, actor, round_id)
    may_lock = allowed(actor.role, "lock", "round")
    special = await list_round_schools(request.session, actor, round_id, page) if may_lock else None
    found = (
        await list_schools(request.session, actor, FOUND, SchoolSearch(search))
        if may_lock and search
        else None
    )
    frozen = round_.state == "frozen"
    snapshot = await read_snapshot(request.session, actor, round_id) if frozen else None
    amendments = (
        await list_amendments(request.session, actor, round_id, FOUND)
        if frozen and allowed(actor.role, "freeze", "round")
        else None
    )
    steps = [
        (state, language.gettext(name), language.gettext(told), asks)
        for state, name, told, asks in STEPS.get(round_.state, [])
    ]
    places = await place_choices(request) if may_lock and round_.state != "frozen" else []
    may_freeze = round_.state == "closed" and allowed(actor.role, "freeze", "round")
    open_retests = await read_open_retests(request.session, actor, round_id) if may_freeze else None
    may_foresee = round_.state == "open" and allowed(actor.role, "read", "forecast")
    forecasts = (
        await read_forecast(request.session, actor, round_id, request.app.clock) if may_foresee else []
    )
    can_delete = round_.state != "frozen" and not await round_has_results(request.session, round_id)
    return {
        "can_delete": can_delete,
        "forecasts": forecasts,
        "why_not": {code: language.gettext(text) for code, text in NO_FORECAST.items()},
        "round": round_,
        "steps": steps,
        "open_retests": open_retests,
        "places": places,
        "special": special,
        "found": found,
        "search": search,
        "snapshot": snapshot,
        "amendments": amendments,
    }
