"""How program and database are, in numbers an operator can act on."""

from __future__ import annotations

import time
from collections.abc import Sequence
from typing import Literal

import msgspec

from flatwater.baselines import Judgement, Verdict
from flatwater.pool import Database, PoolStatistics
from flatwater.supervisor import LoopStanding
from rightlevel.operations.readings import Reading, Readings

_started = time.monotonic()

Status = Literal["ok", "warning", "busy", "critical", "down"]
"""*busy* is a full pool, or a server that takes no more connections; *down* means that the database is away, and nothing else does."""


class Health(msgspec.Struct, frozen=True):
    """One look at the whole. Sizes in bytes of PSS, times in seconds; None where it could not be looked at."""

    status: Status
    uptime_s: float
    database_answers_s: float | None
    hosts: int | None
    """How many hosts share the database. Connections are all of theirs; the service level is judged for each host."""
    connections: int | None
    program_bytes: int | None
    database_bytes: int | None
    budget_bytes: int
    pool: dict[str, float | str | dict[str, int]]
    levels: tuple[Judgement, ...]
    notes: list[str]


async def read_health(
    database: Database, readings: Readings, budget_bytes: int, loops: Sequence[LoopStanding] = ()
) -> Health:
    """What the last reading says, judged by the service levels, and which loops of this process need a look.

    *Cost*: that of a reading, at most every two seconds.
    """
    reading = await readings.take()
    judgements, pool = reading.judgements, database.statistics()
    late = [each for each in loops if each.needs_attention]
    verdicts: list[Verdict] = [each.verdict for each in judgements]
    if late:
        verdicts.append("warning")
    return Health(
        status=_status(reading, verdicts, budget_bytes, pool),
        uptime_s=round(time.monotonic() - _started, 1),
        database_answers_s=reading.answers_s,
        hosts=reading.activity.hosts if reading.activity else None,
        connections=reading.activity.connections if reading.activity else None,
        program_bytes=reading.program_bytes,
        database_bytes=reading.database_bytes,
        budget_bytes=budget_bytes,
        pool=msgspec.to_builtins(pool),
        levels=judgements,
        notes=_notes(reading, judgements, budget_bytes, pool, database.limits.waiting)
        + [_of_loop(each) for each in late],
    )


def _status(reading: Reading, verdicts: list[Verdict], budget_bytes: int, pool: PoolStatistics) -> Status:
    if reading.is_away:
        return "down"
    if "critical" in verdicts:
        return "critical"
    if reading.activity is None or _is_full(pool):
        return "busy"
    return "warning" if "warning" in verdicts or _taken(reading) > budget_bytes else "ok"


def _is_full(pool: PoolStatistics) -> bool:
    """Whether somebody waits for a connection because all are at work."""
    return pool.waiting > 0 and pool.idle == 0


def _taken(reading: Reading) -> int:
    return (reading.program_bytes or 0) + (reading.database_bytes or 0)


def _notes(
    reading: Reading,
    judgements: tuple[Judgement, ...],
    budget_bytes: int,
    pool: PoolStatistics,
    most_waiting: int,
) -> list[str]:
    notes: list[str] = []
    if reading.is_away:
        notes.append(f"the database does not answer: {reading.refusal}")
    elif reading.activity is None:
        notes.append(
            f"the database answers those who are connected, but could not be looked at: {reading.refusal}"
        )
    if _is_full(pool):
        notes.append(
            f"the pool is full: {pool.connections} connections at work, {pool.waiting} requests wait of at most {most_waiting}"
        )
    if (taken := _taken(reading)) > budget_bytes:
        notes.append(f"memory is {taken / 1e6:.0f} MB, over the budget of {budget_bytes / 1e6:.0f} MB")
    return notes + [each.sentence for each in judgements if each.verdict in ("warning", "critical")]


def _of_loop(loop: LoopStanding) -> str:
    """Which loop, and how far it is behind; what it failed with is told to operators, on their page."""
    if loop.state == "dead":
        return f"the loop {loop.name} stands still"
    return f"the loop {loop.name} missed {loop.missed_turns} turns and failed {loop.failures_in_a_row} times in a row"
