"""Import of a workbook: children with ten columns from XLSX, whole or not at all, beside openpyxl reading the same file (read-only) and doing nothing with it.

The workbook is written by openpyxl, with shared strings, as spreadsheet programs write them. Memory is that of the importing process at its highest,
a file of a tenth of the rows beside the whole one.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from pathlib import Path

from benchmarks import import_rows
from benchmarks.work import Figure, fresh
from rightlevel.database.server import PrivateServer

ROWS = 100_000
FEW_ROWS = 10_000
SCHOOLS = 700
LEAST_ROWS_PER_S = 12_000
LEAST_OF_OPENPYXL = 2.0
MOST_GROWTH_MB = 16.0
TINY = {"ROWS": 400, "FEW_ROWS": 100, "SCHOOLS": 10}
HEADERS = (
    "School code",
    "Student code",
    "Name",
    "Sex",
    "Grade",
    "Section",
    "Age",
    "School year",
    "Village",
    "Remarks",
)


def measure(say: Callable[[str], None]) -> list[Figure]:
    """The figures for `make bench`."""
    found = run(say)
    times = found["rows_per_s"] / found["openpyxl_rows_per_s"]
    return [
        Figure(
            "import of a workbook of 100,000 children, ten columns",
            found["rows_per_s"],
            "rows/s",
            f">= {LEAST_ROWS_PER_S:,} and {LEAST_OF_OPENPYXL:.0f} x openpyxl's reader",
            found["rows_per_s"] >= LEAST_ROWS_PER_S and times >= LEAST_OF_OPENPYXL,
            f"openpyxl read-only {found['openpyxl_rows_per_s']:,.0f} rows/s: {times:.1f} x",
        ),
        Figure(
            "memory from 10,000 to 100,000 rows of a workbook",
            found["growth_mb"],
            "MB",
            f"<= {MOST_GROWTH_MB:.0f} MB",
            found["growth_mb"] <= MOST_GROWTH_MB,
            f"process {found['process_mb']:.0f} MB",
        ),
    ]


def run(say: Callable[[str], None]) -> dict[str, float]:
    """Measures openpyxl and import in one run. Sizes in MB (10^6 bytes)."""
    folder = fresh("import_workbook")
    data = folder / "data"
    import_rows.SCHOOLS = SCHOOLS
    server = PrivateServer(data, import_rows.MEMORY_BYTES)
    server.start()
    try:
        say("writing the workbooks")
        few, many = folder / "few.xlsx", folder / "many.xlsx"
        write_workbook(few, FEW_ROWS, "F")
        write_workbook(many, ROWS, "M")
        say("openpyxl reads")
        openpyxl_s = read_by_openpyxl(many)
        import_rows._seeded(server.conninfo)  # pyright: ignore[reportPrivateUsage]
        say(f"importing {FEW_ROWS:,} rows")
        small = import_rows._import(few, data, server, {"added": FEW_ROWS})  # pyright: ignore[reportPrivateUsage]
        say(f"importing {ROWS:,} rows")
        large = import_rows._import(many, data, server, {"added": ROWS})  # pyright: ignore[reportPrivateUsage]
    finally:
        server.stop()
    found = {
        "rows_per_s": ROWS / large.seconds,
        "openpyxl_rows_per_s": ROWS / openpyxl_s,
        "process_mb": large.process_mb,
        "growth_mb": large.process_mb - small.process_mb,
    }
    say(", ".join(f"{name} {value:,.2f}" for name, value in found.items()))
    return found


def rows(count: int, prefix: str) -> Iterator[tuple[str | int, ...]]:
    """Cells of made-up children, school after school."""
    for school, code, name, sex, grade, section, age in import_rows.rows(count, prefix):
        yield (
            f"S{school:06d}",
            code,
            name,
            sex,
            grade,
            section,
            age,
            "2026",
            f"Village {school % 90}",
            f"row {code}",
        )


def write_workbook(path: Path, count: int, prefix: str) -> None:
    """The workbook as a school office would send it."""
    import openpyxl

    book = openpyxl.Workbook(write_only=True)
    sheet = book.create_sheet("Children")
    sheet.append(HEADERS)
    for row in rows(count, prefix):
        sheet.append(row)
    book.save(path)


def read_by_openpyxl(path: Path) -> float:
    """Seconds in which openpyxl reads every cell."""
    import openpyxl

    began = time.monotonic()
    book = openpyxl.load_workbook(path, read_only=True, data_only=True)
    for row in book["Children"].iter_rows(values_only=True):
        if not row:
            raise RuntimeError("openpyxl gives a row without cells")
    return time.monotonic() - began
