"""Updates: whether they stay beside their row, or move to another page and touch every index."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Final

from msgspec import Struct

from flatwater.doctor.catalog import queries
from flatwater.doctor.look import Look
from flatwater.doctor.model import Cure, Finding, Severity
from flatwater.doctor.quoting import identifier
from flatwater.doctor.relations import well

NAME: Final = "hot_updates"


class _Updated(Struct, frozen=True):
    schema: str
    table_name: str
    updates: int
    beside: int
    elsewhere: int | None
    fill: int


class HotUpdates(Struct, frozen=True):
    """*Source*: pg-extras' diagnose: under a tenth of 10,000 updates beside their row, or a fifth and more on a new page."""

    least_updates: int = 10_000
    beside_share: float = 0.10
    elsewhere_share: float = 0.20
    name: str = NAME
    title: str = "Updates that move rows"
    why: str = "An update that stays on its page leaves the indexes alone and is cleaned up without a vacuum; one that moves writes every index."

    def look(self, look: Look) -> Iterator[Finding]:
        part = "new_page" if look.version >= 160_000 else "no_new_page"
        tables = look.rows(
            queries["hot_updates"].plus(part), {"least_updates": self.least_updates}, into=_Updated
        )
        found = [each for each in map(self._finding, tables) if each is not None]
        yield from found
        if not found:
            yield well(
                self,
                f"{len(tables)} tables have {self.least_updates} updates or more; in none do too many move.",
                tables=len(tables),
            )

    def _finding(self, table: _Updated) -> Finding | None:
        beside = table.beside / max(table.updates, 1)
        elsewhere = (table.elsewhere or 0) / max(table.updates, 1)
        if beside >= self.beside_share and elsewhere < self.elsewhere_share:
            return None
        target = identifier(table.schema, table.table_name)
        severity: Severity = "notice"
        return Finding(
            check=NAME,
            key=f"{NAME}/{table.schema}.{table.table_name}",
            severity=severity,
            saw=f"Of {table.updates} updates of {table.schema}.{table.table_name}, {beside:.0%} stayed beside their row"
            + ("" if table.elsewhere is None else f" and {elsewhere:.0%} went to a new page")
            + ".",
            why=self.why,
            cures=(
                Cure(
                    sql=f"alter table {target} set (fillfactor = {max(table.fill - 20, 60)});",
                    undo=f"alter table {target} "
                    + ("reset (fillfactor);" if table.fill == 100 else f"set (fillfactor = {table.fill});"),
                    explanation="Leaves room on new pages; old ones keep theirs until they are written anew. It helps only where the columns that "
                    "change are in no index: see unused_indexes for one that can go. Counts don't tell today from last year: compare two looks.",
                ),
            ),
            numbers={"updates": table.updates, "beside": round(beside, 3), "elsewhere": round(elsewhere, 3)},
        )


CHECK = HotUpdates()
