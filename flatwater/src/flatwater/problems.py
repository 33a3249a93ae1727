"""What a route can refuse: each code with its status and its sentence, told before anybody asks.

What the framework itself refuses follows from a route's contract. What a handler raises is read from its compiled code:
each exception that it, or a function it reaches, names. A code that is named but can't come is harmless; one that comes
and is not named would surprise a program, so tests compare every answer with what is declared.
"""

from __future__ import annotations

import inspect
from collections.abc import Iterable, Iterator, Mapping
from functools import partial
from types import CodeType, FunctionType, ModuleType
from typing import Any, cast

import msgspec

from flatwater import errors
from flatwater.contract import Endpoint

PER_TABLE = 1_000
"""Of a longer table (a vocabulary) nothing is read: those that hold exceptions or functions have a few dozen entries."""


class ProblemKind(msgspec.Struct, frozen=True, order=True):
    """One code of a problem document: the status it comes with, and what it says."""

    status: int
    code: str
    text: str = ""


def of_contract(endpoint: Endpoint) -> Iterator[ProblemKind]:
    """What the framework refuses on this route, from its contract alone."""
    if endpoint.who.needs_actor:
        yield ProblemKind(401, "not_signed_in", "Please sign in first.")
    yield ProblemKind(422, "unknown_field", "A field or parameter was sent that this address does not take.")
    if endpoint.inputs.get("query") is not None or endpoint.page is not None:
        yield ProblemKind(422, "sent_twice", "A parameter was sent more than once.")
    if endpoint.inputs:
        text = "What was sent does not have the shape that this address takes."
        yield ProblemKind(422, "input_invalid", text)
    if endpoint.page is not None:
        yield ProblemKind(422, "bad_cursor", "This page link is damaged. Start again from the first page.")
    yield ProblemKind(422, "value_refused", "A value that was sent can't be kept.")
    for kind in _refused_kinds(endpoint):
        yield ProblemKind(kind.status, kind.code, " ".join((kind.__doc__ or "").split()))
    yield ProblemKind(500, "unexpected", "Something went wrong on our side. It was written down.")


def _refused_kinds(endpoint: Endpoint) -> Iterator[type[errors.Refused]]:
    sent = (errors.TooSlow, errors.TooBig)
    for kind in (errors.Refused, *_below(errors.Refused)):
        if kind not in sent or endpoint.takes_body:
            yield kind


def _below(kind: type[Any]) -> Iterator[type[Any]]:
    for each in kind.__subclasses__():
        yield each
        yield from _below(each)


class Reader:
    """Reads which exceptions of some kinds a function's code names, and the code of all that it reaches.

    `packages` bounds what is read; `attributes` says of which type an attribute of a well-known name is (what hangs on the
    application). *Cost*: each function once.
    """

    def __init__(
        self,
        kinds: tuple[type[BaseException], ...],
        packages: tuple[str, ...],
        attributes: Mapping[str, type],
    ) -> None:
        self._kinds = kinds
        self._packages = packages
        self._attributes = attributes
        self._read: dict[FunctionType, tuple[frozenset[type[BaseException]], tuple[FunctionType, ...]]] = {}

    def raised_by(self, function: Any) -> frozenset[type[BaseException]]:
        """The exceptions that may come out of this function."""
        found: set[type[BaseException]] = set()
        waiting = list(self._functions_in(function))
        seen: set[FunctionType] = set()
        while waiting:
            at = waiting.pop()
            if at in seen:
                continue
            seen.add(at)
            named, reached = self._one(at)
            found |= named
            waiting += reached
        return frozenset(found)

    def _one(self, function: FunctionType) -> tuple[frozenset[type[BaseException]], tuple[FunctionType, ...]]:
        known = self._read.get(function)
        if known is None:
            known = self._read[function] = self._read_function(function)
        return known

    def _read_function(
        self, function: FunctionType
    ) -> tuple[frozenset[type[BaseException]], tuple[FunctionType, ...]]:
        names = set(_names_in(function.__code__))
        things: list[Any] = [cell.cell_contents for cell in function.__closure__ or () if _is_filled(cell)]
        for name in names:
            if name in function.__globals__:
                things.append(function.__globals__[name])
            if name in self._attributes:
                things += [vars(self._attributes[name]).get(each) for each in names]
        for module in [
            each for each in things if isinstance(each, ModuleType) and self._is_ours(each.__name__)
        ]:
            things += [vars(module)[each] for each in names if each in vars(module)]
        return self._sorted(things)

    def _sorted(
        self, things: Iterable[Any]
    ) -> tuple[frozenset[type[BaseException]], tuple[FunctionType, ...]]:
        named: set[type[BaseException]] = set()
        reached: list[FunctionType] = []
        waiting, depth = list(things), 0
        while waiting and depth < 3:
            inner: list[Any] = []
            for thing in waiting:
                if isinstance(thing, type) and issubclass(thing, self._kinds):
                    named.add(thing)
                elif isinstance(thing, dict) and len(cast("dict[Any, Any]", thing)) <= PER_TABLE:
                    inner += cast("dict[Any, Any]", thing).values()
                elif isinstance(thing, list | tuple | set | frozenset):
                    inner += list(cast("tuple[Any, ...]", thing))[:PER_TABLE]
                else:
                    reached += self._functions_in(thing)
            waiting, depth = inner, depth + 1
        return frozenset(named), tuple(reached)

    def _functions_in(self, thing: Any) -> Iterator[FunctionType]:
        """A function of ours, unwrapped; the methods of a class of ours."""
        if isinstance(thing, partial):
            yield from self._functions_in(cast("partial[Any]", thing).func)
        elif isinstance(thing, staticmethod | classmethod):
            yield from self._functions_in(cast("Any", thing).__func__)
        elif isinstance(thing, property):
            yield from self._functions_in(thing.fget)
        elif isinstance(thing, type):
            if self._is_ours(thing.__module__):
                for each in thing.__mro__:
                    if self._is_ours(each.__module__):
                        for inner in vars(each).values():
                            if not isinstance(inner, type):
                                yield from self._functions_in(inner)
        elif callable(thing):
            plain = inspect.unwrap(thing)
            if isinstance(plain, FunctionType) and self._is_ours(plain.__module__ or ""):
                yield plain

    def _is_ours(self, module: str) -> bool:
        return module.partition(".")[0] in self._packages


def _names_in(code: CodeType) -> Iterator[str]:
    yield from code.co_names
    for constant in code.co_consts:
        if isinstance(constant, CodeType):
            yield from _names_in(constant)


def _is_filled(cell: Any) -> bool:
    try:
        return cell.cell_contents is not None
    except ValueError:
        return False
