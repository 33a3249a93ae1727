"""LISTEN that hears nothing: in a transaction that stays open, or on a connection that nobody opens again."""

from __future__ import annotations

import ast
import re
from collections.abc import Iterator
from typing import Final

from flatwater.audit.app import App
from flatwater.audit.holding import held_by
from flatwater.audit.rule import Hit, Rule
from flatwater.audit.rules.transaction_without_deadline import opens_transaction
from flatwater.audit.source import Function, Module, called, shown
from flatwater.audit.statements import text_of

_LISTEN: Final = re.compile(r"\s*listen\s+[\w\"{]", re.IGNORECASE)
_WATCHES: Final = frozenset(
    {"add_termination_listener", "add_close_listener", "on_disconnect", "is_closed", "reset_query"}
)


def _seek(module: Module, app: App) -> Iterator[Hit]:
    for call in module.calls:
        if not _listens(call):
            continue
        if _is_in_transaction(module, app, call):
            yield Hit(call, f"`{shown(call)}` stands in a transaction: nothing is heard before it ends.")
        elif not _is_tried_again(module, app, module.function_of(call), call, hops=3):
            yield Hit(call, f"`{shown(call)}` is not done again when its connection is lost.")


def _listens(call: ast.Call) -> bool:
    if called(call) == "add_listener" and isinstance(call.func, ast.Attribute):
        return len(call.args) == 2 and "conn" in ast.unparse(call.func.value).lower()
    return called(call) in {"execute", "exec_driver_sql"} and any(
        _LISTEN.match(text_of(each)) for each in call.args[:1]
    )


def _is_in_transaction(module: Module, app: App, call: ast.Call) -> bool:
    for each in module.ancestors(call):
        if isinstance(each, ast.With | ast.AsyncWith):
            if any(opens_transaction(module, item) for item in each.items):
                return True
            if any(called(held.call) == "begin" for held in held_by(module, app, each)):
                return True
    return False


def _is_tried_again(module: Module, app: App, function: Function | None, node: ast.AST, *, hops: int) -> bool:
    """Whether a loop that catches errors stands around it, or around who calls it, or something watches the connection."""
    around = list(module.ancestors(node))
    loops = any(isinstance(each, ast.While | ast.For | ast.AsyncFor) for each in around)
    tries = any(isinstance(each, ast.Try) and each.handlers for each in around)
    if loops and tries:
        return True
    if any(called(each) in _WATCHES for each in module.calls):
        return True
    if function is None or not hops:
        return False
    return any(
        _is_tried_again(other, app, other.function_of(call), call, hops=hops - 1)
        for other in app.modules.values()
        for call in other.calls
        if called(call) == function.name and other.function_of(call) is not function
    )


RULE = Rule(
    name="unwatched-listener",
    priority="P2",
    reason="When its connection is lost, what it kept fresh is stale for ever, and nothing says so.",
    change="Listen on a connection of its own, outside any transaction, in a loop that connects again and then reads what it missed.",
    seek=_seek,
    bad="""
import asyncpg

async def listen():
    connection = await asyncpg.connect("postgresql://shop")
    await connection.add_listener("news", heard)
""",
    good="""
import asyncio
import asyncpg

async def listen():
    connection = await asyncpg.connect("postgresql://shop")
    await connection.add_listener("news", heard)
    await until_lost(connection)

async def keep_listening():
    while True:
        try:
            await listen()
        except OSError:
            await asyncio.sleep(1)
""",
)
