"""Every route × every role × (own, other school, other subject, nobody): the permission table, walked over HTTP.

A route that this file does not know how to ask fails the test, so nobody adds one without saying who may call it.
"""

from __future__ import annotations

import re
from collections.abc import AsyncIterator, Callable
from pathlib import Path
from typing import Any

import httpx
import msgspec
import pytest
from people import NAMES, Cast
from serving import OneDatabase, Served, serving

from flatwater.contract import Endpoint
from rightlevel.programme.permissions import ROLES, TABLE, May, allowed
from rightlevel.web.app import all_routes

pytestmark = pytest.mark.anyio

REGISTRY = all_routes()
NOBODY_UUID = "01890000-0000-7000-8000-000000000000"
OPEN_TO_ALL = {
    "/healthz", "/version", "/api/v1/openapi.json", "/sign-in", "/language",
}  # fmt: skip
"""The only addresses for somebody who isn't signed in; a new one is a decision, made here."""

ROLE_OF = {name: name.split("_")[0] if name != "stranger" else "teacher" for name in NAMES}


@pytest.fixture(scope="module")
async def house(
    new_database: Callable[[], OneDatabase], tmp_path_factory: pytest.TempPathFactory, anyio_backend: object
) -> AsyncIterator[Served]:
    async with serving(new_database(), tmp_path_factory.mktemp("routes")) as opened:
        yield opened


def filled(kind: Any) -> Any:
    """The smallest value that a type takes."""
    return _filled(msgspec.inspect.type_info(kind))


def _filled(info: Any) -> Any:
    match type(info).__name__:
        case "StructType":
            return {field.encode_name: _filled(field.type) for field in info.fields if field.required}
        case "IntType" | "FloatType":
            return max(1, info.ge or 0)
        case "BoolType":
            return False
        case "DateType":
            return "2026-11-20"
        case "DateTimeType":
            return "2026-11-20T08:00:00Z"
        case "UUIDType":
            return NOBODY_UUID
        case "StrType":
            return NOBODY_UUID if info.pattern else "x"
        case "LiteralType":
            return info.values[0]
        case "EnumType":
            return next(iter(info.cls)).value
        case "ListType" | "VarTupleType":
            return [_filled(info.item_type)]
        case "UnionType":
            return _filled(next(each for each in info.types if type(each).__name__ != "NoneType"))
        case "DictType" | "AnyType":
            return {}
        case other:
            raise AssertionError(f"this test does not know how to fill a {other}")


def path_of(endpoint: Endpoint, ids: dict[str, Any]) -> str:
    """The route's address for these ids; a parameter without an id gets one that nothing has."""

    def one(match: re.Match[str]) -> str:
        name = match[1]
        noun = endpoint.path[: match.start()].rstrip("/").rsplit("/", 1)[-1]
        known = ids.get(name) or ids.get(noun)
        if known is not None and not (noun in ("results", "sessions", "tokens", "imports") and name == "id"):
            return str(known)
        kinds = {field.name: field.type for field in msgspec.structs.fields(endpoint.inputs["path"])}
        return NOBODY_UUID if "int" not in str(kinds.get(name)) else "999999999"

    return re.sub(r"\{(\w+)\}", one, endpoint.path)


def query_of(endpoint: Endpoint, ids: dict[str, Any]) -> dict[str, str]:
    """Whatever the query must have, with the ids where it names them."""
    kind = endpoint.inputs.get("query")
    if kind is None:
        return {}
    query: dict[str, str] = {}
    for field in msgspec.structs.fields(kind):
        known = ids.get(field.encode_name)
        if known is not None:
            query[field.encode_name] = str(known)
        elif field.required:
            query[field.encode_name] = str(_filled(msgspec.inspect.type_info(field.type)))
    return query


async def ask(client: httpx.AsyncClient, endpoint: Endpoint, ids: dict[str, Any]) -> httpx.Response:
    more: dict[str, Any] = {}
    if "body" in endpoint.inputs:
        more["json"] = with_ids(filled(endpoint.inputs["body"]), ids)
    if "form" in endpoint.inputs:
        given = endpoint.inputs["form"]
        more["data"] = (
            with_ids(filled(given), ids)
            if isinstance(given, type) and issubclass(given, msgspec.Struct)
            else {"x": "1"}
        )
    if "upload" in endpoint.inputs:
        more["files"] = {"file": ("x.csv", b"a,b\n1,2\n", "text/csv")}
        more["data"] = {"kind": "students"}
    return await client.request(
        endpoint.method, path_of(endpoint, ids), params=query_of(endpoint, ids), **more
    )


def with_ids(body: Any, ids: dict[str, Any]) -> Any:
    if isinstance(body, dict):
        return {name: ids.get(name, with_ids(value, ids)) for name, value in body.items()}
    if isinstance(body, list):
        return [with_ids(each, ids) for each in body]
    return body


