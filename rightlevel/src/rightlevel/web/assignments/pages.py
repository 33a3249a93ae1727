"""Assigning a mentor or teacher: find the school, choose subjects and class; and ending it."""

from __future__ import annotations

from datetime import date
from typing import Any

import msgspec

from flatwater.clock import today
from flatwater.contract import Html, Redirect
from flatwater.paging import PageLimit, PageRequest
from rightlevel.programme.accounts import list_people, read_person
from rightlevel.programme.assignments import (
    NewAssignment,
    create_assignment,
    create_assignments,
    end_assignment,
    schools_without,
)
from rightlevel.programme.errors import Fault, Invalid
from rightlevel.programme.permissions import May
from rightlevel.programme.schools import SchoolSearch, list_classes, list_schools, read_school
from rightlevel.web.call import Ask, ById, actor_of
from rightlevel.web.routes import Routes
from rightlevel.web.templating import done, language_of, render

routes = Routes("pages")

MANY_S = 30.0
PEOPLE = PageRequest(limit=500)
"""Whom a list lets one choose from; a country with more has them by import."""
CLASSES = PageRequest(limit=100)
"""More classes than a school has."""


class SchoolWanted(msgspec.Struct, frozen=True):
    """Which school is looked for."""

    search: str = ""


class PersonAndSchool(msgspec.Struct, frozen=True):
    """A path with somebody and a school in it."""

    id: int
    school: int


class PersonAndAssignment(msgspec.Struct, frozen=True):
    """A path with somebody and one of their assignments in it."""

    id: int
    assignment: int


class AssignmentForm(msgspec.Struct, frozen=True):
    """What the form for an assignment sends; no subject chosen is a fault, both make two assignments."""

    subject: list[str] = []
    class_id: int | None = None
    from_on: date | None = None
    to_on: date | None = None


class OnlyButton(msgspec.Struct, frozen=True):
    """A form that is only a button."""


@routes.get("/people/{id}/assign", May("create", "assignment"))
async def choose_school_page(call: Ask, *, path: ById, query: SchoolWanted, page: PageRequest) -> Html:
    """The schools from which to choose one for somebody."""
    actor = actor_of(call)
    person = await read_person(call.session, actor, path.id)
    search = SchoolSearch(search=query.search.strip() or None)
    schools = await list_schools(call.session, actor, page, search)
    return render(call, "assignments/choose_school.html", person=person, schools=schools, query=query)


@routes.get("/people/{id}/assign/{school}", May("create", "assignment"))
async def assign_page(call: Ask, *, path: PersonAndSchool) -> Html:
    """The form that assigns a school to somebody."""
    form = AssignmentForm(subject=["language", "math"], from_on=today(call.clock))
    return render(call, "assignments/assign.html", form=form, **await _around(call, path))


async def _around(call: Ask, path: PersonAndSchool) -> dict[str, Any]:
    actor = actor_of(call)
    classes = await list_classes(call.session, actor, CLASSES, school_id=path.school)
    return {
        "person": await read_person(call.session, actor, path.id),
        "school": await read_school(call.session, actor, path.school),
        "classes": [(each.id, f"{each.grade} {each.section}".strip()) for each in classes.items],
    }


@routes.post("/people/{id}/assign/{school}", May("create", "assignment"))
async def assign_here(call: Ask, *, path: PersonAndSchool, form: AssignmentForm) -> Redirect:
    """Assigns a school to somebody, in one subject or both."""
    for new in _new_assignments(path, form):
        await create_assignment(call.session, actor_of(call), new, call.clock)
    _ = language_of(call).gettext
    return done(call, f"/people/{path.id}", _("The school is assigned."))


def _new_assignments(path: PersonAndSchool, form: AssignmentForm) -> list[NewAssignment]:
    """One assignment for each subject. *Errors*: Invalid with every fault of form."""
    if not form.subject:
        raise Invalid(faults=(Fault("subject", "Please choose one"),))
    return [
        NewAssignment(
            path.id, path.school, subject, class_id=form.class_id, from_on=form.from_on, to_on=form.to_on
        )
        for subject in form.subject
    ]


@routes.post("/people/{id}/assignments/{assignment}/end", May("end", "assignment"))
async def end_assignment_here(call: Ask, *, path: PersonAndAssignment, form: OnlyButton) -> Redirect:
    """Ends an assignment from the very next request on."""
    await end_assignment(call.session, actor_of(call), path.assignment, call.clock)
    _ = language_of(call).gettext
    return done(call, f"/people/{path.id}", _("The assignment is ended."))


class GapsWanted(msgspec.Struct, frozen=True):
    """Who is lacking, in which subject."""

    role: str = "teacher"
    subject: str = "language"


class GapsForm(msgspec.Struct, frozen=True):
    """Whom the chosen schools are given to."""

    role: str = "teacher"
    subject: str = "language"
    person: int | None = None
    school: list[int] = []


@routes.get("/assignments/gaps", May("create", "assignment"), page=PageLimit(50))
async def gaps_page(call: Ask, *, query: GapsWanted, page: PageRequest) -> Html:
    """The schools that lack a mentor or a teacher, and the form that gives some of them to somebody."""
    form = GapsForm(query.role, query.subject)
    return render(call, "assignments/gaps.html", **await _gaps(call, form, page))


async def _gaps(call: Ask, form: GapsForm, page: PageRequest) -> dict[str, Any]:
    actor = actor_of(call)
    gaps = await schools_without(call.session, actor, page, call.clock, role=form.role, subject=form.subject)
    people = await list_people(call.session, actor, PEOPLE, role=form.role)
    return {
        "gaps": gaps,
        "form": form,
        "people": [
            (each.id, f"{each.display_name} ({each.username})") for each in people.items if each.is_active
        ],
    }


@routes.post("/assignments/gaps", May("create", "assignment"), deadline_s=MANY_S)
async def fill_gaps_here(call: Ask, *, form: GapsForm) -> Redirect:
    """Gives the chosen schools to somebody, all or none."""
    faults = [Fault(each, "Please choose one") for each in ("person", "school") if not getattr(form, each)]
    if faults:
        raise Invalid(faults=tuple(faults))
    wanted = [NewAssignment(form.person or 0, school, form.subject) for school in form.school[:100]]
    await create_assignments(call.session, actor_of(call), wanted, call.clock)
    _ = language_of(call).gettext
    return done(
        call,
        f"/assignments/gaps?role={form.role}&subject={form.subject}",
        _("{count} schools are assigned.", count=len(wanted)),
    )
