"""Row policies that no index serves: each statement, a search by key too, is judged row by row."""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Final

from msgspec import Struct

from flatwater.doctor.catalog import queries
from flatwater.doctor.checks.missing_indexes import ADVICE
from flatwater.doctor.look import Look
from flatwater.doctor.model import Cure, Finding
from flatwater.doctor.quoting import identifier
from flatwater.doctor.relations import drop_index, graded, index_name, well

NAME: Final = "row_policies"


class _Policy(Struct, frozen=True):
    schema: str
    table_name: str
    name: str
    kind: str
    rows: int
    condition: str
    columns: tuple[str, ...]
    first_columns: tuple[str, ...]


class RowPolicies(Struct, frozen=True):
    """*Source*: 10,000 rows as for missing_indexes, a hundred thousand for a warning; the manual's chapter on row security: the condition is put
    before the statement's own, except where that is leakproof."""

    least_rows: int = 10_000
    warning_rows: int = 100_000
    name: str = NAME
    title: str = "Row policies without an index"
    why: str = "The policy's condition is added to every statement of the roles that it holds for; without an index it reads the whole table each time."

    def look(self, look: Look) -> Iterator[Finding]:
        policies = look.rows(queries["row_policies"], into=_Policy)
        found = [
            each
            for each in policies
            if each.rows >= self.least_rows and each.columns and not _is_served(each)
        ]
        for each in found:
            yield self._finding(each)
        if not found:
            yield well(
                self,
                f"{len(policies)} row policies looked at; each that compares a column of a table of {self.least_rows} rows has an index for it.",
                policies=len(policies),
            )

    def _finding(self, each: _Policy) -> Finding:
        column = next((name for name in each.columns if _compares(each.condition, name)), None)
        saw = f"Policy {each.name} of {each.schema}.{each.table_name} (about {each.rows} rows) asks for {each.condition}, "
        if column is None:
            saw += "which compares no column as it is kept, so no index can serve it."
            cure = Cure(
                explanation="Compare the column itself: cast the setting to the column's type instead of the column "
                "(owner_id = current_setting('app.owner')::bigint), then index the column. Or index the very expression that the policy has."
            )
        else:
            saw += f"and no index begins with {column}."
            name = index_name(each.table_name, (column,))
            beside = "" if each.kind == "p" else "concurrently "
            cure = Cure(
                sql=f"create index {beside}{identifier(name)} on {identifier(each.schema, each.table_name)} ({identifier(column)});",
                undo=drop_index(each.schema, name),
                explanation=ADVICE,
            )
        return Finding(
            check=NAME,
            key=f"{NAME}/{each.schema}.{each.table_name}.{each.name}",
            severity=graded(each.rows, notice=0, warning=self.warning_rows),
            saw=saw,
            why=self.why,
            cures=(cure,),
            numbers={"rows": each.rows, "column": column or ""},
        )


def _compares(condition: str, column: str) -> bool:
    """Whether the condition compares the column as it is kept: `(owner = …)`, and not `((owner)::text = …)` of a number or `lower(owner) = …`."""
    name = rf"\"?{re.escape(column)}\"?"
    before = rf"(?:^|[(\s]){name}\s*(?:=|<|>|IS NULL)"
    after = rf"(?:=|<|>)\s*{name}(?!\w)(?!\)::)"
    return re.search(f"{before}|{after}", condition) is not None


def _is_served(policy: _Policy) -> bool:
    return any(name in policy.first_columns and _compares(policy.condition, name) for name in policy.columns)


CHECK = RowPolicies()
