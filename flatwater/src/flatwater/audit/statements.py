"""The statements that Python source holds: SQL texts with where they run, and chains of a query builder."""

from __future__ import annotations

import ast
import re
from collections.abc import Iterator
from typing import Final, NamedTuple

from flatwater.audit.query_builder import words_behind
from flatwater.audit.source import Function, Module, called, within

EXECUTES: Final = frozenset(
    {
        "execute",
        "executemany",
        "execute_fetchall",
        "fetch",
        "fetchrow",
        "fetchval",
        "fetch_all",
        "fetch_one",
        "fetch_val",
        "iterate",
        "stream",
        "execute_write",
        "exec_driver_sql",
        "text",
        "raw",
        "read_sql",
        "read_sql_query",
        "query",
    }
)
READS_ALL: Final = frozenset({"fetchall", "fetch_all", "execute_fetchall", "all"})
_NOT_MANY: Final = frozenset(
    {
        "limit",
        "slice",
        "first",
        "one",
        "one_or_none",
        "scalar_one",
        "scalar_one_or_none",
        "get",
        "paginate",
        "count",
        "exists",
        "fetch",
        "scalar",
        "yield_per",
        "partitions",
        "in_bulk",
        "func",
    }
)
_RUNS: Final = frozenset({"execute", "scalars", "exec", "query", "exec_driver_sql"})
_CHOOSES: Final = frozenset({"where", "filter", "filter_by", "join", "having"})
_SQL: Final = re.compile(
    r"\s*(?:--[^\n]*\n\s*|/\*.*?\*/\s*)*\(?\s*(SELECT|WITH|INSERT|UPDATE|DELETE)\b", re.DOTALL | re.IGNORECASE
)
_SHAPE: Final = re.compile(r"\bfrom\b|\binto\b|\bset\b", re.IGNORECASE)
_BOUNDED: Final = re.compile(r"\blimit\b|\bfetch\s+(?:first|next)\b", re.IGNORECASE)
_ONE_ROW: Final = re.compile(
    r"^\s*select\s+(?:count|max|min|sum|avg|exists|coalesce|bool_or|json_agg|array_agg)\s*\(", re.IGNORECASE
)
_BY_KEY: Final = re.compile(
    r"(?:\bwhere|\band)\s+\(?\"?(?:[\w\"]+\.)?\"?(?:id|uuid|pk|key)\"?\s*(?:=|in\b)|=\s*any\s*\(",
    re.IGNORECASE,
)
CATALOG: Final = re.compile(
    r"\bpg_\w+|information_schema|sqlite_master|sqlite_schema|\bpragma_", re.IGNORECASE
)


SELDOM: Final = re.compile(
    r"\bdistinct\b|dict_?type|polic(?:y|ies)|privac|facilit|standard|schedul|tenant|config|setting|provider|role|permission|plugin|worker|template|language|locale|countr|currenc|timezone|categor|unit|kind|status|preset|feature_?flag|region|theme",
    re.IGNORECASE,
)


def is_seldom_added_to(read: Read) -> bool:
    """Whether what is read is named as what few people add to: roles, providers, languages. How many there are the source doesn't say."""
    return SELDOM.search(read.text or ast.unparse(read.function.node)) is not None


class Read(NamedTuple):
    """A place where all rows of a statement are read: the node, the statement as text or None where a builder makes it.

    *Shape*: `is_part` where a condition chooses some of the rows, which may still be many.
    """

    node: ast.Call
    text: str | None
    function: Function
    is_part: bool


def sql_texts(module: Module) -> Iterator[tuple[ast.expr, str]]:
    """Every SQL statement written in the file, joined where it is written in pieces; docstrings and prose are none."""
    for node in module.nodes():
        parent = module.parents[node]
        if isinstance(parent, ast.Expr | ast.JoinedStr) or not isinstance(
            node, ast.Constant | ast.JoinedStr | ast.BinOp
        ):
            continue
        if isinstance(parent, ast.BinOp) and isinstance(parent.op, ast.Add):
            continue
        text = text_of(node)
        if text and is_sql(text, sure=_runs(module, node)):
            yield node, text


def is_sql(text: str, *, sure: bool) -> bool:
    """Whether a text is a statement. Prose may begin with "Select …" too, so unsure ones must shout the keyword."""
    found = _SQL.match(text)
    if found is None or not _SHAPE.search(text):
        return False
    return found[1].isupper() or (sure and found[1].islower())


