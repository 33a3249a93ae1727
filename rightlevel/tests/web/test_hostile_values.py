"""What broke others' services, tried on every route: a NUL byte, a number beyond its column, one key for two writes, a name nobody knows.

Each answer is also compared with the document by `answer_checks`, the body of every problem with its own schema included.
"""

from __future__ import annotations

import uuid
from collections.abc import AsyncIterator, Iterator
from typing import Any
from urllib.parse import quote

import httpx
import msgspec
import pytest
from asking import NOBODY_UUID, ask, own, path_of, query_of
from serving import NewDatabase, Served, serving

from flatwater.contract import UNSAFE, Endpoint
from flatwater.inputs import UnknownField
from rightlevel.programme.permissions import May
from rightlevel.web.app import all_routes
from rightlevel.web.language import LANGUAGES
from rightlevel.web.operations import pages as operations

pytestmark = pytest.mark.anyio

REGISTRY = all_routes()
NUL = "a\0b"
BEYOND = (2**31, -(2**63) - 1)
"""One beyond an integer, one beyond a bigint (and so beyond every column)."""
NOT_TRIED = {"/sign-out", "/me/sessions/revoke", "/api/v1/me/sessions/end-others"}
"""Whoever asks there is nobody afterwards."""
KNOWN = "/api/v1/places"


@pytest.fixture(scope="module")
async def scene(
    new_database: NewDatabase, tmp_path_factory: pytest.TempPathFactory, anyio_backend: object
) -> AsyncIterator[Served]:
    with pytest.MonkeyPatch.context() as patched:
        patched.setattr(operations, "STREAM_S", 0.05)
        async with serving(new_database(), tmp_path_factory.mktemp("hostile")) as opened:
            yield opened


def whole(kind: Any, text: str, number: int) -> Any:
    """A value with every field of a type filled, texts and numbers with these."""
    return _whole(msgspec.inspect.type_info(kind), text, number, 0)


def _whole(info: Any, text: str, number: int, depth: int) -> Any:
    match type(info).__name__:
        case "StructType":
            known = [each for each in info.fields if each.required or depth < 3]
            return {each.encode_name: _whole(each.type, text, number, depth + 1) for each in known}
        case "IntType" | "FloatType":
            return number
        case "BoolType":
            return False
        case "DateType":
            return "2026-11-20"
        case "DateTimeType":
            return "2026-11-20T08:00:00Z"
        case "UUIDType":
            return NOBODY_UUID
        case "StrType":
            return NOBODY_UUID if info.pattern else text
        case "LiteralType":
            return info.values[0]
        case "EnumType":
            return next(iter(info.cls)).value
        case "ListType" | "VarTupleType" | "SetType":
            return [] if depth > 3 else [_whole(info.item_type, text, number, depth + 1)]
        case "UnionType":
            chosen = next(each for each in info.types if type(each).__name__ != "NoneType")
            return _whole(chosen, text, number, depth)
        case _:
            return {text: text}


def _is_struct(kind: Any) -> bool:
    return isinstance(kind, type) and issubclass(kind, msgspec.Struct)


def _flat(values: dict[str, Any]) -> dict[str, Any]:
    return {name: value for name, value in values.items() if not isinstance(value, dict)}


async def send(
    client: httpx.AsyncClient, endpoint: Endpoint, text: str, number: int, path: str
) -> httpx.Response:
    """The route asked with these texts and numbers everywhere it takes some."""
    more: dict[str, Any] = {}
    if "body" in endpoint.inputs:
        more["json"] = whole(endpoint.inputs["body"], text, number)
    if "form" in endpoint.inputs:
        kind = endpoint.inputs["form"]
        more["data"] = (
            _flat(whole(kind, text, number)) if _is_struct(kind) else {"x": text, text: str(number)}
        )
    if "upload" in endpoint.inputs:
        more["files"] = {"file": ("x.csv", b"a,b\n1,2\n", "text/csv")}
    kind = endpoint.inputs.get("query")
    params = _flat(whole(kind, text, number)) if _is_struct(kind) else {}
    return await client.request(endpoint.method, path, params=params, **more)


def hostile_paths(endpoint: Endpoint, text: str, number: int) -> str:
    """The address with these in place of its parameters."""
    if not endpoint.path_parameters:
        return endpoint.path
    kinds = {each.encode_name: each.type for each in msgspec.structs.fields(endpoint.inputs["path"])}
    path = endpoint.path
    for name in endpoint.path_parameters:
        value = str(number) if "int" in str(kinds[name]) else quote(text)
        path = path.replace(f"{{{name}}}", value)
    return path


