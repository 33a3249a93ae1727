"""Vacuum: switched off, late, or kept from its work by somebody's old transaction."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import datetime
from typing import Final

from msgspec import Struct

from flatwater.doctor.catalog import queries
from flatwater.doctor.look import Look
from flatwater.doctor.model import Cure, Finding
from flatwater.doctor.quoting import identifier
from flatwater.doctor.relations import graded, owners, well

NAME: Final = "vacuum"


class _Settings(Struct, frozen=True):
    is_on: bool
    counts: bool
    workers: int
    running: int


class _Due(Struct, frozen=True):
    schema: str
    table_name: str
    owner: str
    dead_rows: int
    live_rows: int
    trigger_rows: float
    is_off: bool
    last_at: datetime | None
    is_running: bool


class _Horizon(Struct, frozen=True):
    kind: str
    who: str
    age: int
    target: str


class Vacuum(Struct, frozen=True):
    """*Source*: due is what the server's own settings say; late is twice that, which a worker that comes round each minute lets
    no healthy table reach. A horizon of a million transactions is our own level (check_pgactivity's oldest_xmin wants one
    given); it is also told, whatever its age, beside a table that is late."""

    late: float = 2.0
    least_dead_rows: int = 1_000
    horizon_notice: int = 1_000_000
    horizon_warning: int = 10_000_000
    name: str = NAME
    title: str = "Vacuum"
    why: str = "Without it tables only grow, scans step over dead rows, and in the end the server stops taking writes."

    def look(self, look: Look) -> Iterator[Finding]:
        settings = look.rows(queries["autovacuum_settings"], into=_Settings)[0]
        due = look.rows(queries["vacuum_due"], into=_Due)
        horizons = look.rows(queries["oldest_horizons"], into=_Horizon)
        owned = owners(look)
        found = [*self._server(settings), *(each for table in due for each in self._table(table, owned))]
        found.extend(
            self._horizon(horizons, is_late=any(each.key.startswith(f"{NAME}/late") for each in found))
        )
        yield from found
        if not found:
            oldest = max((each.age for each in horizons), default=0)
            yield well(
                self,
                f"Autovacuum is on with {settings.workers} workers, {settings.running} at work; {len(due)} tables are due, "
                f"none is late; the oldest transaction still needed is {oldest} transactions old.",
                due=len(due),
                running=settings.running,
                oldest=oldest,
            )

    def _server(self, settings: _Settings) -> Iterator[Finding]:
        for name, is_on in {"autovacuum": settings.is_on, "track_counts": settings.counts}.items():
            if not is_on:
                yield Finding(
                    check=NAME,
                    key=f"{NAME}/{name}",
                    severity="critical",
                    saw=f"{name} is off for the whole server.",
                    why=self.why,
                    cures=(
                        Cure(sql=f"alter system set {name} = on;", undo=f"alter system set {name} = off;"),
                        Cure(
                            sql="select pg_reload_conf();",
                            explanation="Makes the setting hold; no restart is needed.",
                        ),
                    ),
                )

    def _table(self, table: _Due, owned: frozenset[str]) -> Iterator[Finding]:
        name, target = f"{table.schema}.{table.table_name}", identifier(table.schema, table.table_name)
        if table.is_off:
            yield Finding(
                check=NAME,
                key=f"{NAME}/off {name}",
                severity="warning" if table.live_rows >= self.least_dead_rows else "notice",
                saw=f"Autovacuum is off for {name} ({table.live_rows} rows, {table.dead_rows} dead).",
                why=self.why,
                cures=(
                    Cure(
                        sql=f"alter table {target} reset (autovacuum_enabled);",
                        undo=f"alter table {target} set (autovacuum_enabled = false);",
                        explanation="Takes a short lock that waits for running vacuums only.",
                    ),
                ),
                numbers={"dead_rows": table.dead_rows, "live_rows": table.live_rows},
            )
        late = max(self.least_dead_rows, table.trigger_rows * self.late)
        if table.dead_rows < late or table.is_running:
            return
        last = "never" if table.last_at is None else f"at {table.last_at:%Y-%m-%d %H:%M}"
        yield Finding(
            check=NAME,
            key=f"{NAME}/late {name}",
            severity="warning",
            saw=f"{name} has {table.dead_rows} dead rows; vacuum was due at {table.trigger_rows:.0f} and was last done {last}.",
            why=self.why,
            cures=(
                Cure(
                    sql=f"vacuum (analyze) {target};",
                    undo="none is needed; it changes no row",
                    is_safe=table.owner in owned,
                    explanation="Beside readers and writers. Then ask why it was late: workers busy, cost limits, or an old transaction.",
                ),
            ),
            numbers={"dead_rows": table.dead_rows, "due_at_rows": round(table.trigger_rows)},
        )

    def _horizon(self, horizons: list[_Horizon], *, is_late: bool) -> Iterator[Finding]:
        oldest = horizons[0] if horizons else None
        if oldest is None or oldest.age < (2 if is_late else self.horizon_notice):
            return
        explanations = {
            "session": "End that session's transaction (see connections and long_statements for it and for the statement that ends it).",
            "replication slot": "Its consumer is behind or gone: see wal_and_slots.",
            "prepared transaction": "See prepared_transactions.",
        }
        yield Finding(
            check=NAME,
            key=f"{NAME}/held back",
            severity=graded(oldest.age, notice=0, warning=self.horizon_warning),
            saw=f"Vacuum can't take out what died in the last {oldest.age} transactions: {oldest.kind} {oldest.who} ({oldest.target}) "
            "may still need it.",
            why="Every row that changes meanwhile is kept twice, in every table.",
            cures=(Cure(explanation=explanations[oldest.kind]),),
            numbers={"age": oldest.age, "kind": oldest.kind},
        )


CHECK = Vacuum()
