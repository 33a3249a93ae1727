"""What a running service takes as if it were alone on the machine, process by process, and the most of it while something is done.

PSS shares a file's pages (the interpreter, PostgreSQL's program, the C library) with every other process of the machine that has it open, so it
flatters wherever others run. Here what is a process's own and what its family shares in memory (shared buffers, pages from before a fork) is
counted as PSS counts it, which is exact while nobody else has part in it; and of each file the most that any one process of the
family has resident is counted once, in full. What two of them have of one file in different places is missed: 1 MB at most, by PSS on an
idle machine.
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

from flatwater.monitors.smaps import pids_below

EVERY_S = 0.25
MEGABYTE = 1e6
IN_MEMORY = ("/dev/", "/SYSV", "/memfd")
"""Names of mappings that are no files: what processes share in memory."""
_MAPPING = re.compile(r"^[0-9a-f]+-[0-9a-f]+ \S+ \S+ \S+ \d+ *(.*)$")


class Part(msgspec.Struct, frozen=True):
    """One process. *Units*: bytes; `files` is what it has resident of each file."""

    name: str
    own: int
    shared: int
    files: dict[str, int]


class Weight(msgspec.Struct, frozen=True):
    """What the whole takes, alone on the machine. *Units*: bytes; `files` is counted once for all of them."""

    parts: tuple[Part, ...] = ()

    @property
    def files(self) -> int:
        most: dict[str, int] = {}
        for part in self.parts:
            for file, size in part.files.items():
                most[file] = max(most.get(file, 0), size)
        return sum(most.values())

    @property
    def whole(self) -> int:
        return sum(part.own + part.shared for part in self.parts) + self.files

    def of(self, *names: str) -> int:
        """What the processes of these names take by themselves, their files in full."""
        some = tuple(part for part in self.parts if part.name.startswith(names))
        return Weight(some).whole

    def __str__(self) -> str:
        kinds: dict[str, list[Part]] = defaultdict(list)
        for part in self.parts:
            kinds[part.name].append(part)
        told = [
            f"{name}{f' x {len(each)}' if len(each) > 1 else ''} {sum(p.own + p.shared for p in each) / MEGABYTE:.1f}"
            for name, each in sorted(kinds.items())
        ]
        return f"{self.whole / MEGABYTE:.1f} MB = {' + '.join(told)} + files {self.files / MEGABYTE:.1f}"


def weigh(process_id: int) -> Weight:
    """The service and all that it started. *Cost*: some 20 ms."""
    found = (_part(each, is_first=each == process_id) for each in pids_below(process_id))
    return Weight(tuple(part for part in found if part is not None))


def _part(process_id: int, *, is_first: bool) -> Part | None:
    folder = Path("/proc") / str(process_id)
    try:
        command = (folder / "cmdline").read_bytes().decode("utf-8", "replace")
        sums = _kilobytes((folder / "smaps_rollup").read_text())
        files = _files((folder / "smaps").read_text())
    except (FileNotFoundError, ProcessLookupError, PermissionError):
        return None  # it ended while we looked
    if not sums:
        return None
    return Part(_name(command, is_first=is_first), sums["Pss_Anon"] * 1024, sums["Pss_Shmem"] * 1024, files)


def _kilobytes(text: str) -> dict[str, int]:
    return {found[1]: int(found[2]) for found in re.finditer(r"^(\w+): +(\d+) kB$", text, re.MULTILINE)}


def _files(text: str) -> dict[str, int]:
    """What is resident of each file as it is on disk; pages that were changed are the process's own. *Units*: bytes."""
    files: dict[str, int] = defaultdict(int)
    file, resident = "", 0
    for line in text.splitlines():
        if found := _MAPPING.match(line):
            file = found[1] if found[1].startswith("/") and not found[1].startswith(IN_MEMORY) else ""
        elif file and line.startswith("Rss:"):
            resident = int(line.split()[1]) * 1024
        elif file and line.startswith("Anonymous:"):
            files[file] += resident - int(line.split()[1]) * 1024
    return dict(files)


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
