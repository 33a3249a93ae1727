"""Files taken out: rosters, results, re-tests, attendance, visits, assignments, people, counts, made while they are sent, each with a manifest.

Public: `begin_export`, `Reading` and `writer_of` (what makes a file), `end_export`; `list_exports`, `read_export`, `read_codebook`, `choices_of` (the deeds);
`ExportAsk`, `ExportRun` and the other values.
"""

from collections.abc import Callable
from typing import Final

from rightlevel.programme.exports.actions import (
    begin_export,
    choices_of,
    list_exports,
    read_codebook,
    read_export,
)
from rightlevel.programme.exports.model import (
    FORMATS,
    CodebookLine,
    Column,
    ExportAsk,
    ExportRun,
    Format,
    What,
)
from rightlevel.programme.exports.parquet_file import ParquetFile
from rightlevel.programme.exports.reading import Part, Reading, Rows, SheetBegun
from rightlevel.programme.exports.sheet_file import Workbook
from rightlevel.programme.exports.store import Ended, moment
from rightlevel.programme.exports.store import end as end_export
from rightlevel.programme.exports.text_files import CsvFile, FileWriter, JsonLines

WRITERS: Final[dict[Format, Callable[[], FileWriter]]] = {
    "csv": CsvFile,
    "jsonl": JsonLines,
    "xlsx": Workbook,
    "parquet": ParquetFile,
}

__all__ = [
    "FORMATS",
    "WRITERS",
    "CodebookLine",
    "Column",
    "Ended",
    "ExportAsk",
    "ExportRun",
    "FileWriter",
    "Format",
    "Part",
    "Reading",
    "Rows",
    "SheetBegun",
    "What",
    "Workbook",
    "begin_export",
    "choices_of",
    "end_export",
    "list_exports",
    "moment",
    "read_codebook",
    "read_export",
]
