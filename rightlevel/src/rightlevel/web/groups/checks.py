"""Quick re-tests of a whole group on one page."""

from __future__ import annotations

from typing import Any

from flatwater.clock import today
from flatwater.contract import Html, Redirect
from rightlevel.programme.days import HAPPENED
from rightlevel.programme.errors import Invalid
from rightlevel.programme.groups import CheckWrite, GroupRow, enter_checks, read_group
from rightlevel.programme.ids import time_ordered_id
from rightlevel.programme.levels import scale_now
from rightlevel.programme.permissions import May
from rightlevel.web.groups.pages import group_values
from rightlevel.web.language import N_
from rightlevel.web.request import CLASS_BODY, ById, Request, actor_of
from rightlevel.web.routes import Routes
from rightlevel.web.sent import day_of
from rightlevel.web.templating import done, language_of, render, render_partly

routes = Routes("pages")

REFUSALS = {
    "conflict": N_("This child was tested on that day already."),
    "stale": N_("Somebody changed this in the meantime."),
    "not_found": N_("This child is not here any more."),
    "merged": N_("This child was entered twice and is one record now. Enter it for the one that was kept."),
    "out_of_scope": N_("This school or subject is not assigned to you."),
    "invalid": N_("A day that is not in the future, please."),
}


async def _checks(request: Request, group_id: int) -> dict[str, Any]:
    values = await group_values(request, group_id)
    return {
        **values,
        "scale": scale_now(values["group"].subject),
        "on": today(request.clock).isoformat(),
        "refused": {},
        "write_ids": {each.student_id: time_ordered_id() for each in values["found"].members},
    }


@routes.get("/groups/{id}/checks", May("check", "level"))
async def checks_page(request: Request, *, path: ById) -> Html:
    """Quick re-tests of a group: every child with its levels to tap."""
    return render(request, "groups/checks.html", **await _checks(request, path.id))


@routes.post("/groups/{id}/checks", May("check", "level"), body_bytes=CLASS_BODY)
async def post_enter_checks(request: Request, *, path: ById, form: dict[str, list[str]]) -> Html | Redirect:
    """Saves the quick re-tests that were tapped; what was refused stays marked."""
    language = language_of(request)
    group = (await read_group(request.session, actor_of(request), path.id)).group
    writes = _writes(request, group, form)
    if not writes:
        return done(request, f"/groups/{path.id}/checks", N_("Nothing was changed."))
    answers = await enter_checks(request.session, actor_of(request), writes, request.clock)
    told = {
        write.student_id: language.gettext(REFUSALS.get(answer.code, ""))
        for write, answer in zip(writes, answers, strict=True)
        if answer.code not in ("saved", "changed")
    }
    saved = len(writes) - len(told)
    text = language.ngettext("{n} child is saved.", "{n} children are saved.", saved)
    if told:
        values = await _checks(request, path.id)
        values["refused"] = told
        names = {each.student_id: each.name for each in values["found"].members}
        refused = [(names.get(each, ""), why) for each, why in told.items()]
        text = (
            f"{text} {language.gettext('These could not be saved:')}"
            if saved
            else language.gettext("Nothing is saved.")
        )
        return render_partly(request, "groups/checks.html", text, refused, **values)
    return done(request, f"/schools/{group.school_id}/groups?subject={group.subject}", text)


def _writes(request: Request, group: GroupRow, form: dict[str, list[str]]) -> list[CheckWrite]:
    """A write for each child that was tapped. *Errors*: Invalid for a day that can't be read."""
    text = form.get("checked_on", [""])[-1]
    on = day_of("checked_on", text) if "checked_on" in form else today(request.clock)
    # The day is the same for all children: what is wrong with it is said once, at its field.
    if faults := HAPPENED.faults("checked_on", on, today(request.clock)):
        raise Invalid(faults=tuple(faults))
    tapped = {
        name.removeprefix("level."): values[-1] for name, values in form.items() if name.startswith("level.")
    }
    if len(tapped) > 1_000:
        raise Invalid
    return [
        CheckWrite(form.get(f"write.{each}", [""])[-1] or time_ordered_id(), each, group.subject, level, on)
        for each, level in tapped.items()
        if level
    ]
