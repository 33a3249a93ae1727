"""Turns what came over the wire into the types a contract declares, within its ceilings."""

from __future__ import annotations

import asyncio
import re
import tempfile
import unicodedata
from collections.abc import Iterator, Sequence
from functools import lru_cache
from hashlib import blake2b
from itertools import islice
from pathlib import Path, PureWindowsPath
from types import UnionType
from typing import IO, Annotated, Any, Union, cast, get_args, get_origin
from urllib.parse import parse_qsl
from uuid import UUID

import msgspec
from python_multipart.exceptions import FormParserError
from starlette.datastructures import UploadFile
from starlette.formparsers import MultiPartException
from starlette.requests import Request
from starlette.types import Message, Receive, Scope

from flatwater.contract import UNSAFE, Call, Endpoint, Sent, Upload
from flatwater.errors import SpoolsFull, TooBig, TooSlow
from flatwater.input_refusals import InputInvalid as InputInvalid
from flatwater.input_refusals import SentTwice as SentTwice
from flatwater.input_refusals import UnknownField as UnknownField
from flatwater.paging import PageRequest
from flatwater.unseen import LINE_ENDS, STEERING, any_of

MAX_FIELDS = 2_000
COPIED_AT_ONCE = 256 * 1024
BODY_READ_S = 60.0
"""A class of forty results is 8 kB, which 2G carries in seconds; a body that takes a minute is not arriving."""

_TRACKING = re.compile(
    r"utm_[a-z_]+|fbclid|gclid|gbraid|wbraid|dclid|msclkid|igshid|mc_[ce]id|_ga|_gl|yclid|ttclid|twclid|si"
)
"""What messengers and mailers add to an address that somebody passed on: it changes no page, and refusing it would lose the page.

*Source*: the query parameters that Firefox's query stripping and ClearURLs take off.
"""
_ETAG = re.compile(r'"([0-9]{1,10})"')
TWO_VERSIONS = "If-Match and version name two versions."
MAX_NAMES = 10
"""Of the unknown names, how many are told."""

_LIST_TYPES = (list, set, frozenset, tuple)
_WHERE = re.compile(r"(?P<message>.*?) - at (?:`key` in )?`\$(?P<at>.*)`", re.DOTALL)


class UnseenMarks(InputInvalid):
    """A text holds control marks, which nobody sees, or a line's end where a name goes on one line."""


class FormInvalid(InputInvalid):
    """Fields of a form can't be read: each that can't is in `faults`."""

    def __init__(self, faults: Sequence[InputInvalid]) -> None:
        super().__init__(str(faults[0]), where=faults[0].where)
        self.faults = tuple(faults)


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
                return await _read_spooled(scope, bounded)
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


class Spools:
    """How much all uploads take on disk together, from their first byte until their requests end."""

    def __init__(self, ceiling_bytes: int) -> None:
        self.ceiling_bytes = ceiling_bytes
        self.held_bytes = 0

    def take(self, size_bytes: int) -> None:
        """*Errors*: SpoolsFull when all together would be over the ceiling."""
        if self.held_bytes + size_bytes > self.ceiling_bytes:
            raise SpoolsFull
        self.held_bytes += size_bytes

    def give_back(self, size_bytes: int) -> None:
        self.held_bytes -= size_bytes


class Room:
    """What one request takes of the spools. It goes back once, however often its request is discarded."""

    def __init__(self, spools: Spools) -> None:
        self._spools = spools
        self._taken = 0

    def take(self, size_bytes: int) -> None:
        """*Errors*: SpoolsFull."""
        self._spools.take(size_bytes)
        self._taken += size_bytes

    def give_back(self) -> None:
        self._spools.give_back(self._taken)
        self._taken = 0


SPOOLS = Spools(600_000_000)
"""Of this process. A file of 100 MB lies there twice for a moment: as it came, and as it is handed on."""
SPOOL_COPIES = 2


async def _read_spooled(scope: Scope, receive: Receive) -> Sent:
    """As `_read_multipart`, with room taken for every byte as it comes and given back when the request ends. *Errors*: SpoolsFull."""
    room = Room(SPOOLS)

    async def counted() -> Message:
        message = await receive()
        room.take(SPOOL_COPIES * len(message.get("body", b"")))
        return message

    try:
        sent = await _read_multipart(scope, counted)
    except BaseException:
        room.give_back()
        raise
    sent.give_back = room.give_back
    return sent


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
            size_bytes, digest = await asyncio.to_thread(_copy, file.file, kept)
    except BaseException:
        path.unlink(missing_ok=True)  # noqa: ASYNC240  one system call
        raise
    return Upload(filename=_plain_name(filename), path=path, size_bytes=size_bytes, digest=digest)


