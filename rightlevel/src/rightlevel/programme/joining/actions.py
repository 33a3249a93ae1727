"""What is done with requests to join."""

from __future__ import annotations

from typing import Any, cast

import msgspec

from flatwater.clock import Clock
from flatwater.paging import Page, PageRequest, page_of
from flatwater.queries import load_queries
from flatwater.transaction import Session
from rightlevel.programme.accounts import CodeMade, NewPerson, create_person, give_code
from rightlevel.programme.assignments import NewAssignment, create_assignment
from rightlevel.programme.audit import write_audit
from rightlevel.programme.errors import Fault, Invalid, NotFound
from rightlevel.programme.joining.model import (
    MAX_OPEN,
    ROLES_TO_WISH,
    STATES,
    Approval,
    JoinRequest,
    NewJoinRequest,
    NotOpen,
    TooManyRequests,
    request_faults,
)
from rightlevel.programme.languages import SOURCE, is_offered
from rightlevel.programme.permissions import Actor, require

_queries = load_queries(__package__ or "")


async def ask_to_join(
    session: Session, new: NewJoinRequest, *, language: str, address: str, clock: Clock
) -> None:
    """Keeps a stranger's request, once however often it is sent; says nothing about who has an account. *Errors*: Invalid, TooManyRequests."""
    if faults := request_faults(new):
        raise Invalid(faults=tuple(faults))
    await session.fetch_value(_queries["hold_door"], {})
    values = {
        "name": new.name.strip(),
        "contact": new.contact.strip(),
        "school_wished": new.school.strip(),
        "role_wished": new.role,
        "words": new.words.strip(),
    }
    if await session.fetch_value(_queries["is_asked_already"], values):
        return
    if await _open(session) >= MAX_OPEN:
        raise TooManyRequests
    more = {"language": language, "address": address, "now": clock.now()}
    request_id = await session.fetch_value(_queries["insert_request"], {**values, **more})
    await write_audit(session, None, "ask", "join_request", request_id, after=values, address=address)


async def _open(session: Session) -> int:
    return cast("int", await session.fetch_value(_queries["count_open"], {}))


async def count_open(session: Session, actor: Actor) -> int:
    """How many requests wait, at most 200."""
    require(actor, "read", "join_request")
    return await _open(session)


async def list_requests(
    session: Session, actor: Actor, page: PageRequest, *, state: str = "open"
) -> Page[JoinRequest]:
    """Requests in one state, those that wait longest first. *Cost*: one statement."""
    require(actor, "read", "join_request")
    state = state if state in STATES else "open"
    after = page.key(tuple[int])
    parts = ["oldest" if state == "open" else "newest"]
    if after:
        parts.append("after" if state == "open" else "before")
    values: dict[str, Any] = {
        "state": state,
        "after_id": after[0] if after else None,
        "rows": page.rows_to_ask,
    }
    rows = await session.fetch_all(_queries["list_requests"].plus(*parts), values, into=JoinRequest)
    return page_of(rows, page, lambda row: (row.id,))


async def read_request(session: Session, actor: Actor, request_id: int) -> JoinRequest:
    """One request. *Errors*: NotFound."""
    require(actor, "read", "join_request")
    found = await session.fetch_one(_queries["read_request"], {"id": request_id}, into=JoinRequest)
    if found is None:
        raise NotFound
    return found


async def approve_request(
    session: Session,
    actor: Actor,
    request_id: int,
    approval: Approval,
    *,
    code: str,
    code_hash: str,
    clock: Clock,
) -> CodeMade:
    """The account with a one-time code, its assignments and the request's end, all in this transaction.

    *Errors*: NotFound, NotOpen, Invalid, AlreadyTaken, Forbidden for a role at or above the approver's.
    """
    require(actor, "decide", "join_request")
    request = await read_request(session, actor, request_id)
    if request.state != "open":
        raise NotOpen
    faults: list[Fault] = []
    if approval.role not in ROLES_TO_WISH:
        faults.append(Fault("role", f"One of: {', '.join(ROLES_TO_WISH)}", approval.role[:50]))
    if not 1 <= len(set(approval.subjects)) <= 2:
        faults.append(Fault("subject", "Choose at least one"))
    if faults:
        raise Invalid(faults=tuple(faults))
    language = request.language if await is_offered(session, request.language) else SOURCE
    new = NewPerson(approval.username, approval.display_name, approval.role, approval.email or None, language)
    person = await create_person(session, actor, new, password_hash=None)
    for subject in sorted(set(approval.subjects)):
        await create_assignment(session, actor, NewAssignment(person.id, approval.school_id, subject), clock)
    made = await give_code(session, actor, person, code=code, code_hash=code_hash, clock=clock)
    await _decide(session, actor, request_id, "approved", clock, person_id=person.id)
    after = {"person_id": person.id, **msgspec.structs.asdict(approval)}
    await write_audit(session, actor, "approve", "join_request", request_id, after=after)
    return made


async def decline_request(
    session: Session, actor: Actor, request_id: int, *, reason: str, clock: Clock
) -> None:
    """Says no, with a reason that stays with the request. *Errors*: NotFound, NotOpen, Invalid without a reason."""
    require(actor, "decide", "join_request")
    await read_request(session, actor, request_id)
    if not 1 <= len(reason.strip()) <= 500:
        raise Invalid(faults=(Fault("reason", "Between 1 and 500 characters"),))
    await _decide(session, actor, request_id, "declined", clock, reason=reason.strip())
    await write_audit(session, actor, "decline", "join_request", request_id, reason=reason.strip())


async def _decide(
    session: Session,
    actor: Actor,
    request_id: int,
    state: str,
    clock: Clock,
    *,
    reason: str | None = None,
    person_id: int | None = None,
) -> None:
    values = {
        "id": request_id,
        "state": state,
        "now": clock.now(),
        "by": actor.person_id,
        "reason": reason,
        "person_id": person_id,
    }
    if not await session.execute(_queries["decide"], values):
        raise NotOpen
