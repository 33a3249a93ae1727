"""Indexes full of emptiness: over a column that most rows leave empty."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Final

from msgspec import Struct

from flatwater.doctor.catalog import queries
from flatwater.doctor.look import Look
from flatwater.doctor.model import Cure, Finding
from flatwater.doctor.processes import in_words
from flatwater.doctor.quoting import identifier
from flatwater.doctor.relations import LONGEST_NAME, create_again, drop_index, well

NAME: Final = "null_indexes"


class _Index(Struct, frozen=True):
    schema: str
    table_name: str
    name: str
    column_name: str
    size_bytes: int
    empty_share: float
    definition: str


class NullIndexes(Struct, frozen=True):
    """*Source*: 1 MB and half of the rows empty, as pg-extras' diagnose has them."""

    least_share: float = 0.5
    least_bytes: int = 1 << 20
    name: str = NAME
    title: str = "Indexes over empty columns"
    why: str = (
        "Most entries point at rows nobody asks for by that column; a condition makes it as small as its use."
    )

    def look(self, look: Look) -> Iterator[Finding]:
        limits = {"least_share": self.least_share, "least_bytes": self.least_bytes}
        indexes = look.rows(queries["null_indexes"], limits, into=_Index)
        for each in indexes:
            yield self._finding(each)
        if not indexes:
            yield well(
                self,
                f"No index of {in_words(self.least_bytes)} or more is over a column that is {self.least_share:.0%} empty.",
                least_bytes=self.least_bytes,
            )

    def _finding(self, index: _Index) -> Finding:
        name = f"{index.name.encode()[: LONGEST_NAME - 8].decode(errors='ignore')}_not_null"[:LONGEST_NAME]
        # The server quotes a name only where it must.
        plain, quoted = f" {index.name} ON ", f" {identifier(index.name)} ON "
        written = quoted if quoted in index.definition else plain
        smaller = create_again(index.definition.replace(written, f" {identifier(name)} ON ", 1))
        smaller = f"{smaller.removesuffix(';')} WHERE {identifier(index.column_name)} IS NOT NULL;"
        return Finding(
            check=NAME,
            key=f"{NAME}/{index.schema}.{index.name}",
            severity="notice",
            saw=f"Index {index.name} of {index.schema}.{index.table_name} takes {in_words(index.size_bytes)}; its column "
            f"{index.column_name} is empty in {index.empty_share:.0%} of the rows.",
            why=self.why,
            cures=(
                Cure(
                    sql=smaller,
                    undo=drop_index(index.schema, name),
                    explanation="Unless somebody looks for the empty ones.",
                ),
                Cure(
                    sql=drop_index(index.schema, index.name),
                    undo=create_again(index.definition),
                    explanation="After the smaller one is valid.",
                ),
            ),
            numbers={"size_bytes": index.size_bytes, "empty_share": round(index.empty_share, 3)},
        )


CHECK = NullIndexes()
