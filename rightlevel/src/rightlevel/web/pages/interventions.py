"""Interventions: the programmes, the children in them, and how it ended."""

from __future__ import annotations

from typing import Any

import msgspec

from flatwater.clock import today
from flatwater.contract import Html, Redirect
from flatwater.paging import CEILING_ROWS, PageLimit, PageRequest
from rightlevel.programme.errors import Invalid, ProgrammeError
from rightlevel.programme.ids import time_ordered_id
from rightlevel.programme.interventions import (
    OUTCOMES,
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
)
from rightlevel.programme.permissions import May
from rightlevel.programme.students import StudentSearch, list_students, read_student
from rightlevel.web.call import (
    CLASS_BODY,
    Ask,
    ById,
    ByUuid,
    actor_of,
)
from rightlevel.web.language import N_
from rightlevel.web.pages.forms import Reason, Typed, reason_of
from rightlevel.web.routes import Routes
from rightlevel.web.templating import done, language_of, render, render_partly

routes = Routes("pages")

FOUND = PageRequest(40)
ALL = PageRequest(CEILING_ROWS)
NOT_SAVED = N_("This could not be saved")
REFUSALS = {
    "enrolled_already": N_("This child is in the programme already."),
    "not_found": N_("This child is not here any more."),
    "out_of_scope": N_("This school or subject is not assigned to you."),
    "conflict": N_("This collides with something that is already there."),
}


class InterventionForm(msgspec.Struct, frozen=True):
    """What the form for a programme sends."""

    name: str = ""
    words: str = ""
    subject: str = ""
    starts_on: str = ""
    ends_on: str = ""
    version: int = 0


class ChildSought(msgspec.Struct, frozen=True):
    """Which child is sought, to be enrolled."""

    search: str = ""


class EnrolmentForm(msgspec.Struct, frozen=True):
    """What the form for an enrolment sends."""

    version: int = 0
    from_on: str = ""
    to_on: str = ""
    outcome: str = ""
    words: str = ""


@routes.get("/interventions", May("read", "intervention"), page=PageLimit(50))
async def interventions_page(call: Ask, *, page: PageRequest) -> Html:
    """Programmes, the latest first."""
    return render(
        call, "interventions/list.html", page=await list_interventions(call.session, actor_of(call), page)
    )


@routes.get("/interventions/new", May("change", "intervention"))
async def new_intervention_page(call: Ask) -> Html:
    """The form for a programme."""
    form = InterventionForm(starts_on=today(call.clock).isoformat())
    return render(call, "interventions/form.html", intervention=None, form=form)


def _write(form: InterventionForm) -> InterventionWrite:
    typed = Typed()
    starts_on, ends_on = typed.day("starts_on", form.starts_on), typed.day_or_none("ends_on", form.ends_on)
    typed.check()
    return InterventionWrite(form.name, starts_on, ends_on, form.words, form.subject or None, form.version)


@routes.post("/interventions/new", May("change", "intervention"))
async def create_intervention_here(call: Ask, *, form: InterventionForm) -> Redirect:
    """Adds a programme."""
    made = await create_intervention(call.session, actor_of(call), _write(form), call.clock)
    return done(call, f"/interventions/{made.id}", language_of(call).gettext("Saved."))


@routes.get("/interventions/{id}/edit", May("change", "intervention"))
async def edit_intervention_page(call: Ask, *, path: ById) -> Html:
    """The form for a programme that is there."""
    found = await read_intervention(call.session, actor_of(call), path.id)
    form = InterventionForm(
        found.name,
        found.words,
        found.subject or "",
        found.starts_on.isoformat(),
        found.ends_on.isoformat() if found.ends_on else "",
        found.version,
    )
    return render(call, "interventions/form.html", intervention=found, form=form)


@routes.post("/interventions/{id}/edit", May("change", "intervention"))
async def change_intervention_here(call: Ask, *, path: ById, form: InterventionForm) -> Redirect:
    """Changes a programme."""
    await change_intervention(call.session, actor_of(call), path.id, _write(form), call.clock)
    return done(call, f"/interventions/{path.id}", language_of(call).gettext("Saved."))


async def _one(call: Ask, found: Intervention, page: PageRequest, search: str = "") -> dict[str, Any]:
    actor = actor_of(call)
    children = None
    if search.strip():
        asked = StudentSearch(search=search.strip(), status="active")
        children = (await list_students(call.session, actor, FOUND, asked)).items
    return {
        "intervention": found,
        "search": search,
        "children": children,
        "on": today(call.clock).isoformat(),
        "page": await list_enrolments(call.session, actor, page, intervention_id=found.id),
    }


