"""Tables that must not grow without bound: those of bookkeeping against a budget of rows, any whose rows are past their end in mass, and all by
their growth since the last look."""

from __future__ import annotations

import re
import sys
from collections.abc import Iterator
from time import perf_counter
from typing import Final

from msgspec import Struct
from psycopg import sql

from flatwater.doctor.catalog import queries
from flatwater.doctor.look import Look
from flatwater.doctor.model import Cure, Finding, NotExamined
from flatwater.doctor.processes import in_words
from flatwater.doctor.quoting import identifier
from flatwater.doctor.relations import DAY_S, graded, well

NAME: Final = "unbounded_tables"
KEPT: Final = 60
"""Tables whose size is left for the next look."""
MOST_COUNTED: Final = 1_000_000
IS_HISTORY: Final = Cure(
    explanation="First ask whether what is past is wanted: where these rows are history, acknowledge this finding and keep them."
)


class Budget(Struct, frozen=True):
    """How many rows a table may have whose name matches: all of them, or (`of_past`) those that are past their end."""

    pattern: str
    notice: int
    warning: int
    critical: int
    kept: tuple[tuple[str, str], ...] = ()
    """Which columns tell the end of a row where none is named like an end: a pattern, and how long after it the row is past."""
    of_past: bool = False
    ends: str = r"expir|reset|until|valid_to|ends?_at"
    """The names of columns that tell the end of a row."""
    share: float = 0.0
    """Which share of the rows must be past as well, so that what is taken out in time is not told."""


class Ending(Struct, frozen=True):
    """Which column tells when a row has ended, and how long it is kept after that."""

    column: str
    kept: str

    def condition(self) -> sql.Composed:
        """What is so of a row that is past its end, as the cure asks it again of each row that it takes."""
        kept = (
            sql.SQL("clock_timestamp() - interval {}").format(sql.Literal(self.kept))
            if self.kept
            else sql.SQL("clock_timestamp()")
        )
        return sql.SQL("{} < {}").format(sql.Identifier(self.column), kept)

    @property
    def in_words(self) -> str:
        return f"{self.column} has passed" + (f" {self.kept} ago" if self.kept else "")


RATE_LIMITS: Final = Budget(
    r"(?:rate|request)_?limits?|throttl|allowance",
    100_000,
    500_000,
    1_000_000,
    kept=((r"^arrival_at$|^tat$", ""), (r"updated|last_|window|created|^at$|_at$", "1 day")),
)
"""*Source*: the guard's service levels: rate-limit rows under 100 k, warning over 500 k, critical over 1 M. A theoretical arrival (GCRA) that has
passed says that the allowance is whole again; of a row that only says when it was made, a day is longer than any window."""
PAST: Final = (10_000, 100_000, 1_000_000)
"""Rows past their end that nobody takes out: a batch, ten, and the critical level of rate limits. Our own levels."""
RUNS_OUT: Final = r"expir|valid_to|valid_until"
"""A session or a job may also be something that is held or done at a time: only what says that it runs out is past then."""
TOKENS: Final = Budget(
    r"tokens?$|nonces?$|one_time|otps?$|_codes?$|_links?$", *PAST, of_past=True, ends=RUNS_OUT
)
SESSIONS: Final = Budget(
    r"sessions?$",
    *PAST,
    kept=((r"last_(?:seen|used|activity)|updated", "30 days"),),
    of_past=True,
    ends=RUNS_OUT,
)
JOBS: Final = Budget(
    r"jobs?$|queues?$|outbox$|deliver(?:y|ies)$|receipts?$",
    *PAST,
    kept=((r"(?:finish|complet|process|deliver|done|attempted).*_at", "7 days"),),
    of_past=True,
    ends=RUNS_OUT,
)
BUDGETS: Final = (RATE_LIMITS, TOKENS, SESSIONS, JOBS)
ANY_ENDS: Final = (
    r"^(?:date_?)?(?:expires?|expired|expiry|expiration)(?:_?(?:at|on|date|time|datetime|timestamp|ts|utc))?$"
    r"|^(?:valid|good|keep|retain)_?(?:to|until|till|thru|through)(?:_?date)?$|^not_?after$|^ttl$"
    r"|^(?:delete|purge|discard|evict)_?(?:after|at|on|by)$"
)
"""Names that speak of the row itself; `password_expires_at` of a table of users speaks of something in it."""
ANY: Final = Budget(
    "", 10_000, 100_000, sys.maxsize, kept=((ANY_ENDS, "1 day"),), of_past=True, ends=r"$^", share=0.5
)
"""Tables of any name with a column for their rows' end: told where most of their rows are past it, for a day at least, so that nobody takes them
out. Never critical: such rows may be history. Our own levels, those of tokens."""
PROBED_PAGES: Final = 20_000
"""160 MB: where a table is larger its oldest pages are looked at first, which are most likely past their end. TID ranges need PostgreSQL 14."""
MOST_PROBED: Final = 20
"""Tables of any name that are counted in one look, the largest first."""
LEAST_ROW_BYTES: Final = 24
"""A row's head alone: a table that has no room for so many rows need not be asked."""
PROBE_S: Final = 1.0
"""For all of them; a check that takes 1.5 s is left out of the looks that follow."""
_LOCKS = re.compile(r"lock|attempt", re.IGNORECASE)
"""A lock that is over ends no row."""


