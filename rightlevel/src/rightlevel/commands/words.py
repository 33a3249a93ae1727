"""What commands are given and what they say: files that end, and sentences that steer no terminal."""

from __future__ import annotations

import re
import stat
from collections.abc import Iterable
from pathlib import Path
from typing import Any, Final, cast

import click

from flatwater.unseen import LINE_ENDS, STEERING, TURNING, any_of
from rightlevel.programme.errors import Fault

MOST_TEXT_BYTES: Final = 1_000_000
_STEERS = any_of(STEERING, LINE_ENDS, TURNING)


def shown(text: object) -> str:
    """A value or a file's name on one line of a terminal: each mark that ends a line, turns it or steers is a replacement character."""
    return re.sub(_STEERS, "\ufffd", str(text))


def tell_faults(faults: Iterable[Fault]) -> None:
    """Says a line for each fault on the error output."""
    for fault in faults:
        was = f" (was: {shown(fault.value)})" if fault.value else ""
        click.echo(f"  {shown(fault.field)}: {shown(fault.rule)}{was}", err=True)


class RegularFile(click.Path):
    """A file that is there and ends: no folder, pipe or device, by no link either; at most so many bytes."""

    def __init__(self, most_bytes: int | None = None) -> None:
        super().__init__(exists=True, dir_okay=False, path_type=Path)
        self._most_bytes = most_bytes

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> Any:
        path = cast("Path", super().convert(value, param, ctx))
        found = path.stat()
        if not stat.S_ISREG(found.st_mode):
            self.fail(
                f"{shown(path)!r} is no file with an end: a pipe or a device can't be read here.", param, ctx
            )
        if self._most_bytes is not None and found.st_size > self._most_bytes:
            self.fail(f"{shown(path)!r} is larger than {self._most_bytes:,} bytes.", param, ctx)
        return path
