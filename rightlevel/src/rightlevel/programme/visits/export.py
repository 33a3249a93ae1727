"""Submitted visits as CSV, made while it is sent: page by page, no database session held in between."""

from __future__ import annotations

from collections.abc import AsyncIterator
from datetime import date
from typing import Final

from flatwater.paging import PageRequest
from flatwater.pool import Database
from flatwater.transaction import Session
from rightlevel.programme.audit import write_audit
from rightlevel.programme.audit.export import csv_line
from rightlevel.programme.forms import FormVersion
from rightlevel.programme.permissions import Actor, require
from rightlevel.programme.visits import form_use, store
from rightlevel.programme.visits.model import VisitSearch
from rightlevel.programme.visits.reading import check_search

MAX_ROWS: Final = 50_000
ROWS_AT_ONCE: Final = 100
"""Each holds up to 60 kB of answers: a hundred stay under 6 MB."""
DEADLINE_S: Final = 10.0
FIRST_COLUMNS: Final = (
    "visit_id",
    "school_code",
    "school",
    "subject",
    "mentor",
    "teacher",
    "visited_on",
    "fidelity",
    "submitted_at",
    "locked",
    "form_version",
)
FORMULA_STARTS: Final = ("=", "+", "-", "@", "\t", "\r", "\n", "＝", "＋", "－", "＠")
"""*Source*: OWASP, CSV injection."""
STOPPED: Final = f"Stopped after {MAX_ROWS} rows: choose fewer days."


async def begin_export(session: Session, actor: Actor, asked: VisitSearch) -> list[FormVersion]:
    """Says in the audit that visits are exported; the forms they were made with. *Errors*: Forbidden, Invalid."""
    require(actor, "export", "visit")
    check_search(asked)
    after = {"school_id": asked.school_id, "from_on": asked.from_on, "to_on": asked.to_on}
    await write_audit(session, actor, "export", "visit", after=after)
    return [await form_use.form_of(session, each) for each in await store.forms_of_visits(session)]


async def visits_csv(
    database: Database, actor: Actor, asked: VisitSearch, forms: list[FormVersion]
) -> AsyncIterator[bytes]:
    """Submitted visits in scope, the latest first, practice schools left out; a column for each question of every form in use.

    *Cost*: one statement for 100 rows, each in a short transaction of its own.
    """
    by_id = {form.id: form for form in forms}
    names = list(dict.fromkeys(name for form in forms for name in form_use.columns(form)))
    yield b"\xef\xbb\xbf" + csv_line([*FIRST_COLUMNS, *names])
    page, sent = PageRequest(ROWS_AT_ONCE), 0
    while True:
        async with database.read(deadline_s=DEADLINE_S) as session:
            found = await store.page_of_answers(session, actor, page, asked)
        # A form that was published after the export began has no columns in it: its visits go out with the first ones filled.
        yield b"".join(csv_line(_cells(each, by_id.get(each.form_version_id), names)) for each in found.items)
        sent += len(found.items)
        if found.next is None:
            return
        if sent >= MAX_ROWS:
            yield csv_line([STOPPED])
            return
        page = PageRequest(ROWS_AT_ONCE, found.next)


def _cells(visit: store.AnsweredVisit, form: FormVersion | None, names: list[str]) -> list[str]:
    answers = form_use.row_of(form, visit.answers) if form is not None else {}
    first: list[object] = [
        visit.id,
        visit.school_code,
        visit.school_name,
        visit.subject,
        visit.mentor,
        visit.teacher,
        visit.visited_on,
        visit.fidelity,
        visit.submitted_at.isoformat(),
        "yes" if visit.is_locked else "no",
        visit.form_version_id,
    ]
    return [_text(each) for each in (*first, *(answers.get(name) for name in names))]


def _text(value: object) -> str:
    if value is None:
        return ""
    text = value.isoformat() if isinstance(value, date) else str(value)
    is_number = isinstance(value, int | float)
    return text if is_number or not text.startswith(FORMULA_STARTS) else f"'{text}"
