from typing import Annotated, Any, cast

import msgspec
import pytest

from flatwater.contract import (
    Call,
    ContractBroken,
    Everyone,
    Handler,
    Html,
    Redirect,
    Registry,
    SharedWork,
    SignedIn,
    Together,
    Upload,
)
from flatwater.paging import Page, PageLimit, PageRequest
from flatwater.rate_limit import RateClass

RATE = RateClass("any", per_s=1, burst=1)


class Id(msgspec.Struct):
    id: int


class Search(msgspec.Struct):
    limit: int = 3


async def whole(call: Any) -> None:
    """A route that is whole."""


async def silent(call: Any) -> None: ...


async def gives_nothing_known(call: Any):
    """A route without an output type."""


async def takes_untyped(call: Any, *, body) -> None:  # pyright: ignore[reportUnknownParameterType, reportMissingParameterType]
    """A route with an input without a type."""


async def takes_odd(call: Any, *, cookies: Id) -> None:
    """A route with an input that there is not."""


async def takes_path(call: Any, *, path: Id) -> None:
    """A route with a path."""


async def takes_body(call: Any, *, body: Id) -> None:
    """A route with a body."""


async def takes_both(call: Any, *, body: Id, form: Id) -> None:
    """A route with two bodies."""


async def takes_file(call: Any, *, upload: Upload) -> None:
    """A route with a file."""


async def takes_page(call: Any, *, page: PageRequest) -> Page[Id]:
    """A route with pages."""
    return Page([])


async def takes_page_and_limit(call: Any, *, page: PageRequest, query: Search) -> Page[Id]:
    """A route with two limits."""
    return Page([])


async def gives_list(call: Any) -> list[Id]:
    """A route that gives many."""
    return []


async def gives_perhaps_a_list(call: Any) -> list[Id] | None:
    """A route that gives many or nothing."""


def declare(registry: Registry, handler: Handler, method: str = "GET", path: str = "/a", **more: Any) -> None:
    promised: dict[str, Any] = {"who": Everyone(), "rate": RATE, "deadline_s": 1.0, "work": "read"}
    registry.endpoint(method, path, **{**promised, **more})(handler)


TOGETHER = Together(SharedWork("shared", cast("Any", None)), lambda _call: None, lambda *_: None)


@pytest.mark.parametrize(
    ("gap", "handler", "more"),
    [
        ("method 'FETCH' is none of", whole, {"method": "FETCH"}),
        ("work 'wriet' is none of", whole, {"work": "wriet"}),
        ("does not start with /", whole, {"path": "a"}),
        ("a whole part of the path", takes_path, {"path": "/a/{id}.csv"}),
        ("a whole part of the path", takes_path, {"path": "/a/{id"}),
        ("there twice", takes_path, {"path": "/a/{id}/{id}"}),
        ("takes no `path`", whole, {"path": "/a/{id}"}),
        ("not the fields of its type: id, number", takes_path, {"path": "/a/{number}"}),
        ("has no path parameters", takes_path, {}),
        ("no summary", silent, {}),
        ("deadline_s", whole, {"deadline_s": 0}),
        ("deadline_s", whole, {"deadline_s": 301}),
        ("deadline_s", whole, {"deadline_s": float("nan")}),
        ("no output type", gives_nothing_known, {}),
        ("input 'body' has no type", cast("Handler", takes_untyped), {"method": "POST", "body_bytes": 9}),
        ("input 'cookies' is none of", takes_odd, {}),
        ("declares no body_bytes", takes_body, {"method": "POST"}),
        ("declares no body_bytes", takes_file, {"method": "POST"}),
        ("a GET takes no body", takes_body, {"body_bytes": 9}),
        ("not both", takes_both, {"method": "POST", "body_bytes": 9}),
        ("gives many rows", gives_list, {}),
        ("gives many rows", gives_perhaps_a_list, {}),
        ("both or neither", takes_page, {}),
        ("both or neither", whole, {"page": PageLimit()}),
        ("limit belong to the page", takes_page_and_limit, {"page": PageLimit()}),
        ("a GET never writes", whole, {"work": "write"}),
        ("shares a transaction but has none", whole, {"together": TOGETHER}),
    ],
)
def test_a_route_with_a_gap_does_not_start(gap: str, handler: Handler, more: dict[str, Any]) -> None:
    registry = Registry()
    declare(registry, handler, **more)
    with pytest.raises(ContractBroken, match=gap):
        registry.verify()


