"""The only file that knows the columns of the staging tables, import_run and import_fault."""

from __future__ import annotations

from collections.abc import Iterable
from contextlib import AbstractAsyncContextManager
from datetime import date, datetime
from typing import Any, Final

import msgspec

from flatwater.paging import Page, PageRequest, page_of
from flatwater.queries import load_queries
from flatwater.transaction import Session
from rightlevel.programme.errors import NotFound
from rightlevel.programme.exchange import deed_rows, result_rows
from rightlevel.programme.exchange.fault_file import MOST_KEPT, FaultFile
from rightlevel.programme.exchange.fields import DEED_KINDS, PLACE_KINDS, Kind, Terms
from rightlevel.programme.exchange.model import (
    ImportFault,
    ImportOutcome,
    ImportRun,
    ImportSource,
    LeftRow,
    NewRun,
    RunState,
)

_queries = load_queries(__package__ or "")
MOST_SOURCES: Final = 200
ROWS_PER_STATEMENT: Final = 5_000
"""PostgreSQL keeps a few dozen bytes in memory for each row and foreign key until a statement ends; this bounds them."""

_STAGING: Final[dict[Kind, tuple[str, ...]]] = {
    "students": ("make_staged_student", "make_matched_student", "make_waiting_count"),
    "schools": ("make_staged_school", "make_staged_path", "make_matched_school"),
    "results": (),
    **dict.fromkeys(DEED_KINDS, ()),
}


class _SchoolYear(msgspec.Struct, frozen=True):
    id: int
    name: str
    is_current: bool


class _TermsRow(msgspec.Struct, frozen=True):
    grades: Any
    countries: list[list[str]] | None


async def read_terms(session: Session, today: date) -> Terms:
    """What the rows of an import are judged by."""
    row = await session.fetch_one(_queries["read_terms"], {}, into=_TermsRow)
    years = await session.fetch_all(_queries["read_school_years"], {}, into=_SchoolYear)
    countries = [] if row is None or row.countries is None else row.countries
    grades = msgspec.convert(row.grades, list[int]) if row is not None and row.grades else [3, 4, 5]
    return Terms(
        grades=tuple(sorted(grades)),
        school_years={year.name: year.id for year in years},
        current_school_year_id=next((year.id for year in years if year.is_current), None),
        only_country=(countries[0][0], countries[0][1]) if len(countries) == 1 else None,
        today=today,
    )


async def make_staging(session: Session, kind: Kind) -> None:
    """Empty staging tables that go with the transaction."""
    await session.execute(_queries["allow_import_memory"], {})
    await session.execute(_queries["drop_staging"], {})
    for name in ("make_found_fault", *_STAGING[kind]):
        await session.execute(_queries[name], {})
    if kind == "results":
        await result_rows.make_staging(session)
    elif kind in DEED_KINDS:
        await deed_rows.make_staging(session, kind)


async def make_fault_table(session: Session) -> None:
    """An empty table of faults that goes with the transaction, for what is no file."""
    await session.execute(_queries["allow_import_memory"], {})
    await session.execute(_queries["make_found_fault"], {})


async def make_waiting_counts(session: Session) -> None:
    """Makes the table in which counts wait; it goes with the transaction."""
    await session.execute(_queries["make_waiting_count"], {})


async def let_counts_wait(session: Session, *, has_table: bool = False) -> None:
    """From here on counts wait until `add_waiting_counts`, so that nobody who enters something meanwhile waits for this transaction."""
    if not has_table:
        await make_waiting_counts(session)
    await session.fetch_value(_queries["let_counts_wait"], {})


async def add_waiting_counts(session: Session) -> None:
    """Adds what waited; the last thing that a transaction does."""
    await session.fetch_value(_queries["add_waiting_counts"], {})


async def hold_rolls(session: Session) -> None:
    """Before schools are moved: no round's roll is fixed or let go meanwhile."""
    await session.fetch_value(_queries["hold_rolls"], {})


async def say_who_moves(session: Session, person_id: int | None, now: datetime) -> None:
    """Says for the rest of the transaction by whom and when schools are moved."""
    await session.execute(_queries["say_who_moves"], {"person_id": person_id, "now": now})


