"""The only file that knows the columns of boundary_change and school_change, and what they move."""

from __future__ import annotations

from datetime import date, datetime
from typing import Any, cast

import msgspec

from flatwater.paging import Page, PageRequest, page_of
from flatwater.queries import load_queries
from flatwater.transaction import Session
from rightlevel.programme.boundaries.model import (
    Below,
    BoundaryChange,
    Followed,
    RoundOfChange,
    SchoolChanged,
    Standing,
)

_queries = load_queries(__package__ or "")


class ChangedPlace(msgspec.Struct, frozen=True):
    """A place of a change and the one that follows it."""

    place_id: int
    successor_id: int
    is_new: bool
    is_closed: bool
    is_successor_closed: bool
    is_parent_closed: bool
    parent_id: int | None


class MovedSchool(msgspec.Struct, frozen=True):
    """A school of a change: where it came from, where it was taken, where it stands."""

    school_id: int
    from_place_id: int
    to_place_id: int
    place_id: int


class GoingChild(msgspec.Struct, frozen=True):
    """An active child of a school that merges or splits."""

    id: str
    version: int
    school_year_id: int
    class_id: int | None
    grade: int
    section: str
    code: str
    is_erased: bool


class ClassThere(msgspec.Struct, frozen=True):
    """A class of the school that children go to."""

    id: int
    school_year_id: int
    grade: int
    section: str
    is_deleted: bool


class GoneChild(msgspec.Struct, frozen=True):
    """A child that a merge or split took; `is_there` while it stands where it was taken."""

    id: str
    from_class_id: int | None
    from_code: str
    grade: int
    version: int
    is_there: bool


class _FollowedRow(msgspec.Struct, frozen=True):
    change_id: str
    place_id: int
    place_name: str
    successor_id: int
    successor_name: str


class _ChangeRow(msgspec.Struct, frozen=True):
    id: str
    kind: str
    reason: str
    schools: int
    made_at: datetime
    made_by: str
    is_undone: bool


class _IdAndKind(msgspec.Struct, frozen=True):
    id: str
    kind: str


class _Id(msgspec.Struct, frozen=True):
    id: str


async def places_below(session: Session, place_ids: list[int], *, rows: int) -> list[Below]:
    return await session.fetch_all(
        _queries["places_below"], {"place_ids": place_ids, "rows": rows}, into=Below
    )


async def schools_in_places(
    session: Session, place_ids: list[int], *, rows: int, hold: bool = False
) -> list[Standing]:
    query = _queries["schools_in_places"]
    values = {"place_ids": place_ids, "rows": rows}
    return await session.fetch_all(query.plus("hold") if hold else query, values, into=Standing)


async def counted_in_rounds(session: Session, place_ids: list[int]) -> list[RoundOfChange]:
    return await session.fetch_all(
        _queries["counted_in_rounds"], {"place_ids": place_ids}, into=RoundOfChange
    )


async def counted_at_school(session: Session, school_id: int) -> list[RoundOfChange]:
    return await session.fetch_all(
        _queries["counted_at_school"], {"school_id": school_id}, into=RoundOfChange
    )


async def hold_rolls(session: Session) -> None:
    await session.execute(_queries["hold_rolls"], {})


async def hold_places(session: Session, place_ids: list[int]) -> int:
    return cast("int", await session.fetch_value(_queries["hold_places"], {"place_ids": place_ids}))


async def instant(session: Session, now: datetime) -> datetime:
    """The instant of a change, after every roll that was fixed."""
    return cast("datetime", await session.fetch_value(_queries["instant"], {"now": now}))


async def say_move(session: Session, *, reason: str, person_id: int, at: datetime) -> None:
    await session.execute(_queries["say_move"], {"reason": reason, "person_id": person_id, "at": at})


async def close_places(
    session: Session, place_ids: list[int], *, reason: str, person_id: int, at: datetime
) -> int:
    values = {"place_ids": place_ids, "reason": reason, "person_id": person_id, "at": at}
    return await session.execute(_queries["close_places"], values)


