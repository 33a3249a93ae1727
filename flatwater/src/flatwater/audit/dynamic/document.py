"""The operations that an OpenAPI document lists, with their schemas resolved: what can be asked and how."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Final, cast

import msgspec

Schema = dict[str, Any]

METHODS: Final = ("get", "post", "put", "patch", "delete")
DOCUMENT_PATHS: Final = (
    "/openapi.json",
    "/schema/openapi.json",
    "/api/v1/openapi.json",
    "/api/openapi.json",
    "/docs/openapi.json",
)
"""*Source*: the defaults of FastAPI and of Litestar, then what people commonly choose."""
PAGE_NAMES: Final = frozenset(
    {"limit", "page_size", "pagesize", "per_page", "perpage", "size", "first", "take", "count"}
)
OFFSET_NAMES: Final = frozenset({"offset", "skip", "page", "page_number", "start"})
CURSOR_NAMES: Final = frozenset({"cursor", "after", "before", "page_token", "continuation"})
DEEPEST_REFERENCE: Final = 12


class NoDocument(Exception):
    """No OpenAPI document was given, and the application serves none where they commonly are."""


class Parameter(msgspec.Struct, frozen=True):
    """One parameter of the path, the query or the headers."""

    name: str
    place: str
    is_required: bool
    schema: Schema

    @property
    def is_page_size(self) -> bool:
        return self.name.lower() in PAGE_NAMES

    @property
    def is_offset(self) -> bool:
        return self.name.lower() in OFFSET_NAMES

    @property
    def is_cursor(self) -> bool:
        return self.name.lower() in CURSOR_NAMES


class Operation(msgspec.Struct, frozen=True):
    """One route that the document lists. *Shape*: `media_type` and `body` are empty where it takes no body."""

    method: str
    path: str
    parameters: tuple[Parameter, ...]
    media_type: str = ""
    body: Schema = {}
    answers: tuple[str, ...] = ()

    @property
    def route(self) -> str:
        return f"{self.method} {self.path}"

    @property
    def changes(self) -> bool:
        """Whether it may change what the application keeps."""
        return self.method != "GET"

    def of(self, place: str) -> tuple[Parameter, ...]:
        return tuple(each for each in self.parameters if each.place == place)


def operations_of(document: Mapping[str, Any]) -> list[Operation]:
    """Every operation of the document: reads first, and lists before what is reached by an id that a list shows."""
    found: list[Operation] = []
    for path, item in document.get("paths", {}).items():
        for method in METHODS:
            operation = item.get(method)
            if isinstance(operation, dict):
                found.append(_operation(document, method.upper(), path, item, cast("Schema", operation)))
    return sorted(found, key=lambda each: (METHODS.index(each.method.lower()), each.path.count("{")))


def resolved(document: Mapping[str, Any], schema: Any, depth: int = 0) -> Schema:
    """The schema that a reference means, all the way down; what is deeper than twelve references is any value."""
    if not isinstance(schema, dict) or depth > DEEPEST_REFERENCE:
        return {}
    mine = cast("Schema", schema)
    reference = mine.get("$ref")
    if isinstance(reference, str):
        target: Any = document
        for part in reference.removeprefix("#/").split("/"):
            target = target.get(part.replace("~1", "/").replace("~0", "~"), {})
        return resolved(document, target, depth + 1)
    whole = dict(mine)
    for part in whole.pop("allOf", ()):
        one = resolved(document, part, depth + 1)
        whole["properties"] = {**whole.get("properties", {}), **one.get("properties", {})}
        whole["required"] = [*whole.get("required", ()), *one.get("required", ())]
        whole = {**one, **whole}
    for choice in ("anyOf", "oneOf"):
        if choice in whole:
            parts = [resolved(document, part, depth + 1) for part in whole.pop(choice)]
            none: Schema = {}
            whole = {**next((part for part in parts if part.get("type") != "null"), none), **whole}
    if isinstance(whole.get("type"), list):
        whole["type"] = next((kind for kind in whole["type"] if kind != "null"), "string")
    properties = whole.get("properties")
    if isinstance(properties, dict):
        whole["properties"] = {
            name: resolved(document, part, depth + 1) for name, part in cast("Schema", properties).items()
        }
    if "items" in whole:
        whole["items"] = resolved(document, whole["items"], depth + 1)
    return whole


def _operation(
    document: Mapping[str, Any], method: str, path: str, item: Schema, operation: Schema
) -> Operation:
    parameters: dict[tuple[str, str], Parameter] = {}
    for written in (*item.get("parameters", ()), *operation.get("parameters", ())):
        # A parameter may itself be a reference; its schema another.
        one = resolved(document, written) if "$ref" in written else cast("Schema", written)
        schema = resolved(document, one.get("schema"))
        if "example" in one:
            schema = {**schema, "example": one["example"]}
        required = bool(one.get("required")) or one.get("in") == "path"
        parameters[one["name"], one["in"]] = Parameter(one["name"], one["in"], required, schema)
    content = resolved(document, operation.get("requestBody")).get("content", {})
    media_type = "application/json" if "application/json" in content else next(iter(content), "")
    body = resolved(document, content.get(media_type, {}).get("schema")) if media_type else {}
    return Operation(
        method=method,
        path=path,
        parameters=tuple(parameters.values()),
        media_type=media_type,
        body=body,
        answers=tuple(
            kind
            for answer in operation.get("responses", {}).values()
            for kind in resolved(document, answer).get("content", {})
        ),
    )
