"""The only file that knows the columns of resource and resource_view."""

from __future__ import annotations

from datetime import date, datetime, timedelta
from typing import Any, cast

import msgspec

from flatwater.paging import Page, PageRequest, page_of
from flatwater.queries import load_queries
from flatwater.transaction import Session
from rightlevel.programme.errors import NotFound
from rightlevel.programme.levels import SCALES, rank_of
from rightlevel.programme.permissions import Subject
from rightlevel.programme.resources.model import (
    VIEW_DAYS,
    KeptFile,
    NewResource,
    Resource,
    ResourceChange,
    ResourceSearch,
    StoredFile,
)

_queries = load_queries(__package__ or "")


class Measure(msgspec.Struct, frozen=True):
    """How much the library holds, and whether it has one file already."""

    resources: int
    size_bytes: int
    has_file: bool


class Digest(msgspec.Struct, frozen=True):
    """One file's name in the folder."""

    sha256: str


def since(today: date) -> date:
    """The last day whose views are not counted any more."""
    return today - timedelta(days=VIEW_DAYS)


def _columns(new: NewResource | ResourceChange) -> dict[str, Any]:
    subject = cast("Subject", new.subject)
    return {
        "title": " ".join(new.title.split()),
        "words": new.words.strip(),
        "subject": new.subject,
        "url": new.url or None,
        "rank_from": rank_of(subject, new.level_from) if new.level_from else None,
        "rank_to": rank_of(subject, new.level_to) if new.level_to else None,
    }


async def page_of_resources(
    session: Session, page: PageRequest, asked: ResourceSearch, today: date
) -> Page[Resource]:
    after = page.key(tuple[int])
    subject = cast("Subject", asked.subject)
    values = {
        "since": since(today),
        "deleted": asked.deleted,
        "resource_id": None,
        "subject": asked.subject or None,
        # The library speaks of the program's own levels; for a level of another scale all of the subject is there.
        "rank": SCALES[subject].ranks.get(asked.level) if asked.level else None,
        "after_id": after[0] if after else None,
        "rows": page.rows_to_ask,
    }
    rows = await session.fetch_all(_queries["resources"], values, into=Resource)
    return page_of(rows, page, lambda row: (row.id,))


async def find_resource(
    session: Session, resource_id: int, today: date, *, for_update: bool = False
) -> Resource:
    """One resource, deleted or not. *Errors*: NotFound."""
    query = _queries["resources"]
    values: dict[str, Any] = {"resource_id": resource_id, "since": since(today), "rows": 1}
    values |= dict.fromkeys(("deleted", "subject", "rank", "after_id"))
    row = await session.fetch_one(query.plus("for_update") if for_update else query, values, into=Resource)
    if row is None:
        raise NotFound
    return row


async def measure(session: Session, sha256: str | None) -> Measure:
    """The library's size, held against other writers until this transaction ends."""
    await session.fetch_value(_queries["hold_library"], {})
    row = await session.fetch_one(_queries["measure"], {"sha256": sha256}, into=Measure)
    if row is None:
        raise LookupError("a count without a row")
    return row


async def insert_resource(
    session: Session, new: NewResource, file: KeptFile | None, person_id: int, now: datetime
) -> int:
    kept = msgspec.structs.asdict(file) if file else dict.fromkeys(KeptFile.__struct_fields__)
    values = {**_columns(new), **kept, "kind": new.kind, "person_id": person_id, "now": now}
    return cast("int", await session.fetch_value(_queries["insert_resource"], values))


async def change_resource(session: Session, resource_id: int, change: ResourceChange) -> int:
    values = {**_columns(change), "resource_id": resource_id, "version": change.version}
    return await session.execute(_queries["change_resource"], values)


async def delete_resource(
    session: Session, resource_id: int, person_id: int, reason: str, now: datetime
) -> int:
    values = {"resource_id": resource_id, "person_id": person_id, "reason": reason, "now": now}
    return await session.execute(_queries["delete_resource"], values)


async def restore_resource(session: Session, resource_id: int) -> int:
    return await session.execute(_queries["restore_resource"], {"resource_id": resource_id})


async def forget_files(session: Session, before: datetime) -> list[str]:
    rows = await session.fetch_all(_queries["forget_files"], {"before": before}, into=Digest)
    return [row.sha256 for row in rows]


async def file_of(session: Session, resource_id: int) -> StoredFile:
    """The file of a resource in use. *Errors*: NotFound."""
    row = await session.fetch_one(_queries["file_of"], {"resource_id": resource_id}, into=StoredFile)
    if row is None:
        raise NotFound
    return row


async def count_view(session: Session, resource_id: int, today: date) -> None:
    values = {"resource_id": resource_id, "today": today, "since": since(today)}
    await session.execute(_queries["count_view"], values)
