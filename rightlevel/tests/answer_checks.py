"""Every answer that a test gets is compared with the API document: its status, media type, headers and body.

`conftest.py` puts `CheckedApp` where the application is built, so no test asks for it and none can leave it out. An answer that
the document does not foresee fails the test that got it. Schemas are compiled once, when first met.
"""

from __future__ import annotations

import gzip
import threading
from typing import Any

import jsonschema_rs
import msgspec
from starlette.types import Message, Receive, Scope, Send

from flatwater.asgi import ContractApp
from flatwater.contract import Endpoint, Registry
from rightlevel.web.application import is_answered_with_pages
from rightlevel.web.document import document

ALWAYS = frozenset({"content-type", "content-length", "connection", "date", "server"})
JSON_TYPES = ("application/json", "application/problem+json")
MAX_FAULTS = 20
REQUIRED = {
    "api": ("x-content-type-options", "cache-control"),
    "page": ("x-content-type-options", "cache-control", "content-security-policy", "referrer-policy"),
}


class UndocumentedAnswer(AssertionError):
    """The application answered otherwise than its document says."""


class Documented:
    """The document as a test of answers: strict, since a field that no schema names is one that nobody promised."""

    def __init__(self, registry: Registry) -> None:
        self.document: dict[str, Any] = msgspec.json.decode(document(registry))
        strict = {"components": {"schemas": _strict(self.document["components"]["schemas"])}}
        self._registry = jsonschema_rs.Registry(resources=[("doc:all", strict)])
        self._validators: dict[bytes, Any] = {}
        self._operations: dict[str, dict[str, Any]] = {}
        for methods in self.document["paths"].values():
            for operation in methods.values():
                self._operations[operation["operationId"]] = operation

    def response(self, endpoint: Endpoint, status: int) -> dict[str, Any] | None:
        """What the document says of this status here, references followed."""
        found = self._operations[endpoint.name]["responses"].get(str(status))
        if found is not None and "$ref" in found:
            return self.document["components"]["responses"][found["$ref"].rpartition("/")[2]]
        return found

    def faults(
        self, endpoint: Endpoint, status: int, headers: dict[str, str], body: bytes, *, is_head: bool = False
    ) -> list[str]:
        """What of an answer the document does not foresee."""
        told = self.response(endpoint, status)
        if told is None:
            return [f"status {status} is not declared: {body[:300].decode(errors='replace')}"]
        faults = list(self._header_faults(endpoint, told, headers))
        media = headers.get("content-type", "").partition(";")[0]
        content = told.get("content", {})
        if not content:
            if body and media != "text/html":
                faults.append(f"status {status} has a body, which is not declared")
            return faults
        if media not in content:
            return [*faults, f"media type {media!r} is none of {sorted(content)}"]
        schema = content[media].get("schema")
        if schema is not None and media in JSON_TYPES and not is_head:
            faults += self.body_faults(schema, _plain(headers, body))
        return faults

    def _header_faults(self, endpoint: Endpoint, told: dict[str, Any], headers: dict[str, str]) -> list[str]:
        kind = "page" if not endpoint.path.startswith("/api/") else "api"
        declared = told.get("headers", {})
        known = ALWAYS | declared.keys() | self.document["x-headers"][kind].keys()
        faults = [f"header {name!r} is not declared" for name in headers if name not in known]
        for name in declared:
            spec = self.document["components"]["headers"][declared[name]["$ref"].rpartition("/")[2]]
            if name not in headers:
                if spec.get("required"):
                    faults.append(f"header {name!r} is missing")
            elif not self.validator(spec["schema"]).is_valid(headers[name]):
                faults.append(f"header {name!r} is {headers[name]!r}")
        return faults + [f"header {name!r} is missing" for name in REQUIRED[kind] if name not in headers]

    def validator(self, schema: dict[str, Any]) -> Any:
        """The compiled schema, whose references lead into the strict document."""
        key = msgspec.json.encode(schema)
        if key not in self._validators:
            self._validators[key] = jsonschema_rs.Draft202012Validator(
                _into_document(_strict(schema)), registry=self._registry, validate_formats=True
            )
        return self._validators[key]

    def body_faults(self, schema: dict[str, Any], body: bytes) -> list[str]:
        try:
            content = msgspec.json.decode(body)
        except msgspec.DecodeError as error:
            return [f"the body is no JSON: {error}"]
        return [
            f"body at /{'/'.join(map(str, error.instance_path))}: {error.message[:400]}"
            for error in self.validator(schema).iter_errors(content)
        ]


