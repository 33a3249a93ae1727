"""How program and database are, in numbers an operator can act on."""

from __future__ import annotations

import os
import time
from pathlib import Path
from typing import Literal

import msgspec

from flatwater.errors import Refused
from flatwater.pool import Database
from flatwater.queries import load_queries
from rightlevel.database.server import Server

_queries = load_queries(__package__ or "")
_started = time.monotonic()
DEADLINE_S = 2.0


class Health(msgspec.Struct, frozen=True):
    """One look at the whole. Sizes in bytes of PSS, times in seconds; None where it could not be looked at."""

    status: Literal["ok", "warning", "down"]
    uptime_s: float
    database_answers_s: float | None
    connections: int | None
    program_bytes: int | None
    database_bytes: int | None
    budget_bytes: int
    pool: dict[str, float]
    notes: list[str]


async def read_health(database: Database, server: Server, budget_bytes: int) -> Health:
    """Asks the database one small question over the operations connection and reads PSS where it is local.

    *Cost*: one statement, one file read a process; bounded by 2 s.
    """
    notes: list[str] = []
    began = time.monotonic()
    connections: int | None = None
    answers_s: float | None = None
    try:
        async with database.operations(deadline_s=DEADLINE_S) as session:
            connections = await session.fetch_value(_queries["count_connections"], {})
            answers_s = round(time.monotonic() - began, 4)
    except Refused as refused:
        notes.append(f"the database does not answer: {refused}")
    program = pss_bytes([os.getpid()])
    server_bytes = pss_bytes(server.process_ids()) if server.is_private else None
    total = (program or 0) + (server_bytes or 0)
    if total > budget_bytes:
        notes.append(f"memory is {total / 1e6:.0f} MB, over the budget of {budget_bytes / 1e6:.0f} MB")
    if program is None:
        notes.append("memory not examined: this system has no /proc/PID/smaps_rollup")
    return Health(
        status="down" if answers_s is None else "warning" if total > budget_bytes else "ok",
        uptime_s=round(time.monotonic() - _started, 1),
        database_answers_s=answers_s,
        connections=connections,
        program_bytes=program,
        database_bytes=server_bytes,
        budget_bytes=budget_bytes,
        pool=msgspec.to_builtins(database.statistics()),
        notes=notes,
    )


def pss_bytes(process_ids: list[int]) -> int | None:
    """The proportional memory of some processes together; shared pages count once. None where the system can't tell."""
    total = 0
    for process_id in process_ids:
        try:
            rollup = Path(f"/proc/{process_id}/smaps_rollup").read_text()
        except ProcessLookupError:
            continue
        except (FileNotFoundError, PermissionError):
            if not Path("/proc/self/smaps_rollup").exists():
                return None
            continue
        total += next(int(line.split()[1]) for line in rollup.splitlines() if line.startswith("Pss:")) * 1024
    return total
