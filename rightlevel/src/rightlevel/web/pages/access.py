"""What somebody above does about another's keys: a one-time code, a PIN, the second factor, API tokens."""

from __future__ import annotations

import msgspec

from flatwater.contract import Html, Redirect
from flatwater.paging import PageRequest
from flatwater.transaction import Session
from rightlevel.programme.accounts import (
    CodeMade,
    Person,
    generate_code,
    generate_pin,
    list_tokens_of,
    read_person,
    remove_pin,
    reset_pin,
    reset_second_factor,
    reset_with_code,
    revoke_token_of,
)
from rightlevel.programme.permissions import Actor, May
from rightlevel.web.authority import write_as
from rightlevel.web.call import WRITE_S, Ask, ById, actor_of
from rightlevel.web.pages.forms import NoFields
from rightlevel.web.routes import SIGNING_IN, Routes
from rightlevel.web.templating import done, language_of, render, render_once

routes = Routes("pages")

RESET = May("reset", "person")
HASHING_S = 30.0


class TokenOf(msgspec.Struct, frozen=True):
    """A path with a person and one of their tokens."""

    id: int
    token: str


@routes.post("/people/{id}/password", RESET, **SIGNING_IN, deadline_s=HASHING_S)
async def reset_password_here(call: Ask, *, path: ById, form: NoFields) -> Html:
    """Gives somebody a one-time code, shown this once, and signs them out everywhere."""
    code = generate_code()
    code_hash = await call.app.passwords.hash(code)

    async def reset(session: Session, actor: Actor) -> CodeMade:
        return await reset_with_code(
            session, actor, path.id, code=code, code_hash=code_hash, clock=call.clock
        )

    return await write_as(
        call,
        reset,
        deadline_s=WRITE_S,
        answer=lambda made: render_once(call, "people/code.html", made=made, is_new=False),
    )


@routes.post("/people/{id}/pin", RESET, **SIGNING_IN, deadline_s=HASHING_S)
async def reset_pin_here(call: Ask, *, path: ById, form: NoFields) -> Html:
    """Gives a teacher or mentor a new PIN, shown this once."""
    pin = generate_pin()
    pin_hash = await call.app.passwords.hash(pin)

    async def reset(session: Session, actor: Actor) -> Person:
        return await reset_pin(session, actor, path.id, pin_hash=pin_hash, clock=call.clock)

    return await write_as(
        call,
        reset,
        deadline_s=WRITE_S,
        answer=lambda person: render_once(call, "people/pin.html", person=person, pin=pin),
    )


@routes.post("/people/{id}/pin/remove", RESET)
async def remove_pin_here(call: Ask, *, path: ById, form: NoFields) -> Redirect:
    """Takes somebody's PIN away."""
    await remove_pin(call.session, actor_of(call), path.id)
    _ = language_of(call).gettext
    return done(call, f"/people/{path.id}", _("The PIN is taken away."))


@routes.post("/people/{id}/second-factor", RESET)
async def reset_second_factor_here(call: Ask, *, path: ById, form: NoFields) -> Redirect:
    """Takes somebody's two-step verification away and signs them out everywhere."""
    await reset_second_factor(call.session, actor_of(call), path.id, call.clock)
    _ = language_of(call).gettext
    return done(call, f"/people/{path.id}", _("Two-step verification is reset."))


@routes.get("/people/{id}/tokens", May("manage", "token_of_others"))
async def tokens_of_person_page(call: Ask, *, path: ById, page: PageRequest) -> Html:
    """Somebody's API tokens, for admins."""
    actor = actor_of(call)
    person = await read_person(call.session, actor, path.id)
    tokens = await list_tokens_of(call.session, actor, path.id, page)
    return render(call, "people/tokens.html", person=person, tokens=tokens, now=call.clock.now())


@routes.post("/people/{id}/tokens/{token}/revoke", May("manage", "token_of_others"))
async def revoke_token_here(call: Ask, *, path: TokenOf, form: NoFields) -> Redirect:
    """Ends somebody's API token at once, for admins."""
    await revoke_token_of(call.session, actor_of(call), path.id, path.token, call.clock)
    _ = language_of(call).gettext
    return done(call, f"/people/{path.id}/tokens", _("The token is revoked."))
