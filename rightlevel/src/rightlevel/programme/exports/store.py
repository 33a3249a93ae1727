"""The only file that knows the columns of export_run, and the statements by which files are made."""

from __future__ import annotations

from collections.abc import AsyncIterator
from datetime import date, datetime
from typing import Any, Final, cast

import msgspec

from flatwater.paging import Page, PageRequest, page_of
from flatwater.queries import Query, like_text, load_queries
from flatwater.transaction import CopiedBlock, Session
from rightlevel.programme.codes import code_form
from rightlevel.programme.errors import NotFound
from rightlevel.programme.exports.columns import DEFINITIONS
from rightlevel.programme.exports.model import ExportAsk, ExportRun, ExportState, Format, KeptRun, What
from rightlevel.programme.ids import is_uuid
from rightlevel.programme.permissions import Actor
from rightlevel.programme.students.model import name_key

_queries = load_queries(__package__ or "")
SCHOOLS_AT_ONCE: Final = 40
"""Of one statement: some 10,000 children, which are sorted in memory."""
SCHOOLS_ASKED: Final = 1_000
FEWEST: Final = 10
"""Children who share what a de-identified file says of one of them, at least."""
_ENCODER: Final = msgspec.json.Encoder()
_WRAPPED: Final[dict[Format, tuple[str, ...]]] = {
    "csv": ("csv",),
    "jsonl": ("json",),
    "xlsx": (),
    "parquet": (),
}


class School(msgspec.Struct, frozen=True):
    """A school in the order of an export."""

    id: int
    code: str


class Cell(msgspec.Struct, frozen=True):
    """How many children share a district, grade, sex and age."""

    district_id: int
    grade: int
    sex: int
    age_band: str
    children: int


class _Round(msgspec.Struct, frozen=True):
    id: int


def values_of(actor: Actor, ask: ExportAsk, key: bytes, today: date) -> dict[str, Any]:
    """What every statement of an export may be told: what is asked, and what its taker reaches."""
    scope, text = actor.scope, ask.search or ""
    return {
        **msgspec.structs.asdict(ask),
        "search": f"{like_text(name_key(text))}%" if text else None,
        "code": code_form(text),
        "is_everything": scope.is_everything,
        "reached": sorted({held.school_id for held in scope.held}),
        "scope_schools": scope.whole_schools(),
        "scope_classes": scope.classes(),
        "language_schools": scope.whole_schools("language"),
        "language_classes": scope.classes("language"),
        "math_schools": scope.whole_schools("math"),
        "math_classes": scope.classes("math"),
        "blind_to": actor.person_id if actor.role == "mentor" else None,
        "defuse": ask.format == "csv",
        "key": key,
        "today": today,
        "shown": [],
    }


def statement_of(what: What, ask: ExportAsk) -> Query:
    """The statement that gives a file's rows, in the form that its format takes."""
    return _coded(what, ask).plus(*_WRAPPED[ask.format])


def _coded(what: What, ask: ExportAsk) -> Query:
    name = f"keep_{what}"
    coded = f"{name}_deidentified"
    return _queries[coded if ask.is_deidentified and coded in _queries else name]


def page_statement_of(what: What, ask: ExportAsk, *, is_picked: bool) -> Query:
    """The statement that gives the rows of a page as objects, with all columns or those that are picked."""
    return _coded(what, ask).plus("page", "limited", "picked" if is_picked else "whole")


def count_statement_of(what: What, ask: ExportAsk) -> Query:
    """The statement that counts the rows that meet a page's conditions."""
    return _coded(what, ask).plus("page", "counted")


def rows_of(session: Session, query: Query, values: dict[str, Any]) -> AsyncIterator[CopiedBlock]:
    """Blocks of rows as the database writes them."""
    return session.copy_blocks(query, {name: values[name] for name in query.parameters})


async def schools_of(
    session: Session, values: dict[str, Any], *, keeps_removed: bool, after: str = ""
) -> AsyncIterator[list[School]]:
    """The schools of an export in the order of their codes, after one, forty at a time."""
    while True:
        asked = values | {"after": after, "rows": SCHOOLS_ASKED, "keeps_removed": keeps_removed}
        found = await session.fetch_all(_queries["schools_to_export"], asked, into=School)
        for at in range(0, len(found), SCHOOLS_AT_ONCE):
            yield found[at : at + SCHOOLS_AT_ONCE]
        if len(found) < SCHOOLS_ASKED:
            return
        after = found[-1].code


