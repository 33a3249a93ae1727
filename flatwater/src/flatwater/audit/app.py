"""The application as the audit sees it: its files, its routes, and which functions a request reaches."""

from __future__ import annotations

import ast
import re
from collections import deque
from collections.abc import Iterable, Iterator, Sequence
from functools import cached_property
from typing import Final

from flatwater.audit.model import Route
from flatwater.audit.source import Function, Module, called

MAX_HOPS: Final = 8
"""How many imports of imports are followed to find where a name was defined."""

_TOO_COMMON: Final = frozenset(
    {
        "get",
        "set",
        "add",
        "pop",
        "put",
        "post",
        "run",
        "send",
        "read",
        "write",
        "close",
        "open",
        "items",
        "update",
        "delete",
        "execute",
        "filter",
        "all",
        "first",
        "create",
        "save",
        "load",
        "call",
        "start",
        "stop",
        "clear",
        "append",
        "remove",
    }
)
_INJECTS: Final = frozenset({"Depends", "Security", "Provide"})
_DEADLINE: Final = re.compile(
    r"statement_timeout|transaction_timeout|command_timeout|idle_in_transaction_session_timeout"
)


class App:
    """Files, routes and reach. A function is reached when a handler, or what a handler calls, names it."""

    def __init__(self, modules: Iterable[Module], handlers: Sequence[tuple[Route, Function]]) -> None:
        self.modules = {each.name: each for each in modules}
        self.handlers = tuple(handlers)
        self._methods: dict[str, list[Function]] = {}
        for module in self.modules.values():
            for function in module.all_functions():
                if function.owner is not None:
                    self._methods.setdefault(function.name, []).append(function)
        self._reached = self._walk()

    @property
    def routes(self) -> tuple[Route, ...]:
        return tuple(route for route, _ in self.handlers)

    @cached_property
    def handler_functions(self) -> dict[Function, Route]:
        """Each handler with its first route."""
        found: dict[Function, Route] = {}
        for route, function in self.handlers:
            found.setdefault(function, route)
        return found

    @cached_property
    def has_deadline(self) -> bool:
        """Whether the source anywhere sets a limit on statements or transactions, which then holds for all of them."""
        return any(_DEADLINE.search(each.text) for each in self.modules.values())

    def route_of(self, function: Function | None) -> Route | None:
        """The first route whose handling comes through this function; None when no request does."""
        return next(iter(self._routes(function)), None)

    def routes_passing(self, path: str, symbol: str) -> list[Route]:
        """Every route whose handling comes through the function that a finding names."""
        module = next((each for each in self.modules.values() if each.path == path), None)
        return self._routes(module.functions.get(symbol)) if module else []

    def _routes(self, function: Function | None) -> list[Route]:
        for each in function.chain() if function else ():
            if each in self._reached:
                return self._reached[each]
        return []

    def resolve(self, module: Module, name: str) -> Function | ast.ClassDef | ast.expr | None:
        """What a dotted name means in the audited source: a function, a class, or what a module-level name was given."""
        found = self._find(module, name)
        return found[1] if found else None

    def _find(self, module: Module, name: str) -> tuple[Module, Function | ast.ClassDef | ast.expr] | None:
        for _ in range(MAX_HOPS):
            here = _in(module, name)
            if here is not None:
                return module, here
            whole = self._imported(module, name)
            source, _, rest = self._split(whole)
            if source is None or (source is module and rest == name):
                return None
            module, name = source, rest
        return None

    def _imported(self, module: Module, name: str) -> str:
        first, dot, rest = name.partition(".")
        return f"{module.imports[first]}{dot}{rest}" if first in module.imports else name

    def _split(self, name: str) -> tuple[Module | None, str, str]:
        parts = name.split(".")
        for cut in range(len(parts) - 1, 0, -1):
            found = self.modules.get(".".join(parts[:cut]))
            if found is not None:
                return found, ".", ".".join(parts[cut:])
        return None, "", name

    def called_by(self, function: Function) -> list[Function]:
        """The functions of the source that its body calls, as far as their names tell which they are."""
        found: dict[Function, None] = {}
        for node in function.body():
            if isinstance(node, ast.Call):
                for part in (node, node.func):
                    found.update(dict.fromkeys(self._meant(function.module, function, part)))
        return list(found)

    def calls_named(self, name: str) -> list[tuple[ast.Call, Function]]:
        """Every call of a function or method of that name, with the function that it stands in."""
        return self._calls.get(name, [])

    @cached_property
    def _calls(self) -> dict[str, list[tuple[ast.Call, Function]]]:
        found: dict[str, list[tuple[ast.Call, Function]]] = {}
        for module in self.modules.values():
            for call in module.calls:
                caller = module.function_of(call)
                if caller is not None:
                    found.setdefault(called(call), []).append((call, caller))
        return found

    def _walk(self) -> dict[Function, list[Route]]:
        reached: dict[Function, list[Route]] = {}
        edges: dict[Function, list[Function]] = {}
        for route, handler in self.handlers:
            waiting = deque([handler])  # each function enters once a route, so it ends with the source
            seen = {handler}
            while waiting:
                function = waiting.popleft()
                reached.setdefault(function, []).append(route)
                if function not in edges:
                    edges[function] = list(dict.fromkeys(self._named_by(function)))
                fresh = [each for each in edges[function] if each not in seen]
                seen.update(fresh)
                waiting.extend(fresh)
        return reached

    def _named_by(self, function: Function) -> Iterator[Function]:
        module = function.module
        yield from module.inner_of(function)
        node = function.node
        signature = [
            *node.args.defaults,
            *(each for each in node.args.kw_defaults if each),
            *node.args.args,
            *node.args.kwonlyargs,
        ]
        for part in (*node.body, *signature):
            for inner in ast.walk(part):
                yield from self._meant(module, function, inner)
        for decorator in node.decorator_list:
            yield from self._wrappers(module, decorator)

    def _meant(self, module: Module, function: Function, node: ast.AST) -> Iterator[Function]:
        match node:
            case ast.Attribute(value=ast.Name(id="self" | "cls"), attr=attr):
                yield from self._method(function, attr)
            case ast.Attribute() | ast.Name():
                yield from self._named(module, module_name(node))
            case ast.Call(func=ast.Attribute()) if called(node) not in _TOO_COMMON:
                # A method of an object whose class is not known: taken when only one class has such a method.
                candidates = self._methods.get(called(node), [])
                if len(candidates) == 1:
                    yield candidates[0]
            case _:
                pass

    def _named(self, module: Module, name: str) -> Iterator[Function]:
        if not name:
            return
        found = self._find(module, name)
        if found is None:
            return
        home, what = found
        if isinstance(what, Function):
            yield what
        elif isinstance(what, ast.ClassDef):
            for each in home.all_functions():
                if each.name in {"__init__", "__call__"} and home.parents.get(each.node) is what:
                    yield each
        else:
            yield from self._injected(home, what)

    def _injected(self, module: Module, value: ast.expr) -> Iterator[Function]:
        """The dependency in an alias such as `Db = Annotated[Session, Depends(open_session)]`."""
        for node in ast.walk(value):
            if isinstance(node, ast.Call) and called(node) in _INJECTS:
                for given in node.args[:1]:
                    found = self.resolve(module, module_name(given)) if module_name(given) else None
                    if isinstance(found, Function):
                        yield found

    def _method(self, function: Function, name: str) -> Iterator[Function]:
        owner = next((each.owner for each in function.chain() if each.owner), None)
        if owner is None:
            return
        own = function.module.functions.get(f"{owner}.{name}")
        if own is not None:
            yield own
        elif len(self._methods.get(name, [])) == 1:
            yield self._methods[name][0]

    def _wrappers(self, module: Module, decorator: ast.expr) -> Iterator[Function]:
        """Of a decorator, what runs at each call: its innermost functions; the rest runs once, when the file is imported."""
        target = decorator.func if isinstance(decorator, ast.Call) else decorator
        if not isinstance(target, ast.Name):
            return
        found = self.resolve(module, target.id)
        if isinstance(found, Function):
            inner = [
                each for each in found.module.all_functions() if found in each.chain() and each is not found
            ]
            yield from (each for each in inner if not any(other.outer is each for other in inner))


def module_name(node: ast.AST) -> str:
    """A plain dotted name as written, or empty: `views.show` but not `views().show`."""
    if isinstance(node, ast.Name):
        return node.id
    if isinstance(node, ast.Attribute):
        before = module_name(node.value)
        return f"{before}.{node.attr}" if before else ""
    return ""


def _in(module: Module, name: str) -> Function | ast.ClassDef | ast.expr | None:
    return module.functions.get(name) or module.classes.get(name) or module.assigned.get(name)
