"""In and out: reading spreadsheets, and imports that save a whole file or nothing of it.

Public: `open_sheet`, `open_table` (which finds sheet and header by itself) and what they give; `read_mapping` (which column fills which field); `import_sheet`, `start_run`,
`refuse_file`, `run_to_undo`, `undo_run`, `fail_run`, `list_runs`, `read_run`, `list_faults`, `list_left_rows`, `list_sources` (the deeds); `ImportRun` and the other values.
"""

from rightlevel.programme.exchange.actions import (
    ImportCollided,
    ImportInterrupted,
    fail_run,
    import_sheet,
    list_faults,
    list_left_rows,
    list_runs,
    list_sources,
    mapping_of_source,
    read_run,
    read_terms,
    refuse_file,
    said_of_file,
    start_run,
    undo_run,
)
from rightlevel.programme.exchange.fields import FIELDS, KINDS, VALUES, Kind, Terms
from rightlevel.programme.exchange.mapping import ColumnMapping, MappingInvalid, read_mapping
from rightlevel.programme.exchange.model import (
    ImportFault,
    ImportOutcome,
    ImportRun,
    ImportSource,
    LeftRow,
    NewRun,
    Progress,
)
from rightlevel.programme.exchange.opening import OpeningFault, open_table
from rightlevel.programme.exchange.sheets import SheetFault, open_sheet
from rightlevel.programme.exchange.store import SaidOfFile, end_left_runs, keep_runs, note_progress
from rightlevel.programme.exchange.undoing import UNDONE_WITHIN, is_undoable, run_to_undo

__all__ = [
    "FIELDS",
    "KINDS",
    "UNDONE_WITHIN",
    "VALUES",
    "Terms",
    "ColumnMapping",
    "ImportCollided",
    "ImportFault",
    "ImportInterrupted",
    "ImportOutcome",
    "ImportRun",
    "ImportSource",
    "Kind",
    "LeftRow",
    "MappingInvalid",
    "NewRun",
    "OpeningFault",
    "Progress",
    "SaidOfFile",
    "SheetFault",
    "end_left_runs",
    "fail_run",
    "is_undoable",
    "run_to_undo",
    "undo_run",
    "import_sheet",
    "list_faults",
    "list_left_rows",
    "list_runs",
    "list_sources",
    "mapping_of_source",
    "keep_runs",
    "note_progress",
    "open_sheet",
    "open_table",
    "read_mapping",
    "read_run",
    "read_terms",
    "refuse_file",
    "said_of_file",
    "start_run",
]
