"""The routes of an application: from the imported app object, or from decorators and tables in its source."""

from __future__ import annotations

import ast
import functools
import inspect
from collections.abc import Callable, Iterable, Iterator, Mapping
from importlib import import_module
from pathlib import Path
from types import FunctionType
from typing import Any, Final, cast

from flatwater.audit.app import App, module_name
from flatwater.audit.model import Place, Route, Unseen
from flatwater.audit.source import Function, Module, called, keyword

METHODS: Final = ("get", "post", "put", "patch", "delete", "head", "options")
MAX_DEPTH: Final = 10
"""Mounts in mounts and wrappers in wrappers that are followed; deeper ones would be a loop."""

_TABLES: Final = frozenset(
    {
        "add_route",
        "add_api_route",
        "add_url_rule",
        "Route",
        "path",
        "re_path",
        "url",
        "add_view",
        "add_get",
        "add_post",
        "add_put",
        "add_patch",
        "add_delete",
        "WebSocketRoute",
        "APIRoute",
    }
)
Handlers = list[tuple[Route, Function]]


def routes_of(app: object, modules: Mapping[str, Module]) -> tuple[Handlers, list[Unseen]]:
    """The routes that an app object answers, each with its function in the source, and those without one there."""
    by_file = {each.file.resolve(): each for each in modules.values()}
    found: Handlers = []
    unseen: list[Unseen] = []
    told: set[tuple[str, str]] = set()
    for method, path, handler in _declared(app, "", 0):
        for how, function in _functions(method, handler, by_file):
            if (how, path) in told:
                continue
            told.add((how, path))
            if function is None:
                home = getattr(handler, "__module__", type(handler).__module__)
                unseen.append(
                    Unseen(f"{how} {path}", f"its handler is not in the audited source (it is in {home})")
                )
            else:
                found.append((_route(how, path, function), function))
    return found, unseen


def load_routes(app: object) -> None:
    """Walks the application's addresses once, so that what it imports only then (Django's urls and views) is among its files."""
    for _ in _declared(app, "", 0):
        pass


def _declared(app: Any, prefix: str, depth: int) -> Iterator[tuple[str, str, Any]]:
    if depth > MAX_DEPTH or app is None:
        return
    if type(app).__module__.startswith("django."):
        yield from _of_django(prefix)
        return
    registry = getattr(app, "registry", app)
    if callable(getattr(registry, "verify", None)) and hasattr(registry, "endpoint"):
        for endpoint in registry:
            yield endpoint.method, prefix + endpoint.path, endpoint.handler
    elif hasattr(app, "url_map") and hasattr(app, "view_functions"):
        for rule in app.url_map.iter_rules():
            for method in sorted(set(rule.methods or ()) - {"HEAD", "OPTIONS"}):
                yield method, prefix + rule.rule, app.view_functions[rule.endpoint]
    elif hasattr(app, "routes"):
        for route in app.routes:
            yield from _starlette(route, prefix, depth)
    else:
        # Middleware wraps an application and names it `app` by custom.
        yield from _declared(getattr(app, "app", None), prefix, depth + 1)


def _of_django(prefix: str) -> Iterator[tuple[str, str, Any]]:
    """Every address of the project's urls.py, with what it includes. Which methods a function answers it decides itself."""
    resolver: Any = import_module("django.urls").get_resolver()
    yield from _patterns(resolver.url_patterns, prefix or "/", 0)


def _patterns(patterns: Iterable[Any], prefix: str, depth: int) -> Iterator[tuple[str, str, Any]]:
    for each in patterns if depth < MAX_DEPTH else ():
        path = prefix + str(each.pattern).removeprefix("^")
        inner = getattr(each, "url_patterns", None)
        if inner is not None:
            yield from _patterns(inner, path, depth + 1)
            continue
        callback = each.callback
        actions = getattr(
            callback, "actions", None
        )  # a view set of the REST framework: which of its methods does which
        kind = getattr(callback, "view_class", None) or getattr(callback, "cls", None)
        path = path.removesuffix("$").removesuffix(r"\Z")
        if actions:
            for method, name in actions.items():
                yield method.upper(), path, getattr(kind, name)
        else:
            yield "ANY", path, kind or callback


def _starlette(route: Any, prefix: str, depth: int) -> Iterator[tuple[str, str, Any]]:
    path = prefix + str(getattr(route, "path", ""))
    if hasattr(route, "route_handlers") or hasattr(route, "route_handler"):
        for handler in getattr(route, "route_handlers", None) or [route.route_handler]:
            for method in sorted(getattr(handler, "http_methods", None) or {"WEBSOCKET"}):
                yield str(method), path, getattr(handler, "fn", handler)
    elif hasattr(route, "endpoint"):
        handler = route.endpoint
        methods = set(getattr(route, "methods", None) or ()) - {"HEAD", "OPTIONS"}
        for method in sorted(methods) or ["WEBSOCKET" if "WebSocket" in type(route).__name__ else "ANY"]:
            yield method, path, handler
    elif getattr(route, "routes", None):
        for inner in route.routes:
            yield from _starlette(inner, path, depth + 1) if depth < MAX_DEPTH else ()
    else:
        yield from _declared(getattr(route, "app", None), path, depth + 1)


def _functions(
    method: str, handler: Any, by_file: Mapping[Path, Module]
) -> Iterator[tuple[str, Function | None]]:
    handler = _unwrapped(handler)
    if isinstance(handler, type):
        spoken = [
            each
            for each in METHODS
            if each not in {"head", "options"} and callable(getattr(cast("object", handler), each, None))
        ]
        for each in spoken:
            yield each.upper(), _located(_unwrapped(getattr(cast("object", handler), each)), by_file)
        if not spoken:
            yield method, None
        return
    yield method, _located(handler, by_file)


