"""What was changed of a child's record as people read it, and children who were given another name."""

from __future__ import annotations

from datetime import date, datetime
from typing import Any

import msgspec

from flatwater.contract import Html, Redirect
from flatwater.paging import PageRequest
from rightlevel.programme.duplicates import list_renames, put_back_name, say_same_child
from rightlevel.programme.permissions import May
from rightlevel.programme.students import RecordChange, list_record_changes, read_student
from rightlevel.web.call import Ask, ById, ByUuid, actor_of
from rightlevel.web.language import NOTHING, Language
from rightlevel.web.pages.forms import NoFields, reason_of
from rightlevel.web.routes import Routes
from rightlevel.web.templating import done, language_of, render
from rightlevel.web.words import word

routes = Routes("pages")

NAMED = {"school_id": "school", "school_year_id": "school_year", "class_id": "section"}
"""Fields that hold an id, and where the name stands that goes with it."""
WORDED = {"sex": "sex", "status": "at_school"}
"""Fields that hold a code, and the vocabulary it is of."""
LATEST = PageRequest(5)
FIRST_RENAMES = PageRequest(20)


class ChangedField(msgspec.Struct, frozen=True):
    """One field that changed, as people read it."""

    name: str
    before: str
    after: str


class ChangeLine(msgspec.Struct, frozen=True):
    """One change of a record."""

    at: datetime
    by: str
    deed: str
    reason: str
    fields: list[ChangedField]


class NameBackForm(msgspec.Struct, frozen=True):
    """Which version was seen, and why the former name comes back."""

    version: int = 0
    reason: str = ""


def lines_of(language: Language, changes: list[RecordChange]) -> list[ChangeLine]:
    """Changes as people read them; what stayed the same within a change is left out."""
    return [_line(language, each) for each in changes]


def _line(language: Language, change: RecordChange) -> ChangeLine:
    _ = language.gettext
    before, after = change.before, change.after
    fields = [
        ChangedField(
            _(word("record_field", name)), shown(language, name, before), shown(language, name, after)
        )
        for name in before
        if name in after
        and name not in NAMED.values()
        and (before[name] != after[name] or name == "guardian_contact")
    ]
    by = change.by or _("Nobody by name")
    return ChangeLine(change.at, by, _(word("record_deed", change.deed)), change.reason or "", fields)


def shown(language: Language, name: str, values: dict[str, Any]) -> str:
    """One field's value in words."""
    value = values[name]
    if value is None or value == "":
        return NOTHING
    if isinstance(value, bool):
        return language.gettext(word("yes_no", "yes" if value else "no"))
    if name in WORDED:
        return language.gettext(word(WORDED[name], value))
    if name in NAMED:
        return str(values.get(NAMED[name]) or NOTHING)
    return language.date(date.fromisoformat(value)) if name.endswith("_on") else str(value)


async def latest_changes(call: Ask, student_id: str) -> dict[str, Any]:
    """The latest changes of a child for its own page, and whether there are more. *Cost*: two statements."""
    page = await list_record_changes(call.session, actor_of(call), student_id, LATEST)
    return {"changes": lines_of(language_of(call), page.items), "has_more_changes": page.next is not None}


@routes.get("/students/{id}/changes", May("read", "student"))
async def changes_page(call: Ask, *, path: ByUuid, page: PageRequest) -> Html:
    """Everything that was changed of a child's record, the latest first."""
    student = await read_student(call.session, actor_of(call), path.id)
    found = await list_record_changes(call.session, actor_of(call), path.id, page)
    lines = lines_of(language_of(call), found.items)
    return render(call, "students/changes.html", student=student, changes=lines, page=found)


@routes.get("/renames", May("settle", "student"))
async def renames_page(call: Ask, *, page: PageRequest) -> Html:
    """Children whose name became another one, of whom nobody has decided."""
    return render(call, "duplicates/renames.html", **await _renames(call, page))


async def _renames(call: Ask, page: PageRequest) -> dict[str, Any]:
    return {"page": await list_renames(call.session, actor_of(call), page, call.clock)}


@routes.post("/renames/{id}/same", May("settle", "student"))
async def same_child_here(call: Ask, *, path: ById, form: NoFields) -> Redirect:
    """Says that it is the same child."""
    await say_same_child(call.session, actor_of(call), path.id, call.clock)
    return done(call, "/renames", language_of(call).gettext("Noted: this is the same child."))


@routes.post("/renames/{id}/put-back", May("settle", "student"))
async def put_back_here(call: Ask, *, path: ById, form: NameBackForm) -> Redirect:
    """Gives a child its former name back."""
    reason = reason_of(form)
    student = await put_back_name(
        call.session, actor_of(call), path.id, version=form.version, reason=reason, clock=call.clock
    )
    return done(
        call, "/renames", language_of(call).gettext("{name} has its former name again.", name=student.name)
    )
