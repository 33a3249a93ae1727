"""Turns what came over the wire into the types a contract declares, within its ceilings."""

from __future__ import annotations

import asyncio
import re
import shutil
import tempfile
from functools import lru_cache
from pathlib import Path, PureWindowsPath
from typing import IO, Any, cast, get_args, get_origin
from urllib.parse import parse_qsl

import msgspec
from python_multipart.exceptions import FormParserError
from starlette.datastructures import UploadFile
from starlette.formparsers import MultiPartException
from starlette.requests import Request
from starlette.types import Message, Receive, Scope

from flatwater.contract import Call, Endpoint, Sent, Upload
from flatwater.errors import TooBig, TooSlow
from flatwater.paging import PageRequest

MAX_FIELDS = 2_000
BODY_READ_S = 60.0
"""A class of forty results is 8 kB, which 2G carries in seconds; a body that takes a minute is not arriving."""

_LIST_TYPES = (list, set, frozenset, tuple)
_WHERE = re.compile(r"(?P<message>.*?) - at (?:`key` in )?`\$(?P<at>.*)`", re.DOTALL)


class InputInvalid(Exception):
    """What was sent does not have the shape that this address takes."""

    def __init__(self, message: str, *, where: str) -> None:
        super().__init__(message)
        self.where = where


class ClientLeft(Exception):
    """The client closed the connection before it had its answer."""


async def read_sent(endpoint: Endpoint, scope: Scope, receive: Receive, headers: dict[str, str]) -> Sent:
    """What the request carries. *Errors*: TooBig, TooSlow after BODY_READ_S, InputInvalid, ClientLeft."""
    if endpoint.body_bytes == 0:
        return Sent()
    declared = headers.get("content-length", "")
    if declared.isascii() and declared.isdigit() and int(declared[:15]) > endpoint.body_bytes:
        raise TooBig(f"At most {endpoint.body_bytes:,} bytes may be sent here.")
    bounded = _bounded(receive, endpoint.body_bytes)
    try:
        async with asyncio.timeout(BODY_READ_S):
            if "upload" in endpoint.inputs:
                return await _read_multipart(scope, bounded)
            content = await _read_all(bounded)
    except TimeoutError as error:
        raise TooSlow from error
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
    # One growing buffer: a client that sends a byte at a time would make a list cost many times the ceiling.
    content = bytearray(message.get("body", b""))
    while message.get("more_body"):
        message = await receive()
        content += message.get("body", b"")
    return bytes(content)


async def _read_multipart(scope: Scope, receive: Receive) -> Sent:
    # Without `app` in the scope the parser raises its own exception, not an HTTP answer of a framework around us.
    request = Request({key: value for key, value in scope.items() if key != "app"}, receive)
    sent = Sent()
    try:
        async with request.form(max_files=1, max_fields=MAX_FIELDS) as form:
            for name, value in form.multi_items():
                if not isinstance(value, UploadFile):
                    sent.fields.setdefault(name, []).append(value)
                elif value.filename:  # a browser sends an empty part without a name when no file was chosen
                    sent.upload = await _keep(value, value.filename)
    except (MultiPartException, FormParserError) as error:
        raise InputInvalid(f"The form can't be read: {error}", where="form") from error
    except BaseException:
        sent.discard()
        raise
    return sent


async def _keep(file: UploadFile, filename: str) -> Upload:
    kept = tempfile.NamedTemporaryFile(prefix="upload-", delete=False)  # noqa: SIM115  closed two lines down
    path = Path(kept.name)
    try:
        with kept:
            size_bytes = await asyncio.to_thread(_copy, file.file, kept)
    except BaseException:
        path.unlink(missing_ok=True)  # noqa: ASYNC240  one system call
        raise
    return Upload(filename=_plain_name(filename), path=path, size_bytes=size_bytes)


def _copy(source: IO[bytes], target: IO[bytes]) -> int:
    source.seek(0)
    shutil.copyfileobj(source, target)
    return target.tell()


def _plain_name(filename: str) -> str:
    """A file's name without folders of either kind of system and without what can't be shown."""
    name = "".join(letter for letter in PureWindowsPath(filename).name if letter.isprintable())
    return name if name.strip(". ") else "file"


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
            inputs[name] = _upload(sent.upload, kind)
        else:
            inputs[name] = _decode_json(sent.content, kind)
    return inputs


def _upload(upload: Upload | None, kind: Any) -> Upload | None:
    if upload is None and kind is Upload:
        raise InputInvalid("Please send a file, as multipart/form-data.", where="upload")
    return upload


def _page_request(endpoint: Endpoint, query: dict[str, list[str]]) -> PageRequest:
    assert endpoint.page is not None  # noqa: S101  verified when the service started
    asked = query.get("limit", [""])[-1]
    after = query.get("after", [""])[-1] or None
    if not asked:
        return PageRequest(endpoint.page.default, after)
    if not (
        asked.isascii() and asked.isdigit() and len(asked) < 9 and 1 <= int(asked) <= endpoint.page.ceiling
    ):
        raise InputInvalid(f"limit is a whole number from 1 to {endpoint.page.ceiling}.", where="query.limit")
    return PageRequest(int(asked), after)


def _from_fields(fields: dict[str, list[str]], kind: Any, *, where: str) -> Any:
    """A blank field counts as not sent, as people mean it; a field sent more than once is a list where one is declared."""
    if not (isinstance(kind, type) and issubclass(kind, msgspec.Struct)):
        return fields
    values: dict[str, Any] = {}
    for name, is_list in _fields_of(kind):
        given = [value for value in fields.get(name, []) if value != ""]
        if given:
            values[name] = given if is_list else given[-1]
    return _convert(values, kind, where=where)


@lru_cache(maxsize=1_024)
def _fields_of(kind: type[msgspec.Struct]) -> tuple[tuple[str, bool], ...]:
    """Each field's name on the wire and whether it takes many values. *Cost*: resolving annotations, once a type."""
    return tuple((field.encode_name, _is_list(field.type)) for field in msgspec.structs.fields(kind))


def _is_list(kind: Any) -> bool:
    """Whether a list, a list or nothing, or an annotated list."""
    origin = get_origin(kind)
    if kind in _LIST_TYPES or origin in _LIST_TYPES:
        return True
    return origin is not None and any(_is_list(each) for each in get_args(kind) if not isinstance(each, str))


def _convert(values: Any, kind: Any, *, where: str) -> Any:
    try:
        return msgspec.convert(values, kind, strict=False)
    except msgspec.ValidationError as error:
        raise _at(error, where) from error


def _decode_json(content: bytes, kind: Any) -> Any:
    try:
        return msgspec.json.decode(content, type=kind)
    except msgspec.ValidationError as error:
        raise _at(error, "body") from error
    except (msgspec.DecodeError, UnicodeDecodeError) as error:
        raise InputInvalid(f"The body is not JSON: {error}.", where="body") from error
    except RecursionError as error:
        raise InputInvalid("The body is nested too deeply.", where="body") from error


def _at(error: msgspec.ValidationError, where: str) -> InputInvalid:
    found = _WHERE.fullmatch(str(error))
    if found is None:
        return InputInvalid(str(error), where=where)
    return InputInvalid(found["message"], where=where + found["at"])
