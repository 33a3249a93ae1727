"""The C allocator of this program, told to give back what is freed: glibc by itself keeps it for good.

glibc gives each thread an arena of its own and raises the size from which it takes memory straight from the system to that of the
largest piece ever freed, up to 32 MB: two passwords hashed at once left 38 MB behind for ever.
*Source*: mallopt(3), M_ARENA_MAX, M_MMAP_THRESHOLD, M_TRIM_THRESHOLD; measured side by side in benchmarks/README.md, "allocators".
"""

from __future__ import annotations

import ctypes
import gc
import sys
from collections.abc import Callable
from functools import cache
from typing import Final

ARENA_MAX, MMAP_THRESHOLD, TRIM_THRESHOLD = -8, -3, -1
"""*Source*: glibc, malloc.h; they are part of its binary interface."""
SETTINGS: Final[dict[int, int]] = {
    ARENA_MAX: 1,
    MMAP_THRESHOLD: 128 * 1024,
    TRIM_THRESHOLD: 128 * 1024,
}
"""One arena, for Python's threads hold one lock anyway; and glibc's own first thresholds, kept from growing."""


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
