"""The only file that knows the columns of school, school_year and class."""

from __future__ import annotations

from datetime import date, datetime
from typing import Any, cast

import msgspec

from flatwater.paging import Page, PageRequest, page_of
from flatwater.queries import like_text, load_queries
from flatwater.transaction import Session
from rightlevel.programme.errors import NotFound
from rightlevel.programme.permissions import Scope
from rightlevel.programme.schools.model import (
    ClassRow,
    RoundDays,
    RoundOfMove,
    School,
    SchoolRow,
    SchoolSearch,
    SchoolYear,
    Stay,
    YearPast,
)

_queries = load_queries(__package__ or "")


async def page_of_schools(
    session: Session, page: PageRequest, asked: SchoolSearch, scope: Scope
) -> Page[SchoolRow]:
    after = page.key(tuple[int])
    values = {
        **_school_values(asked, scope),
        "after_id": after[0] if after else None,
        "rows": page.rows_to_ask,
    }
    rows = await session.fetch_all(_queries["list_schools"], values, into=SchoolRow)
    return page_of(rows, page, lambda row: (row.id,))


async def count_schools(session: Session, asked: SchoolSearch, scope: Scope) -> int:
    return await session.fetch_value(_queries["count_schools"], _school_values(asked, scope))


def _school_values(asked: SchoolSearch, scope: Scope) -> dict[str, Any]:
    """What lists of schools are asked with; null is what isn't asked for."""
    return {
        "deleted": asked.deleted,
        "place_id": asked.place_id,
        "search": f"%{like_text(asked.search)}%" if asked.search else None,
        "status": asked.status,
        "is_practice": asked.is_practice,
        "untested_in": asked.untested_in,
        "scope_schools": None if scope.is_everything else scope.schools(),
    }


async def find_school(session: Session, school_id: int, *, lock: str | None = None) -> School:
    """One school, deleted or not. *Errors*: NotFound."""
    query = _queries["read_school"]
    row = await session.fetch_one(query.plus(lock) if lock else query, {"school_id": school_id}, into=School)
    if row is None:
        raise NotFound
    return row


async def names_of(session: Session, school_ids: list[int]) -> dict[int, str]:
    rows = await session.fetch_all(_queries["school_names"], {"ids": school_ids}, into=_SchoolName)
    return {row.id: row.name_local for row in rows}


class _SchoolName(msgspec.Struct, frozen=True):
    id: int
    name_local: str


async def insert_school(session: Session, values: dict[str, Any]) -> int:
    return cast("int", await session.fetch_value(_queries["insert_school"], values))


async def change_school_row(session: Session, school_id: int, version: int, fields: dict[str, Any]) -> int:
    return await session.execute(
        _queries["change_school"], {**fields, "school_id": school_id, "version": version}
    )


async def hold_rolls(session: Session) -> None:
    await session.execute(_queries["hold_rolls"], {})


async def say_move(session: Session, *, reason: str, person_id: int, now: datetime) -> None:
    await session.execute(_queries["say_move"], {"reason": reason, "person_id": person_id, "now": now})


async def preview_move(session: Session, school_id: int) -> list[RoundOfMove]:
    return await session.fetch_all(_queries["preview_move"], {"school_id": school_id}, into=RoundOfMove)


async def list_stays(session: Session, school_id: int) -> list[Stay]:
    return await session.fetch_all(_queries["list_stays"], {"school_id": school_id}, into=Stay)


async def has_past(session: Session, school_id: int) -> bool:
    return bool(await session.fetch_value(_queries["has_past"], {"school_id": school_id}))


async def has_children(session: Session, school_id: int) -> bool:
    return bool(await session.fetch_value(_queries["has_children"], {"school_id": school_id}))


async def count_live_students(session: Session, school_id: int) -> int:
    return cast("int", await session.fetch_value(_queries["count_live_students"], {"school_id": school_id}))


async def is_live_place(session: Session, place_id: int) -> bool:
    return bool(await session.fetch_value(_queries["live_place"], {"place_id": place_id}))


async def delete_row(session: Session, noun: str, row_id: int, *, by: int, reason: str, now: datetime) -> int:
    """Soft-deletes one school, year or class."""
    return await session.execute(
        _queries[f"delete_{noun}"], {f"{noun}_id": row_id, "by": by, "reason": reason, "now": now}
    )


async def restore_row(session: Session, noun: str, row_id: int) -> int:
    return await session.execute(_queries[f"restore_{noun}"], {f"{noun}_id": row_id})


