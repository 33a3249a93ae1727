"""One's own account: password, language, where one is signed in, and API tokens."""

from __future__ import annotations

from typing import Any

import msgspec

from flatwater.contract import Html, Redirect
from flatwater.paging import Page, PageRequest
from flatwater.transaction import Session
from rightlevel.programme.accounts import (
    RESOURCES,
    OpenSession,
    change_password,
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
from rightlevel.programme.errors import Fault, Invalid
from rightlevel.programme.permissions import May, TokenReach
from rightlevel.web.application import device_of
from rightlevel.web.authority import keeping
from rightlevel.web.call import (
    Ask,
    ByUuid,
    Secret,
    actor_of,
)
from rightlevel.web.routes import SIGNING_IN, Routes
from rightlevel.web.templating import done, language_of, render, render_once

routes = Routes("pages")

OWN = May("manage", "self")
SESSIONS = PageRequest(limit=20)
"""As many as a person may have (programme/accounts), so one page shows them all."""


class PasswordForm(msgspec.Struct, frozen=True):
    """The present and the new password."""

    old: Secret = ""
    password: Secret = ""


class TokenForm(msgspec.Struct, frozen=True):
    """What a new API token is for and how long it lives."""

    label: str = ""
    days: str = "90"
    reads_only: bool = False
    resources: tuple[str, ...] = ()


class PinForm(msgspec.Struct, frozen=True):
    """A new PIN."""

    pin: Secret = ""


class Nothing(msgspec.Struct, frozen=True):
    """A form that is only a button."""


@routes.get("/account", OWN)
async def account_page(call: Ask) -> Html:
    """One's own account."""
    return render(call, "account/account.html", **await _account(call, call.session))


async def _account(call: Ask, session: Session) -> dict[str, Any]:
    actor = actor_of(call)
    sessions: Page[OpenSession] = await list_sessions(session, actor, SESSIONS)
    factor = await factor_state(session, actor)
    takes_pin = actor.role in PIN_ROLES and not factor.is_on and not actor.is_by_pin
    return {
        "sessions": sessions.items,
        "person": await read_person(session, actor, actor.person_id),
        "factor": factor,
        "takes_pin": takes_pin,
        "has_pin": takes_pin and await has_pin(session, actor, actor.person_id),
    }


@routes.post("/account/password", OWN, **SIGNING_IN, deadline_s=30.0)
async def change_own_password(call: Ask, *, form: PasswordForm) -> Redirect:
    """Sets a new password and signs out everywhere else."""
    _ = language_of(call).gettext
    to = done(
        call,
        "/account",
        _(
            "Your password is changed. Other devices are signed out; API tokens, calendar links and the PIN ended."
        ),
    )
    await change_password(
        call.database,
        call.app.passwords,
        call.clock,
        actor_of(call),
        old=form.old,
        new=form.password,
        device_name=device_of(call) or "",
        keep=keeping(call, lambda _made: to),
    )
    return to


@routes.post("/account/sessions/{id}/end", OWN)
async def end_own_session(call: Ask, *, path: ByUuid, form: Nothing) -> Redirect:
    """Signs out one other device at once."""
    await revoke_session(call.session, actor_of(call), path.id)
    _ = language_of(call).gettext
    return done(call, "/account", _("That device is signed out."))


@routes.post("/account/sessions/end-others", OWN)
async def end_other_own_sessions(call: Ask, *, form: Nothing) -> Redirect:
    """Signs out everywhere but here."""
    await end_other_sessions(call.session, actor_of(call))
    _ = language_of(call).gettext
    return done(call, "/account", _("All other devices are signed out."))


@routes.post("/account/pin", OWN, **SIGNING_IN, deadline_s=30.0)
async def choose_own_pin(call: Ask, *, form: PinForm) -> Redirect:
    """Sets one's own PIN for the devices of one's schools."""
    to = done(call, "/account", language_of(call).gettext("Your PIN is set."))
    await choose_pin(
        call.database,
        call.app.passwords,
        call.clock,
        actor_of(call),
        pin=form.pin,
        keep=keeping(call, lambda _made: to),
    )
    return to


@routes.post("/account/pin/remove", OWN)
async def remove_own_pin(call: Ask, *, form: Nothing) -> Redirect:
    """Takes one's own PIN away."""
    actor = actor_of(call)
    await remove_pin(call.session, actor, actor.person_id)
    _ = language_of(call).gettext
    return done(call, "/account", _("Your PIN is taken away."))


@routes.get("/account/tokens", OWN)
async def tokens_page(call: Ask, *, page: PageRequest) -> Html:
    """One's own API tokens, and the form for a new one."""
    tokens = await list_tokens(call.session, actor_of(call), page)
    return render(
        call,
        "account/tokens.html",
        tokens=tokens,
        form=TokenForm(),
        made=None,
        now=call.clock.now(),
        resources=RESOURCES,
    )


@routes.post("/account/tokens", OWN)
async def create_own_token(call: Ask, *, form: TokenForm) -> Html:
    """A new API token, shown this once."""
    actor, now = actor_of(call), call.clock.now()
    days = int(form.days) if form.days.isascii() and form.days.isdigit() and len(form.days) < 6 else 0
    if not form.label.strip():
        raise Invalid(faults=(Fault("label", "Please fill this in"),))
    made = await create_token(
        call.session,
        actor,
        None,
        label=form.label.strip(),
        days=days,
        clock=call.clock,
        reach=TokenReach(not form.reads_only, form.resources or None),
    )
    tokens = await list_tokens(call.session, actor, PageRequest())
    return render_once(
        call, "account/tokens.html", tokens=tokens, form=TokenForm(), made=made, now=now, resources=RESOURCES
    )


@routes.post("/account/tokens/{id}/revoke", OWN)
async def revoke_own_token(call: Ask, *, path: ByUuid, form: Nothing) -> Redirect:
    """Ends one API token at once."""
    await revoke_token(call.session, actor_of(call), path.id, call.clock)
    _ = language_of(call).gettext
    return done(call, "/account/tokens", _("The token is revoked."))
