"""Cures: applies the safe ones, one by one, each only after a yes, and says what each did."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from typing import Final, LiteralString, cast

import psycopg
from msgspec import Struct

from flatwater.doctor.check import Check
from flatwater.doctor.checks import ALL
from flatwater.doctor.look import Look
from flatwater.doctor.model import Cure, Finding, NotExamined
from flatwater.doctor.run import Report

STATEMENT_S: Final = 300
LOCK_S: Final = 2
"""A cure may work for five minutes (a vacuum of a large table), but not stand in anybody's way for longer than two seconds."""
MAX_CURES_A_RUN: Final = 100
GONE: Final = "nothing to do: what was seen is gone or does something else by now"


class Deed(Struct, frozen=True):
    """One cure and what came of it. `done` is false where nobody said yes, it failed, or what was seen was gone."""

    finding: Finding
    cure: Cure
    done: bool
    said: str


def safe_cures(report: Report) -> list[tuple[Finding, Cure]]:
    """The cures that may be applied by this program, the worst finding's first, each statement once; at most 100."""
    found: dict[str, tuple[Finding, Cure]] = {}
    for finding in report.findings:
        if finding.severity in {"ok", "not_examined"}:
            continue
        for cure in finding.cures:
            if cure.is_safe and cure.sql and len(found) < MAX_CURES_A_RUN:
                found.setdefault(cure.sql, (finding, cure))
    return list(found.values())


def apply(
    look: Look,
    report: Report,
    agrees: Callable[[Finding, Cure], bool],
    checks: Iterable[Check] = ALL,
) -> Iterator[Deed]:
    """Applies each safe cure that is agreed to, through the look's own connection made writable for that moment.

    No second connection: the server may have no room for one. A cure for a session carries what was seen of it in its own
    condition, so when it is gone or has moved by now nothing happens, and the deed says so; so it can be run again. Any other is done
    only when its check, asked again at that moment, still offers this very cure.
    *Errors*: none of a cure's own; they are in its deed.
    """
    by_name = {check.name: check for check in checks}
    for finding, cure in safe_cures(report):
        if not agrees(finding, cure):
            yield Deed(finding, cure, done=False, said="left as it is")
        elif cure.checks_itself or _is_still_offered(look, by_name.get(finding.check), cure):
            yield _do(look.connection, finding, cure)
        else:
            yield Deed(finding, cure, done=False, said=GONE)


def _is_still_offered(look: Look, check: Check | None, cure: Cure) -> bool:
    """Whether the check finds now what this cures. Where it can't look any more, what it saw can't be relied on."""
    if check is None:
        return False
    try:
        return any(cure in finding.cures for finding in check.look(look) if finding.severity != "ok")
    except NotExamined:
        return False


def _do(connection: psycopg.Connection[dict[str, object]], finding: Finding, cure: Cure) -> Deed:
    try:
        connection.execute(
            "select set_config('default_transaction_read_only', 'off', false), "
            "set_config('statement_timeout', %s, false), set_config('lock_timeout', %s, false)",
            [f"{STATEMENT_S}s", f"{LOCK_S}s"],
        )
        try:
            # A check made this text from its own words and quoted names; nobody else can put a cure into a report.
            cursor = connection.execute(cast("LiteralString", cure.sql))
            return _told(cursor, finding, cure)
        finally:
            if not connection.closed:
                connection.execute(
                    "reset default_transaction_read_only; reset statement_timeout; reset lock_timeout"
                )
    except psycopg.Error as error:
        said = (error.diag.message_primary or str(error)).strip().split("\n", 1)[0]
        return Deed(finding, cure, done=False, said=f"it failed: {said}")


def _told(cursor: psycopg.Cursor[dict[str, object]], finding: Finding, cure: Cure) -> Deed:
    if cursor.description is None:
        return Deed(finding, cure, done=True, said=f"done ({cursor.statusmessage})")
    rows = cursor.fetchmany(10)
    if not rows:
        return Deed(
            finding,
            cure,
            done=False,
            said=GONE,
        )
    answers = [value for row in rows for value in row.values()]
    if any(value is False for value in answers):
        return Deed(finding, cure, done=False, said="the server did not do it: it was gone at that moment")
    return Deed(finding, cure, done=True, said="done")
