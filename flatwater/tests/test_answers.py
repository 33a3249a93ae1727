import gzip
import json
from collections.abc import AsyncIterator

import msgspec
import pytest

from flatwater.answers import Answer, answer_with, problem, problem_for, squeezed
from flatwater.contract import Created, Html, Raw, Redirect, Streamed
from flatwater.errors import DatabaseUnavailable, TooBig, TooMany
from flatwater.inputs import InputInvalid
from flatwater.paging import BadCursor, Page
from flatwater.transaction import ValueRefused


class School(msgspec.Struct):
    id: int
    name: str


def content(answer: Answer | None) -> dict[str, object]:
    assert answer is not None
    return json.loads(answer.content)


def test_what_is_no_answer_becomes_json() -> None:
    answer = answer_with(Page([School(1, "សាលា")], next="abc"))
    assert (answer.status, answer.content_type) == (200, "application/json")
    assert content(answer) == {"items": [{"id": 1, "name": "សាលា"}], "next": "abc"}


def test_nothing_is_an_answer_without_content() -> None:
    answer = answer_with(None)
    assert (answer.status, answer.content) == (204, b"")


def test_a_page_bytes_and_a_thing_made_are_told_apart() -> None:
    assert answer_with(Html("<p>ក</p>", status=422)).content == "<p>ក</p>".encode()
    assert answer_with(Raw(b"a,b", "text/csv")).content_type == "text/csv"
    made = answer_with(Created(School(1, "A"), "/schools/1"))
    assert (made.status, made.headers["location"], content(made)["id"]) == (201, "/schools/1", 1)


async def _pieces() -> AsyncIterator[bytes]:
    yield b"a"


def test_a_stream_is_not_read_before_it_is_sent() -> None:
    chunks = _pieces()
    answer = answer_with(Streamed(chunks, "text/csv", {"x-a": "b"}))
    assert (answer.chunks, answer.content, answer.headers) == (chunks, b"", {"x-a": "b"})


@pytest.mark.parametrize(
    ("to", "location"),
    [
        ("/schools?search=សាលា ក", "/schools?search=%E1%9E%9F%E1%9E%B6%E1%9E%9B%E1%9E%B6%20%E1%9E%80"),
        ("/a%20b?x=1&y=2#z", "/a%20b?x=1&y=2#z"),
        ("/x\r\nset-cookie: a=b", "/x%0D%0Aset-cookie:%20a=b"),
        ("https://example.org:8000/a", "https://example.org:8000/a"),
    ],
)
def test_an_address_is_sent_as_a_header_may_carry_it(to: str, location: str) -> None:
    assert answer_with(Redirect(to)).headers["location"] == location
    assert answer_with(Created(None, to)).headers["location"] == location


def test_a_problem_has_the_members_of_its_standard_and_a_code() -> None:
    answer = problem(404, "not_found", "There is nothing.", id=7)
    assert answer.content_type == "application/problem+json"
    assert content(answer) == {
        "type": "about:blank",
        "title": "Not Found",
        "status": 404,
        "code": "not_found",
        "detail": "There is nothing.",
        "id": 7,
    }


def test_a_refusal_says_when_to_ask_again_in_whole_seconds() -> None:
    answer = problem_for(TooMany(retry_after_s=1.2))
    assert answer is not None
    assert (answer.status, answer.headers) == (429, {"retry-after": "2"})
    soon = problem_for(TooMany(retry_after_s=0.001))
    assert soon is not None
    assert soon.headers == {"retry-after": "1"}
    assert content(problem_for(DatabaseUnavailable()))["code"] == "database_unavailable"


def test_what_will_not_pass_later_either_does_not_say_when_to_ask_again() -> None:
    answer = problem_for(TooBig())
    assert answer is not None
    assert (answer.status, answer.headers) == (413, {})


def test_unreadable_input_says_where() -> None:
    assert content(problem_for(InputInvalid("Expected `int`.", where="body.age")))["where"] == "body.age"
    assert content(problem_for(BadCursor("Damaged.")))["where"] == "query.after"
    assert content(problem_for(ValueRefused("Too large.")))["code"] == "value_refused"


def test_what_nobody_expected_has_no_problem_document() -> None:
    assert problem_for(RuntimeError("a bug")) is None


@pytest.mark.parametrize(
    ("accepted", "is_squeezed"),
    [
        ("gzip, deflate, br", True),
        ("br;q=1.0, gzip;q=0.5", True),
        ("*", True),
        ("", False),
        ("gzip;q=0", False),
        ("br", False),
    ],
)
def test_a_long_text_is_squeezed_for_those_who_take_it(accepted: str, is_squeezed: bool) -> None:
    page = "<li>សិស្ស</li>" * 500
    answer = squeezed(answer_with(Html(page)), accepted)
    assert (answer.headers.get("content-encoding") == "gzip") == is_squeezed
    assert answer.headers["vary"] == "accept-encoding"
    plain = gzip.decompress(answer.content) if is_squeezed else answer.content
    assert plain.decode() == page
    assert len(answer.content) < 500 or not is_squeezed


def test_what_is_short_or_no_text_is_left_as_it_is() -> None:
    for answer in (
        answer_with(Html("short")),
        answer_with(Raw(b"x" * 5_000, "image/png")),
        answer_with(None),
    ):
        assert squeezed(answer, "gzip") is answer
