"""Special programmes, the children in them, and how it ended."""

from __future__ import annotations

from datetime import date
from typing import Any

import msgspec

from flatwater.clock import today
from flatwater.contract import Html, Redirect
from flatwater.paging import CEILING_ROWS, PageLimit, PageRequest
from rightlevel.programme.errors import Invalid, ProgrammeError
from rightlevel.programme.ids import time_ordered_id
from rightlevel.programme.interventions import (
    OUTCOMES,
    Enrolment,
    EnrolmentAnswer,
    EnrolmentChange,
    EnrolmentWrite,
    Intervention,
    InterventionWrite,
    change_enrolment,
    change_intervention,
    create_intervention,
    delete_intervention,
    enrol_children,
    list_enrolment_changes,
    list_enrolments,
    list_interventions,
    read_enrolment,
    read_intervention,
    restore_intervention,
)
from rightlevel.programme.permissions import May
from rightlevel.programme.students import StudentSearch, list_students, read_student
from rightlevel.web.feature import IN_PAGES, Feature, Filters
from rightlevel.web.language import N_
from rightlevel.web.request import CLASS_BODY, ById, Request, actor_of
from rightlevel.web.templating import done, language_of, render, render_partly

FOUND = PageRequest(40)
ALL = PageRequest(CEILING_ROWS)
NOT_SAVED = N_("This could not be saved")
REFUSALS = {
    "enrolled_already": N_("This child is in the programme already."),
    "not_found": N_("This child is not here any more."),
    "out_of_scope": N_("This school or subject is not assigned to you."),
    "conflict": N_("This collides with something that is already there."),
}


class EnrolmentSearch(msgspec.Struct, frozen=True):
    """Of which school, if told."""

    school_id: int | None = None


class ByIntervention(msgspec.Struct, frozen=True):
    """A path with a programme's number in it."""

    intervention_id: int = msgspec.field(name="id")


class ByStudent(msgspec.Struct, frozen=True):
    """A path with a child's id in it."""

    student_id: str = msgspec.field(name="id")


class Enrolling(msgspec.Struct, frozen=True):
    """Up to 200 children; each is answered by itself."""

    writes: list[EnrolmentWrite]


class EnrolmentAnswers(msgspec.Struct, frozen=True):
    """What became of each, in the order sent."""

    answers: list[EnrolmentAnswer]


class EnrolForm(msgspec.Struct, frozen=True):
    """The children that were ticked, and from which day on."""

    from_on: date
    student_id: list[str] = []


class ChildSought(msgspec.Struct, frozen=True):
    """Which child is sought, to be enrolled."""

    search: str = ""


async def _first_day(request: Request, thing: Intervention | None, _: Any) -> dict[str, Any]:
    """A new programme is meant to start today."""
    return {"starts_on": thing.starts_on if thing else today(request.clock)}


routes = Feature(
    "intervention", "interventions", deeds={"create": "change", "delete": "change", "restore": "change"}
)
routes.lists(list_interventions, Filters, "list.html", rows=PageLimit(50))
routes.reads(read_intervention)
routes.creates(
    create_intervention, InterventionWrite, "form.html", then="/interventions/{made.id}", beside=_first_day
)
routes.changes(
    change_intervention,
    InterventionWrite,
    "form.html",
    read=read_intervention,
    then="/interventions/{path.id}",
    at="/{id}/edit",
    method="PUT",
    beside=_first_day,
)
routes.deletes(delete_intervention, then="/interventions", word=N_("Deleted."))
routes.restores(restore_intervention)


async def _past(request: Request, enrolment: Enrolment, _: Any) -> dict[str, Any]:
    """Every later change of an enrolment, and how it may end."""
    past = await list_enrolment_changes(request.session, actor_of(request), enrolment.id, ALL)
    return {"past": past.items, "outcomes": OUTCOMES}


