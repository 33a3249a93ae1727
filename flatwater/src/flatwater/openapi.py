"""The OpenAPI 3.1 document of a registry: every route, from the same declarations that serve it."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from http import HTTPStatus
from types import UnionType
from typing import Any, Union, cast, get_args, get_origin

import msgspec

from flatwater.contract import Accepted, Created, Declined, Endpoint, Html, Raw, Redirect, Registry, Streamed
from flatwater.paging import MAX_CURSOR_CHARS
from flatwater.problems import ProblemKind, of_contract

_REF = "#/components/schemas/{name}"
_NO_SCHEMA = (Html, Redirect, Raw, Streamed, type(None))
_MADE: dict[Any, tuple[str, str]] = {Created: ("201", "Made"), Accepted: ("202", "Begun")}
_STARTS = "An address to look at"

HEADERS: dict[str, dict[str, Any]] = {
    "location": {"description": _STARTS, "required": True, "schema": {"type": "string"}},
    "retry-after": {"description": "Seconds to wait", "schema": {"type": "string", "pattern": "^[0-9]+$"}},
    "etag": {
        "description": "The version in quotes, for `If-Match`",
        "schema": {"type": "string", "pattern": '^"[0-9]+"$'},
    },
    "content-disposition": {"description": "The file's name", "schema": {"type": "string"}},
    "link": {"description": "Where more is told of the file (RFC 8288)", "schema": {"type": "string"}},
    "odata-version": {
        "description": "The version of OData that the answer is of",
        "schema": {"type": "string", "const": "4.0"},
    },
    "accept-ranges": {
        "description": "Parts may be asked for",
        "schema": {"type": "string", "const": "bytes"},
    },
    "content-range": {"description": "Which part this is, of how many bytes", "schema": {"type": "string"}},
    "etag-of-file": {
        "description": "What the file holds, for `If-Range`",
        "schema": {"type": "string", "pattern": '^"[!-~]+"$'},
    },
}
"""The headers that single answers have. Those of every answer are told once, in `x-headers`."""


class Problem(msgspec.Struct):
    """A problem document (RFC 9457). `code` is the stable name that a program tells problems apart by."""

    type: str
    title: str
    status: int
    code: str
    detail: str
    where: str | msgspec.UnsetType = msgspec.UNSET
    """Which part of what was sent: `body.name`, `query.limit`."""
    names: list[str] | msgspec.UnsetType = msgspec.UNSET
    """With `unknown_field`: each name that this address does not take."""
    faults: list[dict[str, str]] | msgspec.UnsetType = msgspec.UNSET
    """Each field that is wrong, the rule it breaks, and what was given."""
    values: dict[str, Any] | msgspec.UnsetType = msgspec.UNSET
    """What the sentence is about; with `stale`, what is there now."""
    id: str | msgspec.UnsetType = msgspec.UNSET
    """With `unexpected`: under which id it was written down."""


Problems = Callable[[Endpoint], Iterable[ProblemKind]]


def is_answered_with_pages(endpoint: Endpoint) -> bool:
    """Whether errors of this route are pages for people rather than problem documents."""
    return endpoint.is_page


def openapi(
    registry: Registry,
    *,
    title: str,
    version: str,
    security: dict[str, Any],
    problems: Problems = of_contract,
    in_pages: Callable[[Endpoint], bool] = is_answered_with_pages,
    headers: dict[str, Any] | None = None,
) -> dict[str, Any]:
    """The whole document. *Shape*: OpenAPI 3.1; `x-` fields carry the rest of each contract.

    `security` are the document's security schemes; each of them alone lets somebody in. `problems` tells what each route can
    refuse, `in_pages` which routes tell it in a page, and `headers` which headers every answer has.
    """
    kinds = _schema_kinds(registry)
    schemas, components = _plain_names(*msgspec.json.schema_components(kinds, ref_template=_REF))
    document = _Document(
        kinds=kinds,
        schemas=schemas,
        components=components,
        security=list(security),
        problems=problems,
        in_pages=in_pages,
    )
    paths: dict[str, dict[str, Any]] = {}
    for endpoint in registry:
        paths.setdefault(endpoint.path, {})[endpoint.method.lower()] = document.operation(endpoint)
    return {
        "openapi": "3.1.0",
        "info": {"title": title, "version": version},
        "paths": paths,
        "components": {
            "schemas": components,
            "responses": document.shared,
            "headers": HEADERS,
            "securitySchemes": security,
        },
        "x-headers": headers or {},
        "x-error-codes": dict(sorted(document.codes.items())),
    }


def _plain_names(
    schemas: Iterable[dict[str, Any]], components: dict[str, dict[str, Any]]
) -> tuple[list[dict[str, Any]], dict[str, dict[str, Any]]]:
    """The same, each type by a name of one word: of two with one name, each is told apart by the module it stands in.

    Dotted names are allowed, but makers of clients take the last word for the type's name, and lose all but one of them.
    """
    names: dict[str, str] = {}
    taken = {name for name in components if "." not in name}
    for name in components:
        if "." not in name:
            continue
        *modules, word = name.split(".")
        while True:
            word = modules.pop().title().replace("_", "") + word
            if word not in taken or not modules:
                break
        taken.add(word)
        names[name] = word
    return (
        [_renamed(each, names) for each in schemas],
        {
            names.get(name, name): _renamed(each | ({"title": names[name]} if name in names else {}), names)
            for name, each in components.items()
        },
    )


def _renamed(schema: Any, names: dict[str, str]) -> Any:
    if isinstance(schema, list):
        return [_renamed(each, names) for each in cast("list[Any]", schema)]
    if not isinstance(schema, dict):
        return schema
    made = {key: _renamed(value, names) for key, value in cast("dict[str, Any]", schema).items()}
    reference = made.get("$ref")
    if isinstance(reference, str):
        prefix, _, name = reference.rpartition("/")
        made["$ref"] = f"{prefix}/{names.get(name, name)}"
    if made.get("type") == "array" and "items" not in made and "prefixItems" not in made:
        made["items"] = {}
    return made


def _schema_kinds(registry: Registry) -> list[Any]:
    kinds: list[Any] = [Problem]
    for endpoint in registry:
        wanted = [endpoint.inputs.get(name) for name in ("body", "path", "query", "form")]
        for kind in (*wanted, endpoint.problem, output_kind(endpoint), *_made_kinds(endpoint)):
            if kind is not None and kind not in kinds:
                kinds.append(kind)
    return kinds


def output_kind(endpoint: Endpoint) -> Any:
    """The type that the answer's JSON has, or None for a page, bytes or nothing."""
    apart = (*_MADE, Declined)
    kinds = [kind for kind in endpoint.outputs if kind not in _NO_SCHEMA and get_origin(kind) not in apart]
    if not kinds:
        return None
    joined: Any = kinds[0]
    for kind in kinds[1:]:
        joined = joined | kind
    return joined


