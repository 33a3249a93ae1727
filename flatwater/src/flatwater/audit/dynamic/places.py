"""Whose a line is: the application's own files, told apart from libraries, and the function that answers a route."""

from __future__ import annotations

import inspect
import sys
import sysconfig
from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path
from types import ModuleType
from typing import Any, Final, cast

from flatwater.audit.model import Place

NOWHERE: Final = Place("", 0, "")
_HERE: Final = str(Path(__file__).parent)
_FLATWATER: Final = str(Path(__file__).parents[2])
_LIBRARIES: Final = (
    "<",
    _FLATWATER,
    *{sysconfig.get_path(name) for name in ("stdlib", "platstdlib", "purelib", "platlib")},
)
MOST_ROUTES: Final = 10_000


class Source:
    """The application's own source, seen from the folder that is audited."""

    def __init__(self, app: object, root: Path) -> None:
        self._root = root
        self._handlers = dict(_handlers(app))
        # An application that is itself installed as a library is the application all the same.
        modules = {getattr(each, "__module__", "") or "" for each in self._handlers.values()}
        self._packages = {name.partition(".")[0] for name in modules} - {
            "starlette",
            "fastapi",
            "litestar",
            "flatwater",
            "",
        }

    def is_own(self, path: str) -> bool:
        """Whether a file is the application's."""
        if not path.startswith(_LIBRARIES):
            return True
        return any(f"/{package}/" in path or path.endswith(f"/{package}.py") for package in self._packages)

    def modules(self) -> Iterator[ModuleType]:
        """The application's modules that are loaded."""
        for module in list(sys.modules.values()):
            path = getattr(module, "__file__", None)
            if path and self.is_own(path):
                yield module

    def place(self, lines: Sequence[tuple[str, int, str]]) -> Place:
        """The innermost of these lines (innermost last) that is the application's own; nowhere where none is.

        What lies outside of the audit's own lines is whoever called the audit.
        """
        own: list[tuple[str, int, str]] = []
        for line in lines:
            if line[0].startswith(_HERE):
                own.clear()
            elif self.is_own(line[0]):
                own.append(line)
        return self._told(*own[-1]) if own else NOWHERE

    def handler(self, method: str, path: str) -> Place:
        """The function that answers a route, where the application shows its routes."""
        function: Any = self._handlers.get((method, path))
        while function is not None and not hasattr(function, "__code__"):
            function = getattr(function, "__wrapped__", None) or getattr(function, "func", None)
        if function is None:
            return NOWHERE
        code = inspect.unwrap(function).__code__
        return self._told(code.co_filename, code.co_firstlineno, code.co_qualname)

    def _told(self, path: str, line: int, symbol: str) -> Place:
        found = Path(path)
        told = (
            found.relative_to(self._root).as_posix() if found.is_relative_to(self._root) else found.as_posix()
        )
        return Place(told, line, symbol)


def _handlers(app: object) -> Iterator[tuple[tuple[str, str], Any]]:
    """Each route's function by method and path, through middleware and mounts; what shows none gives none."""
    waiting: list[tuple[str, Any]] = [("", app)]
    seen: set[int] = set()
    while waiting and len(seen) < MOST_ROUTES:
        prefix, each = waiting.pop()
        if each is None or id(each) in seen:
            continue
        seen.add(id(each))
        path = getattr(each, "path_format", None) or getattr(each, "path", None)
        function = getattr(each, "endpoint", None) or getattr(each, "handler", None)
        methods = getattr(each, "methods", None) or getattr(each, "http_methods", None)
        if path is None and methods and callable(getattr(each, "fn", None)):
            path, function = "", each.fn  # Litestar's route has the path, its handlers the functions
        if isinstance(path, str) and callable(function) and not hasattr(each, "routes"):
            single = getattr(each, "method", None)
            for method in methods or ([single] if single else ["GET", "POST", "PUT", "PATCH", "DELETE"]):
                yield (str(method), prefix + path), function
            continue
        inner = prefix + path.rstrip("/") if isinstance(path, str) else prefix
        waiting += [(inner, getattr(each, name, None)) for name in ("app", "_app")]
        for name in ("routes", "registry", "route_handlers"):
            parts = getattr(each, name, None)
            if isinstance(parts, Iterable) and not isinstance(parts, (str, bytes)):
                waiting += [(inner, part) for part in cast("Iterable[Any]", parts)]
