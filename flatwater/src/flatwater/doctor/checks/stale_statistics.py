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
    was never analyzed counts from 1,000 rows, where Supabase's report begins to look. Autovacuum comes round each minute: what it analyzed within
    five is not late however much it changes, and what it never saw is a warning only where a look five minutes before saw that too (our own
    level, from healthy servers under load: benchmarks/healthy.py)."""

    late: float = 2.0
    patience_s: float = 300.0
    least_rows: int = 1_000
    name: str = NAME
    title: str = "Stale statistics"
    why: str = (
        "The planner picks plans by old counts: a scan where an index would serve, a loop where a join would."
    )

    def look(self, look: Look) -> Iterator[Finding]:
        owned = owners(look)
        tables = look.rows(queries["stale_tables"], into=_Changed)
        found = [each for table in tables for each in self._table(look, table, owned)]
        yield from found
        if not found:
            yield well(
                self,
                f"{len(tables)} tables looked at; none changed by more than twice what starts an analyze.",
                tables=len(tables),
            )

    def _table(self, look: Look, table: _Changed, owned: frozenset[str]) -> Iterator[Finding]:
        name = f"{table.schema}.{table.table_name}"
        is_late = table.changed_rows >= max(self.least_rows, table.trigger_rows * self.late)
        if table.last_at is None:
            if not is_late and table.live_rows < self.least_rows:
                return
            waits = self._was_never_seen_before(look, name)
        else:
            if not is_late or (look.at - table.last_at).total_seconds() < self.patience_s:
                return
            waits = True
        last = (
            "it was never analyzed"
            if table.last_at is None
            else f"last analyzed {table.last_at:%Y-%m-%d %H:%M}"
        )
        yield Finding(
            check=NAME,
            key=f"{NAME}/{name}",
            severity="warning" if waits and table.changed_rows >= table.live_rows / 2 else "notice",
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

    def _was_never_seen_before(self, look: Look, name: str) -> bool:
        """Whether a look long enough ago told of this table too that it was never analyzed; remembers it for the next."""
        key = f"{NAME}/never/{name}"
        look.remember(key, 1)
        return any(
            key in each.numbers and (look.at - each.at).total_seconds() >= self.patience_s
            for each in look.history
        )


CHECK = StaleStatistics()
