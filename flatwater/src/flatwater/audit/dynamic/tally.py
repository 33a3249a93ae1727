"""What one request has done at the database, counted by the probe: statements by their fingerprints, rows, connections."""

from __future__ import annotations

import asyncio
import re
from collections.abc import Awaitable, Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from dataclasses import dataclass, field
from typing import Any, Final

from psycopg import sql

MOST_FINGERPRINTS: Final = 64
LONGEST_FINGERPRINT: Final = 300
_LITERAL = re.compile(r"'(?:[^']|'')*'|\b\d+(?:\.\d+)?\b")
_LIST = re.compile(r"\((?:\s*(?:\?|%s|\$\?)\s*,?)+\)")
_CONTROL = re.compile(
    r"\s*(?:begin|commit|rollback|savepoint|release|set|start|show|discard)\b", re.IGNORECASE
)


def fingerprint(query: object) -> str:
    """A statement without what differs from row to row: literals, lists of them, white space."""
    if isinstance(query, sql.Composable):
        query = query.as_string()
    text = query.decode("utf-8", "replace") if isinstance(query, bytes) else str(query)
    text = _LIST.sub("(?)", _LITERAL.sub("?", " ".join(text[:4_000].split())))
    return text[:LONGEST_FINGERPRINT]


@dataclass(slots=True)
class Tally:
    """What one request has done so far. Times in seconds."""

    statements: int = 0
    statement_s: float = 0.0
    rows: int = 0
    held_s: float = 0.0
    waited_s: float = 0.0
    connects: int = 0
    repeats: dict[str, int] = field(default_factory=dict[str, int])
    held: dict[int, tuple[Any, Any, float]] = field(default_factory=dict[int, tuple[Any, Any, float]])
    """The pool, the connection and since when, by the connection's identity."""
    opened: list[Any] = field(default_factory=list[Any])

    def count(self, query: object, seconds: float) -> None:
        self.statement_s += seconds
        text = fingerprint(query)
        if _CONTROL.match(text):
            return
        self.statements += 1
        if text in self.repeats or len(self.repeats) < MOST_FINGERPRINTS:
            self.repeats[text] = self.repeats.get(text, 0) + 1

    @property
    def most_repeated(self) -> tuple[str, int]:
        return max(self.repeats.items(), key=lambda each: each[1], default=("", 0))

    @property
    def kept(self) -> int:
        """Connections that it took or opened and neither gave back nor closed."""
        return len(self.held) + sum(not each.closed for each in self.opened)

    async def take_back(self) -> int:
        """Gives back what it kept, so that the application can be measured further; how many there were."""
        kept = self.kept
        for pool, connection, _ in list(self.held.values()):
            if not connection.closed:
                await _done(connection.rollback())
            await _done(pool.putconn(connection))
        for connection in self.opened:
            await _done(connection.close())
        self.held.clear()
        self.opened.clear()
        return kept


async def _done(result: Awaitable[None] | None) -> None:
    """Waits for what an asynchronous pool or connection began; the others are done already."""
    if result is not None:
        await result


current: ContextVar[Tally | None] = ContextVar("flatwater_audit_tally", default=None)


@contextmanager
def tallied() -> Iterator[Tally]:
    """A tally of what is done in this block and in the tasks that it starts."""
    tally = Tally()
    token = current.set(tally)
    try:
        yield tally
    finally:
        current.reset(token)


async def settle(tally: Tally, patience_s: float) -> None:
    """Waits until the request has given back its connections, at most so long: some give back after their answer."""
    waited_s = 0.0
    while tally.kept and waited_s < patience_s:
        await asyncio.sleep(0.005)
        waited_s += 0.005
