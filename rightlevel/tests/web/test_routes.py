"""A route has the policy of its verb, and says only where it deviates."""

from __future__ import annotations

import ast
from collections.abc import Iterator
from pathlib import Path

import msgspec
import pytest

import rightlevel.web
from flatwater.contract import UNSAFE, Endpoint, Everyone
from flatwater.paging import Page, PageLimit, PageRequest
from rightlevel.web.app import all_routes
from rightlevel.web.request import CLASS_BODY, READ_S, READS, SIGN_IN, SMALL_BODY, WRITE_S, WRITES, Request
from rightlevel.web.routes import SIGNING_IN, Routes

ROOM = Path(rightlevel.web.__file__).parent
MOST_LINES_A_ROUTE = 1.4


class Typed(msgspec.Struct, frozen=True):
    """Something that is sent."""

    name: str


def only(routes: Routes) -> Endpoint:
    routes.verify()
    (endpoint,) = routes
    return endpoint


async def shows(request: Request) -> None:
    """Shows what is there."""


async def does(request: Request, *, body: Typed) -> None:
    """Does a deed."""


async def lists(request: Request, *, page: PageRequest) -> Page[Typed]:
    """Lists what is there."""
    return Page([], None)


def test_what_is_read_has_the_policy_of_reading() -> None:
    routes = Routes("things")
    routes.get("/things", Everyone())(shows)
    endpoint = only(routes)
    assert (endpoint.method, endpoint.rate, endpoint.deadline_s) == ("GET", READS, READ_S)
    assert (endpoint.work, endpoint.body_bytes, endpoint.page) == ("read", 0, None)
    assert endpoint.tags == ("things",)


@pytest.mark.parametrize("verb", ["post", "put", "patch", "delete"])
def test_what_is_written_has_the_policy_of_writing(verb: str) -> None:
    routes = Routes("things")
    getattr(routes, verb)("/things", Everyone())(does)
    endpoint = only(routes)
    assert (endpoint.method, endpoint.rate, endpoint.deadline_s) == (verb.upper(), WRITES, WRITE_S)
    assert (endpoint.work, endpoint.body_bytes, endpoint.priority) == ("write", SMALL_BODY, "last")


def test_a_list_has_the_common_page_and_a_longer_one_says_so() -> None:
    common, longer = Routes(), Routes()
    common.get("/things", Everyone())(lists)
    longer.get("/things", Everyone(), page=PageLimit(50))(lists)
    assert only(common).page == PageLimit()
    assert only(longer).page == PageLimit(50)


def test_a_question_that_comes_with_a_body_is_still_a_reading() -> None:
    routes = Routes()
    routes.post("/things/preview", Everyone(), work="read", body_bytes=CLASS_BODY)(does)
    endpoint = only(routes)
    assert (endpoint.rate, endpoint.deadline_s, endpoint.body_bytes) == (READS, READ_S, CLASS_BODY)


def test_guessing_a_secret_is_bounded_and_holds_no_connection() -> None:
    routes = Routes()
    routes.post("/sign-in", Everyone(), **SIGNING_IN, tags=("in",))(does)
    endpoint = only(routes)
    assert (endpoint.rate, endpoint.work, endpoint.tags) == (SIGN_IN, "none", ("in",))


def declarations() -> Iterator[tuple[Path, ast.Call]]:
    verbs = {"endpoint", "on", *(each.lower() for each in {"GET", *UNSAFE})}
    for path in sorted(ROOM.rglob("*.py")):
        for node in ast.walk(ast.parse(path.read_text("utf-8"))):
            if not isinstance(node, ast.AsyncFunctionDef):
                continue
            for each in node.decorator_list:
                is_call = isinstance(each, ast.Call) and isinstance(each.func, ast.Attribute)
                if is_call and each.func.attr in verbs:
                    yield path, each


def test_no_handler_repeats_what_its_verb_says() -> None:
    """Declared whole, a policy hides in eight lines where it is unlike the others."""
    found = list(declarations())
    assert len(found) > len(list(all_routes())) / 3  # it does read the declarations
    whole = [f"{path.name}:{each.lineno}" for path, each in found if each.func.attr == "endpoint"]  # type: ignore[attr-defined]
    assert whole == []
    lines = sum((each.end_lineno or 0) - each.lineno + 1 for _, each in found)
    assert lines <= MOST_LINES_A_ROUTE * len(found)
