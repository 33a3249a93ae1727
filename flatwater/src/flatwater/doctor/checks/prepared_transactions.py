"""Prepared transactions that nobody came back for: they keep their locks even over a restart."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import datetime
from typing import Final

from msgspec import Struct

from flatwater.doctor.catalog import queries
from flatwater.doctor.look import Look
from flatwater.doctor.model import Cure, Finding
from flatwater.doctor.quoting import identifier, literal
from flatwater.doctor.relations import graded, well
from flatwater.doctor.sessions import spent

NAME: Final = "prepared_transactions"


class _Prepared(Struct, frozen=True):
    name: str
    role: str
    database: str
    age_s: float
    prepared_at: datetime
    locks: int


class PreparedTransactions(Struct, frozen=True):
    """*Source*: 1 s and 30 s as check_postgres has them: a coordinator that lives comes back within milliseconds."""

    warning_s: float = 1.0
    critical_s: float = 30.0
    name: str = NAME
    title: str = "Prepared transactions"
    why: str = "It keeps its locks and holds back vacuum in every table, with no session to end, and a restart does not help."

    def look(self, look: Look) -> Iterator[Finding]:
        prepared = look.rows(queries["prepared_transactions"], into=_Prepared)
        old = [each for each in prepared if each.age_s >= self.warning_s]
        for each in old:
            yield self._finding(look, each)
        if not old:
            yield well(
                self,
                f"{len(prepared)} transactions are prepared, none for over {self.warning_s:.0f} s.",
                prepared=len(prepared),
            )

    def _finding(self, look: Look, each: _Prepared) -> Finding:
        statement = f"rollback prepared {literal(each.name)};"
        here = each.database == look.database
        return Finding(
            check=NAME,
            key=f"{NAME}/{each.name}",
            severity=graded(each.age_s, warning=self.warning_s, critical=self.critical_s),
            saw=f"Transaction {each.name} of {each.role} in {each.database} was prepared {spent(each.age_s)} ago and holds {each.locks} locks.",
            why=self.why,
            cures=(
                Cure(
                    sql=statement if here else f"-- in database {identifier(each.database)}:\n{statement}",
                    undo="none",
                    explanation=f"Ask its coordinator first: where the other side committed, the right one is commit prepared {literal(each.name)};. "
                    f"As {each.role} or a superuser.",
                ),
            ),
            numbers={"age_s": round(each.age_s, 1), "locks": each.locks},
        )


CHECK = PreparedTransactions()
