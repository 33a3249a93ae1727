"""Signing in and out, and the language one reads."""

from __future__ import annotations

from urllib.parse import urlencode

import msgspec

from flatwater.contract import Everyone, Html, Redirect
from rightlevel.programme.accounts import SignedIn, choose_language, known_device, sign_in, sign_out
from rightlevel.programme.errors import Forbidden, Invalid
from rightlevel.programme.permissions import May
from rightlevel.web.application import (
    DEVICE_COOKIE,
    DEVICE_LIFE_S,
    SCHOOL_DEVICE_COOKIE,
    SESSION_COOKIE,
    device_of,
    is_secure,
    own_cookie,
    set_cookie,
)
from rightlevel.web.call import Ask, Secret, actor_of
from rightlevel.web.language import LANGUAGE_COOKIE, languages_in
from rightlevel.web.routes import HASHING, Routes
from rightlevel.web.sent import require_filled
from rightlevel.web.templating import local_path, refusal, render

routes = Routes("pages")

LANGUAGE_LIFE_S = 400 * 86_400


class Asked(msgspec.Struct, frozen=True):
    """Where to go after signing in."""

    next: str = "/"


class SignInForm(msgspec.Struct, frozen=True):
    """What the sign-in form sends."""

    username: str = ""
    password: Secret = ""
    next: str = "/"


class LanguageForm(msgspec.Struct, frozen=True):
    """Which language, and the page to show in it."""

    code: str = ""
    next: str = "/"


@routes.get("/sign-in", Everyone(), priority="never")
async def sign_in_page(call: Ask, *, query: Asked) -> Html | Redirect:
    """The form to sign in with."""
    if call.actor is not None:
        return Redirect("/sign-in/step" if call.actor.pending else local_path(query.next))
    device = await known_device(call.session, own_cookie(call, SCHOOL_DEVICE_COOKIE))
    return render(call, "accounts/sign_in.html", form=SignInForm(next=local_path(query.next)), device=device)


@routes.post("/sign-in", Everyone(), **HASHING, priority="never")
async def sign_in_here(call: Ask, *, form: SignInForm) -> Html | Redirect:
    """Signs in, or says why not."""
    settings = call.app.settings
    try:
        # A blank one is no failed attempt.
        require_filled(form, "username", "password")
        signed_in = await sign_in(
            call.database,
            call.app.passwords,
            call.clock,
            username=form.username,
            password=form.password,
            address=call.address,
            device=call.headers.get("user-agent", ""),
            life_s=settings.session_life_s,
            device_name=device_name_of(call),
            replaces=own_cookie(call, SESSION_COOKIE),
        )
    except (Forbidden, Invalid) as error:
        again = SignInForm(username=form.username, next=local_path(form.next))
        return refusal(call, "accounts/sign_in.html", error, form=again, device=None)
    set_session(call, signed_in)
    to = local_path(form.next)
    if signed_in.pending:
        return Redirect("/sign-in/step" + (f"?{urlencode({'next': to})}" if to != "/" else ""))
    return Redirect(to)


def set_session(call: Ask, signed_in: SignedIn) -> None:
    """Gives the browser its session, its language and, where it has none, the name by which it is known again."""
    set_cookie(call, SESSION_COOKIE, signed_in.token, life_s=signed_in.life_s)
    call.cookies_to_set.append(language_cookie(call, signed_in.language))
    name = device_name_of(call)
    if device_of(call) is None:
        set_cookie(call, DEVICE_COOKIE, call.app.device_names.signed(name), life_s=DEVICE_LIFE_S)


def device_name_of(call: Ask) -> str:
    """The name by which this device is known, or the one that it gets with this answer."""
    known = device_of(call)
    if known is not None:
        return known
    fresh: str = call.state.setdefault("device_name", call.app.device_names.new())
    return fresh


@routes.post("/sign-out", May("finish", "sign_in"))
async def sign_out_here(call: Ask, *, form: Asked) -> Redirect:
    """Ends the session on this device."""
    await sign_out(call.session, actor_of(call))
    set_cookie(call, SESSION_COOKIE, "", life_s=0)
    # What this browser kept of our pages goes with the session, where it does this (over https).
    return Redirect("/sign-in", headers={"clear-site-data": '"cache"'})


@routes.post("/language", Everyone())
async def choose_my_language(call: Ask, *, form: LanguageForm) -> Redirect:
    """Shows this device, and whoever is signed in, everything in another language."""
    if form.code in languages_in(call.app.languages):
        call.cookies_to_set.append(language_cookie(call, form.code))
        if call.actor is not None and not call.actor.pending:
            await choose_language(call.session, call.actor, form.code)
    return Redirect(local_path(form.next))


def language_cookie(call: Ask, code: str) -> str:
    """The Set-Cookie value by which a device remembers its language: no secret, and read by everybody's pages."""
    secure = "; Secure" if is_secure(call) else ""
    return f"{LANGUAGE_COOKIE}={code}; Path=/; SameSite=Lax; Max-Age={LANGUAGE_LIFE_S}{secure}"