def copy_rows(session: Session, kind: Kind) -> AbstractAsyncContextManager[Any]:
    """Takes rows into the staging table."""
    if kind == "results":
        return result_rows.copy_rows(session)
    if kind in DEED_KINDS:
        return deed_rows.copy_rows(session)
    return session.copy_in(_queries[f"copy_staged_{kind}"])


async def copy_faults(session: Session, faults: FaultFile) -> None:
    """Takes the faults found while reading."""
    if not faults.kept:
        return
    async with session.copy_in(_queries["copy_found_faults"]) as copy:
        for chunk in faults.chunks():
            await copy.write(chunk)


async def find_faults(
    session: Session, kind: Kind, mapped: frozenset[str], columns: dict[str, str], grades: tuple[int, ...]
) -> int:
    """Looks for what only all rows together or the database can tell; how many faults there are."""
    await session.execute(_queries[f"analyze_staged_{kind[:-1]}"], {})
    checks: list[tuple[str, str]]
    if kind == "students":
        await session.fetch_value(_queries["hold_schools"], {})
        checks = [("find_children_of_unknown_schools", "school_code"), ("find_repeated_children", "code")]
        checks += [
            ("find_children_new_at_closed_schools", "school_code"),
            ("find_children_who_are_away", "code"),
        ]
        checks += [
            ("find_shared_codes", "code"),
            ("find_erased_children", "code"),
            ("find_codes_of_erased_children", "code"),
            ("find_other_grades", "grade"),
            ("find_other_years", "school_year"),
        ]
        checks += [("find_deleted_classes", "section")] if "section" in mapped else []
        checks += [("find_clashing_ids", "id")] if "id" in mapped else []
    else:
        await hold_rolls(session)
        await session.fetch_value(_queries["hold_staged_schools"], {})
        await _resolve_places(session)
        checks = [
            ("find_repeated_schools", "code"),
            ("find_deleted_schools", "code"),
            ("find_deleted_places", "place"),
            ("find_unexplained_moves", "place"),
        ]
        checks += [("find_half_positions", "latitude")] if "latitude" in mapped else []
        checks += [("find_schools_with_a_past", "is_practice")] if "is_practice" in mapped else []
        checks += [("find_schools_closed_with_children", "status")] if "status" in mapped else []
    count = 0
    for name, field in checks:
        values = {"column": columns.get(field, field), "most": MOST_KEPT, "grades": list(grades)}
        count += await session.fetch_value(_queries[name], values)
    return count


async def drop_bad_rows(session: Session, kind: Kind) -> int:
    """Takes the rows that are wrong out of what is to be saved; how many."""
    if kind == "results":
        return await result_rows.drop_bad_rows(session)
    if kind in DEED_KINDS:
        return await deed_rows.drop_bad_rows(session)
    dropped = await session.execute(_queries[f"drop_bad_{kind}"], {})
    if kind == "schools":
        await session.execute(_queries["drop_paths"], {})
        await session.execute(_queries["stage_paths"], {})
    return dropped


async def list_bad_rows(session: Session) -> set[int]:
    """The numbers of the rows that are wrong, at most MOST_KEPT and one."""
    rows = await session.fetch_all(_queries["list_bad_rows"], {"most": MOST_KEPT + 1}, into=_RowNumber)
    return {row.row_number for row in rows}


class _RowNumber(msgspec.Struct, frozen=True):
    row_number: int


async def copy_left_rows(session: Session, chunks: Iterable[bytes]) -> None:
    """Keeps rows that were left out."""
    async with session.copy_in(_queries["copy_import_rows"]) as copy:
        for chunk in chunks:
            await copy.write(chunk)


async def page_of_left_rows(session: Session, run_id: str, page: PageRequest) -> Page[LeftRow]:
    """The rows that an import left out since they are wrong, the headers first."""
    after = page.key(tuple[int])
    values = {"id": run_id, "after": after[0] if after else -1, "rows": page.rows_to_ask}
    rows = await session.fetch_all(_queries["list_left_rows"], values, into=LeftRow)
    return page_of(rows, page, lambda row: (row.number,))


async def list_sources(session: Session) -> list[ImportSource]:
    """The sources of files, the one used last first."""
    return await session.fetch_all(_queries["list_sources"], {}, into=ImportSource)


