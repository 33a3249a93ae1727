"""Caches that never forget."""

from __future__ import annotations

import ast
import re
from collections.abc import Iterator
from typing import Final

from flatwater.audit.app import App
from flatwater.audit.rule import Hit, Rule
from flatwater.audit.rules.growing_container import reads_by_key
from flatwater.audit.source import Function, Module, keyword, last_name, shown
from flatwater.audit.stores import Store, growths, is_bounded, stores_of

_FOREVER: Final = frozenset(
    {"functools.cache", "async_lru.alru_cache", "functools.lru_cache", "methodtools.lru_cache"}
)
_PLAIN: Final = frozenset({"functools.cache", "functools.lru_cache"})
_CONNECTS: Final = re.compile(r"client|engine|pool|driver|storages?(?:_|$)", re.IGNORECASE)
"""One for each address or key of the settings is what other rules ask for; that callers can't choose them is for a reader."""
_OF_CUSTOMERS: Final = re.compile(
    r"(?:^|_)(?:org|organi[sz]ation|tenant|workspace|company)s?(?:_|$)", re.IGNORECASE
)
"""One for each customer: how many a service has the source doesn't say, and they come slowly."""
_FEW: Final = frozenset({"bool", "type", "Type", "Literal", "None"})
"""Types with so few values that a cache by them is bounded by itself."""


def _seek(module: Module, app: App) -> Iterator[Hit]:
    yield from _decorated(module, app)
    for store in stores_of(module):
        if not store.is_mapping or is_bounded(app, store):
            continue
        for function, node in growths(app, store):
            if _is_registered(function, store, node):
                continue
            if function.module is module and app.route_of(function) and reads_by_key(function, store):
                yield Hit(
                    node,
                    f"`{shown(node)}` remembers into `{store.name}`, and nothing is ever forgotten.",
                    "P3" if _CONNECTS.search(store.name) or _OF_CUSTOMERS.search(store.name) else None,
                )


def _is_registered(function: Function, store: Store, node: ast.AST) -> bool:
    """Whether the key was first found in a table of the source's own, so that there are no more keys than that has."""
    target = node.targets[-1] if isinstance(node, ast.Assign) else None
    if not isinstance(target, ast.Subscript) or not isinstance(target.slice, ast.Name):
        return False
    for each in function.body():
        match each:
            case ast.Call(
                func=ast.Attribute(value=ast.Name(id=table), attr="get"), args=[ast.Name(id=key), *_]
            ):
                pass
            case ast.Subscript(value=ast.Name(id=table), slice=ast.Name(id=key), ctx=ast.Load()):
                pass
            case _:
                continue
        if (
            key == target.slice.id
            and table != store.name
            and table.isupper()
            and table in function.module.assigned
        ):
            return True
    return False


def _decorated(module: Module, app: App) -> Iterator[Hit]:
    for function in module.all_functions():
        # Where requests are known, what none of them reaches is mostly asked by names that the source holds.
        if app.handlers and app.route_of(function) is None:
            continue
        for decorator in function.node.decorator_list:
            if function.is_async and _is_plain(module, decorator):
                yield Hit(
                    function.node,
                    f"`{function.name}` is async: `@{shown(decorator)}` keeps what can be awaited once, not what comes of it.",
                )
            elif _is_forever(module, decorator) and _has_many_keys(module, function):
                yield Hit(
                    function.node,
                    f"`{function.name}` is cached for ever by its arguments (`@{shown(decorator)}`).",
                    None if app.handlers else "P3",
                )


def _is_plain(module: Module, decorator: ast.expr) -> bool:
    """Whether it is a cache of functools, which knows of no awaiting."""
    return module.dotted(decorator.func if isinstance(decorator, ast.Call) else decorator) in _PLAIN


def _is_forever(module: Module, decorator: ast.expr) -> bool:
    call = decorator if isinstance(decorator, ast.Call) else None
    name = module.dotted(call.func if call else decorator)
    if name not in _FOREVER:
        return False
    if name == "functools.cache":
        return True
    size = (keyword(call, "maxsize") or (call.args[0] if call.args else None)) if call else None
    return isinstance(size, ast.Constant) and size.value is None


def _has_many_keys(module: Module, function: Function) -> bool:
    """Whether its arguments can take many values. A method's object is one of them, and is kept alive too."""
    if function.owner is not None and not _is_static(function):
        return True
    if function.node.args.vararg or function.node.args.kwarg:
        return True
    parameters = function.parameters()
    # What is worked out of a class is asked for by the source; its other arguments are the source's own words too.
    if parameters and _is_class(parameters[0].annotation):
        return False
    return any(not _is_few(each.annotation) for each in parameters)


def _is_class(annotation: ast.expr | None) -> bool:
    whole = annotation.value if isinstance(annotation, ast.Subscript) else annotation
    return isinstance(whole, ast.Name | ast.Attribute) and last_name(whole) in {"type", "Type"}


def _is_static(function: Function) -> bool:
    kinds = {each.id for each in function.node.decorator_list if isinstance(each, ast.Name)}
    first = function.node.args.args[:1]
    return bool(kinds & {"staticmethod", "classmethod"}) or not (first and first[0].arg == "self")


def _is_few(annotation: ast.expr | None) -> bool:
    match annotation:
        case (
            ast.Name(id=name)
            | ast.Attribute(attr=name)
            | ast.Subscript(value=ast.Name(id=name) | ast.Attribute(attr=name))
        ):
            return name in _FEW
        case ast.BinOp(left=left, op=ast.BitOr(), right=right):
            return _is_few(left) and _is_few(right)
        case ast.Constant(value=None):
            return True
        case _:
            return False


RULE = Rule(
    name="unbounded-cache",
    priority="P1",
    reason="A cache without a ceiling is a leak with a good name: it holds one entry for each key that was ever asked for.",
    change="Give it a ceiling and an age: lru_cache(maxsize=1024), or flatwater.cache with entries, bytes and seconds.",
    seek=_seek,
    bad="""
from functools import lru_cache

@lru_cache(maxsize=None)
def price_of(article: str) -> int:
    return len(article)
""",
    good="""
from functools import cache, lru_cache

@lru_cache(maxsize=1024)
def price_of(article: str) -> int:
    return len(article)

@cache
def settings() -> dict:
    return {}

@cache
def fields_of(model: type[Model], prefix: str = "") -> list[str]:
    return [prefix + name for name in model.fields]
""",
)
