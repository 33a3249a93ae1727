"""What requests leave behind that is not memory: connections, tasks, threads, open files."""

from __future__ import annotations

import asyncio
import threading
from collections import Counter
from pathlib import Path
from typing import Final

import msgspec

from flatwater.audit.dynamic.run import Run

TASKS_SETTLE_S: Final = 1.0
PILED_UP: Final = 0.5


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
    """What stayed since, a request; tasks get a second to end, then those that pile up are cancelled, so that others can be measured.

    A task that was started once, as pools and samplers do when they are first needed, is the application's own and let be.
    """
    calls, waited_s = max(1, run.calls - calls_before), 0.0
    while (tasks := _piled_up(before, calls)) and waited_s < TASKS_SETTLE_S:
        await asyncio.sleep(0.02)
        waited_s += 0.02
    now = Standing.now()
    left = Left(
        run.connections_kept / calls,
        len(tasks) / calls,
        _named(tasks[0]) if tasks else "",
        max(0, now.threads - before.threads) / calls,
        max(0, now.files - before.files) / calls,
    )
    for task in tasks:
        task.cancel()
    if tasks:
        await asyncio.wait(tasks, timeout=TASKS_SETTLE_S)
    return left


def _piled_up(before: Standing, calls: int) -> list[asyncio.Task[object]]:
    """New tasks of a kind of which there is one for every second call at least."""
    new = asyncio.all_tasks() - before.tasks
    often = {name for name, times in Counter(map(_named, new)).items() if times >= PILED_UP * calls}
    return [task for task in new if _named(task) in often]


def _named(task: asyncio.Task[object]) -> str:
    return getattr(task.get_coro(), "__qualname__", "a task")
