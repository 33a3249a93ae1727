"""Enrolment: to another school or class, a guardian's consent, who it was erased, a school into the next year."""

from __future__ import annotations

from datetime import date
from itertools import groupby
from typing import Any

import msgspec

from flatwater.clock import today
from flatwater.contract import Html, Redirect
from flatwater.paging import PageRequest
from rightlevel.programme.enrolments import (
    CodeTaken,
    Consent,
    NewYearMissing,
    NothingToRollOver,
    RollOverPlan,
    Transfer,
    Withdrawal,
    children_to_move,
    erase_identity,
    give_consent,
    list_roll_overs,
    preview_roll_over,
    roll_over_school,
    transfer_student,
    undo_roll_over,
    withdraw_consent,
)
from rightlevel.programme.errors import Fault, Invalid, ProgrammeError
from rightlevel.programme.ids import time_ordered_id
from rightlevel.programme.permissions import May
from rightlevel.programme.schools import SchoolSearch, list_classes, list_schools, read_school
from rightlevel.programme.students import read_student
from rightlevel.web.call import (
    CLASS_BODY,
    ERASE_S,
    ROLL_S,
    Ask,
    ById,
    ByUuid,
    actor_of,
)
from rightlevel.web.pages.forms import Typed
from rightlevel.web.pages.work import grade_choices
from rightlevel.web.routes import Routes
from rightlevel.web.templating import done, language_of, render, show_again

routes = Routes("pages")

CLASSES = PageRequest(limit=200)
PAST = PageRequest(limit=20)


class SchoolWanted(msgspec.Struct, frozen=True):
    """Which school is looked for."""

    search: str = ""


class ChildAndSchool(msgspec.Struct, frozen=True):
    """A path with a child and the school it goes to."""

    id: str
    school: int


class MoveForm(msgspec.Struct, frozen=True):
    """Where a child goes, when and why."""

    version: int = 0
    class_id: int | None = None
    grade: int | None = None
    moved_on: str = ""
    reason: str = ""
    code: str = ""


class EraseForm(msgspec.Struct, frozen=True):
    """The child's code, typed again, and why."""

    confirmation: str = ""
    reason: str = ""


class RollForm(msgspec.Struct, frozen=True):
    """Who stays in their grade; `do` when the preview was seen."""

    id: str
    rolled_on: date
    stay: list[str] = []
    children: int | None = None
    carry_open_rounds: bool = False
    do: str = ""


class UndoForm(msgspec.Struct, frozen=True):
    """Why a school goes back."""

    school_id: int
    reason: str = ""


@routes.get("/students/{id}/move", May("transfer", "student"))
async def choose_new_school_page(call: Ask, *, path: ByUuid, query: SchoolWanted, page: PageRequest) -> Html:
    """The schools that a child can go to; its own, for another class, comes first."""
    actor = actor_of(call)
    student = await read_student(call.session, actor, path.id)
    own = await read_school(call.session, actor, student.school_id)
    found = await list_schools(call.session, actor, page, SchoolSearch(search=query.search.strip() or None))
    # Between a practice school and a real one nobody moves.
    near = [each for each in found.items if each.is_practice == own.is_practice]
    schools = msgspec.structs.replace(found, items=near)
    return render(
        call, "enrolments/choose_school.html", student=student, own=own, schools=schools, query=query
    )


@routes.get("/students/{id}/move/{school}", May("transfer", "student"))
async def move_student_page(call: Ask, *, path: ChildAndSchool) -> Html:
    """The form that moves a child: class or grade, since when, why."""
    student = await read_student(call.session, actor_of(call), path.id)
    form = MoveForm(student.version, None, student.grade, today(call.clock).isoformat())
    return render(call, "enrolments/move.html", **await _move(call, path, form))


async def _move(call: Ask, path: ChildAndSchool, form: MoveForm) -> dict[str, Any]:
    actor, language = actor_of(call), language_of(call)
    student = await read_student(call.session, actor, path.id)
    school = await read_school(call.session, actor, path.school)
    classes = await list_classes(call.session, actor, CLASSES, school_id=school.id)
    year_id = max((each.school_year_id for each in classes.items), default=0)
    return {
        "student": student,
        "school": school,
        "form": form,
        "grades": await grade_choices(call, short=True),
        "classes": [
            (each.id, f"{language.gettext('Grade {number}', number=each.grade)} {each.section}".strip())
            for each in classes.items
            if each.school_year_id == year_id
        ],
        "grade_of": {each.id: each.grade for each in classes.items},
    }


@routes.post("/students/{id}/move/{school}", May("transfer", "student"))
async def move_student_here(call: Ask, *, path: ChildAndSchool, form: MoveForm) -> Redirect:
    """Moves a child."""
    try:
        async with call.session.savepoint():
            values = await _move(call, path, form)
            grade = values["grade_of"].get(form.class_id, form.grade)
            typed = Typed()
            moved_on = typed.day("moved_on", form.moved_on)
            reason = typed.reason(form.reason)
            if grade is None:
                typed.needed("grade")
            typed.check()
            to = Transfer(
                form.version,
                path.school,
                grade or 0,
                moved_on,
                reason,
                form.class_id,
                form.code.strip() or None,
            )
            student = await transfer_student(call.session, actor_of(call), path.id, to, call.clock)
    except CodeTaken as error:
        proposed = msgspec.structs.replace(form, code=str(error.values.get("free_code", form.code)))
        values = await _move(call, path, proposed)
        show_again(call, "enrolments/move.html", error, **values, proposes=frozenset({"code"}))
    except ProgrammeError as error:
        show_again(call, "enrolments/move.html", error, **await _move(call, path, form))
    return done(call, f"/students/{student.id}", language_of(call).gettext("Saved."))


