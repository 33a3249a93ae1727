"""What is asked of an operation: values that its schema allows, faults that it forbids, ids that a list has shown."""

from __future__ import annotations

import json
from typing import Any
from urllib.parse import parse_qs

import pytest

from flatwater.audit.dynamic.asking import BIG_BODY_BYTES, Asker, KnownIds, longest_list
from flatwater.audit.dynamic.document import Operation, operations_of
from flatwater.audit.dynamic.values import value_of

DOCUMENT: dict[str, Any] = {
    "paths": {
        "/schools/{id}": {
            "get": {
                "parameters": [{"name": "id", "in": "path", "schema": {"type": "string", "format": "uuid"}}]
            }
        },
        "/schools": {
            "parameters": [{"$ref": "#/components/parameters/limit"}],
            "get": {
                "parameters": [
                    {
                        "name": "words",
                        "in": "query",
                        "schema": {"anyOf": [{"type": "null"}, {"type": "string"}]},
                    },
                    {"name": "cursor", "in": "query", "schema": {"type": "string"}},
                    {"name": "offset", "in": "query", "schema": {"type": "integer", "minimum": 0}},
                ]
            },
            "post": {
                "requestBody": {
                    "content": {"application/json": {"schema": {"$ref": "#/components/schemas/School"}}}
                }
            },
        },
        "/children": {
            "get": {
                "parameters": [
                    {"name": "school_id", "in": "query", "required": True, "schema": {"type": "string"}}
                ]
            }
        },
        "/files": {
            "post": {
                "requestBody": {
                    "content": {
                        "multipart/form-data": {
                            "schema": {
                                "type": "object",
                                "required": ["file"],
                                "properties": {"file": {"type": "string", "format": "binary"}},
                            }
                        }
                    }
                }
            }
        },
    },
    "components": {
        "parameters": {
            "limit": {"name": "limit", "in": "query", "schema": {"type": "integer", "maximum": 50}}
        },
        "schemas": {
            "Named": {"type": "object", "required": ["name"], "properties": {"name": {"type": "string"}}},
            "School": {
                "allOf": [{"$ref": "#/components/schemas/Named"}],
                "required": ["open"],
                "properties": {
                    "open": {"type": ["null", "boolean"]},
                    "parts": {"type": "array", "items": {"$ref": "#/components/schemas/School"}},
                },
            },
        },
    },
}


def asker(route: str, ids: KnownIds | None = None) -> Asker:
    found = {each.route: each for each in operations_of(DOCUMENT)}
    return Asker(found[route], ids or KnownIds(), 1)


def test_reads_come_first_and_lists_before_what_they_lead_to() -> None:
    assert [each.route for each in operations_of(DOCUMENT)] == [
        "GET /schools",
        "GET /children",
        "GET /schools/{id}",
        "POST /schools",
        "POST /files",
    ]


def test_free_text_is_new_in_each_call_and_optional_parts_come_and_go() -> None:
    asked = [parse_qs(asker("GET /schools").good(number).query) for number in range(4)]
    assert asked[0]["words"] != asked[2]["words"]
    assert "words" not in asked[1]
    assert all("cursor" not in each for each in asked)
    assert asked[0]["limit"] == ["20"]


def test_an_undeclared_parameter_is_sent_only_where_it_is_let_pass() -> None:
    schools = asker("GET /schools")
    assert "flatwater" not in schools.good(3).query
    schools.takes_anything = True
    assert "flatwater=3" in schools.good(3).query


def test_a_body_is_made_of_its_schema_with_references_that_go_in_circles() -> None:
    call = asker("POST /schools").good(1)
    assert set(json.loads(call.body)) == {"name", "open"}
    assert call.media_type == "application/json"


def test_a_form_with_a_file_is_well_formed() -> None:
    call = asker("POST /files").good(1)
    assert b'name="file"; filename="audit.csv"' in call.body
    assert call.body.endswith(b"--flatwater-audit--\r\n")
    assert "boundary=flatwater-audit" in call.media_type


def test_ids_that_a_list_has_shown_are_asked_for() -> None:
    ids = KnownIds()
    ids.learn("/schools", {"items": [{"id": "a"}, {"id": "b"}], "more": []})
    assert [asker("GET /schools/{id}", ids).good(number).path for number in (0, 1, 2)] == [
        "/schools/a",
        "/schools/b",
        "/schools/a",
    ]
    assert parse_qs(asker("GET /children", ids).good(1).query) == {"school_id": ["b"]}


def test_no_more_than_twenty_ids_are_kept() -> None:
    ids = KnownIds()
    ids.learn("/schools", [{"id": number} for number in range(5_000)])
    assert len(ids.find(Operation("GET", "/schools/{id}", ()), "id")) == 20


def test_hostile_calls_are_made_of_what_the_operation_takes() -> None:
    schools = asker("GET /schools")
    page, deep = schools.huge_page(), schools.deep_offset()
    assert page is not None
    assert deep is not None
    assert (parse_qs(page.query)["limit"], parse_qs(deep.query)["offset"]) == (["1000000000"], ["1000000"])
    assert asker("GET /children").huge_page() is None
    assert schools.big_body() is None
    big = asker("POST /schools").big_body()
    assert big is not None
    assert BIG_BODY_BYTES <= len(big.body) < BIG_BODY_BYTES + 1_000
    assert json.loads(big.body)["name"][:3] == "xxx"


def test_faults_are_wrong_types_and_broken_bodies() -> None:
    said = [each.says for each in asker("GET /schools").faulty()]
    assert "limit='not-a-number'" in said
    assert {each.body for each in asker("POST /schools").faulty()} >= {b"", b"null", b'{"'}


@pytest.mark.parametrize(
    ("schema", "allowed"),
    [
        ({"enum": ["a", "b"]}, {"a", "b"}),
        ({"type": "integer", "minimum": 3, "maximum": 4}, {3, 4}),
        ({"type": "integer", "example": 9}, {9}),
        ({"type": "boolean"}, {True, False}),
    ],
)
def test_values_keep_to_their_schema(schema: dict[str, Any], allowed: set[Any]) -> None:
    assert {value_of(schema, number, 1) for number in range(10)} == allowed


def test_the_rows_of_an_answer_are_its_longest_list() -> None:
    assert longest_list([1, 2]) == [1, 2]
    assert longest_list({"a": [1], "b": [1, 2, 3], "c": 4}) == [1, 2, 3]
    assert longest_list("none") == []
