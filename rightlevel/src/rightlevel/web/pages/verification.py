"""Verification: what waits for a re-test, the re-test itself, the two levels that differ, samples, and how well tests agree."""

from __future__ import annotations

from typing import Any

import msgspec

from flatwater.clock import today
from flatwater.contract import Html, Redirect
from flatwater.paging import PageLimit, PageRequest
from rightlevel.programme.errors import Conflict, Invalid, NotFound
from rightlevel.programme.ids import time_ordered_id
from rightlevel.programme.levels import SCALES
from rightlevel.programme.permissions import May, Subject, allowed
from rightlevel.programme.results import read_result
from rightlevel.programme.rounds import Round, current_round, list_rounds, read_round
from rightlevel.programme.schools import read_school
from rightlevel.programme.students import Student, read_student
from rightlevel.programme.verification import (
    NewDraw,
    Retest,
    RetestAnswer,
    answer_returned,
    draw_sample,
    list_draws,
    list_returned,
    plan_draw,
    read_agreement,
    read_verification,
    resolve,
    return_to_teacher,
    save_retests,
    verification_queue,
    withdraw,
)
from rightlevel.web.call import Ask, ByUuid, actor_of
from rightlevel.web.language import N_
from rightlevel.web.pages.forms import Reason, Typed
from rightlevel.web.pages.work import place_choices
from rightlevel.web.routes import Routes
from rightlevel.web.templating import done, language_of, render

routes = Routes("pages")

DRAW_S = 60.0
ROUNDS = PageRequest(20)
TABS = (
    ("waiting", N_("To test again")),
    ("disputed", N_("To decide")),
    ("returned", N_("Returned")),
    ("settled", N_("Settled")),
    ("over", N_("Over")),
)
CONFIDENCES = ("0.9", "0.95", "0.99")


class QueueWanted(msgspec.Struct, frozen=True):
    """Which re-tests are shown."""

    round: int | None = None
    state: str = "waiting"
    school: int | None = None
    subject: str = ""


class RetestForm(msgspec.Struct, frozen=True):
    """What a re-test's form sends; `outcome` is a level's code, or absent or refused."""

    choice: str = ""
    tool: str = ""
    tested_on: str = ""
    notes: str = ""
    reason: str = ""
    write_id: str = ""


class DecisionForm(msgspec.Struct, frozen=True):
    """Which level stands, and why."""

    version: int = 0
    stands: str = ""
    reason: str = ""


class DrawForm(msgspec.Struct, frozen=True):
    """What the form for a sample sends; `act` is `plan` to look first, or `draw`."""

    round: int = 0
    subject: str = "language"
    school_id: str = ""
    place_id: str = ""
    margin: str = "5"
    confidence: str = "0.95"
    expected: str = "80"
    seed: str = ""
    visible_on: str = ""
    act: str = "plan"


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


async def _round(call: Ask, round_id: int | None) -> Round | None:
    if round_id is not None:
        return await read_round(call.session, actor_of(call), round_id)
    return await current_round(call.session, actor_of(call), call.clock)


async def _rounds(call: Ask) -> list[Round]:
    return (await list_rounds(call.session, actor_of(call), ROUNDS)).items


@routes.get("/verification", May("read", "verification"), page=PageLimit(50))
async def verification_page(call: Ask, *, query: QueueWanted, page: PageRequest) -> Html:
    """The re-tests of a round: to do, to decide, returned, settled."""
    round_ = await _round(call, query.round)
    state = query.state if query.state in dict(TABS) else "waiting"
    queue = None
    if round_ is not None:
        queue = await verification_queue(
            call.session,
            actor_of(call),
            page,
            call.clock,
            round_id=round_.id,
            state=state,
            school_id=query.school,
            subject=query.subject or None,
        )
    return render(
        call,
        "verification/queue.html",
        round=round_,
        rounds=await _rounds(call),
        queue=queue,
        state=state,
        wanted=query,
        tabs=TABS,
        today=today(call.clock),
    )


@routes.get("/verification/returned", May("read", "returned"), page=PageLimit(50))
async def returned_page(call: Ask, *, page: PageRequest) -> Html:
    """Results that their teacher is asked to look at again."""
    return render(
        call,
        "verification/returned.html",
        page=await list_returned(call.session, actor_of(call), page, call.clock),
    )


