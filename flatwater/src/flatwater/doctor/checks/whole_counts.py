"""Counts of all rows, asked with each page: the one statement of a list that is read from end to end however small the page."""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Final

from msgspec import Struct

from flatwater.doctor.catalog import queries
from flatwater.doctor.look import Look
from flatwater.doctor.model import Cure, Finding, NotExamined
from flatwater.doctor.quoting import identifier, literal, statement_shape
from flatwater.doctor.relations import graded, well

NAME: Final = "whole_counts"
INSTEAD: Final = (
    "Ask for one row more than the page holds instead, and say that there is more. Where a number is shown, an estimate will do: "
    "select reltuples::bigint from pg_class where oid = {table}::regclass. In Django a Paginator counts; give it a count of its own, or page by key."
)
_FROM: Final = re.compile(r"\bfrom\s+(?:only\s+)?(?:\"?\w+\"?\.)?\"?(\w+)\"?", re.IGNORECASE)


class _Count(Struct, frozen=True):
    id: str
    statement: str
    calls: int
    mean_ms: float
    total_ms: float


class _Table(Struct, frozen=True):
    table_name: str
    schema: str
    rows: int


class WholeCounts(Struct, frozen=True):
    """*Source*: 20 calls as for slow statements, so that a nightly report is none; 10,000 rows as missing_indexes has them; a warning where one
    takes 50 ms, a tenth of what the guard gives a whole answer."""

    least_calls: int = 20
    least_rows: int = 10_000
    warning_ms: float = 50.0
    name: str = NAME
    title: str = "Counts of all rows"
    why: str = "A count has to visit every row that is visible, so the first page of a list gets slower with the table, whatever its index."

    def look(self, look: Look) -> Iterator[Finding]:
        if not look.has_pg_stat_statements:
            raise NotExamined(
                "No statistics of statements are kept (pg_stat_statements), and a sample shows no habit."
            )
        counts = look.rows(queries["counts_of_all"], {"least_calls": self.least_calls}, into=_Count)
        named = {each.id: _FROM.search(each.statement) for each in counts}
        names = sorted({word[1] for word in named.values() if word})
        tables = look.rows(queries["rows_of_relations"], {"names": names}, into=_Table)
        largest: dict[str, _Table] = {}
        for table in tables:
            largest.setdefault(table.table_name, table)
        found = False
        for each in counts:
            word = named[each.id]
            table = largest.get(word[1]) if word else None
            if table is not None and table.rows >= self.least_rows:
                found = True
                yield self._finding(each, table)
        if not found:
            yield well(
                self,
                f"{len(counts)} statements count all rows of something {self.least_calls} times or more; none of a table of {self.least_rows} rows.",
                counts=len(counts),
            )

    def _finding(self, each: _Count, table: _Table) -> Finding:
        name = literal(identifier(table.schema, table.table_name))
        return Finding(
            check=NAME,
            key=f"{NAME}/{each.id}",
            severity=graded(each.mean_ms, notice=0, warning=self.warning_ms),
            saw=f"All of {table.schema}.{table.table_name} (about {table.rows} rows) was counted {each.calls} times, {each.mean_ms:.1f} ms each: "
            f"{statement_shape(each.statement)}",
            why=self.why,
            cures=(Cure(explanation=INSTEAD.format(table=name)),),
            numbers={"calls": each.calls, "mean_ms": round(each.mean_ms, 1), "rows": table.rows},
        )


CHECK = WholeCounts()
