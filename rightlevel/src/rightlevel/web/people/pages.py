"""The pages of people: the list, a new account with its password shown once, one account."""

from __future__ import annotations

from collections.abc import Callable
from typing import TypeVar

import msgspec

from flatwater.contract import Created, Html
from flatwater.paging import PageRequest
from flatwater.shown_once import ShownOnce
from rightlevel.programme.accounts import (
    NewPerson,
    Person,
    create_person,
    generate_password,
    list_people,
    read_person,
)
from rightlevel.programme.accounts.model import PIN_ROLES, may_manage
from rightlevel.programme.accounts.phones import list_phones_of
from rightlevel.programme.assignments import list_assignments
from rightlevel.programme.assignments.model import ASSIGNABLE
from rightlevel.programme.joining import count_open
from rightlevel.programme.permissions import ROLES, May, Role
from rightlevel.web.authority import with_secret
from rightlevel.web.feature import IN_PAGES
from rightlevel.web.request import ById, Request, actor_of
from rightlevel.web.routes import HASHING, Routes
from rightlevel.web.templating import language_of, render, render_once

R = TypeVar("R")

BY_COMMONNESS: tuple[Role, ...] = ("teacher", "mentor", "viewer", "coordinator", "admin")

routes = Routes("people")


class PeopleWanted(msgspec.Struct, frozen=True):
    """Which people are asked for."""

    role: str = ""
    search: str = ""
    deleted: bool = False


class NewPersonForm(msgspec.Struct, frozen=True):
    """What the form for an account sends; a password is generated."""

    username: str = ""
    display_name: str = ""
    email: str | None = None
    role: str = ""
    language: str = ""


class PersonMade(msgspec.Struct, frozen=True):
    """An account and its generated password, shown this once (none when one was chosen)."""

    person: Person
    password: ShownOnce | None


def roles_below(request: Request) -> list[Role]:
    """The roles that the caller may give, the commonest first."""
    actor = actor_of(request)
    return [role for role in BY_COMMONNESS if may_manage(actor, role)]


@routes.get("/people", May("read", "person"), **IN_PAGES)
async def people_page(request: Request, *, query: PeopleWanted, page: PageRequest) -> Html:
    """People by name, with filters."""
    people = await list_people(
        request.session,
        actor_of(request),
        page,
        role=query.role if query.role in ROLES else None,
        search=query.search.strip() or None,
        deleted=query.deleted,
    )
    waiting = await count_open(request.session, actor_of(request))
    return render(request, "people/list.html", people=people, query=query, roles=ROLES, waiting=waiting)


@routes.get("/people/new", May("create", "person"), **IN_PAGES)
async def new_person_page(request: Request) -> Html:
    """The form for a new account."""
    form = NewPersonForm(role="teacher", language=language_of(request).code)
    return render(request, "people/new.html", person=form, roles=roles_below(request))


async def _made(request: Request, new: NewPerson, answer: Callable[[PersonMade], R]) -> R:
    password = new.password or generate_password()
    return await with_secret(
        request,
        password,
        lambda session, actor, hashed: create_person(session, actor, new, password_hash=hashed),
        lambda person: answer(PersonMade(person, None if new.password else password)),
    )


@routes.post("/api/v1/people", May("create", "person"), **HASHING)
async def add_person(request: Request, *, body: NewPerson) -> Created[PersonMade]:
    """Makes an account; without a password one is generated and shown this once."""
    return await _made(request, body, lambda made: Created(made, f"/api/v1/people/{made.person.id}"))


@routes.post("/people", May("create", "person"), **HASHING, **IN_PAGES)
async def post_create_person(request: Request, *, form: NewPersonForm) -> Html:
    """Makes an account with a generated password, which is shown this once."""
    username = form.username.strip().lower()
    new = NewPerson(username, form.display_name, form.role, form.email, form.language)
    return await _made(request, new, lambda made: render_once(request, "people/password.html", made=made))


@routes.get("/people/{id}", May("read", "person"), **IN_PAGES)
async def person_page(request: Request, *, path: ById, page: PageRequest) -> Html:
    """One account: what it is, and what can be done with it."""
    actor = actor_of(request)
    person = await read_person(request.session, actor, path.id)
    assignments = None
    if person.role in ASSIGNABLE:
        assignments = await list_assignments(
            request.session, actor, page, request.clock, person_id=person.id, state="current"
        )
    is_self = person.id == actor.person_id
    is_below = not is_self and may_manage(actor, person.role)
    return render(
        request,
        "people/person.html",
        person=person,
        roles=roles_below(request),
        is_self=is_self,
        is_below=is_below,
        phones=await list_phones_of(request.session, actor, person.id) if is_below else [],
        assignments=assignments,
        takes_pin=person.role in PIN_ROLES,
    )
