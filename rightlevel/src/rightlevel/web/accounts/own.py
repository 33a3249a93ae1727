"""One's own account: password, PIN, where one is signed in, and API tokens."""

from __future__ import annotations

from typing import Any

import msgspec

from flatwater.contract import Html, Redirect
from flatwater.paging import PageRequest
from rightlevel.programme.accounts import (
    RESOURCES,
    TokenMade,
    change_password,
    choose_digits,
    choose_pin,
    create_token,
    end_other_sessions,
    factor_state,
    has_pin,
    list_sessions,
    list_tokens,
    read_person,
    remove_pin,
    revoke_session,
    revoke_token,
)
from rightlevel.programme.accounts.model import PIN_ROLES
from rightlevel.programme.accounts.phones import list_phones
from rightlevel.programme.permissions import May, TokenReach, may
from rightlevel.web.application import device_of
from rightlevel.web.authority import keeping
from rightlevel.web.exporting import own_address
from rightlevel.web.feature import IN_PAGES, Deeds
from rightlevel.web.language import N_
from rightlevel.web.request import Request, Secret, actor_of
from rightlevel.web.routes import HASHING
from rightlevel.web.sent import NoFields
from rightlevel.web.templating import done, render, render_once

OWN = May("manage", "self")
SESSIONS = PageRequest(limit=20)
"""As many as a person may have (programme/accounts), so one page shows them all."""


class ChosenDigits(msgspec.Struct, frozen=True):
    """Whether digits are those of the language's own script."""

    has_own_digits: bool


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


class PasswordForm(msgspec.Struct, frozen=True):
    """The present and the new password."""

    old: Secret = ""
    password: Secret = ""


class NewToken(msgspec.Struct, frozen=True):
    """What an API token is for, how long it lives and what it reaches (all that its holder may, unless told otherwise)."""

    label: str = ""
    days: int = 90
    may_write: bool = True
    resources: tuple[str, ...] | None = None


class TokenForm(msgspec.Struct, frozen=True):
    """What a new API token is for and how long it lives."""

    label: str
    days: int
    reads_only: bool = False
    resources: tuple[str, ...] = ()


class PinForm(msgspec.Struct, frozen=True):
    """A new PIN."""

    pin: Secret = ""


class Ended(msgspec.Struct, frozen=True):
    """How many sessions were ended."""

    sessions: int


routes = Deeds("people", "self", deeds={"read": "manage", "change": "manage", "delete": "manage"})
routes.answers(
    "list_my_sessions",
    "GET /api/v1/me/sessions",
    list_sessions,
    says="Where the asker is signed in, newest first.",
)
routes.does(
    revoke_session,
    json=("revoke_my_session", "DELETE /api/v1/me/sessions/{id}"),
    html=("end_own_session", "/account/sessions/{id}/end"),
    then="/account",
    word=N_("That device is signed out."),
    says="Ends one of the asker's sessions, at once everywhere.",
)
routes.does(
    end_other_sessions,
    json=("end_my_other_sessions", "POST /api/v1/me/sessions/end-others"),
    html=("end_other_own_sessions", "/account/sessions/end-others"),
    gives=Ended,
    then="/account",
    word=N_("All other devices are signed out."),
    says="Signs the asker out everywhere but in this session.",
)
routes.answers(
    "list_my_tokens",
    "GET /api/v1/me/tokens",
    list_tokens,
    says="The asker's API tokens, newest first, without the tokens themselves.",
)
routes.does(
    revoke_token,
    json=("revoke_my_token", "DELETE /api/v1/me/tokens/{id}"),
    html=("revoke_own_token", "/account/tokens/{id}/revoke"),
    then="/account/tokens",
    word=N_("The token is revoked."),
)

routes.does(
    choose_digits,
    ChosenDigits,
    json=("choose_my_digits", "PUT /api/v1/me/digits"),
    html=("post_choose_digits", "/account/digits"),
    then="/account",
    says="Whether the asker reads digits in their language's own script, or 0 to 9.",
)


@routes.get("/api/v1/me", OWN)
async def read_me(request: Request) -> Me:
    """Who is asking, with what role and reach."""
    actor = actor_of(request)
    return Me(
        actor.person_id,
        actor.username,
        actor.display_name,
        actor.role,
        actor.language,
        reaches_everything=actor.scope.is_everything,
        schools=actor.scope.schools(),
    )


