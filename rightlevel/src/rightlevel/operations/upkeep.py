"""What a running platform does by itself: notes which sessions were used and sweeps what has ended, in batches."""

from __future__ import annotations

import contextlib
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping
from contextlib import asynccontextmanager
from datetime import timedelta

import msgspec

from flatwater.clock import Clock
from flatwater.errors import Refused
from flatwater.pool import Database
from flatwater.queries import Query, load_queries
from flatwater.supervisor import Supervisor
from flatwater.transaction import Session
from rightlevel.operations.clean_up import CleanUp
from rightlevel.operations.history import keep_reading
from rightlevel.operations.hosts import Hosts
from rightlevel.operations.loops import LoopReport
from rightlevel.operations.months import EVERY_S as MONTHS_S
from rightlevel.operations.months import LONGEST_TURN_S as LONGEST_TURN_OF_MONTHS_S
from rightlevel.operations.months import Months
from rightlevel.operations.readings import Readings
from rightlevel.operations.sealing import seal_rounds
from rightlevel.programme.accounts import touch_sessions
from rightlevel.programme.exchange import PREVIEWED_FOR, UNDONE_WITHIN
from rightlevel.programme.forecasts import note_days

_queries = load_queries(__package__ or "")

ROUND_S = 60.0
ROUND_DAYS_S = 900.0
"""What comes in after the last look of a day counts for the next day."""
FIRST_S = 2.0
LONGEST_TURN_S = 900.0
"""A chore that takes longer hangs. Each of its statements has a deadline of its own, far below."""
DEADLINE_S = 10.0
ROWS_PER_BATCH = 10_000
MAX_BATCHES_PER_ROUND = 20
KEEP_RECEIPTS = timedelta(days=30)
KEEP_FAILURES = timedelta(days=2)
KEEP_ENDED_TOKENS = timedelta(days=365)
KEEP_IMPORTS = timedelta(days=730)
KEEP_EXPORTS = timedelta(days=730)
KEEP_DELIVERIES = timedelta(days=30)
IMPORTS_PER_BATCH = 20
"""An import may take 100,000 faults along."""
MAX_SEEN = 5_000


class SeenSessions:
    """Which sessions were used since the last round: noting one costs nothing, writing all costs one statement.

    Past MAX_SEEN between two rounds the rest are noted in the next; a session's last use may lag by a minute.
    """

    def __init__(self) -> None:
        self._ids: set[str] = set()

    def __len__(self) -> int:
        return len(self._ids)

    def note(self, session_id: str) -> None:
        if len(self._ids) < MAX_SEEN:
            self._ids.add(session_id)

    def take(self) -> list[str]:
        """The noted ids, which are forgotten here."""
        taken, self._ids = sorted(self._ids), set()
        return taken


async def sweep(database: Database, clock: Clock) -> dict[str, int]:
    """Removes what has ended or is past its time. *Cost*: batches of 10,000 rows, each its own transaction.

    *Shape*: rows removed by what they were. *Errors*: the first thing that failed, after all others were swept.
    """
    now = clock.now()
    removed: dict[str, int] = {}
    faults: list[Exception] = []
    for name, query, values, rows in (
        ("sessions", "sweep_sessions", {"now": now}, ROWS_PER_BATCH),
        ("held forms", "sweep_held_forms", {"now": now}, ROWS_PER_BATCH),
        ("receipts", "sweep_receipts", {"before": now - KEEP_RECEIPTS}, ROWS_PER_BATCH),
        ("failures", "sweep_failures", {"before": now - KEEP_FAILURES}, ROWS_PER_BATCH),
        ("tokens", "sweep_tokens", {"before": now - KEEP_ENDED_TOKENS}, ROWS_PER_BATCH),
        ("exports", "sweep_exports", {"before": now - KEEP_EXPORTS}, ROWS_PER_BATCH),
        ("import changes", "sweep_import_changes", {"before": now - UNDONE_WITHIN}, ROWS_PER_BATCH),
        ("import additions", "sweep_import_additions", {"before": now - UNDONE_WITHIN}, ROWS_PER_BATCH),
        ("import previews", "sweep_import_previews", {"before": now - PREVIEWED_FOR}, ROWS_PER_BATCH),
        ("webhook deliveries", "sweep_deliveries", {"before": now - KEEP_DELIVERIES}, ROWS_PER_BATCH),
        ("imports", "sweep_imports", {"before": now - KEEP_IMPORTS}, IMPORTS_PER_BATCH),
    ):
        try:
            removed[name] = await _sweep_one(database, _queries[query], values, rows)
        except Exception as error:  # noqa: BLE001  raised below: what fails holds up nothing else
            faults.append(error)
    if faults:
        raise faults[0]
    return removed


