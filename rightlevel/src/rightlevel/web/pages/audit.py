"""Who did what, denied attempts included."""

from __future__ import annotations

import msgspec

from flatwater.contract import Html, Registry
from flatwater.paging import PageLimit, PageRequest
from rightlevel.programme.audit import AuditEntry, list_audit
from rightlevel.programme.permissions import May
from rightlevel.web.call import READ_S, READS, Ask
from rightlevel.web.templating import render

routes = Registry()

OUTCOMES = ("done", "denied", "failed")
RESOURCES = (
    "session", "person", "assignment", "school", "place", "class", "school_year", "student", "round", "result",
    "api_token", "import", "route",
)  # fmt: skip


class AuditWanted(msgspec.Struct, frozen=True):
    """Which entries are asked for."""

    person_id: int | None = None
    resource: str = ""
    resource_id: str = ""
    outcome: str = ""


class Changed(msgspec.Struct, frozen=True):
    """One field that a deed touched."""

    field: str
    before: str
    after: str


@routes.endpoint(
    "GET", "/audit", who=May("read", "audit"), rate=READS, deadline_s=READ_S, work="read", page=PageLimit(),
    tags=("pages",),
)  # fmt: skip
async def audit_page(call: Ask, *, query: AuditWanted, page: PageRequest) -> Html:
    """Who did what, newest first."""
    entries = await list_audit(
        call.session, page, person_id=query.person_id, resource=query.resource or None,
        resource_id=query.resource_id.strip() or None, outcome=query.outcome if query.outcome in OUTCOMES else None,
    )  # fmt: skip
    changes = {entry.id: changes_of(entry) for entry in entries.items}
    return render(
        call,
        "audit.html",
        entries=entries,
        changes=changes,
        query=query,
        outcomes=OUTCOMES,
        resources=RESOURCES,
    )


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
