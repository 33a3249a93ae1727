"""Cache hits of the server itself: how often a block was in its shared buffers."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Final

from msgspec import Struct

from flatwater.doctor.catalog import queries
from flatwater.doctor.look import Look
from flatwater.doctor.model import Cure, Finding, NotExamined

NAME: Final = "cache_hit_ratio"


class _Hits(Struct, frozen=True):
    table_hits: int
    table_reads: int
    index_hits: int
    index_reads: int


class _Table(Struct, frozen=True):
    schema: str
    table_name: str
    hits: int
    reads: int


class CacheHitRatio(Struct, frozen=True):
    """*Source*: 98.5 % as pg-extras' diagnose has it (PgHero 99 %, the exporter's alerts 98 %). It is a weak signal: what is
    not in the server's memory may be in the system's; so it is never more than a notice."""

    least: float = 0.985
    least_blocks: int = 100_000
    """Blocks below which a ratio says nothing: a server that has just begun reads everything once (100,000 are 800 MB)."""
    name: str = NAME
    title: str = "Cache hits of the server"
    why: str = "A block that is not in memory is asked of the disk, which takes some hundred times as long."

    def look(self, look: Look) -> Iterator[Finding]:
        hits = look.rows(queries["cache_hits"], into=_Hits)[0]
        kinds = {
            "tables": (hits.table_hits, hits.table_reads),
            "indexes": (hits.index_hits, hits.index_reads),
        }
        enough = {kind: pair for kind, pair in kinds.items() if sum(pair) >= self.least_blocks}
        for kind, (found, read) in enough.items():
            yield self._finding(look, kind, found, read)
        if not enough:
            asked = sum(sum(pair) for pair in kinds.values())
            raise NotExamined(
                f"{asked} blocks were asked for since the statistics began; a ratio says something from {self.least_blocks}."
            )

    def _finding(self, look: Look, kind: str, found: int, read: int) -> Finding:
        ratio = found / (found + read)
        numbers: dict[str, float | int | str] = {"ratio": round(ratio, 4), "hits": found, "reads": read}
        saw = f"{ratio:.1%} of {found + read} blocks of {kind} were in the server's memory"
        if ratio >= self.least:
            return Finding(
                check=NAME,
                key=f"{NAME}/{kind}",
                severity="ok",
                saw=f"{saw}.",
                why=self.why,
                cures=(),
                numbers=numbers,
            )
        worst = look.rows(queries["most_read_tables"], into=_Table)
        most = ", ".join(f"{each.schema}.{each.table_name} ({each.reads} blocks)" for each in worst)
        return Finding(
            check=NAME,
            key=f"{NAME}/{kind}",
            severity="notice",
            saw=f"{saw}; {self.least:.1%} is usual. Most was read of {most or 'no table'}.",
            why=self.why,
            cures=(
                Cure(
                    explanation="Look first at missing_indexes and unused_indexes: scans of whole tables push everything else out. "
                    "Then at shared_buffers (settings_for_memory). The system's own cache is not counted here."
                ),
            ),
            numbers=numbers,
        )


CHECK = CacheHitRatio()
