"""The OpenAPI 3.1 document of a registry: every route, from the same declarations that serve it."""

from __future__ import annotations

from typing import Any, get_args

import msgspec

from flatwater.contract import Created, Endpoint, Html, Raw, Redirect, Registry, Streamed
from flatwater.paging import Page

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
    """The whole document. *Shape*: OpenAPI 3.1; `x-` fields carry the rest of each contract."""
    kinds = _schema_kinds(registry)
    schemas, components = msgspec.json.schema_components(kinds, ref_template=_REF)
    by_kind = dict(zip(map(id, kinds), schemas, strict=True))

    def schema(kind: Any) -> dict[str, Any]:
        found = next((by_kind[id(each)] for each in kinds if each == kind), None)
        return found if found is not None else msgspec.json.schema(kind)

    paths: dict[str, dict[str, Any]] = {}
    for endpoint in registry:
        paths.setdefault(endpoint.path, {})[endpoint.method.lower()] = _operation(endpoint, schema)
    return {
        "openapi": "3.1.0",
        "info": {"title": title, "version": version},
        "paths": paths,
        "components": {"schemas": components, "securitySchemes": security},
    }


def _schema_kinds(registry: Registry) -> list[Any]:
    kinds: list[Any] = [Problem]
    for endpoint in registry:
        wanted = [endpoint.inputs.get("body"), _output_kind(endpoint)]
        kinds += [kind for kind in wanted if kind is not None and kind not in kinds]
    return kinds


def _output_kind(endpoint: Endpoint) -> Any:
    """The type that the answer's JSON has, or None for a page, bytes or nothing."""
    output = endpoint.output
    if output is Created or output in _NO_SCHEMA:
        return None
    if any(each in _NO_SCHEMA for each in get_args(output)) and not isinstance(output, type(Page[int])):
        return None
    return output


def _operation(endpoint: Endpoint, schema: Any) -> dict[str, Any]:
    operation: dict[str, Any] = {
        "operationId": endpoint.name,
        "summary": endpoint.summary,
        "tags": list(endpoint.tags),
        "parameters": [*_path_parameters(endpoint), *_query_parameters(endpoint)],
        "responses": _responses(endpoint, schema),
        "x-who": endpoint.who.description,
        "x-deadline-s": endpoint.deadline_s,
        "x-rate": {"name": endpoint.rate.name, "per_s": endpoint.rate.per_s, "burst": endpoint.rate.burst},
        "x-work": endpoint.work,
    }
    if endpoint.who.needs_actor:
        operation["security"] = [{"bearer": []}, {"session": []}]
    if endpoint.body_bytes:
        operation["requestBody"] = {"required": True, "content": _body(endpoint, schema)}
        operation["x-body-bytes"] = endpoint.body_bytes
    return operation


def _body(endpoint: Endpoint, schema: Any) -> dict[str, Any]:
    if "upload" in endpoint.inputs:
        file = {"type": "string", "contentMediaType": "application/octet-stream"}
        return {"multipart/form-data": {"schema": {"type": "object", "properties": {"file": file}}}}
    if "form" in endpoint.inputs:
        kind = endpoint.inputs["form"]
        is_struct = isinstance(kind, type) and issubclass(kind, msgspec.Struct)
        fields = _inline(kind) if is_struct else {"type": "object"}
        return {"application/x-www-form-urlencoded": {"schema": fields}}
    return {"application/json": {"schema": schema(endpoint.inputs["body"])}}


def _inline(kind: Any) -> dict[str, Any]:
    """A form's schema in place; forms are flat, so nothing in them refers elsewhere."""
    (_,), components = msgspec.json.schema_components([kind], ref_template=_REF)
    return components[kind.__name__]


def _path_parameters(endpoint: Endpoint) -> list[dict[str, Any]]:
    if not endpoint.path_parameters:
        return []
    properties = _inline(endpoint.inputs["path"])["properties"]
    return [
        {"name": name, "in": "path", "required": True, "schema": properties[name]}
        for name in endpoint.path_parameters
    ]


def _query_parameters(endpoint: Endpoint) -> list[dict[str, Any]]:
    parameters: list[dict[str, Any]] = []
    if "query" in endpoint.inputs:
        described = _inline(endpoint.inputs["query"])
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
        parameters += [
            {"name": "limit", "in": "query", "required": False, "schema": limit},
            {
                "name": "after",
                "in": "query",
                "required": False,
                "schema": {"type": "string", "maxLength": 512},
            },
        ]
    return parameters


def _responses(endpoint: Endpoint, schema: Any) -> dict[str, Any]:
    problems = {"application/problem+json": {"schema": {"$ref": _REF.format(name="Problem")}}}
    kind = _output_kind(endpoint)
    if endpoint.is_page:
        success: dict[str, Any] = {"200": {"description": "A page", "content": {"text/html": {}}}}
    elif kind is not None:
        success = {"200": {"description": "Done", "content": {"application/json": {"schema": schema(kind)}}}}
    elif endpoint.output is type(None):
        success = {"204": {"description": "Done"}}
    elif endpoint.output is Created:
        success = {"201": {"description": "Made"}}
    elif endpoint.output is Redirect:
        success = {"303": {"description": "Look there"}}
    else:
        success = {"200": {"description": "Done"}}
    declared = {
        str(status): {"description": text, "content": problems} for status, text in endpoint.statuses.items()
    }
    return {**success, **declared, "default": {"description": "A problem", "content": problems}}
