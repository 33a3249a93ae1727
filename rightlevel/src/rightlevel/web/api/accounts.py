"""Requests to join, one-time codes, PINs, devices, tokens of others and what admins settle, over HTTP."""

from __future__ import annotations

from datetime import date

import msgspec

from flatwater.contract import Created, Everyone, Streamed
from flatwater.paging import Page, PageRequest
from flatwater.shown_once import ShownOnce
from flatwater.transaction import Session
from rightlevel.programme.accounts import (
    CodeMade,
    DeviceRow,
    LinkCode,
    Person,
    TokenRow,
    end_other_sessions,
    generate_code,
    generate_pin,
    list_devices,
    list_tokens_of,
    make_link_code,
    remove_pin,
    reset_pin,
    reset_second_factor,
    reset_with_code,
    revoke_device,
    revoke_token_of,
    set_admins_need_second_factor,
)
from rightlevel.programme.audit import AuditFilter, audit_csv, dated, write_audit
from rightlevel.programme.joining import (
    Approval,
    JoinRequest,
    NewJoinRequest,
    approve_request,
    ask_to_join,
    decline_request,
    list_requests,
    read_request,
)
from rightlevel.programme.permissions import Actor, May, require
from rightlevel.web.authority import write_as
from rightlevel.web.call import (
    JOINS,
    READ_S,
    SIGN_IN,
    WRITE_S,
    Ask,
    ById,
    ByUuid,
    actor_of,
)
from rightlevel.web.routes import SIGNING_IN, Routes
from rightlevel.web.templating import language_of

routes = Routes("people")

HASHING_S = 30.0
RESET = May("reset", "person")


class StateWanted(msgspec.Struct, frozen=True):
    """Requests in which state."""

    state: str = "open"


class Declined(msgspec.Struct, frozen=True):
    """Why a request is declined."""

    reason: str


class PinMade(msgspec.Struct, frozen=True):
    """Somebody's new PIN, shown this once."""

    person: Person
    pin: ShownOnce


class SecondFactorRule(msgspec.Struct, frozen=True):
    """Whether admins need a second factor."""

    admins_need_it: bool


class TokenOfPerson(msgspec.Struct, frozen=True):
    """A path with a person and one of their tokens."""

    id: int
    token: str


class Ended(msgspec.Struct, frozen=True):
    """How many sessions were ended."""

    sessions: int


class AuditWanted(msgspec.Struct, frozen=True):
    """Which audit rows are exported."""

    username: str | None = None
    action: str | None = None
    resource: str | None = None
    resource_id: str | None = None
    outcome: str | None = None
    from_on: date | None = None
    to_on: date | None = None
    text: str | None = None


@routes.post("/api/v1/join", Everyone(), rate=JOINS)
async def send_join_request(call: Ask, *, body: NewJoinRequest) -> None:
    """Asks to join as teacher or mentor; a coordinator decides."""
    language = language_of(call).code
    await ask_to_join(call.session, body, language=language, address=call.address, clock=call.clock)


@routes.get("/api/v1/join-requests", May("read", "join_request"))
async def list_join_requests(call: Ask, *, query: StateWanted, page: PageRequest) -> Page[JoinRequest]:
    """Requests to join in one state, those that wait longest first."""
    return await list_requests(call.session, actor_of(call), page, state=query.state)


@routes.get("/api/v1/join-requests/{id}", May("read", "join_request"))
async def read_join_request(call: Ask, *, path: ById) -> JoinRequest:
    """One request to join."""
    return await read_request(call.session, actor_of(call), path.id)


@routes.post(
    "/api/v1/join-requests/{id}/approve", May("decide", "join_request"), **SIGNING_IN, deadline_s=HASHING_S
)
async def approve_join_request(call: Ask, *, path: ById, body: Approval) -> Created[CodeMade]:
    """Makes the account with a one-time code, assigns it and ends the request, all or nothing."""
    code = generate_code()
    code_hash = await call.app.passwords.hash(code)

    async def approve(session: Session, actor: Actor) -> CodeMade:
        return await approve_request(
            session, actor, path.id, body, code=code, code_hash=code_hash, clock=call.clock
        )

    return await write_as(
        call,
        approve,
        deadline_s=WRITE_S,
        answer=lambda made: Created(made, f"/api/v1/people/{made.person.id}"),
    )


@routes.post("/api/v1/join-requests/{id}/decline", May("decide", "join_request"))
async def decline_join_request(call: Ask, *, path: ById, body: Declined) -> None:
    """Declines a request, with a reason."""
    await decline_request(call.session, actor_of(call), path.id, reason=body.reason, clock=call.clock)