def _copy(source: IO[bytes], target: IO[bytes]) -> tuple[int, str]:
    """How many bytes it copied, and their digest."""
    source.seek(0)
    seen = blake2b(digest_size=16)
    while part := source.read(COPIED_AT_ONCE):
        seen.update(part)
        target.write(part)
    return target.tell(), seen.hexdigest()


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


_MAYBE_ID = re.compile(r"\s*(?:urn:uuid:)?[{]?[0-9a-f](?:-?[0-9a-f]){31}-?[}]?\s*", re.IGNORECASE)
_SURELY_PLAIN = re.compile(rb'"[0-9a-f]{8}(?:-[0-9a-f]{4}){3}-[0-9a-f]{12}"')
_AN_ID = re.compile(rb'"\s*(?:urn:uuid:)?[{]?[0-9a-f](?:-?[0-9a-f]){31}-?[}]?\s*"', re.IGNORECASE)
"""A text of JSON that is an id in any form."""
_ESCAPED_ASCII = b"\\u00"
"""Letters that need no escape are escaped only by whoever wants them not to be seen."""


def _has_odd_id(content: bytes) -> bool:
    """Whether an id may stand in the body otherwise than in its plain form. *Cost*: one pass, some 20 ns a byte."""
    return _ESCAPED_ASCII in content or any(
        _SURELY_PLAIN.fullmatch(found[0]) is None for found in _AN_ID.finditer(content)
    )


def plain_id(text: str) -> str:
    """A UUID in the one form in which it is kept (lower case, hyphens), however it was written; any other text as it is."""
    if _MAYBE_ID.fullmatch(text) is None:
        return text
    try:
        return str(UUID(text.strip()))
    except ValueError:
        return text


@lru_cache(maxsize=1_024)
def _names_ids(name: str) -> bool:
    """Whether a field of this name holds ids: texts of other fields may look like one and are left alone."""
    return name in ("id", "ids", "after") or name.endswith(("_id", "_ids"))


_NEVER = any_of(STEERING)
_ON_ONE_LINE = any_of(LINE_ENDS)
_MAYBE_MARKS = re.compile(rb"\\[bfnrtu]|[\x7f]|\xc2[\x80-\x9f]|\xe2\x80[\xa8\xa9]")


@lru_cache(maxsize=1_024)
def _is_one_line(name: str) -> bool:
    """Whether a field of this name is a name, a code or an address, which stand on one line."""
    return name in ("email", "contact", "section", "label", "title") or name.endswith(
        ("name", "code", "_label", "_title")
    )


def _refuse_marks(value: Any, name: str, where: str) -> None:
    """Passes for texts that hold no control marks, and in names no line's end. *Errors*: InputInvalid."""
    if isinstance(value, str):
        if _NEVER.search(value) or (_is_one_line(name) and _ON_ONE_LINE.search(value)):
            raise UnseenMarks("This holds marks that can't be seen. Type it anew.", where=where)
    elif isinstance(value, list):
        for number, each in enumerate(cast("list[Any]", value)):
            _refuse_marks(each, name, f"{where}[{number}]")
    elif isinstance(value, dict):
        for key, each in cast("dict[str, Any]", value).items():
            _refuse_marks(key, "name", where)
            _refuse_marks(each, key, f"{where}.{key}")


def _may_hold_marks(text: str) -> bool:
    """Whether there is a mark that nobody sees, or a line's end, anywhere in a text."""
    return _NEVER.search(text) is not None or _ON_ONE_LINE.search(text) is not None


def _refuse_marks_in(fields: dict[str, list[str]], where: str) -> None:
    """As `_refuse_marks`, for fields of a form or a query. *Cost*: one look at all of them where none holds a mark or a line's end."""
    if not _may_hold_marks(" ".join(map(" ".join, fields.values()))):
        return
    for field, given in fields.items():
        _refuse_marks(given, field, f"{where}.{field}")


