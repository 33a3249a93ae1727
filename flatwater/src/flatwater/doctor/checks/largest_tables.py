"""The largest tables and indexes, and what weighs more in indexes than in rows."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Final

from msgspec import Struct

from flatwater.doctor.catalog import queries
from flatwater.doctor.look import Look
from flatwater.doctor.model import Cure, Finding
from flatwater.doctor.processes import in_words

NAME: Final = "largest_tables"


class Sized(Struct, frozen=True):
    """A table with what it takes. *Units*: bytes; `rows` is the server's own estimate."""

    schema: str
    table_name: str
    table_bytes: int
    indexes_bytes: int
    rows: int
    scans: int


class _Index(Struct, frozen=True):
    schema: str
    table_name: str
    index_name: str
    index_bytes: int
    scans: int


class _Locked(Struct, frozen=True):
    tables: int


class LargestTables(Struct, frozen=True):
    """*Source*: the guard's third symptom asks for the ten largest. The rest is our own: indexes that take three times what
    their table does are more than one of each column."""

    shown: int = 10
    index_ratio: float = 3.0
    least_bytes: int = 100 << 20
    name: str = NAME
    title: str = "Largest tables and indexes"
    why: str = "Memory, backups and vacuum all follow the few largest tables."

    def look(self, look: Look) -> Iterator[Finding]:
        tables = look.rows(queries["largest_tables"], into=Sized)
        indexes = look.rows(queries["largest_indexes"], into=_Index)
        locked = look.rows(queries["locked_tables"], into=_Locked)[0].tables
        total = sum(each.table_bytes + each.indexes_bytes for each in tables)
        shown = "; ".join(_said(each) for each in tables[: self.shown]) or "none"
        shown_indexes = (
            ", ".join(f"{each.index_name} {in_words(each.index_bytes)}" for each in indexes[:5]) or "none"
        )
        left_out = f" {locked} locked relations were left out." if locked else ""
        yield Finding(
            check=NAME,
            key=f"{NAME}/all",
            severity="ok",
            saw=f"The {len(tables)} largest tables take {in_words(total)}: {shown}. Largest indexes: {shown_indexes}.{left_out}",
            why=self.why,
            cures=(),
            numbers={"tables": len(tables), "size_bytes": total, "locked": locked},
        )
        for each in tables:
            if each.indexes_bytes >= max(self.least_bytes, each.table_bytes * self.index_ratio):
                yield self._heavy(each)

    def _heavy(self, table: Sized) -> Finding:
        return Finding(
            check=NAME,
            key=f"{NAME}/indexes of {table.schema}.{table.table_name}",
            severity="notice",
            saw=f"The indexes of {table.schema}.{table.table_name} take {in_words(table.indexes_bytes)}, its rows {in_words(table.table_bytes)}.",
            why="Every write of the table writes each of its indexes, and they compete with the rows for memory.",
            cures=(
                Cure(
                    explanation="See unused_indexes, duplicate_indexes and bloat for which of them can go or shrink."
                ),
            ),
            numbers={"indexes_bytes": table.indexes_bytes, "table_bytes": table.table_bytes},
        )


def _said(table: Sized) -> str:
    unread = ", never read since the statistics began" if table.scans == 0 and table.rows else ""
    return (
        f"{table.schema}.{table.table_name} {in_words(table.table_bytes)} + indexes {in_words(table.indexes_bytes)}, "
        f"about {table.rows} rows{unread}"
    )


CHECK = LargestTables()
