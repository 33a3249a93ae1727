"""Rows fetched whole to count them, to take one, or to throw most away."""

from __future__ import annotations

import ast
from collections.abc import Iterator

from flatwater.audit.app import App
from flatwater.audit.rule import Hit, Rule
from flatwater.audit.source import Function, Module
from flatwater.audit.statements import is_bounded, reads_of_all, uses_of


def _seek(module: Module, app: App) -> Iterator[Hit]:
    for read in reads_of_all(module):
        if read.text is not None and is_bounded(read.text):
            continue
        statement = module.statement_of(read.node)
        if isinstance(statement, ast.Assign) and isinstance(statement.targets[0], ast.Name):
            name = statement.targets[0].id
            if len(module.local_values(read.function, name)) == 1:
                told = _waste(module, read.function, name)
                if told:
                    yield Hit(
                        read.node,
                        f"All rows are fetched into `{name}`, {told}.",
                        "P3" if read.is_part else None,  # how many a condition leaves, the source doesn't say
                    )
        parent = module.parents.get(read.node)
        parent = module.parents.get(parent) if isinstance(parent, ast.Await) else parent
        if isinstance(parent, ast.Call) and isinstance(parent.func, ast.Name) and parent.func.id == "len":
            yield Hit(read.node, "All rows are fetched to be counted.", "P3" if read.is_part else None)


def _waste(module: Module, function: Function, name: str) -> str:
    """What little is done with the rows; empty when they are used."""
    uses = uses_of(function, name)
    kinds = {_kind(module, each) for each in uses}
    if not uses or "used" in kinds:
        return ""
    if kinds <= {"counted", "asked"} and "counted" in kinds:
        return "only to be counted"
    if kinds <= {"first", "counted", "asked"} and "first" in kinds:
        return "of which only the first is used"
    return (
        "most of which a condition in Python throws away"
        if kinds <= {"sifted", "asked"} and sum(_kind(module, each) == "sifted" for each in uses) == 1
        else ""
    )


def _kind(module: Module, use: ast.Name) -> str:
    parent = module.parents[use]
    match parent:
        case ast.Call(func=ast.Name(id="len")):
            return "counted"
        case ast.Subscript(slice=ast.Constant(value=0), ctx=ast.Load()):
            return "first"
        case ast.comprehension(ifs=[_, *_]):
            # What only leaves nulls out throws little away; what is sifted anew in each turn of a loop is sorted into groups.
            grouped = any(isinstance(each, ast.For | ast.AsyncFor) for each in module.ancestors(use))
            return "used" if grouped or all(_is_presence(each) for each in parent.ifs) else "sifted"
        case ast.If() | ast.IfExp() | ast.UnaryOp(op=ast.Not()) | ast.BoolOp():
            return "asked"
        case _:
            return "used"


def _is_presence(condition: ast.expr) -> bool:
    match condition:
        case ast.Compare(ops=[ast.IsNot()], comparators=[ast.Constant(value=None)]):
            return True
        case ast.Name() | ast.Attribute() | ast.Subscript():
            return True
        case _:
            return False


RULE = Rule(
    name="fetch-before-use",
    priority="P2",
    reason="The database would count, choose or stop by itself; here every row crosses the wire and is held to do it.",
    change="Let the statement do it: count(*), WHERE, LIMIT 1.",
    seek=_seek,
    bad="""
def late(connection):
    rows = connection.execute("SELECT id, due FROM loan").fetchall()
    return [row for row in rows if row[1] < 5]
""",
    good="""
def late(connection):
    rows = connection.execute("SELECT id, due FROM loan WHERE due < 5 ORDER BY id LIMIT 100").fetchall()
    return [row for row in rows if row[1]]

def all_of_them(connection):
    rows = connection.execute("SELECT id, due FROM loan").fetchall()
    return [row[0] for row in rows]
""",
)
