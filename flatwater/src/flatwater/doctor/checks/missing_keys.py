"""Missing keys: tables without a primary key, and columns that refer to a table without a rule that says so."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Final

from msgspec import Struct

from flatwater.doctor.catalog import queries
from flatwater.doctor.look import Look
from flatwater.doctor.model import Cure, Finding
from flatwater.doctor.quoting import identifier
from flatwater.doctor.relations import LONGEST_NAME, well

NAME: Final = "missing_keys"


class _Table(Struct, frozen=True):
    schema: str
    table_name: str
    rows: int
    unique_index: str


class _Column(Struct, frozen=True):
    schema: str
    table_name: str
    column_name: str
    refers_to: str
    key_column: str
    rows: int


class MissingKeys(Struct, frozen=True):
    """*Source*: any table without a primary key as Supabase's splinter has it; foreign keys by name and type as pg-extras'
    missing_fk_constraints has them (a guess, and said to be one)."""

    name: str = NAME
    title: str = "Missing keys"
    why: str = (
        "Without a key a row can be there twice and can't be named; without a rule it can refer to nothing."
    )

    def look(self, look: Look) -> Iterator[Finding]:
        tables = look.rows(queries["tables_without_key"], into=_Table)
        columns = look.rows(queries["columns_without_rule"], into=_Column)
        yield from map(self._table, tables)
        yield from map(self._column, columns)
        if not tables and not columns:
            yield well(
                self,
                "Every table has a primary key, and 0 columns look as if they lacked a foreign key.",
                tables=0,
            )

    def _table(self, table: _Table) -> Finding:
        target = identifier(table.schema, table.table_name)
        name = f"{table.table_name[: LONGEST_NAME - 5]}_pkey"
        drop = f"alter table {target} drop constraint {identifier(name)};"
        cure = Cure(
            explanation="Say which columns name a row, build a unique index on them concurrently, and make it the key: alter table … add primary key using index …."
        )
        if table.unique_index:
            cure = Cure(
                sql=f"alter table {target} add constraint {identifier(name)} primary key using index {identifier(table.unique_index)};",
                undo=drop,
                explanation="Its unique index serves as it is; a short lock. It takes the key's name.",
            )
        return Finding(
            check=NAME,
            key=f"{NAME}/{table.schema}.{table.table_name}",
            severity="notice",
            saw=f"{table.schema}.{table.table_name} (about {table.rows} rows) has no primary key.",
            why=self.why,
            cures=(cure,),
            numbers={"rows": table.rows},
        )

    def _column(self, column: _Column) -> Finding:
        target = identifier(column.schema, column.table_name)
        name = f"{column.table_name}_{column.column_name}"[: LONGEST_NAME - 5] + "_fkey"
        return Finding(
            check=NAME,
            key=f"{NAME}/{column.schema}.{column.table_name}.{column.column_name}",
            severity="notice",
            saw=f"{column.schema}.{column.table_name}.{column.column_name} looks as if it referred to {column.refers_to}, and no rule says so.",
            why=self.why,
            cures=(
                Cure(
                    sql=f"alter table {target} add constraint {identifier(name)} foreign key ({identifier(column.column_name)}) "
                    f"references {identifier(column.schema, column.refers_to)} ({identifier(column.key_column)}) not valid;",
                    undo=f"alter table {target} drop constraint {identifier(name)};",
                    explanation="Holds for new rows at once; old ones are proved by alter table … validate constraint …. By its name and type only: where it means "
                    "something else, acknowledge it.",
                ),
            ),
            numbers={"rows": column.rows},
        )


CHECK = MissingKeys()
