import json
import re
from enum import Enum
from typing import Annotated, Any, Optional, Union

import msgspec
import pytest

from flatwater.contract import (
    Created,
    Everyone,
    Html,
    Raw,
    Redirect,
    Registry,
    SignedIn,
    Streamed,
    Upload,
)
from flatwater.openapi import openapi
from flatwater.paging import Page, PageLimit, PageRequest
from flatwater.rate_limit import RateClass

RATE = RateClass("reads", per_s=5, burst=10)
SECURITY = {
    "bearer": {"type": "http", "scheme": "bearer"},
    "session": {"type": "apiKey", "in": "cookie", "name": "session"},
}


class Sex(Enum):
    GIRL = "girl"
    BOY = "boy"


class Child(msgspec.Struct):
    """One child."""

    id: int
    name: Annotated[str, msgspec.Meta(max_length=200)]
    sex: Sex
    mother: "Child | None" = None


class Search(msgspec.Struct):
    grade: int
    sex: Sex | None = None
    is_deleted: bool = msgspec.field(default=False, name="deleted")


class ById(msgspec.Struct):
    id: int


class NewChild(msgspec.Struct):
    name: str
    sex: Sex


class ImportForm(msgspec.Struct):
    kind: str
    sex: Sex = Sex.BOY


async def list_children(call: Any, *, query: Search, page: PageRequest) -> Page[Child]:
    """Children in order."""
    raise NotImplementedError


async def read_child(call: Any, *, path: ById) -> Child | None:
    """One child, if there is one."""


async def create_child(call: Any, *, body: NewChild) -> Created[Child]:
    """Enrols a child."""
    raise NotImplementedError


async def change_child(call: Any, *, path: ById, body: NewChild) -> Child:
    """Changes a child."""
    raise NotImplementedError


async def delete_child(call: Any, *, path: ById) -> None:
    """Removes a child."""


async def import_children(call: Any, *, form: ImportForm, upload: Upload) -> Raw:
    """Takes in a file."""
    raise NotImplementedError


async def show_form(call: Any) -> Html:
    """A page."""
    raise NotImplementedError


async def send_form(call: Any, *, form: NewChild) -> Union[Html, Redirect]:  # noqa: UP007  as older code says it
    """Sends a page's form."""
    raise NotImplementedError


async def send_any(call: Any, *, form: dict[str, list[str]]) -> Redirect:
    """Sends any form."""
    raise NotImplementedError


async def export_children(call: Any) -> Streamed:
    """All of them, as a file."""
    raise NotImplementedError


async def find_child(call: Any) -> Optional[Child]:  # noqa: UP045  as older code says it
    """Perhaps a child."""


@pytest.fixture(scope="module")
def document() -> dict[str, Any]:
    registry = Registry()

    def declare(method: str, path: str, handler: Any, **more: Any) -> None:
        promised: dict[str, Any] = {
            "who": SignedIn(),
            "rate": RATE,
            "deadline_s": 2.0,
            "work": "read",
            "tags": ("children",),
        }
        registry.endpoint(method, path, **{**promised, **more})(handler)

    write: dict[str, Any] = {"work": "write", "body_bytes": 4_096}
    declare("GET", "/children", list_children, page=PageLimit(default=20, ceiling=200))
    declare("POST", "/children", create_child, statuses={409: "The code is taken."}, **write)
    declare("GET", "/children/{id}", read_child)
    declare("PATCH", "/children/{id}", change_child, **write)
    declare("DELETE", "/children/{id}", delete_child, **write)
    declare("POST", "/imports", import_children, media=("text/csv",), **write)
    declare("GET", "/form", show_form, who=Everyone())
    declare("POST", "/form", send_form, **write)
    declare("POST", "/any", send_any, **write)
    declare("GET", "/export", export_children, media=("text/csv; charset=utf-8",))
    declare("GET", "/found", find_child)
    registry.verify()
    made = openapi(registry, title="Children", version="1.2.3", security=SECURITY)
    return json.loads(msgspec.json.encode(made))


