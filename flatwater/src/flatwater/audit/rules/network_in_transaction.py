"""Transactions that stay open while another service answers."""

from __future__ import annotations

import ast
from collections.abc import Iterator
from typing import Final

from flatwater.audit.app import App
from flatwater.audit.rule import Hit, Rule
from flatwater.audit.rules.transaction_without_deadline import opens_transaction
from flatwater.audit.source import Module, called, shown
from flatwater.audit.statements import calls_within

_SENDS: Final = frozenset(
    {
        "get",
        "post",
        "put",
        "patch",
        "delete",
        "request",
        "send",
        "stream",
        "urlopen",
        "sendmail",
        "send_message",
    }
)
_NETWORK: Final = ("httpx", "requests", "aiohttp", "urllib.request", "smtplib", "boto3", "grpc")
_CLIENT: Final = ("http_client", "httpx_client", "http_session", "http", "smtp", "mailer", "webhook_client")


def _seek(module: Module, app: App) -> Iterator[Hit]:
    for node in module.nodes():
        if isinstance(node, ast.With | ast.AsyncWith) and any(
            opens_transaction(module, each) for each in node.items
        ):
            for statement in node.body:
                for call in calls_within(statement):
                    name = module.dotted(call.func)
                    receiver = name.rpartition(".")[0]
                    known = name.startswith(_NETWORK) or receiver.rpartition(".")[2].lower() in _CLIENT
                    if called(call) in _SENDS and known:
                        yield Hit(call, f"`{shown(call)}` is waited for while the transaction is open.")


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
""",
)
