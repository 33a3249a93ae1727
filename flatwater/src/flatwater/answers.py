"""What goes back over the wire: a status, headers and bytes, made from what a handler returned or raised."""

from __future__ import annotations

import gzip
from collections.abc import AsyncIterator
from http import HTTPStatus
from math import ceil
from typing import Any, cast, overload
from urllib.parse import quote

import msgspec

from flatwater.contract import Accepted, Created, Declined, Html, Raw, Redirect, Streamed
from flatwater.errors import Refused
from flatwater.input_refusals import InputInvalid, SentTwice, UnknownField
from flatwater.paging import BadCursor
from flatwater.shown_once import without_shown_once
from flatwater.transaction import ValueRefused

JSON = "application/json"
PROBLEM = "application/problem+json"
HTML = "text/html; charset=utf-8"

_encoder = msgspec.json.Encoder()


class Answer(msgspec.Struct):
    """One response, whole, or streamed where `chunks` is set."""

    status: int
    content: bytes
    content_type: str
    headers: dict[str, str] = {}
    chunks: AsyncIterator[bytes] | None = None
    is_shown_once: bool = False


def answer_with(result: Any) -> Answer:
    """The response for what a handler returned; anything that is no answer type becomes JSON."""
    if isinstance(result, Html):
        return Answer(result.status, result.text.encode(), HTML, result.headers)
    if isinstance(result, Redirect):
        return Answer(result.status, b"", HTML, {"location": _address(result.to), **result.headers})
    if isinstance(result, Raw):
        return Answer(result.status, result.content, result.content_type, result.headers)
    if isinstance(result, Streamed):
        return Answer(result.status, b"", result.content_type, result.headers, result.chunks)
    if isinstance(result, Created):
        headers = {"location": _address(result.location), **_etag(result.content)}
        return Answer(201, _encoder.encode(result.content), JSON, headers)
    if isinstance(result, Accepted):
        return Answer(202, _encoder.encode(result.content), JSON, {"location": _address(result.location)})
    if isinstance(result, Declined):
        return Answer(result.status, _encoder.encode(result.content), PROBLEM)
    if result is None:
        return Answer(204, b"", JSON)
    return Answer(200, _encoder.encode(result), JSON, _etag(result))


def _etag(content: Any) -> dict[str, str]:
    """A thing's version as an entity tag, for `If-Match` at the change. *Source*: RFC 9110, 8.8.3 and 13.1.1."""
    version = getattr(content, "version", None)
    return {"etag": f'"{version}"'} if type(version) is int else {}


def kept_of(result: Any, answer: Answer) -> Answer:
    """The answer as it may be kept for the same write coming again: without what is shown once; of a page that shows such a thing, nothing."""
    if isinstance(result, Html):
        if not result.is_shown_once:
            return answer
        return msgspec.structs.replace(answer, content=b"", is_shown_once=True)
    inner = cast("Created[Any]", result).content if isinstance(result, Created) else result
    plain = without_shown_once(inner)
    return answer if plain is inner else msgspec.structs.replace(answer, content=_encoder.encode(plain))


SQUEEZE_FROM_BYTES = 1_400
"""What fits into one packet is not worth squeezing."""
SQUEEZE_LEVEL = 4
"""A class grid of 119 kB becomes 8 kB in about a millisecond."""
_SQUEEZABLE = ("text/", JSON, PROBLEM, "image/svg+xml", "application/javascript")


def squeezed(answer: Answer, accepted: str) -> Answer:
    """The answer gzipped, where it is text, whole and worth it, and the client's Accept-Encoding takes gzip.

    Pages hold a secret (the form token) beside what a visitor typed; that their length can't be used to guess it rests on
    the session's cookie being SameSite: another site can't have pages made for somebody.
    """
    if (
        len(answer.content) < SQUEEZE_FROM_BYTES
        or answer.chunks is not None
        or "content-encoding" in answer.headers
    ):
        return answer
    if not answer.content_type.startswith(_SQUEEZABLE):
        return answer
    vary = {"vary": "accept-encoding", **answer.headers}
    if not _takes_gzip(accepted):
        return msgspec.structs.replace(answer, headers=vary)
    content = gzip.compress(answer.content, SQUEEZE_LEVEL, mtime=0)
    return msgspec.structs.replace(answer, content=content, headers={**vary, "content-encoding": "gzip"})


def _takes_gzip(accepted: str) -> bool:
    for each in accepted.lower().split(","):
        name, _, weight = each.strip().partition(";")
        if name.strip() in ("gzip", "*"):
            return weight.strip().replace(" ", "") not in ("q=0", "q=0.0", "q=0.00", "q=0.000")
    return False


def _address(text: str) -> str:
    """An address as a header may carry it: whatever isn't ASCII, a space or a line's end is percent-encoded."""
    return quote(text, safe=":/?#[]@!$&'()*+,;=%~")


def problem(status: int, code: str, detail: str, **more: Any) -> Answer:
    """A problem document. *Source*: RFC 9457; `code` is the stable name a program tells errors apart by."""
    title = HTTPStatus(status).phrase
    content = {
        "type": "about:blank",
        "title": title,
        "status": status,
        "code": code,
        "detail": detail,
        **more,
    }
    return Answer(status, _encoder.encode(content), PROBLEM)


Expected = Refused | InputInvalid | BadCursor | ValueRefused


@overload
def problem_for(error: Expected, detail: str | None = None) -> Answer: ...
@overload
def problem_for(error: Exception, detail: str | None = None) -> Answer | None: ...
def problem_for(error: Exception, detail: str | None = None) -> Answer | None:
    """The problem document for a refusal or unreadable input; None for what nobody expected. `detail` is its sentence translated."""
    text = detail or str(error)
    if isinstance(error, Refused):
        answer = problem(error.status, error.code, text)
        if error.retry_after_s is not None:
            answer.headers = {"retry-after": str(max(1, ceil(error.retry_after_s)))}
        return answer
    if isinstance(error, UnknownField | SentTwice):
        code = "unknown_field" if isinstance(error, UnknownField) else "sent_twice"
        return problem(422, code, text, where=error.where, names=error.names)
    if isinstance(error, InputInvalid):
        return problem(422, "input_invalid", text, where=error.where)
    if isinstance(error, BadCursor):
        return problem(422, "bad_cursor", text, where="query.after")
    if isinstance(error, ValueRefused):
        return problem(422, "value_refused", text)
    return None
