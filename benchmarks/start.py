"""Start: `make demo` on a prepared machine to a page, and `serve` on an existing folder."""

from __future__ import annotations

import signal
import subprocess
import time
from collections.abc import Callable

from benchmarks.work import COMMAND, Figure, free_port, fresh, wait_for

DEMO_S = 15.0
SERVE_S = 3.0
SERVES = 3
TINY = {"SERVES": 1}


def measure(say: Callable[[str], None]) -> list[Figure]:
    folder = fresh("start")
    say("rightlevel demo on an empty folder")
    demo_s = _until_page("demo", folder)
    say(f"rightlevel serve on the same folder, {SERVES} times")
    serves = [_until_page("serve", folder) for _ in range(SERVES)]
    return [
        Figure("first demo to a page", demo_s, "s", f"< {DEMO_S:.0f} s", demo_s < DEMO_S),
        Figure(
            "serve on an existing folder to a page",
            max(serves),
            "s",
            f"< {SERVE_S:.0f} s",
            max(serves) < SERVE_S,
        ),
    ]


def _until_page(command: str, folder: object) -> float:
    port = free_port()
    began = time.monotonic()
    process = subprocess.Popen(
        [COMMAND, command, "--data", str(folder), "--port", str(port)], stdout=subprocess.DEVNULL
    )
    try:
        wait_for(port, "/sign-in")
        return time.monotonic() - began
    finally:
        process.send_signal(signal.SIGTERM)
        process.wait(30)
