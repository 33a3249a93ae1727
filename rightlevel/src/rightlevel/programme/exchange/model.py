"""What an import is, how far it is and how it ended."""

from __future__ import annotations

from datetime import datetime
from typing import Literal

import msgspec

from rightlevel.programme.errors import Conflict
from rightlevel.programme.exchange.fields import Kind

RunState = Literal["waiting", "reading", "saving", "done", "faulty", "failed", "interrupted"]


class ImportCollided(Conflict):
    """Somebody changed the same schools, children or results while this import was running, so nothing of it was saved. Import it again."""

    code = "import_collided"


class NewRun(msgspec.Struct, frozen=True):
    """What an import run is about to do."""

    kind: Kind
    filename: str
    is_dry_run: bool
    bytes_total: int
    leaves_bad_rows: bool = False
    """Whether rows that are wrong are left out, and all others saved."""
    mapping: str = ""
    """What was said of the file, as it was written (TOML)."""
    source: str = ""
    """Whose file it is: what was said of it is kept for the next one."""
    undoes: str | None = None
    """The import that is undone, where this is no file."""
    applies: str | None = None
    """The dry run that is applied: its file is imported as it was said then."""
    file: str = ""
    """Under which id the file is kept on disk; empty for the command line."""
    address: str = ""
    """From where it was asked, for the audit of what is begun again after a stop."""


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
    left_out: int = 0
    """Rows that were not asked for."""
    skipped: int = 0
    """Rows that were left out because they are wrong, as somebody asked; the others were saved."""
    undoes: str | None = None
    """The import that this one undoes, where it is no file: what was added is removed, what was changed is put back."""
    undone_at: datetime | None = None
    """When it was undone itself."""
    applies: str | None = None
    """The dry run that this one applies."""
    preview: dict[str, int] | None = None
    """Of a dry run, how many rows there are of each kind: wrong, possible_duplicate, moved, changed, new, unchanged."""
    is_kept: bool = False
    """Whether the file of this dry run is kept, so that it can be applied."""


class ImportFault(msgspec.Struct, frozen=True):
    """One thing wrong in a file: where it stands, what stands there, and the rule it breaks.

    `cure` is the line of a mapping that would cure it, where one would; `is_left_out` marks a row that was not asked for, which is no fault.
    """

    number: int
    row_number: int
    column_name: str
    value: str
    rule: str
    cure: str = ""
    is_left_out: bool = False


class ImportSource(msgspec.Struct, frozen=True):
    """What was said of the files of one source, for its next file."""

    id: int
    kind: str
    name: str
    mapping: str


class LeftRow(msgspec.Struct, frozen=True):
    """A row that was left out since it is wrong, as the file has it, and all that is wrong with it. Number 0 holds the headers."""

    number: int
    row_number: int
    cells: list[str]
    rules: str


class ImportOutcome(msgspec.Struct, frozen=True):
    """What an import did or, on a dry run, would do. With faults nothing was saved, unless rows were skipped."""

    rows: int
    added: int = 0
    changed: int = 0
    unchanged: int = 0
    faults: int = 0
    is_dry_run: bool = False
    message: str | None = None
    left_out: int = 0
    skipped: int = 0
    preview: dict[str, int] | None = None
    """Of a dry run, how many rows there are of each kind; none where the file as a whole is wrong."""

    @property
    def is_saved(self) -> bool:
        """Whether what could be saved was saved (or, on a dry run, would be)."""
        return not self.faults or self.skipped > 0


class Progress:
    """How far an import is; written by the import, read by whoever shows it."""

    def __init__(self) -> None:
        self.state: RunState = "reading"
        self.rows = 0
        self.bytes_done = 0
        self.bytes_total = 0
