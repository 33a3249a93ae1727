"""The pages of a child's life: the school it goes to, a guardian's consent, its past, erasing it; and a school's roll-over."""

from __future__ import annotations

from datetime import date
from itertools import groupby
from typing import Any

import msgspec

from flatwater.clock import Clock, today
from flatwater.contract import Html, Redirect
from flatwater.paging import PageRequest
from flatwater.transaction import Session
from rightlevel.programme.enrolments import (
    CodeTaken,
    NewYearMissing,
    NothingToRollOver,
    RollOverPlan,
    Transfer,
    children_to_move,
    list_roll_overs,
    preview_roll_over,
    read_past_enrolment,
    roll_over_school,
    transfer_student,
)
from rightlevel.programme.errors import Invalid
from rightlevel.programme.ids import time_ordered_id
from rightlevel.programme.permissions import Actor, May
from rightlevel.programme.schools import SchoolSearch, list_classes, list_schools, read_school
from rightlevel.programme.students import Student, list_past_enrolments, read_student
from rightlevel.web.language import N_
from rightlevel.web.request import CLASS_BODY, ROLL_S, ById, ByUuid, Request, SchoolSought, actor_of
from rightlevel.web.routes import Routes
from rightlevel.web.sent import require_filled
from rightlevel.web.templating import done, language_of, refused, render
from rightlevel.web.work import class_name, grade_choices

routes = Routes("pages")

CLASSES = PageRequest(limit=200)
PAST = PageRequest(limit=20)


class ChildAndSchool(msgspec.Struct, frozen=True):
    """A path with a child and the school it goes to."""

    id: str
    school: int


class ByPast(msgspec.Struct, frozen=True):
    """A path with a child's id and the number of one of its past enrolments in it."""

    id: str
    enrolment_id: int


class MoveForm(msgspec.Struct, frozen=True):
    """Where a child goes, when and why; a class has its own grade."""

    version: int
    moved_on: date
    reason: str
    class_id: int | None = None
    grade: int | None = None
    code: str | None = None


class RollForm(msgspec.Struct, frozen=True):
    """Who stays in their grade; `do` when the preview was seen."""

    id: str
    rolled_on: date
    stay: tuple[str, ...] = ()
    children: int | None = None
    carry_open_rounds: bool = False
    do: str = ""

    def plan(self, *, children: int | None = None) -> RollOverPlan:
        return RollOverPlan(
            self.id,
            self.rolled_on,
            repeaters=self.stay,
            children=children,
            carry_open_rounds=self.carry_open_rounds,
        )


@routes.get("/students/{id}/move", May("transfer", "student"))
async def choose_new_school_page(
    request: Request, *, path: ByUuid, query: SchoolSought, page: PageRequest
) -> Html:
    """The schools that a child can go to; its own, for another class, comes first."""
    actor = actor_of(request)
    student = await read_student(request.session, actor, path.id)
    own = await read_school(request.session, actor, student.school_id)
    found = await list_schools(
        request.session, actor, page, SchoolSearch(search=query.search.strip() or None)
    )
    # Between a practice school and a real one nobody moves.
    near = [each for each in found.items if each.is_practice == own.is_practice]
    schools = msgspec.structs.replace(found, items=near)
    return render(
        request, "enrolments/choose_school.html", student=student, own=own, schools=schools, query=query
    )


@routes.get("/students/{id}/move/{school}", May("transfer", "student"))
async def move_student_page(request: Request, *, path: ChildAndSchool) -> Html:
    """The form that moves a child: class or grade, since when, why; and a code that is free there, where its own is taken."""
    actor, language, refusal = actor_of(request), language_of(request), refused.get()
    school = await read_school(request.session, actor, path.school)
    classes = await list_classes(request.session, actor, CLASSES, school_id=school.id)
    year_id = max((each.school_year_id for each in classes.items), default=0)
    return render(
        request,
        "enrolments/move.html",
        student=await read_student(request.session, actor, path.id),
        school=school,
        today=today(request.clock),
        free_code=refusal.values.get("free_code", "") if isinstance(refusal, CodeTaken) else "",
        grades=await grade_choices(request, short=True),
        classes=[
            (each.id, class_name(language, each.grade, each.section))
            for each in classes.items
            if each.school_year_id == year_id
        ],
    )


