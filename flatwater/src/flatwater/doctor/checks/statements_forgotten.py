"""Statements forgotten: pg_stat_statements has no room for all, so its counts lie."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import datetime
from typing import Final

from msgspec import Struct

from flatwater.doctor.catalog import queries
from flatwater.doctor.look import Look
from flatwater.doctor.model import Cure, Finding, NotExamined
from flatwater.doctor.relations import days, well

NAME: Final = "statements_forgotten"


class _Forgotten(Struct, frozen=True):
    forgotten: int
    since_at: datetime
    most: int
    kept: int


class StatementsForgotten(Struct, frozen=True):
    """*Source*: check_pgactivity's pgss_dealloc counts them too and wants a level given; once a day is ours: at that rate a
    statement that runs once a day is always among the forgotten."""

    a_day: float = 1.0
    name: str = NAME
    title: str = "Statements forgotten"
    why: str = (
        "What is forgotten begins anew at zero: a slow statement can look rare, and sums are too small."
    )

    def look(self, look: Look) -> Iterator[Finding]:
        if not look.has_pg_stat_statements:
            has_none = "" if look.offers_pg_stat_statements else " and this server has none to install"
            raise NotExamined(
                f"No statistics of statements are kept (pg_stat_statements){has_none}, so none can be forgotten."
            )
        if look.version < 140_000:
            raise NotExamined("PostgreSQL counts them from version 14.")
        counted = look.rows(queries["statements_forgotten"], into=_Forgotten)[0]
        window = days(counted.since_at, look.at)
        rate = counted.forgotten / max(window, 1.0)
        numbers: dict[str, float | int | str] = {
            "forgotten": counted.forgotten,
            "kept": counted.kept,
            "days": round(window, 2),
        }
        if rate < self.a_day:
            yield well(
                self,
                f"Room was made {counted.forgotten} times in {window:.1f} days; {counted.kept} of {counted.most} places are taken.",
                **numbers,
            )
            return
        yield Finding(
            check=NAME,
            key=f"{NAME}/all",
            severity="notice",
            saw=f"pg_stat_statements made room {counted.forgotten} times in {window:.1f} days, each time forgetting a twentieth of its "
            f"{counted.most} statements.",
            why=self.why,
            cures=(
                Cure(
                    sql=f"alter system set pg_stat_statements.max = {counted.most * 2};",
                    undo="alter system reset pg_stat_statements.max;",
                    explanation="Holds after a restart of the server.",
                ),
                Cure(
                    explanation="Most often the cause is text that is new with every call: values or lists of them put into the statement, "
                    "temporary tables by name. Use parameters, and = any(array) for lists."
                ),
            ),
            numbers=numbers,
        )


CHECK = StatementsForgotten()
