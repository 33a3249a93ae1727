"""People, sessions, tokens and the audit over HTTP."""

from __future__ import annotations

from datetime import date

import msgspec

from flatwater.contract import Created
from flatwater.paging import Page, PageLimit, PageRequest
from flatwater.shown_once import Secret, ShownOnce
from rightlevel.programme.accounts import (
    NewPerson,
    OpenSession,
    Person,
    PersonChange,
    TokenMade,
    TokenRow,
    change_password,
    change_person,
    create_person,
    create_token,
    delete_person,
    generate_password,
    list_people,
    list_sessions,
    list_tokens,
    read_person,
    restore_person,
    revoke_session,
    revoke_token,
    set_active,
)
from rightlevel.programme.audit import AuditEntry, AuditFilter, dated, list_audit
from rightlevel.programme.permissions import May, TokenReach
from rightlevel.web.application import device_of
from rightlevel.web.authority import keeping, write_as
from rightlevel.web.call import (
    WRITE_S,
    Ask,
    ById,
    ByUuid,
    Deletion,
    actor_of,
)
from rightlevel.web.routes import SIGNING_IN, Routes

routes = Routes("people")


class PeopleSearch(msgspec.Struct, frozen=True):
    """Which people are asked for."""

    role: str | None = None
    search: str | None = None
    deleted: bool = False


class Me(msgspec.Struct, frozen=True):
    """Who is asking, and what they reach."""

    id: int
    username: str
    display_name: str
    role: str
    language: str
    reaches_everything: bool
    schools: list[int]


class NewPassword(msgspec.Struct, frozen=True):
    """An old and a new password."""

    old: Secret
    new: Secret


class PersonMade(msgspec.Struct, frozen=True):
    """An account and its generated password, shown this once (none when one was chosen)."""

    person: Person
    password: ShownOnce | None


class Switch(msgspec.Struct, frozen=True):
    """On or off."""

    is_active: bool


class NewToken(msgspec.Struct, frozen=True):
    """What an API token is for, how long it lives and what it reaches (all that its holder may, unless told otherwise)."""

    label: str = ""
    days: int = 90
    may_write: bool = True
    resources: tuple[str, ...] | None = None


class AuditSearch(msgspec.Struct, frozen=True):
    """Which audit rows are asked for."""

    person_id: int | None = None
    username: str | None = None
    action: str | None = None
    resource: str | None = None
    resource_id: str | None = None
    outcome: str | None = None
    from_on: date | None = None
    to_on: date | None = None
    text: str | None = None


@routes.get("/api/v1/me", May("manage", "self"))
async def read_me(call: Ask) -> Me:
    """Who is asking, with what role and reach."""
    actor = actor_of(call)
    return Me(
        actor.person_id,
        actor.username,
        actor.display_name,
        actor.role,
        actor.language,
        actor.scope.is_everything,
        actor.scope.schools(),
    )


@routes.post("/api/v1/me/password", May("manage", "self"), **SIGNING_IN, deadline_s=30.0)
async def change_my_password(call: Ask, *, body: NewPassword) -> None:
    """Sets a new password and ends the other sessions, tokens, the PIN and calendar links; in a session that a password opened."""
    await change_password(
        call.database,
        call.app.passwords,
        call.clock,
        actor_of(call),
        old=body.old,
        new=body.new,
        device_name=device_of(call) or "",
        keep=keeping(call, lambda _made: None),
    )


@routes.get("/api/v1/me/sessions", May("manage", "self"))
async def list_my_sessions(call: Ask, *, page: PageRequest) -> Page[OpenSession]:
    """Where the asker is signed in, newest first."""
    return await list_sessions(call.session, actor_of(call), page)


@routes.delete("/api/v1/me/sessions/{id}", May("manage", "self"))
async def revoke_my_session(call: Ask, *, path: ByUuid) -> None:
    """Ends one of the asker's sessions, at once everywhere."""
    await revoke_session(call.session, actor_of(call), path.id)


