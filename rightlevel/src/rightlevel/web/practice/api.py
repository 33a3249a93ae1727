"""Practice schools over HTTP."""

from __future__ import annotations

from typing import Final

from rightlevel.programme.permissions import May
from rightlevel.programme.practice import PracticeReset, reset_practice
from rightlevel.web.call import SMALL_BODY, Ask, ById, actor_of
from rightlevel.web.routes import Routes

routes = Routes("schools")

RESET_S: Final = 30.0
"""A full practice school takes a second or two; whoever enters something there meanwhile is waited for."""


@routes.post(
    "/api/v1/schools/{id}/reset-practice", May("reset", "school"), deadline_s=RESET_S, body_bytes=SMALL_BODY
)
async def reset_one_practice_school(call: Ask, *, path: ById) -> PracticeReset:
    """Empties a practice school and puts its practice class back; a real school is refused. It is not undone."""
    return await reset_practice(call.session, actor_of(call), path.id, call.clock)
