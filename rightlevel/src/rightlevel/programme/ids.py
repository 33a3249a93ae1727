"""Ids made outside the database."""

from __future__ import annotations

import secrets
import time
from uuid import UUID


def time_ordered_id() -> str:
    """A new UUID whose order is that of its making, so that rows made together lie together in every index.

    *Source*: RFC 9562, version 7; Python has its own only from 3.14 on.
    """
    milliseconds = time.time_ns() // 1_000_000
    chance = secrets.randbits(74)
    high = f"{milliseconds & 0xFFFFFFFFFFFF:012x}"
    low = f"{(chance & 0x3FFFFFFFFFFFFFFF) | 0x8000000000000000:016x}"
    return f"{high[:8]}-{high[8:]}-7{chance >> 62:03x}-{low[:4]}-{low[4:]}"


def is_uuid(text: str) -> bool:
    """Whether a text is a UUID, in whichever form it is written."""
    try:
        UUID(text)
    except ValueError:
        return False
    return True
