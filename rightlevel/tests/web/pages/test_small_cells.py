"""What a viewer's pages and answers say in place of small numbers."""

from __future__ import annotations

import re

import psycopg
import pytest
from serving import Served

pytestmark = pytest.mark.anyio

WORDS = {"en": ("fewer than 10 children", "withheld"), "km": ("តិចជាង ១០ នាក់", "មិនបង្ហាញ")}


@pytest.mark.parametrize("language", ["en", "km"])
async def test_the_page_says_what_is_withheld(served: Served, language: str) -> None:
    cast = served.cast
    with psycopg.connect(served.server.conninfo, autocommit=True) as connection:
        connection.execute("update person set language = %s where id = %s", [language, cast.viewer.person_id])
    async with served.client("viewer", by="cookie") as client:
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
    async with served.client("coordinator", by="cookie") as client:
        page = await client.get("/figures")
        assert re.search(r"n = \d", page.text)
        assert "withheld" not in page.text.lower()


async def test_the_api_answers_null_and_says_that_it_withholds(served: Served) -> None:
    cast = served.cast
    asked = {"round_id": cast.round, "subject": "language", "school_id": cast.school_a}
    async with served.client("viewer") as client:
        found = (await client.get("/api/v1/figures", params=asked)).json()
        assert (found["is_withheld"], found["enrolled"], found["assessed"]) == (True, None, None)
        assert {each["count"] for each in found["levels"]} == {None}
        assert {each["share"] for each in found["indicators"]} == {None}
        today = await client.get("/api/v1/figures", params=asked | {"boundaries": "today"})
        assert today.status_code == 422
        classes = (await client.get("/api/v1/classes", params={"school_id": cast.school_a})).json()["items"]
        assert {each["children"] for each in classes} == {None}
    async with served.client("teacher") as client:
        found = (await client.get("/api/v1/figures", params=asked)).json()
        assert (found["is_withheld"], found["enrolled"]) == (False, 5)
