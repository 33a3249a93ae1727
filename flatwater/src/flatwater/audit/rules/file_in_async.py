"""Files read and written by the event loop itself."""

from __future__ import annotations

import ast
from collections.abc import Iterator
from typing import Final

from flatwater.audit.app import App
from flatwater.audit.rule import Hit, Rule
from flatwater.audit.source import Module, called, shown

_OPENS: Final = frozenset(
    {
        "open",
        "io.open",
        "pathlib.Path().open",
        "shutil.copy",
        "shutil.copyfile",
        "shutil.copyfileobj",
        "shutil.rmtree",
        "shutil.move",
    }
)
_PATHS: Final = frozenset({"read_text", "read_bytes", "write_text", "write_bytes"})


def _seek(module: Module, app: App) -> Iterator[Hit]:
    for call in module.calls:
        function = module.function_of(call)
        if function is None or not function.is_async or isinstance(module.parents[call], ast.Await):
            continue
        of_path = (
            isinstance(call.func, ast.Attribute) and called(call) in _PATHS and "anyio" not in module.text
        )
        if of_path or module.dotted(call.func) in _OPENS:
            yield Hit(
                call, f"`{shown(call)}` in `async def {function.name}` waits for the disk with everybody."
            )


RULE = Rule(
    name="file-in-async",
    priority="P3",
    reason="A disk is quick until it is not: on a network disk or under load, each of these stops every request.",
    change="Do it in a thread (asyncio.to_thread) or read it once when the service starts.",
    in_requests=True,
    seek=_seek,
    bad="""
@app.get("/page")
async def page():
    with open("page.html") as file:
        return file.read()
""",
    good="""
import asyncio
from pathlib import Path

@app.get("/page")
async def page():
    return await asyncio.to_thread(Path("page.html").read_text)
""",
)
