"""Duplicate indexes: those whose work another index of the same table does as well."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Final

from msgspec import Struct

from flatwater.doctor.catalog import queries
from flatwater.doctor.look import Look
from flatwater.doctor.model import Cure, Finding
from flatwater.doctor.processes import in_words
from flatwater.doctor.relations import create_again, drop_index, well

NAME: Final = "duplicate_indexes"


class _Pair(Struct, frozen=True):
    schema: str
    table_name: str
    name: str
    covered_by: str
    size_bytes: int
    definition: str
    is_same: bool


class DuplicateIndexes(Struct, frozen=True):
    """*Source*: prefix cover as PgHero has it, at any size; unlike it, this asks for the same method, operators, collation, order and
    condition, and takes no index that keeps a rule."""

    name: str = NAME
    title: str = "Duplicate indexes"
    why: str = (
        "Each costs its share of every write and of memory, and serves nothing that the other does not."
    )

    def look(self, look: Look) -> Iterator[Finding]:
        named: set[str] = set()
        for pair in look.rows(queries["duplicate_indexes"], into=_Pair):
            key = f"{NAME}/{pair.schema}.{pair.name}"
            if key not in named:
                named.add(key)
                yield self._finding(key, pair)
        if not named:
            yield well(self, "No index is covered by another; 0 duplicates.", duplicates=0)

    def _finding(self, key: str, pair: _Pair) -> Finding:
        how = "is the same as" if pair.is_same else "is the beginning of"
        return Finding(
            check=NAME,
            key=key,
            severity="notice",
            saw=f"Index {pair.name} of {pair.schema}.{pair.table_name} ({in_words(pair.size_bytes)}) {how} {pair.covered_by}.",
            why=self.why,
            cures=(
                Cure(
                    sql=drop_index(pair.schema, pair.name),
                    undo=create_again(pair.definition),
                    explanation="A narrower index can be a little faster for the few that need only its columns; measure when in doubt.",
                ),
            ),
            numbers={"size_bytes": pair.size_bytes, "covered_by": pair.covered_by},
        )


CHECK = DuplicateIndexes()
