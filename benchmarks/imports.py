"""What each import costs a service at rest: `python -m benchmarks.imports [modules]`, heap by room, by module and by library.

*Shape*: the bytes that are on the heap after a module was loaded and were not before, without those of the modules that it loaded itself. Each object is
taken from the C allocator by itself (PYTHONMALLOC=malloc), so the numbers are the same at each run, to the byte; Python's own allocator has 16 bytes less for
each object and 10 to 15 % of holes. What is loaded is what `rightlevel serve` has loaded before its first request, every route included.
"""

from __future__ import annotations

import ctypes
import gc
import importlib
import importlib._bootstrap as bootstrap  # pyright: ignore[reportMissingTypeStubs]
import json
import os
import subprocess
import sys
from collections import Counter
from typing import Any

LOADED = (
    "rightlevel.__main__",
    "rightlevel.commands.serve",
    "flatwater.allocator",
    "flatwater.recycling",
    "flatwater.serving",
    "flatwater.monitors",
    "rightlevel.operations.memory_plan",
    "rightlevel.assembly",
    "rightlevel.web.app",
)
"""In the order of commands/serve.py."""
SHOWN = 40


class _HeapNumbers(ctypes.Structure):
    _fields_ = [
        (name, ctypes.c_size_t)
        for name in [
            "arena",
            "ordblks",
            "smblks",
            "hblks",
            "hblkhd",
            "usmblks",
            "fsmblks",
            "uordblks",
            "fordblks",
            "keepcost",
        ]
    ]


def measure_here() -> dict[str, int]:
    """Bytes by module, loading everything in this process, which must have loaded none of it."""
    mallinfo = ctypes.CDLL(None).mallinfo2
    mallinfo.restype = _HeapNumbers

    def heap() -> int:
        numbers = mallinfo()
        return int(numbers.uordblks + numbers.hblkhd)

    own: Counter[str] = Counter()
    inside: list[int] = []
    machinery: Any = bootstrap
    load = machinery._load_unlocked

    def watched(spec: Any) -> Any:
        before = heap()
        inside.append(0)
        try:
            return load(spec)
        finally:
            took = heap() - before
            own[spec.name] += took - inside.pop()
            if inside:
                inside[-1] += took

    machinery._load_unlocked = watched
    gc.disable()  # what it happens to collect in the middle of a module is not that module's
    for name in LOADED:
        importlib.import_module(name)
    before, known = heap(), sum(own.values())
    importlib.import_module("rightlevel.web.app").all_routes()
    own["the routes, beside their modules"] = heap() - before - (sum(own.values()) - known)
    before = heap()
    gc.collect()
    own["garbage of all of them"] = heap() - before
    return dict(own)


def measure() -> dict[str, int]:
    """The same in a process of its own."""
    done = subprocess.run(
        [sys.executable, "-m", "benchmarks.imports", "--json"],
        capture_output=True,
        text=True,
        check=True,
        env=os.environ | {"PYTHONMALLOC": "malloc"},
    )
    return json.loads(done.stdout)


def rooms_of(by_module: dict[str, int]) -> dict[str, int]:
    """The same by room: a folder of the domain or of the pages, a library."""
    found: Counter[str] = Counter()
    for name, size in by_module.items():
        words = name.split(".")
        depth = {"rightlevel": 3, "flatwater": 2}.get(words[0], 1)
        found[".".join(words[:depth])] += size
    return dict(found)


def main(words: list[str]) -> None:
    if "--json" in words:
        print(json.dumps(measure_here()))
        return
    by_module = measure()
    asked = by_module if "modules" in words else rooms_of(by_module)
    for name, size in sorted(asked.items(), key=lambda each: -each[1])[:SHOWN]:
        print(f"{size / 1_000:>9,.0f} kB  {name}")
    ours = sum(
        size for name, size in by_module.items() if name.startswith(("rightlevel", "flatwater", "the routes"))
    )
    whole = sum(by_module.values())
    print(f"{whole / 1e6:9,.1f} MB  all {len(by_module):,} modules, {ours / 1e6:.1f} of them ours")


if __name__ == "__main__":
    main(sys.argv[1:])
