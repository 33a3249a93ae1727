"""Hooks that each request adds to something that outlives it."""

from __future__ import annotations

import ast
from collections.abc import Iterator
from typing import Final

from flatwater.audit.app import App
from flatwater.audit.rule import Hit, Rule
from flatwater.audit.source import Function, Module, called, shown

_REGISTERS: Final = frozenset(
    {
        "atexit.register",
        "sqlalchemy.event.listen",
        "sqlalchemy.event.listens_for",
        "signal.signal",
        "sys.addaudithook",
        "gc.callbacks.append",
        "warnings.filterwarnings",
        "warnings.simplefilter",
    }
)
_HANDLERS: Final = frozenset({"addHandler", "addFilter"})


def _seek(module: Module, app: App) -> Iterator[Hit]:
    for call in module.calls:
        name = module.dotted(call.func)
        if name in _REGISTERS or (called(call) in _HANDLERS and "log" in name.lower()):
            function = module.function_of(call)
            if function is not None and not _runs_once(function) and not _is_first(module, call):
                yield Hit(
                    call, f"`{shown(call)}` is added again with each request, and nothing takes it away."
                )


def _is_first(module: Module, call: ast.Call) -> bool:
    """Whether it is added only where it isn't yet: `if made is None`, `if not any(… for h in logger.handlers)`."""
    return any(
        isinstance(each, ast.If)
        and (
            (isinstance(each.test, ast.UnaryOp) and isinstance(each.test.op, ast.Not))
            or (isinstance(each.test, ast.Compare) and isinstance(each.test.ops[0], ast.Is | ast.NotIn))
        )
        for each in module.ancestors(call)
    )


def _runs_once(function: Function) -> bool:
    return any("cache" in ast.unparse(each) for each in function.node.decorator_list)


RULE = Rule(
    name="registered-per-request",
    priority="P1",
    reason="What is registered lives as long as the process, with all that it holds, and each one is run each time.",
    change="Register it once, where the service starts.",
    in_requests=True,
    hurts_requests_only=True,
    seek=_seek,
    bad="""
import atexit

@app.get("/draft")
def draft(name: str):
    atexit.register(remove, name)
""",
    good="""
import atexit

atexit.register(remove_all)

@app.get("/draft")
def draft(name: str):
    return name
""",
)
