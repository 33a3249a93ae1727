"""The words of a query builder's chain: what it selects, whether it has a limit, whether it asks for one by its key."""

from __future__ import annotations

import ast
from collections.abc import Iterator
from typing import Final

from flatwater.audit.app import App
from flatwater.audit.source import Function, Module, called, last_name

_KEYS: Final = frozenset({"id", "uuid", "key", "name", "pk", "external_id"})


def words_behind(module: Module, function: Function, run: ast.Call, call: ast.Call) -> set[str]:
    """The words of the query builder's chain behind a read, with those of the names that it was built in."""
    words = {*_words(run), *_words(call)} - {"all"}
    names = {each.id for each in ast.walk(call) if isinstance(each, ast.Name)}
    names |= {each.id for each in ast.walk(run) if isinstance(each, ast.Name)}
    for _ in range(3):  # a statement is built in steps: `query = query.where(…)`, from another, from another
        more = [value for name in names for value in module.local_values(function, name)]
        words |= {word for value in more for word in _words(value)}
        names |= {each.id for value in more for each in ast.walk(value) if isinstance(each, ast.Name)}
    return words


def no_request_adds_to(app: App, function: Function, call: ast.Call) -> bool:
    """Whether all rows of one mapped class are read, the class stands in the source, and no request is seen to make one of it.

    What the source doesn't hold, or what only passes through a helper that makes any class, says nothing: a known class alone is judged.
    """
    names = {each.id for each in ast.walk(call) if isinstance(each, ast.Name)}
    values = [value for name in names for value in function.module.local_values(function, name)]
    classes = {
        _class_of(given)
        for value in (call, *values)
        for each in ast.walk(value)
        if isinstance(each, ast.Call) and called(each) in {"select", "query"}
        for given in each.args
    } - {""}
    known = {name for name in classes if isinstance(app.resolve(function.module, name), ast.ClassDef)}
    return bool(classes) and known == classes and not any(_is_made(app, name) for name in classes)


def _is_made(app: App, name: str) -> bool:
    made = [caller for _, caller in app.calls_named(name)]
    made += [
        caller
        for deed in ("insert", "bulk_insert_mappings", "bulk_save_objects")
        for call, caller in app.calls_named(deed)
        if any(_class_of(given) == name for given in call.args)
    ]
    return any(app.route_of(caller) is not None for caller in made)


def _words(node: ast.AST) -> Iterator[str]:
    if _is_by_key(node):
        yield "get"
    for each in ast.walk(node):
        if isinstance(each, ast.Call):
            yield called(each)
        elif (isinstance(each, ast.Attribute) and each.attr == "func") or (
            isinstance(each, ast.Name) and each.id == "func"
        ):
            yield "func"
        elif isinstance(each, ast.Attribute) and each.attr == "in_" and last_name(each.value) in _KEYS:
            yield "in_bulk"  # as many as were asked for


def _is_by_key(node: ast.AST) -> bool:
    """Whether it selects from one class by that class's own key, as in `select(Tool.name).where(Tool.id == given)`."""
    calls = [each for each in ast.walk(node) if isinstance(each, ast.Call)]
    if any(called(each) in {"join", "outerjoin", "select_from"} for each in calls):
        return False
    chosen = {
        _class_of(given) for each in calls if called(each) in {"select", "query"} for given in each.args
    }
    return len(chosen) == 1 and any(
        isinstance(each, ast.Compare)
        and isinstance(each.ops[0], ast.Eq)
        and isinstance(each.left, ast.Attribute)
        and each.left.attr in {"id", "uuid", "pk"}
        and _class_of(each.left) in chosen - {""}
        and not _class_of(each.comparators[0])
        for each in ast.walk(node)
    )


def _class_of(node: ast.AST) -> str:
    """The mapped class that a column or the class itself names: `Tool` of `Tool`, `Tool.id` and `db.Tool.id`."""
    while isinstance(node, ast.Attribute):
        if node.attr[:1].isupper():
            return node.attr
        node = node.value
    return node.id if isinstance(node, ast.Name) and node.id[:1].isupper() else ""