def _with_plain_ids(value: Any, name: str) -> Any:
    """The same with every id in its plain form, all the way down."""
    if isinstance(value, str):
        return plain_id(value) if _names_ids(name) else value
    if isinstance(value, list):
        return [_with_plain_ids(each, name) for each in cast("list[Any]", value)]
    if isinstance(value, dict):
        named = cast("dict[str, Any]", value)
        return {each: _with_plain_ids(inner, each) for each, inner in named.items()}
    return value


def decode_inputs(
    call: Call[Any, Any], parameters: dict[str, str], own_names: frozenset[str] = frozenset()
) -> dict[str, Any]:
    """The handler's keyword arguments, typed as the contract says; `own_names` are form fields that the application itself reads.

    *Errors*: InputInvalid; UnknownField for a name that the contract does not have, so that a misspelt filter never lists everybody.

    Ids come to the handler in one form, whatever form they were sent in: some clients write them in upper case.
    """
    inputs: dict[str, Any] = {}
    sent = call.sent
    version = _version_matched(call)
    query = parse_fields(call.query_string, where="query")
    is_for_programs = call.endpoint.is_for_programs
    if query:
        _refuse_marks_in(query, "query")
        _require_known_query(call.endpoint, query, is_for_programs=is_for_programs)
    if sent.fields and is_for_programs:
        _require_known(sent.fields, call.endpoint.inputs.get("form"), "form", own_names)
    for name, kind in call.endpoint.inputs.items():
        if name == "path":
            if _may_hold_marks(" ".join(parameters.values())):
                _refuse_marks(parameters, "", "path")
            inputs[name] = _convert(dict(parameters), kind, where="path")
        elif name == "query":
            known = _with_version(query, version if call.endpoint.version_in == "query" else None)
            inputs[name] = _from_fields(known, kind, where="query")
        elif name == "page":
            inputs[name] = _page_request(call.endpoint, query)
        elif name == "form":
            _refuse_marks_in(sent.fields, "form")
            inputs[name] = _from_form(sent.fields, kind)
        elif name == "upload":
            inputs[name] = _upload(sent.upload, kind)
        else:
            inputs[name] = _decode_json(
                sent.content, kind, version if call.endpoint.version_in == "body" else None
            )
    return inputs


def _require_known_query(endpoint: Endpoint, query: dict[str, list[str]], *, is_for_programs: bool) -> None:
    page = frozenset({"limit", "after"}) if endpoint.page is not None else frozenset[str]()
    sent = query
    if not is_for_programs:
        sent = {name: given for name, given in query.items() if not _TRACKING.fullmatch(name)}
    _require_known(sent, endpoint.inputs.get("query"), "query", page)


def _require_known(sent: dict[str, list[str]], kind: Any, where: str, more: frozenset[str]) -> None:
    if kind is not None and not (isinstance(kind, type) and issubclass(kind, msgspec.Struct)):
        return
    known = dict(_fields_of(kind)) if kind is not None else {}
    unknown = [name for name in sent if name not in known and name not in more]
    if unknown:
        raise UnknownField(unknown[:MAX_NAMES], where=f"{where}.{unknown[0]}")
    twice = [name for name, given in sent.items() if sum(map(bool, given)) > 1 and not known.get(name)]
    if twice and where == "query":
        raise SentTwice(twice[:MAX_NAMES], where=f"{where}.{twice[0]}")


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
        return {
            name: list(map(plain_id, given)) if _names_ids(name.partition(".")[0]) else given
            for name, given in fields.items()
        }
    values: dict[str, Any] = {}
    for name, is_list in _fields_of(kind):
        given = list(filter(None, fields.get(name, ())))
        if given:
            given = list(map(plain_id, given)) if _names_ids(name) else given
            values[name] = given if is_list else given[-1]
    return _convert(values, kind, where=where)


_NOTHING = object()
"""What stands for a field that counts as not sent."""


def _from_form(fields: dict[str, list[str]], kind: Any) -> Any:
    """What people typed, in the struct that programs send as JSON. *Errors*: FormInvalid with every field that can't be read.

    Numbers may be in any script's digits, with a point or a comma. A field that was left blank is nothing where the type takes nothing;
    in a change (a struct that needs a version), where nothing means that it stays, a blank text is empty. A box that was not ticked is not sent:
    where a type tells yes, no and nothing apart, that is no.
    """
    if not (isinstance(kind, type) and issubclass(kind, msgspec.Struct)):
        return _from_fields(fields, kind, where="form")
    values: dict[str, Any] = {}
    faults: list[InputInvalid] = []
    for field in _form_fields(kind):
        where = f"form.{field.name}"
        try:
            value = field.read(fields.get(field.name), where)
            if value is not _NOTHING:
                values[field.name] = _convert(value, field.kind, where=where)
            elif field.is_needed:
                raise InputInvalid(f"Object missing required field `{field.name}`", where=where)
        except InputInvalid as error:
            faults.append(error)
    if faults:
        raise FormInvalid(faults)
    return _convert(values, kind, where="form")


