"""The only file that knows the columns of the count tables."""

from __future__ import annotations

from datetime import datetime
from typing import Any

import msgspec

from flatwater.paging import Page, PageRequest, page_of
from flatwater.queries import load_queries
from flatwater.transaction import Session
from rightlevel.programme.figures.model import (
    BehindQuery,
    ChildBehind,
    Counts,
    FigureQuery,
    MovedSchool,
    MovedSchools,
    Slice,
    UnitFigures,
    figures_of,
)
from rightlevel.programme.figures.suppression import Cell, Unit
from rightlevel.programme.levels import scale_of_round
from rightlevel.programme.permissions import Actor, Scope, Subject

_queries = load_queries(__package__ or "")
NOTHING = Counts(*([0] * 13))
_COUNTS = len(Counts.__struct_fields__)


class _KeyedCounts(msgspec.Struct, frozen=True):
    key: int
    label: str
    absent: int
    refused: int
    went: int
    rank_1: int
    rank_2: int
    rank_3: int
    rank_4: int
    rank_5: int
    rank_6: int
    rank_7: int
    rank_8: int
    rank_9: int
    enrolled: int


class _UnitCounts(msgspec.Struct, frozen=True):
    is_school: bool
    id: int
    code: str
    name_local: str
    name_latin: str
    sort_name: str
    is_closed: bool
    absent: int
    refused: int
    went: int
    rank_1: int
    rank_2: int
    rank_3: int
    rank_4: int
    rank_5: int
    rank_6: int
    rank_7: int
    rank_8: int
    rank_9: int
    enrolled: int


class _Numbered(msgspec.Struct, frozen=True):
    id: int


class _CellRow(msgspec.Struct, frozen=True):
    kind: int
    id: int
    grade: int
    sex: int
    absent: int
    refused: int
    went: int
    rank_1: int
    rank_2: int
    rank_3: int
    rank_4: int
    rank_5: int
    rank_6: int
    rank_7: int
    rank_8: int
    rank_9: int
    enrolled: int


class Family(msgspec.Struct, frozen=True):
    """What hangs on a place (or, for all places, the countries), by grade and sex; the keys say whether it is a school, and its id."""

    whole: Unit
    units: dict[tuple[bool, int], Unit]


class _MovedRow(msgspec.Struct, frozen=True):
    school_id: int
    school_name: str
    then_id: int
    then_name: str
    now_id: int
    now_name: str
    moved_at: datetime
    total: int


def _counts(row: msgspec.Struct) -> Counts:
    return Counts(*msgspec.structs.astuple(row)[-_COUNTS:])


def _by_schools(asked: FigureQuery, scope: Scope) -> bool:
    """Whether schools are summed: for one school, and for those who reach only some."""
    return asked.school_id is not None or not scope.is_everything


def units_of(asked: FigureQuery, subject: Subject, scope: Scope) -> tuple[list[int] | None, list[int]]:
    """What is summed for a choice: places (None for all countries, of those who reach everything), or else schools."""
    if not _by_schools(asked, scope):
        return (None if asked.place_id is None else [asked.place_id]), []
    own = None if scope.is_everything else scope.schools(subject)
    if asked.school_id is not None:
        return [], [asked.school_id] if own is None or asked.school_id in own else []
    return [], own or []


def _values(asked: FigureQuery, subject: Subject, scope: Scope) -> dict[str, Any]:
    """What the statements are asked with; null is what isn't asked for."""
    return {
        **msgspec.structs.asdict(asked),
        "school_ids": units_of(asked, subject, scope)[1],
        "own_schools": None if scope.is_everything else scope.schools(subject),
        "in_place": asked.place_id if asked.school_id is None else None,
    }


async def read_counts(session: Session, asked: FigureQuery, subject: Subject, scope: Scope) -> Counts:
    query = _queries["school_figures" if _by_schools(asked, scope) else "place_figures"]
    return await session.fetch_one(query, _values(asked, subject, scope), into=Counts) or NOTHING


