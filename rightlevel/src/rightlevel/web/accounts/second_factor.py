"""The two-step verification: asked for, set up, taken away; and whether admins need it."""

from __future__ import annotations

from typing import Any

import msgspec

from flatwater.contract import Html, Redirect
from flatwater.transaction import Session
from rightlevel.programme.accounts import (
    Enrolment,
    begin_second_factor,
    confirm_second_factor,
    enrolment_begun,
    factor_state,
    finish_sign_in,
    remove_second_factor,
    renew_recovery_codes,
    set_admins_need_second_factor,
)
from rightlevel.programme.errors import Conflict, Forbidden, ProgrammeError
from rightlevel.programme.permissions import May
from rightlevel.web.accounts.sign_in import device_name_of, set_session
from rightlevel.web.feature import IN_PAGES, Deeds
from rightlevel.web.language import N_
from rightlevel.web.qr import qr_svg
from rightlevel.web.request import READ_S, WRITE_S, Request, Secret, actor_of
from rightlevel.web.routes import HASHING, SIGNING_IN
from rightlevel.web.templating import done, language_of, local_path, refusal, render, render_once, show_again

routes = Deeds("people", "setting")

SETTLING = May("finish", "sign_in")
OWN = May("manage", "self")


class StepForm(msgspec.Struct, frozen=True):
    """A code, and where to go after it."""

    code: Secret = ""
    next: str = "/"


class OwnPassword(msgspec.Struct, frozen=True):
    """One's own password, shown again before the keys of the account are changed."""

    password: Secret = ""


class SecondFactorRule(msgspec.Struct, frozen=True):
    """Whether admins need a second factor."""

    is_needed: bool = msgspec.field(name="admins_need_it")


class RuleForm(msgspec.Struct, frozen=True):
    """Whether admins need a second factor: yes, where the box is ticked."""

    is_needed: bool = False


@routes.get("/sign-in/step", SETTLING, priority="never", **IN_PAGES)
async def step_page(request: Request, *, query: StepForm) -> Html | Redirect:
    """What a sign-in still lacks."""
    actor = actor_of(request)
    if not actor.pending:
        return Redirect(local_path(query.next))
    if actor.pending == "enrol":
        return Redirect("/account/second-factor")
    return render(request, "accounts/sign_in_step.html", form=StepForm(next=local_path(query.next)))


@routes.post("/sign-in/step", SETTLING, **SIGNING_IN, priority="never", **IN_PAGES)
async def take_step(request: Request, *, form: StepForm) -> Html | Redirect:
    """Finishes the sign-in with a code."""
    actor = actor_of(request)
    try:
        signed_in = await finish_sign_in(
            request.database,
            request.clock,
            actor,
            code=form.code,
            device=request.headers.get("user-agent", ""),
            life_s=request.app.settings.session_life_s,
            device_name=device_name_of(request),
        )
    except Forbidden as error:
        if actor.pending != "second_factor":
            raise
        again = StepForm(next=local_path(form.next))
        return refusal(request, "accounts/sign_in_step.html", error, form=again)
    set_session(request, signed_in)
    return Redirect(local_path(form.next))


@routes.get("/account/second-factor", SETTLING, **IN_PAGES)
async def second_factor_page(request: Request) -> Html | Redirect:
    """One's own two-step verification: on or off, and what can be done about it."""
    if actor_of(request).pending == "second_factor":
        return Redirect("/sign-in/step")
    return render(request, "accounts/second_factor.html", **await _factor(request, request.session))


async def _factor(request: Request, session: Session, begun: Enrolment | None = None) -> dict[str, Any]:
    _ = language_of(request).gettext
    qr = qr_svg(begun.address, _("QR code for your authenticator app")) if begun is not None else None
    return {"factor": await factor_state(session, actor_of(request)), "begun": begun, "qr": qr}


@routes.post("/account/second-factor", SETTLING, **HASHING, **IN_PAGES)
async def begin_factor(request: Request, *, form: OwnPassword) -> Html:
    """Begins to set up two-step verification, for who shows the password again: shows the secret to its owner."""
    begun = await begin_second_factor(
        request.database, request.app.passwords, request.clock, actor_of(request), password=form.password
    )
    async with request.database.read(deadline_s=READ_S) as session:
        values = await _factor(request, session, begun)
    return render_once(request, "accounts/second_factor.html", **values)


@routes.post("/account/second-factor/confirm", SETTLING, **SIGNING_IN, **IN_PAGES)
async def confirm_factor(request: Request, *, form: StepForm) -> Html:
    """Puts two-step verification in force, and shows the recovery codes this once."""
    actor = actor_of(request)
    try:
        confirmed = await request.database.run(
            lambda session: confirm_second_factor(
                session,
                actor,
                code=form.code,
                clock=request.clock,
                device=request.headers.get("user-agent", ""),
                life_s=request.app.settings.session_life_s,
                device_name=device_name_of(request),
            ),
            deadline_s=WRITE_S,
        )
    except ProgrammeError as error:
        if isinstance(error, Forbidden):
            raise
        async with request.database.read(deadline_s=READ_S) as session:
            values = await _factor(request, session, await enrolment_begun(session, actor))
        show_again(request, "accounts/second_factor.html", error, **values)
    set_session(request, confirmed.signed_in)
    return render_once(request, "accounts/recovery_codes.html", codes=confirmed.recovery_codes)


@routes.post("/account/second-factor/remove", OWN, **SIGNING_IN, **IN_PAGES)
async def remove_factor(request: Request, *, form: StepForm) -> Html | Redirect:
    """Takes one's own two-step verification away, with one of its codes."""
    try:
        await remove_second_factor(request.database, actor_of(request), code=form.code, clock=request.clock)
    except (Forbidden, Conflict) as error:
        return await _again(request, error)
    return done(request, "/account", N_("Two-step verification is off."))


@routes.post("/account/second-factor/codes", OWN, **SIGNING_IN, **IN_PAGES)
async def renew_codes(request: Request, *, form: StepForm) -> Html:
    """New recovery codes in place of the old ones, shown this once."""
    try:
        codes = await renew_recovery_codes(
            request.database, actor_of(request), code=form.code, clock=request.clock
        )
    except Forbidden as error:
        return await _again(request, error)
    return render_once(request, "accounts/recovery_codes.html", codes=codes)


async def _again(request: Request, error: ProgrammeError) -> Html:
    async with request.database.read(deadline_s=READ_S) as session:
        values = await _factor(request, session)
    return refusal(request, "accounts/second_factor.html", error, **values)


routes.does(
    set_admins_need_second_factor,
    SecondFactorRule,
    json=("set_second_factor_rule", "POST /api/v1/settings/second-factor"),
    html=("set_factor_rule", "/account/second-factor/rule"),
    form=RuleForm,
    then="/account/second-factor",
    says="Whether admins need a second factor.",
)
