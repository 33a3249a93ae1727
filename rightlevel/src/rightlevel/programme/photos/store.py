"""The only file that knows the columns of photo, photo_space and photo_left (which programme.practice fills)."""

from __future__ import annotations

from datetime import datetime
from typing import Any

import msgspec

from flatwater.queries import load_queries
from flatwater.transaction import Session
from rightlevel.programme.errors import NotFound
from rightlevel.programme.photos.model import Photo

_queries = load_queries(__package__ or "")


class ToSweep(msgspec.Struct, frozen=True):
    """A photo whose bytes may go."""

    id: str
    visit_id: str
    school_id: int
    size_bytes: int


class Left(msgspec.Struct, frozen=True):
    """Bytes whose visit and row are gone."""

    id: str
    visit_id: str


class Same(msgspec.Struct, frozen=True):
    """A photo of the same content on the same visit."""

    id: str
    is_stored: bool


async def list_stored(session: Session, after: str, rows: int) -> list[Left]:
    return await session.fetch_all(_queries["list_stored"], {"after": after, "rows": rows}, into=Left)


async def count_photos(session: Session, visit_id: str) -> int:
    return await session.fetch_value(_queries["count_photos"], {"visit_id": visit_id})


async def same_photo(session: Session, visit_id: str, digest: bytes) -> Same | None:
    return await session.fetch_one(
        _queries["same_photo"], {"visit_id": visit_id, "sha256": digest}, into=Same
    )


async def take_space(
    session: Session, school_id: int, size_bytes: int, *, most_school: int, most_all: int
) -> bool:
    values = {
        "school_id": school_id,
        "size_bytes": size_bytes,
        "most_school": most_school,
        "most_all": most_all,
    }
    return await session.execute(_queries["take_space"], values) == 1


async def insert_photo(session: Session, values: dict[str, Any]) -> bool:
    return await session.execute(_queries["insert_photo"], values) == 1


async def say_stored(session: Session, photo_id: str) -> bool:
    return await session.execute(_queries["photo_is_stored"], {"id": photo_id}) == 1


async def find_photo(session: Session, photo_id: str) -> Photo:
    """One stored photo. *Errors*: NotFound."""
    found = await session.fetch_one(_queries["read_photo"], {"photo_id": photo_id}, into=Photo)
    if found is None:
        raise NotFound
    return found


async def photos_of(session: Session, visit_id: str) -> list[Photo]:
    return await session.fetch_all(_queries["list_photos"], {"visit_id": visit_id}, into=Photo)


async def remove_photo(session: Session, photo_id: str, now: datetime) -> bool:
    return await session.execute(_queries["remove_photo"], {"photo_id": photo_id, "now": now}) == 1


async def photos_to_sweep(
    session: Session, *, storing_before: datetime, removed_before: datetime, rows: int
) -> list[ToSweep]:
    values = {"storing_before": storing_before, "removed_before": removed_before, "rows": rows}
    return await session.fetch_all(_queries["photos_to_sweep"], values, into=ToSweep)


async def forget_photo(session: Session, gone: ToSweep) -> None:
    """Takes out the row and gives its space back."""
    if await session.execute(_queries["forget_photo"], {"id": gone.id}):
        values = {"school_id": gone.school_id, "size_bytes": gone.size_bytes}
        await session.execute(_queries["give_space"], values)


async def photos_left(session: Session, now: datetime, *, rows: int) -> list[Left]:
    return await session.fetch_all(_queries["photos_left"], {"now": now, "rows": rows}, into=Left)


async def forget_left(session: Session, gone: Left) -> None:
    await session.execute(_queries["forget_left"], {"id": gone.id})
