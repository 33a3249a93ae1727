"""Sweeps and clean-ups that each request pays for."""

from __future__ import annotations

import ast
import re
from collections.abc import Iterator
from typing import Final

from flatwater.audit.app import App
from flatwater.audit.rule import Hit, Rule
from flatwater.audit.source import Module, called, shown
from flatwater.audit.statements import sql_texts

_SWEEP: Final = re.compile(
    r"\bdelete\s+from\b.*\bwhere\b.*(?:expir|_at\b|_on\b|\btimestamp\b|\bcreated\b|\bstamp\b)[^=]{0,40}<|\bvacuum\b|\brefresh\s+materialized\b|\breindex\b",
    re.IGNORECASE | re.DOTALL,
)
_ORM: Final = re.compile(r"(?:expir|_at|created|updated|timestamp)\w*\s*(?:<|__lte?\s*=)", re.IGNORECASE)
_DEED: Final = re.compile(
    r"(?:delete|remove|clear|purge|prune|sweep|drop)_(?:all_)?(?:expired|old|stale|outdated)|^_?vacuum",
    re.IGNORECASE,
)
_OWN_DEED: Final = re.compile(r"clean_?up|sweep|purge|prune|vacuum|expired|stale", re.IGNORECASE)
_MEANT: Final = re.compile(r"cron|clean|purge|prune|mainten|sweep|vacuum|gc\b|task|job|admin", re.IGNORECASE)
"""Addresses that exist to be called by a schedule."""


def _seek(module: Module, app: App) -> Iterator[Hit]:
    for node, text in sql_texts(module):
        if _SWEEP.search(text) and _on_the_way(module, app, node):
            yield Hit(node, f"A request runs `{' '.join(text.split())[:90]}`.")
    for call in module.calls:
        if not _on_the_way(module, app, call):
            continue
        name = called(call)
        if name == "delete" and isinstance(call.func, ast.Attribute) and _ORM.search(ast.unparse(call.func)):
            yield Hit(call, f"A request runs `{shown(call)}`.")
        elif _DEED.search(name) and not _is_inside(module, call):
            yield Hit(call, f"A request runs `{shown(call)}`, which by its name is a clean-up.", "P2")


def _on_the_way(module: Module, app: App, node: ast.AST) -> bool:
    function = module.function_of(node)
    route = app.route_of(function)
    if route is None or function is None:
        return False
    return route.method != "DELETE" and not _MEANT.search(route.path) and not _OWN_DEED.search(function.name)


def _is_inside(module: Module, call: ast.Call) -> bool:
    """In a `finally` or an `except` it puts away what this request made, which is its own."""
    inside = call
    for each in module.ancestors(call):
        if isinstance(each, ast.ExceptHandler) or (
            isinstance(each, ast.Try) and any(inside in ast.walk(last) for last in each.finalbody)
        ):
            return True
    return False


RULE = Rule(
    name="scheduled-work",
    priority="P1",
    reason="Everybody who asks pays for a sweep of everybody's rows; the busier the service, the more sweeps fight for the same rows.",
    change="Put it on a schedule, in batches with FOR UPDATE SKIP LOCKED; let requests ignore what has expired.",
    in_requests=True,
    seek=_seek,
    bad="""
@app.post("/login")
async def login(connection):
    await connection.execute("DELETE FROM rate_limit WHERE expires_at < now()")
    return "in"
""",
    good="""
@app.post("/api/cron/cleanup")
async def sweep(connection):
    await connection.execute("DELETE FROM rate_limit WHERE expires_at < now()")

@app.post("/logout")
async def logout(connection, token):
    await connection.execute("DELETE FROM session WHERE token = %s", [token])
""",
)
