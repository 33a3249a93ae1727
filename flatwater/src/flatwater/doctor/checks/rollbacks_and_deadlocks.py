"""Transactions that fail: rolled back, in deadlock, or in the way of a replica; and pages that don't hold their checksum."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Final

from msgspec import Struct

from flatwater.doctor.catalog import queries
from flatwater.doctor.checks.temp_files import Counts
from flatwater.doctor.look import Look
from flatwater.doctor.model import Cure, Finding
from flatwater.doctor.relations import well

NAME: Final = "rollbacks_and_deadlocks"


class RollbacksAndDeadlocks(Struct, frozen=True):
    """*Source*: a tenth of transactions rolled back, and 5 deadlocks a minute, as the exporter's alerts have them; any broken page,
    as check_postgres has it. A rate is judged since the look before, where there was one. Rollbacks are a notice: SQLAlchemy ends each
    session that only read by one, so that a healthy service has three in four (benchmarks/healthy.py), and the server doesn't tell them from failures."""

    rollback_share: float = 0.10
    least_transactions: int = 1_000
    deadlocks_a_minute: float = 5.0
    name: str = NAME
    title: str = "Rollbacks and deadlocks"
    why: str = "Work that is done twice, or given up, takes connections and time like work that counts."

    def look(self, look: Look) -> Iterator[Finding]:
        now = look.rows(queries["database_counts"], into=Counts)[0]
        numbers = {"commits": now.commits, "rollbacks": now.rollbacks, "deadlocks": now.deadlocks}
        for name, value in numbers.items():
            look.remember(f"{NAME}/{name}", value)
        since_at, window = now.since_at, "since the statistics began"
        before = look.previous
        kept = {} if before is None else {name: before.numbers.get(f"{NAME}/{name}") for name in numbers}
        if before is not None and all(
            kept[name] is not None and (kept[name] or 0) <= value for name, value in numbers.items()
        ):
            numbers = {name: value - int(kept[name] or 0) for name, value in numbers.items()}
            since_at, window = before.at, "since the look before"
        minutes = max((look.at - since_at).total_seconds() / 60, 1.0)
        found = [*self._findings(numbers, minutes, window), *self._broken(now)]
        yield from found
        if not found:
            yield well(
                self,
                f"{numbers['commits']} transactions held and {numbers['rollbacks']} were rolled back {window}; "
                f"{numbers['deadlocks']} deadlocks, {now.conflicts} conflicts with replays, 0 broken pages.",
                **numbers,
            )

    def _findings(self, numbers: dict[str, int], minutes: float, window: str) -> Iterator[Finding]:
        total = numbers["commits"] + numbers["rollbacks"]
        share = numbers["rollbacks"] / max(total, 1)
        if total >= self.least_transactions and share >= self.rollback_share:
            yield Finding(
                check=NAME,
                key=f"{NAME}/rollbacks",
                severity="notice",
                saw=f"{share:.0%} of {total} transactions {window} were rolled back.",
                why=self.why,
                cures=(
                    Cure(
                        explanation="Where SQLAlchemy, or another pool that ends what was read by a ROLLBACK, is in use, this is as it should be. Else the server's log has their errors (log_min_error_statement = error). Looking for a conflict by letting an insert fail is the usual one: use on conflict."
                    ),
                ),
                numbers={"share": round(share, 3), "transactions": total},
            )
        rate = numbers["deadlocks"] / minutes
        if rate >= self.deadlocks_a_minute:
            yield Finding(
                check=NAME,
                key=f"{NAME}/deadlocks",
                severity="warning",
                saw=f"{numbers['deadlocks']} deadlocks {window}, {rate:.1f} a minute.",
                why=self.why,
                cures=(
                    Cure(
                        explanation="Take locks in one order everywhere (by key), and all rows of a batch in one statement sorted by it; the log tells both sides of each deadlock."
                    ),
                ),
                numbers={"deadlocks": numbers["deadlocks"], "a_minute": round(rate, 2)},
            )

    def _broken(self, now: Counts) -> Iterator[Finding]:
        if now.broken_pages:
            yield Finding(
                check=NAME,
                key=f"{NAME}/broken pages",
                severity="critical",
                saw=f"{now.broken_pages} pages did not hold their checksum.",
                why="The disk, its controller or memory changed what was written; rows may be lost.",
                cures=(
                    Cure(
                        explanation="Take a backup now beside the last good one, not over it. Find the table in the server's log; look at the disk; then restore, or move the database to another machine."
                    ),
                ),
                numbers={"broken_pages": now.broken_pages},
            )


CHECK = RollbacksAndDeadlocks()
