"""The pages of verification: what waits, the re-test itself, the two levels that differ, samples, and how well tests agree."""

from __future__ import annotations

from datetime import date

import msgspec

from flatwater.clock import today
from flatwater.contract import Html, Redirect
from flatwater.paging import PageLimit, PageRequest
from rightlevel.programme.errors import Conflict, Invalid, NotFound
from rightlevel.programme.ids import time_ordered_id
from rightlevel.programme.levels import scale_of_round
from rightlevel.programme.permissions import May, Subject, allowed
from rightlevel.programme.results import read_result
from rightlevel.programme.rounds import Round, current_round, list_rounds, read_round
from rightlevel.programme.schools import read_school
from rightlevel.programme.students import Student, read_student
from rightlevel.programme.verification import (
    NewDraw,
    Plan,
    Retest,
    RetestAnswer,
    draw_sample,
    list_draws,
    list_returned,
    plan_draw,
    read_agreement,
    read_verification,
    save_retests,
    verification_queue,
)
from rightlevel.web.language import N_
from rightlevel.web.request import ByUuid, Request, actor_of
from rightlevel.web.routes import Routes
from rightlevel.web.templating import done, render
from rightlevel.web.work import is_exercise_due, place_choices

routes = Routes("pages")

DRAW_S = 60.0
"""A draw reads the results of a whole country."""
ROUNDS = PageRequest(20)
TABS = (
    ("waiting", N_("To test again")),
    ("disputed", N_("To decide")),
    ("returned", N_("Returned")),
    ("settled", N_("Settled")),
    ("over", N_("Over")),
)


class QueueWanted(msgspec.Struct, frozen=True):
    """Which re-tests are shown."""

    round: int | None = None
    state: str = "waiting"
    school: int | None = None
    subject: str = ""


class RetestForm(msgspec.Struct, frozen=True):
    """What a re-test's form sends; `choice` is a level's code, or absent or refused."""

    tested_on: date
    choice: str
    tool: int | None = None
    notes: str | None = None
    reason: str | None = None
    write_id: str = ""

    def meant(self, result_id: str) -> Retest:
        is_other = self.choice in ("absent", "refused")
        return Retest(
            self.write_id or time_ordered_id(),
            result_id,
            self.tested_on,
            outcome=self.choice if is_other else "assessed",
            level=None if is_other else self.choice,
            tool=self.tool,
            notes=self.notes,
            reason=self.reason,
        )


class DrawForm(msgspec.Struct, frozen=True):
    """What the form for a sample sends, in per cent; `act` is `plan` to look first, or `draw`."""

    round: int
    margin: float
    confidence: float
    expected: float
    subject: str = "language"
    school_id: int | None = None
    place_id: int | None = None
    seed: int | None = None
    visible_on: date | None = None
    act: str = "plan"

    def meant(self) -> NewDraw:
        return NewDraw(
            self.round,
            self.subject,
            self.school_id,
            self.place_id,
            margin=self.margin / 100,
            confidence=self.confidence,
            expected=self.expected / 100,
            seed=self.seed,
            visible_on=self.visible_on,
        )


class DrawWanted(msgspec.Struct, frozen=True):
    """Where a sample is drawn, as a link says."""

    round: int | None = None
    school: int | None = None
    place: int | None = None


class AgreementWanted(msgspec.Struct, frozen=True):
    """Whose agreement is shown."""

    round: int | None = None
    subject: str = "language"
    by: str = "all"


async def _round(request: Request, round_id: int | None) -> Round | None:
    if round_id is not None:
        return await read_round(request.session, actor_of(request), round_id)
    return await current_round(request.session, actor_of(request), request.clock)


async def _rounds(request: Request) -> list[Round]:
    return (await list_rounds(request.session, actor_of(request), ROUNDS)).items


@routes.get("/verification", May("read", "verification"), page=PageLimit(50))
async def verification_page(request: Request, *, query: QueueWanted, page: PageRequest) -> Html:
    """The re-tests of a round: to do, to decide, returned, settled."""
    round_ = await _round(request, query.round)
    state = query.state if query.state in dict(TABS) else "waiting"
    queue = None
    if round_ is not None:
        queue = await verification_queue(
            request.session,
            actor_of(request),
            page,
            request.clock,
            round_id=round_.id,
            state=state,
            school_id=query.school,
            subject=query.subject or None,
        )
    return render(
        request,
        "verification/queue.html",
        round=round_,
        rounds=await _rounds(request),
        queue=queue,
        state=state,
        wanted=query,
        tabs=TABS,
        today=today(request.clock),
    )


@routes.get("/verification/returned", May("read", "returned"), page=PageLimit(50))
async def returned_page(request: Request, *, page: PageRequest) -> Html:
    """Results that their teacher is asked to look at again."""
    return render(
        request,
        "verification/returned.html",
        page=await list_returned(request.session, actor_of(request), page, request.clock),
    )