async def page_of_years(session: Session, page: PageRequest, *, deleted: bool) -> Page[SchoolYear]:
    after = page.key(tuple[int])
    values = {"is_deleted": deleted, "after_id": after[0] if after else None, "rows": page.rows_to_ask}
    rows = await session.fetch_all(_queries["list_years"], values, into=SchoolYear)
    return page_of(rows, page, lambda row: (row.id,))


async def find_year(
    session: Session, year_id: int, *, live: bool = True, for_update: bool = False
) -> SchoolYear:
    """One school year. *Errors*: NotFound."""
    query = _queries["read_year"].plus(*(["for_update"] if for_update else []))
    row = await session.fetch_one(query, {"year_id": year_id, "is_live": live}, into=SchoolYear)
    if row is None:
        raise NotFound
    return row


async def current_year(session: Session) -> SchoolYear | None:
    """The current school year, if one is."""
    return await session.fetch_one(_queries["current_year"], {}, into=SchoolYear)


async def insert_year(session: Session, values: dict[str, Any]) -> int:
    return cast("int", await session.fetch_value(_queries["insert_year"], values))


async def change_year_row(session: Session, year_id: int, version: int, fields: dict[str, Any]) -> int:
    return await session.execute(_queries["change_year"], {**fields, "year_id": year_id, "version": version})


async def no_year_is_current(session: Session, *, but: int) -> None:
    await session.execute(_queries["no_year_is_current"], {"year_id": but})


async def rounds_outside(session: Session, year_id: int, starts_on: date, ends_on: date) -> list[RoundDays]:
    values = {"year_id": year_id, "starts_on": starts_on, "ends_on": ends_on}
    return await session.fetch_all(_queries["rounds_outside"], values, into=RoundDays)


async def past_outside(session: Session, year: SchoolYear, starts_on: date, ends_on: date) -> YearPast:
    values = {
        "year_id": year.id,
        "old_starts_on": year.starts_on,
        "old_ends_on": year.ends_on,
        "starts_on": starts_on,
        "ends_on": ends_on,
    }
    return await session.fetch_one(_queries["past_outside"], values, into=YearPast) or YearPast(0, 0, 0)


async def count_year_uses(session: Session, year_id: int) -> int:
    return cast("int", await session.fetch_value(_queries["count_year_uses"], {"year_id": year_id}))


async def page_of_classes(
    session: Session, page: PageRequest, school_id: int, *, year_id: int | None, deleted: bool, scope: Scope
) -> Page[ClassRow]:
    after = page.key(tuple[int])
    values = {
        "school_id": school_id,
        "school_year_id": year_id,
        "is_deleted": deleted,
        "is_everything": scope.is_everything,
        "scope_schools": scope.whole_schools(),
        "scope_classes": scope.classes(),
        "after_id": after[0] if after else None,
        "rows": page.rows_to_ask,
    }
    rows = await session.fetch_all(_queries["list_classes"], values, into=ClassRow)
    return page_of(rows, page, lambda row: (row.id,))


async def find_class(
    session: Session, class_id: int, *, live: bool = True, for_update: bool = False
) -> ClassRow:
    """One class. *Errors*: NotFound."""
    query = _queries["read_class"].plus(*(["for_update"] if for_update else []))
    row = await session.fetch_one(query, {"class_id": class_id, "is_live": live}, into=ClassRow)
    if row is None:
        raise NotFound
    return row


async def is_live_year(session: Session, year_id: int, *, hold: bool = False) -> bool:
    query = _queries["live_year"]
    values = {"year_id": year_id}
    return bool(await session.fetch_value(query.plus("hold") if hold else query, values))


async def is_class_in_use(session: Session, class_id: int) -> bool:
    return bool(await session.fetch_value(_queries["count_class_uses"], {"class_id": class_id}))


async def class_has_past(session: Session, class_id: int) -> bool:
    return bool(await session.fetch_value(_queries["class_has_past"], {"class_id": class_id}))


async def insert_class(session: Session, values: dict[str, Any]) -> int:
    return cast("int", await session.fetch_value(_queries["insert_class"], values))


async def change_class_row(session: Session, class_id: int, version: int, fields: dict[str, Any]) -> int:
    return await session.execute(
        _queries["change_class"], {**fields, "class_id": class_id, "version": version}
    )


async def read_grades(session: Session) -> list[int]:
    """The grades of the programme, from the settings, in order."""
    return sorted(cast("list[int]", await session.fetch_value(_queries["read_grades"], {})))


async def save_grades(session: Session, grades: list[int]) -> None:
    await session.execute(_queries["save_grades"], {"grades": msgspec.json.encode(grades).decode()})