@routes.get("/students/{id}/consent", May("change", "student"))
async def consent_page(call: Ask, *, path: ByUuid) -> Html:
    """Whether a guardian may be contacted, and how."""
    student = await read_student(call.session, actor_of(call), path.id)
    return render(call, "enrolments/consent.html", student=student, today=today(call.clock))


@routes.post("/students/{id}/consent", May("change", "student"))
async def give_consent_here(call: Ask, *, path: ByUuid, form: Consent) -> Redirect:
    """Keeps a guardian's contact with their consent."""
    await give_consent(call.session, actor_of(call), path.id, form, call.clock)
    return done(call, f"/students/{path.id}", language_of(call).gettext("Saved."))


@routes.post("/students/{id}/consent/withdraw", May("change", "student"))
async def withdraw_consent_here(call: Ask, *, path: ByUuid, form: Withdrawal) -> Redirect:
    """Takes a guardian's contact away, with the consent to it."""
    await withdraw_consent(call.session, actor_of(call), path.id, form, call.clock)
    return done(call, f"/students/{path.id}", language_of(call).gettext("Saved."))


@routes.get("/students/{id}/erase", May("erase", "student"))
async def erase_page(call: Ask, *, path: ByUuid) -> Html:
    """What erasing takes and what stays, before it is done."""
    student = await read_student(call.session, actor_of(call), path.id)
    return render(call, "enrolments/erase.html", student=student, form=EraseForm())


@routes.post("/students/{id}/erase", May("erase", "student"), deadline_s=ERASE_S)
async def erase_here(call: Ask, *, path: ByUuid, form: EraseForm) -> Redirect:
    """Erases who a child was."""
    await erase_identity(
        call.session,
        actor_of(call),
        path.id,
        confirmation=form.confirmation,
        reason=form.reason,
        clock=call.clock,
    )
    return done(call, "/students", language_of(call).gettext("Who this child was is erased."))


@routes.get("/schools/{id}/roll-over", May("roll_over", "school"), deadline_s=ROLL_S)
async def roll_over_page(call: Ask, *, path: ById) -> Html:
    """What taking the school into the next year would do, class by class."""
    form = RollForm(time_ordered_id(), today(call.clock))
    try:
        return render(call, "enrolments/roll_over.html", **await _roll(call, path.id, form))
    except (Invalid, NewYearMissing, NothingToRollOver) as error:
        values: dict[str, Any] = {"preview": None, "classes": [], "form": form}
        return render(call, "enrolments/roll_over.html", error=error, **values, **await _past(call, path.id))


async def _past(call: Ask, school_id: int) -> dict[str, Any]:
    actor = actor_of(call)
    past = await list_roll_overs(call.session, actor, school_id, PAST)
    return {"school": await read_school(call.session, actor, school_id), "past": past.items}


def _plan(form: RollForm, *, children: int | None = None) -> RollOverPlan:
    return RollOverPlan(
        form.id,
        form.rolled_on,
        repeaters=tuple(form.stay),
        children=children,
        carry_open_rounds=form.carry_open_rounds,
    )


async def _roll(call: Ask, school_id: int, form: RollForm) -> dict[str, Any]:
    actor = actor_of(call)
    preview = await preview_roll_over(call.session, actor, school_id, _plan(form), call.clock)
    children = await children_to_move(call.session, actor, school_id)
    by_class = {
        key: list(group)
        for key, group in groupby(
            sorted(children, key=lambda each: (each.grade, each.class_id or 0)),
            lambda each: (each.class_id, each.grade),
        )
    }
    classes = [(fate, by_class.get((fate.class_id, fate.grade), [])) for fate in preview.classes]
    return {
        "preview": preview,
        "classes": classes,
        "form": form,
        "staying": set(form.stay),
        **await _past(call, school_id),
    }


@routes.post("/schools/{id}/roll-over", May("roll_over", "school"), deadline_s=ROLL_S, body_bytes=CLASS_BODY)
async def roll_over_here(call: Ask, *, path: ById, form: RollForm) -> Html | Redirect:
    """Shows what a choice of those who stay would do, or does it."""
    if form.do != "yes":
        return render(call, "enrolments/roll_over.html", **await _roll(call, path.id, form))
    if form.children is None:
        raise Invalid(faults=(Fault("children", "Please fill this in"),))
    await roll_over_school(
        call.session, actor_of(call), path.id, _plan(form, children=form.children), call.clock
    )
    return done(
        call, f"/schools/{path.id}/roll-over", language_of(call).gettext("The school is in the new year.")
    )


@routes.post("/roll-overs/{id}/undo", May("roll_over", "school"), deadline_s=ROLL_S)
async def undo_roll_over_here(call: Ask, *, path: ByUuid, form: UndoForm) -> Redirect:
    """Takes a school back into the year it left."""
    undone = await undo_roll_over(call.session, actor_of(call), path.id, reason=form.reason, clock=call.clock)
    told = language_of(call).ngettext("{n} child went back.", "{n} children went back.", undone.back)
    return done(call, f"/schools/{form.school_id}/roll-over", told)
