"""Handlers that do everything."""

from __future__ import annotations

import ast
from collections.abc import Iterator
from typing import Final

from flatwater.audit.app import App
from flatwater.audit.rule import Hit, Rule
from flatwater.audit.source import Function, Module

MAX_STATEMENTS: Final = 50
"""*Source*: pylint's and ruff's default for too-many-statements (R0915, PLR0915)."""
MAX_BRANCHES: Final = 12
"""*Source*: pylint's and ruff's default for too-many-branches (R0912, PLR0912)."""
MAX_LINES: Final = 120
"""Lines of body, about two screens; the route that the operators had to split had 803."""
MAX_METHODS: Final = 2
"""Branches on the request's method; one for a form and its sending is a custom, three are several operations."""

_BRANCHES = (ast.If, ast.For, ast.AsyncFor, ast.While, ast.ExceptHandler, ast.match_case)


def _seek(module: Module, app: App) -> Iterator[Hit]:
    for function in module.all_functions():
        if function not in app.handler_functions:
            continue
        body = list(function.body())
        statements = sum(isinstance(each, ast.stmt) for each in body)
        branches = sum(isinstance(each, _BRANCHES) for each in body)
        lines = _lines(function)
        methods = _methods(function)
        if (
            statements > MAX_STATEMENTS
            or branches > MAX_BRANCHES
            or lines > MAX_LINES
            or methods > MAX_METHODS
        ):
            yield Hit(
                function.node,
                f"{statements} statements, {branches} branches, {lines} lines, {methods} comparisons with the method.",
            )


def _lines(function: Function) -> int:
    """The lines of its body; a long signature and a long docstring are no fault."""
    body = function.node.body
    told = isinstance(body[0], ast.Expr) and isinstance(body[0].value, ast.Constant) and len(body) > 1
    first = body[1] if told else body[0]
    return (function.node.end_lineno or first.lineno) - first.lineno + 1


def _methods(function: Function) -> int:
    return sum(
        isinstance(each, ast.Compare) and isinstance(each.left, ast.Attribute) and each.left.attr == "method"
        for each in function.body()
    )


RULE = Rule(
    name="does-everything",
    priority="P3",
    reason="One address with many deeds has one limit, one deadline and one rate for all of them, and nobody sees which is slow.",
    change="One handler for each operation, with its own page limit, rate, cache policy and deadline; the deed in a function.",
    seek=_seek,
    bad="""
@app.route("/pupils", methods=["GET", "POST", "PUT"])
def pupils(request):
    if request.method == "GET":
        return 1
    if request.method == "POST":
        return 2
    if request.method == "PUT":
        return 3
""",
    good="""
@app.get("/pupils")
def pupils(request):
    return 1
""",
)
