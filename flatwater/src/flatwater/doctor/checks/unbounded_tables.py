"""Tables that must not grow without bound: those of bookkeeping against a budget of rows, all others by their growth since the last look."""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Final

from msgspec import Struct

from flatwater.doctor.catalog import queries
from flatwater.doctor.look import Look
from flatwater.doctor.model import Cure, Finding
from flatwater.doctor.processes import in_words
from flatwater.doctor.quoting import identifier
from flatwater.doctor.relations import DAY_S, graded, well

NAME: Final = "unbounded_tables"
KEPT: Final = 60
"""Tables whose size is left for the next look."""


class Budget(Struct, frozen=True):
    """How many rows a table may have whose name matches."""

    pattern: str
    notice: int
    warning: int
    critical: int


RATE_LIMITS: Final = Budget(r"(?:rate|request)_?limits?|throttl|allowance", 100_000, 500_000, 1_000_000)
"""*Source*: the guard's service levels: rate-limit rows under 100 k, warning over 500 k, critical over 1 M."""
_ENDS = re.compile(r"expir|reset|until|valid_to|ends?_at", re.IGNORECASE)


_SWEEP: Final = """do $sweep$
declare
    page bigint := 0;
    pages bigint := pg_relation_size($name$$TABLE$name$::regclass) / 8192;
begin
    while page < pages loop
        delete from $TABLE where ctid = any (array(
            select ctid from $TABLE
            where ctid >= format('(%s,0)', page)::tid and ctid < format('(%s,0)', page + 200)::tid
              and $ENDS < clock_timestamp()
            for update skip locked));
        commit;
        page := page + 200;
    end loop;
end
$sweep$;"""


class _Table(Struct, frozen=True):
    schema: str
    table_name: str
    is_unlogged: bool
    rows: int
    size_bytes: int
    times: tuple[str, ...]

    @property
    def full_name(self) -> str:
        return f"{self.schema}.{self.table_name}"