def text_of(node: ast.AST) -> str:
    """The text of a literal; what is put in when it runs is written `{}`."""
    match node:
        case ast.Constant(value=str(text)):
            return text
        case ast.JoinedStr(values=values):
            return "".join(text_of(each) or "{}" for each in values)
        case ast.BinOp(left=left, op=ast.Add(), right=right):
            # Each side once: asked twice, a text in thirty pieces would be read a thousand million times.
            before, after = text_of(left), text_of(right)
            return (before or "{}") + (after or "{}") if before or after else ""
        case ast.BinOp(left=left, op=ast.Mod()):
            return text_of(left)
        case ast.Call(func=ast.Attribute(value=value, attr="format" | "strip" | "lstrip" | "rstrip")):
            return text_of(value)
        case ast.Call(args=[first, *_]) if called(node) in {"text", "SQL", "dedent", "cleandoc"}:
            return text_of(first)
        case _:
            return ""


def _runs(module: Module, node: ast.AST) -> bool:
    here = module.parents.get(node)
    while isinstance(here, ast.BinOp | ast.Call | ast.Attribute):
        if isinstance(here, ast.Call) and called(here) in EXECUTES:
            return True
        here = module.parents.get(here)
    return False


def statement_given(module: Module, call: ast.Call) -> str:
    """The SQL that a call is given, through a name of the function or of the file where it is given by one."""
    if not call.args:
        return ""
    first = call.args[0]
    text = text_of(first)
    if not text and isinstance(first, ast.Name):
        function = module.function_of(call)
        values = module.local_values(function, first.id) if function else []
        if not values and first.id in module.assigned:
            values = [module.assigned[first.id]]
        text = " ".join(text_of(each) for each in values)
    return text if is_sql(text, sure=True) else ""


def reads_of_all(module: Module) -> Iterator[Read]:
    """Where a function takes all rows at once: `fetchall()`, `fetch_all(sql)`, asyncpg's `fetch(sql)`, `scalars(…).all()`."""
    for call in module.calls:
        if not isinstance(call.func, ast.Attribute):
            continue
        function = module.function_of(call)
        name = called(call)
        if function is None:
            continue
        if name in {"fetch", "fetch_all", "execute_fetchall"}:
            text = statement_given(module, call)
            if text:
                yield Read(call, text, function, _chooses(text))
        elif name in READS_ALL and not call.args:
            runs = _run_of(module, function, call)
            text = statement_given(module, runs) if runs else ""
            words = words_behind(module, function, runs, call) if runs and not text else set[str]()
            if text:
                yield Read(call, text, function, _chooses(text))
            elif words & {"select", "query"} and not words & _NOT_MANY:
                yield Read(call, None, function, bool(words & _CHOOSES))


def _chooses(text: str) -> bool:
    return re.search(r"\bwhere\b|\bjoin\b", text, re.IGNORECASE) is not None


def _run_of(module: Module, function: Function, call: ast.Call) -> ast.Call | None:
    """The `execute`, `scalars` or `query` whose rows a `fetchall()` or `all()` takes."""
    for each in ast.walk(call.func):
        if isinstance(each, ast.Call) and called(each) in _RUNS:
            return each
    return _run_before(module, function, call)


def _run_before(module: Module, function: Function, call: ast.Call) -> ast.Call | None:
    """The last `execute` before, on the same object or into the same name."""
    receiver = module.dotted(call.func).rpartition(".")[0]
    root = receiver.partition(".")[0].removesuffix("()")
    found: ast.Call | None = None
    for node in function.body():
        if not (isinstance(node, ast.Call) and called(node) in _RUNS):
            continue
        on = module.dotted(node.func.value) if isinstance(node.func, ast.Attribute) else ""
        statement = module.statement_of(node)
        into = (
            [each.id for each in statement.targets if isinstance(each, ast.Name)]
            if isinstance(statement, ast.Assign)
            else []
        )
        if (on == receiver or root in into) and node.lineno <= call.lineno:
            found = node
    return found


def is_bounded(text: str) -> bool:
    """Whether a statement says how many rows it gives, by a limit, by a key or by what it computes."""
    if not re.match(r"[\s(]*(?:select|with)\b", text, re.IGNORECASE):
        return True
    grouped = re.search(r"\bgroup\s+by\b", text, re.IGNORECASE)
    if _ONE_ROW.search(text) and not grouped:
        return True
    return bool(
        _BOUNDED.search(text)
        or _BY_KEY.search(text)
        or CATALOG.search(text)
        or not re.search(r"\bfrom\b", text, re.IGNORECASE)
    )


def uses_of(function: Function, name: str) -> list[ast.Name]:
    """Where a function, or one inside it, reads one of its names."""
    return [
        each
        for each in ast.walk(function.node)
        if isinstance(each, ast.Name) and each.id == name and isinstance(each.ctx, ast.Load)
    ]


def calls_within(node: ast.AST) -> Iterator[ast.Call]:
    """The calls that run when a node does."""
    yield from (each for each in within(node) if isinstance(each, ast.Call))
