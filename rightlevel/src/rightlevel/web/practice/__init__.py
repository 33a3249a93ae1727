"""Practice schools start again: what will go is said first."""

from __future__ import annotations

from typing import Final

from flatwater.contract import Html
from rightlevel.programme.permissions import May
from rightlevel.programme.practice import PRACTICE_CHILDREN, NotPractice, reset_practice
from rightlevel.programme.schools import read_school
from rightlevel.programme.students import StudentSearch, count_students
from rightlevel.web.feature import IN_PAGES, Deeds
from rightlevel.web.language import N_
from rightlevel.web.request import SMALL_BODY, ById, Request, actor_of
from rightlevel.web.templating import render

RESET_S: Final = 30.0
"""A full practice school takes a second or two; whoever enters something there meanwhile is waited for."""

routes = Deeds("schools", "school")
routes.does(
    reset_practice,
    json=("reset_one_practice_school", "POST /api/v1/schools/{id}/reset-practice"),
    html=("post_reset_practice", "/schools/{id}/reset-practice"),
    may="reset",
    deadline_s=RESET_S,
    body_bytes=SMALL_BODY,
    then="/schools/{path.id}",
    word=N_("The practice school starts again."),
    says="Empties a practice school and puts its practice class back; a real school is refused. It is not undone.",
)


@routes.get("/schools/{id}/reset-practice", May("reset", "school"), **IN_PAGES)
async def reset_practice_page(request: Request, *, path: ById) -> Html:
    """What a reset takes away and what stays, with the button."""
    school = await read_school(request.session, actor_of(request), path.id)
    if not school.is_practice:
        raise NotPractice
    there = await count_students(request.session, actor_of(request), StudentSearch(path.id))
    return render(request, "practice/reset.html", school=school, there=there, children=len(PRACTICE_CHILDREN))