def _made_kinds(endpoint: Endpoint) -> list[Any]:
    return [get_args(kind)[0] for kind in endpoint.outputs if get_origin(kind) in _MADE]


def version_of(kind: Any) -> tuple[bool, bool]:
    """Whether a type has a version, and whether it always has one."""
    if not (isinstance(kind, type) and issubclass(kind, msgspec.Struct)):
        return False, False
    for field in msgspec.structs.fields(kind):
        if field.encode_name == "version":
            options = get_args(field.type) if get_origin(field.type) in (Union, UnionType) else (field.type,)
            return int in options, options == (int,)
    return False, False


class _Document:
    """The schemas of one document, and its operations."""

    def __init__(
        self,
        kinds: list[Any],
        schemas: list[dict[str, Any]],
        components: dict[str, dict[str, Any]],
        security: list[str],
        problems: Problems,
        in_pages: Callable[[Endpoint], bool],
    ) -> None:
        self._kinds = kinds
        self._schemas = schemas
        self._components = components
        self._security = security
        self._problems = problems
        self._in_pages = in_pages
        self._names: dict[bytes, str] = {}
        self.shared: dict[str, dict[str, Any]] = {}
        """Responses that operations have in common, by name."""
        self.codes: dict[str, str] = {}
        """What each code of a problem says."""

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
            "parameters": [
                *self._path_parameters(endpoint),
                *self._query_parameters(endpoint),
                *([_IF_MATCH] if endpoint.version_in else []),
                *([_RANGE] if HTTPStatus.PARTIAL_CONTENT in endpoint.statuses else []),
            ],
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
        file = {"type": "string", "format": "binary", "contentMediaType": "application/octet-stream"}
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
        by_status: dict[int, set[str]] = {}
        for kind in (*self._problems(endpoint), *_own_refusals(endpoint)):
            by_status.setdefault(kind.status, set()).add(kind.code)
            if kind.text or kind.code not in self.codes:
                self.codes[kind.code] = kind.text
        responses = self._successes(endpoint)
        refused = {status for status in endpoint.statuses if status >= 400}
        for status in sorted(refused | by_status.keys()):
            told = endpoint.statuses.get(status, "")
            if status < 400:
                responses.setdefault(str(status), _LOOK_THERE)
            elif self._in_pages(endpoint):
                responses[str(status)] = self._share("Page", _waiting(status, _PAGE))
            else:
                responses[str(status)] = self._problem(
                    endpoint, status, sorted(by_status.get(status, ())), told
                )
        return dict(sorted(responses.items()))

    def _problem(self, endpoint: Endpoint, status: int, codes: list[str], told: str) -> dict[str, Any]:
        schema = dict(self._schema(endpoint.problem or Problem))
        if codes:
            schema["properties"] = {"code": {"enum": codes}}
        response: dict[str, Any] = {
            "description": told or "One of: " + ", ".join(codes),
            "content": {"application/problem+json": {"schema": schema}},
        }
        if status in endpoint.statuses:
            response["content"] |= {media.partition(";")[0]: {} for media in endpoint.media}
            if odata := _odata(endpoint):
                response["headers"] = _headers(*odata)
            if status == HTTPStatus.REQUESTED_RANGE_NOT_SATISFIABLE:
                response["headers"] = _of_a_part()
        return self._share(f"Problem{status}", _waiting(status, response))

    def _share(self, name: str, response: dict[str, Any]) -> dict[str, Any]:
        """A reference to this response, kept once however many operations have it."""
        key = msgspec.json.encode(response)
        if key not in self._names:
            number = sum(each.partition("_")[0] == name for each in self.shared)
            self._names[key] = f"{name}_{number}" if number else name
            self.shared[self._names[key]] = response
        return {"$ref": f"#/components/responses/{self._names[key]}"}

    def _successes(self, endpoint: Endpoint) -> dict[str, Any]:
        successes: dict[str, Any] = {}
        if (kind := output_kind(endpoint)) is not None:
            successes["200"] = self._json("Done", kind)
        if content := _contents(endpoint):
            known = successes.setdefault(
                "200", {"description": "A page" if endpoint.is_page else "Done", "content": {}}
            )
            known["content"] |= content
        if endpoint.media:
            successes["200"]["headers"] = _headers("content-disposition", "link", *_odata(endpoint))
        for kind in endpoint.outputs:
            made = _MADE.get(get_origin(kind))
            if made is not None:
                response = self._json(made[1], get_args(kind)[0])
                response["headers"] = _headers("location") | response.get("headers", {})
                successes[made[0]] = response
        if type(None) in endpoint.outputs:
            successes["204"] = {"description": "Done"}
        if Redirect in endpoint.outputs:
            successes["303"] = _LOOK_THERE
        for status, told in endpoint.statuses.items():
            if status < 400:
                successes.setdefault(str(status), {})["description"] = told
        if "206" in successes:
            successes["206"] |= {"content": _contents(endpoint), "headers": _of_a_part()}
            successes["200"]["headers"] |= _of_a_part()
        return successes

    def _json(self, description: str, kind: Any) -> dict[str, Any]:
        response: dict[str, Any] = {
            "description": description,
            "content": {"application/json": {"schema": self._schema(kind)}},
        }
        options = get_args(kind) if get_origin(kind) in (Union, UnionType) else (kind,)
        if any(version_of(each)[0] for each in options):
            response["headers"] = _headers("etag")
        return response


