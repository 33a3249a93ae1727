"""Places, classes, people and assignments of a file: each row is done as the deed that it is by hand, in the file's one transaction.

So one permission table, one set of rules and one audit judge a file and a form alike. Looking at a file does all of it inside a savepoint that is
given back; what became of each row, and what was refused, is noted on disk meanwhile. What each row did is kept in its order and undone from its
end.
"""

from __future__ import annotations

import tempfile
from collections.abc import Awaitable, Callable, Iterator, Sequence
from contextlib import AbstractAsyncContextManager, suppress
from itertools import groupby
from typing import IO, Any, Final, TypeVar

import msgspec

from flatwater.transaction import ConstraintViolated, Session
from rightlevel.programme.errors import Conflict, ProgrammeError, Stale
from rightlevel.programme.exchange.assignment_rows import ASSIGNMENTS, undo_assignment
from rightlevel.programme.exchange.class_rows import CLASSES, undo_class
from rightlevel.programme.exchange.fault_file import MOST_KEPT, FaultFile
from rightlevel.programme.exchange.fields import Kind
from rightlevel.programme.exchange.model import ImportCollided
from rightlevel.programme.exchange.people_rows import PEOPLE, undo_person
from rightlevel.programme.exchange.place_rows import PLACES, undo_move, undo_place
from rightlevel.programme.exchange.row_deeds import QUERIES, Asking, Done, Kept, Row, RowKind, StandsOn, Thing
from rightlevel.programme.exchange.values import NULL, escaped

MOST_ROWS: Final = 20_000
"""What rows write stays held until the last is done. *Source*: decision 41."""
ROWS_AT_ONCE: Final = 200
CHUNK_BYTES: Final = 65_536
HELD_BYTES: Final = 262_144
"""So much of what became of the rows is held in memory before it goes to disk."""
CHANGED_SINCE: Final = "This was changed since"

One = TypeVar("One")
Became = TypeVar("Became")

KINDS_OF_ROWS: Final[dict[Kind, RowKind]] = {
    "places": PLACES,
    "classes": CLASSES,
    "people": PEOPLE,
    "assignments": ASSIGNMENTS,
}
_UNDO: Final[dict[Thing, Callable[[Session, Asking, Kept], Awaitable[None]]]] = {
    "place": undo_place,
    "boundary": undo_move,
    "class": undo_class,
    "person": undo_person,
    "assignment": undo_assignment,
}


class TooManyRows(Conflict):
    """A file takes at most 20,000 places, classes, people or assignments at a time, and nothing of this one was saved. Send it in parts."""

    code = "too_many_rows"


class Counted(msgspec.Struct):
    """How many rows added something or changed something."""

    added: int = 0
    changed: int = 0


class _GivenBack(Exception):
    """Ends a savepoint whose deeds were only tried."""


class _Entry(msgspec.Struct, frozen=True):
    """What undoes one deed, as it is kept."""

    number: int
    thing: Thing
    thing_id: int
    version: int
    is_new: bool
    before: dict[str, Any]
    name: str

    def as_kept(self) -> Kept:
        return Kept(self.thing, self.thing_id, self.version, is_new=self.is_new, before=self.before)


class _BecameFile:
    """What became of each row, as COPY text, on disk where it is long."""

    def __init__(self) -> None:
        self._file: IO[bytes] = tempfile.SpooledTemporaryFile(HELD_BYTES)  # noqa: SIM115  (closed in close)

    def add(self, row: Row, done: Done) -> None:
        fields = (_json(done.before), _json(done.after))
        line = "\t".join([str(row.row_number), done.became, *fields])
        self._file.write((line + "\n").encode())

    def chunks(self) -> Iterator[bytes]:
        self._file.seek(0)
        while chunk := self._file.read(CHUNK_BYTES):
            yield chunk

    def close(self) -> None:
        self._file.close()


def _json(fields: dict[str, Any]) -> str:
    return escaped(msgspec.json.encode(fields).decode()) if fields else NULL


async def make_staging(session: Session, kind: Kind) -> None:
    """Empty tables for a file's rows, which go with the transaction."""
    for name in (KINDS_OF_ROWS[kind].staging, "make_judged_row"):
        await session.execute(QUERIES[name], {})


def copy_rows(session: Session) -> AbstractAsyncContextManager[Any]:
    """Takes rows into the staging table."""
    return session.copy_in(QUERIES["copy_staged_rows"])


async def judge(
    session: Session, kind: Kind, asking: Asking, labels: dict[str, str], refused: FaultFile
) -> int:
    """Tries each row and gives it back; what is refused goes to `refused`, how many faults were found beside is told.

    *Errors*: TooManyRows. *Cost*: a look for 200 rows at once, and of each row that adds or changes something its deed.
    """
    await session.execute(QUERIES["analyze_staged_row"], {})
    if await session.fetch_value(QUERIES["count_staged_rows"], {}) > MOST_ROWS:
        raise TooManyRows
    own = KINDS_OF_ROWS[kind]
    values = {"column": labels.get(own.key, own.key), "most": MOST_KEPT}
    repeated = await session.fetch_value(QUERIES["find_repeated_rows"], values)
    became = _BecameFile()

    def told(row: Row, done: Done | Exception) -> None:
        if isinstance(done, Done):
            became.add(row, done)
        else:
            _refuse(own, row, done, labels, refused)

    async def tell(some: list[tuple[Row, Done | Exception]]) -> None:
        for row, done in some:
            told(row, done)

    try:
        with suppress(_GivenBack):
            async with session.savepoint():
                await _each(session, own, asking, tell)
                raise _GivenBack
        async with session.copy_in(QUERIES["copy_judged_rows"]) as copy:
            for chunk in became.chunks():
                await copy.write(chunk)
    finally:
        became.close()
    return repeated