def tried() -> Iterator[Endpoint]:
    return (each for each in REGISTRY if each.path not in NOT_TRIED)


async def test_a_nul_byte_is_refused_everywhere_and_breaks_nothing(scene: Served) -> None:
    broken: list[str] = []
    for endpoint in tried():
        async with scene.client("admin") as client:
            for path in {path_of(endpoint, {}), hostile_paths(endpoint, NUL, 7)}:
                answer = await send(client, endpoint, NUL, 7, path)
                if answer.status_code >= 500:
                    broken.append(f"{endpoint.method} {path}: {answer.status_code} {answer.text[:200]}")
    assert broken == []


@pytest.mark.parametrize("number", BEYOND)
async def test_a_number_beyond_its_column_is_refused_everywhere(scene: Served, number: int) -> None:
    broken: list[str] = []
    for endpoint in tried():
        if not _takes_numbers(endpoint):
            continue
        async with scene.client("admin") as client:
            for path in {path_of(endpoint, {}), hostile_paths(endpoint, "x", number)}:
                answer = await send(client, endpoint, "x", number, path)
                if answer.status_code >= 500:
                    broken.append(f"{endpoint.method} {path}: {answer.status_code} {answer.text[:200]}")
    assert broken == []


def _takes_numbers(endpoint: Endpoint) -> bool:
    kinds = [kind for kind in endpoint.inputs.values() if _is_struct(kind)]
    return any(
        "int" in str(field.type) or "float" in str(field.type)
        for kind in kinds
        for field in msgspec.structs.fields(kind)
    )


async def test_one_key_is_for_one_write_of_one_route(scene: Served) -> None:
    key = {"idempotency-key": str(uuid.uuid4())}
    place = {"kind": "province", "parent_id": scene.cast.country, "code": "KEY", "name_local": "Key"}
    writes = [
        each for each in REGISTRY if each.work == "write" and isinstance(each.who, May) and each.path != KNOWN
    ]
    assert len(writes) > 150
    wrong: list[str] = []
    async with scene.client("admin") as client:
        assert (await client.post(KNOWN, json=place, headers=key)).status_code == 201
        client.headers.update(key)
        for endpoint in writes:
            answer = await ask(client, endpoint, {})
            allowed = (403,) if not endpoint.who.allows(scene.cast.admin) else (409, 429)
            if answer.status_code not in allowed:
                wrong.append(f"{endpoint.method} {endpoint.path}: {answer.status_code} {answer.text[:100]}")
            elif answer.status_code == 409 and endpoint.path.startswith("/api/"):
                assert answer.json()["code"] == "write_id_reused", endpoint.path
    assert wrong == []


async def test_a_name_that_no_route_knows_is_refused_by_name(scene: Served) -> None:
    """In the query of every route, and in the body of every route that takes JSON; nothing is done by it."""
    wrong: list[str] = []
    for endpoint in tried():
        if endpoint.inputs.get("query") is not None and not _is_struct(endpoint.inputs["query"]):
            continue
        async with scene.client("admin") as client:
            path, query = path_of(endpoint, own(scene.cast)), query_of(endpoint, own(scene.cast))
            more: dict[str, Any] = {}
            if "body" in endpoint.inputs:
                more["json"] = whole(endpoint.inputs["body"], "x", 1)
            if "form" in endpoint.inputs:
                more["data"] = {"x": "1"}
            if "upload" in endpoint.inputs:
                more["files"] = {"file": ("x.csv", b"a,b\n", "text/csv")}
            answer = await client.request(endpoint.method, path, params=query | {"schol_id": "24"}, **more)
            if answer.status_code in (403, 429):
                continue
            if answer.status_code != 422 or "schol_id" not in answer.text:
                wrong.append(f"{endpoint.method} {path}: {answer.status_code} {answer.text[:120]}")
            if "body" in endpoint.inputs and isinstance(more["json"], dict) and endpoint.method in UNSAFE:
                answer = await client.request(
                    endpoint.method, path, params=query, json=more["json"] | {"parentid": 5}
                )
                if answer.status_code != 429 and (answer.status_code, answer.json().get("names")) != (
                    422,
                    ["parentid"],
                ):
                    wrong.append(f"{endpoint.method} {path}, body: {answer.status_code} {answer.text[:120]}")
    assert wrong == []