async def find_source(session: Session, kind: Kind, name: str) -> ImportSource | None:
    """One source by its name, whatever its case."""
    return await session.fetch_one(
        _queries["list_sources"].plus("one"), {"kind": kind, "name": name}, into=ImportSource
    )


async def remember_source(session: Session, new: NewRun, now: datetime) -> None:
    """Keeps what was said of a source's file for its next one; the sources used longest ago go."""
    values = {"kind": new.kind, "source": new.source, "mapping": new.mapping, "now": now}
    await session.execute(_queries["remember_source"], values)
    await session.execute(_queries["forget_sources"], {"most": MOST_SOURCES})


class SaidOfFile(msgspec.Struct, frozen=True):
    """What was said of a run's file."""

    kind: Kind
    mapping: str
    source: str
    leaves_bad_rows: bool


async def find_said(session: Session, run_id: str) -> SaidOfFile | None:
    """What was said of a run's file."""
    return await session.fetch_one(_queries["read_mapping_text"], {"id": run_id}, into=SaidOfFile)


async def _resolve_places(session: Session) -> None:
    await session.execute(_queries["stage_paths"], {})
    await session.execute(_queries["analyze_staged_path"], {})
    for level in range(len(PLACE_KINDS)):
        await session.execute(_resolve(level), {"at": 4 * level + 1})


def _resolve(level: int) -> Any:
    return _queries["resolve_places"].plus("below" if level else "root")


class Saved(msgspec.Struct, frozen=True):
    """What an import saved. `moved`: of the changed ones, children whose year, class, grade or sex changed, schools whose place did.

    `went_on`, `went_back`: of the moved children those who went into a later school year, or back into an earlier one; `open_rounds`: how many
    rounds of the years that they leave are open and go on with them.
    """

    added: int
    changed: int
    moved: int = 0
    went_on: int = 0
    went_back: int = 0
    open_rounds: int = 0


async def apply_schools(
    session: Session, mapped: frozenset[str], now: datetime, audited: dict[str, Any]
) -> Saved:
    """Adds places and schools, changes those that differ; each move gets its row's reason, and each school a row of the audit."""
    await session.execute(_queries["forget_paths"], {})
    for level in range(len(PLACE_KINDS)):
        at = {"at": 4 * level + 1}
        await session.execute(_resolve(level), at)
        if await session.execute(_queries["create_places"], audited | at):
            attach = _queries["attach_created_places"].plus("below" if level else "root")
            await session.execute(attach, at)
    columns = {"columns": sorted(mapped)}
    await session.execute(_queries["keep_unmapped"], columns)
    await session.execute(_queries["match_schools"], {})
    moved = await session.fetch_value(_queries["count_school_moves"], {})
    await say_who_moves(session, audited["person_id"], now)
    await session.execute(_queries["audit_school_changes"], audited)
    await session.execute(_queries["keep_before_schools"], audited)
    changed = await session.execute(_queries["change_schools"], columns)
    if moved:
        await session.execute(_queries["say_why_moved"], {})
    return Saved(await session.execute(_queries["add_schools"], audited), changed, moved)


async def match(session: Session, kind: Kind, mapped: frozenset[str]) -> Saved:
    """Finds what is there already and what the file changes of it, and saves nothing; how much of it moves."""
    columns = {"columns": sorted(mapped)}
    if kind == "results" or kind in DEED_KINDS:
        return Saved(0, 0)  # found already, for the judge
    if kind == "schools":
        await session.execute(_queries["forget_paths"], {})
        for level in range(len(PLACE_KINDS)):
            await session.execute(_resolve(level), {"at": 4 * level + 1})
        await session.execute(_queries["keep_unmapped"], columns)
        await session.execute(_queries["match_schools"], {})
        return Saved(0, 0, await session.fetch_value(_queries["count_school_moves"], {}))
    await session.execute(_queries["match_students"], columns)
    await session.execute(_queries["analyze_matched_student"], {})
    moves = await session.fetch_one(_queries["count_moves"], {}, into=_Moves)
    return Saved(0, 0) if moves is None else _saved(0, 0, moves)


