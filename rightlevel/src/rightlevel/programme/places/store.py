"""The only file that knows the columns of place."""

from __future__ import annotations

from datetime import datetime
from typing import Any, cast

import msgspec

from flatwater.paging import Page, PageRequest, page_of
from flatwater.queries import like_text, load_queries
from flatwater.transaction import Session
from rightlevel.programme.errors import NotFound
from rightlevel.programme.places.model import KeptPlace, Place, PlaceName, PlaceRow

_queries = load_queries(__package__ or "")


async def page_of_places(
    session: Session,
    page: PageRequest,
    *,
    parent_id: int | None,
    kind: str | None,
    search: str | None,
    deleted: bool,
    closed: bool,
) -> Page[PlaceRow]:
    after = page.key(tuple[int])
    values = {
        "deleted": deleted,
        "closed": True if closed else None if deleted else False,
        "roots": parent_id is None and not search and not deleted and kind is None,
        "parent_id": parent_id,
        "kind": kind,
        "search": f"%{like_text(search)}%" if search else None,
        "after_id": after[0] if after else None,
        "rows": page.rows_to_ask,
    }
    rows = await session.fetch_all(_queries["list_places"], values, into=PlaceRow)
    return page_of(rows, page, lambda row: (row.id,))


async def find_place(session: Session, place_id: int, *, for_update: bool = False) -> Place:
    """One place with its lineage. *Errors*: NotFound."""
    query = _queries["read_place"]
    row = await session.fetch_one(
        query.plus("for_update") if for_update else query, {"place_id": place_id}, into=KeptPlace
    )
    if row is None:
        raise NotFound
    lineage = await way_to_place(session, place_id)
    followed_by: list[PlaceName] = []
    if row.closed_at is not None:
        followed_by = await session.fetch_all(_queries["followed_by"], {"place_id": place_id}, into=PlaceName)
    follows = await session.fetch_all(_queries["follows"], {"place_id": place_id}, into=PlaceName)
    return Place(**msgspec.structs.asdict(row), lineage=lineage, followed_by=followed_by, follows=follows)


async def way_to_place(session: Session, place_id: int) -> list[PlaceName]:
    """The places down to one. *Errors*: NotFound."""
    way = await session.fetch_all(_queries["lineage_of"], {"place_id": place_id}, into=PlaceName)
    if not way:
        raise NotFound
    return way


async def insert_place(session: Session, **values: Any) -> int:
    return cast("int", await session.fetch_value(_queries["insert_place"], values))


async def change_place_row(session: Session, place_id: int, version: int, fields: dict[str, Any]) -> int:
    return await session.execute(
        _queries["change_place"], {**fields, "place_id": place_id, "version": version}
    )


async def count_live_below(session: Session, place_id: int) -> int:
    return cast("int", await session.fetch_value(_queries["count_live_below"], {"place_id": place_id}))


async def has_past(session: Session, place_id: int) -> bool:
    return bool(await session.fetch_value(_queries["has_past"], {"place_id": place_id}))


async def close_place_row(session: Session, place_id: int, *, by: int, reason: str, now: datetime) -> int:
    return await session.execute(
        _queries["close_place"], {"place_id": place_id, "by": by, "reason": reason, "now": now}
    )


async def reopen_place_row(session: Session, place_id: int) -> int:
    return await session.execute(_queries["reopen_place"], {"place_id": place_id})


async def delete_place_row(session: Session, place_id: int, *, by: int, reason: str, now: datetime) -> int:
    return await session.execute(
        _queries["delete_place"], {"place_id": place_id, "by": by, "reason": reason, "now": now}
    )


async def restore_place_row(session: Session, place_id: int) -> int:
    return await session.execute(_queries["restore_place"], {"place_id": place_id})
