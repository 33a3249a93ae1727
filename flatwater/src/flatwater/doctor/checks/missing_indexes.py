"""Missing indexes: large tables read from end to end, and foreign keys that no index serves."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterator
from typing import Final

from msgspec import Struct

from flatwater.doctor.catalog import queries
from flatwater.doctor.hypothetical import tried
from flatwater.doctor.look import Look
from flatwater.doctor.model import Cure, Finding
from flatwater.doctor.quoting import identifier
from flatwater.doctor.relations import drop_index, graded, index_name, well

NAME: Final = "missing_indexes"
SKIPS_FROM: Final = 180_000
"""The version from which an index is used by its second column too, where its first has few values."""
ADVICE: Final = (
    "Outside a transaction, and with set lock_timeout = '5s' and set statement_timeout = 0 before it: it waits for older transactions "
    "at its end. When it fails it leaves an invalid index behind (see invalid_indexes): drop that and try again."
)
MAX_STATEMENT: Final = 4_000
MOST_NAMED: Final = 6

_COMPARED = re.compile(r"(?:\b\w+\.)?\"?(\w+)\"?\s*(?:=|<=?|>=?|\bin\b|\bbetween\b)(?!=)", re.IGNORECASE)


class _Scanned(Struct, frozen=True):
    schema: str
    table_name: str
    table_oid: int
    rows: int
    scans: int
    rows_read: int
    index_scans: int
    columns: tuple[str, ...]
    first_columns: tuple[str, ...]
    skipped_to: tuple[str, ...]


class _Key(Struct, frozen=True):
    schema: str
    table_name: str
    name: str
    refers_to: str
    kind: str
    rows: int
    columns: tuple[str, ...]
    deleted_above: int
    follows_deletion: bool
    partly: tuple[str, ...]

    @property
    def is_looked_up(self) -> bool:
        """Whether the server has reason to look rows up by this key: rows it refers to are deleted, or it says what then happens."""
        return self.deleted_above > 0 or self.follows_deletion


class _Statement(Struct, frozen=True):
    statement: str


class MissingIndexes(Struct, frozen=True):
    """*Source*: 10,000 rows as PgHero's missing indexes have them; 50 scans are its least calls for a suggestion. A table whose
    scans are under 5 % of all its reads is left in peace. A hundred thousand rows read at a time is where the guard's 500 ms
    for a statement are passed on small machines (our own measurement, a million narrow rows a second a core)."""

    least_rows: int = 10_000
    least_scans: int = 50
    share: float = 0.05
    warning_rows: int = 100_000
    name: str = NAME
    title: str = "Missing indexes"
    why: str = "Reading a whole table for a few rows takes time, memory and connections in step with the table's growth."

    def look(self, look: Look) -> Iterator[Finding]:
        parameters = {"least_rows": self.least_rows, "least_scans": self.least_scans}
        scanned = look.rows(queries["scanned_tables"], parameters, into=_Scanned)
        scanned = [each for each in scanned if each.scans >= (each.scans + each.index_scans) * self.share]
        keys = look.rows(queries["foreign_keys_without_index"], into=_Key)
        looked_up = [each for each in keys if each.is_looked_up]
        yield from map(self._key, looked_up)
        at_rest = [each for each in keys if not each.is_looked_up]
        if at_rest:
            yield self._at_rest(at_rest)
        if scanned:
            query = queries["statements_kept" if look.has_pg_stat_statements else "statements_seen"]
            statements = look.rows(query, into=_Statement)
            for table in scanned:
                yield self._scanned(look, table, statements)
        if not scanned and not looked_up:
            yield well(
                self,
                f"Every foreign key that deletions look up has its index, and no table of {self.least_rows} rows or more was read "
                f"whole {self.least_scans} times.",
                least_rows=self.least_rows,
            )

    def _at_rest(self, keys: list[_Key]) -> Finding:
        """Keys that no index serves and nothing looks up: an index would be written with every row and read by nobody."""
        tables = Counter(each.refers_to for each in keys)
        named = ", ".join(f"{name} ({count})" for name, count in tables.most_common(MOST_NAMED))
        more = f" and {len(tables) - MOST_NAMED} more tables" if len(tables) > MOST_NAMED else ""
        return Finding(
            check=NAME,
            key=f"{NAME}/at rest",
            severity="ok",
            saw=f"{len(keys)} foreign keys have no index and need none as long as no row of {named}{more} is deleted; none was since the "
            "statistics began.",
            why=self.why,
            cures=(),
            numbers={"keys": len(keys)},
        )

    def _key(self, key: _Key) -> Finding:
        name = index_name(key.table_name, key.columns)
        columns = ", ".join(identifier(each) for each in key.columns)
        # A partitioned table's index can't be built concurrently; each partition's can, and then be attached.
        beside = "" if key.kind == "p" else "concurrently "
        parted = (
            " A partitioned table: build it on each partition concurrently first; this then only joins them."
            if key.kind == "p"
            else ""
        )
        reason = (
            f"{key.deleted_above} rows of {key.refers_to} were deleted since the statistics began"
            if key.deleted_above
            else f"the key says what follows when a row of {key.refers_to} is deleted"
        )
        partly = (
            f" These hold a part of the rows and don't serve it: {', '.join(key.partly)}."
            if key.partly
            else ""
        )
        return Finding(
            check=NAME,
            key=f"{NAME}/{key.schema}.{key.table_name}.{key.name}",
            severity=graded(key.rows, notice=0, warning=self.least_rows),
            saw=f"Foreign key {key.name} of {key.schema}.{key.table_name} (about {key.rows} rows) has no index on ({', '.join(key.columns)}), "
            f"and {reason}.{partly}",
            why=f"Deleting or changing one row of {key.refers_to} reads all of {key.table_name}, and holds its locks while it does.",
            cures=(
                Cure(
                    sql=f"create index {beside}{identifier(name)} on {identifier(key.schema, key.table_name)} ({columns});",
                    undo=drop_index(key.schema, name),
                    explanation=ADVICE + parted,
                ),
            ),
            numbers={"rows": key.rows},
        )

    def _scanned(self, look: Look, table: _Scanned, statements: list[_Statement]) -> Finding:
        each_read = table.rows_read // max(table.scans, 1)
        column = _column(table, statements)
        trial = None
        if column is not None and not (look.version >= SKIPS_FROM and column in table.skipped_to):
            trial = tried(look, table.schema, table.table_name, column)
        cures: tuple[Cure, ...] = (
            Cure(
                explanation="No statement that compares a column of it without an index was seen. Take the statements that name "
                "it, look with explain (generic_plan, from PostgreSQL 16) which of them reads it whole, and index what it compares."
            ),
        )
        if column is not None and look.version >= SKIPS_FROM and column in table.skipped_to:
            cures = (
                Cure(
                    explanation=f"Statements that were seen compare {column}, and an index has it second, after a column of few values: from PostgreSQL 18 "
                    "that index serves them by skipping. Look at their plan with explain before another is built; analyze the table if it is not used."
                ),
            )
        elif column is not None and trial is not None and not trial.is_used:
            cures = (
                Cure(
                    explanation=f"Statements that were seen compare {column}, but an index on it, tried without being built (hypopg), is not used "
                    f"by the planner: it reads the table at a cost of {trial.before:.0f}, as so many rows have one value. Look at what else they compare."
                ),
            )
        elif column is not None:
            proof = (
                f"Tried without being built (hypopg): the planner uses it, at a cost of {trial.after:.0f} instead of {trial.before:.0f}. "
                if trial is not None
                else ""
            )
            name = index_name(table.table_name, (column,))
            cures = (
                Cure(
                    sql=f"create index concurrently {identifier(name)} on {identifier(table.schema, table.table_name)} "
                    f"({identifier(column)});",
                    undo=drop_index(table.schema, name),
                    explanation=f"Statements that were seen compare {column}. {proof}Look at their plan with explain before and after. {ADVICE}",
                ),
            )
        return Finding(
            check=NAME,
            key=f"{NAME}/{table.schema}.{table.table_name}",
            severity=graded(each_read, notice=0, warning=self.warning_rows),
            saw=f"{table.schema}.{table.table_name} (about {table.rows} rows) was read whole {table.scans} times, {each_read} rows each; "
            f"by an index {table.index_scans} times.",
            why=self.why,
            cures=cures,
            numbers={
                "rows": table.rows,
                "scans": table.scans,
                "rows_each": each_read,
                "column": column or "",
            },
        )


def _column(table: _Scanned, statements: list[_Statement]) -> str | None:
    """The column that most statements which name the table compare and that no index begins with.

    A hint by the words of the statement, not a parser: it is offered with the advice to look at the plan.
    """
    named = re.compile(
        rf"\b(?:from|join|update|into)\s+(?:\"?\w+\"?\.)?\"?{re.escape(table.table_name)}\"?(?!\w)",
        re.IGNORECASE,
    )
    candidates = set(table.columns) - set(table.first_columns)
    seen: Counter[str] = Counter()
    for each in statements:
        text = each.statement[:MAX_STATEMENT]
        where = re.search(r"\bwhere\b", text, re.IGNORECASE)
        if where is None or named.search(text) is None:
            continue
        seen.update({word for word in _COMPARED.findall(text[where.end() :]) if word in candidates})
    return seen.most_common(1)[0][0] if seen else None


CHECK = MissingIndexes()
