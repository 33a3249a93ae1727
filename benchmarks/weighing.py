"""What a running service takes as if it were alone on the machine, process by process, and the most of it while something is done.

By `flatwater.monitors.smaps.alone_bytes`, the measure that the service itself keeps its budget by (`operations/room.py`).
"""

from __future__ import annotations

import re
import threading
import time
from collections import defaultdict
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

import msgspec

from flatwater.monitors.smaps import WeightOfProcess, alone_bytes, pids_below, weight_of

EVERY_S = 0.25
MEGABYTE = 1e6


class Part(msgspec.Struct, frozen=True):
    """One process and what it has."""

    name: str
    has: WeightOfProcess


class Weight(msgspec.Struct, frozen=True):
    """What the whole takes, alone on the machine. *Units*: bytes; files are counted once for all of them."""

    parts: tuple[Part, ...] = ()

    @property
    def files(self) -> int:
        return self.whole - sum(_own(part) for part in self.parts)

    @property
    def whole(self) -> int:
        return alone_bytes(part.has for part in self.parts)

    def of(self, *names: str) -> int:
        """What the processes of these names take by themselves, their files in full."""
        some = tuple(part for part in self.parts if part.name.startswith(names))
        return Weight(some).whole

    def __str__(self) -> str:
        kinds: dict[str, list[Part]] = defaultdict(list)
        for part in self.parts:
            kinds[part.name].append(part)
        told = [
            f"{name}{f' x {len(each)}' if len(each) > 1 else ''} {sum(_own(part) for part in each) / MEGABYTE:.1f}"
            for name, each in sorted(kinds.items())
        ]
        return f"{self.whole / MEGABYTE:.1f} MB = {' + '.join(told)} + files {self.files / MEGABYTE:.1f}"


def weigh(process_id: int) -> Weight:
    """The service and all that it started. *Cost*: some 20 ms."""
    found = (_part(each, is_first=each == process_id) for each in pids_below(process_id))
    return Weight(tuple(part for part in found if part is not None))


def _own(part: Part) -> int:
    """All but files. *Units*: bytes."""
    return part.has.own + part.has.shared


def _part(process_id: int, *, is_first: bool) -> Part | None:
    try:
        command = (Path("/proc") / str(process_id) / "cmdline").read_bytes().decode("utf-8", "replace")
    except OSError:
        return None  # it ended while we looked
    has = weight_of(process_id)
    return None if has is None else Part(_name(command, is_first=is_first), has)


def _name(command: str, *, is_first: bool) -> str:
    words = command.replace("\0", " ").strip()
    if is_first:
        return "program"
    if found := re.match(r"postgres: (\S+ \S+|\S+)", words):
        return f"pg {found[1] if found[1].split()[0] in KINDS else 'connection'}"
    for mark, name in CHILDREN.items():
        if mark in words:
            return f"child {name}"
    return "pg postmaster" if "/bin/postgres" in words else "child other"


KINDS = ("checkpointer", "background", "walwriter", "autovacuum", "io")
CHILDREN = {
    "printing_program": "PDF",
    "shrinking_program": "photo",
    "doctor_program": "doctor",
    "xlsform_program": "form",
}


class Scale:
    """Weighs a service again and again while it is entered, and keeps the heaviest moment since it was last asked."""

    def __init__(self, process_id: int) -> None:
        self._process_id = process_id
        self._is_over = threading.Event()
        self._thread = threading.Thread(target=self._run, daemon=True)
        self._lock = threading.Lock()
        self._most = Weight()

    def __enter__(self) -> Scale:
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._is_over.set()
        self._thread.join()

    def _run(self) -> None:
        while not self._is_over.is_set():
            began = time.monotonic()
            with suppress(OSError):
                self._note(weigh(self._process_id))
            self._is_over.wait(max(EVERY_S, (time.monotonic() - began) * 10))

    def _note(self, weight: Weight) -> None:
        with self._lock:
            self._most = max(self._most, weight, key=lambda each: each.whole)

    def now(self) -> Weight:
        return weigh(self._process_id)

    @contextmanager
    def watching(self, what: str, say: Callable[[str], None]) -> Iterator[list[Weight]]:
        """What was heaviest while the block ran is in the list afterwards, and is told."""
        found: list[Weight] = []
        with self._lock:
            self._most = Weight()
        yield found
        self._note(self.now())
        with self._lock:
            found.append(self._most)
        say(f"{what}: {found[0]}")
