"""What the document calls optional may be left out: nothing that is judged misses a field that need not be sent."""

from __future__ import annotations

import uuid
from typing import Any

import msgspec
import pytest
from people import NOW
from serving import NewDatabase, Served, serving

from rightlevel.web.app import all_routes
from rightlevel.web.document import document

pytestmark = pytest.mark.anyio

DEPENDS = {
    ("plan_one_draw", "school_id"): "a school or a place",
    ("draw_one_sample", "school_id"): "a school or a place",
    ("set_dates_of_many_schools", "schools"): "rows of schools, or a place",
}
"""Of two fields one is needed: which, the document says in words only."""


class Least:
    """The least that the document lets a request send, with ids of the cast."""

    def __init__(self, told: dict[str, Any], served: Served) -> None:
        self._schemas: dict[str, Any] = told["components"]["schemas"]
        self._served = served

    def of(self, schema: dict[str, Any], name: str = "") -> Any:
        """The least value of a schema; the name says what sort of text or id is meant."""
        if "$ref" in schema:
            return self.of(self._schemas[schema["$ref"].rpartition("/")[2]], name)
        for many in ("anyOf", "oneOf", "allOf"):
            if many in schema:
                return self.of(next(each for each in schema[many] if each.get("type") != "null"), name)
        if "enum" in schema:
            return schema["enum"][0]
        if "const" in schema:
            return schema["const"]
        match schema.get("type"):
            case "object":
                properties = schema.get("properties", {})
                return {each: self.of(properties[each], each) for each in schema.get("required", ())}
            case "array":
                return [self.of(schema.get("items", {}), name)]
            case "integer" | "number":
                return max(1, schema.get("minimum", 1))
            case "boolean":
                return False
            case _:
                return self._text(schema, name)

    def _text(self, schema: dict[str, Any], name: str) -> str:
        if schema.get("format") == "date":
            return NOW.date().isoformat()
        if schema.get("format") == "uuid":
            return self._served.cast.students_a[0] if name.startswith("student") else str(uuid.uuid4())
        return "some text"[: schema.get("maxLength", 9)]

    def optional(self, schema: dict[str, Any]) -> set[str]:
        if "$ref" in schema:
            return self.optional(self._schemas[schema["$ref"].rpartition("/")[2]])
        return set(schema.get("properties", ())) - set(schema.get("required", ()))


async def test_nothing_optional_is_missed(
    new_database: NewDatabase, tmp_path_factory: pytest.TempPathFactory
) -> None:
    async with serving(
        new_database(), tmp_path_factory.mktemp("least")
    ) as own:  # what an admin sends here is done
        await _walk(own)


async def _walk(served: Served) -> None:
    told = msgspec.json.decode(document(all_routes()))
    least = Least(told, served)
    missed: set[tuple[str, str, str]] = set()
    judged = 0
    for path, methods in told["paths"].items():
        for method, operation in methods.items():
            content = operation.get("requestBody", {}).get("content", {}).get("application/json")
            if not path.startswith("/api/v1/") or content is None:
                continue
            schema = content["schema"]
            optional = least.optional(schema)
            address = path
            for parameter in operation.get("parameters", ()):
                if parameter.get("in") == "path":
                    value = least.of(parameter["schema"], parameter["name"])
                    address = address.replace(f"{{{parameter['name']}}}", str(value))
            for who in ("admin", "coordinator", "mentor", "teacher"):
                async with served.client(who) as client:
                    answer = await client.request(method.upper(), address, json=least.of(schema))
                if answer.status_code != 422:
                    continue
                judged += 1
                faults = answer.json().get("faults", ())
                missed |= {
                    (operation["operationId"], each["field"], each["rule"])
                    for each in faults
                    if each["field"].split(".")[0] in optional
                    and (operation["operationId"], each["field"]) not in DEPENDS
                }
    assert judged > 20, "a walk on which nothing was judged is no walk"
    assert missed == set()
