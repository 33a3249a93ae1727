"""Who works where: a mentor or teacher assigned, an assignment ended, and which schools lack somebody."""

from __future__ import annotations

from datetime import date

import msgspec

from flatwater.clock import today
from flatwater.contract import Html, Redirect
from flatwater.paging import Page, PageLimit, PageRequest
from rightlevel.programme.accounts import list_people, read_person
from rightlevel.programme.assignments import (
    Assignment,
    NewAssignment,
    assigned_schools,
    create_assignment,
    create_assignments,
    end_assignment,
    end_assignments,
    list_assignments,
    schools_without,
)
from rightlevel.programme.errors import Fault, Invalid
from rightlevel.programme.permissions import May, Subject, require
from rightlevel.programme.schools import SchoolSearch, list_classes, list_schools, read_school
from rightlevel.web.feature import IN_PAGES, Deeds
from rightlevel.web.language import N_
from rightlevel.web.request import CLASS_BODY, ById, Request, SchoolSought, actor_of
from rightlevel.web.templating import done, render

MANY_S = 30.0
"""Five hundred assignments take about two seconds."""
PEOPLE = PageRequest(limit=500)
"""Whom a list lets one choose from; a country with more has them by import."""
CLASSES = PageRequest(limit=100)
"""More classes than a school has."""


class AssignmentSearch(msgspec.Struct, frozen=True):
    """Which assignments are asked for: those in force today, or with `active=false` all; or those of one `state`.

    A state is `in_force`, `to_come`, `current` (both of these) or `over`.
    """

    person_id: int | None = None
    school_id: int | None = None
    active: bool = True
    state: str | None = None


class AssignedSearch(msgspec.Struct, frozen=True):
    """Whose schools are asked for (one's own without `person_id`), in which subject, and the past ones too with `active_only=false`."""

    person_id: int | None = None
    subject: Subject | None = None
    active_only: bool = True


class AssignedSchools(msgspec.Struct, frozen=True):
    """The ids of schools, sorted."""

    school_ids: list[int]


class NewAssignments(msgspec.Struct, frozen=True):
    """Up to 500 assignments, made all or none."""

    wanted: list[NewAssignment] = msgspec.field(name="assignments")


class MadeAssignments(msgspec.Struct, frozen=True):
    """What was made, in the order sent."""

    assignments: list[Assignment]


class AssignmentIds(msgspec.Struct, frozen=True):
    """Up to 500 assignments to end."""

    assignment_ids: list[int]


class GapsWanted(msgspec.Struct, frozen=True):
    """Who is lacking, in which subject."""

    role: str = "teacher"
    subject: str = "language"


class GapSearch(GapsWanted, frozen=True):
    """Who is lacking, in which subject, and below which place."""

    place_id: int | None = None


class GapsForm(GapsWanted, frozen=True):
    """Whom the chosen schools are given to."""

    person: int | None = None
    school: list[int] = []


class PersonAndSchool(msgspec.Struct, frozen=True):
    """A path with somebody and a school in it."""

    id: int
    school: int


class PersonAndAssignment(msgspec.Struct, frozen=True):
    """A path with somebody and one of their assignments in it."""

    id: int
    assignment_id: int = msgspec.field(name="assignment")


class AssignmentForm(msgspec.Struct, frozen=True):
    """What the form for an assignment sends; no subject chosen is a fault, both make two assignments."""

    subject: list[str] = []
    class_id: int | None = None
    from_on: date | None = None
    to_on: date | None = None


routes = Deeds("assignments", "assignment", deeds={"change": "create"})
routes.answers(
    "create_one_assignment",
    "POST /api/v1/assignments",
    create_assignment,
    NewAssignment,
    made="/api/v1/assignments/{made.id}",
    says="Assigns a mentor or teacher to a school and subject.",
)
routes.answers(
    "create_many_assignments",
    "POST /api/v1/assignments/batch",
    create_assignments,
    NewAssignments,
    gives=MadeAssignments,
    deadline_s=MANY_S,
    body_bytes=CLASS_BODY,
    says="Makes up to 500 assignments in one transaction, all or none; the faults name their rows.",
)
routes.does(
    end_assignment,
    json=("end_one_assignment", "POST /api/v1/assignments/{id}/end"),
    html=("post_end_assignment", "/people/{id}/assignments/{assignment}/end"),
    may="end",
    html_path=PersonAndAssignment,
    then="/people/{path.id}",
    word=N_("The assignment is ended."),
    says="Ends an assignment, on the very next request everywhere.",
)
routes.answers(
    "end_many_assignments",
    "POST /api/v1/assignments/end",
    end_assignments,
    AssignmentIds,
    may="end",
    gives=AssignmentIds,
)
routes.answers(
    "list_schools_without", "GET /api/v1/schools-without", schools_without, GapSearch, page=PageLimit(50)
)


