"""Calls to other services that wait for ever."""

from __future__ import annotations

import ast
from collections.abc import Iterator
from typing import Final

from flatwater.audit.app import App
from flatwater.audit.model import Priority
from flatwater.audit.rule import Hit, Rule
from flatwater.audit.source import Module, keyword, shown

_FOREVER: Final = frozenset(
    {
        "requests.get",
        "requests.post",
        "requests.put",
        "requests.patch",
        "requests.delete",
        "requests.head",
        "requests.request",
        "urllib.request.urlopen",
        "smtplib.SMTP",
        "smtplib.SMTP_SSL",
        "socket.create_connection",
        "ftplib.FTP",
    }
)
"""They have no limit of their own. *Source*: their documentation; ruff's S113 for requests."""
_SWITCHED_OFF: Final = frozenset(
    {
        "httpx.AsyncClient",
        "httpx.Client",
        "httpx.get",
        "httpx.post",
        "httpx.Timeout",
        "aiohttp.ClientTimeout",
        "httpx.stream",
        "httpx.request",
    }
)
_POSITION: Final = {"urllib.request.urlopen": 2, "socket.create_connection": 1}


def _seek(module: Module, app: App) -> Iterator[Hit]:
    for call in module.calls:
        name = module.dotted(call.func)
        if name in _FOREVER:
            spread = any(each.arg is None for each in call.keywords)
            given = len(call.args) > _POSITION.get(name, 99)
            if not spread and not given and keyword(call, "timeout") is None:
                yield Hit(call, f"`{shown(call)}` has no timeout.", _priority(module, app, call))
        elif name in _SWITCHED_OFF:
            limit = (
                keyword(call, "timeout")
                or keyword(call, "total")
                or (call.args[0] if name == "httpx.Timeout" and call.args else None)
            )
            if isinstance(limit, ast.Constant) and limit.value is None:
                yield Hit(call, f"`{shown(call)}` switches the time limit off.", _priority(module, app, call))


def _priority(module: Module, app: App, call: ast.Call) -> Priority:
    """Outside of requests it is a command or a start that hangs, and somebody sees it."""
    return "P1" if app.route_of(module.function_of(call)) else "P3"


RULE = Rule(
    name="no-time-limit",
    priority="P1",
    reason="When the other side hangs, so does this, with its thread, its memory and its connection; soon all of them.",
    change="Give it a timeout, shorter than the request's own deadline.",
    seek=_seek,
    bad="""
import requests

def rate():
    return requests.get("https://rate.example").json()
""",
    good="""
import requests

def rate():
    return requests.get("https://rate.example", timeout=3).json()
""",
)