@routes.get("/api/v1/me/tokens", May("manage", "self"))
async def list_my_tokens(call: Ask, *, page: PageRequest) -> Page[TokenRow]:
    """The asker's API tokens, newest first, without the tokens themselves."""
    return await list_tokens(call.session, actor_of(call), page)


@routes.post("/api/v1/me/tokens", May("manage", "self"))
async def create_my_token(call: Ask, *, body: NewToken) -> TokenMade:
    """A new API token with the asker's own rights or less, shown this once."""
    return await create_token(
        call.session,
        actor_of(call),
        None,
        label=body.label,
        days=body.days,
        clock=call.clock,
        reach=TokenReach(body.may_write, body.resources),
    )


@routes.delete("/api/v1/me/tokens/{id}", May("manage", "self"))
async def revoke_my_token(call: Ask, *, path: ByUuid) -> None:
    """Ends one of the asker's API tokens."""
    await revoke_token(call.session, actor_of(call), path.id, call.clock)


@routes.get("/api/v1/people", May("read", "person"))
async def list_persons(call: Ask, *, query: PeopleSearch, page: PageRequest) -> Page[Person]:
    """People by name."""
    return await list_people(
        call.session, actor_of(call), page, role=query.role, search=query.search, deleted=query.deleted
    )


@routes.post("/api/v1/people", May("create", "person"), **SIGNING_IN, deadline_s=30.0)
async def add_person(call: Ask, *, body: NewPerson) -> Created[PersonMade]:
    """Makes an account; without a password one is generated and shown this once."""
    password = body.password or generate_password()
    password_hash = await call.app.passwords.hash(password)
    return await write_as(
        call,
        lambda session, actor: create_person(session, actor, body, password_hash=password_hash),
        deadline_s=WRITE_S,
        answer=lambda person: Created(
            PersonMade(person, None if body.password else password), f"/api/v1/people/{person.id}"
        ),
    )


@routes.get("/api/v1/people/{id}", May("manage", "self"))
async def read_one_person(call: Ask, *, path: ById) -> Person:
    """One account; anybody may read their own."""
    return await read_person(call.session, actor_of(call), path.id)


@routes.patch("/api/v1/people/{id}", May("change", "person"))
async def change_one_person(call: Ask, *, path: ById, body: PersonChange) -> Person:
    """Changes name, e-mail, language or role; a new role ends keys (with a higher one also the password, where somebody below gave it)."""
    return await change_person(call.session, actor_of(call), path.id, body, call.clock)


@routes.post("/api/v1/people/{id}/active", May("change", "person"))
async def switch_person(call: Ask, *, path: ById, body: Switch) -> Person:
    """Switches an account on or off; off ends all its sessions."""
    return await set_active(call.session, actor_of(call), path.id, is_active=body.is_active, clock=call.clock)


@routes.delete("/api/v1/people/{id}", May("delete", "person"))
async def delete_one_person(call: Ask, *, path: ById, query: Deletion) -> None:
    """Takes an account out of use, restorably, and ends its sessions."""
    await delete_person(call.session, actor_of(call), path.id, reason=query.reason, clock=call.clock)


@routes.post("/api/v1/people/{id}/restore", May("restore", "person"))
async def restore_one_person(call: Ask, *, path: ById) -> Person:
    """Brings a deleted account back."""
    return await restore_person(call.session, actor_of(call), path.id)


@routes.get("/api/v1/audit", May("read", "audit"), page=PageLimit(50), tags=("audit",))
async def list_audit_entries(call: Ask, *, query: AuditSearch, page: PageRequest) -> Page[AuditEntry]:
    """The audit log, newest first; denied attempts included. A page may hold few entries, or none, and still have a next one: an action, an outcome or a text is looked for among so many entries at a time."""
    return await list_audit(
        call.session, page, dated(AuditFilter(**msgspec.structs.asdict(query)), call.clock)
    )
