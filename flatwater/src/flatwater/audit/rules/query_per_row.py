"""A query for each row of another."""

from __future__ import annotations

import ast
import re
from collections.abc import Iterator
from typing import Final

from flatwater.audit.app import App
from flatwater.audit.rule import Hit, Rule
from flatwater.audit.source import Module, called, shown, within
from flatwater.audit.statements import is_sql, statement_given

_RUNS: Final = frozenset(
    {
        "execute",
        "fetch",
        "fetchrow",
        "fetchval",
        "fetch_one",
        "fetch_all",
        "fetch_val",
        "scalar",
        "scalars",
        "exec",
        "get_or_404",
    }
)
_HOLDS: Final = re.compile(
    r"(?:^|[._])(?:session|db|conn|connection|cursor|cur|database|pool|dbsession|db_session|async_session|tx|uow)$",
    re.IGNORECASE,
)
_BATCH: Final = re.compile(
    r"batch|chunk|page|piece|block|slice|range|attempt|retr|statement|quer(?:y|ies)\b|sql|ddl|shard|table|segment|operation|migration|database|schema|dialect|backend",
    re.IGNORECASE,
)

_READ: Final = re.compile(
    r"\.objects\b|\.(?:all|filter|fetch\w*|scalars|execute|exec|query|select|order_by|exclude|prefetch_related|values_list|iterator)\("
    r"|\bselect\("
)


def _seek(module: Module, app: App) -> Iterator[Hit]:
    for node in module.nodes():
        if isinstance(node, ast.For | ast.AsyncFor):
            if _is_few(module, node.iter) or _BATCH.search(
                ast.unparse(node.target) + " " + ast.unparse(node.iter)
            ):
                continue
            for statement in node.body:
                yield from _found(module, statement, node)
        elif isinstance(node, ast.ListComp | ast.SetComp | ast.GeneratorExp):
            first = node.generators[0]
            if not (_is_few(module, first.iter) or _BATCH.search(ast.unparse(first.iter))):
                yield from _found(module, node.elt, first)


def _found(module: Module, body: ast.AST, loop: ast.For | ast.AsyncFor | ast.comprehension) -> Iterator[Hit]:
    if any(isinstance(each, ast.Break | ast.Return) for each in within(body)):
        return  # it looks for one, and stops
    for call in within(body):
        if (
            isinstance(call, ast.Call)
            and _runs(module, call)
            and _nearest(module, call) in {loop, module.parents.get(loop)}
        ):
            yield Hit(
                call,
                f"`{shown(call)}` runs for each `{shown(loop.target)}` of `{shown(loop.iter)}`.",
                None if _is_of_rows(module, loop.iter) else "P3",
            )
            return


def _is_of_rows(module: Module, node: ast.expr) -> bool:
    """Whether what is gone through was read from a database, or is a list that a caller gives: else it may be a handful."""
    if _READ.search(ast.unparse(node)):
        return True
    function = module.function_of(node)
    if not isinstance(node, ast.Name) or function is None:
        return False
    if any(_READ.search(ast.unparse(each)) for each in module.local_values(function, node.id)):
        return True
    return any(
        each.arg == node.id and each.annotation is not None and "list" in ast.unparse(each.annotation).lower()
        for outer in function.chain()
        for each in outer.parameters()
    )


def _nearest(module: Module, call: ast.Call) -> ast.AST | None:
    """The innermost loop around a call, so that one in two loops is told once."""
    kinds = (ast.For, ast.AsyncFor, ast.ListComp, ast.SetComp, ast.GeneratorExp)
    return next((each for each in module.ancestors(call) if isinstance(each, kinds)), None)


def _runs(module: Module, call: ast.Call) -> bool:
    if not isinstance(call.func, ast.Attribute):
        return False
    receiver = module.dotted(call.func.value)
    if called(call) == "get" and len(call.args) == 2:
        return bool(_HOLDS.search(receiver))  # session.get(Model, key)
    if called(call) == "get" and receiver.endswith(".objects"):
        return True
    if called(call) not in _RUNS:
        return False
    text = statement_given(module, call)
    return bool(_HOLDS.search(receiver)) or (bool(text) and is_sql(text, sure=True))


def _is_few(module: Module, node: ast.expr) -> bool:
    """Whether the source itself says how many there are."""
    match node:
        case ast.Tuple() | ast.List() | ast.Constant() | ast.Set():
            return True
        case ast.Name(id=name) if name.isupper():
            return True
        case ast.Name(id=name):
            function = module.function_of(node)
            values = module.local_values(function, name) if function else []
            return bool(values) and all(
                isinstance(each, ast.Tuple | ast.List) and each.elts for each in values
            )
        case ast.Call(func=ast.Name(id="enumerate" | "zip" | "sorted" | "reversed"), args=[first, *_]):
            return _is_few(module, first)
        case _:
            return False


RULE = Rule(
    name="query-per-row",
    priority="P2",
    reason="A hundred rows are a hundred round trips: the request is slow, and its connection is held for all of them.",
    change="Ask once for all of them: a join, = ANY(%s), executemany, or COPY.",
    in_requests=True,
    seek=_seek,
    bad="""
@app.get("/classes")
async def classes(connection, ids: list[int]):
    names = []
    for id in ids:
        row = await connection.execute("SELECT name FROM class WHERE id = %s", [id])
        names.append(row)
    return names
""",
    good="""
@app.get("/classes")
async def classes(connection, ids: list[int]):
    cursor = await connection.execute("SELECT name FROM class WHERE id = ANY(%s)", [ids])
    for part in ("a", "b"):
        await connection.execute("SELECT set_config(%s, %s, true)", [part, part])
    return [row[0] async for row in cursor]
""",
)
