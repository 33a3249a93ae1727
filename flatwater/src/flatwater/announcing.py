"""What a transaction makes stale, told to every process by its own commit."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import Any, Final, Literal, Protocol

import msgspec

from flatwater.queries import Query, load_queries

Way = Literal["notify", "outbox"]
"""NOTIFY, or a row in an outbox that every process reads each second: for many committing at once, and behind a pooler."""

CHANNEL: Final = "flatwater_invalidation"
MAX_PAYLOAD_BYTES: Final = 7_900
"""*Source*: PostgreSQL, NOTIFY: a payload is shorter than 8,000 bytes."""
MAX_DROPS: Final = 1_000

_queries = load_queries("flatwater")


class Drop(msgspec.Struct, frozen=True, order=True, array_like=True):
    """What to forget: one key or one tag of a cache, or all of it."""

    cache: str
    kind: Literal["all", "key", "tag"]
    what: str = ""


class Committing(Protocol):
    """A transaction that is about to be committed, in which statements can still be run (flatwater.transaction.Session is one)."""

    async def execute(self, query: Query, parameters: dict[str, Any], /) -> int: ...

    async def fetch_value(self, query: Query, parameters: dict[str, Any], /) -> Any: ...


class Announcer:
    """Tells what transactions make stale, once for each commit. Every `Database` has one, with or without caches of its own."""

    def __init__(self, way: Way) -> None:
        self.way: Way = way
        self.apply: Callable[[Iterable[Drop]], None] | None = None
        self.told = 0
        self.collapsed = 0

    async def announce(self, session: Committing, drops: set[Drop]) -> None:
        """Tells every process, in the transaction. *Cost*: one statement."""
        payload = msgspec.json.encode(sorted(drops))
        if len(payload) > MAX_PAYLOAD_BYTES:
            # Too much for one message: whole caches are forgotten then, which is never wrong, only slower.
            self.collapsed += 1
            payload = msgspec.json.encode(sorted({Drop(drop.cache, "all") for drop in drops}))
        self.told += 1
        if self.way == "notify":
            await session.fetch_value(_queries["notify"], {"channel": CHANNEL, "payload": payload.decode()})
        else:
            await session.execute(_queries["tell_outbox"], {"payload": payload.decode()})

    def committed(self, drops: set[Drop]) -> None:
        """Forgets in this process at once; its own message comes back too, which is harmless."""
        if self.apply is not None:
            self.apply(drops)
