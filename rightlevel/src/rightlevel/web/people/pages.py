"""People: find, make, change, give a new password, switch off, remove and bring back."""

from __future__ import annotations

from typing import Any

import msgspec

from flatwater.contract import Html, Redirect
from flatwater.paging import PageRequest
from rightlevel.programme.accounts import (
    NewPerson,
    Person,
    PersonChange,
    change_person,
    create_person,
    delete_person,
    generate_password,
    list_people,
    read_person,
    restore_person,
    set_active,
)
from rightlevel.programme.accounts.model import PIN_ROLES, may_manage
from rightlevel.programme.assignments import list_assignments
from rightlevel.programme.assignments.model import ASSIGNABLE
from rightlevel.programme.errors import Fault, Invalid
from rightlevel.programme.joining import count_open
from rightlevel.programme.permissions import ROLES, May, Role
from rightlevel.web.authority import write_as
from rightlevel.web.call import (
    WRITE_S,
    Ask,
    ById,
    Deletion,
    actor_of,
)
from rightlevel.web.routes import SIGNING_IN, Routes
from rightlevel.web.templating import done, language_of, render, render_once

routes = Routes("pages")

BY_COMMONNESS: tuple[Role, ...] = ("teacher", "mentor", "viewer", "coordinator", "admin")


class PeopleWanted(msgspec.Struct, frozen=True):
    """Which people are asked for."""

    role: str = ""
    search: str = ""
    deleted: bool = False


class PersonForm(msgspec.Struct, frozen=True):
    """What the forms for a person send."""

    username: str = ""
    display_name: str = ""
    email: str = ""
    role: str = ""
    language: str = ""
    version: int = 0


class ActiveForm(msgspec.Struct, frozen=True):
    """Whether the account may be used."""

    is_active: bool = False


class NoFields(msgspec.Struct, frozen=True):
    """A form that is only a button."""


def roles_below(call: Ask) -> list[Role]:
    """The roles that the caller may give, the commonest first."""
    actor = actor_of(call)
    return [role for role in BY_COMMONNESS if may_manage(actor, role)]


@routes.get("/people", May("read", "person"))
async def people_page(call: Ask, *, query: PeopleWanted, page: PageRequest) -> Html:
    """People by name, with filters."""
    role = query.role if query.role in ROLES else None
    people = await list_people(
        call.session,
        actor_of(call),
        page,
        role=role,
        search=query.search.strip() or None,
        deleted=query.deleted,
    )
    waiting = await count_open(call.session, actor_of(call))
    return render(call, "people/list.html", people=people, query=query, roles=ROLES, waiting=waiting)


@routes.get("/people/new", May("create", "person"))
async def new_person_page(call: Ask) -> Html:
    """The form for a new account."""
    form = PersonForm(role="teacher", language=language_of(call).code)
    return render(call, "people/new.html", form=form, roles=roles_below(call))


@routes.post("/people", May("create", "person"), **SIGNING_IN, deadline_s=30.0)
async def create_person_here(call: Ask, *, form: PersonForm) -> Html:
    """Makes an account with a generated password, which is shown this once."""
    password = generate_password()
    new = NewPerson(
        form.username.strip().lower(), form.display_name, form.role, form.email.strip() or None, form.language
    )
    password_hash = await call.app.passwords.hash(password)
    return await write_as(
        call,
        lambda session, actor: create_person(session, actor, new, password_hash=password_hash),
        deadline_s=WRITE_S,
        answer=lambda person: render_once(call, "people/password.html", person=person, password=password),
    )


@routes.get("/people/{id}", May("read", "person"))
async def person_page(call: Ask, *, path: ById, page: PageRequest) -> Html:
    """One account: what it is, and what can be done with it."""
    person = await read_person(call.session, actor_of(call), path.id)
    return render(call, "people/person.html", **await _person(call, person, _form_of(person), page))


def _form_of(person: Person) -> PersonForm:
    return PersonForm(
        person.username, person.display_name, person.email or "", person.role, person.language, person.version
    )


async def _person(
    call: Ask, person: Person, form: PersonForm, page: PageRequest | None = None
) -> dict[str, Any]:
    actor = actor_of(call)
    assignments = None
    if person.role in ASSIGNABLE:
        assignments = await list_assignments(
            call.session, actor, page or PageRequest(), call.clock, person_id=person.id, state="current"
        )
    is_self = person.id == actor.person_id
    return {
        "person": person,
        "form": form,
        "roles": roles_below(call),
        "is_self": is_self,
        "is_below": not is_self and may_manage(actor, person.role),
        "assignments": assignments,
        "takes_pin": person.role in PIN_ROLES,
    }


@routes.post("/people/{id}", May("change", "person"))
async def change_person_here(call: Ask, *, path: ById, form: PersonForm) -> Redirect:
    """Changes name, e-mail, language or role."""
    change = PersonChange(
        form.version, form.display_name, form.email.strip(), form.role or None, form.language or None
    )
    await change_person(call.session, actor_of(call), path.id, change, call.clock)
    _ = language_of(call).gettext
    return done(call, f"/people/{path.id}", _("Saved."))


@routes.post("/people/{id}/active", May("change", "person"))
async def switch_person_here(call: Ask, *, path: ById, form: ActiveForm) -> Redirect:
    """Switches an account on or off; off signs it out everywhere at once."""
    await set_active(call.session, actor_of(call), path.id, is_active=form.is_active, clock=call.clock)
    _ = language_of(call).gettext
    text = _("The account is switched on.") if form.is_active else _("The account is switched off.")
    return done(call, f"/people/{path.id}", text)


@routes.post("/people/{id}/delete", May("delete", "person"))
async def delete_person_here(call: Ask, *, path: ById, form: Deletion) -> Redirect:
    """Removes an account, restorably, with a reason."""
    if not form.reason.strip():
        raise Invalid(faults=(Fault("reason", "Please fill this in"),))
    await delete_person(call.session, actor_of(call), path.id, reason=form.reason.strip(), clock=call.clock)
    _ = language_of(call).gettext
    return done(call, "/people", _("The account is deleted. It can be brought back."))


@routes.post("/people/{id}/restore", May("restore", "person"))
async def restore_person_here(call: Ask, *, path: ById, form: NoFields) -> Redirect:
    """Brings a deleted account back."""
    await restore_person(call.session, actor_of(call), path.id)
    _ = language_of(call).gettext
    return done(call, f"/people/{path.id}", _("The account is back."))
