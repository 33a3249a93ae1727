"""Bloat: tables and indexes that take more room than their rows fill, and rows that are dead and still there."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Final

from msgspec import Struct

from flatwater.doctor.catalog import queries
from flatwater.doctor.look import Look
from flatwater.doctor.model import Cure, Finding, NotExamined
from flatwater.doctor.processes import in_words
from flatwater.doctor.quoting import identifier
from flatwater.doctor.relations import graded, owners, well

NAME: Final = "bloat"


class _Relation(Struct, frozen=True):
    schema: str
    name: str
    owner: str
    size_bytes: int
    needed_bytes: int | None
    dead_rows: int
    live_rows: int

    @property
    def wasted_bytes(self) -> int:
        return 0 if self.needed_bytes is None else max(self.size_bytes - self.needed_bytes, 0)

    @property
    def ratio(self) -> float:
        return 1.0 if self.needed_bytes is None else self.size_bytes / max(self.needed_bytes, 8192)


class Bloat(Struct, frozen=True):
    """*Source*: 1 and 5 GB wasted as check_postgres has them; ten times the room needed as pg-extras' diagnose has it (from
    10 MiB on, below which it costs nobody anything); 100 MB of an index as PgHero has it. Dead rows: a fifth of the table is
    where PostgreSQL's own autovacuum begins. *Cost*: the 40 largest of each kind; an estimate, no page is read."""

    most: int = 40
    warning_bytes: int = 1 << 30
    critical_bytes: int = 5 << 30
    index_bytes: int = 100_000_000
    ratio: float = 10.0
    least_bytes: int = 10 << 20
    dead_share: float = 0.2
    least_dead_rows: int = 10_000
    name: str = NAME
    title: str = "Bloat and dead rows"
    why: str = "Empty room is read, kept in memory and backed up like rows; dead rows are stepped over by every scan."

    def look(self, look: Look) -> Iterator[Finding]:
        owned = owners(look)
        tables = look.rows(queries["table_bloat"], {"most": self.most}, into=_Relation)
        indexes = look.rows(queries["index_bloat"], {"most": self.most}, into=_Relation)
        found = [
            *(finding for each in tables for finding in self._table(each, owned)),
            *(finding for each in indexes for finding in self._index(each)),
        ]
        yield from found
        known = [each for each in (*tables, *indexes) if each.needed_bytes is not None]
        large = [
            each
            for each in (*tables, *indexes)
            if each.needed_bytes is None and each.size_bytes >= self.least_bytes
        ]
        if large:
            names = ", ".join(f"{each.schema}.{each.name}" for each in large[:3])
            raise NotExamined(
                f"{len(large)} large tables or indexes have no statistics this role may see (analyze them first): {names}."
            )
        if not found:
            yield well(
                self,
                f"{len(known)} of the largest {len(tables)} tables and {len(indexes)} indexes were estimated; "
                f"{in_words(sum(each.wasted_bytes for each in known))} of room is empty.",
                estimated=len(known),
                looked_at=len(tables) + len(indexes),
            )

    def _table(self, table: _Relation, owned: frozenset[str]) -> Iterator[Finding]:
        target = identifier(table.schema, table.name)
        vacuum = Cure(
            sql=f"vacuum (analyze) {target};",
            undo="none is needed; it changes no row",
            is_safe=table.owner in owned,
            explanation="Makes the room of dead rows usable again. It gives room back to the system only at the table's end.",
        )
        rows = table.dead_rows + table.live_rows
        if table.dead_rows >= self.least_dead_rows and table.dead_rows >= rows * self.dead_share:
            yield Finding(
                check=NAME,
                key=f"{NAME}/dead rows of {table.schema}.{table.name}",
                severity="warning",
                saw=f"{table.dead_rows} of {rows} rows of {table.schema}.{table.name} are dead ({table.dead_rows / rows:.0%}).",
                why="They are stepped over by every scan until a vacuum takes them out.",
                cures=(vacuum,),
                numbers={"dead_rows": table.dead_rows, "live_rows": table.live_rows},
            )
        severity = graded(table.wasted_bytes, warning=self.warning_bytes, critical=self.critical_bytes)
        if severity == "ok" and table.wasted_bytes >= self.least_bytes and table.ratio >= self.ratio:
            severity = "warning"
        if severity == "ok":
            return
        full = Cure(
            sql=f"vacuum (full, analyze) {target};",
            undo="none; it writes the table anew",
            explanation="Locks the table against everybody while it is written anew and needs that much room beside it; set "
            "lock_timeout first (set lock_timeout = '2s') and do it in a quiet hour. pg_repack and pg_squeeze do the same without "
            "the long lock.",
        )
        yield Finding(
            check=NAME,
            key=f"{NAME}/{table.schema}.{table.name}",
            severity=severity,
            saw=f"{table.schema}.{table.name} takes {in_words(table.size_bytes)}; its rows would fill about "
            f"{in_words(table.needed_bytes or 0)}, {table.ratio:.1f} times less.",
            why=self.why,
            cures=(full, vacuum),
            numbers={"wasted_bytes": table.wasted_bytes, "ratio": round(table.ratio, 1)},
        )

    def _index(self, index: _Relation) -> Iterator[Finding]:
        is_swollen = index.wasted_bytes >= self.least_bytes and index.ratio >= self.ratio
        if index.wasted_bytes < self.index_bytes and not is_swollen:
            return
        yield Finding(
            check=NAME,
            key=f"{NAME}/index {index.schema}.{index.name}",
            severity=graded(
                index.wasted_bytes, notice=0, warning=self.warning_bytes, critical=self.critical_bytes
            ),
            saw=f"Index {index.schema}.{index.name} takes {in_words(index.size_bytes)}; its entries would fill about "
            f"{in_words(index.needed_bytes or 0)}.",
            why="A sparse index keeps more pages in memory for the same keys.",
            cures=(
                Cure(
                    sql=f"reindex index concurrently {identifier(index.schema, index.name)};",
                    undo="none is needed; it is the same index",
                    explanation="Needs room for both while it works and waits for transactions that are older. When it is "
                    "interrupted it leaves an invalid index whose name ends in _ccnew (see invalid_indexes).",
                ),
            ),
            numbers={"wasted_bytes": index.wasted_bytes, "ratio": round(index.ratio, 1)},
        )


CHECK = Bloat()
