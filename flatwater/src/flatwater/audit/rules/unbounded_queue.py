"""Queues and fan-outs without a ceiling."""

from __future__ import annotations

import ast
import re
from collections.abc import Iterator
from typing import Final

from flatwater.audit.app import App
from flatwater.audit.rule import Hit, Rule
from flatwater.audit.source import Module, assignments, called, keyword, shown

_QUEUES: Final = frozenset(
    {
        "asyncio.Queue",
        "queue.Queue",
        "asyncio.LifoQueue",
        "asyncio.PriorityQueue",
        "queue.LifoQueue",
        "queue.PriorityQueue",
        "queue.SimpleQueue",
        "janus.Queue",
    }
)
_BUDGETS: Final = re.compile(
    r"Semaphore\(|max_(?:buffered|pending|queued|waiting)|\.qsize\(\) *>", re.IGNORECASE
)
_LIMITS: Final = ("semaphore", "limiter", "capacitylimiter", "sem")


def _seek(module: Module, app: App) -> Iterator[Hit]:
    for call in module.calls:
        name = module.dotted(call.func)
        if name in _QUEUES:
            size = keyword(call, "maxsize") or (call.args[0] if call.args else None)
            if not _lasts(module, app, call) or _is_counted(module, call) or _is_emptied_here(module, call):
                continue
            if size is None or (
                isinstance(size, ast.Constant) and isinstance(size.value, int) and size.value <= 0
            ):
                where = module.function_of(call)
                # What only an object of some helper fills is for a reader; what requests or the whole service fill is a fault.
                is_shared = (where is None and not app.handlers) or app.route_of(where) is not None
                filling = list(_filled_by_requests(module, app, call)) if where is None else []
                for put in filling:
                    yield Hit(put, f"`{shown(put)}` fills `{shown(call)}`, which takes as much as comes.")
                if filling:
                    continue
                yield Hit(call, f"`{shown(call)}` takes as much as comes.", None if is_shared else "P3")
        elif name == "asyncio.gather" and app.route_of(module.function_of(call)):
            yield from _fan_out(module, call)


def _filled_by_requests(module: Module, app: App, made: ast.Call) -> Iterator[ast.Call]:
    """Where handlers, or what they call, put something into a queue of the module."""
    statement = module.statement_of(made)
    names = {name for name, value in assignments(statement) if value is made} if statement else set[str]()
    for call in module.calls:
        if (
            called(call) in {"put", "put_nowait"}
            and isinstance(call.func, ast.Attribute)
            and isinstance(call.func.value, ast.Name)
            and call.func.value.id in names
            and app.route_of(module.function_of(call))
        ):
            yield call


def _lasts(module: Module, app: App, call: ast.Call) -> bool:
    """Whether others fill it: one of a module, an object or a request; a local one carries an answer back."""
    function = module.function_of(call)
    statement = module.statement_of(call)
    targets = (
        statement.targets
        if isinstance(statement, ast.Assign)
        else [statement.target]
        if isinstance(statement, ast.AnnAssign)
        else []
    )
    kept = any(isinstance(each, ast.Attribute) for each in targets)
    return function is None or kept or app.route_of(function) is not None


def _is_emptied_here(module: Module, made: ast.Call) -> bool:
    """Whether the function that makes it reads from it too: it carries one request's answer back, and goes with it."""
    function, statement = module.function_of(made), module.statement_of(made)
    names = {name for name, value in assignments(statement) if value is made} if statement else set[str]()
    return function is not None and any(
        isinstance(each, ast.Call)
        and called(each) in {"get", "get_nowait"}
        and isinstance(each.func, ast.Attribute)
        and isinstance(each.func.value, ast.Name)
        and each.func.value.id in names
        for each in function.body()
    )


def _is_counted(module: Module, call: ast.Call) -> bool:
    """Whether something else bounds it: places that its class counts, or that it is filled where it is made, as a pool is."""
    function = module.function_of(call)
    if function is None:
        return False
    holder = module.classes.get(function.owner) if function.owner else None
    if holder is not None and _BUDGETS.search(ast.unparse(holder)):
        return True
    statement = module.statement_of(call)
    targets = statement.targets if isinstance(statement, ast.Assign) else []
    return any(
        isinstance(each, ast.Call)
        and called(each) in {"put", "put_nowait"}
        and isinstance(each.func, ast.Attribute)
        and any(isinstance(outer, ast.For) for outer in module.ancestors(each))
        and any(ast.dump(each.func.value) == ast.dump(_read(target)) for target in targets)
        for each in function.body()
    )


def _read(target: ast.expr) -> ast.expr:
    """The same name, read where it was written."""
    match target:
        case ast.Attribute(value=value, attr=attr):
            return ast.Attribute(value=value, attr=attr, ctx=ast.Load())
        case ast.Name(id=name):
            return ast.Name(id=name, ctx=ast.Load())
        case _:
            return target


def _fan_out(module: Module, call: ast.Call) -> Iterator[Hit]:
    for given in call.args:
        if not isinstance(given, ast.Starred):
            continue
        made = given.value
        function = module.function_of(call)
        if isinstance(made, ast.Name) and function is not None:
            made = next(iter(module.local_values(function, made.id)), made)
        whole = ast.unparse(function.node).lower() if function else ""
        few = isinstance(made, ast.ListComp | ast.GeneratorExp) and isinstance(
            made.generators[0].iter, ast.Tuple | ast.List
        )
        if (
            isinstance(made, ast.ListComp | ast.GeneratorExp)
            and not few
            and not any(each in whole for each in _LIMITS)
        ):
            # How many there are the source doesn't say.
            yield Hit(call, f"`{shown(call)}` starts one task for each, all at once.", "P3")


RULE = Rule(
    name="unbounded-queue",
    priority="P2",
    reason="When work comes faster than it is done, what waits is held in memory without end, and everything is late.",
    change="Give the queue a maxsize and say no when it is full; take a semaphore before a fan-out.",
    seek=_seek,
    bad="""
import asyncio
WAITING = asyncio.Queue()

@app.post("/all")
async def all_of_them(letters: list[str]):
    await asyncio.gather(*[post(each) for each in letters])
""",
    good="""
import asyncio
WAITING = asyncio.Queue(maxsize=100)

class Places:
    def __init__(self, connections):
        self.idle = asyncio.Queue()
        for connection in connections:
            self.idle.put_nowait(connection)

@app.post("/both")
async def both():
    await asyncio.gather(post("a"), post("b"))
""",
)