def operations(document: dict[str, Any]) -> list[tuple[str, str, dict[str, Any]]]:
    return [
        (path, method, operation)
        for path, methods in document["paths"].items()
        for method, operation in methods.items()
    ]


def references(document: dict[str, Any]) -> list[str]:
    return re.findall(r'"\$ref": "([^"]*)"', json.dumps(document))


def test_the_document_names_its_version_and_itself(document: dict[str, Any]) -> None:
    assert document["openapi"] == "3.1.0"
    assert document["info"] == {"title": "Children", "version": "1.2.3"}
    assert document["components"]["securitySchemes"] == SECURITY
    assert set(document) == {"openapi", "info", "paths", "components", "x-headers", "x-error-codes"}


def test_every_route_is_there_under_a_name_of_its_own(document: dict[str, Any]) -> None:
    asked = {(path, method) for path, method, _ in operations(document)}
    assert asked == {
        ("/children", "get"),
        ("/children", "post"),
        ("/children/{id}", "get"),
        ("/children/{id}", "patch"),
        ("/children/{id}", "delete"),
        ("/imports", "post"),
        ("/form", "get"),
        ("/form", "post"),
        ("/any", "post"),
        ("/export", "get"),
        ("/found", "get"),
    }
    names = [operation["operationId"] for _, _, operation in operations(document)]
    assert len(set(names)) == len(names) == 11


def test_every_operation_has_the_members_the_standard_asks_for(document: dict[str, Any]) -> None:
    for path, _, operation in operations(document):
        assert operation["responses"]
        for status, response in operation["responses"].items():
            assert len(status) == 3
            assert status.isdigit()
            shared = document["components"]["responses"].get(response.get("$ref", "").rpartition("/")[2])
            assert (shared or response)["description"]
        in_path = {each["name"] for each in operation["parameters"] if each["in"] == "path"}
        assert in_path == {part[1:-1] for part in path.split("/") if part.startswith("{")}
        for parameter in operation["parameters"]:
            assert parameter["in"] in ("path", "query")
            assert parameter["schema"]
            assert parameter["in"] == "query" or parameter["required"] is True
        placed = [(each["in"], each["name"]) for each in operation["parameters"]]
        assert len(set(placed)) == len(placed)
        if "requestBody" in operation:
            assert operation["requestBody"]["content"]


def test_every_reference_leads_somewhere(document: dict[str, Any]) -> None:
    found = references(document)
    assert found
    for reference in found:
        prefix, _, name = reference.rpartition("/")
        kind = prefix.removeprefix("#/components/")
        assert kind in ("schemas", "responses", "headers")
        assert name in document["components"][kind], reference


def test_the_rest_of_each_contract_is_told(document: dict[str, Any]) -> None:
    operation = document["paths"]["/children"]["post"]
    assert operation["x-who"] == "everyone signed in"
    assert operation["x-deadline-s"] == 2.0
    assert operation["x-rate"] == {"name": "reads", "per_s": 5, "burst": 10}
    assert operation["x-work"] == "write"
    assert operation["x-body-bytes"] == 4_096
    assert operation["tags"] == ["children"]
    assert operation["summary"] == "Enrols a child."


def test_who_must_sign_in_may_do_so_in_any_of_the_ways(document: dict[str, Any]) -> None:
    assert document["paths"]["/children"]["get"]["security"] == [{"bearer": []}, {"session": []}]
    assert "security" not in document["paths"]["/form"]["get"]


def test_queries_and_pages_are_parameters(document: dict[str, Any]) -> None:
    parameters = {each["name"]: each for each in document["paths"]["/children"]["get"]["parameters"]}
    assert list(parameters) == ["grade", "sex", "deleted", "limit", "after"]
    assert [parameters[name]["required"] for name in parameters] == [True, False, False, False, False]
    assert parameters["limit"]["schema"] == {"type": "integer", "minimum": 1, "maximum": 200, "default": 20}


