"""Rights of everybody: tables that PUBLIC may write, and schemas in which PUBLIC may make things."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Final

from msgspec import Struct

from flatwater.doctor.catalog import queries
from flatwater.doctor.look import Look
from flatwater.doctor.model import Cure, Finding
from flatwater.doctor.quoting import identifier
from flatwater.doctor.relations import well

NAME: Final = "public_write_rights"


class _Right(Struct, frozen=True):
    kind: str
    schema: str
    name: str
    rights: str


class _Tables(Struct, frozen=True):
    tables: int


class PublicWriteRights(Struct, frozen=True):
    """*Source*: any, as the PostgreSQL manual advises for schema public (5.10.6, the default since 15) and pgwatch's recommendations
    have it."""

    name: str = NAME
    title: str = "Rights of everybody"
    why: str = "Whoever can log in, the reporting tool too, can change it; and what anybody may make in a schema, others may call by mistake."

    def look(self, look: Look) -> Iterator[Finding]:
        rights = look.rows(queries["public_rights"], into=_Right)
        for each in rights:
            yield self._table(each) if each.kind == "table" else self._schema(each)
        if not rights:
            count = look.rows(queries["tables_looked_at"], into=_Tables)[0].tables
            yield well(
                self,
                f"{count} tables and views and their schemas looked at; PUBLIC may write none.",
                tables=count,
            )

    def _table(self, right: _Right) -> Finding:
        target = identifier(right.schema, right.name)
        return Finding(
            check=NAME,
            key=f"{NAME}/{right.schema}.{right.name}",
            severity="warning",
            saw=f"Everybody (PUBLIC) may {right.rights} on {right.schema}.{right.name}.",
            why=self.why,
            cures=(
                Cure(
                    sql=f"revoke {right.rights} on {target} from public;",
                    undo=f"grant {right.rights} on {target} to public;",
                    explanation="Grant it to the role that writes first, where that is not the owner.",
                ),
            ),
            numbers={"rights": right.rights},
        )

    def _schema(self, right: _Right) -> Finding:
        target = identifier(right.schema)
        return Finding(
            check=NAME,
            key=f"{NAME}/schema {right.schema}",
            severity="warning",
            saw=f"Everybody (PUBLIC) may create in schema {right.schema}.",
            why=self.why,
            cures=(
                Cure(
                    sql=f"revoke create on schema {target} from public;",
                    undo=f"grant create on schema {target} to public;",
                    explanation="The default since PostgreSQL 15. A role that migrates needs it granted by name.",
                ),
            ),
        )


CHECK = PublicWriteRights()