@routes.post("/verification/{id}/answer", May("enter", "result"))
async def answer_here(call: Ask, *, path: ByUuid, form: Reason) -> Redirect:
    """The teacher stands by a result."""
    await answer_returned(
        call.session,
        actor_of(call),
        path.id,
        version=form.version,
        reason=form.reason,
        clock=call.clock,
    )
    _ = language_of(call).gettext
    return done(call, "/verification/returned", _("Noted. The child will be tested again."))


class _Child(msgspec.Struct, frozen=True):
    student: Student
    round: Round
    subject: Subject
    result_id: str
    first_tool: int | None
    first_tested_on: Any
    school_id: int


async def _child(call: Ask, result_id: str) -> _Child:
    actor = actor_of(call)
    result = await read_result(call.session, actor, result_id)
    subject: Subject = "math" if result.subject == "math" else "language"
    student = await read_student(call.session, actor, result.student_id)
    round_ = await read_round(call.session, actor, result.round_id)
    return _Child(student, round_, subject, result_id, result.tool, result.tested_on, student.school_id)


def _retest_values(call: Ask, child: _Child, form: RetestForm, **more: Any) -> dict[str, Any]:
    tools = [(str(number), str(number)) for number in range(1, 5) if number != child.first_tool]
    return {
        "child": child,
        "scale": SCALES[child.subject],
        "form": form,
        "tools": tools,
        "answer": None,
        "may_override": allowed(actor_of(call).role, "override", "result"),
    } | more


@routes.get("/verification/results/{id}", May("verify", "result"))
async def retest_page(call: Ask, *, path: ByUuid) -> Html:
    """The form for a re-test; it says nothing of the first level."""
    child = await _child(call, path.id)
    form = RetestForm(tested_on=today(call.clock).isoformat())
    return render(call, "verification/retest.html", **_retest_values(call, child, form))


@routes.post("/verification/results/{id}", May("verify", "result"))
async def retest_here(call: Ask, *, path: ByUuid, form: RetestForm) -> Html:
    """Saves a re-test, and shows both levels now that the second is saved."""
    child = await _child(call, path.id)
    typed = Typed()
    tested_on = typed.day("tested_on", form.tested_on)
    tool = typed.whole_or_none("tool", form.tool)
    if not form.choice:
        typed.needed("choice")
    is_other = form.choice in ("absent", "refused")
    typed.check()
    write = Retest(
        form.write_id or time_ordered_id(),
        path.id,
        tested_on,
        outcome=form.choice if is_other else "assessed",
        level=None if is_other else form.choice,
        tool=tool,
        notes=form.notes.strip() or None,
        reason=form.reason.strip() or None,
    )
    (answer,) = await save_retests(call.session, actor_of(call), [write], call.clock)
    _require_saved(answer)
    return render(call, "verification/retest.html", **_retest_values(call, child, form, answer=answer))


def _require_saved(answer: RetestAnswer) -> None:
    if answer.is_saved:
        return
    if answer.code in ("not_found", "out_of_scope"):
        raise NotFound
    if answer.faults:
        raise Invalid(faults=tuple(answer.faults))
    raise Conflict(answer.message)


@routes.get("/verification/{id}", May("read", "verification"))
async def one_verification_page(call: Ask, *, path: ByUuid) -> Html:
    """One re-test: both levels once it is saved, and what can be done next."""
    return render(call, "verification/one.html", **await _one(call, path.id))


async def _one(call: Ask, verification_id: str, form: DecisionForm | None = None) -> dict[str, Any]:
    actor = actor_of(call)
    found = await read_verification(call.session, actor, verification_id, call.clock)
    child = await _child(call, found.result_id)
    return {
        "found": found,
        "child": child,
        "form": form or DecisionForm(found.version),
        "may_settle": allowed(actor.role, "settle", "verification"),
        "may_return": allowed(actor.role, "settle", "verification") or found.verifier_id == actor.person_id,
    }


@routes.post("/verification/{id}/resolve", May("settle", "verification"))
async def resolve_here(call: Ask, *, path: ByUuid, form: DecisionForm) -> Redirect:
    """Decides which level stands."""
    await resolve(
        call.session,
        actor_of(call),
        path.id,
        version=form.version,
        stands=form.stands,
        reason=form.reason,
        clock=call.clock,
    )
    return _done(call, N_("Decided. The result is verified."))


