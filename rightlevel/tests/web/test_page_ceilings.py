"""Every list in the OpenAPI document is a page with a ceiling, and nobody gets more than that however much they ask for."""

from __future__ import annotations

import json
from typing import Any

import pytest
from asking import own, path_of, query_of
from serving import Served

from flatwater.contract import Endpoint
from flatwater.paging import CEILING_ROWS
from rightlevel.web.app import all_routes
from rightlevel.web.document import document

pytestmark = pytest.mark.anyio

REGISTRY = all_routes()
DOCUMENT: dict[str, Any] = json.loads(document(REGISTRY))
PAGED = [each for each in REGISTRY if each.page is not None and not each.is_page]


def operations() -> list[tuple[str, str, dict[str, Any]]]:
    return [
        (method.upper(), path, operation)
        for path, methods in DOCUMENT["paths"].items()
        for method, operation in methods.items()
    ]


def is_list(schema: dict[str, Any]) -> bool:
    """Whether an answer is many rows: an array, or a thing with `items` and `next`."""
    while "$ref" in schema:
        schema = DOCUMENT["components"]["schemas"][schema["$ref"].rsplit("/", 1)[-1]]
    if schema.get("type") == "array":
        return True
    return {"items", "next"} <= schema.get("properties", {}).keys()


def test_every_list_of_the_document_declares_its_ceiling() -> None:
    lists = 0
    for method, path, operation in operations():
        content = operation["responses"].get("200", {}).get("content", {}).get("application/json")
        if content is None or not is_list(content.get("schema", {})):
            continue
        lists += 1
        limits = [each for each in operation.get("parameters", []) if each["name"] == "limit"]
        assert limits, f"{method} {path} gives many rows without a limit"
        assert limits[0]["schema"]["maximum"] <= CEILING_ROWS, f"{method} {path}"
        assert limits[0]["schema"]["default"] <= limits[0]["schema"]["maximum"]
    assert lists >= 8, "a check that looked at nothing is no check"


@pytest.mark.parametrize("endpoint", PAGED, ids=lambda each: each.path)
async def test_nobody_gets_more_than_the_ceiling(served: Served, endpoint: Endpoint) -> None:
    assert endpoint.page is not None
    ids = own(served.cast)
    async with served.client("admin") as client:
        for limit, is_allowed in (
            (endpoint.page.ceiling, True),
            (endpoint.page.ceiling + 1, False),
            (10**9, False),
            (0, False),
            (-1, False),
        ):
            answer = await client.get(
                path_of(endpoint, ids), params={**query_of(endpoint, ids), "limit": str(limit)}
            )
            if is_allowed:
                assert answer.status_code in (200, 404), answer.text
                assert len(answer.json().get("items", [])) <= endpoint.page.ceiling
            else:
                assert answer.status_code == 422, f"{limit}: {answer.status_code}"
