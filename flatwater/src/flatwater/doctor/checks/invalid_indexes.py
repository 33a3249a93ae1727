"""Invalid indexes that failed builds left, and rules that were never proved for older rows."""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Final

from msgspec import Struct

from flatwater.doctor.catalog import queries
from flatwater.doctor.look import Look
from flatwater.doctor.model import Cure, Finding
from flatwater.doctor.quoting import identifier
from flatwater.doctor.relations import create_again, drop_index, well

NAME: Final = "invalid_indexes"
_LEFT_BY_REINDEX = re.compile(r"_cc(?:new|old)\d*$")


class _Index(Struct, frozen=True):
    schema: str
    table_name: str
    name: str
    definition: str
    is_unique: bool
    is_partitioned: bool
    is_building: bool


class _Rule(Struct, frozen=True):
    schema: str
    table_name: str
    name: str


class InvalidIndexes(Struct, frozen=True):
    """*Source*: any, as PgHero and pganalyze have it."""

    name: str = NAME
    title: str = "Invalid indexes and unproved rules"
    why: str = "An invalid index is written with every row and read by nobody; a unique one keeps no rule."

    def look(self, look: Look) -> Iterator[Finding]:
        indexes = look.rows(queries["invalid_indexes"], into=_Index)
        query = queries["constraints_not_valid"]
        rules = look.rows(query.plus("enforced") if look.version >= 180_000 else query, into=_Rule)
        broken = [each for each in indexes if not each.is_building]
        for index in broken:
            yield self._index(index)
        for rule in rules:
            yield self._rule(rule)
        if not broken and not rules:
            yield well(
                self,
                f"0 indexes are invalid, {len(indexes)} are being built now; 0 rules are unproved.",
                building=len(indexes),
            )

    def _index(self, index: _Index) -> Finding:
        key, saw = (
            f"{NAME}/{index.schema}.{index.name}",
            f"Index {index.name} of {index.schema}.{index.table_name} is invalid",
        )
        if index.is_partitioned:
            return Finding(
                check=NAME,
                key=key,
                severity="warning",
                saw=f"{saw}: not every partition has its part.",
                why=self.why,
                cures=(
                    Cure(
                        explanation="Build the same index on each partition and attach it: alter index … attach partition …."
                    ),
                ),
            )
        again = create_again(index.definition)
        drop = Cure(
            sql=drop_index(index.schema, index.name), undo=again, explanation="It serves nothing as it is."
        )
        if _LEFT_BY_REINDEX.search(index.name):
            return Finding(
                check=NAME,
                key=key,
                severity="warning",
                saw=f"{saw}: a reindex that was interrupted left it.",
                why=self.why,
                cures=(drop,),
            )
        duplicates = (
            " Rows that are there twice make it fail again: take those out first." if index.is_unique else ""
        )
        build = Cure(
            sql=again,
            undo=drop_index(index.schema, index.name),
            explanation=f"After the drop. With set lock_timeout = '5s' and set statement_timeout = 0 before it, outside a transaction.{duplicates}",
        )
        return Finding(
            check=NAME,
            key=key,
            severity="warning",
            saw=f"{saw}: its build failed or was stopped.{duplicates}",
            why=self.why,
            cures=(drop, build),
        )

    def _rule(self, rule: _Rule) -> Finding:
        return Finding(
            check=NAME,
            key=f"{NAME}/rule {rule.schema}.{rule.table_name}.{rule.name}",
            severity="notice",
            saw=f"Constraint {rule.name} of {rule.schema}.{rule.table_name} is NOT VALID: older rows were never looked at.",
            why="Nobody can rely on it, the planner included.",
            cures=(
                Cure(
                    sql=f"alter table {identifier(rule.schema, rule.table_name)} validate constraint {identifier(rule.name)};",
                    undo="none; drop the constraint and add it again as not valid",
                    explanation="Reads the whole table beside readers and writers. It fails at the first row that breaks the rule.",
                ),
            ),
        )


CHECK = InvalidIndexes()
