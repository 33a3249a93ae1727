"""Connections that are held while something else is waited for: a pause, a caller who reads, work after the answer."""

from __future__ import annotations

import ast
from collections.abc import Iterator
from typing import Final

from flatwater.audit.app import App
from flatwater.audit.holding import Held, held_by, is_used_before
from flatwater.audit.rule import Hit, Rule
from flatwater.audit.source import Function, Module, called, shown, within

_STREAMS: Final = frozenset({"StreamingResponse", "EventSourceResponse", "StreamingHttpResponse", "Stream"})
_PAUSES: Final = frozenset({"asyncio.sleep", "time.sleep", "anyio.sleep", "trio.sleep"})
_SESSION_WORDS: Final = ("session", "connection", "conn", "db")


def _seek(module: Module, app: App) -> Iterator[Hit]:
    streamed = _streamed(module)
    for node in module.nodes():
        if isinstance(node, ast.With | ast.AsyncWith):
            for held in held_by(module, app, node):
                yield from _waits(module, node, held)
                yield from _yields(module, node, held, streamed)
        elif isinstance(node, ast.Call) and called(node) in {"add_task", "BackgroundTask"}:
            yield from _after(module, app, node)


def _waits(module: Module, node: ast.With | ast.AsyncWith, held: Held) -> Iterator[Hit]:
    for statement in node.body:
        for call in within(statement):
            if (
                isinstance(call, ast.Call)
                and module.dotted(call.func) in _PAUSES
                and not (call.args and isinstance(call.args[0], ast.Constant) and not call.args[0].value)
                and is_used_before(node, held, call.lineno)
            ):
                yield Hit(call, f"`{shown(call)}` pauses while `{shown(held.call)}` is held.")
                return


def _yields(module: Module, node: ast.With | ast.AsyncWith, held: Held, streamed: set[str]) -> Iterator[Hit]:
    function = module.function_of(node)
    if function is None or function.name not in streamed:
        return
    for statement in node.body:
        for each in within(statement):
            if isinstance(each, ast.Yield | ast.YieldFrom):
                yield Hit(
                    held.call,
                    f"`{shown(held.call)}` is held for as long as the caller takes to read the answer.",
                )
                return


def _streamed(module: Module) -> set[str]:
    """The generators of the file that answers are streamed from."""
    return {
        called(given)
        for call in module.calls
        if called(call) in _STREAMS
        for given in call.args[:1]
        if isinstance(given, ast.Call)
    }


def _after(module: Module, app: App, call: ast.Call) -> Iterator[Hit]:
    """Work for after the answer that is given the request's own session or connection."""
    function = module.function_of(call)
    if function is None or app.route_of(function) is None:
        return
    for given in (*call.args[1:], *(each.value for each in call.keywords)):
        if isinstance(given, ast.Name) and _is_session(module, app, function, given.id):
            yield Hit(
                call, f"`{shown(call)}` keeps the request's `{given.id}` until that work is done.", "P1"
            )
            return


def _is_session(module: Module, app: App, function: Function, name: str) -> bool:
    if not name.lower().endswith(_SESSION_WORDS):
        return False
    given = function.node.args
    positional = [*given.posonlyargs, *given.args]
    defaults = dict(zip([each.arg for each in positional][::-1], given.defaults[::-1], strict=False))
    defaults |= {
        each.arg: value for each, value in zip(given.kwonlyargs, given.kw_defaults, strict=True) if value
    }
    annotated = next((each.annotation for each in function.parameters() if each.arg == name), None)
    told = [each for each in (defaults.get(name), annotated) if each is not None]
    if any(
        "Depends" in ast.unparse(each) or ast.unparse(each).endswith(("Session", "SessionDep"))
        for each in told
    ):
        return True
    return any(
        held.name == name
        for node in function.body()
        if isinstance(node, ast.With | ast.AsyncWith)
        for held in held_by(module, app, node)
    )


RULE = Rule(
    name="connection-held",
    priority="P2",
    reason="Whoever waits with a connection in hand takes it from those who would use it; a few slow ones empty the pool.",
    change="Give it back before waiting and take one again after it; read in batches for a stream; let background work take its own.",
    in_requests=True,
    seek=_seek,
    bad="""
import asyncio

@app.get("/letters/{id}")
async def letter(id: int):
    async with pool.acquire() as connection:
        while not await connection.fetchval("SELECT sent FROM letter WHERE id = $1", id):
            await asyncio.sleep(1)
    return "sent"
""",
    good="""
import asyncio

async def is_sent(id):
    async with pool.acquire() as connection:
        await asyncio.sleep(0)
        return await connection.fetchval("SELECT sent FROM letter WHERE id = $1", id)

@app.get("/letters/{id}")
async def letter(id: int):
    while not await is_sent(id):
        await asyncio.sleep(1)
    return "sent"
""",
)
