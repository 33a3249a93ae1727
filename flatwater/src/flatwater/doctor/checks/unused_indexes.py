"""Unused indexes: written with every row and read by nobody, judged only over a window that is long enough."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import datetime
from typing import Final

from msgspec import Struct

from flatwater.doctor.catalog import queries
from flatwater.doctor.look import Look
from flatwater.doctor.model import Cure, Finding, NotExamined
from flatwater.doctor.processes import in_words
from flatwater.doctor.relations import create_again, days, drop_index, well

NAME: Final = "unused_indexes"
MAX_NAMED: Final = 5
"""Indexes that are named before the window is long enough to judge them."""


class _Counted(Struct, frozen=True):
    since_at: datetime
    replicas: int


class _Index(Struct, frozen=True):
    schema: str
    table_name: str
    name: str
    size_bytes: int
    scans: int
    definition: str
    last_used_at: datetime | None
    columns: int


class UnusedIndexes(Struct, frozen=True):
    """*Source*: 1 MiB and under 20 scans as pg-extras' diagnose has them; the day of the last use (from 16 on) as
    check_pgactivity judges since 2026. A window of 35 days holds every month's end (our own level: a report that runs once a
    month needs its index)."""

    fewest_scans: int = 20
    least_bytes: int = 1 << 20
    least_days: float = 35.0
    unused_days: int = 90
    name: str = NAME
    title: str = "Unused indexes"
    why: str = "Every write keeps it up to date, it takes memory and backup, and it keeps updates from being cheap ones."

    def look(self, look: Look) -> Iterator[Finding]:
        counted = look.rows(queries["statistics_age"], into=_Counted)[0]
        window = days(counted.since_at, look.at)
        query = queries["unused_indexes"].plus("last_use" if look.version >= 160_000 else "no_last_use")
        parameters = {"fewest_scans": self.fewest_scans, "unused_days": self.unused_days}
        used = {name: value for name, value in parameters.items() if name in query.parameters}
        indexes = [
            each for each in look.rows(query, used, into=_Index) if each.size_bytes >= self.least_bytes
        ]
        if window < self.least_days:
            raise NotExamined(self._too_early(indexes, window))
        for each in indexes:
            yield self._finding(each, window, counted.replicas)
        if not indexes:
            yield well(
                self,
                f"No index of {in_words(self.least_bytes)} or more was left unused in {window:.0f} days.",
                days=round(window, 1),
            )

    def _too_early(self, indexes: list[_Index], window: float) -> str:
        so_far = ", ".join(
            f"{each.schema}.{each.name} ({in_words(each.size_bytes)})" for each in indexes[:MAX_NAMED]
        )
        more = f" and {len(indexes) - MAX_NAMED} more" if len(indexes) > MAX_NAMED else ""
        hardly = f" Hardly read so far: {so_far}{more}." if indexes else ""
        return f"Uses are counted for {window:.1f} days only; {self.least_days:.0f} are wanted before an index is called unused.{hardly}"

    def _finding(self, index: _Index, window: float, replicas: int) -> Finding:
        last = "" if index.last_used_at is None else f", the last on {index.last_used_at:%Y-%m-%d}"
        elsewhere = f" {replicas} replicas count their own uses: ask each of them first." if replicas else ""
        return Finding(
            check=NAME,
            key=f"{NAME}/{index.schema}.{index.name}",
            severity="notice",
            saw=f"Index {index.name} of {index.schema}.{index.table_name} ({in_words(index.size_bytes)}) was read {index.scans} times in "
            f"{window:.0f} days{last}.{elsewhere}",
            why=self.why,
            cures=(
                Cure(
                    sql=drop_index(index.schema, index.name),
                    undo=create_again(index.definition),
                    explanation="It may still be wanted for something rarer than the window, or by a replica. Building it again takes a "
                    "full read of the table.",
                ),
            ),
            numbers={"size_bytes": index.size_bytes, "scans": index.scans, "days": round(window, 1)},
        )


CHECK = UnusedIndexes()
