"""The search of the bar: for every role, in the caller's reach, and what programs are told."""

from __future__ import annotations

import re
from html import unescape

import httpx
import pytest
from serving import Served

pytestmark = pytest.mark.anyio
ROLES = ("admin", "coordinator", "mentor", "teacher", "viewer")


def linked(page: str) -> list[str]:
    main = page[page.index('<main id="main"') :]
    return [each for each in re.findall(r'<li><a href="([^"]+)"', main) if each.count("/") == 2]


@pytest.mark.parametrize("role", ROLES)
async def test_every_role_searches_from_every_page(served: Served, role: str) -> None:
    async with served.client(role, by="cookie") as client:
        home = (await client.get("/")).text
        assert re.search(r'<form class="find" method="get" action="/search"', home)
        found = await client.get("/search", params={"search": "alpha"})
        assert found.status_code == 200
        assert f"/schools/{served.cast.school_a}" in linked(found.text)


async def test_what_is_found_opens(served: Served) -> None:
    async with served.client("coordinator", by="cookie") as client:
        for text in ("ដារ៉ា", "beta", "teach", "b0"):
            page = await client.get("/search", params={"search": text})
            found = linked(page.text)
            assert found, text
            for href in found:
                assert (await client.get(href)).status_code == 200, href


async def test_a_viewer_and_somebody_elsewhere_see_no_child(served: Served) -> None:
    for name in ("viewer", "stranger", "mentor_elsewhere"):
        async with served.client(name, by="cookie") as client:
            page = await client.get("/search", params={"search": "Bopha"})
        assert "Nothing is found" in page.text, name
        assert linked(page.text) == []
        async with served.client(name) as client:
            told = (await client.get("/api/v1/search", params={"search": "Bopha"})).json()
        assert "Bopha" not in str(told)
    async with served.client("viewer") as client:
        told = (await client.get("/api/v1/search", params={"search": "Alpha"})).json()
    assert (told["students"], told["people"]) == (None, None)
    assert [each["name_local"] for each in told["schools"]["items"]] == ["Alpha School"]


async def test_the_page_and_programs_find_the_same(served: Served) -> None:
    for role in ROLES:
        async with served.client(role, by="cookie") as client:
            page = await client.get("/search", params={"search": "a"})
        async with served.client(role) as client:
            told = (await client.get("/api/v1/search", params={"search": "a"})).json()
        hrefs = [
            f"/{kind}/{each['id']}"
            for kind in ("students", "schools", "people")
            for each in (told[kind] or {"items": []})["items"]
        ]
        assert linked(page.text) == hrefs, role


async def test_a_blank_or_too_long_text_is_answered_in_words(served: Served) -> None:
    async with served.client("teacher", by="cookie") as client:
        assert (await client.get("/search")).status_code == 200
        assert (await client.get("/search?search=%20")).status_code == 200
    async with served.client("teacher") as client:
        assert (await client.get("/api/v1/search")).status_code == 422
        for text in ("\u200b", "x" * 101):
            refused = await client.get("/api/v1/search", params={"search": text})
            assert refused.status_code == 422
            assert refused.json()["faults"][0]["field"] == "search"


async def test_what_was_typed_is_shown_as_it_was_typed(served: Served) -> None:
    async with served.client("teacher", by="cookie") as client:
        page: httpx.Response = await client.get("/search", params={"search": "<b>\"'&"})
    assert "<b>" not in page.text
    shown = re.search(r'name="search" value="([^"]*)"', page.text[page.text.index("<main") :])
    assert shown is not None
    assert unescape(shown[1]) == "<b>\"'&"
