"""Rounds: plan, open, close, open again; other days or a lock for one school."""

from __future__ import annotations

from typing import Any

import msgspec

from flatwater.contract import Html, Redirect
from flatwater.paging import CEILING_ROWS, PageLimit, PageRequest
from rightlevel.programme.errors import NotFound
from rightlevel.programme.permissions import May, allowed
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
    lock_school,
    read_open_retests,
    read_round,
    read_snapshot,
    round_has_results,
    set_dates_of_place,
    set_round_state,
    set_school_dates,
    unlock_school,
)
from rightlevel.programme.schools import SchoolSearch, current_year, list_schools, list_years, read_school
from rightlevel.web.call import Ask, ById, actor_of
from rightlevel.web.language import N_
from rightlevel.web.pages.forms import Reason, Typed, reason_of
from rightlevel.web.pages.work import place_choices
from rightlevel.web.routes import Routes
from rightlevel.web.templating import done, language_of, render

routes = Routes("pages")

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


class RoundForm(msgspec.Struct, frozen=True):
    """What the forms for a round send."""

    school_year_id: int | None = None
    kind: str = ""
    starts_on: str = ""
    ends_on: str = ""
    version: int = 0
    confirm: bool = False


class SchoolSought(msgspec.Struct, frozen=True):
    """Which school is sought, to lock it or to give it other days."""

    search: str = ""


class SchoolInRound(msgspec.Struct, frozen=True):
    """The way to a school in a round."""

    id: int
    school_id: int


class StateStep(msgspec.Struct, frozen=True):
    """The way to a state of a round."""

    id: int
    state: str


class StepForm(Reason, frozen=True):
    """Why a round goes to another state, and whether it is frozen with re-tests that are not settled."""

    with_open_retests: bool = False


class DaysForm(msgspec.Struct, frozen=True):
    """A school's own days in a round; an empty one is the round's."""

    starts_on: str = ""
    ends_on: str = ""
    confirm: bool = False


@routes.get("/rounds", May("read", "round"))
async def rounds_page(call: Ask, *, page: PageRequest) -> Html:
    """Rounds, the latest first."""
    return render(call, "rounds/list.html", page=await list_rounds(call.session, actor_of(call), page))


@routes.get("/rounds/new", May("create", "round"))
async def new_round_page(call: Ask) -> Html:
    """The form for a round."""
    year = await current_year(call.session)
    form = RoundForm(year.id if year else None)
    return render(call, "rounds/form.html", **await _new_form(call, form))


async def _new_form(call: Ask, form: RoundForm) -> dict[str, Any]:
    years = await list_years(call.session, actor_of(call), ALL)
    return {"round": None, "form": form, "years": [(each.id, each.name) for each in years.items]}


@routes.post("/rounds/new", May("create", "round"))
async def create_round_here(call: Ask, *, form: RoundForm) -> Redirect:
    """Plans a round."""
    typed = Typed()
    starts_on, ends_on = typed.day("starts_on", form.starts_on), typed.day("ends_on", form.ends_on)
    typed.check()
    new = NewRound(form.kind, starts_on, ends_on, form.school_year_id)
    round_ = await create_round(call.session, actor_of(call), new)
    _ = language_of(call).gettext
    return done(call, f"/rounds/{round_.id}", _("Saved."))


@routes.get("/rounds/{id}", May("read", "round"), page=PageLimit(50))
async def round_page(call: Ask, *, path: ById, query: SchoolSought, page: PageRequest) -> Html:
    """One round: its days, what can be done next, and which schools are locked in it."""
    return render(call, "rounds/one.html", **await _one(call, path.id, query.search.strip(), page))