_SWEEP: Final = """do $sweep$
declare
    page bigint := 0;
    pages bigint := pg_relation_size($name$$TABLE$name$::regclass) / 8192;
begin
    while page < pages loop
        delete from $TABLE where ctid = any (array(
            select ctid from $TABLE
            where ctid >= format('(%s,0)', page)::tid and ctid < format('(%s,0)', page + 200)::tid
              and $PAST
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

    budgets: tuple[Budget, ...] = BUDGETS
    any: Budget = ANY
    doubles_within_days: float = 7.0
    least_bytes: int = 10 << 20
    least_s: float = 60.0
    name: str = NAME
    title: str = "Tables without bound"
    why: str = "A table that is only added to becomes the database: its memory, its backups, its vacuums."

    def look(self, look: Look) -> Iterator[Finding]:
        tables = look.rows(queries["table_rows"], into=_Table)
        by_size = sorted(tables, key=lambda each: -each.size_bytes)
        roomy = [each for each in by_size if each.size_bytes >= self.any.notice * LEAST_ROW_BYTES]
        ending = [each for each in roomy if self._budget(each) is None and ending_of(self.any, each.times)]
        until_s = perf_counter() + PROBE_S
        worth: set[str] = set()
        left = list(ending)
        while left and len(ending) - len(left) < MOST_PROBED and perf_counter() < until_s:
            table = left.pop(0)
            if _is_worth_counting(look, table, self.any):
                worth.add(table.full_name)
        found = [each for table in tables for each in self._table(look, table, table.full_name in worth)]
        if left:
            found.append(_not_probed(left))
        for table in by_size[:KEPT]:
            look.remember(f"{NAME}/bytes/{table.full_name}", table.size_bytes)
        yield from found
        if not found:
            before = look.previous
            window = (
                "there was no look before, so growth is not known yet"
                if before is None
                else (
                    f"over {(look.at - before.at).total_seconds() / 3600:.1f} h none doubles within {self.doubles_within_days:.0f} days"
                )
            )
            yield well(
                self,
                f"{len(tables)} tables looked at; none is over its budget of rows; {window}.",
                tables=len(tables),
            )

    def _budget(self, table: _Table) -> Budget | None:
        named = (each for each in self.budgets if re.search(each.pattern, table.table_name, re.IGNORECASE))
        return next(named, None)

    def _table(self, look: Look, table: _Table, is_worth: bool) -> Iterator[Finding]:
        budget = self._budget(table)
        if budget is not None:
            yield from self._over_budget(look, table, budget)
        elif is_worth:
            yield from self._over_budget(look, table, self.any)
        if budget is None and table.is_unlogged:
            target = identifier(table.schema, table.table_name)
            yield Finding(
                check=NAME,
                key=f"{NAME}/unlogged {table.full_name}",
                severity="notice",
                saw=f"{table.full_name} is unlogged (about {table.rows} rows, {in_words(table.size_bytes)}).",
                why="After a crash it is empty, and replicas and backups don't have it.",
                cures=(
                    Cure(
                        sql=f"alter table {target} set logged;",
                        undo=f"alter table {target} set unlogged;",
                        explanation="Where its rows matter. Writes the table anew and locks it meanwhile.",
                    ),
                ),
                numbers={"rows": table.rows},
            )
        yield from self._growing(look, table)

    def _over_budget(self, look: Look, table: _Table, budget: Budget) -> Iterator[Finding]:
        """Counted, and no further than the critical level: an estimate is no reason to call anybody, nor to call nobody."""
        ending = ending_of(budget, table.times)
        most = min(budget.critical, MOST_COUNTED) + 1
        if table.size_bytes == 0 or (budget.of_past and ending is None):
            return
        try:
            past = None if ending is None else look.count(NAME, _counting(table, most, ending.condition()))
            rows = past or 0 if budget.of_past else look.count(NAME, _counting(table, most, sql.SQL("true")))
            if budget.share and rows > budget.notice:
                at_most = int(rows / budget.share)
                held = look.count(NAME, _counting(table, at_most + 1, sql.SQL("true")))
                rows = rows if held <= at_most else 0
        except NotExamined as reason:
            yield Finding(
                NAME,
                f"{NAME}/{table.full_name}",
                "not_examined",
                f"The rows of {table.full_name} ({in_words(table.size_bytes)}) could not be counted: {reason}",
                "Rows that have run out are kept and searched with every request.",
            )
            return
        # A level of the guard's is passed when a table is over it.
        severity = graded(
            rows, notice=budget.notice + 1, warning=budget.warning + 1, critical=budget.critical + 1
        )
        if severity == "ok":
            return
        told = (
            f"{in_words(table.size_bytes)}"
            if budget.of_past
            else f"{_counted(rows, most)} rows, {in_words(table.size_bytes)}"
        )
        critical = "" if budget.critical == sys.maxsize else f", critical over {budget.critical:,}"
        ended = (
            "" if past is None or ending is None else f" Of {_counted(past, most)} rows {ending.in_words}."
        )
        numbers: dict[str, float | int | str] = {
            "rows": rows,
            "target": budget.notice,
            "size_bytes": table.size_bytes,
        }
        if past is not None:
            numbers["past"] = past
        yield Finding(
            check=NAME,
            key=f"{NAME}/{table.full_name}",
            severity=severity,
            saw=f"{table.full_name} has {told}; its target is under {budget.notice:,}{' rows past their end' if budget.of_past else ''}"
            f"{critical}.{ended}",
            why="Rows that have run out are kept and searched with every request.",
            cures=(*((IS_HISTORY,) if budget.share else ()), *_sweeps(look, table, ending)),
            numbers=numbers,
        )

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
            check=NAME,
            key=f"{NAME}/growing {table.full_name}",
            severity="notice",
            saw=f"{table.full_name} grew by {in_words(grown)} in {passed_s / 3600:.1f} h, to {in_words(table.size_bytes)}; at that rate it doubles in "
            f"{doubles_days:.1f} days.",
            why=self.why,
            cures=(
                Cure(
                    explanation="Say what may be deleted and when, and do it in batches on a schedule; or partition it by time. An import is no leak: look again later."
                ),
            ),
            numbers={
                "grown_bytes": grown,
                "bytes_a_day": round(a_day),
                "doubles_days": round(doubles_days, 2),
            },
        )


def _is_worth_counting(look: Look, table: _Table, budget: Budget) -> bool:
    """Whether the oldest pages of a table have rows enough that are past; what can't be asked is asked with the rest, which says so."""
    ending = ending_of(budget, table.times)
    if ending is None:
        return False
    if look.version < 140_000:
        return True
    first = sql.SQL("ctid < '({},0)'::tid and {}").format(sql.Literal(PROBED_PAGES), ending.condition())
    try:
        return look.count(NAME, _counting(table, budget.notice + 1, first)) > budget.notice
    except NotExamined:
        return True


