"""Triggers that are switched off: what they kept true is not kept, a foreign key among it."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Final

from msgspec import Struct

from flatwater.doctor.catalog import queries
from flatwater.doctor.look import Look
from flatwater.doctor.model import Cure, Finding
from flatwater.doctor.quoting import identifier
from flatwater.doctor.relations import well

NAME: Final = "disabled_triggers"


class LookedAt(Struct, frozen=True):
    """What there is of the sort."""

    triggers: int
    definers: int


class _Trigger(Struct, frozen=True):
    schema: str
    table_name: str
    name: str
    is_of_constraint: bool
    constraint_name: str


class DisabledTriggers(Struct, frozen=True):
    """*Source*: any is told; check_postgres has the same (disabled_triggers). One of a foreign key is critical: rows may point nowhere by now."""

    name: str = NAME
    title: str = "Triggers that are switched off"
    why: str = "Left off after a load or a copy, they keep nothing true any more, and nobody is told."

    def look(self, look: Look) -> Iterator[Finding]:
        found = look.rows(queries["disabled_triggers"], into=_Trigger)
        by_table: dict[tuple[str, str], list[_Trigger]] = {}
        for each in found:
            by_table.setdefault((each.schema, each.table_name), []).append(each)
        for (schema, table), triggers in by_table.items():
            yield self._finding(schema, table, triggers)
        if not found:
            count = look.rows(queries["triggers_looked_at"], into=LookedAt)[0].triggers
            yield well(
                self, f"{count} triggers looked at, beside those of constraints; none is off.", triggers=count
            )

    def _finding(self, schema: str, table: str, triggers: list[_Trigger]) -> Finding:
        target = identifier(schema, table)
        keys = sorted({each.constraint_name for each in triggers if each.is_of_constraint})
        named = ", ".join(
            sorted({each.constraint_name if each.is_of_constraint else each.name for each in triggers})[:6]
        )
        # A key's triggers stand at both of its tables and have no name that anybody typed: all of a table are switched on together.
        which = "all" if keys else "user"
        check = Cure(
            explanation=f"Then look for rows that came meanwhile: drop and add {', '.join(keys[:3])} again, and the server checks each row."
        )
        return Finding(
            check=NAME,
            key=f"{NAME}/{schema}.{table}",
            severity="critical" if keys else "warning",
            saw=f"{len(triggers)} triggers of {schema}.{table} are switched off: {named}.",
            why=self.why,
            cures=(
                Cure(
                    sql=f"alter table {target} enable trigger {which};",
                    undo=f"alter table {target} disable trigger {which};",
                    explanation="As its owner, and as a superuser where it is a key's.",
                ),
                *((check,) if keys else ()),
            ),
            numbers={"triggers": len(triggers)},
        )


CHECK = DisabledTriggers()
