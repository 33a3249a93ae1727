"""What somebody above does about another's keys: a one-time code, a PIN, the second factor, API tokens."""

from __future__ import annotations

from collections.abc import Callable
from typing import TypeVar

import msgspec

from flatwater.contract import Html
from flatwater.paging import PageRequest
from flatwater.shown_once import ShownOnce
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
from rightlevel.programme.permissions import May
from rightlevel.web.authority import with_secret
from rightlevel.web.call import Ask, ById, actor_of
from rightlevel.web.feature import IN_PAGES, Deeds
from rightlevel.web.language import N_
from rightlevel.web.routes import HASHING
from rightlevel.web.sent import NoFields
from rightlevel.web.templating import render, render_once

R = TypeVar("R")

RESET = May("reset", "person")
TOKENS = May("manage", "token_of_others")

routes = Deeds("people", "person")


class TokenOfPerson(msgspec.Struct, frozen=True):
    """A path with a person and one of their tokens."""

    id: int
    token_id: str = msgspec.field(name="token")


class PinMade(msgspec.Struct, frozen=True):
    """Somebody's new PIN, shown this once."""

    person: Person
    pin: ShownOnce


async def _reset_password(call: Ask, person_id: int, answer: Callable[[CodeMade], R]) -> R:
    code = generate_code()
    return await with_secret(
        call,
        code,
        lambda session, actor, hashed: reset_with_code(
            session, actor, person_id, code=code, code_hash=hashed, clock=call.clock
        ),
        answer,
    )


async def _reset_pin(call: Ask, person_id: int, answer: Callable[[PinMade], R]) -> R:
    pin = generate_pin()
    return await with_secret(
        call,
        pin,
        lambda session, actor, hashed: reset_pin(
            session, actor, person_id, pin_hash=hashed, clock=call.clock
        ),
        lambda person: answer(PinMade(person, pin)),
    )


@routes.post("/api/v1/people/{id}/password", RESET, **HASHING)
async def reset_one_password(call: Ask, *, path: ById) -> CodeMade:
    """Takes the password of somebody below, ends sessions and tokens, and gives a one-time code, shown this once."""
    return await _reset_password(call, path.id, lambda made: made)


@routes.post("/people/{id}/password", RESET, **HASHING, **IN_PAGES)
async def reset_password_here(call: Ask, *, path: ById, form: NoFields) -> Html:
    """Gives somebody a one-time code, shown this once, and signs them out everywhere."""
    return await _reset_password(
        call, path.id, lambda made: render_once(call, "people/code.html", made=made, is_new=False)
    )


@routes.post("/api/v1/people/{id}/pin", RESET, **HASHING)
async def reset_one_pin(call: Ask, *, path: ById) -> PinMade:
    """Gives a teacher or mentor below a new PIN, shown this once."""
    return await _reset_pin(call, path.id, lambda made: made)


@routes.post("/people/{id}/pin", RESET, **HASHING, **IN_PAGES)
async def reset_pin_here(call: Ask, *, path: ById, form: NoFields) -> Html:
    """Gives a teacher or mentor a new PIN, shown this once."""
    return await _reset_pin(call, path.id, lambda made: render_once(call, "people/pin.html", made=made))


routes.does(
    remove_pin,
    json=("remove_one_pin", "DELETE /api/v1/people/{id}/pin"),
    html=("remove_pin_here", "/people/{id}/pin/remove"),
    may=RESET,
    then="/people/{path.id}",
    word=N_("The PIN is taken away."),
    says="Takes somebody's PIN away and ends what it opened.",
)
routes.does(
    reset_second_factor,
    json=("reset_one_second_factor", "DELETE /api/v1/people/{id}/second-factor"),
    html=("reset_second_factor_here", "/people/{id}/second-factor"),
    may=RESET,
    then="/people/{path.id}",
    word=N_("Two-step verification is reset."),
    says="Takes the second factor of somebody below away and ends all their sessions.",
)
routes.answers("list_tokens_of_one", "GET /api/v1/people/{id}/tokens", list_tokens_of, may=TOKENS)
routes.does(
    revoke_token_of,
    json=("revoke_token_of_one", "DELETE /api/v1/people/{id}/tokens/{token}"),
    html=("revoke_token_here", "/people/{id}/tokens/{token}/revoke"),
    may=TOKENS,
    path=TokenOfPerson,
    then="/people/{path.id}/tokens",
    word=N_("The token is revoked."),
)


@routes.get("/people/{id}/tokens", TOKENS, **IN_PAGES)
async def tokens_of_person_page(call: Ask, *, path: ById, page: PageRequest) -> Html:
    """Somebody's API tokens, for admins."""
    person = await read_person(call.session, actor_of(call), path.id)
    tokens = await list_tokens_of(call.session, actor_of(call), path.id, page)
    return render(call, "people/tokens.html", person=person, tokens=tokens, now=call.clock.now())
