"""What a process of the server has of its own, looked at so cheaply that it can be done for each request; and a connection that is told to be old.

A server's process keeps each plan it made and all that it ever looked up of the catalogue. Age says little about that: a connection that opened every
page in ten seconds has five times as much as one that did the same thing for an hour.
"""

from __future__ import annotations

import os
from typing import Any, Final

from psycopg import AsyncConnection

PAGE_BYTES: Final = os.sysconf("SC_PAGE_SIZE")
OLD_AT: Final = "_expire_at"
"""*Source*: psycopg_pool 3.3, `_return_connection`: a connection that comes back past this instant (`time.monotonic`) is closed, and another made."""


def own_bytes(process_id: int) -> int | None:
    """What a process of this machine has that is no file's and not shared memory; None where that can't be seen.

    What it has of its parent since the fork, a megabyte of a PostgreSQL, counts as its own. *Cost*: 15 µs, for the kernel keeps these numbers.
    *Source*: proc_pid_statm(5): resident less what is of files and shared.
    """
    try:
        file = os.open(f"/proc/{process_id}/statm", os.O_RDONLY)
    except OSError:
        return None
    try:
        resident, shared = os.read(file, 128).split()[1:3]
    except (OSError, ValueError):
        return None  # it ended while we looked
    finally:
        os.close(file)
    return (int(resident) - int(shared)) * PAGE_BYTES


def expire(connection: AsyncConnection[Any]) -> None:
    """Has the pool replace a connection when it is given back."""
    setattr(connection, OLD_AT, 0.0)
