"""What requests leave behind that is not memory: connections, tasks, threads, open files."""

from __future__ import annotations

import asyncio
import threading
from pathlib import Path
from typing import Final

import msgspec

from flatwater.audit.dynamic.run import Run

TASKS_SETTLE_S: Final = 1.0


class Left(msgspec.Struct, frozen=True):
    """What is left after a run that is not memory, a request."""

    connections: float = 0.0
    tasks: float = 0.0
    task: str = ""
    threads: float = 0.0
    files: float = 0.0


class Standing(msgspec.Struct, frozen=True):
    """What this process holds besides memory."""

    tasks: frozenset[asyncio.Task[object]]
    threads: int
    files: int

    @classmethod
    def now(cls) -> Standing:
        folder = Path("/proc/self/fd")
        files = sum(1 for _ in folder.iterdir()) if folder.exists() else 0
        return cls(frozenset(asyncio.all_tasks()), threading.active_count(), files)


async def left_since(before: Standing, run: Run, calls_before: int) -> Left:
    """What stayed since, a request; tasks get a second to end, then they are cancelled so that others can be measured."""
    waited_s = 0.0
    while (tasks := asyncio.all_tasks() - before.tasks) and waited_s < TASKS_SETTLE_S:
        await asyncio.sleep(0.02)
        waited_s += 0.02
    now = Standing.now()
    calls = max(1, run.calls - calls_before)
    name = next((_named(task) for task in tasks), "")
    left = Left(
        run.connections_kept / calls,
        len(tasks) / calls,
        name,
        max(0, now.threads - before.threads) / calls,
        max(0, now.files - before.files) / calls,
    )
    for task in tasks:
        task.cancel()
    if tasks:
        await asyncio.wait(tasks, timeout=TASKS_SETTLE_S)
    return left


def _named(task: asyncio.Task[object]) -> str:
    return getattr(task.get_coro(), "__qualname__", "a task")