def own(cast: Cast) -> dict[str, Any]:
    return {
        "schools": cast.school_a, "school_id": cast.school_a, "students": cast.students_a[0],
        "student_id": cast.students_a[0], "round_id": cast.round, "round": cast.round, "subject": "math",
    }  # fmt: skip


def other_school(cast: Cast) -> dict[str, Any]:
    return {
        "schools": cast.school_b, "school_id": cast.school_b, "students": cast.students_b[0],
        "student_id": cast.students_b[0], "round_id": cast.round, "round": cast.round, "subject": "math",
    }  # fmt: skip


NOTHING_THERE: dict[str, Any] = {}
EVERY = list(REGISTRY)


def named(endpoint: Endpoint) -> str:
    return f"{endpoint.method} {endpoint.path}"


def test_every_route_says_who_may_call_it() -> None:
    for endpoint in REGISTRY:
        if endpoint.who.needs_actor:
            assert isinstance(endpoint.who, May), f"{named(endpoint)} does not ask the permission table"
        else:
            assert endpoint.path in OPEN_TO_ALL, f"{named(endpoint)} is open to strangers; was that decided?"


def test_every_pair_of_the_table_names_known_roles() -> None:
    for pair, roles in TABLE.items():
        assert roles <= set(ROLES), pair


@pytest.mark.parametrize("endpoint", EVERY, ids=named)
async def test_a_stranger_gets_in_nowhere_but_where_all_may(house: Served, endpoint: Endpoint) -> None:
    async with house.client() as client:
        answer = await ask(client, endpoint, own(house.cast))
    if endpoint.path in OPEN_TO_ALL:
        assert answer.status_code not in (401, 500), answer.text
    elif endpoint.is_page and endpoint.method == "GET":
        assert (answer.status_code, answer.headers["location"].split("?")[0]) == (303, "/sign-in")
    else:
        assert answer.status_code == 401, answer.text


@pytest.mark.parametrize("endpoint", [each for each in EVERY if isinstance(each.who, May)], ids=named)
async def test_each_role_is_let_in_or_refused_as_the_table_says(house: Served, endpoint: Endpoint) -> None:
    assert isinstance(endpoint.who, May)
    # Changing routes are asked for things that are not there, so that what they would do is never done.
    ids = own(house.cast) if endpoint.method == "GET" else NOTHING_THERE
    for name in ("admin", "coordinator", "mentor", "teacher", "viewer"):
        async with house.client(name) as client:
            answer = await ask(client, endpoint, ids)
        assert answer.status_code != 500, f"{name}: {answer.text}"
        if allowed(ROLE_OF[name], endpoint.who.action, endpoint.who.resource):  # type: ignore[arg-type]
            assert answer.status_code != 401, name
            if (
                endpoint.method == "GET" and endpoint.who.resource != "self"
            ):  # one's own things; others' are refused inside
                assert answer.status_code != 403, f"{name} is allowed but was refused: {answer.text}"
        else:
            assert answer.status_code == 403, f"{name} got {answer.status_code}"


FIELD = ("mentor", "teacher", "stranger")
SCOPED = [
    each for each in EVERY
    if isinstance(each.who, May) and each.who.resource in ("student", "result", "class_sheet")
    and ("{" in each.path or {"query", "body"} & each.inputs.keys())
]  # fmt: skip


@pytest.mark.parametrize("endpoint", SCOPED, ids=named)
async def test_nobody_reaches_a_child_of_another_school(house: Served, endpoint: Endpoint) -> None:
    ids = other_school(house.cast)
    secrets = [*house.cast.students_b, "Beta child"]
    for name in FIELD:
        async with house.client(name) as client:
            answer = await ask(client, endpoint, ids)
        assert answer.status_code != 500, answer.text
        shown = [
            secret for secret in secrets if secret in answer.text and secret not in str(answer.request.url)
        ]
        body = answer.request.content.decode(errors="replace")
        assert not [secret for secret in shown if secret not in body], (
            f"{name} saw {shown} at {named(endpoint)}"
        )
        if endpoint.method != "GET" and "results" not in endpoint.path:
            assert answer.status_code in (403, 404, 422), (
                f"{name} got {answer.status_code}: {answer.text[:200]}"
            )


@pytest.mark.parametrize("endpoint", SCOPED, ids=named)
async def test_nobody_reaches_a_subject_that_is_not_theirs(house: Served, endpoint: Endpoint) -> None:
    if "subject" not in str(endpoint.inputs.get("query")) and "result" not in endpoint.who.resource:  # type: ignore[attr-defined]
        pytest.skip("no subject is asked for here")
    async with house.client("teacher_elsewhere") as client:  # holds language only
        answer = await ask(client, endpoint, {**other_school(house.cast), "subject": "math"})
    assert answer.status_code != 500, answer.text
    if endpoint.method == "GET" and "subject" in query_of(endpoint, {"subject": "math"}):
        assert answer.status_code in (403, 404), answer.text[:300]


def test_the_two_checks_look_at_some_routes() -> None:
    assert len(SCOPED) >= 10, "a check that looked at nothing is no check"
    assert Path(__file__).exists()