@routes.get("/api/v1/assignments", May("read", "assignment"))
async def list_all_assignments(
    request: Request, *, query: AssignmentSearch, page: PageRequest
) -> Page[Assignment]:
    """Who works where, in the order made."""
    return await list_assignments(
        request.session,
        actor_of(request),
        page,
        request.clock,
        person_id=query.person_id,
        school_id=query.school_id,
        state=query.state or ("in_force" if query.active else None),
    )


@routes.get("/api/v1/assigned-schools", May("manage", "self"))
async def list_assigned_schools(request: Request, *, query: AssignedSearch) -> AssignedSchools:
    """The schools assigned to oneself or, for whoever may read assignments, to somebody; at most 10,000."""
    actor = actor_of(request)
    if query.person_id not in (None, actor.person_id):
        require(actor, "read", "assignment")
    person_id = query.person_id or actor.person_id
    found = await assigned_schools(
        request.session, person_id, query.subject, query.active_only, scopes=request.app.scopes
    )
    return AssignedSchools(found)


@routes.get("/people/{id}/assign", May("create", "assignment"), **IN_PAGES)
async def choose_school_page(request: Request, *, path: ById, query: SchoolSought, page: PageRequest) -> Html:
    """The schools from which to choose one for somebody."""
    actor = actor_of(request)
    person = await read_person(request.session, actor, path.id)
    search = SchoolSearch(search=query.search.strip() or None)
    schools = await list_schools(request.session, actor, page, search)
    return render(request, "assignments/choose_school.html", person=person, schools=schools, query=query)


@routes.get("/people/{id}/assign/{school}", May("create", "assignment"), **IN_PAGES)
async def assign_page(request: Request, *, path: PersonAndSchool) -> Html:
    """The form that assigns a school to somebody."""
    actor = actor_of(request)
    classes = await list_classes(request.session, actor, CLASSES, school_id=path.school)
    return render(
        request,
        "assignments/assign.html",
        person=await read_person(request.session, actor, path.id),
        school=await read_school(request.session, actor, path.school),
        classes=[(each.id, f"{each.grade} {each.section}".strip()) for each in classes.items],
        today=today(request.clock),
    )


@routes.post("/people/{id}/assign/{school}", May("create", "assignment"), **IN_PAGES)
async def post_assign(request: Request, *, path: PersonAndSchool, form: AssignmentForm) -> Redirect:
    """Assigns a school to somebody, in one subject or both."""
    if not form.subject:
        raise Invalid(faults=(Fault("subject", "Please choose one"),))
    for subject in form.subject:
        new = NewAssignment(
            path.id, path.school, subject, class_id=form.class_id, from_on=form.from_on, to_on=form.to_on
        )
        await create_assignment(request.session, actor_of(request), new, request.clock)
    return done(request, f"/people/{path.id}", N_("The school is assigned."))


@routes.get("/assignments/gaps", May("create", "assignment"), page=PageLimit(50), **IN_PAGES)
async def gaps_page(request: Request, *, query: GapsWanted, page: PageRequest) -> Html:
    """The schools that lack a mentor or a teacher, and the form that gives some of them to somebody."""
    actor = actor_of(request)
    people = await list_people(request.session, actor, PEOPLE, role=query.role)
    named = [(each.id, f"{each.display_name} ({each.username})") for each in people.items if each.is_active]
    gaps = await schools_without(
        request.session, actor, page, request.clock, role=query.role, subject=query.subject
    )
    return render(request, "assignments/gaps.html", gaps=gaps, query=query, people=named)


@routes.post("/assignments/gaps", May("create", "assignment"), deadline_s=MANY_S, **IN_PAGES)
async def post_fill_gaps(request: Request, *, form: GapsForm) -> Redirect:
    """Gives the chosen schools to somebody, all or none."""
    faults = [Fault(each, "Please choose one") for each in ("person", "school") if not getattr(form, each)]
    if faults:
        raise Invalid(faults=tuple(faults))
    wanted = [NewAssignment(form.person or 0, school, form.subject) for school in form.school[:100]]
    await create_assignments(request.session, actor_of(request), wanted, request.clock)
    to = f"/assignments/gaps?role={form.role}&subject={form.subject}"
    return done(request, to, N_("{count} schools are assigned."), count=len(wanted))