_IF_MATCH: dict[str, Any] = {
    "name": "If-Match",
    "in": "header",
    "required": False,
    "description": "The version that this change was made on, as `ETag` gave it; in place of `version`, or the same.",
    "schema": {"type": "string", "pattern": '^"[0-9]+"$'},
}
_RANGE: dict[str, Any] = {
    "name": "Range",
    "in": "header",
    "required": False,
    "description": "One part of the file, as `bytes=0-499`; anything else is answered with the whole.",
    "schema": {"type": "string"},
}
_WAITS = frozenset({409, 429, 503, 504, 507})


def _odata(endpoint: Endpoint) -> tuple[str, ...]:
    """The header of a route that answers in OData."""
    return ("odata-version",) if any("odata." in media for media in endpoint.media) else ()


def _headers(*names: str) -> dict[str, Any]:
    return {name: {"$ref": f"#/components/headers/{name}"} for name in names}


def _of_a_part() -> dict[str, Any]:
    """The headers of a file that is sent in parts."""
    etag = {"etag": {"$ref": "#/components/headers/etag-of-file"}}
    return _headers("content-disposition", "accept-ranges", "content-range") | etag


_LOOK_THERE: dict[str, Any] = {"description": "Look there", "headers": _headers("location")}


_PAGE: dict[str, Any] = {"description": "A page that says why", "content": {"text/html": {}}}


def _waiting(status: int, response: dict[str, Any]) -> dict[str, Any]:
    return (
        response | {"headers": response.get("headers", {}) | _headers("retry-after")}
        if status in _WAITS
        else response
    )


def _own_refusals(endpoint: Endpoint) -> Iterable[ProblemKind]:
    return [ProblemKind(status, code) for code, status in endpoint.refusals.items()]


def _contents(endpoint: Endpoint) -> dict[str, Any]:
    """The media types of an answer that is no JSON of a declared type."""
    content: dict[str, Any] = {"text/html": {}} if endpoint.is_page else {}
    return content | {media.partition(";")[0]: _bytes_of(media) for media in endpoint.media}


def _bytes_of(media: str) -> dict[str, Any]:
    """What is neither text nor JSON is told as bytes, so that generators of clients give them."""
    is_binary = not media.startswith(("text/", "application/json"))
    return {"schema": {"type": "string", "format": "binary"}} if is_binary else {}
