"""An XLSForm workbook's sheets, read by pyxform in a process of its own with bounds on memory and time."""

from __future__ import annotations

import asyncio
from pathlib import Path
from typing import Final

import msgspec

from flatwater.child_process import run_program
from rightlevel.programme.errors import Fault, Invalid
from rightlevel.programme.forms.xlsform import Sheet

PROGRAM: Final = str(Path(__file__).with_name("xlsform_program.py"))
MEMORY_BYTES: Final = 768 * 1024 * 1024
"""Address space."""
CPU_S: Final = 20
READ_S: Final = 25.0
MOST_SAID_BYTES: Final = 16 * 1024 * 1024
NO_WORKBOOK: Final = "This is no XLSForm workbook"
_ONE_AT_A_TIME: Final = asyncio.Semaphore(1)


class ReadSheet(msgspec.Struct, frozen=True):
    """One sheet as the program gives it."""

    headers: list[str]
    rows: list[tuple[int, list[str]]]

    def as_sheet(self) -> Sheet:
        """The sheet as forms are made of."""
        return Sheet(tuple(self.headers), tuple((number, tuple(cells)) for number, cells in self.rows))


class Workbook(msgspec.Struct, frozen=True):
    """The sheets of a form, and what pyxform says against it."""

    survey: ReadSheet = ReadSheet([], [])
    choices: ReadSheet = ReadSheet([], [])
    settings: ReadSheet = ReadSheet([], [])
    external_choices: ReadSheet = ReadSheet([], [])
    says: str = ""
    error: str = ""


async def read_workbook(path: Path) -> Workbook:
    """The sheets of a workbook. *Errors*: Invalid. *Cost*: one process for a second or two, one at a time."""
    with path.open("rb") as file:
        magic = file.read(8)
    if magic.startswith(b"PK"):
        kind = ".xlsx"
    elif magic == b"\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1":
        kind = ".xls"
    else:
        raise Invalid(faults=(Fault("file", NO_WORKBOOK),))
    named = path.with_name(f"{path.name}{kind}")
    await asyncio.to_thread(_link, named, path)
    try:
        async with _ONE_AT_A_TIME:
            said = await _run(named)
    finally:
        named.unlink(missing_ok=True)
    if said.error or not said.survey.headers:
        raise Invalid(faults=(Fault("file", NO_WORKBOOK, said.error[:200]),))
    return said


def _link(named: Path, path: Path) -> None:
    """Gives a file the ending by which pyxform knows its kind."""
    named.unlink(missing_ok=True)
    named.symlink_to(path.resolve())


async def _run(path: Path) -> Workbook:
    bounds = map(str, (MEMORY_BYTES, CPU_S))
    try:
        ended = await run_program(PROGRAM, str(path), *bounds, within_s=READ_S, most_bytes=MOST_SAID_BYTES)
    except TimeoutError as error:
        raise Invalid(
            faults=(Fault("file", "This workbook takes too long to read: make it smaller"),)
        ) from error
    if ended.status != 0 or not ended.said:
        raise Invalid(faults=(Fault("file", NO_WORKBOOK),))
    return msgspec.json.decode(ended.said, type=Workbook)
