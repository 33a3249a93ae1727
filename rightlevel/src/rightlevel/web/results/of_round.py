"""The results of a school in a round: locked and unlocked one by one or all at once; and results whose child has no baseline."""

from __future__ import annotations

import msgspec

from flatwater.contract import Html, Redirect
from flatwater.paging import PageLimit, PageRequest
from rightlevel.programme.errors import Fault, Invalid
from rightlevel.programme.permissions import May
from rightlevel.programme.results import (
    class_sheet,
    list_without_baseline,
    lock_results,
    lock_results_of_school,
    unlock_results,
)
from rightlevel.programme.rounds import read_round
from rightlevel.programme.schools import read_school
from rightlevel.web.language import N_
from rightlevel.web.request import CLASS_BODY, ById, Request, actor_of
from rightlevel.web.rounds.schools import RoundAndSchool
from rightlevel.web.routes import Routes
from rightlevel.web.templating import done, language_of, render

routes = Routes("pages")


class SubjectWanted(msgspec.Struct, frozen=True):
    """Which subject is shown."""

    subject: str = "math"


class LockingForm(msgspec.Struct, frozen=True):
    """Which results, what is done with them, and why."""

    subject: str = "math"
    result_ids: list[str] = []
    how: str = "lock"
    reason: str = ""


class OfSchool(msgspec.Struct, frozen=True):
    """Of which school, if of one."""

    school_id: int | None = None


@routes.get("/rounds/{id}/schools/{school_id}/results", May("lock", "result"), page=PageLimit(100))
async def results_to_lock_page(
    request: Request, *, path: RoundAndSchool, query: SubjectWanted, page: PageRequest
) -> Html:
    """The results of a school in a round, with what is locked."""
    actor, subject = actor_of(request), query.subject
    rows = await class_sheet(
        request.session, actor, page, school_id=path.school_id, round_id=path.id, subject=subject
    )
    return render(
        request,
        "results/of_round.html",
        round=await read_round(request.session, actor, path.id),
        school=await read_school(request.session, actor, path.school_id),
        page=rows,
        subject=subject,
    )


@routes.post("/rounds/{id}/schools/{school_id}/results", May("lock", "result"), body_bytes=CLASS_BODY)
async def post_lock_results(request: Request, *, path: RoundAndSchool, form: LockingForm) -> Redirect:
    """Locks or unlocks the chosen results, or all of the school's in the subject."""
    actor, language = actor_of(request), language_of(request)
    if form.how in ("lock_all", "unlock_all"):
        changed = await lock_results_of_school(
            request.session,
            actor,
            school_id=path.school_id,
            round_id=path.id,
            subject=form.subject,
            reason=form.reason,
            clock=request.clock,
            is_lock=form.how == "lock_all",
        )
    else:
        deed = lock_results if form.how == "lock" else unlock_results
        answers = await deed(request.session, actor, form.result_ids, reason=form.reason, clock=request.clock)
        changed = sum(each.code in ("locked", "unlocked") for each in answers)
        if not answers:
            raise Invalid(faults=(Fault("result_ids", N_("Please choose at least one")),))
    told = language.ngettext("{n} result is changed.", "{n} results are changed.", changed)
    if not changed:
        told = language.gettext("No result is changed: they were so already, or are not here any more.")
    to = f"/rounds/{path.id}/schools/{path.school_id}/results?subject={form.subject}"
    return done(request, to, told, is_partly=not changed)


@routes.get("/rounds/{id}/without-baseline", May("read", "result"), page=PageLimit(50))
async def without_baseline_page(request: Request, *, path: ById, query: OfSchool, page: PageRequest) -> Html:
    """Results of a later round whose child was not assessed at the baseline."""
    actor = actor_of(request)
    found = await list_without_baseline(
        request.session, actor, page, round_id=path.id, school_id=query.school_id
    )
    return render(
        request,
        "results/without_baseline.html",
        round=await read_round(request.session, actor, path.id),
        page=found,
    )
