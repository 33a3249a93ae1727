"""The audit log, denied attempts included."""

from __future__ import annotations

import msgspec

from flatwater.clock import Clock, today
from flatwater.contract import Html, Streamed
from flatwater.paging import Page, PageRequest
from flatwater.transaction import Session
from rightlevel.programme.audit import AuditEntry, AuditFilter, audit_csv, dated, list_audit, write_audit
from rightlevel.programme.errors import Invalid
from rightlevel.programme.permissions import May
from rightlevel.web.call import READ_S, WRITE_S, Ask, actor_of
from rightlevel.web.pages.forms import Typed
from rightlevel.web.routes import SIGNING_IN, Routes
from rightlevel.web.templating import render

routes = Routes("pages")

OUTCOMES = ("done", "denied", "failed")
RESOURCES = (
    "session",
    "person",
    "assignment",
    "school",
    "place",
    "class",
    "school_year",
    "student",
    "round",
    "result",
    "api_token",
    "import",
    "route",
    "second_factor",
    "pin",
    "device",
    "join_request",
    "setting",
    "audit",
)


class AuditWanted(msgspec.Struct, frozen=True):
    """Which entries are asked for."""

    person_id: int | None = None
    username: str = ""
    resource: str = ""
    resource_id: str = ""
    outcome: str = ""
    from_on: str = ""
    to_on: str = ""
    text: str = ""


class Changed(msgspec.Struct, frozen=True):
    """One field that a deed touched."""

    field: str
    before: str
    after: str


@routes.get("/audit", May("read", "audit"))
async def audit_page(call: Ask, *, query: AuditWanted, page: PageRequest) -> Html:
    """The audit log, newest first."""
    try:
        entries, error = await list_audit(call.session, page, filter_of(query, call.clock)), None
    except Invalid as found:
        entries, error = Page[AuditEntry]([]), found
    changes = {entry.id: changes_of(entry) for entry in entries.items}
    return render(
        call,
        "audit.html",
        status=422 if error else 200,
        error=error,
        entries=entries,
        changes=changes,
        query=query,
        outcomes=OUTCOMES,
        resources=RESOURCES,
    )


@routes.post(
    "/audit/export",
    May("export", "audit"),
    **SIGNING_IN,
    deadline_s=READ_S,
    media=("text/csv; charset=utf-8",),
)
async def export_audit_here(call: Ask, *, form: AuditWanted) -> Streamed:
    """What is shown, as CSV for a spreadsheet; at most 50,000 rows."""
    actor, wanted = actor_of(call), filter_of(form, call.clock)

    async def note(session: Session) -> None:
        await write_audit(session, actor, "export", "audit", after=msgspec.to_builtins(wanted))

    await call.database.run(note, deadline_s=WRITE_S)
    headers = {"content-disposition": f'attachment; filename="activity-{today(call.clock)}.csv"'}
    return Streamed(audit_csv(call.database, wanted), "text/csv; charset=utf-8", headers)


def filter_of(query: AuditWanted, clock: Clock) -> AuditFilter:
    """What was asked for; a text is looked for until today unless a last day is named. *Errors*: Invalid for a day that is none."""
    typed = Typed()
    from_on, to_on = typed.day_or_none("from_on", query.from_on), typed.day_or_none("to_on", query.to_on)
    typed.check()
    text = query.text.strip()[:100] or None
    asked = AuditFilter(
        person_id=query.person_id,
        username=query.username.strip().lower()[:100] or None,
        resource=query.resource or None,
        resource_id=query.resource_id.strip()[:100] or None,
        outcome=query.outcome if query.outcome in OUTCOMES else None,
        from_on=from_on,
        to_on=to_on,
        text=text,
    )
    return dated(asked, clock)


def changes_of(entry: AuditEntry) -> list[Changed]:
    """The fields whose value a deed changed, in the order in which they were kept."""
    before: dict[str, object] = entry.before or {}
    after: dict[str, object] = entry.after or {}
    names = list(dict.fromkeys([*before, *after]))
    return [
        Changed(name, _shown(before.get(name)), _shown(after.get(name)))
        for name in names
        if before.get(name) != after.get(name)
    ]


def _shown(value: object) -> str:
    return "" if value is None else str(value)