@routes.get("/account", OWN, **IN_PAGES)
async def account_page(request: Request) -> Html:
    """One's own account."""
    actor, session = actor_of(request), request.session
    factor = await factor_state(session, actor)
    takes_pin = actor.role in PIN_ROLES and not factor.is_on and not actor.is_by_pin
    return render(
        request,
        "accounts/account.html",
        sessions=(await list_sessions(session, actor, SESSIONS)).items,
        phones=await list_phones(session, actor),
        person=await read_person(session, actor, actor.person_id),
        factor=factor,
        takes_pin=takes_pin,
        has_pin=takes_pin and await has_pin(session, actor, actor.person_id),
    )


async def _changed(request: Request, old: str, new: str, answer: Redirect | None) -> None:
    await change_password(
        request.database,
        request.app.passwords,
        request.clock,
        actor_of(request),
        old=old,
        new=new,
        device_name=device_of(request) or "",
        keep=keeping(request, lambda _made: answer),
    )


@routes.post("/api/v1/me/password", OWN, **HASHING)
async def change_my_password(request: Request, *, body: NewPassword) -> None:
    """Sets a new password and ends the other sessions, tokens, the PIN and calendar links; in a session that a password opened."""
    await _changed(request, body.old, body.new, None)


@routes.post("/account/password", OWN, **HASHING, **IN_PAGES)
async def change_own_password(request: Request, *, form: PasswordForm) -> Redirect:
    """Sets a new password and signs out everywhere else."""
    told = N_(
        "Your password is changed. Other devices are signed out; API tokens, calendar links and the PIN ended."
    )
    to = done(request, "/account", told)
    await _changed(request, form.old, form.password, to)
    return to


@routes.post("/account/pin", OWN, **HASHING, **IN_PAGES)
async def choose_own_pin(request: Request, *, form: PinForm) -> Redirect:
    """Sets one's own PIN for the devices of one's schools."""
    to = done(request, "/account", N_("Your PIN is set."))
    await choose_pin(
        request.database,
        request.app.passwords,
        request.clock,
        actor_of(request),
        pin=form.pin,
        keep=keeping(request, lambda _made: to),
    )
    return to


@routes.post("/account/pin/remove", OWN, **IN_PAGES)
async def remove_own_pin(request: Request, *, form: NoFields) -> Redirect:
    """Takes one's own PIN away."""
    actor = actor_of(request)
    await remove_pin(request.session, actor, actor.person_id)
    return done(request, "/account", N_("Your PIN is taken away."))


@routes.post("/api/v1/me/tokens", OWN)
async def create_my_token(request: Request, *, body: NewToken) -> TokenMade:
    """A new API token with the asker's own rights or less, shown this once."""
    reach = TokenReach(body.may_write, body.resources)
    return await create_token(
        request.session,
        actor_of(request),
        None,
        label=body.label,
        days=body.days,
        clock=request.clock,
        reach=reach,
    )


@routes.get("/account/tokens", OWN, **IN_PAGES)
async def tokens_page(request: Request, *, page: PageRequest) -> Html:
    """One's own API tokens, and the form for a new one."""
    return render(request, "accounts/tokens.html", **await _tokens(request, page), made=None, live=None)


async def _tokens(request: Request, page: PageRequest) -> dict[str, Any]:
    tokens = await list_tokens(request.session, actor_of(request), page)
    return {"tokens": tokens, "now": request.clock.now(), "resources": RESOURCES}


@routes.post("/account/tokens", OWN, **IN_PAGES)
async def create_own_token(request: Request, *, form: TokenForm) -> Html:
    """A new API token, shown this once."""
    reach = TokenReach(not form.reads_only, form.resources or None)
    label = form.label.strip()
    actor = actor_of(request)
    is_for_files = form.reads_only and may(actor, "export", "file") and "file" in (form.resources or ["file"])
    made = await create_token(
        request.session,
        actor,
        None,
        label=label,
        days=form.days,
        clock=request.clock,
        reach=reach,
    )
    live = own_address(request) if is_for_files else None
    told = await _tokens(request, PageRequest())
    return render_once(request, "accounts/tokens.html", **told, made=made, live=live)