@routes.get("/interventions/{id}", May("read", "intervention"), page=PageLimit(50))
async def intervention_page(call: Ask, *, path: ById, query: ChildSought, page: PageRequest) -> Html:
    """A programme with the children in it."""
    found = await read_intervention(call.session, actor_of(call), path.id)
    return render(call, "interventions/one.html", **await _one(call, found, page, query.search))


@routes.post("/interventions/{id}/enrol", May("enrol", "intervention"), body_bytes=CLASS_BODY)
async def enrol_children_here(call: Ask, *, path: ById, form: dict[str, list[str]]) -> Html | Redirect:
    """Enrols the children that were ticked."""
    found = await read_intervention(call.session, actor_of(call), path.id)
    typed = Typed()
    from_on = typed.day("from_on", form.get("from_on", [""])[-1])
    ids = list(dict.fromkeys(form.get("student_id", [])))
    typed.check()
    writes = [EnrolmentWrite(time_ordered_id(), each, from_on) for each in ids]
    answers = await enrol_children(call.session, actor_of(call), path.id, writes, call.clock)
    if all(each.code == "invalid" for each in answers):
        # The day is one for all: what is wrong with it is said once, at its field.
        raise Invalid(faults=tuple(answers[0].faults))
    saved = sum(1 for each in answers if each.code == "saved")
    language = language_of(call)
    text = language.ngettext("{n} child is saved.", "{n} children are saved.", saved)
    if saved < len(answers):
        values = await _one(call, found, FOUND)
        refused = await _refused(call, writes, answers)
        text = (
            f"{text} {language.gettext('These could not be saved:')}"
            if saved
            else language.gettext("Nothing is saved.")
        )
        return render_partly(call, "interventions/one.html", text, refused, **values)
    return done(call, f"/interventions/{path.id}", text)


async def _refused(
    call: Ask, writes: list[EnrolmentWrite], answers: list[EnrolmentAnswer]
) -> list[tuple[str, str]]:
    """Who was not enrolled, by name where they may see that, and why."""
    language = language_of(call)
    refused: list[tuple[str, str]] = []
    for write, answer in zip(writes, answers, strict=True):
        if answer.code == "saved":
            continue
        try:
            name = (await read_student(call.session, actor_of(call), write.student_id)).name
        except ProgrammeError:
            name = ""
        why = ". ".join(language.rule(each.rule) for each in answer.faults) or language.gettext(
            REFUSALS.get(answer.code, NOT_SAVED)
        )
        refused.append((name, why))
    return refused


@routes.post("/interventions/{id}/delete", May("change", "intervention"))
async def delete_intervention_here(call: Ask, *, path: ById, form: Reason) -> Redirect:
    """Takes a programme out of use."""
    await delete_intervention(call.session, actor_of(call), path.id, reason=reason_of(form), clock=call.clock)
    return done(call, "/interventions", language_of(call).gettext("Deleted."))


async def _enrolment(call: Ask, enrolment_id: str) -> dict[str, Any]:
    found = await read_enrolment(call.session, actor_of(call), enrolment_id)
    form = EnrolmentForm(
        found.version,
        found.from_on.isoformat(),
        found.to_on.isoformat() if found.to_on else "",
        found.outcome or "",
        found.words,
    )
    past = await list_enrolment_changes(call.session, actor_of(call), enrolment_id, ALL)
    return {"enrolment": found, "form": form, "past": past.items, "outcomes": OUTCOMES}


@routes.get("/enrolments/{id}", May("read", "intervention"))
async def enrolment_page(call: Ask, *, path: ByUuid) -> Html:
    """One child in one programme, with its history."""
    return render(call, "interventions/enrolment.html", **await _enrolment(call, path.id))


@routes.post("/enrolments/{id}", May("enrol", "intervention"))
async def change_enrolment_here(call: Ask, *, path: ByUuid, form: EnrolmentForm) -> Redirect:
    """Changes or ends an enrolment."""
    typed = Typed()
    from_on, to_on = typed.day("from_on", form.from_on), typed.day_or_none("to_on", form.to_on)
    typed.check()
    change = EnrolmentChange(form.version, from_on, to_on, form.outcome or None, form.words)
    found = await change_enrolment(call.session, actor_of(call), path.id, change, call.clock)
    return done(call, f"/interventions/{found.intervention_id}", language_of(call).gettext("Saved."))