class UnboundedTables(Struct, frozen=True):
    """*Source*: the budgets' own; a table that at its present rate doubles in a week is told (our own level; PgHero shows growth
    over 7 days without one), from 10 MiB on and over a minute at least."""

    budgets: tuple[Budget, ...] = (RATE_LIMITS,)
    doubles_within_days: float = 7.0
    least_bytes: int = 10 << 20
    least_s: float = 60.0
    name: str = NAME
    title: str = "Tables without bound"
    why: str = "A table that is only added to becomes the database: its memory, its backups, its vacuums."

    def look(self, look: Look) -> Iterator[Finding]:
        tables = look.rows(queries["table_rows"], into=_Table)
        found = [each for table in tables for each in self._table(look, table)]
        for table in sorted(tables, key=lambda each: -each.size_bytes)[:KEPT]:
            look.remember(f"{NAME}/bytes/{table.full_name}", table.size_bytes)
        yield from found
        if not found:
            before = look.previous
            window = "there was no look before, so growth is not known yet" if before is None else (
                f"over {(look.at - before.at).total_seconds() / 3600:.1f} h none doubles within {self.doubles_within_days:.0f} days"
            )  # fmt: skip
            yield well(
                self,
                f"{len(tables)} tables looked at; none is over its budget of rows; {window}.",
                tables=len(tables),
            )

    def _table(self, look: Look, table: _Table) -> Iterator[Finding]:
        budget = next(
            (each for each in self.budgets if re.search(each.pattern, table.table_name, re.IGNORECASE)), None
        )
        if budget is not None:
            yield from self._over_budget(look, table, budget)
        elif table.is_unlogged:
            target = identifier(table.schema, table.table_name)
            yield Finding(
                NAME, f"{NAME}/unlogged {table.full_name}", "notice",
                f"{table.full_name} is unlogged (about {table.rows} rows, {in_words(table.size_bytes)}).",
                "After a crash it is empty, and replicas and backups don't have it.",
                (
                    Cure(
                        sql=f"alter table {target} set logged;", undo=f"alter table {target} set unlogged;",
                        explanation="Where its rows matter. Writes the table anew and locks it meanwhile.",
                    ),
                ),
                {"rows": table.rows},
            )  # fmt: skip
        yield from self._growing(look, table)

    def _over_budget(self, look: Look, table: _Table, budget: Budget) -> Iterator[Finding]:
        # A level of the guard's is passed when a table is over it.
        severity = graded(
            table.rows, notice=budget.notice + 1, warning=budget.warning + 1, critical=budget.critical + 1
        )
        if severity == "ok":
            return
        yield Finding(
            NAME, f"{NAME}/{table.full_name}", severity,
            f"{table.full_name} has about {table.rows} rows ({in_words(table.size_bytes)}); its target is under {budget.notice}, "
            f"critical over {budget.critical}.",
            "Rows that have run out are kept and searched with every request.",
            tuple(_sweeps(look, table)), {"rows": table.rows, "target": budget.notice, "size_bytes": table.size_bytes},
        )  # fmt: skip

    def _growing(self, look: Look, table: _Table) -> Iterator[Finding]:
        if look.previous is None:
            return
        before = look.previous.numbers.get(f"{NAME}/bytes/{table.full_name}")
        passed_s = (look.at - look.previous.at).total_seconds()
        if before is None or passed_s < self.least_s or table.size_bytes < self.least_bytes:
            return
        grown = table.size_bytes - before
        if grown <= 0:
            return
        a_day = grown / passed_s * DAY_S
        doubles_days = table.size_bytes / a_day
        if doubles_days > self.doubles_within_days:
            return
        yield Finding(
            NAME, f"{NAME}/growing {table.full_name}", "notice",
            f"{table.full_name} grew by {in_words(grown)} in {passed_s / 3600:.1f} h, to {in_words(table.size_bytes)}; at that rate it doubles in "
            f"{doubles_days:.1f} days.",
            self.why,
            (Cure(explanation="Say what may be deleted and when, and do it in batches on a schedule; or partition it by time. An import is no leak: look again later."),),
            {"grown_bytes": grown, "bytes_a_day": round(a_day), "doubles_days": round(doubles_days, 2)},
        )  # fmt: skip


def _sweeps(look: Look, table: _Table) -> Iterator[Cure]:
    """Deletes what has run out, some pages at a time, each in its own transaction, and stepping over rows in use."""
    ends = next((each for each in table.times if _ENDS.search(each)), None)
    target = identifier(table.schema, table.table_name)
    if ends is None:
        yield Cure(
            explanation="No column tells when a row runs out; give it one and delete in batches by it, on a schedule."
        )
    elif look.version < 140_000:
        yield Cure(
            sql=f"delete from {target} where ctid = any (array(select ctid from {target} where {identifier(ends)} < clock_timestamp() "  # noqa: S608  names are quoted
            "limit 10000 for update skip locked));",
            undo="none; take a backup first where a row may still be wanted", explanation="Again until it deletes none.",
        )  # fmt: skip
    else:
        yield Cure(
            sql=_sweep_by_pages(target, ends), undo="none; take a backup first where a row may still be wanted",
            explanation=f"Deletes the rows whose {ends} has passed, 200 pages (about 10,000 rows) a transaction, so nobody waits for it and it can "
            "be stopped and begun again. Outside a transaction, with set statement_timeout = 0.",
        )  # fmt: skip
    yield Cure(
        sql=f"vacuum (analyze) {target};", undo="none is needed; it changes no row", explanation="After it, to make the room usable again."
    )  # fmt: skip


def _sweep_by_pages(target: str, ends: str) -> str:
    # By ranges of pages and not by LIMIT: a LIMIT steps over all that was deleted before it, again with every batch.
    return _SWEEP.replace("$TABLE", target).replace("$ENDS", identifier(ends))


CHECK = UnboundedTables()