@routes.post("/api/v1/people/{id}/password", RESET, **SIGNING_IN, deadline_s=HASHING_S)
async def reset_one_password(call: Ask, *, path: ById) -> CodeMade:
    """Takes the password of somebody below, ends sessions and tokens, and gives a one-time code, shown this once."""
    code = generate_code()
    code_hash = await call.app.passwords.hash(code)

    async def reset(session: Session, actor: Actor) -> CodeMade:
        return await reset_with_code(
            session, actor, path.id, code=code, code_hash=code_hash, clock=call.clock
        )

    return await write_as(call, reset, deadline_s=WRITE_S, answer=lambda made: made)


@routes.post("/api/v1/people/{id}/pin", RESET, **SIGNING_IN, deadline_s=HASHING_S)
async def reset_one_pin(call: Ask, *, path: ById) -> PinMade:
    """Gives a teacher or mentor below a new PIN, shown this once."""
    pin = generate_pin()
    pin_hash = await call.app.passwords.hash(pin)

    async def reset(session: Session, actor: Actor) -> Person:
        return await reset_pin(session, actor, path.id, pin_hash=pin_hash, clock=call.clock)

    return await write_as(call, reset, deadline_s=WRITE_S, answer=lambda person: PinMade(person, pin))


@routes.delete("/api/v1/people/{id}/pin", RESET)
async def remove_one_pin(call: Ask, *, path: ById) -> None:
    """Takes somebody's PIN away and ends what it opened."""
    await remove_pin(call.session, actor_of(call), path.id)


@routes.delete("/api/v1/people/{id}/second-factor", RESET)
async def reset_one_second_factor(call: Ask, *, path: ById) -> None:
    """Takes the second factor of somebody below away and ends all their sessions."""
    await reset_second_factor(call.session, actor_of(call), path.id, call.clock)


@routes.get("/api/v1/people/{id}/tokens", May("manage", "token_of_others"))
async def list_tokens_of_one(call: Ask, *, path: ById, page: PageRequest) -> Page[TokenRow]:
    """Somebody's API tokens, for admins."""
    return await list_tokens_of(call.session, actor_of(call), path.id, page)


@routes.delete("/api/v1/people/{id}/tokens/{token}", May("manage", "token_of_others"))
async def revoke_token_of_one(call: Ask, *, path: TokenOfPerson) -> None:
    """Ends somebody's API token at once, for admins."""
    await revoke_token_of(call.session, actor_of(call), path.id, path.token, call.clock)


@routes.post("/api/v1/me/sessions/end-others", May("manage", "self"))
async def end_my_other_sessions(call: Ask) -> Ended:
    """Signs the asker out everywhere but in this session."""
    return Ended(await end_other_sessions(call.session, actor_of(call)))


@routes.post("/api/v1/settings/second-factor", May("change", "setting"))
async def set_second_factor_rule(call: Ask, *, body: SecondFactorRule) -> None:
    """Whether admins need a second factor."""
    await set_admins_need_second_factor(call.session, actor_of(call), is_needed=body.admins_need_it)


@routes.get("/api/v1/schools/{id}/devices", May("read", "device"))
async def list_school_devices(call: Ask, *, path: ById, page: PageRequest) -> Page[DeviceRow]:
    """The devices that are linked to a school, newest first."""
    return await list_devices(call.session, actor_of(call), path.id, page)


@routes.post("/api/v1/schools/{id}/devices", May("link", "device"), rate=SIGN_IN)
async def make_device_code(call: Ask, *, path: ById) -> LinkCode:
    """A code for linking one device to a school, good for a quarter of an hour, shown this once."""
    return await make_link_code(call.session, actor_of(call), path.id, call.clock)


@routes.delete("/api/v1/devices/{id}", May("revoke", "device"))
async def revoke_one_device(call: Ask, *, path: ByUuid) -> None:
    """Takes a device's link away; what PINs opened on it ends at once."""
    await revoke_device(call.session, actor_of(call), path.id)


@routes.post(
    "/api/v1/audit/export",
    May("export", "audit"),
    **SIGNING_IN,
    deadline_s=READ_S,
    tags=("audit",),
    media=("text/csv; charset=utf-8",),
)
async def export_audit(call: Ask, *, body: AuditWanted) -> Streamed:
    """The audit log as CSV, newest first; at most 50,000 rows."""
    actor = actor_of(call)
    require(actor, "export", "audit")
    wanted = dated(AuditFilter(**msgspec.structs.asdict(body)), call.clock)

    async def note(session: Session) -> None:
        await write_audit(session, actor, "export", "audit", after=msgspec.to_builtins(wanted))

    await call.database.run(note, deadline_s=WRITE_S)
    headers = {"content-disposition": 'attachment; filename="activity.csv"'}
    return Streamed(audit_csv(call.database, wanted), "text/csv; charset=utf-8", headers)
