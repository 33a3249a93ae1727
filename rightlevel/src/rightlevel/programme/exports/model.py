"""What can be taken out as a file, which children or deeds are meant, and what is known of a file that was taken."""

from __future__ import annotations

from datetime import date, datetime
from typing import Any, Final, Literal, get_args

import msgspec

What = Literal[
    "roster",
    "results",
    "verification",
    "data_quality",
    "attendance",
    "visits",
    "assignments",
    "people",
    "classes",
    "places",
    "statistics",
    "everything",
]
Format = Literal["csv", "xlsx", "jsonl", "parquet"]
FORMATS: Final[tuple[Format, ...]] = get_args(Format)
ExportState = Literal["running", "done", "stopped", "failed"]


class ExportAsk(msgspec.Struct, frozen=True):
    """What is to be taken out, as which kind of file, and of which children or deeds; what is null is not asked.

    `search` is the beginning of a name, or a whole code, as in the list of children.
    """

    what: What
    format: Format = "csv"
    is_deidentified: bool = False
    round_id: int | None = None
    place_id: int | None = None
    school_id: int | None = None
    class_id: int | None = None
    grade: int | None = None
    sex: int | None = None
    status: Literal["active", "left"] | None = None
    search: str | None = None
    subject: Literal["language", "math"] | None = None
    mentor_id: int | None = None
    from_on: date | None = None
    to_on: date | None = None

    def filters(self) -> dict[str, Any]:
        """What is asked of the rows."""
        own = ("what", "format", "is_deidentified")
        return {
            name: value
            for name, value in msgspec.structs.asdict(self).items()
            if name not in own and value not in (None, "")
        }


class KeptRun(msgspec.Struct, frozen=True):
    """What is kept of a file that was taken."""

    id: str
    what: str
    format: str
    filters: dict[str, Any]
    is_deidentified: bool
    state: ExportState
    username: str
    started_at: datetime
    ended_at: datetime | None
    as_of: datetime | None
    rows_sent: int
    bytes_sent: int
    sha256: str | None
    counts: dict[str, Any]


class ExportRun(KeptRun, frozen=True):
    """The manifest of a file that was taken: what it is of, as of when, what it holds, and the digest that tells it from any other.

    `counts` are of a file of results: children, those tested and those without a result in each subject, and what the figures said in the
    same snapshot. Sizes in bytes.
    """

    definition: str = ""


class Column(msgspec.Struct, frozen=True):
    """One column of a file: its name, what a cell holds, and what it means."""

    name: str
    kind: Literal["text", "integer", "number", "date"]
    meaning: str


class CodebookLine(msgspec.Struct, frozen=True):
    """One column of one file, explained."""

    what: str
    column: str
    kind: str
    meaning: str
    is_in_named: bool
    is_in_deidentified: bool
