"""Results of a file: a row tells of a child in a round what it could do, in one subject or both.

The one judge of results judges them, as it does what is entered on a phone, and saves them: the file is a way in and no way around. So a round
that is not open, a lock, or an agreed re-test is gone past only with a reason, of a coordinator, row by row.
"""

from __future__ import annotations

from collections.abc import Sequence
from contextlib import AbstractAsyncContextManager
from datetime import date
from typing import Any, Final

import msgspec

from flatwater.clock import Clock
from flatwater.queries import load_queries
from flatwater.transaction import Session
from rightlevel.programme.errors import Conflict
from rightlevel.programme.exchange.fault_file import MOST_KEPT
from rightlevel.programme.exchange.model import ImportCollided
from rightlevel.programme.ids import time_ordered_id
from rightlevel.programme.permissions import Actor
from rightlevel.programme.results import (
    BY_FILE,
    MAX_WRITES,
    OVERRIDABLE,
    ResultAnswer,
    ResultWrite,
    enter_results,
    judge_results,
)

_queries = load_queries(__package__ or "", "result_rows.sql")
MOST_RESULTS: Final = 100_000
"""Their children are held until all are saved, 17 seconds for so many; whoever tests one of them meanwhile waits, or tries again. *Source*: decision 35."""
OVERRIDE: Final = "Say why in a column reason, to save it all the same."
GOES_PAST: Final = OVERRIDABLE - {"round_frozen"}
"""The refusals that a reason of who leads goes past."""
_FIELDS: Final = {
    "date_in_future": "tested_on",
    "date_outside_round": "tested_on",
    "round_not_open": "round",
    "round_sealing": "round",
    "no_round": "round",
    "result_locked": "level",
    "verified": "level",
    "school_locked": "school_code",
}


class TooManyResults(Conflict):
    """A file takes at most 100,000 results at a time, and nothing of this one was saved. Send it in parts."""

    code = "too_many_results"


class Matched(msgspec.Struct, frozen=True):
    """How many results a file tells, and how many of its rows add to what is there or change it."""

    told: int
    rows_changed: int
    rows_new: int


class _Row(msgspec.Struct, frozen=True):
    number: int
    row_number: int
    subject: str
    outcome: str
    level: str | None
    tested_on: date
    tool: int | None
    notes: str | None
    reason: str | None
    student_id: str
    round_id: int
    version: int | None

    def as_write(self) -> ResultWrite:
        return ResultWrite(
            id=time_ordered_id(),
            student_id=self.student_id,
            round_id=self.round_id,
            subject=self.subject,
            tested_on=self.tested_on,
            outcome=self.outcome,
            level=self.level,
            tool=self.tool,
            method="import",
            notes=self.notes,
            version=self.version,
            reason=self.reason,
        )


async def make_staging(session: Session) -> None:
    """Empty tables for a file's results, which go with the transaction."""
    for name in ("make_staged_result", "make_matched_result"):
        await session.execute(_queries[name], {})


def copy_rows(session: Session) -> AbstractAsyncContextManager[Any]:
    """Takes rows into the staging table."""
    return session.copy_in(_queries["copy_staged_results"])


async def find_faults(session: Session, actor: Actor, labels: dict[str, str], clock: Clock) -> int:
    """Finds what is there of what the file tells, and what is wrong with it; how many faults there are.

    *Errors*: TooManyResults. *Cost*: a few passes over the file; two statements for every 200 results that are new or others, nothing of which stays held.
    """
    for name in (
        "analyze_staged_result",
        "resolve_staged_results",
        "match_results",
        "analyze_matched_result",
    ):
        await session.execute(_queries[name], {})
    if (await count_matched(session)).told > MOST_RESULTS:
        raise TooManyResults
    checks = (
        ("find_results_of_unknown_schools", "school_code"),
        ("find_results_of_unknown_children", "code"),
        ("find_results_of_no_round", "round"),
        ("find_repeated_results", "code"),
        ("find_half_results", "tested_on"),
    )
    count = 0
    said = msgspec.json.encode(labels).decode()
    for name, field in checks:
        values = {"column": labels.get(field, field), "labels": said, "most": MOST_KEPT}
        count += await session.fetch_value(_queries[name], values)
    await session.fetch_value(_queries["look_up_by_index"], {})
    after = 0
    while rows := await _rows(session, after):
        answers = await judge_results(
            session, actor, [row.as_write() for row in rows], clock, methods=BY_FILE
        )
        count += await _note(session, rows, answers, labels)
        after = rows[-1].number
    return count