async def _sweep_one(
    database: Database, query: Query, values: Mapping[str, object], rows_per_batch: int
) -> int:
    total = 0
    for _ in range(MAX_BATCHES_PER_ROUND):

        async def batch(session: Session) -> int:
            return await session.execute(query, {**values, "rows_per_batch": rows_per_batch})

        removed = await database.run(batch, deadline_s=DEADLINE_S, idempotent=True)
        total += removed
        if removed < rows_per_batch:
            break
    return total


class Chore(msgspec.Struct, frozen=True):
    """Something that is done again and again. *Units*: seconds."""

    name: str
    do: Callable[[], Awaitable[object]]
    period_s: float = ROUND_S
    longest_s: float = LONGEST_TURN_S


class Upkeep:
    """The chores of a running platform, each a loop of its own: one that fails holds up no other.

    What they do is safe in any number of processes at once; what need be done once is done by the host that is elected.
    """

    def __init__(
        self,
        database: Database,
        clock: Clock,
        *,
        seen: SeenSessions,
        clean_up: CleanUp,
        readings: Readings,
        months: Months,
        report: LoopReport,
        hosts: Hosts,
    ) -> None:
        self._hosts = hosts
        self._months = months
        self._report = report
        self._database = database
        self._seen = seen
        self._clean_up = clean_up
        self._readings = readings
        self._clock = clock

    @property
    def chores(self) -> tuple[Chore, ...]:
        """What is done, and how often."""
        return (
            Chore("months", self._once(self._months.turn), MONTHS_S, LONGEST_TURN_OF_MONTHS_S),
            Chore("sessions noted", self.note_sessions),
            Chore("round sealing", lambda: seal_rounds(self._database, self._clock)),
            Chore("sweeping", self._once(lambda: sweep(self._database, self._clock))),
            Chore("round days", self._once(self.note_days), ROUND_DAYS_S),
            Chore("hosts forgotten", self._once(self._hosts.forget_silent)),
            Chore("clean-up", self._clean_up.run_if_due),
            Chore(
                "reading history",
                self._once(lambda: keep_reading(self._database, self._readings, self._clock)),
            ),
            Chore("loop report", self._report.tell),
        )

    def _once(self, do: Callable[[], Awaitable[object]]) -> Callable[[], Awaitable[object]]:
        """What is done by the host that is elected, and by no other."""

        async def turn() -> object:
            return await do() if self._hosts.is_elected else None

        return turn

    async def note_days(self) -> None:
        """Notes how far open rounds are, for the forecast of their end. *Cost*: five statements for each open round."""

        async def note(session: Session) -> int:
            return await note_days(session, self._clock)

        await self._database.run(note, deadline_s=DEADLINE_S, idempotent=True)

    async def note_sessions(self) -> None:
        """Notes which sessions were used; they are noted the next time when it fails. *Cost*: one statement."""
        ids = self._seen.take()
        if not ids:
            return

        async def touch(session: Session) -> int:
            return await touch_sessions(session, ids, self._clock.now())

        try:
            await self._database.run(touch, deadline_s=DEADLINE_S, idempotent=True)
        except BaseException:
            for each in ids:
                self._seen.note(each)
            raise

    @asynccontextmanager
    async def running(self, supervisor: Supervisor) -> AsyncIterator[None]:
        """Does every chore while the block runs, one after another at first."""
        loops = [
            supervisor.every(
                chore.name,
                chore.do,
                period_s=chore.period_s,
                first_after_s=FIRST_S + number,
                turn_s=chore.longest_s,
            )
            for number, chore in enumerate(self.chores)
        ]
        try:
            yield
        finally:
            for loop in loops:
                await loop.stop()
            with contextlib.suppress(Refused):  # what is not taken back is forgotten in a day
                await self._report.take_back()
