"""What a row of a file does where it is imported as the deed that it is by hand: the row, what was done, and what undoes it.

Shape: a kind of such rows is a `RowKind`: how its staging table is made, how what is there already is found for some rows at once, and the deed.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Sequence
from contextlib import suppress
from datetime import datetime
from typing import Any, Final, Literal

import msgspec

from flatwater.clock import Clock
from flatwater.queries import load_queries
from flatwater.transaction import Session
from rightlevel.programme.codes import code_form
from rightlevel.programme.errors import Conflict, Fault, Invalid
from rightlevel.programme.exchange.fields import Terms
from rightlevel.programme.exchange.values import Wrong, tidied
from rightlevel.programme.permissions import Actor

QUERIES: Final = load_queries(__package__ or "", "deed_rows.sql")
"""Read once for all kinds of rows."""
Thing = Literal["place", "boundary", "class", "person", "assignment"]
Became = Literal["moved", "changed", "new", "unchanged"]


class Row(msgspec.Struct, frozen=True):
    """A row of the file: its cells by field, and its turn: rows of one turn don't need each other."""

    row_number: int
    turn: int
    cells: dict[str, Any]

    def text(self, name: str) -> str:
        """A cell as text, empty where there is none."""
        return self.cells[name] or ""


class Asking(msgspec.Struct, frozen=True):
    """Who brings the file (or undoes it), when, what the settings allow, and which fields the file fills."""

    actor: Actor
    clock: Clock
    terms: Terms
    mapped: frozenset[str] = frozenset()
    since: datetime | None = None
    """When the import ended that is undone."""


class Kept(msgspec.Struct, frozen=True):
    """What undoes one deed: the thing with the version that the deed left, whether it was made, or how it was before."""

    thing: Thing
    thing_id: int
    version: int = 0
    is_new: bool = False
    before: dict[str, Any] = {}


class Done(msgspec.Struct, frozen=True):
    """What became of a row: the fields that differ, and what undoes it, in its order."""

    became: Became
    before: dict[str, Any] = {}
    after: dict[str, Any] = {}
    kept: tuple[Kept, ...] = ()


class RowKind(msgspec.Struct, frozen=True):
    """One kind of rows: the query that makes its staging table, what finds what is there, the deed, and our columns by the deed's fields."""

    staging: str
    look_up: Callable[[Session, Asking, Sequence[Row]], Awaitable[list[Any]]]
    do: Callable[[Session, Asking, Row, Any], Awaitable[Done]]
    key: str
    columns: dict[str, str] = {}


class StandsOn(Conflict):
    """Later work stands on this."""

    code = "stands_on_import"


UNCHANGED = Done("unchanged")


def wrong(field: str, rule: str, value: object = "") -> Invalid:
    """The error of a row that breaks a rule."""
    return Invalid(faults=(Fault(field, rule, str(value)),))


def differing(now: dict[str, Any], wanted: dict[str, Any]) -> tuple[dict[str, Any], dict[str, Any]]:
    """Of the fields that are wanted those that differ, as they are and as they become. A text that reads the same as a file's is no other."""
    changed = [name for name, value in wanted.items() if not _same(now[name], value)]
    return {name: now[name] for name in changed}, {name: wanted[name] for name in changed}


def _same(there: Any, told: Any) -> bool:
    if there == told or (there in (None, "") and told in (None, "")):
        return True
    if not (isinstance(there, str) and isinstance(told, str)):
        return False
    with suppress(Wrong):
        return told in (tidied(there), code_form(there))
    return False
