"""Reads each file of a folder as an import does, in a process of its own: prints by how many bytes its memory grew at most.

`python reading_bad_files.py FOLDER`; files are called `KIND-NUMBER.SUFFIX`.
"""

from __future__ import annotations

import sys
from datetime import date
from pathlib import Path
from typing import Any

from rightlevel.programme.exchange.binding import HeadersInvalid, bind
from rightlevel.programme.exchange.fault_file import FaultFile
from rightlevel.programme.exchange.fields import Terms
from rightlevel.programme.exchange.mapping import mapping_by_headers
from rightlevel.programme.exchange.opening import open_table
from rightlevel.programme.exchange.sheets import SheetFault

TERMS = Terms(
    grades=(3, 4, 5),
    school_years={"2026-27": 1},
    current_school_year_id=1,
    only_country=("KH", "Cambodia"),
    today=date(2026, 11, 30),
)


def most_bytes() -> int:
    """The most memory that this process had at any time."""
    lines = Path("/proc/self/status").read_text().splitlines()
    return next(int(line.split()[1]) * 1024 for line in lines if line.startswith("VmHWM"))


def read(path: Path, kind: Any) -> None:
    faults = FaultFile()
    try:
        with open_table(path, kind, None) as sheet:
            plan = bind(mapping_by_headers(kind, sheet, None), sheet, TERMS)
            for _ in plan.blocks(sheet, faults):
                pass
    except (SheetFault, HeadersInvalid):
        return
    finally:
        faults.close()


def main(folder: Path) -> None:
    before = most_bytes()
    for path in sorted(folder.iterdir()):
        read(path, path.name.split("-")[0])
    sys.stdout.write(f"{most_bytes() - before}\n")


if __name__ == "__main__":
    main(Path(sys.argv[1]))
