"""Checks of what somebody may do, answered from a cache."""

from __future__ import annotations

import ast
import re
from collections.abc import Iterator
from typing import Final

from flatwater.audit.app import App
from flatwater.audit.rule import Hit, Rule
from flatwater.audit.source import Function, Module, called, shown

_JUDGES: Final = re.compile(
    r"permission|authori[sz]|privilege|entitlement|(?:^|_)(?:can|may)_[a-z]|has_(?:access|role|scope)|is_(?:allowed|admin|member|superuser|owner)"
    r"|check_access|(?:^|_)roles?(?:_of|_for|$)|assigned_schools",
    re.IGNORECASE,
)
_DECORATES: Final = re.compile(
    r"(?:^|[._])(?:cached?|lru_cache|alru_cache|ttl_cache|memoize[d]?|cached_method|cache_region)(?:$|[._(])",
    re.IGNORECASE,
)
HOLDS: Final = re.compile(
    r"(?:^|[._])cached?(?:s|_\w+)?$|_cache$|^redis|\.redis(?:_client)?$|\bmemcache", re.IGNORECASE
)
"""Names of what holds entries by key."""
_NOT_CACHES: Final = re.compile(
    r"cache_(?:control|key|headers?)|clear|invalidat|evict|purge|bust|cached_property", re.IGNORECASE
)

_FOREVER: Final = re.compile(r"(?:^|\.)(?:lru_cache|alru_cache|cache)$")
_OF_A_REQUEST: Final = re.compile(r"request|context_?local|thread_?local", re.IGNORECASE)
"""What is kept for one request is gone before a right can be taken away."""


def _seek(module: Module, app: App) -> Iterator[Hit]:
    for function in module.all_functions():
        if not _JUDGES.search(function.name) or _NOT_CACHES.search(function.name):
            continue
        for decorator in function.node.decorator_list:
            name = module.dotted(decorator.func if isinstance(decorator, ast.Call) else decorator)
            forgets = _NOT_CACHES.search(name) or _OF_A_REQUEST.search(name)
            # A handler that is cached shows something; what it may be asked for, something before it judged.
            shows = function in app.handler_functions
            if _DECORATES.search(name) and not forgets and not shows and function.parameters():
                yield Hit(
                    function.node,
                    f"`{function.name}` is answered from a cache (`@{shown(decorator)}`).",
                    None if _FOREVER.search(name) else "P3",
                )
        yield from _lookups(module, function)


def _lookups(module: Module, function: Function) -> Iterator[Hit]:
    for node in function.body():
        match node:
            case ast.Call(func=ast.Attribute(value=held)) if called(node) in {
                "get",
                "mget",
                "hget",
                "get_many",
                "get_or_set",
                "smembers",
                "sismember",
            }:
                pass
            case ast.Subscript(value=held, slice=key, ctx=ast.Load()) if not isinstance(key, ast.Constant):
                pass
            case _:
                continue
        name = module.dotted(held)
        if HOLDS.search(name) and not _NOT_CACHES.search(name):
            yield Hit(
                node,
                f"`{function.name}` reads `{shown(node)}`, which may be older than the permission.",
                "P3",  # how old it may be, and whose it is, the source seldom says
            )


RULE = Rule(
    name="cached-authorisation",
    priority="P1",
    reason="Somebody whose right was taken away keeps it for as long as the entry lives, in each process for itself.",
    change="Read it from the database in the transaction of the write that depends on it; cache only what is shown.",
    seek=_seek,
    bad="""
ROLES_CACHE = {}

def has_role(user_id: int, role: str) -> bool:
    return role in ROLES_CACHE.get(user_id, ())
""",
    good="""
def has_role(session, user_id: int, role: str) -> bool:
    return session.execute("SELECT role FROM person WHERE id = %s", [user_id]).fetchone() == (role,)
""",
)
