"""Long reads on a replica, where an operator names one: files that are taken out, which else read for minutes where everybody writes.

What is read there is never older than what was committed when it was asked for: the primary is asked how far it is, and the replica is used once it is
as far. One that is late, away, or no replica any more is passed over, and the primary read instead. What judges a write is never read here.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager
from typing import Final

import msgspec

from flatwater.clock import Clock
from flatwater.dsn import NotADsn, read_dsn
from flatwater.errors import Refused
from flatwater.pool import Database, Limits
from flatwater.queries import load_queries
from flatwater.transaction import Session
from rightlevel.database.errors import DatabaseProblem

log = logging.getLogger("rightlevel.operations")
_queries = load_queries(__package__ or "", "replica.sql")

CATCH_UP_S: Final = 2.0
"""So long a replica may need to be as far as the primary was; then the primary is read."""
ASK_EVERY_S: Final = 0.02
PASSED_OVER_S: Final = 15.0
"""So long one that was away or late is not asked again: whoever takes a file out waits for it once, not each time."""
SHORT_S: Final = 2.0


class Reads(msgspec.Struct):
    """Where long reads went since the start."""

    on_replica: int = 0
    on_primary: int = 0


class Replica:
    """The way to long reads: by the replica where there is one and it is as far as the primary, else by the primary.

    *Cost*: nothing where none is named. With one, two short statements a read, and its connections are closed again when they rest.
    """

    def __init__(self, primary: Database, conninfo: str, limits: Limits, clock: Clock) -> None:
        self.reads = Reads()
        self._primary = primary
        self._conninfo = conninfo
        self._limits = limits
        self._clock = clock
        self._opened: Database | None = None
        self._opening = asyncio.Lock()
        self._not_before = float("-inf")

    async def close(self) -> None:
        """Closes its connections."""
        if self._opened is not None:
            await self._opened.close()
            self._opened = None

    @asynccontextmanager
    async def snapshot(self, *, deadline_s: float) -> AsyncIterator[Session]:
        """A read-only session in which every statement sees the same moment, no earlier than this one. *Errors*: those of the primary's."""
        async with AsyncExitStack() as opened:
            session = await self._on_replica(opened, deadline_s)
            if session is None:
                self.reads.on_primary += 1
                session = await opened.enter_async_context(self._primary.snapshot(deadline_s=deadline_s))
            else:
                self.reads.on_replica += 1
            yield session

    async def _on_replica(self, opened: AsyncExitStack, deadline_s: float) -> Session | None:
        if not self._conninfo or self._clock.monotonic() < self._not_before:
            return None
        try:
            if not await self._is_as_far(await self._reached()):
                raise ReplicaLate
            return await opened.enter_async_context((await self._database()).snapshot(deadline_s=deadline_s))
        except (Refused, ReplicaLate, DatabaseProblem) as error:
            log.warning("the replica is passed over for a while: %s", error)
            self._not_before = self._clock.monotonic() + PASSED_OVER_S
            return None

    async def _database(self) -> Database:
        async with self._opening:
            if self._opened is None:
                database = Database(
                    self._conninfo,
                    limits=self._limits,
                    application_name="rightlevel replica",
                    clock=self._clock,
                )
                await database.open()
                self._opened = database
        return self._opened

    async def _reached(self) -> str:
        """How far the primary is: past every commit that anybody was told of."""
        async with self._primary.read(deadline_s=SHORT_S) as session:
            return await session.fetch_value(_queries["reached"], {})

    async def _is_as_far(self, reached: str) -> bool:
        database = await self._database()
        until = self._clock.monotonic() + CATCH_UP_S
        while True:
            async with database.read(deadline_s=SHORT_S) as session:
                if await session.fetch_value(_queries["is_as_far"], {"reached": reached}):
                    return True
            if self._clock.monotonic() > until:
                return False
            await asyncio.sleep(ASK_EVERY_S)


class ReplicaProblem(DatabaseProblem):
    """RIGHTLEVEL_REPLICA_URL can't be read, so this does not start."""


@asynccontextmanager
async def open_replica(primary: Database, url: str, limits: Limits, clock: Clock) -> AsyncIterator[Replica]:
    """The way to long reads while the block runs. One that is away now is used once it is there. *Errors*: ReplicaProblem."""
    try:
        conninfo = read_dsn(url) if url else ""
    except NotADsn as error:
        raise ReplicaProblem(f"RIGHTLEVEL_REPLICA_URL names no database: {error}") from None
    replica = Replica(primary, conninfo, limits, clock)
    try:
        yield replica
    finally:
        await replica.close()


class ReplicaLate(Exception):
    """The replica is not as far as the primary, or is no replica any more."""

    def __str__(self) -> str:
        return self.__doc__ or ""
