"""Other days or a lock for one school in a round, or for all below a place."""

from __future__ import annotations

from datetime import date

import msgspec

from flatwater.contract import Html, Redirect
from flatwater.paging import CEILING_ROWS, PageRequest
from rightlevel.programme.errors import NotFound
from rightlevel.programme.permissions import May
from rightlevel.programme.rounds import (
    DatesAnswer,
    SchoolDates,
    list_round_schools,
    lock_school,
    read_round,
    set_dates_of_place,
    set_dates_of_schools,
    set_school_dates,
    unlock_school,
)
from rightlevel.programme.schools import read_school
from rightlevel.web.feature import IN_PAGES, Deeds
from rightlevel.web.language import N_
from rightlevel.web.request import CLASS_BODY, ById, Request, WithReason, actor_of
from rightlevel.web.templating import done, language_of, render

ALL = PageRequest(CEILING_ROWS)
HERE = "/rounds/{path.id}/schools/{path.school_id}"


class RoundAndSchool(msgspec.Struct, frozen=True):
    """A path with a round and a school in it."""

    id: int
    school_id: int


class SchoolDays(msgspec.Struct, frozen=True):
    """A school's own days; null, or nothing in a form, means the round's. `confirm`: though results lie outside them, whose number was told."""

    starts_on: date | None = None
    ends_on: date | None = None
    confirm: bool = False


class ManyDates(msgspec.Struct, frozen=True):
    """Days for up to 1,000 schools: what a row leaves out stays as it is, null is the round's again. Or one pair of days for a place."""

    schools: list[SchoolDates] = []
    place_id: int | None = None
    starts_on: date | None = None
    ends_on: date | None = None
    confirm: bool = False


class DatesAnswers(msgspec.Struct, frozen=True):
    """What became of each school's days."""

    answers: list[DatesAnswer]


routes = Deeds("rounds", "round", deeds={"read": "lock", "change": "lock"})
routes.answers("list_schools_of_round", "GET /api/v1/rounds/{id}/schools", list_round_schools)
routes.does(
    set_school_dates,
    SchoolDays,
    json=("set_dates_of_school", "PUT /api/v1/rounds/{id}/schools/{school_id}"),
    html=("post_set_school_dates", "/rounds/{id}/schools/{school_id}/days"),
    path=RoundAndSchool,
    then=HERE,
    says="Gives a school its own days in a round.",
)
routes.does(
    lock_school,
    WithReason,
    json=("lock_one_school", "POST /api/v1/rounds/{id}/schools/{school_id}/lock"),
    html=("post_lock_school", "/rounds/{id}/schools/{school_id}/lock"),
    path=RoundAndSchool,
    then=HERE,
    word=N_("The school is locked in this round."),
    says="Locks a school in a round.",
)
routes.does(
    unlock_school,
    WithReason,
    json=("unlock_one_school", "POST /api/v1/rounds/{id}/schools/{school_id}/unlock"),
    html=("post_unlock_school", "/rounds/{id}/schools/{school_id}/unlock"),
    path=RoundAndSchool,
    then=HERE,
    word=N_("The school is unlocked in this round."),
)


@routes.put("/api/v1/rounds/{id}/schools", May("lock", "round"), body_bytes=CLASS_BODY)
async def set_dates_of_many_schools(request: Request, *, path: ById, body: ManyDates) -> DatesAnswers:
    """Gives many schools their own days at once, each answered for itself; what is left out stays as it is."""
    if body.place_id is not None:
        return DatesAnswers(
            await set_dates_of_place(
                request.session,
                actor_of(request),
                path.id,
                body.place_id,
                starts_on=body.starts_on,
                ends_on=body.ends_on,
                confirm=body.confirm,
            )
        )
    return DatesAnswers(
        await set_dates_of_schools(
            request.session, actor_of(request), path.id, body.schools, confirm=body.confirm
        )
    )


@routes.get("/rounds/{id}/schools/{school_id}", May("lock", "round"), **IN_PAGES)
async def round_school_page(request: Request, *, path: RoundAndSchool) -> Html:
    """One school in one round: its own days, and its lock."""
    actor = actor_of(request)
    round_ = await read_round(request.session, actor, path.id)
    school = await read_school(request.session, actor, path.school_id)
    if round_.is_deleted or school.is_deleted:
        raise NotFound
    special = await list_round_schools(request.session, actor, path.id, ALL)
    own = next((each for each in special.items if each.school_id == path.school_id), None)
    days = SchoolDays(own.starts_on, own.ends_on) if own else SchoolDays()
    return render(request, "rounds/school.html", round=round_, school=school, own=own, form=days)


NOT_SAVED = {
    "outside_year": N_("{count} were left as they are: these days lie outside the school year."),
    "results_outside": N_(
        "{count} were left as they are: results of theirs lie outside these days. Change them one by one."
    ),
}
"""Why a school's own days were left as they are."""


class PlaceDaysForm(msgspec.Struct, frozen=True):
    """Days for all schools below a place; an empty one leaves each school's as it is."""

    place: int
    starts_on: date | None = None
    ends_on: date | None = None
    confirm: bool = False


@routes.post("/rounds/{id}/places/days", May("lock", "round"), **IN_PAGES)
async def post_set_place_dates(request: Request, *, path: ById, form: PlaceDaysForm) -> Redirect:
    """Gives all schools below a place their own days; what is left empty stays as it is."""
    answers = await set_dates_of_place(
        request.session,
        actor_of(request),
        path.id,
        form.place,
        starts_on=form.starts_on,
        ends_on=form.ends_on,
        confirm=form.confirm,
    )
    _ = language_of(request).gettext
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
    return done(request, f"/rounds/{path.id}", text)
