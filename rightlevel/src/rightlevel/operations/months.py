"""Tables that are only added to, by months: partitions made ahead, and old months taken away, after they were written to a file.

Never a failed write: where no month was made, rows go to the default partition and leave it in batches. Never a lost row: a month
whose file can't be written stays.
"""

from __future__ import annotations

import asyncio
import logging
from datetime import UTC, date, datetime, time
from pathlib import Path
from typing import Final

import msgspec

from flatwater.clock import Clock
from flatwater.pool import Database
from flatwater.queries import load_queries
from flatwater.transaction import Session
from rightlevel.operations.archive_file import Archived, ArchiveFile
from rightlevel.operations.history import KEPT as READINGS_KEPT
from rightlevel.programme.audit import write_audit

log = logging.getLogger("rightlevel.operations")
_queries = load_queries(__package__ or "", "months.sql")

EVERY_S: Final = 3_600.0
LONGEST_TURN_S: Final = 4 * 3_600.0
AUDIT: Final = "audit_entry"
READINGS: Final = "reading_history"
BY_MONTHS: Final = (AUDIT, READINGS)
MADE_AHEAD: Final = 3
"""This month's partition and the next two: upkeep may be away for two months before a row goes to the default one."""
ROWS_AT_ONCE: Final = 2_000
ROWS_PER_BATCH: Final = 10_000
DEADLINE_S: Final = 10.0
COUNT_S: Final = 120.0
"""Counting a month reads it once, while its rows rest: nobody waits for that."""


class _Month(msgspec.Struct, frozen=True):
    month: date


class _Held(msgspec.Struct, frozen=True):
    rows: int
    in_rest: int
    last_id: int


class _Line(msgspec.Struct, frozen=True):
    id: int
    line: str


class Months:
    """Makes and takes away months. Any number of processes may do it at once."""

    def __init__(
        self, database: Database, clock: Clock, folder: Path, *, audit_months: int, is_archived: bool
    ) -> None:
        self._database = database
        self._clock = clock
        self._folder = folder
        self._audit_months = audit_months
        self._is_archived = is_archived

    async def turn(self) -> list[date]:
        """Makes what is missing and takes away what is over; the months of the audit taken away. *Cost*: nine short statements if nothing is."""
        now = self._clock.now()
        this = date(now.year, now.month, 1)
        for parent in BY_MONTHS:
            for ahead in range(MADE_AHEAD):
                await self._make(parent, _months_after(this, ahead))
        await self._drop_readings(now)
        return await self._drop_audit(this) if self._audit_months else []

    async def _make(self, parent: str, month: date) -> None:
        async def make(session: Session) -> bool:
            return await session.fetch_value(_queries["make_month"], {"parent": parent, "month": month})

        if await self._database.run(make, deadline_s=DEADLINE_S, idempotent=True):
            log.info("%s has a partition for %s", parent, f"{month:%Y-%m}")

    async def _months_before(self, parent: str, before: date) -> list[date]:
        async with self._database.read(deadline_s=DEADLINE_S) as session:
            found = await session.fetch_all(
                _queries["months_before"], {"parent": parent, "before": before}, into=_Month
            )
        return [each.month for each in found]

    async def _drop_readings(self, now: datetime) -> None:
        """Readings are swept by age; a month that is over is empty by then."""
        oldest = (now - READINGS_KEPT).date().replace(day=1)
        for month in await self._months_before(READINGS, oldest):

            async def drop(session: Session, month: date = month) -> bool:
                values = {"parent": READINGS, "month": month, "counted": None}
                return await session.fetch_value(_queries["drop_month"], values)

            await self._database.run(drop, deadline_s=DEADLINE_S, idempotent=True)

    async def _drop_audit(self, this: date) -> list[date]:
        oldest = _months_after(this, -self._audit_months)
        months = set(await self._months_before(AUDIT, oldest))
        async with self._database.read(deadline_s=DEADLINE_S) as session:
            rest = await session.fetch_all(
                _queries["months_of_the_rest"], {"before": _midnight(oldest)}, into=_Month
            )
        taken = sorted(months | {each.month for each in rest})
        for month in taken:
            await self._drop_month_of_audit(month)
        return taken

    async def _drop_month_of_audit(self, month: date) -> None:
        span = {"since": _midnight(month), "until": _midnight(_months_after(month, 1))}
        async with self._database.read(deadline_s=COUNT_S) as session:
            held = await session.fetch_one(_queries["audit_of_a_month"], span, into=_Held)
        if held is None:
            raise TypeError("a count is one row")
        archived = await self._write(month, span, held) if self._is_archived and held.rows else None

        async def drop(session: Session) -> bool:
            counted = held.rows - held.in_rest
            values = {"parent": AUDIT, "month": month, "counted": counted}
            is_gone = await session.fetch_value(_queries["drop_month"], values)
            if counted and not is_gone:
                return False
            after: dict[str, object] = {"month": f"{month:%Y-%m}", "rows": held.rows}
            if archived is not None:
                after |= {"file": archived.path.name, "sha256_of_file": archived.sha256}
            await write_audit(session, None, "archive", "audit", f"{month:%Y-%m}", after=after)
            return True

        if not await self._database.run(drop, deadline_s=COUNT_S):
            log.warning(
                "the audit of %s changed while it was written, and stays until the next time",
                f"{month:%Y-%m}",
            )
            return
        await self._sweep_rest(span, held)
        log.info("the audit of %s is out of the database: %d rows", f"{month:%Y-%m}", held.rows)

    async def _write(self, month: date, span: dict[str, datetime], held: _Held) -> Archived:
        """Every row of a month in a file. *Errors*: OSError; RuntimeError when the file holds another number of rows than were counted."""
        file = ArchiveFile(self._folder, f"audit-{month:%Y-%m}")
        after_id = 0
        with file.opened():
            while True:
                async with self._database.read(deadline_s=DEADLINE_S) as session:
                    values = {**span, "after": after_id, "last": held.last_id, "rows": ROWS_AT_ONCE}
                    lines = await session.fetch_all(_queries["lines_of_a_month"], values, into=_Line)
                if not lines:
                    break
                after_id = lines[-1].id
                await asyncio.to_thread(file.write, [each.line for each in lines])
            if file.rows != held.rows:
                raise RuntimeError(
                    f"{file.rows} rows of the audit were written where {held.rows} were counted"
                )
            return await asyncio.to_thread(file.keep)

    async def _sweep_rest(self, span: dict[str, datetime], held: _Held) -> None:
        left = held.in_rest
        while left > 0:

            async def sweep(session: Session) -> int:
                values = {**span, "last": held.last_id, "rows_per_batch": ROWS_PER_BATCH}
                return await session.execute(_queries["sweep_rest"], values)

            removed = await self._database.run(sweep, deadline_s=DEADLINE_S, idempotent=True)
            if removed == 0:
                return
            left -= removed


def _months_after(month: date, months: int) -> date:
    number = month.year * 12 + month.month - 1 + months
    return date(number // 12, number % 12 + 1, 1)


def _midnight(day: date) -> datetime:
    return datetime.combine(day, time(), tzinfo=UTC)


__all__ = ["BY_MONTHS", "EVERY_S", "LONGEST_TURN_S", "Months"]
