"""Wraparound: how near transaction and multixact numbers are to the point where the server takes no more writes."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Final

from msgspec import Struct

from flatwater.doctor.catalog import queries
from flatwater.doctor.look import Look
from flatwater.doctor.model import Cure, Finding, Severity
from flatwater.doctor.quoting import database_word, identifier
from flatwater.doctor.relations import graded, owners, well

NAME: Final = "wraparound"
STOPS_AT: Final = 2_147_483_648
"""Numbers before they come round; the server refuses writes three million before it."""


class _Age(Struct, frozen=True):
    name: str
    transactions: int
    multixacts: int
    freeze_at: int
    multixact_freeze_at: int
    schema: str
    owner: str


class Wraparound(Struct, frozen=True):
    """*Source*: 1.3 and 1.4 billion as check_postgres' txn_wraparound has them. Before that: a forced vacuum starts at
    autovacuum_freeze_max_age, so an age 10 % beyond it says that it does not come to its end (our own level; check_postgres'
    90 and 95 % of that age are reached by every healthy server)."""

    warning: int = 1_300_000_000
    critical: int = 1_400_000_000
    overdue: float = 1.1
    name: str = NAME
    title: str = "Wraparound"
    why: str = "When transaction numbers run out the server refuses every write until old rows are frozen."

    def look(self, look: Look) -> Iterator[Finding]:
        databases = look.rows(queries["database_ages"], into=_Age)
        tables = look.rows(queries["table_ages"], into=_Age)
        owned = owners(look)
        found = [each for database in databases for each in self._database(look, database)]
        if found:
            found.extend(each for table in tables for each in self._table(table, owned))
        yield from found
        if not found:
            oldest = databases[0]
            yield well(
                self,
                f"{len(databases)} databases: the oldest, {oldest.name}, is {oldest.transactions} transactions and "
                f"{oldest.multixacts} multixacts old; {STOPS_AT - oldest.transactions} are left.",
                transactions=oldest.transactions,
                multixacts=oldest.multixacts,
            )

    def _severity(self, age: _Age) -> Severity:
        worst = max(age.transactions, age.multixacts)
        severity = graded(worst, warning=self.warning, critical=self.critical)
        is_overdue = (
            age.transactions >= age.freeze_at * self.overdue
            or age.multixacts >= age.multixact_freeze_at * self.overdue
        )
        return "warning" if severity == "ok" and is_overdue else severity

    def _database(self, look: Look, age: _Age) -> Iterator[Finding]:
        severity = self._severity(age)
        if severity == "ok":
            return
        here = age.name == look.database
        cure = Cure(
            sql="vacuum (freeze);" if here else "",
            command="" if here else f"vacuumdb --freeze --dbname={database_word(age.name)}",
            undo="none is needed; it changes no row that can be seen",
            explanation="First end what holds vacuum back (see vacuum, prepared_transactions, wal_and_slots); then freeze, the oldest "
            "tables first. Never in single-user mode unless the server itself asks for it.",
        )
        yield Finding(
            check=NAME,
            key=f"{NAME}/{age.name}",
            severity=severity,
            saw=f"Database {age.name} is {age.transactions} transactions and {age.multixacts} multixacts old; a forced vacuum was due at "
            f"{age.freeze_at} and {age.multixact_freeze_at}; {STOPS_AT - max(age.transactions, age.multixacts)} are left.",
            why=self.why,
            cures=(cure,),
            numbers={
                "transactions": age.transactions,
                "multixacts": age.multixacts,
                "freeze_at": age.freeze_at,
            },
        )

    def _table(self, age: _Age, owned: frozenset[str]) -> Iterator[Finding]:
        severity = self._severity(age)
        if severity == "ok":
            return
        name = f"{age.schema}.{age.name}"
        yield Finding(
            check=NAME,
            key=f"{NAME}/table {name}",
            severity=severity,
            saw=f"{name} is among the oldest: {age.transactions} transactions, {age.multixacts} multixacts.",
            why=self.why,
            cures=(
                Cure(
                    sql=f"vacuum (freeze) {identifier(age.schema, age.name)};",
                    is_safe=age.owner in owned,
                    undo="none is needed; it changes no row that can be seen",
                ),
            ),
            numbers={"transactions": age.transactions, "multixacts": age.multixacts},
        )


CHECK = Wraparound()
