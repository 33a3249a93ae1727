"""Classes of a file: made, or given another grade or section, as on a school's page."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import msgspec

from flatwater.transaction import Session
from rightlevel.programme.exchange.row_deeds import (
    QUERIES,
    UNCHANGED,
    Asking,
    Done,
    Kept,
    Row,
    RowKind,
    StandsOn,
    differing,
    wrong,
)
from rightlevel.programme.schools import ClassChange, NewClass, change_class, create_class, read_class


class _Found(msgspec.Struct, frozen=True):
    school_id: int | None
    class_id: int | None
    class_school_id: int | None
    school_year_id: int | None
    grade: int | None
    section: str | None
    version: int | None
    is_deleted: bool


async def _look_up(session: Session, _asking: Asking, rows: Sequence[Row]) -> list[_Found]:
    values: dict[str, Any] = {
        f"{name}s": [row.cells[name] for row in rows]
        for name in ("school_code", "school_year_id", "grade", "section", "id")
    }
    return await session.fetch_all(QUERIES["look_up_classes"], values, into=_Found)


async def _do(session: Session, asking: Asking, row: Row, found: _Found) -> Done:
    cells, section = row.cells, row.text("section")
    if found.school_id is None:
        raise wrong("school_code", "No school has this code", cells["school_code"])
    if cells["id"] is not None and found.class_id is None:
        raise wrong("id", "No class has this number", cells["id"])
    if found.class_id is None:
        new = NewClass(found.school_id, cells["grade"], section, cells["school_year_id"])
        made = await create_class(session, asking.actor, new)
        after = {"grade": made.grade, "section": made.section, "school_year": _year(asking, cells)}
        return Done("new", {}, after, (Kept("class", made.id, made.version, is_new=True),))
    if found.is_deleted:
        raise wrong("section", "This class was deleted: restore it first", section)
    if found.class_school_id != found.school_id:
        raise wrong("school_code", "A class stays at its school", cells["school_code"])
    if found.school_year_id != cells["school_year_id"]:
        raise wrong("school_year", "A class stays in its school year", _year(asking, cells))
    wanted = {"grade": cells["grade"]} | ({"section": section} if "section" in asking.mapped else {})
    before, after = differing({"grade": found.grade, "section": found.section}, wanted)
    if not after:
        return UNCHANGED
    change = ClassChange(found.version or 0, **after)
    changed = await change_class(session, asking.actor, found.class_id, change)
    return Done("changed", before, after, (Kept("class", changed.id, changed.version, before=before),))


def _year(asking: Asking, cells: dict[str, Any]) -> str:
    years = asking.terms.school_years.items()
    return next((name for name, year_id in years if year_id == cells["school_year_id"]), "")


async def undo_class(session: Session, asking: Asking, kept: Kept) -> None:
    """Takes a class away that a file made, or puts it back as it was. *Errors*: StandsOn, those of `change_class`."""
    if not kept.is_new:
        await change_class(
            session, asking.actor, kept.thing_id, ClassChange(version=kept.version, **kept.before)
        )
        return
    there = await read_class(session, asking.actor, kept.thing_id)
    if there.version != kept.version:
        raise StandsOn("This class was changed since")
    if not await session.execute(QUERIES["remove_class"], {"id": kept.thing_id}):
        raise StandsOn("Children are or were in this class, or people are assigned to it")


CLASSES = RowKind(
    "make_staged_classes",
    _look_up,
    _do,
    key="section",
    columns={"school_id": "school_code", "school_year_id": "school_year"},
)
