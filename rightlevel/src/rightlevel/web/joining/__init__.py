"""Asking to join, choosing a password with a one-time code, and what coordinators decide."""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence
from typing import TypeVar

import msgspec

from flatwater.contract import Created, Everyone, Html, Redirect
from flatwater.paging import PageRequest
from rightlevel.programme.accounts import CodeMade, choose_password_with_code, generate_code
from rightlevel.programme.errors import Forbidden, Invalid
from rightlevel.programme.joining import (
    Approval,
    NewJoinRequest,
    approve_request,
    ask_to_join,
    decline_request,
    list_requests,
    read_request,
)
from rightlevel.programme.permissions import May
from rightlevel.programme.schools import SchoolRow, SchoolSearch, list_schools
from rightlevel.web.authority import with_secret
from rightlevel.web.feature import IN_PAGES, Deeds
from rightlevel.web.language import N_
from rightlevel.web.request import JOINS, ById, Request, Secret, WithReason, actor_of
from rightlevel.web.routes import HASHING
from rightlevel.web.sent import require_filled
from rightlevel.web.templating import done, language_of, refusal, render, render_once

R = TypeVar("R")

DECIDES = May("decide", "join_request")
SCHOOLS_SHOWN = PageRequest(50)
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


class StateWanted(msgspec.Struct, frozen=True):
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


routes = Deeds("people", "join_request", deeds={"change": "decide"})
routes.answers("list_join_requests", "GET /api/v1/join-requests", list_requests, StateWanted)
routes.answers(
    "read_join_request", "GET /api/v1/join-requests/{id}", read_request, says="One request to join."
)
routes.does(
    decline_request,
    WithReason,
    json=("decline_join_request", "POST /api/v1/join-requests/{id}/decline"),
    html=("post_decline", "/requests/{id}/decline"),
    then="/requests",
    word=N_("The request is declined."),
    says="Declines a request, with a reason.",
)


@routes.post("/api/v1/join", Everyone(), rate=JOINS)
async def send_join_request(request: Request, *, body: NewJoinRequest) -> None:
    """Asks to join as teacher or mentor; a coordinator decides."""
    language = language_of(request).code
    await ask_to_join(request.session, body, language=language, address=request.address, clock=request.clock)


@routes.get("/join", Everyone(), work="none", **IN_PAGES)
async def join_page(request: Request) -> Html:
    """The form with which anybody asks to join."""
    return render(request, "joining/ask.html")


@routes.post("/join", Everyone(), rate=JOINS, **IN_PAGES)
async def post_join(request: Request, *, form: JoinForm) -> Redirect:
    """Keeps a request to join."""
    new = NewJoinRequest(form.name, form.contact, form.role, form.school_wished, form.words)
    language = language_of(request).code
    await ask_to_join(request.session, new, language=language, address=request.address, clock=request.clock)
    return done(
        request, "/sign-in", N_("Your request is on its way. A coordinator will get in touch with you.")
    )


@routes.get("/code", Everyone(), work="none", **IN_PAGES)
async def code_page(request: Request) -> Html:
    """The form for a one-time code and a new password."""
    return render(request, "joining/code.html", form=CodeForm())


@routes.post("/code", Everyone(), **HASHING, **IN_PAGES)
async def post_use_code(request: Request, *, form: CodeForm) -> Html | Redirect:
    """Sets the password that its owner chose, for a code that works once."""
    try:
        require_filled(form, "username", "code")
        await choose_password_with_code(
            request.database,
            request.app.passwords,
            request.clock,
            username=form.username,
            code=form.code,
            new=form.password,
            address=request.address,
        )
    except (Forbidden, Invalid) as error:
        # A code stays typed where something else is wrong; one that was refused is of no use any more.
        again = CodeForm(username=form.username, code=form.code if isinstance(error, Invalid) else "")
        return refusal(request, "joining/code.html", error, form=again)
    return done(request, "/sign-in", N_("Your password is set. Sign in with it now."))


@routes.get("/requests", May("read", "join_request"), **IN_PAGES)
async def requests_page(request: Request, *, query: StateWanted, page: PageRequest) -> Html:
    """Requests to join in one state."""
    requests = await list_requests(request.session, actor_of(request), page, state=query.state)
    return render(request, "joining/requests.html", requests=requests, query=query)


@routes.get("/requests/{id}", May("read", "join_request"), **IN_PAGES)
async def request_page(request: Request, *, path: ById, query: ApprovalForm) -> Html:
    """One request, and the account that it could become."""
    wish = await read_request(request.session, actor_of(request), path.id)
    form = msgspec.structs.replace(
        query,
        username=query.username or _username_of(wish.name),
        display_name=query.display_name or wish.name,
        email=query.email or (wish.contact if "@" in wish.contact else ""),
        role=query.role or wish.role_wished,
        search=wish.school_wished if query.search is None else query.search,
    )
    schools: list[tuple[int, str]] = []
    if wish.state == "open":
        asked = SchoolSearch(search=(form.search or "").strip() or None)
        found = await list_schools(request.session, actor_of(request), SCHOOLS_SHOWN, asked)
        schools = [(each.id, f"{each.name_local} · {each.code}") for each in found.items]
        if form.school_id is None:
            form = msgspec.structs.replace(form, school_id=_school_meant(form.search or "", found.items))
    return render(request, "joining/request.html", request=wish, form=form, schools=schools)


def _school_meant(wished: str, found: Sequence[SchoolRow]) -> int | None:
    """The school that a request names by its name or code, or the only one that its words find; none where that is not clear."""
    if not wished.strip():
        return None
    text = wished.strip().casefold()
    called = [
        each.id
        for each in found
        if text in (each.code.casefold(), each.name_local.casefold(), (each.name_latin or "").casefold())
    ]
    likely = called or [each.id for each in found]
    return likely[0] if len(likely) == 1 else None


def _username_of(name: str) -> str:
    """A first idea for a username, where the name has Latin letters."""
    return ".".join(re.findall(r"[a-z]+", name.lower()))[:40]


async def _approved(
    request: Request, request_id: int, approval: Approval, answer: Callable[[CodeMade], R]
) -> R:
    code = generate_code()
    return await with_secret(
        request,
        code,
        lambda session, actor, hashed: approve_request(
            session, actor, request_id, approval, code=code, code_hash=hashed, clock=request.clock
        ),
        answer,
    )


@routes.post("/api/v1/join-requests/{id}/approve", DECIDES, **HASHING)
async def approve_join_request(request: Request, *, path: ById, body: Approval) -> Created[CodeMade]:
    """Makes the account with a one-time code, assigns it and ends the request, all or nothing."""
    return await _approved(
        request, path.id, body, lambda made: Created(made, f"/api/v1/people/{made.person.id}")
    )


@routes.post("/requests/{id}/approve", DECIDES, **HASHING, **IN_PAGES)
async def post_approve(request: Request, *, path: ById, form: ApprovalForm) -> Html:
    """Makes the account, assigns it and shows its one-time code this once."""
    require_filled(form, "school_id")
    approval = Approval(
        form.username.strip().lower(),
        form.display_name,
        form.role,
        form.school_id or 0,
        form.subject,
        email=form.email.strip() or None,
    )
    return await _approved(
        request,
        path.id,
        approval,
        lambda made: render_once(request, "people/code.html", made=made, is_new=True),
    )
