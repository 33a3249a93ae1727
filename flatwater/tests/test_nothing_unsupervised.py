"""Nothing runs in the background of either building but under a supervisor: every task and thread in src is looked for."""

from __future__ import annotations

import ast
from collections.abc import Iterator
from pathlib import Path

import pytest

import flatwater

SOURCES = (
    Path(flatwater.__file__).parent,
    Path(flatwater.__file__).parents[3] / "rightlevel" / "src" / "rightlevel",
)
MAKES_TASKS = {
    "create_task",
    "ensure_future",
    "TaskGroup",
    "create_task_group",
    "start_soon",
    "run_coroutine_threadsafe",
}
MAKES_THREADS = {"Thread", "Timer", "start_new_thread"}
"""Not `to_thread` and `run_in_executor`, which are waited for where they stand."""
SUPERVISOR = SOURCES[0] / "supervisor.py"


def made_in(text: str) -> Iterator[tuple[int, str]]:
    """The lines on which a task or a thread is made, or a name imported that makes one."""
    for node in ast.walk(ast.parse(text)):
        if isinstance(node, ast.Call):
            name = node.func.attr if isinstance(node.func, ast.Attribute) else getattr(node.func, "id", "")
            if name in MAKES_TASKS | MAKES_THREADS:
                yield node.lineno, name
        elif isinstance(node, ast.ClassDef):
            for base in node.bases:
                name = base.attr if isinstance(base, ast.Attribute) else getattr(base, "id", "")
                if name in MAKES_THREADS:
                    yield node.lineno, f"class of {name}"
        elif isinstance(node, ast.ImportFrom) and node.module in ("threading", "asyncio", "_thread"):
            for alias in node.names:
                if alias.name in MAKES_TASKS | MAKES_THREADS:
                    yield node.lineno, f"import of {alias.name}"


def test_only_the_supervisor_makes_tasks_and_threads() -> None:
    files = [file for folder in SOURCES for file in sorted(folder.rglob("*.py"))]
    assert len(files) > 300, "both buildings are looked through"
    found = [
        f"{file}:{line}: {what}"
        for file in files
        if file != SUPERVISOR
        for line, what in made_in(file.read_text("utf-8"))
    ]
    assert found == [], "begin it with flatwater.supervisor (every, keep, thread, errand, beside)"


@pytest.mark.parametrize(
    "text",
    [
        "asyncio.create_task(x())",
        "loop.create_task(x())",
        "asyncio.get_running_loop().create_task(x())",
        "asyncio.ensure_future(x())",
        "async def f():\n    async with asyncio.TaskGroup() as group:\n        pass",
        "threading.Thread(target=x).start()",
        "from threading import Thread",
        "from asyncio import create_task",
        "class Mine(threading.Thread):\n    pass",
        "threading.Timer(1.0, x)",
        "anyio.from_thread.run_coroutine_threadsafe(x())",
    ],
)
def test_it_would_be_seen(text: str) -> None:
    assert list(made_in(text))


def test_the_supervisor_itself_makes_some() -> None:
    assert {what for _, what in made_in(SUPERVISOR.read_text("utf-8"))} >= {"create_task", "Thread", "Timer"}
