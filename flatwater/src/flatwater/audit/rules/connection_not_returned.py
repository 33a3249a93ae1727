"""Connections and sessions that are taken and, at least when something goes wrong, never given back."""

from __future__ import annotations

import ast
from collections.abc import Iterator
from typing import Final

from flatwater.audit.app import App
from flatwater.audit.holding import takes_connection
from flatwater.audit.rule import Hit, Rule
from flatwater.audit.source import Function, Module, assignments, called, shown

_GIVES_BACK: Final = frozenset({"close", "aclose", "release", "putconn", "remove", "dispose", "terminate"})
_KEEPS: Final = frozenset({"enter_context", "enter_async_context", "push", "callback", "finalize", "closing"})


def _seek(module: Module, app: App) -> Iterator[Hit]:
    for call in module.calls:
        if (
            called(call) == "wait_for"
            and call.args
            and isinstance(call.args[0], ast.Call)
            and called(call.args[0]) in {"acquire", "getconn"}
            and takes_connection(module, app, call.args[0])
        ):
            yield Hit(
                call,
                f"`{shown(call)}`: a connection that comes at the moment of the time-out is nobody's (before Python 3.12).",
                "P2",
            )
    for function in module.all_functions():
        for node in function.body():
            if not isinstance(node, ast.Assign | ast.AnnAssign):
                continue
            for name, value in assignments(node):
                given = value.value if isinstance(value, ast.Await) else value
                if takes_connection(module, app, given):
                    yield from _judged(module, function, node, name)


def _judged(module: Module, function: Function, node: ast.stmt, name: str) -> Iterator[Hit]:
    if _goes_elsewhere(function, name):
        return
    closing = [each for each in function.body() if _gives_back(each, name)]
    if not closing:
        yield Hit(node, f"`{shown(node)}` is never given back.")
    elif not any(_is_sure(module, each) for each in closing):
        yield Hit(node, f"`{shown(node)}` is given back only where nothing goes wrong in between.")


def _goes_elsewhere(function: Function, name: str) -> bool:
    """Whether somebody else may give it back: it is returned, kept on an object, or entered as a context."""
    for node in function.body():
        match node:
            case ast.Return(value=ast.Name(id=given)) if given == name:
                return True
            case ast.Return(value=ast.expr() as value) if _is_handed_over(value, name):
                return True
            case ast.withitem(context_expr=context) if name in _names(context):
                return True
            case ast.Assign(targets=[ast.Attribute() | ast.Subscript(), *_], value=ast.expr() as value) if (
                name in _names(value)
            ):
                return True
            case ast.Call(args=given) if called(node) in _KEEPS and any(
                name in _names(each) for each in given
            ):
                return True
            case ast.Global(names=names) | ast.Nonlocal(names=names) if name in names:
                return True
            case _:
                pass
    return False


def _is_handed_over(value: ast.expr, name: str) -> bool:
    """Whether what is returned is an object made around it, or a collection with it in."""
    match value:
        case ast.Call(func=ast.Name(id=made) | ast.Attribute(attr=made), args=given):
            return made[:1].isupper() and any(name in _names(each) for each in given)
        case ast.Tuple(elts=given) | ast.List(elts=given):
            return any(isinstance(each, ast.Name) and each.id == name for each in given)
        case _:
            return False


def _names(node: ast.AST) -> set[str]:
    return {each.id for each in ast.walk(node) if isinstance(each, ast.Name)}


def _gives_back(node: ast.AST, name: str) -> bool:
    if not isinstance(node, ast.Call) or called(node) not in _GIVES_BACK:
        return False
    on = node.func.value if isinstance(node.func, ast.Attribute) else None
    return (isinstance(on, ast.Name) and on.id == name) or any(name in _names(each) for each in node.args)


def _is_sure(module: Module, node: ast.AST) -> bool:
    """Whether it is done whatever happens: in a `finally`, or in a handler of errors."""
    child: ast.AST = node
    for each in module.ancestors(node):
        if isinstance(each, ast.ExceptHandler):
            return True
        if isinstance(each, ast.Try) and child in each.finalbody:
            return True
        child = each
    return False


RULE = Rule(
    name="connection-not-returned",
    priority="P1",
    reason="A few calls empty the pool, and everybody waits for ever.",
    change="Take it in a block (`with`, `async with`), or give it back in a `finally`; a pool's own `timeout=` instead of wait_for.",
    in_requests=True,
    seek=_seek,
    bad="""
from sqlalchemy.orm import sessionmaker
Sessions = sessionmaker()

@app.get("/names/{id}")
def name_of(id: int):
    session = Sessions()
    row = session.get(Mentor, id)
    session.close()
    return row.name
""",
    good="""
from sqlalchemy.orm import sessionmaker
Sessions = sessionmaker()

def open_session():
    session = Sessions()
    try:
        yield session
    finally:
        session.close()

@app.get("/names/{id}")
def name_of(id: int, session=Depends(open_session)):
    with Sessions() as other:
        return other.get(Mentor, id).name
""",
)