def test_all_gaps_of_all_routes_are_named_at_once() -> None:
    registry = Registry()
    declare(registry, silent, "FETCH", "/a")
    declare(registry, takes_body, "POST", "/b", deadline_s=0)
    with pytest.raises(ContractBroken) as broken:
        registry.verify()
    lines = str(broken.value).splitlines()[1:]
    assert [line.split(":")[0] for line in lines] == ["silent (FETCH /a)"] * 2 + ["takes_body (POST /b)"] * 2


def test_whole_routes_start_and_keep_their_order() -> None:
    registry = Registry()
    declare(registry, whole)
    declare(registry, takes_path, path="/a/{id}")
    declare(registry, takes_page, path="/b", page=PageLimit())
    registry.verify()
    assert [endpoint.name for endpoint in registry] == ["whole", "takes_path", "takes_page"]
    assert len(registry) == 3
    assert registry["takes_path"].path_parameters == ("id",)


@pytest.mark.parametrize(
    ("first", "second", "fault"),
    [
        (("GET", "/a"), ("GET", "/a"), "GET /a is declared twice"),
        (("GET", "/a/{id}"), ("GET", "/a/{key}"), "GET /a/{key} is declared twice"),
        (("GET", "/a/{id}"), ("PUT", "/a/{key}"), "name the same part differently"),
    ],
)
def test_two_routes_at_one_place_do_not_start(
    first: tuple[str, str], second: tuple[str, str], fault: str
) -> None:
    registry = Registry()
    declare(registry, whole, *first, name="first")
    declare(registry, whole, *second, name="second")
    with pytest.raises(ContractBroken) as broken:
        registry.verify()
    assert fault in str(broken.value)


def test_two_routes_of_one_name_do_not_start() -> None:
    registry = Registry()
    declare(registry, whole, path="/a")
    declare(registry, whole, path="/b")
    with pytest.raises(ContractBroken, match="whole is declared twice"):
        registry.verify()


def test_a_registry_that_is_taken_over_brings_its_faults_along_once() -> None:
    inner, outer = Registry(), Registry()
    declare(inner, silent)
    declare(inner, whole, path="/b")
    declare(inner, whole, path="/c")
    outer.include(inner)
    with pytest.raises(ContractBroken) as broken:
        outer.verify()
    assert str(broken.value).splitlines()[1:] == [
        "silent (GET /a): no summary (the handler's docstring)",
        "whole is declared twice",
    ]


def test_two_registries_may_not_hold_the_same_route() -> None:
    one, two, all_of_them = Registry(), Registry(), Registry()
    declare(one, whole, name="one")
    declare(two, whole, name="two")
    all_of_them.include(one)
    all_of_them.include(two)
    with pytest.raises(ContractBroken, match="GET /a is declared twice"):
        all_of_them.verify()


def test_limits_on_an_annotation_are_kept() -> None:
    async def short(call: Any, *, body: Annotated[list[int], msgspec.Meta(max_length=2)]) -> None:
        """A route that takes two numbers."""

    registry = Registry()
    declare(registry, short, "POST", body_bytes=99)
    with pytest.raises(msgspec.ValidationError):
        msgspec.convert([1, 2, 3], registry["short"].inputs["body"])


def test_a_page_for_people_is_known_by_its_output() -> None:
    async def page(call: Any) -> Html | Redirect:
        """A page."""
        return Html("")

    registry = Registry()
    declare(registry, page)
    declare(registry, whole, path="/b")
    assert [endpoint.is_page for endpoint in registry] == [True, False]


def test_a_route_without_a_session_says_so_when_asked_for_it() -> None:
    registry = Registry()
    declare(registry, whole, work="none")
    call: Call[None, None] = Call(
        endpoint=registry["whole"],
        app=None,
        database=cast("Any", None),
        clock=cast("Any", None),
        headers={},
        path="/a",
        query_string="",
        address="",
        request_id="",
    )
    with pytest.raises(RuntimeError, match="whole declared work='none'"):
        _ = call.session


def test_everyone_and_the_signed_in_are_told_apart() -> None:
    assert Everyone().allows(None)
    assert not SignedIn().allows(None)
    assert SignedIn().allows("somebody")
    assert (Everyone().needs_actor, SignedIn().needs_actor) == (False, True)
