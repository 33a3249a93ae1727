"""Metric labels whose values a caller chooses."""

from __future__ import annotations

import ast
import re
from collections.abc import Iterator
from typing import Final

from flatwater.audit.app import App
from flatwater.audit.rule import Hit, Rule
from flatwater.audit.source import Module, called, shown

_CHOSEN: Final = re.compile(
    r"\breq(?:uest)?\b.*\b(?:path|url|query_params|path_params|headers|cookies|client)\b|(?:^|[._])(?:user_?(?:id|name|agent)?|email|ip|ip_address|remote_addr|session_id"
    r"|client_ip|path|url|raw_path|query)$|\buser\.(?:id|name|email)",
    re.IGNORECASE,
)
_FIXED: Final = re.compile(
    r"route['\"]?\]?\.path|path_format|url_rule|path_template|route_name|template|endpoint", re.IGNORECASE
)


def _seek(module: Module, app: App) -> Iterator[Hit]:
    for call in module.calls:
        if not isinstance(call.func, ast.Attribute) or called(call) != "labels":
            continue
        for given in (*call.args, *(each.value for each in call.keywords)):
            text = ast.unparse(given)
            chosen = _CHOSEN.search(text) or _is_asked_for(module, app, call, given)
            if chosen and not _FIXED.search(text):
                yield Hit(
                    call,
                    f"`{shown(given)}` becomes a label, so there are as many series as callers can think of.",
                )
                break


def _is_asked_for(module: Module, app: App, call: ast.Call, given: ast.expr) -> bool:
    """Whether it is a text that a handler takes from its caller."""
    function = module.function_of(call)
    if not isinstance(given, ast.Name) or function not in app.handler_functions:
        return False
    return any(
        each.arg == given.id and isinstance(each.annotation, ast.Name) and each.annotation.id == "str"
        for each in function.parameters()
    )


RULE = Rule(
    name="label-from-input",
    priority="P2",
    reason="Each new value is a new series, kept for as long as the process lives here and for months in the monitoring.",
    change="Label by the route's template and the status; tell who it was in the log.",
    seek=_seek,
    bad="""
@app.get("/pupils/{id}")
async def pupil(request, id: int):
    REQUESTS.labels(request.url.path).inc()
""",
    good="""
@app.get("/pupils/{id}")
async def pupil(request, id: int):
    REQUESTS.labels(request.scope["route"].path).inc()
""",
)
