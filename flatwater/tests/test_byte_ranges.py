"""Parts of a file, as players and cut downloads ask for them."""

from __future__ import annotations

from collections.abc import AsyncIterator

import pytest

from flatwater.byte_ranges import Part, part_asked, streamed_part

pytestmark = pytest.mark.anyio
FILE = b"0123456789"


@pytest.mark.parametrize(
    ("asked", "part"),
    [
        ("bytes=0-", Part(0, 10)),
        ("bytes=0-1", Part(0, 2)),
        ("bytes=4-6", Part(4, 3)),
        ("bytes=4-99", Part(4, 6)),
        ("bytes=-3", Part(7, 3)),
        ("bytes=-99", Part(0, 10)),
        ("bytes=10-", Part(10, 0)),
        ("bytes=-0", Part(10, 0)),
        ("bytes=6-4", None),
        ("bytes=-", None),
        ("bytes=0-1,4-5", None),
        ("items=0-1", None),
        ("bytes=\u0661-", None),
        ("bytes=" + "9" * 400 + "-", None),
        ("", None),
    ],
)
async def test_the_part_that_is_asked_for_is_sent_and_said(asked: str, part: Part | None) -> None:
    assert part_asked({"range": asked}, len(FILE), '"a"') == part

    async def read(wanted: Part) -> AsyncIterator[bytes]:
        yield FILE[wanted.first : wanted.first + wanted.size_bytes]

    answer = streamed_part(part, len(FILE), read, content_type="audio/mpeg", headers={"etag": '"a"'})
    content = b"".join([piece async for piece in answer.chunks])
    assert answer.headers["content-length"] == str(len(content))
    if part is None:
        assert (answer.status, content, "content-range" in answer.headers) == (200, FILE, False)
    elif part.size_bytes:
        last = part.first + part.size_bytes - 1
        assert (answer.status, content) == (206, FILE[part.first : last + 1])
        assert answer.headers["content-range"] == f"bytes {part.first}-{last}/10"
    else:
        assert (answer.status, content, answer.headers["content-range"]) == (416, b"", "bytes */10")


def test_a_part_of_another_version_is_never_joined_to_this_one() -> None:
    asked = {"range": "bytes=5-"}
    assert part_asked({**asked, "if-range": '"a"'}, 10, '"a"') == Part(5, 5)
    assert part_asked({**asked, "if-range": '"b"'}, 10, '"a"') is None
    assert part_asked({**asked, "if-range": "Tue, 01 Dec 2026 00:00:00 GMT"}, 10, '"a"') is None
