"""Pages as PDF, by WeasyPrint in a process of its own with bounds on memory and time: the service never loads it."""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncIterator, Callable
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from pathlib import Path
from typing import Final

import msgspec

from flatwater.child_process import run_program
from flatwater.errors import Refused
from rightlevel.programme.errors import ProgrammeError

PROGRAM: Final = str(Path(__file__).with_name("printing_program.py"))
MOST_BYTES: Final = 256_000_000
"""What the program may take at most, however much is free; a pack of 24 pages takes 72 MB."""
LEAST_BYTES: Final = 48_000_000
"""What has to be free of the memory budget before it is begun. *Source*: 46 MB for a pack of few pages beside a country of a million children, 7 of them the
files of libraries, 2026-12-01; begun with 42 free, it took the whole to 159 of 150."""
FILES_BYTES: Final = 7_000_000
"""What it has of the files of libraries, which its bound does not count."""
STACKS_BYTES: Final = 37_000_000
"""What its threads reserve and never write to, which the bound counts: stacks of 8 MB, of two threads to four beside
the first (seen in eight runs; which of them live at once is not the same each time)."""
WAITS_S: Final = 14.0
"""So long a PDF waits for room, which comes when others end, and when connections begin anew: every ten seconds at most (`operations/room.py`)."""
LOOKS_EVERY_S: Final = 3.0
CPU_S: Final = 30
PRINT_S: Final = 40.0
MOST_PDF_BYTES: Final = 32_000_000
"""More is no pack: what is made is held in the service's memory while it is sent."""
MOST_WAITING: Final = 4
NO_LIBRARY: Final = 3
"""How the program ends where the system has no Pango."""
NO_MEMORY: Final = 4
"""How it ends where its memory was not enough, unless a library ended it."""
Room = Callable[[int, int], AbstractAsyncContextManager[int | None]]
"""Room in the memory budget for so many bytes at least and at most (`operations.room.Room.beside`)."""


class PdfUnavailable(ProgrammeError):
    """This server can't make PDF: its system lacks the library Pango (on Debian: libpango-1.0-0 and libpangoft2-1.0-0). Print the page instead."""

    code = "pdf_unavailable"


class PdfTooLarge(ProgrammeError):
    """This is too much for one PDF. Please choose a smaller place, or print the page."""

    code = "pdf_too_large"


class NoRoomToPrint(Refused):
    """This server has too little memory free for a PDF at this moment. Please print the page instead, or try again in some minutes."""

    code = "no_room_to_print"
    retry_after_s = 120.0


class PrintersBusy(Refused):
    """Others are having PDFs made at this moment. Please try again in a minute."""

    code = "printers_busy"
    retry_after_s = 30.0


class Printer:
    """Makes PDFs, one at a time; few wait."""

    def __init__(
        self, program: str = PROGRAM, *, waits_s: float = WAITS_S, looks_every_s: float = LOOKS_EVERY_S
    ) -> None:
        self._program = program
        self._waits_s = waits_s
        self._looks_every_s = looks_every_s
        self._one_at_a_time = asyncio.Semaphore(1)
        self._waiting = 0

    def require_room(self) -> None:
        """Passes where not too many wait. *Errors*: PrintersBusy."""
        if self._waiting > MOST_WAITING:
            raise PrintersBusy

    async def print(self, html: str, css: str, room: Room | None = None) -> bytes:
        """The page as PDF. Nothing outside it is fetched. With `room` the program gets no more memory than is free of the budget.

        *Errors*: PrintersBusy, NoRoomToPrint once it has waited for room, PdfUnavailable, PdfTooLarge. *Cost*: one process for some seconds.
        """
        self.require_room()
        self._waiting += 1
        content = msgspec.json.encode({"html": html, "css": css})
        gives_up_at_s = time.monotonic() + self._waits_s
        try:
            async with self._one_at_a_time:
                while True:
                    # Room is asked for anew at each look: while it is promised, nothing is freed for it, and others are refused.
                    async with (room or unbounded)(LEAST_BYTES, MOST_BYTES) as granted:
                        if granted is None or granted >= LEAST_BYTES:
                            return await self._run(content, _bound(granted))
                    if time.monotonic() + self._looks_every_s > gives_up_at_s:
                        raise NoRoomToPrint
                    await asyncio.sleep(self._looks_every_s)
        finally:
            self._waiting -= 1

    async def _run(self, content: bytes, memory_bytes: int) -> bytes:
        words = (self._program, str(memory_bytes), str(CPU_S))
        try:
            ended = await run_program(*words, content=content, within_s=PRINT_S, most_bytes=MOST_PDF_BYTES)
        except TimeoutError as error:
            raise PdfTooLarge from error
        if ended.status == NO_LIBRARY:
            raise PdfUnavailable
        if (ended.status == NO_MEMORY or ended.status < 0) and memory_bytes < _bound(None):
            raise NoRoomToPrint  # with all that a PDF may take it might have been made
        if ended.status != 0 or ended.said is None or not ended.said.startswith(b"%PDF"):
            raise PdfTooLarge
        return ended.said


@asynccontextmanager
async def unbounded(_least: int, _most: int) -> AsyncIterator[int | None]:
    """Room without a budget."""
    yield None


def _bound(granted: int | None) -> int:
    """What the program may write to."""
    return (MOST_BYTES if granted is None else granted) - FILES_BYTES + STACKS_BYTES


PRINTER: Final = Printer()
"""The process's one."""
