"""Turns what came over the wire into the types a contract declares, within its ceilings."""

from __future__ import annotations

import asyncio
import shutil
import tempfile
from pathlib import Path
from typing import Any, cast
from urllib.parse import parse_qsl

import msgspec
from starlette.datastructures import UploadFile
from starlette.requests import Request
from starlette.types import Message, Receive, Scope

from flatwater.contract import Call, Endpoint, Sent, Upload
from flatwater.errors import TooBig
from flatwater.paging import PageRequest

MAX_FIELDS = 2_000
BODY_READ_S = 60.0
"""A class of forty results is 8 kB, which 2G carries in seconds; a body that takes a minute is not arriving."""


class InputInvalid(Exception):
    """What was sent does not have the shape that this address takes."""

    def __init__(self, message: str, *, where: str) -> None:
        super().__init__(message)
        self.where = where


class ClientLeft(Exception):
    """The client closed the connection before it had sent everything."""


async def read_sent(endpoint: Endpoint, scope: Scope, receive: Receive, headers: dict[str, str]) -> Sent:
    """What the request carries. *Errors*: TooBig, InputInvalid, ClientLeft, TimeoutError after BODY_READ_S."""
    if endpoint.body_bytes == 0:
        return Sent()
    declared = headers.get("content-length", "")
    if declared.isdigit() and int(declared) > endpoint.body_bytes:
        raise TooBig(f"At most {endpoint.body_bytes:,} bytes may be sent here; this is {int(declared):,}.")
    bounded = _bounded(receive, endpoint.body_bytes)
    async with asyncio.timeout(BODY_READ_S):
        if "upload" in endpoint.inputs:
            return await _read_multipart(scope, bounded)
        content = await _read_all(bounded)
    if "form" in endpoint.inputs:
        return Sent(fields=parse_fields(content.decode("utf-8", "replace"), where="form"))
    return Sent(content=content)


def _bounded(receive: Receive, ceiling: int) -> Receive:
    seen = 0

    async def bounded() -> Message:
        nonlocal seen
        message = await receive()
        if message["type"] == "http.disconnect":
            raise ClientLeft
        seen += len(message.get("body", b""))
        if seen > ceiling:
            raise TooBig(f"At most {ceiling:,} bytes may be sent here.")
        return message

    return bounded


async def _read_all(receive: Receive) -> bytes:
    message = await receive()
    if not message.get("more_body"):
        return cast("bytes", message.get("body", b""))
    chunks = [message.get("body", b"")]
    while message.get("more_body"):
        message = await receive()
        chunks.append(message.get("body", b""))
    return b"".join(chunks)


async def _read_multipart(scope: Scope, receive: Receive) -> Sent:
    request = Request(scope, receive)
    async with request.form(max_files=1, max_fields=MAX_FIELDS) as form:
        sent = Sent(fields={})
        for name, value in form.multi_items():
            if isinstance(value, UploadFile):
                sent.upload = await asyncio.to_thread(_keep, value)
            else:
                sent.fields.setdefault(name, []).append(value)
    return sent


def _keep(file: UploadFile) -> Upload:
    with tempfile.NamedTemporaryFile(prefix="upload-", delete=False) as kept:
        file.file.seek(0)
        shutil.copyfileobj(file.file, kept)
        return Upload(
            filename=Path(file.filename or "file").name, path=Path(kept.name), size_bytes=kept.tell()
        )


def parse_fields(text: str, *, where: str) -> dict[str, list[str]]:
    """Query or form fields by name, in order. *Errors*: InputInvalid over MAX_FIELDS."""
    fields: dict[str, list[str]] = {}
    if not text:
        return fields
    try:
        pairs = parse_qsl(text, keep_blank_values=True, max_num_fields=MAX_FIELDS)
    except ValueError as error:
        raise InputInvalid(f"More than {MAX_FIELDS} fields.", where=where) from error
    for name, value in pairs:
        fields.setdefault(name, []).append(value)
    return fields


def decode_inputs(call: Call[Any, Any], parameters: dict[str, str]) -> dict[str, Any]:
    """The handler's keyword arguments, typed as the contract says. *Errors*: InputInvalid."""
    inputs: dict[str, Any] = {}
    sent = call.sent
    if not call.endpoint.inputs:
        return inputs
    query = parse_fields(call.query_string, where="query")
    for name, kind in call.endpoint.inputs.items():
        if name == "path":
            inputs[name] = _convert(dict(parameters), kind, where="path")
        elif name == "query":
            inputs[name] = _from_fields(query, kind, where="query")
        elif name == "page":
            inputs[name] = _page_request(call.endpoint, query)
        elif name == "form":
            inputs[name] = _from_fields(sent.fields, kind, where="form")
        elif name == "upload":
            inputs[name] = sent.upload
        else:
            inputs[name] = _decode_json(sent.content, kind)
    return inputs


def _page_request(endpoint: Endpoint, query: dict[str, list[str]]) -> PageRequest:
    assert endpoint.page is not None  # noqa: S101  verified when the service started
    asked = query.get("limit", [""])[-1]
    after = query.get("after", [""])[-1] or None
    if not asked:
        return PageRequest(endpoint.page.default, after)
    if not (
        asked.isascii()
        and asked.isdigit()
        and 1 <= int(asked[:9]) <= endpoint.page.ceiling
        and len(asked) < 9
    ):
        raise InputInvalid(f"limit is a whole number from 1 to {endpoint.page.ceiling}.", where="query.limit")
    return PageRequest(int(asked), after)


def _from_fields(fields: dict[str, list[str]], kind: Any, *, where: str) -> Any:
    """A blank field counts as not sent, as people mean it; a field sent more than once is a list where one is declared."""
    if not (isinstance(kind, type) and issubclass(kind, msgspec.Struct)):
        return fields
    values: dict[str, Any] = {}
    for field in msgspec.structs.fields(kind):
        given = [value for value in fields.get(field.encode_name, []) if value != ""]
        if given:
            values[field.encode_name] = (
                given if getattr(field.type, "__origin__", None) is list else given[-1]
            )
    return _convert(values, kind, where=where)


def _convert(values: Any, kind: Any, *, where: str) -> Any:
    try:
        return msgspec.convert(values, kind, strict=False)
    except msgspec.ValidationError as error:
        message, _, at = str(error).partition(" - at `$")
        raise InputInvalid(message, where=where + at.rstrip("`")) from error


def _decode_json(content: bytes, kind: Any) -> Any:
    try:
        return msgspec.json.decode(content, type=kind)
    except msgspec.ValidationError as error:
        message, _, at = str(error).partition(" - at `$")
        raise InputInvalid(message, where="body" + at.rstrip("`")) from error
    except (msgspec.DecodeError, UnicodeDecodeError) as error:
        raise InputInvalid(f"The body is not JSON: {error}.", where="body") from error
