"""Finds the endpoint for a method and path in as many steps as the path has parts, however many routes there are."""

from __future__ import annotations

from collections.abc import Iterable

from flatwater.contract import Endpoint
from flatwater.inputs import plain_id

MAX_PATH_CHARS = 2_048


class _Node:
    __slots__ = ("endpoints", "literal", "parameter")

    def __init__(self) -> None:
        self.literal: dict[str, _Node] = {}
        self.parameter: _Node | None = None
        self.endpoints: dict[str, Endpoint] = {}


class Match:
    """What a path led to: the endpoint (None where the method isn't offered), its parameters, the methods there."""

    __slots__ = ("endpoint", "methods", "parameters")

    def __init__(self, endpoint: Endpoint | None, parameters: dict[str, str], methods: list[str]) -> None:
        self.endpoint = endpoint
        self.parameters = parameters
        self.methods = methods


class Routes:
    """A tree of path parts; a literal part wins over a parameter in the same place."""

    def __init__(self, endpoints: Iterable[Endpoint]) -> None:
        self._root = _Node()
        for endpoint in endpoints:
            self._plant(endpoint)

    def _plant(self, endpoint: Endpoint) -> None:
        node = self._root
        for part in endpoint.path.split("/")[1:]:
            if part.startswith("{"):
                node.parameter = node = node.parameter or _Node()
            else:
                node = node.literal.setdefault(part, _Node())
        node.endpoints[endpoint.method] = endpoint

    def match(self, method: str, path: str) -> Match | None:
        """The endpoint at this path, or None where nothing is. HEAD is answered by GET's endpoint."""
        if len(path) > MAX_PATH_CHARS or "\0" in path:
            return None
        parts = path.split("/")[1:]
        values: list[str] = []
        node = self._walk(self._root, parts, 0, values)
        if node is None:
            return None
        endpoint = node.endpoints.get("GET" if method == "HEAD" else method)
        names = endpoint.path_parameters if endpoint else ()
        parameters = dict(zip(names, map(plain_id, values), strict=True)) if endpoint else {}
        methods = [*node.endpoints, *(["HEAD"] if "GET" in node.endpoints else [])]
        return Match(endpoint, parameters, methods)

    def _walk(self, node: _Node, parts: list[str], at: int, values: list[str]) -> _Node | None:
        if at == len(parts):
            return node if node.endpoints else None
        literal = node.literal.get(parts[at])
        if literal is not None and (found := self._walk(literal, parts, at + 1, values)) is not None:
            return found
        if node.parameter is None or not parts[at]:
            return None
        values.append(parts[at])
        found = self._walk(node.parameter, parts, at + 1, values)
        if found is None:
            values.pop()
        return found
