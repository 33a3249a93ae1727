"""The only file that knows the columns of audit_entry."""

from __future__ import annotations

from typing import Any, Literal

import msgspec

from flatwater.paging import Page, PageRequest, page_of
from flatwater.queries import load_queries
from flatwater.transaction import Session
from rightlevel.programme.audit.model import AuditEntry, without_secrets
from rightlevel.programme.permissions import Actor

_queries = load_queries(__package__ or "")
_write = _queries["write_audit"]
_list = _queries["list_audit"]
_encoder = msgspec.json.Encoder()


def _json(fields: dict[str, Any] | None) -> str | None:
    kept = without_secrets(fields)
    return None if kept is None else _encoder.encode(kept).decode()


async def write_audit(
    session: Session,
    actor: Actor | None,
    action: str,
    resource: str,
    resource_id: object = None,
    *,
    before: dict[str, Any] | None = None,
    after: dict[str, Any] | None = None,
    reason: str | None = None,
    outcome: Literal["done", "denied", "failed"] = "done",
    address: str | None = None,
) -> None:
    """Adds one audit row to the session's transaction. *Cost*: one insert."""
    await session.execute(
        _write,
        {
            "person_id": actor.person_id if actor else None,
            "role": actor.role if actor else None,
            "action": action,
            "resource": resource,
            "resource_id": None if resource_id is None else str(resource_id),
            "outcome": outcome,
            "before": _json(before),
            "after": _json(after),
            "reason": reason,
            "address": address or (actor.address if actor else None),
        },
    )


async def list_audit(
    session: Session,
    page: PageRequest,
    *,
    person_id: int | None = None,
    resource: str | None = None,
    resource_id: str | None = None,
    outcome: str | None = None,
) -> Page[AuditEntry]:
    """The newest entries, one page. *Cost*: one statement."""
    after = page.key(tuple[int])
    wanted = {
        "after": after is not None,
        "by_person": person_id is not None,
        "by_resource": resource is not None,
        "by_resource_id": resource_id is not None,
        "by_outcome": outcome is not None,
    }
    rows = await session.fetch_all(
        _list.plus(*(part for part, is_wanted in wanted.items() if is_wanted)),
        {
            "after": after[0] if after else None,
            "person_id": person_id,
            "resource": resource,
            "resource_id": resource_id,
            "outcome": outcome,
            "rows": page.rows_to_ask,
        },
        into=AuditEntry,
    )
    return page_of(rows, page, lambda entry: (entry.id,))
