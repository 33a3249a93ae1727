"""Files on their way out: a few at once, the rest wait their turn, each read in one snapshot and sent as fast as its client takes it.

A task of its own reads, so that the database works while the client takes what came before; between the two wait at most four blocks. A client
that leaves, or takes nothing for a minute, ends the reading: its statement is cancelled and its connection given back.
"""

from __future__ import annotations

import asyncio
import hashlib
import logging
from collections.abc import AsyncIterator, Callable
from datetime import datetime
from typing import Any, Final

from flatwater.clock import Clock, today
from flatwater.errors import Refused
from flatwater.pool import Database
from flatwater.supervisor import beside
from flatwater.transaction import CopiedBlock, Session
from rightlevel.operations.replica import Replica
from rightlevel.operations.signing_key import signing_key
from rightlevel.programme.exports import (
    WRITERS,
    Ended,
    ExportAsk,
    FileWriter,
    ODataFile,
    ODataPage,
    PageReading,
    Part,
    Reading,
    SheetBegun,
    end_export,
    moment,
)
from rightlevel.programme.permissions import Actor

log = logging.getLogger("rightlevel.operations.exports")

EXPORT_S: Final = 1_800.0
STALL_S: Final = 60.0
SHORT_S: Final = 10.0
MOST_WAITING: Final = 32
BLOCKS_AHEAD: Final = 4
SEND_BYTES: Final = 64 * 1024
KEY_NAME: Final = "exports"


class ExportsBusy(Refused):
    """Many files are being taken already. Please try again in a minute."""

    code = "exports_busy"
    retry_after_s = 60.0


class TooSlow(Refused):
    """The file was not taken fast enough, and ends here. Please try again."""

    code = "export_too_slow"


class Exports:
    """The files that are being taken from this process. At least two connections are left to everything else, where there are three."""

    def __init__(
        self, database: Database, clock: Clock, key: bytes, at_once: int, *, replica: Replica | None = None
    ) -> None:
        self._database = database
        self._replica = replica or Replica(database, "", database.limits, clock)
        self._clock = clock
        self._key = key
        self._turns = asyncio.Semaphore(at_once)
        self._here = 0

    @property
    def here(self) -> int:
        """How many files are being taken or wait for their turn."""
        return self._here

    def require_room(self) -> None:
        """Passes unless too many wait already. *Errors*: ExportsBusy."""
        if self._here >= MOST_WAITING:
            raise ExportsBusy

    async def stream(
        self, actor: Actor, export_id: str, ask: ExportAsk, page: ODataPage | None = None
    ) -> AsyncIterator[bytes]:
        """The bytes of a file that was begun, or of a page of it; how it ended is written down, also where its client leaves.

        *Errors*: ExportsBusy; what ends the reading. *Cost*: one connection for as long as the file is read; memory that does not grow with it.
        """
        self.require_room()
        self._here += 1
        sending = _Sending(ask, page)
        try:
            async for content in sending.blocks(self._replica, self._turns, actor, self._key, self._clock):
                yield content
        except (asyncio.CancelledError, GeneratorExit):
            sending.state = "stopped"
            raise
        except Exception:
            sending.state = "failed"
            raise
        finally:
            self._here -= 1
            await asyncio.shield(beside(self._end(export_id, sending), name="rightlevel export end"))

    async def _end(self, export_id: str, sending: _Sending) -> None:
        ended, now = sending.ended(), self._clock.now()

        async def end(session: Session) -> None:
            await end_export(session, export_id, ended, now)

        try:
            await self._database.run(end, deadline_s=SHORT_S, idempotent=True)
        except Refused as error:
            # The file is gone out; its manifest says that it runs until it is too old to.
            log.error("it could not be written down how export %s ended: %s", export_id, error)