async def _rows(session: Session, after: int) -> list[_Row]:
    values = {"after": after, "rows": MAX_WRITES}
    return await session.fetch_all(_queries["list_results_to_save"], values, into=_Row)


async def _note(
    session: Session, rows: Sequence[_Row], answers: Sequence[ResultAnswer], labels: dict[str, str]
) -> int:
    refused = [(row, answer) for row, answer in zip(rows, answers, strict=True) if not answer.is_saved]
    if not refused:
        return 0
    fields = [_field(row, answer, labels) for row, answer in refused]
    values = {
        "rows": [row.row_number for row, _ in refused],
        "columns": [labels.get(field, field) for field in fields],
        "values": [row.level or row.outcome for row, _ in refused],
        "rules": [_rule(answer) for _, answer in refused],
    }
    await session.execute(_queries["note_refused_results"], values)
    return len(refused)


def _field(row: _Row, answer: ResultAnswer, labels: dict[str, str]) -> str:
    """Which of our columns a refusal is about."""
    field = _FIELDS.get(answer.code, "code")
    own = f"{row.subject}_{field}"
    if field in ("tested_on", "level"):
        return field if field in labels and own not in labels else own
    return field


def _rule(answer: ResultAnswer) -> str:
    if answer.faults:
        return answer.faults[0].rule
    return f"{answer.message} {OVERRIDE}" if answer.code in GOES_PAST else answer.message


async def count_matched(session: Session) -> Matched:
    """What the rows that are left tell. *Cost*: one pass over the file."""
    found = await session.fetch_one(_queries["count_matched_results"], {}, into=Matched)
    return found or Matched(0, 0, 0)


async def drop_bad_rows(session: Session) -> int:
    """Takes the rows that are wrong out of what is to be saved; how many."""
    return await session.execute(_queries["drop_bad_results"], {})


async def apply_results(session: Session, actor: Actor, run_id: str, clock: Clock) -> Matched:
    """Saves what is new or changes what is there, and keeps what undoes it.

    *Errors*: ImportCollided, where somebody was faster. *Cost*: five statements for every 200 results; their children are held to the commit.
    """
    counts = await count_matched(session)
    after = 0
    while rows := await _rows(session, after):
        numbers = [row.number for row in rows if row.version is not None]
        if numbers:
            await session.execute(_queries["keep_before_results"], {"run_id": run_id, "numbers": numbers})
        reasons = {row.reason for row in rows}
        if len(reasons) > 1:
            # What is told of an override in the audit is one reason, so those of each are written by themselves; all are held first, in one order.
            await session.fetch_value(_queries["hold_children"], {"ids": [row.student_id for row in rows]})
        for reason in reasons:
            await _enter(session, actor, [row for row in rows if row.reason == reason], run_id, clock)
        after = rows[-1].number
    return counts


async def _enter(session: Session, actor: Actor, rows: Sequence[_Row], run_id: str, clock: Clock) -> None:
    writes = [row.as_write() for row in rows]
    answers = await enter_results(session, actor, writes, clock, keeps_details=True, methods=BY_FILE)
    if not all(answer.is_saved for answer in answers):
        raise ImportCollided
    added = [answer.result_id for answer in answers if answer.code == "saved"]
    if added:
        await session.execute(_queries["keep_added_results"], {"run_id": run_id, "ids": added})
