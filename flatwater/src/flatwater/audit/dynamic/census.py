"""The containers that an application's modules hold, by name and size: what grew between two counts is what keeps a leak."""

from __future__ import annotations

import functools
from collections import deque
from collections.abc import Iterable, Iterator
from itertools import islice
from types import FunctionType, MethodType, ModuleType
from typing import Any, Final, Literal, cast

import msgspec

Kind = Literal["list", "dict", "set", "bytes", "cache"]

MOST_OBJECTS: Final = 200_000
"""A count ends here: 0.3 s and 30 MB (measured 2026-11-23), enough for an application's own modules."""
DEEPEST: Final = 8
ELEMENTS_LOOKED_INTO: Final = 200
METRIC_LIBRARIES: Final = ("prometheus_client", "opentelemetry", "statsd", "datadog")
_CEILINGS: Final = ("maxsize", "max_size", "max_entries", "maxlen", "capacity", "max_bytes")
_INNARDS: Final = frozenset(
    {"asyncio", "uvloop", "anyio", "concurrent", "threading", "_thread", "logging", "psycopg", "psycopg_pool"}
)
"""Whose objects are not looked into: their lists are theirs, and what fills them is told as tasks, threads and connections."""
_PLAIN = (str, bytes, int, float, complex, bool, type(None), memoryview)


class Container(msgspec.Struct, frozen=True):
    """One container: how it is reached, how much it holds, what it was given last and who owns it.

    *Shape*: `owner` is the library whose object holds it, empty where it is the application's own; `is_bounded` where a ceiling
    is written beside it.
    """

    name: str
    kind: Kind
    size: int
    holds: str
    is_exception: bool
    owner: str
    is_bounded: bool


class Grown(msgspec.Struct, frozen=True):
    """A container that grew, and by how many a request."""

    container: Container
    per_request: float


def count(modules: Iterable[ModuleType], app: object) -> dict[int, Container]:
    """Every container that can be reached from these modules and the application, by identity. *Cost*: under a second."""
    found: dict[int, Container] = {}
    seen: set[int] = set()
    own = {module.__name__ for module in modules}
    waiting: deque[tuple[str, Any, int, str, bool]] = deque(
        (f"{module.__name__}.{name}", value, 0, "", False)
        for module in list(modules)
        for name, value in vars(module).items()
        if not name.startswith("__")
    )
    waiting.append(("app", app, 0, "", False))
    while waiting and len(seen) < MOST_OBJECTS:
        name, each, depth, owner, is_bounded = waiting.popleft()
        if isinstance(each, (*_PLAIN, ModuleType)) or id(each) in seen:
            continue
        seen.add(id(each))
        container = _container(name, each, owner, is_bounded)
        if container is not None:
            found[id(each)] = container
        if depth < DEEPEST and (type(each).__module__ or "").partition(".")[0] not in _INNARDS:
            mine = _owner(each) or owner
            bounded = _has_ceiling(each)
            waiting.extend((label, part, depth + 1, mine, bounded) for label, part in _parts(name, each, own))
    return found


def grown(before: dict[int, Container], after: dict[int, Container], calls: int) -> list[Grown]:
    """What grew by at least one in two calls, most first."""
    rates = [
        Grown(each, (each.size - before[key].size) / calls)
        for key, each in after.items()
        if key in before and before[key].kind == each.kind
    ]
    return sorted((each for each in rates if each.per_request >= 0.5), key=lambda each: -each.per_request)


def _container(name: str, each: Any, owner: str, is_bounded: bool) -> Container | None:
    kind = _kind(each)
    if kind is None:
        return None
    if kind == "cache":
        info = each.cache_info()
        return Container(
            name,
            kind,
            info.currsize,
            "",
            is_exception=False,
            owner=owner,
            is_bounded=info.maxsize is not None,
        )
    newest = _newest(each)
    return Container(
        name,
        kind,
        len(each),
        type(newest).__name__ if newest is not None else "",
        isinstance(newest, BaseException),
        owner or _owner(newest),
        is_bounded or getattr(each, "maxlen", None) is not None,
    )


def _kind(each: Any) -> Kind | None:
    if isinstance(each, dict):
        return "dict"
    if isinstance(each, (list, deque)):
        return "list"
    if isinstance(each, set):
        return "set"
    if isinstance(each, bytearray):
        return "bytes"
    return "cache" if hasattr(each, "cache_info") and callable(each.cache_info) else None


def _newest(each: Any) -> Any:
    if not each or isinstance(each, bytearray):
        return None
    if isinstance(each, dict):
        return next(reversed(cast("dict[Any, Any]", each).values()))
    return next(iter(cast("set[Any]", each))) if isinstance(each, set) else each[-1]


def _owner(each: object) -> str:
    library = (type(each).__module__ or "").partition(".")[0]
    return library if library in METRIC_LIBRARIES else ""


def _has_ceiling(each: object) -> bool:
    return any(isinstance(_attribute(each, name), int) for name in _CEILINGS)


def _attribute(each: object, name: str) -> object:
    """An attribute that is simply there: no property of a stranger's is run."""
    found = getattr(each, "__dict__", {}).get(name)
    return getattr(each, "__dict__", {}).get(f"_{name}") if found is None else found


def _parts(name: str, each: Any, own: set[str]) -> Iterator[tuple[str, Any]]:
    """What an object holds, each part with how one would write it."""
    if isinstance(each, dict):
        for key, part in islice(cast("dict[Any, Any]", each).items(), ELEMENTS_LOOKED_INTO):
            yield f"{name}[{key!r:.40}]", part
    elif isinstance(each, (list, tuple, set, frozenset, deque)):
        for number, part in enumerate(islice(cast("Iterable[Any]", each), ELEMENTS_LOOKED_INTO)):
            yield f"{name}[{number}]", part
    elif isinstance(each, FunctionType):
        yield from _of_function(name, each)
    elif isinstance(each, MethodType):
        yield name, each.__self__
        yield name, each.__func__
    elif isinstance(each, functools.partial):
        yield from ((name, part) for part in (each.func, *each.args, *each.keywords.values()))
    elif isinstance(each, type):
        if each.__module__ in own:
            yield from ((f"{name}.{label}", part) for label, part in list(vars(each).items()))
    else:
        yield from ((f"{name}.{label}", part) for label, part in _attributes(each))


def _of_function(name: str, each: FunctionType) -> Iterator[tuple[str, Any]]:
    for label, cell in zip(each.__code__.co_freevars, each.__closure__ or (), strict=False):
        try:
            yield f"{name}.{label}", cell.cell_contents
        except ValueError:  # a cell that nothing was put into yet
            continue
    yield from ((f"{name}()", part) for part in each.__defaults__ or ())
    yield from ((f"{name}({label})", part) for label, part in (each.__kwdefaults__ or {}).items())
    yield from ((f"{name}.{label}", part) for label, part in list(vars(each).items()))


def _attributes(each: object) -> Iterator[tuple[str, Any]]:
    yield from list(getattr(each, "__dict__", {}).items())
    for kind in type(each).__mro__:
        slots = kind.__dict__.get("__slots__", ())
        for slot in (slots,) if isinstance(slots, str) else slots:
            descriptor = kind.__dict__.get(slot)
            if descriptor is not None and hasattr(each, slot):
                yield slot, getattr(each, slot)