class _Sending:
    """One file on its way."""

    def __init__(self, ask: ExportAsk, page: ODataPage | None = None) -> None:
        self.state: Any = "stopped"
        self._ask = ask
        self._page = page
        self._digest = hashlib.sha256()
        self._bytes = 0
        self._reading: Reading | PageReading | None = None
        self._as_of: datetime | None = None

    def ended(self) -> Ended:
        """How it ended."""
        reading, is_done = self._reading, self.state == "done"
        return Ended(
            self.state,
            rows_sent=reading.rows if reading else 0,
            bytes_sent=self._bytes,
            as_of=self._as_of,
            sha256=self._digest.hexdigest() if is_done else None,
            counts=reading.counts if reading and is_done else {},
        )

    async def blocks(
        self, replica: Replica, turns: asyncio.Semaphore, actor: Actor, key: bytes, clock: Clock
    ) -> AsyncIterator[bytes]:
        """What is sent, in blocks. A turn ends with the reading: who takes the last blocks slowly keeps nobody waiting."""
        ahead: asyncio.Queue[bytes | None] = asyncio.Queue(BLOCKS_AHEAD)

        async def read() -> None:
            async with turns, replica.snapshot(deadline_s=EXPORT_S) as session:
                self._as_of = await moment(session)
                file: FileWriter
                if self._page is None:
                    reading = Reading(session, actor, self._ask, key=key, today=today(clock))
                    parts, file = reading.parts(), WRITERS[self._ask.format]()
                else:
                    reading = PageReading(session, actor, self._ask, self._page)
                    parts, file = (
                        reading.parts(key=key, today=today(clock)),
                        ODataFile(self._page, reading.state),
                    )
                self._reading = reading
                async for content in _written(parts, file):
                    await _put(ahead, content)
            await _put(ahead, None)

        reader = beside(read(), name="rightlevel export")
        try:
            while (content := await _next(ahead, reader)) is not None:
                self._digest.update(content)
                self._bytes += len(content)
                yield content
            self.state = "done"
        finally:
            reader.cancel()
            await asyncio.wait([reader])


async def _put(ahead: asyncio.Queue[bytes | None], content: bytes | None) -> None:
    try:
        async with asyncio.timeout(STALL_S):
            await ahead.put(content)
    except TimeoutError as error:
        raise TooSlow from error


async def _next(ahead: asyncio.Queue[bytes | None], reader: asyncio.Task[None]) -> bytes | None:
    """The next block. *Errors*: what ended the reader, after what it had read."""
    if ahead.empty() and not reader.done():
        waiting = beside(ahead.get(), name="rightlevel export block")
        try:
            await asyncio.wait([waiting, reader], return_when=asyncio.FIRST_COMPLETED)
            if waiting.done():
                return waiting.result()
        finally:
            waiting.cancel()
    if not ahead.empty():
        return ahead.get_nowait()
    reader.result()
    raise RuntimeError("an export ended without its end")


async def _written(parts: AsyncIterator[Part], file: FileWriter) -> AsyncIterator[bytes]:
    """The bytes of a file, in pieces worth sending. What takes a processor's time is done in a thread."""
    is_text = isinstance(file, WRITERS["csv"] | WRITERS["jsonl"] | ODataFile)  # type: ignore[operator]
    held: list[bytes] = []
    size = 0
    async for part in parts:
        made = _of(file, part)
        content = made() if is_text else await asyncio.to_thread(made)
        held.append(content)
        size += len(content)
        if size >= SEND_BYTES:
            yield b"".join(held)
            held, size = [], 0
    held.append(file.end())
    yield b"".join(held)


def _of(file: FileWriter, part: Part) -> Callable[[], bytes]:
    if isinstance(part, SheetBegun):
        return lambda: file.sheet(part.name, part.columns)
    if isinstance(part, CopiedBlock):
        return lambda: file.block(part.content)
    return lambda: file.rows(part.cells)


async def open_exports(database: Database, clock: Clock, replica: Replica | None = None) -> Exports:
    """The files of a platform, with the key of its pseudonyms; read on the replica where one is named."""
    at_once = max(1, database.limits.connections - 2)
    return Exports(database, clock, await signing_key(database, KEY_NAME), at_once, replica=replica)