def _plain(headers: dict[str, str], body: bytes) -> bytes:
    return gzip.decompress(body) if headers.get("content-encoding") == "gzip" else body


def _strict(schema: Any) -> Any:
    """The same schema, which takes no field that it doesn't name."""
    if isinstance(schema, list):
        return [_strict(each) for each in schema]
    if not isinstance(schema, dict):
        return schema
    made = {name: _strict(value) for name, value in schema.items()}
    if "properties" in made and made.get("type") == "object" and "additionalProperties" not in made:
        made["additionalProperties"] = False
    return made


def _into_document(schema: Any) -> Any:
    if isinstance(schema, list):
        return [_into_document(each) for each in schema]
    if not isinstance(schema, dict):
        return schema
    return {
        name: f"doc:all{value}" if name == "$ref" else _into_document(value) for name, value in schema.items()
    }


class Found:
    """What was found undocumented since somebody last asked; several threads may add to it."""

    def __init__(self) -> None:
        self._faults: list[str] = []
        self._lock = threading.Lock()
        self.checked = 0

    def add(self, what: str, faults: list[str]) -> None:
        with self._lock:
            self.checked += 1
            self._faults += [f"{what}: {fault}" for fault in faults]

    def take(self) -> list[str]:
        """What was found, told once."""
        with self._lock:
            faults, self._faults = self._faults, []
        return faults


FOUND = Found()


_documented: dict[tuple[str, ...], Documented] = {}
"""By the names of its endpoints: a run builds a hundred applications, and a document with its schemas takes 20 MB and a second."""


def documented(registry: Registry) -> Documented:
    """The document of an application, made once for all that have the same endpoints."""
    names = tuple(each.name for each in registry)
    if names not in _documented:
        _documented[names] = Documented(registry)
    return _documented[names]


class CheckedApp(ContractApp[Any, Any]):
    """The application, which compares each of its answers with its document."""

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            await super().__call__(scope, receive, send)
            return
        heard = _Heard(send)
        await super().__call__(scope, receive, heard.send)
        match = self._routes.match(scope["method"], scope["path"])
        if heard.status is None or match is None or match.endpoint is None:
            return
        faults = documented(self.registry).faults(
            match.endpoint, heard.status, heard.headers, bytes(heard.body), is_head=scope["method"] == "HEAD"
        )
        FOUND.add(f"{scope['method']} {match.endpoint.path} -> {heard.status}", faults)


class _Heard:
    """What went back over the wire."""

    def __init__(self, send: Send) -> None:
        self._send = send
        self.status: int | None = None
        self.headers: dict[str, str] = {}
        self.body = bytearray()

    async def send(self, message: Message) -> None:
        if message["type"] == "http.response.start":
            self.status = message["status"]
            self.headers = {name.decode(): value.decode("latin-1") for name, value in message["headers"]}
        elif self.headers.get("content-type", "").startswith(JSON_TYPES):
            self.body += message.get("body", b"")
        await self._send(message)


def require_documented() -> None:
    """Passes when nothing undocumented was answered since the last time. *Errors*: UndocumentedAnswer."""
    faults = FOUND.take()
    if faults:
        told = "\n".join(sorted(set(faults))[:MAX_FAULTS])
        raise UndocumentedAnswer(f"{len(set(faults))} answers are not as the document says:\n{told}")


__all__ = [
    "FOUND",
    "CheckedApp",
    "Documented",
    "UndocumentedAnswer",
    "is_answered_with_pages",
    "require_documented",
]
