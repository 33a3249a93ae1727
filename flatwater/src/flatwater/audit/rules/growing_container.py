"""Module-level containers that requests fill and nothing empties."""

from __future__ import annotations

import ast
from collections.abc import Iterator

from flatwater.audit.app import App
from flatwater.audit.model import Priority
from flatwater.audit.rule import Hit, Rule
from flatwater.audit.source import Function, Module, keyword, shown
from flatwater.audit.stores import Store, growths, is_bounded, stores_of


def reads_by_key(function: Function, store: Store) -> bool:
    """Whether the function that fills a container also looks things up in it by key: then it is a cache."""
    for node in function.body():
        match node:
            case ast.Compare(ops=[ast.In() | ast.NotIn()], comparators=[held]) if store.is_named_by(held):
                return True
            case ast.Call(func=ast.Attribute(value=held, attr="get")) if store.is_named_by(held):
                return True
            case ast.Subscript(value=held, ctx=ast.Load()) if store.is_named_by(held):
                return True
            case _:
                pass
    return False


def _seek(module: Module, app: App) -> Iterator[Hit]:
    for store in stores_of(module):
        if is_bounded(app, store):
            continue
        for function, node in growths(app, store):
            if function.module is not module or (store.is_mapping and reads_by_key(function, store)):
                continue
            if not _is_first(module, store, node) and not _keeps_exception(module, node):
                yield Hit(
                    node,
                    f"`{shown(node)}` fills the module's `{store.name}`, and nothing takes anything out.",
                    _priority(app, function, store, node),
                )


def _priority(app: App, function: Function, store: Store, node: ast.AST) -> Priority:
    """Grave where a request's own words are the key, or where each request leaves one more. How many other keys there are the source doesn't say."""
    if app.route_of(function) is None:
        return "P3"
    keys = (
        [each.slice for each in ast.walk(node) if isinstance(each, ast.Subscript)] if store.is_mapping else []
    )
    if not keys or any(_is_asked_for(app, function, key, 3) for key in keys):
        return "P1"
    return "P3"


def _is_asked_for(app: App, function: Function, key: ast.expr, steps: int) -> bool:
    """Whether a key is made of what a handler was given, as far as three calls up."""
    names = {each.id for each in ast.walk(key) if isinstance(each, ast.Name)}
    names |= {
        each.id
        for name in names
        for value in function.module.local_values(function, name)
        for each in ast.walk(value)
        if isinstance(each, ast.Name)
    }
    places = [each.arg for each in function.parameters()]
    if function in app.handler_functions:
        return bool(names & set(places))
    if not steps:
        return False
    own = places[1:] if places[:1] in (["self"], ["cls"]) else places
    for call, caller in app.calls_named(function.name):
        for name in names & set(own):
            index = own.index(name)
            value = call.args[index] if len(call.args) > index else keyword(call, name)
            if value is not None and _is_asked_for(app, caller, value, steps - 1):
                return True
    return False


def _is_first(module: Module, store: Store, node: ast.AST) -> bool:
    """Whether it is filled only while it is empty: `if not STORE: STORE.append(…)`."""
    return any(
        isinstance(each, ast.If)
        and isinstance(each.test, ast.UnaryOp)
        and isinstance(each.test.op, ast.Not)
        and store.is_named_by(each.test.operand)
        for each in module.ancestors(node)
    )


def _keeps_exception(module: Module, node: ast.AST) -> bool:
    """Whether what is put in is the exception that was caught, which a rule of its own tells."""
    names = {each.id for each in ast.walk(node) if isinstance(each, ast.Name)}
    return any(isinstance(each, ast.ExceptHandler) and each.name in names for each in module.ancestors(node))


RULE = Rule(
    name="growing-container",
    priority="P1",
    reason="What a request leaves in a module's container stays until the process ends, so memory grows with every request.",
    change="Keep it in the request, in the database, or in something with a ceiling (deque(maxlen=…), flatwater.cache).",
    in_requests=True,
    seek=_seek,
    bad="""
from fastapi import FastAPI
app = FastAPI()
SEEN = []

@app.get("/hello")
async def hello(name: str) -> str:
    SEEN.append(name)
    return "hello"
""",
    good="""
from collections import deque
from fastapi import FastAPI
app = FastAPI()
SEEN = deque(maxlen=100)
HOOKS = []
LOADED = []

def hook(function):
    HOOKS.append(function)
    return function

@app.get("/hello")
async def hello(name: str) -> str:
    SEEN.append(name)
    if not LOADED:
        LOADED.append(load())
    return "hello"
""",
)
