"""What somebody says of a file for an import: fields of a form and lines of a mapping made one text, or what was said of the source's last file."""

from __future__ import annotations

import re
from collections.abc import AsyncIterator, Awaitable, Callable
from typing import Final

import msgspec

from flatwater.answers import Answer
from flatwater.paging import PageRequest
from flatwater.pool import Database
from flatwater.transaction import ConstraintViolated, Session
from rightlevel.operations.import_runner import ImportRequest
from rightlevel.programme.errors import Conflict, Fault, Invalid
from rightlevel.programme.exchange import (
    ColumnMapping,
    HowToApply,
    ImportRun,
    Kind,
    list_left_rows,
    mapping_of_source,
    read_mapping,
    run_to_apply,
    run_to_undo,
)
from rightlevel.programme.exchange.left_rows import MARK, row_to_mend
from rightlevel.programme.permissions import Actor
from rightlevel.web.application import AnsweredBefore, claimed
from rightlevel.web.authority import keeping
from rightlevel.web.request import Request, actor_of

READ_S: Final = 10.0
LONGEST_SOURCE: Final = 100
ROWS_AT_ONCE: Final = 1_000


class SaidInFields(msgspec.Struct, frozen=True):
    """What a form asks beside the mapping's own lines."""

    encoding: str = ""
    sheet: str = ""
    header_row: str = ""
    only_column: str = ""
    only_how: str = ""
    only_values: str = ""
    only_programme_grades: bool = False


def with_fields(mapping: str, said: SaidInFields) -> str:
    """The mapping with what was said in fields as lines before it; a line of the mapping that says the same goes."""
    lines: list[str] = []
    for name in ("encoding", "sheet", "header_row"):
        value = getattr(said, name).strip()
        if value:
            lines.append(f"{name} = {_quoted(value)}")
    if said.only_column.strip():
        lines.append(f"only = [{{column = {_quoted(said.only_column.strip())}, {_asked(said)}}}]")
    if said.only_programme_grades:
        lines.append("only_programme_grades = true")
    names = [line.partition(" = ")[0] for line in lines]
    kept = [
        line for line in mapping.splitlines() if not any(re.match(rf"\s*{name}\s*=", line) for name in names)
    ]
    return "\n".join([*lines, *kept]).strip()


def _asked(said: SaidInFields) -> str:
    if said.only_how in ("filled", "blank"):
        return f"filled = {'true' if said.only_how == 'filled' else 'false'}"
    values = [each.strip() for each in re.split(r"[,;\n]", said.only_values) if each.strip()]
    return f"{'not_in' if said.only_how == 'not_in' else 'in'} = [{', '.join(map(_quoted, values))}]"


def _quoted(text: str) -> str:
    return msgspec.json.encode(text).decode()


async def said_of(
    database: Database, actor: Actor, kind: Kind, mapping: str, source: str
) -> tuple[ColumnMapping | None, str]:
    """The mapping to import with and its text: what is said, or what was said of the source's last file. *Errors*: Invalid."""
    if len(source) > LONGEST_SOURCE:
        raise Invalid(faults=(Fault("source", "At most 100 characters", source[:60]),))
    if not mapping.strip() and source:
        async with database.read(deadline_s=READ_S) as session:
            mapping = await mapping_of_source(session, actor, kind, source)
    return (read_mapping(mapping, kind), mapping) if mapping.strip() else (None, "")


async def undo_run_of(request: Request, run_id: str, answer: Callable[[ImportRun], object]) -> ImportRun:
    """The run that undoes an import, queued behind the files that wait. *Errors*: NotFound, ImportNotUndoable, ImportUndoneBefore, ImportTooOld."""
    actor = actor_of(request)

    async def asked() -> ImportRequest:
        async with request.database.read(deadline_s=READ_S) as session:
            new = await run_to_undo(session, actor, run_id, request.clock)
        return ImportRequest(new, None, None, actor)

    return await _submitted(request, asked, answer)


async def apply_run_of(
    request: Request, run_id: str, how: HowToApply, answer: Callable[[ImportRun], object]
) -> ImportRun:
    """The run that applies a dry run, queued behind the files that wait.

    *Errors*: NotFound, ImportNotApplicable, ImportHasFaults, ImportAppliedBefore, ImportFileGone.
    """
    actor = actor_of(request)

    async def asked() -> ImportRequest:
        async with request.database.read(deadline_s=READ_S) as session:
            new = await run_to_apply(session, actor, run_id, how)
        mapping = read_mapping(new.mapping, new.kind) if new.mapping.strip() else None
        return ImportRequest(new, None, mapping, actor)

    return await _submitted(request, asked, answer)


async def _submitted(
    request: Request, asked: Callable[[], Awaitable[ImportRequest]], answer: Callable[[ImportRun], object]
) -> ImportRun:
    """The run of what is asked. What is refused because this very write came twice at the same moment gets the answer of the other.

    Only one run undoes or applies an import, so the second of two waits for the first and is refused before it comes to the receipt.
    """
    try:
        return await request.app.imports.submit(await asked(), keeping(request, answer))
    except (ConstraintViolated, Conflict) as refused:
        why = refused

    async def look(session: Session) -> Answer:
        known = await claimed(request, session, request.actor)
        if known is None:
            raise why
        return known

    raise AnsweredBefore(await request.database.run(look, deadline_s=READ_S)) from why


async def left_rows_csv(
    database: Database, actor: Actor, run_id: str, *, keeps_place: bool
) -> AsyncIterator[bytes]:
    """The rows that an import left out, to mend and send again: as the file has them, with what is wrong in a last column.

    `keeps_place`: the header stands in the row in which it was said to be. *Cost*: one statement for 1,000 rows, each in a short
    transaction of its own.
    """
    page = PageRequest(ROWS_AT_ONCE)
    yield MARK
    while True:
        async with database.read(deadline_s=READ_S) as session:
            found = await list_left_rows(session, actor, run_id, page)
        yield b"".join(row_to_mend(row, keeps_place=keeps_place) for row in found.items)
        if found.next is None:
            return
        page = PageRequest(ROWS_AT_ONCE, found.next)
