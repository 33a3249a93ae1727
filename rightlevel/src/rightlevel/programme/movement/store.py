"""The only file that knows the columns of movement."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

import msgspec

from flatwater.paging import Page, PageRequest, page_of
from flatwater.queries import load_queries
from flatwater.transaction import Session
from rightlevel.programme.figures.model import Counts, Figures, figures_of
from rightlevel.programme.figures.store import NOTHING, units_of
from rightlevel.programme.levels import scale_now, scale_of_round
from rightlevel.programme.movement.model import (
    Dose,
    Line,
    MovedChild,
    MovedChildrenQuery,
    MovementQuery,
    StillChild,
    StillQuery,
)
from rightlevel.programme.permissions import Actor, Scope, Subject

_queries = load_queries(__package__ or "")
UnitKey = tuple[bool, int]


class _KeyedLine(Line, frozen=True):
    key: int
    is_school: bool
    id: int


class _UnitCounts(Counts, frozen=True):
    is_school: bool
    id: int


def _line(row: _KeyedLine) -> Line:
    return Line(**{name: getattr(row, name) for name in Line.__struct_fields__})


async def order_of(session: Session, asked: MovementQuery) -> bool | None:
    """Whether the first round began before the later one; None where one of them is not there."""
    values = {"round_id": asked.round_id, "later_round_id": asked.later_round_id}
    return await session.fetch_value(_queries["order_of"], values)


async def lines_apart(
    session: Session, asked: MovementQuery, subject: Subject, scope: Scope, *, by: str = ""
) -> dict[int, list[Line]]:
    """The lines of a choice, by grade or sex, or all under 0."""
    places, schools = units_of(asked, subject, scope)
    values = {
        "place_ids": [] if places is None else places,
        "is_all": places is None,
        "school_ids": schools,
        "in_place": asked.place_id if asked.school_id is None and schools else None,
        "per_unit": False,
        "by": by,
    }
    found: dict[int, list[Line]] = {}
    for row in await _rows(session, asked, values):
        found.setdefault(row.key, []).append(_line(row))
    return found


async def lines_of_units(
    session: Session, asked: MovementQuery, units: Iterable[UnitKey]
) -> dict[UnitKey, list[Line]]:
    """The lines of each of some places and schools. *Cost*: one statement."""
    keys = list(units)
    values = {
        "place_ids": [number for is_school, number in keys if not is_school],
        "is_all": False,
        "school_ids": [number for is_school, number in keys if is_school],
        "in_place": None,
        "per_unit": True,
        "by": "",
    }
    found: dict[UnitKey, list[Line]] = {}
    for row in await _rows(session, asked, values):
        found.setdefault((row.is_school, row.id), []).append(_line(row))
    return found


async def _rows(session: Session, asked: MovementQuery, values: dict[str, Any]) -> list[_KeyedLine]:
    values = msgspec.structs.asdict(asked) | values
    return await session.fetch_all(_queries["movement"], values, into=_KeyedLine)


async def later_of_units(
    session: Session, asked: MovementQuery, subject: Subject, units: Iterable[UnitKey]
) -> dict[UnitKey, Figures]:
    """All children of each unit in the later round. *Cost*: one statement."""
    keys = list(units)
    values = msgspec.structs.asdict(asked) | {
        "place_ids": [number for is_school, number in keys if not is_school],
        "school_ids": [number for is_school, number in keys if is_school],
    }
    rows = await session.fetch_all(_queries["later_of_units"], values, into=_UnitCounts)
    found = {(row.is_school, row.id): row for row in rows}
    scale = scale_of_round(asked.later_round_id, subject)
    return {key: figures_of(found.get(key, NOTHING), subject, scale) for key in keys}


async def lines_of_children(session: Session, asked: MovementQuery) -> list[Line]:
    """The lines of a class or a group of the asked school."""
    rows = await session.fetch_all(
        _queries["movement_of_children"], msgspec.structs.asdict(asked), into=_KeyedLine
    )
    return [_line(row) for row in rows]


async def counts_of_children(session: Session, asked: MovementQuery, round_id: int) -> Counts:
    """All children of a class or a group of the asked school in a round."""
    values = msgspec.structs.asdict(asked) | {"round_id": round_id}
    return await session.fetch_one(_queries["counts_of_children"], values, into=Counts) or NOTHING


def _as_reader(actor: Actor, subject: Subject) -> dict[str, Any]:
    scope = actor.scope
    return {
        "is_verifier": actor.role == "mentor",
        "person_id": actor.person_id,
        "scope_schools": None if scope.is_everything else scope.whole_schools(subject),
        "scope_classes": scope.classes(subject),
    }


def _page_values(
    actor: Actor, asked: MovedChildrenQuery | StillQuery, subject: Subject, page: PageRequest
) -> dict[str, Any]:
    after = page.key(tuple[str])
    values = msgspec.structs.asdict(asked) | _as_reader(actor, subject)
    return values | {"after_id": after[0] if after else None, "rows": page.rows_to_ask}


def _ladder(asked: MovementQuery, subject: Subject) -> dict[str, bool]:
    """Whether a rank of the one round can be compared with one of the other."""
    earlier, later = (scale_of_round(each, subject) for each in (asked.round_id, asked.later_round_id))
    return {"is_same_ladder": earlier.is_same_ladder(later)}


async def page_of_moved(
    session: Session, actor: Actor, asked: MovedChildrenQuery, subject: Subject, page: PageRequest
) -> Page[MovedChild]:
    values = _page_values(actor, asked, subject, page) | _ladder(asked, subject)
    rows = await session.fetch_all(_queries["moved_children"], values, into=MovedChild)
    return page_of(rows, page, lambda row: (row.student_id,))


async def page_of_still(
    session: Session, actor: Actor, asked: StillQuery, subject: Subject, page: PageRequest
) -> Page[StillChild]:
    values = _page_values(actor, asked, subject, page) | {"codes": list(scale_now(subject).codes)}
    rows = await session.fetch_all(_queries["still_children"], values, into=StillChild)
    return page_of(rows, page, lambda row: (row.student_id,))


async def dose_of_moved(session: Session, actor: Actor, asked: MovementQuery, subject: Subject) -> list[Dose]:
    values = msgspec.structs.asdict(asked) | _as_reader(actor, subject) | _ladder(asked, subject)
    return await session.fetch_all(_queries["dose_of_moved"], values, into=Dose)
