"""Re-tests over HTTP: the queue, one or many, decisions, samples, agreement."""

from __future__ import annotations

import msgspec

from flatwater.contract import Created
from flatwater.paging import Page, PageLimit, PageRequest
from rightlevel.programme.permissions import May
from rightlevel.programme.verification import (
    AgreementOf,
    Decision,
    DecisionAnswer,
    Draw,
    NewDraw,
    Plan,
    QueueRow,
    Retest,
    RetestAnswer,
    Returned,
    Verification,
    answer_returned,
    draw_sample,
    list_draws,
    list_returned,
    plan_draw,
    read_agreement,
    read_verification,
    resolve,
    resolve_many,
    return_to_teacher,
    save_retests,
    verification_queue,
    withdraw,
)
from rightlevel.web.call import (
    CLASS_BODY,
    Ask,
    ByUuid,
    actor_of,
)
from rightlevel.web.routes import Routes

routes = Routes("verification")

DRAW_S = 60.0
"""A draw reads the results of a whole country."""


class QueueSearch(msgspec.Struct, frozen=True):
    """Which re-tests are asked for: `waiting`, `disputed`, `returned`, `under_way`, `settled` or `over`."""

    round_id: int
    state: str = "waiting"
    school_id: int | None = None
    subject: str | None = None
    draw_id: int | None = None


class Retests(msgspec.Struct, frozen=True):
    """Up to 200 re-tests; each is answered by itself."""

    retests: list[Retest]


class RetestAnswers(msgspec.Struct, frozen=True):
    """What became of each re-test, in the order sent."""

    answers: list[RetestAnswer]


class Decisions(msgspec.Struct, frozen=True):
    """Up to 200 decisions; each is answered by itself."""

    decisions: list[Decision]


class DecisionAnswers(msgspec.Struct, frozen=True):
    """What became of each decision, in the order sent."""

    answers: list[DecisionAnswer]


class Which(msgspec.Struct, frozen=True):
    """Which level stands, `first` or `second`, and why."""

    version: int
    stands: str
    reason: str


class Why(msgspec.Struct, frozen=True):
    """Why, of the version that was read."""

    version: int
    reason: str


class DrawSearch(msgspec.Struct, frozen=True):
    """Of which round."""

    round_id: int


class AgreementSearch(msgspec.Struct, frozen=True):
    """Whose agreement: of all, or by `teacher`, `school` or `tool`; in one school or below one place if told."""

    round_id: int
    subject: str
    by: str = "all"
    school_id: int | None = None
    place_id: int | None = None


class Groups(msgspec.Struct, frozen=True):
    """The agreement of each group; figures below ten re-tests are null."""

    groups: list[AgreementOf]


@routes.get("/api/v1/verifications", May("read", "verification"), page=PageLimit(50))
async def list_verifications(call: Ask, *, query: QueueSearch, page: PageRequest) -> Page[QueueRow]:
    """The re-tests of a round to do, to decide, returned or settled. A pending one tells no level."""
    return await verification_queue(
        call.session,
        actor_of(call),
        page,
        call.clock,
        round_id=query.round_id,
        state=query.state,
        school_id=query.school_id,
        subject=query.subject,
        draw_id=query.draw_id,
    )


@routes.post("/api/v1/verifications/retests", May("verify", "result"), body_bytes=CLASS_BODY)
async def save_many_retests(call: Ask, *, body: Retests) -> RetestAnswers:
    """Saves up to 200 re-tests; each is answered by itself, and the first level is told only then."""
    return RetestAnswers(await save_retests(call.session, actor_of(call), body.retests, call.clock))


@routes.get("/api/v1/verifications/returned", May("read", "returned"))
async def list_returned_results(call: Ask, *, page: PageRequest) -> Page[Returned]:
    """Results that were returned to their teacher."""
    return await list_returned(call.session, actor_of(call), page, call.clock)


@routes.post("/api/v1/verifications/decisions", May("settle", "verification"), body_bytes=CLASS_BODY)
async def decide_many(call: Ask, *, body: Decisions) -> DecisionAnswers:
    """Decides up to 200 re-tests whose levels differ; each is answered by itself."""
    return DecisionAnswers(await resolve_many(call.session, actor_of(call), body.decisions, call.clock))


@routes.get("/api/v1/verifications/{id}", May("read", "verification"))
async def read_one_verification(call: Ask, *, path: ByUuid) -> Verification:
    """One re-test; a pending one tells no level."""
    return await read_verification(call.session, actor_of(call), path.id, call.clock)


@routes.post("/api/v1/verifications/{id}/resolve", May("settle", "verification"))
async def resolve_one(call: Ask, *, path: ByUuid, body: Which) -> Verification:
    """Decides which of two levels stands."""
    return await resolve(
        call.session,
        actor_of(call),
        path.id,
        version=body.version,
        stands=body.stands,
        reason=body.reason,
        clock=call.clock,
    )


@routes.post("/api/v1/verifications/{id}/return", May("verify", "result"))
async def return_one(call: Ask, *, path: ByUuid, body: Why) -> Verification:
    """Returns a result whose re-test differs to its teacher."""
    return await return_to_teacher(
        call.session, actor_of(call), path.id, version=body.version, reason=body.reason, clock=call.clock
    )


@routes.post("/api/v1/verifications/{id}/answer", May("enter", "result"))
async def answer_one(call: Ask, *, path: ByUuid, body: Why) -> None:
    """The teacher stands by a returned result, which is then tested again."""
    await answer_returned(
        call.session, actor_of(call), path.id, version=body.version, reason=body.reason, clock=call.clock
    )


@routes.post("/api/v1/verifications/{id}/withdraw", May("settle", "verification"))
async def withdraw_one(call: Ask, *, path: ByUuid, body: Why) -> Verification:
    """Takes a re-test back; its result is no longer verified."""
    return await withdraw(
        call.session, actor_of(call), path.id, version=body.version, reason=body.reason, clock=call.clock
    )


@routes.post("/api/v1/verification-draws/plan", May("draw", "verification"), work="read", deadline_s=DRAW_S)
async def plan_one_draw(call: Ask, *, body: NewDraw) -> Plan:
    """How many results a draw would take, of how many. Nothing is drawn."""
    return await plan_draw(call.session, actor_of(call), body)


@routes.post(
    "/api/v1/verification-draws", May("draw", "verification"), deadline_s=DRAW_S, statuses={201: "drawn"}
)
async def draw_one_sample(call: Ask, *, body: NewDraw) -> Created[Draw]:
    """Draws a sample to test again, by school and level; the same seed draws the same children."""
    made = await draw_sample(call.session, actor_of(call), body, call.clock)
    return Created(made, f"/api/v1/verifications?round_id={made.round_id}&draw_id={made.id}")


@routes.get("/api/v1/verification-draws", May("draw", "verification"))
async def list_all_draws(call: Ask, *, query: DrawSearch, page: PageRequest) -> Page[Draw]:
    """The samples of a round, the latest first."""
    return await list_draws(call.session, actor_of(call), query.round_id, page)


@routes.get("/api/v1/agreement", May("read", "agreement"))
async def read_all_agreement(call: Ask, *, query: AgreementSearch) -> Groups:
    """How re-tests agree with first tests: exact, within one level, weighted kappa with its interval, and bias."""
    return Groups(
        await read_agreement(
            call.session,
            actor_of(call),
            round_id=query.round_id,
            subject=query.subject,
            by=query.by,
            school_id=query.school_id,
            place_id=query.place_id,
        )
    )
