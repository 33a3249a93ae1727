"""What of the memory budget is free at this moment, for work that is done in a process beside; and how room is made when there is none."""

from __future__ import annotations

import asyncio
import logging
import time
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from typing import Final, Protocol

from flatwater.allocator import forget_files, give_memory_back

log = logging.getLogger("rightlevel.operations")

EVERY_S: Final = 15.0
FORGET_SHARE: Final = 0.75
"""Of the budget: above it what was read of libraries is let go at each look, 2 to 3 MB that come back as they are needed. *Cost*: some 5 ms of the loop."""
FULL_SHARE: Final = 0.85
"""Of the budget: above it room is made before anybody asks."""
RELIEVE_EVERY_S: Final = 60.0
RELIEVE_FOR_WORK_EVERY_S: Final = 10.0
"""Where something waits for the room, instead of nobody."""
SETTLES_S: Final = 0.3
"""So long the server's processes take to end when their connections were closed."""


class Connections(Protocol):
    """What can have its connections replaced by fresh ones, and be told to keep them small for a while."""

    keeps_small: bool

    async def renew(self) -> None: ...


class Room:
    """The whole of program and own server beside the budget, weighed as if they were alone on the machine: so is the budget promised, and others who run the
    same programs don't make it larger. Where memory can't be read nothing is known, and nobody is refused for it.

    *Cost*: a look some 30 ms beside the loop, the kernel walking the pages of a dozen processes.
    """

    def __init__(self, budget_bytes: int, weigh: Callable[[], int | None], connections: Connections) -> None:
        """`weigh`: what all of it takes (`flatwater.monitors.weigh_alone`); called in a thread."""
        self._budget_bytes = budget_bytes
        self._weigh = weigh
        self._connections = connections
        self._relieved_at_s = float("-inf")
        self._promised_bytes = 0
        """To what works beside at this moment: it has not taken it yet when the next asks."""
        self.reliefs = 0

    def free_bytes(self) -> int | None:
        """What the budget leaves beside program, server and what works beside (less than nothing where they are over it); None where it can't be told."""
        whole = self._weigh()
        return None if whole is None else self._budget_bytes - whole - self._promised_bytes

    async def make(self, wanted_bytes: int, *, every_s: float = RELIEVE_FOR_WORK_EVERY_S) -> int | None:
        """The same, after room was made where there was less than wanted: connections begin anew, for a server's process keeps whatever it has looked
        up; and where that was not enough, freed memory is given back, and what was read of libraries. *Cost*: 0.4 s, a tenth of it on the loop, at most
        once in `every_s`.
        """
        free = await asyncio.to_thread(self.free_bytes)
        if free is None or free >= wanted_bytes or not self._may_relieve(every_s):
            return free
        self.reliefs += 1
        await self._connections.renew()
        await asyncio.sleep(SETTLES_S)
        now = await asyncio.to_thread(self.free_bytes)
        if now is not None and now < wanted_bytes:
            give_memory_back()
            forget_files()
            now = await asyncio.to_thread(self.free_bytes)
        log.info("made room: %s bytes free of the memory budget before, %s after", free, now)
        return now

    @asynccontextmanager
    async def beside(self, least_bytes: int, most_bytes: int = 0) -> AsyncIterator[int | None]:
        """Room for a process beside while the block runs: how much it may take, `most_bytes` at most. Less than `least_bytes` where there is no more: then the
        caller says whether it goes on. None where nothing is known.
        """
        free = await self.make(least_bytes)
        granted = None if free is None else min(free, max(least_bytes, most_bytes))
        promised = max(least_bytes, granted or 0)
        self._promised_bytes += promised
        self._connections.keeps_small = granted is not None
        try:
            yield granted
        finally:
            self._promised_bytes -= promised
            if not self._promised_bytes:
                self._connections.keeps_small = False

    def _may_relieve(self, every_s: float) -> bool:
        now_s = time.monotonic()
        if now_s - self._relieved_at_s < every_s:
            return False
        self._relieved_at_s = now_s
        return True

    async def look(self) -> None:
        """Lets go of what was read of libraries where little is free, and makes room where the whole has come near its budget, once a minute at most."""
        free = await asyncio.to_thread(self.free_bytes)
        if free is not None and free < self._budget_bytes * (1 - FORGET_SHARE):
            forget_files()
            await self.make(
                self._budget_bytes - int(self._budget_bytes * FULL_SHARE), every_s=RELIEVE_EVERY_S
            )