class _Child(msgspec.Struct, frozen=True):
    student: Student
    round: Round
    subject: Subject
    result_id: str
    first_tool: int | None


async def _child(request: Request, result_id: str) -> _Child:
    actor = actor_of(request)
    result = await read_result(request.session, actor, result_id)
    subject: Subject = "math" if result.subject == "math" else "language"
    student = await read_student(request.session, actor, result.student_id)
    round_ = await read_round(request.session, actor, result.round_id)
    return _Child(student, round_, subject, result_id, result.tool)


async def _retest(request: Request, child: _Child, answer: RetestAnswer | None = None) -> Html:
    school = await read_school(request.session, actor_of(request), child.student.school_id)
    tools = [(str(number), str(number)) for number in range(1, 5) if number != child.first_tool]
    return render(
        request,
        "verification/retest.html",
        child=child,
        exercise_is_due=await is_exercise_due(request, school, child.subject),
        scale=scale_of_round(child.round.id, child.subject),
        tools=tools,
        answer=answer,
        today=today(request.clock),
        may_override=allowed(actor_of(request).role, "override", "result"),
    )


@routes.get("/verification/results/{id}", May("verify", "result"))
async def retest_page(request: Request, *, path: ByUuid) -> Html:
    """The form for a re-test; it says nothing of the first level."""
    return await _retest(request, await _child(request, path.id))


@routes.post("/verification/results/{id}", May("verify", "result"))
async def post_retest(request: Request, *, path: ByUuid, form: RetestForm) -> Html:
    """Saves a re-test, and shows both levels now that the second is saved."""
    child = await _child(request, path.id)
    (answer,) = await save_retests(request.session, actor_of(request), [form.meant(path.id)], request.clock)
    _require_saved(answer)
    return await _retest(request, child, answer)


def _require_saved(answer: RetestAnswer) -> None:
    if answer.is_saved:
        return
    if answer.code in ("not_found", "out_of_scope"):
        raise NotFound
    if answer.faults:
        raise Invalid(faults=tuple(answer.faults))
    raise Conflict(answer.message)


@routes.get("/verification/{id}", May("read", "verification"))
async def one_verification_page(request: Request, *, path: ByUuid) -> Html:
    """One re-test: both levels once it is saved, and what can be done next."""
    actor = actor_of(request)
    found = await read_verification(request.session, actor, path.id, request.clock)
    may_settle = allowed(actor.role, "settle", "verification")
    return render(
        request,
        "verification/one.html",
        found=found,
        child=await _child(request, found.result_id),
        may_settle=may_settle,
        may_return=may_settle or found.verifier_id == actor.person_id,
    )


@routes.get("/verification-samples", May("draw", "verification"), page=PageLimit(20))
async def samples_page(request: Request, *, query: DrawWanted, page: PageRequest) -> Html:
    """The form for a sample, and the samples of the round."""
    round_ = await _round(request, query.round)
    form = DrawForm(
        round_.id if round_ else 0,
        5,
        0.95,
        80,
        school_id=query.school,
        place_id=query.place,
        visible_on=today(request.clock),
    )
    return await _samples(request, form, page)


async def _samples(request: Request, form: DrawForm, page: PageRequest, plan: Plan | None = None) -> Html:
    actor, session = actor_of(request), request.session
    school = await read_school(session, actor, form.school_id) if form.school_id is not None else None
    return render(
        request,
        "verification/samples.html",
        school=school,
        places=[] if school else await place_choices(request),
        form=form,
        draws=await list_draws(session, actor, form.round, page) if form.round else None,
        rounds=await _rounds(request),
        plan=plan,
    )


@routes.post("/verification-samples", May("draw", "verification"), deadline_s=DRAW_S)
async def post_sample(request: Request, *, form: DrawForm) -> Html | Redirect:
    """Says how many children a sample would take, or draws it."""
    if form.act != "draw":
        plan = await plan_draw(request.session, actor_of(request), form.meant())
        return await _samples(request, form, PageRequest(20), plan)
    drawn = await draw_sample(request.session, actor_of(request), form.meant(), request.clock)
    to = f"/verification-samples?round={drawn.round_id}"
    return done(request, to, N_("{count} children will be tested again."), count=drawn.added)


@routes.get("/agreement", May("read", "agreement"))
async def agreement_page(request: Request, *, query: AgreementWanted) -> Html:
    """How re-tests agree with first tests; nothing is shown below ten."""
    round_ = await _round(request, query.round)
    groups = []
    if round_ is not None:
        groups = await read_agreement(
            request.session, actor_of(request), round_id=round_.id, subject=query.subject, by=query.by
        )
    return render(
        request,
        "verification/agreement.html",
        round=round_,
        rounds=await _rounds(request),
        groups=groups,
        wanted=query,
    )
