"""A file sent in parts, as players of sounds and downloads that were cut ask for it: Safari plays nothing that comes only whole.

*Source*: RFC 9110, 14 (Range, Content-Range, 416) and 13.1.5 (If-Range).
"""

from __future__ import annotations

import re
from collections.abc import AsyncIterator, Callable, Mapping

import msgspec

from flatwater.contract import Streamed

_ONE_RANGE = re.compile(r"bytes=(\d{0,18})-(\d{0,18})", re.ASCII)


class Part(msgspec.Struct, frozen=True):
    """So many bytes of a file, from one on; none at all where what was asked for lies behind its end."""

    first: int
    size_bytes: int


def part_asked(headers: Mapping[str, str], size_bytes: int, etag: str) -> Part | None:
    """The part of a file that a request asks for; None for the whole of it.

    Several ranges at once, other units and what can't be read are answered with the whole, as is a part of another version of the file.
    """
    asked = _ONE_RANGE.fullmatch(headers.get("range", "").strip())
    if asked is None or headers.get("if-range", etag) != etag:
        return None
    first, last = asked.groups()
    if not first:
        if not last:
            return None
        tail = min(int(last), size_bytes)
        return Part(size_bytes - tail, tail)
    if last and int(last) < int(first):
        return None
    if int(first) >= size_bytes:
        return Part(size_bytes, 0)
    end = min(int(last), size_bytes - 1) if last else size_bytes - 1
    return Part(int(first), end + 1 - int(first))


def streamed_part(
    part: Part | None,
    size_bytes: int,
    read: Callable[[Part], AsyncIterator[bytes]],
    *,
    content_type: str,
    headers: Mapping[str, str],
) -> Streamed:
    """The answer with a part: 206, 200 for the whole, 416 where there is no such part. `read` is asked for what is sent and no more."""
    sent = part or Part(0, size_bytes)
    told = {**headers, "accept-ranges": "bytes", "content-length": str(sent.size_bytes)}
    if part is None:
        return Streamed(read(sent), content_type, told)
    if not part.size_bytes:
        told["content-range"] = f"bytes */{size_bytes}"
        return Streamed(_nothing(), content_type, told, 416)
    told["content-range"] = f"bytes {part.first}-{part.first + part.size_bytes - 1}/{size_bytes}"
    return Streamed(read(sent), content_type, told, 206)


async def _nothing() -> AsyncIterator[bytes]:
    for piece in ():
        yield piece
