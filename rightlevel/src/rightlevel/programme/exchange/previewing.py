"""What an import would do, row by row, before it does it: new, moved, changed field by field, as it was, perhaps a child who is there, wrong.

The rows are worked out and kept by the database, so that a file of a million takes no more of our memory than one of ten. They are kept for a
day, as the file is, so that what was looked at can be applied.
"""

from __future__ import annotations

from datetime import date, timedelta
from typing import Any, Final, Literal, get_args

import msgspec

from flatwater.paging import Page, PageRequest, page_of
from flatwater.queries import load_queries
from flatwater.transaction import Session
from rightlevel.programme.duplicates import find_alike
from rightlevel.programme.exchange import store
from rightlevel.programme.exchange.fields import DEED_KINDS, Kind
from rightlevel.programme.permissions import Actor, require
from rightlevel.programme.students import NewStudent

_queries = load_queries(__package__ or "", "previewing.sql")
PREVIEWED_FOR: Final = timedelta(days=1)
MOST_COMPARED: Final = 20_000
"""So many new children are compared with those of their school: a country's first file would take an hour, and there is nobody to compare with."""
COMPARED_AT_ONCE: Final = 2_000

What = Literal["wrong", "possible_duplicate", "moved", "changed", "new", "unchanged"]
WHATS: Final[tuple[What, ...]] = get_args(What)
"""In the order in which they are shown; counted from one they are what the database keeps."""

Value = str | int | float | bool | None


class Alike(msgspec.Struct, frozen=True):
    """A child who is there already and very much like a new one."""

    id: str
    code: str
    name: str


class WrongCell(msgspec.Struct, frozen=True):
    """What is wrong in a row: the column, what stands there, and the rule it breaks."""

    column: str
    value: str
    rule: str


class PreviewRow(msgspec.Struct, frozen=True):
    """What would become of one row of a file.

    `before` and `after` hold, of a changed row, the fields that differ; of a new one `after` holds all that it says. `alike` are children of
    the school who may be this one, `alike_rows` other rows of the file; `faults` what is wrong in a row that is.
    """

    row_number: int
    what: What
    school_code: str
    code: str
    name: str
    before: dict[str, Value]
    after: dict[str, Value]
    alike: list[Alike]
    alike_rows: list[int]
    faults: list[WrongCell]


class Previewed(msgspec.Struct, frozen=True):
    """What a dry run found. `not_compared`: new children who were not compared with those of their school."""

    saved: store.Saved
    not_compared: int


async def preview_wrong(session: Session, kind: Kind, run_id: str) -> None:
    """Keeps which rows are wrong, before they are taken out of what is looked at."""
    await session.execute(_queries[f"preview_wrong_{_sort(kind)}"], {"id": run_id})


def _sort(kind: Kind) -> str:
    return "deeds" if kind in DEED_KINDS else kind


async def preview_rows(
    session: Session, kind: Kind, run_id: str, mapped: frozenset[str], today: date
) -> Previewed:
    """Keeps what would become of each staged row, and saves nothing else.

    *Cost*: a few passes over the file by the database; 40 ms for each school of 1,200 that gets new children, MOST_COMPARED of them.
    """
    values = {"id": run_id, "columns": sorted(mapped)}
    moves = await store.match(session, kind, mapped)
    await session.execute(_queries[f"preview_{_sort(kind)}"], values)
    not_compared = await _compare(session, run_id, today) if kind == "students" else 0
    counts = await count_preview(session, run_id)
    added = counts.get("new", 0) + counts.get("possible_duplicate", 0)
    changed = counts.get("changed", 0) + counts.get("moved", 0)
    return Previewed(msgspec.structs.replace(moves, added=added, changed=changed), not_compared)


async def count_preview(session: Session, run_id: str) -> dict[str, int]:
    """How many rows there are of each kind; kinds without one are left out."""
    return await session.fetch_value(_queries["count_preview"], {"id": run_id})


class _School(msgspec.Struct, frozen=True):
    id: int
    code: str
    children: int


class _New(msgspec.Struct, frozen=True):
    row_number: int
    school_code: str
    name: str
    sex: int
    grade: int
    birth_on: date | None
    age: int | None


async def _compare(session: Session, run_id: str, today: date) -> int:
    """Says of new children whom they are like; how many were not compared."""
    schools = await session.fetch_all(_queries["schools_with_new_children"], {}, into=_School)
    not_compared, room = 0, MOST_COMPARED
    batch: list[_School] = []
    for school in schools:
        if school.children > room:
            not_compared += school.children
            continue
        room -= school.children
        batch.append(school)
        if sum(each.children for each in batch) >= COMPARED_AT_ONCE:
            not_compared += await _compare_some(session, run_id, batch, today)
            batch = []
    return not_compared + (await _compare_some(session, run_id, batch, today) if batch else 0)


async def _compare_some(session: Session, run_id: str, schools: list[_School], today: date) -> int:
    codes = [school.code for school in schools]
    found = await session.fetch_all(_queries["new_children"], {"codes": codes}, into=_New)
    rows: list[int] = []
    ids: list[str | None] = []
    others: list[int | None] = []
    not_compared = 0
    for school in schools:
        new = {
            str(each.row_number): NewStudent(
                school.id,
                "",
                each.name,
                sex=each.sex,
                grade=each.grade,
                birth_on=each.birth_on,
                age=each.age,
            )
            for each in found
            if each.school_code == school.code
        }
        pairs = await find_alike(session, school.id, new, today)
        if pairs is None:
            not_compared += len(new)
            continue
        for one, other in pairs:
            rows.append(int(one))
            ids.append(None if other in new else other)
            others.append(int(other) if other in new else None)
    if rows:
        await session.execute(
            _queries["say_alike"], {"id": run_id, "rows": rows, "ids": ids, "others": others}
        )
    return not_compared


async def list_preview(
    session: Session, actor: Actor, run_id: str, page: PageRequest, *, what: What | None = None
) -> Page[PreviewRow]:
    """What would become of each row, those first that somebody should look at. *Errors*: Forbidden, NotFound."""
    require(actor, "run", "import")
    await store.find_run(session, run_id)
    after = page.key(tuple[int, int])
    query, values = _queries["list_preview"], {"id": run_id, "rows": page.rows_to_ask}
    if what is not None:
        query, values = query.plus("only"), values | {"what": WHATS.index(what) + 1}
    if after is not None:
        query, values = query.plus("after"), values | {"after_what": after[0], "after_row": after[1]}
    rows: list[Any] = await session.fetch_all(query, values, into=PreviewRow)
    return page_of(rows, page, lambda row: (WHATS.index(row.what) + 1, row.row_number))