async def _one(call: Ask, round_id: int, search: str, page: PageRequest) -> dict[str, Any]:
    actor, language = actor_of(call), language_of(call)
    round_ = await read_round(call.session, actor, round_id)
    may_lock = allowed(actor.role, "lock", "round")
    special = await list_round_schools(call.session, actor, round_id, page) if may_lock else None
    found = (
        await list_schools(call.session, actor, FOUND, SchoolSearch(search)) if may_lock and search else None
    )
    frozen = round_.state == "frozen"
    snapshot = await read_snapshot(call.session, actor, round_id) if frozen else None
    amendments = (
        await list_amendments(call.session, actor, round_id, FOUND)
        if frozen and allowed(actor.role, "freeze", "round")
        else None
    )
    steps = [
        (state, language.gettext(name), language.gettext(told), asks)
        for state, name, told, asks in STEPS.get(round_.state, [])
    ]
    places = await place_choices(call) if may_lock and round_.state != "frozen" else []
    may_freeze = round_.state == "closed" and allowed(actor.role, "freeze", "round")
    open_retests = await read_open_retests(call.session, actor, round_id) if may_freeze else None
    can_delete = round_.state != "frozen" and not await round_has_results(call.session, round_id)
    return {
        "can_delete": can_delete,
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


@routes.get("/rounds/{id}/edit", May("change", "round"))
async def edit_round_page(call: Ask, *, path: ById) -> Html:
    """The form that changes a round's days."""
    round_ = await read_round(call.session, actor_of(call), path.id)
    return render(call, "rounds/form.html", **_edit(round_, _form_of(round_)))


def _edit(round_: Round, form: RoundForm) -> dict[str, Any]:
    return {"round": round_, "form": form, "years": []}


def _form_of(round_: Round) -> RoundForm:
    days = round_.starts_on.isoformat(), round_.ends_on.isoformat()
    return RoundForm(round_.school_year_id, round_.kind, *days, round_.version)


@routes.post("/rounds/{id}/edit", May("change", "round"))
async def change_round_here(call: Ask, *, path: ById, form: RoundForm) -> Redirect:
    """Changes a round's days."""
    typed = Typed()
    starts_on, ends_on = typed.day("starts_on", form.starts_on), typed.day("ends_on", form.ends_on)
    typed.check()
    await change_round(
        call.session,
        actor_of(call),
        path.id,
        RoundChange(form.version, starts_on, ends_on, form.confirm),
    )
    _ = language_of(call).gettext
    return done(call, f"/rounds/{path.id}", _("Saved."))


@routes.post("/rounds/{id}/state/{state}", May("change", "round"))
async def set_round_state_here(call: Ask, *, path: StateStep, form: StepForm) -> Redirect:
    """Opens, closes or reopens a round."""
    await set_round_state(
        call.session,
        actor_of(call),
        path.id,
        version=form.version,
        state=path.state,
        reason=form.reason,
        clock=call.clock,
        with_open_retests=form.with_open_retests,
    )
    _ = language_of(call).gettext
    return done(call, f"/rounds/{path.id}", _("Saved."))


@routes.post("/rounds/{id}/delete", May("delete", "round"))
async def delete_round_here(call: Ask, *, path: ById, form: Reason) -> Redirect:
    """Takes a round away, restorably, with a reason."""
    await delete_round(call.session, actor_of(call), path.id, reason=reason_of(form), clock=call.clock)
    _ = language_of(call).gettext
    return done(call, "/rounds", _("Deleted. It can be brought back under “Deleted things”."))


@routes.get("/rounds/{id}/schools/{school_id}", May("lock", "round"))
async def round_school_page(call: Ask, *, path: SchoolInRound) -> Html:
    """One school in one round: its own days, and its lock."""
    return render(call, "rounds/school.html", **await _school(call, path))


async def _school(call: Ask, path: SchoolInRound, form: DaysForm | None = None) -> dict[str, Any]:
    actor = actor_of(call)
    round_ = await read_round(call.session, actor, path.id)
    school = await read_school(call.session, actor, path.school_id)
    if round_.is_deleted or school.is_deleted:
        raise NotFound
    special = await list_round_schools(call.session, actor, path.id, ALL)
    own = next((each for each in special.items if each.school_id == path.school_id), None)
    days = [each.isoformat() if each else "" for each in ((own.starts_on, own.ends_on) if own else ())]
    return {
        "round": round_,
        "school": school,
        "own": own,
        "form": form or (DaysForm(days[0], days[1]) if days else DaysForm()),
    }


@routes.post("/rounds/{id}/schools/{school_id}/days", May("lock", "round"))
async def set_school_dates_here(call: Ask, *, path: SchoolInRound, form: DaysForm) -> Redirect:
    """Gives a school its own days in a round."""
    typed = Typed()
    starts_on, ends_on = (
        typed.day_or_none("starts_on", form.starts_on),
        typed.day_or_none("ends_on", form.ends_on),
    )
    typed.check()
    await set_school_dates(
        call.session,
        actor_of(call),
        path.id,
        path.school_id,
        starts_on=starts_on,
        ends_on=ends_on,
        confirm=form.confirm,
    )
    _ = language_of(call).gettext
    return done(call, f"/rounds/{path.id}/schools/{path.school_id}", _("Saved."))


@routes.post("/rounds/{id}/schools/{school_id}/lock", May("lock", "round"))
async def lock_school_here(call: Ask, *, path: SchoolInRound, form: Reason) -> Redirect:
    """Locks a school in a round, with a reason."""
    await lock_school(
        call.session,
        actor_of(call),
        path.id,
        path.school_id,
        reason=reason_of(form),
        clock=call.clock,
    )
    _ = language_of(call).gettext
    return done(call, f"/rounds/{path.id}/schools/{path.school_id}", _("The school is locked in this round."))


@routes.post("/rounds/{id}/schools/{school_id}/unlock", May("lock", "round"))
async def unlock_school_here(call: Ask, *, path: SchoolInRound, form: Reason) -> Redirect:
    """Unlocks a school in a round, with a reason."""
    await unlock_school(call.session, actor_of(call), path.id, path.school_id, reason=reason_of(form))
    _ = language_of(call).gettext
    return done(
        call, f"/rounds/{path.id}/schools/{path.school_id}", _("The school is unlocked in this round.")
    )


NOT_SAVED = {
    "outside_year": N_("{count} were left as they are: these days lie outside the school year."),
    "results_outside": N_(
        "{count} were left as they are: results of theirs lie outside these days. Change them one by one."
    ),
}
"""Why a school's own days were left as they are."""


class PlaceDaysForm(msgspec.Struct, frozen=True):
    """Days for all schools below a place; an empty one leaves each school's as it is."""

    place: str = ""
    starts_on: str = ""
    ends_on: str = ""
    confirm: bool = False


@routes.post("/rounds/{id}/places/days", May("lock", "round"))
async def set_place_dates_here(call: Ask, *, path: ById, form: PlaceDaysForm) -> Redirect:
    """Gives all schools below a place their own days; what is left empty stays as it is."""
    typed = Typed()
    place = typed.whole_or_none("place", form.place)
    starts_on = typed.day_or_none("starts_on", form.starts_on)
    ends_on = typed.day_or_none("ends_on", form.ends_on)
    if place is None and not typed.faults:
        typed.needed("place")
    typed.check()
    answers = await set_dates_of_place(
        call.session,
        actor_of(call),
        path.id,
        place or 0,
        starts_on=starts_on,
        ends_on=ends_on,
        confirm=form.confirm,
    )
    _ = language_of(call).gettext
    saved = sum(1 for each in answers if each.code == "saved")
    refused = sum(1 for each in answers if each.code == "ends_before_start")
    text = _("{count} schools have these days.", count=saved)
    for code, told in NOT_SAVED.items():
        if count := sum(1 for each in answers if each.code == code):
            text += " " + _(told, count=count)
    if refused:
        text += " " + _(
            "{count} were left as they are: their last day would be before the first.", count=refused
        )
    return done(call, f"/rounds/{path.id}", text)