enrolments = Feature(
    "enrolment",
    "enrolments",
    resource="intervention",
    tag="interventions",
    folder="interventions",
    deeds={"change": "enrol"},
)
enrolments.reads(read_enrolment)
enrolments.changes(
    change_enrolment,
    EnrolmentChange,
    "enrolment.html",
    read=read_enrolment,
    then="/interventions/{made.intervention_id}",
    beside=_past,
    none_if_blank=("outcome",),
    seen_by="read",
)
routes.include(enrolments)


async def _one(request: Request, found: Intervention, page: PageRequest, search: str = "") -> dict[str, Any]:
    actor = actor_of(request)
    children = None
    if search.strip():
        asked = StudentSearch(search=search.strip(), status="active")
        children = (await list_students(request.session, actor, FOUND, asked)).items
    return {
        "intervention": found,
        "search": search,
        "children": children,
        "on": today(request.clock).isoformat(),
        "page": await list_enrolments(request.session, actor, page, intervention_id=found.id),
    }


@routes.get("/interventions/{id}", May("read", "intervention"), page=PageLimit(50), **IN_PAGES)
async def intervention_page(request: Request, *, path: ById, query: ChildSought, page: PageRequest) -> Html:
    """A programme with the children in it."""
    found = await read_intervention(request.session, actor_of(request), path.id)
    return render(request, "interventions/one.html", **await _one(request, found, page, query.search))


@routes.post("/interventions/{id}/enrol", May("enrol", "intervention"), body_bytes=CLASS_BODY, **IN_PAGES)
async def post_enrol_children(request: Request, *, path: ById, form: EnrolForm) -> Html | Redirect:
    """Enrols the children that were ticked."""
    found = await read_intervention(request.session, actor_of(request), path.id)
    ids = dict.fromkeys(form.student_id)
    writes = [EnrolmentWrite(time_ordered_id(), each, form.from_on) for each in ids]
    answers = await enrol_children(request.session, actor_of(request), path.id, writes, request.clock)
    if all(each.code == "invalid" for each in answers):
        # The day is one for all: what is wrong with it is said once, at its field.
        raise Invalid(faults=tuple(answers[0].faults))
    saved = sum(1 for each in answers if each.code == "saved")
    language = language_of(request)
    text = language.ngettext("{n} child is saved.", "{n} children are saved.", saved)
    if saved < len(answers):
        values = await _one(request, found, FOUND)
        refused = await _refused(request, writes, answers)
        text = (
            f"{text} {language.gettext('These could not be saved:')}"
            if saved
            else language.gettext("Nothing is saved.")
        )
        return render_partly(request, "interventions/one.html", text, refused, **values)
    return done(request, f"/interventions/{path.id}", text)


async def _refused(
    request: Request, writes: list[EnrolmentWrite], answers: list[EnrolmentAnswer]
) -> list[tuple[str, str]]:
    """Who was not enrolled, by name where they may see that, and why."""
    language = language_of(request)
    refused: list[tuple[str, str]] = []
    for write, answer in zip(writes, answers, strict=True):
        if answer.code == "saved":
            continue
        try:
            name = (await read_student(request.session, actor_of(request), write.student_id)).name
        except ProgrammeError:
            name = ""
        why = ". ".join(language.rule(each.rule) for each in answer.faults) or language.gettext(
            REFUSALS.get(answer.code, NOT_SAVED)
        )
        refused.append((name, why))
    return refused


routes.answers(
    "list_intervention_enrolments",
    "GET /api/v1/interventions/{id}/enrolments",
    list_enrolments,
    EnrolmentSearch,
    path=ByIntervention,
    page=PageLimit(50),
    says="The children in a programme whom the caller may see.",
)
routes.answers(
    "enrol_many_children",
    "POST /api/v1/interventions/{id}/enrolments",
    enrol_children,
    Enrolling,
    may="enrol",
    gives=EnrolmentAnswers,
    body_bytes=CLASS_BODY,
    says="Enrols up to 200 children; each is answered by itself.",
)
routes.answers(
    "list_student_interventions",
    "GET /api/v1/students/{id}/interventions",
    list_enrolments,
    path=ByStudent,
    says="The programmes that a child is or was in.",
)
routes.answers("list_one_enrolments_changes", "GET /api/v1/enrolments/{id}/changes", list_enrolment_changes)