async def reopen_places(session: Session, place_ids: list[int]) -> int:
    return await session.execute(_queries["reopen_places"], {"place_ids": place_ids})


async def make_place(session: Session, **values: Any) -> int:
    return cast("int", await session.fetch_value(_queries["make_place"], values))


async def make_places_below(session: Session, pairs: list[tuple[int, int]]) -> dict[int, int]:
    """For each (place, new parent) the place that was made to follow it."""
    values = {"place_ids": [place for place, _ in pairs], "parent_ids": [parent for _, parent in pairs]}
    await session.execute(_queries["make_places_below"], values)
    return {
        row.id: row.parent_id for row in await session.fetch_all(_queries["made_below"], values, into=Below)
    }


async def move_schools(session: Session, moves: list[tuple[int, int]]) -> None:
    """Takes each (school, place) there."""
    values = {"school_ids": [school for school, _ in moves], "place_ids": [place for _, place in moves]}
    await session.execute(_queries["move_schools"], values)


async def keep_change(session: Session, **values: Any) -> int:
    return await session.execute(_queries["keep_change"], values)


async def keep_followed(session: Session, change_id: str, followed: list[tuple[int, int, bool]]) -> None:
    values = {
        "id": change_id,
        "place_ids": [each[0] for each in followed],
        "successor_ids": [each[1] for each in followed],
        "new": [each[2] for each in followed],
    }
    await session.execute(_queries["keep_followed"], values)


async def keep_moved(session: Session, change_id: str, moved: list[tuple[int, int, int]]) -> None:
    values = {
        "id": change_id,
        "school_ids": [each[0] for each in moved],
        "from_place_ids": [each[1] for each in moved],
        "to_place_ids": [each[2] for each in moved],
    }
    await session.execute(_queries["keep_moved"], values)


async def page_of_changes(
    session: Session, page: PageRequest, *, change_id: str | None = None
) -> Page[BoundaryChange]:
    after = page.key(tuple[str])
    parts = [*(["by_id"] if change_id is not None else []), *(["after"] if after else [])]
    values = {"id": change_id, "after_id": after[0] if after else None, "rows": page.rows_to_ask}
    found = page_of(
        await session.fetch_all(_queries["list_changes"].plus(*parts), values, into=_ChangeRow),
        page,
        lambda row: (row.id,),
    )
    followed = await _followed(session, [row.id for row in found.items])
    changes = [
        BoundaryChange(**msgspec.structs.asdict(row), followed=followed.get(row.id, [])[:100])
        for row in found.items
    ]
    return Page(changes, found.next)


async def find_change(session: Session, change_id: str) -> BoundaryChange | None:
    found = (await page_of_changes(session, PageRequest(1), change_id=change_id)).items
    return found[0] if found else None


async def _followed(session: Session, ids: list[str]) -> dict[str, list[Followed]]:
    found: dict[str, list[Followed]] = {}
    for row in await session.fetch_all(_queries["followed"], {"ids": ids}, into=_FollowedRow) if ids else []:
        followed = Followed(row.place_id, row.place_name, row.successor_id, row.successor_name)
        found.setdefault(row.change_id, []).append(followed)
    return found


async def hold_change(session: Session, change_id: str) -> bool:
    """Whether a change stands; held."""
    found = await session.fetch_one(_queries["change_to_undo"], {"id": change_id}, into=_IdAndKind)
    return found is not None


async def places_of_change(session: Session, change_id: str) -> list[ChangedPlace]:
    return await session.fetch_all(_queries["places_of_change"], {"id": change_id}, into=ChangedPlace)


async def schools_of_change(session: Session, change_id: str) -> list[MovedSchool]:
    return await session.fetch_all(_queries["schools_of_change"], {"id": change_id}, into=MovedSchool)


async def added_since(session: Session, place_ids: list[int], school_ids: list[int]) -> int:
    values = {"place_ids": place_ids, "school_ids": school_ids}
    return cast("int", await session.fetch_value(_queries["added_since"], values))


