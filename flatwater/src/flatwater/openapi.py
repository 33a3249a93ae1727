"""The OpenAPI 3.1 document of a registry: every route, from the same declarations that serve it."""

from __future__ import annotations

from types import UnionType
from typing import Any, Union, get_args, get_origin

import msgspec

from flatwater.contract import Created, Endpoint, Html, Raw, Redirect, Registry, Streamed
from flatwater.paging import MAX_CURSOR_CHARS

_REF = "#/components/schemas/{name}"
_NO_SCHEMA = (Html, Redirect, Raw, Streamed, Created, type(None))


class Problem(msgspec.Struct):
    """A problem document (RFC 9457)."""

    type: str
    title: str
    status: int
    code: str
    detail: str


def openapi(registry: Registry, *, title: str, version: str, security: dict[str, Any]) -> dict[str, Any]:
    """The whole document. *Shape*: OpenAPI 3.1; `x-` fields carry the rest of each contract.

    `security` are the document's security schemes; each of them alone lets somebody in.
    """
    kinds = _schema_kinds(registry)
    schemas, components = msgspec.json.schema_components(kinds, ref_template=_REF)
    document = _Document(kinds, list(schemas), components, list(security))
    paths: dict[str, dict[str, Any]] = {}
    for endpoint in registry:
        paths.setdefault(endpoint.path, {})[endpoint.method.lower()] = document.operation(endpoint)
    return {
        "openapi": "3.1.0",
        "info": {"title": title, "version": version},
        "paths": paths,
        "components": {"schemas": components, "securitySchemes": security},
    }


def _schema_kinds(registry: Registry) -> list[Any]:
    kinds: list[Any] = [Problem]
    for endpoint in registry:
        wanted = [endpoint.inputs.get(name) for name in ("body", "path", "query", "form")]
        for kind in (*wanted, _output_kind(endpoint)):
            if kind is not None and kind not in kinds:
                kinds.append(kind)
    return kinds


def _output_kinds(endpoint: Endpoint) -> tuple[Any, ...]:
    """What a handler may return, each by itself."""
    output = endpoint.output
    return get_args(output) if get_origin(output) in (Union, UnionType) else (output,)


def _output_kind(endpoint: Endpoint) -> Any:
    """The type that the answer's JSON has, or None for a page, bytes or nothing."""
    kinds = [kind for kind in _output_kinds(endpoint) if kind not in _NO_SCHEMA]
    if not kinds:
        return None
    joined: Any = kinds[0]
    for kind in kinds[1:]:
        joined = joined | kind
    return joined


class _Document:
    """The schemas of one document, and its operations."""

    def __init__(
        self,
        kinds: list[Any],
        schemas: list[dict[str, Any]],
        components: dict[str, dict[str, Any]],
        security: list[str],
    ) -> None:
        self._kinds = kinds
        self._schemas = schemas
        self._components = components
        self._security = security

    def _schema(self, kind: Any) -> dict[str, Any]:
        return self._schemas[self._kinds.index(kind)]

    def _fields(self, kind: Any) -> dict[str, Any]:
        """A struct's own schema, which the components hold; a plain object for any other type."""
        reference = self._schema(kind).get("$ref", "") if kind is not None else ""
        return self._components.get(reference.rpartition("/")[2], {"type": "object", "properties": {}})

    def operation(self, endpoint: Endpoint) -> dict[str, Any]:
        operation: dict[str, Any] = {
            "operationId": endpoint.name,
            "summary": endpoint.summary,
            "tags": list(endpoint.tags),
            "parameters": [*self._path_parameters(endpoint), *self._query_parameters(endpoint)],
            "responses": self._responses(endpoint),
            "x-who": endpoint.who.description,
            "x-deadline-s": endpoint.deadline_s,
            "x-rate": {
                "name": endpoint.rate.name,
                "per_s": endpoint.rate.per_s,
                "burst": endpoint.rate.burst,
            },
            "x-work": endpoint.work,
        }
        if endpoint.who.needs_actor:
            operation["security"] = [{name: []} for name in self._security]
        if endpoint.takes_body:
            operation["requestBody"] = {"required": True, "content": self._body(endpoint)}
            operation["x-body-bytes"] = endpoint.body_bytes
        return operation

    def _body(self, endpoint: Endpoint) -> dict[str, Any]:
        if "body" in endpoint.inputs:
            return {"application/json": {"schema": self._schema(endpoint.inputs["body"])}}
        fields = self._fields(endpoint.inputs.get("form"))
        if "upload" not in endpoint.inputs:
            return {"application/x-www-form-urlencoded": {"schema": fields}}
        file = {"type": "string", "contentMediaType": "application/octet-stream"}
        properties = {**fields.get("properties", {}), "file": file}
        return {"multipart/form-data": {"schema": {**fields, "properties": properties}}}

    def _path_parameters(self, endpoint: Endpoint) -> list[dict[str, Any]]:
        if not endpoint.path_parameters:
            return []
        properties = self._fields(endpoint.inputs["path"])["properties"]
        return [
            {"name": name, "in": "path", "required": True, "schema": properties.get(name, {"type": "string"})}
            for name in endpoint.path_parameters
        ]

    def _query_parameters(self, endpoint: Endpoint) -> list[dict[str, Any]]:
        parameters: list[dict[str, Any]] = []
        if "query" in endpoint.inputs:
            described = self._fields(endpoint.inputs["query"])
            required = set(described.get("required", ()))
            parameters += [
                {"name": name, "in": "query", "required": name in required, "schema": kind}
                for name, kind in described["properties"].items()
            ]
        if endpoint.page is not None:
            limit = {
                "type": "integer",
                "minimum": 1,
                "maximum": endpoint.page.ceiling,
                "default": endpoint.page.default,
            }
            after = {"type": "string", "maxLength": MAX_CURSOR_CHARS}
            parameters += [
                {"name": "limit", "in": "query", "required": False, "schema": limit},
                {"name": "after", "in": "query", "required": False, "schema": after},
            ]
        return parameters

    def _responses(self, endpoint: Endpoint) -> dict[str, Any]:
        problems = {"application/problem+json": {"schema": {"$ref": _REF.format(name="Problem")}}}
        declared = {
            str(status): {"description": text, "content": problems}
            for status, text in endpoint.statuses.items()
        }
        default = {"description": "A problem", "content": problems}
        return {**self._successes(endpoint), **declared, "default": default}

    def _successes(self, endpoint: Endpoint) -> dict[str, Any]:
        kinds = _output_kinds(endpoint)
        successes: dict[str, Any] = {}
        if endpoint.is_page:
            successes["200"] = {"description": "A page", "content": {"text/html": {}}}
        elif (kind := _output_kind(endpoint)) is not None:
            content = {"application/json": {"schema": self._schema(kind)}}
            successes["200"] = {"description": "Done", "content": content}
        elif Raw in kinds or Streamed in kinds:
            successes["200"] = {"description": "Done"}
        if Created in kinds:
            successes["201"] = {"description": "Made"}
        if type(None) in kinds:
            successes["204"] = {"description": "Done"}
        if Redirect in kinds:
            successes["303"] = {"description": "Look there"}
        return successes
