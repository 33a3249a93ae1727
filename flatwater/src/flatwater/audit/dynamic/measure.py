"""What one call takes: statements, rows, repeats, time with a connection, memory at its peak."""

from __future__ import annotations

import gc
import tracemalloc
from collections.abc import Sequence
from statistics import median

import msgspec

from flatwater.audit.dynamic.client import Answer
from flatwater.audit.dynamic.run import Run
from flatwater.audit.dynamic.tally import Tally


class Costs(msgspec.Struct, frozen=True):
    """What one call takes at the median of some, and at the most. Times in seconds, sizes in bytes."""

    statements: int
    rows: int
    repeated: str
    repeats: int
    statement_s: float
    held_s: float
    waited_s: float
    connects: int
    body_bytes: int
    largest_piece_bytes: int
    peak_bytes: int
    seconds: float


async def costs_of(run: Run, calls: int) -> Costs:
    """What a call takes: the medians of some calls, with their peak of memory traced."""
    answers: list[Answer] = []
    tallies: list[Tally] = []
    peaks: list[int] = []
    tracemalloc.start(1)
    try:
        for _ in range(calls):
            gc.collect(0)
            tracemalloc.reset_peak()
            began = tracemalloc.get_traced_memory()[0]
            answer, tally = await run.once()
            peaks.append(tracemalloc.get_traced_memory()[1] - began)
            answers.append(answer)
            tallies.append(tally)
    finally:
        tracemalloc.stop()
    text, repeats = max((tally.most_repeated for tally in tallies), key=lambda each: each[1])
    return Costs(
        statements=_middle([tally.statements for tally in tallies]),
        rows=_middle([tally.rows for tally in tallies]),
        repeated=text,
        repeats=repeats,
        statement_s=median(tally.statement_s for tally in tallies),
        held_s=median(tally.held_s for tally in tallies),
        waited_s=median(tally.waited_s for tally in tallies),
        connects=_middle([tally.connects for tally in tallies]),
        body_bytes=_middle([answer.body_bytes for answer in answers]),
        largest_piece_bytes=max(answer.largest_piece_bytes for answer in answers),
        peak_bytes=max(peaks),
        seconds=median(answer.seconds for answer in answers),
    )


def _middle(values: Sequence[int]) -> int:
    return round(median(values))