def _done(call: Ask, text: str) -> Redirect:
    return done(call, "/verification?state=disputed", language_of(call).gettext(text))


@routes.post("/verification/{id}/return", May("verify", "result"))
async def return_here(call: Ask, *, path: ByUuid, form: DecisionForm) -> Redirect:
    """Returns a result to its teacher."""
    await return_to_teacher(
        call.session,
        actor_of(call),
        path.id,
        version=form.version,
        reason=form.reason,
        clock=call.clock,
    )
    return _done(call, N_("Returned to the teacher."))


@routes.post("/verification/{id}/withdraw", May("settle", "verification"))
async def withdraw_here(call: Ask, *, path: ByUuid, form: DecisionForm) -> Redirect:
    """Takes a re-test back."""
    await withdraw(
        call.session,
        actor_of(call),
        path.id,
        version=form.version,
        reason=form.reason,
        clock=call.clock,
    )
    return _done(call, N_("The re-test is withdrawn."))


@routes.get("/verification-samples", May("draw", "verification"), page=PageLimit(20))
async def samples_page(call: Ask, *, query: DrawWanted, page: PageRequest) -> Html:
    """The form for a sample, and the samples of the round."""
    round_ = await _round(call, query.round)
    form = DrawForm(
        round_.id if round_ else 0,
        school_id=str(query.school or ""),
        place_id=str(query.place or ""),
        visible_on=today(call.clock).isoformat(),
    )
    return render(call, "verification/samples.html", **await _samples(call, form, page))


async def _samples(call: Ask, form: DrawForm, page: PageRequest, **more: Any) -> dict[str, Any]:
    draws = await list_draws(call.session, actor_of(call), form.round, page) if form.round else None
    chosen = form.school_id.strip()
    school = await read_school(call.session, actor_of(call), int(chosen)) if chosen.isdecimal() else None
    return {
        "school": school,
        "places": [] if school else await place_choices(call),
        "form": form,
        "draws": draws,
        "rounds": await _rounds(call),
        "confidences": CONFIDENCES,
        "plan": None,
    } | more


@routes.post("/verification-samples", May("draw", "verification"), deadline_s=DRAW_S)
async def sample_here(call: Ask, *, form: DrawForm) -> Html | Redirect:
    """Says how many children a sample would take, or draws it."""
    page = PageRequest(20)
    new = _new_draw(form)
    if form.act != "draw":
        plan = await plan_draw(call.session, actor_of(call), new)
        return render(call, "verification/samples.html", **await _samples(call, form, page, plan=plan))
    drawn = await draw_sample(call.session, actor_of(call), new, call.clock)
    _ = language_of(call).gettext
    return done(
        call,
        f"/verification-samples?round={drawn.round_id}",
        _("{count} children will be tested again.", count=drawn.added),
    )


def _new_draw(form: DrawForm) -> NewDraw:
    typed = Typed()
    school_id, place_id = (
        typed.whole_or_none("school_id", form.school_id),
        typed.whole_or_none("place_id", form.place_id),
    )
    margin, expected = (
        typed.decimal_or_none("margin", form.margin),
        typed.decimal_or_none("expected", form.expected),
    )
    seed = typed.whole_or_none("seed", form.seed)
    confidence = typed.decimal_or_none("confidence", form.confidence)
    visible_on = typed.day_or_none("visible_on", form.visible_on)
    typed.check()
    return NewDraw(
        form.round,
        form.subject,
        school_id,
        place_id,
        (margin or 0) / 100,
        confidence or 0.0,
        (expected or 0) / 100,
        seed,
        visible_on,
    )


@routes.get("/agreement", May("read", "agreement"))
async def agreement_page(call: Ask, *, query: AgreementWanted) -> Html:
    """How re-tests agree with first tests; nothing is shown below ten."""
    round_ = await _round(call, query.round)
    groups = []
    if round_ is not None:
        groups = await read_agreement(
            call.session, actor_of(call), round_id=round_.id, subject=query.subject, by=query.by
        )
    return render(
        call,
        "verification/agreement.html",
        round=round_,
        rounds=await _rounds(call),
        groups=groups,
        wanted=query,
    )
