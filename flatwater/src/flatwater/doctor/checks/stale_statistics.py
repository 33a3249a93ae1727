"""Stale statistics: tables the planner knows too little about."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import datetime
from typing import Final

from msgspec import Struct

from flatwater.doctor.catalog import queries
from flatwater.doctor.look import Look
from flatwater.doctor.model import Cure, Finding
from flatwater.doctor.quoting import identifier
from flatwater.doctor.relations import owners, well

NAME: Final = "stale_statistics"


class _Changed(Struct, frozen=True):
    schema: str
    table_name: str
    owner: str
    changed_rows: int
    live_rows: int
    trigger_rows: float
    last_at: datetime | None


class StaleStatistics(Struct, frozen=True):
    """*Source*: due is what the server's own settings say (50 rows and a tenth of the table); late is twice that. A table that
    was never analyzed counts from 1,000 rows, where Supabase's report begins to look."""

    late: float = 2.0
    least_rows: int = 1_000
    name: str = NAME
    title: str = "Stale statistics"
    why: str = (
        "The planner picks plans by old counts: a scan where an index would serve, a loop where a join would."
    )

    def look(self, look: Look) -> Iterator[Finding]:
        owned = owners(look)
        tables = look.rows(queries["stale_tables"], into=_Changed)
        found = [each for table in tables for each in self._table(table, owned)]
        yield from found
        if not found:
            yield well(
                self,
                f"{len(tables)} tables looked at; none changed by more than twice what starts an analyze.",
                tables=len(tables),
            )

    def _table(self, table: _Changed, owned: frozenset[str]) -> Iterator[Finding]:
        never = table.last_at is None
        is_late = table.changed_rows >= max(self.least_rows, table.trigger_rows * self.late)
        if not is_late and not (never and table.live_rows >= self.least_rows):
            return
        name = f"{table.schema}.{table.table_name}"
        last = (
            "it was never analyzed"
            if table.last_at is None
            else f"last analyzed {table.last_at:%Y-%m-%d %H:%M}"
        )
        yield Finding(
            check=NAME,
            key=f"{NAME}/{name}",
            severity="warning" if table.changed_rows >= table.live_rows / 2 else "notice",
            saw=f"{table.changed_rows} rows of {name} changed (it has {table.live_rows}) and {last}.",
            why=self.why,
            cures=(
                Cure(
                    sql=f"analyze {identifier(table.schema, table.table_name)};",
                    is_safe=table.owner in owned,
                    undo="none is needed; it changes no row",
                    explanation="Reads a sample of the table beside readers and writers.",
                ),
            ),
            numbers={"changed_rows": table.changed_rows, "live_rows": table.live_rows},
        )


CHECK = StaleStatistics()
