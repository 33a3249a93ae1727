"""The C allocator of this program, told to give back what is freed: glibc by itself keeps it for good.

glibc gives each thread an arena of its own and raises the size from which it takes memory straight from the system to that of the
largest piece ever freed, up to 32 MB: two passwords hashed at once left 38 MB behind for ever.
*Source*: mallopt(3), M_ARENA_MAX, M_MMAP_THRESHOLD, M_TRIM_THRESHOLD; measured side by side in benchmarks/README.md, "allocators".
"""

from __future__ import annotations

import ctypes
import gc
import re
import sys
from collections.abc import Callable, Iterator
from contextlib import suppress
from functools import cache
from pathlib import Path
from typing import Final

ARENA_MAX, MMAP_THRESHOLD, TRIM_THRESHOLD = -8, -3, -1
"""*Source*: glibc, malloc.h; they are part of its binary interface."""
SETTINGS: Final[dict[int, int]] = {
    ARENA_MAX: 1,
    MMAP_THRESHOLD: 128 * 1024,
    TRIM_THRESHOLD: 128 * 1024,
}
"""One arena, for Python's threads hold one lock anyway; and glibc's own first thresholds, kept from growing."""


DONT_NEED = 4
"""*Source*: madvise(2), MADV_DONTNEED."""
_MAPPING = re.compile(r"^([0-9a-f]+)-([0-9a-f]+) (r\S{3}) \S+ \S+ \d+ +(/.*)$")


@cache
def _from_libc(name: str) -> Callable[..., int] | None:
    """A function of the C library; None where this system's has none of this name."""
    return getattr(ctypes.CDLL(None), name, None) if sys.platform.startswith("linux") else None


def keep_little() -> bool:
    """Has the allocator give back what is freed, from here on; whether it took that. Call it first, before there are threads.

    False where the allocator is not glibc's (musl and macOS give back by themselves). *Cost*: one call of the C library.
    """
    mallopt = _from_libc("mallopt")
    if mallopt is None or _from_libc("gnu_get_libc_version") is None:
        return False
    taken = [
        mallopt(name, value) == 1 for name, value in SETTINGS.items()
    ]  # all are asked for, whatever the first says
    return all(taken)


def give_memory_back() -> None:
    """Collects garbage and gives what the allocator keeps free back to the machine. *Cost*: 20 to 100 ms at 60 MB, all of it on this thread."""
    gc.collect()
    trim = _from_libc("malloc_trim")
    if trim is not None:
        trim(0)


def forget_files() -> int:
    """Lets go of what was read of libraries: what is needed again is there again at once, from the system's cache.

    Loading, linking and making ready touch half of each, and a process is told to own that for as long as it lives; so is what a seldom deed touched. Only
    what is a file's and can't be written to is let go, nothing that was changed. *Shape*: how many bytes; 0 where the system does not tell. *Cost*: 5 ms,
    and some thousand page faults of a microsecond in the seconds after. *Source*: benchmarks/README.md, "where each megabyte goes": 20 MB before, 11 once
    everything works again.
    """
    madvise = _from_libc("madvise")
    if madvise is None:
        return 0
    forgotten = 0
    with suppress(OSError):
        for first, size, resident in _unchanged(Path("/proc/self/smaps").read_text("utf-8", "replace")):
            if madvise(ctypes.c_void_p(first), ctypes.c_size_t(size), DONT_NEED) == 0:
                forgotten += resident
    return forgotten


def _unchanged(smaps: str) -> Iterator[tuple[int, int, int]]:
    """The mappings of files that can't be written to and were not changed: where each begins, its size, and how much of it is resident. *Units*: bytes."""
    first = last = resident = 0
    for line in smaps.splitlines():
        if line[0] in "0123456789abcdef":
            found = _MAPPING.match(line)
            is_kept = found is None or "w" in found[3] or found[4].startswith(("/dev/", "/memfd", "/SYSV"))
            first, last = (0, 0) if found is None or is_kept else (int(found[1], 16), int(found[2], 16))
        elif line.startswith("Rss:"):
            resident = int(line.split()[1]) * 1024
        elif line.startswith("Anonymous:") and last and resident and int(line.split()[1]) == 0:
            yield first, last - first, resident
