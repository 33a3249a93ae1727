"""Answers made for one person or customer, kept under a key that doesn't say for whom."""

from __future__ import annotations

import ast
import re
from collections.abc import Iterator
from typing import Final, NamedTuple

from flatwater.audit.app import App
from flatwater.audit.rule import Hit, Rule
from flatwater.audit.rules.cached_authorisation import HOLDS
from flatwater.audit.source import Function, Module, called, keyword, last_name, shown

_SCOPE: Final = re.compile(
    r"^(?:current_|request_|auth_|logged_in_)?(?:user|tenant|org|organi[sz]ation|account|customer|workspace|company|viewer|principal)"
    r"(?:_id|_uuid|_pk|_slug)?$"
)
_CARRIES: Final = re.compile(r"key|token|session|hash|digest|scope|prefix|request|context|path|url|query")
"""Names that may hold the scope already: who made them isn't seen here."""
_FORMS: Final = frozenset({"str", "repr", "int", "tuple", "format", "join", "lower", "isoformat", "encode"})
_READS: Final = frozenset({"get", "aget"})
_WRITES: Final = {"set": 1, "aset": 1, "add": 1, "setex": 2, "put": 1}
"""Where each has its value among what it is given."""
_LOADS: Final = frozenset({"get_or_set", "aget_or_set", "get", "setdefault"})


class _Kept(NamedTuple):
    node: ast.AST
    key: ast.expr
    value: ast.expr
    reads_too: bool


def _seek(module: Module, app: App) -> Iterator[Hit]:
    for function in module.all_functions():
        read = {shown(each) for each in _read(module, function)}
        for kept in _kept(module, function):
            if not kept.reads_too and shown(kept.key) not in read:
                continue
            if isinstance(kept.value, ast.Name | ast.Attribute) and _scopes(function, [kept.value]):
                continue  # who has it is the entry itself: a lock, a session
            # Further back lies how something was found that others may find too: a project, where this person may see it.
            value, key = _reached(function, kept.value, steps=1), _reached(function, kept.key, steps=9)
            scopes = _scopes(function, value)
            if scopes and any(isinstance(each, ast.Call) for each in value) and _says_nobody(function, key):
                yield Hit(
                    kept.node,
                    f"`{shown(kept.key)}` keeps what was made with `{scopes[0]}`, which the key doesn't say.",
                )


def _read(module: Module, function: Function) -> Iterator[ast.expr]:
    for node in function.body():
        match node:
            case ast.Call(func=ast.Attribute(value=held, attr=name), args=[key, *_]) if name in _READS:
                pass
            case ast.Subscript(value=held, slice=key, ctx=ast.Load()) if _outlives(function, held):
                pass
            case ast.Compare(left=key, ops=[ast.In() | ast.NotIn()], comparators=[held]):
                pass
            case _:
                continue
        if HOLDS.search(module.dotted(held)):
            yield key


def _kept(module: Module, function: Function) -> Iterator[_Kept]:
    for node in function.body():
        match node:
            case ast.Call(func=ast.Attribute(value=held), args=[key, *more]):
                name, place = called(node), _WRITES.get(called(node), 0)
                value = keyword(node, "value") or (node.args[place] if 0 < place < len(node.args) else None)
                reads_too = bool(name in _LOADS and more and (name != "get" or _makes(function, more[0])))
                kept = more[0] if reads_too else value
            case ast.Assign(targets=[ast.Subscript(value=held, slice=key)], value=kept) if _outlives(
                function, held
            ):
                reads_too = False
            case _:
                continue
        if kept is not None and HOLDS.search(module.dotted(held)):
            yield _Kept(node, key, kept, reads_too)


def _outlives(function: Function, held: ast.expr) -> bool:
    """Whether a container is no local one, nor one that the caller handed over: those may live for one request."""
    if not isinstance(held, ast.Name):
        return True
    given = {each.arg for each in function.parameters()}
    return held.id not in given and not _values(function, held.id)


def _makes(function: Function, value: ast.expr) -> bool:
    """Whether it is what a cache calls where it has nothing, and no default."""
    inner = {each.name for each in function.module.inner_of(function)}
    return isinstance(value, ast.Lambda) or (isinstance(value, ast.Name) and value.id in inner)


def _reached(function: Function, expression: ast.expr, *, steps: int) -> list[ast.AST]:
    """All that an expression is made of: through the function's own names, so many steps back, and the functions defined in it."""
    inner = {each.name: each.node for each in function.module.inner_of(function)}
    todo: list[tuple[ast.AST, int]] = [(expression, steps if isinstance(expression, ast.Name) else steps - 1)]
    seen: set[str] = set()
    found: list[ast.AST] = []
    while todo:
        start, left = todo.pop()
        for node in ast.walk(start):
            found.append(node)
            if isinstance(node, ast.Name) and node.id not in seen:
                seen.add(node.id)
                if left > 0:
                    todo.extend((each, left - 1) for each in _values(function, node.id))
                if node.id in inner:
                    todo.append((inner[node.id], 0))
    return found


def _values(function: Function, name: str) -> list[ast.expr]:
    return function.module.local_values(function, name)


def _scopes(function: Function, nodes: list[ast.AST]) -> list[str]:
    """For whom it was made: parameters of the function, or who asks."""
    given = {each.arg for each in function.parameters()}
    found: list[str] = []
    for node in nodes:
        if not _SCOPE.match(last_name(node)):
            continue
        match node:
            case ast.Name(id=name) if name in given:
                found.append(name)
            case ast.Attribute(value=value) if last_name(value) in {"request", "state"}:
                found.append(shown(node))
            case _:
                pass
    return found


def _says_nobody(function: Function, key: list[ast.AST]) -> bool:
    """Whether all of a key is seen, and none of it can be anybody's name."""
    for node in key:
        match node:
            case ast.Name(id=name) if _names_somebody(name) and not _values(function, name):
                return False
            case ast.Attribute(value=ast.Name(id="self" | "cls")):
                return False
            case ast.Attribute(attr=name) if _names_somebody(name):
                return False
            case ast.Call() if called(node) not in _FORMS and not node.args:
                return False
            case _:
                pass
    return True


def _names_somebody(name: str) -> bool:
    return bool(_SCOPE.match(name) or _CARRIES.search(name.lower()))


# Advice until it has been right on a stranger's source: in 55 published projects (2026-12-01) it found nothing that was true.
RULE = Rule(
    name="cache-key-without-scope",
    priority="P3",
    reason="Who asks first fills the entry, and everybody after is shown that person's answer.",
    change="Put into the key for whom it was made (tenant, person, rights), or load it without them and choose after.",
    seek=_seek,
    bad="""
from django.core.cache import cache

def notes_of(user, month):
    key = f"notes:{month}"
    notes = cache.get(key)
    if notes is None:
        notes = load_notes(user, month)
        cache.set(key, notes, 60)
    return notes
""",
    good="""
from django.core.cache import cache

def notes_of(user, month):
    key = f"notes:{user.id}:{month}"
    notes = cache.get(key)
    if notes is None:
        notes = load_notes(user, month)
        cache.set(key, notes, 60)
    return notes
""",
)
