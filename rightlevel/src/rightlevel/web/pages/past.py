"""Where a child was before, and saying otherwise in which class, grade or sex."""

from __future__ import annotations

from typing import Any

import msgspec

from flatwater.contract import Html, Redirect
from flatwater.paging import PageRequest
from rightlevel.programme.enrolments import PastAmendment, amend_past_enrolment, read_past_enrolment
from rightlevel.programme.permissions import May
from rightlevel.programme.schools import list_classes
from rightlevel.programme.students import PastEnrolment, Student, list_past_enrolments, read_student
from rightlevel.web.call import Ask, ByUuid, actor_of
from rightlevel.web.pages.work import class_name, grade_choices
from rightlevel.web.routes import Routes
from rightlevel.web.templating import done, language_of, render

routes = Routes("pages")

CLASSES = PageRequest(limit=200)


class ByPast(msgspec.Struct, frozen=True):
    """A path with a child's id and the number of one of its past enrolments in it."""

    id: str
    enrolment_id: int


class AmendForm(msgspec.Struct, frozen=True):
    """What it should have said, and why."""

    version: int = 0
    grade: int | None = None
    sex: int | None = None
    class_id: int | None = None
    reason: str = ""


@routes.get("/students/{id}/past", May("read", "student"))
async def past_page(call: Ask, *, path: ByUuid, page: PageRequest) -> Html:
    """Where a child was before, in order."""
    actor = actor_of(call)
    student = await read_student(call.session, actor, path.id)
    found = await list_past_enrolments(call.session, actor, path.id, page)
    return render(call, "enrolments/past.html", student=student, page=found)


@routes.get("/students/{id}/past/{enrolment_id}", May("amend", "student"))
async def amend_page(call: Ask, *, path: ByPast) -> Html:
    """One past enrolment, to say otherwise what it says."""
    student, past = await read_past_enrolment(call.session, actor_of(call), path.id, path.enrolment_id)
    form = AmendForm(student.version, past.grade, past.sex, past.class_id)
    return render(call, "enrolments/amend.html", **await _amend(call, student, past, form))


async def _amend(call: Ask, student: Student, past: PastEnrolment, form: AmendForm) -> dict[str, Any]:
    classes = await list_classes(
        call.session, actor_of(call), CLASSES, school_id=past.school_id, school_year_id=past.school_year_id
    )
    language = language_of(call)
    grades = await grade_choices(call)
    if past.grade not in dict(grades):
        grades = [*grades, (past.grade, class_name(language, past.grade, ""))]
    return {
        "student": student,
        "past": past,
        "form": form,
        "grades": grades,
        "classes": [(each.id, class_name(language, each.grade, each.section)) for each in classes.items],
    }


@routes.post("/students/{id}/past/{enrolment_id}", May("amend", "student"))
async def amend_here(call: Ask, *, path: ByPast, form: AmendForm) -> Redirect:
    """Says otherwise what a child was; its results of that year follow."""
    unset = msgspec.UNSET
    amendment = PastAmendment(
        form.version,
        form.reason,
        grade=unset if form.grade is None else form.grade,
        sex=unset if form.sex is None else form.sex,
        class_id=form.class_id,
    )
    amended = await amend_past_enrolment(
        call.session, actor_of(call), path.id, path.enrolment_id, amendment, call.clock
    )
    told = language_of(call).ngettext(
        "Saved. {n} result of that year followed.",
        "Saved. {n} results of that year followed.",
        amended.results,
    )
    return done(call, f"/students/{path.id}/past", told)
