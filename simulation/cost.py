"""What the processors did: how much of a core the driver, the program and PostgreSQL took, whatever else the machine was busy with."""

from __future__ import annotations

import os
import time
from collections import Counter
from pathlib import Path

TICKS_A_SECOND = os.sysconf("SC_CLK_TCK")
UTIME, BEHIND_CSTIME = 11, 15
"""Where a process's own time begins and that of its ended children ends, of the words behind its name in /proc/PID/stat."""


def seconds_of(process_id: int) -> float:
    """Seconds of a core that a process and all that it started took, what has ended included. One that is gone took nothing."""
    folder = Path(f"/proc/{process_id}")
    try:
        words = (folder / "stat").read_text("utf-8").rsplit(")", 1)[1].split()
        children = (folder / f"task/{process_id}/children").read_text("utf-8").split()
    except (FileNotFoundError, ProcessLookupError):
        return 0.0
    own = sum(map(int, words[UTIME:BEHIND_CSTIME])) / TICKS_A_SECOND
    return own + sum(seconds_of(int(each)) for each in children)


class Cost:
    """Adds up what each part took between looks. What is killed in between counts up to the look before."""

    def __init__(self) -> None:
        self.seconds: Counter[str] = Counter()
        self._before: dict[int, float] = {}
        self._driver_s = 0.0

    def look(self, parts: dict[str, list[int]], *, counts: bool) -> None:
        """Adds what each part took since the last look, or with `counts` false begins anew from here."""
        driver_s = time.process_time()
        now = {each: seconds_of(each) for found in parts.values() for each in found}
        if counts:
            self.seconds["driver"] += driver_s - self._driver_s
        self._driver_s = driver_s
        for name, found in parts.items() if counts else ():
            self.seconds[name] += sum(max(0.0, now[each] - self._before.get(each, 0.0)) for each in found)
        self._before = now
