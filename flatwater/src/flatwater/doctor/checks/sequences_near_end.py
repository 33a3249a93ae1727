"""Sequences near their end: a table whose next row will have no number."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Final

from msgspec import Struct

from flatwater.doctor.catalog import queries
from flatwater.doctor.look import Look
from flatwater.doctor.model import Cure, Finding
from flatwater.doctor.quoting import identifier
from flatwater.doctor.relations import graded, well

NAME: Final = "sequences_near_end"


class _Sequence(Struct, frozen=True):
    schema: str
    name: str
    kind: str
    last_value: int
    is_readable: bool
    ends_at: int
    table_schema: str
    table_name: str
    column_name: str
    column_kind: str
    is_identity: bool
    rows: int

    @property
    def used(self) -> float:
        return self.last_value / max(self.ends_at, 1)


class SequencesNearEnd(Struct, frozen=True):
    """*Source*: 85 and 95 % as check_postgres has them (PgHero 90 %), of the sequence's range or its column's, the smaller."""

    warning: float = 0.85
    critical: float = 0.95
    name: str = NAME
    title: str = "Sequences near their end"
    why: str = "At the end every insert fails, at once and for everybody."

    def look(self, look: Look) -> Iterator[Finding]:
        sequences = look.rows(queries["sequences_used"], into=_Sequence)
        hidden = [each for each in sequences if not each.is_readable]
        if hidden:
            one = identifier(hidden[0].schema, hidden[0].name)
            reader = identifier(look.role)
            grant = f"grant select on sequence {one} to {reader};"
            revoke = f"revoke select on sequence {one} from {reader};"  # noqa: S608  a text to show; names are quoted
            yield Finding(
                check=NAME,
                key=f"{NAME}/unreadable",
                severity="not_examined",
                saw=f"This role may not read {len(hidden)} sequences, {hidden[0].schema}.{hidden[0].name} among them.",
                why=self.why,
                cures=(Cure(sql=grant, undo=revoke),),
            )
        read = [each for each in sequences if each.is_readable]
        near = [each for each in read if each.used >= self.warning]
        for each in near:
            yield self._finding(each)
        if not near and (read or not hidden):
            most = max(read, key=lambda each: each.used, default=None)
            nearest = (
                "" if most is None else f" The furthest, {most.schema}.{most.name}, has used {most.used:.1%}."
            )
            yield well(self, f"{len(read)} sequences looked at.{nearest}", sequences=len(read))

    def _finding(self, sequence: _Sequence) -> Finding:
        where = (
            f" for {sequence.table_schema}.{sequence.table_name}.{sequence.column_name} ({sequence.column_kind})"
            if sequence.column_name
            else ""
        )
        return Finding(
            check=NAME,
            key=f"{NAME}/{sequence.schema}.{sequence.name}",
            severity=graded(sequence.used, warning=self.warning, critical=self.critical),
            saw=f"Sequence {sequence.schema}.{sequence.name}{where} stands at {sequence.last_value} of {sequence.ends_at} ({sequence.used:.1%}); "
            f"{sequence.ends_at - sequence.last_value} numbers are left.",
            why=self.why,
            cures=tuple(_cures(sequence)),
            numbers={"used": round(sequence.used, 4), "left": sequence.ends_at - sequence.last_value},
        )


def _cures(sequence: _Sequence) -> Iterator[Cure]:
    target = identifier(sequence.schema, sequence.name)
    if sequence.column_kind in {"int2", "int4"}:
        table = identifier(sequence.table_schema, sequence.table_name)
        column = identifier(sequence.column_name)
        kind = "integer" if sequence.column_kind == "int4" else "smallint"
        yield Cure(
            sql=f"alter table {table} alter column {column} type bigint;",
            undo=f"alter table {table} alter column {column} type {kind};",
            explanation=f"Writes the table anew (about {sequence.rows} rows) and locks it against everybody meanwhile. Where that is too long: "
            "a second bigint column kept equal by a trigger, filled in batches, and swapped. Columns that refer to it need the same.",
        )
        if sequence.is_identity:
            # Its sequence follows the column's type by itself.
            return
    if sequence.kind != "bigint":
        yield Cure(
            sql=f"alter sequence {target} as bigint;",
            undo=f"alter sequence {target} as {sequence.kind};",
            explanation="Changes the sequence only; takes no time.",
        )
    elif sequence.column_kind not in {"int2", "int4"}:
        yield Cure(
            sql=f"alter sequence {target} no maxvalue;",
            undo=f"alter sequence {target} maxvalue {sequence.ends_at};",
            explanation="To the end of its type.",
        )


CHECK = SequencesNearEnd()
