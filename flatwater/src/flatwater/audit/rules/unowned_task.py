"""Tasks and threads that nobody awaits, cancels or counts."""

from __future__ import annotations

import ast
from collections.abc import Iterator
from typing import Final

from flatwater.audit.app import App
from flatwater.audit.rule import Hit, Rule
from flatwater.audit.source import Module, called, shown
from flatwater.audit.statements import uses_of

_SPAWNS: Final = frozenset(
    {
        "asyncio.create_task",
        "asyncio.ensure_future",
        "asyncio.get_event_loop().create_task",
        "asyncio.get_running_loop().create_task",
    }
)
_LOOPS: Final = ("loop.create_task", "event_loop.create_task")


def _seek(module: Module, app: App) -> Iterator[Hit]:
    for call in module.calls:
        name = module.dotted(call.func)
        spawns = name in _SPAWNS or name.endswith(_LOOPS)
        parent = module.parents[call]
        if spawns and isinstance(parent, ast.Expr):
            within = module.function_of(call)
            closes = within is not None and within.name == "__del__"
            yield Hit(call, f"`{shown(call)}` is started and forgotten.", "P3" if closes else None)
        elif spawns and isinstance(parent, ast.Assign) and isinstance(parent.targets[0], ast.Name):
            function = module.function_of(call)
            held = parent.targets[0].id
            shared = function is not None and any(
                isinstance(each, ast.Global | ast.Nonlocal) and held in each.names for each in function.body()
            )
            if function is not None and not shared and not uses_of(function, held):
                yield Hit(call, f"`{held}` holds a task that is neither awaited, cancelled nor kept.")
        elif (
            name == "threading.Thread().start"
            and isinstance(parent, ast.Expr)
            and app.route_of(module.function_of(call))
            and not _is_counted(module, call)
        ):
            yield Hit(call, f"`{shown(call)}` starts a thread for each request, and nothing counts them.")


def _is_counted(module: Module, call: ast.Call) -> bool:
    """Whether what starts the thread takes a place first (a semaphore, a limiter), so that no more run than there are places."""
    function = module.function_of(call)
    return function is not None and any(
        isinstance(each, ast.Call) and called(each) == "acquire" for each in function.body()
    )


RULE = Rule(
    name="unowned-task",
    priority="P1",
    reason="The event loop keeps only a weak reference, so it may vanish half-way; its error is never seen; nothing bounds how many run.",
    change="Use a TaskGroup, or keep it in a bounded set with add_done_callback(discard) and cancel it when the service stops.",
    seek=_seek,
    bad="""
import asyncio

@app.post("/send")
async def send(letter: str):
    asyncio.create_task(post(letter))
    return "sent"
""",
    good="""
import asyncio
import threading
running = set()

@app.post("/send")
async def send(letter: str):
    async with asyncio.TaskGroup() as group:
        group.create_task(post(letter))
    task = asyncio.create_task(post(letter))
    running.add(task)
    task.add_done_callback(running.discard)
    return "sent"

PLACES = threading.BoundedSemaphore(4)

@app.get("/picture")
def picture():
    if PLACES.acquire(blocking=False):
        threading.Thread(target=draw, daemon=True).start()
    return "drawn soon"
""",
)
