"""One child in one round and subject: the level is one tap; what else came of it, and what two people entered at once."""

from __future__ import annotations

from datetime import date
from typing import Any, NoReturn

import msgspec

from flatwater.contract import Html, Redirect
from flatwater.paging import CEILING_ROWS, PageRequest
from rightlevel.programme.errors import Conflict, Fault, Forbidden, Invalid, NotFound, ProgrammeError, Stale
from rightlevel.programme.ids import time_ordered_id
from rightlevel.programme.levels import scale_of_round
from rightlevel.programme.permissions import May, Subject, allowed, require_scope
from rightlevel.programme.results import (
    ResultAnswer,
    ResultWrite,
    StudentResult,
    delete_result,
    enter_results,
    results_of_student,
)
from rightlevel.programme.results.model import FORBIDDING
from rightlevel.programme.rounds import Round, read_round
from rightlevel.programme.schools import read_school
from rightlevel.programme.students import Student, read_student
from rightlevel.web.feature import SAVED
from rightlevel.web.language import N_
from rightlevel.web.request import Request, actor_of
from rightlevel.web.routes import Routes
from rightlevel.web.sent import NEEDED, Reason, reason_of, require_filled
from rightlevel.web.templating import done, render, show_again
from rightlevel.web.work import day_in_round, is_exercise_due

routes = Routes("pages")

OTHERS = ("absent", "refused", "left")
ASSENTS = {"yes": True, "no": False}
OVERRIDABLE = ("date_outside_round", "round_not_open", "school_locked", "result_locked", "verified")


class ResultPath(msgspec.Struct, frozen=True):
    """The way to a child's result: the child, the round, the subject."""

    id: str
    round_id: int
    subject: str


class ChoiceForm(msgspec.Struct, frozen=True):
    """The button that was pressed, the version before the person's eyes, and a coordinator's reason."""

    choice: str = ""
    version: int | None = None
    reason: str = ""
    write_id: str = ""
    tested_on: date | None = None
    tool: int | None = None
    assent: str = ""
    is_selected: bool = False
    notes: str = ""


class Entry(msgspec.Struct, frozen=True):
    """What an entry page is about."""

    student: Student
    round: Round
    subject: Subject
    result: StudentResult | None

    @property
    def was(self) -> str:
        """What is on the server: a level's code, or what else came of it."""
        return choice_of(self.result.outcome, self.result.level) if self.result is not None else ""

    @property
    def address(self) -> str:
        """Where it is entered."""
        return f"/students/{self.student.id}/results/{self.round.id}/{self.subject}"

    @property
    def is_held(self) -> bool:
        """Whether nobody may enter it as a matter of course: the round is not open, or the result is locked or verified."""
        return self.round.state != "open" or (
            self.result is not None and (self.result.is_locked or self.result.is_verified)
        )


def choice_of(outcome: str, level: str | None) -> str:
    return level or (outcome if outcome != "assessed" else "")


async def entry_of(request: Request, path: ResultPath) -> Entry:
    """The child, the round and what is saved. *Errors*: NotFound, OutOfScope. *Cost*: three statements."""
    actor = actor_of(request)
    subject: Subject = "math" if path.subject == "math" else "language"
    if path.subject != subject:
        raise NotFound
    student = await read_student(request.session, actor, path.id)
    round_ = await read_round(request.session, actor, path.round_id)
    if student.is_deleted or round_.is_deleted:
        raise NotFound
    require_scope(actor, student.school_id, subject=subject, class_id=student.class_id)
    found = await results_of_student(request.session, actor, path.id, PageRequest(CEILING_ROWS))
    result = next(
        (each for each in found.items if each.round_id == round_.id and each.subject == subject), None
    )
    return Entry(student, round_, subject, result)


async def _values(request: Request, entry: Entry, **more: Any) -> dict[str, Any]:
    actor, result = actor_of(request), entry.result
    may_override = allowed(actor.role, "override", "result")
    is_held = entry.is_held
    school = await read_school(request.session, actor, entry.student.school_id)
    return {
        "student": entry.student,
        "school": school,
        "exercise_is_due": await is_exercise_due(request, school, entry.subject),
        "round": entry.round,
        "subject": entry.subject,
        "scale": scale_of_round(entry.round.id, entry.subject),
        "was": entry.was,
        "chosen": entry.was,
        "result_version": result.version if result else None,
        "may_enter": not is_held or may_override,
        "needs_reason": is_held and may_override,
        "is_stale": False,
        "yours": "",
        "reason": "",
        "action": entry.address,
        "may_delete": allowed(actor.role, "delete", "result") and (not is_held or may_override),
        "tested_on": _tested_on(request, entry),
        "details": result,
    } | more