def test_bodies_are_told_by_their_kind(document: dict[str, Any]) -> None:
    def body(path: str, method: str) -> dict[str, Any]:
        return document["paths"][path][method]["requestBody"]["content"]

    reference = {"$ref": "#/components/schemas/NewChild"}
    assert body("/children", "post") == {"application/json": {"schema": reference}}
    form = body("/form", "post")["application/x-www-form-urlencoded"]["schema"]
    assert set(form["properties"]) == {"name", "sex"}
    file = body("/imports", "post")["multipart/form-data"]["schema"]
    assert set(file["properties"]) == {"kind", "sex", "file"}
    assert file["required"] == ["kind"]
    assert body("/any", "post")["application/x-www-form-urlencoded"]["schema"]["type"] == "object"
    assert "requestBody" not in document["paths"]["/children/{id}"]["delete"]


def test_answers_are_told_by_what_the_handler_gives(document: dict[str, Any]) -> None:
    def statuses(path: str, method: str) -> list[str]:
        return list(document["paths"][path][method]["responses"])

    refused = ["409", "422", "429", "500", "503", "504", "507"]
    assert statuses("/children", "get") == ["200", "401", *refused]
    assert statuses("/children", "post") == ["201", "401", "408", "409", "413", *refused[1:]]
    assert statuses("/children/{id}", "get") == ["200", "204", "401", *refused]
    assert statuses("/children/{id}", "delete")[0] == "204"
    assert statuses("/form", "post")[:2] == ["200", "303"]
    assert statuses("/any", "post")[0] == "303"
    assert statuses("/export", "get")[0] == statuses("/imports", "post")[0] == "200"
    assert statuses("/found", "get")[:2] == ["200", "204"]
    found = document["paths"]["/found"]["get"]["responses"]["200"]["content"]["application/json"]["schema"]
    assert found == {"$ref": "#/components/schemas/Child"}
    assert "text/html" in document["paths"]["/form"]["get"]["responses"]["200"]["content"]


def test_problems_and_types_are_components(document: dict[str, Any]) -> None:
    schemas = document["components"]["schemas"]
    assert set(schemas["Problem"]["required"]) == {"type", "title", "status", "code", "detail"}
    assert schemas["Child"]["properties"]["name"]["maxLength"] == 200
    assert schemas["Sex"]["enum"] == ["boy", "girl"]
    reference = document["paths"]["/export"]["get"]["responses"]["422"]["$ref"]
    refused = document["components"]["responses"][reference.rpartition("/")[2]]
    content = refused["content"]["application/problem+json"]["schema"]
    assert content["$ref"] == "#/components/schemas/Problem"
    assert content["properties"]["code"]["enum"] == ["unknown_field", "value_refused"]


def test_what_is_made_has_a_type_a_place_and_a_version(document: dict[str, Any]) -> None:
    made = document["paths"]["/children"]["post"]["responses"]["201"]
    assert made["content"] == {"application/json": {"schema": {"$ref": "#/components/schemas/Child"}}}
    assert set(made["headers"]) == {"location"}
    export = document["paths"]["/export"]["get"]["responses"]["200"]
    assert export["content"] == {"text/csv": {}}


def test_each_code_is_named_where_it_can_come_and_told_once(document: dict[str, Any]) -> None:
    told = document["x-error-codes"]
    named = {
        code
        for response in document["components"]["responses"].values()
        for content in response["content"].values()
        for code in content.get("schema", {}).get("properties", {}).get("code", {}).get("enum", ())
    }
    assert named
    assert named <= told.keys()
    assert all(told[code] for code in named)


def test_a_service_without_routes_has_a_document_too() -> None:
    assert openapi(Registry(), title="Nothing", version="0", security={})["paths"] == {}