async def test_names_are_refused_in_the_readers_language(scene: Served) -> None:
    async with scene.client("coordinator") as client:
        client.cookies.set("rl_language", "km")
        for path in ("/api/v1/schools", "/schools"):
            spoken = await client.get(path, params={"schol_id": 24}, headers={"accept-language": "km"})
            assert spoken.status_code == 422
            assert "schol_id" in spoken.text


async def test_a_reader_of_khmer_is_told_in_khmer(scene: Served) -> None:
    async with scene.client() as client:
        answer = await client.get("/api/v1/openapi.json", params={"x": 1}, headers={"accept-language": "km"})
        assert answer.json()["detail"] == LANGUAGES["km"].gettext(UnknownField.__doc__ or "", names="x")
        assert not answer.json()["detail"].isascii()


async def test_what_messengers_add_to_an_address_loses_no_page(scene: Served) -> None:
    async with scene.client("coordinator") as client:
        for name in ("utm_source", "fbclid", "gclid"):
            assert (await client.get("/schools", params={name: "x"})).status_code == 200
            assert (await client.get("/api/v1/schools", params={name: "x"})).status_code == 422


async def test_a_patch_that_moves_nothing_says_so(scene: Served) -> None:
    place = {"kind": "province", "parent_id": scene.cast.country, "code": "MOVE", "name_local": "Move"}
    async with scene.client("coordinator") as client:
        made = (await client.post("/api/v1/places", json=place)).json()
        sent = {"version": made["version"], "parent_id": scene.cast.district_1}
        answer = await client.patch(f"/api/v1/places/{made['id']}", json=sent)
        assert (answer.status_code, answer.json()["names"]) == (422, ["parent_id"])
        assert (await client.get(f"/api/v1/places/{made['id']}")).json() == made


async def test_an_unknown_school_is_told_wherever_it_is_sent(scene: Served) -> None:
    nowhere, number = 999_999_999, str(uuid.uuid4())
    asked: list[tuple[str, str, dict[str, Any]]] = [
        (
            "POST",
            "/api/v1/planned-visits",
            {
                "id": number,
                "school_id": nowhere,
                "subject": "math",
                "planned_on": "2026-12-01",
                "mentor_id": scene.cast.mentor.person_id,
            },
        ),
        (
            "PUT",
            f"/api/v1/visits/{number}",
            {"write_id": number, "school_id": nowhere, "subject": "math", "visited_on": "2026-11-20"},
        ),
        (
            "PUT",
            f"/api/v1/rounds/{scene.cast.round}/schools",
            {"schools": [{"school_id": nowhere, "starts_on": "2026-11-05"}]},
        ),
    ]
    async with scene.client("coordinator") as client:
        for method, path, body in asked:
            answer = await client.request(method, path, json=body)
            assert answer.status_code == 422, (path, answer.text)
            assert answer.json()["faults"], path


async def test_a_version_is_matched_by_its_tag(scene: Served) -> None:
    place = {"kind": "province", "parent_id": scene.cast.country, "code": "TAG", "name_local": "Tag"}
    async with scene.client("coordinator") as client:
        made = await client.post("/api/v1/places", json=place)
        path = made.headers["location"]
        tag = (await client.get(path)).headers["etag"]
        assert tag == made.headers["etag"] == f'"{made.json()["version"]}"'
        first = await client.patch(path, json={"name_local": "Tagged"}, headers={"if-match": tag})
        assert (first.status_code, first.headers["etag"]) == (200, '"2"')
        stale = await client.patch(path, json={"name_local": "Again"}, headers={"if-match": tag})
        assert (stale.status_code, stale.json()["code"]) == (412, "stale")
        by_version = await client.patch(path, json={"name_local": "Again", "version": 1})
        assert (by_version.status_code, by_version.json()["code"]) == (409, "stale")
        for wrong in ("*", 'W/"2"', "2", '"x"'):
            answer = await client.patch(path, json={"name_local": "Again"}, headers={"if-match": wrong})
            assert (answer.status_code, answer.json()["where"]) == (422, "header.if-match"), wrong
        both = await client.patch(
            path, json={"name_local": "Again", "version": 1}, headers={"if-match": '"2"'}
        )
        assert (both.status_code, both.json()["where"]) == (422, "body.version")
        nothing = await client.post("/api/v1/places", json=place, headers={"if-match": tag})
        assert (nothing.status_code, nothing.json()["where"]) == (422, "header.if-match")
