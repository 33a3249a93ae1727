"""Approving schools' results of a round by steps: the list of what waits for whom, one school with what was done, and the steps of a round."""

from __future__ import annotations

import msgspec

from flatwater.contract import Html
from flatwater.paging import PageRequest
from rightlevel.programme.permissions import May, allowed
from rightlevel.programme.rounds import (
    LADDER,
    Step,
    approve_school,
    count_approvals,
    list_approvals,
    read_approval,
    read_round,
    return_school,
    set_approval_steps,
)
from rightlevel.web.feature import IN_PAGES, Deeds, Filters
from rightlevel.web.language import N_
from rightlevel.web.request import ById, Request, VersionAndReason, actor_of
from rightlevel.web.rounds.schools import RoundAndSchool
from rightlevel.web.templating import render

HERE = "/rounds/{path.id}/approvals/{path.school_id}"
STATES = (*LADDER, "approved")


class ApprovalSteps(msgspec.Struct, frozen=True):
    """The steps by which a round's results are approved; none turns approval off. `version` is the round's."""

    version: int
    steps: list[Step] = []


class Approving(msgspec.Struct, frozen=True):
    """What somebody saw when they approved; version 0 where nothing was done yet."""

    version: int
    words: str = ""


class ApprovalsWanted(msgspec.Struct, frozen=True):
    """Which schools the page lists: all, or those that wait for a step or are approved."""

    state: str = ""


routes = Deeds("rounds", "approval", deeds={"change": "decide"})
routes.does(
    set_approval_steps,
    ApprovalSteps,
    json=("set_steps_of_approval", "PUT /api/v1/rounds/{id}/approval-steps"),
    html=("post_set_approval_steps", "/rounds/{id}/approval-steps"),
    may=May("change", "round"),
    then="/rounds/{path.id}/approvals",
    says="By which steps schools' results of a round are approved; none turns approval off.",
)
routes.answers("list_approvals_of_round", "GET /api/v1/rounds/{id}/approvals", list_approvals, Filters)
routes.answers(
    "read_approval_of_school",
    "GET /api/v1/rounds/{id}/approvals/{school_id}",
    read_approval,
    path=RoundAndSchool,
    says="How far a school's results are approved, who did what and why, and for whom they wait.",
)
routes.does(
    approve_school,
    Approving,
    json=("approve_one_school", "POST /api/v1/rounds/{id}/approvals/{school_id}/approve"),
    html=("post_approve_school", "/rounds/{id}/approvals/{school_id}/approve"),
    path=RoundAndSchool,
    then=HERE,
    word=N_("The results are approved at this step."),
    says="Approves a school's results at the step that they wait for; at the first one they are locked.",
)
routes.does(
    return_school,
    VersionAndReason,
    json=("return_one_school", "POST /api/v1/rounds/{id}/approvals/{school_id}/return"),
    html=("post_return_school", "/rounds/{id}/approvals/{school_id}/return"),
    path=RoundAndSchool,
    then=HERE,
    word=N_("The results are returned."),
    says="Returns a school's results to the first step, with a reason; they can be changed again.",
)


@routes.get("/rounds/{id}/approvals", May("read", "approval"), **IN_PAGES)
async def approvals_page(request: Request, *, path: ById, query: ApprovalsWanted, page: PageRequest) -> Html:
    """What waits for whom in a round, school by school; for who leads also its steps."""
    actor = actor_of(request)
    round_ = await read_round(request.session, actor, path.id)
    leads = allowed(actor.role, "override", "approval")
    return render(
        request,
        "rounds/approvals.html",
        round=round_,
        page=await list_approvals(request.session, actor, path.id, page, state=query.state),
        counts=await count_approvals(request.session, actor, path.id) if leads else [],
        state=query.state,
        ladder=LADDER,
        states=[each for each in STATES if each in (*round_.approval_steps, "approved")],
    )


@routes.get("/rounds/{id}/approvals/{school_id}", May("read", "approval"), **IN_PAGES)
async def approval_page(request: Request, *, path: RoundAndSchool) -> Html:
    """How far one school's results are approved, and what can be done."""
    actor = actor_of(request)
    return render(
        request,
        "rounds/approval.html",
        round=await read_round(request.session, actor, path.id),
        found=await read_approval(request.session, actor, path.id, path.school_id, request.clock),
    )
