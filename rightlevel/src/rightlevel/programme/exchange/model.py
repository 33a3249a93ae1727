"""What an import is, how far it is and how it ended."""

from __future__ import annotations

from datetime import datetime
from typing import Literal

import msgspec

from rightlevel.programme.exchange.fields import Kind

RunState = Literal["waiting", "reading", "saving", "done", "faulty", "failed", "interrupted"]


class NewRun(msgspec.Struct, frozen=True):
    """What an import run is about to do."""

    kind: Kind
    filename: str
    is_dry_run: bool
    bytes_total: int


class ImportRun(msgspec.Struct, frozen=True):
    """One import, as it stands. Sizes in bytes."""

    id: str
    kind: str
    filename: str
    is_dry_run: bool
    state: RunState
    username: str | None
    started_at: datetime
    ended_at: datetime | None
    bytes_done: int
    bytes_total: int
    rows_read: int
    added: int
    changed: int
    unchanged: int
    faults: int
    message: str | None


class ImportFault(msgspec.Struct, frozen=True):
    """One thing wrong in a file: where it stands, what stands there, and the rule it breaks."""

    number: int
    row_number: int
    column_name: str
    value: str
    rule: str


class ImportOutcome(msgspec.Struct, frozen=True):
    """What an import did or, on a dry run, would do. With faults nothing was saved."""

    rows: int
    added: int = 0
    changed: int = 0
    unchanged: int = 0
    faults: int = 0
    is_dry_run: bool = False
    message: str | None = None


class Progress:
    """How far an import is; written by the import, read by whoever shows it."""

    def __init__(self) -> None:
        self.state: RunState = "reading"
        self.rows = 0
        self.bytes_done = 0
        self.bytes_total = 0
