"""What the checks of tables and indexes share: grades, names as SQL writes them, and whose a table is."""

from __future__ import annotations

from datetime import datetime
from typing import Final

from msgspec import Struct

from flatwater.doctor.catalog import queries
from flatwater.doctor.check import Check
from flatwater.doctor.look import Look
from flatwater.doctor.model import Finding, Severity
from flatwater.doctor.quoting import identifier

DAY_S: Final = 86_400.0
LONGEST_NAME: Final = 63
"""Bytes of a name that PostgreSQL keeps."""


class _Owner(Struct, frozen=True):
    role: str


def graded(
    value: float, *, notice: float | None = None, warning: float | None = None, critical: float | None = None
) -> Severity:
    """The severity of a value that is worse the larger it is; a level that is not given is never reached."""
    if critical is not None and value >= critical:
        return "critical"
    if warning is not None and value >= warning:
        return "warning"
    if notice is not None and value >= notice:
        return "notice"
    return "ok"


def well(check: Check, saw: str, **numbers: float | int | str) -> Finding:
    """The finding of a check that found nothing wrong; `saw` tells what it looked at, with numbers."""
    return Finding(
        check=check.name,
        key=f"{check.name}/all",
        severity="ok",
        saw=saw,
        why=check.why,
        cures=(),
        numbers=dict(numbers),
    )


def owners(look: Look) -> frozenset[str]:
    """The roles by which the named application is connected, and the owners of tables that it may write: their tables are the application's.

    *Errors*: NotExamined. *Cost*: one statement where an application is named, none otherwise.
    """
    if look.application is None:
        return frozenset()
    rows = look.rows(queries["roles_of_application"], {"application": look.application}, into=_Owner)
    return frozenset(each.role for each in rows)


def index_name(table: str, columns: tuple[str, ...]) -> str:
    """The name PostgreSQL itself would give, cut to what it keeps."""
    name = f"{table}_{'_'.join(columns)}_idx"
    return name if len(name.encode()) <= LONGEST_NAME else f"{name.encode()[:55].decode(errors='ignore')}_idx"


def drop_index(schema: str, name: str) -> str:
    """Takes an index away without standing in the way of readers or writers."""
    return f"drop index concurrently if exists {identifier(schema, name)};"


def create_again(definition: str) -> str:
    """The definition of an index as the server writes it, made to build beside the readers and writers."""
    for head in ("CREATE UNIQUE INDEX ", "CREATE INDEX "):
        if definition.startswith(head):
            return f"{head}CONCURRENTLY {definition.removeprefix(head)};"
    return f"{definition};"


def days(since: datetime | None, now: datetime) -> float:
    """Days from then to now; none known is none passed."""
    return 0.0 if since is None else max((now - since).total_seconds() / DAY_S, 0.0)
