"""Exceptions kept as objects."""

from __future__ import annotations

import ast
from collections.abc import Iterator

from flatwater.audit.app import App
from flatwater.audit.rule import Hit, Rule
from flatwater.audit.source import Module, shown, within
from flatwater.audit.stores import GROWS, stores_of


def _seek(module: Module, app: App) -> Iterator[Hit]:
    stores = list(stores_of(module))
    for handler in module.nodes():
        if not isinstance(handler, ast.ExceptHandler) or handler.name is None:
            continue
        for node in (each for statement in handler.body for each in within(statement)):
            match node:
                case ast.Call(func=ast.Attribute(value=held, attr=attr), args=[ast.Name(id=name)]) if (
                    attr in GROWS
                ):
                    kept = name == handler.name and any(each.is_named_by(held) for each in stores)
                case ast.Assign(targets=[ast.Subscript(value=held)], value=ast.Name(id=name)):
                    kept = name == handler.name and any(each.is_named_by(held) for each in stores)
                case ast.Assign(targets=[ast.Attribute(value=held)], value=ast.Name(id=name)):
                    kept = name == handler.name and module.dotted(held).endswith("app.state")
                case _:
                    continue
            if kept:
                yield Hit(node, f"`{shown(node)}` keeps the exception itself.")


RULE = Rule(
    name="exception-kept",
    priority="P2",
    reason="An exception holds its traceback, and that holds every frame's variables: the whole request stays in memory.",
    change='Keep what is told of it: f"{type(error).__name__}: {error}", in something with a ceiling.',
    seek=_seek,
    bad="""
ERRORS = []

def run(job):
    try:
        job()
    except ValueError as error:
        ERRORS.append(error)
""",
    good="""
from collections import deque
ERRORS = deque(maxlen=20)

def run(job):
    try:
        job()
    except ValueError as error:
        ERRORS.append(repr(error))
""",
)
