"""What was changed of a child's record as people read it."""

from __future__ import annotations

from datetime import date, datetime
from typing import Any

import msgspec

from flatwater.contract import Html
from flatwater.paging import PageRequest
from rightlevel.programme.permissions import May
from rightlevel.programme.students import RecordChange, list_record_changes, read_student
from rightlevel.web.language import NOTHING, Language
from rightlevel.web.request import ByUuid, Request, actor_of
from rightlevel.web.routes import Routes
from rightlevel.web.templating import language_of, render
from rightlevel.web.words import word

routes = Routes("pages")

NAMED = {"school_id": "school", "school_year_id": "school_year", "class_id": "section"}
"""Fields that hold an id, and where the name stands that goes with it."""
WORDED = {"sex": "sex", "status": "at_school"}
"""Fields that hold a code, and the vocabulary it is of."""
LATEST = PageRequest(5)


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


async def latest_changes(request: Request, student_id: str) -> dict[str, Any]:
    """The latest changes of a child for its own page, and whether there are more. *Cost*: two statements."""
    page = await list_record_changes(request.session, actor_of(request), student_id, LATEST)
    return {"changes": lines_of(language_of(request), page.items), "has_more_changes": page.next is not None}


@routes.get("/students/{id}/changes", May("read", "student"))
async def changes_page(request: Request, *, path: ByUuid, page: PageRequest) -> Html:
    """Everything that was changed of a child's record, the latest first."""
    student = await read_student(request.session, actor_of(request), path.id)
    found = await list_record_changes(request.session, actor_of(request), path.id, page)
    lines = lines_of(language_of(request), found.items)
    return render(request, "students/changes.html", student=student, changes=lines, page=found)