async def move_to_school(
    session: Session, actor: Actor, path: ChildAndSchool, form: MoveForm, clock: Clock
) -> Student:
    """Moves a child, into the grade of its class where it gets one."""
    classes = await list_classes(session, actor, CLASSES, school_id=path.school)
    grade = {each.id: each.grade for each in classes.items}.get(form.class_id or 0, form.grade)
    if grade is None:
        require_filled(form, "grade")
    to = Transfer(
        form.version,
        path.school,
        grade or 0,
        form.moved_on,
        form.reason,
        class_id=form.class_id,
        code=form.code,
    )
    return await transfer_student(session, actor, path.id, to, clock)


@routes.get("/students/{id}/consent", May("change", "student"))
async def consent_page(request: Request, *, path: ByUuid) -> Html:
    """Whether a guardian may be contacted, and how."""
    student = await read_student(request.session, actor_of(request), path.id)
    return render(request, "enrolments/consent.html", student=student, today=today(request.clock))


@routes.get("/students/{id}/erase", May("erase", "student"))
async def erase_page(request: Request, *, path: ByUuid) -> Html:
    """What erasing takes and what stays, before it is done."""
    return render(
        request,
        "enrolments/erase.html",
        student=await read_student(request.session, actor_of(request), path.id),
    )


@routes.get("/students/{id}/past", May("read", "student"))
async def past_page(request: Request, *, path: ByUuid, page: PageRequest) -> Html:
    """Where a child was before, in order."""
    student = await read_student(request.session, actor_of(request), path.id)
    found = await list_past_enrolments(request.session, actor_of(request), path.id, page)
    return render(request, "enrolments/past.html", student=student, page=found)


@routes.get("/students/{id}/past/{enrolment_id}", May("amend", "student"))
async def amend_page(request: Request, *, path: ByPast) -> Html:
    """One past enrolment, to say otherwise what it says."""
    actor, language = actor_of(request), language_of(request)
    student, past = await read_past_enrolment(request.session, actor, path.id, path.enrolment_id)
    classes = await list_classes(
        request.session, actor, CLASSES, school_id=past.school_id, school_year_id=past.school_year_id
    )
    grades = await grade_choices(request)
    if past.grade not in dict(grades):
        grades = [*grades, (past.grade, class_name(language, past.grade, ""))]
    named = [(each.id, class_name(language, each.grade, each.section)) for each in classes.items]
    return render(request, "enrolments/amend.html", student=student, past=past, grades=grades, classes=named)


@routes.get("/schools/{id}/roll-over", May("roll_over", "school"), deadline_s=ROLL_S)
async def roll_over_page(request: Request, *, path: ById) -> Html:
    """What taking the school into the next year would do, class by class."""
    form = RollForm(time_ordered_id(), today(request.clock))
    try:
        return render(request, "enrolments/roll_over.html", **await _roll(request, path.id, form))
    except (Invalid, NewYearMissing, NothingToRollOver) as error:
        values: dict[str, Any] = {"preview": None, "classes": [], "form": form}
        return render(
            request, "enrolments/roll_over.html", error=error, **values, **await _past(request, path.id)
        )


async def _past(request: Request, school_id: int) -> dict[str, Any]:
    past = await list_roll_overs(request.session, actor_of(request), school_id, PAST)
    return {"school": await read_school(request.session, actor_of(request), school_id), "past": past.items}


async def _roll(request: Request, school_id: int, form: RollForm) -> dict[str, Any]:
    actor = actor_of(request)
    preview = await preview_roll_over(request.session, actor, school_id, form.plan(), request.clock)
    children = await children_to_move(request.session, actor, school_id)
    by_class = {
        key: list(group)
        for key, group in groupby(
            sorted(children, key=lambda each: (each.grade, each.class_id or 0)),
            lambda each: (each.class_id, each.grade),
        )
    }
    return {
        "preview": preview,
        "classes": [(fate, by_class.get((fate.class_id, fate.grade), [])) for fate in preview.classes],
        "form": form,
        "staying": set(form.stay),
        **await _past(request, school_id),
    }


@routes.post("/schools/{id}/roll-over", May("roll_over", "school"), deadline_s=ROLL_S, body_bytes=CLASS_BODY)
async def post_roll_over(request: Request, *, path: ById, form: RollForm) -> Html | Redirect:
    """Shows what a choice of those who stay would do, or does it."""
    if form.do != "yes":
        return render(request, "enrolments/roll_over.html", **await _roll(request, path.id, form))
    if form.children is None:
        require_filled(form, "children")
    plan = form.plan(children=form.children)
    await roll_over_school(request.session, actor_of(request), path.id, plan, request.clock)
    return done(request, f"/schools/{path.id}/roll-over", N_("The school is in the new year."))
