"""Pages by offset."""

from __future__ import annotations

import ast
import re
from collections.abc import Iterator
from typing import Final

from flatwater.audit.app import App
from flatwater.audit.rule import Hit, Rule
from flatwater.audit.source import Module, called, shown
from flatwater.audit.statements import sql_texts

_OFFSET: Final = re.compile(r"\boffset\s+(?:%|\$|:|\{|\?|@)", re.IGNORECASE)


def _seek(module: Module, app: App) -> Iterator[Hit]:
    for node, text in sql_texts(module):
        if _OFFSET.search(text):
            yield Hit(node, "The statement skips rows with OFFSET.")
    for call in module.calls:
        match call:
            case ast.Call(func=ast.Attribute(value=value), args=[given]) if called(call) == "offset":
                if not isinstance(given, ast.Constant) and _is_query(module, value):
                    yield Hit(call, f"`.offset({shown(given)})` skips rows.")
            case _:
                pass


def _is_query(module: Module, node: ast.expr) -> bool:
    name = module.dotted(node).lower()
    return any(
        word in name
        for word in (
            "select",
            "query",
            "stmt",
            "statement",
            "limit",
            "order_by",
            "where",
            "filter",
            "objects",
        )
    )


RULE = Rule(
    name="offset-paging",
    priority="P3",
    reason="The database reads and drops every row before the page, so deep pages are slow; and rows are skipped or repeated under writes.",
    change="Page by key: WHERE (sort, id) > (last seen) ORDER BY sort, id LIMIT n (flatwater.paging).",
    in_requests=True,
    seek=_seek,
    bad="""
@app.get("/pupils")
async def pupils(connection, skip: int):
    return await connection.fetch("SELECT name FROM pupil ORDER BY id LIMIT 20 OFFSET $1", skip)
""",
    good="""
@app.get("/pupils")
async def pupils(connection, after: int):
    return await connection.fetch("SELECT name FROM pupil WHERE id > $1 ORDER BY id LIMIT 20", after)
""",
)
