"""Children entered twice: two records side by side, made one or kept apart; what was made one, and back."""

from __future__ import annotations

from typing import Any

import msgspec

from flatwater.contract import Html, Redirect
from flatwater.paging import PageRequest
from rightlevel.programme.duplicates import (
    Merge,
    dismiss_duplicates,
    find_duplicates,
    list_merges,
    merge_duplicates,
    undo_merge_of_duplicates,
)
from rightlevel.programme.permissions import May
from rightlevel.programme.schools import read_school
from rightlevel.web.call import Ask, ById, actor_of
from rightlevel.web.pages.forms import reason_of
from rightlevel.web.routes import Routes
from rightlevel.web.templating import done, language_of, render

routes = Routes("pages")

PAST = PageRequest(20)


class MergeForm(msgspec.Struct, frozen=True):
    """Two records, and which stays."""

    first_id: str
    first_version: int
    second_id: str
    second_version: int
    keep: str = "first"
    reason: str = ""


class UndoMerge(msgspec.Struct, frozen=True):
    """Which merge is taken back, and why."""

    merge_id: str
    reason: str = ""


@routes.get("/schools/{id}/duplicates", May("merge", "student"))
async def duplicates_page(call: Ask, *, path: ById) -> Html:
    """The likely duplicates of a school."""
    return render(call, "duplicates/list.html", **await _duplicates(call, path.id))


async def _duplicates(call: Ask, school_id: int) -> dict[str, Any]:
    actor = actor_of(call)
    return {
        "school": await read_school(call.session, actor, school_id),
        "found": await find_duplicates(call.session, actor, school_id, call.clock),
        "past": (await list_merges(call.session, actor, school_id, PAST)).items,
    }


@routes.post("/schools/{id}/duplicates", May("merge", "student"))
async def merge_here(call: Ask, *, path: ById, form: MergeForm) -> Redirect:
    """Makes two records one, or remembers that they are two."""
    language = language_of(call)
    first, second = (form.first_id, form.first_version), (form.second_id, form.second_version)
    kept, gone = (first, second) if form.keep == "first" else (second, first)
    if form.keep == "apart":
        await dismiss_duplicates(call.session, actor_of(call), form.first_id, form.second_id, call.clock)
        return done(
            call, f"/schools/{path.id}/duplicates", language.gettext("Noted: these are two children.")
        )
    await merge_duplicates(call.session, actor_of(call), Merge(*kept, *gone, reason_of(form)), call.clock)
    return done(
        call,
        f"/schools/{path.id}/duplicates",
        language.gettext("The two are one now. You can undo it below."),
    )


@routes.post("/schools/{id}/duplicates/undo", May("merge", "student"))
async def undo_merge_here(call: Ask, *, path: ById, form: UndoMerge) -> Redirect:
    """Makes two of one again."""
    await undo_merge_of_duplicates(
        call.session, actor_of(call), form.merge_id, reason=form.reason, clock=call.clock
    )
    return done(call, f"/schools/{path.id}/duplicates", language_of(call).gettext("They are two again."))
