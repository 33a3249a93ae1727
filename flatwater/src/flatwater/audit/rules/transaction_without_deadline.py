"""Transactions that nothing ends in time, and those that wait for somebody else's network."""

from __future__ import annotations

import ast
import re
from collections.abc import Iterator
from typing import Final

from flatwater.audit.app import App
from flatwater.audit.rule import Hit, Rule
from flatwater.audit.source import Module, called, keyword, shown, within

OPENS: Final = frozenset({"transaction", "atomic", "begin"})
LIMITS: Final = frozenset({"timeout", "timeout_at", "fail_after", "move_on_after", "wait_for", "deadline"})
_HOLDS: Final = (
    "session",
    "db",
    "conn",
    "connection",
    "engine",
    "pool",
    "database",
    "transaction",
    "tx",
    "cursor",
)


def opens_transaction(module: Module, item: ast.withitem) -> ast.Call | None:
    """The call in a `with` that opens a database transaction."""
    call = item.context_expr
    if not isinstance(call, ast.Call) or called(call) not in OPENS:
        return None
    receiver = module.dotted(call.func).rpartition(".")[0].lower()
    known = any(receiver.rpartition(".")[2].removesuffix("()").endswith(each) for each in _HOLDS)
    return call if known or module.dotted(call.func).startswith("django.db.transaction") else None


_FORM: Final = re.compile(r"\brequest\.|\bcleaned_data\b|\.items\(\)")
"""What a form holds, a page bounds."""


def _seek(module: Module, app: App) -> Iterator[Hit]:
    if app.has_deadline:
        return
    for node in module.nodes():
        if not isinstance(node, ast.With | ast.AsyncWith):
            continue
        for item in node.items:
            call = opens_transaction(module, item)
            if call is not None and not _is_limited(module, node, call):
                yield Hit(
                    call,
                    f"`{shown(call)}` is open for as long as its block takes, and nothing sets a limit.",
                    None if _is_long(node) else "P3",
                )


def _is_long(node: ast.With | ast.AsyncWith) -> bool:
    """Whether how long the block takes is decided elsewhere: by rows that it goes through, or by whoever is given the session."""
    inner = [each for statement in node.body for each in within(statement)]
    loops = [
        each for each in inner if not (isinstance(each, ast.For) and _FORM.search(ast.unparse(each.iter)))
    ]
    turns = (
        ast.For,
        ast.AsyncFor,
        ast.While,
        ast.ListComp,
        ast.SetComp,
        ast.GeneratorExp,
        ast.DictComp,
        ast.Yield,
    )
    return any(isinstance(each, turns) for each in loops)


def _is_limited(module: Module, node: ast.With | ast.AsyncWith, call: ast.Call) -> bool:
    if any(keyword(call, name) for name in ("timeout", "timeout_s", "deadline_s", "deadline")):
        return True
    around = [
        *node.items,
        *(
            item
            for each in module.ancestors(node)
            if isinstance(each, ast.With | ast.AsyncWith)
            for item in each.items
        ),
    ]
    return any(
        isinstance(each.context_expr, ast.Call) and called(each.context_expr) in LIMITS for each in around
    )


RULE = Rule(
    name="transaction-without-deadline",
    priority="P2",
    reason="A transaction that hangs holds its locks and its connection, keeps dead rows from being vacuumed, and blocks others.",
    change="Give it a deadline that cancels the statement on the server (flatwater.transaction), or set statement_timeout.",
    in_requests=True,
    is_one_setting=True,
    hurts_requests_only=True,
    seek=_seek,
    bad="""
@app.post("/pay")
async def pay(connection):
    async with connection.transaction():
        await connection.execute("UPDATE account SET cents = cents - 1")
""",
    good="""
import asyncio

@app.post("/pay")
async def pay(connection):
    async with asyncio.timeout(5), connection.transaction():
        await connection.execute("UPDATE account SET cents = cents - 1")
""",
)
