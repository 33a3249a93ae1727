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
from rightlevel.web.language import LANGUAGE_COOKIE, languages_in
from rightlevel.web.request import Request, Secret, actor_of
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
async def sign_in_page(request: Request, *, query: Asked) -> Html | Redirect:
    """The form to sign in with."""
    if request.actor is not None:
        return Redirect("/sign-in/step" if request.actor.pending else local_path(query.next))
    device = await known_device(request.session, own_cookie(request, SCHOOL_DEVICE_COOKIE))
    return render(
        request, "accounts/sign_in.html", form=SignInForm(next=local_path(query.next)), device=device
    )


@routes.post("/sign-in", Everyone(), **HASHING, priority="never")
async def post_sign_in(request: Request, *, form: SignInForm) -> Html | Redirect:
    """Signs in, or says why not."""
    settings = request.app.settings
    try:
        # A blank one is no failed attempt.
        require_filled(form, "username", "password")
        signed_in = await sign_in(
            request.database,
            request.app.passwords,
            request.clock,
            username=form.username,
            password=form.password,
            address=request.address,
            device=request.headers.get("user-agent", ""),
            life_s=settings.session_life_s,
            device_name=device_name_of(request),
            replaces=own_cookie(request, SESSION_COOKIE),
        )
    except (Forbidden, Invalid) as error:
        again = SignInForm(username=form.username, next=local_path(form.next))
        return refusal(request, "accounts/sign_in.html", error, form=again, device=None)
    set_session(request, signed_in)
    to = local_path(form.next)
    if signed_in.pending:
        return Redirect("/sign-in/step" + (f"?{urlencode({'next': to})}" if to != "/" else ""))
    return Redirect(to)


def set_session(request: Request, signed_in: SignedIn) -> None:
    """Gives the browser its session, its language and, where it has none, the name by which it is known again."""
    set_cookie(request, SESSION_COOKIE, signed_in.token, life_s=signed_in.life_s)
    request.cookies_to_set.append(language_cookie(request, signed_in.language))
    name = device_name_of(request)
    if device_of(request) is None:
        set_cookie(request, DEVICE_COOKIE, request.app.device_names.signed(name), life_s=DEVICE_LIFE_S)


def device_name_of(request: Request) -> str:
    """The name by which this device is known, or the one that it gets with this answer."""
    known = device_of(request)
    if known is not None:
        return known
    fresh: str = request.state.setdefault("device_name", request.app.device_names.new())
    return fresh


@routes.post("/sign-out", May("finish", "sign_in"))
async def post_sign_out(request: Request, *, form: Asked) -> Redirect:
    """Ends the session on this device."""
    await sign_out(request.session, actor_of(request))
    set_cookie(request, SESSION_COOKIE, "", life_s=0)
    # What this browser kept of our pages goes with the session, where it does this (over https).
    return Redirect("/sign-in", headers={"clear-site-data": '"cache"'})


@routes.post("/language", Everyone())
async def choose_my_language(request: Request, *, form: LanguageForm) -> Redirect:
    """Shows this device, and whoever is signed in, everything in another language."""
    if form.code in languages_in(request.app.languages):
        request.cookies_to_set.append(language_cookie(request, form.code))
        if request.actor is not None and not request.actor.pending:
            await choose_language(request.session, request.actor, form.code)
    return Redirect(local_path(form.next))


def language_cookie(request: Request, code: str) -> str:
    """The Set-Cookie value by which a device remembers its language: no secret, and read by everybody's pages."""
    secure = "; Secure" if is_secure(request) else ""
    return f"{LANGUAGE_COOKIE}={code}; Path=/; SameSite=Lax; Max-Age={LANGUAGE_LIFE_S}{secure}"