def _unwrapped(handler: Any) -> Any:
    for _ in range(MAX_DEPTH):
        if isinstance(handler, functools.partial):
            handler = cast("functools.partial[object]", handler).func
        elif inspect.ismethod(handler):
            handler = handler.__func__
        elif hasattr(handler, "__wrapped__"):
            handler = handler.__wrapped__
        elif isinstance(handler, FunctionType | type):
            return handler
        elif hasattr(handler, "value") and callable(handler.value):
            handler = handler.value
        else:
            return getattr(cast("type[object]", type(handler)), "__call__")  # noqa: B004, B009  its code is wanted, not whether it has any
    return handler


def _located(handler: Callable[..., object], by_file: Mapping[Path, Module]) -> Function | None:
    code = getattr(handler, "__code__", None)
    if code is None:
        return None
    module = by_file.get(Path(code.co_filename).resolve())
    for function in module.all_functions() if module else ():
        if function.name == code.co_name and code.co_firstlineno in {
            function.first_line,
            function.node.lineno,
        }:
            return function
    return None


def routes_in(modules: Iterable[Module]) -> Handlers:
    """The routes that the source itself declares: decorators, tables of addresses, and classes of handlers."""
    app = App(modules, ())
    found: Handlers = []
    told: set[tuple[str, Function]] = set()
    for module in app.modules.values():
        for route, function in (*_decorated(module), *_tabled(module, app), *_endpoints(module)):
            if (route.method, function) not in told:
                told.add((route.method, function))
                found.append((route, function))
    return found


def _decorated(module: Module) -> Iterator[tuple[Route, Function]]:
    for function in module.all_functions():
        for decorator in function.node.decorator_list:
            if not isinstance(decorator, ast.Call):
                continue
            for method, path in _spoken(module, decorator):
                yield _route(method, path, function), function


def _spoken(module: Module, call: ast.Call) -> Iterator[tuple[str, str]]:
    """What a route's decorator says; nothing when it is another kind of decorator."""
    texts = [
        each.value for each in call.args[:2] if isinstance(each, ast.Constant) and isinstance(each.value, str)
    ]
    name = called(call).lower()
    given = keyword(call, "path")
    if isinstance(given, ast.Constant) and isinstance(given.value, str):
        texts.append(given.value)
    if name == "endpoint" and len(texts) == 2:
        yield texts[0].upper(), texts[1]
        return
    of_object = isinstance(call.func, ast.Attribute)
    of_litestar = "litestar" in module.dotted(call.func)
    looks = bool(texts) and (texts[0].startswith("/") or (of_object and not texts[0]))
    if name in METHODS and (of_litestar or (of_object and looks)):
        yield name.upper(), texts[0] if texts else "/"
    elif name in {"route", "api_route", "view", "websocket"} and of_object and looks:
        for method in _methods(call):
            yield method if name != "websocket" else "WEBSOCKET", texts[0]


def _methods(call: ast.Call) -> list[str]:
    given = keyword(call, "methods")
    if isinstance(given, ast.List | ast.Tuple | ast.Set):
        return [
            each.value
            for each in given.elts
            if isinstance(each, ast.Constant) and isinstance(each.value, str)
        ]
    return ["GET"]


def _tabled(module: Module, app: App) -> Iterator[tuple[Route, Function]]:
    for node in module.nodes():
        if not (isinstance(node, ast.Call) and called(node) in _TABLES):
            continue
        given = [
            *node.args,
            *(each.value for each in node.keywords if each.arg in {"endpoint", "view_func", "view"}),
        ]
        paths = [
            each.value for each in given if isinstance(each, ast.Constant) and isinstance(each.value, str)
        ]
        if not paths:
            continue
        for target in given:
            if (
                isinstance(target, ast.Call)
                and called(target) == "as_view"
                and isinstance(target.func, ast.Attribute)
            ):
                target = target.func.value
            found = app.resolve(module, module_name(target)) if module_name(target) else None
            if isinstance(found, Function):
                for method in _methods(node) if keyword(node, "methods") else [_verb(called(node))]:
                    yield _route(method, paths[0], found), found
            elif isinstance(found, ast.ClassDef):
                yield from _of_class(app, found, paths[0])


def _verb(name: str) -> str:
    verb = name.removeprefix("add_")
    return verb.upper() if verb in METHODS else "ANY"


def _of_class(app: App, found: ast.ClassDef, path: str) -> Iterator[tuple[Route, Function]]:
    for module in app.modules.values():
        if found not in module.parents:
            continue
        for function in module.all_functions():
            if module.parents.get(function.node) is found and function.name in METHODS:
                yield _route(function.name.upper(), path, function), function


def _endpoints(module: Module) -> Iterator[tuple[Route, Function]]:
    """Methods of classes that are handlers by their base: `HTTPEndpoint`, `MethodView`, `View`, `APIView`."""
    for function in module.all_functions():
        home = module.parents.get(function.node)
        if function.name in METHODS and isinstance(home, ast.ClassDef):
            bases = {module.dotted(each).split(".")[-1] for each in home.bases}
            if any(each.endswith(("HTTPEndpoint", "View", "RequestHandler")) for each in bases):
                yield _route(function.name.upper(), f"({home.name})", function), function


def _route(method: str, path: str, function: Function) -> Route:
    place = Place(function.module.path, function.node.lineno, function.qualname)
    return Route(method, path or "/", place)
