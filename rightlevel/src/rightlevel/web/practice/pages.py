"""Starting again at a practice school: what will go is said first."""

from __future__ import annotations

from typing import Any, Final

from flatwater.contract import Html, Redirect
from rightlevel.programme.permissions import May
from rightlevel.programme.practice import PRACTICE_CHILDREN, NotPractice, reset_practice
from rightlevel.programme.schools import read_school
from rightlevel.programme.students import StudentSearch, count_students
from rightlevel.web.call import Ask, ById, actor_of
from rightlevel.web.routes import Routes
from rightlevel.web.sent import NoFields
from rightlevel.web.templating import done, language_of, render

routes = Routes("pages")

RESET_S: Final = 30.0
"""As the API has it."""


async def _page(call: Ask, school_id: int) -> dict[str, Any]:
    actor = actor_of(call)
    school = await read_school(call.session, actor, school_id)
    if not school.is_practice:
        raise NotPractice
    there = await count_students(call.session, actor, StudentSearch(school_id))
    return {"school": school, "there": there, "children": len(PRACTICE_CHILDREN)}


@routes.get("/schools/{id}/reset-practice", May("reset", "school"))
async def reset_practice_page(call: Ask, *, path: ById) -> Html:
    """What a reset takes away and what stays, with the button."""
    return render(call, "practice/reset.html", **await _page(call, path.id))


@routes.post("/schools/{id}/reset-practice", May("reset", "school"), deadline_s=RESET_S)
async def reset_practice_here(call: Ask, *, path: ById, form: NoFields) -> Redirect:
    """Empties a practice school and puts its class back."""
    await reset_practice(call.session, actor_of(call), path.id, call.clock)
    _ = language_of(call).gettext
    return done(call, f"/schools/{path.id}", _("The practice school starts again."))
