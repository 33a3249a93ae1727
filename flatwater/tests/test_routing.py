from typing import Any

import msgspec
import pytest

from flatwater.contract import Everyone, Registry
from flatwater.rate_limit import RateClass
from flatwater.routing import MAX_PATH_CHARS, Match, Routes

RATE = RateClass("any", per_s=1, burst=1)


class Id(msgspec.Struct):
    id: str


class IdAndDay(msgspec.Struct):
    id: str
    day: str


async def plain(call: Any) -> None:
    """A route."""


async def of_one(call: Any, *, path: Id) -> None:
    """A route."""


async def of_day(call: Any, *, path: IdAndDay) -> None:
    """A route."""


def routes() -> Routes:
    registry = Registry()
    for name, method, path, handler in (
        ("root", "GET", "/", plain),
        ("schools", "GET", "/schools", plain),
        ("one", "GET", "/schools/{id}", of_one),
        ("change", "PATCH", "/schools/{id}", of_one),
        ("new", "GET", "/schools/new", plain),
        ("days", "GET", "/schools/{id}/days/{day}", of_day),
        ("new_days", "GET", "/schools/new/days", plain),
    ):
        registry.endpoint(method, path, who=Everyone(), rate=RATE, deadline_s=1, work="read", name=name)(
            handler
        )
    registry.verify()
    return Routes(registry)


def match(path: str, method: str = "GET") -> Match:
    found = routes().match(method, path)
    assert found is not None
    return found


def found(path: str, method: str = "GET") -> tuple[str, dict[str, str]]:
    at = match(path, method)
    assert at.endpoint is not None
    return at.endpoint.name, at.parameters


def test_a_literal_part_wins_over_a_parameter_whatever_was_declared_first() -> None:
    assert found("/schools/new") == ("new", {})
    assert found("/schools/7") == ("one", {"id": "7"})


def test_a_literal_part_that_leads_nowhere_gives_way_to_a_parameter() -> None:
    assert found("/schools/new/days/monday") == ("days", {"id": "new", "day": "monday"})
    assert found("/schools/new/days") == ("new_days", {})


def test_parameters_are_the_decoded_parts_of_the_path() -> None:
    assert found("/schools/សាលា ក") == ("one", {"id": "សាលា ក"})
    assert found("/schools/{id}") == ("one", {"id": "{id}"})


@pytest.mark.parametrize(
    "path",
    ["/nothing", "/schools/", "/schools/7/", "//", "/schools//days/monday", "", "schools", "/schools/7/days"],
)
def test_nothing_is_at_other_addresses_nor_behind_a_trailing_slash(path: str) -> None:
    assert routes().match("GET", path) is None


def test_a_parameter_is_never_empty() -> None:
    assert routes().match("GET", "/schools/7/days/") is None


def test_a_method_that_is_not_offered_is_told_the_ones_that_are() -> None:
    at = match("/schools/7", "DELETE")
    assert at.endpoint is None
    assert sorted(at.methods) == ["GET", "HEAD", "PATCH"]


def test_head_is_answered_by_get() -> None:
    assert found("/schools/7", "HEAD") == ("one", {"id": "7"})


def test_a_path_is_bounded_in_length_and_holds_no_zero_character() -> None:
    assert routes().match("GET", "/schools/" + "x" * (MAX_PATH_CHARS - 9)) is not None
    assert routes().match("GET", "/schools/" + "x" * (MAX_PATH_CHARS - 8)) is None
    assert routes().match("GET", "/" * MAX_PATH_CHARS) is None
    assert routes().match("GET", "/schools/7\0") is None
