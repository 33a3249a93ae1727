"""Ids come in the forms that clients write: every route takes them all for the same, and nothing is kept under a raw one."""

from __future__ import annotations

import io
import uuid
from typing import Any

import msgspec
import pytest
from asking import NOBODY_UUID, path_of
from PIL import Image
from serving import Served

from flatwater.contract import Call, Endpoint, Sent
from flatwater.inputs import decode_inputs, plain_id
from flatwater.routing import Routes
from rightlevel.web.app import all_routes

pytestmark = pytest.mark.anyio
REGISTRY = all_routes()
NESTED = ("StructType", "ListType", "VarTupleType")
PLAIN = "0190f1e2-7abc-7def-8123-456789abcdef"
FORMS = (
    PLAIN.upper(),
    PLAIN.replace("-", ""),
    PLAIN.replace("-", "").upper(),
    "{" + PLAIN + "}",
    "urn:uuid:" + PLAIN,
    f" {PLAIN} ",
    "0190F1E27abc-7def-8123-456789abcdef",
)


def named(endpoint: Endpoint) -> str:
    return f"{endpoint.method} {endpoint.path}"


def holds_ids(name: str) -> bool:
    return name in ("id", "ids") or name.endswith(("_id", "_ids"))


def with_ids(info: Any, name: str, given: str, depth: int = 0) -> Any:
    """The smallest value of a type, with the given id wherever a field that holds ids takes a text."""
    match type(info).__name__:
        case "StructType":
            filled = {
                each.encode_name: with_ids(each.type, each.encode_name, given, depth + 1)
                for each in info.fields
                if each.required
                or holds_ids(each.encode_name)
                or (depth < 3 and type(each.type).__name__ in NESTED)
            }
            return {key: value for key, value in filled.items() if value is not None}
        case "IntType" | "FloatType":
            return max(1, info.ge or 0)
        case "BoolType":
            return False
        case "DateType":
            return "2026-11-20"
        case "DateTimeType":
            return "2026-11-20T08:00:00Z"
        case "StrType" | "UUIDType":
            return given if holds_ids(name) else "x"
        case "LiteralType":
            return info.values[0]
        case "EnumType":
            return next(iter(info.cls)).value
        case "ListType" | "VarTupleType":
            return [with_ids(info.item_type, name, given, depth + 1)]
        case "UnionType":
            kinds = [each for each in info.types if type(each).__name__ != "NoneType"]
            return with_ids(kinds[0], name, given, depth + 1)
        case "NoneType":
            return None
        case _:
            return {}


def decoded(endpoint: Endpoint, given: str) -> str:
    """All that the handler of a route would get, as JSON, when every id was sent in this form."""
    path = path_of(endpoint, {})
    path = path.replace(NOBODY_UUID, given)
    match = Routes(REGISTRY).match(endpoint.method, path)
    assert match is not None
    call: Call[Any, Any] = Call(
        endpoint=endpoint,
        app=None,
        database=None,
        clock=None,
        headers={},
        path="",
        query_string="",
        address="",
        request_id="",
    )  # type: ignore[arg-type]
    if "body" in endpoint.inputs:
        body = with_ids(msgspec.inspect.type_info(endpoint.inputs["body"]), "", given)
        call.sent = Sent(content=msgspec.json.encode(body))
    if "form" in endpoint.inputs:
        kind = endpoint.inputs["form"]
        if isinstance(kind, type) and issubclass(kind, msgspec.Struct):
            fields = with_ids(msgspec.inspect.type_info(kind), "", given)
            call.sent = Sent(
                fields={
                    name: [str(value[0] if isinstance(value, list) else value)]
                    for name, value in fields.items()
                }
            )
        else:
            call.sent = Sent(fields={"student_id": [given], "write_id.1": [given]})
    inputs = {name: kind for name, kind in endpoint.inputs.items() if name in ("path", "body", "form")}
    call.endpoint = msgspec.structs.replace(endpoint, inputs=inputs)
    return msgspec.json.encode(msgspec.to_builtins(decode_inputs(call, match.parameters))).decode()


@pytest.mark.parametrize("endpoint", list(REGISTRY), ids=named)
def test_every_route_takes_every_form_of_an_id_for_the_same(endpoint: Endpoint) -> None:
    expected = decoded(endpoint, PLAIN)
    for form in FORMS:
        assert decoded(endpoint, form) == expected, form


def test_some_routes_take_ids_in_path_body_and_form() -> None:
    having = [each for each in REGISTRY if PLAIN in decoded(each, PLAIN)]
    assert len(having) > 60
    for name in ("path", "body", "form"):
        assert any(name in each.inputs for each in having), "a walk that met no id is no walk"


def test_what_only_looks_like_an_id_is_left_alone() -> None:
    for text in ("", "x", PLAIN + "0", PLAIN[:-1], "0190f1e2_7abc", "{" * 40, "g" * 32, "1" * 31):
        assert plain_id(text) == text


async def test_an_escaped_id_in_json_is_no_way_around(served: Served) -> None:
    escaped = "".join(f"\\u{ord(each):04x}" for each in PLAIN.upper())
    endpoint = next(each for each in REGISTRY if each.path == "/api/v1/students" and each.method == "POST")
    call: Call[Any, Any] = Call(
        endpoint=msgspec.structs.replace(endpoint, inputs={"body": dict[str, str]}),
        app=None,
        database=None,
        clock=None,
        headers={},
        path="",
        query_string="",
        address="",
        request_id="",
    )  # type: ignore[arg-type]
    call.sent = Sent(content=f'{{"id": "{escaped}"}}'.encode())
    assert decode_inputs(call, {}) == {"body": {"id": PLAIN}}


def picture() -> bytes:
    out = io.BytesIO()
    Image.new("RGB", (32, 24), (200, 30, 30)).save(out, "JPEG")
    return out.getvalue()


@pytest.mark.parametrize(
    "form", [str.upper, lambda each: each.replace("-", ""), lambda each: "{" + each + "}"]
)
async def test_a_photo_whose_id_was_sent_in_another_form_is_found_again(served: Served, form: Any) -> None:
    visit = str(uuid.uuid4())
    async with served.client("mentor") as client:
        made = await client.put(f"/api/v1/visits/{form(visit)}", json=draft(served))
        assert made.status_code in (200, 201), made.text
        photo = str(uuid.uuid4())
        sent = await client.post(
            f"/api/v1/visits/{form(visit)}/photos",
            data={"id": form(photo)},
            files={"file": ("a.jpg", picture(), "image/jpeg")},
        )
        assert sent.status_code == 200, sent.text
        assert sent.json()["id"] == photo
        for asked in (photo, form(photo)):
            read = await client.get(f"/api/v1/photos/{asked}")
            assert (read.status_code, read.headers["content-type"]) == (200, "image/jpeg"), asked


def draft(served: Served) -> dict[str, Any]:
    return {
        "write_id": str(uuid.uuid4()),
        "version": 0,
        "school_id": served.cast.school_a,
        "subject": "math",
        "visited_on": "2026-11-20",
        "answers": {},
    }
