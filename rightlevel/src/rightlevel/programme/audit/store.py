"""The only file that knows the columns of audit_entry."""

from __future__ import annotations

from datetime import date, datetime, timedelta
from typing import Any, Literal
from zoneinfo import ZoneInfo

import msgspec

from flatwater.clock import day_span
from flatwater.paging import Page, PageRequest, page_of, write_cursor
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
"""A text is looked for in the entries of a month, for older ones were written to files or are looked for by their days."""
LOOKED_THROUGH = 2_500
"""Entries that are looked through for one page where no index finds what is asked for: some 10 ms, however many there are."""


class _Id(msgspec.Struct, frozen=True):
    id: int


async def list_audit(session: Session, page: PageRequest, wanted: AuditFilter) -> Page[AuditEntry]:
    """The newest entries, one page: of an action, an outcome or a text those among the next 2,500, so that a page may be short, or empty, and still go on.

    *Cost*: one statement; one more by a username, and one where such a page is short. A text is only looked for within 31 days.
    """
    after = page.key(tuple[int])
    since, until = span_of(wanted)
    person_ids: list[int] | None = None
    if wanted.username is not None:
        found = await session.fetch_all(_queries["people_called"], {"username": wanted.username}, into=_Id)
        person_ids = [each.id for each in found]
        if not person_ids:
            return Page([])
    is_pair = wanted.resource is not None and wanted.resource_id is not None
    is_looked_for = (wanted.resource_id is not None and not is_pair) or any(
        each is not None for each in (wanted.outcome, wanted.action, wanted.text)
    )
    values = {
        **msgspec.structs.asdict(wanted),
        "after": after[0] if after else None,
        "person_ids": person_ids,
        "since": since,
        "until": until,
        "pair_id": wanted.resource_id if is_pair else None,
        "not_done": wanted.outcome not in (None, "done"),
        "text": None if wanted.text is None else f"%{like_text(wanted.text)}%",
        "rows": page.rows_to_ask,
        "looked": LOOKED_THROUGH if is_looked_for else page.rows_to_ask,
    }
    rows = await session.fetch_all(_list, values, into=AuditEntry)
    if not is_looked_for or len(rows) == page.rows_to_ask:
        return page_of(rows, page, lambda entry: (entry.id,))
    looked_to = await session.fetch_one(_queries["looked_to"], values, into=_Id)
    return Page(rows, write_cursor((looked_to.id,)) if looked_to else None)


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
