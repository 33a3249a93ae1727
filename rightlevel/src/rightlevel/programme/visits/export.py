"""Submitted visits as rows of a file: a column for each question of every form in use."""

from __future__ import annotations

from collections.abc import AsyncIterator
from typing import Final

from flatwater.paging import PageRequest
from flatwater.transaction import Session
from rightlevel.programme.forms import FormVersion
from rightlevel.programme.permissions import Actor
from rightlevel.programme.visits import form_use, store
from rightlevel.programme.visits.model import VisitSearch
from rightlevel.programme.visits.reading import check_search

ROWS_AT_ONCE: Final = 100
"""Each holds up to 60 kB of answers: a hundred stay under 6 MB."""

Cell = str | int | float | None


async def forms_in_use(session: Session) -> list[FormVersion]:
    """The forms that visits were made with, the latest first."""
    return [await form_use.form_of(session, each) for each in await store.forms_of_visits(session)]


def question_columns(forms: list[FormVersion]) -> list[str]:
    """The columns that these forms' questions fill, each once."""
    return list(dict.fromkeys(name for form in forms for name in form_use.columns(form)))


async def rows_of_visits(
    session: Session, actor: Actor, asked: VisitSearch, forms: list[FormVersion]
) -> AsyncIterator[list[list[Cell]]]:
    """Submitted visits in scope, the latest first, practice schools left out, a hundred at a time.

    *Errors*: Invalid. *Cost*: one statement for 100 rows.
    """
    check_search(asked)
    by_id = {form.id: form for form in forms}
    names = question_columns(forms)
    page = PageRequest(ROWS_AT_ONCE)
    while True:
        found = await store.page_of_answers(session, actor, page, asked)
        yield [_cells(each, by_id.get(each.form_version_id), names) for each in found.items]
        if found.next is None:
            return
        page = PageRequest(ROWS_AT_ONCE, found.next)


def _cells(visit: store.AnsweredVisit, form: FormVersion | None, names: list[str]) -> list[Cell]:
    answers = form_use.row_of(form, visit.answers) if form is not None else {}
    return [
        visit.id,
        visit.school_code,
        visit.school_name,
        visit.subject,
        visit.mentor,
        visit.teacher,
        visit.visited_on.isoformat(),
        visit.fidelity,
        visit.submitted_at.isoformat(),
        "yes" if visit.is_locked else "no",
        visit.form_version_id,
        *(_cell(answers.get(name)) for name in names),
    ]


def _cell(value: object) -> Cell:
    if value is None or isinstance(value, int | float | str):
        return value
    return value.isoformat() if hasattr(value, "isoformat") else str(value)  # type: ignore[attr-defined]
