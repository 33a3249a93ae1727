"""Files taken out: rosters, results, re-tests, attendance, visits, assignments, people, counts, made while they are sent, each with a manifest.

Public: `begin_export`, `Reading` and `writer_of` (what makes a file), `end_export`; `list_exports`, `read_export`, `read_codebook`, `choices_of` (the deeds);
`ExportAsk`, `ExportRun` and the other values. For OData: `sets_of`, `service_document`, `metadata_document`, `page_asked`, `narrowed`, `PageReading`,
`ODataFile`, `error_document`.
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
from rightlevel.programme.exports.odata import (
    NotDone,
    ODataFile,
    ODataOptions,
    ODataPage,
    ODataSet,
    error_document,
    metadata_document,
    narrowed,
    page_asked,
    service_document,
    sets_of,
)
from rightlevel.programme.exports.pages import PageReading, check_mark
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
    "NotDone",
    "ODataFile",
    "ODataOptions",
    "ODataPage",
    "ODataSet",
    "PageReading",
    "Part",
    "Reading",
    "Rows",
    "SheetBegun",
    "What",
    "Workbook",
    "begin_export",
    "check_mark",
    "choices_of",
    "end_export",
    "error_document",
    "list_exports",
    "metadata_document",
    "moment",
    "narrowed",
    "page_asked",
    "read_codebook",
    "read_export",
    "service_document",
    "sets_of",
]
