"""In and out: reading spreadsheets, and imports that save a whole file or nothing of it.

Public: `open_sheet` and what it gives; `read_mapping` (which column fills which field); `import_sheet`, `start_run`,
`refuse_file`, `fail_run`, `list_runs`, `read_run`, `list_faults` (the deeds); `ImportRun` and the other values.
"""

from rightlevel.programme.exchange.actions import (
    ImportCollided,
    fail_run,
    import_sheet,
    list_faults,
    list_runs,
    read_run,
    refuse_file,
    start_run,
)
from rightlevel.programme.exchange.fields import FIELDS, KINDS, Kind
from rightlevel.programme.exchange.mapping import ColumnMapping, MappingInvalid, read_mapping
from rightlevel.programme.exchange.model import ImportFault, ImportOutcome, ImportRun, NewRun, Progress
from rightlevel.programme.exchange.sheets import SheetFault, open_sheet
from rightlevel.programme.exchange.store import end_left_runs, note_progress

__all__ = [
    "FIELDS", "KINDS", "ColumnMapping", "ImportCollided", "ImportFault", "ImportOutcome", "ImportRun", "Kind",
    "MappingInvalid", "NewRun", "Progress", "SheetFault", "end_left_runs", "fail_run", "import_sheet", "list_faults",
    "list_runs", "note_progress", "open_sheet", "read_mapping", "read_run", "refuse_file", "start_run",
]  # fmt: skip