class _FormField(msgspec.Struct, frozen=True):
    """How one field of a form is read."""

    name: str
    kind: Any
    is_needed: bool
    is_list: bool
    blank: Any
    if_not_sent: Any
    is_number: bool
    is_text: bool

    def read(self, given: list[str] | None, where: str) -> Any:
        """The value to be converted; `_NOTHING` for a field that counts as not sent. *Errors*: InputInvalid for no number."""
        if given is None:
            return self.if_not_sent
        given = [each for each in (given if self.is_text else map(str.strip, given)) if each != ""]
        if not given:
            return self.blank
        if self.is_list:
            return _with_plain_ids(given, self.name)
        return _as_number(given[-1], where) if self.is_number else _with_plain_ids(given[-1], self.name)


@lru_cache(maxsize=1_024)
def _form_fields(kind: type[msgspec.Struct]) -> tuple[_FormField, ...]:
    """How each field of a form is read. *Cost*: resolving annotations, once a type."""
    fields = msgspec.structs.fields(kind)
    is_change = any(each.encode_name == "version" and each.required for each in fields)
    return tuple(_form_field(each, is_change=is_change) for each in fields)


def _form_field(field: msgspec.structs.FieldInfo, *, is_change: bool) -> _FormField:
    types = _plain_types(field.type)
    blank: Any = _NOTHING
    takes_nothing = type(None) in types
    if str in types and not field.required and (is_change or field.default == ""):
        blank = ""
    elif takes_nothing and field.default in (None, msgspec.UNSET, msgspec.NODEFAULT):
        blank = None
    return _FormField(
        name=field.encode_name,
        kind=field.type,
        is_needed=field.required,
        is_list=_is_list(field.type),
        blank=blank,
        if_not_sent=False if takes_nothing and bool in types else _NOTHING,
        is_number=bool({int, float} & types) and str not in types,
        is_text=str in types or _is_list(field.type),
    )


def _plain_types(kind: Any) -> set[Any]:
    """The types of a union, annotations taken off."""
    origin = get_origin(kind)
    if origin is Annotated:
        return _plain_types(get_args(kind)[0])
    if origin in (Union, UnionType):
        return {plain for each in get_args(kind) for plain in _plain_types(each)}
    return {origin or kind}


_A_NUMBER = re.compile(r"[+-]?(?:[0-9]{1,18}(?:\.[0-9]{0,18})?|\.[0-9]{1,18})")
"""What people mean by a number: neither `nan` nor `1e9`, and no more digits than a database keeps."""


def _as_number(text: str, where: str) -> str:
    """Digits of any script as ASCII's, a comma as a point. *Errors*: InputInvalid for what is no number."""
    digits = (str(unicodedata.decimal(each)) if each.isdecimal() else each for each in text)
    number = "".join(digits).replace(",", ".")
    if _A_NUMBER.fullmatch(number) is None:
        raise InputInvalid("Expected a number.", where=where)
    return number


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


def _version_matched(call: Call[Any, Any]) -> int | None:
    """The version that `If-Match` names. *Errors*: InputInvalid for another kind of tag, or where nothing has a version."""
    tag = call.headers.get("if-match")
    if tag is None or call.endpoint.method not in UNSAFE or not call.endpoint.is_for_programs:
        return None
    found = _ETAG.fullmatch(tag.strip())
    if call.endpoint.version_in is None or found is None:
        text = "If-Match takes one version in quotes, as ETag gave it."
        text = text if call.endpoint.version_in else "There is no version here to match."
        raise InputInvalid(text, where="header.if-match")
    return int(found[1])


def _with_version(query: dict[str, list[str]], version: int | None) -> dict[str, list[str]]:
    if version is None:
        return query
    if query.get("version", [str(version)]) != [str(version)]:
        raise InputInvalid(TWO_VERSIONS, where="query.version")
    return {**query, "version": [str(version)]}