async def apply_students(
    session: Session, mapped: frozenset[str], now: datetime, audited: dict[str, Any]
) -> Saved:
    """Adds classes and children, changes those that differ; what a single deed writes of a change is written of each.

    Children that are there are held from their change to the commit, so they are changed after all others were added, and counts come last.

    `audited`: who imports (person_id, role, address), by which run, and the file's name.
    """
    columns = {"columns": sorted(mapped)}
    if "section" in mapped:
        await session.execute(_queries["create_classes"], audited)
    matched = await session.execute(_queries["match_students"], columns)
    await session.execute(_queries["analyze_matched_student"], {})
    last = await session.fetch_value(_queries["last_staged_student"], {})
    moves = await session.fetch_one(_queries["count_moves"], {}, into=_Moves) if matched else None
    blocks = [
        audited | columns | {"after": after, "up_to": after + ROWS_PER_STATEMENT, "now": now}
        for after in range(0, last, ROWS_PER_STATEMENT)
    ]
    await let_counts_wait(session, has_table=True)
    added = sum([await session.fetch_value(_queries["add_students"], some) for some in blocks])
    changed = 0
    for some in blocks if matched else ():
        await session.execute(_queries["audit_changes"], some)
        await session.execute(_queries["keep_before_students"], some)
        changed += await session.execute(_queries["change_students"], some)
    await add_waiting_counts(session)
    if moves is None:
        return Saved(added, changed)
    return _saved(added, changed, moves)


def _saved(added: int, changed: int, moves: _Moves) -> Saved:
    return Saved(
        added=added,
        changed=changed,
        moved=moves.moved,
        went_on=moves.went_on,
        went_back=moves.went_back,
        open_rounds=moves.open_rounds,
    )


class _Moves(msgspec.Struct, frozen=True):
    moved: int
    went_on: int
    went_back: int
    open_rounds: int


async def start_run(
    session: Session,
    new: NewRun,
    *,
    person_id: int | None,
    state: RunState,
    now: datetime,
) -> str:
    """Writes down that an import begins; its id."""
    values = {"state": state, "person_id": person_id, "attempts": 0 if state == "waiting" else 1, "now": now}
    values |= msgspec.structs.asdict(new)
    return await session.fetch_value(_queries["start_run"], values)


async def forget_old_faults(session: Session, before: datetime) -> int:
    """Drops some of the faults of runs before a moment."""
    await session.execute(_queries["forget_old_rows"], {"before": before})
    return await session.execute(_queries["forget_old_faults"], {"before": before})


async def keep_faults(session: Session, run_id: str) -> None:
    """Keeps the faults found, in the order of their rows, up to the bound."""
    await session.execute(_queries["keep_faults"], {"id": run_id, "most": MOST_KEPT})


async def end_run(
    session: Session, run_id: str, state: RunState, outcome: ImportOutcome, now: datetime
) -> bool:
    """Writes down how a run ended; False where that was told already, and stays."""
    values = {"id": run_id, "state": state, "now": now, "rows_read": outcome.rows, "message": outcome.message}
    names = ("added", "changed", "unchanged", "faults", "left_out", "skipped")
    counts = {name: getattr(outcome, name) for name in names}
    values["preview"] = None if outcome.preview is None else msgspec.json.encode(outcome.preview).decode()
    return await session.execute(_queries["end_run"], values | counts) == 1


async def find_run(session: Session, run_id: str) -> ImportRun:
    """One import. *Errors*: NotFound."""
    found = await session.fetch_one(
        _queries["list_runs"].plus("one"), {"id": run_id, "rows": 1}, into=ImportRun
    )
    if found is None:
        raise NotFound
    return found


async def page_of_runs(session: Session, page: PageRequest) -> Page[ImportRun]:
    """Imports, newest first."""
    after = page.key(tuple[datetime, str])
    values = {"rows": page.rows_to_ask, "started_at": after and after[0], "id": after and after[1]}
    query = _queries["list_runs"].plus("after") if after else _queries["list_runs"]
    runs = await session.fetch_all(query, values, into=ImportRun)
    return page_of(runs, page, lambda run: (run.started_at, run.id))


async def page_of_faults(session: Session, run_id: str, page: PageRequest) -> Page[ImportFault]:
    """The faults of a run in the order of its rows."""
    after = page.key(tuple[int])
    values = {"id": run_id, "after": after[0] if after else 0, "rows": page.rows_to_ask}
    faults = await session.fetch_all(_queries["list_faults"], values, into=ImportFault)
    return page_of(faults, page, lambda fault: (fault.number,))
