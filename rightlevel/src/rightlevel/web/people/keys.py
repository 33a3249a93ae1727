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
from rightlevel.web.feature import IN_PAGES, Deeds
from rightlevel.web.language import N_
from rightlevel.web.request import ById, Request, actor_of
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


async def _reset_password(request: Request, person_id: int, answer: Callable[[CodeMade], R]) -> R:
    code = generate_code()
    return await with_secret(
        request,
        code,
        lambda session, actor, hashed: reset_with_code(
            session, actor, person_id, code=code, code_hash=hashed, clock=request.clock
        ),
        answer,
    )


async def _reset_pin(request: Request, person_id: int, answer: Callable[[PinMade], R]) -> R:
    pin = generate_pin()
    return await with_secret(
        request,
        pin,
        lambda session, actor, hashed: reset_pin(
            session, actor, person_id, pin_hash=hashed, clock=request.clock
        ),
        lambda person: answer(PinMade(person, pin)),
    )


@routes.post("/api/v1/people/{id}/password", RESET, **HASHING)
async def reset_one_password(request: Request, *, path: ById) -> CodeMade:
    """Takes the password of somebody below, ends sessions and tokens, and gives a one-time code, shown this once."""
    return await _reset_password(request, path.id, lambda made: made)


@routes.post("/people/{id}/password", RESET, **HASHING, **IN_PAGES)
async def post_reset_password(request: Request, *, path: ById, form: NoFields) -> Html:
    """Gives somebody a one-time code, shown this once, and signs them out everywhere."""
    return await _reset_password(
        request, path.id, lambda made: render_once(request, "people/code.html", made=made, is_new=False)
    )


@routes.post("/api/v1/people/{id}/pin", RESET, **HASHING)
async def reset_one_pin(request: Request, *, path: ById) -> PinMade:
    """Gives a teacher or mentor below a new PIN, shown this once."""
    return await _reset_pin(request, path.id, lambda made: made)


@routes.post("/people/{id}/pin", RESET, **HASHING, **IN_PAGES)
async def post_reset_pin(request: Request, *, path: ById, form: NoFields) -> Html:
    """Gives a teacher or mentor a new PIN, shown this once."""
    return await _reset_pin(request, path.id, lambda made: render_once(request, "people/pin.html", made=made))


routes.does(
    remove_pin,
    json=("remove_one_pin", "DELETE /api/v1/people/{id}/pin"),
    html=("post_remove_pin", "/people/{id}/pin/remove"),
    may=RESET,
    then="/people/{path.id}",
    word=N_("The PIN is taken away."),
    says="Takes somebody's PIN away and ends what it opened.",
)
routes.does(
    reset_second_factor,
    json=("reset_one_second_factor", "DELETE /api/v1/people/{id}/second-factor"),
    html=("post_reset_second_factor", "/people/{id}/second-factor"),
    may=RESET,
    then="/people/{path.id}",
    word=N_("Two-step verification is reset."),
    says="Takes the second factor of somebody below away and ends all their sessions.",
)
routes.answers("list_tokens_of_one", "GET /api/v1/people/{id}/tokens", list_tokens_of, may=TOKENS)
routes.does(
    revoke_token_of,
    json=("revoke_token_of_one", "DELETE /api/v1/people/{id}/tokens/{token}"),
    html=("post_revoke_token", "/people/{id}/tokens/{token}/revoke"),
    may=TOKENS,
    path=TokenOfPerson,
    then="/people/{path.id}/tokens",
    word=N_("The token is revoked."),
)


@routes.get("/people/{id}/tokens", TOKENS, **IN_PAGES)
async def tokens_of_person_page(request: Request, *, path: ById, page: PageRequest) -> Html:
    """Somebody's API tokens, for admins."""
    person = await read_person(request.session, actor_of(request), path.id)
    tokens = await list_tokens_of(request.session, actor_of(request), path.id, page)
    return render(request, "people/tokens.html", person=person, tokens=tokens, now=request.clock.now())
