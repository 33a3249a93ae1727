"""The only file that knows the columns of audit_entry."""

from __future__ import annotations

from datetime import date, datetime, timedelta
from typing import Any, Literal
from zoneinfo import ZoneInfo

import msgspec

from flatwater.clock import day_span
from flatwater.paging import Page, PageRequest, page_of
from flatwater.queries import like_text, load_queries
from flatwater.transaction import Session
from rightlevel.programme.audit.model import AuditEntry, AuditFilter, without_secrets
from rightlevel.programme.permissions import Actor

_queries = load_queries(__package__ or "")
_write = _queries["write_audit"]
_count_denied = _queries["count_denied"]
_count_strangers_denied = _queries["count_strangers_denied"]
_list = _queries["list_audit"]
_encoder = msgspec.json.Encoder()


MOST_KINDS = 30
"""So many different denied attempts of a person have rows of their own in a minute. A device that loops over ids makes 45,000 rows a day
by this, some 15 MB, where every attempt at the allowed 200 a second would be 17 million."""
MOST_ADDRESSES = 500
"""So many addresses of strangers have rows of their own in a minute."""


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
    """Adds one audit row to the session's transaction, or counts one more where a denied attempt is the same as one within this minute.

    *Cost*: one statement. Where the same is denied to the same person at the same time, one waits for the other to end.
    """
    query = _write
    if outcome == "denied":
        query = _count_denied if actor else _count_strangers_denied
    await session.execute(
        query,
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
            "kinds": MOST_KINDS,
            "addresses": MOST_ADDRESSES,
        },
    )


TEXT_DAYS = 31
"""A text is looked for in every row of a time; measured: 0.3 s for a month of 134,000 rows in a table of a million."""


async def list_audit(session: Session, page: PageRequest, wanted: AuditFilter) -> Page[AuditEntry]:
    """The newest entries, one page. *Cost*: one statement; a text is only looked for within 31 days, the last ones if none are named."""
    after = page.key(tuple[int])
    since, until = span_of(wanted)
    parts = {
        "after": after,
        "by_person": wanted.person_id,
        "by_username": wanted.username,
        "by_action": wanted.action,
        "by_resource": wanted.resource,
        "by_resource_id": wanted.resource_id,
        "by_outcome": wanted.outcome,
        "since": since,
        "until": until,
        "by_text": wanted.text,
    }
    rows = await session.fetch_all(
        _list.plus(*(part for part, value in parts.items() if value is not None)),
        {
            **msgspec.structs.asdict(wanted),
            "after": after[0] if after else None,
            "since": since,
            "until": until,
            "text": f"%{like_text(wanted.text or '')}%",
            "rows": page.rows_to_ask,
        },
        into=AuditEntry,
    )
    return page_of(rows, page, lambda entry: (entry.id,))


def span_of(wanted: AuditFilter) -> tuple[datetime | None, datetime | None]:
    """From when until when (excluded) is looked, in UTC: the days that were named, in their zone, a text's no wider than 31."""
    since = _span(wanted.from_on, wanted.time_zone)[0]
    until = _span(wanted.to_on, wanted.time_zone)[1]
    if wanted.text is not None and until is not None:
        earliest = until - timedelta(days=TEXT_DAYS)
        since = earliest if since is None else max(since, earliest)
    return since, until


def _span(day: date | None, zone: str) -> tuple[datetime, datetime] | tuple[None, None]:
    if day is None or not date(2000, 1, 1) <= day <= date(2200, 1, 1):
        return None, None
    return day_span(day, ZoneInfo(zone))
