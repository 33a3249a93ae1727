"""What a viewer's pages and answers say in place of small numbers."""

from __future__ import annotations

import re
from collections.abc import AsyncIterator, Callable
from pathlib import Path

import psycopg
import pytest
from serving import OneDatabase, Served, serving

pytestmark = pytest.mark.anyio

WORDS = {"en": ("fewer than 10 children", "withheld"), "km": ("តិចជាង ១០ នាក់", "មិនបង្ហាញ")}


@pytest.fixture
async def site(
    new_database: Callable[[], OneDatabase], tmp_path: Path, anyio_backend: object
) -> AsyncIterator[Served]:
    """An application of its own: what is withheld depends on how many children there are."""
    async with serving(new_database(), tmp_path) as opened:
        yield opened


@pytest.mark.parametrize("language", ["en", "km"])
async def test_the_page_says_what_is_withheld(site: Served, language: str) -> None:
    cast = site.cast
    with psycopg.connect(site.server.conninfo, autocommit=True) as connection:
        connection.execute("update person set language = %s where id = %s", [language, cast.viewer.person_id])
    async with site.client("viewer", by="cookie") as client:
        headers = {"accept-language": language}
        for path in (
            "/figures",
            f"/figures?school={cast.school_a}",
            f"/figures?place={cast.district_1}",
            "/",
        ):
            page = await client.get(path, headers=headers)
            assert page.status_code == 200
            assert all(each in page.text for each in WORDS[language]), path
            assert not re.search(r"n = \d", page.text), path
            assert "boundaries=today" not in page.text
        today = await client.get("/figures?boundaries=today", headers=headers)
        assert today.status_code == 200
    async with site.client("coordinator", by="cookie") as client:
        page = await client.get("/figures")
        assert re.search(r"n = \d", page.text)
        assert "withheld" not in page.text.lower()


async def test_the_api_answers_null_and_says_that_it_withholds(site: Served) -> None:
    cast = site.cast
    asked = {"round_id": cast.round, "subject": "language", "school_id": cast.school_a}
    async with site.client("viewer") as client:
        found = (await client.get("/api/v1/figures", params=asked)).json()
        assert (found["is_withheld"], found["enrolled"], found["assessed"]) == (True, None, None)
        assert {each["count"] for each in found["levels"]} == {None}
        assert {each["share"] for each in found["indicators"]} == {None}
        today = await client.get("/api/v1/figures", params=asked | {"boundaries": "today"})
        assert today.status_code == 422
        classes = (await client.get("/api/v1/classes", params={"school_id": cast.school_a})).json()["items"]
        assert {each["children"] for each in classes} == {None}
    async with site.client("teacher") as client:
        found = (await client.get("/api/v1/figures", params=asked)).json()
        assert (found["is_withheld"], found["enrolled"]) == (False, 5)