async def read_slices(
    session: Session, asked: FigureQuery, subject: Subject, scope: Scope, *, by: str
) -> list[Slice]:
    query = _queries["school_breakdown" if _by_schools(asked, scope) else "place_breakdown"]
    values = _values(asked, subject, scope) | {"by": by}
    rows = await session.fetch_all(query, values, into=_KeyedCounts)
    return [
        Slice(
            str(row.key),
            row.label,
            figures_of(
                _counts(row), subject, scale_of_round(row.key if by == "rounds" else asked.round_id, subject)
            ),
        )
        for row in rows
    ]


async def page_below(
    session: Session, asked: FigureQuery, subject: Subject, scope: Scope, page: PageRequest
) -> Page[UnitFigures]:
    after = page.key(tuple[bool, str, int])
    is_school, name, number = after or (None, None, None)
    values = {
        **_values(asked, subject, scope),
        "rows": page.rows_to_ask,
        "after_is_school": is_school,
        "after_name": name,
        "after_id": number,
    }
    found = page_of(
        await session.fetch_all(_queries["figures_below"], values, into=_UnitCounts),
        page,
        lambda row: (row.is_school, row.sort_name, row.id),
    )
    scale = scale_of_round(asked.round_id, subject)
    units = [
        UnitFigures(
            is_school=row.is_school,
            id=row.id,
            code=row.code,
            name_local=row.name_local,
            name_latin=row.name_latin,
            is_closed=row.is_closed,
            figures=figures_of(_counts(row), subject, scale),
        )
        for row in found.items
    ]
    return Page(units, found.next)


async def moved_schools(
    session: Session, asked: FigureQuery, subject: Subject, scope: Scope, *, rows: int
) -> MovedSchools:
    values = {**_values(asked, subject, scope), "rows": rows}
    found = await session.fetch_all(_queries["moved_schools"], values, into=_MovedRow)
    schools = [MovedSchool(*msgspec.structs.astuple(row)[:-1]) for row in found]
    return MovedSchools(found[0].total if found else 0, schools)


async def page_of_children(
    session: Session, actor: Actor, asked: BehindQuery, subject: Subject, page: PageRequest
) -> Page[ChildBehind]:
    after, scope = page.key(tuple[str]), actor.scope
    values = {
        "is_verifier": actor.role == "mentor",
        "person_id": actor.person_id,
        **msgspec.structs.asdict(asked),
        "scope_schools": None if scope.is_everything else scope.whole_schools(subject),
        "scope_classes": scope.classes(subject),
        "after_id": after[0] if after else None,
        "rows": page.rows_to_ask,
    }
    rows = await session.fetch_all(_queries["children_behind"], values, into=ChildBehind)
    return page_of(rows, page, lambda row: (row.student_id,))


async def way_to(session: Session, asked: FigureQuery) -> list[int]:
    """The places down to a school or place, the country first; empty for everywhere and for what isn't there."""
    if asked.school_id is None and asked.place_id is None:
        return []
    values = {"school_id": asked.school_id, "round_id": asked.round_id, "place_id": asked.place_id}
    return [row.id for row in await session.fetch_all(_queries["way_to"], values, into=_Numbered)]


async def family_below(
    session: Session, round_id: int, subject: Subject, place_id: int | None, *, rows: int
) -> Family | None:
    """The counts of what hangs on a place, or None where that is more than so many rows."""
    values = {"round_id": round_id, "subject": subject, "place_id": place_id, "rows": rows + 1}
    found = await session.fetch_all(_queries["cells_below"], values, into=_CellRow)
    if len(found) > rows:
        return None
    units: dict[tuple[int, int], list[Cell]] = {}
    for row in found:
        units.setdefault((row.kind, row.id), []).append(Cell(row.grade, row.sex, _counts(row)))
    below = {(kind == 2, number): tuple(cells) for (kind, number), cells in units.items() if kind > 0}
    if place_id is None:
        return Family(tuple(cell for unit in below.values() for cell in unit), below)
    return Family(tuple(units.get((0, place_id), ())), below)
