"""What a look at a server is made of: findings with their cures, the checks that make them, and the look before."""

from __future__ import annotations

from datetime import datetime
from typing import Final, Literal

from msgspec import Struct

Severity = Literal["ok", "notice", "warning", "critical", "not_examined"]

RANK: Final[dict[Severity, int]] = {"ok": 0, "notice": 1, "not_examined": 2, "warning": 3, "critical": 4}
"""How far up in a report a finding stands. What could not be looked at stands above what is merely worth knowing."""


class Cure(Struct, frozen=True):
    """One way to put a finding right, to be pasted as it is.

    *Shape*: `sql` is the exact statement; where it must act on one session it names pid, start and application in its
    own condition, so it does nothing when that session is gone or has moved since. `command` is a shell command where SQL can't do it.
    `is_safe` allows `--fix` to run `sql`; only for what belongs to the application that was named.
    """

    sql: str = ""
    command: str = ""
    undo: str = ""
    is_safe: bool = False
    checks_itself: bool = False
    """All that the finding rests on stands in the statement's own condition. Where it can't (a vacuum), the check looks again first."""
    explanation: str = ""


class Finding(Struct, frozen=True):
    """What one check saw about one subject. `key` is stable ("check/subject"), so that it can be acknowledged."""

    check: str
    key: str
    severity: Severity
    saw: str
    why: str
    cures: tuple[Cure, ...] = ()
    numbers: dict[str, float | int | str] = {}


class NotExamined(Exception):
    """A check could not look; the message is one sentence that says why."""


class Snapshot(Struct, frozen=True):
    """The numbers that one look left for the next, by key."""

    at: datetime
    numbers: dict[str, float]
