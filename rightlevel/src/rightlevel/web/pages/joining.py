"""Asking to join, choosing a password with a one-time code, and what coordinators decide."""

from __future__ import annotations

import re
from typing import Any

import msgspec

from flatwater.contract import Everyone, Html, Redirect
from flatwater.paging import PageRequest
from flatwater.transaction import Session
from rightlevel.programme.accounts import CodeMade, choose_password_with_code, generate_code
from rightlevel.programme.errors import Fault, Forbidden, Invalid
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
from rightlevel.programme.permissions import Actor, May
from rightlevel.programme.schools import SchoolSearch, list_schools
from rightlevel.web.application import STATUSES
from rightlevel.web.authority import write_as
from rightlevel.web.call import (
    JOINS,
    WRITE_S,
    Ask,
    ById,
    Secret,
    actor_of,
)
from rightlevel.web.pages.forms import Reason
from rightlevel.web.pages.sign_in import SIGN_IN_S
from rightlevel.web.routes import SIGNING_IN, Routes
from rightlevel.web.templating import done, language_of, render, render_once

routes = Routes("pages")

SCHOOLS_SHOWN = 50
"""What a search offers to choose from; a better search word finds the rest."""


class JoinForm(msgspec.Struct, frozen=True):
    """What a stranger tells about themselves."""

    name: str = ""
    contact: str = ""
    role: str = "teacher"
    school_wished: str = ""
    words: str = ""


class CodeForm(msgspec.Struct, frozen=True):
    """A one-time code and the password that its owner wants."""

    username: str = ""
    code: Secret = ""
    password: Secret = ""


class RequestsWanted(msgspec.Struct, frozen=True):
    """Requests in which state."""

    state: str = "open"


class ApprovalForm(msgspec.Struct, frozen=True):
    """The account that a request becomes; `search` looks for the school."""

    username: str = ""
    display_name: str = ""
    email: str = ""
    role: str = ""
    school_id: int | None = None
    subject: tuple[str, ...] = ("language", "math")
    search: str | None = None


@routes.get("/join", Everyone(), work="none")
async def join_page(call: Ask) -> Html:
    """The form with which anybody asks to join."""
    return render(call, "join.html", form=JoinForm())


@routes.post("/join", Everyone(), rate=JOINS)
async def join_here(call: Ask, *, form: JoinForm) -> Redirect:
    """Keeps a request to join."""
    new = NewJoinRequest(form.name, form.contact, form.role, form.school_wished, form.words)
    language = language_of(call)
    await ask_to_join(call.session, new, language=language.code, address=call.address, clock=call.clock)
    _ = language.gettext
    return done(call, "/sign-in", _("Your request is on its way. A coordinator will get in touch with you."))


@routes.get("/code", Everyone(), work="none")
async def code_page(call: Ask) -> Html:
    """The form for a one-time code and a new password."""
    return render(call, "one_time_code.html", form=CodeForm())


@routes.post("/code", Everyone(), **SIGNING_IN, deadline_s=SIGN_IN_S)
async def use_code_here(call: Ask, *, form: CodeForm) -> Html | Redirect:
    """Sets the password that its owner chose, for a code that works once."""
    try:
        blank = [name for name in ("username", "code") if not getattr(form, name).strip()]
        if blank:
            raise Invalid(faults=tuple(Fault(name, "Please fill this in") for name in blank))
        await choose_password_with_code(
            call.database,
            call.app.passwords,
            call.clock,
            username=form.username,
            code=form.code,
            new=form.password,
            address=call.address,
        )
    except (Forbidden, Invalid) as error:
        # A code stays typed where something else is wrong; one that was refused is of no use any more.
        again = CodeForm(username=form.username, code=form.code if isinstance(error, Invalid) else "")
        return render(call, "one_time_code.html", status=STATUSES[error.kind], error=error, form=again)
    _ = language_of(call).gettext
    return done(call, "/sign-in", _("Your password is set. Sign in with it now."))


@routes.get("/requests", May("read", "join_request"))
async def requests_page(call: Ask, *, query: RequestsWanted, page: PageRequest) -> Html:
    """Requests to join in one state."""
    requests = await list_requests(call.session, actor_of(call), page, state=query.state)
    return render(call, "people/requests.html", requests=requests, query=query)


@routes.get("/requests/{id}", May("read", "join_request"))
async def request_page(call: Ask, *, path: ById, query: ApprovalForm) -> Html:
    """One request, and the account that it could become."""
    request = await read_request(call.session, actor_of(call), path.id)
    form = msgspec.structs.replace(
        query,
        username=query.username or _username_of(request.name),
        display_name=query.display_name or request.name,
        email=query.email or (request.contact if "@" in request.contact else ""),
        role=query.role or request.role_wished,
        search=request.school_wished if query.search is None else query.search,
    )
    return render(call, "people/request.html", **await _request(call, call.session, request, form))


def _username_of(name: str) -> str:
    """A first idea for a username, where the name has Latin letters."""
    return ".".join(re.findall(r"[a-z]+", name.lower()))[:40]


async def _request(call: Ask, session: Session, request: JoinRequest, form: ApprovalForm) -> dict[str, Any]:
    found: list[tuple[int, str]] = []
    if request.state == "open":
        asked = SchoolSearch(search=(form.search or "").strip() or None)
        schools = await list_schools(session, actor_of(call), PageRequest(SCHOOLS_SHOWN), asked)
        found = [(each.id, f"{each.name_local} · {each.code}") for each in schools.items]
    return {"request": request, "form": form, "schools": found}


@routes.post("/requests/{id}/approve", May("decide", "join_request"), **SIGNING_IN, deadline_s=SIGN_IN_S)
async def approve_here(call: Ask, *, path: ById, form: ApprovalForm) -> Html:
    """Makes the account, assigns it and shows its one-time code this once."""
    code = generate_code()
    code_hash = await call.app.passwords.hash(code)

    async def approve(session: Session, actor: Actor) -> CodeMade:
        if form.school_id is None:
            raise Invalid(faults=(Fault("school_id", "Please fill this in"),))
        approval = Approval(
            form.username.strip().lower(),
            form.display_name,
            form.role,
            form.school_id,
            form.subject,
            form.email.strip() or None,
        )
        return await approve_request(
            session, actor, path.id, approval, code=code, code_hash=code_hash, clock=call.clock
        )

    return await write_as(
        call,
        approve,
        deadline_s=WRITE_S,
        answer=lambda made: render_once(call, "people/code.html", made=made, is_new=True),
    )


@routes.post("/requests/{id}/decline", May("decide", "join_request"))
async def decline_here(call: Ask, *, path: ById, form: Reason) -> Redirect:
    """Declines a request, with a reason."""
    actor = actor_of(call)
    await decline_request(call.session, actor, path.id, reason=form.reason, clock=call.clock)
    _ = language_of(call).gettext
    return done(call, "/requests", _("The request is declined."))
