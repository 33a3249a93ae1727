"""A form that was sent when the session had ended, for whoever it was made for, once they are signed in again."""

from __future__ import annotations

import msgspec

from flatwater.contract import Html, Redirect
from rightlevel.programme.accounts import held_form
from rightlevel.programme.permissions import May
from rightlevel.web.application import HELD_COOKIE, own_cookie, saved_before, set_cookie
from rightlevel.web.request import Request, actor_of
from rightlevel.web.routes import Routes
from rightlevel.web.showing_again import HeldForm, HeldPost
from rightlevel.web.templating import HAS_HELD, done, language_of

routes = Routes("pages")


async def look_for_held(request: Request) -> None:
    """Lets the page tell whoever is calling of a form that is kept for them, and of nobody else's. *Cost*: two statements with a kept form."""
    secret = own_cookie(request, HELD_COOKIE)
    kept = await held_form(request.session, actor_of(request), secret, request.clock) if secret else None
    if kept is not None:
        held = msgspec.json.decode(kept, type=HeldPost)
        request.state[HAS_HELD] = (
            await saved_before(request, request.session, held.write_id, held.operation) is None
        )


@routes.get("/held-form", May("manage", "self"))
async def held_form_page(request: Request) -> Html | Redirect:
    """The form as it was sent, to look over and to send; for anybody else, or after half an hour, the start."""
    kept = await held_form(
        request.session, actor_of(request), own_cookie(request, HELD_COOKIE), request.clock
    )
    if kept is None:
        set_cookie(request, HELD_COOKIE, "", life_s=0)
        return done(request, "/", language_of(request).gettext("There is nothing kept for you."))
    held = msgspec.json.decode(kept, type=HeldPost)
    to = await saved_before(request, request.session, held.write_id, held.operation)
    if to is not None:
        set_cookie(request, HELD_COOKIE, "", life_s=0)
        return done(
            request, to, language_of(request).gettext("This was saved already. Nothing is saved twice.")
        )
    raise HeldForm(held)