@routes.get("/students/{id}/results/{round_id}/{subject}", May("enter", "result"))
async def result_page(request: Request, *, path: ResultPath) -> Html:
    """The levels of a subject as buttons, with what is saved."""
    entry = await entry_of(request, path)
    return render(request, "results/entry.html", **await _values(request, entry))


@routes.post("/students/{id}/results/{round_id}/{subject}", May("enter", "result"))
async def post_enter_result(request: Request, *, path: ResultPath, form: ChoiceForm) -> Redirect:
    """Saves the level that was tapped."""
    entry = await entry_of(request, path)
    write = _write(request, path, entry, form)
    (answer,) = await enter_results(request.session, actor_of(request), [write], request.clock)
    if not answer.is_saved:
        await _refused(request, entry, form, answer)
    text = N_("Saved, but this child has no baseline.") if "no_baseline" in answer.warnings else SAVED
    return done(request, f"/students/{path.id}", text)


def _write(request: Request, path: ResultPath, entry: Entry, form: ChoiceForm) -> ResultWrite:
    """What the form means. *Errors*: Invalid for no level, or no day where one is asked: nothing is guessed."""
    # A program that sends only the level means the day that the page would have shown.
    asked = ("choice", "tested_on") if "tested_on" in request.sent.fields else ("choice",)
    require_filled(form, *asked)
    on = form.tested_on or _tested_on(request, entry)
    is_other = form.choice in OTHERS
    return ResultWrite(
        form.write_id or time_ordered_id(),
        path.id,
        path.round_id,
        path.subject,
        on,
        outcome=form.choice if is_other else "assessed",
        level=None if is_other else form.choice,
        tool=form.tool,
        assent=ASSENTS.get(form.assent),
        is_selected=form.is_selected,
        notes=form.notes.strip() or None,
        version=form.version,
        reason=form.reason.strip() or None,
    )


def _tested_on(request: Request, entry: Entry) -> date:
    """The day that stands with the result, else today, or the round's nearest day."""
    if entry.result is not None:
        return entry.result.tested_on
    return day_in_round(request, entry.round)


def refusal_of(answer: ResultAnswer) -> ProgrammeError:
    """Why a write was not saved, as what a page is refused with."""
    if answer.code in FORBIDDING:
        return Forbidden(answer.message)
    if answer.code == "not_found":
        return NotFound()
    if answer.faults:
        return Invalid(faults=tuple(answer.faults))
    if answer.code in ("stale", "conflict"):
        return Stale()
    return Conflict(answer.message)


async def _refused(request: Request, entry: Entry, form: ChoiceForm, answer: ResultAnswer) -> NoReturn:
    """The page again with why not; of two values, both, and a person decides."""
    error = refusal_of(answer)
    if isinstance(error, Forbidden | NotFound):
        raise error
    more: dict[str, Any] = {"reason": form.reason}
    if isinstance(error, Stale) and answer.current is None:
        error = Conflict(answer.message)  # another's, and not for this reader to see
    elif isinstance(error, Stale) and answer.current is not None:
        there = choice_of(answer.current.outcome, answer.current.level)
        more |= {
            "is_stale": True,
            "was": there,
            "chosen": "",
            "result_version": answer.current.version,
            "yours": form.choice,
        }
    elif answer.code in OVERRIDABLE and allowed(actor_of(request).role, "override", "result"):
        error = Conflict(answer.message, faults=(Fault("reason", NEEDED),))
        more |= {"needs_reason": True}
    show_again(request, "results/entry.html", error, **await _values(request, entry, **more))


@routes.post("/students/{id}/results/{round_id}/{subject}/delete", May("delete", "result"))
async def post_delete_result(request: Request, *, path: ResultPath, form: Reason) -> Redirect:
    """Takes a result away, with a reason; the child then counts as not tested."""
    entry = await entry_of(request, path)
    if entry.result is None:
        raise NotFound
    await delete_result(
        request.session,
        actor_of(request),
        entry.result.id,
        version=form.version,
        reason=reason_of(form),
        clock=request.clock,
    )
    return done(request, f"/students/{path.id}", N_("The result is removed."))