async def rounds_of(session: Session, round_id: int | None) -> list[int]:
    """The rounds there are, the oldest first; or the one that is asked for, if it is there."""
    found = await session.fetch_all(_queries["rounds_to_export"], {"round_id": round_id}, into=_Round)
    return [each.id for each in found]


async def shown_of(session: Session, round_id: int | None) -> list[str]:
    """What a de-identified file may say: each group of children (`district/grade/sex/age`, from the left) of whom none of its kind is rare.

    Where one grade of a district has fewer than ten children, none of the district's grades is said: the others would tell which is left.
    The same for the sexes of a grade, and the ages of a sex. *Cost*: reads every child once.
    """
    query = _queries["cells_of_roster" if round_id is None else "cells_of_round"]
    cells = await session.fetch_all(query, {} if round_id is None else {"round_id": round_id}, into=Cell)
    sizes: dict[str, int] = {}
    below: dict[str, set[str]] = {}
    for cell in cells:
        path = ""
        for part in (str(cell.district_id), str(cell.grade), str(cell.sex), cell.age_band):
            longer = f"{path}/{part}" if path else part
            sizes[longer] = sizes.get(longer, 0) + cell.children
            below.setdefault(path, set()).add(longer)
            path = longer
    shown: list[str] = []
    waiting = [each for each in below.get("", ()) if sizes[each] >= FEWEST]
    while waiting:
        group = waiting.pop()
        shown.append(group)
        parts = below.get(group, set())
        if all(sizes[each] >= FEWEST for each in parts):
            waiting += parts
    return sorted(shown)


async def moment(session: Session) -> datetime:
    """The moment that the session's snapshot shows."""
    return await session.fetch_value(_queries["moment"], {})


async def start(session: Session, person_id: int, ask: ExportAsk, now: datetime) -> str:
    """Writes down that a file is begun; its id."""
    values = {
        "what": ask.what,
        "format": ask.format,
        "filters": _ENCODER.encode(ask.filters()).decode(),
        "is_deidentified": ask.is_deidentified,
        "person_id": person_id,
        "now": now,
    }
    return await session.fetch_value(_queries["start_export"], values)


class Ended(msgspec.Struct, frozen=True):
    """How a file ended."""

    state: ExportState
    rows_sent: int
    bytes_sent: int
    as_of: datetime | None = None
    sha256: str | None = None
    counts: dict[str, Any] = {}


async def end(session: Session, export_id: str, ended: Ended, now: datetime) -> None:
    """Writes down how a file ended."""
    values = {**msgspec.structs.asdict(ended), "id": export_id, "now": now}
    values["counts"] = _ENCODER.encode(ended.counts).decode()
    await session.execute(_queries["end_export"], values)


async def page_of_exports(
    session: Session, page: PageRequest, *, person_id: int | None, now: datetime
) -> Page[ExportRun]:
    """Files that were taken, the newest first: one person's, or all."""
    after = page.key(tuple[datetime, str]) or (None, None)
    values = {"person_id": person_id, "id": None, "after_at": after[0], "after_id": after[1]}
    values |= {"rows": page.rows_to_ask, "now": now}
    rows = await session.fetch_all(_queries["list_exports"], values, into=KeptRun)
    found = page_of(rows, page, lambda row: (row.started_at, row.id))
    return Page([_run(row) for row in found.items], found.next)


async def find_export(session: Session, export_id: str, *, person_id: int | None, now: datetime) -> ExportRun:
    """One file's manifest. *Errors*: NotFound."""
    if not is_uuid(export_id):
        raise NotFound
    values = {"person_id": person_id, "id": export_id, "after_at": None, "after_id": None}
    row = await session.fetch_one(_queries["list_exports"], values | {"rows": 1, "now": now}, into=KeptRun)
    if row is None:
        raise NotFound
    return _run(row)


def _run(row: KeptRun) -> ExportRun:
    return ExportRun(**msgspec.structs.asdict(row), definition=DEFINITIONS[cast("What", row.what)])
