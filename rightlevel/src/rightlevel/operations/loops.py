"""How every loop of this process fares, told to the database each minute, where the doctor of any process reads it."""

from __future__ import annotations

import os
import socket
from datetime import timedelta
from typing import Final

import msgspec

from flatwater.clock import Clock
from flatwater.pool import Database
from flatwater.queries import load_queries
from flatwater.supervisor import LoopStanding, Supervisor
from flatwater.transaction import Session

_queries = load_queries(__package__ or "", "loops.sql")

EVERY_S: Final = 60.0
DEADLINE_S: Final = 5.0
FORGOTTEN: Final = timedelta(days=1)
"""A process that has told nothing for so long is none any more."""


class LoopReport:
    """Tells and, at the end, takes back what one process says of its loops."""

    def __init__(self, database: Database, supervisor: Supervisor, clock: Clock) -> None:
        self._database = database
        self._supervisor = supervisor
        self._began_at = clock.now()
        self._process = {"host": socket.gethostname()[:200], "process_id": os.getpid()}

    async def tell(self) -> None:
        """Says how each loop fares, and forgets processes that have told nothing for a day. *Cost*: two short statements."""
        told = [_told(each) for each in self._supervisor.standings() if each.state != "ended"]
        values = {**self._process, "began_at": self._began_at, "loops": msgspec.json.encode(told).decode()}

        async def tell(session: Session) -> None:
            await session.execute(_queries["tell_loops"], values)
            await session.execute(
                _queries["forget_loops"],
                {**self._process, "names": [each["name"] for each in told], "forgotten": FORGOTTEN},
            )

        await self._database.run(tell, deadline_s=DEADLINE_S, idempotent=True)

    async def take_back(self) -> None:
        """This process ends: it tells nothing more."""

        async def take(session: Session) -> None:
            await session.execute(
                _queries["forget_loops"], {**self._process, "names": [], "forgotten": FORGOTTEN}
            )

        await self._database.run(take, deadline_s=DEADLINE_S, idempotent=True)


def _told(standing: LoopStanding) -> dict[str, object]:
    return {
        "name": standing.name[:200],
        "period_s": standing.period_s,
        "state": standing.state,
        "turns": standing.turns,
        "failures": standing.failures,
        "failures_in_a_row": standing.failures_in_a_row,
        "missed_turns": standing.missed_turns,
        "last_success_at": standing.last_success_at,
        "last_error": standing.last_error,
    }
