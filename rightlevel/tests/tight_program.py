"""`python -m tight_program serve ...`: the service, but in its first life it holds memory that it never gives back, as a leak would.

It begins to when the file that LEAK_WHEN names is there.

It stays under its critical level, so that only its turning away can end it; and it is judged by seconds instead of a minute.
"""

from __future__ import annotations

import os
import threading
import time
from functools import partial
from pathlib import Path

from flatwater.recycling import RECYCLED_VARIABLE, Recycler
from rightlevel.commands import main
from rightlevel.operations import vitals

BALLAST_BYTES = 74_000_000
held: list[bytes] = []

vitals.EVERY_S = 0.5  # type: ignore[misc]
vitals.Recycler = partial(Recycler, turned_away_s=3.0)  # type: ignore[misc,assignment]


def leak() -> None:
    while not Path(os.environ["LEAK_WHEN"]).exists():
        time.sleep(0.05)
    held.append(b"x" * BALLAST_BYTES)


if __name__ == "__main__":
    if RECYCLED_VARIABLE not in os.environ:
        threading.Thread(target=leak, daemon=True).start()
    main(prog_name="rightlevel")