def _refuse(own: RowKind, row: Row, error: Exception, labels: dict[str, str], refused: FaultFile) -> None:
    faults = error.faults if isinstance(error, ProgrammeError) else ()
    if not faults:
        field = "role" if own is PEOPLE else own.key
        refused.add(row.row_number, labels.get(field, field), row.text(field), _rule(error))
    for fault in faults:
        name = own.columns.get(fault.field, fault.field)
        known = row.cells.get(name)
        value = fault.value if known is None else str(known)
        refused.add(row.row_number, labels.get(name, name), value, fault.rule)


def _rule(error: Exception) -> str:
    """What is said of a refusal, in one sentence."""
    if isinstance(error, Stale):
        return CHANGED_SINCE
    if isinstance(error, ProgrammeError):
        return error.faults[0].rule if error.faults else str(error)
    return str(ImportCollided())


async def _each(
    session: Session,
    own: RowKind,
    asking: Asking,
    tell: Callable[[list[tuple[Row, Done | Exception]]], Awaitable[None]],
) -> None:
    """Does each row that nothing is wrong with yet, in their turns, and tells what became of it."""
    turn, number = -1, 0
    while True:
        values = {"turn": turn, "row_number": number, "rows": ROWS_AT_ONCE}
        rows = await session.fetch_all(QUERIES["list_rows_to_do"], values, into=Row)
        if not rows:
            return
        for _, together in groupby(rows, key=lambda row: row.turn):
            some = list(together)
            found = dict(
                zip((row.row_number for row in some), await own.look_up(session, asking, some), strict=True)
            )

            async def do(row: Row, there: dict[int, Any] = found) -> Done:
                return await own.do(session, asking, row, there[row.row_number])

            await tell(list(zip(some, await _in_turn(session, some, do), strict=True)))
        turn, number = rows[-1].turn, rows[-1].row_number


async def _in_turn(
    session: Session, some: Sequence[One], do: Callable[[One], Awaitable[Became]]
) -> list[Became | Exception]:
    """What each became, or why it was refused. All are done in one savepoint; only where one is refused each gets its own."""
    with suppress(ProgrammeError, ConstraintViolated):
        async with session.savepoint():
            return [await do(one) for one in some]
    became: list[Became | Exception] = []
    for one in some:
        try:
            async with session.savepoint():
                became.append(await do(one))
        except (ProgrammeError, ConstraintViolated) as error:
            became.append(error)
    return became


async def drop_bad_rows(session: Session) -> int:
    """Takes the rows that are wrong out of what is to be saved; how many."""
    return await session.execute(QUERIES["drop_bad_rows"], {})


async def apply(session: Session, kind: Kind, asking: Asking, run_id: str) -> Counted:
    """Does every row that is left and keeps what undoes it. *Errors*: ImportCollided, where somebody was faster."""
    counted = Counted()

    async def keep(some: list[tuple[Row, Done | Exception]]) -> None:
        entries: list[Kept] = []
        for _, done in some:
            if not isinstance(done, Done):
                raise ImportCollided
            counted.added += done.became == "new"
            counted.changed += done.became in ("changed", "moved")
            entries += done.kept
        if entries:
            values: dict[str, Any] = {
                "run_id": run_id,
                "things": [each.thing for each in entries],
                "thing_ids": [each.thing_id for each in entries],
                "versions": [each.version for each in entries],
                "are_new": [each.is_new for each in entries],
                "befores": [msgspec.json.encode(each.before).decode() for each in entries],
            }
            await session.execute(QUERIES["keep_deeds"], values)

    await _each(session, KINDS_OF_ROWS[kind], asking, keep)
    return counted


async def undo(session: Session, asking: Asking, run_id: str, refused: FaultFile) -> None:
    """Undoes what a file did from its end; where anything can't be, nothing is, and each such thing is named in `refused`.

    *Cost*: the deeds' own, and one look for 200.
    """

    async def undo_one(entry: _Entry) -> bool:
        await _UNDO[entry.thing](session, asking, entry.as_kept())
        return True

    before: int | None = None
    with suppress(_GivenBack):
        async with session.savepoint():
            while True:
                values = {"run_id": run_id, "before": before, "rows": ROWS_AT_ONCE}
                entries = await session.fetch_all(QUERIES["list_deeds"], values, into=_Entry)
                if not entries:
                    break
                for entry, done in zip(entries, await _in_turn(session, entries, undo_one), strict=True):
                    if isinstance(done, Exception):
                        rule = str(StandsOn()) if isinstance(done, ConstraintViolated) else _rule(done)
                        refused.add(0, "", entry.name, rule)
                before = entries[-1].number
            if refused.count:
                raise _GivenBack