async def mark_undone(session: Session, change_id: str, *, reason: str, person_id: int, at: datetime) -> int:
    values = {"id": change_id, "reason": reason, "person_id": person_id, "at": at}
    return await session.execute(_queries["mark_undone"], values)


async def children_going(
    session: Session, school_id: int, *, class_ids: list[int] | None, rows: int, hold: bool
) -> list[GoingChild]:
    parts = [*(["of_classes"] if class_ids is not None else []), *(["hold"] if hold else [])]
    values = {"school_id": school_id, "class_ids": class_ids, "rows": rows}
    return await session.fetch_all(_queries["children_going"].plus(*parts), values, into=GoingChild)


async def classes_there(session: Session, school_id: int) -> list[ClassThere]:
    return await session.fetch_all(_queries["classes_there"], {"school_id": school_id}, into=ClassThere)


async def bring_class(
    session: Session, school_id: int, *, school_year_id: int, grade: int, section: str
) -> int:
    values = {"school_id": school_id, "school_year_id": school_year_id, "grade": grade, "section": section}
    return cast("int", await session.fetch_value(_queries["bring_class"], values))


async def people_at(session: Session, school_id: int) -> int:
    return cast("int", await session.fetch_value(_queries["people_at"], {"school_id": school_id}))


async def codes_there(session: Session, school_id: int, codes: list[str]) -> int:
    values = {"school_id": school_id, "codes": codes}
    return cast("int", await session.fetch_value(_queries["codes_there"], values))


async def keep_school_change(
    session: Session,
    change_id: str,
    *,
    kind: str,
    schools: tuple[int, int],
    reason: str,
    children: int,
    moved_on: date,
    person_id: int,
    now: datetime,
) -> None:
    values = {
        "id": change_id,
        "kind": kind,
        "from_school_id": schools[0],
        "to_school_id": schools[1],
        "reason": reason,
        "children": children,
        "moved_on": moved_on,
        "person_id": person_id,
        "now": now,
    }
    await session.execute(_queries["keep_school_change"], values)


async def keep_child(session: Session, change_id: str, child: GoingChild, to_class_id: int | None) -> None:
    values = {
        "id": change_id,
        "student_id": child.id,
        "from_class_id": child.class_id,
        "to_class_id": to_class_id,
        "from_code": child.code,
        "grade": child.grade,
    }
    await session.execute(_queries["keep_child"], values)


async def mark_merged(session: Session, school_id: int, into: int | None) -> None:
    values = {"school_id": school_id, "into": into, "status": "open" if into is None else "closed"}
    await session.execute(_queries["mark_merged"], values)


async def page_of_school_changes(
    session: Session, page: PageRequest, *, change_id: str | None = None, school_id: int | None = None
) -> Page[SchoolChanged]:
    after = page.key(tuple[str])
    wanted = {"by_id": change_id is not None, "by_school": school_id is not None, "after": after is not None}
    values = {
        "id": change_id,
        "school_id": school_id,
        "after_id": after[0] if after else None,
        "rows": page.rows_to_ask,
    }
    query = _queries["list_school_changes"].plus(*(part for part, is_wanted in wanted.items() if is_wanted))
    return page_of(await session.fetch_all(query, values, into=SchoolChanged), page, lambda row: (row.id,))


async def find_school_change(session: Session, change_id: str) -> SchoolChanged | None:
    found = (await page_of_school_changes(session, PageRequest(1), change_id=change_id)).items
    return found[0] if found else None


async def hold_school_change(session: Session, change_id: str) -> bool:
    """Whether a merge or split stands; held."""
    return await session.fetch_one(_queries["hold_school_change"], {"id": change_id}, into=_Id) is not None


async def children_of_change(session: Session, change_id: str) -> list[GoneChild]:
    return await session.fetch_all(_queries["children_of_change"], {"id": change_id}, into=GoneChild)


async def mark_school_undone(
    session: Session, change_id: str, *, reason: str, person_id: int, now: datetime
) -> int:
    values = {"id": change_id, "reason": reason, "person_id": person_id, "now": now}
    return await session.execute(_queries["mark_school_undone"], values)
