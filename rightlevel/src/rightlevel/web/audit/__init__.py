"""The audit log, denied attempts included."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from datetime import date
from typing import TypeAlias

import msgspec

from flatwater.clock import Clock, today
from flatwater.contract import Html, Streamed
from flatwater.paging import Page, PageLimit, PageRequest
from flatwater.transaction import Session
from rightlevel.programme.audit import AuditEntry, AuditFilter, audit_csv, dated, list_audit, write_audit
from rightlevel.programme.errors import Invalid
from rightlevel.programme.permissions import May, require
from rightlevel.programme.search import FIELDS, names_of
from rightlevel.web.feature import IN_PAGES
from rightlevel.web.request import READ_S, WRITE_S, Request, actor_of
from rightlevel.web.routes import SIGNING_IN, Routes
from rightlevel.web.sent import day_or_none
from rightlevel.web.templating import language_of, render
from rightlevel.web.words import word
from rightlevel.web.work import class_name

routes = Routes("audit")
Naming: TypeAlias = Callable[[str, str | None], str]
"""What something is called, by its kind and id; an empty text where that is not known or not told."""

CSV = "text/csv; charset=utf-8"
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
    "file",
)


class AuditWanted(msgspec.Struct, frozen=True):
    """Which audit rows are exported."""

    username: str | None = None
    action: str | None = None
    resource: str | None = None
    resource_id: str | None = None
    outcome: str | None = None
    from_on: date | None = None
    to_on: date | None = None
    text: str | None = None


class AuditSearch(AuditWanted, frozen=True):
    """Which audit rows are asked for."""

    person_id: int | None = None


class AuditForm(msgspec.Struct, frozen=True):
    """Which entries are asked for, as people type it."""

    person_id: int | None = None
    username: str = ""
    resource: str = ""
    resource_id: str = ""
    outcome: str = ""
    from_on: str = ""
    to_on: str = ""
    text: str = ""


class Changed(msgspec.Struct, frozen=True):
    """One field that a deed touched; of an id, what it is called, where the reader may know."""

    field: str
    before: str
    after: str
    was: str = ""
    is_now: str = ""


@routes.get("/api/v1/audit", May("read", "audit"), page=PageLimit(50))
async def list_audit_entries(request: Request, *, query: AuditSearch, page: PageRequest) -> Page[AuditEntry]:
    """The audit log, newest first; denied attempts included.

    A page may hold few entries, or none, and still have a next one: an action, an outcome or a text is looked for among so many entries
    at a time.
    """
    return await list_audit(request.session, page, _asked(query, request.clock))


def _asked(wanted: AuditWanted, clock: Clock) -> AuditFilter:
    return dated(AuditFilter(**msgspec.structs.asdict(wanted)), clock)


@routes.get("/audit", May("read", "audit"), **IN_PAGES)
async def audit_page(request: Request, *, query: AuditForm, page: PageRequest) -> Html:
    """The audit log, newest first."""
    try:
        entries, error = await list_audit(request.session, page, filter_of(query, request.clock)), None
    except Invalid as found:
        entries, error = Page[AuditEntry]([]), found
    named = await _names(request, entries.items)
    return render(
        request,
        "audit/list.html",
        status=422 if error else 200,
        error=error,
        entries=entries,
        names={entry.id: named(entry.resource, entry.resource_id) for entry in entries.items},
        changes={entry.id: changes_of(entry, named) for entry in entries.items},
        query=query,
        outcomes=OUTCOMES,
        resources=RESOURCES,
    )


async def _names(request: Request, entries: Sequence[AuditEntry]) -> Naming:
    """How ids in these entries are called in the reader's language, of those that the reader may know; nothing of others. *Cost*: one statement."""
    told = [(entry.resource, entry.resource_id) for entry in entries if entry.resource_id is not None]
    for entry in entries:
        for each in (entry.before, entry.after):
            kept: dict[str, object] = each or {}
            told += [(FIELDS[name], str(value)) for name, value in kept.items() if name in FIELDS]
    found = await names_of(request.session, actor_of(request), told)
    language = language_of(request)

    def named(kind: str, text: str | None) -> str:
        thing = found.get((kind, text or ""))
        if thing is None:
            return ""
        if thing.kind == "round":
            return f"{language.gettext(word('round', thing.code))} {thing.name}"
        if thing.kind == "class":
            return class_name(language, int(thing.code or 0), thing.name)
        return thing.name

    return named


@routes.post("/api/v1/audit/export", May("export", "audit"), **SIGNING_IN, deadline_s=READ_S, media=(CSV,))
async def export_audit(request: Request, *, body: AuditWanted) -> Streamed:
    """The audit log as CSV, newest first, to its end."""
    return await _export(request, _asked(body, request.clock), "activity.csv")


@routes.post(
    "/audit/export", May("export", "audit"), **SIGNING_IN, deadline_s=READ_S, media=(CSV,), **IN_PAGES
)
async def post_export_audit(request: Request, *, form: AuditForm) -> Streamed:
    """What is shown, as CSV for a spreadsheet, to its end."""
    return await _export(request, filter_of(form, request.clock), f"activity-{today(request.clock)}.csv")


async def _export(request: Request, wanted: AuditFilter, file_name: str) -> Streamed:
    actor = actor_of(request)
    require(actor, "export", "audit")

    async def note(session: Session) -> None:
        await write_audit(session, actor, "export", "audit", after=msgspec.to_builtins(wanted))

    await request.database.run(note, deadline_s=WRITE_S)
    headers = {"content-disposition": f'attachment; filename="{file_name}"'}
    return Streamed(audit_csv(request.database, wanted), CSV, headers)


def filter_of(query: AuditForm, clock: Clock) -> AuditFilter:
    """What was asked for; a text is looked for until today unless a last day is named. *Errors*: Invalid for a day that is none."""
    days = day_or_none(from_on=query.from_on, to_on=query.to_on)
    asked = AuditFilter(
        person_id=query.person_id,
        username=query.username.strip().lower()[:100] or None,
        resource=query.resource or None,
        resource_id=query.resource_id.strip()[:100] or None,
        outcome=query.outcome if query.outcome in OUTCOMES else None,
        from_on=days["from_on"],
        to_on=days["to_on"],
        text=query.text.strip()[:100] or None,
    )
    return dated(asked, clock)


def changes_of(entry: AuditEntry, named: Naming) -> list[Changed]:
    """The fields whose value a deed changed, in the order in which they were kept."""
    before: dict[str, object] = entry.before or {}
    after: dict[str, object] = entry.after or {}
    names = list(dict.fromkeys([*before, *after]))
    return [
        Changed(
            name,
            _shown(before.get(name)),
            _shown(after.get(name)),
            named(FIELDS.get(name, ""), _shown(before.get(name))),
            named(FIELDS.get(name, ""), _shown(after.get(name))),
        )
        for name in names
        if before.get(name) != after.get(name)
    ]


def _shown(value: object) -> str:
    return "" if value is None else str(value)
