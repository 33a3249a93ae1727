"""Functions that run with their owner's rights and look names up where their caller says: the caller chooses what runs as the owner."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Final

from msgspec import Struct

from flatwater.doctor.catalog import queries
from flatwater.doctor.checks.disabled_triggers import LookedAt
from flatwater.doctor.look import Look
from flatwater.doctor.model import Cure, Finding
from flatwater.doctor.quoting import identifier
from flatwater.doctor.relations import well

NAME: Final = "definer_functions"


class _Definer(Struct, frozen=True):
    schema: str
    name: str
    arguments: str
    owner: str
    is_superusers: bool
    is_everybodys: bool
    kind: str


class DefinerFunctions(Struct, frozen=True):
    """*Source*: the PostgreSQL manual, CREATE FUNCTION, "Writing SECURITY DEFINER Functions Safely"; a superuser's that everybody may call is critical."""

    name: str = NAME
    title: str = "SECURITY DEFINER without search_path"
    why: str = "Whoever calls it can put a table or an operator of their own before the one that was meant, and it runs with the owner's rights."

    def look(self, look: Look) -> Iterator[Finding]:
        found = look.rows(queries["definers_without_path"], into=_Definer)
        for each in found:
            yield self._finding(each)
        if not found:
            count = look.rows(queries["triggers_looked_at"], into=LookedAt)[0].definers
            yield well(
                self,
                f"{count} functions run as their owner; each says where it looks names up.",
                functions=count,
            )

    def _finding(self, each: _Definer) -> Finding:
        target = f"{each.kind} {identifier(each.schema, each.name)}({each.arguments})"
        callers = "everybody" if each.is_everybodys else "whoever was granted it"
        return Finding(
            check=NAME,
            key=f"{NAME}/{each.schema}.{each.name}({each.arguments})",
            severity="critical" if each.is_superusers and each.is_everybodys else "warning",
            saw=f"{each.schema}.{each.name}({each.arguments}) runs as {each.owner}, has no search_path of its own, and may be called by {callers}.",
            why=self.why,
            cures=(
                Cure(
                    sql=f"alter {target} set search_path = {identifier(each.schema)}, pg_temp;",
                    undo=f"alter {target} reset search_path;",
                    explanation="Name the schemas that it needs, pg_temp last.",
                ),
            ),
        )


CHECK = DefinerFunctions()