def _not_probed(tables: list[_Table]) -> Finding:
    return Finding(
        NAME,
        f"{NAME}/not counted",
        "not_examined",
        f"{len(tables)} smaller tables with a column for their rows' end were not counted, among them {tables[0].full_name}; one look counts {MOST_PROBED} at most, for a second.",
        "Rows that have run out are kept and searched with every request.",
    )


def ending_of(budget: Budget, times: tuple[str, ...]) -> Ending | None:
    """The column of these that tells when a row of such a table has ended."""
    named = next(
        (each for each in times if re.search(budget.ends, each, re.IGNORECASE) and not _LOCKS.search(each)),
        None,
    )
    if named is not None:
        return Ending(named, "")
    for pattern, kept in budget.kept:
        found = next((each for each in times if re.search(pattern, each, re.IGNORECASE)), None)
        if found is not None:
            return Ending(found, kept)
    return None


def _counting(table: _Table, most: int, condition: sql.Composable) -> sql.Composed:
    return sql.SQL("select count(*) as count from (select from {} where {} limit {}) counted").format(
        sql.Identifier(table.schema, table.table_name), condition, sql.Literal(most)
    )


def _counted(rows: int, most: int) -> str:
    return f"more than {most - 1:,}" if rows >= most else f"{rows:,}"


def _sweeps(look: Look, table: _Table, ending: Ending | None) -> Iterator[Cure]:
    """Deletes what has run out, some pages at a time, each in its own transaction, and stepping over rows in use."""
    target = identifier(table.schema, table.table_name)
    if ending is None:
        yield Cure(
            explanation="No column tells when a row runs out; give it one and delete in batches by it, on a schedule."
        )
    elif look.version < 140_000:
        yield Cure(
            sql=f"delete from {target} where ctid = any (array(select ctid from {target} where {ending.condition().as_string()} "  # noqa: S608  names are quoted
            "limit 10000 for update skip locked));",
            undo="none; take a backup first where a row may still be wanted",
            explanation="Again until it deletes none.",
        )
    else:
        yield Cure(
            sql=_sweep_by_pages(target, ending),
            undo="none; take a backup first where a row may still be wanted",
            explanation=f"Deletes the rows whose {ending.in_words}, 200 pages (about 10,000 rows) a transaction, so nobody waits for it and it can "
            "be stopped and begun again. Outside a transaction, with set statement_timeout = 0.",
        )
    yield Cure(
        sql=f"vacuum (analyze) {target};",
        undo="none is needed; it changes no row",
        explanation="After it, to make the room usable again.",
    )


def _sweep_by_pages(target: str, ending: Ending) -> str:
    # By ranges of pages and not by LIMIT: a LIMIT steps over all that was deleted before it, again with every batch.
    return _SWEEP.replace("$TABLE", target).replace("$PAST", ending.condition().as_string())


CHECK = UnboundedTables()
