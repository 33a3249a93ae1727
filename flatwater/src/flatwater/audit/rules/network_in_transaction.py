"""Transactions that stay open, and connections that are held, while another service answers."""

from __future__ import annotations

import ast
from collections.abc import Iterator

from flatwater.audit.app import App
from flatwater.audit.holding import calls_network, held_by, is_used_before
from flatwater.audit.rule import Hit, Rule
from flatwater.audit.rules.transaction_without_deadline import opens_transaction
from flatwater.audit.source import Module, shown
from flatwater.audit.statements import calls_within


def _seek(module: Module, app: App) -> Iterator[Hit]:
    for node in module.nodes():
        if isinstance(node, ast.With | ast.AsyncWith):
            held = list(held_by(module, app, node))
            opens = any(opens_transaction(module, each) for each in node.items)
            for call in (call for statement in node.body for call in calls_within(statement)):
                if not calls_network(module, app, call):
                    continue
                taken = next((each for each in held if is_used_before(node, each, call.lineno)), None)
                if opens:
                    yield Hit(call, f"`{shown(call)}` is waited for while the transaction is open.")
                elif taken is not None:
                    yield Hit(call, f"`{shown(call)}` is waited for while `{shown(taken.call)}` is held.")


RULE = Rule(
    name="network-in-transaction",
    priority="P1",
    reason="The other service decides how long the locks and the connection are held; when it is slow, the pool is empty.",
    change="Ask first, then open the transaction; or write the wish in it and let a job send it afterwards.",
    seek=_seek,
    bad="""
import httpx

async def pay(session, client: httpx.AsyncClient):
    async with session.begin():
        await session.execute("UPDATE account SET cents = cents - 1")
        httpx.post("https://bank.example/pay")
""",
    good="""
import httpx

async def pay(session, client: httpx.AsyncClient):
    answer = await client.post("https://bank.example/pay")
    async with session.begin():
        await session.execute("UPDATE account SET cents = cents - 1")
    async with pool.acquire() as connection:
        await connection.execute("UPDATE account SET paid = now()")
""",
)
