"""Waits for what happens soon, without a nap that is long enough only on a quiet machine."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable


async def until(is_so: Callable[[], bool], *, within_s: float = 3.0) -> None:
    """Passes as soon as it is so, and fails where it is not in time."""
    end = time.monotonic() + within_s
    while not is_so():
        assert time.monotonic() < end, "it did not happen"
        await asyncio.sleep(0.005)
