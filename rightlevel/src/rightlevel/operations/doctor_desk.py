"""The doctor, asked from the running platform: one look at a time in a process of its own, kept for a minute, its safe cures applied on request."""

from __future__ import annotations

import asyncio
import logging
import time
from collections.abc import AsyncIterator, Callable
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from typing import Final

import msgspec

from flatwater.child_process import run_program
from flatwater.doctor.application_numbers import ApplicationNumbers
from flatwater.doctor.model import Finding, Snapshot
from flatwater.doctor.pool_numbers import PoolNumbers
from flatwater.pool import PoolStatistics
from flatwater.supervisor import beside
from rightlevel.operations.doctor_program import Asked, Done, Told
from rightlevel.programme.errors import Conflict

log = logging.getLogger("rightlevel.operations.doctor")

FRESH_S: Final = 60.0
LOOKS_KEPT: Final = 12
LOOK_S: Final = 10.0
"""So long a page waits for a look; the look goes on, and the next page has it."""
LONGEST_S: Final = 60.0
"""The doctor's own budget is fifteen seconds; what takes a minute hangs, and is ended."""
REST_S: Final = 3_600.0
"""Checks that were refused or slow are left out of the looks that follow for so long, as `flatwater.doctor.run` does."""
LOOK_BYTES: Final = 36_000_000
"""What its process takes, 2 MB of it the files of libraries, 5 of its connection's on the server, and a little by which others grow meanwhile. *Source*: benchmarks/README.md, "where each megabyte goes"."""
CURE_S: Final = 290.0
"""A vacuum of a large table; the route gives it 300."""
MOST_ANSWER_BYTES: Final = 4_000_000
PROGRAM: Final = "rightlevel.operations.doctor_program"


class CureGone(Conflict):
    """What this would cure is no longer there, or may not be cured from here. Look again."""

    code = "cure_gone"


class Examination(msgspec.Struct, frozen=True):
    """The last look: what deserves attention, the worst first, or why there was none."""

    findings: tuple[Finding, ...]
    refusal: str = ""


FAILED: Final = "The doctor could not look; the log says why."
STILL_LOOKING: Final = "The doctor is still looking. Load this page again in a moment."


@asynccontextmanager
async def unbounded(_wanted: int) -> AsyncIterator[int | None]:
    """Room without a budget."""
    yield None


class DoctorDesk:
    """Looks at this platform's own server. *Cost*: about a second in another process, at most once a minute; one connection meanwhile."""

    def __init__(
        self,
        conninfo: str,
        statistics: Callable[[], PoolStatistics],
        own_numbers: Callable[[], ApplicationNumbers | None] | None = None,
        *,
        is_private: bool = False,
        room: Callable[[int], AbstractAsyncContextManager[int | None]] = unbounded,
    ) -> None:
        """`room` grants room in the memory budget (`operations.room.Room.beside`)."""
        self._conninfo = conninfo
        self._statistics = statistics
        self._own_numbers = own_numbers
        self._is_private = is_private
        self._room = room
        self._turn = asyncio.Lock()
        self._looking: asyncio.Task[Examination] | None = None
        self._looks: tuple[Snapshot, ...] = ()
        self._resting: dict[str, str] = {}
        self._resting_since = float("-inf")
        self._last: Examination | None = None
        self._looked_at = float("-inf")

    async def examine(self, *, afresh: bool = False) -> Examination:
        """The last look if it is fresh, else a new one, or that it is not ready yet."""
        is_fresh = time.monotonic() - self._looked_at <= FRESH_S
        if self._last is not None and is_fresh and not afresh:
            return self._last
        if self._looking is None or self._looking.done():
            self._looking = beside(self._examine(), name="doctor's look")
        # The look is everybody's: whoever asked may leave or run out of time, and it goes on for the next.
        done, _ = await asyncio.wait({self._looking}, timeout=LOOK_S)
        return next(iter(done)).result() if done else Examination((), STILL_LOOKING)

    async def _examine(self) -> Examination:
        told = await self._ask("", "", LONGEST_S)
        if told is None:
            return Examination((), FAILED)
        if told.refusal:
            return Examination((), told.refusal)
        if told.snapshot is not None:
            self._looks = (*self._looks, told.snapshot)[-LOOKS_KEPT:]
        self._last, self._looked_at = Examination(told.findings), time.monotonic()
        return self._last

    async def cure(self, key: str, sql: str) -> Done:
        """Applies one safe cure of one finding, if a look taken now still finds it. *Errors*: CureGone."""
        self._looked_at = float("-inf")
        if not sql:
            raise CureGone
        told = await self._ask(key, sql, CURE_S)
        if told is None or told.cure is None:
            raise CureGone(told.refusal if told is not None and told.refusal else None)
        return told.cure

    async def _ask(self, key: str, sql: str, within_s: float) -> Told | None:
        """One question to a doctor of its own; None when it failed, which is in the log."""
        now = self._statistics()
        if self._resting and time.monotonic() - self._resting_since > REST_S:
            self._resting = {}
        pool = PoolNumbers({"waiting": now.waiting, "wait_s": now.wait_s}, now.waiting_routes)
        own = None if self._own_numbers is None else self._own_numbers()
        asked = Asked(
            conninfo=self._conninfo,
            history=self._looks,
            resting=self._resting,
            pool=pool,
            key=key,
            sql=sql,
            own=own,
            is_private=self._is_private,
        )
        async with self._turn:
            try:
                async with self._room(LOOK_BYTES) as granted:
                    if granted is not None and granted < LOOK_BYTES:
                        raise OSError(
                            f"it takes {LOOK_BYTES:,} bytes, and {granted:,} are free of the memory budget"
                        )
                    told = await _run(msgspec.json.encode(asked), within_s)
            except (OSError, TimeoutError, msgspec.MsgspecError) as error:
                log.warning("the doctor could not look: %s", error or type(error).__name__)
                return None
        if told is not None and not told.refusal:
            if not self._resting:
                self._resting_since = time.monotonic()
            self._resting = told.resting
        return told

    async def close(self) -> None:
        """Ends a look that is under way."""
        if self._looking is not None:
            self._looking.cancel()
            await asyncio.wait([self._looking])


async def _run(asked: bytes, within_s: float) -> Told | None:
    """What the program answers. *Errors*: OSError, TimeoutError, MsgspecError."""
    ended = await run_program(
        *("-m", PROGRAM), content=asked, within_s=within_s, most_bytes=MOST_ANSWER_BYTES, keeps_complaint=True
    )
    if ended.status != 0 or ended.said is None:
        log.warning("the doctor ended with %s: %s", ended.status, ended.complaint[-2_000:])
        return None
    return msgspec.json.decode(ended.said, type=Told)