def _body_with_version(content: bytes, version: int) -> bytes:
    body = msgspec.json.decode(content)
    if not isinstance(body, dict):
        return content
    named = cast("dict[str, Any]", body)
    if named.setdefault("version", version) != version:
        raise InputInvalid(TWO_VERSIONS, where="body.version")
    return msgspec.json.encode(named)


def _judged_whole(body: Any, kind: Any) -> Any:
    """The body without the lists whose parts are answered each by itself (`ANSWERED_EACH` of its type): one bad part holds up no other,
    and whoever answers them judges their texts.
    """
    apart: frozenset[str] = getattr(kind, "ANSWERED_EACH", frozenset())
    if not apart or not isinstance(body, dict):
        return body
    return {name: each for name, each in cast("dict[str, Any]", body).items() if name not in apart}


def _decode_json(content: bytes, kind: Any, version: int | None = None) -> Any:
    try:
        if _MAYBE_MARKS.search(content):
            _refuse_marks(_judged_whole(msgspec.json.decode(content), kind), "", "body")
        _require_known_names(content, kind)
        if version is not None:
            content = _body_with_version(content, version)
        if _has_odd_id(content):  # seldom: the common body is read once, straight into its types
            content = msgspec.json.encode(_with_plain_ids(msgspec.json.decode(content), ""))
        return msgspec.json.decode(content, type=kind)
    except msgspec.ValidationError as error:
        raise _at(error, "body") from error
    except (msgspec.DecodeError, UnicodeDecodeError) as error:
        raise InputInvalid(f"The body is not JSON: {error}.", where="body") from error
    except RecursionError as error:
        raise InputInvalid("The body is nested too deeply.", where="body") from error


def _require_known_names(content: bytes, kind: Any) -> None:
    """Passes when each name in the body is one of its type. *Cost*: the body is read once more, without its type."""
    try:
        plain = msgspec.json.decode(content)
    except msgspec.ValidationError:
        msgspec.json.decode(content, type=kind)  # a number beyond all bounds: its type says where it is
        raise
    unknown = list(islice(_unknown_in(plain, _info_of(kind), "body"), MAX_NAMES))
    if unknown:
        names = [name for _, name in unknown]
        raise UnknownField(names, where=f"{unknown[0][0]}.{names[0]}")


@lru_cache(maxsize=1_024)
def _info_of(kind: Any) -> Any:
    return msgspec.inspect.type_info(kind)


def _unknown_in(value: Any, info: Any, at: str) -> Iterator[tuple[str, str]]:
    """Each name in a decoded body that its type does not have, with where it is."""
    if isinstance(value, dict):
        given = cast("dict[str, Any]", value)
        if isinstance(info, msgspec.inspect.UnionType):
            info = _chosen(given, info)
        if isinstance(info, msgspec.inspect.StructType):
            fields = {field.encode_name: field.type for field in info.fields}
            for name, inner in given.items():
                if name in fields:
                    yield from _unknown_in(inner, fields[name], f"{at}.{name}")
                elif name != info.tag_field:
                    yield at, name
        elif isinstance(info, msgspec.inspect.DictType):
            for name, inner in given.items():
                yield from _unknown_in(inner, info.value_type, f"{at}.{name}")
    elif isinstance(value, list):
        if isinstance(info, msgspec.inspect.UnionType):
            info = next((each for each in info.types if isinstance(each, _LISTS)), info)
        if isinstance(info, _LISTS):
            for number, inner in enumerate(cast("list[Any]", value)):
                yield from _unknown_in(inner, info.item_type, f"{at}[{number}]")


_LISTS = (msgspec.inspect.ListType, msgspec.inspect.VarTupleType, msgspec.inspect.SetType)


def _chosen(value: dict[str, Any], info: msgspec.inspect.UnionType) -> Any:
    """The type of a union that an object is meant for: by its tag, or the only one that is an object."""
    for each in info.types:
        if isinstance(each, msgspec.inspect.StructType) and (
            each.tag_field is None or value.get(each.tag_field) == each.tag
        ):
            return each
    return next((each for each in info.types if isinstance(each, msgspec.inspect.DictType)), info)


def _at(error: msgspec.ValidationError, where: str) -> InputInvalid:
    found = _WHERE.fullmatch(str(error))
    if found is None:
        return InputInvalid(str(error), where=where)
    return InputInvalid(found["message"], where=where + found["at"])
